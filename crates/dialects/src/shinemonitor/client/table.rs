//! What the fields of real devices mean: `definitions/shinemonitor/fields.toml`, which says how it is written.

use std::collections::BTreeMap;

use expr::{Program, Value};
use model::phases::PerPhase;
use model::reading::{Measured, Quality, Quantity};
use model::units::{MilliAmps, PerMille, Watts};
use serde::Deserialize;

use super::record::{Field, Record};
use crate::modbus::Decimal;
use crate::modbus::plausible::{self, Implausible, signed_currents};

const TEXT: &str = include_str!("../../../../../definitions/shinemonitor/fields.toml");

/// Which side of a device is meant: one with a battery shows several things in one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    Pv,
    Battery,
    Grid,
    Load,
}

impl Part {
    pub const ALL: [Self; 4] = [Self::Pv, Self::Battery, Self::Grid, Self::Load];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Battery => "battery",
            Self::Grid => "grid",
            Self::Load => "load",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// What is wrong with a table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the table of fields: {0}")]
pub struct TableError(String);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    names: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    units: BTreeMap<String, String>,
    pv: BTreeMap<String, Vec<String>>,
    battery: BTreeMap<String, Vec<String>>,
    grid: BTreeMap<String, Vec<String>>,
    load: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    device: Vec<OfDevices>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfDevices {
    devcodes: Vec<i64>,
    #[serde(default)]
    grouped: bool,
    #[serde(default)]
    names: BTreeMap<String, Vec<String>>,
}

/// Names are spelled as [`spelled`] has them.
#[derive(Clone, Debug)]
pub struct Table {
    names: BTreeMap<String, Vec<String>>,
    /// The power of ten of what comes without a unit.
    units: BTreeMap<String, i8>,
    formulas: BTreeMap<Part, BTreeMap<Quantity, Vec<Formula>>>,
    devices: BTreeMap<i64, Special>,
}

#[derive(Clone, Debug, Default)]
struct Special {
    is_grouped: bool,
    names: BTreeMap<String, Vec<String>>,
}

#[derive(Clone, Debug)]
struct Formula {
    program: Program,
    /// Of more than one field.
    is_derived: bool,
}

impl Table {
    /// That which comes with the program.
    ///
    /// # Errors
    /// None, as a test says.
    pub fn built_in() -> Result<Self, TableError> {
        Self::parse(TEXT)
    }

    /// # Errors
    /// With the first thing that is wrong.
    pub fn parse(text: &str) -> Result<Self, TableError> {
        let file: File = toml::from_str(text).map_err(|error| TableError(error.to_string()))?;
        let known = |name: &str| file.names.contains_key(name);
        let mut formulas = BTreeMap::new();
        for (part, texts) in [
            (Part::Pv, &file.pv),
            (Part::Battery, &file.battery),
            (Part::Grid, &file.grid),
            (Part::Load, &file.load),
        ] {
            formulas.insert(part, read_part(part, texts, &known)?);
        }
        let mut units = BTreeMap::new();
        for (name, unit) in &file.units {
            let power = power_of_ten(unit).filter(|_| known(name));
            let wrong = || TableError(format!("units: `{name}` = \"{unit}\" is no unit of a name"));
            units.insert(name.clone(), power.ok_or_else(wrong)?);
        }
        let mut devices = BTreeMap::new();
        for of_devices in &file.device {
            if let Some(name) = of_devices.names.keys().find(|name| !known(name)) {
                return Err(TableError(format!("device: there is no name `{name}`")));
            }
            for devcode in &of_devices.devcodes {
                let special = Special {
                    is_grouped: of_devices.grouped,
                    names: all_spelled(&of_devices.names),
                };
                devices.insert(*devcode, special);
            }
        }
        Ok(Self {
            names: all_spelled(&file.names),
            units,
            formulas,
            devices,
        })
    }

    /// Whether devices of a type are asked for the record that storage apps show.
    #[must_use]
    pub fn is_grouped(&self, devcode: i64) -> bool {
        self.devices
            .get(&devcode)
            .is_some_and(|special| special.is_grouped)
    }

    /// What a record says of a part; `None` when nothing in it is known.
    ///
    /// # Errors
    /// When a value cannot be.
    pub(super) fn measured(
        &self,
        part: Part,
        devcode: i64,
        record: &Record,
    ) -> Result<Option<Measured>, Implausible> {
        let values = self.values(devcode, record);
        let lookup = |name: &str| values.get(name).copied().map(Value::Number);
        let mut found = BTreeMap::new();
        let mut quality = Quality::Measured;
        for (quantity, formulas) in self.formulas.get(&part).into_iter().flatten() {
            let first = formulas.iter().find_map(|formula| {
                let value = formula.program.number(&lookup).ok()?;
                Some((Decimal::from_f64(value)?, formula.is_derived))
            });
            if let Some((value, is_derived)) = first {
                found.insert(*quantity, value);
                if *quantity == Quantity::Power && is_derived {
                    quality = Quality::Derived;
                }
            }
        }
        if found.is_empty() {
            return Ok(None);
        }
        let measured = read(&found, part, quality);
        plausible::check(&measured)?;
        Ok(Some(measured))
    }

