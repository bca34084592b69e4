//! What is said on the wire, as data: `definitions/supervision/platform.toml`, which says how it is written.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use model::oversight::{Callback, Decimal, EntityKind, PortState, RiskLevel};
use serde::Deserialize;
use toml::{Table as Toml, Value as TomlValue};

use super::error::Refusal;

const TEXT: &str = include_str!("../../../../definitions/supervision/platform.toml");

/// Longest text of a definition, in bytes.
pub const MAX_TEXT: usize = 256 * 1_024;

/// What is wrong with a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("definition of a platform: {0}")]
pub struct DefinitionError(String);

/// Whether a name was read in public pages or is a design of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    Documented,
    #[default]
    Derived,
}

/// A word or a name, and where it was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Name {
    #[serde(alias = "text")]
    pub name: String,
    /// What is understood as well.
    #[serde(default)]
    pub also: Vec<String>,
    /// In the text that is signed.
    #[serde(default)]
    pub label: String,
    pub mark: Mark,
    pub source: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub success: Name,
    pub done: Name,
    pub permission: Name,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderNames {
    pub datetime: Name,
    pub operator: Name,
    pub token: Name,
    pub signature: Name,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueryNames {
    pub operator: Name,
    pub station: Name,
    pub equipment: Name,
    pub port: Name,
    pub index: Name,
    pub size: Name,
    pub from: Name,
    pub to: Name,
    pub url: Name,
    pub at: Name,
}

impl QueryNames {
    /// Of the id of such a thing.
    #[must_use]
    pub const fn id(&self, kind: EntityKind) -> &Name {
        match kind {
            EntityKind::Station => &self.station,
            EntityKind::Equipment => &self.equipment,
            EntityKind::Port => &self.port,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    pub value: u32,
    pub mark: Mark,
    pub source: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Samples and records in one call.
    pub samples: Limit,
    pub records: Limit,
    /// Entries of one page.
    pub page: Limit,
    /// So often a sample may fail.
    pub failures: Limit,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct States {
    idle: i64,
    occupied: i64,
    charging: i64,
    reserved: i64,
    complete: i64,
    fault: i64,
}

impl States {
    const fn all(&self) -> [(i64, PortState); 6] {
        [
            (self.idle, PortState::Idle),
            (self.occupied, PortState::Occupied),
            (self.charging, PortState::Charging),
            (self.reserved, PortState::Reserved),
            (self.complete, PortState::Complete),
            (self.fault, PortState::Fault),
        ]
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Levels {
    high: Name,
    medium: Name,
    low: Name,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Severity {
    high: Vec<i64>,
    medium: Vec<i64>,
    offline: Vec<i64>,
}

/// A way of asking the platform.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    method: String,
    path: String,
    mark: Mark,
    source: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    platform: Vec<Row>,
}

/// What a number is told instead of another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Instead {
    pub value: i64,
    /// What it means.
    pub is: i64,
    pub error: i64,
}

/// What the numbers of a field mean.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    pub mark: Mark,
    pub source: String,
    /// Whether there may be others.
    #[serde(default)]
    pub open: bool,
    /// The number that says nothing.
    pub none: Option<i64>,
    pub absent: Option<Instead>,
    values: BTreeMap<String, String>,
    #[serde(skip)]
    numbers: BTreeMap<i64, String>,
}

impl Table {
    #[must_use]
    pub fn has(&self, number: i64) -> bool {
        self.numbers.contains_key(&number) || self.none == Some(number)
    }

    #[must_use]
    pub fn text(&self, number: i64) -> Option<&str> {
        self.numbers.get(&number).map(String::as_str)
    }

    /// Its numbers in order, as a message names them.
    #[must_use]
    pub fn allowed(&self) -> String {
        let numbers: Vec<_> = self.numbers.keys().map(i64::to_string).collect();
        numbers.join(", ")
    }
}

/// What the value of a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Id,
    Operator,
    Text,
    Integer,
    Number,
    Code,
    Date,
    Time,
    List,
    Object,
}

/// What a field of a sample or a record is for us; those of entities are known by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    Id,
    Parent,
    Operator,
    Port,
    Equipment,
    Failed,
    At,
    State,
    Door,
    Error,
    Voltage,
    Current,
    Power,
    Energy,
    Temperature,
    Soc,
    Duration,
    Charge,
    Smoke,
    Start,
    End,
    EnergyCost,
    ServiceCost,
    StartKind,
    StopReason,
    AveragePower,
    Person,
    Other,
}

impl Meaning {
    fn of(is: &str) -> Self {
        match is {
            "id" => Self::Id,
            "parent" => Self::Parent,
            "operator" => Self::Operator,
            "port" => Self::Port,
            "equipment" => Self::Equipment,
            "failed" => Self::Failed,
            "at" => Self::At,
            "state" => Self::State,
            "door" => Self::Door,
            "error" => Self::Error,
            "voltage" => Self::Voltage,
            "current" => Self::Current,
            "power" => Self::Power,
            "energy" => Self::Energy,
            "temperature" => Self::Temperature,
            "soc" => Self::Soc,
            "duration_s" => Self::Duration,
            "charge" => Self::Charge,
            "smoke" => Self::Smoke,
            "start" => Self::Start,
            "end" => Self::End,
            "energy_cost" => Self::EnergyCost,
            "service_cost" => Self::ServiceCost,
            "start_kind" => Self::StartKind,
            "stop_reason" => Self::StopReason,
            "average_power" => Self::AveragePower,
            "phone" | "user" => Self::Person,
            _ => Self::Other,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawField {
    name: String,
    is: String,
    kind: Kind,
    table: Option<String>,
    #[serde(default)]
    required: bool,
    #[serde(default)]
    unit: String,
    places: Option<u32>,
    most: Option<usize>,
    from: Option<String>,
    to: Option<String>,
    #[serde(default)]
    soft: bool,
    not_before: Option<String>,
    #[serde(default)]
    also: Vec<String>,
    mark: Mark,
    source: String,
}

/// One member of an object.
#[derive(Clone, Debug)]
pub struct Field {
    /// On the wire. A `.` leads into an object.
    pub name: String,
    /// Among us.
    pub is: String,
    pub kind: Kind,
    pub required: bool,
    pub unit: String,
    pub places: Option<u32>,
    /// Of a text, in characters.
    pub most: usize,
    pub from: Option<Decimal>,
    pub to: Option<Decimal>,
    pub soft: bool,
    pub also: Vec<String>,
    pub mark: Mark,
    pub source: String,
    pub table: Option<Table>,
    /// Which table that is.
    pub table_name: Option<String>,
    /// Place of the field that it is never less than.
    pub(super) not_before: Option<usize>,
    pub(super) meaning: Meaning,
}

impl Field {
    const MOST: usize = 256;
}

/// The members of an object.
#[derive(Clone, Debug, Default)]
pub struct Form {
    /// In the order in which they are written.
    pub fields: Vec<Field>,
    /// Names and what is understood as well, in order.
    lookup: Vec<(Box<str>, usize)>,
    /// Those that must be there, as bits.
    pub(super) required: u64,
    /// Those without which not even a change makes sense: the id, and whose it is.
    pub(super) key: u64,
}

impl Form {
    /// The place of a field by a name on the wire. `hint`: where it probably stands.
    #[must_use]
    pub(super) fn place(&self, name: &str, hint: usize) -> Option<usize> {
        if self.fields.get(hint).is_some_and(|field| field.name == name) {
            return Some(hint);
        }
        let at = self
            .lookup
            .binary_search_by(|(known, _)| (**known).cmp(name))
            .ok()?;
        self.lookup.get(at).map(|(_, place)| *place)
    }

    /// The field that is ours by this name.
    #[must_use]
    pub fn field(&self, is: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.is == is)
    }

    /// What a field is called on the wire; ours where it has no name there.
    #[must_use]
    pub fn name<'a>(&'a self, is: &'a str) -> &'a str {
        self.field(is).map_or(is, |field| &field.name)
    }

    fn new(what: &str, rows: Vec<RawField>, tables: &BTreeMap<String, Table>) -> Result<Self, DefinitionError> {
        let wrong = |name: &str, text: &str| DefinitionError(format!("{what}.{name}: {text}"));
        if rows.len() > 64 {
            return Err(wrong("*", "more than 64 fields"));
        }
        let mut form = Self::default();
        let befores: Vec<_> = rows.iter().map(|row| row.not_before.clone()).collect();
        for (place, row) in rows.into_iter().enumerate() {
            let number = |text: Option<&String>| {
                text.map(|text| text.parse::<Decimal>())
                    .transpose()
                    .map_err(|e| wrong(&row.name, &e.to_string()))
            };
            let (from, to) = (number(row.from.as_ref())?, number(row.to.as_ref())?);
            let table = match (&row.table, row.kind) {
                (Some(name), Kind::Code) => {
                    let found = tables.get(name).cloned();
                    Some(found.ok_or_else(|| wrong(&row.name, &format!("no table `{name}`")))?)
                }
                (None, Kind::Code) => return Err(wrong(&row.name, "a code without a table")),
                (Some(_), _) => return Err(wrong(&row.name, "a table and no code")),
                (None, _) => None,
            };
            if form.fields.iter().any(|field| field.is == row.is) {
                return Err(wrong(&row.name, &format!("`{}` is there twice", row.is)));
            }
            let names = std::iter::once(&row.name).chain(&row.also);
            form.lookup
                .extend(names.map(|name| (Box::from(name.as_str()), place)));
            if row.required {
                form.required |= 1 << place;
            }
            if matches!(row.is.as_str(), "id" | "operator") {
                form.key |= 1 << place;
            }
            form.fields.push(Field {
                meaning: Meaning::of(&row.is),
                table_name: row.table,
                name: row.name,
                is: row.is,
                kind: row.kind,
                required: row.required,
                unit: row.unit,
                places: row.places,
                most: row.most.unwrap_or(Field::MOST),
                from,
                to,
                soft: row.soft,
                also: row.also,
                mark: row.mark,
                source: row.source,
                table,
                not_before: None,
            });
        }
        for (place, before) in befores.into_iter().enumerate() {
            let Some(before) = before else { continue };
            let found = form.fields.iter().position(|field| field.is == before);
            let found = found.ok_or_else(|| wrong(&before, "no such field"))?;
            if let Some(field) = form.fields.get_mut(place) {
                field.not_before = Some(found);
            }
        }
        form.lookup.sort();
        if let Some(twice) = form.lookup.windows(2).find_map(|pair| match pair {
            [(a, _), (b, _)] if a == b => Some(a),
            _ => None,
        }) {
            return Err(wrong(twice, "a name is there twice"));
        }
        Ok(form)
    }

    /// Fields without which nothing can be made of it.
    fn needs(&self, what: &str, needed: &[&str]) -> Result<(), DefinitionError> {
        for is in needed {
            let field = self.field(is);
            if !field.is_some_and(|field| field.required) {
                return Err(DefinitionError(format!("{what}: `{is}` must be there and required")));
            }
        }
        Ok(())
    }
}

/// What a call is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    Token,
    Register(EntityKind),
    Modify(EntityKind),
    Remove(EntityKind),
    Page(EntityKind),
    SetAddress(Callback),
    ClearAddress(Callback),
    Report,
    ReportList,
    ReportAgain,
    Record,
    RecordList,
    RecordPage,
}

impl Endpoint {
    pub const ALL: [Self; 25] = {
        use EntityKind::{Equipment, Port, Station};
        [
            Self::Token,
            Self::Register(Station),
            Self::Modify(Station),
            Self::Remove(Station),
            Self::Page(Station),
            Self::Register(Equipment),
            Self::Modify(Equipment),
            Self::Remove(Equipment),
            Self::Page(Equipment),
            Self::Register(Port),
            Self::Modify(Port),
            Self::Remove(Port),
            Self::Page(Port),
            Self::SetAddress(Callback::ReportFailed),
            Self::ClearAddress(Callback::ReportFailed),
            Self::SetAddress(Callback::PastSample),
            Self::ClearAddress(Callback::PastSample),
            Self::SetAddress(Callback::Risk),
            Self::ClearAddress(Callback::Risk),
            Self::Report,
            Self::ReportList,
            Self::ReportAgain,
            Self::Record,
            Self::RecordList,
            Self::RecordPage,
        ]
    };

    /// As a definition and metrics name it.
    #[must_use]
    pub const fn id(self) -> &'static str {
        use EntityKind::{Equipment, Port, Station};
        match self {
            Self::Token => "token.get",
            Self::Register(Station) => "station.create",
            Self::Modify(Station) => "station.update",
            Self::Remove(Station) => "station.delete",
            Self::Page(Station) => "station.query",
            Self::Register(Equipment) => "equipment.create",
            Self::Modify(Equipment) => "equipment.update",
            Self::Remove(Equipment) => "equipment.delete",
            Self::Page(Equipment) => "equipment.query",
            Self::Register(Port) => "cell.create",
            Self::Modify(Port) => "cell.update",
            Self::Remove(Port) => "cell.delete",
            Self::Page(Port) => "cell.query",
            Self::SetAddress(Callback::ReportFailed) => "callback.reportFailure.set",
            Self::ClearAddress(Callback::ReportFailed) => "callback.reportFailure.delete",
            Self::SetAddress(Callback::PastSample) => "callback.getChargingMetaInfo.set",
            Self::ClearAddress(Callback::PastSample) => "callback.getChargingMetaInfo.delete",
            Self::SetAddress(Callback::Risk) => "callback.notifyCellRisk.set",
            Self::ClearAddress(Callback::Risk) => "callback.notifyCellRisk.delete",
            Self::Report => "report.one",
            Self::ReportList => "report.list",
            Self::ReportAgain => "report.again",
            Self::Record => "record.create",
            Self::RecordList => "record.list",
            Self::RecordPage => "record.query",
        }
    }

    /// On the platform that the program comes with.
    ///
    /// # Errors
    /// As [`Definition::endpoint`].
    pub fn of(method: &http::Method, path: &str) -> Result<Self, Refusal> {
        built_in().endpoint(method, path)
    }

    fn from_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.id() == id)
    }
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub endpoint: Endpoint,
    pub method: http::Method,
    /// Behind the prefix.
    pub path: String,
    pub mark: Mark,
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawForms {
    envelope: Vec<RawField>,
    rejected: Vec<RawField>,
    station: Vec<RawField>,
    equipment: Vec<RawField>,
    port: Vec<RawField>,
    sample: Vec<RawField>,
    record: Vec<RawField>,
    failed: Vec<RawField>,
    risk: Vec<RawField>,
    page: Vec<RawField>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    prefix: String,
    words: Words,
    headers: HeaderNames,
    limits: Limits,
    query: QueryNames,
    states: States,
    levels: Levels,
    severity: Severity,
    endpoints: Rows,
    forms: RawForms,
    tables: BTreeMap<String, Table>,
}

/// All that is said on the wire of one platform.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    pub name: String,
    /// In front of every path.
    pub prefix: String,
    pub words: Words,
    pub headers: HeaderNames,
    pub limits: Limits,
    pub query: QueryNames,
    pub places: Vec<Place>,
    pub envelope: Form,
    pub rejected: Form,
    pub station: Form,
    pub equipment: Form,
    pub port: Form,
    pub sample: Form,
    pub record: Form,
    pub failed: Form,
    pub risk: Form,
    pub page: Form,
    pub tables: BTreeMap<String, Table>,
    states: States,
    levels: Levels,
    severity: Severity,
}

