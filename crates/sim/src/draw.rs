//! Seeded chance without a state to save.
//!
//! Every draw is a function of the seed, a purpose and an index (a day, a cell of time): the same world can
//! be stepped finely or coarsely, stopped and restored, and still has the same weather and the same trips.

use model::spread;
use model::time::Timestamp;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::number::{as_f64, rounded};

/// A source of draws for one purpose.
#[derive(Clone, Copy, Debug)]
pub struct Draws {
    seed: u64,
    purpose: u64,
}

impl Draws {
    #[must_use]
    pub fn new(seed: u64, purpose: &str) -> Self {
        let purpose = spread::hash(spread::START, purpose.as_bytes());
        Self { seed, purpose }
    }

    /// The dice of one index; thrown again they fall the same.
    #[must_use]
    pub fn at(&self, index: i64) -> Dice {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&self.purpose.to_le_bytes());
        key[16..24].copy_from_slice(&index.to_le_bytes());
        Dice(ChaCha8Rng::from_seed(key))
    }
}

/// Draws in a row.
#[derive(Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// 0 up to, and not including, 1.
    pub fn unit(&mut self) -> f64 {
        let high = u32::try_from(self.0.next_u64() >> 32).unwrap_or(u32::MAX);
        f64::from(high) / 4_294_967_296.0
    }

    /// A whole number of the range, both ends included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        (low + rounded(self.unit() * as_f64(high - low + 1) - 0.5)).clamp(low, high)
    }

    /// Whether something with this likelihood in thousandths happens.
    pub fn happens(&mut self, permille: i64) -> bool {
        self.between(0, 999) < permille
    }
}

/// A smooth random walk around zero, between -1 and 1, that changes over about one period.
#[derive(Clone, Debug)]
pub struct Noise {
    draws: Draws,
    period_ms: i64,
    /// The cell looked at last and the heights at its ends: most steps stay in one cell.
    cell: Option<(i64, f64, f64)>,
}

impl Noise {
    #[must_use]
    pub fn new(seed: u64, purpose: &str, period_ms: i64) -> Self {
        Self {
            draws: Draws::new(seed, purpose),
            period_ms: period_ms.max(1),
            cell: None,
        }
    }

    pub fn at(&mut self, time: Timestamp) -> f64 {
        let cell = time.0.div_euclid(self.period_ms);
        let (from, to) = match self.cell {
            Some((known, from, to)) if known == cell => (from, to),
            Some(_) | None => {
                let ends = (self.height(cell), self.height(cell + 1));
                self.cell = Some((cell, ends.0, ends.1));
                ends
            }
        };
        let x = as_f64(time.0.rem_euclid(self.period_ms)) / as_f64(self.period_ms);
        from + (to - from) * x * x * (3.0 - 2.0 * x)
    }

    fn height(&self, cell: i64) -> f64 {
        self.draws.at(cell).unit() * 2.0 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_repeat_and_differ_by_seed_purpose_and_index() {
        let draw = |seed, purpose, index| Draws::new(seed, purpose).at(index).unit();
        assert_eq!(draw(1, "a", 1).to_bits(), draw(1, "a", 1).to_bits());
        for (seed, purpose, index) in [(2, "a", 1), (1, "b", 1), (1, "a", 2), (1, "a", -1)] {
            assert_ne!(
                draw(1, "a", 1).to_bits(),
                draw(seed, purpose, index).to_bits(),
                "{seed} {purpose} {index}"
            );
        }
    }

    #[test]
    fn whole_numbers_reach_both_ends_and_no_further() {
        let draws = Draws::new(7, "ends");
        let drawn: std::collections::BTreeSet<i64> =
            (0..500).map(|index| draws.at(index).between(-2, 3)).collect();
        assert_eq!(drawn.into_iter().collect::<Vec<_>>(), [-2, -1, 0, 1, 2, 3]);
        assert!(!draws.at(0).happens(0));
        assert!(draws.at(0).happens(1_000));
    }

    #[test]
    fn noise_is_smooth_bounded_and_not_flat() {
        let mut noise = Noise::new(3, "clouds", 60_000);
        let values: Vec<f64> = (0..3_600)
            .map(|second| noise.at(Timestamp(second * 1_000)))
            .collect();
        let step = values
            .windows(2)
            .map(|pair| (pair[1] - pair[0]).abs())
            .fold(0.0, f64::max);
        assert!(step < 0.06, "{step}");
        assert!(values.iter().all(|value| value.abs() <= 1.0));
        assert!(values.iter().any(|value| *value > 0.5) && values.iter().any(|value| *value < -0.5));
    }
}
