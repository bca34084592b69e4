//! An EVSE of the model as a go-e charger.

use model::device::{AuthorisationMode, ChargeMode, Force, ForeignPolicy};
use model::document::Document;
use model::limit::LimitSource;
use model::message::ForeignWhat;
use model::phases::{Phase, Phases};
use model::reading::PilotState;
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::time::{Now, Timestamp, ZoneClock};
use model::units::MilliAmps;
use model::view::{CardSlot, DeviceView, EvseView, Flow, PushedView, TransactionState};
use serde_json::{Map, Value, json};

use crate::goe::DIALECT;
use crate::goe::charger::{Variant, clock_keys};
use crate::goe::keys;
use crate::goe::map::set::DEFAULT_PRICE_LIMIT;
use crate::goe::server::Sheet;
use crate::goe::wire::decimal;

/// What a virtual charger is called.
#[derive(Clone, Copy, Debug)]
pub struct About<'a> {
    /// Six digits with leading zeros.
    pub serial: &'a str,
    /// Our token for this charger (`cak`); never the real charger's own. `None` where nobody may see it.
    pub token: Option<&'a str>,
    /// `cae`.
    pub api_enabled: bool,
    /// When the view was made, and where: only for a charger that has no clock of its own.
    pub at: Now,
    pub time_zone: &'a str,
    /// The balance of the site, as somebody would push it to a charger that has no meter of its own.
    pub flow: Flow,
}

/// Everything the charger of an EVSE shows: the document of a real go-e, or for another make a complete set of
/// keys made from the model; over it what was written of keys that the model does not know, and the keys that
/// we control.
#[must_use]
pub fn sheet(
    document: Option<&Document>,
    view: &EvseView,
    device: Option<&DeviceView>,
    about: &About<'_>,
) -> Sheet {
    let document = document
        .filter(|document| document.dialect == DIALECT.name)
        .and_then(|document| serde_json::from_str::<Map<String, Value>>(&document.json).ok());
    let mut base = document.unwrap_or_else(|| synthesised(view, device, about));
    mend(&mut base);
    // The charger's own token is nobody's.
    base.remove(keys::TOKEN);
    base.extend(written(view));
    Sheet::new(base, overlay(view, about))
}

/// Clients read these by their place, and cards by either of both ways.
fn mend(keys: &mut Map<String, Value>) {
    for (key, count, filler) in [("nrg", 16, json!(0)), ("pha", 6, json!(false))] {
        let Some(Value::Array(values)) = keys.get_mut(key) else {
            keys.remove(key);
            continue;
        };
        values.resize(count, filler.clone());
        for value in values {
            if std::mem::discriminant(&*value) != std::mem::discriminant(&filler) {
                *value = filler.clone();
            }
        }
    }
    let has_temperatures = |value: &Value| value.as_array().is_some_and(|values| values.len() >= 2);
    if !keys.get("tma").is_some_and(has_temperatures) {
        keys.remove("tma");
    }
    if let Some(Value::Array(list)) = keys.get("cards").cloned() {
        for (at, card) in list.iter().take(CardSlot::MOST).enumerate() {
            let [name, energy, id] = ["name", "energy", "cardId"].map(|part| card[part].clone());
            for (key, value) in flat(at, name, energy, id) {
                keys.entry(key).or_insert(value);
            }
        }
    } else if keys.contains_key("c0n") {
        let of = |key: String| keys.get(&key).cloned().unwrap_or_default();
        let list = (0..CardSlot::MOST).map(|at| {
            let [name, energy, id] = ["n", "e", "i"].map(|part| of(format!("c{at}{part}")));
            json!({"name": name, "energy": energy, "cardId": id})
        });
        let list: Value = list.collect();
        keys.insert("cards".to_owned(), list);
    }
}

/// Keys that the model does not know, as they were written.
fn written(view: &EvseView) -> impl Iterator<Item = (String, Value)> {
    let keys = view.keys.get(DIALECT.name).into_iter().flatten();
    keys.filter_map(|(key, text)| Some((key.clone(), serde_json::from_str(text).ok()?)))
}

