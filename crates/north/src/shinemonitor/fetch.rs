//! What an action wants beside the scene, out of history, alarms and the energy book.

use std::net::IpAddr;

use dialects::shinemonitor::error::{Code, Refusal};
use dialects::shinemonitor::want::{Got, Per, Series, Subject, Want};
use gate::DoorCaller;
use model::alarm::Alarm;
use model::id::SiteId;
use model::reading::Quantity;
use model::time::{Millis, Timestamp};
use model::units::WattHours;
use store::calendar::{self, Date, TimeZone};
use store::{EnergyRow, Step, StoreError};

use super::{Means, Shell, failed};
use crate::State;

/// Rows of one want.
const MAX_ROWS: i64 = 400_000;
/// Alarms of one want, the latest.
const MAX_ALARMS: usize = 10_000;
const ALARMS_AT_ONCE: u32 = 500;

/// What the energies of local days are asked for.
struct Span<'a> {
    zone: &'a TimeZone,
    from: Date,
    to: Date,
    per: Per,
}

impl Shell {
    pub(super) async fn fetch(
        &self,
        want: Want,
        caller: &DoorCaller,
        from: IpAddr,
        means: Means,
    ) -> Result<Got, Refusal> {
        let state = &self.state;
        let got = match want {
            Want::Energy {
                of,
                zone,
                from,
                to,
                per,
            } => {
                let zone = &zone;
                let span = Span { zone, from, to, per };
                energies(state, &of, &span).await.map(Got::Energy)
            }
            Want::Newest(of) => newest(state, &of).await.map(Got::Newest),
            Want::Years { of, zone, to } => years(state, &of, &zone, to).await.map(Got::Years),
            Want::Curve { of, from, to, step } => {
                let rows = (to - from).0.max(0) / step.0.max(1);
                let series = i64::try_from(of.len()).unwrap_or(i64::MAX);
                if rows.saturating_mul(series) > MAX_ROWS {
                    return Err(Code::TooMany.into());
                }
                curves(state, &of, from, to, step).await.map(Got::Curve)
            }
            Want::Alarms { sites } => alarms(state, &sites).await.map(Got::Alarms),
            Want::Do(_) if means == Means::Looks => return Err(Code::Forbidden.into()),
            Want::Do(deed) => return Ok(Got::Done(self.carry_out(deed, caller, from).await)),
        };
        got.map_err(|error| failed("cannot read what a ShineMonitor client asked for", &error))
    }
}

fn series_of(series: &Series) -> store::Series {
    store::Series {
        subject: match &series.subject {
            Subject::Device(device) => format!("device:{device}"),
            Subject::Evse(evse) => format!("evse:{evse}"),
            Subject::House => format!("site:{}", series.site),
        },
        quantity: series.quantity,
    }
}

/// What the counters rose together; a period in which none has a reading has no energy.
async fn energies(
    state: &State,
    of: &[Series],
    span: &Span<'_>,
) -> Result<Vec<Option<WattHours>>, StoreError> {
    let mut sums: Vec<Option<WattHours>> = Vec::new();
    let per = match span.per {
        Per::Day => calendar::Per::Day,
        Per::Month => calendar::Per::Month,
        Per::Year => calendar::Per::Year,
    };
    for series in of {
        let series = series_of(series);
        let energies = state
            .energies
            .energies(&*state.store, &series, span.zone, span.from, span.to, per);
        let rows = energies.await?.rows;
        let read = read_series(state, &series).await?;
        sums.resize(sums.len().max(rows.len()), None);
        for (sum, row) in sums.iter_mut().zip(&rows) {
            let Some((series, newest)) = &read else { continue };
            if has_reading(state, series, *newest, row).await? {
                let energy = WattHours(row.energy.watt_hours);
                *sum = Some(sum.unwrap_or_default() + energy);
            }
        }
    }
    Ok(sums)
}

/// The series that an energy is made of, a counter or the power in its place, and the time of its newest reading.
async fn read_series(
    state: &State,
    series: &store::Series,
) -> Result<Option<(store::Series, Timestamp)>, StoreError> {
    let power = store::Series {
        subject: series.subject.clone(),
        quantity: Quantity::Power,
    };
    for series in [series.clone(), power] {
        if let Some((at, _)) = state.store.newest(&series).await? {
            return Ok(Some((series, at)));
        }
    }
    Ok(None)
}

/// Whether there is a reading in a period, or it lies between two. Only what has no energy is looked at closely.
async fn has_reading(
    state: &State,
    series: &store::Series,
    newest: Timestamp,
    row: &EnergyRow,
) -> Result<bool, StoreError> {
    if row.energy.watt_hours != 0 || row.energy.is_complete {
        return Ok(true);
    }
    let (start, end) = (row.period.start, row.period.end);
    let oldest = state.store.span().await?.map(|(oldest, _)| oldest);
    if newest < start || oldest.is_none_or(|oldest| oldest >= end) {
        return Ok(false);
    }
    // One before the period comes along if there is one: with the newest after the start it lies between two.
    let quarters = state.store.quarters(series, start, end).await?;
    Ok(quarters.iter().any(|quarter| quarter.first_at_ms < end.0))
}

