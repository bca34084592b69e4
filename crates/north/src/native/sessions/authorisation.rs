//! Showing the right to charge, and ending a charge.

use axum::Extension;
use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use gate::{Action, Principal, Subject};
use model::id::{EvseId, SiteId};
use model::intent::{Intent, Wanted};
use model::session::{Authorisation, AuthorisationKind};
use model::site::Site;
use model::user::CardKind;

use crate::State;
use crate::native::auth::allow;
use crate::native::body::JsonBody;
use crate::native::error::{ApiError, ErrorAnswer};
use crate::native::sites::readable;
use crate::native::wire::{AuthorisationRequest, IntentAnswer};

/// Authorises the car at an EVSE, or for a minute the next one that is plugged in there. The number of a
/// card or PIN that charges there already ends its charge.
#[utoipa::path(post, path = "/sites/{site}/evses/{evse}/authorisation", operation_id = "authorise", tag = "sessions",
    params(("site" = String, Path), ("evse" = String, Path)), request_body = AuthorisationRequest, responses(
    (status = 202, body = IntentAnswer, description = "Accepted and stored."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer, description = "Nobody who may charge here has this number, or your role does not allow it."),
    (status = 404, body = ErrorAnswer),
    (status = 413, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn authorise(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
    JsonBody(request): JsonBody<AuthorisationRequest>,
) -> Result<(StatusCode, Json<IntentAnswer>), ApiError> {
    let (site, evse) = steered(&state, &caller, &site, &evse)?;
    let authorisation = match request {
        AuthorisationRequest::App {} => Authorisation {
            kind: AuthorisationKind::App,
            user: caller.user.clone(),
            card: None,
        },
        AuthorisationRequest::Rfid { number } | AuthorisationRequest::Pin { number } => {
            by_number(&state, &site, &evse, &number).await?
        }
    };
    file(&state, site, caller, Wanted::Authorise { evse, authorisation }).await
}

/// Ends the running transaction; the car stays plugged in and gets no more current.
#[utoipa::path(delete, path = "/sites/{site}/evses/{evse}/authorisation", operation_id = "stop_transaction", tag = "sessions",
    params(("site" = String, Path), ("evse" = String, Path)), responses(
    (status = 202, body = IntentAnswer, description = "Accepted and stored."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "No transaction runs there."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn stop(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((site, evse)): Path<(String, String)>,
) -> Result<(StatusCode, Json<IntentAnswer>), ApiError> {
    let (site, evse) = steered(&state, &caller, &site, &evse)?;
    file(&state, site, caller, Wanted::StopTransaction { evse }).await
}

fn steered(state: &State, caller: &Principal, site: &str, evse: &str) -> Result<(SiteId, EvseId), ApiError> {
    let site = readable(state, caller, site)?;
    // Numbers are slowed down by where they are shown: made-up places would be a way around it.
    let sites = state.settings.sites.iter().filter(|known| known.id == site);
    let found = sites
        .flat_map(Site::evses)
        .find(|(_, known)| known.id.as_str() == evse);
    let evse = found.ok_or_else(|| ApiError::unknown("evse", evse))?.1.id.clone();
    allow(caller, &Action::Steer, &Subject::Evse(&site, &evse))?;
    Ok((site, evse))
}

async fn by_number(
    state: &State,
    site: &SiteId,
    evse: &EvseId,
    number: &str,
) -> Result<Authorisation, ApiError> {
    let found = state.gate.card_by_number(site, number, evse).await;
    let (user, card) =
        found.ok_or_else(|| ApiError::not_allowed("nobody who may charge here has this number"))?;
    Ok(Authorisation {
        // What the number is, whatever it was called.
        kind: match card.kind {
            CardKind::Rfid => AuthorisationKind::Rfid,
            CardKind::Pin => AuthorisationKind::Pin,
        },
        user: Some(user.id),
        card: Some(card.id),
    })
}

async fn file(
    state: &State,
    site: SiteId,
    caller: Principal,
    wanted: Wanted,
) -> Result<(StatusCode, Json<IntentAnswer>), ApiError> {
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
