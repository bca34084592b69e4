//! What operators are, registered and reported, as the page sees it.
//!
//! Values of samples are integers of small units: V, A and °C in thousandths, W, Wh; costs are millionths of the
//! currency of the authority.

use std::collections::BTreeMap;

use model::oversight as m;
use model::time::Timestamp;
use oversight as o;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::native::error::ApiError;

mirror!(
    /// The hash below the signatures of an operator.
    OperatorDigest = m::Digest { Sha256, Sha512, Sha1 }
);
mirror!(
    /// What becomes of something that is registered again with other content.
    OperatorDuplicates = m::Duplicates { Refuse, Replace }
);
mirror!(
    /// What an operator can have an address for.
    OperatorCallback = m::Callback {
        /// A report of its that could not be used.
        ReportFailed,
        /// Asks for a sample of the past.
        PastSample,
        /// A warning about one of its ports.
        Risk,
    }
);
mirror!(
    /// How dangerous.
    RiskLevel = m::RiskLevel { Low, Medium, High }
);
mirror!(
    /// What has become of a sample that failed.
    FailureState = m::FailedState { Open, Repaired, Lost }
);
mirror!(
    /// What is odd about something that was kept all the same.
    FindingKind = m::FindingKind {
        OutOfTable, TooPrecise, NumberAsText, OddTime, OutOfOrder, Duplicate, Contradictory, Implausible,
        EnergyBackwards, Missing, Orphan,
    }
);
mirror!(
    /// What a port looks like from here.
    PortLook = o::Look {
        Idle, Occupied, Charging, Reserved, Complete, Fault,
        /// A state that no table has.
        Other,
        /// It said so, or has said nothing for too long.
        Offline,
        /// It has never said anything.
        Never,
    }
);
mirror!(
    /// A kind of what operators register.
    EntityKindName = m::EntityKind { Station, Equipment, Port }
);

/// Where an operator wants to be called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperatorAddress {
    pub callback: OperatorCallback,
    pub url: String,
    pub since_ms: i64,
}

/// An address was set, replaced or taken away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddressChangeView {
    pub callback: OperatorCallback,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub old: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub new: Option<String>,
    pub at_ms: i64,
    /// The address that the change came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub from: Option<String>,
    /// The operator itself, or somebody in the page.
    pub by: String,
}

/// The addresses of an operator, and their changes, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OperatorAddresses {
    pub addresses: Vec<OperatorAddress>,
    pub changes: Vec<AddressChangeView>,
}

impl From<&m::Operator> for OperatorAddresses {
    fn from(operator: &m::Operator) -> Self {
        let addresses = operator.addresses.iter();
        let changes = operator.address_changes.iter();
        Self {
            addresses: addresses
                .map(|(callback, address)| OperatorAddress {
                    callback: (*callback).into(),
                    url: address.url.clone(),
                    since_ms: address.since.0,
                })
                .collect(),
            changes: changes
                .map(|change| AddressChangeView {
                    callback: change.callback.into(),
                    old: change.old.clone(),
                    new: change.new.clone(),
                    at_ms: change.at.0,
                    from: change.from.map(|from| from.to_string()),
                    by: change.by.clone(),
                })
                .collect(),
        }
    }
}

/// An operator, without its secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperatorView {
    pub id: String,
    pub name: String,
    /// Everything it asks is refused until this is taken back.
    pub suspended: bool,
    /// Its addresses may be plain http and in private networks.
    pub local: bool,
    pub digest: OperatorDigest,
    /// Refusals come with the HTTP status 200, and say what they are in the body alone.
    pub always_200: bool,
    pub duplicates: OperatorDuplicates,
    /// What is deleted takes what is below it with it.
    pub cascade: bool,
    /// Deleting what is not there is an error.
    pub delete_missing_fails: bool,
    /// Values that no table has are refused instead of kept with a finding.
    pub strict: bool,
    /// Other names of fields that it sends, and what they mean.
    pub field_names: BTreeMap<String, String>,
    pub registered_ms: i64,
    /// Until then the key before the last one holds too.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub earlier_key_until_ms: Option<i64>,
    /// When it asked for a token last, to the hour, and from where.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_login_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_login_from: Option<String>,
}

