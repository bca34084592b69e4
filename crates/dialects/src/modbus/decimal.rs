//! Exact decimal values between the wire and the units of the model.
//!
//! Registers carry integers with a power of ten beside them; the model carries integers of fixed units.
//! Going through floating point in between would round twice.

use model::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, WattHours, Watts};

/// The number `digits × 10^exponent`, in a unit without prefix: W, A, V, Hz, Wh or percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Decimal {
    pub digits: i64,
    pub exponent: i8,
}

impl Decimal {
    pub const ZERO: Self = Self::new(0, 0);

    #[must_use]
    pub const fn new(digits: i64, exponent: i8) -> Self {
        Self { digits, exponent }
    }

    /// How many steps of `10^exponent` the number is, rounded half away from zero. `None` when that does not
    /// fit 64 bits.
    #[must_use]
    pub fn in_steps_of(self, exponent: i8) -> Option<i64> {
        let shift = i32::from(self.exponent) - i32::from(exponent);
        let digits = i128::from(self.digits);
        if digits == 0 {
            return Some(0);
        }
        let steps = match u32::try_from(shift) {
            Ok(up) => digits.checked_mul(10_i128.checked_pow(up)?)?,
            // A divisor that does not fit 128 bits leaves less than half a step.
            Err(_) => 10_i128.checked_pow(shift.unsigned_abs()).map_or(0, |divisor| {
                let half = divisor / 2;
                if digits < 0 {
                    (digits - half) / divisor
                } else {
                    (digits + half) / divisor
                }
            }),
        };
        i64::try_from(steps).ok()
    }

    /// The nearest number with six decimals, or whole where it is too large for that. `None` when it is
    /// not finite or beyond 64 bits.
    #[must_use]
    pub fn from_f64(value: f64) -> Option<Self> {
        const LARGEST: f64 = 9.0e18;
        let (scaled, exponent) = if value.abs() < 1.0e12 {
            (value * 1.0e6, -6)
        } else {
            (value, 0)
        };
        if scaled.is_nan() || scaled.abs() >= LARGEST {
            return None;
        }
        #[allow(
            clippy::cast_possible_truncation,
            reason = "rounded, and checked to be within 64 bits"
        )]
        let digits = libm::round(scaled) as i64;
        Some(Self { digits, exponent })
    }

    /// For formulas; exact up to 2^53 digits.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "formulas compute in f64")]
        let digits = self.digits as f64;
        // Dividing by a power of ten rounds once, multiplying by its inverse twice.
        let power = libm::pow(10.0, f64::from(self.exponent.unsigned_abs()));
        if self.exponent < 0 {
            digits / power
        } else {
            digits * power
        }
    }

    #[must_use]
    pub const fn negated(self) -> Self {
        Self {
            digits: self.digits.saturating_neg(),
            exponent: self.exponent,
        }
    }

    #[must_use]
    pub fn watts(self) -> Option<Watts> {
        self.in_steps_of(0).map(Watts)
    }

    #[must_use]
    pub fn milli_amps(self) -> Option<MilliAmps> {
        self.in_steps_of(-3).map(MilliAmps)
    }

    #[must_use]
    pub fn milli_volts(self) -> Option<MilliVolts> {
        self.in_steps_of(-3).map(MilliVolts)
    }

    #[must_use]
    pub fn milli_hertz(self) -> Option<MilliHertz> {
        self.in_steps_of(-3).map(MilliHertz)
    }

    #[must_use]
    pub fn watt_hours(self) -> Option<WattHours> {
        self.in_steps_of(0).map(WattHours)
    }

    /// From a percentage.
    #[must_use]
    pub fn per_mille(self) -> Option<PerMille> {
        self.in_steps_of(-1).map(PerMille)
    }
}

impl From<i64> for Decimal {
    fn from(value: i64) -> Self {
        Self::new(value, 0)
    }
}

impl From<Watts> for Decimal {
    fn from(value: Watts) -> Self {
        Self::new(value.0, 0)
    }
}

impl From<WattHours> for Decimal {
    fn from(value: WattHours) -> Self {
        Self::new(value.0, 0)
    }
}

impl From<MilliAmps> for Decimal {
    fn from(value: MilliAmps) -> Self {
        Self::new(value.0, -3)
    }
}

impl From<MilliVolts> for Decimal {
    fn from(value: MilliVolts) -> Self {
        Self::new(value.0, -3)
    }
}

impl From<MilliHertz> for Decimal {
    fn from(value: MilliHertz) -> Self {
        Self::new(value.0, -3)
    }
}

/// As a percentage.
impl From<PerMille> for Decimal {
    fn from(value: PerMille) -> Self {
        Self::new(value.0, -1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_round_half_away_from_zero() {
        for (digits, exponent, step, expected) in [
            (15, -1, 0, Some(2)),
            (14, -1, 0, Some(1)),
            (-15, -1, 0, Some(-2)),
            (-14, -1, 0, Some(-1)),
            (7, 2, 0, Some(700)),
            (7, 2, -3, Some(700_000)),
            (1, -128, 127, Some(0)),
            (1, 127, -128, None),
            (0, 127, -128, Some(0)),
            (i64::MAX, 1, 0, None),
            (i64::MIN, 0, 0, Some(i64::MIN)),
        ] {
            assert_eq!(
                Decimal::new(digits, exponent).in_steps_of(step),
                expected,
                "{digits}e{exponent}"
            );
        }
    }

    #[test]
    fn floats_become_exact_decimals_or_nothing() {
        assert_eq!(
            Decimal::from_f64(230.1).and_then(Decimal::milli_volts),
            Some(MilliVolts(230_100))
        );
        assert_eq!(
            Decimal::from_f64(-0.4999).and_then(Decimal::watts),
            Some(Watts(0))
        );
        assert_eq!(
            Decimal::from_f64(1.0e15).and_then(Decimal::watts),
            Some(Watts(1_000_000_000_000_000))
        );
        for absurd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.0e19, f64::MAX] {
            assert_eq!(Decimal::from_f64(absurd), None, "{absurd}");
        }
        assert!((Decimal::new(2_301, -1).to_f64() - 230.1).abs() < f64::EPSILON);
    }
}
