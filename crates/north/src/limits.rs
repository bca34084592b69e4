//! Bounds on what a request may cost.

use axum::http::StatusCode;

use crate::native::error::ApiError;

/// The largest request body.
pub const MAX_BODY: usize = 1024 * 1024;

/// What is said to a body above [`MAX_BODY`].
pub fn too_large() -> ApiError {
    ApiError::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "too_large",
        "the request body is larger than 1 MiB",
    )
    .at("body", "at most 1048576 bytes")
}
