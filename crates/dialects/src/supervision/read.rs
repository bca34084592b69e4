//! JSON straight into what it means: one pass over the members of an object, each looked up in its form.
//!
//! What is odd is kept with a finding, what is wrong is noted, and reading goes on, so that an answer can name
//! all of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use model::oversight::{Code, Decimal, Finding, FindingKind};
use model::time::Timestamp;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::definition::{Field, Form, Kind};
use super::error::{Refusal, clean};
use super::request::Context;
use super::time;

/// What is kept of members that no form knows.
const MOST_UNKNOWN: usize = 64;
const LONGEST_NAME: usize = 128;
const LONGEST_UNKNOWN: usize = 4_096;
const DEEPEST: usize = 32;
/// So many mistakes of one object are named.
const MOST_PROBLEMS: usize = 8;

/// What a member says.
pub(super) enum Value<'j> {
    Id(Code),
    Text(Cow<'j, str>),
    Number(Decimal),
    Integer(i64),
    Time(Timestamp),
}

/// What an object is put together in.
pub(super) trait Sink {
    fn put(&mut self, field: &Field, value: Value<'_>);
    fn unknown(&mut self, name: Cow<'_, str>, json: &str);
}

/// Which members must be there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Whole {
    Yes,
    /// What is not there stays as it was.
    No,
}

/// Reads an object into a sink and gives what is odd about it.
pub(super) fn object<S: Sink>(
    json: &str,
    form: &Form,
    whole: Whole,
    context: &Context<'_>,
    sink: &mut S,
) -> Result<Vec<Finding>, Refusal> {
    let mut reading = Reading {
        form,
        context,
        seen: 0,
        given: 0,
        hint: 0,
        unknown: Vec::new(),
        compared: [0; 64],
        findings: Vec::new(),
        problems: Vec::new(),
    };
    members(json, |name, raw| reading.member(name, raw, sink))?;
    reading.compare();
    let needed = match whole {
        Whole::Yes => form.required,
        Whole::No => form.key,
    };
    let mut missing = needed & !reading.given;
    while missing != 0 {
        let place = missing.trailing_zeros() as usize;
        missing &= missing - 1;
        // What was there and wrong has been named.
        if let Some(field) = form.fields.get(place)
            && !reading.is_named(&field.name)
        {
            reading.problem(Refusal::field(&field.name, "is required"));
        }
    }
    let mut problems = reading.problems.into_iter();
    match problems.next() {
        None => Ok(reading.findings),
        Some(first) => Err(Refusal {
            more: problems.map(|problem| problem.message).collect(),
            ..first
        }),
    }
}

struct Reading<'a> {
    form: &'a Form,
    context: &'a Context<'a>,
    /// Bits of fields: those that came, and those that said something.
    seen: u64,
    given: u64,
    /// Where the next member probably stands.
    hint: usize,
    unknown: Vec<String>,
    /// By place, of what can be compared.
    compared: [i64; 64],
    findings: Vec<Finding>,
    problems: Vec<Refusal>,
}

