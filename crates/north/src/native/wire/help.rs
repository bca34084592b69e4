//! What would let an EVSE charge.

use model::limit::LimitSource;
use model::phases::Phase;
use model::question::{Change, Help};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::evse::ChargeMode;

/// Each alone would give the EVSE more than it gets; empty: nothing that was tried helps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HelpList {
    pub items: Vec<HelpView>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HelpView {
    pub change: HelpChange,
    /// What it would be given then.
    pub granted_ma: i64,
    /// The change in plain English.
    pub text: String,
}

/// What would have to be different.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HelpChange {
    /// So much more at a circuit: on one phase, or without one on each.
    MoreRoom {
        circuit: String,
        #[schema(required = true)]
        phase: Option<HelpPhase>,
        by_ma: i64,
    },
    /// So much more between the phases of a circuit.
    MoreSkew {
        circuit: String,
        by_ma: i64,
    },
    /// So much more of the sun on each phase.
    MoreSun {
        by_ma: i64,
    },
    /// So much more on each phase in this quarter-hour.
    MorePeak {
        by_ma: i64,
    },
    /// So much more on each phase while the grid operator dims the site.
    MoreOfGridOperator {
        by_ma: i64,
    },
    /// Before all others.
    ServedFirst,
    /// Another car leaves.
    Without {
        evse: String,
    },
    Mode {
        mode: ChargeMode,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum HelpPhase {
    L1,
    L2,
    L3,
}

impl HelpView {
    /// `None` where this API has no word for the place of the limit.
    #[must_use]
    pub fn of(help: &Help) -> Option<Self> {
        Some(Self {
            change: HelpChange::of(&help.change)?,
            granted_ma: help.granted.or_zero().0,
            text: help.change.text(),
        })
    }
}

impl HelpChange {
    fn of(change: &Change) -> Option<Self> {
        Some(match change {
            Change::MoreRoom { at, by } => match at {
                LimitSource::Circuit { circuit, phase } => Self::MoreRoom {
                    circuit: circuit.to_string(),
                    phase: phase.map(|phase| match phase {
                        Phase::L1 => HelpPhase::L1,
                        Phase::L2 => HelpPhase::L2,
                        Phase::L3 => HelpPhase::L3,
                    }),
                    by_ma: by.0,
                },
                LimitSource::Skew { circuit, .. } => Self::MoreSkew {
                    circuit: circuit.to_string(),
                    by_ma: by.0,
                },
                LimitSource::Surplus => Self::MoreSun { by_ma: by.0 },
                LimitSource::Peak { .. } => Self::MorePeak { by_ma: by.0 },
                LimitSource::GridOperator { .. } => Self::MoreOfGridOperator { by_ma: by.0 },
                // Nobody makes more room there.
                LimitSource::Hardware
                | LimitSource::Wish
                | LimitSource::Temporary
                | LimitSource::Vehicle
                | LimitSource::FailSafe
                | LimitSource::Ramp
                | LimitSource::Overload { .. }
                | LimitSource::Rule { .. } => return None,
            },
            Change::ServedFirst => Self::ServedFirst,
            Change::Without { holder } => Self::Without {
                evse: holder.to_string(),
            },
            Change::Mode { mode } => Self::Mode { mode: (*mode).into() },
        })
    }
}