/// The keys that are ours, whatever the charger says: the wish as it was written, what was granted and why.
#[must_use]
pub fn overlay(view: &EvseView, about: &About<'_>) -> Map<String, Value> {
    let wish = &view.wish;
    let solar = match wish.mode {
        ChargeMode::Solar | ChargeMode::MinSolar => true,
        ChargeMode::Off | ChargeMode::Fast => false,
    };
    // Without a car nothing is granted to anybody, and nothing stands in the way either.
    let is_free = view.status.pilot == PilotState::A;
    let switched_off = wish.force == Force::Off || wish.mode == ChargeMode::Off;
    let is_stopped_elsewhere = view.foreign.is_some_and(|foreign| {
        foreign.write.what == ForeignWhat::Paused && foreign.policy != ForeignPolicy::Reassert
    });
    let setpoint = if is_stopped_elsewhere {
        ChargeCurrent::PAUSED
    } else {
        view.setpoint
    };
    let allowed = !setpoint.is_paused() || (is_free && !switched_off && !is_stopped_elsewhere);
    let mut keys = object(json!({
        "sse": about.serial,
        "amp": wish.current.amps_rounded_down(),
        "frc": match wish.force { Force::Neutral => 0, Force::Off => 1, Force::On => 2 },
        "psm": match wish.phases { None => 0, Some(Phases::One) => 1, Some(Phases::Three) => 2 },
        "lmo": if solar { 4 } else { 3 },
        "fup": solar,
        "alw": allowed,
        "acu": setpoint.current().map(MilliAmps::amps_rounded_down),
        "modelStatus": match model_status(&view.reason.cause, wish.force, allowed) {
            DEFAULT | SURPLUS if allowed && view.price_allows == Some(true) => PRICE,
            status => status,
        },
        "trx": trx(view),
        "acs": acs(view),
        "tcl": view.cap.map(|(current, _)| current.amps_rounded_down()),
        "dwo": wish.energy_limit.map(|energy| energy.0),
        "awp": decimal(wish.price_limit.unwrap_or(DEFAULT_PRICE_LIMIT).0 / 10),
        "awe": wish.price_limit.is_some(),
        "cae": about.api_enabled,
    }));
    if !view.cards.is_empty() {
        keys.extend(cards(&view.cards));
    }
    if let Some(PushedView { readings, .. }) = view.pushed {
        keys.extend(object(json!({
            "pgrid": readings.grid.0,
            "ppv": readings.pv.map(|power| -power.0),
            "pakku": readings.battery.map(|power| -power.0),
        })));
    }
    if let Some(token) = about.token {
        keys.insert("cak".to_owned(), Value::from(token));
    }
    keys
}

/// Whose transaction runs: null nobody's, 0 without a card (or with one that is not shown), n the n-th card.
pub(super) fn trx(view: &EvseView) -> Option<i64> {
    let session = view.session.as_ref()?;
    if session.state != TransactionState::Running {
        return None;
    }
    let is_its = |slot: &CardSlot| session.card.as_ref() == Some(&slot.card);
    let at = view.cards.iter().position(is_its);
    Some(at.map_or(0, |at| i64::try_from(at + 1).unwrap_or(0)))
}

/// 0: everybody may charge; 1: a card is wanted.
pub(super) const fn acs(view: &EvseView) -> i64 {
    match view.authorisation {
        AuthorisationMode::None => 0,
        AuthorisationMode::Card => 1,
    }
}

/// Ten cards, as one list and as flat keys: both have been in use. Numbers are nobody's business.
fn cards(slots: &[CardSlot]) -> Map<String, Value> {
    let mut keys = Map::new();
    let mut list = Vec::with_capacity(CardSlot::MOST);
    for at in 0..CardSlot::MOST {
        let name = slots.get(at).map_or("n/a", |slot| slot.name.as_str());
        let is_taken = at < slots.len();
        list.push(json!({"name": name, "energy": 0, "cardId": is_taken}));
        keys.extend(flat(at, name.into(), 0.into(), is_taken.into()));
    }
    keys.insert("cards".to_owned(), Value::Array(list));
    keys
}

fn flat(at: usize, name: Value, energy: Value, card: Value) -> [(String, Value); 3] {
    [
        (format!("c{at}n"), name),
        (format!("c{at}e"), energy),
        (format!("c{at}i"), card),
    ]
}

