//! The audit log: written by all who change something, read by administrators only.

use axum::extract::{Query, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::time::Timestamp;
use serde::Deserialize;
use store::AuditFilter;

use super::auth::allow;
use super::error::{ApiError, ErrorAnswer};
use super::paging::{limit_of, unreadable_cursor};
use super::users::DOOR;
use super::wire::AuditList;
use crate::State;

/// Notes what somebody did by this door. It has happened already, so a full disk does not undo it.
pub async fn note(state: &State, caller: &Principal, action: &str, outcome: &str) {
    if let Err(error) = state.gate.audit(&caller.name, DOOR, action, outcome).await {
        tracing::warn!(%error, "cannot write to the audit log that {} did {action}", caller.name);
    }
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    principal: Option<String>,
    door: Option<String>,
    /// Included.
    from_ms: Option<i64>,
    /// Not included.
    to_ms: Option<i64>,
    /// 50 when absent, at most 500.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists who did what, the newest first.
#[utoipa::path(get, path = "/audit", operation_id = "list_audit", tag = "users", params(AuditQuery), responses(
    (status = 200, body = AuditList),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Query(query): Query<AuditQuery>,
) -> Result<Json<AuditList>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let filter = AuditFilter {
        principal: query.principal,
        door: query.door,
        from: query.from_ms.map(Timestamp),
        to: query.to_ms.map(Timestamp),
    };
    let limit = limit_of(query.limit)?;
    let before = query
        .cursor
        .map(|cursor| cursor.parse().map_err(|_| unreadable_cursor()));
    // One more than shown tells whether there is another page.
    let mut entries = state.store.audit(&filter, before.transpose()?, limit + 1).await?;
    let shown = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_more = entries.len() > shown;
    entries.truncate(shown);
    let next = entries.last().filter(|_| is_more).map(|(id, _)| id.to_string());
    let items = entries.into_iter().map(|(_, entry)| entry.into()).collect();
    Ok(Json(AuditList { items, next }))
}
