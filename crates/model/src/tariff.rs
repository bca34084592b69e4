//! Prices over time, effective-dated: a new contract never rewrites old costs.
//!
//! Days, hours and weekdays are those of the site's clock. [`Contract::price_at`] answers for an instant,
//! [`PriceBook`] for a site with all its tariffs, and [`problems`] says what is wrong with them, all at once.

mod book;
mod check;
mod price;
#[cfg(test)]
mod tests;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::id::{SiteId, TariffId};
use crate::money::{Currency, Micros, PerKwh};
use crate::noun::noun;
use crate::units::PerMille;

pub use book::{PriceBook, PriceSlot, Priced, Span, Unpriced};
pub use check::{Named, Problem, named_problems, problems};

/// The kind under which new prices of a provider are announced.
pub const PRICES: &str = "prices";

/// What energy costs, from one day to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tariff {
    pub id: TariffId,
    pub name: String,
    pub direction: Direction,
    /// The site whose default tariff this is; `None`: it counts only for users and cards that name it.
    pub site: Option<SiteId>,
    pub contracts: Vec<Contract>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// What is paid for energy taken.
    Import,
    /// What is earned for energy fed in.
    Export,
}

/// One contract of a tariff. Contracts of a tariff do not overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    pub name: String,
    /// First local day.
    pub from: Date,
    /// Last local day, included; `None`: until the next one.
    pub until: Option<Date>,
    pub currency: Currency,
    /// Prices below are without it.
    pub vat: PerMille,
    pub monthly_fee: Micros,
    pub prices: Prices,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Prices {
    Fixed {
        price: PerKwh,
    },
    /// The first band that fits counts, `otherwise` when none does.
    TimeOfUse {
        bands: Vec<Band>,
        otherwise: PerKwh,
    },
    /// Hourly or quarter-hourly prices of a provider, times a factor plus a surcharge.
    Dynamic {
        provider: String,
        factor: PerMille,
        surcharge: PerKwh,
        /// Where the provider has no price.
        fallback: PerKwh,
    },
}

/// A span of the local day on some days of the week. One that goes past midnight belongs to the day, and the
/// month, in which it starts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Band {
    /// 1 Monday to 7 Sunday; empty: every day.
    pub weekdays: Vec<u8>,
    /// 1 to 12; empty: all year.
    pub months: Vec<u8>,
    /// Minutes since local midnight, included.
    pub from_minute: u16,
    /// Not included; not after `from_minute` means past midnight.
    pub to_minute: u16,
    pub price: PerKwh,
}

noun!(Tariff, "tariff");
