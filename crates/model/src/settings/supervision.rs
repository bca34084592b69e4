//! How operators report to us.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// What an authority asks of its operators.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SupervisionSettings {
    /// Whether operators are answered at all.
    pub enabled: bool,
    /// Whether they are answered over plain http from other machines too, where something before us speaks TLS.
    #[serde(default)]
    pub plain_http: bool,
    /// Whose clocks operators write times by, and whose days reports are made of.
    pub time_zone: String,
    /// So far from our time a call may be.
    pub most_skew: Millis,
    /// How long a token is good after its last use, and after it was given.
    pub token_idle: Millis,
    pub token_longest: Millis,
    /// A port without a sample is stale, then offline.
    pub stale_after: Millis,
    pub offline_after: Millis,
    /// Older samples are refused, and those that much ahead of our time.
    pub oldest_sample: Millis,
    pub most_ahead: Millis,
    /// A warning that nobody acknowledges is raised by a level.
    pub escalate_after: Millis,
    /// Of costs in records.
    pub currency: String,
    /// How long samples are kept, and what could name a person in records.
    pub keep_samples: Millis,
    pub keep_persons: Millis,
    /// Rules that warn instead of those that come with the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<PathBuf>,
}

impl Default for SupervisionSettings {
    fn default() -> Self {
        const MINUTE: i64 = 60_000;
        const DAY: i64 = 24 * 60 * MINUTE;
        Self {
            enabled: false,
            plain_http: false,
            time_zone: "Asia/Shanghai".to_owned(),
            most_skew: Millis(5 * MINUTE),
            token_idle: Millis(DAY / 2),
            token_longest: Millis(7 * DAY),
            stale_after: Millis(15 * MINUTE),
            offline_after: Millis(30 * MINUTE),
            oldest_sample: Millis(DAY),
            most_ahead: Millis(5 * MINUTE),
            escalate_after: Millis(15 * MINUTE),
            currency: "CNY".to_owned(),
            keep_samples: Millis(90 * DAY),
            keep_persons: Millis(3 * 365 * DAY),
            rules: None,
        }
    }
}

impl super::Settings {
    /// Where the rules stand that warn of dangers, if not in the program.
    #[must_use]
    pub fn risk_rules(&self) -> Option<&Path> {
        self.supervision.rules.as_deref()
    }
}
