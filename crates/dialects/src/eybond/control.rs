//! What people can set at an inverter, and how it is written and read back.
//!
//! ```toml
//! [controls]
//! output_priority = { title = "Output priority", address = 301, choices = { 0 = "Utility first", 1 = "Solar first" } }
//! charge_current = { title = "Charging current", address = 332, decimals = 1, unit = "A", min = "10", max = "500" }
//! # Of a text protocol: where it is shown, and the command that sets it.
//! charger_priority = { title = "Charger priority", command = "QPIRI", field = 17, write = "PCP0#", choices = { 0 = "Utility first" } }
//! ac_current = { title = "Mains charging current", command = "QPIRI", field = 13, write = "MUCHGC0##", unit = "A", choices_of = "QMUCHGCR" }
//! ```
//!
//! A register is one word, written by function 16. `decimals`: how many of the digits of a number stand behind the
//! point. In `write` the signs `#` are the digits of the value, with zeros in front. `choices_of`: the device itself says
//! what can be chosen, in answer to this command. What a device shows a value of that could not be set is not offered:
//! it means something else there.

use std::collections::BTreeMap;
use std::ops::Range as Bytes;

use model::control::{Choice, Control, Range};
use model::decimal::{plain, read_decimal};
use serde::Deserialize;
use toml::Spanned;

use super::definition::{Ask, Check, Place};
use super::map::{self, Answer};
use super::text::Protocol;
use super::{rtu, text};
use crate::modbus::Exception;
use crate::modbus::pdu::{Request, Response, Table};
use crate::modbus::poll_plan::Span;
use crate::modbus::register::{Layout, Order, Scale, Unit, ValueType};

/// Digits of a number that are behind its point, at most.
const MOST_DECIMALS: u32 = 3;
/// Choices that a device may name.
const MOST_CHOICES: usize = 32;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawControl {
    title: String,
    address: Option<u16>,
    command: Option<String>,
    field: Option<usize>,
    write: Option<String>,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    decimals: u32,
    #[serde(default)]
    choices: BTreeMap<String, String>,
    choices_of: Option<String>,
    min: Option<String>,
    max: Option<String>,
    step: Option<String>,
}

/// One control of a make.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Setting {
    pub id: String,
    title: String,
    unit: String,
    decimals: u32,
    pub place: Place,
    written: Written,
    allowed: Allowed,
}

#[derive(Clone, Debug, PartialEq)]
enum Written {
    Register(u16),
    Command(Protocol, Template),
}

/// `POP0#`: what stands before the digits, how many they are, and what stands behind them.
#[derive(Clone, Debug, PartialEq)]
struct Template {
    before: String,
    digits: usize,
    behind: String,
}

#[derive(Clone, Debug, PartialEq)]
enum Allowed {
    Always(Range),
    /// What the device answers to a command.
    Listed {
        command: String,
    },
}

impl Template {
    fn read(text: &str) -> Option<Self> {
        let start = text.find('#')?;
        let (before, rest) = text.split_at(start);
        let behind = rest.trim_start_matches('#');
        let is_plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b',')
        };
        let digits = rest.len() - behind.len();
        (digits <= 6 && is_plain(before) && is_plain(behind)).then(|| Self {
            before: before.to_owned(),
            digits,
            behind: behind.to_owned(),
        })
    }

    /// `None`: it has more digits than there is room for.
    fn fill(&self, value: i64) -> Option<String> {
        let digits = u32::try_from(value).ok()?.to_string();
        let (before, behind, width) = (&self.before, &self.behind, self.digits);
        (digits.len() <= width).then(|| format!("{before}{digits:0>width$}{behind}"))
    }
}

impl Setting {
    /// Where the choices are, if the device says them itself.
    pub fn listing(&self) -> Option<Place> {
        match &self.allowed {
            Allowed::Always(_) => None,
            Allowed::Listed { command } => Some(Place::Field {
                command: command.clone(),
                field: 0,
                number: None,
            }),
        }
    }

    /// As the device shows it. `None` while it has not said it, or when it means something else there.
    pub fn control(&self, asks: &[Ask], answers: &[Answer]) -> Option<Control> {
        let range = self.range(asks, answers)?;
        let shown = plain(self.raw(asks, answers)?, self.decimals);
        Some(Control {
            id: self.id.clone(),
            title: self.title.clone(),
            unit: self.unit.clone(),
            value: Some(range.read(&shown)?),
            range,
        })
    }

