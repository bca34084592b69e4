//! What a device behind a logger answered becomes fields, and model values, here.

use std::collections::BTreeMap;

use expr::Value;
use model::phases::PerPhase;
use model::reading::{Measured, Quality, Quantity};

use super::definition::{Ask, Definition, Item, Place};
use super::part::Part;
use super::text::Protocol;
use crate::modbus::Decimal;
use crate::modbus::plausible::{self, Implausible, signed_currents};

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Registers(Vec<u16>),
    /// Without frame and checksum.
    Text(String),
}

/// A value as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field<'a> {
    pub key: &'a str,
    pub title: &'a str,
    pub value: String,
    pub unit: &'a str,
}

/// What one round of answers says.
#[derive(Debug)]
pub struct Round<'a> {
    definition: &'a Definition,
    values: Vec<Option<Said>>,
}

#[derive(Clone, Debug, PartialEq)]
enum Said {
    /// In the unit without prefix, and as it is shown.
    Number(Decimal, Decimal),
    Text(String),
}

impl<'a> Round<'a> {
    /// One element of `answers` for each of [`Definition::asks`]. What is missing there is not shown.
    #[must_use]
    pub fn of(definition: &'a Definition, answers: &[Answer]) -> Self {
        let values = definition.items.iter();
        let values = values.map(|item| read(&item.place, definition.asks(), answers));
        Self {
            definition,
            values: values.collect(),
        }
    }

    fn items(&self) -> impl Iterator<Item = (&'a Item, &Said)> {
        let items = self.definition.items.iter().zip(&self.values);
        items.filter_map(|(item, said)| Some((item, said.as_ref()?)))
    }

    /// All values, in order of their keys.
    #[must_use]
    pub fn fields(&self) -> Vec<Field<'a>> {
        let fields = self.items().map(|(item, said)| Field {
            key: &item.key,
            title: &item.title,
            value: shown(item, said),
            unit: &item.unit,
        });
        fields.collect()
    }

    /// The text of a value that says who the device is.
    #[must_use]
    pub fn serial(&self) -> Option<String> {
        let mut items = self.items().filter(|(item, _)| item.key == "serial");
        let (item, said) = items.next()?;
        Some(shown(item, said)).filter(|serial| !serial.is_empty())
    }

    /// What a device of ours that is this part reads.
    ///
    /// # Errors
    /// When its power is not there, or a value cannot be.
    pub fn measured(&self, part: Part) -> Result<Measured, Senseless> {
        let numbers = self.items().filter_map(|(item, said)| match said {
            Said::Number(number, _) => Some((item.key.as_str(), number.to_f64())),
            Said::Text(_) => None,
        });
        let numbers: BTreeMap<&str, f64> = numbers.collect();
        let lookup = |name: &str| numbers.get(name).copied().map(Value::Number);
        let formulas = self.definition.parts.get(&part).map(Vec::as_slice);
        let made = formulas
            .unwrap_or_default()
            .iter()
            .filter_map(|(quantity, formula)| {
                let value = formula.number(&lookup).ok().and_then(Decimal::from_f64)?;
                Some((*quantity, value))
            });
        let made: BTreeMap<Quantity, Decimal> = made.collect();
        let get = |quantity| made.get(&quantity).copied();
        let power = get(Quantity::Power).and_then(Decimal::watts);
        let power = power.ok_or_else(|| Senseless {
            came: "no power".to_owned(),
            expected: format!("the power of part `{}`", part.name()),
        })?;
        let first = |value| PerPhase::new(value, Default::default(), Default::default());
        let current = get(Quantity::CurrentL1).and_then(Decimal::milli_amps);
        let measured = Measured {
            power: Some(power),
            current: current.map(|current| {
                signed_currents(
                    PerPhase::new(current, Default::default(), Default::default()),
                    None,
                    power,
                )
            }),
            voltage: get(Quantity::VoltageL1).and_then(Decimal::milli_volts).map(first),
            frequency: get(Quantity::Frequency).and_then(Decimal::milli_hertz),
            energy_in: get(Quantity::EnergyIn).and_then(Decimal::watt_hours),
            energy_out: get(Quantity::EnergyOut).and_then(Decimal::watt_hours),
            soc: get(Quantity::Soc).and_then(Decimal::per_mille),
            phase_power: None,
            quality: Quality::Measured,
        };
        plausible::check(&measured)?;
        Ok(measured)
    }
}

/// Values that cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Senseless {
    pub came: String,
    pub expected: String,
}

impl From<Implausible> for Senseless {
    fn from(Implausible { came, expected }: Implausible) -> Self {
        Self { came, expected }
    }
}

