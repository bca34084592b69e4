//! Signing in and out, and the set-up of a new installation.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use gate::{Denied, Grant, NewSession};

use super::auth::{COOKIE, principal_of, session_cookie};
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::wire::{Role, SessionView, SetUp, SignIn, TicketSignIn};
use crate::State;

/// As long as a session lives unused.
const COOKIE_LIFE_S: u32 = 30 * 24 * 3_600;

/// Says who the caller is.
#[utoipa::path(get, path = "/session", operation_id = "show_session", tag = "session", responses(
    (status = 200, body = SessionView),
))]
pub async fn show(Shared(state): Shared<State>, headers: HeaderMap) -> Json<SessionView> {
    Json(match principal_of(&state.gate, &headers).await {
        Some(principal) => {
            let (role, sites) = roles_of(&principal.grant);
            SessionView {
                signed_in: true,
                user: Some(principal.name),
                role,
                sites,
                setup_needed: None,
            }
        }
        None => SessionView {
            signed_in: false,
            user: None,
            role: None,
            sites: BTreeMap::new(),
            setup_needed: Some(!state.gate.has_admin()),
        },
    })
}

fn roles_of(grant: &Grant) -> (Option<Role>, BTreeMap<String, Role>) {
    match grant {
        Grant::Roles(roles) => {
            let sites = roles
                .sites
                .iter()
                .map(|(site, role)| (site.to_string(), (*role).into()));
            (roles.everywhere.map(Into::into), sites.collect())
        }
        Grant::Evse(_) | Grant::OpenRead => (None, BTreeMap::new()),
    }
}

/// Signs in with name and password.
#[utoipa::path(post, path = "/session", operation_id = "sign_in", tag = "session", request_body = SignIn, responses(
    (status = 204, description = "Signed in; the cookie is set."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer, description = "Wrong; repeated failures are answered late."),
    (status = 403, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 429, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn sign_in(
    Shared(state): Shared<State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    JsonBody(wanted): JsonBody<SignIn>,
) -> Result<Response, ApiError> {
    let session = state
        .gate
        .sign_in(&wanted.user, &wanted.password, peer.ip())
        .await?;
    Ok(signed_in(&session))
}

/// Signs in with a one-time ticket.
#[utoipa::path(post, path = "/session/ticket", operation_id = "sign_in_by_ticket", tag = "session",
    request_body = TicketSignIn, responses(
    (status = 204, description = "Signed in; the cookie is set."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn sign_in_by_ticket(
    Shared(state): Shared<State>,
    JsonBody(wanted): JsonBody<TicketSignIn>,
) -> Result<Response, ApiError> {
    Ok(signed_in(&state.gate.use_sign_in_ticket(&wanted.ticket).await?))
}

/// Signs out. Without a session this does nothing.
#[utoipa::path(delete, path = "/session", operation_id = "sign_out", tag = "session", responses(
    (status = 204, description = "Signed out; the cookie is gone."),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn sign_out(Shared(state): Shared<State>, headers: HeaderMap) -> Result<Response, ApiError> {
    if let Some(cookie) = session_cookie(&headers) {
        state.gate.sign_out(cookie).await.map_err(Denied::Unavailable)?;
    }
    Ok(with_cookie("", 0))
}

/// Makes the first administrator of a new installation and signs them in.
#[utoipa::path(post, path = "/setup", operation_id = "set_up", tag = "session", request_body = SetUp, responses(
    (status = 204, description = "Set up and signed in; the cookie is set."),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "Set up already."),
    (status = 422, body = ErrorAnswer, description = "The password does not do."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn set_up(
    Shared(state): Shared<State>,
    JsonBody(wanted): JsonBody<SetUp>,
) -> Result<Response, ApiError> {
    Ok(signed_in(
        &state
            .gate
            .use_setup_ticket(&wanted.ticket, &wanted.password)
            .await?,
    ))
}

fn signed_in(session: &NewSession) -> Response {
    with_cookie(session.cookie_value.expose(), COOKIE_LIFE_S)
}

/// 204 with the session cookie; no script sees it, no other site sends it.
fn with_cookie(value: &str, life_s: u32) -> Response {
    let text = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={life_s}");
    let mut response = StatusCode::NO_CONTENT.into_response();
    if let Ok(text) = HeaderValue::from_str(&text) {
        response.headers_mut().insert(header::SET_COOKIE, text);
    }
    response
}

impl From<Denied> for ApiError {
    fn from(denied: Denied) -> Self {
        let message = denied.to_string();
        match denied {
            Denied::Wrong => Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", message),
            Denied::TooMany { retry_after_s } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many", message).retry_after(retry_after_s)
            }
            Denied::Unfit { what, expected } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", message).at(what, expected)
            }
            Denied::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, "unknown", message),
            Denied::Taken { .. } => Self::new(StatusCode::CONFLICT, "taken", message),
            Denied::LastAdmin => Self::new(StatusCode::CONFLICT, "last_admin", message),
            Denied::SetUpAlready => Self::new(StatusCode::CONFLICT, "set_up_already", message),
            Denied::Unavailable(error) => {
                tracing::error!(%error, cause = ?std::error::Error::source(&error), "the gate cannot answer");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", message)
            }
        }
    }
}
