//! The registers of one model as values: not-implemented marks and scale factors.
//!
//! Source: SunSpec device information model specification 1.1, section 4 (data types).

use super::model::{Model, Point, PointType};
use crate::modbus::decimal::Decimal;

/// Scale factors beyond this are noise; the standard allows -10 to 10.
const MAX_SCALE: i8 = 10;

/// A point whose registers hold what the standard does not allow.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{point} is {came}; expected {expected}")]
pub struct PointError {
    pub point: String,
    pub came: String,
    pub expected: &'static str,
}

/// Registers of a model, from its id on. They may end early: points behind the end read as absent.
#[derive(Clone, Copy, Debug)]
pub struct Block<'a> {
    pub model: &'a Model,
    pub registers: &'a [u16],
}

impl Block<'_> {
    /// The scaled value, `None` when the device does not implement the point or its scale factor.
    ///
    /// # Errors
    /// When the scale factor is outside -10 to 10, or a floating-point value is infinite or absurd.
    pub fn value(&self, name: &str) -> Result<Option<Decimal>, PointError> {
        let Some((point, raw)) = self.find(name) else {
            return Ok(None);
        };
        match point.kind {
            PointType::Float32 => float(point, raw),
            PointType::String => Ok(None),
            PointType::Int16
            | PointType::Uint16
            | PointType::Count
            | PointType::Acc32
            | PointType::Uint32
            | PointType::Enum16
            | PointType::Bitfield16
            | PointType::Bitfield32
            | PointType::Sunssf => {
                let Some(digits) = integer(point.kind, raw) else {
                    return Ok(None);
                };
                let exponent = match &point.scale {
                    Some(scale) => self.scale(scale)?,
                    None => Some(0),
                };
                Ok(exponent.map(|exponent| Decimal::new(digits, exponent)))
            }
        }
    }

    /// The integer on the wire, for enumerations and bit fields.
    #[must_use]
    pub fn raw(&self, name: &str) -> Option<i64> {
        let (point, raw) = self.find(name)?;
        integer(point.kind, raw)
    }

    /// A text without padding, `None` when empty. Bytes that are not UTF-8 are replaced.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<String> {
        let (_, raw) = self.find(name)?;
        let bytes: Vec<u8> = raw
            .iter()
            .flat_map(|value| value.to_be_bytes())
            .take_while(|byte| *byte != 0)
            .collect();
        let text: String = String::from_utf8_lossy(&bytes)
            .chars()
            .filter(|character| !character.is_control())
            .collect();
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// The power of ten in a scale factor point.
    ///
    /// # Errors
    /// When it is outside -10 to 10.
    pub fn scale(&self, name: &str) -> Result<Option<i8>, PointError> {
        let Some(raw) = self.raw(name) else {
            return Ok(None);
        };
        match i8::try_from(raw) {
            Ok(exponent) if (-MAX_SCALE..=MAX_SCALE).contains(&exponent) => Ok(Some(exponent)),
            Ok(_) | Err(_) => Err(PointError {
                point: name.to_owned(),
                came: raw.to_string(),
                expected: "a scale factor from -10 to 10",
            }),
        }
    }

    fn find(&self, name: &str) -> Option<(&Point, &[u16])> {
        let point = self.model.point(name)?;
        let start = usize::from(point.offset);
        let raw = self.registers.get(start..start + usize::from(point.size()))?;
        Some((point, raw))
    }
}

/// The integer of a point, `None` for the mark of its type that means not implemented.
fn integer(kind: PointType, raw: &[u16]) -> Option<i64> {
    let value = match *raw {
        [one] => i64::from(one),
        [high, low] => i64::from(high) << 16 | i64::from(low),
        _ => return None,
    };
    let signed = |value: i64| if value >= 0x8000 { value - 0x1_0000 } else { value };
    match kind {
        PointType::Int16 | PointType::Sunssf => (value != 0x8000).then(|| signed(value)),
        PointType::Uint16 | PointType::Count | PointType::Enum16 | PointType::Bitfield16 => {
            (value != 0xFFFF).then_some(value)
        }
        PointType::Uint32 | PointType::Bitfield32 => (value != 0xFFFF_FFFF).then_some(value),
        // A counter that does not exist reads zero, as does one that has not begun; some devices send the
        // mark of uint32 instead.
        PointType::Acc32 => (value != 0 && value != 0xFFFF_FFFF).then_some(value),
        PointType::Float32 | PointType::String => None,
    }
}

