//! Alarms of a site, cleared ones included.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::alarm::Alarm;
use model::id::DeviceId;
use model::intent::{Intent, Wanted};
use model::time::Timestamp;
use serde::Deserialize;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::{Acknowledgement, AlarmList, AlarmState};
use crate::State;

const LIMIT: u32 = 50;
const MOST: u32 = 500;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlarmQuery {
    /// All when absent. Open ones come on one page.
    state: Option<AlarmState>,
    /// At most so many, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists the alarms of a site, the newest first.
#[utoipa::path(get, path = "/sites/{site}/alarms", operation_id = "list_alarms", tag = "sites", params(("site" = String, Path), AlarmQuery), responses(
    (status = 200, body = AlarmList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    query: Result<Query<AlarmQuery>, QueryRejection>,
) -> Result<Json<AlarmList>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let Query(query) = query.map_err(|rejection| ApiError::unreadable(rejection.body_text()))?;
    let limit = query.limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(ApiError::invalid("limit", limit, "1 to 500"));
    }
    if query.state == Some(AlarmState::Open) {
        let open = state.store.open_alarms(&site).await?;
        return Ok(Json(page(&open, None)));
    }
    let before = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let found = state.store.alarm_history(&site, before, limit).await?;
    let is_full = u32::try_from(found.len()).is_ok_and(|count| count == limit);
    let next = found.last().filter(|_| is_full);
    let next = next.map(|(number, alarm)| format!("{}.{number}", alarm.raised.0));
    let alarms: Vec<Alarm> = found.into_iter().map(|(_, alarm)| alarm).collect();
    Ok(Json(page(&alarms, next)))
}

fn page(alarms: &[Alarm], next: Option<String>) -> AlarmList {
    AlarmList {
        items: alarms.iter().map(Into::into).collect(),
        next,
    }
}

fn parse_cursor(text: &str) -> Result<(Timestamp, i64), ApiError> {
    let parts = text.split_once('.');
    let parsed =
        parts.and_then(|(raised, number)| Some((Timestamp(raised.parse().ok()?), number.parse().ok()?)));
    parsed.ok_or_else(|| ApiError::invalid("cursor", "none of ours", "`next` of the page before"))
}

/// Says that somebody has seen an open alarm.
#[utoipa::path(post, path = "/sites/{site}/alarms/acknowledgement", operation_id = "acknowledge_alarm", tag = "sites", params(("site" = String, Path)),
    request_body = Acknowledgement, responses(
    (status = 204, description = "Stored; the site shows it."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "No such alarm is open."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn acknowledge(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    JsonBody(seen): JsonBody<Acknowledgement>,
) -> Result<StatusCode, ApiError> {
    let site = readable(&state, &caller, &site)?;
    allow(&caller, &Action::AcknowledgeAlarms, &Subject::Site(&site))?;
    let device = seen
        .device
        .as_deref()
        .map(|id| DeviceId::new(id).map_err(|_| ApiError::unknown("device", id)));
    state
        .bus
        .ask(Intent {
            site,
            by: caller.name,
            door: "native".to_owned(),
            wanted: Wanted::AcknowledgeAlarm {
                device: device.transpose()?,
                code: seen.code.into(),
                raised: Timestamp(seen.raised_ms),
            },
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}