async fn newest(state: &State, of: &[Series]) -> Result<Vec<Option<i64>>, StoreError> {
    let mut values = Vec::with_capacity(of.len());
    for series in of {
        let found = state.store.newest(&series_of(series)).await?;
        values.push(found.map(|(_, value)| value));
    }
    Ok(values)
}

/// From the year of the first reading on.
async fn years(
    state: &State,
    of: &[Series],
    zone: &TimeZone,
    to: Date,
) -> Result<Vec<(i16, WattHours)>, StoreError> {
    let Some((oldest, _)) = state.store.span().await? else {
        return Ok(Vec::new());
    };
    let from = calendar::day_of(zone, oldest).first_of_year();
    let span = Span {
        zone,
        from,
        to,
        per: Per::Year,
    };
    let energies = energies(state, of, &span).await?;
    let by_year = (from.year()..).zip(energies);
    let begun = by_year.skip_while(|(_, energy)| energy.is_none());
    Ok(begun
        .map(|(year, energy)| (year, energy.unwrap_or_default()))
        .collect())
}

async fn curves(
    state: &State,
    of: &[Series],
    from: Timestamp,
    to: Timestamp,
    step: Millis,
) -> Result<Vec<Vec<(Timestamp, i64)>>, StoreError> {
    let seconds = u32::try_from(step.as_seconds()).unwrap_or(u32::MAX).max(1);
    let mut curves = Vec::with_capacity(of.len());
    for series in of {
        let rows = state
            .store
            .query(&series_of(series), from, to, Step::Seconds(seconds))
            .await?;
        curves.push(rows.iter().map(|row| (row.at, row.last)).collect());
    }
    Ok(curves)
}

/// The latest first. However many sites there are, no more is held than twice what is shown.
async fn alarms(state: &State, sites: &[SiteId]) -> Result<Vec<Alarm>, StoreError> {
    let mut latest = Latest::new(MAX_ALARMS);
    for site in sites {
        let mut before = None;
        loop {
            let part = state
                .store
                .alarm_history(site, false, before, ALARMS_AT_ONCE)
                .await?;
            let Some((number, last)) = part.last() else { break };
            before = Some((last.raised, *number));
            let goes_on = latest.takes(last.raised);
            latest.add(part.into_iter().map(|(_, alarm)| alarm));
            if !goes_on {
                break;
            }
        }
    }
    Ok(latest.finish())
}

/// The latest of many alarms.
struct Latest {
    most: usize,
    all: Vec<Alarm>,
    /// What is older has no place any more.
    since: Option<Timestamp>,
}

impl Latest {
    const fn new(most: usize) -> Self {
        Self {
            most,
            all: Vec::new(),
            since: None,
        }
    }

    fn takes(&self, raised: Timestamp) -> bool {
        self.since.is_none_or(|since| raised >= since)
    }

    fn add(&mut self, more: impl Iterator<Item = Alarm>) {
        for alarm in more {
            if self.takes(alarm.raised) {
                self.all.push(alarm);
            }
            if self.all.len() >= 2 * self.most {
                self.shorten();
            }
        }
    }

    fn shorten(&mut self) {
        self.all.sort_by_key(|alarm| std::cmp::Reverse(alarm.raised));
        self.all.truncate(self.most);
        if self.all.len() == self.most {
            self.since = self.all.last().map(|alarm| alarm.raised);
        }
    }

    fn finish(mut self) -> Vec<Alarm> {
        self.shorten();
        self.all
    }
}

#[cfg(test)]
mod tests {
    use model::alarm::{AlarmCode, Severity};

    use super::*;

    #[test]
    fn of_many_sites_the_latest_alarms_are_kept_in_bounds() {
        let alarm = |site: i64, raised: i64| Alarm {
            site: SiteId::new(&format!("site-{site}")).unwrap(),
            device: None,
            code: AlarmCode::DeviceOffline,
            severity: Severity::Error,
            text: String::new(),
            raised: Timestamp(raised),
            cleared: None,
            acknowledged: None,
        };
        let mut latest = Latest::new(10);
        for site in 0..30 {
            // Each the newest first.
            latest.add((0..50).rev().map(|n| alarm(site, n * 100 + site)));
            assert!(latest.all.len() < 20, "{}", latest.all.len());
        }
        assert!(!latest.takes(Timestamp(4_800)));
        let found: Vec<i64> = latest.finish().iter().map(|alarm| alarm.raised.0).collect();
        assert_eq!(found, (4_920..4_930).rev().collect::<Vec<_>>());
    }
}
