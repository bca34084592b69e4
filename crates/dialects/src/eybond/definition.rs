//! The data format of one make of inverter behind a logger: what to ask, the fields that come of it, and what our
//! own things are made of.
//!
//! ```toml
//! name = "SMG, protocol 11"    # product
//! maker = "Acme"
//! protocol = "modbus"          # or the text protocols "pi30" and "pi18"
//! devcode = 2341               # number of the protocol among ShineMonitor clients, in decimal
//! frame_code = 1               # and in the header of frames to the logger; 1 when absent, which is any
//! max_registers = 125          # of "modbus": most registers in one request
//! max_gap = 8                  # and unneeded ones that may be read along
//!
//! [values]
//! pv_power = { title = "PV power", address = 223, type = "i16", scale = "0.1", unit = "W" }
//! serial = { title = "Serial number", address = 186, type = "text", words = 12, once = true }
//! mode = { title = "Working mode", address = 201, type = "u16", names = { 0 = "power on" } }
//! grid_voltage = { title = "Grid voltage", command = "QPIGS", field = 0, unit = "V" }   # of a text protocol
//!
//! [part.pv]
//! power = "0 - pv_power"
//! ```
//!
//! What can be set stands under `[controls]`: see [`super::control`].
//!
//! Every value is a field, shown with its title in its unit. `once`: it does not change, so it is read when the
//! logger has connected. `names` are shown in place of numbers or letters. A part is what a device of ours can
//! be of it ([`Part`]): formulas over the values, in units without prefix, for names of
//! [`Quantity`]; of phases there is the first alone. Signs are the model's.

use std::collections::BTreeMap;
use std::ops::Range;

use expr::Program;
use model::reading::Quantity;
use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::Error as NoUnit;
use toml::Spanned;

use super::catalogue;
use super::control::{RawControl, Setting};
use super::frame::ANY;
use super::part::Part;
use super::text::Protocol as TextProtocol;
use crate::modbus::definition::{DefinitionError, MAX_TEXT, Problem};
use crate::modbus::pdu::{MAX_READ_REGISTERS, Table};
use crate::modbus::poll_plan::{self, Span};
use crate::modbus::register::{Layout, Order, Scale, Unit, ValueType};

/// What a device speaks on its line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawProtocol {
    Modbus,
    Pi30,
    Pi18,
}

impl RawProtocol {
    /// `None` of registers.
    const fn text(self) -> Option<TextProtocol> {
        match self {
            Self::Modbus => None,
            Self::Pi30 => Some(TextProtocol::Pi30),
            Self::Pi18 => Some(TextProtocol::Pi18),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawValue {
    title: String,
    /// Of a register; of a text, `text` or nothing.
    #[serde(rename = "type")]
    kind: Option<String>,
    address: Option<u16>,
    words: Option<u16>,
    command: Option<String>,
    field: Option<usize>,
    scale: Option<String>,
    #[serde(default)]
    unit: String,
    #[serde(default)]
    names: BTreeMap<String, String>,
    #[serde(default)]
    once: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefinition {
    name: String,
    maker: String,
    protocol: RawProtocol,
    devcode: u16,
    #[serde(default = "any")]
    frame_code: u16,
    max_registers: Option<u16>,
    max_gap: Option<u16>,
    values: BTreeMap<Spanned<String>, Spanned<RawValue>>,
    #[serde(default)]
    controls: BTreeMap<Spanned<String>, Spanned<RawControl>>,
    #[serde(default)]
    part: BTreeMap<Part, BTreeMap<Spanned<String>, Spanned<String>>>,
}

const fn any() -> u16 {
    ANY
}

/// One question to the device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    Registers(Span),
    Command(TextProtocol, String),
}

/// Where a value stands, and how it is read there.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    Number {
        span: Span,
        layout: Layout,
    },
    Words {
        span: Span,
    },
    /// Of a text answer.
    Field {
        command: String,
        field: usize,
        /// `None`: it is a text.
        number: Option<(Scale, Unit)>,
    },
}

/// One value of the device.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Item {
    pub key: String,
    pub title: String,
    /// As it is shown.
    pub unit: String,
    pub place: Place,
    pub names: BTreeMap<String, String>,
}

/// One make as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    pub name: String,
    pub maker: String,
    /// As ShineMonitor clients know the protocol.
    pub devcode: u16,
    /// As loggers know it that are to carry a question.
    pub frame_code: u16,
    pub(super) items: Vec<Item>,
    pub(super) parts: BTreeMap<Part, Vec<(Quantity, Program)>>,
    /// What is asked once first.
    asks: Vec<Ask>,
    once: usize,
    text_protocol: Option<TextProtocol>,
    /// What can be set, and what is asked to know how it is set.
    pub(super) settings: Vec<Setting>,
    setting_asks: Vec<Ask>,
}

