//! What can be set at a device beside the wishes of an EVSE: switches and limits of an inverter.

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::control::{Control, Controls, Order};
use model::id::{DeviceId, SiteId};
use model::intent::{Intent, Wanted};

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::sites::{readable, readable_view};
use super::wire::{ControlList, ControlRequest, ControlView};
use crate::State;

/// Lists what can be set at a device, and how it is set; empty where there is nothing.
#[utoipa::path(get, path = "/sites/{site}/devices/{device}/controls", operation_id = "list_controls", tag = "devices",
    params(("site" = String, Path), ("device" = String, Path)), responses(
    (status = 200, body = ControlList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, device)): Path<(String, String)>,
) -> Result<Json<ControlList>, ApiError> {
    let controls = of(&state, &caller, &site, &device).await?;
    Ok(Json(ControlList {
        items: controls.list.iter().map(Into::into).collect(),
    }))
}

async fn of(state: &State, caller: &Principal, site: &str, device: &str) -> Result<Controls, ApiError> {
    let view = readable_view(state, caller, site).await?;
    let found = view.devices.iter().find(|known| known.id.as_str() == device);
    found
        .map(|found| found.controls.clone())
        .ok_or_else(|| ApiError::unknown("device", device))
}

/// Sets one of them. The device has the last word: the answer comes when it has taken the value and shows it, which may
/// take some seconds.
#[utoipa::path(put, path = "/sites/{site}/devices/{device}/controls/{control}", operation_id = "set_control", tag = "devices",
    params(("site" = String, Path), ("device" = String, Path), ("control" = String, Path)), request_body = ControlRequest, responses(
    (status = 200, body = ControlView, description = "As the device shows it now."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The device says no, in its own words."),
    (status = 413, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer, description = "The value does not fit; says what was expected."),
    (status = 503, body = ErrorAnswer, description = "The device is away, or has not answered in time."),
))]
pub async fn set(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, device, control)): Path<(String, String, String)>,
    JsonBody(request): JsonBody<ControlRequest>,
) -> Result<Json<ControlView>, ApiError> {
    let id = readable(&state, &caller, &site)?;
    allow(&caller, &Action::Steer, &Subject::Site(&id))?;
    let known = of(&state, &caller, &site, &device).await?;
    let known = known.get(&control).cloned();
    let known = known.ok_or_else(|| ApiError::unknown("control", &control))?;
    let value = order(&state, id, &device, &caller, &known, &request.value).await?;
    Ok(Json(ControlView::from(&Control {
        value: Some(value),
        ..known
    })))
}

/// Gives the value in the form in which it was set.
async fn order(
    state: &State,
    site: SiteId,
    device: &str,
    caller: &Principal,
    control: &Control,
    value: &str,
) -> Result<String, ApiError> {
    let value = control.check(value)?;
    let order = Order::Set {
        control: control.id.clone(),
        value: value.clone(),
    };
    let device = DeviceId::new(device).map_err(|_| ApiError::unknown("device", device))?;
    let intent = Intent {
        site,
        by: caller.name.clone(),
        door: "native".to_owned(),
        wanted: Wanted::Order { device, order },
    };
    state.bus.ask(intent).await?;
    Ok(value)
}
