//! Numbers as text. Integers only: what is shown is exact.

pub use model::decimal::{decimal, plain, read_decimal};
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

/// A JSON number with a point, which strict clients want for these; `value` as in [`decimal`].
#[must_use]
pub fn float(value: i64, decimals: u32) -> Value {
    serde_json::from_str(&decimal(value.into(), decimals)).unwrap_or(Value::Null)
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
        assert_eq!(float(0, 3).to_string(), "0.0");
        assert_eq!(float(12_500, 3).to_string(), "12.5");
        assert_eq!(float(-3_000, 3).to_string(), "-3.0");
    }
}