impl Definition {
    /// # Errors
    /// With the line of each mistake and what was expected there.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let problem = |line, text| DefinitionError {
            problems: vec![Problem { line, text }],
        };
        if text.len() > MAX_TEXT {
            let text = format!("the file has {} bytes, expected at most {MAX_TEXT}", text.len());
            return Err(problem(1, text));
        }
        let raw: RawDefinition = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            problem(line_of(text, at), error.message().to_owned())
        })?;
        let mut check = Check {
            text,
            problems: Vec::new(),
        };
        let definition = check.definition(raw);
        if check.problems.is_empty() {
            return Ok(definition);
        }
        check.problems.sort_by_key(|problem| problem.line);
        Err(DefinitionError {
            problems: check.problems,
        })
    }

    /// The embedded definition of that name (`smg`).
    ///
    /// # Panics
    /// Never: a test reads them all.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = catalogue::FILES.iter().find(|(file, _)| *file == name)?;
        Some(Self::parse(text).expect("embedded definitions are checked by a test"))
    }

    /// What is asked, in order.
    #[must_use]
    pub fn asks(&self) -> &[Ask] {
        &self.asks
    }

    /// How many of [`Self::asks`] are asked once for each connection.
    #[must_use]
    pub const fn once(&self) -> usize {
        self.once
    }

    /// What it speaks, if that is no registers.
    #[must_use]
    pub const fn text_protocol(&self) -> Option<TextProtocol> {
        self.text_protocol
    }

    /// What is asked now and then, to know how the things are set that can be set.
    #[must_use]
    pub fn setting_asks(&self) -> &[Ask] {
        &self.setting_asks
    }

    pub(super) fn setting(&self, id: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.id == id)
    }

    /// Of [`Self::setting_asks`], the one that shows a control.
    pub(super) fn shows(&self, id: &str) -> Option<usize> {
        let place = &self.setting(id)?.place;
        self.setting_asks.iter().position(|ask| match (ask, place) {
            (Ask::Registers(asked), Place::Number { span, .. } | Place::Words { span }) => {
                asked.offset_of(*span).is_some()
            }
            (Ask::Command(_, asked), Place::Field { command, .. }) => asked == command,
            (Ask::Registers(_), Place::Field { .. })
            | (Ask::Command(..), Place::Number { .. } | Place::Words { .. }) => false,
        })
    }

    /// What devices of ours can be of it.
    pub fn parts(&self) -> impl Iterator<Item = Part> {
        self.parts.keys().copied()
    }
}

/// The names of all embedded definitions, sorted.
#[must_use]
pub fn names() -> Vec<&'static str> {
    catalogue::FILES.iter().map(|(name, _)| *name).collect()
}

