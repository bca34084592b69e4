//! The frozen process image of one cycle: everything `step` may look at.
//!
//! Indices instead of ids inside, so that ten thousand EVSEs need no look-ups. All currents are by grid
//! phase: the engine has applied the phase rotation of the wiring.

use model::device::{ChargeMode, Force, Wish};
use model::habits::Habits;
use model::id::{CircuitId, DeviceId, EvseId};
use model::limit::Limited;
use model::money::{Currency, PerKwh};
use model::phases::{PerPhase, Phase, PhaseSet};
use model::reading::PilotState;
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::settings::ControlSettings;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliVolts, PerMille, Watts};

/// One cycle's input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    pub settings: ControlSettings,
    /// Between a phase and neutral, measured or nominal.
    pub voltage: MilliVolts,
    /// Parents before children; the first is the house connection.
    pub circuits: Vec<Circuit>,
    pub evses: Vec<Evse>,
    pub sun: Sun,
    pub sharing: Sharing,
    /// Hour of the local week, Monday's first is 0.
    pub hour_of_week: Option<u8>,
    pub peak: Option<Peak>,
    /// What the grid operator orders now.
    pub dimming: Option<Dimming>,
    /// How much may flow into the grid.
    pub feed_in: Option<Watts>,
}

/// What the site may take from the grid in the average of a quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peak {
    pub target: Watts,
    /// The highest quarter of this month counts instead where it is higher.
    pub follow: bool,
    /// Quarters and months are counted by whoever knows the calendar.
    pub quarter: i64,
    pub month: i64,
    /// How much of the quarter has passed.
    pub passed: Millis,
    pub ends: Timestamp,
}

/// An order of the grid operator that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dimming {
    /// What those that can be dimmed may take together; `None`: what they keep in any case.
    pub limit: Option<Watts>,
    pub since: Timestamp,
    /// `None`: until it is taken back.
    pub until: Option<Timestamp>,
}

/// How what is short is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sharing {
    pub policy: Policy,
    /// When not all minima fit, how long one runs before it makes room for one of its class that waits.
    pub quantum: Millis,
}

impl Default for Sharing {
    fn default() -> Self {
        Self {
            policy: Policy::MinimumFirst,
            quantum: Millis(900_000),
        }
    }
}

/// What a class is served before the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// All minima of all classes come before anybody gets more.
    #[default]
    MinimumFirst,
    /// A class gets all it can use before the next gets its minima.
    Strict,
}

/// What a circuit of the snapshot is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CircuitKind {
    /// A fused part of the wiring.
    #[default]
    Wiring,
    /// A set of EVSEs with a limit of its own (a tenant, a tariff, an order of the grid operator) that no
    /// wire joins. Its parent is a group too; its meter measures what its members and the load that counts
    /// against its limit draw.
    Group,
}

/// A fused part of the wiring, or a group, with what its meter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Circuit {
    pub id: CircuitId,
    /// Index into `Snapshot::circuits`, smaller than the own one.
    pub parent: Option<usize>,
    pub kind: CircuitKind,
    pub limit: PerPhase<MilliAmps>,
    /// What rules let it carry per phase; only EVSEs are held to it.
    pub rule: Option<Limited>,
    pub power_limit: Option<Watts>,
    /// A limit on the sum of the phases' currents.
    pub total_limit: Option<MilliAmps>,
    /// How far what EVSEs draw from the phases may lie apart. EVSEs that load all three phases alike do not
    /// matter.
    pub skew_limit: Option<MilliAmps>,
    /// How much of its limits may be used.
    pub share: PerMille,
    /// Of a group: when its members are served, before their own classes. `None`: they compete with
    /// everybody by their own.
    pub class: Option<u8>,
    pub reserve: MilliAmps,
    /// How much generation behind this conductor may be counted as room, per phase.
    pub credit: MilliAmps,
    pub meter: Option<CircuitMeter>,
}

/// The meter of a circuit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CircuitMeter {
    pub device: DeviceId,
    /// Positive towards the leaves (import). `None` if it has never been heard from.
    pub current: Option<PerPhase<MilliAmps>>,
    /// How old `current` is.
    pub age: Millis,
    /// How often it is asked.
    pub period: Millis,
}

