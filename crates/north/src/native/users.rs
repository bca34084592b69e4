//! Users: the list, single ones, their passwords.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use gate::{Action, By, PasswordChange, Past, Principal, Subject};
use model::id::UserId;
use model::message::Message;
use model::noun::Noun;
use model::user::{Card, User};
use model::vehicle::Vehicle;
use serde::Deserialize;
use store::Typed;

use super::auth::{allow, session_cookie};
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::{from_file, stored};
use super::outbox::check_webhook;
use super::paging::{PageQuery, page};
use super::session::{check_way, is_tls};
use super::tariffs::check_named;
use super::wire::{PasswordBody, UserBody, UserList, UserView};
use crate::{State, Transport};

/// The name of this door in the audit log.
pub const DOOR: &str = "native";

/// Lists users: all for an operator, others see themselves.
#[utoipa::path(get, path = "/users", operation_id = "list_users", tag = "users", params(PageQuery), responses(
    (status = 200, body = UserList),
    (status = 401, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Query(query): Query<PageQuery>,
) -> Result<Json<UserList>, ApiError> {
    let mut users = state.gate.users();
    users.retain(|user| may_see(&caller, &user.id));
    let (users, next) = page(users, &query, |user| user.id.as_str())?;
    let items = users.iter().map(|user| view(&state, user)).collect();
    Ok(Json(UserList { items, next }))
}

/// Makes a user. Without a password they can charge, and sign in once they were given one.
#[utoipa::path(post, path = "/users", operation_id = "create_user", tag = "users", request_body = UserBody, responses(
    (status = 201, body = UserView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The id is taken."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<(StatusCode, Json<UserView>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let user = body.read(None)?;
    let _changing = state.changing.lock().await;
    check_named(&state, std::slice::from_ref(&user), &[]).await?;
    check_webhook(&state, &user.notify)?;
    let by = By::new(&caller, DOOR);
    state.gate.create_user(&by, user.clone()).await?;
    tell_engines::<User>(&state).await;
    Ok((StatusCode::CREATED, Json(view(&state, &user))))
}

/// Shows one user. Whoever is no operator sees only themselves.
#[utoipa::path(get, path = "/users/{user}", operation_id = "show_user", tag = "users", params(("user" = String, Path)), responses(
    (status = 200, body = UserView),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<UserView>, ApiError> {
    let user = known(&state, &id)?;
    if !may_see(&caller, &user.id) {
        return Err(ApiError::unknown("user", &id));
    }
    Ok(Json(view(&state, &user)))
}

/// Puts what is said of a user in place of what was known. Who is disabled is signed out at once.
#[utoipa::path(put, path = "/users/{user}", operation_id = "change_user", tag = "users", params(("user" = String, Path)),
    request_body = UserBody, responses(
    (status = 200, body = UserView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The last administrator has to stay one."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn change(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Json<UserView>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let before = known(&state, &id)?;
    let user = body.read(Some(&before.id))?;
    let _changing = state.changing.lock().await;
    check_named(&state, std::slice::from_ref(&user), &[]).await?;
    // One that was allowed once does not stand in the way of other changes; it is not dialled any more.
    if user.notify.webhook != before.notify.webhook {
        check_webhook(&state, &user.notify)?;
    }
    let by = By::new(&caller, DOOR);
    state.gate.change_user(&by, user.clone()).await?;
    tell_engines::<User>(&state).await;
    Ok(Json(view(&state, &user)))
}

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub struct DeleteQuery {
    /// `keep` (the default) leaves the user's id in their sessions, `anonymise` takes it out.
    #[serde(default)]
    #[param(inline)]
    sessions: Fate,
}

#[derive(Clone, Copy, Default, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    #[default]
    Keep,
    Anonymise,
}

/// Deletes a user with their cards, password, page sessions and the tokens they made.
#[utoipa::path(delete, path = "/users/{user}", operation_id = "delete_user", tag = "users",
    params(("user" = String, Path), DeleteQuery), responses(
    (status = 204, description = "Deleted."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The last administrator stays."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
    Query(query): Query<DeleteQuery>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let past = match query.sessions {
        Fate::Keep => Past::Keep,
        Fate::Anonymise => Past::Anonymise,
    };
    let user = known(&state, &id)?;
    let by = By::new(&caller, DOOR);
    let _changing = state.changing.lock().await;
    state.gate.delete_user(&by, &user.id, past).await?;
    // Whoever gets the id next is not the owner.
    for mut vehicle in state.store.list::<Vehicle>().await? {
        let is_theirs = vehicle.owner.as_ref() == Some(&user.id);
        if is_theirs && !from_file(&state.settings.vehicles, vehicle.id()) {
            vehicle.owner = None;
            stored(&state, &caller, &vehicle).await?;
        }
    }
    tell_engines::<User>(&state).await;
    tell_engines::<Card>(&state).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Sets a password: one's own with the one in use, anybody's as an administrator. The other page sessions of
/// that user end.
#[utoipa::path(put, path = "/users/{user}/password", operation_id = "set_password", tag = "users", params(("user" = String, Path)),
    request_body = PasswordBody, responses(
    (status = 204, description = "Set."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer, description = "The new password does not do, or `current` is not the one in use."),
    (status = 429, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn set_password(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    transport: Option<Extension<Transport>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    JsonBody(body): JsonBody<PasswordBody>,
) -> Result<StatusCode, ApiError> {
    check_way(&state, peer, is_tls(transport))?;
    let is_self = caller.user.as_ref().is_some_and(|user| user.as_str() == id);
    if !is_self {
        allow(&caller, &Action::Administer, &Subject::Installation)?;
    }
    let user = known(&state, &id)?;
    let change = PasswordChange {
        password: &body.password,
        current: body.current.as_deref(),
        cookie: session_cookie(&headers),
        source: peer.ip(),
    };
    let by = By::new(&caller, DOOR);
    state.gate.set_password(&by, &user.id, change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A user by the id in a path.
pub fn known(state: &State, id: &str) -> Result<User, ApiError> {
    let user = UserId::new(id).ok().and_then(|id| state.gate.user(&id));
    user.ok_or_else(|| ApiError::unknown("user", id))
}

fn may_see(caller: &Principal, user: &UserId) -> bool {
    caller.user.as_ref() == Some(user) || gate::may(caller, &Action::EditCards, &Subject::Installation)
}

fn view(state: &State, user: &User) -> UserView {
    let has_password = state.gate.has_password(&user.id);
    UserView::of(user, has_password, &state.gate.cards_of(&user.id))
}

/// Engines may hold what they were told of users and cards.
pub async fn tell_engines<N: Noun>(state: &State) {
    let kind = N::KIND.to_owned();
    state.bus.publish(Message::NounsChanged { kind }).await;
}
