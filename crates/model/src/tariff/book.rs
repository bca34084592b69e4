//! Everything that prices depend on at one site.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, Offset, TimeZone};

use super::price::{LONGEST_SLOT_MS, midnight};
use super::{Contract, Direction, Prices, Tariff};
use crate::id::{SiteId, TariffId};
use crate::money::{Currency, PerKwh};
use crate::time::Timestamp;

/// A price of a provider: start, end (not included), price of one kWh as the market names it.
pub type PriceSlot = (Timestamp, Timestamp, PerKwh);

/// All tariffs, the prices of providers, and the clock by which they count.
#[derive(Clone, Debug)]
pub struct PriceBook {
    zone: TimeZone,
    tariffs: BTreeMap<TariffId, Tariff>,
    slots: BTreeMap<String, Vec<PriceSlot>>,
}

/// What one kWh costs, with VAT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Priced {
    pub tariff: TariffId,
    pub price: PerKwh,
    pub currency: Currency,
    /// Whether the provider had no price, so that the contract's fallback counts.
    pub from_fallback: bool,
}

/// A dynamic tariff without a price of its provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpriced {
    /// By name.
    pub tariff: String,
    pub provider: String,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
}

/// A span with one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub start: Timestamp,
    /// Not included.
    pub end: Timestamp,
    /// `None`: no contract is in force.
    pub priced: Option<Priced>,
}

impl PriceBook {
    #[must_use]
    pub fn new(zone: TimeZone, tariffs: Vec<Tariff>) -> Self {
        Self {
            zone,
            tariffs: tariffs.into_iter().map(|t| (t.id.clone(), t)).collect(),
            slots: BTreeMap::new(),
        }
    }

    /// A book by the clock of a site, which was checked when it was configured.
    #[must_use]
    pub fn of_zone(time_zone: &str, tariffs: Vec<Tariff>) -> Self {
        Self::new(TimeZone::get(time_zone).unwrap_or(TimeZone::UTC), tariffs)
    }

    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    #[must_use]
    pub fn tariff(&self, id: &TariffId) -> Option<&Tariff> {
        self.tariffs.get(id)
    }

    /// Ordered by id.
    pub fn tariffs(&self) -> impl Iterator<Item = &Tariff> {
        self.tariffs.values()
    }

    /// The providers that dynamic contracts name.
    #[must_use]
    pub fn providers(&self) -> BTreeSet<&str> {
        let contracts = self.tariffs.values().flat_map(|tariff| &tariff.contracts);
        contracts
            .filter_map(|contract| match &contract.prices {
                Prices::Dynamic { provider, .. } => Some(provider.as_str()),
                Prices::Fixed { .. } | Prices::TimeOfUse { .. } => None,
            })
            .collect()
    }

    /// Replaces what is known of a provider.
    pub fn set_prices(&mut self, provider: &str, mut slots: Vec<PriceSlot>) {
        slots.retain(|(start, end, _)| (1..=LONGEST_SLOT_MS).contains(&(*end - *start).0));
        slots.sort_by_key(|(start, _, _)| *start);
        self.slots.insert(provider.to_owned(), slots);
    }

    /// The dynamic tariffs of a site, and of those that users and cards name, whose provider has no price at an
    /// instant: their contracts use their own.
    #[must_use]
    pub fn without_prices(&self, site: &SiteId, named: &BTreeSet<&TariffId>, at: Timestamp) -> Vec<Unpriced> {
        let counts = |tariff: &&Tariff| tariff.site.as_ref() == Some(site) || named.contains(&tariff.id);
        let tariffs = self.tariffs.values().filter(counts);
        let unpriced = tariffs.filter_map(|tariff| {
            let contract = tariff.contract_at(&self.zone, at)?;
            let Prices::Dynamic { provider, .. } = &contract.prices else {
                return None;
            };
            let slots = self.slots_of(contract);
            if !contract.price_at(&self.zone, slots, at).from_fallback {
                return None;
            }
            Some(Unpriced {
                tariff: tariff.name.clone(),
                provider: provider.clone(),
                since: slots
                    .iter()
                    .map(|(_, end, _)| *end)
                    .filter(|end| *end <= at)
                    .max(),
            })
        });
        unpriced.collect()
    }

    /// What energy from the grid costs: by the tariff of the card, else of the user, else of the site. One
    /// that is unknown or has no contract in force is passed over.
    #[must_use]
    pub fn price_at(
        &self,
        site: &SiteId,
        user: Option<&TariffId>,
        card: Option<&TariffId>,
        at: Timestamp,
    ) -> Option<Priced> {
        self.own(card, at)
            .or_else(|| self.own(user, at))
            .or_else(|| self.default_at(site, Direction::Import, at))
    }

    /// What energy earns that is fed in.
    #[must_use]
    pub fn feed_in_at(&self, site: &SiteId, at: Timestamp) -> Option<Priced> {
        self.default_at(site, Direction::Export, at)
    }

