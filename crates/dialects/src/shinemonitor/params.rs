//! Parameters of an action, read where they stand: only what is asked for is decoded.

use std::borrow::Cow;
use std::fmt;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::time::Timestamp;

use super::error::{Code, Refusal};
use super::{time, titles::Lang};
use crate::query;

/// The signed text of a query. Of parameters of the same name the last counts.
#[derive(Clone, Copy, Debug)]
pub struct Params<'q>(&'q str);

/// What the four parameters of a device say together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceName {
    pub pn: String,
    pub devcode: i64,
    pub devaddr: i64,
    pub sn: String,
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{}", self.pn, self.devcode, self.devaddr, self.sn)
    }
}

impl DeviceName {
    /// As [`DeviceName`] is shown.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(',').map(str::trim);
        let name = Self {
            pn: parts.next().filter(|pn| !pn.is_empty())?.to_owned(),
            devcode: parts.next()?.parse().ok()?,
            devaddr: parts.next()?.parse().ok()?,
            sn: parts.next().filter(|sn| !sn.is_empty())?.to_owned(),
        };
        parts.next().is_none().then_some(name)
    }
}

/// Which part of a list is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    pub page: usize,
    pub size: usize,
}

impl Page {
    pub const MOST: usize = 50;

    pub fn of<T>(self, all: &[T]) -> &[T] {
        let start = self.page.saturating_mul(self.size).min(all.len());
        let end = start.saturating_add(self.size).min(all.len());
        all.get(start..end).unwrap_or_default()
    }
}

/// A span of time, its end excluded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: Timestamp,
    pub end: Timestamp,
}

/// As many entries a list in one parameter may have.
pub const MOST_ENTRIES: usize = 256;

impl<'q> Params<'q> {
    #[must_use]
    pub const fn new(tail: &'q str) -> Self {
        Self(tail)
    }

    /// As it was sent.
    pub(super) fn raw(self, name: &str) -> Option<&'q str> {
        self.0.rsplit('&').find_map(|pair| {
            let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
            let is_escaped = found.contains(['%', '+']);
            let fits = found == name || is_escaped && query::decode(found) == name;
            fits.then_some(value)
        })
    }

    /// What is empty is not there.
    #[must_use]
    pub fn opt(self, name: &str) -> Option<Cow<'q, str>> {
        let value = self.raw(name).filter(|value| !value.is_empty())?;
        Some(if value.contains(['%', '+']) {
            Cow::Owned(query::decode(value))
        } else {
            Cow::Borrowed(value)
        })
    }

    pub fn text(self, name: &str) -> Result<Cow<'q, str>, Refusal> {
        self.opt(name).ok_or_else(|| Refusal::format(name))
    }

    pub fn opt_int(self, name: &str) -> Result<Option<i64>, Refusal> {
        let read = |text: Cow<'_, str>| text.trim().parse().map_err(|_| Refusal::format(name));
        self.opt(name).map(read).transpose()
    }

    pub fn int(self, name: &str) -> Result<i64, Refusal> {
        self.opt_int(name)?.ok_or_else(|| Refusal::format(name))
    }

    pub fn opt_bool(self, name: &str) -> Result<Option<bool>, Refusal> {
        let read = |text: Cow<'_, str>| match text.as_ref() {
            "true" | "1" => Ok(true),
            "false" | "0" => Ok(false),
            _ => Err(Refusal::format(name)),
        };
        self.opt(name).map(read).transpose()
    }

    /// From the four parameters, or from `device` where a client has put them together.
    pub fn device(self) -> Result<DeviceName, Refusal> {
        if let (None, Some(text)) = (self.opt("pn"), self.opt("device")) {
            return DeviceName::read(&text).ok_or_else(|| Refusal::format("device"));
        }
        Ok(DeviceName {
            pn: self.text("pn")?.into_owned(),
            devcode: self.int("devcode")?,
            devaddr: self.int("devaddr")?,
            sn: self.text("sn")?.into_owned(),
        })
    }

    /// One or more devices, in `device` or as the four parameters of one.
    pub fn devices(self) -> Result<Vec<DeviceName>, Refusal> {
        let Some(text) = self.opt("device") else {
            return match self.opt("pn") {
                Some(_) => Ok(vec![self.device()?]),
                None => Err(Refusal::format("device")),
            };
        };
        let entries = entries(&text, ';')?;
        let read = |entry| DeviceName::read(entry).ok_or_else(|| Refusal::format("device"));
        entries.into_iter().map(read).collect()
    }

    /// One or more texts with commas between them.
    pub fn list(self, name: &str) -> Result<Vec<String>, Refusal> {
        let text = self.text(name)?;
        Ok(entries(&text, ',')?.into_iter().map(str::to_owned).collect())
    }

    /// Never a refusal: what cannot be is moved to what can.
    #[must_use]
    pub fn page(self, default_size: usize) -> Page {
        let number = |name| self.opt(name).and_then(|text| text.trim().parse::<i128>().ok());
        let size = |size: i128| usize::try_from(size.clamp(1, 50)).unwrap_or(Page::MOST);
        Page {
            page: number("page").map_or(0, |page| usize::try_from(page.max(0)).unwrap_or(usize::MAX)),
            size: number("pagesize").map_or(default_size, size),
        }
    }

    /// A day `yyyy-mm-dd`.
    pub fn day(self, name: &str, default: Date) -> Result<Date, Refusal> {
        self.date(name, default, time::read_day)
    }

    /// The first day of a month `yyyy-mm`.
    pub fn month(self, name: &str, default: Date) -> Result<Date, Refusal> {
        self.date(name, default, time::read_month)
            .map(Date::first_of_month)
    }

    /// The first day of a year `yyyy`.
    pub fn year(self, name: &str, default: Date) -> Result<Date, Refusal> {
        self.date(name, default, time::read_year).map(Date::first_of_year)
    }

    fn date(self, name: &str, default: Date, read: fn(&str) -> Option<Date>) -> Result<Date, Refusal> {
        self.opt(name).map_or(Ok(default), |text| {
            read(&text).ok_or_else(|| Refusal::format(name))
        })
    }

    /// `sdate` and `edate`, which come only together, by the clocks of a zone.
    pub fn span(self, zone: &TimeZone) -> Result<Option<Span>, Refusal> {
        let read = |name| {
            let moment =
                |text: Cow<'_, str>| time::read_moment(&text, zone).ok_or_else(|| Refusal::format(name));
            self.opt(name).map(moment).transpose()
        };
        match (read("sdate")?, read("edate")?) {
            (None, None) => Ok(None),
            (Some(start), Some(end)) => Ok(Some(Span { start, end })),
            (None, Some(_)) => Err(Refusal::format("sdate")),
            (Some(_), None) => Err(Refusal::format("edate")),
        }
    }

    #[must_use]
    pub fn lang(self) -> Lang {
        let text = self.opt("i18n").or_else(|| self.opt("lang"));
        Lang::read(text.as_deref().unwrap_or_default())
    }
}

