//! From members to what they mean, and back.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use jiff::tz::TimeZone;
use model::oversight::{
    ChargeRecord, Code, Decimal, Entity, EntityKind, OperatorCode, PortState, Sample, Value as Told,
};
use model::secret::Secret;
use model::time::Timestamp;
use sha2::Sha256;

use super::definition::{Definition, Field, Form, Meaning};
use super::error::Refusal;
use super::read::{Sink, Value, json_text, keep};
use super::time;

fn missing(form: &Form, is: &str) -> Refusal {
    Refusal::field(form.name(is), "is required")
}

/// A station, equipment or a port as it is told.
pub(super) struct EntitySink {
    kind: EntityKind,
    id: Option<Code>,
    parent: Option<Code>,
    fields: BTreeMap<String, Told>,
    unknown: BTreeMap<String, String>,
}

impl EntitySink {
    pub(super) const fn new(kind: EntityKind) -> Self {
        Self {
            kind,
            id: None,
            parent: None,
            fields: BTreeMap::new(),
            unknown: BTreeMap::new(),
        }
    }

    pub(super) fn done(self, form: &Form, now: Timestamp) -> Result<Entity, Refusal> {
        Ok(Entity {
            kind: self.kind,
            id: self.id.ok_or_else(|| missing(form, "id"))?,
            parent: self.parent,
            fields: self.fields,
            unknown: self.unknown,
            told: now,
        })
    }
}

impl Sink for EntitySink {
    fn put(&mut self, field: &Field, value: Value<'_>) {
        let told = match (field.meaning, value) {
            (Meaning::Id, Value::Id(id)) => {
                self.id = Some(id);
                return;
            }
            (Meaning::Parent, Value::Id(id)) => {
                self.parent = Some(id);
                return;
            }
            (_, Value::Id(id)) => Told::Text(id.into()),
            (_, Value::Text(text)) => Told::Text(text.into_owned()),
            (_, Value::Number(number)) => Told::Number(number),
            (_, Value::Integer(number)) => Told::Number(Decimal::whole(number)),
            (_, Value::Time(at)) => Told::Text(at.to_string()),
        };
        self.fields.insert(field.is.clone(), told);
    }

    fn unknown(&mut self, name: Cow<'_, str>, json: &str) {
        self.unknown.insert(name.into_owned(), json.to_owned());
    }
}

/// A sample as it is told.
pub(super) struct SampleSink<'a> {
    definition: &'a Definition,
    is_strict: bool,
    port: Option<Code>,
    equipment: Option<Code>,
    at: Option<Timestamp>,
    pub(super) failed: Option<Code>,
    sample: Parts,
}

/// What a sample has beside what it must have.
#[derive(Default)]
struct Parts {
    state: Option<PortState>,
    error: Option<i64>,
    door: Option<i64>,
    voltage: Option<Decimal>,
    current: Option<Decimal>,
    power: Option<Decimal>,
    energy: Option<Decimal>,
    temperature: Option<Decimal>,
    soc: Option<Decimal>,
    duration_s: Option<i64>,
    charge: Option<Code>,
    smoke: Option<i64>,
    more: BTreeMap<String, String>,
}

impl<'a> SampleSink<'a> {
    pub(super) fn new(definition: &'a Definition, is_strict: bool) -> Self {
        Self {
            definition,
            is_strict,
            port: None,
            equipment: None,
            at: None,
            failed: None,
            sample: Parts::default(),
        }
    }

    pub(super) fn done(self) -> Result<Sample, Refusal> {
        let form = &self.definition.sample;
        let parts = self.sample;
        Ok(Sample {
            port: self.port.ok_or_else(|| missing(form, "port"))?,
            equipment: self.equipment.ok_or_else(|| missing(form, "equipment"))?,
            at: self.at.ok_or_else(|| missing(form, "at"))?,
            state: parts.state.ok_or_else(|| missing(form, "state"))?,
            error: parts.error,
            door: parts.door,
            voltage: parts.voltage,
            current: parts.current,
            power: parts.power,
            energy: parts.energy,
            temperature: parts.temperature,
            soc: parts.soc,
            duration_s: parts.duration_s,
            charge: parts.charge,
            smoke: parts.smoke,
            more: parts.more,
        })
    }
}

