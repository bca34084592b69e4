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

/// A value of a sheet that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What it is called in our own API.
    pub place: &'static str,
    pub came: String,
    pub expected: String,
}

/// Longest text, in characters.
const TEXT: usize = 64;
/// A TWh, a TW, a price of a million: beyond it a number is a slip of the pen.
const MOST: i64 = 1_000_000_000_000;

impl PlantSheet {
    /// What nobody may put into a sheet, through whatever door.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = self.of_texts();
        problems.extend(self.of_numbers());
        problems
    }

    fn of_texts(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut problem = |place: &'static str, came: String, expected: &str| {
            let expected = expected.to_owned();
            problems.push(Problem {
                place,
                came,
                expected,
            });
        };
        let Sheet {
            address, currency, ..
        } = &self.sheet;
        for (place, text) in [
            ("name", self.name.as_deref().unwrap_or_default()),
            ("address.country", &address.country),
            ("address.province", &address.province),
            ("address.city", &address.city),
            ("address.county", &address.county),
            ("address.town", &address.town),
            ("address.village", &address.village),
            ("address.street", &address.street),
            ("currency.symbol", &currency.symbol),
            ("currency.code", &currency.code),
            ("design_company", &self.sheet.design_company),
            ("picture", &self.sheet.picture),
            ("thumbnail", &self.sheet.thumbnail),
        ] {
            let length = text.chars().count();
            if length > TEXT || text.chars().any(char::is_control) {
                let came = format!("{length} characters long");
                problem(place, came, "at most 64 characters on one line");
            }
        }
        if self.name.as_deref().is_some_and(|name| name.trim().is_empty()) {
            problem("name", "empty".to_owned(), "a name, or no name at all");
        }
        let code = currency.code.as_str();
        if !code.is_empty() && code.parse::<crate::money::Currency>().is_err() {
            let expected = "three capital letters of ISO 4217, for example EUR, or nothing";
            problem("currency.code", format!("`{code}`"), expected);
        }
        problems
    }

    fn of_numbers(&self) -> Vec<Problem> {
        let sheet = &self.sheet;
        let (latitude, longitude) = match &self.position {
            Some(position) => (position.latitude_udeg, position.longitude_udeg),
            None => (0, 0),
        };
        let installed = sheet.installed.map_or(0, |at| at.0);
        let nominal = sheet.nominal.map_or(0, |power| power.0);
        let prices = &sheet.prices;
        let numbers = [
            ("position.latitude_udeg", latitude, -90_000_000, 90_000_000),
            ("position.longitude_udeg", longitude, -180_000_000, 180_000_000),
            ("installed_ms", installed, -MOST, 4_102_444_800_000),
            ("nominal_w", nominal, 0, 1_000_000_000),
            ("year_estimate_wh", sheet.year_estimate.0, 0, MOST),
            ("offset_wh", sheet.offset.0, -MOST, MOST),
            ("coal_g_per_kwh", sheet.coal, 0, 1_000_000),
            ("co2_g_per_kwh", sheet.co2, 0, 1_000_000),
            ("so2_g_per_kwh", sheet.so2, 0, 1_000_000),
            ("prices.unit_micros", prices.unit.0, -MOST, MOST),
            ("prices.sold_micros", prices.sold.0, -MOST, MOST),
            ("prices.own_use_micros", prices.own_use.0, -MOST, MOST),
            ("prices.bought_micros", prices.bought.0, -MOST, MOST),
            ("prices.consumed_micros", prices.consumed.0, -MOST, MOST),
            ("prices.fed_in_micros", prices.fed_in.0, -MOST, MOST),
        ];
        let is_wrong = |(_, value, least, most): &(_, i64, i64, i64)| !(*least..=*most).contains(value);
        let wrong = numbers.into_iter().filter(is_wrong);
        wrong
            .map(|(place, value, least, most)| Problem {
                place,
                came: value.to_string(),
                expected: format!("{least} to {most}"),
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_no_sense_in_a_sheet_is_named() {
        fn check(place: &str, edit: impl Fn(&mut PlantSheet)) {
            let mut plant = PlantSheet::new(SiteId::new("home").unwrap(), Timestamp(7));
            edit(&mut plant);
            let problems = plant.problems();
            let places: Vec<&str> = problems.iter().map(|problem| problem.place).collect();
            assert_eq!(places.join(" "), place, "{problems:?}");
        }
        check("", |_| {});
        check("", |plant| {
            plant.name = Some("Home 太阳".to_owned());
            plant.sheet.currency.code = "EUR".to_owned();
            plant.sheet.offset = WattHours(-1);
            plant.sheet.prices.sold = PerKwh(-1);
        });
        check("name", |plant| plant.name = Some(" ".to_owned()));
        check("address.city", |plant| plant.sheet.address.city = "a".repeat(65));
        check("picture", |plant| plant.sheet.picture = "a\nb".to_owned());
        check("currency.code", |plant| {
            plant.sheet.currency.code = "eur".to_owned()
        });
        check("position.latitude_udeg", |plant| {
            plant.position = Some(Position {
                latitude_udeg: 90_000_001,
                longitude_udeg: -180_000_000,
            });
        });
        check("nominal_w", |plant| plant.sheet.nominal = Some(Watts(-1)));
        check("installed_ms coal_g_per_kwh prices.unit_micros", |plant| {
            plant.sheet.installed = Some(Timestamp(4_102_444_800_001));
            plant.sheet.coal = 1_000_001;
            plant.sheet.prices.unit = PerKwh(1_000_000_000_001);
        });
    }

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