fn entries(text: &str, between: char) -> Result<Vec<&str>, Refusal> {
    let entries: Vec<&str> = text
        .split(between)
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
        .collect();
    if entries.len() > MOST_ENTRIES {
        return Err(Code::TooMany.into());
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(tail: &str) -> Params<'_> {
        Params::new(tail)
    }

    fn refused<T: fmt::Debug>(result: Result<T, Refusal>) -> String {
        result.unwrap_err().text()
    }

    #[test]
    fn values_are_decoded_and_the_last_of_a_name_counts() {
        let p = params("&action=a&x=1&x=a%20b+%2C&e=&f&%70n=7&i18n=zh_CN&i18n=de");
        assert_eq!(p.opt("x").as_deref(), Some("a b ,"));
        assert_eq!(p.opt("e"), None);
        assert_eq!(p.opt("f"), None);
        assert_eq!(p.int("pn"), Ok(7));
        assert_eq!(p.lang(), Lang::De);
        assert_eq!(refused(p.text("e")), "ERR_FORMAT(can not found e)");
        assert_eq!(refused(p.int("x")), "ERR_FORMAT(can not found x)");
        assert!(matches!(p.opt("i18n"), Some(Cow::Borrowed("de"))));
    }

    #[test]
    fn pages_are_moved_to_what_can_be() {
        for (tail, page, size) in [
            ("", 0, 1),
            ("&page=2&pagesize=10", 2, 10),
            ("&page=-1&pagesize=0", 0, 1),
            ("&page=x&pagesize=-1", 0, 1),
            ("&pagesize=1000000000", 0, 50),
            ("&pagesize=", 0, 1),
            ("&page=99999999999999999999999999", usize::MAX, 1),
        ] {
            assert_eq!(params(tail).page(1), Page { page, size }, "{tail}");
        }
        let all = [1, 2, 3, 4, 5];
        let of = |page, size| Page { page, size }.of(&all);
        assert_eq!(of(0, 2), [1, 2]);
        assert_eq!(of(2, 2), [5]);
        assert!(of(3, 2).is_empty());
        assert!(of(usize::MAX, 50).is_empty());
    }

    #[test]
    fn dates_are_whole_and_exist() {
        let today = jiff::civil::date(2026, 11, 27);
        let day = |text: &str| params(&format!("&date={text}")).day("date", today);
        assert_eq!(params("").day("date", today), Ok(today));
        assert_eq!(day("2024-02-29"), Ok(jiff::civil::date(2024, 2, 29)));
        for bad in [
            "2026-02-30",
            "0000-01-01",
            "2026-13-01",
            "2026-1-1",
            "2026-01",
            "2026-01-01x",
            "+026-01-01",
            "x",
        ] {
            assert_eq!(refused(day(bad)), "ERR_FORMAT(can not found date)", "{bad}");
        }
        let month = |text: &str| params(&format!("&date={text}")).month("date", today);
        assert_eq!(month("2026-02"), Ok(jiff::civil::date(2026, 2, 1)));
        assert_eq!(
            params("").month("date", today),
            Ok(jiff::civil::date(2026, 11, 1))
        );
        assert!(month("2026-13").is_err() && month("2026-02-01").is_err());
        let year = |text: &str| params(&format!("&date={text}")).year("date", today);
        assert_eq!(year("2025"), Ok(jiff::civil::date(2025, 1, 1)));
        assert!(year("0").is_err() && year("0000").is_err() && year("10000").is_err());
    }

    #[test]
    fn spans_come_whole() {
        let utc = TimeZone::UTC;
        let good = "&sdate=1970-01-01%2000:00:01&edate=1970-01-01+00:00:02";
        assert_eq!(
            params(good).span(&utc),
            Ok(Some(Span {
                start: Timestamp(1_000),
                end: Timestamp(2_000)
            }))
        );
        assert_eq!(params("").span(&utc), Ok(None));
        for (tail, name) in [
            ("&sdate=1970-01-01%2000:00:01", "edate"),
            ("&edate=1970-01-01%2000:00:01", "sdate"),
            ("&sdate=1970-01-01&edate=1970-01-01%2000:00:01", "sdate"),
            (
                "&sdate=1970-01-01%2000:00:01&edate=1970-01-01%2024:00:00",
                "edate",
            ),
        ] {
            assert_eq!(
                refused(params(tail).span(&utc)),
                format!("ERR_FORMAT(can not found {name})")
            );
        }
    }

    #[test]
    fn devices_are_named_in_two_ways_and_lists_have_an_end() {
        let name = |sn: &str| DeviceName {
            pn: "W1".into(),
            devcode: 512,
            devaddr: 1,
            sn: sn.into(),
        };
        assert_eq!(
            params("&pn=W1&devcode=512&devaddr=1&sn=a").device(),
            Ok(name("a"))
        );
        assert_eq!(params("&device=W1%2C512,1,a").device(), Ok(name("a")));
        assert_eq!(
            params("&device=W1,512,1,a;W1,512,1,b").devices(),
            Ok(vec![name("a"), name("b")])
        );
        assert_eq!(
            params("&pn=W1&devcode=512&devaddr=1&sn=a").devices(),
            Ok(vec![name("a")])
        );
        for (tail, expected) in [
            ("&devcode=512&devaddr=1&sn=a", "pn"),
            ("&pn=W1&devcode=x&devaddr=1&sn=a", "devcode"),
            ("&pn=W1&devcode=512&sn=a", "devaddr"),
            ("&pn=W1&devcode=512&devaddr=1&sn=", "sn"),
        ] {
            assert_eq!(
                refused(params(tail).device()),
                format!("ERR_FORMAT(can not found {expected})")
            );
        }
        for bad in [
            "&device=W1,512,1",
            "&device=W1,512,1,a,b",
            "&device=W1,a,1,b",
            "&x=1",
        ] {
            assert_eq!(
                refused(params(bad).devices()),
                "ERR_FORMAT(can not found device)",
                "{bad}"
            );
        }
        let many = |count| {
            format!(
                "&device={}&pn={}",
                vec!["W1,512,1,a"; count].join(";"),
                vec!["W1"; count].join(",")
            )
        };
        assert_eq!(params(&many(256)).devices().unwrap().len(), 256);
        assert_eq!(params(&many(256)).list("pn").unwrap().len(), 256);
        assert_eq!(refused(params(&many(257)).devices()), "ERR_OVER_LIMITED");
        assert_eq!(refused(params(&many(257)).list("pn")), "ERR_OVER_LIMITED");
    }
}
