//! How long to wait before what ended is started again.

use std::time::Duration;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

/// Pauses that double up to a minute. Each is shortened by up to a half, differently for each name, so that
/// what ended together does not come back together; the same on every run.
#[derive(Debug)]
pub struct Backoff {
    seed: u64,
    recovered: Duration,
    attempt: u32,
}

impl Backoff {
    /// What ran for `recovered` had recovered; its next end counts as the first one.
    #[must_use]
    pub fn new(name: &str, recovered: Duration) -> Self {
        Self {
            seed: hash(0xcbf2_9ce4_8422_2325, name.as_bytes()),
            recovered,
            attempt: 0,
        }
    }

    /// The next pause, after what ran for `ran`.
    pub fn pause(&mut self, ran: Duration) -> Duration {
        if ran >= self.recovered {
            self.attempt = 0;
        }
        let longest = FIRST.saturating_mul(1 << self.attempt.min(16)).min(LONGEST);
        let spread = hash(self.seed, &self.attempt.to_le_bytes()) % 1_000;
        self.attempt = self.attempt.saturating_add(1);
        longest - longest * u32::try_from(spread).unwrap_or(0) / 2_000
    }
}

/// FNV-1a.
fn hash(from: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(from, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECOVERED: Duration = Duration::from_secs(300);

    #[test]
    fn pauses_grow_to_a_ceiling_and_start_over_after_a_recovery() {
        let mut backoff = Backoff::new("garage", RECOVERED);
        for ceiling in [1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000, 60_000] {
            let pause = backoff.pause(Duration::from_millis(50)).as_millis();
            assert!((ceiling / 2..=ceiling).contains(&pause), "{pause} of {ceiling}");
        }
        for _ in 0..100 {
            assert!(backoff.pause(Duration::from_millis(299_999)) >= LONGEST / 2);
        }
        assert!(backoff.pause(RECOVERED) <= FIRST);
    }

    #[test]
    fn what_ended_together_comes_back_apart() {
        let first = |name: &str| Backoff::new(name, RECOVERED).pause(Duration::ZERO);
        let pauses: std::collections::BTreeSet<Duration> =
            (0..20).map(|name| first(&format!("link {name}"))).collect();
        assert!(pauses.len() > 15, "{pauses:?}");
        assert_eq!(first("a"), first("a"));
    }
}
