//! What a site is made of, without any protocol: sun, house, battery, cars, the grid.
//!
//! Powers are whole watts per phase and currents whole milliamps, so that sums are exact. What must survive
//! a restart is in a `…State` that serde can save; weather, habits and appliances are functions of seed and
//! time and need no saving.

pub mod battery;
pub mod counter;
pub mod evse;
pub mod grid;
pub mod habit;
pub mod house;
pub mod pv;
pub mod vehicle;

use model::phases::PerPhase;
use model::units::{MilliAmps, MilliVolts, Watts};

/// What flows into one load at one moment, by phase. Generation is negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    pub power: PerPhase<Watts>,
    pub current: PerPhase<MilliAmps>,
}

impl Flow {
    /// A load that takes this power at these voltages and unity power factor.
    #[must_use]
    pub fn of_power(power: PerPhase<Watts>, voltage: PerPhase<MilliVolts>) -> Self {
        Self {
            power,
            current: power.zip(voltage, |watts, volts| watts.current_rounded_down(volts, 1)),
        }
    }

    /// A load that takes these currents.
    #[must_use]
    pub fn of_current(current: PerPhase<MilliAmps>, voltage: PerPhase<MilliVolts>) -> Self {
        Self {
            power: current.zip(voltage, |amps, volts| amps.power(volts, 1)),
            current,
        }
    }
}

impl std::ops::Add for Flow {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            power: self.power + other.power,
            current: self.current + other.current,
        }
    }
}

/// A power that is shared by three phases as evenly as whole watts allow.
#[must_use]
pub fn over_three_phases(power: Watts) -> PerPhase<Watts> {
    let third = power / 3;
    PerPhase::new(power - third - third, third, third)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sharing_loses_no_watt() {
        for watts in [0, 1, 2, 3, 10_000, -1, -10_001] {
            assert_eq!(over_three_phases(Watts(watts)).total(), Watts(watts));
        }
    }
}
