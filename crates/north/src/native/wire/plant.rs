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

/// Longest text, in characters.
const TEXT: usize = 64;
/// A TWh, a TW, a price of a million: beyond it a number is a slip of the pen.
const MOST: i64 = 1_000_000_000_000;

impl PlantSheet {
    /// In place of what was said before.
    ///
    /// # Errors
    /// Names the first member that makes no sense.
    pub fn over(self, kept: m::PlantSheet) -> Result<m::PlantSheet, ApiError> {
        self.check()?;
        let Self {
            address,
            prices,
            currency,
            ..
        } = self;
        let price = PerKwh;
        Ok(m::PlantSheet {
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
        })
    }

    fn check(&self) -> Result<(), ApiError> {
        let address = &self.address;
        for (place, text) in [
            ("name", self.name.as_deref().unwrap_or_default()),
            ("address.country", &address.country),
            ("address.province", &address.province),
            ("address.city", &address.city),
            ("address.county", &address.county),
            ("address.town", &address.town),
            ("address.village", &address.village),
            ("address.street", &address.street),
            ("currency.symbol", &self.currency.symbol),
            ("currency.code", &self.currency.code),
            ("design_company", &self.design_company),
            ("picture", &self.picture),
            ("thumbnail", &self.thumbnail),
        ] {
            if text.chars().count() > TEXT || text.chars().any(char::is_control) {
                let given = format!("{} characters long", text.chars().count());
                return Err(ApiError::invalid(
                    place,
                    given,
                    "at most 64 characters on one line",
                ));
            }
        }
        if self.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
            return Err(ApiError::invalid("name", "empty", "a name, or no name at all"));
        }
        let code = self.currency.code.as_str();
        if !code.is_empty() && code.parse::<model::money::Currency>().is_err() {
            let expected = "three capital letters of ISO 4217, for example EUR, or nothing";
            return Err(ApiError::invalid("currency.code", format!("`{code}`"), expected));
        }
        let (latitude, longitude) = match &self.position {
            Some(position) => (position.latitude_udeg, position.longitude_udeg),
            None => (0, 0),
        };
        let prices = &self.prices;
        for (place, value, least, most) in [
            ("position.latitude_udeg", latitude, -90_000_000, 90_000_000),
            ("position.longitude_udeg", longitude, -180_000_000, 180_000_000),
            (
                "installed_ms",
                self.installed_ms.unwrap_or(0),
                -MOST,
                4_102_444_800_000,
            ),
            ("nominal_w", self.nominal_w.unwrap_or(0), 0, 1_000_000_000),
            ("year_estimate_wh", self.year_estimate_wh, 0, MOST),
            ("offset_wh", self.offset_wh, -MOST, MOST),
            ("coal_g_per_kwh", self.coal_g_per_kwh, 0, 1_000_000),
            ("co2_g_per_kwh", self.co2_g_per_kwh, 0, 1_000_000),
            ("so2_g_per_kwh", self.so2_g_per_kwh, 0, 1_000_000),
            ("prices.unit_micros", prices.unit_micros, -MOST, MOST),
            ("prices.sold_micros", prices.sold_micros, -MOST, MOST),
            ("prices.own_use_micros", prices.own_use_micros, -MOST, MOST),
            ("prices.bought_micros", prices.bought_micros, -MOST, MOST),
            ("prices.consumed_micros", prices.consumed_micros, -MOST, MOST),
            ("prices.fed_in_micros", prices.fed_in_micros, -MOST, MOST),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ApiError::invalid(place, value, format!("{least} to {most}")));
            }
        }
        Ok(())
    }
}