impl OperatorView {
    #[must_use]
    pub fn of(operator: &m::Operator, earlier: Option<Timestamp>, login: Option<gate::Login>) -> Self {
        Self {
            id: operator.id.to_string(),
            name: operator.name.clone(),
            suspended: operator.suspended,
            local: operator.local,
            digest: operator.digest.into(),
            always_200: operator.always_200,
            duplicates: operator.duplicates.into(),
            cascade: operator.cascade,
            delete_missing_fails: operator.delete_missing_fails,
            strict: operator.strict,
            field_names: operator.field_names.clone(),
            registered_ms: operator.registered.0,
            earlier_key_until_ms: earlier.map(|until| until.0),
            last_login_ms: login.map(|login| login.at.0),
            last_login_from: login.map(|login| login.from.to_string()),
        }
    }
}

/// Operators, in order of their ids.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OperatorList {
    pub items: Vec<OperatorView>,
}

/// What is said of an operator; it takes the place of everything said before, but for its addresses.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OperatorBody {
    /// Needed for a new operator; otherwise the one of the path. 1 to 64 visible ASCII characters.
    #[serde(default)]
    pub id: Option<String>,
    pub name: String,
    #[serde(default)]
    pub suspended: bool,
    #[serde(default)]
    pub local: bool,
    #[serde(default)]
    pub digest: Option<OperatorDigest>,
    #[serde(default)]
    pub always_200: bool,
    #[serde(default)]
    pub duplicates: Option<OperatorDuplicates>,
    #[serde(default)]
    pub cascade: bool,
    #[serde(default)]
    pub delete_missing_fails: bool,
    #[serde(default)]
    pub strict: bool,
    #[serde(default)]
    pub field_names: Option<BTreeMap<String, String>>,
    /// The key of a new operator; one is made when it is left out. 8 to 128 visible ASCII characters.
    #[serde(default)]
    pub secret: Option<String>,
}

const LONGEST_NAME: usize = 128;
const MOST_NAMES: usize = 100;

impl OperatorBody {
    /// As an operator of the model, over what is known of it.
    ///
    /// # Errors
    /// When the id is another than that of the path, or a text does not fit.
    pub fn over(self, known: m::Operator) -> Result<m::Operator, ApiError> {
        if let Some(id) = self.id.filter(|id| id != known.id.as_str()) {
            let expected = format!("`{}`, as in the path", known.id);
            return Err(ApiError::invalid("id", format!("`{id}`"), expected));
        }
        let length = self.name.chars().count();
        if !(1..=LONGEST_NAME).contains(&length) || self.name.chars().any(char::is_control) {
            let given = format!("{length} characters long");
            return Err(ApiError::invalid(
                "name",
                given,
                "1 to 128 characters on one line",
            ));
        }
        let field_names = self.field_names.unwrap_or_default();
        let fits = |text: &String| (1..=64).contains(&text.len()) && !text.chars().any(char::is_control);
        let do_fit = field_names
            .iter()
            .all(|(theirs, ours)| fits(theirs) && fits(ours));
        if field_names.len() > MOST_NAMES || !do_fit {
            let expected = "at most 100 names of 1 to 64 bytes";
            return Err(ApiError::invalid("field_names", "too long", expected));
        }
        Ok(m::Operator {
            name: self.name,
            suspended: self.suspended,
            local: self.local,
            digest: self.digest.map(Into::into).unwrap_or_default(),
            always_200: self.always_200,
            duplicates: self.duplicates.map(Into::into).unwrap_or_default(),
            cascade: self.cascade,
            delete_missing_fails: self.delete_missing_fails,
            strict: self.strict,
            field_names,
            ..known
        })
    }
}

/// An operator just made, with its key, which is told this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewOperator {
    pub operator: OperatorView,
    pub secret: String,
}

/// How long the key before the last one holds too.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RotationBody {
    /// 0 to 2592000 (30 days); 0: it is over at once, and all its tokens.
    pub overlap_s: i64,
}

/// A key just made; it is told this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewOperatorSecret {
    pub secret: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub earlier_key_until_ms: Option<i64>,
}

