//! Points become model values here, both ways, and nowhere else.
//!
//! | device | on the wire | in the model |
//! |---|---|---|
//! | meter 201 to 204, 211 to 214 | `W` positive: import | import positive |
//! | | `TotWhImp`, `TotWhExp` | `energy_in`, `energy_out` |
//! | inverter 101 to 103, 111 to 113 | `W` positive: production | production negative |
//! | | `WH` | `energy_out` |
//! | battery 802 | `W` positive: unspecified, `ChaSt` says the direction | charging positive |
//!
//! Battery: where `ChaSt` says neither charging nor discharging, positive `W` counts as discharging, the
//! direction in which the standard counts everything that generates. Currents are taken as magnitudes and
//! get the sign of their phase's power.

use model::phases::PerPhase;
use model::reading::{Measured, Quality};
use model::units::{MilliAmps, Watts};

use super::block::{Block, PointError};
use super::image::{Image, ImageError};
use crate::modbus::decimal::Decimal;
use crate::modbus::plausible::signed_currents;

/// Points of a meter that are read.
pub(super) const METER: &[&str] = &[
    "AphA", "AphB", "AphC", "PhVphA", "PhVphB", "PhVphC", "Hz", "W", "WphA", "WphB", "WphC", "TotWhExp",
    "TotWhImp",
];
/// Points of an inverter that are read.
pub(super) const INVERTER: &[&str] = &[
    "AphA", "AphB", "AphC", "PhVphA", "PhVphB", "PhVphC", "W", "Hz", "WH", "St",
];
/// Points of a battery that are read.
pub(super) const BATTERY: &[&str] = &["SoC", "ChaSt", "W"];
/// Points of the storage controls that are read.
pub(super) const STORAGE: &[&str] = &[
    "WChaMax",
    "StorCtl_Mod",
    "ChaState",
    "ChaSt",
    "OutWRte",
    "InWRte",
    "InOutWRte_RvrtTms",
];

/// `St` of an inverter without sun: off and sleeping.
const RESTING: [i64; 2] = [1, 2];
const SLEEPING: i64 = 2;
/// `St` of an inverter that follows the sun.
const TRACKING: i64 = 4;
/// `ChaSt` of a battery, model 124 and 802.
const DISCHARGING: i64 = 3;
const CHARGING: i64 = 4;
const HOLDING: i64 = 6;
/// An event field of a device that is well.
const NO_EVENTS: i64 = 0;

type Mapped = Result<Measured, PointError>;

fn converted<T>(
    block: &Block<'_>,
    name: &str,
    convert: impl Fn(Decimal) -> Option<T>,
) -> Result<Option<T>, PointError> {
    let Some(value) = block.value(name)? else {
        return Ok(None);
    };
    convert(value).map(Some).ok_or_else(|| PointError {
        point: name.to_owned(),
        came: format!("{}e{}", value.digits, value.exponent),
        expected: "a number that fits its unit",
    })
}

/// Three points, when all of them are implemented. A single-phase model has only the first, and nothing
/// flows on the others.
fn three<T: Default>(
    block: &Block<'_>,
    names: [&str; 3],
    convert: impl Fn(Decimal) -> Option<T>,
) -> Result<Option<PerPhase<T>>, PointError> {
    let [a, b, c] = names.map(|name| converted(block, name, &convert));
    let (a, b, c) = (a?, b?, c?);
    let single = block
        .registers
        .first()
        .is_some_and(|id| [101, 111, 201, 211].contains(id));
    Ok(match (a, b, c) {
        (Some(a), Some(b), Some(c)) => Some(PerPhase::new(a, b, c)),
        (Some(a), None, None) if single => Some(PerPhase::new(a, T::default(), T::default())),
        _ => None,
    })
}

fn missing(point: &str, expected: &'static str) -> PointError {
    PointError {
        point: point.to_owned(),
        came: "not implemented".to_owned(),
        expected,
    }
}

