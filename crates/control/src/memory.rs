//! What one cycle leaves for the next: timers, the last commands, the loads of the last minute.
//!
//! Times inside are monotonic and mean nothing in another process: after a restart the engine hands over
//! what it told last by [`Memory::restored`], and every EVSE counts at its hardware maximum until its
//! status was read back. The same happens when the clock is found to have gone backwards.

use std::collections::BTreeMap;

use model::device::ChargeMode;
use model::id::{CircuitId, DeviceId, EvseId};
use model::phases::{PhaseSet, Phases};
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Monotonic, Now};
use serde::{Deserialize, Serialize};

use crate::Scratch;
use crate::envelope::PeakMemory;
use crate::habits::Habit;
use crate::learned::Learned;
use crate::recent::{Draw, Lowest, Window};
use crate::snapshot::{Circuit, Snapshot};
use crate::switching::Contactor;

/// Longer than this between two cycles, nothing is known to have lasted.
const GAP: Millis = Millis(10_000);

/// Hysteresis and timers of one site.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    restored: BTreeMap<EvseId, ChargeCurrent>,
    pub(crate) evses: Vec<EvseMemory>,
    pub(crate) circuits: Vec<CircuitMemory>,
    pub(crate) started: Option<Monotonic>,
    last: Monotonic,
    /// Since the last cycle.
    pub(crate) elapsed: Millis,
    #[serde(default)]
    pub(crate) peak: PeakMemory,
    /// The least that inverters might have produced in the last seconds, W.
    #[serde(default)]
    pub(crate) production: Option<Lowest>,
    /// What circuits have learned before they are known.
    #[serde(default)]
    learned: BTreeMap<CircuitId, Learned>,
    /// A battery has been part of the balance.
    pub(crate) has_battery: bool,
    #[serde(skip)]
    pub(crate) scratch: Scratch,
}

/// What is remembered of one EVSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct EvseMemory {
    pub id: EvseId,
    /// Made in this cycle: nothing was told yet.
    pub is_new: bool,
    /// The status has been read back since the start.
    pub is_verified: bool,
    /// mA, 0 is paused.
    pub told: i64,
    pub phases: Option<Phases>,
    /// Grid phases that the last command counts on.
    pub feet: PhaseSet,
    /// The highest command that may still be in force, mA.
    pub in_force: i64,
    pub lowered_at: Monotonic,
    /// When it last rose, and to what, mA.
    pub rose: Option<(Monotonic, i64)>,
    /// When the status was taken that acknowledged the last decrease.
    pub settled_at: Option<Monotonic>,
    /// Since when it draws or offers more than told, and how much it was then.
    pub excess: Option<(Monotonic, i64)>,
    pub draw: Draw,
    /// Phases of the car, where it uses fewer than are wired.
    pub car: Option<PhaseSet>,
    pub narrow: Option<(Monotonic, PhaseSet)>,
    pub mode: Option<ChargeMode>,
    /// Somebody has just changed the mode: starts without delays.
    pub is_prompt: bool,
    /// When somebody last plugged in or changed the mode.
    pub asked_at: Option<Monotonic>,
    pub is_plugged: bool,
    #[serde(default)]
    pub is_barred: bool,
    pub room_since: Option<Monotonic>,
    /// Its minimum is reserved; it starts when the others have gone down.
    pub is_starting: bool,
    pub started_at: Option<Monotonic>,
    /// When the sun last stopped it.
    pub soft_stop_at: Option<Monotonic>,
    pub short_since: Option<Monotonic>,
    /// Since when it wants to charge and no row has room for its minimum.
    #[serde(default)]
    pub waits_since: Option<Monotonic>,
    /// The least it was given in the last seconds while running, mA.
    pub given: Option<Lowest>,
    /// How much it may rise now, mA.
    pub rise: i64,
    /// What the car takes at most by experience, mA.
    pub cap: Option<i64>,
    pub below_since: Option<Monotonic>,
    pub probed_at: Monotonic,
    #[serde(default)]
    pub habit: Habit,
    #[serde(default)]
    pub contactor: Contactor,
}

/// What is remembered of one circuit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CircuitMemory {
    pub id: CircuitId,
    pub meter: Option<DeviceId>,
    /// Base load per phase and in sum, mA.
    pub base: Window,
    /// The least it was in the last seconds.
    pub lasting: Option<[Lowest; 4]>,
    /// The most it was in the last seconds, negated.
    pub peak: Option<[Lowest; 4]>,
    /// When each limit was exceeded last.
    #[serde(default)]
    pub exceeded: [Option<Monotonic>; 4],
    #[serde(default)]
    pub learned: Learned,
}

/// What outlives a restart beside the last commands: the quarter so far, and what was learned of other loads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lasting {
    peak: PeakMemory,
    learned: BTreeMap<CircuitId, Learned>,
}

impl Memory {
    /// After a restart: what every EVSE was told last.
    #[must_use]
    pub fn restored(told: impl IntoIterator<Item = (EvseId, ChargeCurrent)>) -> Self {
        Self {
            restored: told.into_iter().collect(),
            ..Self::default()
        }
    }

    /// What is to be kept beyond this process.
    #[must_use]
    pub fn lasting(&self) -> Lasting {
        let learned = self.circuits.iter().filter(|circuit| !circuit.learned.is_empty());
        let mut all = self.learned.clone();
        all.extend(learned.map(|circuit| (circuit.id.clone(), circuit.learned.kept())));
        Lasting {
            peak: self.peak.clone(),
            learned: all,
        }
    }

