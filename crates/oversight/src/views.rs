//! What pages are shown, and what somebody does there.

use std::collections::BTreeMap;

use model::alarm::Acknowledged;
use model::id::UserId;
use model::oversight::{Code, Decimal, OperatorCode, RiskLevel, Warning};
use model::time::{Millis, Timestamp};
use store::oversight::{RecordFilter, Round};

use crate::authority::Desk;
use crate::book::Book;
use crate::risk::replay;
use crate::{
    Authority, DailyRow, Fired, Look, Noted, OperatorOverview, Overview, Page, PortFilter, PortNow, Refused,
    StationOnMap, What,
};

/// Of a replay.
const LONGEST_REPLAY: Millis = Millis(31 * 24 * 3_600_000);
const MOST_REPLAYED: u32 = 100_000;

impl Authority {
    #[must_use]
    pub fn overview(&self) -> Overview {
        let day = self.today();
        let operators = self
            .desks()
            .values()
            .map(|desk| overview_of(desk, &day))
            .collect();
        Overview {
            operators,
            problem: self.problem(),
            day,
        }
    }

    #[must_use]
    pub fn overview_of(&self, code: &OperatorCode) -> Option<OperatorOverview> {
        let desk = self.desk(code).ok()?;
        Some(overview_of(&desk, &self.today()))
    }

    fn today(&self) -> String {
        self.ground.calendar.day(self.clock.now().wall)
    }

    /// Of one operator or all.
    #[must_use]
    pub fn stations(&self, code: Option<&OperatorCode>) -> Vec<StationOnMap> {
        let desks = self.desks();
        let wanted = desks
            .iter()
            .filter(|(held, _)| code.is_none_or(|code| code == *held));
        wanted
            .flat_map(|(code, desk)| stations_of(code, &desk.read()))
            .collect()
    }

    /// A page of the ports of an operator; empty when there is none.
    #[must_use]
    pub fn ports(&self, code: &OperatorCode, filter: &PortFilter, index: u64, size: u32) -> Page<PortNow> {
        let mut page = Page {
            index,
            size,
            total: 0,
            list: Vec::new(),
        };
        let Ok(desk) = self.desk(code) else { return page };
        let book = desk.read();
        let skip = index.saturating_sub(1).saturating_mul(u64::from(size));
        let station = filter.station.as_ref().map(|id| book.stations.find(id));
        for (place, slot) in book.ports.iter() {
            let (look, is_stale) = book.look(&slot.what);
            let stands_there = |wanted: Option<u32>| {
                let cabinet = book.equipment.get(slot.what.equipment);
                cabinet.map(|slot| slot.what.station) == wanted
            };
            let fits = filter.look.is_none_or(|wanted| wanted == look)
                && station.is_none_or(stands_there)
                && filter
                    .text
                    .as_ref()
                    .is_none_or(|text| slot.id.as_str().contains(text.as_str()))
                && (!filter.only_warned || book.watch.risk(place).is_some());
            if !fits {
                continue;
            }
            page.total += 1;
            if page.total <= skip || page.list.len() >= size as usize {
                continue;
            }
            let Some(cabinet) = book.equipment.get(slot.what.equipment) else {
                continue;
            };
            let Some(station) = book.stations.get(cabinet.what.station) else {
                continue;
            };
            let sample = book.newest(place);
            page.list.push(PortNow {
                port: slot.id.clone(),
                equipment: cabinet.id.clone(),
                station: station.id.clone(),
                look,
                is_stale,
                seen: sample.as_ref().map(|_| slot.what.seen),
                sample,
                risk: book.watch.risk(place),
            });
        }
        page
    }

    /// What was odd lately, the newest first; a restart forgets it.
    #[must_use]
    pub fn findings(&self, code: &OperatorCode) -> Vec<Noted> {
        self.desk(code)
            .map(|desk| desk.read().ledger.recent())
            .unwrap_or_default()
    }