    fn range(&self, asks: &[Ask], answers: &[Answer]) -> Option<Range> {
        let command = match &self.allowed {
            Allowed::Always(range) => return Some(range.clone()),
            Allowed::Listed { command } => command,
        };
        let (protocol, listed) = map::text_answer(asks, answers, command)?;
        let numbers = protocol
            .values(listed)
            .filter_map(|text| text.parse::<u32>().ok());
        let room = numbers.filter(|number| self.writes(i64::from(*number)).is_some());
        let choices = room.take(MOST_CHOICES).map(|number| Choice {
            key: number.to_string(),
            label: format!("{number} {}", self.unit),
        });
        let choices: Vec<Choice> = choices.collect();
        (!choices.is_empty()).then_some(Range::Choices { choices })
    }

    /// In units of its last decimal.
    fn raw(&self, asks: &[Ask], answers: &[Answer]) -> Option<i64> {
        match &self.place {
            Place::Number { span, .. } | Place::Words { span } => {
                let words = map::registers(&mut asks.iter().zip(answers), *span)?;
                words.first().copied().map(i64::from)
            }
            Place::Field { command, field, .. } => {
                let (protocol, text) = map::text_answer(asks, answers, command)?;
                let number = map::decimal(protocol.values(text).nth(*field)?)?;
                number.in_steps_of(-i8::try_from(self.decimals).ok()?)
            }
        }
    }

    fn writes(&self, raw: i64) -> Option<Wording> {
        Some(match &self.written {
            Written::Register(address) => Wording::Register(Request::WriteRegisters {
                address: *address,
                values: vec![u16::try_from(raw).ok()?],
            }),
            Written::Command(protocol, template) => Wording::Command(*protocol, template.fill(raw)?),
        })
    }

    /// How a value that fits is written. `None`: it does not fit.
    pub fn wording(&self, value: &str) -> Option<Wording> {
        self.writes(read_decimal(value, self.decimals)?)
    }
}

/// How something is set, in words of the device.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wording {
    Register(Request),
    Command(Protocol, String),
}

impl Wording {
    /// As it stands on the serial line.
    pub fn line(&self, unit: u8) -> Vec<u8> {
        match self {
            Self::Register(request) => rtu::encode(unit, &request.encode()),
            Self::Command(protocol, text) => protocol.order(text),
        }
    }

    pub const fn is_whole(&self) -> fn(&[u8]) -> bool {
        match self {
            Self::Register(_) => rtu::is_whole,
            Self::Command(..) => text::is_whole,
        }
    }

    /// Whether the device has taken it.
    ///
    /// # Errors
    /// With what it says instead.
    pub fn check(&self, unit: u8, answer: &[u8]) -> Result<(), String> {
        match self {
            Self::Register(request) => {
                let (from, pdu) = rtu::decode(answer).ok_or_else(|| no_sense(answer))?;
                match Response::decode(pdu, request) {
                    Ok(Response::Written { .. }) if from == unit => Ok(()),
                    Ok(Response::Refused { exception, .. }) => Err(refused(exception)),
                    Ok(Response::Written { .. } | Response::Bits { .. } | Response::Registers { .. }) => {
                        Err(no_sense(answer))
                    }
                    Err(error) => Err(error.to_string()),
                }
            }
            Self::Command(protocol, text) => match protocol.read_verdict(answer) {
                Some(true) => Ok(()),
                Some(false) => Err(format!("it says no to {text}")),
                None => Err(no_sense(answer)),
            },
        }
    }
}

/// Beside what Modbus says, makers say by 7 that it is not the moment.
fn refused(exception: Exception) -> String {
    if exception == Exception::IllegalValue {
        "it does not allow that value together with its others".to_owned()
    } else if exception == Exception::Unknown(7) {
        "not while it works as it does now".to_owned()
    } else {
        exception.to_string()
    }
}

fn no_sense(answer: &[u8]) -> String {
    format!("an answer of {} bytes that makes no sense", answer.len())
}

