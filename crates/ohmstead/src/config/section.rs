//! One table of the file, read key by key.
//!
//! Every reader notes what it did not understand and goes on with a default, so that a wrong file shows all
//! its problems at once. [`Section::finish`] reports the keys nobody asked for, with the nearest known one.

use std::cell::RefCell;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::problems::Problems;

pub struct Section<'a, 'i> {
    /// What the table is, for messages: `[goe]`, `device "grid"`.
    name: String,
    table: &'a DeTable<'i>,
    /// Where the table begins.
    start: usize,
    asked: RefCell<Vec<&'static str>>,
    problems: &'a Problems,
}

impl<'a, 'i> Section<'a, 'i> {
    pub fn new(name: impl Into<String>, table: &'a Spanned<DeTable<'i>>, problems: &'a Problems) -> Self {
        Self {
            name: name.into(),
            table: table.get_ref(),
            start: table.span().start,
            asked: RefCell::new(Vec::new()),
            problems,
        }
    }

    fn of(name: String, table: &'a DeTable<'i>, start: usize, problems: &'a Problems) -> Self {
        Self {
            name,
            table,
            start,
            asked: RefCell::new(Vec::new()),
            problems,
        }
    }

    pub fn rename(&mut self, name: impl Into<String>) {
        self.name = name.into();
    }

    fn get(&self, key: &'static str) -> Option<&'a Spanned<DeValue<'i>>> {
        self.asked.borrow_mut().push(key);
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map(|(_, value)| value)
    }

    pub fn has(&self, key: &str) -> bool {
        self.table.iter().any(|(name, _)| name.get_ref().as_ref() == key)
    }

    /// Where a key's value stands, or the table if the key is not there.
    pub fn position(&self, key: &str) -> usize {
        self.table
            .iter()
            .find(|(name, _)| name.get_ref().as_ref() == key)
            .map_or(self.start, |(_, value)| value.span().start)
    }

    pub fn problem(&self, key: &str, text: impl Into<String>) {
        self.problems.add(self.position(key), text);
    }

    /// At a place that was asked for earlier.
    pub fn problem_at(&self, position: usize, text: impl Into<String>) {
        self.problems.add(position, text);
    }

    fn wrong_type(&self, key: &str, value: &Spanned<DeValue<'i>>, expected: &str) {
        self.problems.add(
            value.span().start,
            format!(
                "{key} in {} is {}, expected {expected}",
                self.name,
                describe(value.get_ref())
            ),
        );
    }

    pub fn missing(&self, key: &str, expected: &str) {
        self.problems.add(
            self.start,
            format!("{} has no {key}, expected {expected}", self.name),
        );
    }

