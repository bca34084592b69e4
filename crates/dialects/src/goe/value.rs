//! Typing and checking of a written value, and the texts of a refusal.
//!
//! The text after `=` is read as JSON. Refusals start with the key, in the charger's own words where they
//! are known (`testdata/goe/cloud-bodies.json`); the words for a wrong type are ours.

use serde_json::{Number, Value};

use super::keys::{self, Kind};

/// What happens to a text that is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Refused, as a charger in the LAN does.
    Strict,
    /// Taken as a string, so that `fna=garage` means `"garage"`; cloud form.
    Lenient,
}

/// A written value as JSON for the echo, and why it is refused if it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Checked {
    pub value: Value,
    pub refusal: Option<String>,
}

/// Checks one written value against the key table.
#[must_use]
pub fn check(key: &str, text: &str, reading: Reading) -> Checked {
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    let value = read(text);
    let refusal = match keys::find(key) {
        None => Some(unknown(key)),
        Some(row) if keys::NOT_FROM_API.contains(&row.name) => Some(not_from_api(key, text)),
        Some(row) if !row.access.is_writable() => Some(without_setter(key, text)),
        Some(row) if !is_json && (reading == Reading::Strict || row.kind != Kind::Text) => Some(format!(
            "{key}: tried to set api key with invalid json InvalidInput ({})",
            short(text)
        )),
        Some(row) => check_value(&row, &value, text),
    };
    Checked { value, refusal }
}

/// A written text as JSON, or as a string where it is none.
#[must_use]
pub fn read(text: &str) -> Value {
    serde_json::from_str(text).map_or_else(|_| Value::String(text.to_owned()), whole_numbers)
}

/// The refusal of a key that nobody knows.
#[must_use]
pub fn unknown(key: &str) -> String {
    format!("{key}: unknown api key")
}

/// The refusal of a key that exists and may not be written this way.
#[must_use]
pub fn not_from_api(key: &str, text: &str) -> String {
    format!(
        "{key}: tried to set api key which is not allowed from api ({})",
        short(text)
    )
}

/// The refusal of a key that is written only where an administrator granted it.
#[must_use]
pub fn not_granted(key: &str, text: &str) -> String {
    format!(
        "{key}: tried to set api key which is not allowed from api without a grant ({})",
        short(text)
    )
}

/// The refusal of a key that is only read.
#[must_use]
pub fn without_setter(key: &str, text: &str) -> String {
    format!("{key}: tried to set api key without setter ({})", short(text))
}

/// The refusal of a number outside its range.
#[must_use]
pub fn out_of_range(key: &str, given: &str, low: i64, high: i64) -> String {
    format!("{key}: failed: Value {given} exceeds range {low} to {high} ({given})")
}

/// The refusal of a value of the wrong type.
#[must_use]
pub fn wrong_type(key: &str, expected: &str, text: &str) -> String {
    format!("{key}: failed: value must be {expected} ({})", short(text))
}

fn check_value(row: &keys::Key, value: &Value, text: &str) -> Option<String> {
    let wrong = |expected: &str| Some(wrong_type(row.name, expected, text));
    if value.is_null() {
        return if row.nullable || row.kind == Kind::Any {
            None
        } else {
            wrong(name_of(row.kind))
        };
    }
    let fits = match row.kind {
        Kind::Bool => value.is_boolean(),
        Kind::Integer => value.is_i64() || value.is_u64(),
        Kind::Number => value.is_number(),
        Kind::Text => value.is_string(),
        Kind::Array => value.is_array(),
        Kind::Object => value.is_object(),
        Kind::Any => true,
    };
    if !fits {
        return wrong(name_of(row.kind));
    }
    let (low, high) = row.range?;
    match value {
        Value::Number(number) => {
            let inside = number
                .as_f64()
                .is_some_and(|n| n >= low as f64 && n <= high as f64);
            (!inside).then(|| out_of_range(row.name, &short(&number.to_string()), low, high))
        }
        Value::String(string) => {
            let length = i64::try_from(string.chars().count()).unwrap_or(i64::MAX);
            // Two spaces, as the charger writes it (README 5).
            (!(low..=high).contains(&length)).then(|| {
                format!(
                    "{}: failed: String length  {length} exceeds range {low} to {high} ({})",
                    row.name,
                    short(text)
                )
            })
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

const fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Integer => "integer",
        Kind::Number => "number",
        Kind::Text => "string",
        Kind::Array => "array",
        Kind::Object => "object",
        Kind::Any => "json",
    }
}

/// Whole numbers lose their `.0`: `eto=0.0` came back as 0 (README 2.4).
fn whole_numbers(value: Value) -> Value {
    match value {
        Value::Number(number) => Value::Number(whole(number)),
        other @ (Value::Null | Value::Bool(_) | Value::String(_) | Value::Array(_) | Value::Object(_)) => {
            other
        }
    }
}

fn whole(number: Number) -> Number {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(n) if number.is_f64() && libm::trunc(n) == n && n.abs() < EXACT => {
            super::wire::rounded(n).into()
        }
        _ => number,
    }
}

