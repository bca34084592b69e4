//! Tariffs and prices.

use model::money::{Micros, PerKwh};
use model::units::PerMille;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Source, id, optional_id};
use crate::native::error::ApiError;

/// Ordered by id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TariffList {
    pub items: Vec<Tariff>,
}

/// What energy costs, from one day to another. Amounts are without VAT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    pub id: String,
    pub name: String,
    pub direction: Direction,
    /// The site whose default it is; absent: it counts only for users and cards that name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<String>,
    /// They do not overlap.
    pub contracts: Vec<Contract>,
    /// Where it can be changed. Ignored when sent.
    #[serde(default)]
    #[schema(required = false)]
    pub source: Source,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = TariffDirection)]
pub enum Direction {
    /// Paid for energy taken.
    Import,
    /// Earned for energy fed in.
    Export,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TariffContract)]
pub struct Contract {
    pub name: String,
    /// First local day, `2026-01-01`.
    pub from: String,
    /// Last local day, included; absent: until the next contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// ISO 4217.
    pub currency: String,
    pub vat_permille: i64,
    pub monthly_fee_micros: i64,
    pub prices: Prices,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
#[schema(as = TariffPrices)]
pub enum Prices {
    Fixed {
        price_micros_per_kwh: i64,
    },
    /// The first band that fits counts.
    TimeOfUse {
        bands: Vec<Band>,
        otherwise_micros_per_kwh: i64,
    },
    /// Prices of a provider of the config file, times a factor plus a surcharge.
    Dynamic {
        provider: String,
        factor_permille: i64,
        surcharge_micros_per_kwh: i64,
        /// Where the provider has no price.
        fallback_micros_per_kwh: i64,
    },
}

/// A span of the local day. One past midnight belongs to the day it starts on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TariffBand)]
pub struct Band {
    /// 1 Monday to 7 Sunday; empty: every day.
    pub weekdays: Vec<u8>,
    /// 1 to 12; empty: all year.
    pub months: Vec<u8>,
    /// Minutes since local midnight.
    pub from_minute: u16,
    /// Not included; not after `from_minute` means past midnight.
    pub to_minute: u16,
    pub price_micros_per_kwh: i64,
}

/// Prices with VAT in order of time; where no contract is in force there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceList {
    pub items: Vec<PriceSpan>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PriceSpan {
    pub start_ms: i64,
    /// Not included.
    pub end_ms: i64,
    pub price_micros_per_kwh: i64,
    pub currency: String,
    pub tariff: String,
    /// Whether the provider had no price, so that the contract's own counts.
    pub from_fallback: bool,
}

impl Tariff {
    #[must_use]
    pub fn of(tariff: &model::tariff::Tariff, source: Source) -> Self {
        Self {
            id: tariff.id.to_string(),
            name: tariff.name.clone(),
            direction: match tariff.direction {
                model::tariff::Direction::Import => Direction::Import,
                model::tariff::Direction::Export => Direction::Export,
            },
            site: tariff.site.as_ref().map(ToString::to_string),
            contracts: tariff.contracts.iter().map(Contract::of).collect(),
            source,
        }
    }

    /// What was sent, as far as it can be read; whether it makes sense is another question.
    pub fn read(self) -> Result<model::tariff::Tariff, ApiError> {
        Ok(model::tariff::Tariff {
            id: id("id", &self.id)?,
            name: self.name,
            direction: match self.direction {
                Direction::Import => model::tariff::Direction::Import,
                Direction::Export => model::tariff::Direction::Export,
            },
            site: optional_id("site", self.site.as_ref())?,
            contracts: self
                .contracts
                .into_iter()
                .map(Contract::read)
                .collect::<Result<_, _>>()?,
        })
    }
}

impl Contract {
    fn of(contract: &model::tariff::Contract) -> Self {
        Self {
            name: contract.name.clone(),
            from: contract.from.to_string(),
            until: contract.until.map(|day| day.to_string()),
            currency: contract.currency.to_string(),
            vat_permille: contract.vat.0,
            monthly_fee_micros: contract.monthly_fee.0,
            prices: Prices::of(&contract.prices),
        }
    }

    fn read(self) -> Result<model::tariff::Contract, ApiError> {
        let day = "a local day such as 2026-01-01";
        let until = self.until.map(|day_text| {
            day_text
                .parse()
                .map_err(|_| ApiError::invalid("until", &day_text, day))
        });
        Ok(model::tariff::Contract {
            from: self
                .from
                .parse()
                .map_err(|_| ApiError::invalid("from", &self.from, day))?,
            until: until.transpose()?,
            currency: self
                .currency
                .parse()
                .map_err(|_| ApiError::invalid("currency", &self.currency, "a code such as EUR"))?,
            name: self.name,
            vat: PerMille(self.vat_permille),
            monthly_fee: Micros(self.monthly_fee_micros),
            prices: self.prices.read(),
        })
    }
}

impl Prices {
    fn of(prices: &model::tariff::Prices) -> Self {
        match prices {
            model::tariff::Prices::Fixed { price } => Self::Fixed {
                price_micros_per_kwh: price.0,
            },
            model::tariff::Prices::TimeOfUse { bands, otherwise } => Self::TimeOfUse {
                bands: bands
                    .iter()
                    .map(|band| Band {
                        weekdays: band.weekdays.clone(),
                        months: band.months.clone(),
                        from_minute: band.from_minute,
                        to_minute: band.to_minute,
                        price_micros_per_kwh: band.price.0,
                    })
                    .collect(),
                otherwise_micros_per_kwh: otherwise.0,
            },
            model::tariff::Prices::Dynamic {
                provider,
                factor,
                surcharge,
                fallback,
            } => Self::Dynamic {
                provider: provider.clone(),
                factor_permille: factor.0,
                surcharge_micros_per_kwh: surcharge.0,
                fallback_micros_per_kwh: fallback.0,
            },
        }
    }

    fn read(self) -> model::tariff::Prices {
        match self {
            Self::Fixed { price_micros_per_kwh } => model::tariff::Prices::Fixed {
                price: PerKwh(price_micros_per_kwh),
            },
            Self::TimeOfUse {
                bands,
                otherwise_micros_per_kwh,
            } => model::tariff::Prices::TimeOfUse {
                bands: bands
                    .into_iter()
                    .map(|band| model::tariff::Band {
                        weekdays: band.weekdays,
                        months: band.months,
                        from_minute: band.from_minute,
                        to_minute: band.to_minute,
                        price: PerKwh(band.price_micros_per_kwh),
                    })
                    .collect(),
                otherwise: PerKwh(otherwise_micros_per_kwh),
            },
            Self::Dynamic {
                provider,
                factor_permille,
                surcharge_micros_per_kwh,
                fallback_micros_per_kwh,
            } => model::tariff::Prices::Dynamic {
                provider,
                factor: PerMille(factor_permille),
                surcharge: PerKwh(surcharge_micros_per_kwh),
                fallback: PerKwh(fallback_micros_per_kwh),
            },
        }
    }
}

impl PriceSpan {
    /// `None` where no contract is in force.
    #[must_use]
    pub fn of(span: &model::tariff::Span) -> Option<Self> {
        let priced = span.priced.as_ref()?;
        Some(Self {
            start_ms: span.start.0,
            end_ms: span.end.0,
            price_micros_per_kwh: priced.price.0,
            currency: priced.currency.to_string(),
            tariff: priced.tariff.to_string(),
            from_fallback: priced.from_fallback,
        })
    }
}
