//! Whether the charger answers, and when to try again.

use model::device::LinkState;
use model::time::{Millis, Monotonic};

/// So many failures in a row, or one this long ago without a success since, make a link offline.
const MOST_FAILURES: u32 = 3;
const PATIENCE: Millis = Millis(10_000);
/// Waits after the first, second, … failure in a row; the last one stays.
const BACK_OFF_MS: [i64; 4] = [1_000, 2_000, 5_000, 10_000];
/// After an address that is none.
const GIVEN_UP: Millis = Millis(60_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Connecting,
    Online,
    Offline,
}

/// Counts failures in a row. One alone changes nothing.
#[derive(Debug)]
pub(super) struct Link {
    seed: u64,
    failures: u32,
    since: Monotonic,
    problem: String,
    retry_at: Monotonic,
    shown: Shown,
}

impl Link {
    /// `name` decides the jitter, so that many chargers behind one switch do not come back as one.
    pub(super) fn new(name: &str) -> Self {
        let retry_at = Monotonic(i64::MIN);
        Self {
            seed: hash(0xcbf2_9ce4_8422_2325, name.as_bytes()),
            failures: 0,
            since: retry_at,
            problem: String::new(),
            retry_at,
            shown: Shown::Connecting,
        }
    }

    /// Nothing is sent before this.
    pub(super) const fn retry_at(&self) -> Monotonic {
        self.retry_at
    }

    pub(super) fn failed(&mut self, problem: String, now: Monotonic) -> Option<LinkState> {
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + self.wait();
        let is_new = self.problem != problem;
        self.problem = problem;
        match self.shown {
            Shown::Offline => is_new.then(|| self.offline()),
            Shown::Connecting | Shown::Online => self.judge(now),
        }
    }

    /// Offline at once: trying again cannot help soon.
    pub(super) fn give_up(&mut self, problem: String, now: Monotonic) -> Option<LinkState> {
        self.failures = MOST_FAILURES;
        let said = self.failed(problem, now);
        self.retry_at = now + GIVEN_UP;
        said
    }

    /// Offline when it has been failing for long enough.
    pub(super) fn judge(&mut self, now: Monotonic) -> Option<LinkState> {
        let failing = self.failures > 0 && self.shown != Shown::Offline;
        let enough = self.failures >= MOST_FAILURES || now - self.since >= PATIENCE;
        (failing && enough).then(|| {
            self.shown = Shown::Offline;
            self.offline()
        })
    }

    pub(super) fn succeeded(&mut self) -> Option<LinkState> {
        self.failures = 0;
        self.problem.clear();
        self.retry_at = Monotonic(i64::MIN);
        let came_back = self.shown != Shown::Online;
        self.shown = Shown::Online;
        came_back.then_some(LinkState::Online)
    }

    /// When something is due, given when the next request would be.
    pub(super) fn deadline(&self, due: Monotonic) -> Monotonic {
        let due = due.max(self.retry_at);
        if self.failures > 0 && self.shown != Shown::Offline {
            due.min(self.since + PATIENCE)
        } else {
            due
        }
    }

    fn offline(&self) -> LinkState {
        LinkState::Offline {
            problem: self.problem.clone(),
        }
    }

    /// The back-off with up to a quarter on top.
    fn wait(&self) -> Millis {
        let step = usize::try_from(self.failures.saturating_sub(1)).unwrap_or(usize::MAX);
        let base = BACK_OFF_MS[step.min(BACK_OFF_MS.len() - 1)];
        let share = hash(self.seed, &self.failures.to_le_bytes()) % 256;
        Millis(base + base / 4 * i64::try_from(share).unwrap_or(0) / 256)
    }
}

/// FNV-1a.
fn hash(start: u64, bytes: &[u8]) -> u64 {
    bytes.iter().fold(start, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_differ_from_charger_to_charger() {
        let waits = |name: &str| {
            let mut link = Link::new(name);
            (0..6)
                .map(|_| {
                    link.failed("x".to_owned(), Monotonic(0));
                    link.retry_at().0
                })
                .collect::<Vec<_>>()
        };
        let (left, right) = (waits("left"), waits("right"));
        for (wait, base) in left.iter().zip([1_000, 2_000, 5_000, 10_000, 10_000, 10_000]) {
            assert!((base..=base * 5 / 4).contains(wait), "{wait} {base}");
        }
        assert_ne!(left, right);
        assert_eq!(left, waits("left"));
    }

    #[test]
    fn one_failure_changes_nothing_until_ten_seconds_are_over() {
        let mut link = Link::new("left");
        assert_eq!(link.succeeded(), Some(LinkState::Online));
        assert_eq!(link.failed("p".to_owned(), Monotonic(5_000)), None);
        assert_eq!(link.deadline(Monotonic(i64::MAX)), Monotonic(15_000));
        assert_eq!(link.judge(Monotonic(14_999)), None);
        assert_eq!(
            link.judge(Monotonic(15_000)),
            Some(LinkState::Offline {
                problem: "p".to_owned()
            })
        );
        assert_eq!(link.judge(Monotonic(16_000)), None);
        assert_eq!(
            link.failed("q".to_owned(), Monotonic(17_000)),
            Some(LinkState::Offline {
                problem: "q".to_owned()
            })
        );
        assert_eq!(link.succeeded(), Some(LinkState::Online));
        assert_eq!(link.succeeded(), None);
    }
}
