//! What the others may see of a site, with reasons and epoch. Made by the engine after each cycle.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::alarm::Alarm;
use crate::control::Controls;
use crate::device::{AuthorisationMode, ForeignPolicy, LinkState, MeterRole, Wish};
use crate::id::{CardId, CircuitId, DeviceId, EvseId, SessionId, SiteId, UserId, VehicleId};
use crate::message::ForeignWrite;
use crate::phases::{PerPhase, PhaseRotation, PhaseSet, Phases};
use crate::reading::{EvseStatus, Measured, Pushed};
use crate::reason::Reason;
use crate::rule::RuleRun;
use crate::session::{AuthorisationKind, Cost, Origin, StopReason};
use crate::setpoint::ChargeCurrent;
use crate::time::{Now, Timestamp};
use crate::units::{MilliAmps, WattHours, Watts};
use crate::vehicle::StateOfCharge;
use crate::vendor::Keys;

/// The whole picture of a site at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteView {
    pub id: SiteId,
    pub name: String,
    pub time_zone: String,
    /// Which engine made it; grows with each take-over.
    pub epoch: u64,
    pub at: Now,
    pub flow: Flow,
    pub circuits: Vec<CircuitView>,
    pub devices: Vec<DeviceView>,
    pub evses: Vec<EvseView>,
    /// Those not cleared yet.
    pub alarms: Vec<Alarm>,
    /// Overloads so far.
    pub overdraft: Overdraft,
    /// What each rule set decided in the last cycle.
    #[serde(default)]
    pub rules: Arc<[RuleRun]>,
    pub cycle: CycleView,
}

/// The balance of the site. Members are absent when nothing measures them or what measures them is silent.
/// `grid = house + evses + battery + pv`, all positive into the thing named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    pub grid: Option<Watts>,
    pub pv: Option<Watts>,
    pub battery: Option<Watts>,
    pub evses: Watts,
    /// The rest of the balance.
    pub house: Option<Watts>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitView {
    pub id: CircuitId,
    pub name: String,
    pub parent: Option<CircuitId>,
    pub limit: PerPhase<MilliAmps>,
    /// Measured, or for a circuit without a meter the sum of its EVSEs. `None` when its meter is silent.
    pub current: Option<PerPhase<MilliAmps>>,
    /// What is left for EVSEs above what they draw; negative when exceeded.
    pub headroom: Option<PerPhase<MilliAmps>>,
}

/// How the links of one driver do, counted by their devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    pub connecting: u64,
    pub online: u64,
    pub offline: u64,
    /// Links that ended by themselves and were started again since the start of the process.
    pub restarts: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    pub id: DeviceId,
    pub name: String,
    /// `meter`, `inverter`, `battery`, `charging_station`.
    pub kind: String,
    pub role: Option<MeterRole>,
    pub circuit: CircuitId,
    pub enabled: bool,
    pub link: LinkState,
    /// When it last said something usable.
    pub last_seen: Option<Timestamp>,
    /// Whether its values are young enough for control.
    pub is_fresh: bool,
    pub measured: Measured,
    /// What the device says it is: maker, model, firmware.
    pub identity: Option<String>,
    /// What can be set at it.
    #[serde(default)]
    pub controls: Controls,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvseView {
    pub id: EvseId,
    pub name: String,
    pub station: DeviceId,
    pub circuit: CircuitId,
    pub terminals: PhaseSet,
    pub rotation: PhaseRotation,
    pub min: MilliAmps,
    pub max: MilliAmps,
    pub phase_switching: bool,
    /// What was asked for, as it reads back at once.
    pub wish: Wish,
    pub status: EvseStatus,
    /// Draw by grid phase.
    pub current: PerPhase<MilliAmps>,
    pub power: Watts,
    /// What it was told last.
    pub setpoint: ChargeCurrent,
    pub phases: Option<Phases>,
    /// What the latest cycle would give it; above `setpoint` while a rise waits.
    pub granted: ChargeCurrent,
    pub reason: Reason,
    pub plugged_since: Option<Timestamp>,
    pub authorisation: AuthorisationMode,
    /// The session that is open.
    pub session: Option<SessionView>,
    /// The first cards that may charge here, in an order that stays: as many as small charging stations keep.
    pub cards: Arc<[CardSlot]>,
    /// A ceiling that goes by itself, and when.
    pub cap: Option<(MilliAmps, Timestamp)>,
    /// Whether grid energy is cheap enough for what waits for the sun; `None` where nobody set a limit, the mode
    /// does not ask, or no price is known.
    pub price_allows: Option<bool>,
    /// What was pushed at it in the last seconds.
    pub pushed: Option<PushedView>,
    /// What somebody else changed at the charging station, and what is done about it.
    pub foreign: Option<ForeignView>,
    /// Vendor keys that were written: kept ones, and what the charging station has confirmed and not yet shown.
    pub keys: Keys,
    /// The vendor's language of keys that its charging station speaks.
    pub dialect: Option<String>,
}

/// What somebody else changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignView {
    pub write: ForeignWrite,
    pub policy: ForeignPolicy,
}

/// Readings that somebody pushes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PushedView {
    pub readings: Pushed,
    pub at: Now,
    /// Whether they count: the site has no fresh meter of its own at its grid connection, and nobody has pushed
    /// anything later.
    pub is_used: bool,
}

/// A card that may charge, for those who name cards by their place in a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CardSlot {
    pub card: CardId,
    pub user: UserId,
    pub name: String,
}

impl CardSlot {
    /// As many as are listed.
    pub const MOST: usize = 10;
}

/// A session as others may see it while the car is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionView {
    pub id: SessionId,
    pub since: Timestamp,
    pub vehicle: Option<VehicleId>,
    /// How full the car is by now, if that can be told.
    pub soc: Option<StateOfCharge>,
    /// Name of who charges, if they want it shown.
    pub user: Option<String>,
    /// With which card the last transaction was authorised.
    pub card: Option<CardId>,
    /// How the last transaction was authorised; `None`: nobody has been yet.
    pub kind: Option<AuthorisationKind>,
    pub state: TransactionState,
    /// The transaction that runs.
    #[serde(default)]
    pub running: Option<RunningTransaction>,
    /// Of all its transactions.
    pub energy: WattHours,
    pub origin: Origin,
    /// Of the last transaction.
    pub cost: Option<Cost>,
    /// Of the last transaction, in other currencies.
    pub other_costs: Vec<Cost>,
    /// Energy of the last transaction that is in no cost.
    pub unpriced: WattHours,
    pub estimated: bool,
}

/// What tells a transaction from others of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningTransaction {
    pub number: u32,
    pub started: Timestamp,
}

/// Where the last transaction of a session stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", content = "reason", rename_all = "snake_case")]
pub enum TransactionState {
    /// Nobody has been authorised yet.
    Waiting,
    Running,
    Stopped(StopReason),
}

/// Seconds and ampere-seconds above a limit since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Overdraft {
    /// Caused by a command of ours; a defect when not zero.
    pub caused_ms: i64,
    pub caused_ma_s: i64,
    /// House load or sun, until we reacted.
    pub reacted_ms: i64,
    pub reacted_ma_s: i64,
}

/// How the control cycle does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CycleView {
    pub count: u64,
    pub last_us: u64,
}