    /// Each name of the table that has a number, in a unit without prefix.
    fn values(&self, devcode: i64, record: &Record) -> BTreeMap<&str, f64> {
        let mut fields = BTreeMap::new();
        for field in &record.fields {
            for name in [&field.id, &field.title] {
                fields.entry(spelled(name)).or_insert(field);
            }
        }
        let special = self.devices.get(&devcode);
        let mut values = BTreeMap::new();
        for (name, common) in &self.names {
            let own = special.and_then(|special| special.names.get(name));
            let spellings = own.into_iter().flatten().chain(common);
            let usual = self.units.get(name).copied();
            let value = spellings
                .filter_map(|spelling| fields.get(spelling))
                .find_map(|field| number(field, usual));
            if let Some(value) = value {
                values.insert(name.as_str(), value.to_f64());
            }
        }
        values
    }
}

fn read_part(
    part: Part,
    texts: &BTreeMap<String, Vec<String>>,
    known: &dyn Fn(&str) -> bool,
) -> Result<BTreeMap<Quantity, Vec<Formula>>, TableError> {
    let mut read = BTreeMap::new();
    for (quantity, formulas) in texts {
        let wrong = |what: String| TableError(format!("{}.{quantity}: {what}", part.name()));
        let known_quantity = Quantity::from_name(quantity);
        let known_quantity = known_quantity.ok_or_else(|| wrong("there is no such quantity".to_owned()))?;
        let mut programs = Vec::new();
        for formula in formulas {
            let program = Program::parse(formula).map_err(|error| wrong(error.to_string()))?;
            program
                .check(&|name| known(name).then_some(expr::Type::Number))
                .map_err(|error| wrong(error.to_string()))?;
            let is_derived = program.names().len() > 1;
            programs.push(Formula { program, is_derived });
        }
        read.insert(known_quantity, programs);
    }
    Ok(read)
}

fn all_spelled(names: &BTreeMap<String, Vec<String>>) -> BTreeMap<String, Vec<String>> {
    let spell = |names: &Vec<String>| names.iter().map(|name| spelled(name)).collect();
    names
        .iter()
        .map(|(name, spellings)| (name.clone(), spell(spellings)))
        .collect()
}

/// Letters and digits only, in lower case.
fn spelled(name: &str) -> String {
    name.chars()
        .filter(|letter| letter.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// The number of a field in a unit without prefix. `usual` is the power of ten of what comes without a unit.
fn number(field: &Field, usual: Option<i8>) -> Option<Decimal> {
    let mut value = decimal(&field.val)?;
    let power = match field.unit.trim() {
        "" => usual.unwrap_or(0),
        unit => power_of_ten(unit)?,
    };
    value.exponent = value.exponent.checked_add(power)?;
    Some(value)
}

fn power_of_ten(unit: &str) -> Option<i8> {
    const UNITS: [&str; 9] = ["w", "va", "var", "v", "a", "hz", "wh", "%", "°c"];
    let unit = unit.trim();
    let is_plain = |text: &str| UNITS.contains(&text.to_lowercase().as_str());
    if is_plain(unit) {
        return Some(0);
    }
    let mut rest = unit.chars();
    let power = match rest.next()? {
        'k' | 'K' => 3,
        'M' => 6,
        'm' => -3,
        _ => return None,
    };
    is_plain(rest.as_str()).then_some(power)
}

/// A decimal number as it is shown; anything else is none.
fn decimal(text: &str) -> Option<Decimal> {
    let text = text.trim();
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    if all.is_empty() || all.len() > 18 || !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value = Decimal::new(
        all.parse().ok()?,
        i8::try_from(fraction.len()).ok()?.checked_neg()?,
    );
    Some(if is_negative { value.negated() } else { value })
}

/// What comes with one phase only is of a device with one phase.
fn three<T: Copy + Default>(of: [Option<T>; 3]) -> Option<PerPhase<T>> {
    let [l1, l2, l3] = of;
    l1.map(|l1| PerPhase::new(l1, l2.unwrap_or_default(), l3.unwrap_or_default()))
}

fn read(found: &BTreeMap<Quantity, Decimal>, part: Part, quality: Quality) -> Measured {
    let get = |quantity: Quantity| found.get(&quantity).copied();
    let powers = [Quantity::PowerL1, Quantity::PowerL2, Quantity::PowerL3];
    let currents = [Quantity::CurrentL1, Quantity::CurrentL2, Quantity::CurrentL3];
    let voltages = [Quantity::VoltageL1, Quantity::VoltageL2, Quantity::VoltageL3];
    let phase_power = three(powers.map(|of| get(of).and_then(Decimal::watts)));
    let power = get(Quantity::Power).and_then(Decimal::watts);
    let power = power.or(phase_power.map(PerPhase::total));
    let current: Option<PerPhase<MilliAmps>> =
        three(currents.map(|of| get(of).and_then(Decimal::milli_amps)));
    // A device that shows no power is taken to import, the careful guess.
    let otherwise = match part {
        Part::Pv => power.map_or(Watts(-1), |power| power),
        Part::Battery | Part::Grid | Part::Load => power.unwrap_or_default(),
    };
    Measured {
        power,
        phase_power,
        current: current.map(|current| signed_currents(current, phase_power, otherwise)),
        voltage: three(voltages.map(|of| get(of).and_then(Decimal::milli_volts))),
        frequency: get(Quantity::Frequency).and_then(Decimal::milli_hertz),
        energy_in: get(Quantity::EnergyIn).and_then(Decimal::watt_hours),
        energy_out: get(Quantity::EnergyOut).and_then(Decimal::watt_hours),
        // -1 is the cloud's word for no battery.
        soc: get(Quantity::Soc)
            .and_then(Decimal::per_mille)
            .filter(|soc| *soc >= PerMille(0)),
        quality,
    }
}
