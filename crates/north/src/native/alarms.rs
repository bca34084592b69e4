//! Alarms of a site, cleared ones included.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::DeviceId;
use model::intent::{Intent, Wanted};
use model::time::Timestamp;
use serde::Deserialize;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::paging::{cut, limit_of, unreadable_cursor};
use super::sites::readable;
use super::wire::{Acknowledgement, AlarmList, AlarmState};
use crate::State;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlarmQuery {
    /// All when absent.
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
    let limit = limit_of(query.limit)?;
    let before = query.cursor.as_deref().map(parse_cursor).transpose()?;
    let only_open = query.state == Some(AlarmState::Open);
    let found = state
        .store
        .alarm_history(&site, only_open, before, limit.saturating_add(1))
        .await?;
    let (found, next) = cut(found, limit, |(number, alarm)| {
        format!("{}.{number}", alarm.raised.0)
    });
    Ok(Json(AlarmList {
        items: found.iter().map(|(_, alarm)| alarm.into()).collect(),
        next,
    }))
}

fn parse_cursor(text: &str) -> Result<(Timestamp, i64), ApiError> {
    let parts = text.split_once('.');
    let parsed =
        parts.and_then(|(raised, number)| Some((Timestamp(raised.parse().ok()?), number.parse().ok()?)));
    parsed.ok_or_else(unreadable_cursor)
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
