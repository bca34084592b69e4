//! Who calls, and may they.
//!
//! A caller shows a session cookie or a bearer token; a wrong token is not made up for by a good cookie.

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gate::{Action, Gate, Principal, Subject};

use super::error::ApiError;
use crate::State;

/// Name of the session cookie.
pub const COOKIE: &str = "ohmstead_session";

/// Lets only those through who prove who they are; handlers find the principal among the extensions.
pub async fn require(Shared(state): Shared<State>, mut request: Request, next: Next) -> Response {
    match principal_of(&state.gate, request.headers()).await {
        Some(principal) => {
            request.extensions_mut().insert(principal);
            next.run(request).await
        }
        None => ApiError::not_signed_in().into_response(),
    }
}

/// Who sent these headers, if they prove it.
pub async fn principal_of(gate: &Gate, headers: &HeaderMap) -> Option<Principal> {
    match headers.get(header::AUTHORIZATION) {
        Some(value) => {
            let (scheme, token) = value.to_str().ok()?.trim().split_once(' ')?;
            match scheme.eq_ignore_ascii_case("bearer") {
                true => gate.principal_of_bearer(token.trim()).await,
                false => None,
            }
        }
        None => gate.principal_of_session(session_cookie(headers)?).await,
    }
}

/// The value of the session cookie.
pub fn session_cookie(headers: &HeaderMap) -> Option<&str> {
    let texts = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok());
    let mut pairs = texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Asks the gate; refuses with 403.
pub fn allow(caller: &Principal, action: &Action, subject: &Subject<'_>) -> Result<(), ApiError> {
    if gate::may(caller, action, subject) {
        Ok(())
    } else {
        Err(ApiError::not_allowed("your role does not allow this"))
    }
}
