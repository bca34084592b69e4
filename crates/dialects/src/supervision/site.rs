//! Our own sites as an operator reports them: a site is a station, a charging station its equipment, an EVSE a
//! port.

use std::collections::BTreeMap;

use model::device::{Device, Evse, LinkState};
use model::id::SessionId;
use model::money::Currency;
use model::oversight::{
    ChargeRecord, Code, Decimal, Entity, EntityKind, OperatorCode, PortState, Sample, Value,
};
use model::reading::PilotState;
use model::session::{AuthorisationKind, Session, StopReason, Transaction};
use model::site::{Position, Site};
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use model::view::{EvseView, SiteView};

use super::time;

/// What a platform wants to know of a site that nobody measures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Who owns the equipment, by the code of the organisation.
    pub owner: String,
    pub address: String,
    pub phone: Option<String>,
    /// By the platform's table.
    pub station_type: i64,
    /// Where the site says nothing.
    pub position: Option<Position>,
    /// Number of the standard that its ports follow.
    pub standard: String,
    pub energy_fee: String,
    pub service_fee: String,
    /// 1 yes, 2 no, 3 unknown.
    pub fire_extinguisher: i64,
    pub smoke_detector: i64,
    /// Costs in others are left out.
    pub currency: Currency,
}

/// In normal use.
const IN_USE: i64 = 50;
const UNKNOWN: i64 = 3;
const AC: i64 = 1;
const CHARGING_POST: i64 = 1;
const AC_PLUG: i64 = 3;
const DEVICE_FAULT: i64 = 1_004;
const DEVICE_OFFLINE: i64 = 1_017;

const fn amps(current: MilliAmps) -> Decimal {
    Decimal(current.0.saturating_mul(1_000))
}

const fn volts(voltage: MilliVolts) -> Decimal {
    Decimal(voltage.0.saturating_mul(1_000))
}

const fn kilowatts(power: Watts) -> Decimal {
    Decimal(power.0.saturating_mul(1_000))
}

const fn kilowatt_hours(energy: WattHours) -> Decimal {
    Decimal(energy.0.saturating_mul(1_000))
}

/// Ids of ours are codes as they are.
fn code(id: &str) -> Option<Code> {
    Code::new(id).ok()
}

fn number(value: i64) -> Value {
    Value::Number(Decimal::whole(value))
}

fn text(value: &str) -> Value {
    Value::Text(value.to_owned())
}

