//! What the store takes and keeps.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How much is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StorageView {
    /// Configuration, sessions, logs.
    pub records_bytes: u64,
    /// Readings.
    pub history_bytes: u64,
    /// The oldest reading there is something of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub oldest_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub newest_ms: Option<i64>,
    /// How many series there are.
    pub series: usize,
    pub retention: RetentionView,
    /// The nightly backups that are kept, the newest first.
    pub backups: Vec<BackupView>,
}

/// A file in the directory of nightly backups.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupView {
    pub name: String,
    pub bytes: u64,
    pub made_ms: i64,
}

/// How long readings are kept, and how finely; quarter-hours and days stay for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RetentionView {
    /// Every reading.
    pub raw_days: u32,
    /// A row a minute in their place, counted from the reading; at least `raw_days`.
    pub minute_days: u32,
    /// Who says so. In a request it is not looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub source: Option<RetentionSource>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetentionSource {
    /// The configuration file; it cannot be changed here.
    File,
    /// What was set here, or the default.
    Store,
}
