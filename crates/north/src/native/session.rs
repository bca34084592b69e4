//! Signing in and out, and the set-up of a new installation.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use gate::{By, Denied, Grant, NewSession, Principal};
use model::id::UserId;

use super::auth::{COOKIE, principal_of, session_cookie};
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::users::DOOR;
use super::wire::{PageSessionList, Role, SessionView, SetUp, SignIn, TicketSignIn, Watches};
use crate::{State, Transport};

/// As long as browsers keep one. The gate ends a session that is not used much earlier, and a browser does not
/// hear of it when one is prolonged.
const COOKIE_LIFE_S: u32 = 400 * 24 * 3_600;

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
                oversight: watches(&principal.grant),
                setup_needed: None,
            }
        }
        None => SessionView {
            signed_in: false,
            user: None,
            role: None,
            sites: BTreeMap::new(),
            oversight: None,
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

fn watches(grant: &Grant) -> Option<Watches> {
    match grant {
        Grant::Roles(roles) => roles.oversight.as_ref().map(Into::into),
        Grant::Evse(_) | Grant::OpenRead => None,
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
    transport: Option<Extension<Transport>>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<SignIn>,
) -> Result<Response, ApiError> {
    let is_tls = is_tls(transport);
    check_way(&state, peer, is_tls)?;
    let session = state
        .gate
        .sign_in(&wanted.user, &wanted.password, peer.ip())
        .await?;
    Ok(signed_in(&session, is_secure(is_tls, &headers)))
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
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    transport: Option<Extension<Transport>>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<TicketSignIn>,
) -> Result<Response, ApiError> {
    let is_tls = is_tls(transport);
    check_way(&state, peer, is_tls)?;
    let session = state.gate.use_sign_in_ticket(&wanted.ticket).await?;
    Ok(signed_in(&session, is_secure(is_tls, &headers)))
}

/// Signs out. Without a session this does nothing.
#[utoipa::path(delete, path = "/session", operation_id = "sign_out", tag = "session", responses(
    (status = 204, description = "Signed out; the cookie is gone."),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn sign_out(
    Shared(state): Shared<State>,
    transport: Option<Extension<Transport>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if let Some(cookie) = session_cookie(&headers) {
        state.gate.sign_out(cookie).await.map_err(Denied::Unavailable)?;
    }
    Ok(with_cookie("", 0, is_secure(is_tls(transport), &headers)))
}

/// Lists where the caller is signed in.
#[utoipa::path(get, path = "/session/all", operation_id = "list_page_sessions", tag = "session", responses(
    (status = 200, body = PageSessionList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    headers: HeaderMap,
) -> Result<Json<PageSessionList>, ApiError> {
    let sessions = state
        .gate
        .sessions_of(own_user(&caller)?, session_cookie(&headers));
    let items = sessions.into_iter().map(Into::into).collect();
    Ok(Json(PageSessionList { items }))
}

/// Signs out everywhere, here as well.
#[utoipa::path(delete, path = "/session/all", operation_id = "sign_out_everywhere", tag = "session", responses(
    (status = 204, description = "Signed out; the cookie is gone."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn end_all(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    transport: Option<Extension<Transport>>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let by = By::new(&caller, DOOR);
    state.gate.sign_out_everywhere(&by, own_user(&caller)?).await?;
    Ok(with_cookie("", 0, is_secure(is_tls(transport), &headers)))
}

fn own_user(caller: &Principal) -> Result<&UserId, ApiError> {
    let user = caller.user.as_ref();
    user.ok_or_else(|| {
        ApiError::not_allowed("only people are signed in, programs show their token each time")
    })
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
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    transport: Option<Extension<Transport>>,
    headers: HeaderMap,
    JsonBody(wanted): JsonBody<SetUp>,
) -> Result<Response, ApiError> {
    let is_tls = is_tls(transport);
    check_way(&state, peer, is_tls)?;
    let session = state
        .gate
        .use_setup_ticket(&wanted.ticket, &wanted.password)
        .await?;
    Ok(signed_in(&session, is_secure(is_tls, &headers)))
}

/// Whoever listens on the way must not see a password or a cookie: from other machines only over TLS, unless
/// the configuration says that somebody else speaks TLS for us.
pub(super) fn check_way(state: &State, peer: SocketAddr, is_tls: bool) -> Result<(), ApiError> {
    let is_local = peer.ip().to_canonical().is_loopback();
    if is_tls || is_local || state.settings.tls.insecure_sign_in {
        return Ok(());
    }
    Err(ApiError::new(
        StatusCode::FORBIDDEN,
        "tls_needed",
        "passwords and session cookies do not travel over plain HTTP: use the https address of this server",
    ))
}

pub(super) fn is_tls(transport: Option<Extension<Transport>>) -> bool {
    matches!(transport, Some(Extension(Transport::Tls)))
}

/// Whether the browser speaks TLS, with us or with a proxy before us: then its page stands at an https address.
fn is_secure(is_tls: bool, headers: &HeaderMap) -> bool {
    let origin = headers
        .get(header::ORIGIN)
        .and_then(|origin| origin.to_str().ok());
    is_tls || origin.is_some_and(|origin| origin.starts_with("https://"))
}

fn signed_in(session: &NewSession, is_secure: bool) -> Response {
    with_cookie(session.cookie_value.expose(), COOKIE_LIFE_S, is_secure)
}

/// 204 with the session cookie; no script sees it, no other site sends it, and one that was given over TLS
/// never travels without.
fn with_cookie(value: &str, life_s: u32, is_secure: bool) -> Response {
    let secure = if is_secure { "; Secure" } else { "" };
    let text = format!("{COOKIE}={value}; HttpOnly; SameSite=Strict; Path=/; Max-Age={life_s}{secure}");
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
            Denied::Wrong | Denied::Ended => {
                Self::new(StatusCode::UNAUTHORIZED, "wrong_credentials", message)
            }
            Denied::Disabled => Self::new(StatusCode::FORBIDDEN, "not_allowed", message),
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