fn read(place: &Place, asks: &[Ask], answers: &[Answer]) -> Option<Said> {
    let mut all = asks.iter().zip(answers);
    match place {
        Place::Number { span, layout } => {
            let words = registers(&mut all, *span)?;
            let number = layout.read(&words).ok().flatten()?;
            let exponent = number.exponent.checked_sub(layout.unit.exponent())?;
            Some(Said::Number(number, Decimal::new(number.digits, exponent)))
        }
        Place::Words { span } => {
            let bytes = registers(&mut all, *span)?.into_iter().flat_map(u16::to_be_bytes);
            let text: String = bytes.map(char::from).filter(char::is_ascii_graphic).collect();
            Some(Said::Text(text))
        }
        Place::Field {
            command,
            field,
            number,
        } => {
            let (protocol, text) = text_answer(asks, answers, command)?;
            let text = protocol.values(text).nth(*field)?;
            let Some((scale, unit)) = number else {
                return Some(Said::Text(text.chars().filter(char::is_ascii_graphic).collect()));
            };
            let shown = scale.apply(decimal(text)?)?;
            let exponent = shown.exponent.checked_add(unit.exponent())?;
            Some(Said::Number(Decimal::new(shown.digits, exponent), shown))
        }
    }
}

/// What was answered to a command.
pub(super) fn text_answer<'a>(
    asks: &[Ask],
    answers: &'a [Answer],
    command: &str,
) -> Option<(Protocol, &'a str)> {
    let mut all = asks.iter().zip(answers);
    all.find_map(|(ask, answer)| match (ask, answer) {
        (Ask::Command(protocol, asked), Answer::Text(text)) if asked == command => {
            Some((*protocol, text.as_str()))
        }
        (Ask::Command(..) | Ask::Registers(_), Answer::Text(_) | Answer::Registers(_)) => None,
    })
}

pub(super) fn registers<'a>(
    all: &mut impl Iterator<Item = (&'a Ask, &'a Answer)>,
    span: crate::modbus::poll_plan::Span,
) -> Option<Vec<u16>> {
    all.find_map(|(ask, answer)| match (ask, answer) {
        (Ask::Registers(asked), Answer::Registers(words)) => {
            let start = asked.offset_of(span)?;
            let end = start + usize::from(span.count);
            words.get(start..end).map(<[u16]>::to_vec)
        }
        (Ask::Command(..) | Ask::Registers(_), Answer::Text(_) | Answer::Registers(_)) => None,
    })
}

/// `230.1`, `-5`, `00012`.
pub(super) fn decimal(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let exponent = i8::try_from(fraction.len())
        .ok()
        .filter(|decimals| *decimals <= 9)?;
    let is_number = fraction.bytes().all(|byte| byte.is_ascii_digit());
    let digits = format!("{whole}{fraction}").parse().ok().filter(|_| is_number)?;
    Some(Decimal::new(digits, -exponent))
}

fn shown(item: &Item, said: &Said) -> String {
    let text = match said {
        Said::Number(_, shown) => plain(*shown),
        Said::Text(text) => text.clone(),
    };
    item.names.get(&text).cloned().unwrap_or(text)
}

