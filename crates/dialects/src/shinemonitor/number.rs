//! Numbers as text. Integers only: what is shown is exact.

use model::units::{WattHours, Watts};
use serde_json::Value;

/// An integer in thousandths of what is shown, with four decimals.
fn four(thousandths: i64) -> String {
    let sign = if thousandths < 0 { "-" } else { "" };
    let digits = thousandths.unsigned_abs();
    format!("{sign}{}.{:03}0", digits / 1_000, digits % 1_000)
}

/// Kilowatts.
#[must_use]
pub fn kw(power: Watts) -> String {
    four(power.0)
}

/// Kilowatt-hours.
#[must_use]
pub fn kwh(energy: WattHours) -> String {
    four(energy.0)
}

/// So many parts of `scale`, with four decimals, rounded towards zero. Nothing divided by nothing is zero.
#[must_use]
pub fn ratio(parts: i128, scale: i128) -> String {
    let quotient = parts.saturating_mul(10_000).checked_div(scale).unwrap_or(0);
    decimal(quotient, 4)
}

/// `value` is in units of the last of `decimals` decimals, which are all shown.
#[must_use]
pub fn decimal(value: i128, decimals: u32) -> String {
    let sign = if value < 0 { "-" } else { "" };
    let scale = 10_u128.pow(decimals.min(30));
    let digits = value.unsigned_abs();
    match decimals {
        0 => format!("{sign}{digits}"),
        _ => format!(
            "{sign}{}.{:0width$}",
            digits / scale,
            digits % scale,
            width = decimals as usize
        ),
    }
}

/// The same without zeros at the end, as devices decode their registers.
#[must_use]
pub fn plain(value: i64, decimals: u32) -> String {
    let text = decimal(value.into(), decimals);
    match decimals {
        0 => text,
        _ => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
}

/// A JSON number with a point, which strict clients want for these; `value` as in [`decimal`].
#[must_use]
pub fn float(value: i64, decimals: u32) -> Value {
    serde_json::from_str(&decimal(value.into(), decimals)).unwrap_or(Value::Null)
}

/// A decimal number as people type it, in units of the last of `decimals` decimals; what is finer is dropped.
#[must_use]
pub fn read_decimal(text: &str, decimals: u32) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let is_number = !(whole.is_empty() && fraction.is_empty())
        && whole
            .bytes()
            .chain(fraction.bytes())
            .all(|byte| byte.is_ascii_digit());
    if !is_number {
        return None;
    }
    let fraction = format!("{fraction:0<width$}", width = decimals as usize);
    let all = format!("{whole}{}", fraction.get(..decimals as usize)?);
    if all.is_empty() {
        return Some(0);
    }
    all.parse::<i64>().ok().map(|number| sign * number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_shown_exactly() {
        assert_eq!(kw(Watts(1_234)), "1.2340");
        assert_eq!(kw(Watts(-5)), "-0.0050");
        assert_eq!(kwh(WattHours(29_000)), "29.0000");
        assert_eq!(kwh(WattHours(i64::MIN)), "-9223372036854775.8080");
        assert_eq!(ratio(1, 3), "0.3333");
        assert_eq!(ratio(-2, 3), "-0.6666");
        assert_eq!(ratio(1, 0), "0.0000");
        assert_eq!(plain(230_700, 3), "230.7");
        assert_eq!(plain(230_000, 3), "230");
        assert_eq!(plain(0, 3), "0");
        assert_eq!(plain(-50, 3), "-0.05");
        assert_eq!(plain(1_200, 0), "1200");
        assert_eq!(decimal(990, 3), "0.990");
        assert_eq!(float(0, 3).to_string(), "0.0");
        assert_eq!(float(12_500, 3).to_string(), "12.5");
        assert_eq!(float(-3_000, 3).to_string(), "-3.0");
    }

    #[test]
    fn decimals_are_read_as_typed() {
        for (text, expected) in [
            ("12", Some(12_000)),
            ("12.3456", Some(12_345)),
            ("-0.5", Some(-500)),
            (".5", Some(500)),
            ("5.", Some(5_000)),
            ("", None),
            (".", None),
            ("-", None),
            ("1e3", None),
            ("1,5", None),
            ("--1", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(read_decimal(text, 3), expected, "{text}");
        }
        assert_eq!(read_decimal("7.9", 0), Some(7));
    }
}
