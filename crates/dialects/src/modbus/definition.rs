//! The data format of one device: registers, units, signs, formulas.
//!
//! ```toml
//! name = "EM 1"                # product, as printed on it
//! maker = "Acme"
//! role = "meter"               # meter, inverter or battery
//! table = "holding"            # or "input"; a register may differ
//! byte_order = "big"           # within a register
//! word_order = "big"           # of values of several registers
//! phases = 3                   # 1: nothing flows on L2 and L3
//! max_registers = 125          # most registers in one request
//! max_gap = 8                  # unneeded registers that may be read along
//!
//! [registers]
//! power = { address = 0x34, type = "i32", scale = "1/10", unit = "W", positive = "in", absent = 0x7FFFFFFF }
//! factor = { address = 0x40, type = "u16", unit = "" }
//!
//! [derived]
//! power_l1 = "power * factor"
//! ```
//!
//! Names of [`Quantity`] are reported; other registers only feed formulas, which see every register in its
//! unit without prefix. `positive` says which way a positive value flows: `in`, into the thing named (import
//! of a grid meter), or `out`. Currents take the sign of their phase's power, unless they say `positive`
//! themselves. Defaults are those shown, except for `scale` (1) and `absent` (none).
//!
//! Knows no requests and no time: those are `Client`'s.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use expr::Program;
use model::phases::PerPhase;
use model::reading::Quantity;
use serde::Deserialize;
use toml::Spanned;

use super::catalogue;
use super::pdu::{MAX_READ_REGISTERS, Table};
use super::poll_plan::{self, Span};
use super::register::{Layout, Order, Scale, Unit, ValueType};

/// Longest text of a definition, in bytes.
pub const MAX_TEXT: usize = 256 * 1_024;

/// What is wrong with a text, all of it at once where possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct DefinitionError {
    pub problems: Vec<Problem>,
}

/// One mistake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// From 1.
    pub line: usize,
    pub text: String,
}

impl fmt::Display for DefinitionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .problems
            .iter()
            .map(|problem| format!("line {}: {}", problem.line, problem.text))
            .collect();
        f.write_str(&lines.join("\n"))
    }
}

/// What a described device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceRole {
    Meter,
    Inverter,
    Battery,
}

impl DeviceRole {
    /// The word for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Inverter => "inverter",
            Self::Battery => "battery",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Direction {
    In,
    Out,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum RawTable {
    #[default]
    Holding,
    Input,
}

impl RawTable {
    const fn table(self) -> Table {
        match self {
            Self::Holding => Table::Holding,
            Self::Input => Table::Input,
        }
    }
}

/// A number as TOML has it, or text where TOML has no such number.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
enum RawNumber {
    Integer(i64),
    Float(f64),
    Text(String),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRegister {
    address: u16,
    table: Option<RawTable>,
    #[serde(rename = "type")]
    kind: ValueType,
    scale: Option<RawNumber>,
    unit: Unit,
    positive: Option<Direction>,
    absent: Option<RawNumber>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawDefinition {
    name: String,
    maker: String,
    role: DeviceRole,
    #[serde(default)]
    table: RawTable,
    #[serde(default)]
    byte_order: Order,
    #[serde(default)]
    word_order: Order,
    phases: Option<Spanned<u8>>,
    max_registers: Option<Spanned<u16>>,
    max_gap: Option<u16>,
    registers: BTreeMap<Spanned<String>, Spanned<RawRegister>>,
    #[serde(default)]
    derived: BTreeMap<Spanned<String>, Spanned<String>>,
}

/// One value of the device.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Register {
    pub(super) name: String,
    pub(super) quantity: Option<Quantity>,
    pub(super) layout: Layout,
    pub(super) span: Span,
    pub(super) negate: bool,
    /// Whether the device itself signs it, by what the definition says.
    pub(super) signed: bool,
}

/// One device as data.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    pub name: String,
    pub maker: String,
    pub role: DeviceRole,
    pub(super) single_phase: bool,
    pub(super) registers: Vec<Register>,
    pub(super) derived: Vec<(Quantity, Program)>,
    requests: Vec<Span>,
}

impl Definition {
    /// # Errors
    /// With the line of each mistake and what was expected there.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        if text.len() > MAX_TEXT {
            let text = format!("the file has {} bytes, expected at most {MAX_TEXT}", text.len());
            return Err(DefinitionError {
                problems: vec![Problem { line: 1, text }],
            });
        }
        let raw: RawDefinition = toml::from_str(text).map_err(|error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            DefinitionError {
                problems: vec![Problem {
                    line,
                    text: error.message().to_owned(),
                }],
            }
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

    /// The embedded definition of that name (`eastron-sdm630`).
    ///
    /// # Panics
    /// Never: a test reads them all.
    #[must_use]
    pub fn built_in(name: &str) -> Option<Self> {
        let (_, text) = catalogue::FILES.iter().find(|(file, _)| *file == name)?;
        Some(Self::parse(text).expect("embedded definitions are checked by a test"))
    }

    /// What to read in every round.
    #[must_use]
    pub fn requests(&self) -> &[Span] {
        &self.requests
    }
}

/// The names of all embedded definitions, sorted.
#[must_use]
pub fn names() -> Vec<&'static str> {
    catalogue::FILES.iter().map(|(name, _)| *name).collect()
}

/// Collects problems while a definition is made of what the file says.
struct Check<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Check<'_> {
    fn problem(&mut self, at: Range<usize>, text: String) {
        self.problems.push(Problem {
            line: line_of(self.text, at.start),
            text,
        });
    }

