//! What somebody should look at.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, SiteId};
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmCode {
    DeviceOffline,
    MeterSilent,
    NotFollowing,
    LimitExceeded,
    StoreFailing,
}

/// Raised once and cleared once; the same code for the same device is one alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    pub site: SiteId,
    pub device: Option<DeviceId>,
    pub code: AlarmCode,
    pub severity: Severity,
    pub text: String,
    pub raised: Timestamp,
    pub cleared: Option<Timestamp>,
}