    pub fn text(&self, key: &'static str) -> Option<String> {
        let value = self.get(key)?;
        match value.get_ref().as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong_type(key, value, "a text in quotes");
                None
            }
        }
    }

    pub fn required_text(&self, key: &'static str, expected: &str) -> Option<String> {
        if !self.has(key) {
            self.asked.borrow_mut().push(key);
            self.missing(key, expected);
            return None;
        }
        self.text(key)
    }

    /// A text that has a type of its own: an id, an address.
    pub fn parsed<T>(
        &self,
        key: &'static str,
        expected: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let text = self.text(key)?;
        let parsed = parse(&text);
        if parsed.is_none() {
            self.problem(
                key,
                format!("{key} in {} is \"{text}\", expected {expected}", self.name),
            );
        }
        parsed
    }

    pub fn boolean(&self, key: &'static str, default: bool) -> bool {
        let Some(value) = self.get(key) else {
            return default;
        };
        value.get_ref().as_bool().unwrap_or_else(|| {
            self.wrong_type(key, value, "true or false");
            default
        })
    }

    /// A number with up to `digits` decimals as an integer of that scale: `scaled("limit_a", 3, …)` reads
    /// 16.5 as 16500.
    pub fn scaled(
        &self,
        key: &'static str,
        digits: u32,
        range: std::ops::RangeInclusive<i64>,
        expected: &str,
    ) -> Option<i64> {
        let value = self.get(key)?;
        self.number(key, value, digits, range, expected)
    }

    fn number(
        &self,
        key: &str,
        value: &Spanned<DeValue<'i>>,
        digits: u32,
        range: std::ops::RangeInclusive<i64>,
        expected: &str,
    ) -> Option<i64> {
        let read = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => scale(number.as_str(), digits),
            DeValue::Float(number) => scale(number.as_str(), digits),
            DeValue::Integer(_)
            | DeValue::String(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_)
            | DeValue::Table(_) => {
                self.wrong_type(key, value, expected);
                return None;
            }
        };
        let number = read.filter(|number| range.contains(number));
        if number.is_none() {
            self.wrong_type(key, value, expected);
        }
        number
    }

    /// One number for all phases, or a list of three.
    pub fn per_phase(
        &self,
        key: &'static str,
        digits: u32,
        range: std::ops::RangeInclusive<i64>,
        expected: &str,
    ) -> Option<[i64; 3]> {
        let value = self.get(key)?;
        let Some(list) = value.get_ref().as_array() else {
            return self.number(key, value, digits, range, expected).map(|n| [n; 3]);
        };
        if list.len() != 3 {
            self.wrong_type(key, value, "one number, or three for L1, L2 and L3");
            return None;
        }
        let mut numbers = [0; 3];
        for (number, value) in numbers.iter_mut().zip(list.iter()) {
            *number = self.number(key, value, digits, range.clone(), expected)?;
        }
        Some(numbers)
    }

    pub fn texts(&self, key: &'static str) -> Vec<String> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, value, "a list of texts");
            return Vec::new();
        };
        list.iter()
            .filter_map(|item| {
                let text = item.get_ref().as_str().map(str::to_owned);
                if text.is_none() {
                    self.wrong_type(key, item, "a text in quotes");
                }
                text
            })
            .collect()
    }

    /// A list of small whole numbers.
    pub fn numbers(
        &self,
        key: &'static str,
        range: std::ops::RangeInclusive<i64>,
        expected: &str,
    ) -> Vec<u8> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, value, expected);
            return Vec::new();
        };
        list.iter()
            .filter_map(|item| self.number(key, item, 0, range.clone(), expected))
            .filter_map(|number| u8::try_from(number).ok())
            .collect()
    }

    /// The table under a key.
    pub fn table(&self, key: &'static str) -> Option<Section<'a, 'i>> {
        let value = self.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Section::of(
                format!("[{key}]"),
                table,
                value.span().start,
                self.problems,
            )),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => {
                self.wrong_type(key, value, &format!("a table [{key}]"));
                None
            }
        }
    }

    /// The tables under `[[key]]`.
    pub fn tables(&self, key: &'static str) -> Vec<Section<'a, 'i>> {
        let Some(value) = self.get(key) else {
            return Vec::new();
        };
        let Some(list) = value.get_ref().as_array() else {
            self.wrong_type(key, value, &format!("tables [[{key}]]"));
            return Vec::new();
        };
        list.iter()
            .filter_map(|item| match item.get_ref().as_table() {
                Some(table) => Some(Section::of(
                    format!("[[{key}]]"),
                    table,
                    item.span().start,
                    self.problems,
                )),
                None => {
                    self.wrong_type(key, item, &format!("a table [[{key}]]"));
                    None
                }
            })
            .collect()
    }

    /// Reports every key that nobody asked for.
    pub fn finish(self) {
        self.finish_ref();
    }

    /// The same for a section that is still borrowed.
    pub fn finish_ref(&self) {
        let asked = self.asked.borrow();
        for (key, _) in self.table.iter() {
            let name = key.get_ref().as_ref();
            if asked.contains(&name) {
                continue;
            }
            let hint = match nearest(name, &asked) {
                Some(known) => format!("; did you mean `{known}`?"),
                None => {
                    let mut known = asked.clone();
                    known.sort_unstable();
                    known.dedup();
                    format!("; known are {}", known.join(", "))
                }
            };
            self.problems.add(
                key.span().start,
                format!("{} has no key `{name}`{hint}", self.name),
            );
        }
    }
}

/// `06:30` as minutes since midnight; `24:00` is the end of the day.
pub fn minute(text: &str) -> Option<u16> {
    let (hour, minute) = text.split_once(':')?;
    let digits = |text: &str| {
        let fits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        fits.then(|| text.parse::<u16>().ok())?
    };
    let (hour, minute) = (digits(hour)?, digits(minute)?);
    (minute < 60 && hour * 60 + minute <= 1_440).then_some(hour * 60 + minute)
}

fn describe(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(_) => "a list".to_owned(),
        DeValue::Table(_) => "a table".to_owned(),
    }
}

/// Reads `16.5` with three digits as 16500, exactly. `None` if it has more decimals, or is too large.
fn scale(text: &str, digits: u32) -> Option<i64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.trim_end_matches('0');
    let missing = usize::try_from(digits).ok()?.checked_sub(fraction.len())?;
    let joined = format!("{whole}{fraction}{}", "0".repeat(missing));
    let number: i64 = joined.parse().ok()?;
    Some(if negative { -number } else { number })
}

/// `a, b or c`.
pub fn one_of(known: &[&str]) -> String {
    match known {
        [most @ .., last] if !most.is_empty() => format!("{} or {last}", most.join(", ")),
        few => few.concat(),
    }
}

/// The known word with the smallest edit distance, if that is small enough to be a slip.
pub fn nearest<'k>(word: &str, known: &[&'k str]) -> Option<&'k str> {
    let limit = (word.chars().count() / 3).max(1) + 1;
    known
        .iter()
        .map(|k| (distance(word, k), *k))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, k)| k)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut corner = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let substituted = corner + usize::from(x != *y);
            corner = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(corner + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_read_exactly() {
        let cases = [
            ("16.5", Some(16_500)),
            ("-0.25", Some(-250)),
            ("1.2345", None),
            ("7", Some(7_000)),
            ("1e3", None),
        ];
        for (text, expected) in cases {
            assert_eq!(scale(text, 3), expected, "{text}");
        }
    }

    #[test]
    fn the_nearest_known_word_is_offered_only_for_a_slip() {
        let known = ["listen", "limit_a", "host_names"];
        assert_eq!(nearest("limit_amp", &known), Some("limit_a"));
        assert_eq!(nearest("lisen", &known), Some("listen"));
        assert_eq!(nearest("colour", &known), None);
    }
}
