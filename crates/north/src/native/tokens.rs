//! Tokens of programs. Administrators only.

use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, By, Principal, Subject};

use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::paging::{PageQuery, page};
use super::users::DOOR;
use super::wire::{NewToken, TokenBody, TokenList};
use crate::State;

/// Lists tokens, without the tokens themselves.
#[utoipa::path(get, path = "/tokens", operation_id = "list_tokens", tag = "users", params(PageQuery), responses(
    (status = 200, body = TokenList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Query(query): Query<PageQuery>,
) -> Result<Json<TokenList>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let (tokens, next) = page(state.gate.tokens(), &query, |token| &token.name)?;
    let items = tokens.iter().map(Into::into).collect();
    Ok(Json(TokenList { items, next }))
}

/// Makes a token. The answer is the only place where it is ever shown.
#[utoipa::path(post, path = "/tokens", operation_id = "create_token", tag = "users", request_body = TokenBody, responses(
    (status = 201, body = NewToken),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The name is taken."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(body): JsonBody<TokenBody>,
) -> Result<(StatusCode, Json<NewToken>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let by = By::new(&caller, DOOR);
    let token = state.gate.create_token(&by, body.read()?).await?;
    let token = token.expose().to_owned();
    Ok((StatusCode::CREATED, Json(NewToken { token })))
}

/// Revokes a token at once.
#[utoipa::path(delete, path = "/tokens/{name}", operation_id = "revoke_token", tag = "users", params(("name" = String, Path)), responses(
    (status = 204, description = "Revoked."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn revoke(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(name): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let by = By::new(&caller, DOOR);
    state.gate.revoke_token(&by, &name).await?;
    Ok(StatusCode::NO_CONTENT)
}
