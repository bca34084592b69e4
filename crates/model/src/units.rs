//! Integers with a unit in the type.
//!
//! One sign rule for the whole system: **positive flows into the thing named**. A charging battery and a
//! running EVSE are positive, PV is negative; a meter's thing is the wiring behind it, at the grid
//! connection the site, so import is positive and the grid reading equals the sum of the devices.
//!
//! No floats: results are exact, comparable, hashable and the same on every machine. Conversions that need
//! a voltage or a phase count take them as arguments, and rounding is in the name.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

use serde::{Deserialize, Serialize};

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $unit:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            pub const ZERO: Self = Self(0);
            /// The unit symbol as written behind a number.
            pub const UNIT: &'static str = $unit;

            /// The magnitude without its sign.
            #[must_use]
            pub fn abs(self) -> Self {
                Self(self.0.saturating_abs())
            }

            /// This value, but never below zero.
            #[must_use]
            pub fn at_least_zero(self) -> Self {
                Self(self.0.max(0))
            }
        }

        impl Add for $name {
            type Output = Self;
            fn add(self, other: Self) -> Self {
                Self(self.0.saturating_add(other.0))
            }
        }
        impl Sub for $name {
            type Output = Self;
            fn sub(self, other: Self) -> Self {
                Self(self.0.saturating_sub(other.0))
            }
        }
        impl Neg for $name {
            type Output = Self;
            fn neg(self) -> Self {
                Self(self.0.saturating_neg())
            }
        }
        impl Mul<i64> for $name {
            type Output = Self;
            fn mul(self, factor: i64) -> Self {
                Self(self.0.saturating_mul(factor))
            }
        }
        /// Rounds towards zero. Dividing by zero gives zero, so that a missing count never panics.
        impl Div<i64> for $name {
            type Output = Self;
            fn div(self, divisor: i64) -> Self {
                Self(self.0.checked_div(divisor).unwrap_or(0))
            }
        }
        impl AddAssign for $name {
            fn add_assign(&mut self, other: Self) {
                *self = *self + other;
            }
        }
        impl SubAssign for $name {
            fn sub_assign(&mut self, other: Self) {
                *self = *self - other;
            }
        }
        impl Sum for $name {
            fn sum<I: Iterator<Item = Self>>(values: I) -> Self {
                values.fold(Self::ZERO, Add::add)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, $unit)
            }
        }
    };
}

quantity!(
    /// Active power. Positive flows into the thing named, negative out of it.
    Watts, "W"
);
quantity!(
    /// Current of one conductor. Positive when the power of its phase flows into the thing named.
    MilliAmps, "mA"
);
quantity!(
    /// Voltage between a phase and neutral.
    MilliVolts, "mV"
);
quantity!(
    /// Energy. Counters are never negative; direction is in the name of the field.
    WattHours, "Wh"
);
quantity!(
    /// A share in thousandths: a state of charge, an efficiency, a percentage of a limit.
    PerMille, "‰"
);
quantity!(
    /// Frequency of the grid.
    MilliHertz, "mHz"
);

impl MilliAmps {
    /// Whole amperes.
    #[must_use]
    pub const fn from_amps(amps: i64) -> Self {
        Self(amps * 1_000)
    }

    /// Whole amperes, the fraction dropped.
    #[must_use]
    pub const fn amps_rounded_down(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The active power of `conductors` phases that carry this current at `voltage` and unity power factor.
    #[must_use]
    pub fn power(self, voltage: MilliVolts, conductors: i64) -> Watts {
        Watts(self.0.saturating_mul(voltage.0).saturating_mul(conductors) / 1_000_000)
    }
}

impl Watts {
    /// The current per conductor that carries this power over `conductors` phases, rounded towards zero.
    /// Zero when there is no voltage or no conductor.
    #[must_use]
    pub fn current_rounded_down(self, voltage: MilliVolts, conductors: i64) -> MilliAmps {
        let divisor = voltage.0.saturating_mul(conductors);
        MilliAmps(self.0.saturating_mul(1_000_000).checked_div(divisor).unwrap_or(0))
    }
}

impl MilliAmps {
    /// Amperes with one decimal, as people read them: `16.0 A`.
    #[must_use]
    pub fn to_amps_text(self) -> String {
        let tenths = self.0.saturating_abs().saturating_add(50) / 100;
        let sign = if self.0 < 0 && tenths > 0 { "-" } else { "" };
        format!("{sign}{}.{} A", tenths / 10, tenths % 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_and_current_convert_with_explicit_voltage_and_phases() {
        let volts = MilliVolts(230_000);
        assert_eq!(MilliAmps::from_amps(16).power(volts, 3), Watts(11_040));
        assert_eq!(Watts(11_040).current_rounded_down(volts, 3), MilliAmps(16_000));
        assert_eq!(
            Watts(1_000).current_rounded_down(MilliVolts::ZERO, 3),
            MilliAmps::ZERO
        );
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(Watts(i64::MAX) + Watts(1), Watts(i64::MAX));
        assert_eq!(MilliAmps(i64::MIN).abs(), MilliAmps(i64::MAX));
    }

    #[test]
    fn amps_text_rounds_to_a_tenth() {
        assert_eq!(MilliAmps(16_049).to_amps_text(), "16.0 A");
        assert_eq!(MilliAmps(-5_960).to_amps_text(), "-6.0 A");
        assert_eq!(MilliAmps(-20).to_amps_text(), "0.0 A");
        assert_eq!(MilliAmps(i64::MIN).to_amps_text(), "-9223372036854775.8 A");
    }
}