/// The token by which an operator knows our calls; absent as long as it had no address.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct CallbackToken {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub token: Option<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddressBody {
    pub url: String,
}

/// How many there are of what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TallyView {
    pub stations: u64,
    pub equipment: u64,
    pub ports: u64,
    /// Every port once, by what it looks like.
    pub looks: BTreeMap<String, u64>,
    /// Of the ports that are not offline, those without a fresh sample.
    pub stale: u64,
}

impl From<&o::Tally> for TallyView {
    fn from(tally: &o::Tally) -> Self {
        Self {
            stations: tally.stations,
            equipment: tally.equipment,
            ports: tally.ports,
            looks: looks(&tally.looks),
            stale: tally.stale,
        }
    }
}

fn looks(looks: &BTreeMap<o::Look, u64>) -> BTreeMap<String, u64> {
    looks
        .iter()
        .map(|(look, count)| (look.name().to_owned(), *count))
        .collect()
}

/// How well an operator reported on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QualityView {
    /// Samples that were kept, and those that were not.
    pub kept: u64,
    pub failed: u64,
    pub repaired: u64,
    pub lost: u64,
    /// Samples that came later than a quarter of an hour after their time.
    pub late: u64,
    pub records: u64,
    pub warnings: u64,
    /// Calls to the operator that were answered, and those that were not.
    pub told: u64,
    pub not_told: u64,
    /// By kind; kinds that there were none of are missing.
    pub findings: BTreeMap<String, u64>,
}

/// As a finding is named.
#[must_use]
pub const fn finding_name(kind: m::FindingKind) -> &'static str {
    use m::FindingKind as Kind;
    match kind {
        Kind::OutOfTable => "out_of_table",
        Kind::TooPrecise => "too_precise",
        Kind::NumberAsText => "number_as_text",
        Kind::OddTime => "odd_time",
        Kind::OutOfOrder => "out_of_order",
        Kind::Duplicate => "duplicate",
        Kind::Contradictory => "contradictory",
        Kind::Implausible => "implausible",
        Kind::EnergyBackwards => "energy_backwards",
        Kind::Missing => "missing",
        Kind::Orphan => "orphan",
    }
}

impl From<&m::Quality> for QualityView {
    fn from(quality: &m::Quality) -> Self {
        let findings = quality.findings.iter();
        Self {
            kept: quality.kept,
            failed: quality.failed,
            repaired: quality.repaired,
            lost: quality.lost,
            late: quality.late,
            records: quality.records,
            warnings: quality.warnings,
            told: quality.told,
            not_told: quality.not_told,
            findings: findings
                .map(|(kind, count)| (finding_name(*kind).to_owned(), *count))
                .collect(),
        }
    }
}

/// An operator at one glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OperatorGlance {
    pub id: String,
    pub name: String,
    pub suspended: bool,
    pub tally: TallyView,
    /// Of today so far.
    pub quality: QualityView,
    /// Open warnings by level.
    pub warnings: BTreeMap<String, u64>,
    /// Of charges that began today.
    pub energy_wh: i64,
    pub energy_cost_micros: i64,
    pub service_cost_micros: i64,
    /// When anything of it was taken last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub heard_ms: Option<i64>,
}

const fn level_name(level: m::RiskLevel) -> &'static str {
    match level {
        m::RiskLevel::Low => "low",
        m::RiskLevel::Medium => "medium",
        m::RiskLevel::High => "high",
    }
}

/// Of kilowatt-hours, or kilowatts.
const fn thousandths(of: m::Decimal) -> i64 {
    of.0 / 1_000
}

impl From<&o::OperatorOverview> for OperatorGlance {
    fn from(overview: &o::OperatorOverview) -> Self {
        let warnings = overview.warnings.iter();
        Self {
            id: overview.operator.id.to_string(),
            name: overview.operator.name.clone(),
            suspended: overview.operator.suspended,
            tally: (&overview.tally).into(),
            quality: (&overview.quality).into(),
            warnings: warnings
                .map(|(level, count)| (level_name(*level).to_owned(), *count))
                .collect(),
            energy_wh: thousandths(overview.energy),
            energy_cost_micros: overview.energy_cost.0,
            service_cost_micros: overview.service_cost.0,
            heard_ms: overview.heard.map(|heard| heard.0),
        }
    }
}

