//! The outbox: what waits, what was given up, what was delivered; and a test of one's own notifications.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::id::{ParcelId, UserId};
use model::outbox::{Parcel, ParcelState};
use model::user::Notify;
use serde::Deserialize;

use super::audit::note;
use super::auth::allow;
use super::error::{ApiError, ErrorAnswer};
use super::paging::{cut, limit_of, unreadable_cursor};
use super::wire::{ParcelList, ParcelStateName, ParcelView, SigningKeyView};
use crate::State;
use crate::outbox::{notices, plan};

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OutboxQuery {
    /// Only these.
    state: Option<ParcelStateName>,
    /// At most so many, 1 to 500; 50 when absent.
    limit: Option<u32>,
    /// `next` of the page before.
    cursor: Option<String>,
}

/// Lists parcels, the newest first.
#[utoipa::path(get, path = "/outbox", operation_id = "list_outbox", tag = "outbox", params(OutboxQuery), responses(
    (status = 200, body = ParcelList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    query: Result<Query<OutboxQuery>, QueryRejection>,
) -> Result<Json<ParcelList>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let Query(query) = query.map_err(|rejection| ApiError::unreadable(rejection.body_text()))?;
    let limit = limit_of(query.limit)?;
    let before = query.cursor.as_deref().map(str::parse::<i64>).transpose();
    let before = before.map_err(|_| unreadable_cursor())?;
    let only = query.state.map(ParcelStateName::word);
    let found = state.store.parcels(only, before, limit.saturating_add(1)).await?;
    let (found, next) = cut(found, limit, |(number, _)| number.to_string());
    Ok(Json(ParcelList {
        items: found.iter().map(|(_, parcel)| parcel.into()).collect(),
        next,
    }))
}

/// Sends a parcel again that was given up, or that waits for its next attempt.
#[utoipa::path(post, path = "/outbox/{id}/retry", operation_id = "retry_parcel", tag = "outbox", params(("id" = String, Path)), responses(
    (status = 202, body = ParcelView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "It has been delivered."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn retry(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ParcelView>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let parcel = find(&state, &id).await?;
    if matches!(parcel.state, ParcelState::Delivered { .. }) {
        let why = "it has been delivered";
        return Err(ApiError::new(StatusCode::CONFLICT, "not_supported", why));
    }
    let parcel = plan::again(&parcel, state.clock.now().wall);
    if !state.store.update_parcel(&parcel).await? {
        return Err(ApiError::unknown("parcel", &id));
    }
    note(
        &state,
        &caller,
        &format!("send parcel {} again", parcel.id),
        "done",
    )
    .await;
    Ok((StatusCode::ACCEPTED, Json((&parcel).into())))
}

/// Forgets a parcel, whatever its state.
#[utoipa::path(delete, path = "/outbox/{id}", operation_id = "delete_parcel", tag = "outbox", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let parcel = find(&state, &id).await?;
    state.store.delete_parcel(&parcel.id).await?;
    note(&state, &caller, &format!("delete parcel {}", parcel.id), "done").await;
    Ok(StatusCode::NO_CONTENT)
}

/// Shows the key with which webhooks are signed, for whoever sets up a receiver.
#[utoipa::path(get, path = "/outbox/signing-key", operation_id = "show_signing_key", tag = "outbox", responses(
    (status = 200, body = SigningKeyView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn signing_key(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<SigningKeyView>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let key = state.gate.signing_key().await.map_err(|error| {
        tracing::error!(%error, "cannot read the signing key");
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "the key cannot be read; see the log",
        )
    })?;
    note(&state, &caller, "see the signing key", "done").await;
    Ok(Json(SigningKeyView {
        key: key.expose().to_owned(),
    }))
}

/// Sends a test by every way the notification settings of a user name: one's own, or as an administrator.
#[utoipa::path(post, path = "/users/{id}/notify/test", operation_id = "test_notification", tag = "outbox", params(("id" = String, Path)), responses(
    (status = 202, body = ParcelList, description = "On their way; the outbox shows what became of them."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The user has neither e-mail nor webhook."),
    (status = 422, body = ErrorAnswer, description = "The address may not be dialled."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn test(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<(StatusCode, Json<ParcelList>), ApiError> {
    let user = UserId::new(&id).map_err(|_| ApiError::unknown("user", &id))?;
    if caller.user.as_ref() != Some(&user) {
        allow(&caller, &Action::Administer, &Subject::Installation)?;
    }
    let user = state.gate.users().into_iter().find(|known| known.id == user);
    let user = user.ok_or_else(|| ApiError::unknown("user", &id))?;
    check_webhook(&state, &user.notify)?;
    let parcels = notices::test_parcels(&user, state.clock.now().wall);
    if parcels.is_empty() {
        let why = "there is neither an e-mail address nor a webhook to send to";
        return Err(ApiError::new(StatusCode::CONFLICT, "not_supported", why));
    }
    for parcel in &parcels {
        state.store.put_parcel(parcel).await?;
    }
    note(&state, &caller, &format!("send a test to {}", user.id), "done").await;
    let items = parcels.iter().map(Into::into).collect();
    Ok((StatusCode::ACCEPTED, Json(ParcelList { items, next: None })))
}

/// Whether the webhook of somebody may be dialled, as far as its address alone tells. Whither a name leads is
/// seen when it is dialled, every time.
pub fn check_webhook(state: &State, notify: &Notify) -> Result<(), ApiError> {
    let Some(webhook) = &notify.webhook else {
        return Ok(());
    };
    state.guard.check(webhook).map_err(|denied| {
        ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", denied.to_string())
            .at("notify.webhook", "an address that may be dialled")
    })
}

async fn find(state: &State, id: &str) -> Result<Parcel, ApiError> {
    let unknown = || ApiError::unknown("parcel", id);
    let known = ParcelId::new(id).map_err(|_| unknown())?;
    state.store.parcel(&known).await?.ok_or_else(unknown)
}