/// What a meter model says.
///
/// # Errors
/// When a point is noise, or there is neither a total power nor one per phase.
pub fn read_meter(block: &Block<'_>) -> Mapped {
    let phase_power = three(block, ["WphA", "WphB", "WphC"], Decimal::watts)?;
    let total = converted(block, "W", Decimal::watts)?;
    let power = total.or(phase_power.map(PerPhase::total));
    let power = power.ok_or_else(|| missing("W", "the power of a meter"))?;
    // The sign of an unsigned current on a phase of unknown direction: import, the careful guess.
    let current = three(block, ["AphA", "AphB", "AphC"], Decimal::milli_amps)?
        .map(|currents| signed_currents(currents, phase_power, Watts::ZERO));
    Ok(Measured {
        power: Some(power),
        phase_power,
        current,
        voltage: three(block, ["PhVphA", "PhVphB", "PhVphC"], Decimal::milli_volts)?,
        frequency: converted(block, "Hz", Decimal::milli_hertz)?,
        energy_in: converted(block, "TotWhImp", Decimal::watt_hours)?,
        energy_out: converted(block, "TotWhExp", Decimal::watt_hours)?,
        soc: None,
        quality: if total.is_some() {
            Quality::Measured
        } else {
            Quality::Derived
        },
    })
}

/// What an inverter model says. One that sleeps and gives no power has none.
///
/// # Errors
/// When a point is noise, or a running inverter gives no power.
pub fn read_inverter(block: &Block<'_>) -> Mapped {
    let resting = block.raw("St").is_some_and(|state| RESTING.contains(&state));
    let produced = converted(block, "W", Decimal::watts)?.or(resting.then_some(Watts::ZERO));
    let power = -produced.ok_or_else(|| missing("W", "the power of a running inverter"))?;
    let current = three(block, ["AphA", "AphB", "AphC"], Decimal::milli_amps)?
        .map(|currents| signed_currents(currents, None, power));
    Ok(Measured {
        power: Some(power),
        current,
        voltage: three(block, ["PhVphA", "PhVphB", "PhVphC"], Decimal::milli_volts)?,
        frequency: converted(block, "Hz", Decimal::milli_hertz)?,
        energy_out: converted(block, "WH", Decimal::watt_hours)?,
        ..Measured::default()
    })
}

/// What a battery says: model 802 where there is one, the state of charge of model 124, and the AC side of
/// an inverter model where 802 gives no power.
///
/// # Errors
/// When a point is noise, or nothing says the power.
pub fn read_battery(
    battery: Option<&Block<'_>>,
    storage: Option<&Block<'_>>,
    inverter: Option<&Block<'_>>,
) -> Mapped {
    let soc = match battery {
        Some(battery) => converted(battery, "SoC", Decimal::per_mille)?,
        None => None,
    };
    let soc = match (soc, storage) {
        (None, Some(storage)) => converted(storage, "ChaState", Decimal::per_mille)?,
        (soc, _) => soc,
    };
    let direct = match battery {
        Some(battery) => converted(battery, "W", Decimal::watts)?,
        None => None,
    };
    let state = [battery, storage]
        .into_iter()
        .flatten()
        .find_map(|block| block.raw("ChaSt"));
    if let Some(power) = direct {
        let power = match state {
            Some(CHARGING) => power.abs(),
            Some(DISCHARGING) => -power.abs(),
            Some(_) | None => -power,
        };
        return Ok(Measured {
            power: Some(power),
            soc,
            ..Measured::default()
        });
    }
    let inverter = inverter.ok_or_else(|| missing("W", "the power of a battery"))?;
    Ok(Measured {
        soc,
        ..read_inverter(inverter)?
    })
}