    fn definition(&mut self, raw: RawDefinition) -> Definition {
        let max_count = self.max_registers(raw.max_registers.as_ref());
        let single_phase = self.single_phase(raw.phases.as_ref());
        let defaults = (raw.table, raw.byte_order, raw.word_order);
        let registers: Vec<_> = raw
            .registers
            .iter()
            .map(|(name, register)| self.register(name, register, defaults))
            .collect();
        let derived = self.derived(&raw.derived, &raw.registers);
        let names: Vec<Quantity> = registers
            .iter()
            .filter_map(|register| register.quantity)
            .chain(derived.iter().map(|(quantity, _)| *quantity))
            .collect();
        self.phases_are_complete(&names, single_phase);
        if !has_power(&names) {
            self.problem(
                0..0,
                "no `power`, expected `power`, or `power_l1` to `power_l3`".to_owned(),
            );
        }
        let spans: Vec<_> = registers.iter().map(|register| register.span).collect();
        let requests = poll_plan::plan(&spans, raw.max_gap.unwrap_or(8), max_count);
        let (name, maker, role) = (raw.name, raw.maker, raw.role);
        Definition {
            name,
            maker,
            role,
            single_phase,
            registers,
            derived,
            requests,
        }
    }

    fn max_registers(&mut self, given: Option<&Spanned<u16>>) -> u16 {
        let Some(given) = given else {
            return MAX_READ_REGISTERS;
        };
        let count = *given.get_ref();
        if !(4..=MAX_READ_REGISTERS).contains(&count) {
            let text = format!("`max_registers` is {count}, expected 4 to {MAX_READ_REGISTERS}");
            self.problem(given.span(), text);
        }
        count
    }

    fn single_phase(&mut self, given: Option<&Spanned<u8>>) -> bool {
        match given.map(|phases| (*phases.get_ref(), phases.span())) {
            None | Some((3, _)) => false,
            Some((1, _)) => true,
            Some((other, span)) => {
                self.problem(span, format!("`phases` is {other}, expected 1 or 3"));
                false
            }
        }
    }

    fn register(
        &mut self,
        name: &Spanned<String>,
        raw: &Spanned<RawRegister>,
        (table, byte_order, word_order): (RawTable, Order, Order),
    ) -> Register {
        let (at, register) = (raw.span(), raw.get_ref());
        let quantity = self.quantity(name);
        if let Some(quantity) = quantity
            && register.unit.base() != unit_of(quantity)
        {
            let (came, expected) = (register.unit.base(), unit_of(quantity));
            self.problem(at.clone(), format!("`{name}` is in {came}, expected {expected}"));
        }
        let count = register.kind.size();
        if u32::from(register.address) + u32::from(count) > 0x1_0000 {
            let text = format!("`{name}` ends behind register 65535, expected an address before that");
            self.problem(at.clone(), text);
        }
        let scale = self.scale(&at, name, register.scale.as_ref());
        let absent = self.absent(&at, name, register.absent.as_ref());
        let table = register.table.unwrap_or(table).table();
        Register {
            name: name.get_ref().clone(),
            quantity,
            layout: Layout {
                kind: register.kind,
                byte_order,
                word_order,
                scale,
                unit: register.unit,
                absent,
            },
            span: Span {
                table,
                address: register.address,
                count,
            },
            negate: register.positive == Some(Direction::Out),
            signed: register.positive.is_some(),
        }
    }

    /// The quantity of that name. Names of EVSE values are refused, so that nobody expects them to arrive.
    fn quantity(&mut self, name: &Spanned<String>) -> Option<Quantity> {
        let quantity = Quantity::from_name(name.get_ref())?;
        if matches!(quantity, Quantity::Setpoint | Quantity::Pilot) {
            self.problem(
                name.span(),
                format!("`{name}` is of charging stations, expected a measured value"),
            );
        }
        Some(quantity)
    }

