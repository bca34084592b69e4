//! Bounds on what a request may cost: its body, its time, and what a defect of ours does to it; and what
//! every answer has in common.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures_util::{FutureExt, StreamExt};

use crate::door::refuse;
use crate::native::error::ApiError;

/// The largest request body.
pub const MAX_BODY: usize = 1024 * 1024;
/// The largest body of somebody who has not proved who they are: they may send many at a time.
pub const MAX_OPEN_BODY: usize = 16 * 1024;
/// What of a refused body is still read, so that a client which sends first and reads then gets to see the
/// refusal instead of a broken connection.
const MAX_DRAIN: usize = 16 * 1024 * 1024;
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
/// From the request's head to the answer's head; an event stream has its own life after that.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// What is said to a body above the bound.
pub fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "the request body is too large",
    )
    .at("body", "at most 1048576 bytes, 16384 to sign in")
}

/// Refuses a request that announces too large a body. Those that do not announce their length are cut off
/// where the body is read.
pub async fn bound_body(request: Request, next: Next) -> Response {
    if announced(request.headers()) <= MAX_BODY {
        return next.run(request).await;
    }
    let (head, body) = request.into_parts();
    let _ = tokio::time::timeout(DRAIN_WITHIN, drain(body)).await;
    refuse(&head.uri, too_large())
}

fn announced(headers: &HeaderMap) -> usize {
    let text = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|value| value.to_str().ok());
    text.map_or(0, |text| text.parse().unwrap_or(usize::MAX))
}

async fn drain(body: Body) {
    let mut read = 0;
    let mut parts = body.into_data_stream();
    while let Some(Ok(part)) = parts.next().await {
        read += part.len();
        if read > MAX_DRAIN {
            return;
        }
    }
}

/// Answers 503 when a handler does not come to an end, and 500 when it panics.
pub async fn bound_work(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let work = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(ANSWER_WITHIN, work).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            tracing::error!("a request handler panicked; the place is in the message above");
            let said = ApiError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "something went wrong inside; it is in the log",
            );
            refuse(&uri, said)
        }
        Err(_) => {
            let said = ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too_slow",
                "the answer took too long; try again in a moment",
            );
            refuse(&uri, said)
        }
    }
}

/// Refusals of the framework itself (a path that is no UTF-8, a method a route does not know) get the shape of
/// their door, else ours. Nobody guesses content types, and what is not meant to be kept is not kept.
pub async fn finish(request: Request, next: Next) -> Response {
    let uri = request.uri().clone();
    let mut response = next.run(request).await;
    let status = response.status();
    let kind = response.headers().get(header::CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind == "application/json");
    if (status.is_client_error() || status.is_server_error()) && !is_json {
        let code = if status == StatusCode::METHOD_NOT_ALLOWED {
            "no_such_method"
        } else {
            "unreadable"
        };
        let said = ApiError::new(status, code, status.canonical_reason().unwrap_or_default());
        let allow = response.headers_mut().remove(header::ALLOW);
        response = refuse(&uri, said);
        if let Some(allow) = allow {
            response.headers_mut().entry(header::ALLOW).or_insert(allow);
        }
    }
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}
