//! Energies of local hours, days, months and years, over any history.
//!
//! A local day that is over never changes unless the past is imported, so its energy is kept in memory once it
//! was computed: a year of days is read from there in microseconds, the first time from some 35,000
//! quarter-hours. Days are kept per time zone; who changes the zone of a site gets the days of the new one.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::civil::Date;
use jiff::tz::TimeZone;
use model::reading::Quantity;
use model::time::Timestamp;

use crate::StoreError;
use crate::calendar::{self, Day, Per, Period};
use crate::energy::{self, Energy, Source};
use crate::history::{Bucket, History, Series};

/// Days in memory at most, of all series together: 40 series for ten years.
const KEPT: usize = 150_000;

/// One row of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnergyRow {
    pub period: Period,
    pub energy: Energy,
}

/// The energies of a series, every period that was asked for in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Energies {
    pub rows: Vec<EnergyRow>,
    /// There is no counter: they were summed up from the power.
    pub is_estimated: bool,
}

/// Whose energies: a series, what is made of it, and in which zone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    series: Series,
    source: Source,
    zone: String,
}

#[derive(Default)]
struct Kept {
    revision: u64,
    count: usize,
    days: BTreeMap<Key, BTreeMap<Date, EnergyRow>>,
}

/// Answers with energies and remembers days that are over. One for all callers of a history.
#[derive(Default)]
pub struct EnergyBook {
    kept: Mutex<Kept>,
}

impl EnergyBook {
    /// Energies of the local days `from..to` of a zone. The series is a counter, for which its subject's power
    /// stands in if there is none, or a power itself. Periods are cut to the days that were asked for.
    pub async fn energies(
        &self,
        history: &dyn History,
        series: &Series,
        zone: &TimeZone,
        from: Date,
        to: Date,
        per: Per,
    ) -> Result<Energies, StoreError> {
        let (series, source) = source_of(history, series).await?;
        let key = Key {
            series,
            source,
            zone: zone.iana_name().unwrap_or_default().to_owned(),
        };
        let rows = match per {
            Per::Hour => hours(history, &key, zone, from, to).await?,
            Per::Day => self.days(history, &key, zone, from, to).await?,
            Per::Month | Per::Year => {
                let days = self.days(history, &key, zone, from, to).await?;
                summed(&days, from, to, per)
            }
        };
        Ok(Energies {
            rows,
            is_estimated: source != Source::Counter,
        })
    }

    async fn days(
        &self,
        history: &dyn History,
        key: &Key,
        zone: &TimeZone,
        from: Date,
        to: Date,
    ) -> Result<Vec<EnergyRow>, StoreError> {
        let revision = history.revision();
        let mut rows = self.kept_days(revision, key, from, to);
        let missing_from = rows
            .last()
            .map_or(from, |(date, _)| date.tomorrow().unwrap_or(to));
        if missing_from < to {
            let days = calendar::days(zone, missing_from, to);
            let (computed, newest) = compute(history, key, &days).await?;
            let final_days = computed
                .iter()
                .filter(|(_, row)| newest.is_some_and(|newest| newest >= row.period.end));
            self.keep(revision, key, final_days);
            rows.extend(computed);
        }
        Ok(rows.into_iter().map(|(_, row)| row).collect())
    }

    /// The days that are kept without a hole, from the first on.
    fn kept_days(&self, revision: u64, key: &Key, from: Date, to: Date) -> Vec<(Date, EnergyRow)> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.revision != revision {
            *kept = Kept {
                revision,
                ..Kept::default()
            };
        }
        let mut rows = Vec::new();
        let mut end = None;
        if let Some(days) = kept.days.get(key).filter(|_| from < to) {
            for (date, row) in days.range(from..to) {
                let follows = end.map_or(*date == from, |end| end == row.period.start);
                if !follows {
                    break;
                }
                end = Some(row.period.end);
                rows.push((*date, *row));
            }
        }
        rows
    }

    fn keep<'a>(&self, revision: u64, key: &Key, days: impl Iterator<Item = &'a (Date, EnergyRow)>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // The past was changed while the days were computed.
        if kept.revision != revision {
            return;
        }
        if kept.count > KEPT {
            kept.days.clear();
            kept.count = 0;
        }
        let of_key = kept.days.entry(key.clone()).or_default();
        let before = of_key.len();
        of_key.extend(days.copied());
        let new = of_key.len() - before;
        kept.count += new;
    }
}

