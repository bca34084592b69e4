//! What would let an EVSE charge, or charge with more: the same cycle again with one thing changed.
//!
//! Nothing is decided here. Snapshot and memory are copied, what waits only for time counts as if it had
//! passed, and each change is compared with the cycle that changes nothing else.

use model::device::{ChargeMode, Force};
use model::id::{CircuitId, EvseId};
use model::limit::LimitSource;
use model::phases::{PerPhase, Phase, PhaseSet};
use model::question::{Change, Help};
use model::reading::PilotState;
use model::setpoint::ChargeCurrent;
use model::time::Now;
use model::units::{MilliAmps, Watts};

use crate::snapshot::{Circuit, Snapshot};
use crate::{Decision, Memory, envelope, step, surplus};

/// What is tried at a limit first.
const ONE_AMP: i64 = 1_000;

/// Tries one change after the other for the EVSE of this index; returns those with which it is given more
/// than without.
#[must_use]
pub fn what_would_help(snapshot: &Snapshot, memory: &Memory, now: Now, evse: usize) -> Vec<Help> {
    if evse >= snapshot.evses.len() {
        return Vec::new();
    }
    let copy = Copy {
        snapshot,
        memory,
        now,
        evse,
    };
    let decision = copy.decide(snapshot);
    let granted = decision.verdicts[evse].granted;
    let mut helps = Vec::new();
    let mut attempt = |change: Change, changed: Snapshot| {
        let then = copy.decide(&changed).verdicts[evse].granted;
        let is_better = then.or_zero() > granted.or_zero();
        if is_better {
            helps.push(Help {
                change,
                granted: then,
            });
        }
        is_better
    };
    let why = decision.verdicts[evse].why;
    let binding = why.binding.and_then(|binding| decision.bindings.get(binding));
    if let Some(binding) = binding {
        let missing = (why.missing.0 + ONE_AMP - 1) / ONE_AMP * ONE_AMP;
        let amounts = [ONE_AMP, missing.max(ONE_AMP)];
        let places = [Some(binding.constraint.clone()), everywhere(&binding.constraint)];
        let _ = amounts.into_iter().any(|by| {
            places.iter().flatten().any(|at| {
                let by = MilliAmps(by);
                copy.with_room(at, by)
                    .is_some_and(|changed| attempt(Change::MoreRoom { at: at.clone(), by }, changed))
            })
        });
    }
    attempt(Change::ServedFirst, copy.served_first());
    for holder in binding.iter().flat_map(|binding| &binding.holders) {
        if let Some(changed) = copy.without(holder) {
            attempt(
                Change::Without {
                    holder: holder.clone(),
                },
                changed,
            );
        }
    }
    if snapshot.evses[evse].mode() != ChargeMode::Fast {
        let mut changed = snapshot.clone();
        changed.evses[evse].wish.mode = ChargeMode::Fast;
        changed.evses[evse].wish.force = Force::Neutral;
        let mode = ChargeMode::Fast;
        attempt(Change::Mode { mode }, changed);
    }
    helps
}

/// All phases of the circuit of a limit on one.
fn everywhere(at: &LimitSource) -> Option<LimitSource> {
    if let LimitSource::Circuit {
        circuit,
        phase: Some(_),
    } = at
    {
        let circuit = circuit.clone();
        return Some(LimitSource::Circuit { circuit, phase: None });
    }
    None
}

struct Copy<'a> {
    snapshot: &'a Snapshot,
    memory: &'a Memory,
    now: Now,
    evse: usize,
}