    fn scale(&mut self, at: &Range<usize>, name: &Spanned<String>, raw: Option<&RawNumber>) -> Scale {
        let scale = match raw {
            None => Some(Scale::ONE),
            Some(RawNumber::Integer(number)) => Scale::parse(&number.to_string()),
            Some(RawNumber::Float(number)) => Scale::parse(&number.to_string()),
            Some(RawNumber::Text(text)) => Scale::parse(text),
        };
        scale.unwrap_or_else(|| {
            let text = format!("scale of `{name}` is no factor, expected one like 10, 0.1 or \"1/10\"");
            self.problem(at.clone(), text);
            Scale::ONE
        })
    }

    fn absent(&mut self, at: &Range<usize>, name: &Spanned<String>, raw: Option<&RawNumber>) -> Option<u64> {
        let bits = match raw? {
            RawNumber::Integer(number) => u64::try_from(*number).ok(),
            RawNumber::Float(_) => None,
            RawNumber::Text(text) => text
                .strip_prefix("0x")
                .and_then(|hex| u64::from_str_radix(hex, 16).ok()),
        };
        if bits.is_none() {
            let text =
                format!("absent of `{name}` is no bit pattern, expected one like 0xFFFF or \"0xFFFF\"");
            self.problem(at.clone(), text);
        }
        bits
    }

    fn derived(
        &mut self,
        raw: &BTreeMap<Spanned<String>, Spanned<String>>,
        registers: &BTreeMap<Spanned<String>, Spanned<RawRegister>>,
    ) -> Vec<(Quantity, Program)> {
        let mut derived = Vec::new();
        for (name, formula) in raw {
            let Some(quantity) = self.quantity(name) else {
                let text = format!("`{name}` is not reported, expected one of {}", reported_names());
                self.problem(name.span(), text);
                continue;
            };
            if registers.contains_key(name) {
                let text = format!("`{name}` is a register already, expected it in one place");
                self.problem(name.span(), text);
            }
            match compile(formula.get_ref(), registers) {
                Ok(program) => derived.push((quantity, program)),
                Err(error) => self.problem(formula.span(), format!("formula of `{name}`: {error}")),
            }
        }
        derived
    }

    fn phases_are_complete(&mut self, names: &[Quantity], single_phase: bool) {
        for triple in TRIPLES {
            let [l1, l2, l3] = triple.into_array().map(|quantity| names.contains(&quantity));
            let complete = if single_phase {
                !l2 && !l3
            } else {
                l1 == l2 && l2 == l3
            };
            if !complete {
                let expected = if single_phase {
                    "only it"
                } else {
                    "all three or none (or `phases = 1`)"
                };
                let text = format!("`{}` and the other phases: expected {expected}", triple.l1.name());
                self.problem(0..0, text);
            }
        }
    }
}

/// Values that a device has on three phases.
pub(super) const POWERS: PerPhase<Quantity> =
    PerPhase::new(Quantity::PowerL1, Quantity::PowerL2, Quantity::PowerL3);
pub(super) const CURRENTS: PerPhase<Quantity> =
    PerPhase::new(Quantity::CurrentL1, Quantity::CurrentL2, Quantity::CurrentL3);
pub(super) const VOLTAGES: PerPhase<Quantity> =
    PerPhase::new(Quantity::VoltageL1, Quantity::VoltageL2, Quantity::VoltageL3);
const TRIPLES: [PerPhase<Quantity>; 3] = [POWERS, CURRENTS, VOLTAGES];

fn has_power(names: &[Quantity]) -> bool {
    names.contains(&Quantity::Power) || names.contains(&Quantity::PowerL1)
}

/// The unit in which formulas and registers give a quantity.
fn unit_of(quantity: Quantity) -> &'static str {
    match quantity {
        Quantity::Power | Quantity::PowerL1 | Quantity::PowerL2 | Quantity::PowerL3 => "W",
        Quantity::CurrentL1 | Quantity::CurrentL2 | Quantity::CurrentL3 => "A",
        Quantity::VoltageL1 | Quantity::VoltageL2 | Quantity::VoltageL3 => "V",
        Quantity::Frequency => "Hz",
        Quantity::EnergyIn | Quantity::EnergyOut => "Wh",
        Quantity::Soc => "%",
        Quantity::Setpoint | Quantity::Pilot => "nothing",
    }
}

fn reported_names() -> String {
    let names = Quantity::ALL
        .into_iter()
        .filter(|q| !matches!(q, Quantity::Setpoint | Quantity::Pilot));
    names.map(Quantity::name).collect::<Vec<_>>().join(", ")
}

fn compile(
    formula: &str,
    registers: &BTreeMap<Spanned<String>, Spanned<RawRegister>>,
) -> Result<Program, String> {
    let program = Program::parse(formula).map_err(|error| error.to_string())?;
    let kind = program
        .check(&|name| registers.contains_key(name).then_some(expr::Type::Number))
        .map_err(|error| error.to_string())?;
    match kind {
        expr::Type::Number => Ok(program),
        expr::Type::Bool => Err("found true or false, expected a number".to_owned()),
    }
}