/// Collects problems while a definition is made of what the file says.
pub(super) struct Check<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    pub(super) fn problem(&mut self, at: Range<usize>, text: String) {
        let line = line_of(self.text, at.start);
        self.problems.push(Problem { line, text });
    }

    fn definition(&mut self, raw: RawDefinition) -> Definition {
        let max_count = raw.max_registers.unwrap_or(MAX_READ_REGISTERS);
        if !(4..=MAX_READ_REGISTERS).contains(&max_count) {
            let text = format!("`max_registers` is {max_count}, expected 4 to {MAX_READ_REGISTERS}");
            self.problem(0..0, text);
        }
        let mut items = Vec::new();
        let (mut once, mut always) = (Vec::new(), Vec::new());
        for (key, value) in &raw.values {
            let Some(place) = self.place(raw.protocol, key, value) else {
                continue;
            };
            let value = value.get_ref();
            let asked = if value.once { &mut once } else { &mut always };
            asked.push(place.clone());
            items.push(Item {
                key: key.get_ref().clone(),
                title: value.title.clone(),
                unit: value.unit.clone(),
                place,
                names: value.names.clone(),
            });
        }
        let protocol = raw.protocol.text();
        let settings = raw.controls.iter();
        let settings = settings.filter_map(|(id, control)| self.setting(protocol, id.get_ref(), control));
        let settings: Vec<Setting> = settings.collect();
        let places = settings.iter();
        let places = places.flat_map(|setting| [Some(setting.place.clone()), setting.listing()]);
        let places: Vec<Place> = places.flatten().collect();
        // Registers between those that can be set may not be there.
        let setting_asks = asks(raw.protocol, &places, 0, max_count);
        let plan = |places: &[Place]| asks(raw.protocol, places, raw.max_gap.unwrap_or(8), max_count);
        let (mut asks, always) = (plan(&once), plan(&always));
        let once = asks.len();
        asks.extend(always);
        let parts = raw.part.iter();
        let parts = parts.map(|(part, formulas)| (*part, self.part(*part, formulas, &items)));
        let parts: BTreeMap<_, _> = parts.collect();
        if parts.is_empty() {
            self.problem(0..0, "no part, expected [part.all] or another one".to_owned());
        }
        Definition {
            name: raw.name,
            maker: raw.maker,
            devcode: raw.devcode,
            frame_code: raw.frame_code,
            items,
            parts,
            asks,
            once,
            text_protocol: protocol,
            settings,
            setting_asks,
        }
    }

    fn place(
        &mut self,
        protocol: RawProtocol,
        key: &Spanned<String>,
        value: &Spanned<RawValue>,
    ) -> Option<Place> {
        let (at, raw) = (value.span(), value.get_ref());
        let scale = raw.scale.as_deref().map_or(Some(Scale::ONE), Scale::parse);
        let Some(scale) = scale else {
            let text = format!("scale of `{key}` is no factor, expected one like 10, 0.1 or \"1/10\"");
            self.problem(at, text);
            return None;
        };
        let unit = unit(&raw.unit);
        let is_text = raw.kind.as_deref() == Some("text");
        if protocol != RawProtocol::Modbus {
            let (Some(command), Some(field), None) = (&raw.command, raw.field, raw.address) else {
                self.problem(
                    at,
                    format!("`{key}` is of a text protocol, expected `command` and `field`"),
                );
                return None;
            };
            return Some(Place::Field {
                command: command.clone(),
                field,
                number: (!is_text).then_some((scale, unit)),
            });
        }
        let (Some(address), None) = (raw.address, &raw.command) else {
            self.problem(
                at,
                format!("`{key}` is of registers, expected `address` and `type`"),
            );
            return None;
        };
        let kind = raw.kind.as_deref().unwrap_or_default();
        let known: Result<ValueType, NoUnit> = ValueType::deserialize(kind.into_deserializer());
        let count = match (is_text, raw.words, &known) {
            (true, Some(words), _) if (1..=32).contains(&words) => words,
            (false, None, Ok(kind)) => kind.size(),
            (true | false, _, _) => {
                let text =
                    format!("type of `{key}` is `{kind}`, expected u16, i16, u32, … or text with `words`");
                self.problem(at, text);
                return None;
            }
        };
        if u32::from(address) + u32::from(count) > 0x1_0000 {
            let text = format!("`{key}` ends behind register 65535, expected an address before that");
            self.problem(at, text);
        }
        let span = Span {
            table: Table::Holding,
            address,
            count,
        };
        Some(match known {
            Ok(kind) => Place::Number {
                span,
                layout: Layout {
                    kind,
                    byte_order: Order::Big,
                    word_order: Order::Big,
                    scale,
                    unit,
                    absent: None,
                },
            },
            Err(_) => Place::Words { span },
        })
    }

    fn part(
        &mut self,
        part: Part,
        formulas: &BTreeMap<Spanned<String>, Spanned<String>>,
        items: &[Item],
    ) -> Vec<(Quantity, Program)> {
        let is_number = |name: &str| {
            let mut named = items.iter().filter(|item| item.key == name);
            named.any(|item| item.place.is_number())
        };
        let mut made = Vec::new();
        for (name, formula) in formulas {
            let Some(quantity) = Quantity::from_name(name.get_ref()).filter(|q| MADE.contains(q)) else {
                let expected = MADE.map(Quantity::name).join(", ");
                let text = format!("`{name}` cannot be of a part, expected one of {expected}");
                self.problem(name.span(), text);
                continue;
            };
            let program = Program::parse(formula.get_ref()).map_err(|error| error.to_string());
            let program = program.and_then(|program| {
                let kind = program.check(&|name| is_number(name).then_some(expr::Type::Number));
                match kind.map_err(|error| error.to_string())? {
                    expr::Type::Number => Ok(program),
                    expr::Type::Bool => Err("found true or false, expected a number".to_owned()),
                }
            });
            match program {
                Ok(program) => made.push((quantity, program)),
                Err(error) => {
                    let text = format!("formula of `{name}` of part `{}`: {error}", part.name());
                    self.problem(formula.span(), text);
                }
            }
        }
        if !formulas
            .keys()
            .any(|name| name.get_ref() == Quantity::Power.name())
        {
            let text = format!("part `{}` has no `power`, expected a formula for it", part.name());
            self.problem(0..0, text);
        }
        made
    }
}

/// What a part may say.
const MADE: [Quantity; 7] = [
    Quantity::Power,
    Quantity::CurrentL1,
    Quantity::VoltageL1,
    Quantity::Frequency,
    Quantity::EnergyIn,
    Quantity::EnergyOut,
    Quantity::Soc,
];

