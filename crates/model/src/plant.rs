//! What people say about the plant of a site: what nobody measures.

use serde::{Deserialize, Serialize};

use crate::id::SiteId;
use crate::money::PerKwh;
use crate::noun::Noun;
use crate::site::Position;
use crate::time::Timestamp;
use crate::units::{WattHours, Watts};

/// What is kept of a plant beside what the configuration says of its site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlantSheet {
    pub site: SiteId,
    /// When the site was first shown as a plant.
    pub created: Timestamp,
    /// In place of the name of the site.
    #[serde(default)]
    pub name: Option<String>,
    /// In place of where the site is.
    #[serde(default)]
    pub position: Option<Position>,
    #[serde(default)]
    pub sheet: Sheet,
}

impl Noun for PlantSheet {
    const KIND: &'static str = "plant-sheet";

    fn id(&self) -> &str {
        self.site.as_str()
    }
}

impl PlantSheet {
    /// Of a plant that nobody has said anything about.
    #[must_use]
    pub fn new(site: SiteId, created: Timestamp) -> Self {
        Self {
            site,
            created,
            name: None,
            position: None,
            sheet: Sheet::default(),
        }
    }
}

/// What nobody measures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sheet {
    pub address: Address,
    pub installed: Option<Timestamp>,
    /// What was planned; without it what the inverters can.
    pub nominal: Option<Watts>,
    pub year_estimate: WattHours,
    /// Added to the lifetime counters: what was produced before they began.
    pub offset: WattHours,
    /// Grams saved per kWh.
    pub coal: i64,
    pub co2: i64,
    pub so2: i64,
    pub prices: Prices,
    pub currency: Currency,
    pub design_company: String,
    pub picture: String,
    pub thumbnail: String,
}

impl Default for Sheet {
    fn default() -> Self {
        Self {
            address: Address::default(),
            installed: None,
            nominal: None,
            year_estimate: WattHours::ZERO,
            offset: WattHours::ZERO,
            coal: 400,
            co2: 990,
            so2: 30,
            prices: Prices::default(),
            currency: Currency::default(),
            design_company: String::new(),
            picture: String::new(),
            thumbnail: String::new(),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Address {
    pub country: String,
    pub province: String,
    pub city: String,
    pub county: String,
    pub town: String,
    pub village: String,
    pub street: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prices {
    /// What a produced kWh is worth.
    pub unit: PerKwh,
    pub sold: PerKwh,
    pub own_use: PerKwh,
    pub bought: PerKwh,
    pub consumed: PerKwh,
    pub fed_in: PerKwh,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Currency {
    pub symbol: String,
    /// Three letters.
    pub code: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sheet_is_stored_and_read_back_and_what_is_not_said_has_its_default() {
        let mut plant = PlantSheet::new(SiteId::new("home").unwrap(), Timestamp(7));
        plant.name = Some("Home 太阳".to_owned());
        plant.position = Some(Position {
            latitude_udeg: 48_210_000,
            longitude_udeg: -16_370_000,
        });
        plant.sheet.prices.sold = PerKwh(82_000);
        plant.sheet.installed = Some(Timestamp(-1));
        let stored = serde_json::to_string(&plant).unwrap();
        assert_eq!(serde_json::from_str::<PlantSheet>(&stored).unwrap(), plant);
        let bare: PlantSheet = serde_json::from_str(r#"{"site":"home","created":7}"#).unwrap();
        assert_eq!(bare, PlantSheet::new(SiteId::new("home").unwrap(), Timestamp(7)));
        assert_eq!((bare.sheet.coal, bare.sheet.co2, bare.sheet.so2), (400, 990, 30));
    }
}
