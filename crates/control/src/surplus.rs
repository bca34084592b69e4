//! What the sun leaves over for cars.
//!
//! By the balance `grid = house + evses + battery + pv`, what solar cars may draw is what they draw now,
//! minus the import, plus what the battery could do without. Everything else (house, cars in other modes,
//! the minimum of Min+Solar cars) is in the grid reading already.

use model::units::{MilliVolts, Watts};

use crate::snapshot::Sun;

/// What may be added to the draw of solar cars, negative when it must shrink, in mA summed over the phases.
///
/// `None` without a grid reading, and when a battery that was part of the balance has fallen silent:
/// it may be feeding the cars.
pub(crate) fn spare(sun: &Sun, has_battery: bool, voltage: MilliVolts) -> Option<i64> {
    let grid = watts(sun.grid?);
    let battery = match sun.battery {
        Some(battery) => {
            let is_first = battery.soc.is_none_or(|soc| soc < battery.priority_below);
            watts(battery.power)
                - if is_first {
                    watts(battery.max_charge).max(0)
                } else {
                    0
                }
        }
        None if has_battery => return None,
        None => 0,
    };
    Some(to_current(battery - grid, voltage))
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

    fn check(grid: i64, battery: Option<(i64, i64)>, has_battery: bool, expected: Option<i64>) {
        let battery = battery.map(|(power, soc)| BatteryState {
            power: Watts(power),
            soc: (soc >= 0).then_some(PerMille(soc)),
            max_charge: Watts(4_600),
            priority_below: PerMille(300),
        });
        let sun = Sun {
            grid: Some(Watts(grid)),
            pv: None,
            battery,
        };
        assert_eq!(spare(&sun, has_battery, VOLTAGE), expected, "{sun:?}");
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
        assert_eq!(spare(&Sun::default(), false, VOLTAGE), None);
    }

    #[test]
    fn absurd_voltages_leave_the_least_current() {
        assert_eq!(voltage(MilliVolts(0)), MilliVolts(253_000));
        assert_eq!(voltage(MilliVolts(235_000)), MilliVolts(235_000));
    }
}