/// The one that comes with the program.
#[must_use]
pub fn built_in() -> &'static Definition {
    // A test reads the file, so there is one.
    static BUILT_IN: LazyLock<Definition> = LazyLock::new(|| Definition::read(toml_of(TEXT)).unwrap_or_default());
    &BUILT_IN
}

fn toml_of(text: &str) -> Result<Toml, DefinitionError> {
    if text.len() > MAX_TEXT {
        return Err(DefinitionError(format!("longer than {MAX_TEXT} bytes")));
    }
    text.parse::<Toml>().map_err(|e| DefinitionError(e.to_string()))
}

impl Definition {
    /// Reads what differs from the one that comes with the program.
    ///
    /// # Errors
    /// When the text is no TOML, or names and types in it make no sense.
    pub fn parse(text: &str) -> Result<Self, DefinitionError> {
        let mut whole = toml_of(TEXT)?;
        lay_over(&mut whole, toml_of(text)?);
        Self::read(Ok(whole))
    }

    fn read(text: Result<Toml, DefinitionError>) -> Result<Self, DefinitionError> {
        let mut file: File = text?.try_into().map_err(|e: toml::de::Error| {
            DefinitionError(e.to_string().lines().collect::<Vec<_>>().join("; "))
        })?;
        for (name, table) in &mut file.tables {
            for (number, text) in &table.values {
                let number = number
                    .parse()
                    .map_err(|_| DefinitionError(format!("tables.{name}: `{number}` is no integer")))?;
                table.numbers.insert(number, text.clone());
            }
        }
        let places = places(file.endpoints)?;
        let form = |what: &str, rows, needed: &[&str]| {
            let form = Form::new(what, rows, &file.tables)?;
            form.needs(what, needed)?;
            Ok::<_, DefinitionError>(form)
        };
        let forms = file.forms;
        Ok(Self {
            places,
            envelope: form("envelope", forms.envelope, &["status", "message", "data"])?,
            rejected: form("rejected", forms.rejected, &["index", "status", "message"])?,
            station: form("station", forms.station, &["id", "operator"])?,
            equipment: form("equipment", forms.equipment, &["id", "parent", "operator"])?,
            port: form("port", forms.port, &["id", "parent", "operator"])?,
            sample: form(
                "sample",
                forms.sample,
                &["port", "equipment", "operator", "at", "state"],
            )?,
            record: form("record", forms.record, RECORD)?,
            failed: form("failed", forms.failed, &["status", "message", "failed", "body", "count"])?,
            risk: form("risk", forms.risk, &["operator", "port", "level", "reason", "at"])?,
            page: form("page", forms.page, &["index", "size", "total", "list"])?,
            tables: file.tables,
            name: file.name,
            prefix: file.prefix,
            words: file.words,
            headers: file.headers,
            limits: file.limits,
            query: file.query,
            states: file.states,
            levels: file.levels,
            severity: file.severity,
        })
    }

