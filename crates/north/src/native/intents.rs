//! Wishes: filed at the engine's desk, answered when stored.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::EvseId;
use model::intent::{Intent, Wanted};
use model::money::PerKwh;
use model::units::{MilliAmps, WattHours};

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use super::wire::{IntentAnswer, IntentRequest};
use crate::State;

/// Asks for a mode, a current, a forced state or a number of phases.
#[utoipa::path(post, path = "/sites/{site}/intents", operation_id = "create_intent", tag = "evses", params(("site" = String, Path)),
    request_body = IntentRequest, responses(
    (status = 202, body = IntentAnswer, description = "Accepted and stored; the next cycle weighs it."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The device cannot do that."),
    (status = 413, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer, description = "A value does not fit; names it and what was expected."),
    (status = 503, body = ErrorAnswer, description = "Busy, or the wish could not be stored."),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(site): Path<String>,
    JsonBody(request): JsonBody<IntentRequest>,
) -> Result<(StatusCode, Json<IntentAnswer>), ApiError> {
    let site = readable(&state, &caller, &site)?;
    let evse = EvseId::new(request.evse()).map_err(|_| ApiError::unknown("evse", request.evse()))?;
    allow(&caller, &Action::Steer, &Subject::Evse(&site, &evse))?;
    let wanted = match request {
        IntentRequest::Mode { mode, .. } => Wanted::Mode {
            evse,
            mode: mode.into(),
        },
        IntentRequest::Current { current_ma, .. } => Wanted::Current {
            evse,
            current: MilliAmps(current_ma),
        },
        IntentRequest::Force { force, .. } => Wanted::Force {
            evse,
            force: force.into(),
        },
        IntentRequest::Phases { phases, .. } => Wanted::Phases {
            evse,
            phases: phases.map(Into::into),
        },
        IntentRequest::EnergyLimit { limit_wh, .. } => Wanted::EnergyLimit {
            evse,
            limit: limit_wh.map(WattHours),
        },
        IntentRequest::PriceLimit {
            limit_micros_per_kwh, ..
        } => Wanted::PriceLimit {
            evse,
            limit: limit_micros_per_kwh.map(PerKwh),
        },
        IntentRequest::TemporaryCurrent { current_ma, .. } => Wanted::TemporaryCurrent {
            evse,
            current: current_ma.map(MilliAmps),
        },
    };
    let receipt = state
        .bus
        .ask(Intent {
            site,
            by: caller.name,
            door: "native".to_owned(),
            wanted,
        })
        .await?;
    Ok((StatusCode::ACCEPTED, Json(receipt.into())))
}
