//! What the sun leaves over for cars.
//!
//! By the balance `grid = house + evses + battery + pv`, what solar cars may draw is what they draw now,
//! minus the import, plus what the battery could do without. Everything else (house, cars in other modes,
//! the minimum of Min+Solar cars) is in the grid reading already.

use model::units::{MilliVolts, PerMille, Watts};

use crate::snapshot::Sun;

/// What may be added to the draw of solar cars, negative when it must shrink, in mA summed over the phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Spare {
    /// For all of them together.
    pub all: i64,
    /// For those that come after the battery.
    pub late: i64,
    /// Of that so much comes from the battery and is only for those that charge already.
    pub aside: i64,
}

/// `None` without a grid reading, and when a battery that was part of the balance has fallen silent:
/// it may be feeding the cars. `evses` is what all cars draw, W, for sites that do not measure at their grid
/// connection.
pub(crate) fn spare(sun: &Sun, evses: i64, has_battery: bool, voltage: MilliVolts) -> Option<Spare> {
    let power = sun.battery.map_or(0, |battery| watts(battery.power));
    if sun.battery.is_none() && has_battery {
        return None;
    }
    let grid = match (sun.grid, sun.house, sun.pv) {
        (Some(grid), _, _) => watts(grid),
        (None, Some(house), Some(pv)) => watts(house) + watts(pv) + power + evses,
        (None, _, _) => return None,
    };
    let left = power - grid;
    let Some(battery) = sun.battery else {
        return Some(Spare {
            all: to_current(left, voltage),
            late: to_current(left, voltage),
            aside: 0,
        });
    };
    let is_above = |from: Option<PerMille>| battery.soc.zip(from).is_some_and(|(soc, from)| soc >= from);
    let is_first = battery.soc.is_none_or(|soc| soc < battery.priority_below);
    let reserve = if is_first {
        watts(battery.max_charge).max(0)
    } else {
        0
    };
    let given = if is_above(battery.buffer_from) && !is_first {
        watts(battery.max_discharge).max(0)
    } else {
        0
    };
    Some(Spare {
        all: to_current(left + given, voltage),
        late: to_current(left + given - reserve, voltage),
        aside: if is_above(battery.start_from) {
            0
        } else {
            to_current(given, voltage)
        },
    })
}

fn watts(power: Watts) -> i64 {
    power.0.clamp(-1_000_000_000, 1_000_000_000)
}

/// Watts as mA summed over the phases, rounded down.
pub(crate) fn to_current(watts: i64, voltage: MilliVolts) -> i64 {
    (watts.clamp(-4_000_000_000, 4_000_000_000) * 1_000_000).div_euclid(voltage.0)
}

/// The voltage to reckon with. An absurd one becomes the highest a grid may have, at which a power limit
/// leaves the least current.
pub(crate) fn voltage(snapshot: MilliVolts) -> MilliVolts {
    const LOWEST: i64 = 100_000;
    const HIGHEST: i64 = 500_000;
    if (LOWEST..=HIGHEST).contains(&snapshot.0) {
        snapshot
    } else {
        MilliVolts(253_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::BatteryState;
    use model::units::PerMille;

    const VOLTAGE: MilliVolts = MilliVolts(230_000);

    fn battery(power: i64, soc: i64) -> BatteryState {
        BatteryState {
            power: Watts(power),
            soc: (soc >= 0).then_some(PerMille(soc)),
            max_charge: Watts(4_600),
            priority_below: PerMille(300),
            buffer_from: None,
            start_from: None,
            max_discharge: Watts(2_300),
        }
    }

    fn check(grid: i64, state: Option<(i64, i64)>, has_battery: bool, expected: Option<i64>) {
        let sun = Sun {
            grid: Some(Watts(grid)),
            battery: state.map(|(power, soc)| battery(power, soc)),
            ..Sun::default()
        };
        let spare = spare(&sun, 0, has_battery, VOLTAGE);
        assert_eq!(spare.map(|spare| spare.late), expected, "{sun:?}");
    }

    #[test]
    fn surplus_is_what_flows_out_and_what_the_battery_could_do_without() {
        check(-2_300, None, false, Some(10_000));
        check(1_150, None, false, Some(-5_000));
        // The battery has enough: what it takes counts as left over.
        check(0, Some((2_300, 800)), true, Some(10_000));
        // A discharging battery feeds the cars: that is not sun.
        check(0, Some((-2_300, 800)), true, Some(-10_000));
        // The battery comes first, also while its state of charge is unknown.
        check(-2_300, Some((4_600, 100)), true, Some(10_000));
        check(0, Some((2_300, 100)), true, Some(-10_000));
        check(0, Some((2_300, -1)), true, Some(-10_000));
        // It has fallen silent.
        check(-2_300, None, true, None);
        assert_eq!(spare(&Sun::default(), 0, false, VOLTAGE), None);
    }

    #[test]
    fn who_comes_before_the_battery_has_what_it_would_take() {
        let sun = Sun {
            grid: Some(Watts(0)),
            battery: Some(battery(2_300, 100)),
            ..Sun::default()
        };
        let spare = spare(&sun, 0, true, VOLTAGE).unwrap();
        assert_eq!((spare.all, spare.late), (10_000, -10_000));
    }

    #[test]
    fn a_full_battery_helps_those_that_charge_and_then_those_that_start() {
        let at = |soc| {
            let battery = BatteryState {
                buffer_from: Some(PerMille(600)),
                start_from: Some(PerMille(900)),
                ..battery(0, soc)
            };
            let sun = Sun {
                grid: Some(Watts(0)),
                battery: Some(battery),
                ..Sun::default()
            };
            let spare = spare(&sun, 0, true, VOLTAGE).unwrap();
            (spare.late, spare.aside)
        };
        assert_eq!(
            [at(500), at(600), at(900)],
            [(0, 0), (10_000, 10_000), (10_000, 0)]
        );
    }

    #[test]
    fn without_a_meter_the_sun_is_what_the_house_does_not_take() {
        let sun = |house: Option<i64>| Sun {
            pv: Some(Watts(-4_600)),
            house: house.map(Watts),
            ..Sun::default()
        };
        let late = |house, evses| spare(&sun(house), evses, false, VOLTAGE).map(|spare| spare.late);
        assert_eq!(late(Some(690), 0), Some(17_000));
        assert_eq!(late(Some(690), 2_300), Some(7_000));
        assert_eq!(late(None, 0), None);
    }

    #[test]
    fn absurd_voltages_leave_the_least_current() {
        assert_eq!(voltage(MilliVolts(0)), MilliVolts(253_000));
        assert_eq!(voltage(MilliVolts(235_000)), MilliVolts(235_000));
    }
}
