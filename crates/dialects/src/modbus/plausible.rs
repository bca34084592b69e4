//! What every reading must be before it is believed, and the sign of currents.
//!
//! Looks at values, not at devices: a register that answers with noise must not become a current.

use model::phases::{PerPhase, Phase};
use model::reading::Measured;
use model::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, WattHours, Watts};

/// The largest service fuse of a low-voltage connection.
pub(crate) const MAX_CURRENT: MilliAmps = MilliAmps(6_300_000);
/// Low voltage ends at 1 kV; a little above for the tolerance of meters.
pub(crate) const MAX_VOLTAGE: MilliVolts = MilliVolts(1_200_000);
/// [`MAX_CURRENT`] on three phases at 690 V.
pub(crate) const MAX_POWER: Watts = Watts(13_000_000);
/// Ten years at [`MAX_POWER`].
const MAX_ENERGY: WattHours = WattHours(1_200_000_000_000);
const MAX_FREQUENCY: MilliHertz = MilliHertz(100_000);
const FULL: PerMille = PerMille(1_000);

/// The first value that cannot be, as `current of L2 is 7000000 mA, expected at most 6300000 mA`.
pub(crate) fn check(measured: &Measured) -> Result<(), Implausible> {
    at_most("power", measured.power, MAX_POWER.0, |power| power.abs().0)?;
    per_phase("power", measured.phase_power, MAX_POWER.0, |power| power.abs().0)?;
    per_phase("current", measured.current, MAX_CURRENT.0, |current| {
        current.abs().0
    })?;
    per_phase("voltage", measured.voltage, MAX_VOLTAGE.0, |voltage| {
        not_negative(voltage.0)
    })?;
    at_most("frequency", measured.frequency, MAX_FREQUENCY.0, |frequency| {
        not_negative(frequency.0)
    })?;
    at_most("energy in", measured.energy_in, MAX_ENERGY.0, |energy| {
        not_negative(energy.0)
    })?;
    at_most("energy out", measured.energy_out, MAX_ENERGY.0, |energy| {
        not_negative(energy.0)
    })?;
    at_most("state of charge", measured.soc, FULL.0, |soc| not_negative(soc.0))
}

/// A value beyond what can be, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Implausible {
    pub(crate) came: String,
    pub(crate) expected: String,
}

/// Quantities without a sign: a negative one is as wrong as one that is too large.
const fn not_negative(value: i64) -> i64 {
    if value < 0 { i64::MAX } else { value }
}

fn per_phase<T: Copy + std::fmt::Display>(
    name: &str,
    values: Option<PerPhase<T>>,
    limit: i64,
    magnitude: impl Fn(T) -> i64,
) -> Result<(), Implausible> {
    let Some(values) = values else { return Ok(()) };
    Phase::ALL.into_iter().try_for_each(|phase| {
        at_most(
            &format!("{name} of {}", phase.name()),
            Some(values[phase]),
            limit,
            &magnitude,
        )
    })
}

fn at_most<T: Copy + std::fmt::Display>(
    name: &str,
    value: Option<T>,
    limit: i64,
    magnitude: impl Fn(T) -> i64,
) -> Result<(), Implausible> {
    match value {
        Some(value) if magnitude(value) > limit => Err(Implausible {
            came: format!("{name} is {value}"),
            expected: format!("a magnitude up to {limit}"),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Currents with the sign of their phase's power. Where that is not measured, `otherwise` decides for all.
pub(crate) fn signed_currents(
    currents: PerPhase<MilliAmps>,
    phase_power: Option<PerPhase<Watts>>,
    otherwise: Watts,
) -> PerPhase<MilliAmps> {
    let power = phase_power.unwrap_or(PerPhase::all(otherwise));
    currents.zip(power, |current, power| {
        if power.0 < 0 {
            -current.abs()
        } else {
            current.abs()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn currents_take_the_sign_of_their_phase() {
        let amps = |l1, l2, l3| PerPhase::new(MilliAmps(l1), MilliAmps(l2), MilliAmps(l3));
        let watts = Some(PerPhase::new(Watts(5), Watts(-5), Watts(0)));
        assert_eq!(signed_currents(amps(1, 2, 3), watts, Watts(0)), amps(1, -2, 3));
        assert_eq!(signed_currents(amps(-1, -2, -3), watts, Watts(0)), amps(1, -2, 3));
        assert_eq!(signed_currents(amps(1, 2, 3), None, Watts(-1)), amps(-1, -2, -3));
        assert_eq!(signed_currents(amps(1, 2, 3), None, Watts(0)), amps(1, 2, 3));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let amps = |l2| Measured {
            current: Some(PerPhase::new(MilliAmps(0), MilliAmps(l2), MilliAmps(0))),
            ..Measured::default()
        };
        assert_eq!(check(&amps(-6_300_000)), Ok(()));
        let problem = check(&amps(-6_300_001)).unwrap_err();
        assert_eq!(problem.came, "current of L2 is -6300001 mA");
        for measured in [
            Measured {
                power: Some(Watts(i64::MIN)),
                ..Measured::default()
            },
            Measured {
                soc: Some(PerMille(1_001)),
                ..Measured::default()
            },
            Measured {
                soc: Some(PerMille(-1)),
                ..Measured::default()
            },
            Measured {
                frequency: Some(MilliHertz(100_001)),
                ..Measured::default()
            },
            Measured {
                voltage: Some(PerPhase::all(MilliVolts(-1))),
                ..Measured::default()
            },
            Measured {
                energy_in: Some(WattHours(-1)),
                ..Measured::default()
            },
        ] {
            assert!(check(&measured).is_err(), "{measured:?}");
        }
    }
}
