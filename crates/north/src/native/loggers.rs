//! How the data loggers of a site do.

use std::collections::BTreeSet;

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::gateway::LoggerState;
use model::id::GatewayId;
use model::site::Site;

use super::audit::note;
use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::logger::{LoggerAcceptance, LoggerList, LoggerView, VacantGateway};
use crate::{State, loggers};

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
    let states = (state.loggers.states)();
    // One that no device is behind belongs to no site.
    let is_of_nobody = |gateway: &GatewayId| {
        let mut devices = state.settings.sites.iter().flat_map(|site| &site.devices);
        !devices.any(|device| device.link.via().is_some_and(|(via, _)| via == gateway))
    };
    let shown = states.values().filter(|logger| match &logger.accepted {
        Some(gateway) => own.contains(gateway) || sees_strangers && is_of_nobody(gateway),
        None => sees_strangers,
    });
    let items = shown.map(|logger| view(&state, site, logger)).collect();
    let vacant = if sees_strangers {
        loggers::vacant(&state, site, &states)
    } else {
        Vec::new()
    };
    let vacant = vacant.into_iter().map(|gateway| VacantGateway {
        gateway: gateway.id.to_string(),
        name: gateway.name.clone(),
    });
    Ok(Json(LoggerList {
        items,
        vacant: vacant.collect(),
    }))
}

/// Accepts a data logger that nobody knows, as a gateway whose number the configuration leaves open. Its link begins
/// within a minute. Administrators only.
#[utoipa::path(post, path = "/loggers/{logger}", operation_id = "accept_logger", tag = "solar",
    params(("logger" = String, Path, description = "The number by which it says who it is.")),
    request_body = LoggerAcceptance, responses(
    (status = 204),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "No such data logger has connected, or there is no such gateway."),
    (status = 409, body = ErrorAnswer, description = "It is known already, or it is known which one the gateway is."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn accept(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(logger): Path<String>,
    JsonBody(body): JsonBody<LoggerAcceptance>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let mut gateways = state.settings.gateways.iter();
    let gateway = gateways.find(|gateway| gateway.id.as_str() == body.gateway);
    let gateway = gateway.ok_or_else(|| ApiError::unknown("gateway", &body.gateway))?;
    let _changing = state.changing.lock().await;
    let states = (state.loggers.states)();
    let stranger = states.get(&logger);
    let stranger = stranger.ok_or_else(|| ApiError::unknown("data logger", &logger))?;
    if let Some(known) = &stranger.accepted {
        return Err(taken(format!(
            "data logger {logger} is gateway `{known}` already"
        )));
    }
    if !loggers::is_vacant(gateway, &states) {
        let text = format!(
            "gateway `{}` is no data logger, or it is known already which one it is",
            gateway.id
        );
        return Err(taken(text));
    }
    loggers::accept(&state, gateway, &logger).await?;
    let action = format!("accept data logger {logger} as {}", gateway.id);
    note(&state, &caller, &action, "done").await;
    Ok(StatusCode::NO_CONTENT)
}

fn taken(text: String) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, "in_use", text)
}

/// Lets the connection that waits under a number have the place of the one that is there, which is ended.
/// Administrators only.
#[utoipa::path(post, path = "/loggers/{logger}/takeover", operation_id = "take_over_logger", tag = "solar",
    params(("logger" = String, Path, description = "The number by which both say who they are.")), responses(
    (status = 204),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer, description = "No configured data logger has that number."),
    (status = 409, body = ErrorAnswer, description = "No second connection waits."),
))]
pub async fn take_over(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(logger): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let states = (state.loggers.states)();
    let known = states.get(&logger).filter(|state| state.accepted.is_some());
    let known = known.ok_or_else(|| ApiError::unknown("data logger", &logger))?;
    if !(state.loggers.take_over)(&known.pn) {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "nobody_waits",
            "no second connection says that it is this data logger",
        ));
    }
    note(
        &state,
        &caller,
        &format!("take over data logger {logger}"),
        "done",
    )
    .await;
    Ok(StatusCode::NO_CONTENT)
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
