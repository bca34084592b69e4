//! Tariffs and price providers of the file.

use model::id::TariffId;
use model::money::{Currency, Micros, PerKwh};
use model::settings::{PriceFormat, PriceProvider, PriceSource, SlotEnd, TimeFormat};
use model::site::Site;
use model::tariff::{Band, Contract, Direction, Named, Prices, Tariff, problems};
use model::time::Millis;
use model::units::PerMille;

use super::section::{Section, minute};
use super::site::required_id;

const PRICE: &str = "a price per kWh with at most six decimals, for example 0.25";
const MOST: i64 = 1_000_000_000_000;

/// Reads every `[[tariff]]`; what is wrong between them is found as well.
pub fn read_all(root: &Section<'_, '_>, sites: &[Site], providers: &[PriceProvider]) -> Vec<Tariff> {
    let sections = root.tables("tariff");
    let mut tariffs = Vec::new();
    let mut positions = Vec::new();
    for section in sections {
        let position = section.position("id");
        if let Some(tariff) = read_tariff(section) {
            positions.push((tariff.id.clone(), position));
            tariffs.push(tariff);
        }
    }
    let named = Named {
        sites: sites.iter().map(|site| site.id.clone()).collect(),
        providers: providers.iter().map(|provider| provider.id.clone()).collect(),
    };
    for problem in problems(&tariffs, &named) {
        // Where an id is there twice, the later one is meant.
        let at = positions.iter().rfind(|(id, _)| *id == problem.tariff);
        root.problem_at(at.map_or(0, |(_, position)| *position), problem.text);
    }
    tariffs
}

fn read_tariff(mut section: Section<'_, '_>) -> Option<Tariff> {
    let id: Option<TariffId> = required_id(&section, "id", "an id such as \"home\"");
    if let Some(id) = &id {
        section.rename(format!("tariff \"{id}\""));
    }
    let direction = section.parsed(
        "direction",
        "import (energy taken) or export (fed in)",
        |text| match text {
            "import" => Some(Direction::Import),
            "export" => Some(Direction::Export),
            _ => None,
        },
    );
    let site = section.parsed("site", "the id of a site", |text| text.parse().ok());
    let name = section.text("name");
    let contracts = section.tables("contract");
    let count = contracts.len();
    let contracts: Vec<Contract> = contracts.into_iter().filter_map(read_contract).collect();
    section.finish();
    let id = id?;
    // One that could not be read has said so; the others would overlap or be missing for no fault of theirs.
    (contracts.len() == count).then(|| Tariff {
        name: name.unwrap_or_else(|| id.to_string()),
        direction: direction.unwrap_or(Direction::Import),
        site,
        contracts,
        id,
    })
}

fn read_contract(mut section: Section<'_, '_>) -> Option<Contract> {
    let name = section.required_text("name", "a name such as \"City Works 2026\"");
    if let Some(name) = &name {
        section.rename(format!("contract \"{name}\""));
    }
    let day = "a local day, for example \"2026-01-01\"";
    if !section.has("from") {
        section.missing("from", day);
    }
    if !section.has("price") {
        section.missing("price", PRICE);
    }
    let from = section.parsed("from", day, |text| text.parse().ok());
    let until = section.parsed("until", day, |text| text.parse().ok());
    let currency = section.parsed("currency", "an ISO 4217 code such as \"EUR\"", |text| {
        text.parse().ok()
    });
    let vat = section.scaled("vat_percent", 1, 0..=1_000, "percent, 0 to 100");
    let fee = section.scaled("monthly_fee", 6, 0..=MOST, "an amount, 0 or more");
    let price = read_price(&section, "price");
    let bands = section.tables("band");
    let count = bands.len();
    let bands: Vec<Band> = bands.into_iter().filter_map(read_band).collect();
    let provider = section.text("provider");
    if provider.is_some() && count > 0 {
        section.problem(
            "provider",
            "a contract has bands or a price provider, not both".to_owned(),
        );
    }
    let dynamic_only = |key: &'static str| {
        if provider.is_none() && section.has(key) {
            section.problem(key, format!("{key} makes sense with a price provider only"));
        }
    };
    dynamic_only("factor");
    dynamic_only("surcharge");
    let factor = section.scaled("factor", 3, 0..=100_000, "a factor, 0 to 100");
    let surcharge = read_price(&section, "surcharge");
    section.finish();
    let price = price?;
    let prices = match provider {
        Some(provider) => Prices::Dynamic {
            provider,
            factor: factor.map_or(PerMille(1_000), PerMille),
            surcharge: surcharge.unwrap_or_default(),
            fallback: price,
        },
        None if count == 0 => Prices::Fixed { price },
        None => Prices::TimeOfUse {
            bands,
            otherwise: price,
        },
    };
    Some(Contract {
        name: name?,
        from: from?,
        until,
        currency: currency.unwrap_or(Currency::EUR),
        vat: PerMille(vat.unwrap_or(0)),
        monthly_fee: Micros(fee.unwrap_or(0)),
        prices,
    })
}