/// A complete set of keys for an EVSE without a document of its own: those of a charger of the fourth
/// generation, with what the model knows filled in.
#[must_use]
pub fn synthesised(view: &EvseView, device: Option<&DeviceView>, about: &About<'_>) -> Map<String, Value> {
    let mut keys = Variant::V4.document();
    let max = view.max.amps_rounded_down();
    let charging = view.status.pilot.asks();
    let wired = |phase: Phase| view.terminals.contains(phase);
    let closed = |phase: Phase| charging && view.status.terminals.contains(phase);
    let [l1, l2, l3] = Phase::ALL;
    keys.extend(object(json!({
        "fna": view.name,
        "var": if max > 16 { 22 } else { 11 },
        "ama": max.clamp(6, 32),
        "mca": view.min.amps_rounded_down().clamp(6, 32),
        "car": car(view),
        "err": if view.status.pilot == PilotState::F { UNKNOWN_ERROR } else { 0 },
        "wh": view.status.session_energy.map_or(0, |energy| energy.0),
        "pha": [closed(l1), closed(l2), closed(l3), wired(l1), wired(l2), wired(l3)],
        "nrg": nrg(view, device),
        "eto": device.and_then(|device| device.measured.energy_in).map_or(0, |energy| energy.0.max(0)),
        "pnp": if charging { view.status.terminals.count() } else { 0 },
        "tpa": view.power.0,
        "mtp": format!("go-eCharger/{}/", about.serial),
        "fhz": device.and_then(|device| device.measured.frequency).map(|hertz| decimal(hertz.0)),
        "map": view.rotation.grid_phases().map(|phase| phase as i64 + 1),
        "fsp": view.phases == Some(Phases::One),
        "pwm": match view.phases { None => 0, Some(Phases::One) => 1, Some(Phases::Three) => 2 },
        "cll": {
            "currentLimitMax": max.clamp(6, 32),
            "requestedCurrent": view.wish.current.amps_rounded_down(),
            "temperatureCurrentLimit": 32,
            "unsymetryCurrentLimit": 32,
        },
        "pgrid": about.flow.grid.map(|power| power.0),
        "ppv": about.flow.pv.map(|power| -power.0),
        "pakku": about.flow.battery.map(|power| -power.0),
    })));
    if view.cards.is_empty() {
        keys.extend(cards(&[]));
    }
    keys.extend(times(view, about));
    keys
}

/// The clocks: of the site's time zone, and since when there is what there is. Such a charger booted with us.
fn times(view: &EvseView, about: &About<'_>) -> Map<String, Value> {
    let boot_ms = about.at.monotonic.0;
    let since_boot = |at: Timestamp| boot_ms - (about.at.wall - at).0;
    let zone = ZoneClock::of(about.time_zone, about.at.wall);
    let clock = clock_keys(about.at, boot_ms, zone.offset.0);
    let mut keys: Map<String, Value> = clock
        .map(|(key, value)| (key.to_owned(), value))
        .into_iter()
        .collect();
    // Where the clocks change, as far as the charger has names for it.
    let hours = zone.winter.0 / 3_600_000;
    let rule = match zone.summer_in_july {
        None => 0,
        Some(false) => 3,
        Some(true) if hours < -2 => 2,
        Some(true) => 1,
    };
    let session = view.session.as_ref();
    let running = session.filter(|session| session.state == TransactionState::Running);
    let duration = match running {
        Some(session) => json!({"type": 0, "value": since_boot(session.since)}),
        None => json!({"type": 1, "value": 0}),
    };
    keys.extend(object(json!({
        "tof": zone.winter.0 / 60_000,
        "tds": rule,
        "cdi": duration,
        "inva": view.pushed.map(|pushed| pushed.at.monotonic.0),
        "lccfi": view.plugged_since.map(since_boot),
    })));
    keys
}

fn car(view: &EvseView) -> i64 {
    match view.status.pilot {
        PilotState::A => 1,
        PilotState::B if view.status.complete => 4,
        PilotState::B => 3,
        PilotState::C | PilotState::D => 2,
        PilotState::E | PilotState::F => 5,
    }
}

/// Sixteen numbers by terminal; the model's currents are by grid phase.
fn nrg(view: &EvseView, device: Option<&DeviceView>) -> Value {
    let current = view
        .status
        .current
        .unwrap_or_else(|| view.rotation.to_terminals(view.current));
    let measured = device.map(|device| &device.measured);
    let voltage = measured.and_then(|measured| measured.voltage);
    let phase_power = measured.and_then(|measured| measured.phase_power);
    let mut values = vec![Value::from(0); 16];
    for (index, phase) in Phase::ALL.into_iter().enumerate() {
        let volts = voltage.map_or(0, |voltage| voltage[phase].0);
        let watts = phase_power.map_or_else(
            || {
                current[phase]
                    .power(
                        model::units::MilliVolts(if volts == 0 { 230_000 } else { volts }),
                        1,
                    )
                    .0
            },
            |power| power[phase].0,
        );
        values[index] = decimal(volts);
        values[4 + index] = decimal(current[phase].0);
        values[7 + index] = Value::from(watts);
        values[12 + index] = Value::from(if current[phase].0 > 0 { 100 } else { 0 });
    }
    values[11] = Value::from(view.power.0);
    Value::Array(values)
}

