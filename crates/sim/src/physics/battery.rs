//! A home battery that keeps the grid at zero, or does what it is told.

use model::time::Millis;
use model::units::{PerMille, WattHours, Watts};
use serde::{Deserialize, Serialize};

use crate::number::{as_f64, lag_share, rounded};
use crate::physics::counter::TwoWay;

/// A battery with its own inverter on three phases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatterySettings {
    pub capacity: WattHours,
    pub max_charge: Watts,
    pub max_discharge: Watts,
    /// Never discharged below.
    pub min_soc: PerMille,
    pub initial_soc: PerMille,
}

/// What outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatteryState {
    content_mj: i64,
    /// Positive charges.
    power: Watts,
    pub energy: TwoWay,
}

/// Bounds within which its own logic may act; both the same is an exact command. Forgotten at a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    pub at_least: Option<Watts>,
    /// Wins where both contradict each other.
    pub at_most: Option<Watts>,
}

impl Bounds {
    fn clamp(self, wish: Watts) -> Watts {
        let raised = self.at_least.map_or(wish, |least| wish.max(least));
        self.at_most.map_or(raised, |most| raised.min(most))
    }
}

#[derive(Clone, Debug)]
pub struct Battery {
    settings: BatterySettings,
    bounds: Bounds,
    state: BatteryState,
}

const MJ_PER_WH: i64 = 3_600_000;
/// Of one direction.
const EFFICIENCY_PERMILLE: i64 = 960;
/// How fast power follows what is wanted.
const LAG_MS: i64 = 2_500;
/// Its own logic leaves a deviation this small alone.
const DEAD_BAND: Watts = Watts(15);

impl Battery {
    #[must_use]
    pub fn new(settings: BatterySettings) -> Self {
        let content_mj = settings.capacity.0 * MJ_PER_WH / 1_000 * settings.initial_soc.0.clamp(0, 1_000);
        let state = BatteryState {
            content_mj,
            power: Watts::ZERO,
            energy: TwoWay::default(),
        };
        Self::restored(settings, state)
    }

    #[must_use]
    pub const fn restored(settings: BatterySettings, state: BatteryState) -> Self {
        Self {
            settings,
            bounds: Bounds {
                at_least: None,
                at_most: None,
            },
            state,
        }
    }

    #[must_use]
    pub const fn state(&self) -> &BatteryState {
        &self.state
    }

    #[must_use]
    pub const fn settings(&self) -> &BatterySettings {
        &self.settings
    }

    /// Keeps its own logic within bounds from now on.
    pub fn bound(&mut self, bounds: Bounds) {
        self.bounds = bounds;
    }

    /// The state of charge, rounded down.
    #[must_use]
    pub fn soc(&self) -> PerMille {
        let full = self.settings.capacity.0 * MJ_PER_WH / 1_000;
        PerMille(
            self.state
                .content_mj
                .checked_div(full)
                .unwrap_or(0)
                .clamp(0, 1_000),
        )
    }

    /// What it takes (positive) or gives at the moment.
    #[must_use]
    pub const fn power(&self) -> Watts {
        self.state.power
    }

    /// Goes on for a while, next to a site that takes `others` without it.
    pub fn step(&mut self, others: Watts, span: Millis) -> Watts {
        let is_near = (others + self.state.power).abs() <= DEAD_BAND;
        let wanted = self
            .bounds
            .clamp(if is_near { self.state.power } else { -others });
        let target = Watts(wanted.0.clamp(-self.may_discharge().0, self.may_charge().0));
        let step = rounded(as_f64((target - self.state.power).0) * lag_share(span.0, LAG_MS));
        let power = self.state.power + Watts(step);
        // An empty or full battery stops at once, however slow its inverter otherwise is.
        let power = Watts(power.0.clamp(-self.may_discharge().0, self.may_charge().0));
        self.state.power = power;
        self.state.energy.add(power, span);

        let mj = power.0 * span.0.max(0);
        let stored = if mj >= 0 {
            mj * EFFICIENCY_PERMILLE / 1_000
        } else {
            mj * 1_000 / EFFICIENCY_PERMILLE
        };
        self.state.content_mj =
            (self.state.content_mj + stored).clamp(0, self.settings.capacity.0 * MJ_PER_WH);
        power
    }

    /// Cells take less from 90 % on, nothing when full.
    fn may_charge(&self) -> Watts {
        let left = 1_000 - self.soc().0;
        let most = self.settings.max_charge.at_least_zero();
        if left >= 100 { most } else { most * left / 100 }
    }

    fn may_discharge(&self) -> Watts {
        if self.soc() > self.settings.min_soc {
            self.settings.max_discharge.at_least_zero()
        } else {
            Watts::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn battery(soc: i64) -> Battery {
        Battery::new(BatterySettings {
            capacity: WattHours(10_000),
            max_charge: Watts(5_000),
            max_discharge: Watts(4_000),
            min_soc: PerMille(50),
            initial_soc: PerMille(soc),
        })
    }

    fn after(battery: &mut Battery, others: i64, seconds: i64) -> (i64, i64) {
        (0..seconds).for_each(|_| {
            battery.step(Watts(others), Millis(1_000));
        });
        (battery.power().0, battery.soc().0)
    }

    #[test]
    fn its_own_logic_brings_the_grid_to_zero_within_its_power() {
        for (soc, others, expected) in [
            (500, -2_000, 2_000),
            (500, 2_000, -2_000),
            (500, -9_000, 5_000),
            (500, 9_000, -4_000),
            (1_000, -2_000, 0),
            (50, 2_000, 0),
        ] {
            let (power, _) = after(&mut battery(soc), others, 30);
            assert!(
                (power - expected).abs() <= 20,
                "{soc} ‰ beside {others} W: {power} W"
            );
        }
    }

    #[test]
    fn a_command_overrules_its_own_logic_until_handed_back() {
        let mut battery = battery(500);
        let exact = Some(Watts(1_500));
        battery.bound(Bounds {
            at_least: exact,
            at_most: exact,
        });
        assert!((after(&mut battery, 3_000, 30).0 - 1_500).abs() <= 5);
        battery.bound(Bounds {
            at_least: None,
            at_most: Some(Watts(-500)),
        });
        assert!((after(&mut battery, -3_000, 30).0 + 500).abs() <= 5);
        battery.bound(Bounds::default());
        assert!((after(&mut battery, 3_000, 30).0 + 3_000).abs() <= 20);
    }

    #[test]
    fn a_cycle_loses_what_efficiency_says_and_never_leaves_its_ends() {
        let mut battery = battery(500);
        let (_, full) = after(&mut battery, -20_000, 5 * 3_600);
        assert!(full > 950, "{full}");
        let (power, empty) = after(&mut battery, 20_000, 5 * 3_600);
        assert_eq!((power, empty), (0, 50));
        let (taken, given) = (
            battery.state().energy.into.energy().0,
            battery.state().energy.out.energy().0,
        );
        assert!(
            (4_900..5_300).contains(&taken) && (8_900..9_200).contains(&given),
            "{taken} in, {given} out"
        );
    }
}