fn float(point: &Point, raw: &[u16]) -> Result<Option<Decimal>, PointError> {
    let [high, low] = *raw else { return Ok(None) };
    let value = f32::from_bits(u32::from(high) << 16 | u32::from(low));
    if value.is_nan() {
        return Ok(None);
    }
    let decimal = Decimal::from_f64(f64::from(value)).ok_or_else(|| PointError {
        point: point.name.clone(),
        came: value.to_string(),
        expected: "a number that a meter can show",
    })?;
    Ok(Some(decimal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sunspec::model::Models;
    use proptest::prelude::*;

    /// The value of `point` in model `id` with these registers at these offsets, all others zero.
    fn value(id: u16, point: &str, registers: &[(u16, u16)]) -> Result<Option<Decimal>, String> {
        let models = Models::built_in();
        let model = models.get(id).unwrap();
        let mut image = vec![0; 110];
        for (offset, register) in registers {
            image[usize::from(*offset)] = *register;
        }
        Block {
            model,
            registers: &image,
        }
        .value(point)
        .map_err(|error| error.to_string())
    }

    fn check(id: u16, point: &str, registers: &[(u16, u16)], expected: Option<(i64, i8)>) {
        let expected = expected.map(|(digits, exponent)| Decimal::new(digits, exponent));
        assert_eq!(
            value(id, point, registers),
            Ok(expected),
            "{point} {registers:x?}"
        );
    }

    #[test]
    fn marks_of_not_implemented_are_absent_values() {
        check(203, "W", &[(18, 0x8000)], None);
        check(203, "W", &[(18, 0x7FFF)], Some((32_767, 0)));
        check(203, "W", &[(18, 0xFFFF)], Some((-1, 0)));
        check(103, "A", &[(2, 0xFFFF)], None);
        check(103, "A", &[(2, 0x8000)], Some((32_768, 0)));
        check(103, "WH", &[(24, 0), (25, 0)], None);
        check(103, "WH", &[(24, 0xFFFF), (25, 0xFFFF)], None);
        check(103, "WH", &[(24, 1), (25, 2)], Some((65_538, 0)));
        check(103, "St", &[(38, 0xFFFF)], None);
        check(213, "W", &[(28, 0x7FC0), (29, 0)], None);
        check(213, "W", &[(28, 0x4248), (29, 0)], Some((50_000_000, -6)));
        check(203, "NoSuchPoint", &[], None);
    }

    #[test]
    fn scale_factors_are_powers_of_ten_or_nothing() {
        check(203, "W", &[(18, 5), (22, 0xFFFE)], Some((5, -2)));
        check(203, "W", &[(18, 5), (22, 10)], Some((5, 10)));
        check(203, "W", &[(18, 5), (22, 0x8000)], None);
        for noise in [11, 0xFFF5, 0x7FFF, 0x8001] {
            assert!(value(203, "W", &[(18, 5), (22, noise)]).is_err(), "{noise:x}");
        }
        assert!(value(213, "W", &[(28, 0x7F80), (29, 0)]).is_err(), "infinite");
        assert!(
            value(213, "W", &[(28, 0x7F7F), (29, 0xFFFF)]).is_err(),
            "beyond 64 bits"
        );
    }

    #[test]
    fn texts_end_at_the_first_zero() {
        let models = Models::built_in();
        let mut registers = vec![0; 70];
        registers[2] = u16::from_be_bytes(*b" A");
        registers[3] = u16::from_be_bytes(*b"c\0");
        registers[4] = u16::from_be_bytes(*b"xx");
        let block = Block {
            model: models.get(1).unwrap(),
            registers: &registers,
        };
        assert_eq!(block.text("Mn").as_deref(), Some("Ac"));
        assert_eq!(block.text("Md"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn any_registers_read_without_panic(registers in prop::collection::vec(any::<u16>(), 0..128)) {
            let models = Models::built_in();
            for id in [1, 103, 113, 124, 160, 203, 213, 802] {
                let model = models.get(id).unwrap();
                let block = Block { model, registers: &registers };
                for point in &model.points {
                    let _ = (block.value(&point.name), block.text(&point.name), block.raw(&point.name));
                }
            }
        }
    }
}
