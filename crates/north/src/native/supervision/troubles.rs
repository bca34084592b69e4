//! What went wrong and what is dangerous.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::UserId;
use model::oversight::{Code, Warning};
use model::time::{Millis, Timestamp};
use serde::Deserialize;

use super::books::{SpanQuery, read};
use super::{platform, readable, whose};
use crate::State;
use crate::native::audit::note;
use crate::native::auth::allow;
use crate::native::body::JsonBody;
use crate::native::error::{ApiError, ErrorAnswer};
use crate::native::paging::{cut, limit_of, unreadable_cursor};
use crate::native::wire::supervision::{
    FailureList, FailureState, FiredList, PastSampleAnswer, PastSampleBody, WarningList, WarningView,
};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct FailureQuery {
    /// Of this operator; of all that the caller may see when absent.
    operator: Option<String>,
    #[param(inline)]
    state: Option<FailureState>,
    /// At most so many, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists samples that could not be used, the newest first.
#[utoipa::path(get, path = "/oversight/failures", operation_id = "list_failures", tag = "oversight", params(FailureQuery),
    responses(
    (status = 200, body = FailureList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn failures(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<FailureQuery>, QueryRejection>,
) -> Result<Json<FailureList>, ApiError> {
    let query = read(query)?;
    let (limit, before) = (limit_of(query.limit)?, cursor(query.cursor.as_deref())?);
    let whose = whose(&state, &caller, query.operator.as_deref())?;
    let only = query.state.map(Into::into);
    let found = state
        .store
        .failures(whose.as_ref(), only, before, limit + 1)
        .await?;
    let (found, next) = cut(found, limit, |(number, _)| number.to_string());
    Ok(Json(FailureList {
        items: found.iter().map(|(_, failed)| failed.into()).collect(),
        next,
    }))
}

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WarningQuery {
    /// Of this operator; of all that the caller may see when absent.
    operator: Option<String>,
    /// Only those that last.
    #[serde(default)]
    open: bool,
    /// At most so many, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists warnings, the newest first.
#[utoipa::path(get, path = "/oversight/warnings", operation_id = "list_warnings", tag = "oversight", params(WarningQuery),
    responses(
    (status = 200, body = WarningList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn warnings(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<WarningQuery>, QueryRejection>,
) -> Result<Json<WarningList>, ApiError> {
    let query = read(query)?;
    let (limit, before) = (limit_of(query.limit)?, cursor(query.cursor.as_deref())?);
    let whose = whose(&state, &caller, query.operator.as_deref())?;
    let found = state
        .store
        .warnings(whose.as_ref(), query.open, before, limit + 1)
        .await?;
    let (found, next) = cut(found, limit, |(number, _)| number.to_string());
    Ok(Json(WarningList {
        items: found.iter().map(|(_, warning)| warning.into()).collect(),
        next,
    }))
}

/// Says that somebody has seen a warning: it is neither repeated nor raised any more.
#[utoipa::path(post, path = "/oversight/warnings/{warning}/acknowledgement", operation_id = "acknowledge_warning",
    tag = "oversight", params(("warning" = String, Path)), responses(
    (status = 200, body = WarningView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn acknowledge(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<WarningView>, ApiError> {
    let warning = find(&state, &caller, &id).await?;
    allow(
        &caller,
        &Action::AcknowledgeAlarms,
        &Subject::Operator(&warning.operator),
    )?;
    let by = match &caller.user {
        Some(user) => user.clone(),
        // Of a program: as the audit log names it, in the letters of an id.
        None => UserId::new(&caller.name.replace(':', "-"))
            .map_err(|_| ApiError::not_allowed("only somebody with a name acknowledges"))?,
    };
    let warning = platform(&state)?.authority().acknowledge(&warning.id, by).await?;
    let action = format!("acknowledge warning {} of {}", warning.id, warning.operator);
    note(&state, &caller, &action, "done").await;
    Ok(Json((&warning).into()))
}

async fn find(state: &State, caller: &Principal, id: &str) -> Result<Warning, ApiError> {
    platform(state)?;
    let unknown = || ApiError::unknown("warning", id);
    let code = Code::new(id).map_err(|_| unknown())?;
    let warning = state.store.warning(&code).await?.ok_or_else(unknown)?;
    let may = gate::may(caller, &Action::Read, &Subject::Operator(&warning.operator));
    if may { Ok(warning) } else { Err(unknown()) }
}

/// Says what the rules of today would have raised at a port.
#[utoipa::path(get, path = "/oversight/operators/{operator}/ports/{port}/replay", operation_id = "replay_rules",
    tag = "oversight", params(("operator" = String, Path), ("port" = String, Path), SpanQuery), responses(
    (status = 200, body = FiredList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn replay(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((operator, port)): Path<(String, String)>,
    query: Result<Query<SpanQuery>, QueryRejection>,
) -> Result<Json<FiredList>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    let (from, to) = read(query)?.span();
    let port = Code::new(&port).map_err(|_| ApiError::unknown("port", &port))?;
    let authority = platform(&state)?.authority();
    let fired = authority.replay(&operator.id, &port, from, to).await?;
    Ok(Json(FiredList {
        items: fired.iter().map(Into::into).collect(),
    }))
}

/// Asks an operator for a sample of the past, and takes what it answers as if it had been reported. For the authority.
#[utoipa::path(post, path = "/oversight/operators/{operator}/ports/{port}/past-sample", operation_id = "ask_past_sample",
    tag = "oversight", params(("operator" = String, Path), ("port" = String, Path)), request_body = PastSampleBody,
    responses(
    (status = 200, body = PastSampleAnswer),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The operator has no address for that."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn past_sample(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((operator, port)): Path<(String, String)>,
    JsonBody(body): JsonBody<PastSampleBody>,
) -> Result<Json<PastSampleAnswer>, ApiError> {
    let operator = readable(&state, &caller, &operator)?;
    allow(&caller, &Action::AcknowledgeAlarms, &Subject::Oversight)?;
    let port = Code::new(&port).map_err(|_| ApiError::unknown("port", &port))?;
    let at = Timestamp(body.at_ms - body.at_ms.rem_euclid(1_000));
    let platform = platform(&state)?;
    let age = state.clock.now().wall - at;
    let oldest = platform.settings().oldest_sample;
    // What is older would fail like any report.
    if !(Millis::ZERO..=oldest).contains(&age) {
        let expected = format!("a time of the last {} h", oldest.0 / 3_600_000);
        return Err(ApiError::invalid("at_ms", body.at_ms, expected));
    }
    let asked = platform.past_sample(&operator, &port, at).await;
    let action = format!("ask {} for a sample of port {port}", operator.id);
    let outcome = if asked.is_ok() { "done" } else { "failed" };
    note(&state, &caller, &action, outcome).await;
    match asked {
        Ok(sample) => Ok(Json(PastSampleAnswer {
            sample: Some((&sample).into()),
            why: None,
        })),
        Err(why) if why.is_settings() => Err(ApiError::new(
            StatusCode::CONFLICT,
            "not_supported",
            why.to_string(),
        )),
        Err(why) => Ok(Json(PastSampleAnswer {
            sample: None,
            why: Some(why.to_string()),
        })),
    }
}

fn cursor(text: Option<&str>) -> Result<Option<i64>, ApiError> {
    let number = text.map(str::parse).transpose();
    number.map_err(|_| unreadable_cursor())
}
