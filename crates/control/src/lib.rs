//! Readings and wishes in, setpoints and reasons out.
//!
//! [`step`] decides every setpoint of a site: admit, fill, hand back, commit. It is pure: no clock, no IO,
//! no randomness, no floating point; it never fails and never logs. Odd input gives a safe decision and a
//! [`Finding`].

mod memory;
pub mod snapshot;

use model::phases::{PerPhase, Phases};
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::time::Now;
use model::units::MilliAmps;

pub use crate::memory::Memory;
use crate::snapshot::Snapshot;

/// What one cycle decides. Reused from cycle to cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In the order of `Snapshot::evses`.
    pub verdicts: Vec<Verdict>,
    /// Room left for EVSEs at each circuit after what they draw now, in the order of
    /// `Snapshot::circuits`; `None` under a silent meter.
    pub headroom: Vec<Option<PerPhase<MilliAmps>>>,
    pub findings: Vec<Finding>,
}

/// The result for one EVSE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the allocation gives it.
    pub granted: ChargeCurrent,
    /// What it is to be told now: below `granted` while a rise waits for others to go down.
    pub told: ChargeCurrent,
    /// One or three phases, `None` where the EVSE has no choice.
    pub phases: Option<Phases>,
    pub cause: Cause,
}

/// Something odd in the input that somebody should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Index of the circuit; by how much each phase is above its limit.
    LimitExceeded { circuit: usize, excess: PerPhase<MilliAmps> },
    MeterSilent { circuit: usize },
    StationSilent { evse: usize },
    NotFollowing { evse: usize },
}

/// Decides every setpoint of one cycle into `decision`, whose buffers are used again.
pub fn step(snapshot: &Snapshot, memory: &mut Memory, _now: Now, decision: &mut Decision) {
    decision.findings.clear();
    decision.headroom.clear();
    decision.headroom.extend(snapshot.circuits.iter().map(|_| None));
    decision.verdicts.clear();
    decision.verdicts.extend(snapshot.evses.iter().map(|evse| {
        let told = memory.hold(&evse.id);
        Verdict { granted: told, told, phases: None, cause: Cause::StartingUp }
    }));
}
