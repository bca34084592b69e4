//! History of several series over one span of time.
//!
//! An answer is bounded: at most [`MAX_SERIES`] series of at most [`MAX_ROWS`] rows each, so about 16 MB of
//! JSON in the worst case. Who asks for more is told which step would fit.

use axum::body::Body;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use bytes::Bytes;
use futures_util::StreamExt;
use gate::Principal;
use model::id::SiteId;
use model::reading::Quantity;
use model::time::{Millis, Timestamp};
use serde::Deserialize;
use store::{Row, Series, Step, StoreError};

use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::{HistoryAnswer, HistorySeries};
use crate::State;

pub const MAX_SERIES: usize = 20;
pub const MAX_ROWS: usize = 20_000;
const MAX_COLUMNS: u32 = 4_000;
const CSV_HEADER: &str = "time,subject,quantity,unit,mean,min,max,first,last\r\n";
/// Steps that are offered when a request was too fine.
const STEPS: [u32; 10] = [1, 10, 60, 300, 900, 3_600, 21_600, 86_400, 604_800, 2_592_000];
/// Raw readings are fetched in spans of this length, so that a refusal costs little.
const SPAN: Millis = Millis(3_600_000);
/// Empty stretches are crossed in longer spans.
const LONGEST_SPAN: Millis = Millis(24 * 3_600_000);

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Comma separated `<subject>.<quantity>`, where a subject is `device:<id>`, `evse:<id>` or
    /// `site:<id>` (the house load): `device:grid.power,site:home.power`. At most 20.
    series: String,
    /// Included.
    from_ms: i64,
    /// Not included.
    to_ms: i64,
    /// 0 gives every stored reading.
    #[serde(default = "one_minute")]
    #[param(default = 60)]
    step_s: u32,
    /// Divides the time into so many columns, as a chart has, instead of steps: of each that has readings the first,
    /// least, greatest and last. 1 to 4000.
    columns: Option<u32>,
}

const fn one_minute() -> u32 {
    60
}

/// Reads history, condensed to one row per step.
#[utoipa::path(get, path = "/sites/{site}/history", operation_id = "show_history", tag = "history",
    params(("site" = String, Path), HistoryQuery), responses(
    (status = 200, body = HistoryAnswer),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "The site or a subject is unknown."),
    (status = 422, body = ErrorAnswer, description = "A series makes no sense, or the answer would be too long."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<HistoryQuery>, QueryRejection>,
) -> Result<Json<HistoryAnswer>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let Query(query) = query.map_err(|rejection| {
        ApiError::unreadable(rejection.body_text()).at("query", "series, from_ms, to_ms and step_s")
    })?;
    let wanted = series_of(&state, &site, &query.series)?;
    let (from, to) = (Timestamp(query.from_ms), Timestamp(query.to_ms));
    if from >= to {
        return Err(ApiError::invalid(
            "to_ms",
            query.to_ms,
            format!("more than from_ms ({})", query.from_ms),
        ));
    }
    let mut series = Vec::with_capacity(wanted.len());
    for one in wanted {
        let rows = match (query.columns, query.step_s) {
            (Some(count), _) => columns(&state, &one, from, to, count).await?,
            (None, 0) => means(&raw(&state, &one, from, to).await?),
            (None, step) => means(&stepped(&state, &one, from, to, step).await?),
        };
        series.push(HistorySeries {
            subject: one.subject,
            quantity: one.quantity.name().to_owned(),
            unit: one.quantity.unit().to_owned(),
            rows,
        });
    }
    Ok(Json(HistoryAnswer {
        from_ms: query.from_ms,
        to_ms: query.to_ms,
        step_s: if query.columns.is_some() { 0 } else { query.step_s },
        columns: query.columns,
        series,
    }))
}

fn means(rows: &[Row]) -> Vec<[i64; 5]> {
    let cells = |row: &Row| [row.at.0, row.mean, row.min, row.max, row.last];
    rows.iter().map(cells).collect()
}