    /// Prices of a site, without gaps from `from` to `to`; neighbours differ.
    #[must_use]
    pub fn site_spans(
        &self,
        site: &SiteId,
        direction: Direction,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Span> {
        let tariffs = self.defaults(site, direction).collect::<Vec<_>>();
        self.spans(&tariffs, from, to, |at| self.default_at(site, direction, at))
    }

    /// Prices of somebody who charges at a site, as [`Self::price_at`] has them.
    #[must_use]
    pub fn charging_spans(
        &self,
        site: &SiteId,
        user: Option<&TariffId>,
        card: Option<&TariffId>,
        from: Timestamp,
        to: Timestamp,
    ) -> Vec<Span> {
        let named = [card, user].into_iter().flatten();
        let tariffs = named.filter_map(|id| self.tariffs.get(id));
        let tariffs = tariffs
            .chain(self.defaults(site, Direction::Import))
            .collect::<Vec<_>>();
        self.spans(&tariffs, from, to, |at| self.price_at(site, user, card, at))
    }

    fn own(&self, named: Option<&TariffId>, at: Timestamp) -> Option<Priced> {
        let tariff = self.tariffs.get(named?)?;
        (tariff.direction == Direction::Import).then(|| self.priced(tariff, at))?
    }

    fn defaults<'a>(&'a self, site: &'a SiteId, direction: Direction) -> impl Iterator<Item = &'a Tariff> {
        self.tariffs
            .values()
            .filter(move |t| t.direction == direction && t.site.as_ref() == Some(site))
    }

    fn default_at(&self, site: &SiteId, direction: Direction, at: Timestamp) -> Option<Priced> {
        self.defaults(site, direction).find_map(|t| self.priced(t, at))
    }

    fn priced(&self, tariff: &Tariff, at: Timestamp) -> Option<Priced> {
        let contract = tariff.contract_at(&self.zone, at)?;
        let found = contract.price_at(&self.zone, self.slots_of(contract), at);
        Some(Priced {
            tariff: tariff.id.clone(),
            price: found.price,
            currency: contract.currency,
            from_fallback: found.from_fallback,
        })
    }

    fn slots_of(&self, contract: &Contract) -> &[PriceSlot] {
        match &contract.prices {
            Prices::Dynamic { provider, .. } => self.slots.get(provider).map_or(&[], Vec::as_slice),
            Prices::Fixed { .. } | Prices::TimeOfUse { .. } => &[],
        }
    }

    /// Asks for the price wherever it may change, and joins what is the same.
    fn spans(
        &self,
        tariffs: &[&Tariff],
        from: Timestamp,
        to: Timestamp,
        price_at: impl Fn(Timestamp) -> Option<Priced>,
    ) -> Vec<Span> {
        let mut changes = BTreeSet::from([from]);
        for tariff in tariffs {
            for contract in &tariff.contracts {
                let (first, last) = tariff.in_force(contract, &self.zone);
                let (first, last) = (first.max(from), last.min(to));
                if first < last {
                    changes.extend([first, last]);
                    self.changes(contract, first, last, &mut changes);
                }
            }
        }
        let mut spans: Vec<Span> = Vec::new();
        for start in changes.range(from..to) {
            let priced = price_at(*start);
            match spans.last_mut() {
                Some(last) if last.priced == priced => {}
                Some(_) | None => {
                    if let Some(last) = spans.last_mut() {
                        last.end = *start;
                    }
                    spans.push(Span {
                        start: *start,
                        end: to,
                        priced,
                    });
                }
            }
        }
        spans
    }

    /// Where the price of a contract may change between two instants.
    fn changes(&self, contract: &Contract, from: Timestamp, to: Timestamp, into: &mut BTreeSet<Timestamp>) {
        match &contract.prices {
            Prices::Fixed { .. } => {}
            Prices::Dynamic { .. } => {
                let slots = self.slots_of(contract);
                let first = slots.partition_point(|(start, _, _)| (from - *start).0 > LONGEST_SLOT_MS);
                let near = slots[first..].iter().take_while(|(start, _, _)| *start < to);
                into.extend(near.flat_map(|(start, end, _)| [*start, *end]));
            }
            Prices::TimeOfUse { bands, .. } => {
                let minutes = bands.iter().flat_map(|band| [band.from_minute, band.to_minute]);
                let minutes: BTreeSet<u16> = minutes.chain([0]).filter(|minute| *minute < 1_440).collect();
                let mut day = self.day(from);
                while midnight(&self.zone, day).is_some_and(|start| start < to) {
                    for minute in &minutes {
                        self.instants(day, *minute, into);
                    }
                    match day.tomorrow() {
                        Ok(tomorrow) => day = tomorrow,
                        Err(_) => break,
                    }
                }
                // A change of the clock may jump into or out of a band.
                let moved = self.zone.following(from.to_jiff());
                let moved = moved.map(|t| Timestamp(t.timestamp().as_millisecond()));
                into.extend(moved.take_while(|at| *at < to));
            }
        }
    }

    fn day(&self, at: Timestamp) -> Date {
        self.zone.to_datetime(at.to_jiff()).date()
    }

    /// When a local clock shows this minute: once, twice, or never.
    fn instants(&self, day: Date, minute: u16, into: &mut BTreeSet<Timestamp>) {
        let time = i8::try_from(minute / 60)
            .and_then(|hour| Ok((hour, i8::try_from(minute % 60)?)))
            .ok()
            .and_then(|(hour, minute)| Time::new(hour, minute, 0, 0).ok());
        let Some(time) = time else { return };
        let local = day.to_datetime(time);
        let at = |offset: Offset, local: DateTime| {
            let at = offset.to_timestamp(local).ok()?;
            Some(Timestamp(at.as_millisecond()))
        };
        match self.zone.to_ambiguous_timestamp(local).offset() {
            AmbiguousOffset::Unambiguous { offset } => into.extend(at(offset, local)),
            AmbiguousOffset::Fold { before, after } => {
                into.extend(at(before, local));
                into.extend(at(after, local));
            }
            AmbiguousOffset::Gap { .. } => {}
        }
    }
}