    #[must_use]
    pub const fn entity(&self, kind: EntityKind) -> &Form {
        match kind {
            EntityKind::Station => &self.station,
            EntityKind::Equipment => &self.equipment,
            EntityKind::Port => &self.port,
        }
    }

    /// What a call is for.
    ///
    /// # Errors
    /// 404 for a path that is none of these, 405 for a method that its path does not have.
    pub fn endpoint(&self, method: &http::Method, path: &str) -> Result<Endpoint, Refusal> {
        let path = path.strip_prefix(self.prefix.as_str());
        let mut is_path = false;
        for place in &self.places {
            if Some(place.path.as_str()) == path {
                is_path = true;
                if place.method == *method {
                    return Ok(place.endpoint);
                }
            }
        }
        Err(if is_path {
            Refusal::new(405, "this path does not have this method")
        } else {
            Refusal::new(404, "there is no such path")
        })
    }

    /// Method and whole path of an endpoint.
    #[must_use]
    pub fn place(&self, endpoint: Endpoint) -> Option<(&http::Method, String)> {
        let place = self.places.iter().find(|place| place.endpoint == endpoint)?;
        Some((&place.method, format!("{}{}", self.prefix, place.path)))
    }

    #[must_use]
    pub fn state(&self, number: i64) -> PortState {
        let all = self.states.all();
        let found = all.into_iter().find(|(of, _)| *of == number);
        found.map_or(PortState::Other(number), |(_, state)| state)
    }