async fn columns(
    state: &State,
    series: &Series,
    from: Timestamp,
    to: Timestamp,
    count: u32,
) -> Result<Vec<[i64; 5]>, ApiError> {
    if !(1..=MAX_COLUMNS).contains(&count) {
        return Err(ApiError::invalid("columns", count, format!("1 to {MAX_COLUMNS}")));
    }
    let found = store::columns(&*state.store, series, from, to, count).await?;
    let cells = |column: &store::Column| [column.at.0, column.first, column.min, column.max, column.last];
    Ok(found.iter().map(cells).collect())
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct ExportQuery {
    /// As in the history.
    series: String,
    /// Included.
    from_ms: i64,
    /// Not included.
    to_ms: i64,
    /// 0 gives every stored reading.
    #[serde(default = "one_minute")]
    #[param(default = 60)]
    step_s: u32,
}

/// Exports history as CSV, of any length: one series after the other, one line a row.
#[utoipa::path(get, path = "/sites/{site}/history.csv", operation_id = "export_history", tag = "history",
    params(("site" = String, Path), ExportQuery), responses(
    (status = 200, body = String, content_type = "text/csv"),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "The site or a subject is unknown."),
    (status = 422, body = ErrorAnswer, description = "A series makes no sense."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn export(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<ExportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let Query(query) = query.map_err(|rejection| {
        ApiError::unreadable(rejection.body_text()).at("query", "series, from_ms, to_ms and step_s")
    })?;
    let series = series_of(&state, &site, &query.series)?;
    let (from, to) = (Timestamp(query.from_ms), Timestamp(query.to_ms));
    let span = state.store.span().await?.map(|(oldest, newest)| {
        // Rollups start up to a step before their first reading.
        let step = Millis(i64::from(query.step_s).max(900) * 1_000);
        (from.max(oldest - step), to.min(newest + Millis(1)))
    });
    let (from, to) = span.unwrap_or((to, to));
    let export = Export {
        series: series.into_iter(),
        current: None,
        from,
        to,
        step_s: query.step_s,
        state,
    };
    let header = futures_util::stream::once(async { Ok(Bytes::from_static(CSV_HEADER.as_bytes())) });
    let lines = futures_util::stream::try_unfold(export, Export::next);
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"history.csv\"",
        ),
    ];
    Ok((headers, Body::from_stream(header.chain(lines))).into_response())
}

/// Where an export stands. What has been sent is forgotten, so its size does not matter.
struct Export {
    state: State,
    series: std::vec::IntoIter<Series>,
    /// The series that is being sent and the time up to which it was.
    current: Option<(Series, Timestamp)>,
    from: Timestamp,
    to: Timestamp,
    step_s: u32,
}

impl Export {
    /// The next lines, and where it stands then.
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, StoreError> {
        loop {
            let Some((series, at)) = self.current.take() else {
                match self.series.next() {
                    Some(series) => self.current = Some((series, self.from)),
                    None => return Ok(None),
                }
                continue;
            };
            if at >= self.to {
                continue;
            }
            let (step, span) = match self.step_s {
                0 => (Step::Raw, SPAN),
                step => (
                    Step::Seconds(step),
                    Millis((i64::from(step) * 2_000_000).max(SPAN.0)),
                ),
            };
            let end = self.to.min(at + span);
            let rows = self.state.store.query(&series, at, end, step).await?;
            let lines: String = rows.iter().map(|row| line(&series, row)).collect();
            self.current = Some((series, end));
            if !lines.is_empty() {
                return Ok(Some((lines.into(), self)));
            }
        }
    }
}

fn line(series: &Series, row: &Row) -> String {
    let (subject, quantity) = (&series.subject, series.quantity);
    let time = row.at.to_jiff();
    let Row {
        mean,
        min,
        max,
        first,
        last,
        ..
    } = row;
    format!(
        "{time:.3},{subject},{},{},{mean},{min},{max},{first},{last}\r\n",
        quantity.name(),
        quantity.unit(),
    )
}

