//! How long a failure waits for its answer.
//!
//! Only failures are slowed down, and only after they were found to be failures: a right credential passes
//! at once whatever happened before, so nobody can lock an owner out. The first thirty of a source and
//! account in ten minutes are answered at once, then each waits twice as long as the one before, up to five
//! seconds. At most eight failures of a source wait at a time; further ones are refused without waiting.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::id::{EvseId, SiteId};
use model::time::{Millis, Monotonic};

use crate::secrets::digest;

const WINDOW: Millis = Millis(10 * 60 * 1_000);
const AT_ONCE: u32 = 30;
const FIRST_WAIT: Millis = Millis(100);
const LONGEST_WAIT: Millis = Millis(5_000);
const PENDING_PER_SOURCE: u32 = 8;
/// Pairs of source and account that are remembered. Beyond it the one that began first is forgotten.
const REMEMBERED: usize = 10_000;

/// What becomes of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    AtOnce,
    /// Answer after that long, then call [`SlowDown::answered`].
    After(Millis),
    /// So many wait already that this one is refused now.
    Refuse,
}

/// Where a proof comes from: an address as far as one household or attacker owns it (all of IPv4, the first
/// half of IPv6), the reader of an EVSE, or a whole site.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source(Kind, u128);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Kind {
    Address,
    Evse,
    Site,
}

impl From<IpAddr> for Source {
    fn from(address: IpAddr) -> Self {
        let number = match address.to_canonical() {
            IpAddr::V4(v4) => u128::from(u32::from(v4)),
            IpAddr::V6(v6) => (u128::from(v6) >> 64) << 64,
        };
        Self(Kind::Address, number)
    }
}

impl From<&EvseId> for Source {
    fn from(evse: &EvseId) -> Self {
        Self(Kind::Evse, number_of(evse.as_str()))
    }
}

impl From<&SiteId> for Source {
    fn from(site: &SiteId) -> Self {
        Self(Kind::Site, number_of(site.as_str()))
    }
}

fn number_of(id: &str) -> u128 {
    digest(id)
        .iter()
        .take(16)
        .fold(0, |number, byte| number << 8 | u128::from(*byte))
}

#[derive(Clone, Copy)]
struct Failures {
    since: Monotonic,
    count: u32,
}

/// Counts failures. Time comes as an argument; waiting is the caller's part.
#[derive(Default)]
pub struct SlowDown {
    failures: BTreeMap<(Source, String), Failures>,
    pending: BTreeMap<Source, u32>,
}

impl SlowDown {
    /// Counts a failure and says what becomes of it.
    pub fn failed(&mut self, source: Source, account: &str, now: Monotonic) -> Verdict {
        let account: String = account.chars().take(64).collect();
        if self.failures.len() >= REMEMBERED && !self.failures.contains_key(&(source, account.clone())) {
            self.forget(now);
        }
        let failures = self
            .failures
            .entry((source, account))
            .or_insert(Failures { since: now, count: 0 });
        if now - failures.since >= WINDOW {
            *failures = Failures { since: now, count: 0 };
        }
        failures.count = failures.count.saturating_add(1);
        let Some(slowed) = failures.count.checked_sub(AT_ONCE + 1) else {
            return Verdict::AtOnce;
        };

        let pending = self.pending.entry(source).or_default();
        if *pending >= PENDING_PER_SOURCE {
            return Verdict::Refuse;
        }
        *pending += 1;
        let wait = FIRST_WAIT
            .0
            .saturating_mul(1_i64.checked_shl(slowed.min(30)).unwrap_or(i64::MAX));
        Verdict::After(Millis(wait.min(LONGEST_WAIT.0)))
    }

    /// Whether so many failures wait that a further one would be refused.
    pub fn is_full(&self, source: Source) -> bool {
        self.pending
            .get(&source)
            .is_some_and(|pending| *pending >= PENDING_PER_SOURCE)
    }

    /// Whether there was a failure of late.
    pub fn has_failed(&self, source: Source, account: &str, now: Monotonic) -> bool {
        let failures = self.failures.get(&(source, account.to_owned()));
        failures.is_some_and(|failures| now - failures.since < WINDOW)
    }

    /// A failure that waited has been answered, or its asker has gone.
    pub fn answered(&mut self, source: Source) {
        if let Some(pending) = self.pending.get_mut(&source) {
            *pending = pending.saturating_sub(1);
            if *pending == 0 {
                self.pending.remove(&source);
            }
        }
    }

    fn forget(&mut self, now: Monotonic) {
        self.failures.retain(|_, failures| now - failures.since < WINDOW);
        if self.failures.len() >= REMEMBERED {
            let first = self
                .failures
                .iter()
                .min_by_key(|(_, failures)| failures.since)
                .map(|(key, _)| key.clone());
            if let Some(first) = first {
                self.failures.remove(&first);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn thirty_at_once_then_doubling_to_five_seconds() {
        let mut slow_down = SlowDown::default();
        let home = source("192.168.1.7");
        for n in 0..30 {
            assert_eq!(slow_down.failed(home, "admin", Monotonic(n)), Verdict::AtOnce);
        }
        for wait in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000, 5_000] {
            assert_eq!(
                slow_down.failed(home, "admin", Monotonic(100)),
                Verdict::After(Millis(wait))
            );
            slow_down.answered(home);
        }
        assert_eq!(slow_down.failed(home, "zoe", Monotonic(100)), Verdict::AtOnce);
        assert_eq!(
            slow_down.failed(source("192.168.1.8"), "admin", Monotonic(100)),
            Verdict::AtOnce
        );
        assert_eq!(
            slow_down.failed(home, "admin", Monotonic(599_999)),
            Verdict::After(Millis(5_000))
        );
        assert_eq!(
            slow_down.failed(home, "admin", Monotonic(600_000)),
            Verdict::AtOnce
        );
    }

    #[test]
    fn eight_wait_and_the_ninth_is_refused() {
        let mut slow_down = SlowDown::default();
        let home = source("10.0.0.1");
        for _ in 0..30 {
            slow_down.failed(home, "admin", Monotonic(0));
        }
        for _ in 0..8 {
            assert!(matches!(
                slow_down.failed(home, "admin", Monotonic(0)),
                Verdict::After(_)
            ));
        }
        assert_eq!(slow_down.failed(home, "admin", Monotonic(0)), Verdict::Refuse);
        slow_down.answered(home);
        assert!(matches!(
            slow_down.failed(home, "admin", Monotonic(0)),
            Verdict::After(_)
        ));
    }

    #[test]
    fn a_source_is_what_one_party_owns() {
        assert_eq!(source("2001:db8::1"), source("2001:db8::ffff:2"));
        assert_ne!(source("2001:db8:0:1::1"), source("2001:db8:0:2::1"));
        assert_eq!(source("::ffff:10.0.0.1"), source("10.0.0.1"));
        assert_ne!(source("10.0.0.2"), source("10.0.0.1"));
    }

    #[test]
    fn made_up_accounts_do_not_fill_the_memory() {
        let mut slow_down = SlowDown::default();
        for n in 0..REMEMBERED + 50 {
            slow_down.failed(source("10.0.0.1"), &n.to_string(), Monotonic(0));
        }
        assert_eq!(slow_down.failures.len(), REMEMBERED);
    }
}
