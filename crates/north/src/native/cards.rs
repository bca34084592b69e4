//! RFID cards and PINs of a user. Their numbers go in and never come out.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, By, Denied, Principal, Subject};
use model::user::Card;
use model::vehicle::Vehicle;
use store::Typed;

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::tariffs::check_named;
use super::users::{DOOR, known, tell_engines};
use super::wire::{CardBody, CardView};
use crate::State;

/// Gives a user a card or a PIN.
#[utoipa::path(post, path = "/users/{user}/cards", operation_id = "create_card", tag = "users", params(("user" = String, Path)),
    request_body = CardBody, responses(
    (status = 201, body = CardView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "Another card has this number."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(user): Path<String>,
    JsonBody(body): JsonBody<CardBody>,
) -> Result<(StatusCode, Json<CardView>), ApiError> {
    allow(&caller, &Action::EditCards, &Subject::Installation)?;
    let user = known(&state, &user)?.id;
    let id = state.gate.card_id().map_err(Denied::from)?;
    let (card, number) = body.read(id, user)?;
    let number = number.unwrap_or_default();
    let _changing = state.changing.lock().await;
    check_names(&state, &card).await?;
    let by = By::new(&caller, DOOR);
    let made = state.gate.create_card(&by, card, &number).await?;
    tell_engines::<Card>(&state).await;
    Ok((StatusCode::CREATED, Json((&made).into())))
}

/// Puts what is said of a card in place of what was known; the number stays when none is given.
#[utoipa::path(put, path = "/users/{user}/cards/{card}", operation_id = "change_card", tag = "users",
    params(("user" = String, Path), ("card" = String, Path)), request_body = CardBody, responses(
    (status = 200, body = CardView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "Another card has this number."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn change(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((user, card)): Path<(String, String)>,
    JsonBody(body): JsonBody<CardBody>,
) -> Result<Json<CardView>, ApiError> {
    allow(&caller, &Action::EditCards, &Subject::Installation)?;
    let user = known(&state, &user)?.id;
    let before = state.gate.card(&user, &card);
    let before = before.ok_or_else(|| ApiError::unknown("card", &card))?;
    let (card, number) = body.read(before.card.id, user)?;
    let _changing = state.changing.lock().await;
    check_names(&state, &card).await?;
    let by = By::new(&caller, DOOR);
    let made = state.gate.change_card(&by, card, number.as_deref()).await?;
    tell_engines::<Card>(&state).await;
    Ok(Json((&made).into()))
}

/// Takes a card or a PIN away.
#[utoipa::path(delete, path = "/users/{user}/cards/{card}", operation_id = "delete_card", tag = "users",
    params(("user" = String, Path), ("card" = String, Path)), responses(
    (status = 204, description = "Deleted."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path((user, card)): Path<(String, String)>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::EditCards, &Subject::Installation)?;
    let user = known(&state, &user)?.id;
    let by = By::new(&caller, DOOR);
    state.gate.delete_card(&by, &user, &card).await?;
    tell_engines::<Card>(&state).await;
    Ok(StatusCode::NO_CONTENT)
}

/// What a card names must be there.
async fn check_names(state: &State, card: &Card) -> Result<(), ApiError> {
    check_named(state, &[], std::slice::from_ref(card)).await?;
    let Some(vehicle) = &card.vehicle else {
        return Ok(());
    };
    match state.store.get::<Vehicle>(vehicle.as_str()).await? {
        Some(_) => Ok(()),
        None => Err(ApiError::invalid(
            "vehicle",
            format!("`{vehicle}`"),
            "the id of a vehicle",
        )),
    }
}
