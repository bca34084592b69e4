//! What people say about the plant of a site.

use model::money::PerKwh;
use model::plant as m;
use model::site::Position;
use model::time::Timestamp;
use model::units::{WattHours, Watts};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::native::error::ApiError;

/// What is kept of a plant beside what the configuration says of its site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlantView {
    pub sheet: PlantSheet,
    /// Where the configuration puts the site.
    #[schema(required = true)]
    pub site_position: Option<PlantPosition>,
}

/// All of it takes the place of what was said before. Texts have at most 64 characters and may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantSheet {
    /// In place of the name of the site, for ShineMonitor clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub name: Option<String>,
    /// In place of where the configuration puts the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub position: Option<PlantPosition>,
    pub address: PlantAddress,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub installed_ms: Option<i64>,
    /// What was planned; absent: what the inverters can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub nominal_w: Option<i64>,
    pub year_estimate_wh: i64,
    /// Added to the lifetime counters: what was produced before they began. Negative takes off.
    pub offset_wh: i64,
    /// Saved by a kWh.
    pub coal_g_per_kwh: i64,
    pub co2_g_per_kwh: i64,
    pub so2_g_per_kwh: i64,
    /// For ShineMonitor clients; costs follow the tariffs.
    pub prices: PlantPrices,
    /// As those clients show it.
    pub currency: PlantCurrency,
    pub design_company: String,
    /// Where a picture is.
    pub picture: String,
    pub thumbnail: String,
}

/// Millionths of a degree, north and east positive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantPosition {
    pub latitude_udeg: i64,
    pub longitude_udeg: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantAddress {
    pub country: String,
    pub province: String,
    pub city: String,
    pub county: String,
    pub town: String,
    pub village: String,
    pub street: String,
}

/// Of a kWh, in millionths of the currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantPrices {
    /// What a produced kWh is worth.
    pub unit_micros: i64,
    pub sold_micros: i64,
    pub own_use_micros: i64,
    pub bought_micros: i64,
    pub consumed_micros: i64,
    pub fed_in_micros: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PlantCurrency {
    pub symbol: String,
    /// ISO 4217, or nothing.
    pub code: String,
}

impl From<Position> for PlantPosition {
    fn from(position: Position) -> Self {
        Self {
            latitude_udeg: position.latitude_udeg,
            longitude_udeg: position.longitude_udeg,
        }
    }
}

impl From<&m::PlantSheet> for PlantSheet {
    fn from(kept: &m::PlantSheet) -> Self {
        let m::Sheet {
            address,
            prices,
            currency,
            ..
        } = kept.sheet.clone();
        Self {
            name: kept.name.clone(),
            position: kept.position.map(Into::into),
            address: PlantAddress {
                country: address.country,
                province: address.province,
                city: address.city,
                county: address.county,
                town: address.town,
                village: address.village,
                street: address.street,
            },
            installed_ms: kept.sheet.installed.map(|at| at.0),
            nominal_w: kept.sheet.nominal.map(|power| power.0),
            year_estimate_wh: kept.sheet.year_estimate.0,
            offset_wh: kept.sheet.offset.0,
            coal_g_per_kwh: kept.sheet.coal,
            co2_g_per_kwh: kept.sheet.co2,
            so2_g_per_kwh: kept.sheet.so2,
            prices: PlantPrices {
                unit_micros: prices.unit.0,
                sold_micros: prices.sold.0,
                own_use_micros: prices.own_use.0,
                bought_micros: prices.bought.0,
                consumed_micros: prices.consumed.0,
                fed_in_micros: prices.fed_in.0,
            },
            currency: PlantCurrency {
                symbol: currency.symbol,
                code: currency.code,
            },
            design_company: kept.sheet.design_company.clone(),
            picture: kept.sheet.picture.clone(),
            thumbnail: kept.sheet.thumbnail.clone(),
        }
    }
}

impl PlantSheet {
    /// In place of what was said before.
    ///
    /// # Errors
    /// Names the first member that makes no sense.
    pub fn over(self, kept: m::PlantSheet) -> Result<m::PlantSheet, ApiError> {
        let Self {
            address,
            prices,
            currency,
            ..
        } = self;
        let price = PerKwh;
        let sheet = m::PlantSheet {
            name: self.name,
            position: self.position.map(|position| Position {
                latitude_udeg: position.latitude_udeg,
                longitude_udeg: position.longitude_udeg,
            }),
            sheet: m::Sheet {
                address: m::Address {
                    country: address.country,
                    province: address.province,
                    city: address.city,
                    county: address.county,
                    town: address.town,
                    village: address.village,
                    street: address.street,
                },
                installed: self.installed_ms.map(Timestamp),
                nominal: self.nominal_w.map(Watts),
                year_estimate: WattHours(self.year_estimate_wh),
                offset: WattHours(self.offset_wh),
                coal: self.coal_g_per_kwh,
                co2: self.co2_g_per_kwh,
                so2: self.so2_g_per_kwh,
                prices: m::Prices {
                    unit: price(prices.unit_micros),
                    sold: price(prices.sold_micros),
                    own_use: price(prices.own_use_micros),
                    bought: price(prices.bought_micros),
                    consumed: price(prices.consumed_micros),
                    fed_in: price(prices.fed_in_micros),
                },
                currency: m::Currency {
                    symbol: currency.symbol,
                    code: currency.code,
                },
                design_company: self.design_company,
                picture: self.picture,
                thumbnail: self.thumbnail,
            },
            ..kept
        };
        match sheet.problems().into_iter().next() {
            Some(wrong) => Err(ApiError::invalid(wrong.place, wrong.came, wrong.expected)),
            None => Ok(sheet),
        }
    }
}
