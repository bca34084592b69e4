//! What is dangerous: rules over samples, and what they raise.

use model::oversight::RiskLevel;
use model::time::Timestamp;

/// What a rule would have raised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fired {
    pub rule: String,
    pub level: RiskLevel,
    pub reason: String,
    /// The time of the sample that fired it, and of the one that no longer did.
    pub raised: Timestamp,
    pub cleared: Option<Timestamp>,
}

/// Rules that warn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {}
