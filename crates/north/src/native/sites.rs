//! Sites: the list, and the whole picture of one.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::SiteId;
use model::time::{Millis, Now};
use model::view::SiteView as View;

use super::error::{ApiError, ErrorAnswer};
use super::wire::{SiteList, SiteSummary, SiteView};
use crate::State;

/// A site whose last view is older is shown as not running.
const RUNNING: Millis = Millis(10_000);

/// Lists the sites that the caller may read.
#[utoipa::path(get, path = "/sites", operation_id = "list_sites", tag = "sites", responses(
    (status = 200, body = SiteList),
    (status = 401, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<SiteList>, ApiError> {
    let now = state.clock.now();
    let mut items = Vec::new();
    for site in &state.settings.sites {
        if !gate::may(&caller, &Action::Read, &Subject::Site(&site.id)) {
            continue;
        }
        let view = state.bus.latest_view(&site.id).await;
        items.push(SiteSummary {
            id: site.id.to_string(),
            name: site.name.clone(),
            devices: site.devices.len(),
            evses: site.evses().count(),
            alarms: view.as_ref().map_or(0, |view| view.alarms.len()),
            online: view.is_some_and(|view| is_running(&view, now)),
        });
    }
    Ok(Json(SiteList { items }))
}

fn is_running(view: &View, now: Now) -> bool {
    now.monotonic - view.at.monotonic <= RUNNING
}

/// Shows one site with all its circuits, devices and EVSEs.
#[utoipa::path(get, path = "/sites/{site}", operation_id = "show_site", tag = "sites", params(("site" = String, Path)), responses(
    (status = 200, body = SiteView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer, description = "Just started, no cycle has run yet."),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<SiteView>, ApiError> {
    let view = readable_view(&state, &caller, &site).await?;
    Ok(Json(SiteView::from(view.as_ref())))
}

/// The id of a site that the caller may read. Others are not there for them.
pub fn readable(state: &State, caller: &Principal, site: &str) -> Result<SiteId, ApiError> {
    let known = state
        .settings
        .sites
        .iter()
        .find(|known| known.id.as_str() == site)
        .filter(|known| gate::may(caller, &Action::Read, &Subject::Site(&known.id)));
    Ok(known.ok_or_else(|| ApiError::unknown("site", site))?.id.clone())
}

/// The latest view of a site that the caller may read.
pub async fn readable_view(state: &State, caller: &Principal, site: &str) -> Result<Arc<View>, ApiError> {
    let id = readable(state, caller, site)?;
    state.bus.latest_view(&id).await.ok_or_else(ApiError::starting)
}
