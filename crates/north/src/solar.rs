//! What the sun of a site was worth, day by day, out of the ledger and the tariffs.
//!
//! Of each quarter-hour of the ledger, what was exported, but not more than was produced, was fed in and earned the
//! price of that moment; the rest was used at the site, now or later out of the battery, and saved what a kWh from
//! the grid cost at that moment. Both prices are the site's own, with VAT. Energy without a price is counted
//! apart.
//!
//! A day that is long over does not change unless the past is imported or a tariff is changed, so it is kept: a year is
//! 35,000 quarter-hours once, and 365 sums from then on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use model::id::SiteId;
use model::money::{Currency, Micros};
use model::session::LedgerEntry;
use model::tariff::{Direction, PriceBook, Span, Tariff};
use model::time::{Millis, Now, Timestamp};
use model::units::WattHours;
use store::calendar::{self, Date, Day, TimeZone};
use store::{StoreError, Typed};

use crate::State;
use crate::native::tariffs;

/// Days in memory at most, of all sites together: 40 sites for ten years.
const KEPT: usize = 150_000;
/// The worth of a day may still change for so long: loggers and clouds that were away tell late what they have kept.
const SETTLED_AFTER: Millis = Millis(3 * 86_400_000);
/// What is read at once.
const AT_ONCE: usize = 31;

/// Of a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Worth {
    pub produced: WattHours,
    pub fed_in: WattHours,
    /// Part of it had no price.
    pub unpriced: WattHours,
    pub money: BTreeMap<Currency, Money>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money {
    /// What would have been paid for what was used.
    pub saved: Micros,
    /// What was paid for what was fed in.
    pub earned: Micros,
}

impl Worth {
    /// Adds a quarter-hour.
    fn enter(&mut self, entry: &LedgerEntry, import: &mut Prices, export: &mut Prices) {
        let fed_in = entry.exported.min(entry.produced);
        let used = entry.produced - fed_in;
        self.produced += entry.produced;
        self.fed_in += fed_in;
        for (energy, prices, is_saved) in [(used, import, true), (fed_in, export, false)] {
            if energy == WattHours::ZERO {
                continue;
            }
            match prices.at(entry.start) {
                Some((price, currency)) => {
                    let money = self.money.entry(currency).or_default();
                    let amount = price.of(energy);
                    if is_saved {
                        money.saved += amount;
                    } else {
                        money.earned += amount;
                    }
                }
                None => self.unpriced += energy,
            }
        }
    }

    fn add(&mut self, other: &Self) {
        self.produced += other.produced;
        self.fed_in += other.fed_in;
        self.unpriced += other.unpriced;
        for (currency, money) in &other.money {
            let sum = self.money.entry(*currency).or_default();
            sum.saved += money.saved;
            sum.earned += money.earned;
        }
    }
}

/// Prices in order of time, asked in order of time.
struct Prices {
    spans: Vec<Span>,
    next: usize,
}

impl Prices {
    fn new(book: &PriceBook, site: &SiteId, direction: Direction, from: Timestamp, to: Timestamp) -> Self {
        Self {
            spans: book.site_spans(site, direction, from, to),
            next: 0,
        }
    }

    fn at(&mut self, at: Timestamp) -> Option<(model::money::PerKwh, Currency)> {
        while self.spans.get(self.next).is_some_and(|span| span.end <= at) {
            self.next += 1;
        }
        let span = self.spans.get(self.next).filter(|span| span.start <= at)?;
        span.priced.as_ref().map(|priced| (priced.price, priced.currency))
    }
}

/// What days of each were made from.
#[derive(Clone, PartialEq, Eq)]
struct Basis {
    revision: u64,
    time_zone: String,
    tariffs: Vec<Tariff>,
}

struct Kept {
    basis: Basis,
    days: Arc<BTreeMap<Date, Worth>>,
}

/// Remembers days that are over.
#[derive(Default)]
pub struct Book(Mutex<BTreeMap<SiteId, Kept>>);

/// The days of a site, from the first on.
pub struct Days(BTreeMap<Date, Worth>);

