//! What other loads come to in each hour of the week: 99.9 % of the time it is less.
//!
//! A meter that falls silent leaves the load of its last minute behind, which may have been a quiet one.
//! From the moment on at which the silence is reported until it is given up on, the learned load of the
//! hour counts instead where it is higher.
//!
//! One number per hour and phase. It rises by 999 parts when the load is above it and falls by one when it is
//! not, which settles where the load is above it in one second of a thousand.

use model::time::{Millis, Monotonic};
use serde::{Deserialize, Serialize};

/// Hours of a week.
pub(crate) const HOURS: usize = 168;
/// Learned once in so long, however often the cycle runs.
const EVERY: Millis = Millis(1_000);
/// Parts of a mA.
const PARTS: i64 = 4;
const UP: i64 = 999;
const UNKNOWN: i32 = i32::MIN;

/// The load of a circuit by hour and phase.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Learned {
    /// Empty before the first hour.
    hours: Vec<[i32; 3]>,
    #[serde(skip)]
    at: Option<Monotonic>,
}

impl Learned {
    pub(crate) fn learn(&mut self, hour: u8, load: [i64; 3], now: Monotonic) {
        if self.at.is_some_and(|at| now - at < EVERY) {
            return;
        }
        self.at = Some(now);
        if self.hours.len() != HOURS {
            self.hours.clear();
            self.hours.resize(HOURS, [UNKNOWN; 3]);
        }
        let Some(kept) = self.hours.get_mut(usize::from(hour)) else {
            return;
        };
        for (kept, load) in kept.iter_mut().zip(load) {
            let load = load.saturating_mul(PARTS);
            let next = match i64::from(*kept) {
                _ if *kept == UNKNOWN => load,
                known if load > known => known + UP,
                known => known - 1,
            };
            *kept = i32::try_from(next).unwrap_or(if next > 0 { i32::MAX } else { UNKNOWN + 1 });
        }
    }

    /// What each phase and their sum carry in an hour of the week, mA.
    pub(crate) fn load(&self, hour: u8) -> Option<[i64; 4]> {
        let kept = self.hours.get(usize::from(hour))?;
        if kept.contains(&UNKNOWN) {
            return None;
        }
        let [l1, l2, l3] = kept.map(|kept| i64::from(kept).div_euclid(PARTS));
        Some([l1, l2, l3, l1 + l2 + l3])
    }

    /// What is to be kept: times mean nothing in another process, or when the clock has gone backwards.
    pub(crate) fn kept(&self) -> Self {
        Self {
            hours: self.hours.clone(),
            at: None,
        }
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.hours.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kettle_is_remembered_and_a_quiet_house_is_too() {
        let mut learned = Learned::default();
        assert_eq!(learned.load(7), None);
        // Two weeks of an hour with a kettle for three minutes.
        for second in 0..7_200_i64 {
            let kettle = second % 3_600 > 3_400 && second % 3_600 < 3_580;
            let load = if kettle { 11_000 } else { 2_000 };
            learned.learn(7, [load, 2_000, -500], Monotonic(second * 1_000));
        }
        let [l1, l2, l3, _] = learned.load(7).unwrap();
        assert!((9_800..11_300).contains(&l1), "{l1}");
        assert!((1_900..2_300).contains(&l2), "{l2}");
        assert!((-600..0).contains(&l3), "{l3}");
        assert_eq!(learned.load(8), None);
    }

    #[test]
    fn odd_hours_and_loads_are_no_trouble() {
        let mut learned = Learned::default();
        learned.learn(200, [1; 3], Monotonic(0));
        for (second, load) in [(1, i64::MAX), (2, i64::MIN), (3, 0)] {
            learned.learn(0, [load; 3], Monotonic(second * 1_000));
        }
        assert!(learned.load(0).is_some());
        assert_eq!(learned.load(200), None);
    }
}
