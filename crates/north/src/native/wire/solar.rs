//! What the sun brings to a site.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::solar::Worth;

/// Production of a site, what it was worth, and what a cloudless sky would have brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SolarView {
    /// The zone that days are of, `Europe/Vienna`.
    pub time_zone: String,
    pub at_ms: i64,
    /// Peak power of all panels; null unless every inverter says what hangs on it.
    #[schema(required = true)]
    pub peak_w: Option<i64>,
    pub today: SolarPeriod,
    pub month: SolarPeriod,
    pub year: SolarPeriod,
    /// Produced: what the lifetime counters say, and what the plant sheet adds to them. All else: since the ledger
    /// began.
    pub total: SolarPeriod,
    pub co2_g_per_kwh: i64,
    /// Inverters that are in use, in the order of the configuration.
    pub devices: Vec<SolarDevice>,
    /// Null when position or panels are missing.
    #[schema(required = true)]
    pub expected: Option<SolarExpected>,
    /// What has to be said of the site to know what to expect.
    pub lacks: Vec<SolarLack>,
}

/// A day, month or year until now, or all that is known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SolarPeriod {
    pub produced_wh: i64,
    /// Specific yield; null while the peak power is.
    #[schema(required = true)]
    pub wh_per_kwp: Option<i64>,
    /// CO2 that was saved, by the factor of the plant sheet.
    pub co2_g: i64,
    /// As the ledger has it: it knows of no day before the first start.
    pub booked_wh: i64,
    /// What of it left the site.
    pub fed_in_wh: i64,
    /// What of it had no price.
    pub unpriced_wh: i64,
    /// By currency.
    pub money: Vec<SolarMoney>,
}

/// In millionths of the currency, with VAT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SolarMoney {
    /// ISO 4217.
    pub currency: String,
    /// What would have been paid for what was not fed in, quarter-hour by quarter-hour.
    pub saved_micros: i64,
    /// What was paid for what was fed in.
    pub earned_micros: i64,
}

/// An inverter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SolarDevice {
    pub device: String,
    pub name: String,
    /// Null when nobody has said.
    #[schema(required = true)]
    pub peak_w: Option<i64>,
    #[schema(required = true)]
    pub rated_w: Option<i64>,
    pub today_wh: i64,
    pub month_wh: i64,
    pub year_wh: i64,
    pub total_wh: i64,
    /// It has no counter: summed up from the power, and no total from before the first start.
    pub estimated: bool,
}

/// What inverters with panels would bring today under a cloudless sky.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SolarExpected {
    /// Of which inverters.
    pub devices: Vec<String>,
    /// The local midnight that begins today.
    pub from_ms: i64,
    pub step_ms: i64,
    /// The power in the middle of each step until the next midnight; positive.
    pub power_w: Vec<i64>,
    pub day_wh: i64,
    pub so_far_wh: i64,
    /// What these inverters brought so far.
    pub produced_wh: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SolarLack {
    /// Where the site is.
    Position,
    /// Which panels hang on some inverter.
    Panels,
}

impl SolarPeriod {
    #[must_use]
    pub fn of(produced_wh: i64, worth: &Worth, peak_w: Option<i64>, co2_g_per_kwh: i64) -> Self {
        let money = worth.money.iter().map(|(currency, money)| SolarMoney {
            currency: currency.to_string(),
            saved_micros: money.saved.0,
            earned_micros: money.earned.0,
        });
        Self {
            produced_wh,
            wh_per_kwp: peak_w
                .filter(|peak| *peak > 0)
                .map(|peak| produced_wh.saturating_mul(1_000) / peak),
            co2_g: produced_wh.saturating_mul(co2_g_per_kwh) / 1_000,
            booked_wh: worth.produced.0,
            fed_in_wh: worth.fed_in.0,
            unpriced_wh: worth.unpriced.0,
            money: money.collect(),
        }
    }
}
