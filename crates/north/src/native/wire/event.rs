//! What the event stream carries beside whole views.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{AlarmView, CircuitView, CycleView, DeviceView, EvseView, Flow, Overdraft};

/// What changed in a site: whole elements, replaced by their id. An absent member did not change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Patch {
    pub site: String,
    pub at_ms: i64,
    pub epoch: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub flow: Option<Flow>,
    pub circuits: Vec<CircuitView>,
    pub devices: Vec<DeviceView>,
    pub evses: Vec<EvseView>,
    /// All open alarms, when one was raised or cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub alarms: Option<Vec<AlarmView>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub overdraft: Option<Overdraft>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cycle: Option<CycleView>,
}

/// How far past history is made up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Backfill {
    /// 1000 is done.
    pub progress_permille: u16,
}