/// An EVSE with what is known and asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evse {
    pub id: EvseId,
    /// Index into `Snapshot::circuits`.
    pub circuit: usize,
    /// Indices into `Snapshot::circuits` of the groups it is in, beside those that these are in.
    pub groups: Vec<usize>,
    /// Grid phases that are wired.
    pub phases: PhaseSet,
    /// Whether one phase can be chosen instead of all.
    pub phase_switching: bool,
    /// The grid phase behind terminal L1: the one that a one-phase charge uses.
    pub one_phase: Phase,
    pub min: MilliAmps,
    /// What hardware, cable and adapter allow.
    pub max: MilliAmps,
    pub step: MilliAmps,
    /// 0 is served first.
    pub class: u8,
    pub weight: u16,
    /// What it may draw when a meter above it is silent.
    pub fallback: ChargeCurrent,
    /// What it falls back to by itself when we are silent, programmed and confirmed.
    pub watchdog: Option<ChargeCurrent>,
    pub enabled: bool,
    pub wish: Wish,
    /// A ceiling that goes by itself.
    pub cap: Option<MilliAmps>,
    /// What rules allow at most.
    pub rule: Option<Limited>,
    /// How rules let it charge, in place of the mode of the wish.
    pub rule_mode: Option<ChargeMode>,
    /// What grid energy costs whoever charges here; only compared with the limit of the wish.
    pub price: Option<(PerKwh, Currency)>,
    /// Why it gets nothing, whatever the wish: nobody authorised, no budget, full enough.
    pub barred: Option<Cause>,
    /// Age of the last status; `None` if it has never been heard from.
    pub status_age: Option<Millis>,
    pub pilot: PilotState,
    /// The car has stopped by itself.
    pub complete: bool,
    /// The setpoint as the EVSE reads it back.
    pub obeyed: Option<ChargeCurrent>,
    /// Grid phases that carry current now; empty when it does not charge.
    pub phases_in_use: PhaseSet,
    /// Draw by grid phase.
    pub drawn: PerPhase<MilliAmps>,
    pub plugged_since: Option<Timestamp>,
    /// How full the car is, where somebody has said so.
    pub soc: Option<PerMille>,
    pub habits: Habits,
    /// The grid operator may dim it.
    pub dimmable: bool,
    /// The sun feeds it before the battery, however empty that is.
    pub before_battery: bool,
}

impl Evse {
    /// The mode after rules, which do not stand above a switch or a mode that is off.
    fn ruled_mode(&self) -> ChargeMode {
        let wished = self.wish.effective_mode();
        let may_rule = self.wish.force == Force::Neutral && wished != ChargeMode::Off;
        self.rule_mode.filter(|_| may_rule).unwrap_or(wished)
    }

    /// The price and the limit it is compared with, where the mode waits for the sun.
    pub(crate) fn price_limit(&self) -> Option<(PerKwh, PerKwh, Currency)> {
        match self.ruled_mode() {
            ChargeMode::Solar | ChargeMode::MinSolar => {}
            ChargeMode::Off | ChargeMode::Fast => return None,
        }
        let (price, currency) = self.price?;
        Some((price, self.wish.price_limit?, currency))
    }

    /// Whether grid energy is cheap enough for a car that waits for the sun; `None` where that does not matter
    /// or is not known.
    #[must_use]
    pub fn price_allows(&self) -> Option<bool> {
        let (price, limit, _) = self.price_limit()?;
        Some(price <= limit)
    }

    /// The mode after the switch above it and the price: what waits for the sun does not while energy is cheap.
    pub(crate) fn mode(&self) -> ChargeMode {
        if self.price_allows() == Some(true) {
            ChargeMode::Fast
        } else {
            self.ruled_mode()
        }
    }
}

/// What the sun leaves over. Signs of the model: PV negative, a charging battery positive.
/// Members are `None` when not measured or too old.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sun {
    pub grid: Option<Watts>,
    pub pv: Option<Watts>,
    pub battery: Option<BatteryState>,
    /// What the house takes beside cars and battery, for sites at whose grid connection nothing measures.
    pub house: Option<Watts>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatteryState {
    pub power: Watts,
    pub soc: Option<PerMille>,
    pub max_charge: Watts,
    /// Below this state of charge the battery comes before solar cars.
    pub priority_below: PerMille,
    /// From this state of charge on it gives to solar cars that charge; `None`: never.
    pub buffer_from: Option<PerMille>,
    /// And lets them start from this one on; `None`: they start by the sun alone.
    pub start_from: Option<PerMille>,
    pub max_discharge: Watts,
}
