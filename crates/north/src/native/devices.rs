//! Devices of a site.

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::Principal;

use super::error::{ApiError, ErrorAnswer};
use super::sites::readable_view;
use super::wire::{DeviceList, DeviceView};
use crate::State;

/// Lists the devices of a site.
#[utoipa::path(get, path = "/sites/{site}/devices", operation_id = "list_devices", tag = "devices", params(("site" = String, Path)), responses(
    (status = 200, body = DeviceList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<DeviceList>, ApiError> {
    let view = readable_view(&state, &caller, &site).await?;
    Ok(Json(DeviceList {
        items: view.devices.iter().map(Into::into).collect(),
    }))
}

/// Shows one device.
#[utoipa::path(get, path = "/sites/{site}/devices/{device}", operation_id = "show_device", tag = "devices",
    params(("site" = String, Path), ("device" = String, Path)), responses(
    (status = 200, body = DeviceView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, device)): Path<(String, String)>,
) -> Result<Json<DeviceView>, ApiError> {
    let view = readable_view(&state, &caller, &site).await?;
    let found = view.devices.iter().find(|known| known.id.as_str() == device);
    found
        .map(|found| Json(found.into()))
        .ok_or_else(|| ApiError::unknown("device", &device))
}
