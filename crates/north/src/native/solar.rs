//! What the sun brings to a site: energies from the counters, money from the ledger, and what a clear sky would bring.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::Principal;
use model::device::{Device, DeviceKind};
use model::panels::{self, Panels};
use model::plant::Sheet;
use model::reading::Quantity;
use model::site::{Position, Site};
use model::time::{Millis, Timestamp};
use model::units::Watts;
use store::calendar::{self, Date, Per, TimeZone};
use store::{Series, StoreError};

use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::solar::{SolarDevice, SolarExpected, SolarLack, SolarPeriod, SolarView};
use crate::State;
use crate::plant_sheets::Sheets;
use crate::solar::Book;

/// Of the expected curve.
const STEP: Millis = Millis(300_000);
const MS_PER_HOUR: i64 = 3_600_000;

/// Shows what the sun brings: today, this month, this year and in all, by inverter, in money, and beside a
/// clear sky.
#[utoipa::path(get, path = "/sites/{site}/solar", operation_id = "show_solar", tag = "solar", params(("site" = String, Path)), responses(
    (status = 200, body = SolarView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<SolarView>, ApiError> {
    let id = readable(&state, &caller, &site)?;
    let site = state.settings.sites.iter().find(|known| known.id == id);
    let site = site.ok_or_else(|| ApiError::unknown("site", id.as_str()))?;
    let sheets: Arc<Sheets> = state.memory.of();
    let sheets = sheets.all(&*state.store).await?;
    let said = sheets.get(&id);
    let sheet = said.map(|said| said.sheet.clone()).unwrap_or_default();
    let position = said.and_then(|said| said.position).or(site.position);
    Ok(Json(Asked::new(&state, site).view(&sheet, position).await?))
}

/// An inverter, as far as the sun is concerned.
struct Inverter<'a> {
    device: &'a Device,
    rated: Option<Watts>,
    panels: &'a [Panels],
}

struct Asked<'a> {
    state: &'a State,
    site: &'a Site,
    inverters: Vec<Inverter<'a>>,
    zone: TimeZone,
    today: Date,
}

impl<'a> Asked<'a> {
    fn new(state: &'a State, site: &'a Site) -> Self {
        let zone = calendar::zone(&site.time_zone).unwrap_or(TimeZone::UTC);
        let today = calendar::day_of(&zone, state.clock.now().wall);
        let devices = site.devices.iter().filter(|device| device.enabled);
        let inverters = devices.filter_map(|device| match &device.kind {
            DeviceKind::Inverter { rated_power, panels } => Some(Inverter {
                device,
                rated: *rated_power,
                panels,
            }),
            DeviceKind::Meter { .. } | DeviceKind::Battery { .. } | DeviceKind::ChargingStation { .. } => {
                None
            }
        });
        Self {
            state,
            site,
            inverters: inverters.collect(),
            zone,
            today,
        }
    }

    async fn view(&self, sheet: &Sheet, position: Option<Position>) -> Result<SolarView, StoreError> {
        let now = self.state.clock.now();
        let first = self.state.store.span().await?.map(|(oldest, _)| oldest);
        let first = first.map_or(self.today, |oldest| {
            calendar::day_of(&self.zone, oldest).min(self.today)
        });
        let mut devices = Vec::with_capacity(self.inverters.len());
        for inverter in &self.inverters {
            devices.push(self.device(inverter, first).await?);
        }
        let book: Arc<Book> = self.state.memory.of();
        let days = book
            .days(self.state, &self.site.id, &self.zone, first, now)
            .await?;

        let has_all_panels = self.inverters.iter().all(|inverter| !inverter.panels.is_empty());
        let peak: i64 = devices.iter().filter_map(|device| device.peak_w).sum();
        let peak_w = Some(peak).filter(|peak| has_all_panels && *peak > 0);
        let period = |first: Date, produced: fn(&SolarDevice) -> i64, more: i64| {
            let produced = devices.iter().map(produced).sum::<i64>() + more;
            SolarPeriod::of(produced, &days.since(first), peak_w, sheet.co2)
        };
        let lacks = [
            (SolarLack::Position, position.is_none()),
            (SolarLack::Panels, !has_all_panels),
        ];
        Ok(SolarView {
            time_zone: self.site.time_zone.clone(),
            at_ms: now.wall.0,
            peak_w,
            today: period(self.today, |device| device.today_wh, 0),
            month: period(self.today.first_of_month(), |device| device.month_wh, 0),
            year: period(self.today.first_of_year(), |device| device.year_wh, 0),
            total: period(first, |device| device.total_wh, sheet.offset.0),
            co2_g_per_kwh: sheet.co2,
            expected: position.and_then(|position| self.expected(position, now.wall, &devices)),
            lacks: lacks
                .into_iter()
                .filter_map(|(lack, is_so)| is_so.then_some(lack))
                .collect(),
            devices,
        })
    }