    /// Takes over what another process has kept.
    pub fn recall(&mut self, lasting: Lasting) {
        self.peak = lasting.peak;
        self.learned = lasting.learned;
    }

    /// Brings the memory in line with the devices of this cycle.
    pub(crate) fn begin(&mut self, snapshot: &Snapshot, now: Now) {
        if self.started.is_some() && now.monotonic < self.last {
            let told = self
                .evses
                .iter()
                .map(|evse| (evse.id.clone(), ChargeCurrent::at_most(milli(evse.told))));
            let told = told.collect::<Vec<_>>();
            let lasting = self.lasting();
            *self = Self {
                scratch: std::mem::take(&mut self.scratch),
                ..Self::restored(told)
            };
            self.recall(lasting);
        }
        let first = self.started.is_none();
        self.started.get_or_insert(now.monotonic);
        self.elapsed = if first {
            Millis(0)
        } else {
            now.monotonic - self.last
        };
        self.last = now.monotonic;
        self.match_evses(snapshot);
        self.match_circuits(snapshot);
        if let Some(peak) = &snapshot.peak {
            self.peak.observe(peak, snapshot.sun.grid, self.elapsed);
        }
        if self.elapsed > GAP {
            for evse in &mut self.evses {
                evse.room_since = None;
            }
            self.elapsed = GAP;
        }
    }

    fn match_evses(&mut self, snapshot: &Snapshot) {
        let same = self.evses.len() == snapshot.evses.len()
            && self
                .evses
                .iter()
                .zip(&snapshot.evses)
                .all(|(kept, evse)| kept.id == evse.id);
        if same {
            return;
        }
        let mut kept: BTreeMap<EvseId, EvseMemory> =
            self.evses.drain(..).map(|evse| (evse.id.clone(), evse)).collect();
        for evse in &snapshot.evses {
            let memory = kept.remove(&evse.id).unwrap_or_else(|| {
                let told = self.restored.remove(&evse.id);
                EvseMemory::new(evse.id.clone(), told, evse.phases, evse.pilot.is_plugged())
            });
            self.evses.push(memory);
        }
        // An EVSE that is left out for a moment must not come back as a stranger.
        for (id, evse) in kept {
            self.restored.insert(id, ChargeCurrent::at_most(milli(evse.told)));
        }
    }

    fn match_circuits(&mut self, snapshot: &Snapshot) {
        let is_same = |kept: &CircuitMemory, circuit: &Circuit| {
            kept.id == circuit.id && kept.meter.as_ref() == circuit.meter.as_ref().map(|meter| &meter.device)
        };
        let same = self.circuits.len() == snapshot.circuits.len()
            && self
                .circuits
                .iter()
                .zip(&snapshot.circuits)
                .all(|(kept, circuit)| is_same(kept, circuit));
        if same {
            return;
        }
        let mut kept: BTreeMap<CircuitId, CircuitMemory> = self
            .circuits
            .drain(..)
            .map(|circuit| (circuit.id.clone(), circuit))
            .collect();
        for circuit in &snapshot.circuits {
            let memory = kept
                .remove(&circuit.id)
                .filter(|kept| is_same(kept, circuit))
                .unwrap_or_else(|| CircuitMemory {
                    id: circuit.id.clone(),
                    meter: circuit.meter.as_ref().map(|meter| meter.device.clone()),
                    base: Window::default(),
                    lasting: None,
                    peak: None,
                    exceeded: [None; 4],
                    learned: self.learned.remove(&circuit.id).unwrap_or_default(),
                });
            self.circuits.push(memory);
        }
    }
}

/// What admission remembers of an EVSE: taken back when a round of it does not count.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    is_prompt: bool,
    is_starting: bool,
    room_since: Option<Monotonic>,
    short_since: Option<Monotonic>,
    soft_stop_at: Option<Monotonic>,
    waits_since: Option<Monotonic>,
}

impl EvseMemory {
    pub(crate) const fn timers(&self) -> Timers {
        Timers {
            is_prompt: self.is_prompt,
            is_starting: self.is_starting,
            room_since: self.room_since,
            short_since: self.short_since,
            soft_stop_at: self.soft_stop_at,
            waits_since: self.waits_since,
        }
    }

    pub(crate) const fn set_timers(&mut self, timers: Timers) {
        self.is_prompt = timers.is_prompt;
        self.is_starting = timers.is_starting;
        self.room_since = timers.room_since;
        self.short_since = timers.short_since;
        self.soft_stop_at = timers.soft_stop_at;
        self.waits_since = timers.waits_since;
    }

    pub(crate) fn new(id: EvseId, restored: Option<ChargeCurrent>, feet: PhaseSet, is_plugged: bool) -> Self {
        let told = restored.map_or(0, |told| crate::sane(told.or_zero()));
        Self {
            id,
            is_new: restored.is_none(),
            is_verified: false,
            told,
            phases: None,
            feet,
            in_force: told,
            lowered_at: Monotonic(i64::MIN),
            rose: None,
            settled_at: None,
            excess: None,
            draw: Draw::default(),
            car: None,
            narrow: None,
            mode: None,
            is_prompt: false,
            asked_at: None,
            is_plugged,
            is_barred: false,
            room_since: None,
            is_starting: false,
            started_at: None,
            soft_stop_at: None,
            short_since: None,
            waits_since: None,
            given: None,
            rise: 0,
            cap: None,
            below_since: None,
            probed_at: Monotonic(i64::MIN),
            habit: Habit::default(),
            contactor: Contactor::default(),
        }
    }
}

const fn milli(value: i64) -> model::units::MilliAmps {
    model::units::MilliAmps(value)
}
