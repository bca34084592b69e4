//! What an authority asks of its operators.

use model::time::Millis;

/// Times and limits that reports are judged by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Whose days reports are made of; an (IANA) name.
    pub time_zone: String,
    /// A port without a sample is stale, then offline.
    pub stale_after: Millis,
    pub offline_after: Millis,
    /// Older samples fail, and those that much ahead of our time.
    pub oldest_sample: Millis,
    pub most_ahead: Millis,
    /// A warning that nobody acknowledges is raised by a level.
    pub escalate_after: Millis,
    /// How long samples are kept, and what could name a person in records.
    pub keep_samples: Millis,
    pub keep_persons: Millis,
}