impl Reading<'_> {
    fn member<S: Sink>(&mut self, name: Cow<'_, str>, raw: &str, sink: &mut S) {
        let Some(place) = self.place(&name) else {
            if let Err(problem) = self.unknown(&name, raw) {
                self.problem(problem);
            } else if raw != "null" {
                sink.unknown(name, raw);
            }
            return;
        };
        self.hint = place + 1;
        let bit = 1 << place;
        if self.seen & bit != 0 {
            self.problem(Refusal::field(&name, "is there twice"));
            return;
        }
        self.seen |= bit;
        let form = self.form;
        let Some(field) = form.fields.get(place) else {
            return;
        };
        match self.value(field, raw) {
            Ok(Some(value)) => {
                self.given |= bit;
                if let Some(compared) = self.compared.get_mut(place) {
                    *compared = match &value {
                        Value::Number(number) => number.0,
                        Value::Integer(number) => *number,
                        Value::Time(at) => at.0,
                        Value::Text(text) if field.kind == Kind::Date => day_number(text),
                        Value::Id(_) | Value::Text(_) => 0,
                    };
                }
                if field.kind != Kind::Operator {
                    sink.put(field, value);
                }
            }
            Ok(None) => {}
            Err(wrong) => {
                self.problem(match wrong {
                    Wrong::Expected(what) => Refusal::field(&name, &format!("{}: expected {what}", clean(raw))),
                    Wrong::Foreign => {
                        Refusal::forbidden(&format!("{}: is not the operator that calls", clean(&name)))
                    }
                });
            }
        }
    }

    /// Names that an operator has of its own come first.
    fn place(&self, name: &str) -> Option<usize> {
        let own = &self.context.operator.field_names;
        if !own.is_empty()
            && let Some(means) = own.get(name)
        {
            let by_ours = || self.form.fields.iter().position(|field| field.is == *means);
            if let Some(place) = self.form.place(means, self.hint).or_else(by_ours) {
                return Some(place);
            }
        }
        self.form.place(name, self.hint)
    }

    fn unknown(&mut self, name: &str, raw: &str) -> Result<(), Refusal> {
        if self.unknown.len() >= MOST_UNKNOWN {
            return Err(Refusal::field(name, "too many members that are not known"));
        }
        if name.len() > LONGEST_NAME || name.chars().any(char::is_control) {
            return Err(Refusal::field(name, "is no name of a member"));
        }
        if raw.len() > LONGEST_UNKNOWN {
            return Err(Refusal::field(name, &format!("longer than {LONGEST_UNKNOWN} bytes")));
        }
        if depth(raw) > DEEPEST {
            return Err(Refusal::field(name, &format!("nested deeper than {DEEPEST}")));
        }
        if self.unknown.iter().any(|other| other == name) {
            return Err(Refusal::field(name, "is there twice"));
        }
        self.unknown.push(name.to_owned());
        Ok(())
    }

    fn value<'j>(&mut self, field: &Field, raw: &'j str) -> Result<Option<Value<'j>>, Wrong> {
        if raw == "null" {
            return Ok(None);
        }
        match field.kind {
            Kind::Id => self.id(field, raw),
            Kind::Operator => {
                let sent = text_of(raw).ok_or(Wrong::ID)?;
                if *sent == *self.context.operator.id.as_str() {
                    Ok(Some(Value::Text(sent)))
                } else {
                    Err(Wrong::Foreign)
                }
            }
            Kind::Text => text(field, raw),
            Kind::Integer | Kind::Number | Kind::Code => self.number(field, raw),
            Kind::Date => {
                let sent = text_of(raw).ok_or(Wrong::DATE)?;
                if sent.is_empty() && !field.required {
                    return Ok(None);
                }
                let (date, is_exact) = time::read_date(&sent).ok_or(Wrong::DATE)?;
                if !is_exact {
                    self.finding(FindingKind::OddTime, field, &sent, "yyyy-MM-dd");
                }
                Ok(Some(Value::Text(time::date_text(date).into())))
            }
            Kind::Time => {
                let sent = text_of(raw).ok_or(Wrong::TIME)?;
                let (at, is_exact) = time::read(&sent, self.context.zone).ok_or(Wrong::TIME)?;
                if !is_exact {
                    self.finding(FindingKind::OddTime, field, &sent, "yyyy-MM-dd HH:mm:ss");
                }
                Ok(Some(Value::Time(at)))
            }
            Kind::List | Kind::Object => Ok(None),
        }
    }

    fn id<'j>(&mut self, field: &Field, raw: &str) -> Result<Option<Value<'j>>, Wrong> {
        let sent = text_of(raw).ok_or(Wrong::ID)?;
        if sent.is_empty() && !field.required {
            return Ok(None);
        }
        let code = Code::new(&sent).map_err(|_| Wrong::ID)?;
        Ok(Some(Value::Id(code)))
    }

    fn number<'j>(&mut self, field: &Field, raw: &'j str) -> Result<Option<Value<'j>>, Wrong> {
        let is_integer = field.kind != Kind::Number;
        let wrong = || if is_integer { Wrong::INTEGER } else { Wrong::NUMBER };
        let sent = match raw.as_bytes().first() {
            Some(b'"') => text_of(raw).ok_or_else(wrong)?,
            Some(b'-' | b'0'..=b'9') => Cow::Borrowed(raw),
            _ => return Err(wrong()),
        };
        let (number, is_exact) = decimal(&sent).ok_or_else(wrong)?;
        if raw.starts_with('"') {
            let expected = if is_integer { "an integer" } else { "a number" };
            self.finding(FindingKind::NumberAsText, field, &sent, expected);
        }
        if is_integer {
            let whole = number.as_whole().filter(|_| is_exact).ok_or(Wrong::INTEGER)?;
            if let Some(table) = &field.table {
                if table.none == Some(whole) {
                    return Ok(None);
                }
                if !table.open && !table.has(whole) {
                    if self.context.operator.strict {
                        return Err(Wrong::Expected(format!("one of {}", table.allowed()).into()));
                    }
                    self.finding(FindingKind::OutOfTable, field, &sent, &table.allowed());
                }
            }
            self.check_range(field, number, &sent)?;
            return Ok(Some(Value::Integer(whole)));
        }
        let fits = field.places.is_none_or(|places| number.fits(places));
        if !is_exact || !fits {
            let places = field.places.unwrap_or(6);
            let expected = format!("{places} decimal places");
            self.finding(FindingKind::TooPrecise, field, &sent, &expected);
        }
        self.check_range(field, number, &sent)?;
        Ok(Some(Value::Number(number)))
    }

    fn check_range(&mut self, field: &Field, number: Decimal, sent: &str) -> Result<(), Wrong> {
        let is_below = field.from.is_some_and(|from| number < from);
        let is_above = field.to.is_some_and(|to| number > to);
        if !is_below && !is_above {
            return Ok(());
        }
        let expected = match (field.from, field.to) {
            (Some(from), Some(to)) => format!("{from} to {to}"),
            (Some(from), None) => format!("at least {from}"),
            (None, Some(to)) => format!("at most {to}"),
            (None, None) => String::new(),
        };
        if field.soft && !self.context.operator.strict {
            self.finding(FindingKind::Implausible, field, sent, &expected);
            return Ok(());
        }
        Err(Wrong::Expected(expected.into()))
    }

    /// What is less than it can be, beside another field.
    fn compare(&mut self) {
        let form = self.form;
        for (place, field) in form.fields.iter().enumerate() {
            let Some(before) = field.not_before else { continue };
            let both = 1 << place | 1 << before;
            let of = |place: usize| self.compared.get(place).copied().unwrap_or_default();
            if self.given & both == both && of(place) < of(before) {
                let other = form.fields.get(before).map_or("", |field| &field.name);
                self.problem(Refusal::field(&field.name, &format!("is less than {other}")));
            }
        }
    }

    fn finding(&mut self, kind: FindingKind, field: &Field, value: &str, expected: &str) {
        self.findings.push(Finding {
            kind,
            field: field.is.clone(),
            value: clean(value),
            expected: expected.to_owned(),
        });
    }

    fn problem(&mut self, problem: Refusal) {
        if self.problems.len() < MOST_PROBLEMS {
            self.problems.push(problem);
        }
    }

    fn is_named(&self, name: &str) -> bool {
        let is_of = |problem: &Refusal| {
            let rest = problem.message.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(": "))
        };
        self.problems.iter().any(is_of)
    }
}

