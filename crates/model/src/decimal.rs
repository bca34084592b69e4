//! Decimal numbers as text, kept as integers: what is shown is exact.

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

/// The same without zeros at the end.
#[must_use]
pub fn plain(value: i64, decimals: u32) -> String {
    let text = decimal(value.into(), decimals);
    match decimals {
        0 => text,
        _ => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
    }
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
        for (value, decimals, whole, short) in [
            (230_700, 3, "230.700", "230.7"),
            (230_000, 3, "230.000", "230"),
            (0, 3, "0.000", "0"),
            (-50, 3, "-0.050", "-0.05"),
            (1_200, 0, "1200", "1200"),
            (990, 3, "0.990", "0.99"),
        ] {
            assert_eq!(decimal(value.into(), decimals), whole);
            assert_eq!(plain(value, decimals), short);
        }
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
