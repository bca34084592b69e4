//! `/healthz` and `/readyz`, for those who supervise the process.

use axum::Json;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use serde::Serialize;

use crate::State;

/// Alive: the process answers.
pub async fn alive() -> &'static str {
    "ok"
}

#[derive(Serialize)]
pub struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    waiting_for: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_permille: Option<u16>,
}

/// Ready: everything that was started is there.
pub async fn ready(Shared(state): Shared<State>) -> (StatusCode, Json<Ready>) {
    let waiting_for = state.readiness.waiting_for();
    let progress = state.readiness.backfill_progress();
    if waiting_for.is_empty() && progress == 1_000 {
        return (
            StatusCode::OK,
            Json(Ready {
                ready: true,
                waiting_for: None,
                progress_permille: None,
            }),
        );
    }
    let body = Ready {
        ready: false,
        waiting_for: Some(waiting_for),
        progress_permille: Some(progress),
    };
    (StatusCode::SERVICE_UNAVAILABLE, Json(body))
}
