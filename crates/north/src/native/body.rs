//! Reading JSON bodies, with errors in our own shape.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::error::Category;

use super::error::ApiError;

/// A JSON body. The content type must say so: a form of a foreign page cannot send it unasked.
pub struct JsonBody<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        if !is_json(&request) {
            return Err(ApiError::unreadable("the content type is not application/json")
                .at("header content-type", "application/json"));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|rejection| unread(&rejection))?;
        parse(&bytes).map(Self)
    }
}

fn is_json<B>(request: &http::Request<B>) -> bool {
    let text = request
        .headers()
        .get(http::header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    text.and_then(|text| text.split(';').next())
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn unread(rejection: &BytesRejection) -> ApiError {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        crate::limits::too_large()
    } else {
        ApiError::unreadable("the body ended early")
    }
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        Category::Data => {
            // The text of serde names the member, what was given and what was expected.
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", error.to_string())
        }
        Category::Syntax | Category::Eof | Category::Io => ApiError::unreadable(format!(
            "the body is no JSON at line {} column {}",
            error.line(),
            error.column()
        )),
    })
}