impl Sink for SampleSink<'_> {
    fn put(&mut self, field: &Field, value: Value<'_>) {
        let parts = &mut self.sample;
        match (field.meaning, value) {
            (Meaning::Port, Value::Id(id)) => self.port = Some(id),
            (Meaning::Equipment, Value::Id(id)) => self.equipment = Some(id),
            (Meaning::Failed, Value::Id(id)) => self.failed = Some(id),
            (Meaning::Charge, Value::Id(id)) => parts.charge = Some(id),
            (Meaning::At, Value::Time(at)) => self.at = Some(at),
            (Meaning::State, Value::Integer(number)) => {
                let absent = field.table.as_ref().and_then(|table| table.absent);
                let absent = absent.filter(|absent| absent.value == number && !self.is_strict);
                parts.state = Some(self.definition.state(absent.map_or(number, |absent| absent.is)));
                if let Some(absent) = absent {
                    parts.error.get_or_insert(absent.error);
                }
            }
            (Meaning::Error, Value::Integer(number)) => parts.error = Some(number),
            (Meaning::Door, Value::Integer(number)) => parts.door = Some(number),
            (Meaning::Smoke, Value::Integer(number)) => parts.smoke = Some(number),
            (Meaning::Duration, Value::Integer(number)) => parts.duration_s = Some(number),
            (Meaning::Voltage, Value::Number(number)) => parts.voltage = Some(number),
            (Meaning::Current, Value::Number(number)) => parts.current = Some(number),
            (Meaning::Power, Value::Number(number)) => parts.power = Some(number),
            (Meaning::Energy, Value::Number(number)) => parts.energy = Some(number),
            (Meaning::Temperature, Value::Number(number)) => parts.temperature = Some(number),
            (Meaning::Soc, Value::Number(number)) => parts.soc = Some(number),
            (_, value) => {
                parts.more.insert(field.is.clone(), json(&value));
            }
        }
    }

    fn unknown(&mut self, name: Cow<'_, str>, json: &str) {
        keep(&mut self.sample.more, &self.definition.sample, name, json);
    }
}

/// A value as JSON.
fn json(value: &Value<'_>) -> String {
    match value {
        Value::Id(id) => json_text(id.as_str()),
        Value::Text(text) => json_text(text),
        Value::Number(number) => number.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Time(at) => json_text(&at.to_string()),
    }
}

/// A record of a charge as it is told.
pub(super) struct RecordSink<'a> {
    form: &'a Form,
    charge: Option<Code>,
    port: Option<Code>,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    energy: Option<Decimal>,
    energy_cost: Option<Decimal>,
    service_cost: Option<Decimal>,
    start_kind: Option<i64>,
    stop_reason: Option<i64>,
    average_power: Option<Decimal>,
    /// By the names of the fields.
    persons: BTreeMap<String, String>,
    unknown: BTreeMap<String, String>,
}

impl<'a> RecordSink<'a> {
    pub(super) const fn new(form: &'a Form) -> Self {
        Self {
            form,
            charge: None,
            port: None,
            start: None,
            end: None,
            energy: None,
            energy_cost: None,
            service_cost: None,
            start_kind: None,
            stop_reason: None,
            average_power: None,
            persons: BTreeMap::new(),
            unknown: BTreeMap::new(),
        }
    }

