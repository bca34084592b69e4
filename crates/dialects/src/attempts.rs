//! Whether a device answers, and when to ask it again; the same for every dialect.
//!
//! One failure alone changes nothing. A device is offline after [`MOST_FAILURES`] in a row, or when it has been
//! failing for [`PATIENCE`]; what it is asked after, and how often, is the dialect's ([`Waits`]). Pauses differ
//! from name to name, so that many which lost the same gateway do not all come back at once.

use model::device::LinkState;
use model::spread;
use model::time::{Millis, Monotonic};

const MOST_FAILURES: u32 = 3;
const PATIENCE: Millis = Millis(10_000);
/// After what trying again cannot mend soon.
const GIVEN_UP: Millis = Millis(60_000);

/// How long is waited after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Waits {
    /// So many milliseconds after the first, second, … failure in a row; the last one stays. Up to a quarter
    /// longer.
    Steps(&'static [i64]),
    /// `first` while it may be a single lost answer, then doubling up to `longest` and up to a fifth shorter.
    Doubling { first: Millis, longest: Millis },
}

impl Waits {
    /// After so many failures in a row; `share` is from 0 to 255.
    fn after(self, failures: u32, share: i64) -> Millis {
        match self {
            Self::Steps(steps) => {
                let step = usize::try_from(failures.saturating_sub(1)).unwrap_or(usize::MAX);
                let base = steps.get(step).or(steps.last()).copied().unwrap_or(0);
                Millis(base + base / 4 * share / 256)
            }
            Self::Doubling { first, longest } => {
                let doublings = failures.saturating_sub(MOST_FAILURES - 1).min(16);
                let longest = longest.0.max(first.0);
                let wait = first.0.saturating_mul(1 << doublings).min(longest);
                let shorter = if doublings == 0 { 0 } else { wait / 5 * share / 256 };
                Millis(wait - shorter)
            }
        }
    }
}

/// Why a device does not answer, as people read it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Problem {
    text: String,
    /// Where the reason begins.
    reason_at: usize,
}

impl Problem {
    /// `tried` and why it failed. The same reason is no news, whatever was tried.
    pub(crate) fn new(tried: &str, reason: &str) -> Self {
        Self {
            text: format!("{tried}: {reason}"),
            reason_at: tried.len() + 2,
        }
    }

    fn reason(&self) -> Option<&str> {
        self.text.get(self.reason_at..)
    }
}

