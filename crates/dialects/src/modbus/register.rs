//! One value in registers: its type, order, scale and unit.

use serde::Deserialize;

use super::decimal::Decimal;

/// How the bits are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ValueType {
    U16,
    I16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
}

impl ValueType {
    /// How many registers it takes.
    #[must_use]
    pub const fn size(self) -> u16 {
        match self {
            Self::U16 | Self::I16 => 1,
            Self::U32 | Self::I32 | Self::F32 => 2,
            Self::U64 | Self::I64 | Self::F64 => 4,
        }
    }
}

/// Which end comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    #[default]
    Big,
    Little,
}

/// What a value measures, with the prefix in which the device gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Unit {
    W,
    #[serde(rename = "kW")]
    KiloWatt,
    A,
    #[serde(rename = "mA")]
    MilliAmpere,
    V,
    #[serde(rename = "mV")]
    MilliVolt,
    Hz,
    #[serde(rename = "mHz")]
    MilliHertz,
    Wh,
    #[serde(rename = "kWh")]
    KiloWattHour,
    #[serde(rename = "MWh")]
    MegaWattHour,
    #[serde(rename = "%")]
    Percent,
    /// A helper of formulas.
    #[serde(rename = "")]
    None,
}

impl Unit {
    /// The power of ten to the unit without prefix.
    #[must_use]
    pub const fn exponent(self) -> i8 {
        match self {
            Self::W | Self::A | Self::V | Self::Hz | Self::Wh | Self::Percent | Self::None => 0,
            Self::KiloWatt | Self::KiloWattHour => 3,
            Self::MilliAmpere | Self::MilliVolt | Self::MilliHertz => -3,
            Self::MegaWattHour => 6,
        }
    }

    /// The unit without prefix.
    #[must_use]
    pub const fn base(self) -> &'static str {
        match self {
            Self::W | Self::KiloWatt => "W",
            Self::A | Self::MilliAmpere => "A",
            Self::V | Self::MilliVolt => "V",
            Self::Hz | Self::MilliHertz => "Hz",
            Self::Wh | Self::KiloWattHour | Self::MegaWattHour => "Wh",
            Self::Percent => "%",
            Self::None => "no unit",
        }
    }
}

/// A factor `over / under × 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scale {
    over: i64,
    under: i64,
    exponent: i8,
}

impl Scale {
    pub const ONE: Self = Self {
        over: 1,
        under: 1,
        exponent: 0,
    };

    /// Reads `10`, `0.1` or `1/10`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if let Some((over, under)) = text.split_once('/') {
            let (over, under) = (over.trim().parse().ok()?, under.trim().parse().ok()?);
            return (over != 0 && under > 0).then_some(Self {
                over,
                under,
                exponent: 0,
            });
        }
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let exponent = i8::try_from(fraction.len()).ok()?;
        let digits_only = fraction.bytes().all(|byte| byte.is_ascii_digit());
        let over: i64 = format!("{whole}{fraction}").parse().ok()?;
        (digits_only && exponent <= 12 && over != 0).then_some(Self {
            over,
            under: 1,
            exponent: -exponent,
        })
    }

    /// `value` times this, with six decimals where it does not divide. `None` beyond 64 bits.
    #[must_use]
    pub fn apply(self, value: Decimal) -> Option<Decimal> {
        const DECIMALS: i8 = 6;
        let product = i128::from(value.digits) * i128::from(self.over);
        let exponent = value.exponent.checked_add(self.exponent)?;
        let under = i128::from(self.under);
        if product % under == 0 {
            return Some(Decimal::new(i64::try_from(product / under).ok()?, exponent));
        }
        let fine = product.checked_mul(1_000_000)?;
        let rounded = fine.checked_add(fine.signum() * (under / 2))? / under;
        Some(Decimal::new(
            i64::try_from(rounded).ok()?,
            exponent.checked_sub(DECIMALS)?,
        ))
    }
}

/// How one value stands in its registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    pub kind: ValueType,
    pub byte_order: Order,
    pub word_order: Order,
    pub scale: Scale,
    pub unit: Unit,
    /// Bits that mean that there is no value.
    pub absent: Option<u64>,
}

/// Registers that are no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoNumber;

impl Layout {
    /// The value in the unit without prefix, `None` when the device has none.
    ///
    /// # Errors
    /// When the registers are infinite, beyond 64 bits, or fewer than the type needs.
    pub fn read(&self, registers: &[u16]) -> Result<Option<Decimal>, NoNumber> {
        if registers.len() != usize::from(self.kind.size()) {
            return Err(NoNumber);
        }
        let bits = self.bits(registers);
        if self.absent == Some(bits) {
            return Ok(None);
        }
        let [a, b, c, d, e, f, g, h] = bits.to_be_bytes();
        let raw = match self.kind {
            ValueType::U16 | ValueType::U32 | ValueType::U64 => i64::try_from(bits).map_err(|_| NoNumber)?,
            ValueType::I16 => i64::from(i16::from_be_bytes([g, h])),
            ValueType::I32 => i64::from(i32::from_be_bytes([e, f, g, h])),
            ValueType::I64 => bits.cast_signed(),
            ValueType::F32 => return self.float(f64::from(f32::from_be_bytes([e, f, g, h]))),
            ValueType::F64 => return self.float(f64::from_be_bytes([a, b, c, d, e, f, g, h])),
        };
        self.scaled(Decimal::new(raw, 0))
    }