impl Copy<'_> {
    /// The cycle, as if what waits only for time had waited.
    fn decide(&self, snapshot: &Snapshot) -> Decision {
        let mut memory = self.memory.clone();
        let mut decision = Decision::default();
        if let Some(evse) = memory.evses.get_mut(self.evse) {
            evse.is_prompt = true;
            evse.soft_stop_at = None;
        }
        step(snapshot, &mut memory, self.now, &mut decision);
        decision
    }

    fn with_room(&self, at: &LimitSource, by: MilliAmps) -> Option<Snapshot> {
        let mut changed = self.snapshot.clone();
        let circuit = |changed: &mut Snapshot, id: &CircuitId| {
            changed.circuits.iter().position(|circuit| circuit.id == *id)
        };
        match at {
            LimitSource::Circuit { circuit: id, phase } => {
                let index = circuit(&mut changed, id)?;
                widen(&mut changed.circuits[index], *phase, by, self.snapshot);
            }
            LimitSource::Skew { circuit: id, .. } => {
                let index = circuit(&mut changed, id)?;
                let skew = &mut changed.circuits[index].skew_limit;
                *skew = skew.map(|skew| skew + by);
            }
            LimitSource::Peak { .. } => {
                let more = by.power(surplus::voltage(self.snapshot.voltage), 3);
                let peak = changed.peak.as_mut()?;
                peak.target += more;
            }
            LimitSource::GridOperator { .. } => {
                let more = by.power(surplus::voltage(self.snapshot.voltage), 3);
                let dimming = changed.dimming.as_mut()?;
                dimming.limit = Some(envelope::allowed(self.snapshot, dimming) + more);
            }
            LimitSource::Surplus => {
                let more = by.power(surplus::voltage(self.snapshot.voltage), 1);
                changed.sun.grid = Some(changed.sun.grid? - more);
            }
            LimitSource::Hardware
            | LimitSource::Wish
            | LimitSource::Temporary
            | LimitSource::Vehicle
            | LimitSource::FailSafe
            | LimitSource::Ramp
            | LimitSource::Overload { .. }
            | LimitSource::Rule { .. } => return None,
        }
        Some(changed)
    }

    fn served_first(&self) -> Snapshot {
        let mut changed = self.snapshot.clone();
        for circuit in &mut changed.circuits {
            circuit.class = None;
        }
        for (index, evse) in changed.evses.iter_mut().enumerate() {
            evse.class = if index == self.evse {
                0
            } else {
                evse.class.saturating_add(1)
            };
        }
        changed
    }

    /// The car of a holder has left, and with it what it drew.
    fn without(&self, holder: &EvseId) -> Option<Snapshot> {
        let mut changed = self.snapshot.clone();
        let index = changed.evses.iter().position(|evse| evse.id == *holder)?;
        let (circuit, groups) = (changed.evses[index].circuit, changed.evses[index].groups.clone());
        let drawn = changed.evses[index].drawn;
        let mut seen = Vec::new();
        for leaf in groups.into_iter().chain([circuit]) {
            let mut next = Some(leaf);
            while let Some(place) = next.filter(|place| !seen.contains(place)) {
                let Some(circuit) = changed.circuits.get_mut(place) else {
                    break;
                };
                seen.push(place);
                if let Some(meter) = &mut circuit.meter {
                    meter.current = meter.current.map(|current| current - drawn);
                }
                next = circuit.parent.filter(|parent| *parent < place);
            }
        }
        let power = drawn.total().power(surplus::voltage(changed.voltage), 1);
        changed.sun.grid = changed.sun.grid.map(|grid| grid - power);
        let evse = &mut changed.evses[index];
        evse.pilot = PilotState::A;
        evse.complete = false;
        evse.obeyed = Some(ChargeCurrent::PAUSED);
        evse.drawn = PerPhase::default();
        evse.phases_in_use = PhaseSet::NONE;
        evse.plugged_since = None;
        Some(changed)
    }
}

/// A circuit with more room on a phase; without one on all of them, and in sum.
fn widen(circuit: &mut Circuit, phase: Option<Phase>, by: MilliAmps, snapshot: &Snapshot) {
    match phase {
        Some(phase) => circuit.limit[phase] += by,
        None => {
            circuit.limit = circuit.limit.map(|limit| limit + by);
            let all = MilliAmps(3 * by.0);
            let power: Watts = all.power(surplus::voltage(snapshot.voltage), 1);
            circuit.power_limit = circuit.power_limit.map(|limit| limit + power);
            circuit.total_limit = circuit.total_limit.map(|limit| limit + all);
        }
    }
}
