//! Answers of the history.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Rows of several series over one span of time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistoryAnswer {
    pub from_ms: i64,
    pub to_ms: i64,
    /// 0: every stored reading, or columns.
    pub step_s: u32,
    /// Into how many columns the time was divided, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub columns: Option<u32>,
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
    /// Each row: time in ms since 1970, mean, minimum, maximum, last; of columns time, first, minimum, maximum,
    /// last. Where readings were thinned, what is left of them: minutes, then quarter-hours. Empty when there is
    /// no data.
    pub rows: Vec<[i64; 5]>,
}

/// What energies are given for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Hour,
    Day,
    Month,
    Year,
}

/// Energies of several series in the local time of a site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnergyAnswer {
    /// The zone that days are of, `Europe/Vienna`.
    pub time_zone: String,
    /// In the order asked for.
    pub items: Vec<EnergySeries>,
}

/// Energies of one series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnergySeries {
    /// As it was asked for.
    pub series: String,
    /// There is no counter: summed up from the power.
    pub estimated: bool,
    /// Every period in order, also those of which nothing is known.
    pub rows: Vec<EnergyRow>,
}

/// The energy of a period, which is cut to the days asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EnergyRow {
    pub start_ms: i64,
    /// Not included.
    pub end_ms: i64,
    pub energy_wh: i64,
    /// Readings reach over the whole period, without a long gap.
    pub complete: bool,
}

impl From<&store::EnergyRow> for EnergyRow {
    fn from(row: &store::EnergyRow) -> Self {
        Self {
            start_ms: row.period.start.0,
            end_ms: row.period.end.0,
            energy_wh: row.energy.watt_hours,
            complete: row.energy.is_complete,
        }
    }
}