/// A decimal as it is written, with the decimals that it has.
fn plain(number: Decimal) -> String {
    let sign = if number.digits < 0 { "-" } else { "" };
    let digits = number.digits.unsigned_abs().to_string();
    let Ok(decimals) = usize::try_from(-i32::from(number.exponent)) else {
        let zeros = usize::try_from(number.exponent).unwrap_or(0);
        return format!(
            "{sign}{digits}{}",
            "0".repeat(if number.digits == 0 { 0 } else { zeros })
        );
    };
    if decimals == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = decimals + 1);
    let (whole, fraction) = padded.split_at(padded.len() - decimals);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use model::units::{MilliHertz, MilliVolts, PerMille, Watts};

    use super::*;

    const QPIGS: &str = "230.1 50.0 230.0 49.9 0460 0412 010 380 52.80 010 085 0035 01.2 310.5 52.80 00000 \
                         00010110 00 00 00372 010";

    fn pi30(qpigs: &str) -> Vec<Answer> {
        let text = |text: &str| Answer::Text(text.to_owned());
        vec![text("92931701100510"), text("B"), text(qpigs)]
    }

    fn field<'a>(round: &'a Round<'_>, key: &str) -> Option<(String, &'a str)> {
        let mut fields = round.fields().into_iter();
        fields
            .find(|field| field.key == key)
            .map(|field| (field.value, field.unit))
    }

    #[test]
    fn text_answers_become_fields_and_readings() {
        let definition = Definition::built_in("pi30").unwrap();
        let asked = definition.asks().iter().map(|ask| match ask {
            Ask::Command(_, command) => command.as_str(),
            Ask::Registers(_) => panic!("{ask:?}"),
        });
        assert_eq!(asked.collect::<Vec<_>>(), ["QID", "QMOD", "QPIGS"]);
        let answers = pi30(QPIGS);
        let round = Round::of(&definition, &answers);
        assert_eq!(round.serial().as_deref(), Some("92931701100510"));
        for (key, value, unit) in [
            ("mode", "battery", ""),
            ("grid_voltage", "230.1", "V"),
            ("battery_voltage", "52.80", "V"),
            ("pv_power", "372", "W"),
            ("heat_sink_temperature", "35", "°C"),
        ] {
            assert_eq!(field(&round, key), Some((value.to_owned(), unit)), "{key}");
        }
        let pv = round.measured(Part::Pv).unwrap();
        assert_eq!(pv.power, Some(Watts(-372)));
        let battery = round.measured(Part::Battery).unwrap();
        assert_eq!(
            (battery.power, battery.soc),
            (Some(Watts(528)), Some(PerMille(850)))
        );
        let load = round.measured(Part::Load).unwrap();
        assert_eq!(load.power, Some(Watts(412)));
        assert_eq!(load.voltage.map(|volts| volts.l1), Some(MilliVolts(230_000)));
        assert_eq!(load.frequency, Some(MilliHertz(49_900)));
    }

    #[test]
    fn what_older_firmware_does_not_say_is_not_shown() {
        let definition = Definition::built_in("pi30").unwrap();
        let short: Vec<&str> = QPIGS.split(' ').take(17).collect();
        let answers = pi30(&short.join(" "));
        let round = Round::of(&definition, &answers);
        assert_eq!(field(&round, "pv_power"), None);
        assert!(round.measured(Part::Pv).is_err());
        assert!(round.measured(Part::Battery).is_ok());
        assert!(round.measured(Part::Grid).is_err(), "there is no such part");
        let answers = pi30("N/A");
        assert_eq!(
            Round::of(&definition, &answers)
                .measured(Part::Load)
                .unwrap_err()
                .came,
            "no power"
        );
        assert!(Round::of(&definition, &[]).fields().is_empty());
    }

    #[test]
    fn registers_become_fields_and_readings() {
        let definition = Definition::built_in("smg").unwrap();
        let mut serial = vec![0; 12];
        serial[..2].copy_from_slice(&[u16::from_be_bytes(*b"AB"), u16::from_be_bytes(*b"12")]);
        let mut block = vec![0_u16; 34];
        for (address, value) in [
            (201, 3),
            (202, 2_301),
            (203, 4_998),
            (204, u32::from((-350_i16).cast_unsigned())),
            (208, 1_200),
            (210, 2_300),
            (211, 52),
            (213, 1_150),
            (217, 800),
            (223, 2_100),
            (229, 64),
        ] {
            block[address - 201] = u16::try_from(value).unwrap();
        }
        let answers = [serial, vec![0; 10], block].map(Answer::Registers);
        let round = Round::of(&definition, &answers);
        assert_eq!(round.serial().as_deref(), Some("AB12"));
        assert_eq!(field(&round, "mode"), Some(("off grid".to_owned(), "")));
        assert_eq!(field(&round, "grid_frequency"), Some(("49.98".to_owned(), "Hz")));
        assert_eq!(field(&round, "grid_power"), Some(("-350".to_owned(), "W")));
        for (part, watts) in [
            (Part::All, -1_200),
            (Part::Pv, -2_100),
            (Part::Battery, 800),
            (Part::Load, 1_150),
            (Part::Grid, -350),
        ] {
            assert_eq!(
                round.measured(part).unwrap().power,
                Some(Watts(watts)),
                "{part:?}"
            );
        }
    }

    #[test]
    fn numbers_are_written_with_their_decimals() {
        for (digits, exponent, expected) in [
            (2_301, -1, "230.1"),
            (-5, -2, "-0.05"),
            (0, -1, "0.0"),
            (12, 0, "12"),
            (12, 2, "1200"),
            (0, 3, "0"),
        ] {
            assert_eq!(plain(Decimal::new(digits, exponent)), expected);
        }
        for (text, expected) in [
            ("0412", Some((412, 0))),
            ("-1.50", Some((-150, -2))),
            ("1.-5", None),
            ("", None),
            ("N/A", None),
        ] {
            let expected = expected.map(|(digits, exponent)| Decimal::new(digits, exponent));
            assert_eq!(decimal(text), expected, "{text}");
        }
    }
}
