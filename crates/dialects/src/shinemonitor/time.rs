//! Times as this dialect writes them: by the clocks of a plant, without an offset.

use jiff::civil::{Date, DateTime};
use jiff::tz::{Offset, TimeZone};
use model::time::{Millis, Timestamp};

/// Curves have a point for each of these.
pub const SLOT: Millis = Millis(300_000);

/// `yyyy-mm-dd hh:mi:ss`.
#[must_use]
pub fn text(at: Timestamp, zone: &TimeZone) -> String {
    date_time_text(zone.to_datetime(at.to_jiff()))
}

#[must_use]
pub fn utc_text(at: Timestamp) -> String {
    text(at, &TimeZone::UTC)
}

/// The beginning of a day, of which the time of day says nothing.
#[must_use]
pub fn day_text(day: Date) -> String {
    date_time_text(day.at(0, 0, 0, 0))
}

fn date_time_text(at: DateTime) -> String {
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

#[must_use]
pub fn day_of(at: Timestamp, zone: &TimeZone) -> Date {
    zone.to_datetime(at.to_jiff()).date()
}

/// The first moment of a local day; where midnight is skipped, the first after it.
#[must_use]
pub fn midnight(day: Date, zone: &TimeZone) -> Timestamp {
    moment(day.at(0, 0, 0, 0), zone)
}

fn moment(local: DateTime, zone: &TimeZone) -> Timestamp {
    let at = zone.to_ambiguous_timestamp(local).compatible();
    // Fails only at the ends of the calendar.
    let end = if local.year() < 0 {
        jiff::Timestamp::MIN
    } else {
        jiff::Timestamp::MAX
    };
    Timestamp(at.unwrap_or(end).as_millisecond())
}

/// The day after, or the same at the end of the calendar.
#[must_use]
pub fn next_day(day: Date) -> Date {
    day.tomorrow().unwrap_or(day)
}

#[must_use]
pub fn next_month(first: Date) -> Date {
    next_day(first.last_of_month())
}

#[must_use]
pub fn next_year(first: Date) -> Date {
    next_day(first.last_of_year())
}

/// The starts of a day's slots: 288, but for days on which the clocks change.
pub fn slots(day: Date, zone: &TimeZone) -> impl Iterator<Item = Timestamp> + use<> {
    let (start, end) = (midnight(day, zone).0, midnight(next_day(day), zone).0);
    let step = usize::try_from(SLOT.0).unwrap_or(1);
    (start..end).step_by(step).map(Timestamp)
}

/// Seconds ahead of UTC outside of summer time.
#[must_use]
pub fn standard_offset(at: Timestamp, zone: &TimeZone) -> i64 {
    let info = zone.to_offset_info(at.to_jiff());
    if !info.dst().is_dst() {
        return seconds(info.offset());
    }
    let standard = |at: jiff::Timestamp| {
        let info = zone.to_offset_info(at);
        (!info.dst().is_dst()).then(|| seconds(info.offset()))
    };
    // Summer time is longer than half a year, and nowhere as long as a year.
    let later = |months: i64| {
        let span = jiff::SignedDuration::from_hours(24 * 30 * months);
        at.to_jiff().checked_add(span).ok()
    };
    (1..=12)
        .filter_map(later)
        .find_map(standard)
        .unwrap_or_else(|| seconds(info.offset()))
}

fn seconds(offset: Offset) -> i64 {
    i64::from(offset.seconds())
}

fn number<T: std::str::FromStr>(text: &str, digits: usize) -> Option<T> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

/// `yyyy-mm-dd`, of the years 1 to 9999.
#[must_use]
pub fn read_day(text: &str) -> Option<Date> {
    let (month, day) = text.rsplit_once('-')?;
    let first = read_month(month)?;
    Date::new(first.year(), first.month(), number(day, 2)?).ok()
}

/// `yyyy-mm`: the first of the month.
#[must_use]
pub fn read_month(text: &str) -> Option<Date> {
    let (year, month) = text.split_once('-')?;
    Date::new(read_year(year)?.year(), number(month, 2)?, 1).ok()
}

/// `yyyy`: the first of the year.
#[must_use]
pub fn read_year(text: &str) -> Option<Date> {
    let year = number(text, 4).filter(|year| *year > 0)?;
    Date::new(year, 1, 1).ok()
}

/// `yyyy-mm-dd hh:mi:ss`, whatever clocks show it.
#[must_use]
pub fn read_clock(text: &str) -> Option<DateTime> {
    let (day, time) = text.trim().split_once(' ')?;
    let mut parts = time.split(':').map(|part| number(part, 2));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    let time = jiff::civil::Time::new(hour, minute, second, 0).ok()?;
    let whole = parts.next().is_none();
    whole
        .then(|| read_day(day))
        .flatten()
        .map(|day| day.to_datetime(time))
}

/// The same by the clocks of a zone. What is shown twice is the first of both.
#[must_use]
pub fn read_moment(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    read_clock(text).map(|shown| moment(shown, zone))
}

/// When the clocks of a zone show something: mostly once; in the hour that comes twice the first of both and the
/// second.
#[must_use]
pub fn moments(shown: DateTime, zone: &TimeZone) -> (Timestamp, Timestamp) {
    let first = moment(shown, zone);
    let ambiguous = zone.to_ambiguous_timestamp(shown);
    let second = match ambiguous.offset() {
        jiff::tz::AmbiguousOffset::Fold { .. } => ambiguous.later().ok(),
        jiff::tz::AmbiguousOffset::Unambiguous { .. } | jiff::tz::AmbiguousOffset::Gap { .. } => None,
    };
    let second = second.map(|second| Timestamp(second.as_millisecond()));
    (first, second.unwrap_or(first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_as_many_slots_as_the_clocks_show() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (day, count, last) in [
            (jiff::civil::date(2026, 6, 1), 288, "2026-06-01 23:55:00"),
            (jiff::civil::date(2026, 3, 29), 276, "2026-03-29 23:55:00"),
            (jiff::civil::date(2026, 10, 25), 300, "2026-10-25 23:55:00"),
        ] {
            let all: Vec<_> = slots(day, &berlin).map(|at| text(at, &berlin)).collect();
            assert_eq!(all.len(), count);
            assert_eq!(all.first().unwrap(), &day_text(day));
            assert_eq!(all.last().unwrap(), last);
        }
        // The hour that comes twice is shown twice.
        let long: Vec<_> = slots(jiff::civil::date(2026, 10, 25), &berlin)
            .map(|at| text(at, &berlin))
            .collect();
        assert_eq!(long.iter().filter(|ts| *ts == "2026-10-25 02:30:00").count(), 2);
    }

    #[test]
    fn the_zone_of_a_plant_is_its_offset_in_winter() {
        let summer = Timestamp(1_780_000_000_000);
        let winter = Timestamp(1_796_000_000_000);
        for (name, expected) in [
            ("Europe/Berlin", 3_600),
            ("Asia/Shanghai", 28_800),
            ("Asia/Kolkata", 19_800),
            ("America/Sao_Paulo", -10_800),
            ("Australia/Sydney", 36_000),
            ("UTC", 0),
        ] {
            let zone = TimeZone::get(name).unwrap();
            for at in [summer, winter] {
                assert_eq!(standard_offset(at, &zone), expected, "{name}");
            }
        }
    }

    #[test]
    fn moments_are_read_by_the_clocks_of_the_plant() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let read = |text: &str| read_moment(text, &berlin).map(utc_text);
        assert_eq!(
            read("2026-06-01 02:00:00").as_deref(),
            Some("2026-06-01 00:00:00")
        );
        // Skipped and shown twice.
        assert_eq!(
            read("2026-03-29 02:30:00").as_deref(),
            Some("2026-03-29 01:30:00")
        );
        assert_eq!(
            read("2026-10-25 02:30:00").as_deref(),
            Some("2026-10-25 00:30:00")
        );
        for bad in [
            "",
            "2026-06-01",
            "2026-06-01 24:00:00",
            "2026-06-01 00:00",
            "2026-06-01 00:00:00:00",
            "2026-06-31 00:00:00",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        assert_eq!(
            day_of(Timestamp(1_780_350_000_000), &berlin),
            jiff::civil::date(2026, 6, 1)
        );
    }
}