impl Place {
    const fn is_number(&self) -> bool {
        match self {
            Self::Number { .. } => true,
            Self::Words { .. } => false,
            Self::Field { number, .. } => number.is_some(),
        }
    }
}

fn asks(protocol: RawProtocol, places: &[Place], max_gap: u16, max_count: u16) -> Vec<Ask> {
    let text = match protocol.text() {
        None => {
            let spans = places.iter().filter_map(|place| match place {
                Place::Number { span, .. } | Place::Words { span } => Some(*span),
                Place::Field { .. } => None,
            });
            let spans: Vec<_> = spans.collect();
            let planned = poll_plan::plan(&spans, max_gap, max_count).into_iter();
            return planned.map(Ask::Registers).collect();
        }
        Some(text) => text,
    };
    let commands = places.iter().filter_map(|place| match place {
        Place::Field { command, .. } => Some(command.clone()),
        Place::Number { .. } | Place::Words { .. } => None,
    });
    let commands: std::collections::BTreeSet<_> = commands.collect();
    let commands = commands.into_iter();
    commands.map(|command| Ask::Command(text, command)).collect()
}

/// What the model knows of a unit; `°C` and the like are shown alone.
fn unit(text: &str) -> Unit {
    let known: Result<Unit, NoUnit> = Unit::deserialize(text.into_deserializer());
    known.unwrap_or(Unit::None)
}

/// The line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const HEAD: &str = "name = \"I 1\"\nmaker = \"Acme\"\ndevcode = 1\n";

    /// Problems of a definition whose text behind [`HEAD`] starts at line 4.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let problems = match Definition::parse(&format!("{HEAD}{text}")) {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        };
        assert_eq!(problems, expected, "{text}");
    }

    #[test]
    fn mistakes_are_named_with_their_line_and_what_was_expected() {
        let power = "p = { title = \"P\", address = 1, type = \"i16\", unit = \"W\" }";
        let part = "[part.all]\npower = \"p\"";
        let modbus = "protocol = \"modbus\"\n[values]\n";
        check(&format!("{modbus}{power}\n{part}"), &[]);
        check(
            &format!("{modbus}{power}"),
            &["line 1: no part, expected [part.all] or another one"],
        );
        check(
            &format!("{modbus}{power}\n[part.pv]\nsoc = \"p\""),
            &["line 1: part `pv` has no `power`, expected a formula for it"],
        );
        check(
            &format!("{modbus}p = {{ title = \"P\", address = 1, type = \"text\" }}\n{part}"),
            &[
                "line 6: type of `p` is `text`, expected u16, i16, u32, … or text with `words`",
                "line 8: formula of `power` of part `all`: column 1: found `p`, expected a name that has a \
                 value here",
            ],
        );
        check(
            &format!("protocol = \"pi30\"\n[values]\n{power}\n{part}"),
            &[
                "line 6: `p` is of a text protocol, expected `command` and `field`",
                "line 8: formula of `power` of part `all`: column 1: found `p`, expected a name that has a \
                 value here",
            ],
        );
        check(
            &format!("{modbus}{power}\n{part}\nsetpoint = \"p\"\nvoltage_l2 = \"p\""),
            &[
                "line 9: `setpoint` cannot be of a part, expected one of power, current_l1, voltage_l1, \
                 frequency, energy_in, energy_out, soc",
                "line 10: `voltage_l2` cannot be of a part, expected one of power, current_l1, voltage_l1, \
                 frequency, energy_in, energy_out, soc",
            ],
        );
    }

    #[test]
    fn every_file_is_embedded_sound_and_names_its_source() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../definitions/eybond");
        let mut on_disk = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            on_disk.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
        assert_eq!(on_disk, names().into_iter().map(str::to_owned).collect());
        assert!(names().is_sorted());
        for (name, text) in catalogue::FILES {
            let definition = Definition::parse(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert!(text.starts_with("# Source: "), "{name}");
            assert!(definition.asks().len() <= 4, "{name}: {:?}", definition.asks());
            assert_eq!(Definition::built_in(name), Some(definition));
        }
        assert_eq!(Definition::built_in("no-such-inverter"), None);
    }

    /// Whoever asks for what lies between gets a refusal, or zeros.
    #[test]
    fn blocks_of_registers_are_those_that_the_device_has() {
        let smg = Definition::built_in("smg").unwrap();
        let blocks = smg.asks().iter().map(|ask| match ask {
            Ask::Registers(span) => (span.address, span.count),
            Ask::Command(..) => panic!("{ask:?}"),
        });
        assert_eq!(blocks.collect::<Vec<_>>(), [(186, 12), (100, 10), (201, 34)]);
        assert_eq!(smg.once(), 1);
    }
}
