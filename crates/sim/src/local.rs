//! The time of day where people live.

use jiff::tz::TimeZone;
use model::time::Timestamp;

/// A moment by the clocks of the site.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// Days since 1970-01-01, by the local calendar.
    pub day: i64,
    /// Seconds since local midnight as the wall clock shows them.
    pub second: i64,
}

impl LocalTime {
    #[must_use]
    pub fn new(at: Timestamp, zone: &TimeZone) -> Self {
        let offset_s = i64::from(zone.to_offset(at.to_jiff()).seconds());
        let local_s = at.as_seconds().saturating_add(offset_s);
        Self {
            day: local_s.div_euclid(86_400),
            second: local_s.rem_euclid(86_400),
        }
    }

    /// Saturday or Sunday.
    #[must_use]
    pub const fn is_weekend(self) -> bool {
        // Day 0 was a Thursday.
        (self.day + 3).rem_euclid(7) >= 5
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_time_follows_zone_and_summer_time() {
        let vienna = TimeZone::get("Europe/Vienna").unwrap();
        for (utc, second, weekend) in [
            ("2026-01-15T12:00:00Z", 13 * 3_600, false),
            ("2026-07-15T12:00:00Z", 14 * 3_600, false),
            ("2026-07-17T22:30:00Z", 1_800, true),
            ("2026-07-19T22:30:00Z", 1_800, false),
        ] {
            let at = Timestamp(utc.parse::<jiff::Timestamp>().unwrap().as_millisecond());
            let local = LocalTime::new(at, &vienna);
            assert_eq!((local.second, local.is_weekend()), (second, weekend), "{utc}");
        }
    }
}