/// Why a value does not fit its field.
enum Wrong {
    Expected(Cow<'static, str>),
    /// Another operator's.
    Foreign,
}

impl Wrong {
    const ID: Self = Self::Expected(Cow::Borrowed("a text of 1 to 64 visible ASCII characters"));
    const DATE: Self = Self::Expected(Cow::Borrowed("a day, yyyy-MM-dd"));
    const TIME: Self = Self::Expected(Cow::Borrowed("a time, yyyy-MM-dd HH:mm:ss"));
    const INTEGER: Self = Self::Expected(Cow::Borrowed("an integer"));
    const NUMBER: Self = Self::Expected(Cow::Borrowed("a number"));
}

fn text<'j>(field: &Field, raw: &'j str) -> Result<Option<Value<'j>>, Wrong> {
    let expected = || {
        let least = u8::from(field.required);
        Wrong::Expected(format!("a text of {least} to {} characters", field.most).into())
    };
    let sent = text_of(raw).ok_or_else(expected)?;
    let is_short = sent.len() <= field.most || sent.chars().count() <= field.most;
    let is_clean = sent.chars().all(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r'));
    if !is_short || !is_clean || (field.required && sent.is_empty()) {
        return Err(expected());
    }
    Ok(Some(Value::Text(sent)))
}

/// A JSON string without its quotes and escapes; `None`: it is none.
pub(super) fn text_of(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(raw).ok().map(Cow::Owned)
}

/// A number as JSON writes it, and whether all of it was kept. Most have a few digits.
fn decimal(text: &str) -> Option<(Decimal, bool)> {
    quick_decimal(text)
        .map(|number| (number, true))
        .or_else(|| Decimal::read(text).ok())
}

fn quick_decimal(text: &str) -> Option<Decimal> {
    let (is_negative, digits) = match text.as_bytes() {
        [b'-', rest @ ..] => (true, rest),
        rest => (false, rest),
    };
    // Leading zeros and the rest of the grammar are left to the other one.
    if digits.len() > 17 || matches!(digits, [b'0', b'0'..=b'9', ..]) {
        return None;
    }
    let (mut whole, mut value, mut places) = (0, 0_i64, None);
    for byte in digits {
        match byte {
            b'0'..=b'9' => {
                value = value * 10 + i64::from(byte - b'0');
                match &mut places {
                    Some(places) => *places += 1,
                    None => whole += 1,
                }
            }
            b'.' if places.is_none() && whole > 0 => places = Some(0_u32),
            _ => return None,
        }
    }
    let places = match places {
        None if whole > 0 => 0,
        Some(places @ 1..=6) => places,
        _ => return None,
    };
    let millionths = value.checked_mul(10_i64.pow(6 - places))?;
    Some(Decimal(if is_negative { -millionths } else { millionths }))
}

