//! Local hours, days, months and years of any time zone, as spans of absolute time.
//!
//! A local day runs from one midnight by the clock on the wall to the next: 23 or 25 hours where clocks change,
//! and where midnight itself is skipped it begins with the first moment after. Months and years are whole days.
//! An hour ends at the next full hour by the clock that it began with: where clocks change by half an hour,
//! one hour of that day is half as long.

pub use jiff::civil::Date;
pub use jiff::tz::TimeZone;
use model::time::Timestamp;

/// What energies are given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    Hour,
    Day,
    Month,
    Year,
}

/// A span of absolute time, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// A zone by its name in the time zone database, `None` when there is none of that name.
#[must_use]
pub fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok()
}

/// The first moment of a local day.
#[must_use]
pub fn midnight(zone: &TimeZone, day: Date) -> Timestamp {
    let local = day.at(0, 0, 0, 0);
    // Fails only at the ends of the calendar.
    match local.to_zoned(zone.clone()) {
        Ok(zoned) => Timestamp(zoned.timestamp().as_millisecond()),
        Err(_) if day.year() < 0 => Timestamp(jiff::Timestamp::MIN.as_millisecond()),
        Err(_) => Timestamp(jiff::Timestamp::MAX.as_millisecond()),
    }
}

/// The local day that a moment belongs to.
#[must_use]
pub fn day_of(zone: &TimeZone, at: Timestamp) -> Date {
    zone.to_datetime(at.to_jiff()).date()
}

/// A day of the calendar with the span that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Day {
    pub date: Date,
    pub period: Period,
}

/// Every local day of `from..to`, in order.
#[must_use]
pub fn days(zone: &TimeZone, from: Date, to: Date) -> Vec<Day> {
    let mut days = Vec::new();
    let (mut date, mut start) = (from, midnight(zone, from));
    while date < to {
        let Ok(next) = date.tomorrow() else { break };
        let end = midnight(zone, next);
        days.push(Day {
            date,
            period: Period { start, end },
        });
        (date, start) = (next, end);
    }
    days
}

/// The hours of a day, in order; together they are the day.
#[must_use]
pub fn hours(zone: &TimeZone, day: Period) -> Vec<Period> {
    const HOUR_MS: i64 = 3_600_000;
    let mut hours = Vec::with_capacity(25);
    let mut start = day.start;
    while start < day.end {
        let offset_ms = i64::from(zone.to_offset(start.to_jiff()).seconds()) * 1_000;
        let past_ms = (start.0 + offset_ms).rem_euclid(HOUR_MS);
        let end = Timestamp(start.0 + HOUR_MS - past_ms).min(day.end);
        hours.push(Period { start, end });
        start = end;
    }
    hours
}

/// The first days of the months or years that `from..to` touches, each cut to it, with the day after their
/// last. Of days and hours each day is one.
#[must_use]
pub fn spans(from: Date, to: Date, per: Per) -> Vec<(Date, Date)> {
    let mut spans = Vec::new();
    let mut start = from;
    while start < to {
        let next = match per {
            Per::Hour | Per::Day => start.tomorrow(),
            Per::Month => start.last_of_month().tomorrow(),
            Per::Year => start.last_of_year().tomorrow(),
        };
        let end = next.map_or(to, |next| next.min(to));
        spans.push((start, end));
        start = end;
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn zone(name: &str) -> TimeZone {
        super::zone(name).unwrap()
    }

    fn date(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn days_have_the_length_that_the_clock_gives_them() {
        for (name, day, minutes, starts_utc) in [
            ("Europe/Vienna", "2026-03-28", 24 * 60, "2026-03-27T23:00:00Z"),
            ("Europe/Vienna", "2026-03-29", 23 * 60, "2026-03-28T23:00:00Z"),
            ("Europe/Vienna", "2026-10-25", 25 * 60, "2026-10-24T22:00:00Z"),
            (
                "Australia/Lord_Howe",
                "2026-04-05",
                24 * 60 + 30,
                "2026-04-04T13:00:00Z",
            ),
            (
                "Australia/Lord_Howe",
                "2026-10-04",
                24 * 60 - 30,
                "2026-10-03T13:30:00Z",
            ),
            ("Asia/Kathmandu", "2026-06-01", 24 * 60, "2026-05-31T18:15:00Z"),
            // Clocks go from midnight to one: the day begins at one.
            ("America/Santiago", "2026-09-06", 23 * 60, "2026-09-06T04:00:00Z"),
            ("UTC", "2026-12-31", 24 * 60, "2026-12-31T00:00:00Z"),
        ] {
            let day = date(day);
            let found = days(&zone(name), day, day.tomorrow().unwrap());
            let period = found[0].period;
            assert_eq!(found.len(), 1);
            assert_eq!(
                (period.end - period.start).as_seconds() / 60,
                minutes,
                "{name} {day}"
            );
            assert_eq!(period.start.to_jiff().to_string(), starts_utc, "{name} {day}");
            assert_eq!(day_of(&zone(name), period.start), day);
        }
    }

    #[test]
    fn hours_fill_their_day() {
        for (name, day, count, short) in [
            ("Europe/Vienna", "2026-03-29", 23, 0),
            ("Europe/Vienna", "2026-10-25", 25, 0),
            ("Australia/Lord_Howe", "2026-04-05", 25, 1),
            ("Australia/Lord_Howe", "2026-10-04", 24, 1),
            ("Asia/Kathmandu", "2026-06-01", 24, 0),
        ] {
            let (zone, day) = (zone(name), date(day));
            let period = days(&zone, day, day.tomorrow().unwrap())[0].period;
            let hours = hours(&zone, period);
            assert_eq!(hours.len(), count, "{name} {day}");
            assert_eq!((hours[0].start, hours[count - 1].end), (period.start, period.end));
            assert!(hours.windows(2).all(|pair| pair[0].end == pair[1].start));
            let halves = hours
                .iter()
                .filter(|hour| (hour.end - hour.start).as_seconds() == 1_800)
                .count();
            assert_eq!(halves, short, "{name} {day}");
        }
    }

    #[test]
    fn months_and_years_are_cut_to_what_was_asked() {
        let cut = |from: &str, to: &str, per| {
            spans(date(from), date(to), per)
                .iter()
                .map(|(from, to)| format!("{from}..{to}"))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            cut("2026-01-15", "2026-03-01", Per::Month),
            ["2026-01-15..2026-02-01", "2026-02-01..2026-03-01"]
        );
        assert_eq!(
            cut("2025-12-31", "2026-01-02", Per::Year),
            ["2025-12-31..2026-01-01", "2026-01-01..2026-01-02"]
        );
        assert_eq!(cut("2026-01-01", "2026-01-03", Per::Day).len(), 2);
        assert!(cut("2026-01-03", "2026-01-01", Per::Day).is_empty());
    }
}