/// The line of a byte offset, from 1.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const HEAD: &str = "name = \"EM 1\"\nmaker = \"Acme\"\nrole = \"meter\"\n";

    /// Problems of a definition whose text behind [`HEAD`] starts at line 4.
    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        let problems = match Definition::parse(&format!("{HEAD}{text}")) {
            Ok(_) => Vec::new(),
            Err(error) => error.to_string().lines().map(str::to_owned).collect(),
        };
        assert_eq!(problems, expected, "{text}");
    }

    const POWER: &str = "power = { address = 1, type = \"i32\", unit = \"W\" }";

    #[test]
    fn mistakes_are_named_with_their_line_and_what_was_expected() {
        check(&format!("[registers]\n{POWER}"), &[]);
        check(
            "[registers]",
            &["line 1: no `power`, expected `power`, or `power_l1` to `power_l3`"],
        );
        check(
            &format!("[registers]\n{POWER}\nvoltage_l1 = {{ address = 1, type = \"i32\", unit = \"V\" }}"),
            &["line 1: `voltage_l1` and the other phases: expected all three or none (or `phases = 1`)"],
        );
        check(
            "[registers]\npower = { address = 1, type = \"i32\", unit = \"A\" }",
            &["line 5: `power` is in A, expected W"],
        );
        check(
            "[registers]\npower = { address = 65535, type = \"i32\", unit = \"kW\", scale = \"x\" }",
            &[
                "line 5: `power` ends behind register 65535, expected an address before that",
                "line 5: scale of `power` is no factor, expected one like 10, 0.1 or \"1/10\"",
            ],
        );
        check(
            "[registers]\npower = { address = 1, type = \"i32\", unit = \"W\", absent = -1 }",
            &["line 5: absent of `power` is no bit pattern, expected one like 0xFFFF or \"0xFFFF\""],
        );
        check(
            &format!("phases = 2\nmax_registers = 500\n[registers]\n{POWER}"),
            &[
                "line 4: `phases` is 2, expected 1 or 3",
                "line 5: `max_registers` is 500, expected 4 to 125",
            ],
        );
        check(
            &format!(
                "[registers]\n{POWER}\n[derived]\nfrequency = \"power +\"\npower = \"power\"\nx = \"1\""
            ),
            &[
                "line 7: formula of `frequency`: column 8: found the end, expected a number, a name or `(`",
                "line 8: `power` is a register already, expected it in one place",
                "line 9: `x` is not reported, expected one of power, power_l1, power_l2, power_l3, \
                 current_l1, current_l2, current_l3, voltage_l1, voltage_l2, voltage_l3, frequency, \
                 energy_in, energy_out, soc",
            ],
        );
        check(
            &format!("[registers]\n{POWER}\n[derived]\nsoc = \"power > 1\"\nfrequency = \"gone\""),
            &[
                "line 7: formula of `soc`: found true or false, expected a number",
                "line 8: formula of `frequency`: column 1: found `gone`, expected a name that has a value here",
            ],
        );
    }

    #[test]
    fn what_toml_finds_has_a_line_too() {
        let first = |text: &str| {
            Definition::parse(&format!("{HEAD}{text}"))
                .unwrap_err()
                .problems
                .remove(0)
        };
        let unknown = first("[registers]\npower = { address = 1, type = \"u17\", unit = \"W\" }");
        assert_eq!(unknown.line, 5);
        assert!(
            unknown
                .text
                .starts_with("unknown variant `u17`, expected one of `u16`, `i16`"),
            "{unknown:?}"
        );
        let typo = first(&format!("[registers]\n{POWER}\n[dervied]"));
        assert_eq!(typo.line, 6);
        assert!(
            typo.text.contains("`dervied`") && typo.text.contains("`derived`"),
            "{typo:?}"
        );
        let syntax = first("[registers]\npower = {");
        assert!(syntax.line >= 5, "{syntax:?}");
        let far = first("[registers]\npower = { address = 70000, type = \"i32\", unit = \"W\" }");
        assert!(far.line == 5 && far.text.contains("70000"), "{far:?}");
        assert!(Definition::parse("").is_err());
        assert!(Definition::parse(&"#".repeat(MAX_TEXT + 1)).is_err());
    }

    #[test]
    fn every_file_is_embedded_sound_and_names_its_source() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../definitions/modbus");
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
            assert!(
                definition.requests().len() <= 8,
                "{name}: {:?}",
                definition.requests()
            );
            assert_eq!(Definition::built_in(name), Some(definition));
        }
        assert_eq!(Definition::built_in("no-such-meter"), None);
    }
}