    /// Notes that somebody has seen a warning: it is neither repeated nor raised any more.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn acknowledge(&self, warning: &Code, by: UserId) -> Result<Warning, Refused> {
        // Whoever changes a warning holds this, so none is overwritten with an older one.
        let mut settler = self.settler.lock().await;
        self.flush(&mut settler).await?;
        let stored = self.store.warning(warning).await?;
        let mut stored = stored.ok_or_else(|| Refused::unknown(What::Warning, warning))?;
        if stored.acknowledged.is_some() {
            return Ok(stored);
        }
        let at = self.clock.now().wall;
        stored.acknowledged = Some(Acknowledged { by, at });
        let round = Round {
            warnings: vec![stored.clone()],
            ..Round::default()
        };
        self.settle(&mut settler, &round).await?;
        if let Ok(desk) = self.desk(&stored.operator)
            && let Some(open) = desk.write().watch.open_mut(warning)
        {
            open.acknowledged.clone_from(&stored.acknowledged);
        }
        Ok(stored)
    }

    /// What the rules of today would have raised at a port.
    ///
    /// # Errors
    /// When there is no such port, the span is too long, or the store fails.
    pub async fn replay(
        &self,
        code: &OperatorCode,
        port: &Code,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Fired>, Refused> {
        let desk = self.desk(code)?;
        if to - from > LONGEST_REPLAY || to < from {
            return Err(Refused::Unfit {
                field: "to".to_owned(),
                value: to.to_string(),
                expected: format!("at most 31 days after {from}"),
            });
        }
        let rated = {
            let book = desk.read();
            let place = book.ports.find(port);
            let slot = place.and_then(|place| book.ports.get(place));
            let slot = slot.ok_or_else(|| Refused::unknown(What::Port, port))?;
            (slot.what.rated_power(), slot.what.rated_current())
        };
        let samples = self.store.samples(code, port, from, to, MOST_REPLAYED).await?;
        let until = to.min(self.clock.now().wall);
        Ok(replay(code, &samples, rated, &self.ground.rules, until))
    }

    /// A day of the authority's calendar (`2026-07-01`), a row for each operator.
    ///
    /// # Errors
    /// When that is no day, or the store fails.
    pub async fn daily_report(&self, day: &str) -> Result<Vec<DailyRow>, Refused> {
        let span = self.ground.calendar.span(day);
        let (from, to) = span.ok_or_else(|| Refused::Unfit {
            field: "day".to_owned(),
            value: day.to_owned(),
            expected: "a day such as 2026-07-01".to_owned(),
        })?;
        let mut stored: BTreeMap<_, _> = self.store.quality(day).await?.into_iter().collect();
        let desks: Vec<_> = self
            .desks()
            .iter()
            .map(|(code, desk)| (code.clone(), desk.clone()))
            .collect();
        let mut rows = Vec::with_capacity(desks.len());
        for (code, desk) in desks {
            let filter = RecordFilter {
                operator: Some(code.clone()),
                from: Some(from),
                to: Some(to),
                ..RecordFilter::default()
            };
            let totals = self.store.record_totals(&filter).await?;
            let book = desk.read();
            rows.push(DailyRow {
                day: day.to_owned(),
                name: book.operator.name.clone(),
                stations: book.stations.len() as u64,
                ports: book.ports.len() as u64,
                // What is counted still stands above what was stored.
                quality: book
                    .ledger
                    .held(day)
                    .or_else(|| stored.remove(&code))
                    .unwrap_or_default(),
                charges: totals.count,
                energy: Decimal(totals.energy),
                energy_cost: Decimal(totals.energy_cost),
                service_cost: Decimal(totals.service_cost),
                operator: code,
            });
        }
        Ok(rows)
    }
}

fn overview_of(desk: &Desk, day: &str) -> OperatorOverview {
    let book = desk.read();
    let mut warnings: BTreeMap<RiskLevel, u64> = BTreeMap::new();
    for warning in book.watch.open() {
        *warnings.entry(warning.level).or_default() += 1;
    }
    let charges = book.ledger.charges(day);
    OperatorOverview {
        operator: book.operator.clone(),
        tally: book.tally(),
        quality: book.ledger.held(day).unwrap_or_default(),
        warnings,
        energy: Decimal(charges.energy),
        energy_cost: Decimal(charges.energy_cost),
        service_cost: Decimal(charges.service_cost),
        heard: book.heard,
    }
}

fn stations_of(code: &OperatorCode, book: &Book) -> Vec<StationOnMap> {
    #[derive(Clone, Default)]
    struct Sums {
        looks: [u64; Look::ALL.len()],
        risk: Option<RiskLevel>,
    }
    let mut sums = vec![Sums::default(); book.stations.places()];
    let station_of = |equipment: u32| {
        book.equipment
            .get(equipment)
            .map(|slot| slot.what.station as usize)
    };
    for (_, slot) in book.ports.iter() {
        let sum = station_of(slot.what.equipment).and_then(|station| sums.get_mut(station));
        if let Some(count) = sum.and_then(|sum| sum.looks.get_mut(book.look(&slot.what).0 as usize)) {
            *count += 1;
        }
    }
    for (place, level) in book.watch.open_places() {
        let station = book
            .ports
            .get(place)
            .and_then(|slot| station_of(slot.what.equipment));
        if let Some(sum) = station.and_then(|station| sums.get_mut(station)) {
            sum.risk = sum.risk.max(Some(level));
        }
    }
    let station = |(place, slot): (u32, &crate::book::shelf::Slot<crate::book::Station>)| {
        let sums = sums.get(place as usize).cloned().unwrap_or_default();
        let looks = Look::ALL
            .into_iter()
            .zip(sums.looks)
            .filter(|(_, count)| *count > 0);
        StationOnMap {
            operator: code.clone(),
            station: slot.id.clone(),
            name: slot.what.name.to_string(),
            place: slot.what.location,
            looks: looks.collect(),
            risk: sums.risk,
        }
    };
    book.stations.iter().map(station).collect()
}