/// All of it is the reason.
impl From<String> for Problem {
    fn from(text: String) -> Self {
        Self { text, reason_at: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Connecting,
    Online,
    Offline,
}

/// Counts failures in a row. What it returns is to be reported.
#[derive(Debug)]
pub(crate) struct Attempts {
    waits: Waits,
    seed: u64,
    failures: u32,
    shown: Shown,
    since: Monotonic,
    problem: Problem,
    retry_at: Monotonic,
}

impl Attempts {
    /// `name` decides how pauses differ from those of others.
    pub(crate) fn new(name: &str, waits: Waits) -> Self {
        let retry_at = Monotonic(i64::MIN);
        Self {
            waits,
            seed: spread::hash(spread::START, name.as_bytes()),
            failures: 0,
            shown: Shown::Connecting,
            since: retry_at,
            problem: Problem::default(),
            retry_at,
        }
    }

    /// Nothing is sent before this.
    pub(crate) const fn retry_at(&self) -> Monotonic {
        self.retry_at
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.shown == Shown::Offline
    }

    pub(crate) fn failed(&mut self, problem: impl Into<Problem>, now: Monotonic) -> Option<LinkState> {
        if self.failures == 0 {
            self.since = now;
        }
        self.failures = self.failures.saturating_add(1);
        self.retry_at = now + self.wait();
        let problem = problem.into();
        let is_new = self.problem.reason() != problem.reason();
        self.problem = problem;
        match self.shown {
            Shown::Offline => is_new.then(|| self.offline()),
            Shown::Connecting | Shown::Online => self.judge(now),
        }
    }

    /// Offline at once: trying again cannot help soon.
    pub(crate) fn give_up(&mut self, problem: impl Into<Problem>, now: Monotonic) -> Option<LinkState> {
        self.failures = MOST_FAILURES;
        let said = self.failed(problem, now);
        self.retry_at = now + GIVEN_UP;
        said
    }

    /// Offline when it has been failing for long enough.
    pub(crate) fn judge(&mut self, now: Monotonic) -> Option<LinkState> {
        let failing = self.failures > 0 && self.shown != Shown::Offline;
        let enough = self.failures >= MOST_FAILURES || now - self.since >= PATIENCE;
        (failing && enough).then(|| {
            self.shown = Shown::Offline;
            self.offline()
        })
    }

    pub(crate) fn succeeded(&mut self) -> Option<LinkState> {
        self.failures = 0;
        self.problem = Problem::default();
        self.retry_at = Monotonic(i64::MIN);
        let came_back = self.shown != Shown::Online;
        self.shown = Shown::Online;
        came_back.then_some(LinkState::Online)
    }

    /// When something is due, given when the next request would be.
    pub(crate) fn deadline(&self, due: Monotonic) -> Monotonic {
        let due = due.max(self.retry_at);
        if self.failures > 0 && self.shown != Shown::Offline {
            due.min(self.since + PATIENCE)
        } else {
            due
        }
    }

    fn offline(&self) -> LinkState {
        LinkState::Offline {
            problem: self.problem.text.clone(),
        }
    }

    fn wait(&self) -> Millis {
        let share = spread::hash(self.seed, &self.failures.to_le_bytes()) % 256;
        self.waits.after(self.failures, i64::try_from(share).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Waits = Waits::Steps(&[1_000, 2_000, 5_000, 10_000]);
    const DOUBLING: Waits = Waits::Doubling {
        first: Millis(1_000),
        longest: Millis(30_000),
    };

    fn waits(name: &str, waits: Waits) -> Vec<i64> {
        let mut attempts = Attempts::new(name, waits);
        (0..8)
            .map(|_| {
                attempts.failed("x".to_owned(), Monotonic(0));
                attempts.retry_at().0
            })
            .collect()
    }

    #[test]
    fn waits_grow_and_differ_from_device_to_device() {
        let fifth_less = |wait: i64| (wait * 4 / 5, wait);
        let quarter_more = |wait: i64| (wait, wait * 5 / 4);
        let steps = [1_000, 2_000, 5_000, 10_000, 10_000, 10_000, 10_000, 10_000].map(quarter_more);
        let doubling = [2_000, 4_000, 8_000, 16_000, 30_000, 30_000].map(fifth_less);
        let doubling = [(1_000, 1_000); 2].into_iter().chain(doubling).collect();
        for (kind, expected) in [(STEPS, steps.to_vec()), (DOUBLING, doubling)] {
            let left = waits("left", kind);
            for (wait, (shortest, longest)) in left.iter().zip(expected) {
                assert!((shortest..=longest).contains(wait), "{wait} {shortest} {longest}");
            }
            assert_ne!(left, waits("right", kind));
            assert_eq!(left, waits("left", kind));
        }
    }

    fn offline(problem: &str) -> Option<LinkState> {
        Some(LinkState::Offline {
            problem: problem.to_owned(),
        })
    }

    #[test]
    fn one_failure_changes_nothing_until_ten_seconds_are_over() {
        let mut attempts = Attempts::new("left", STEPS);
        assert_eq!(attempts.succeeded(), Some(LinkState::Online));
        assert_eq!(attempts.failed("p".to_owned(), Monotonic(5_000)), None);
        assert_eq!(attempts.deadline(Monotonic(i64::MAX)), Monotonic(15_000));
        assert_eq!(attempts.judge(Monotonic(14_999)), None);
        assert_eq!(attempts.judge(Monotonic(15_000)), offline("p"));
        assert_eq!(attempts.judge(Monotonic(16_000)), None);
        assert_eq!(attempts.failed("q".to_owned(), Monotonic(17_000)), offline("q"));
        assert_eq!(attempts.succeeded(), Some(LinkState::Online));
        assert_eq!(attempts.succeeded(), None);
    }

    #[test]
    fn the_same_reason_is_told_once_whatever_was_tried() {
        let mut attempts = Attempts::new("left", STEPS);
        let lost = |tried| Problem::new(tried, "no answer");
        for (tried, told) in [
            ("cannot read 1", None),
            ("cannot read 1", None),
            ("cannot read 1", offline("cannot read 1: no answer")),
            ("cannot read 2", None),
        ] {
            assert_eq!(attempts.failed(lost(tried), Monotonic(0)), told, "{tried}");
        }
        let refused = Problem::new("cannot read 2", "refused");
        assert_eq!(
            attempts.failed(refused, Monotonic(0)),
            offline("cannot read 2: refused")
        );
        assert!(attempts.is_offline());
    }

    #[test]
    fn what_is_given_up_is_offline_at_once_and_left_alone_for_a_minute() {
        let mut attempts = Attempts::new("left", STEPS);
        assert_eq!(
            attempts.give_up("no address".to_owned(), Monotonic(0)),
            offline("no address")
        );
        assert_eq!(attempts.retry_at(), Monotonic(60_000));
    }
}