impl Days {
    /// All of them from a day on.
    pub fn since(&self, first: Date) -> Worth {
        let mut sum = Worth::default();
        self.0.range(first..).for_each(|(_, worth)| sum.add(worth));
        sum
    }
}

impl Book {
    /// Every day from `first` until now.
    pub async fn days(
        &self,
        state: &State,
        site: &SiteId,
        zone: &TimeZone,
        first: Date,
        now: Now,
    ) -> Result<Days, StoreError> {
        let basis = Basis {
            revision: state.store.revision(),
            time_zone: zone.iana_name().unwrap_or_default().to_owned(),
            tariffs: state.store.list::<Tariff>().await?,
        };
        let kept = self.kept(site, &basis);
        let begins = match (kept.first_key_value(), kept.last_key_value()) {
            (Some((begun, _)), Some((last, _))) if *begun <= first => last.tomorrow().unwrap_or(first),
            _ => first,
        };
        let end = calendar::day_of(zone, now.wall).tomorrow().unwrap_or(first);
        let mut days = Arc::unwrap_or_clone(kept);
        let missing = calendar::days(zone, begins, end);
        for part in missing.chunks(AT_ONCE) {
            let made = made(state, site, part).await?;
            let is_settled = |day: &Day| day.period.end + SETTLED_AFTER <= now.wall;
            let settled = part.iter().zip(&made).filter(|(day, _)| is_settled(day));
            self.keep(
                site,
                &basis,
                settled.map(|(day, worth)| (day.date, worth.clone())),
            );
            days.extend(part.iter().map(|day| day.date).zip(made));
        }
        Ok(Days(days))
    }

    fn kept(&self, site: &SiteId, basis: &Basis) -> Arc<BTreeMap<Date, Worth>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all.get(site).filter(|kept| kept.basis == *basis);
        kept.map(|kept| Arc::clone(&kept.days)).unwrap_or_default()
    }

    fn keep(&self, site: &SiteId, basis: &Basis, days: impl Iterator<Item = (Date, Worth)>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.values().map(|kept| kept.days.len()).sum::<usize>() > KEPT {
            all.clear();
        }
        let fresh = || Kept {
            basis: basis.clone(),
            days: Arc::default(),
        };
        let kept = all.entry(site.clone()).or_insert_with(fresh);
        if kept.basis != *basis {
            *kept = fresh();
        }
        let held = Arc::make_mut(&mut kept.days);
        for (date, worth) in days {
            // Without a hole, so that the last one says where to go on.
            let follows = held
                .last_key_value()
                .is_none_or(|(last, _)| last.tomorrow().is_ok_and(|next| next >= date));
            if follows {
                held.insert(date, worth);
            }
        }
    }
}

/// Days that follow each other, out of the ledger.
async fn made(state: &State, site: &SiteId, days: &[Day]) -> Result<Vec<Worth>, StoreError> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(Vec::new());
    };
    let (from, to) = (first.period.start, last.period.end);
    let ledger = state.store.ledger(site, from, to).await?;
    if ledger.is_empty() {
        return Ok(vec![Worth::default(); days.len()]);
    }
    let book = tariffs::book(state, site, from, to).await?;
    Ok(valued(&ledger, &book, site, days))
}

fn valued(ledger: &[LedgerEntry], book: &PriceBook, site: &SiteId, days: &[Day]) -> Vec<Worth> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Vec::new();
    };
    let prices = |direction| Prices::new(book, site, direction, first.period.start, last.period.end);
    let (mut import, mut export) = (prices(Direction::Import), prices(Direction::Export));
    let mut rest = ledger.iter().peekable();
    let of_day = |day: &Day| {
        let mut worth = Worth::default();
        while let Some(entry) = rest.next_if(|entry| entry.start < day.period.end) {
            worth.enter(entry, &mut import, &mut export);
        }
        worth
    };
    days.iter().map(of_day).collect()
}

#[cfg(test)]
mod tests {
    use model::money::PerKwh;
    use model::tariff::{Band, Contract, Prices as Priced};
    use model::units::PerMille;

    use super::*;

    fn home() -> SiteId {
        SiteId::new("home").unwrap()
    }