fn entity(
    kind: EntityKind,
    id: Code,
    parent: Option<Code>,
    fields: impl IntoIterator<Item = (&'static str, Option<Value>)>,
) -> Entity {
    let fields = fields.into_iter();
    let fields = fields.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Entity {
        kind,
        id,
        parent,
        fields: fields.collect(),
        unknown: BTreeMap::new(),
        told: Timestamp(0),
    }
}

/// All that is registered of a site: parents first.
#[must_use]
pub fn entities(site: &Site, profile: &Profile) -> Vec<Entity> {
    let Some(station) = code(site.id.as_str()) else {
        return Vec::new();
    };
    let place = site.position.or(profile.position).map(gcj02);
    let longitude = place.map(|place| Value::Number(Decimal(place.longitude_udeg)));
    let latitude = place.map(|place| Value::Number(Decimal(place.latitude_udeg)));
    let ports = i64::try_from(site.evses().count()).unwrap_or(i64::MAX);
    let mut all = vec![entity(
        EntityKind::Station,
        station.clone(),
        None,
        [
            ("owner", Some(text(&profile.owner))),
            ("name", Some(text(&site.name))),
            ("address", Some(text(&profile.address))),
            ("phone", profile.phone.as_deref().map(text)),
            ("type", Some(number(profile.station_type))),
            ("status", Some(number(IN_USE))),
            ("ports", Some(number(ports))),
            ("longitude", longitude.clone()),
            ("latitude", latitude.clone()),
            ("smoke_detector", Some(number(profile.smoke_detector))),
            ("fire_extinguisher", Some(number(profile.fire_extinguisher))),
            ("energy_fee", Some(text(&profile.energy_fee))),
            ("service_fee", Some(text(&profile.service_fee))),
        ],
    )];
    let stations = site.devices.iter().filter(|device| !device.evses().is_empty());
    let mut inner = Vec::new();
    for device in stations {
        let Some(equipment) = code(device.id.as_str()) else {
            continue;
        };
        let place = (longitude.clone(), latitude.clone());
        all.push(equipment_of(device, &equipment, &station, place));
        let ports = device.evses().iter();
        inner.extend(ports.filter_map(|evse| port_of(site, evse, &equipment, profile)));
    }
    all.extend(inner);
    all
}

fn equipment_of(
    device: &Device,
    id: &Code,
    station: &Code,
    (longitude, latitude): (Option<Value>, Option<Value>),
) -> Entity {
    let ports = i64::try_from(device.evses().len()).unwrap_or(i64::MAX);
    entity(
        EntityKind::Equipment,
        id.clone(),
        Some(station.clone()),
        [
            ("name", Some(text(&device.name))),
            ("type", Some(number(AC))),
            ("category", Some(number(CHARGING_POST))),
            ("usable_ports", Some(number(ports))),
            ("longitude", longitude),
            ("latitude", latitude),
            ("camera", Some(number(UNKNOWN))),
        ],
    )
}

fn port_of(site: &Site, evse: &Evse, equipment: &Code, profile: &Profile) -> Option<Entity> {
    let power = evse.max.power(site.nominal_voltage, evse.terminals.count());
    let voltage = Value::Number(volts(site.nominal_voltage).rounded(1));
    Some(entity(
        EntityKind::Port,
        code(evse.id.as_str())?,
        Some(equipment.clone()),
        [
            ("type", Some(number(AC_PLUG))),
            ("standard", Some(text(&profile.standard))),
            ("rated_voltage_max", Some(voltage.clone())),
            ("rated_voltage_min", Some(voltage)),
            ("rated_current", Some(Value::Number(amps(evse.max).rounded(1)))),
            ("rated_power", Some(Value::Number(kilowatts(power).rounded(1)))),
            ("energy_fee", Some(text(&profile.energy_fee))),
            ("service_fee", Some(text(&profile.service_fee))),
            ("fire_extinguisher", Some(number(profile.fire_extinguisher))),
            ("smoke_detector", Some(number(profile.smoke_detector))),
        ],
    ))
}

/// How every port of a site is now. One that does not answer is a fault, since there is no state for it.
#[must_use]
pub fn samples(view: &SiteView, operator: &OperatorCode, zone: &jiff::tz::TimeZone) -> Vec<Sample> {
    let charge = |evse: &EvseView| {
        let session = evse.session.as_ref()?;
        let running = session.running?;
        charge((&session.id, running.number, running.started), operator, zone)
    };
    let sample = |evse: &EvseView| {
        Some(Sample {
            charge: charge(evse),
            ..sample(view, evse)?
        })
    };
    view.evses.iter().filter_map(sample).collect()
}

fn sample(view: &SiteView, evse: &EvseView) -> Option<Sample> {
    let device = view.devices.iter().find(|device| device.id == evse.station);
    let is_there = device.is_some_and(|device| device.link == LinkState::Online && device.is_fresh);
    let (state, error) = if is_there {
        state(evse)
    } else {
        (PortState::Fault, Some(DEVICE_OFFLINE))
    };
    let voltage = device
        .and_then(|device| device.measured.voltage)
        .map(|voltage| voltage.l1);
    let current = evse.current;
    let most = current.l1.max(current.l2).max(current.l3);
    let at = Timestamp::from_seconds(view.at.wall.as_seconds());
    let session = evse.session.as_ref();
    Some(Sample {
        port: code(evse.id.as_str())?,
        equipment: code(evse.station.as_str())?,
        at,
        state,
        error,
        door: None,
        voltage: voltage.filter(|_| is_there).map(volts),
        current: is_there.then(|| amps(most)),
        power: is_there.then(|| kilowatts(evse.power)),
        energy: session.map(|session| kilowatt_hours(session.energy)),
        temperature: None,
        soc: session
            .and_then(|session| session.soc)
            .map(|known| Decimal(known.soc.0.saturating_mul(100_000))),
        duration_s: session.map(|session| (at - session.since).as_seconds().max(0)),
        charge: None,
        smoke: None,
        more: BTreeMap::new(),
    })
}

fn state(evse: &EvseView) -> (PortState, Option<i64>) {
    match evse.status.pilot {
        PilotState::A => (PortState::Idle, None),
        PilotState::E | PilotState::F => (PortState::Fault, Some(DEVICE_FAULT)),
        PilotState::B | PilotState::C | PilotState::D => {
            let is_charging = evse.current.total() > MilliAmps(0) && evse.status.pilot.asks();
            let state = if is_charging {
                PortState::Charging
            } else if evse.status.complete {
                PortState::Complete
            } else {
                PortState::Occupied
            };
            (state, None)
        }
    }
}

/// Whether a sample is told: at once when something other than a value has changed, else every so often.
#[must_use]
pub fn is_due(told: Option<&Sample>, sample: &Sample, every: Millis) -> bool {
    told.is_none_or(|told| {
        let is_same = (told.state, told.error, told.door) == (sample.state, sample.error, sample.door);
        !is_same || sample.at - told.at >= every
    })
}

/// A record of each transaction of a session that has ended. The same session gives the same records.
#[must_use]
pub fn records(
    session: &Session,
    operator: &OperatorCode,
    zone: &jiff::tz::TimeZone,
    currency: Currency,
) -> Vec<ChargeRecord> {
    let all = session.transactions.iter();
    all.filter_map(|transaction| record(session, transaction, operator, zone, currency))
        .collect()
}

fn record(
    session: &Session,
    transaction: &Transaction,
    operator: &OperatorCode,
    zone: &jiff::tz::TimeZone,
    currency: Currency,
) -> Option<ChargeRecord> {
    let stop = transaction.stopped?;
    let cost = transaction.costs().find(|cost| cost.currency == currency);
    let seconds = (stop.at - transaction.started).as_seconds().max(0);
    let charging = transaction.charging.as_seconds();
    let average = transaction.energy.0.saturating_mul(3_600).checked_div(charging);
    Some(ChargeRecord {
        charge: charge(
            (&session.id, transaction.number, transaction.started),
            operator,
            zone,
        )?,
        port: code(session.evse.as_str())?,
        start: transaction.started,
        end: Timestamp(transaction.started.0 + seconds * 1_000),
        energy: kilowatt_hours(transaction.energy),
        energy_cost: cost.map_or(Decimal(0), |cost| Decimal(cost.amount.0.max(0))),
        service_cost: Decimal(0),
        start_kind: match transaction.authorisation.kind {
            AuthorisationKind::App => 1,
            AuthorisationKind::Rfid => 2,
            AuthorisationKind::PlugAndGo => 5,
            AuthorisationKind::Pin => 99,
        },
        stop_reason: match (stop.reason, transaction.authorisation.kind) {
            (StopReason::Unplugged, _) => 4,
            (StopReason::Asked, AuthorisationKind::Rfid) => 1,
            (StopReason::Asked, _) => 2,
            (StopReason::BudgetUsedUp, _) => 10,
            (StopReason::Withdrawn, _) => 3,
            (StopReason::Replaced | StopReason::Lost, _) => 8,
        },
        average_power: average.map(Decimal::whole),
        person: None,
        unknown: BTreeMap::new(),
    })
}

/// The operator, the time of the start and four digits that are always the same for it. Samples of a transaction that
/// runs and its record have the same.
fn charge(
    (session, number, started): (&SessionId, u32, Timestamp),
    operator: &OperatorCode,
    zone: &jiff::tz::TimeZone,
) -> Option<Code> {
    let text = format!("{session}/{number}");
    // FNV-1a: digits that differ are all that is asked for.
    let digits = text.bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let start = time::digits(started, zone);
    let operator = operator.as_str();
    // An id has at most 64 characters.
    let operator = operator.get(..operator.len().min(46))?;
    code(&format!("{operator}{start}{:04}", digits % 10_000))
}

/// Shifts a place as maps of mainland China are shifted; elsewhere nothing changes.
#[must_use]
pub fn gcj02(place: Position) -> Position {
    const AXIS: f64 = 6_378_245.0;
    const ECCENTRICITY: f64 = 0.006_693_421_622_965_943;
    const PI: f64 = std::f64::consts::PI;
    let inside = (72_004_000..=137_834_700).contains(&place.longitude_udeg)
        && (829_300..=55_827_100).contains(&place.latitude_udeg);
    if !inside {
        return place;
    }
    let degrees = |udeg: i64| i32::try_from(udeg).map_or(0.0, f64::from) / 1e6;
    let (latitude, longitude) = (degrees(place.latitude_udeg), degrees(place.longitude_udeg));
    let (x, y) = (longitude - 105.0, latitude - 35.0);
    let sin = libm::sin;
    let root = libm::sqrt(libm::fabs(x));
    let ripple = (20.0 * sin(6.0 * x * PI) + 20.0 * sin(2.0 * x * PI)) * 2.0 / 3.0;
    let north = -100.0
        + 2.0 * x
        + 3.0 * y
        + 0.2 * y * y
        + 0.1 * x * y
        + 0.2 * root
        + ripple
        + (20.0 * sin(y * PI) + 40.0 * sin(y / 3.0 * PI)) * 2.0 / 3.0
        + (160.0 * sin(y / 12.0 * PI) + 320.0 * sin(y * PI / 30.0)) * 2.0 / 3.0;
    let east = 300.0
        + x
        + 2.0 * y
        + 0.1 * x * x
        + 0.1 * x * y
        + 0.1 * root
        + ripple
        + (20.0 * sin(x * PI) + 40.0 * sin(x / 3.0 * PI)) * 2.0 / 3.0
        + (150.0 * sin(x / 12.0 * PI) + 300.0 * sin(x / 30.0 * PI)) * 2.0 / 3.0;
    let angle = latitude / 180.0 * PI;
    let magic = 1.0 - ECCENTRICITY * sin(angle) * sin(angle);
    let meridian = AXIS * (1.0 - ECCENTRICITY) / (magic * libm::sqrt(magic));
    let parallel = AXIS / libm::sqrt(magic) * libm::cos(angle);
    let shifted = |udeg: i64, metres: f64, radius: f64| {
        let by = metres * 180.0 / (radius * PI) * 1e6;
        udeg + rounded(by)
    };
    Position {
        latitude_udeg: shifted(place.latitude_udeg, north, meridian),
        longitude_udeg: shifted(place.longitude_udeg, east, parallel),
    }
}

#[allow(clippy::cast_possible_truncation, reason = "a shift is some hundred metres")]
fn rounded(value: f64) -> i64 {
    libm::round(value) as i64
}
