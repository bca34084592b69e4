//! What rules come to, laid over the snapshot before it is decided.

use model::device::Force;

use super::Outcome;
use crate::snapshot::Snapshot;

impl Outcome {
    /// Rules only lower: what an EVSE may have, what a circuit carries. Whoever has forced an EVSE on stands
    /// above the rules there; nobody stands above a circuit.
    pub fn apply(&self, snapshot: &mut Snapshot) {
        for (evse, rules) in snapshot.evses.iter_mut().zip(&self.evses) {
            if evse.wish.force == Force::On {
                continue;
            }
            evse.rule.clone_from(&rules.limit);
            evse.rule_mode = rules.mode;
            evse.wish.phases = rules.phases.or(evse.wish.phases);
            evse.class = rules.class.unwrap_or(evse.class);
        }
        for (id, limit) in &self.circuits {
            if let Some(circuit) = snapshot.circuits.iter_mut().find(|circuit| circuit.id == *id) {
                circuit.rule = Some(limit.clone());
            }
        }
    }
}
