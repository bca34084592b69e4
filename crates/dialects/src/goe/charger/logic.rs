//! What a charger does once a second: take over what was written, decide whether the car may charge, and
//! write down what it sees.

use model::phases::{Phase, Phases};
use model::time::{Millis, Monotonic, Now};
use model::units::MilliVolts;
use serde_json::{Value, json};

use super::{Charger, Quirk, clock_keys};
use crate::goe::wire::decimal;

/// Pushed meter data are stale after this (README of the reference, 4.6).
const PUSH_LIFE: Millis = Millis(10_000);

/// Why charging is allowed or not; the numbers are those of `modelStatus`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    WaitingForAccess,
    ForcedOn,
    ForcedOff,
    EnergyLimit,
    Default,
    PhaseSwitch,
    Fault,
}

impl Decision {
    const fn number(self) -> i64 {
        match self {
            Self::WaitingForAccess => 2,
            Self::ForcedOn => 3,
            Self::ForcedOff => 4,
            Self::EnergyLimit => 6,
            Self::Default => 15,
            Self::PhaseSwitch => 23,
            Self::Fault => 26,
        }
    }

    const fn allows(self) -> bool {
        matches!(self, Self::ForcedOn | Self::Default)
    }
}

/// `c0i` to `c9i`.
fn is_card_id(key: &str) -> bool {
    matches!(key.as_bytes(), [b'c', b'0'..=b'9', b'i'])
}

impl Charger {
    pub(super) fn run(&mut self, now: Now) {
        let before = self.integer("car");
        if !self.inputs.plugged && before != Some(1) {
            self.keys.insert("frc".to_owned(), Value::from(0));
            self.keys.insert("trx".to_owned(), Value::Null);
        }
        self.take_over_writes(now.monotonic);
        if self.pushed.is_some_and(|at| now.monotonic - at > PUSH_LIFE) {
            self.pushed = None;
            self.put([
                ("pgrid", Value::Null),
                ("ppv", Value::Null),
                ("pakku", Value::Null),
            ]);
        }
        self.switch_phases(before, now.monotonic);
        let decision = self.decide(now.monotonic);
        let car = self.car(decision);
        self.note_changes(before, car, decision);
        let amps = decision.allows().then(|| self.allowed_amps());
        self.put([
            ("car", car.into()),
            ("alw", decision.allows().into()),
            ("acu", amps.into()),
            ("modelStatus", decision.number().into()),
        ]);
        self.measure(car == 2);
        self.put(clock_keys(now, self.inputs.rbt.0, self.inputs.utc_offset.0));
    }

    fn take_over_writes(&mut self, now: Monotonic) {
        while self.pending.front().is_some_and(|pending| pending.due <= now) {
            let Some(pending) = self.pending.pop_front() else {
                return;
            };
            match pending.key.as_str() {
                "ids" => self.take_push(&pending.value, now),
                // A card's id is written and never read back.
                key if is_card_id(key) => {
                    let is_there = pending.value.as_str().is_some_and(|id| !id.is_empty());
                    self.put([(key, is_there.into())]);
                }
                // Neither are commands, which are no keys of a status.
                key if self.keys.contains_key(key) => {
                    self.keys.insert(pending.key, pending.value);
                }
                _ => {}
            }
        }
    }

    fn take_push(&mut self, value: &Value, now: Monotonic) {
        self.pushed = Some(now);
        let rbt = self.inputs.rbt.0;
        let pushed = |name: &str| value[name].clone();
        self.put([
            ("pgrid", pushed("pGrid")),
            ("ppv", pushed("pPv")),
            ("pakku", pushed("pAkku")),
            ("inva", rbt.into()),
        ]);
    }

    /// A forced phase count takes effect with a pause of `psmd`, during which the contactor is open.
    fn switch_phases(&mut self, car: Option<i64>, now: Monotonic) {
        let wanted = match self.integer("psm") {
            Some(1) => Phases::One,
            Some(2) => Phases::Three,
            _ if self.flag("fsp") => Phases::One,
            _ => Phases::Three,
        };
        if wanted != self.phases {
            self.phases = wanted;
            let pause = Millis(self.integer("psmd").unwrap_or(10_000).clamp(0, 600_000));
            self.switching_until = (car == Some(2)).then_some(now + pause);
            let rbt = self.inputs.rbt.0;
            self.put([("lfspt", rbt.into())]);
        }
        if self.switching_until.is_some_and(|until| now >= until) {
            self.switching_until = None;
        }
    }

    fn decide(&self, now: Monotonic) -> Decision {
        let limit = self.keys.get("dwo").and_then(Value::as_f64);
        if self.integer("err").unwrap_or(0) != 0 || self.quirk == Some(Quirk::CarError) {
            Decision::Fault
        } else if self.integer("acs") == Some(1) && self.integer("trx").is_none() {
            Decision::WaitingForAccess
        } else if self.integer("frc") == Some(1) {
            Decision::ForcedOff
        } else if limit.is_some_and(|limit| self.inputs.plugged && self.inputs.wh.0 as f64 >= limit) {
            Decision::EnergyLimit
        } else if self.switching_until.is_some_and(|until| now < until) {
            Decision::PhaseSwitch
        } else if self.integer("frc") == Some(2) {
            Decision::ForcedOn
        } else {
            Decision::Default
        }
    }