/// All operators that the caller may see, at one glance.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct OversightOverview {
    /// Today by the calendar of the authority.
    pub day: String,
    pub time_zone: String,
    /// Of all costs.
    pub currency: String,
    pub operators: Vec<OperatorGlance>,
    /// Why what comes in is not worked off, if it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub problem: Option<String>,
}

/// A station for a map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StationPin {
    pub operator: String,
    pub station: String,
    pub name: String,
    /// In the datum in which it was told; absent when it was not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub longitude_udeg: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub latitude_udeg: Option<i64>,
    /// Its ports by what they look like.
    pub looks: BTreeMap<String, u64>,
    /// The highest of its open warnings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub risk: Option<RiskLevel>,
}

impl From<&o::StationOnMap> for StationPin {
    fn from(station: &o::StationOnMap) -> Self {
        let (longitude, latitude) = station.place.unzip();
        Self {
            operator: station.operator.to_string(),
            station: station.station.to_string(),
            name: station.name.clone(),
            longitude_udeg: longitude.map(|degrees| degrees.0),
            latitude_udeg: latitude.map(|degrees| degrees.0),
            looks: looks(&station.looks),
            risk: station.risk.map(Into::into),
        }
    }
}

/// Stations of the operators that the caller may see.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StationMap {
    /// In which coordinates are told. It is not that of satellites, and lies up to some hundred metres beside it.
    pub datum: String,
    pub items: Vec<StationPin>,
}

/// A port at one moment, as its hardware said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortSample {
    pub at_ms: i64,
    pub state: PortLook,
    /// The number of a state that no table has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub state_number: Option<i64>,
    /// What the operator's table calls the fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub error: Option<i64>,
    /// 10 closed, 50 open.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub door: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub voltage_mv: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub current_ma: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub power_w: Option<i64>,
    /// Of the running charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub energy_wh: Option<i64>,
    /// Thousandths of a degree Celsius.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub temperature_mdegc: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub soc_permille: Option<i64>,
    /// Of the running charge.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub duration_s: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub charge: Option<String>,
    /// 1 smoke, 2 none, 3 unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub smoke: Option<i64>,
    /// Everything else that was sent, as JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}

impl From<&m::Sample> for PortSample {
    fn from(sample: &m::Sample) -> Self {
        use m::PortState;
        let (state, state_number) = match sample.state {
            PortState::Idle => (PortLook::Idle, None),
            PortState::Occupied => (PortLook::Occupied, None),
            PortState::Charging => (PortLook::Charging, None),
            PortState::Reserved => (PortLook::Reserved, None),
            PortState::Complete => (PortLook::Complete, None),
            PortState::Fault => (PortLook::Fault, None),
            PortState::Other(number) => (PortLook::Other, Some(number)),
        };
        Self {
            at_ms: sample.at.0,
            state,
            state_number,
            error: sample.error,
            door: sample.door,
            voltage_mv: sample.voltage.map(thousandths),
            current_ma: sample.current.map(thousandths),
            power_w: sample.power.map(thousandths),
            energy_wh: sample.energy.map(thousandths),
            temperature_mdegc: sample.temperature.map(thousandths),
            soc_permille: sample.soc.map(|percent| percent.0 / 100_000),
            duration_s: sample.duration_s,
            charge: sample.charge.as_ref().map(ToString::to_string),
            smoke: sample.smoke,
            more: sample.more.clone(),
        }
    }
}

/// A port as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortView {
    pub port: String,
    pub equipment: String,
    pub station: String,
    pub look: PortLook,
    /// No fresh sample, and not offline yet.
    pub stale: bool,
    /// The newest by its own time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sample: Option<PortSample>,
    /// When that came.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub seen_ms: Option<i64>,
    /// The highest of its open warnings.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub risk: Option<RiskLevel>,
}

