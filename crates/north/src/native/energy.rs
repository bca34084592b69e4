//! Energies of local hours, days, months and years of a site.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::{Extension, Json};
use gate::Principal;
use model::reading::Quantity;
use serde::Deserialize;
use store::Series;
use store::calendar::{self, Date, Per};

use super::error::{ApiError, ErrorAnswer};
use super::history::series_of;
use super::sites::readable;
use super::wire::{EnergyAnswer, EnergyRow, EnergySeries, Period};
use crate::State;

/// Rows of all series together.
const MAX_ROWS: usize = 40_000;
const MAX_DAYS: i32 = 36_600;

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct EnergyQuery {
    /// Comma separated `<subject>.<quantity>` as in the history, of the quantities `energy_in`, `energy_out`
    /// (from the power, where there is no counter) and `power` (what went in less what went out). At most 20.
    series: String,
    /// First local day, `2026-11-01`.
    from: String,
    /// The local day after the last.
    to: String,
    per: Period,
}

/// Reads energies of periods in the local time of the site.
#[utoipa::path(get, path = "/sites/{site}/energy", operation_id = "show_energy", tag = "history",
    params(("site" = String, Path), EnergyQuery), responses(
    (status = 200, body = EnergyAnswer),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "The site or a subject is unknown."),
    (status = 422, body = ErrorAnswer, description = "A value makes no sense, or the answer would be too long."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<EnergyQuery>, QueryRejection>,
) -> Result<Json<EnergyAnswer>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let Query(query) = query.map_err(|rejection| {
        ApiError::unreadable(rejection.body_text()).at("query", "series, from, to and per")
    })?;
    let wanted = series_of(&state, &site, &query.series)?;
    wanted.iter().try_for_each(is_energy)?;
    let (from, to) = (day("from", &query.from)?, day("to", &query.to)?);
    if from >= to {
        return Err(ApiError::invalid("to", to, format!("a day after from ({from})")));
    }
    let days = from.until(to).map_or(i32::MAX, |span| span.get_days());
    let rows_a_day = if query.per == Period::Hour { 25 } else { 1 };
    let rows = usize::try_from(days).unwrap_or(0) * rows_a_day * wanted.len();
    if days > MAX_DAYS || rows > MAX_ROWS {
        let expected = format!("fewer days: an answer has at most {MAX_ROWS} rows");
        return Err(ApiError::invalid("to", to, expected));
    }
    let time_zone = state
        .settings
        .sites
        .iter()
        .find(|known| known.id == site)
        .map_or_else(String::new, |site| site.time_zone.clone());
    let zone = calendar::zone(&time_zone).unwrap_or(calendar::TimeZone::UTC);
    let per = match query.per {
        Period::Hour => Per::Hour,
        Period::Day => Per::Day,
        Period::Month => Per::Month,
        Period::Year => Per::Year,
    };
    let mut items = Vec::with_capacity(wanted.len());
    for series in wanted {
        let found = state
            .energies
            .energies(&*state.store, &series, &zone, from, to, per)
            .await?;
        items.push(EnergySeries {
            series: format!("{}.{}", series.subject, series.quantity.name()),
            estimated: found.is_estimated,
            rows: found.rows.iter().map(EnergyRow::from).collect(),
        });
    }
    Ok(Json(EnergyAnswer { time_zone, items }))
}

fn is_energy(series: &Series) -> Result<(), ApiError> {
    if series.quantity.is_counter() || series.quantity == Quantity::Power {
        return Ok(());
    }
    let expected = "a quantity of energy_in, energy_out, power";
    Err(ApiError::invalid("series", series.quantity.name(), expected))
}

fn day(name: &str, text: &str) -> Result<Date, ApiError> {
    let shown: String = text.chars().take(40).collect();
    let date = text
        .parse::<Date>()
        .ok()
        .filter(|date| (1970..=4000).contains(&date.year()));
    date.ok_or_else(|| ApiError::invalid(name, shown, "a day as 2026-11-01, from 1970 on"))
}
