//! A ceiling with its source.
//!
//! A limit is never a naked number: the source travels with it to the page, so that "why seven amps?"
//! always has an answer.

use serde::{Deserialize, Serialize};

use crate::id::{CircuitId, RuleSetId};
use crate::phases::Phase;
use crate::time::Timestamp;
use crate::units::MilliAmps;

/// Who set a ceiling.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LimitSource {
    /// What the EVSE can do at most.
    Hardware,
    /// What somebody asked for, in the page or through a dialect.
    Wish,
    /// What somebody asked for, for some minutes.
    Temporary,
    /// The car draws less than it may.
    Vehicle,
    /// A phase of a circuit, or its power limit when no phase is named.
    Circuit {
        circuit: CircuitId,
        phase: Option<Phase>,
    },
    /// Phases of a circuit may lie apart by so much.
    Skew {
        circuit: CircuitId,
        phase: Option<Phase>,
    },
    /// What the sun leaves over.
    Surplus,
    /// What the site may take from the grid in the average of this quarter of an hour.
    Peak { ends: Timestamp },
    /// The grid operator has dimmed it (section 14a EnWG).
    GridOperator { until: Option<Timestamp> },
    /// A safe value because something upstream is silent.
    FailSafe,
    /// A limit was exceeded a moment ago: nothing rises below it yet.
    Overload {
        circuit: CircuitId,
        phase: Option<Phase>,
    },
    /// A rise takes time: at most 2 A/s.
    Ramp,
    /// A rule of the EVSE, of whoever charges there or of their card, by its place from 1; without
    /// one, no rule of the set holds.
    Rule { set: RuleSetId, rule: Option<u16> },
}

/// A value and who holds it there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limited {
    pub value: MilliAmps,
    pub by: LimitSource,
}

impl Limited {
    /// The lower of two ceilings, with its own source; the first wins a tie.
    #[must_use]
    pub fn lower(self, other: Self) -> Self {
        if other.value < self.value { other } else { self }
    }
}