    pub(super) fn done(self, person_key: &Secret) -> Result<ChargeRecord, Refusal> {
        let form = self.form;
        Ok(ChargeRecord {
            person: digest(&self.persons, person_key),
            charge: self.charge.ok_or_else(|| missing(form, "charge"))?,
            port: self.port.ok_or_else(|| missing(form, "port"))?,
            start: self.start.ok_or_else(|| missing(form, "start"))?,
            end: self.end.ok_or_else(|| missing(form, "end"))?,
            energy: self.energy.ok_or_else(|| missing(form, "energy"))?,
            energy_cost: self.energy_cost.ok_or_else(|| missing(form, "energy_cost"))?,
            service_cost: self.service_cost.ok_or_else(|| missing(form, "service_cost"))?,
            start_kind: self.start_kind.ok_or_else(|| missing(form, "start_kind"))?,
            stop_reason: self.stop_reason.ok_or_else(|| missing(form, "stop_reason"))?,
            average_power: self.average_power,
            unknown: self.unknown,
        })
    }
}

/// What stands in place of a person: the same for the same person, and of no use without the key.
fn digest(persons: &BTreeMap<String, String>, key: &Secret) -> Option<String> {
    if persons.is_empty() {
        return None;
    }
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(key.expose().as_bytes()).ok()?;
    for (name, value) in persons {
        mac.update(format!("{name}: {value}\n").as_bytes());
    }
    let digest = mac.finalize().into_bytes();
    digest.get(..16).map(|half| URL_SAFE_NO_PAD.encode(half))
}

impl Sink for RecordSink<'_> {
    fn put(&mut self, field: &Field, value: Value<'_>) {
        match (field.meaning, value) {
            (Meaning::Charge, Value::Id(id)) => self.charge = Some(id),
            (Meaning::Port, Value::Id(id)) => self.port = Some(id),
            (Meaning::Start, Value::Time(at)) => self.start = Some(at),
            (Meaning::End, Value::Time(at)) => self.end = Some(at),
            (Meaning::Energy, Value::Number(number)) => self.energy = Some(number),
            (Meaning::EnergyCost, Value::Number(number)) => self.energy_cost = Some(number),
            (Meaning::ServiceCost, Value::Number(number)) => self.service_cost = Some(number),
            (Meaning::AveragePower, Value::Number(number)) => self.average_power = Some(number),
            (Meaning::StartKind, Value::Integer(number)) => self.start_kind = Some(number),
            (Meaning::StopReason, Value::Integer(number)) => self.stop_reason = Some(number),
            (Meaning::Person, Value::Text(text)) => {
                if !text.is_empty() {
                    self.persons.insert(field.is.clone(), text.into_owned());
                }
            }
            (_, value) => {
                self.unknown.insert(field.is.clone(), json(&value));
            }
        }
    }

    fn unknown(&mut self, name: Cow<'_, str>, json: &str) {
        keep(&mut self.unknown, self.form, name, json);
    }
}

/// Writes an object member by member.
pub(super) struct Writer {
    pub(super) json: String,
    is_first: bool,
}

impl Writer {
    pub(super) fn new() -> Self {
        Self {
            json: "{".to_owned(),
            is_first: true,
        }
    }

    pub(super) fn raw(&mut self, name: &str, json: &str) {
        if !std::mem::take(&mut self.is_first) {
            self.json.push(',');
        }
        self.json.push_str(&json_text(name));
        self.json.push(':');
        self.json.push_str(json);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        self.raw(name, &json_text(text));
    }

    pub(super) fn number(&mut self, name: &str, number: i64) {
        self.raw(name, &number.to_string());
    }

    pub(super) fn done(mut self) -> String {
        self.json.push('}');
        self.json
    }
}

/// A number as a field has it.
fn rounded(field: &Field, number: Decimal) -> String {
    field.places.map_or(number, |places| number.rounded(places)).to_string()
}

/// An entity in the words of a definition. `exact`: with all digits that were told.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "what has no member of its own is known by its name"
)]
#[must_use]
pub fn entity_json(definition: &Definition, operator: &OperatorCode, entity: &Entity, exact: bool) -> String {
    let mut object = Writer::new();
    for field in &definition.entity(entity.kind).fields {
        match field.meaning {
            Meaning::Id => object.text(&field.name, entity.id.as_str()),
            Meaning::Operator => object.text(&field.name, operator.as_str()),
            Meaning::Parent => {
                if let Some(parent) = &entity.parent {
                    object.text(&field.name, parent.as_str());
                }
            }
            _ => match entity.fields.get(&field.is) {
                Some(Told::Text(text)) => object.text(&field.name, text),
                Some(Told::Number(number)) if exact => object.raw(&field.name, &number.to_string()),
                Some(Told::Number(number)) => object.raw(&field.name, &rounded(field, *number)),
                None => {}
            },
        }
    }
    for (name, json) in &entity.unknown {
        object.raw(name, json);
    }
    object.done()
}