fn day_number(text: &str) -> i64 {
    text.chars()
        .filter_map(|c| c.to_digit(10))
        .fold(0, |number, digit| number * 10 + i64::from(digit))
}

/// How deep a value is nested.
fn depth(raw: &str) -> usize {
    let (mut depth, mut deepest, mut is_text, mut is_escaped) = (0_usize, 0, false, false);
    for byte in raw.bytes() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = is_text,
            b'"' => is_text = !is_text,
            b'[' | b'{' if !is_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !is_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// What was sent, as text.
pub(super) fn body_text(body: &[u8]) -> Result<&str, Refusal> {
    std::str::from_utf8(body).map_err(|_| Refusal::new(400, "the body is no UTF-8"))
}

fn not_json(error: &serde_json::Error) -> Refusal {
    Refusal::new(400, format!("the body is no JSON: {error}"))
}

/// Gives every member of an object with its value as it was sent.
pub(super) fn members<'j>(json: &'j str, take: impl FnMut(Cow<'j, str>, &'j str)) -> Result<(), Refusal> {
    if !json.trim_ascii_start().starts_with('{') {
        let wrong = serde_json::from_str::<&RawValue>(json);
        return Err(wrong.map_or_else(
            |error| not_json(&error),
            |_| Refusal::new(400, "expected a JSON object"),
        ));
    }
    let mut json = serde_json::Deserializer::from_str(json);
    let read = json.deserialize_map(Members(take));
    read.and_then(|()| json.end()).map_err(|error| not_json(&error))
}

struct Members<F>(F);

impl<'j, F: FnMut(Cow<'j, str>, &'j str)> Visitor<'j> for Members<F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'j>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Text)? {
            let raw = map.next_value::<&'j RawValue>()?;
            (self.0)(name, raw.get());
        }
        Ok(())
    }
}

/// A text that is not copied where it has no escapes.
struct Text;

impl<'j> DeserializeSeed<'j> for Text {
    type Value = Cow<'j, str>;

    fn deserialize<D: Deserializer<'j>>(self, json: D) -> Result<Cow<'j, str>, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'j> Visitor<'j> for Text {
    type Value = Cow<'j, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'j str) -> Result<Cow<'j, str>, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cow<'j, str>, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// The entries of a list, each as it was sent. A longer list than is allowed is not read to its end.
pub(super) fn entries(json: &str, most: u32) -> Result<Vec<&str>, Refusal> {
    if !json.trim_ascii_start().starts_with('[') {
        let wrong = serde_json::from_str::<&RawValue>(json);
        return Err(wrong.map_or_else(
            |error| not_json(&error),
            |_| Refusal::new(400, "expected a JSON list"),
        ));
    }
    let mut is_longer = false;
    let mut json = serde_json::Deserializer::from_str(json);
    let list = Entries {
        most: most as usize,
        is_longer: &mut is_longer,
    };
    let read = json.deserialize_seq(list);
    match read.and_then(|entries| json.end().map(|()| entries)) {
        Ok(entries) if entries.is_empty() => Err(Refusal::new(400, "expected at least one entry in the list")),
        Ok(entries) => Ok(entries),
        Err(_) if is_longer => Err(Refusal::too_many(most)),
        Err(error) => Err(not_json(&error)),
    }
}

struct Entries<'a> {
    most: usize,
    is_longer: &'a mut bool,
}

impl<'j> Visitor<'j> for Entries<'_> {
    type Value = Vec<&'j str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'j>>(self, mut list: A) -> Result<Vec<&'j str>, A::Error> {
        let mut entries = Vec::with_capacity(self.most.min(32));
        while let Some(raw) = list.next_element::<&'j RawValue>()? {
            if entries.len() == self.most {
                *self.is_longer = true;
                return Err(A::Error::custom("too long"));
            }
            entries.push(raw.get());
        }
        Ok(entries)
    }
}

/// JSON of a text.
pub(super) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Keeps what is not known beside what is kept by names of ours: a name that is one of these gets a `_`.
pub(super) fn keep(map: &mut BTreeMap<String, String>, form: &Form, name: Cow<'_, str>, json: &str) {
    let mut name = name.into_owned();
    while form.field(&name).is_some() || map.contains_key(&name) {
        name.push('_');
    }
    map.insert(name, json.to_owned());
}
