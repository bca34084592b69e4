//! Dangers that the authority sees in what is reported.

use serde::{Deserialize, Serialize};

use super::{Code, OperatorCode, Sample};
use crate::alarm::Acknowledged;
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RiskLevel {
    Low,
    Medium,
    High,
}

/// A danger at one port. One per port and rule while it lasts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warning {
    /// Given by us: letters, digits and `-`.
    pub id: Code,
    pub operator: OperatorCode,
    pub port: Code,
    /// The name of the rule that fired.
    pub rule: String,
    pub level: RiskLevel,
    /// In plain words, with the values that did it.
    pub reason: String,
    pub raised: Timestamp,
    /// When the operator was told last.
    pub told: Option<Timestamp>,
    pub cleared: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
    /// It was not acknowledged in time, so its level was raised.
    #[serde(default)]
    pub escalated: bool,
    /// The samples that fired it, the oldest first.
    pub samples: Vec<Sample>,
}