/// Maker, model, version and serial number of model 1, as far as given.
#[must_use]
pub fn read_identity(block: &Block<'_>) -> Option<String> {
    let named = |before: &str, name: &str| block.text(name).map(|text| format!("{before}{text}"));
    let who: Vec<_> = [named("", "Mn"), named("", "Md")].into_iter().flatten().collect();
    let details = [named("version ", "Vr"), named("serial number ", "SN")];
    let parts: Vec<_> = (!who.is_empty())
        .then(|| who.join(" "))
        .into_iter()
        .chain(details.into_iter().flatten())
        .collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Puts what a meter measures into its image (model 203 or 213). Absent members stay as they were.
///
/// # Errors
/// When the image has no such model or a value does not fit.
pub fn write_meter(image: &mut Image, model: u16, measured: &Measured) -> Result<(), ImageError> {
    put(image, model, "W", measured.power)?;
    put(
        image,
        model,
        "PhV",
        measured.voltage.map(|voltage| voltage.total() / 3),
    )?;
    put(image, model, "Evt", Some(NO_EVENTS))?;
    put_three(image, model, ["WphA", "WphB", "WphC"], measured.phase_power)?;
    write_grid_side(image, model, measured)?;
    put(image, model, "TotWhImp", measured.energy_in)?;
    put(image, model, "TotWhExp", measured.energy_out)
}

/// Puts what an inverter measures into its image (model 103 or 113).
///
/// # Errors
/// When the image has no such model or a value does not fit.
pub fn write_inverter(image: &mut Image, model: u16, measured: &Measured) -> Result<(), ImageError> {
    put(image, model, "W", measured.power.map(|power| -power))?;
    let state = measured
        .power
        .map(|power| if power.0 < 0 { TRACKING } else { SLEEPING });
    put(image, model, "St", state)?;
    put(image, model, "Evt1", Some(NO_EVENTS))?;
    put(image, model, "Evt2", Some(NO_EVENTS))?;
    write_grid_side(image, model, measured)?;
    put(image, model, "WH", measured.energy_out)
}

/// Puts what a battery measures into its image (model 802, and 124 where there is one).
///
/// # Errors
/// When the image has no such model or a value does not fit.
pub fn write_battery(image: &mut Image, measured: &Measured) -> Result<(), ImageError> {
    let state = measured.power.map(|power| match power.0 {
        0 => HOLDING,
        1.. => CHARGING,
        _ => DISCHARGING,
    });
    put(image, 802, "W", measured.power.map(|power| -power))?;
    put(image, 802, "SoC", measured.soc)?;
    put(image, 802, "ChaSt", state)?;
    if image.has(124) {
        put(image, 124, "ChaState", measured.soc)?;
        put(image, 124, "ChaSt", state)?;
    }
    Ok(())
}

fn write_grid_side(image: &mut Image, model: u16, measured: &Measured) -> Result<(), ImageError> {
    let magnitudes = measured.current.map(|currents| currents.map(MilliAmps::abs));
    put(image, model, "A", magnitudes.map(PerPhase::total))?;
    put_three(image, model, ["AphA", "AphB", "AphC"], magnitudes)?;
    put_three(image, model, ["PhVphA", "PhVphB", "PhVphC"], measured.voltage)?;
    put(image, model, "Hz", measured.frequency)
}

fn put(
    image: &mut Image,
    model: u16,
    point: &str,
    value: Option<impl Into<Decimal>>,
) -> Result<(), ImageError> {
    value.map_or(Ok(()), |value| image.set(model, point, value))
}

fn put_three(
    image: &mut Image,
    model: u16,
    points: [&str; 3],
    values: Option<PerPhase<impl Into<Decimal>>>,
) -> Result<(), ImageError> {
    let Some(values) = values else { return Ok(()) };
    points
        .into_iter()
        .zip(values.into_array())
        .try_for_each(|(point, value)| image.set(model, point, value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sunspec::image::ModelInstance;
    use model::units::{MilliHertz, MilliVolts, PerMille, WattHours};

    /// An image of one model with these points, all others not implemented.
    fn image(model: u16, points: &[(&str, i64)]) -> Image {
        let mut image = Image::new(&[ModelInstance::new(model)]).unwrap();
        for (point, value) in points {
            image.set(model, point, *value).unwrap();
        }
        image
    }

    fn meter(points: &[(&str, i64)]) -> Mapped {
        read_meter(&image(203, points).block(203).unwrap())
    }

    fn inverter(points: &[(&str, i64)]) -> Mapped {
        read_inverter(&image(103, points).block(103).unwrap())
    }

    fn battery(points: &[(&str, i64)]) -> Mapped {
        read_battery(Some(&image(802, points).block(802).unwrap()), None, None)
    }

    fn check_power(what: &str, mapped: Mapped, expected: Option<i64>) {
        assert_eq!(
            mapped.ok().and_then(|measured| measured.power),
            expected.map(Watts),
            "{what}"
        );
    }

    #[test]
    fn signs_follow_the_table() {
        check_power("import", meter(&[("W", 700)]), Some(700));
        check_power("export", meter(&[("W", -700)]), Some(-700));
        check_power(
            "sum of phases",
            meter(&[("WphA", 5), ("WphB", 6), ("WphC", -20)]),
            Some(-9),
        );
        check_power("no power, no reading", meter(&[("AphA", 5)]), None);
        check_power("production", inverter(&[("W", 5_000)]), Some(-5_000));
        check_power("own consumption at night", inverter(&[("W", -12)]), Some(12));
        check_power("asleep", inverter(&[("St", 2)]), Some(0));
        check_power("running without power", inverter(&[("St", 4)]), None);
        check_power("charging", battery(&[("W", -900), ("ChaSt", 4)]), Some(900));
        check_power(
            "charging, other sign",
            battery(&[("W", 900), ("ChaSt", 4)]),
            Some(900),
        );
        check_power("discharging", battery(&[("W", 900), ("ChaSt", 3)]), Some(-900));
        check_power(
            "discharging, other sign",
            battery(&[("W", -900), ("ChaSt", 3)]),
            Some(-900),
        );
        check_power("direction unknown", battery(&[("W", 900)]), Some(-900));
        check_power("battery without power", battery(&[("ChaSt", 4)]), None);
    }

    #[test]
    fn currents_follow_their_phase() {
        let check = |measured: Mapped, expected: Option<[i64; 3]>| {
            let current = measured
                .unwrap()
                .current
                .map(|current| current.map(|i| i.0).into_array());
            assert_eq!(current, expected);
        };
        let amps = [("AphA", 1), ("AphB", 2), ("AphC", 3), ("W", -60)];
        let powers = [("WphA", 20), ("WphB", -40), ("WphC", -40)];
        check(
            meter(&[&amps[..], &powers[..]].concat()),
            Some([1_000, -2_000, -3_000]),
        );
        check(meter(&amps), Some([1_000, 2_000, 3_000]));
        check(meter(&amps[1..]), None);
        check(
            inverter(&[("AphA", 1), ("AphB", 2), ("AphC", 3), ("W", 60)]),
            Some([-1_000, -2_000, -3_000]),
        );
        let single = image(201, &[("AphA", 7), ("W", 1_600)]);
        check(read_meter(&single.block(201).unwrap()), Some([7_000, 0, 0]));
    }

    #[test]
    fn what_is_written_is_read() {
        let measured = Measured {
            power: Some(Watts(-1_234)),
            phase_power: Some(PerPhase::new(Watts(1_000), Watts(-2_000), Watts(-234))),
            current: Some(PerPhase::new(
                MilliAmps(4_350),
                MilliAmps(-8_700),
                MilliAmps(-1_020),
            )),
            voltage: Some(PerPhase::new(
                MilliVolts(230_100),
                MilliVolts(229_900),
                MilliVolts(231_000),
            )),
            frequency: Some(MilliHertz(49_980)),
            energy_in: Some(WattHours(123_456_789)),
            energy_out: Some(WattHours(42)),
            ..Measured::default()
        };
        let mut meter = image(203, &[]);
        write_meter(&mut meter, 203, &measured).unwrap();
        assert_eq!(read_meter(&meter.block(203).unwrap()), Ok(measured.clone()));

        let produced = Measured {
            phase_power: None,
            current: Some(PerPhase::all(MilliAmps(-1_790))),
            energy_in: None,
            ..measured
        };
        let mut inverter = image(103, &[]);
        write_inverter(&mut inverter, 103, &produced).unwrap();
        assert_eq!(read_inverter(&inverter.block(103).unwrap()), Ok(produced));

        for power in [2_500, -2_500, 0] {
            let stored = Measured {
                power: Some(Watts(power)),
                soc: Some(PerMille(565)),
                ..Measured::default()
            };
            let mut battery = Image::new(&[ModelInstance::new(124), ModelInstance::new(802)]).unwrap();
            write_battery(&mut battery, &stored).unwrap();
            assert_eq!(
                read_battery(battery.block(802).as_ref(), None, None),
                Ok(stored.clone())
            );
            assert_eq!(
                battery.get(124, "ChaState").and_then(Decimal::per_mille),
                stored.soc
            );
        }
    }

    #[test]
    fn identity_names_what_is_there() {
        let mut common = Image::new(&[ModelInstance::new(1)]).unwrap();
        assert_eq!(read_identity(&common.block(1).unwrap()), None);
        common.set_text(1, "Md", "PV 10").unwrap();
        common.set_text(1, "SN", "007").unwrap();
        let identity = read_identity(&common.block(1).unwrap());
        assert_eq!(identity.as_deref(), Some("PV 10, serial number 007"));
        common.set_text(1, "Mn", "Acme").unwrap();
        common.set_text(1, "Vr", "1.2").unwrap();
        let identity = read_identity(&common.block(1).unwrap());
        assert_eq!(
            identity.as_deref(),
            Some("Acme PV 10, version 1.2, serial number 007")
        );
    }
}
