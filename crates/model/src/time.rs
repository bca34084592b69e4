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

/// What the clocks of a time zone show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZoneClock {
    /// Ahead of UTC.
    pub offset: Millis,
    /// The same outside of summer time.
    pub winter: Millis,
    /// Whether summer time is in July; `None`: there is none in that year.
    pub summer_in_july: Option<bool>,
}

impl ZoneClock {
    /// Of a zone by its (IANA) name; UTC where there is no such zone.
    #[must_use]
    pub fn of(name: &str, at: Timestamp) -> Self {
        use jiff::tz::TimeZone;
        let zone = TimeZone::get(name).unwrap_or(TimeZone::UTC);
        let offset = |at: jiff::Timestamp| Millis::from_seconds(i64::from(zone.to_offset(at).seconds()));
        let now = at.to_jiff();
        let year = now.to_zoned(TimeZone::UTC).year();
        let middle_of = |month| {
            let day = jiff::civil::Date::new(year, month, 15);
            let day = day.and_then(|day| day.to_zoned(TimeZone::UTC));
            offset(day.map_or(now, |day| day.timestamp()))
        };
        let (january, july) = (middle_of(1), middle_of(7));
        Self {
            offset: offset(now),
            winter: january.min(july),
            summer_in_july: (january != july).then_some(january < july),
        }
    }
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
    fn clocks_know_their_summer() {
        let check = |zone: &str, at: &str, hours: (i64, i64), summer_in_july: Option<bool>| {
            let at = Timestamp::from_seconds(at.parse::<jiff::Timestamp>().unwrap().as_second());
            let expected = ZoneClock {
                offset: Millis::from_seconds(hours.0 * 3_600),
                winter: Millis::from_seconds(hours.1 * 3_600),
                summer_in_july,
            };
            assert_eq!(ZoneClock::of(zone, at), expected, "{zone} {at}");
        };
        check("Europe/Vienna", "2026-03-29T01:00:00Z", (2, 1), Some(true));
        check("Europe/Vienna", "2026-12-31T23:59:59Z", (1, 1), Some(true));
        check("Australia/Sydney", "2026-01-15T00:00:00Z", (11, 10), Some(false));
        check("Asia/Tokyo", "2026-07-01T00:00:00Z", (9, 9), None);
        check("Nowhere/Land", "2026-07-01T00:00:00Z", (0, 0), None);
    }

    #[test]
    fn timestamps_print_as_utc_and_survive_absurd_values() {
        assert_eq!(Timestamp::from_seconds(0).to_string(), "1970-01-01T00:00:00Z");
        assert!(Timestamp(i64::MAX).to_string().starts_with("9999-12-30"));
        assert_eq!(Timestamp(5) - Timestamp(9), Millis(-4));
    }
}
