//! What is wrong with tariffs, all of it at once.

use std::collections::BTreeSet;
use std::fmt;

use jiff::civil::Date;

use super::{Band, Contract, Direction, Prices, Tariff};
use crate::id::{SiteId, TariffId};
use crate::money::{Micros, PerKwh};
use crate::units::PerMille;
use crate::user::{Card, User};

/// Millionths; beyond it a price is a slip of the pen in any currency.
const MOST: i64 = 1_000_000_000_000;
const CONTRACTS: usize = 200;
const BANDS: usize = 100;

/// One thing that is wrong, in words that name what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// In which it is found; where two clash, the later one.
    pub tariff: TariffId,
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What tariffs are checked against.
#[derive(Clone, Debug, Default)]
pub struct Named {
    pub sites: BTreeSet<SiteId>,
    /// Price providers of the config file.
    pub providers: BTreeSet<String>,
}

/// Everything that is wrong with these tariffs, in each of them and between them.
#[must_use]
pub fn problems(tariffs: &[Tariff], named: &Named) -> Vec<Problem> {
    let mut found = Vec::new();
    for (index, tariff) in tariffs.iter().enumerate() {
        let mut texts = Vec::new();
        check(tariff, named, &mut texts);
        if tariffs[..index].iter().any(|other| other.id == tariff.id) {
            texts.push(format!("tariff `{}` is there twice", tariff.id));
        }
        for other in &tariffs[..index] {
            texts.extend(clash(other, tariff));
        }
        found.extend(texts.into_iter().map(|text| Problem {
            tariff: tariff.id.clone(),
            text,
        }));
    }
    found
}

/// Tariffs named by users and cards that are not there, or are no price of energy taken.
#[must_use]
pub fn named_problems(tariffs: &[Tariff], users: &[User], cards: &[Card]) -> Vec<String> {
    let who = users
        .iter()
        .map(|user| (format!("user `{}`", user.id), user.tariff.as_ref()))
        .chain(cards.iter().map(|card| {
            let who = format!("card `{}` of user `{}`", card.id, card.user);
            (who, card.tariff.as_ref())
        }));
    who.filter_map(|(who, named)| {
        let named = named?;
        match tariffs.iter().find(|tariff| tariff.id == *named) {
            None => Some(format!("{who} names tariff `{named}`, which does not exist")),
            Some(tariff) if tariff.direction == Direction::Export => Some(format!(
                "{who} names tariff `{named}`, which is for energy fed in, not for energy taken"
            )),
            Some(_) => None,
        }
    })
    .collect()
}

fn check(tariff: &Tariff, named: &Named, into: &mut Vec<String>) {
    let id = &tariff.id;
    if !is_name(&tariff.name) {
        into.push(format!("tariff `{id}` has no name of 1 to 80 characters"));
    }
    if let Some(site) = tariff.site.as_ref().filter(|site| !named.sites.contains(*site)) {
        into.push(format!(
            "tariff `{id}` is the default of site `{site}`, which does not exist"
        ));
    }
    match tariff.contracts.len() {
        0 => into.push(format!("tariff `{id}` has no contract")),
        1..=CONTRACTS => {}
        many => into.push(format!(
            "tariff `{id}` has {many} contracts, expected at most {CONTRACTS}"
        )),
    }
    let mut contracts: Vec<&Contract> = tariff.contracts.iter().take(CONTRACTS).collect();
    contracts.sort_by_key(|contract| contract.from);
    for contract in &contracts {
        check_contract(
            &format!("contract \"{}\" of tariff `{id}`", contract.name),
            contract,
            named,
            into,
        );
    }
    for pair in contracts.windows(2) {
        let [earlier, later] = pair else { continue };
        if earlier.from == later.from || earlier.until.is_some_and(|until| until >= later.from) {
            into.push(format!(
                "contracts \"{}\" and \"{}\" of tariff `{id}` overlap: {} and {}",
                earlier.name,
                later.name,
                days(earlier),
                days(later)
            ));
        }
    }
}

fn days(contract: &Contract) -> String {
    match contract.until {
        Some(until) => format!("{} to {until}", contract.from),
        None => format!("from {}", contract.from),
    }
}