    #[must_use]
    pub fn state_number(&self, state: PortState) -> i64 {
        if let PortState::Other(number) = state {
            return number;
        }
        let all = self.states.all();
        let found = all.into_iter().find(|(_, of)| *of == state);
        found.map_or(self.states.fault, |(number, _)| number)
    }

    /// What a level is called on the wire.
    #[must_use]
    pub fn level_name(&self, level: RiskLevel) -> &str {
        match level {
            RiskLevel::High => &self.levels.high.name,
            RiskLevel::Medium => &self.levels.medium.name,
            RiskLevel::Low => &self.levels.low.name,
        }
    }

    #[must_use]
    pub fn level(&self, name: &str) -> Option<RiskLevel> {
        let is = |of: &Name| of.name == name || of.also.iter().any(|also| also.eq_ignore_ascii_case(name));
        [
            (&self.levels.high, RiskLevel::High),
            (&self.levels.medium, RiskLevel::Medium),
            (&self.levels.low, RiskLevel::Low),
        ]
        .into_iter()
        .find_map(|(of, level)| is(of).then_some(level))
    }

    /// How bad the code of a fault is.
    #[must_use]
    pub fn severity(&self, error: i64) -> RiskLevel {
        if self.severity.high.contains(&error) {
            RiskLevel::High
        } else if self.severity.medium.contains(&error) {
            RiskLevel::Medium
        } else {
            RiskLevel::Low
        }
    }

