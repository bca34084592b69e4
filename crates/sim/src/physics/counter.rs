//! Energy counters that never run backwards.

use model::time::Millis;
use model::units::{WattHours, Watts};
use serde::{Deserialize, Serialize};

const MJ_PER_WH: i64 = 3_600_000;

/// One direction. Whole watt-hours and the millijoules on the way to the next one, so that nothing is lost
/// to rounding however short the steps are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counter {
    wh: i64,
    rest_mj: i64,
}

impl Counter {
    /// A counter of a device that has been in use for years. There is room below for a past to be made up,
    /// and no register says zero, which would be read as "has no such counter".
    #[must_use]
    pub const fn used() -> Self {
        Self {
            wh: 20_000_000,
            rest_mj: 0,
        }
    }

    /// Adds a power held for a while; negative power is not counted.
    pub fn add(&mut self, power: Watts, span: Millis) {
        let mj = self.rest_mj + power.at_least_zero().0.saturating_mul(span.0.max(0));
        self.wh = self.wh.saturating_add(mj / MJ_PER_WH);
        self.rest_mj = mj % MJ_PER_WH;
    }

    #[must_use]
    pub const fn energy(&self) -> WattHours {
        WattHours(self.wh)
    }
}

/// Both directions of one connection, over the sum of its phases as billing meters count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwoWay {
    /// What flowed into the thing named.
    pub into: Counter,
    /// What flowed out of it.
    pub out: Counter,
}

impl TwoWay {
    /// See [`Counter::used`].
    #[must_use]
    pub const fn used() -> Self {
        Self {
            into: Counter::used(),
            out: Counter::used(),
        }
    }

    pub fn add(&mut self, power: Watts, span: Millis) {
        self.into.add(power, span);
        self.out.add(-power, span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_steps_add_up_to_the_same_energy_as_long_ones() {
        let count = |steps: i64, span: i64| {
            let mut counter = TwoWay::default();
            (0..steps).for_each(|_| counter.add(Watts(1_237), Millis(span)));
            (counter.into.energy(), counter.out.energy())
        };
        assert_eq!(count(36_000, 100), (WattHours(1_237), WattHours(0)));
        assert_eq!(count(360, 10_000), (WattHours(1_237), WattHours(0)));
    }

    #[test]
    fn only_its_own_direction_moves_a_counter() {
        let mut counter = Counter::used();
        let before = counter.energy();
        counter.add(Watts(-10_000), Millis(3_600_000));
        counter.add(Watts(10_000), Millis(-3_600_000));
        assert_eq!(counter.energy(), before);
    }
}
