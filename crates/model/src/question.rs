//! What can be asked of a site that only its engine knows. A question changes nothing and is not audited.

use serde::{Deserialize, Serialize};

use crate::device::ChargeMode;
use crate::id::EvseId;
use crate::limit::LimitSource;
use crate::setpoint::ChargeCurrent;
use crate::units::MilliAmps;

/// What somebody wants to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Question {
    /// What would let an EVSE charge, or charge with more.
    WhatHelps { evse: EvseId },
}

/// The answer to a [`Question`] of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum Finding {
    WhatHelps(Vec<Help>),
}

/// What helped, and what would be given then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Help {
    pub change: Change,
    pub granted: ChargeCurrent,
}

/// One thing that would have to be different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// So much more at the limit that binds. Where that is one phase and others of the same circuit bind as
    /// well, `phase` of the limit is `None` and all of them had it.
    MoreRoom { at: LimitSource, by: MilliAmps },
    /// Served before all others.
    ServedFirst,
    /// Somebody else leaves.
    Without { holder: EvseId },
    /// It does not wait for the sun.
    Mode { mode: ChargeMode },
}

impl Change {
    /// The change in plain English, as what would have to be so.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::MoreRoom { at, by } => match at {
                LimitSource::Circuit { circuit, phase } => match phase {
                    Some(phase) => format!("{} more on {circuit} {}", by.to_amps_text(), phase.name()),
                    None => format!("{} more on each phase of {circuit}", by.to_amps_text()),
                },
                LimitSource::Skew { circuit, .. } => {
                    format!("{} more between the phases of {circuit}", by.to_amps_text())
                }
                LimitSource::Surplus => format!("{} more from the sun", by.to_amps_text()),
                LimitSource::Peak { .. } => {
                    format!("{} more on each phase in this quarter-hour", by.to_amps_text())
                }
                LimitSource::GridOperator { .. } => {
                    format!("{} more on each phase from the grid operator", by.to_amps_text())
                }
                LimitSource::Hardware
                | LimitSource::Wish
                | LimitSource::Temporary
                | LimitSource::Vehicle
                | LimitSource::FailSafe
                | LimitSource::Ramp
                | LimitSource::Overload { .. }
                | LimitSource::Rule { .. } => format!("{} more", by.to_amps_text()),
            },
            Self::ServedFirst => "being served before all others".to_owned(),
            Self::Without { holder } => format!("{holder} leaving"),
            Self::Mode { .. } => "not waiting for the sun".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phases::Phase;

    #[test]
    fn changes_read_as_what_would_have_to_be_so() {
        let more = |at| Change::MoreRoom {
            at,
            by: MilliAmps(1_000),
        };
        let circuit = |phase| LimitSource::Circuit {
            circuit: "garage".parse().unwrap(),
            phase,
        };
        let evse = Change::Without {
            holder: "left".parse().unwrap(),
        };
        let told = [
            more(circuit(Some(Phase::L2))),
            more(circuit(None)),
            more(LimitSource::Surplus),
            evse,
        ]
        .map(|change| change.text());
        assert_eq!(
            told,
            [
                "1.0 A more on garage L2",
                "1.0 A more on each phase of garage",
                "1.0 A more from the sun",
                "left leaving"
            ]
        );
    }
}
