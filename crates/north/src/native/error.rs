//! The one shape of an error, and which status says what to the person who sees it.
//!
//! | status | what to do next |
//! |---|---|
//! | 400 | repair the request: it could not be read |
//! | 401 | sign in |
//! | 403 | ask somebody who may, or use the page itself instead of another site |
//! | 404 | look at the list: there is no such thing |
//! | 409 | choose something this device can do |
//! | 413 | send less |
//! | 422 | repair the value named in `where` |
//! | 429 | wait |
//! | 503 | try again in a moment |
//!
//! `code` is for programs, `message` for people. What went wrong inside goes to the log, not to the caller.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use model::intent::Rejection;
use serde::{Deserialize, Serialize};
use store::StoreError;
use utoipa::ToSchema;

/// The body of every error.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorAnswer {
    pub error: ErrorBody,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ErrorBody {
    /// For programs; does not change.
    pub code: String,
    /// For people.
    pub message: String,
    /// Which part of the request.
    #[serde(rename = "where", skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub place: Option<String>,
    /// What would have been accepted there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expected: Option<String>,
}

/// Why a request was not answered as asked.
#[derive(Clone, Debug)]
pub struct ApiError {
    status: StatusCode,
    body: ErrorBody,
    retry_after_s: Option<u32>,
}

impl ApiError {
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        let body = ErrorBody {
            code: code.to_owned(),
            message: message.into(),
            place: None,
            expected: None,
        };
        Self {
            status,
            body,
            retry_after_s: None,
        }
    }

    /// Names the part of the request that is wrong and what would have been accepted there.
    #[must_use]
    pub fn at(mut self, place: impl Into<String>, expected: impl Into<String>) -> Self {
        self.body.place = Some(place.into());
        self.body.expected = Some(expected.into());
        self
    }

    /// Says when it makes sense to ask again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    pub fn unreadable(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "unreadable", message)
    }

    /// A value that can be read and does not fit.
    pub fn invalid(place: &str, given: impl std::fmt::Display, expected: impl Into<String>) -> Self {
        let expected = expected.into();
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "out_of_range",
            format!("{place} is {given}, expected {expected}"),
        )
        .at(place, expected)
    }

    pub fn not_signed_in() -> Self {
        Self::new(
            StatusCode::UNAUTHORIZED,
            "not_signed_in",
            "sign in, or send a bearer token",
        )
    }

    pub fn not_allowed(why: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "not_allowed", why)
    }

    pub fn unknown(what: &str, id: &str) -> Self {
        let id: String = id.chars().take(80).collect();
        Self::new(
            StatusCode::NOT_FOUND,
            "unknown",
            format!("there is no {what} `{id}`"),
        )
    }

    /// Everything that is wrong with a document.
    pub fn wrong(texts: &[String]) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", texts.join("; "))
    }

    pub fn from_file(what: &str, id: &str) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "from_file",
            format!("{what} `{id}` stands in the config file; change it there and start again"),
        )
    }

    pub fn in_use(what: &str, id: &str, by: &[String]) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            "in_use",
            format!("{what} `{id}` is named by {}; change them first", by.join(", ")),
        )
    }

    pub fn starting() -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "starting",
            "the site has just been started; try again in a moment",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(ErrorAnswer { error: self.body })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after_s {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Rejection> for ApiError {
    fn from(rejection: Rejection) -> Self {
        let message = rejection.to_string();
        match rejection {
            Rejection::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, "unknown", message),
            Rejection::NotAllowed { .. } => Self::new(StatusCode::FORBIDDEN, "not_allowed", message),
            Rejection::OutOfRange { what, expected, .. } => {
                Self::new(StatusCode::UNPROCESSABLE_ENTITY, "out_of_range", message).at(what, expected)
            }
            Rejection::NotSupported { .. } => Self::new(StatusCode::CONFLICT, "not_supported", message),
            Rejection::Offline { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "offline", message),
            Rejection::Device { .. } => Self::new(StatusCode::CONFLICT, "device_refused", message),
            Rejection::Busy { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy", message),
            Rejection::NotStored { .. } => Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_stored", message),
        }
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "the store did not do what a request needed");
        match error {
            StoreError::Full { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "disk_full",
                "the disk is full; free some space, charging goes on meanwhile",
            ),
            StoreError::Fenced { .. }
            | StoreError::InUse { .. }
            | StoreError::Away { .. }
            | StoreError::TooNew { .. }
            | StoreError::Other { .. } => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "store",
                "the store does not answer; see the log",
            ),
        }
    }
}
