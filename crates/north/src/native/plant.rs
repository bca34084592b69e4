//! What people say about the plant of a site: what nobody measures.

use std::sync::Arc;

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::SiteId;
use model::plant::PlantSheet as Kept;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::changed;
use super::sites::readable;
use super::wire::plant::{PlantSheet, PlantView};
use crate::State;
use crate::plant_sheets::Sheets;

/// Shows the sheet of a plant: address, factors, prices for ShineMonitor clients.
#[utoipa::path(get, path = "/sites/{site}/plant", operation_id = "show_plant", tag = "solar", params(("site" = String, Path)), responses(
    (status = 200, body = PlantView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<PlantView>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    let kept = kept(&state, &site).await?;
    Ok(Json(shown(&state, &kept)))
}

/// Puts a sheet in place of the one before. Operators and administrators only.
#[utoipa::path(put, path = "/sites/{site}/plant", operation_id = "put_plant", tag = "solar",
    params(("site" = String, Path)), request_body = PlantSheet, responses(
    (status = 200, body = PlantView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn put(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    JsonBody(wanted): JsonBody<PlantSheet>,
) -> Result<Json<PlantView>, ApiError> {
    let site = readable(&state, &caller, &site)?;
    allow(&caller, &Action::EditPlants, &Subject::Site(&site))?;
    let _changing = state.changing.lock().await;
    let sheet = wanted.over(kept(&state, &site).await?)?;
    let sheets: Arc<Sheets> = state.memory.of();
    sheets.put(&state.store, sheet.clone()).await?;
    changed::<Kept>(&state, &caller, "put", site.as_str()).await;
    Ok(Json(shown(&state, &sheet)))
}

async fn kept(state: &State, site: &SiteId) -> Result<Kept, ApiError> {
    let sheets: Arc<Sheets> = state.memory.of();
    let sheets = sheets.all(&*state.store).await?;
    let blank = || Kept::new(site.clone(), state.clock.now().wall);
    Ok(sheets.get(site).cloned().unwrap_or_else(blank))
}

fn shown(state: &State, kept: &Kept) -> PlantView {
    let site = state.settings.sites.iter().find(|site| site.id == kept.site);
    PlantView {
        sheet: kept.into(),
        site_position: site.and_then(|site| site.position).map(Into::into),
    }
}