/// What the energy of a series is made of.
async fn source_of(history: &dyn History, series: &Series) -> Result<(Series, Source), StoreError> {
    let stand_in = if series.quantity == Quantity::EnergyOut {
        Source::PowerOut
    } else {
        Source::PowerIn
    };
    if !series.quantity.is_counter() {
        return Ok((series.clone(), Source::PowerNet));
    }
    if history.newest(series).await?.is_some() {
        return Ok((series.clone(), Source::Counter));
    }
    let power = Series {
        subject: series.subject.clone(),
        quantity: Quantity::Power,
    };
    Ok((power, stand_in))
}

/// The energies of days that follow each other, and the time of the newest reading that they know.
async fn compute(
    history: &dyn History,
    key: &Key,
    days: &[Day],
) -> Result<(Vec<(Date, EnergyRow)>, Option<Timestamp>), StoreError> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok((Vec::new(), None));
    };
    let quarters = history
        .quarters(&key.series, first.period.start, last.period.end)
        .await?;
    let rows = days.iter().map(|day| {
        let energy = of_periods(&quarters, key.source, &[day.period]).remove(0);
        (
            day.date,
            EnergyRow {
                period: day.period,
                energy,
            },
        )
    });
    let newest = quarters.last().map(|quarter| Timestamp(quarter.last_at_ms));
    Ok((rows.collect(), newest))
}

/// Energies of periods that follow each other, out of quarter-hours of a longer time.
fn of_periods(quarters: &[Bucket], source: Source, periods: &[Period]) -> Vec<Energy> {
    let (Some(first), Some(last)) = (periods.first(), periods.last()) else {
        return Vec::new();
    };
    // One reading further at both ends.
    let from = quarters.partition_point(|quarter| quarter.last_at_ms < first.start.0);
    let to = quarters.partition_point(|quarter| quarter.first_at_ms < last.end.0);
    let around = from.saturating_sub(1)..(to + 1).min(quarters.len());
    let cuts: Vec<i64> = std::iter::once(first.start.0)
        .chain(periods.iter().map(|period| period.end.0))
        .collect();
    energy::between(quarters.get(around).unwrap_or_default(), source, &cuts)
}

async fn hours(
    history: &dyn History,
    key: &Key,
    zone: &TimeZone,
    from: Date,
    to: Date,
) -> Result<Vec<EnergyRow>, StoreError> {
    let days = calendar::days(zone, from, to);
    let (Some(first), Some(last)) = (days.first(), days.last()) else {
        return Ok(Vec::new());
    };
    let quarters = history
        .quarters(&key.series, first.period.start, last.period.end)
        .await?;
    let rows = days.iter().flat_map(|day| {
        let hours = calendar::hours(zone, day.period);
        let energies = of_periods(&quarters, key.source, &hours);
        hours
            .into_iter()
            .zip(energies)
            .map(|(period, energy)| EnergyRow { period, energy })
    });
    Ok(rows.collect())
}

/// Months and years out of days.
fn summed(days: &[EnergyRow], from: Date, to: Date, per: Per) -> Vec<EnergyRow> {
    let mut rows = Vec::new();
    let mut rest = days;
    for (start, end) in calendar::spans(from, to, per) {
        let count = start
            .until(end)
            .map_or(0, |span| usize::try_from(span.get_days()).unwrap_or(0));
        let (own, next) = rest.split_at(count.min(rest.len()));
        rest = next;
        if let (Some(first), Some(last)) = (own.first(), own.last()) {
            let energy = own
                .iter()
                .map(|row| row.energy)
                .reduce(Energy::and)
                .unwrap_or_default();
            let period = Period {
                start: first.period.start,
                end: last.period.end,
            };
            rows.push(EnergyRow { period, energy });
        }
    }
    rows
}
