//! EVSEs of a site.

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::Principal;
use model::id::EvseId;
use model::question::{Finding, Question};

use super::error::{ApiError, ErrorAnswer};
use super::sites::{readable, readable_view};
use super::wire::{self, EvseList, EvseView, HelpList, HelpView};
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

/// Says what would let an EVSE charge, or charge with more: the last cycle is decided again with one thing
/// changed, and nothing comes of it.
#[utoipa::path(get, path = "/sites/{site}/evses/{evse}/help", operation_id = "show_help", tag = "evses",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 200, body = HelpList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn help(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
) -> Result<Json<HelpList>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let evse = EvseId::new(&evse).map_err(|_| ApiError::unknown("evse", &evse))?;
    let Finding::WhatHelps(helps) = state.bus.inquire(&site, Question::WhatHelps { evse }).await?;
    Ok(Json(HelpList {
        items: helps.iter().filter_map(HelpView::of).collect(),
    }))
}