impl From<&o::PortNow> for PortView {
    fn from(port: &o::PortNow) -> Self {
        Self {
            port: port.port.to_string(),
            equipment: port.equipment.to_string(),
            station: port.station.to_string(),
            look: port.look.into(),
            stale: port.is_stale,
            sample: port.sample.as_ref().map(Into::into),
            seen_ms: port.seen.map(|seen| seen.0),
            risk: port.risk.map(Into::into),
        }
    }
}

/// A page of ports.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PortPage {
    /// From 1.
    pub page: u64,
    pub size: u32,
    /// On all pages.
    pub total: u64,
    pub items: Vec<PortView>,
}

/// Samples of a port, the oldest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SampleList {
    pub items: Vec<PortSample>,
    /// There are more; ask again from the time of the last.
    pub more: bool,
}

/// A station, a piece of equipment or a port, as its operator describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EntityView {
    pub id: String,
    /// Of a port its equipment, of equipment its station.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub parent: Option<String>,
    /// By our names; numbers as they were told.
    pub fields: BTreeMap<String, String>,
    pub told_ms: i64,
}

impl From<&m::Entity> for EntityView {
    fn from(entity: &m::Entity) -> Self {
        let fields = entity.fields.iter().map(|(name, value)| {
            let value = match value {
                m::Value::Number(number) => number.to_string(),
                m::Value::Text(text) => text.clone(),
            };
            (name.clone(), value)
        });
        Self {
            id: entity.id.to_string(),
            parent: entity.parent.as_ref().map(ToString::to_string),
            fields: fields.collect(),
            told_ms: entity.told.0,
        }
    }
}

/// A page of what an operator has registered.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct EntityPage {
    /// From 1.
    pub page: u64,
    pub size: u32,
    /// On all pages.
    pub total: u64,
    pub items: Vec<EntityView>,
}

/// How an operator reported on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QualityDay {
    pub day: String,
    pub quality: QualityView,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct QualityDays {
    pub items: Vec<QualityDay>,
}

/// Something odd, and where and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FindingView {
    pub at_ms: i64,
    /// The port, or what else it is about.
    pub about: String,
    pub kind: FindingKind,
    /// By our name.
    pub field: String,
    pub value: String,
    pub expected: String,
}

impl From<&o::Noted> for FindingView {
    fn from(noted: &o::Noted) -> Self {
        Self {
            at_ms: noted.at.0,
            about: noted.about.to_string(),
            kind: noted.finding.kind.into(),
            field: noted.finding.field.clone(),
            value: noted.finding.value.clone(),
            expected: noted.finding.expected.clone(),
        }
    }
}

/// What was odd lately, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FindingList {
    pub items: Vec<FindingView>,
}

/// A sample that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailureView {
    pub id: String,
    pub operator: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub port: Option<String>,
    pub state: FailureState,
    pub first_ms: i64,
    pub last_ms: i64,
    /// How often it has failed.
    pub count: u8,
    /// What the operator is told.
    pub status: u16,
    pub message: String,
    /// As it was sent.
    pub body: String,
}

impl From<&m::Failed> for FailureView {
    fn from(failed: &m::Failed) -> Self {
        Self {
            id: failed.id.to_string(),
            operator: failed.operator.to_string(),
            port: failed.port.as_ref().map(ToString::to_string),
            state: failed.state.into(),
            first_ms: failed.first.0,
            last_ms: failed.last.0,
            count: failed.count,
            status: failed.status,
            message: failed.message.clone(),
            body: failed.body.clone(),
        }
    }
}

/// The newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FailureList {
    pub items: Vec<FailureView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A danger at one port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WarningView {
    pub id: String,
    pub operator: String,
    pub port: String,
    /// The name of the rule that fired.
    pub rule: String,
    pub level: RiskLevel,
    pub reason: String,
    pub raised_ms: i64,
    /// When the operator was told last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub told_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cleared_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub acknowledged_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub acknowledged_by: Option<String>,
    /// It was not acknowledged in time, so its level was raised.
    pub escalated: bool,
    /// The samples that fired it, the oldest first.
    pub samples: Vec<PortSample>,
}