pub fn series_of(state: &State, site: &SiteId, text: &str) -> Result<Vec<Series>, ApiError> {
    let names: Vec<&str> = text
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .collect();
    if names.is_empty() || names.len() > MAX_SERIES {
        return Err(ApiError::invalid(
            "series",
            format!("{} series", names.len()),
            format!("1 to {MAX_SERIES}"),
        ));
    }
    names
        .into_iter()
        .map(|name| one_series(state, site, name))
        .collect()
}

fn one_series(state: &State, site: &SiteId, name: &str) -> Result<Series, ApiError> {
    let expected = "<device|evse|site>:<id>.<quantity>";
    let shown: String = name.chars().take(80).collect();
    let (subject, quantity) = name
        .rsplit_once('.')
        .ok_or_else(|| ApiError::invalid("series", &shown, expected))?;
    let quantity = Quantity::from_name(quantity).ok_or_else(|| {
        let known = Quantity::ALL.map(Quantity::name).join(", ");
        ApiError::invalid("series", &shown, format!("a quantity of {known}"))
    })?;
    let (kind, id) = subject
        .split_once(':')
        .ok_or_else(|| ApiError::invalid("series", &shown, expected))?;
    let known = state.settings.sites.iter().find(|known| known.id == *site);
    let is_known = match kind {
        "site" => id == site.as_str(),
        "device" => known.is_some_and(|site| site.devices.iter().any(|device| device.id.as_str() == id)),
        "evse" => known.is_some_and(|site| site.evses().any(|(_, evse)| evse.id.as_str() == id)),
        _ => return Err(ApiError::invalid("series", &shown, expected)),
    };
    if is_known {
        Ok(Series {
            subject: subject.to_owned(),
            quantity,
        })
    } else {
        Err(ApiError::unknown(kind, id))
    }
}

async fn stepped(
    state: &State,
    series: &Series,
    from: Timestamp,
    to: Timestamp,
    step: u32,
) -> Result<Vec<Row>, ApiError> {
    let rows = (to - from).as_seconds() / i64::from(step);
    if rows > as_i64(MAX_ROWS) {
        return Err(too_long(series, step, from, to));
    }
    Ok(state.store.query(series, from, to, Step::Seconds(step)).await?)
}

/// Every stored reading, unless there are too many.
async fn raw(state: &State, series: &Series, from: Timestamp, to: Timestamp) -> Result<Vec<Row>, ApiError> {
    let Some((oldest, newest)) = state.store.span().await? else {
        return Ok(Vec::new());
    };
    let end = to.min(newest + Millis(1));
    let mut at = from.max(oldest);
    let mut span = SPAN;
    let mut rows = Vec::new();
    while at < end {
        let next = end.min(at + span);
        let part = state.store.query(series, at, next, Step::Raw).await?;
        span = if part.is_empty() { LONGEST_SPAN } else { SPAN };
        rows.extend(part);
        if rows.len() > MAX_ROWS {
            return Err(too_long(series, 0, from, to));
        }
        at = next;
    }
    Ok(rows)
}

fn too_long(series: &Series, given: u32, from: Timestamp, to: Timestamp) -> ApiError {
    let seconds = (to - from).as_seconds();
    let fits = STEPS
        .into_iter()
        .find(|step| *step > given && seconds / i64::from(*step) <= as_i64(MAX_ROWS));
    let expected = match fits {
        Some(step) => format!("at least {step}: a series has at most {MAX_ROWS} rows"),
        None => format!("a shorter time: a series has at most {MAX_ROWS} rows"),
    };
    let mut error = ApiError::invalid("step_s", given, expected);
    if seconds == 0 {
        error = error.at(
            format!("series {}.{}", series.subject, series.quantity.name()),
            "fewer readings",
        );
    }
    error
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