fn check_contract(what: &str, contract: &Contract, named: &Named, into: &mut Vec<String>) {
    if !is_name(&contract.name) {
        into.push(format!("{what} has no name of 1 to 80 characters"));
    }
    if let Some(until) = contract.until.filter(|until| *until < contract.from) {
        into.push(format!(
            "{what} ends on {until}, before it starts on {}",
            contract.from
        ));
    }
    if !(0..=1_000).contains(&contract.vat.0) {
        into.push(format!(
            "{what} has a VAT of {}, expected 0 to 1000 ‰",
            contract.vat
        ));
    }
    let Micros(fee) = contract.monthly_fee;
    if !(0..=MOST).contains(&fee) {
        into.push(format!(
            "{what} has a monthly fee of {fee} millionths, expected 0 to {MOST}"
        ));
    }
    let mut price = |name: &str, PerKwh(price): PerKwh| {
        if !(-MOST..=MOST).contains(&price) {
            into.push(format!(
                "{name} of {what} is {price} millionths, expected -{MOST} to {MOST}"
            ));
        }
    };
    match &contract.prices {
        Prices::Fixed { price: fixed } => price("the price", *fixed),
        Prices::TimeOfUse { bands, otherwise } => {
            price("the price outside all bands", *otherwise);
            for (index, band) in bands.iter().enumerate() {
                price(&format!("the price in band {}", index + 1), band.price);
            }
            check_bands(what, bands, into);
        }
        Prices::Dynamic {
            provider,
            factor: PerMille(factor),
            surcharge,
            fallback,
        } => {
            price("the surcharge", *surcharge);
            price("the fallback price", *fallback);
            if !(0..=100_000).contains(factor) {
                into.push(format!("{what} has a factor of {factor} ‰, expected 0 to 100000"));
            }
            if !named.providers.contains(provider) {
                let known = named.providers.iter().cloned().collect::<Vec<_>>().join(", ");
                let known = if known.is_empty() {
                    "the config file names none".to_owned()
                } else {
                    format!("known are {known}")
                };
                into.push(format!(
                    "{what} names price provider `{}`, which does not exist; {known}",
                    provider.chars().take(80).collect::<String>()
                ));
            }
        }
    }
}

fn check_bands(what: &str, bands: &[Band], into: &mut Vec<String>) {
    if bands.len() > BANDS {
        into.push(format!(
            "{what} has {} bands, expected at most {BANDS}",
            bands.len()
        ));
        return;
    }
    for (index, band) in bands.iter().enumerate() {
        let mut wrong = |text: String| into.push(format!("band {} of {what} {text}", index + 1));
        if band.from_minute >= 1_440 {
            wrong(format!(
                "starts at minute {}, expected 0 to 1439",
                band.from_minute
            ));
        }
        if band.to_minute > 1_440 {
            wrong(format!("ends at minute {}, expected 0 to 1440", band.to_minute));
        }
        if let Some(day) = band.weekdays.iter().find(|day| !(1..=7).contains(*day)) {
            wrong(format!("names weekday {day}, expected 1 (Monday) to 7 (Sunday)"));
        }
        if let Some(month) = band.months.iter().find(|month| !(1..=12).contains(*month)) {
            wrong(format!("names month {month}, expected 1 to 12"));
        }
        if let Some(earlier) = bands[..index].iter().position(|earlier| hides(earlier, band)) {
            wrong(format!(
                "can never count, because band {} stands before it",
                earlier + 1
            ));
        }
    }
}

/// Whether the later band lies wholly in the earlier one.
fn hides(earlier: &Band, later: &Band) -> bool {
    let within = |outer: &[u8], inner: &[u8]| {
        outer.is_empty() || (!inner.is_empty() && inner.iter().all(|one| outer.contains(one)))
    };
    // Both as minutes since the midnight at which they belong to a day; past midnight goes beyond 1440.
    let end = |band: &Band| {
        let past = if band.to_minute <= band.from_minute {
            1_440
        } else {
            0
        };
        u32::from(band.to_minute) + past
    };
    within(&earlier.weekdays, &later.weekdays)
        && within(&earlier.months, &later.months)
        && earlier.from_minute <= later.from_minute
        && end(later) <= end(earlier)
}

/// Two defaults of one site and direction must not be in force on the same day.
fn clash(one: &Tariff, other: &Tariff) -> Option<String> {
    let site = one
        .site
        .as_ref()
        .filter(|site| other.site.as_ref() == Some(site))?;
    if one.direction != other.direction || one.id == other.id {
        return None;
    }
    let pairs = one
        .contracts
        .iter()
        .flat_map(|a| other.contracts.iter().map(move |b| (a, b)));
    let day = pairs
        .filter_map(|(a, b)| {
            let start = a.from.max(b.from);
            (start <= last_day(one, a) && start <= last_day(other, b)).then_some(start)
        })
        .min()?;
    let direction = match one.direction {
        Direction::Import => "energy taken",
        Direction::Export => "energy fed in",
    };
    Some(format!(
        "tariffs `{}` and `{}` overlap: both are the default of site `{site}` for {direction} on {day}; end one before the other starts",
        one.id, other.id
    ))
}

fn last_day(tariff: &Tariff, contract: &Contract) -> Date {
    let next = tariff.contracts.iter().map(|other| other.from);
    let next = next.filter(|from| *from > contract.from).min();
    let before_next = next.and_then(|from| from.yesterday().ok());
    before_next
        .into_iter()
        .chain(contract.until)
        .min()
        .unwrap_or(Date::MAX)
}

fn is_name(text: &str) -> bool {
    (1..=80).contains(&text.chars().count()) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}