/// `err` of a fault that nobody has told more of, in the numbers of the firmware that is shown.
const UNKNOWN_ERROR: i64 = 15;
/// `modelStatus` of charging that nothing else decides, of surplus control, and of a low price.
const DEFAULT: i64 = 15;
const SURPLUS: i64 = 12;
const PRICE: i64 = 7;

/// Why charging is allowed or not, in the numbers of `modelStatus` (README of the reference, 4.4).
#[must_use]
pub fn model_status(cause: &Cause, force: Force, allowed: bool) -> i64 {
    const WAITING_FOR_ACCESS: i64 = 2;
    const FORCED_ON: i64 = 3;
    const FORCED_OFF: i64 = 4;
    const ENERGY_LIMIT: i64 = 6;
    const TOO_DEAR: i64 = 17;
    const KEEP_ALIVE: i64 = 19;
    const PHASE_SWITCH: i64 = 23;
    const MINIMUM_PAUSE: i64 = 24;
    const ERROR: i64 = 26;
    const LOAD_MANAGEMENT: i64 = 27;
    const UNBALANCED: i64 = 32;
    const INITIALISING: i64 = 40;
    const FAILSAFE: i64 = 41;
    let charging = if force == Force::On { FORCED_ON } else { DEFAULT };
    match cause {
        Cause::SwitchedOff | Cause::Disabled => FORCED_OFF,
        Cause::NoVehicle | Cause::VehicleNotAsking | Cause::VehicleComplete | Cause::AsAsked { .. } => {
            charging
        }
        Cause::Limited { by, .. } => match by {
            LimitSource::Hardware
            | LimitSource::Wish
            | LimitSource::Temporary
            | LimitSource::Vehicle
            | LimitSource::Ramp
            | LimitSource::Rule { .. } => charging,
            LimitSource::Circuit { .. } | LimitSource::Skew { .. } if allowed => charging,
            LimitSource::Circuit { .. } => LOAD_MANAGEMENT,
            LimitSource::Skew { .. } => UNBALANCED,
            LimitSource::Surplus => SURPLUS,
            LimitSource::Overload { .. } | LimitSource::Peak { .. } | LimitSource::GridOperator { .. }
                if allowed =>
            {
                charging
            }
            LimitSource::Overload { .. } | LimitSource::Peak { .. } | LimitSource::GridOperator { .. } => {
                LOAD_MANAGEMENT
            }
            LimitSource::FailSafe => FAILSAFE,
        },
        Cause::AfterOverload { .. } | Cause::PeakReached { .. } | Cause::Dimmed { .. } => LOAD_MANAGEMENT,
        Cause::SwitchingPhases { .. } => PHASE_SWITCH,
        Cause::OnePhaseOnly { .. } | Cause::RestingFull { .. } | Cause::WakingVehicle { .. } => charging,
        Cause::StartsUsedUp { .. } => MINIMUM_PAUSE,
        Cause::CircuitFull { .. } | Cause::WaitingForOthers { .. } => LOAD_MANAGEMENT,
        Cause::Unbalanced { .. } => UNBALANCED,
        // The table has no number for "too little sun"; 12 is its word for surplus control as the decider.
        Cause::NoSurplus { .. } => SURPLUS,
        Cause::WaitingForStableRoom { .. } | Cause::MinimumPause { .. } => MINIMUM_PAUSE,
        Cause::HoldingMinimum { .. } => KEEP_ALIVE,
        Cause::MeterSilent { .. } => FAILSAFE,
        Cause::StationSilent { .. } | Cause::NotFollowing { .. } => ERROR,
        Cause::StartingUp => INITIALISING,
        Cause::AwaitingAuthorisation => WAITING_FOR_ACCESS,
        Cause::BudgetUsedUp { .. } | Cause::ChargeLimitReached { .. } | Cause::EnergyLimitReached { .. } => {
            ENERGY_LIMIT
        }
        Cause::PriceTooHigh { .. } => TOO_DEAR,
        Cause::ChangedElsewhere { what, .. } => match what {
            ForeignWhat::Paused => FORCED_OFF,
            ForeignWhat::Started => FORCED_ON,
            ForeignWhat::Current(_) | ForeignWhat::Phases(_) => charging,
        },
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
