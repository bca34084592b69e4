//! Under which names we answer, and from which pages writes are taken.
//!
//! The rules themselves are the gate's; here they meet HTTP. A foreign name that resolves to us (DNS
//! rebinding) gets 421, so that a page of a stranger cannot read the site through its visitor's browser.

use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, StatusCode, Uri, Version, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use gate::address::{Sender, host_allowed, origin_allowed};

use crate::State;
use crate::door::Door;
use crate::native::error::ApiError;

/// The authority a request was sent to; empty when it names none.
pub fn host_of<'a>(uri: &'a Uri, headers: &'a HeaderMap) -> &'a str {
    match uri.authority() {
        Some(authority) => authority.as_str(),
        None => headers
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default(),
    }
}

/// Refuses names that are not ours.
pub async fn check_host(Shared(state): Shared<State>, request: Request, next: Next) -> Response {
    let host = host_of(request.uri(), request.headers());
    if host.is_empty() || request.headers().get_all(header::HOST).iter().count() > 1 {
        // Only before HTTP/1.1 a client may leave it out, and no browser does.
        if request.version() < Version::HTTP_11 && host.is_empty() {
            return next.run(request).await;
        }
        return ApiError::unreadable("the request needs one Host header").into_response();
    }
    let path = request.uri().path();
    let is_meant = || Door::of(path).is_some_and(|door| (door.answers_to)(host, path));
    if host_allowed(host, &state.settings.host_names) || is_meant() {
        next.run(request).await
    } else {
        misdirected().into_response()
    }
}

fn misdirected() -> ApiError {
    ApiError::new(
        StatusCode::MISDIRECTED_REQUEST,
        "misdirected",
        "this server does not answer under that name; add it to host_names in the configuration",
    )
    .at("header host", "an IP address, localhost or a configured name")
}

/// Whether a write may come from where the browser says it comes from.
pub fn may_write(uri: &Uri, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("null"));
    origin_allowed(
        true,
        &Sender {
            host: host_of(uri, headers),
            origin: text("origin"),
            sec_fetch_site: text("sec-fetch-site"),
        },
    )
}

/// Refuses writes of foreign pages, for doors where the method tells a write.
pub async fn check_origin(request: Request, next: Next) -> Response {
    if request.method().is_safe() || may_write(request.uri(), request.headers()) {
        return next.run(request).await;
    }
    ApiError::new(
        StatusCode::FORBIDDEN,
        "foreign_origin",
        "a page of another site may not write here",
    )
    .at("header origin", "the address of this server")
    .into_response()
}