/// A sample in the words of a definition; `failed`: the number of the failure that it repairs.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "what has no member of its own is known by its name"
)]
#[must_use]
pub fn sample_json(
    definition: &Definition,
    operator: &OperatorCode,
    sample: &Sample,
    failed: Option<&Code>,
    zone: &TimeZone,
) -> String {
    let form = &definition.sample;
    let mut object = Writer::new();
    for field in &form.fields {
        let name = &field.name;
        let number = |number: Option<Decimal>| number.map(|number| rounded(field, number));
        let integer = |number: Option<i64>| number.map(|number| number.to_string());
        let id = |id: Option<&Code>| id.map(|id| json_text(id.as_str()));
        let json = match field.meaning {
            Meaning::Port => id(Some(&sample.port)),
            Meaning::Equipment => id(Some(&sample.equipment)),
            Meaning::Operator => Some(json_text(operator.as_str())),
            Meaning::Failed => id(failed),
            Meaning::At => Some(json_text(&time::text(sample.at, zone))),
            Meaning::State => Some(definition.state_number(sample.state).to_string()),
            Meaning::Error => integer(sample.error),
            Meaning::Door => integer(sample.door),
            Meaning::Voltage => number(sample.voltage),
            Meaning::Current => number(sample.current),
            Meaning::Power => number(sample.power),
            Meaning::Energy => number(sample.energy),
            Meaning::Temperature => number(sample.temperature),
            Meaning::Soc => number(sample.soc),
            Meaning::Duration => integer(sample.duration_s),
            Meaning::Charge => id(sample.charge.as_ref()),
            Meaning::Smoke => integer(sample.smoke),
            _ => sample.more.get(&field.is).cloned(),
        };
        if let Some(json) = json {
            object.raw(name, &json);
        }
    }
    for (name, json) in &sample.more {
        if form.field(name).is_none() {
            object.raw(name, json);
        }
    }
    object.done()
}

/// A record in the words of a definition. Who charged is never told.
#[allow(
    clippy::wildcard_enum_match_arm,
    reason = "what has no member of its own is known by its name"
)]
#[must_use]
pub fn record_json(
    definition: &Definition,
    operator: &OperatorCode,
    record: &ChargeRecord,
    exact: bool,
    zone: &TimeZone,
) -> String {
    let form = &definition.record;
    let mut object = Writer::new();
    for field in &form.fields {
        let number = |number: Decimal| {
            if exact {
                number.to_string()
            } else {
                rounded(field, number)
            }
        };
        let json = match field.meaning {
            Meaning::Charge => json_text(record.charge.as_str()),
            Meaning::Port => json_text(record.port.as_str()),
            Meaning::Operator => json_text(operator.as_str()),
            Meaning::Start => json_text(&time::text(record.start, zone)),
            Meaning::End => json_text(&time::text(record.end, zone)),
            Meaning::Energy => number(record.energy),
            Meaning::EnergyCost => number(record.energy_cost),
            Meaning::ServiceCost => number(record.service_cost),
            Meaning::StartKind => record.start_kind.to_string(),
            Meaning::StopReason => record.stop_reason.to_string(),
            Meaning::AveragePower => match record.average_power {
                Some(power) => number(power),
                None => continue,
            },
            Meaning::Person => continue,
            _ => match record.unknown.get(&field.is) {
                Some(json) => json.clone(),
                None => continue,
            },
        };
        object.raw(&field.name, &json);
    }
    for (name, json) in &record.unknown {
        if form.field(name).is_none() {
            object.raw(name, json);
        }
    }
    object.done()
}