fn read_price(section: &Section<'_, '_>, key: &'static str) -> Option<PerKwh> {
    section.scaled(key, 6, -MOST..=MOST, PRICE).map(PerKwh)
}

fn read_band(section: Section<'_, '_>) -> Option<Band> {
    let time = "a local time, for example \"22:00\"";
    for key in ["from", "to"] {
        if !section.has(key) {
            section.missing(key, time);
        }
    }
    if !section.has("price") {
        section.missing("price", PRICE);
    }
    let from = section.parsed("from", time, minute);
    let to = section.parsed("to", time, minute);
    let weekdays = section.numbers("weekdays", 1..=7, "a list of 1 (Monday) to 7 (Sunday)");
    let months = section.numbers("months", 1..=12, "a list of 1 to 12");
    let price = read_price(&section, "price");
    section.finish();
    Some(Band {
        weekdays,
        months,
        from_minute: from?,
        to_minute: to?,
        price: price?,
    })
}

/// Reads every `[[price_provider]]`.
pub fn read_providers(root: &Section<'_, '_>) -> Vec<PriceProvider> {
    let mut providers: Vec<PriceProvider> = Vec::new();
    for section in root.tables("price_provider") {
        let position = section.position("id");
        let Some(provider) = read_provider(section) else {
            continue;
        };
        if providers.iter().any(|known| known.id == provider.id) {
            root.problem_at(
                position,
                format!("price provider `{}` is there twice", provider.id),
            );
        }
        providers.push(provider);
    }
    providers
}

fn read_provider(mut section: Section<'_, '_>) -> Option<PriceProvider> {
    let id: Option<TariffId> = required_id(&section, "id", "an id such as \"market\"");
    if let Some(id) = &id {
        section.rename(format!("price provider \"{id}\""));
    }
    let url = section.parsed("url", "an address that starts with http:// or https://", |text| {
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"))?;
        (!rest.is_empty() && !rest.starts_with('/') && !rest.contains(' ')).then(|| text.to_owned())
    });
    let file = section.text("file");
    let source = match (section.has("url"), section.has("file")) {
        (true, false) => url.map(|url| PriceSource::Http { url }),
        (false, true) => file.map(|path| PriceSource::File { path }),
        (true, true) | (false, false) => {
            section.missing("url", "either url or file");
            None
        }
    };
    let end = section.text("end");
    let duration = section.scaled("duration_s", 0, 60..=86_400, "seconds, 60 to 86400");
    if end.is_some() && duration.is_some() {
        section.problem("end", "an entry has an end or a duration_s, not both");
    }
    let unit = section.parsed(
        "unit",
        "EUR/MWh, EUR/kWh or ct/kWh, or the same in another currency",
        |text| {
            let (money, energy) = text.split_once('/')?;
            match (money, energy) {
                ("ct", "kWh") => Some(10_000),
                (money, "kWh") if money.parse::<Currency>().is_ok() => Some(1_000_000),
                (money, "MWh") if money.parse::<Currency>().is_ok() => Some(1_000),
                _ => None,
            }
        },
    );
    let time = section.parsed("time", "iso8601, epoch_s or epoch_ms", |text| match text {
        "iso8601" => Some(TimeFormat::Iso8601),
        "epoch_s" => Some(TimeFormat::EpochSeconds),
        "epoch_ms" => Some(TimeFormat::EpochMillis),
        _ => None,
    });
    let every = section.scaled("every_s", 0, 60..=86_400, "seconds, 60 to 86400");
    let format = PriceFormat {
        list: section.text("list").unwrap_or_default(),
        start: section.text("start").unwrap_or_else(|| "start".to_owned()),
        end: match end {
            Some(member) => SlotEnd::Member(member),
            None => SlotEnd::After(Millis::from_seconds(duration.unwrap_or(3_600))),
        },
        price: section.text("price").unwrap_or_else(|| "price".to_owned()),
        unit_micros: unit.unwrap_or(1_000),
        time: time.unwrap_or(TimeFormat::Iso8601),
    };
    section.finish();
    Some(PriceProvider {
        id: id?.to_string(),
        source: source?,
        format,
        every: Millis::from_seconds(every.unwrap_or(3_600)),
    })
}
