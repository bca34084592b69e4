//! Time as an argument.
//!
//! Pure code takes [`Now`]; shells hold a [`Clock`]. Wall time (tariffs, records, signatures) and monotonic
//! time (time-outs, hysteresis) are different types, because a wall clock may jump by an hour and a
//! time-out must not care.

use std::fmt;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01 00:00 UTC, by the wall clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

/// Milliseconds since an arbitrary start; never goes backwards, has no meaning outside the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Monotonic(pub i64);

/// A span in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub i64);

/// Both clocks, read at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Now {
    pub wall: Timestamp,
    pub monotonic: Monotonic,
}

/// Where shells get the time from: the real one in the binary, a stepped one in the simulator.
pub trait Clock: Send + Sync {
    fn now(&self) -> Now;
}

/// Whether there is a time zone of this (IANA) name.
#[must_use]
pub fn is_time_zone(name: &str) -> bool {
    jiff::tz::TimeZone::get(name).is_ok()
}

impl Timestamp {
    /// Whole seconds since 1970, rounded down.
    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1_000)
    }

    /// The same instant for calendar arithmetic. Times beyond the years -9999 to 9999 are clamped.
    #[must_use]
    pub fn to_jiff(self) -> jiff::Timestamp {
        let ends = if self.0 < 0 {
            jiff::Timestamp::MIN
        } else {
            jiff::Timestamp::MAX
        };
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(ends)
    }
}

impl Millis {
    pub const ZERO: Self = Self(0);

    #[must_use]
    pub const fn from_seconds(seconds: i64) -> Self {
        Self(seconds * 1_000)
    }

    #[must_use]
    pub const fn as_seconds(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// For timers of the standard library; negative spans are zero.
    #[must_use]
    pub fn to_std(self) -> std::time::Duration {
        std::time::Duration::from_millis(u64::try_from(self.0).unwrap_or(0))
    }
}

impl Now {
    /// Both clocks moved on by the same span.
    #[must_use]
    pub fn after(self, span: Millis) -> Self {
        Self {
            wall: self.wall + span,
            monotonic: self.monotonic + span,
        }
    }
}

macro_rules! instant {
    ($name:ident) => {
        impl Add<Millis> for $name {
            type Output = Self;
            fn add(self, span: Millis) -> Self {
                Self(self.0.saturating_add(span.0))
            }
        }
        impl Sub<Millis> for $name {
            type Output = Self;
            fn sub(self, span: Millis) -> Self {
                Self(self.0.saturating_sub(span.0))
            }
        }
        impl Sub for $name {
            type Output = Millis;
            fn sub(self, earlier: Self) -> Millis {
                Millis(self.0.saturating_sub(earlier.0))
            }
        }
    };
}
instant!(Timestamp);
instant!(Monotonic);

impl Add for Millis {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// RFC 3339 in UTC with milliseconds dropped when zero.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_jiff().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_print_as_utc_and_survive_absurd_values() {
        assert_eq!(Timestamp::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert!(Timestamp(i64::MAX).to_string().starts_with("9999-12-30"));
        assert_eq!(Timestamp(5) - Timestamp(9), Millis(-4));
    }
}