impl Check<'_> {
    /// `protocol`: `None` of registers.
    pub(super) fn setting(
        &mut self,
        protocol: Option<Protocol>,
        id: &str,
        raw: &Spanned<RawControl>,
    ) -> Option<Setting> {
        let (at, raw) = (raw.span(), raw.get_ref());
        if raw.decimals > MOST_DECIMALS {
            let (given, most) = (raw.decimals, MOST_DECIMALS);
            self.problem(
                at,
                format!("`decimals` of `{id}` is {given}, expected at most {most}"),
            );
            return None;
        }
        let (place, written) = self.ways(protocol, id, raw, at.clone())?;
        let allowed = self.allowed(protocol, id, raw, at.clone())?;
        let setting = Setting {
            id: id.to_owned(),
            title: raw.title.clone(),
            unit: raw.unit.clone(),
            decimals: raw.decimals,
            place,
            written,
            allowed,
        };
        let ends = match &setting.allowed {
            Allowed::Always(Range::Number { least, most, .. }) => vec![*least, *most],
            Allowed::Always(Range::Choices { choices }) => choices
                .iter()
                .filter_map(|choice| choice.key.parse().ok())
                .collect(),
            Allowed::Listed { .. } => Vec::new(),
        };
        if let Some(end) = ends.into_iter().find(|end| setting.writes(*end).is_none()) {
            let end = plain(end, raw.decimals);
            self.problem(
                at,
                format!("`{id}` cannot be written as {end}, expected room for it"),
            );
            return None;
        }
        Some(setting)
    }

    fn ways(
        &mut self,
        protocol: Option<Protocol>,
        id: &str,
        raw: &RawControl,
        at: Bytes<usize>,
    ) -> Option<(Place, Written)> {
        let Some(protocol) = protocol else {
            let (Some(address), None, None) = (raw.address, &raw.command, &raw.write) else {
                self.problem(at, format!("`{id}` is of registers, expected `address`"));
                return None;
            };
            let span = Span {
                table: Table::Holding,
                address,
                count: 1,
            };
            let layout = Layout {
                kind: ValueType::U16,
                byte_order: Order::Big,
                word_order: Order::Big,
                scale: Scale::ONE,
                unit: Unit::None,
                absent: None,
            };
            return Some((Place::Number { span, layout }, Written::Register(address)));
        };
        let template = raw.write.as_deref().and_then(Template::read);
        let (Some(command), Some(field), Some(template), None) =
            (&raw.command, raw.field, template, raw.address)
        else {
            let expected = "expected `command`, `field` and a `write` with # for the digits";
            self.problem(at, format!("`{id}` is of a text protocol, {expected}"));
            return None;
        };
        let place = Place::Field {
            command: command.clone(),
            field,
            number: None,
        };
        Some((place, Written::Command(protocol, template)))
    }

    fn allowed(
        &mut self,
        protocol: Option<Protocol>,
        id: &str,
        raw: &RawControl,
        at: Bytes<usize>,
    ) -> Option<Allowed> {
        let number =
            |text: &Option<String>| text.as_deref().and_then(|text| read_decimal(text, raw.decimals));
        let (least, most, step) = (number(&raw.min), number(&raw.max), number(&raw.step));
        let choices = raw.choices.iter().map(|(key, label)| Choice {
            key: key.clone(),
            label: label.clone(),
        });
        let choices: Vec<Choice> = choices.collect();
        let are_numbers = choices.iter().all(|choice| choice.key.parse::<u16>().is_ok());
        match (least, most, &raw.choices_of) {
            (Some(least), Some(most), None) if choices.is_empty() && (0..most).contains(&least) => {
                Some(Allowed::Always(Range::Number {
                    least,
                    most,
                    step: step.unwrap_or(1),
                    decimals: raw.decimals,
                }))
            }
            (None, None, None) if !choices.is_empty() && are_numbers && raw.decimals == 0 => {
                Some(Allowed::Always(Range::Choices { choices }))
            }
            (None, None, Some(command)) if choices.is_empty() && protocol.is_some() && raw.decimals == 0 => {
                Some(Allowed::Listed {
                    command: command.clone(),
                })
            }
            (_, _, _) => {
                let expected = "expected `choices` by number, `choices_of` a command, or `min` and `max`";
                self.problem(
                    at,
                    format!("it is not said what `{id}` can be set to, {expected}"),
                );
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