impl From<&m::Warning> for WarningView {
    fn from(warning: &m::Warning) -> Self {
        let acknowledged = warning.acknowledged.as_ref();
        Self {
            id: warning.id.to_string(),
            operator: warning.operator.to_string(),
            port: warning.port.to_string(),
            rule: warning.rule.clone(),
            level: warning.level.into(),
            reason: warning.reason.clone(),
            raised_ms: warning.raised.0,
            told_ms: warning.told.map(|at| at.0),
            cleared_ms: warning.cleared.map(|at| at.0),
            acknowledged_ms: acknowledged.map(|seen| seen.at.0),
            acknowledged_by: acknowledged.map(|seen| seen.by.to_string()),
            escalated: warning.escalated,
            samples: warning.samples.iter().map(Into::into).collect(),
        }
    }
}

/// The newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct WarningList {
    pub items: Vec<WarningView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// What a rule would have raised.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FiredView {
    pub rule: String,
    pub level: RiskLevel,
    pub reason: String,
    /// The time of the sample that fired it, and of the one that no longer did.
    pub raised_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cleared_ms: Option<i64>,
}

impl From<&o::Fired> for FiredView {
    fn from(fired: &o::Fired) -> Self {
        Self {
            rule: fired.rule.clone(),
            level: fired.level.into(),
            reason: fired.reason.clone(),
            raised_ms: fired.raised.0,
            cleared_ms: fired.cleared.map(|at| at.0),
        }
    }
}

/// In the order in which it would have been raised.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct FiredList {
    pub items: Vec<FiredView>,
}

/// A charge that has ended, as its operator recorded it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordView {
    pub operator: String,
    pub charge: String,
    pub port: String,
    pub start_ms: i64,
    pub end_ms: i64,
    pub energy_wh: i64,
    pub energy_cost_micros: i64,
    pub service_cost_micros: i64,
    pub start_kind: i64,
    pub stop_reason: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub average_power_w: Option<i64>,
    pub received_ms: i64,
    /// Its port was not known when it came.
    pub orphan: bool,
}

impl From<&m::StoredRecord> for RecordView {
    fn from(stored: &m::StoredRecord) -> Self {
        let record = &stored.record;
        Self {
            operator: stored.operator.to_string(),
            charge: record.charge.to_string(),
            port: record.port.to_string(),
            start_ms: record.start.0,
            end_ms: record.end.0,
            energy_wh: thousandths(record.energy),
            energy_cost_micros: record.energy_cost.0,
            service_cost_micros: record.service_cost.0,
            start_kind: record.start_kind,
            stop_reason: record.stop_reason,
            average_power_w: record.average_power.map(|power| power.0 / 1_000_000),
            received_ms: stored.received.0,
            orphan: stored.is_orphan,
        }
    }
}

/// A page of records.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordPage {
    /// From 1.
    pub page: u64,
    pub size: u32,
    /// On all pages.
    pub total: u64,
    pub items: Vec<RecordView>,
}

/// Which sample of the past an operator is asked for.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PastSampleBody {
    /// By the clock of the hardware, to the second.
    pub at_ms: i64,
}

/// What an operator answered when it was asked for a sample of the past.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PastSampleAnswer {
    /// Absent: it has none, or did not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub sample: Option<PortSample>,
    /// In words, why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub why: Option<String>,
}

/// An operator on one day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DailyRowView {
    pub day: String,
    pub operator: String,
    pub name: String,
    pub stations: u64,
    pub ports: u64,
    pub quality: QualityView,
    /// Charges that began on that day.
    pub charges: u64,
    pub energy_wh: i64,
    pub energy_cost_micros: i64,
    pub service_cost_micros: i64,
}

impl From<&o::DailyRow> for DailyRowView {
    fn from(row: &o::DailyRow) -> Self {
        Self {
            day: row.day.clone(),
            operator: row.operator.to_string(),
            name: row.name.clone(),
            stations: row.stations,
            ports: row.ports,
            quality: (&row.quality).into(),
            charges: row.charges,
            energy_wh: thousandths(row.energy),
            energy_cost_micros: row.energy_cost.0,
            service_cost_micros: row.service_cost.0,
        }
    }
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DailyReport {
    pub day: String,
    pub currency: String,
    pub items: Vec<DailyRowView>,
}
