//! Money as integers.
//!
//! Prices are per kWh and small, so everything is kept in millionths of the currency unit: 0.31 EUR is
//! `Micros(310_000)`. Rounding to cents happens where an invoice is written, nowhere else.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign};

use serde::{Deserialize, Serialize};

use crate::units::WattHours;

/// Millionths of a currency unit; negative is earned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Micros(pub i64);

/// A price of one kWh in millionths of a currency unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerKwh(pub i64);

impl PerKwh {
    /// As a number with four digits behind the point, rounded towards zero.
    #[must_use]
    pub fn to_text(self) -> String {
        let sign = if self.0 < 0 { "-" } else { "" };
        let digits = self.0.unsigned_abs() / 100;
        format!("{sign}{}.{:04}", digits / 10_000, digits % 10_000)
    }

    /// What so much energy costs, rounded to the nearest millionth (halves away from zero).
    #[must_use]
    pub fn of(self, energy: WattHours) -> Micros {
        Micros(nearest(i128::from(self.0) * i128::from(energy.0), 1_000))
    }
}

/// A quotient to the nearest whole number, halves away from zero, as far as it fits. The divisor is positive.
pub(crate) fn nearest(dividend: i128, divisor: i128) -> i64 {
    let rounded = dividend.saturating_add(dividend.signum() * (divisor / 2)) / divisor;
    i64::try_from(rounded).unwrap_or(if dividend < 0 { i64::MIN } else { i64::MAX })
}

impl Add for Micros {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

impl AddAssign for Micros {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(parts: I) -> Self {
        parts.fold(Self(0), Add::add)
    }
}

/// Why a text is no currency.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no currency: expected three capital letters of ISO 4217, for example EUR")]
pub struct CurrencyError(String);

/// An ISO 4217 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

impl Currency {
    pub const EUR: Self = Self(*b"EUR");

    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("XXX")
    }
}

impl std::str::FromStr for Currency {
    type Err = CurrencyError;
    fn from_str(text: &str) -> Result<Self, CurrencyError> {
        match text.as_bytes() {
            bytes @ [a, b, c] if bytes.iter().all(u8::is_ascii_uppercase) => Ok(Self([*a, *b, *c])),
            _ => Err(CurrencyError(text.chars().take(20).collect())),
        }
    }
}

impl TryFrom<String> for Currency {
    type Error = CurrencyError;
    fn try_from(text: String) -> Result<Self, CurrencyError> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.as_str().to_owned()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_priced_to_the_nearest_millionth() {
        for (price, energy, expected) in [
            (310_000, 1_000, 310_000),
            (310_001, 1, 310),
            (310_500, 1, 311),
            (-80_500, 1, -81),
            (i64::MAX, i64::MAX, i64::MAX),
        ] {
            assert_eq!(
                PerKwh(price).of(WattHours(energy)),
                Micros(expected),
                "{price} {energy}"
            );
        }
    }

    #[test]
    fn currencies_are_three_capital_letters() {
        assert_eq!(
            "CHF".parse::<Currency>().map(|c| c.to_string()),
            Ok("CHF".to_owned())
        );
        for bad in ["", "eur", "EURO", "E1R"] {
            assert!(bad.parse::<Currency>().is_err(), "{bad}");
        }
    }
}