/// What a refusal repeats of a caller's text.
fn short(text: &str) -> String {
    const MOST: usize = 120;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An empty `refusal` means accepted.
    fn check_row(key: &str, text: &str, reading: Reading, value: &str, refusal: &str) {
        let checked = check(key, text, reading);
        assert_eq!(checked.value.to_string(), value, "{key}={text}");
        assert_eq!(
            checked.refusal.as_deref().unwrap_or_default(),
            refusal,
            "{key}={text}"
        );
    }

    #[test]
    fn values_of_the_documented_types_are_taken() {
        use Reading::{Lenient, Strict};
        for reading in [Strict, Lenient] {
            check_row("frc", "1", reading, "1", "");
            check_row("nmo", "true", reading, "true", "");
            check_row("trx", "null", reading, "null", "");
            check_row("fna", "\"garage\"", reading, "\"garage\"", "");
            check_row("clp", "[6,10,12,14,16]", reading, "[6,10,12,14,16]", "");
            check_row("ids", "{\"pGrid\": -500}", reading, "{\"pGrid\":-500}", "");
            check_row("amp", "16.0", reading, "16", "");
            check_row("awp", "-3.5", reading, "-3.5", "");
            check_row("mht", "null", reading, "null", "");
            check_row("c3i", "\"04AABB\"", reading, "\"04AABB\"", "");
        }
        check_row("fna", "garage", Lenient, "\"garage\"", "");
    }

    #[test]
    fn refusals_use_the_chargers_words() {
        use Reading::{Lenient, Strict};
        let json = "tried to set api key with invalid json InvalidInput";
        check_row(
            "fna",
            "garage",
            Strict,
            "\"garage\"",
            &format!("fna: {json} (garage)"),
        );
        check_row(
            "amp",
            "sixteen",
            Lenient,
            "\"sixteen\"",
            &format!("amp: {json} (sixteen)"),
        );
        check_row("amp", "", Lenient, "\"\"", &format!("amp: {json} ()"));
        check_row(
            "mcu",
            "mqtt://x",
            Strict,
            "\"mqtt://x\"",
            &format!("mcu: {json} (mqtt://x)"),
        );
        check_row("amp", "True", Strict, "\"True\"", &format!("amp: {json} (True)"));
        for reading in [Strict, Lenient] {
            check_row(
                "amp",
                "5",
                reading,
                "5",
                "amp: failed: Value 5 exceeds range 6 to 32 (5)",
            );
            check_row(
                "amp",
                "33",
                reading,
                "33",
                "amp: failed: Value 33 exceeds range 6 to 32 (33)",
            );
            check_row(
                "amp",
                "16.5",
                reading,
                "16.5",
                "amp: failed: value must be integer (16.5)",
            );
            check_row(
                "amp",
                "\"sixteen\"",
                reading,
                "\"sixteen\"",
                "amp: failed: value must be integer (\"sixteen\")",
            );
            check_row(
                "amp",
                "null",
                reading,
                "null",
                "amp: failed: value must be integer (null)",
            );
            check_row(
                "frc",
                "3",
                reading,
                "3",
                "frc: failed: Value 3 exceeds range 0 to 2 (3)",
            );
            check_row(
                "psm",
                "-1",
                reading,
                "-1",
                "psm: failed: Value -1 exceeds range 0 to 2 (-1)",
            );
            check_row(
                "fup",
                "1",
                reading,
                "1",
                "fup: failed: value must be true or false (1)",
            );
            check_row(
                "alw",
                "true",
                reading,
                "true",
                "alw: tried to set api key without setter (true)",
            );
            check_row(
                "eto",
                "0.0",
                reading,
                "0",
                "eto: tried to set api key without setter (0.0)",
            );
            check_row("nosuch", "1", reading, "1", "nosuch: unknown api key");
            check_row("", "3", reading, "3", ": unknown api key");
            let ct = "ct: tried to set api key which is not allowed from api (renaultZoe)";
            check_row("ct", "renaultZoe", reading, "\"renaultZoe\"", ct);
            let fna = "fna: failed: String length  2 exceeds range 4 to 64 (\"go\")";
            check_row("fna", "\"go\"", reading, "\"go\"", fna);
        }
    }

    #[test]
    fn a_refusal_never_repeats_a_huge_text() {
        let checked = check("amp", &"9".repeat(100_000), Reading::Lenient);
        assert!(checked.refusal.unwrap().len() < 400);
    }
}