    /// Whether the code of a fault says that the port is out of reach.
    #[must_use]
    pub fn is_offline(&self, error: i64) -> bool {
        self.severity.offline.contains(&error)
    }
}

const RECORD: &[&str] = &[
    "charge",
    "port",
    "operator",
    "start",
    "end",
    "energy",
    "energy_cost",
    "service_cost",
    "start_kind",
    "stop_reason",
];

fn places(rows: Rows) -> Result<Vec<Place>, DefinitionError> {
    let wrong = |id: &str, text: &str| DefinitionError(format!("endpoints: `{id}`: {text}"));
    let mut places = Vec::<Place>::new();
    for row in rows.platform {
        let endpoint = Endpoint::from_id(&row.id).ok_or_else(|| wrong(&row.id, "no such endpoint"))?;
        let method = http::Method::from_bytes(row.method.as_bytes())
            .map_err(|_| wrong(&row.id, "no such method"))?;
        if places
            .iter()
            .any(|other| other.endpoint == endpoint || (other.method == method && other.path == row.path))
        {
            return Err(wrong(&row.id, "is there twice"));
        }
        places.push(Place {
            endpoint,
            method,
            path: row.path,
            mark: row.mark,
            source: row.source,
        });
    }
    Ok(places)
}

/// Lays one table over another. Of lists, what `is` (or has the `id`) the same.
fn lay_over(under: &mut Toml, over: Toml) {
    for (key, value) in over {
        match (under.get_mut(&key), value) {
            (Some(TomlValue::Table(under)), TomlValue::Table(over)) => lay_over(under, over),
            (Some(TomlValue::Array(under)), TomlValue::Array(over)) if !over.is_empty() && over.iter().all(|row| row_key(row).is_some()) => {
                for row in over {
                    lay_row(under, row);
                }
            }
            (_, value) => {
                under.insert(key, value);
            }
        }
    }
}

fn row_key(row: &TomlValue) -> Option<&str> {
    row.get("is").or_else(|| row.get("id"))?.as_str()
}

fn lay_row(under: &mut Vec<TomlValue>, mut row: TomlValue) {
    let place = under.iter().position(|other| row_key(other) == row_key(&row));
    let omit = row.as_table_mut().and_then(|row| row.remove("omit"));
    let is_omitted = omit == Some(TomlValue::Boolean(true));
    match (place, row) {
        (Some(place), _) if is_omitted => {
            under.remove(place);
        }
        (Some(place), TomlValue::Table(row)) => {
            if let Some(TomlValue::Table(other)) = under.get_mut(place) {
                lay_over(other, row);
            }
        }
        (_, row) => under.push(row),
    }
}
