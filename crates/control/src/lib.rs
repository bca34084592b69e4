//! Readings and wishes in, setpoints and reasons out.
//!
//! [`step`] decides every setpoint of a site: admit, fill, hand back, commit. It is pure: no clock, no IO,
//! no randomness, no floating point; it never fails and never logs. Odd input gives a safe decision and a
//! [`Finding`].

mod allocate;
mod commit;
mod demand;
pub mod dimming;
mod envelope;
mod explain;
mod failsafe;
mod feed_in;
mod findings;
mod follow;
mod habits;
mod headroom;
mod hysteresis;
mod lane;
mod learned;
mod memory;
mod overload;
mod recent;
pub mod rules;
pub mod snapshot;
mod surplus;
mod switching;
mod tree;
mod what_if;
mod why;

use model::phases::{PerPhase, Phases};
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::time::{Monotonic, Now};
use model::units::{MilliAmps, Watts};

pub use crate::envelope::Dimmed;
use crate::explain::Picture;
use crate::failsafe::Watch;
use crate::headroom::Rows;
use crate::lane::Lane;
use crate::memory::EvseMemory;
pub use crate::memory::{Lasting, Memory};
use crate::snapshot::Snapshot;
use crate::tree::Tree;
pub use crate::what_if::what_would_help;
pub use crate::why::{Binding, Unlock, Why};

/// What one cycle decides. Reused from cycle to cycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// In the order of `Snapshot::evses`.
    pub verdicts: Vec<Verdict>,
    /// The limits that keep EVSEs where they are.
    pub bindings: Vec<Binding>,
    /// Room left for EVSEs at each circuit after what they draw now, in the order of
    /// `Snapshot::circuits`; `None` under a silent meter.
    pub headroom: Vec<Option<PerPhase<MilliAmps>>>,
    pub findings: Vec<Finding>,
    /// What inverters may produce together; `None`: as much as they can.
    pub production: Option<Watts>,
    /// What an order of the grid operator came to.
    pub dimmed: Option<Dimmed>,
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
    pub why: Why,
}

/// Something odd in the input that somebody should know of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finding {
    /// Index of the circuit; by how much each phase is above its limit.
    LimitExceeded {
        circuit: usize,
        excess: PerPhase<MilliAmps>,
    },
    MeterSilent {
        circuit: usize,
    },
    StationSilent {
        evse: usize,
    },
    NotFollowing {
        evse: usize,
    },
}

/// Buffers that are kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scratch {
    tree: Tree,
    watch: Vec<Watch>,
    lanes: Vec<Lane>,
    order: Vec<usize>,
    turns: demand::Turns,
    rows: Rows,
    room: Vec<i64>,
    load: Vec<i64>,
    allocate: allocate::Buffers,
    holders: explain::Holders,
}

/// Decides every setpoint of one cycle into `decision`, whose buffers are used again.
pub fn step(snapshot: &Snapshot, memory: &mut Memory, now: Now, decision: &mut Decision) {
    memory.begin(snapshot, now);
    let mut scratch = std::mem::take(&mut memory.scratch);
    let s = &mut scratch;
    s.tree.build(snapshot);
    failsafe::watch(snapshot, &s.tree, memory, now.monotonic, &mut s.watch);
    demand::lanes(snapshot, &s.tree, &s.watch, memory, now, &mut s.lanes);
    overload::hold_back(snapshot, &s.tree, memory, now.monotonic, &mut s.lanes);
    demand::release_disabled(snapshot, &mut s.lanes);
    demand::order(
        snapshot,
        &mut s.lanes,
        &memory.evses,
        now.monotonic,
        &mut s.turns,
        &mut s.order,
    );
    headroom::rows(
        snapshot,
        &s.tree,
        &s.watch,
        &s.lanes,
        memory,
        now.monotonic,
        &mut s.rows,
    );
    s.room.clone_from(&s.rows.give);
    allocate::allocate(
        &s.tree,
        &mut s.lanes,
        &mut memory.evses,
        &s.order,
        rules(snapshot, s.rows.aside, now),
        &mut s.room,
        &mut s.allocate,
    );
    switching::decide(
        snapshot,
        &s.tree,
        &mut s.lanes,
        &mut memory.evses,
        &s.room,
        now.monotonic,
    );
    commit::commit(
        &s.tree,
        &mut s.lanes,
        &mut memory.evses,
        &s.order,
        &s.rows,
        now.monotonic,
        &mut s.load,
    );
    if !snapshot.settings.observe {
        commit::remember(&s.lanes, &mut memory.evses, now);
    }
    decision.production = feed_in::production(snapshot, &mut memory.production, now.monotonic);
    decision.dimmed = envelope::dimmed(snapshot, &s.lanes);
    report(
        snapshot,
        s,
        &memory.evses,
        memory.started.unwrap_or(now.monotonic),
        snapshot.peak.as_ref().map(|peak| memory.peak.target(peak)),
        now,
        decision,
    );
    memory.scratch = scratch;
}

/// Stages 1 to 3 of the last cycle once more, without what comes before and after them: what a benchmark of
/// the allocation measures.
#[doc(hidden)]
pub fn allocate_again(snapshot: &Snapshot, memory: &mut Memory, now: Now) {
    let s = &mut memory.scratch;
    for lane in &mut s.lanes {
        lane.granted = 0;
        lane.outcome = lane::Outcome::Untouched;
    }
    s.room.clone_from(&s.rows.give);
    allocate::allocate(
        &s.tree,
        &mut s.lanes,
        &mut memory.evses,
        &s.order,
        rules(snapshot, s.rows.aside, now),
        &mut s.room,
        &mut s.allocate,
    );
}

fn rules(snapshot: &Snapshot, battery_aside: i64, now: Now) -> allocate::Rules<'_> {
    allocate::Rules {
        settings: &snapshot.settings,
        policy: snapshot.sharing.policy,
        phases_margin: switching::margin(snapshot),
        battery_aside,
        now: now.monotonic,
    }
}

fn report(
    snapshot: &Snapshot,
    s: &mut Scratch,
    memories: &[EvseMemory],
    started: Monotonic,
    peak: Option<Watts>,
    now: Now,
    decision: &mut Decision,
) {
    let picture = Picture {
        snapshot,
        tree: &s.tree,
        rows: &s.rows,
        room: &s.room,
        lanes: &s.lanes,
        watch: &s.watch,
        voltage: surplus::voltage(snapshot.voltage),
        memories,
        quantum: demand::quantum(snapshot),
        peak,
        now,
    };
    s.holders.begin(decision);
    let Decision {
        verdicts, bindings, ..
    } = decision;
    verdicts.extend(s.lanes.iter().enumerate().map(|(index, lane)| {
        let cause = picture.cause(index, &mut s.holders);
        Verdict {
            granted: ChargeCurrent::at_most(MilliAmps(lane.granted)),
            told: ChargeCurrent::at_most(MilliAmps(lane.told)),
            phases: lane.phases,
            why: picture.why(index, &cause, &mut s.holders, bindings),
            cause,
        }
    }));
    findings::headroom(snapshot, &s.tree, &s.watch, &mut decision.headroom);
    findings::findings(
        snapshot,
        &s.tree,
        &s.lanes,
        started,
        now.monotonic,
        &mut decision.findings,
    );
}

/// A current as a number that sums of a million of them cannot overflow.
fn sane(current: MilliAmps) -> i64 {
    current.0.clamp(-SANE, SANE)
}

const SANE: i64 = 100_000_000;