    async fn device(&self, inverter: &Inverter<'_>, first: Date) -> Result<SolarDevice, StoreError> {
        let (device, today) = (inverter.device, self.today);
        let series = Series {
            subject: format!("device:{}", device.id),
            quantity: Quantity::EnergyOut,
        };
        let tomorrow = today.tomorrow().unwrap_or(today);
        let of = async |from: Date, per: Per| {
            let (state, zone) = (self.state, &self.zone);
            let found = state
                .energies
                .energies(&*state.store, &series, zone, from, tomorrow, per);
            found.await
        };
        let day = of(today, Per::Day).await?;
        let months = of(today.first_of_year(), Per::Month).await?;
        let of_months = |skipped: usize| {
            let rows = months.rows.iter().skip(skipped);
            rows.map(|row| row.energy.watt_hours).sum::<i64>()
        };
        let counted = self.state.store.newest(&series).await?;
        let total_wh = match counted {
            Some((_, counter)) => counter,
            None => {
                let years = of(first, Per::Year).await?;
                years.rows.iter().map(|row| row.energy.watt_hours).sum()
            }
        };
        Ok(SolarDevice {
            device: device.id.to_string(),
            name: device.name.clone(),
            peak_w: (!inverter.panels.is_empty()).then(|| panels::peak(inverter.panels).0),
            rated_w: inverter.rated.map(|rated| rated.0),
            today_wh: day.rows.iter().map(|row| row.energy.watt_hours).sum(),
            month_wh: of_months(months.rows.len().saturating_sub(1)),
            year_wh: of_months(0),
            total_wh,
            estimated: day.is_estimated,
        })
    }

    /// `None` where no inverter says what hangs on it.
    fn expected(&self, position: Position, now: Timestamp, devices: &[SolarDevice]) -> Option<SolarExpected> {
        let known = || {
            let both = self.inverters.iter().zip(devices);
            both.filter(|(inverter, _)| !inverter.panels.is_empty())
        };
        known().next()?;
        let tomorrow = self.today.tomorrow().ok()?;
        let (start, end) = (
            calendar::midnight(&self.zone, self.today),
            calendar::midnight(&self.zone, tomorrow),
        );
        let (mut power_w, mut day_mj, mut so_far_mj) = (Vec::new(), 0, 0);
        let mut at = start;
        while at < end {
            let middle = at + Millis(STEP.0 / 2);
            let powers = known()
                .map(|(inverter, _)| panels::clear_sky(inverter.panels, inverter.rated, position, middle).0);
            let power: i64 = powers.sum();
            power_w.push(power);
            day_mj += power * STEP.0;
            so_far_mj += power * (now - at).0.clamp(0, STEP.0);
            at = at + STEP;
        }
        Some(SolarExpected {
            devices: known().map(|(_, device)| device.device.clone()).collect(),
            from_ms: start.0,
            step_ms: STEP.0,
            power_w,
            day_wh: day_mj / MS_PER_HOUR,
            so_far_wh: so_far_mj / MS_PER_HOUR,
            produced_wh: known().map(|(_, device)| device.today_wh).sum(),
        })
    }
}
