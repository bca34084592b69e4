//! How long to wait before a link that ended is started again.

use std::hash::{DefaultHasher, Hash, Hasher};

use model::time::Millis;

const FIRST: Millis = Millis(1_000);
const LONGEST: Millis = Millis(60_000);

/// A link that ran for so long had recovered; its next end counts as the first one.
const RECOVERED: Millis = Millis(300_000);

/// Pauses that double up to a minute. Each is shortened by up to a half, differently for each name, so that
/// links which ended together do not come back together; the same on every run.
#[derive(Debug)]
pub(crate) struct Backoff {
    seed: u64,
    attempt: u32,
}

impl Backoff {
    pub fn new(name: &impl Hash) -> Self {
        Self {
            seed: hash(name),
            attempt: 0,
        }
    }

    /// The next pause, after a link that ran for `ran`.
    pub fn pause(&mut self, ran: Millis) -> Millis {
        if ran >= RECOVERED {
            self.attempt = 0;
        }
        let doubled = FIRST.0.saturating_mul(1 << self.attempt.min(16));
        let longest = doubled.min(LONGEST.0);
        let spread = i64::try_from(hash(&(self.seed, self.attempt)) % 1_000).unwrap_or(0);
        self.attempt = self.attempt.saturating_add(1);
        Millis(longest - longest * spread / 2_000)
    }
}

fn hash(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_ceiling_and_start_over_after_a_recovery() {
        let mut backoff = Backoff::new(&"garage");
        for ceiling in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000] {
            let pause = backoff.pause(Millis(50)).0;
            assert!((ceiling / 2..=ceiling).contains(&pause), "{pause} of {ceiling}");
        }
        for _ in 0..100 {
            assert!(backoff.pause(Millis(299_999)).0 >= 30_000);
        }
        assert!(backoff.pause(Millis(300_000)).0 <= 1_000);
    }

    #[test]
    fn links_that_ended_together_come_back_apart() {
        let pauses: std::collections::BTreeSet<i64> = (0..20)
            .map(|name| Backoff::new(&name).pause(Millis(0)).0)
            .collect();
        assert!(pauses.len() > 15, "{pauses:?}");
        assert_eq!(
            Backoff::new(&"a").pause(Millis(0)),
            Backoff::new(&"a").pause(Millis(0))
        );
    }
}
