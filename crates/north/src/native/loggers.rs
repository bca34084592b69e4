//! How the data loggers of a site do.

use std::collections::BTreeSet;

use axum::extract::{Path, State as Shared};
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::gateway::LoggerState;
use model::id::GatewayId;
use model::site::Site;

use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::logger::{LoggerList, LoggerView};
use crate::State;

/// Lists the data loggers that devices of a site are behind; who may see settings also sees those that nobody knows.
#[utoipa::path(get, path = "/sites/{site}/loggers", operation_id = "list_loggers", tag = "solar", params(("site" = String, Path)), responses(
    (status = 200, body = LoggerList),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
) -> Result<Json<LoggerList>, ApiError> {
    let id = readable(&state, &caller, &site)?;
    let site = state.settings.sites.iter().find(|known| known.id == id);
    let site = site.ok_or_else(|| ApiError::unknown("site", id.as_str()))?;
    let sees_strangers = gate::may(&caller, &Action::SeeSettings, &Subject::Installation);
    let own: BTreeSet<&GatewayId> = site
        .devices
        .iter()
        .filter_map(|device| device.link.via())
        .map(|(gateway, _)| gateway)
        .collect();
    let states = (state.loggers)();
    let shown = states.values().filter(|logger| match &logger.accepted {
        Some(gateway) => own.contains(gateway),
        None => sees_strangers,
    });
    let items = shown.map(|logger| view(&state, site, logger)).collect();
    Ok(Json(LoggerList { items }))
}

fn view(state: &State, site: &Site, logger: &LoggerState) -> LoggerView {
    let gateways = &state.settings.gateways;
    let gateway = logger
        .accepted
        .as_ref()
        .and_then(|id| gateways.iter().find(|known| known.id == *id));
    let is_behind = |gateway: &GatewayId| logger.accepted.as_ref() == Some(gateway);
    let devices = site.devices.iter();
    let devices = devices.filter(|device| device.link.via().is_some_and(|(gateway, _)| is_behind(gateway)));
    LoggerView {
        pn: logger.pn.clone(),
        name: gateway.map(|gateway| gateway.name.clone()),
        accepted: logger.accepted.is_some(),
        online: logger.is_online(),
        from: logger.from.map(|from| from.to_string()),
        since_ms: logger.since.map(|at| at.0),
        last_contact_ms: logger.last_contact.map(|at| at.0),
        signal_dbm: logger.facts.signal_dbm,
        kind: logger.facts.kind.clone(),
        firmware: logger.facts.firmware.clone(),
        waiting: logger.waiting.map(|from| from.to_string()),
        devices: devices.map(|device| device.id.to_string()).collect(),
    }
}
