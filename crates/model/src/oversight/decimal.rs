//! Numbers with a fraction, as integers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Millionths of the unit that a field is told in: V, A, kW, kWh, °C, a degree, yuan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Decimal(pub i64);

/// Why a text is no such number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no number between -9 and 9 million million")]
pub struct DecimalError {
    pub text: String,
}

impl Decimal {
    const ONE: i64 = 1_000_000;
    const PLACES: i32 = 6;

    /// A whole number of units; the nearest there is.
    #[must_use]
    pub const fn whole(units: i64) -> Self {
        Self(units.saturating_mul(Self::ONE))
    }

    /// The same with so many decimal places, rounded half away from zero.
    #[must_use]
    pub const fn rounded(self, places: u32) -> Self {
        if places >= Self::PLACES.unsigned_abs() {
            return self;
        }
        let step = 10_i64.pow(Self::PLACES.unsigned_abs() - places);
        let half = if self.0 < 0 { -(step / 2) } else { step / 2 };
        Self(self.0.saturating_add(half) / step * step)
    }

    /// Whether nothing is lost with so many decimal places.
    #[must_use]
    pub const fn fits(self, places: u32) -> bool {
        self.rounded(places).0 == self.0
    }

    /// The whole units, if there is no fraction.
    #[must_use]
    pub const fn as_whole(self) -> Option<i64> {
        if self.0 % Self::ONE == 0 {
            Some(self.0 / Self::ONE)
        } else {
            None
        }
    }

    /// Reads a number as JSON writes it, and says whether all of it was kept.
    ///
    /// # Errors
    /// When it is none, or too large.
    pub fn read(text: &str) -> Result<(Self, bool), DecimalError> {
        read(text).ok_or_else(|| DecimalError {
            text: text.chars().take(40).collect(),
        })
    }
}

fn read(text: &str) -> Option<(Decimal, bool)> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1_i128, rest),
        None => (1, text),
    };
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (rest, 0),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((_, "")) => return None,
        Some(parts) => parts,
        None => (mantissa, ""),
    };
    let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let leads = whole.len() > 1 && whole.starts_with('0');
    if whole.is_empty() || leads || !is_digits(whole) || !is_digits(fraction) || mantissa.len() > 60 {
        return None;
    }
    let digits = format!("{whole}{fraction}");
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some((Decimal(0), true));
    }
    let shift = exponent
        .checked_sub(i32::try_from(fraction.len()).ok()?)?
        .checked_add(Decimal::PLACES)?;
    let places = i32::try_from(digits.len()).ok()?.checked_add(shift)?;
    if places > 19 {
        return None;
    }
    if places < 0 {
        return Some((Decimal(0), false));
    }
    let (kept, dropped) = match usize::try_from(shift) {
        Ok(zeros) => (format!("{digits}{}", "0".repeat(zeros)), ""),
        Err(_) => {
            let (kept, dropped) = digits.split_at(usize::try_from(places).ok()?);
            (kept.to_owned(), dropped)
        }
    };
    let kept: i128 = if kept.is_empty() { 0 } else { kept.parse().ok()? };
    let up = i128::from(dropped.bytes().next().is_some_and(|digit| digit >= b'5'));
    let millionths = i64::try_from(sign * (kept + up)).ok()?;
    let is_whole = dropped.bytes().all(|digit| digit == b'0');
    Some((Decimal(millionths), is_whole))
}

/// Without zeros that say nothing: `29`, `29.5`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millionths = self.0.unsigned_abs();
        let one = Self::ONE.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        write!(f, "{sign}{}", millionths / one)?;
        let fraction = format!("{:06}", millionths % one);
        match fraction.trim_end_matches('0') {
            "" => Ok(()),
            fraction => write!(f, ".{fraction}"),
        }
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        Self::read(text).map(|(decimal, _)| decimal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_json_writes_them() {
        for (text, expected, is_whole) in [
            ("29", 29_000_000, true),
            ("29.0", 29_000_000, true),
            ("-0.5", -500_000, true),
            ("1e3", 1_000_000_000, true),
            ("1.5E-3", 1_500, true),
            ("0.0000005", 1, false),
            ("0.0000004", 0, false),
            ("-0.00000051", -1, false),
            ("1e-400", 0, false),
            ("0e999", 0, true),
            ("116.4073963", 116_407_396, false),
            ("9223372036854.775807", i64::MAX, true),
        ] {
            assert_eq!(Decimal::read(text), Ok((Decimal(expected), is_whole)), "{text}");
        }
        for text in [
            "",
            "-",
            "+1",
            "01",
            ".5",
            "5.",
            "1e",
            "NaN",
            "0x10",
            "1 ",
            "9223372036854.775808",
            "1e400",
            "1e99999999999",
        ] {
            assert!(Decimal::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shown_without_idle_zeros() {
        for (millionths, expected) in [
            (0, "0"),
            (29_000_000, "29"),
            (29_500_000, "29.5"),
            (-1, "-0.000001"),
            (i64::MIN, "-9223372036854.775808"),
        ] {
            assert_eq!(Decimal(millionths).to_string(), expected);
        }
    }

    #[test]
    fn rounded_half_away_from_zero() {
        for (text, places, expected) in [
            ("1.25", 1, "1.3"),
            ("-1.25", 1, "-1.3"),
            ("1.24", 1, "1.2"),
            ("1.5", 0, "2"),
            ("1.5", 6, "1.5"),
        ] {
            let decimal: Decimal = text.parse().unwrap();
            assert_eq!(decimal.rounded(places).to_string(), expected, "{text}");
            assert_eq!(decimal.fits(places), text == expected, "{text}");
        }
        assert_eq!(Decimal(5_000_000).as_whole(), Some(5));
        assert_eq!(Decimal(5_000_001).as_whole(), None);
    }
}
