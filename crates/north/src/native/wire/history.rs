//! Answers of the history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of several series over one span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryAnswer {
    pub from_ms: i64,
    pub to_ms: i64,
    /// 0: every stored reading.
    pub step_s: u32,
    /// In the order asked for.
    pub series: Vec<HistorySeries>,
}

/// One quantity of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistorySeries {
    /// `device:<id>`, `evse:<id>` or `site:<id>`.
    pub subject: String,
    pub quantity: String,
    /// `W`, `mA`, `mV`, `mHz`, `Wh`, `‰`, or empty for a pilot state.
    pub unit: String,
    /// Each row: time in ms since 1970, mean, minimum, maximum, last. Empty when there is no data.
    pub rows: Vec<[i64; 5]>,
}
