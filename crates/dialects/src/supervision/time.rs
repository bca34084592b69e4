//! Times as they are written here: by the clocks of the platform, without an offset.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;
use model::time::Timestamp;

/// `yyyy-MM-dd HH:mm:ss`
#[must_use]
pub fn text(at: Timestamp, zone: &TimeZone) -> String {
    let at = zone.to_datetime(at.to_jiff());
    let (date, time) = (at.date(), at.time());
    format!(
        "{} {:02}:{:02}:{:02}",
        date_text(date),
        time.hour(),
        time.minute(),
        time.second()
    )
}

/// `yyyyMMddHHmmss`, as numbers of charges have it.
#[must_use]
pub fn digits(at: Timestamp, zone: &TimeZone) -> String {
    text(at, zone).chars().filter(char::is_ascii_digit).collect()
}

/// `yyyy-MM-dd`
#[must_use]
pub fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), date.month(), date.day())
}

/// Reads a time, and says whether it was written as it should be: hours without a leading zero are met in the
/// field. A time that the clocks show twice is the first of both.
#[must_use]
pub fn read(text: &str, zone: &TimeZone) -> Option<(Timestamp, bool)> {
    let (date, time) = text.split_once(' ')?;
    let (date, is_date_exact) = read_date(date)?;
    let mut is_exact = is_date_exact;
    let mut parts = time.split(':').map(|part| {
        is_exact &= part.len() == 2;
        number(part).filter(|_| part.len() <= 2).and_then(|number| i8::try_from(number).ok())
    });
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() {
        return None;
    }
    drop(parts);
    let at = DateTime::from_parts(date, Time::new(hour, minute, second, 0).ok()?);
    let at = zone.to_ambiguous_timestamp(at).compatible().ok()?;
    Some((Timestamp(at.as_millisecond()), is_exact))
}

/// Reads a day, and says whether it was written as it should be.
#[must_use]
pub fn read_date(text: &str) -> Option<(Date, bool)> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let small = |text: &str| number(text).filter(|_| text.len() <= 2).and_then(|number| i8::try_from(number).ok());
    let year = number(year).filter(|year| *year > 0)?;
    let date = Date::new(year, small(month)?, small(day)?).ok()?;
    Some((date, month.len() == 2 && day.len() == 2))
}

fn number(text: &str) -> Option<i16> {
    let fits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_platforms_clocks() {
        let shanghai = TimeZone::get("Asia/Shanghai").unwrap();
        for (sent, expected) in [
            ("2022-02-28 13:45:04", Some(("2022-02-28 13:45:04", true))),
            ("2022-04-18 9:38:00", Some(("2022-04-18 09:38:00", false))),
            ("2022-4-8 9:3:0", Some(("2022-04-08 09:03:00", false))),
            ("2022-02-28", None),
            ("2022-02-28T13:45:04", None),
            ("2022-02-28 13:45", None),
            ("2022-02-28 13:45:04:00", None),
            ("2022-02-28 13:45:04Z", None),
            ("2022-02-28  13:45:04", None),
            ("2022-02-28 24:00:00", None),
            ("2022-02-28 13:60:00", None),
            ("2022-02-30 13:45:04", None),
            ("0000-01-01 00:00:00", None),
            ("22-02-28 13:45:04", None),
            ("2022-02-28 +1:45:04", None),
            ("2022-02-28 001:45:04", None),
            ("９022-02-28 13:45:04", None),
            ("", None),
        ] {
            let found = read(sent, &shanghai).map(|(at, exact)| (text(at, &shanghai), exact));
            let expected = expected.map(|(text, exact)| (text.to_owned(), exact));
            assert_eq!(found, expected, "{sent}");
        }
        let (at, _) = read("2022-02-28 13:45:04", &shanghai).unwrap();
        assert_eq!(at, Timestamp::from_seconds(1_646_027_104));
        assert_eq!(digits(at, &shanghai), "20220228134504");
    }
}
