//! A real charger's status as model values.

use model::phases::{PerPhase, Phase, PhaseSet};
use model::reading::{EvseStatus, Measured, PilotState, Quality};
use model::setpoint::ChargeCurrent;
use model::units::{MilliAmps, MilliHertz, MilliVolts, WattHours, Watts};
use serde_json::{Map, Value};

use crate::goe::wire::{Car, Frc, Status, rounded};

/// `modelStatus` while the charger changes between one and three phases.
const PHASE_SWITCH: i64 = 23;

/// What the charger measures; absent when it said nothing of the kind.
#[must_use]
pub fn measured(status: &Status) -> Option<Measured> {
    let nrg = status.nrg.unwrap_or_default();
    let three = |at| nrg.three(at).map(PerPhase::from_array);
    let measured = Measured {
        power: nrg.0[11].map(|watts| Watts(rounded(watts))),
        phase_power: three(7).map(|v| v.map(|watts| Watts(rounded(watts)))),
        current: three(4).map(|v| v.map(|amps| MilliAmps(rounded(amps * 1_000.0)))),
        voltage: three(0).map(|v| v.map(|volts| MilliVolts(rounded(volts * 1_000.0)))),
        frequency: status
            .fhz
            .filter(|hertz| *hertz > 0.0)
            .map(|hertz| MilliHertz(rounded(hertz * 1_000.0))),
        energy_in: status.eto.filter(|energy| *energy >= 0).map(WattHours),
        energy_out: None,
        soc: None,
        quality: Quality::Measured,
    };
    (measured.power.is_some() || measured.energy_in.is_some()).then_some(measured)
}

/// What the EVSE says of itself; absent when the charger did not say what the car does.
///
/// `was_complete`: whether the car had stopped by itself at the last reading. A charger that is forced off
/// shows `car` 4 whether the car is full or not, so the earlier word stands until the car asks again or leaves.
#[must_use]
pub fn evse_status(status: &Status, was_complete: bool) -> Option<EvseStatus> {
    let car = status.car?;
    let pilot = pilot(car, status.err.unwrap_or(0));
    let complete =
        car == Car::Complete && pilot == PilotState::B && (was_complete || stopped_by_itself(status));
    Some(EvseStatus {
        pilot,
        complete,
        obeyed: obeyed(status),
        terminals: terminals(status, car),
        max_current: max_current(status),
        session_energy: status.wh.map(|energy| WattHours(rounded(energy).max(0))),
        current: measured(status).and_then(|measured| measured.current),
        watchdog: watchdog(status),
    })
}

/// A fault counts while the car does not charge; a charger that goes on charging has survived it.
fn pilot(car: Car, err: i64) -> PilotState {
    match car {
        Car::Charging => PilotState::C,
        Car::Idle => PilotState::A,
        Car::WaitCar | Car::Complete if err != 0 => PilotState::F,
        Car::WaitCar | Car::Complete => PilotState::B,
        Car::Unknown | Car::Error => PilotState::F,
        Car::Initialising => PilotState::E,
    }
}

/// The car stopped although it may charge.
fn stopped_by_itself(status: &Status) -> bool {
    status.alw == Some(true) && status.frc != Some(Frc::Off) && status.model_status != Some(PHASE_SWITCH)
}

/// The setpoint as it reads back: paused only when the charger's logic says so and nobody forces it on.
fn obeyed(status: &Status) -> Option<ChargeCurrent> {
    let paused = match status.alw {
        Some(allowed) => !allowed && status.frc != Some(Frc::On),
        None => status.frc? == Frc::Off,
    };
    if paused {
        return Some(ChargeCurrent::PAUSED);
    }
    let asked = MilliAmps::from_amps(status.amp?.clamp(0, 1_000));
    Some(ChargeCurrent::at_most(
        max_current(status).map_or(asked, |max| asked.min(max)),
    ))
}

/// The lowest of what hardware, app, cable, adapter and temperature allow.
fn max_current(status: &Status) -> Option<MilliAmps> {
    let hardware = match status.var {
        Some(11) => Some(16),
        Some(_) => Some(32),
        None => None,
    };
    let adapter = status.adi.and_then(|adapter| adapter.then_some(16));
    [hardware, adapter, status.ama, status.cbl, status.amt]
        .into_iter()
        .flatten()
        .filter(|amps| *amps > 0)
        .min()
        .map(|amps| MilliAmps::from_amps(amps.min(1_000)))
}

/// What the charger gives without us, by its own word: its watchdog is on and says how much.
fn watchdog(status: &Status) -> Option<ChargeCurrent> {
    let is_on = status.fse == Some(true);
    let amps = status.fsi.filter(|amps| is_on && (0..=1_000).contains(amps))?;
    Some(ChargeCurrent::at_most(MilliAmps::from_amps(amps)))
}

/// Behind the contactor while charging, otherwise what would be connected.
fn terminals(status: &Status, car: Car) -> PhaseSet {
    let set = |flags: [bool; 3]| {
        Phase::ALL
            .into_iter()
            .zip(flags)
            .filter(|(_, on)| *on)
            .fold(PhaseSet::NONE, |set, (phase, _)| set.with(phase))
    };
    if let (Car::Charging, Some([l1, l2, l3, ..])) = (car, status.pha)
        && (l1 || l2 || l3)
    {
        return set([l1, l2, l3]);
    }
    let one = match status.psm {
        Some(1) => true,
        Some(2) => false,
        _ => status.fsp == Some(true),
    };
    let wired = status
        .pha
        .map_or(PhaseSet::NONE, |[_, _, _, l1, l2, l3]| set([l1, l2, l3]));
    match (one, wired.is_empty()) {
        (true, _) => PhaseSet::L1,
        (false, true) => PhaseSet::ALL,
        (false, false) => wired,
    }
}

/// The words of a charger that say what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Nameplate([Option<Box<str>>; 5]);

impl Nameplate {
    const KEYS: [&str; 5] = ["oem", "typ", "var", "fwv", "sse"];

    /// Reads what is said of it; says whether something is new.
    pub fn take(&mut self, object: &Map<String, Value>) -> bool {
        let mut is_new = false;
        for (word, key) in self.0.iter_mut().zip(Self::KEYS) {
            let Some(value) = object.get(key) else { continue };
            let said: Option<Box<str>> = match value {
                Value::String(text) => Some(text.chars().take(40).collect()),
                Value::Number(number) => Some(number.to_string().into()),
                Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
            };
            is_new |= *word != said;
            *word = said;
        }
        is_new
    }

    /// `go-e go-eCharger_V4 22 kW, firmware 59.4, serial 000001`; nothing while the type is not known.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        let [oem, typ, var, fwv, sse] = &self.0;
        let mut words = vec![
            oem.as_deref().unwrap_or("go-e").to_owned(),
            typ.as_deref()?.to_owned(),
        ];
        words.extend(var.as_ref().map(|power| format!("{power} kW")));
        let said = |what: &str, word: &Option<Box<str>>| {
            word.as_ref()
                .map(|word| format!(", {what} {word}"))
                .unwrap_or_default()
        };
        Some(format!(
            "{}{}{}",
            words.join(" "),
            said("firmware", fwv),
            said("serial", sse)
        ))
    }
}

/// What the charger with this document is.
#[must_use]
pub fn identity(document: &Map<String, Value>) -> Option<String> {
    let mut nameplate = Nameplate::default();
    nameplate.take(document);
    nameplate.text()
}
