//! EVSEs of a site.

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Denied, Principal, Subject};

use super::audit::note;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable_view;
use super::wire::{self, EvseList, EvseView, GoeView};
use crate::State;

/// Lists the EVSEs of a site.
#[utoipa::path(get, path = "/sites/{site}/evses", operation_id = "list_evses", tag = "evses", params(("site" = String, Path)), responses(
    (status = 200, body = EvseList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<EvseList>, ApiError> {
    let view = readable_view(&state, &caller, &site).await?;
    Ok(Json(EvseList {
        items: wire::evses_of(&view),
    }))
}

/// Shows one EVSE.
#[utoipa::path(get, path = "/sites/{site}/evses/{evse}", operation_id = "show_evse", tag = "evses",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 200, body = EvseView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
) -> Result<Json<EvseView>, ApiError> {
    let view = readable_view(&state, &caller, &site).await?;
    let found = view.evses.iter().find(|known| known.id.as_str() == evse);
    let found = found.ok_or_else(|| ApiError::unknown("evse", &evse))?;
    Ok(Json(EvseView::of(found, wire::station_of(&view, found))))
}

/// Says how an EVSE appears to go-e clients: serial number and token. Administrators only.
#[utoipa::path(get, path = "/sites/{site}/evses/{evse}/goe", operation_id = "show_evse_goe", tag = "evses",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 200, body = GoeView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn goe(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
) -> Result<Json<GoeView>, ApiError> {
    let view = readable_view(&state, &caller, &site).await?;
    let found = view.evses.iter().find(|known| known.id.as_str() == evse);
    let found = found.ok_or_else(|| ApiError::unknown("evse", &evse))?;
    if !gate::may(&caller, &Action::Administer, &Subject::Evse(&view.id, &found.id)) {
        return Err(ApiError::not_allowed("tokens are for administrators"));
    }
    let charger = state
        .settings
        .goe
        .chargers
        .iter()
        .find(|charger| charger.evse == found.id);
    let charger = charger.ok_or_else(|| ApiError::unknown("go-e serial number of evse", &evse))?;
    let token = state
        .gate
        .goe_token(&found.id)
        .await
        .map_err(Denied::Unavailable)?;
    let action = format!("see the go-e token of evse {}", found.id);
    note(&state, &caller, &action, "done").await;
    Ok(Json(GoeView {
        serial: charger.serial.clone(),
        token,
        enabled: charger.enabled,
    }))
}
