//! Alarms of a site, cleared ones included.

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::Principal;

use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::AlarmList;
use crate::State;

/// How many are shown at most.
const LIMIT: u32 = 200;

/// Lists the newest alarms of a site, at most 200.
#[utoipa::path(get, path = "/sites/{site}/alarms", operation_id = "list_alarms", tag = "sites", params(("site" = String, Path)), responses(
    (status = 200, body = AlarmList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<AlarmList>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let alarms = state.store.alarms(&site, LIMIT).await?;
    Ok(Json(AlarmList {
        items: alarms.iter().map(Into::into).collect(),
    }))
}
