//! What the store takes of the disk, and how long readings are kept.

use std::path::Path;
use std::time::UNIX_EPOCH;

use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Principal, Subject};
use model::settings::Retention;
use store::Typed;

use super::audit::note;
use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::wire::{BackupView, RetentionSource, RetentionView, StorageView};
use crate::State;

/// Shows how much is stored, from when, and for how long.
#[utoipa::path(get, path = "/storage", operation_id = "show_storage", tag = "storage", responses(
    (status = 200, body = StorageView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<StorageView>, ApiError> {
    allow(&caller, &Action::SeeSettings, &Subject::Installation)?;
    let size = state.store.size().await?;
    let span = state.store.span().await?;
    Ok(Json(StorageView {
        records_bytes: size.records,
        history_bytes: size.history,
        oldest_ms: span.map(|(oldest, _)| oldest.0),
        newest_ms: span.map(|(_, newest)| newest.0),
        series: state.store.series().await?.len(),
        retention: retention(&state).await?,
        backups: backups(&state).await,
    }))
}

/// None while nothing was ever backed up, or records are kept in PostgreSQL.
async fn backups(state: &State) -> Vec<BackupView> {
    let Some(data) = &state.data else {
        return Vec::new();
    };
    let directory = state.settings.backup.directory_of(data);
    let found = tokio::task::spawn_blocking(move || look_up(&directory)).await;
    found.unwrap_or_default()
}

fn look_up(directory: &Path) -> Vec<BackupView> {
    let files = store::backup::nightly(directory).unwrap_or_default();
    let views = files.into_iter().rev().filter_map(|file| {
        let found = std::fs::metadata(&file).ok()?;
        let made = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(BackupView {
            name: file.file_name()?.to_string_lossy().into_owned(),
            bytes: found.len(),
            made_ms: i64::try_from(made.as_millis()).ok()?,
        })
    });
    views.collect()
}

async fn retention(state: &State) -> Result<RetentionView, ApiError> {
    let from_file = state.settings.history;
    let Retention {
        raw_days,
        minute_days,
    } = store::retention(&*state.store, from_file).await?;
    let source = if from_file.is_some() {
        RetentionSource::File
    } else {
        RetentionSource::Store
    };
    Ok(RetentionView {
        raw_days,
        minute_days,
        source: Some(source),
    })
}

/// Sets how long readings are kept; what is older is thinned in the background.
#[utoipa::path(put, path = "/storage/retention", operation_id = "set_retention", tag = "storage",
    request_body = RetentionView, responses(
    (status = 200, body = RetentionView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "The configuration file says it."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn put(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(wanted): JsonBody<RetentionView>,
) -> Result<Json<RetentionView>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    if state.settings.history.is_some() {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "from_file",
            "the section [history] of the configuration file says how long readings are kept; change it there",
        ));
    }
    let retention_wanted = Retention {
        raw_days: wanted.raw_days,
        minute_days: wanted.minute_days,
    };
    if let Some((key, given, expected)) = retention_wanted.problem() {
        return Err(ApiError::invalid(key, given, expected));
    }
    state.store.put(&retention_wanted).await?;
    let action = format!(
        "keep readings {} days and minutes {} days",
        wanted.raw_days, wanted.minute_days
    );
    note(&state, &caller, &action, "done").await;
    Ok(Json(retention(&state).await?))
}