    /// 4 also shows during a phase switch and while forced off with a car plugged in (reference, 4.2).
    fn car(&self, decision: Decision) -> i64 {
        let inputs = &self.inputs;
        match decision {
            Decision::Fault => 5,
            _ if !inputs.plugged => 1,
            Decision::ForcedOff | Decision::PhaseSwitch => 4,
            Decision::ForcedOn | Decision::Default if inputs.asks => 2,
            _ if inputs.complete => 4,
            Decision::WaitingForAccess | Decision::EnergyLimit | Decision::ForcedOn | Decision::Default => 3,
        }
    }

    fn allowed_amps(&self) -> i64 {
        let limits = [
            self.integer("ama"),
            self.integer("cbl"),
            self.integer("amt"),
            self.integer("tcl"),
        ];
        let adapter = self.flag("adi").then_some(16);
        let asked = self.integer("amp").unwrap_or(6).min(self.variant.max_amps());
        limits
            .into_iter()
            .chain([adapter])
            .flatten()
            .fold(asked, i64::min)
    }

    /// The keys that remember when something last changed, in ms since boot.
    fn note_changes(&mut self, before: Option<i64>, car: i64, decision: Decision) {
        let rbt = self.inputs.rbt.0;
        if self.integer("modelStatus") != Some(decision.number()) {
            self.put([("lmsc", rbt.into())]);
        }
        if before == Some(car) {
            return;
        }
        match before {
            Some(1) => self.put([("lccfi", rbt.into())]),
            Some(2) => {
                let began = self
                    .keys
                    .get("cdi")
                    .map_or(0, |cdi| cdi["value"].as_i64().unwrap_or(0));
                self.put([
                    ("lccfc", rbt.into()),
                    ("cdi", json!({"type": 1, "value": rbt - began})),
                ]);
            }
            _ => {}
        }
        if car == 2 {
            self.put([("lcctc", rbt.into()), ("cdi", json!({"type": 0, "value": rbt}))]);
        }
    }

    fn measure(&mut self, closed: bool) {
        let inputs = self.inputs;
        let mut nrg = vec![Value::from(0); 16];
        let (mut milliwatts, mut used) = (0, 0);
        for (index, phase) in Phase::ALL.into_iter().enumerate() {
            let (volts, amps) = (inputs.voltages[phase], inputs.drawn[phase]);
            let power = amps.0.saturating_mul(volts.0) / 1_000;
            nrg[index] = decimal(volts.0);
            nrg[4 + index] = decimal(amps.0);
            nrg[7 + index] = decimal(power);
            nrg[12 + index] = Value::from(if amps.0 > 0 { 100 } else { 0 });
            milliwatts += power;
            used += i64::from(amps.0 > 500);
        }
        nrg[11] = decimal(milliwatts);
        let live = |phase: Phase| inputs.voltages[phase] > MilliVolts(50_000);
        let three = closed && self.phases == Phases::Three;
        let cable = match self.variant {
            super::Variant::V3 => 20,
            super::Variant::V4 | super::Variant::Core => 32,
        };
        let pha = [
            closed,
            three,
            three,
            live(Phase::L1),
            live(Phase::L2),
            live(Phase::L3),
        ];
        self.put([
            ("nrg", nrg.into()),
            ("pha", pha.into()),
            ("tpa", (milliwatts / 1_000).into()),
            ("pnp", used.into()),
            ("eto", inputs.eto.0.max(0).into()),
            ("wh", inputs.wh.0.max(0).into()),
            ("cbl", inputs.plugged.then_some(cable).into()),
            ("cus", Value::from(if inputs.plugged { 3 } else { 1 })),
            ("cll", self.limits()),
        ]);
    }

    fn limits(&self) -> Value {
        let mut limits = json!({
            "currentLimitMax": self.variant.max_amps(),
            "requestedCurrent": self.keys.get("amp"),
            "temperatureCurrentLimit": self.keys.get("amt"),
            "unsymetryCurrentLimit": 32,
        });
        if self.integer("frc") == Some(1) {
            limits["forceState"] = Value::from(0);
        }
        limits
    }

    /// Sets several keys; a charger that does not have one gets none.
    pub(super) fn put<const N: usize>(&mut self, values: [(&str, Value); N]) {
        for (key, value) in values {
            if let Some(slot) = self.keys.get_mut(key) {
                *slot = value;
            }
        }
    }

    fn integer(&self, key: &str) -> Option<i64> {
        self.keys.get(key).and_then(Value::as_i64)
    }

    fn flag(&self, key: &str) -> bool {
        self.keys.get(key).and_then(Value::as_bool).unwrap_or(false)
    }
}