    fn quarter(start: &str, produced: i64, exported: i64) -> LedgerEntry {
        LedgerEntry {
            site: home(),
            start: at(start),
            shares: Vec::new(),
            imported: WattHours::ZERO,
            exported: WattHours(exported),
            produced: WattHours(produced),
            battery_in: WattHours::ZERO,
            battery_out: WattHours::ZERO,
            house: WattHours::ZERO,
        }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn tariff(id: &str, direction: Direction, currency: &str, prices: Priced) -> Tariff {
        Tariff {
            id: id.parse().unwrap(),
            name: id.to_owned(),
            direction,
            site: Some(home()),
            contracts: vec![Contract {
                name: id.to_owned(),
                from: "2026-01-01".parse().unwrap(),
                until: Some("2026-12-31".parse().unwrap()),
                currency: currency.parse().unwrap(),
                vat: PerMille(200),
                monthly_fee: Micros(3_500_000),
                prices,
            }],
        }
    }

    /// 0.25 by day and 0.10 from 22:00 to 06:00, both without 20 % VAT.
    fn import() -> Tariff {
        let night = Band {
            weekdays: Vec::new(),
            months: Vec::new(),
            from_minute: 1_320,
            to_minute: 360,
            price: PerKwh(100_000),
        };
        let prices = Priced::TimeOfUse {
            bands: vec![night],
            otherwise: PerKwh(250_000),
        };
        tariff("day", Direction::Import, "EUR", prices)
    }

    fn check(tariffs: Vec<Tariff>, ledger: &[LedgerEntry], expected: &[(i64, i64, i64, &str)]) {
        let zone = calendar::zone("Europe/Vienna").unwrap();
        let days = calendar::days(
            &zone,
            "2026-06-20".parse().unwrap(),
            "2026-06-22".parse().unwrap(),
        );
        let book = PriceBook::new(zone, tariffs);
        let found: Vec<_> = valued(ledger, &book, &home(), &days)
            .iter()
            .map(|worth| {
                let money = worth.money.iter();
                let money = money.map(|(currency, m)| format!("{currency} {} {}", m.saved.0, m.earned.0));
                (
                    worth.produced.0,
                    worth.fed_in.0,
                    worth.unpriced.0,
                    money.collect::<Vec<_>>().join(", "),
                )
            })
            .collect();
        let expected: Vec<_> = expected
            .iter()
            .map(|(produced, fed_in, unpriced, money)| (*produced, *fed_in, *unpriced, (*money).to_owned()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_is_used_saves_and_what_is_fed_in_earns() {
        let export = tariff(
            "out",
            Direction::Export,
            "CHF",
            Priced::Fixed {
                price: PerKwh(80_000),
            },
        );
        let ledger = [
            // 05:45 and 06:00 in Vienna, then the next day at noon.
            quarter("2026-06-20T03:45:00Z", 1_000, 0),
            quarter("2026-06-20T04:00:00Z", 1_000, 400),
            // The battery feeds in too: of that only what the sun gave is counted.
            quarter("2026-06-21T10:00:00Z", 500, 900),
        ];
        check(
            vec![import(), export],
            &ledger,
            &[
                // 1 kWh at 0.12 and 0.6 kWh at 0.30; 0.4 kWh at 0.096.
                (2_000, 400, 0, "CHF 0 38400, EUR 300000 0"),
                (500, 500, 0, "CHF 0 48000"),
            ],
        );
    }

    #[test]
    fn energy_without_a_price_is_counted_apart() {
        let ledger = [
            quarter("2026-06-20T10:00:00Z", 1_000, 300),
            quarter("2026-06-20T22:00:00Z", 10, 0),
        ];
        check(
            vec![import()],
            &ledger,
            &[(1_000, 300, 300, "EUR 210000 0"), (10, 0, 0, "EUR 1200 0")],
        );
        check(Vec::new(), &ledger, &[(1_000, 300, 1_000, ""), (10, 0, 10, "")]);
        check(Vec::new(), &[], &[(0, 0, 0, ""), (0, 0, 0, "")]);
    }
}
