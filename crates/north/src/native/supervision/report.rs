//! What a day was like, operator by operator, for people and for spreadsheets.
//!
//! RFC 4180: comma, CR LF, quotes where needed, a header. A text that a spreadsheet would take for a formula gets an
//! apostrophe in front.

use std::fmt::Write;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State as Shared};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gate::Principal;
use oversight::DailyRow;
use serde::Deserialize;

use super::books::{day, read};
use super::{platform, whose};
use crate::State;
use crate::native::error::{ApiError, ErrorAnswer};
use crate::native::sessions::csv::text;
use crate::native::wire::supervision::DailyReport;
use model::oversight::{Decimal, FindingKind};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReportQuery {
    /// A day of the authority's calendar, `2026-07-01`.
    day: String,
}

/// Shows how a day was, a row for each operator that the caller may see.
#[utoipa::path(get, path = "/oversight/report", operation_id = "show_daily_report", tag = "oversight", params(ReportQuery),
    responses(
    (status = 200, body = DailyReport),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Json<DailyReport>, ApiError> {
    let (day, rows) = rows(&state, &caller, query).await?;
    Ok(Json(DailyReport {
        day,
        currency: platform(&state)?.settings().currency.clone(),
        items: rows.iter().map(Into::into).collect(),
    }))
}

/// Exports the same as CSV.
#[utoipa::path(get, path = "/oversight/report.csv", operation_id = "export_daily_report", tag = "oversight",
    params(ReportQuery), responses(
    (status = 200, body = String, content_type = "text/csv", description = "One row per operator, with a header."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn export(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<Response, ApiError> {
    let (day, rows) = rows(&state, &caller, query).await?;
    let currency = &platform(&state)?.settings().currency;
    let headers = [
        (
            header::CONTENT_TYPE,
            "text/csv; charset=utf-8; header=present".to_owned(),
        ),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"report-{day}.csv\""),
        ),
    ];
    Ok((headers, csv(&rows, currency)).into_response())
}

async fn rows(
    state: &State,
    caller: &Principal,
    query: Result<Query<ReportQuery>, QueryRejection>,
) -> Result<(String, Vec<DailyRow>), ApiError> {
    let whose = whose(state, caller, None)?;
    let day = day("day", &read(query)?.day)?;
    let mut rows = platform(state)?.authority().daily_report(&day).await?;
    rows.retain(|row| whose.as_ref().is_none_or(|whose| *whose == row.operator));
    Ok((day, rows))
}

fn csv(rows: &[DailyRow], currency: &str) -> String {
    let mut csv =
        "day,operator,name,stations,ports,samples,failed,repaired,lost,late,missing,contradictory,warnings,\
                   told,not_told,charges,energy_kwh,energy_cost,service_cost,currency\r\n"
            .to_owned();
    for row in rows {
        let quality = &row.quality;
        let found = |kind: FindingKind| quality.findings.get(&kind).copied().unwrap_or_default();
        let money = |amount: Decimal| amount.rounded(2);
        // Writing to a text does not fail.
        let _ = write!(
            csv,
            "{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{},{}\r\n",
            row.day,
            text(row.operator.as_str()),
            text(&row.name),
            row.stations,
            row.ports,
            quality.kept,
            quality.failed,
            quality.repaired,
            quality.lost,
            quality.late,
            found(FindingKind::Missing),
            found(FindingKind::Contradictory),
            quality.warnings,
            quality.told,
            quality.not_told,
            row.charges,
            row.energy.rounded(3),
            money(row.energy_cost),
            money(row.service_cost),
            text(currency),
        );
    }
    csv
}