    fn bits(&self, registers: &[u16]) -> u64 {
        let word = |bits: u64, register: &u16| {
            let register = match self.byte_order {
                Order::Big => *register,
                Order::Little => register.swap_bytes(),
            };
            bits << 16 | u64::from(register)
        };
        match self.word_order {
            Order::Big => registers.iter().fold(0, word),
            Order::Little => registers.iter().rev().fold(0, word),
        }
    }

    fn float(&self, value: f64) -> Result<Option<Decimal>, NoNumber> {
        if value.is_nan() {
            return Ok(None);
        }
        self.scaled(Decimal::from_f64(value).ok_or(NoNumber)?)
    }

    fn scaled(&self, value: Decimal) -> Result<Option<Decimal>, NoNumber> {
        let value = self.scale.apply(value).ok_or(NoNumber)?;
        let exponent = value.exponent.checked_add(self.unit.exponent()).ok_or(NoNumber)?;
        Ok(Some(Decimal::new(value.digits, exponent)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn layout(kind: ValueType) -> Layout {
        let unit = Unit::None;
        Layout {
            kind,
            byte_order: Order::Big,
            word_order: Order::Big,
            scale: Scale::ONE,
            unit,
            absent: None,
        }
    }

    fn check(layout: &Layout, registers: &[u16], expected: Result<Option<(i64, i8)>, NoNumber>) {
        let expected = expected.map(|value| value.map(|(digits, exponent)| Decimal::new(digits, exponent)));
        assert_eq!(layout.read(registers), expected, "{layout:?} {registers:x?}");
    }

    #[test]
    fn types_read_their_bits() {
        check(&layout(ValueType::U16), &[0xFFFE], Ok(Some((0xFFFE, 0))));
        check(&layout(ValueType::I16), &[0xFFFE], Ok(Some((-2, 0))));
        check(
            &layout(ValueType::U32),
            &[0xFFFF, 0xFFFE],
            Ok(Some((0xFFFF_FFFE, 0))),
        );
        check(&layout(ValueType::I32), &[0xFFFF, 0xFFFE], Ok(Some((-2, 0))));
        check(
            &layout(ValueType::U64),
            &[0, 1, 0, 2],
            Ok(Some((0x1_0000_0002, 0))),
        );
        check(&layout(ValueType::U64), &[0xFFFF; 4], Err(NoNumber));
        check(&layout(ValueType::I64), &[0xFFFF; 4], Ok(Some((-1, 0))));
        check(
            &layout(ValueType::F32),
            &[0x4366, 0x199A],
            Ok(Some((230_100_006, -6))),
        );
        check(&layout(ValueType::F32), &[0x7FC0, 0], Ok(None));
        check(&layout(ValueType::F32), &[0x7F80, 0], Err(NoNumber));
        check(
            &layout(ValueType::F64),
            &[0xC000, 0, 0, 0],
            Ok(Some((-2_000_000, -6))),
        );
        check(&layout(ValueType::U32), &[1], Err(NoNumber));
        check(&layout(ValueType::U16), &[], Err(NoNumber));
    }

    #[test]
    fn orders_scales_units_and_marks() {
        let words = Layout {
            word_order: Order::Little,
            ..layout(ValueType::I32)
        };
        check(&words, &[0x0001, 0x0002], Ok(Some((0x2_0001, 0))));
        let bytes = Layout {
            byte_order: Order::Little,
            ..layout(ValueType::U16)
        };
        check(&bytes, &[0x0100], Ok(Some((1, 0))));
        let scale = |text: &str| Scale::parse(text).unwrap();
        let tenths = Layout {
            scale: scale("1/10"),
            unit: Unit::KiloWattHour,
            ..layout(ValueType::U16)
        };
        check(&tenths, &[120], Ok(Some((12, 3))));
        check(&tenths, &[123], Ok(Some((12_300_000, -3))));
        let decimal = Layout {
            scale: scale("0.01"),
            unit: Unit::MilliAmpere,
            ..layout(ValueType::I16)
        };
        check(&decimal, &[0xFFFF], Ok(Some((-1, -5))));
        let thirds = Layout {
            scale: scale("2/3"),
            ..layout(ValueType::I16)
        };
        check(&thirds, &[1], Ok(Some((666_667, -6))));
        check(&thirds, &[0xFFFF], Ok(Some((-666_667, -6))));
        let marked = Layout {
            absent: Some(0x7FFF),
            ..layout(ValueType::I16)
        };
        check(&marked, &[0x7FFF], Ok(None));
        check(&marked, &[0x7FFE], Ok(Some((0x7FFE, 0))));
    }

    #[test]
    fn scales_are_numbers_or_ratios() {
        for (text, expected) in [
            ("10", Some((10, 0))),
            ("0.1", Some((1, -1))),
            ("-0.25", Some((-25, -2))),
            ("1/10", Some((100_000, -6))),
            ("0", None),
            ("1/0", None),
            ("1/-2", None),
            ("", None),
            ("1.x", None),
            ("1e3", None),
            (".", None),
            ("0.0000000000001", None),
        ] {
            let one = Scale::parse(text).map(|scale| scale.apply(Decimal::new(1, 0)).unwrap());
            assert_eq!(
                one,
                expected.map(|(digits, exponent)| Decimal::new(digits, exponent)),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_registers_read_without_panic(
            registers in prop::collection::vec(any::<u16>(), 0..5),
            over in any::<i64>(),
            under in 1..=i64::MAX,
            exponent in any::<i8>(),
        ) {
            let scale = Scale { over, under, exponent };
            for kind in [ValueType::I16, ValueType::U64, ValueType::I64, ValueType::F32, ValueType::F64] {
                let _ = Layout { scale, unit: Unit::MegaWattHour, ..layout(kind) }.read(&registers);
            }
        }
    }
}
