//! Platforms that we report our own sites to: set, tried, watched. Administrators only.

use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::{Extension, Json};
use gate::{Action, Gate, Principal, Subject};
use model::id::PlatformId;
use model::noun::Noun;
use model::oversight::{ReportTo, Upload};
use store::Typed;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::audit::note;
use super::auth::allow;
use super::body::JsonBody;
use super::error::{ApiError, ErrorAnswer};
use super::nouns::{Change, as_in_path, deleted, stored};
use super::wire::reporting::{
    PreviewEntity, ReportPreview, ReportToBody, ReportToList, ReportToState, ReportToView, Retried,
    StuckRecord,
};
use crate::State;
use crate::door::reporting::{self, Shelf};

/// Records that are shown of those that were refused.
const STUCK: u32 = 20;

/// All of these.
pub fn routes() -> OpenApiRouter<State> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, replace, delete))
        .routes(routes!(preview))
        .routes(routes!(retry))
}

/// Lists the platforms that we report to, without their secrets, and how they do. Administrators only.
#[utoipa::path(get, path = "/reporting", operation_id = "list_reporting", tag = "reporting", responses(
    (status = 200, body = ReportToList),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn list(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Json<ReportToList>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let mut items = Vec::new();
    for platform in state.store.list::<ReportTo>().await? {
        items.push(view(&state, &platform).await?);
    }
    Ok(Json(ReportToList { items }))
}

/// Shows one platform. Administrators only.
#[utoipa::path(get, path = "/reporting/{id}", operation_id = "show_reporting", tag = "reporting", params(("id" = String, Path)), responses(
    (status = 200, body = ReportToView),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn show(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<ReportToView>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    Ok(Json(view(&state, &known(&state, &id).await?).await?))
}

/// Adds a platform. Charges that end from now on are told it. Administrators only.
#[utoipa::path(post, path = "/reporting", operation_id = "create_reporting", tag = "reporting", request_body = ReportToBody, responses(
    (status = 201, body = ReportToView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "There is one with this id."),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(wanted): JsonBody<ReportToBody>,
) -> Result<(StatusCode, Json<ReportToView>), ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let made = put(&state, &caller, wanted, Change::New).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Changes a platform. What waits for it stays. Administrators only.
#[utoipa::path(put, path = "/reporting/{id}", operation_id = "replace_reporting", tag = "reporting", params(("id" = String, Path)), request_body = ReportToBody, responses(
    (status = 200, body = ReportToView),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn replace(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
    JsonBody(wanted): JsonBody<ReportToBody>,
) -> Result<Json<ReportToView>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    as_in_path(&id, &wanted.id)?;
    Ok(Json(put(&state, &caller, wanted, Change::Again).await?))
}

async fn put(
    state: &State,
    caller: &Principal,
    wanted: ReportToBody,
    change: Change,
) -> Result<ReportToView, ApiError> {
    let (key, token) = (wanted.key.clone(), wanted.callback_token.clone());
    let mut platform = wanted.read(state.clock.now().wall)?;
    let _changing = state.changing.lock().await;
    let all = state.store.list::<ReportTo>().await?;
    change.fits(&all, &platform)?;
    let before = all.iter().find(|known| known.id == platform.id);
    if let Some(before) = before {
        platform.since = before.since;
    }
    let key = key.filter(|key| !key.is_empty());
    let secrets = [
        ("key", key.as_deref()),
        (
            "callback_token",
            token.as_deref().filter(|token| !token.is_empty()),
        ),
    ];
    for (place, secret) in secrets {
        if secret.is_some_and(|secret| !Gate::can_be_sealed(secret)) {
            return Err(ApiError::invalid(place, "…", "one line of at most 4096 bytes"));
        }
    }
    let mut texts = problems(state, &platform);
    // A secret never goes to a platform it was not given for.
    let is_same =
        before.is_some_and(|before| (&before.url, &before.operator) == (&platform.url, &platform.operator));
    let has_key = key.is_some() || is_same && state.gate.has_platform_key(&platform.id).await?;
    if platform.enabled && !has_key {
        texts.push(format!("platform `{}` has no key to sign with", platform.id));
    }
    if !texts.is_empty() {
        return Err(ApiError::wrong(&texts));
    }
    let id = platform.id.clone();
    if !is_same {
        sealed(state.gate.set_platform_key(&id, None).await)?;
        sealed(state.gate.set_platform_token(&id, None).await)?;
    }
    if before.is_none() {
        // Of one with the same id that was deleted while it was being told.
        state.store.forget_platform(&id).await?;
    }
    if before.is_some() && !is_same {
        // Another platform has been told nothing yet; what waits is told it.
        for entity in state.store.told_entities(&id).await? {
            state.store.forget_told(&id, entity.kind, &entity.id).await?;
        }
        reporting::forget_addresses(state, &id).await?;
    }
    if let Some(key) = &key {
        sealed(state.gate.set_platform_key(&id, Some(key)).await)?;
    }
    match token.as_deref() {
        Some("") => sealed(state.gate.set_platform_token(&id, None).await)?,
        Some(token) => sealed(state.gate.set_platform_token(&id, Some(token)).await)?,
        None => {}
    }
    stored(state, caller, &platform).await?;
    view(state, &platform).await
}

/// Everything that is wrong with a platform, of what can be told without asking it.
fn problems(state: &State, platform: &ReportTo) -> Vec<String> {
    let mut texts = platform.problems(&state.settings.sites);
    texts.extend(reporting::mapping_problem(platform));
    if !platform.local
        && let Err(denied) = state.guard.check(&platform.url)
    {
        texts.push(format!(
            "platform `{}` has an address that is refused: {denied}",
            platform.id
        ));
    }
    texts
}

fn sealed<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), ApiError> {
    result.map_err(|error| {
        tracing::error!(%error, "cannot keep the secrets of a platform");
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "the secret cannot be kept; see the log",
        )
    })
}

/// Deletes a platform and all that waits for it. What it was told stays there. Administrators only.
#[utoipa::path(delete, path = "/reporting/{id}", operation_id = "delete_reporting", tag = "reporting", params(("id" = String, Path)), responses(
    (status = 204),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn delete(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let _changing = state.changing.lock().await;
    let platform = known(&state, &id).await?;
    let answer = deleted::<ReportTo>(&state, &caller, &id, &[]).await?;
    sealed(state.gate.set_platform_key(&platform.id, None).await)?;
    sealed(state.gate.set_platform_token(&platform.id, None).await)?;
    reporting::forget_addresses(&state, &platform.id).await?;
    // Who reported to it has been told that it is over.
    state.store.forget_platform(&platform.id).await?;
    Ok(answer)
}

/// Says what would be sent to a platform as it is described here, word for word, without sending anything. It need
/// not be there yet. Administrators only.
#[utoipa::path(post, path = "/reporting-preview", operation_id = "preview_reporting", tag = "reporting", request_body = ReportToBody, responses(
    (status = 200, body = ReportPreview),
    (status = 400, body = ErrorAnswer),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 422, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn preview(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    JsonBody(wanted): JsonBody<ReportToBody>,
) -> Result<Json<ReportPreview>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let platform = wanted.read(state.clock.now().wall)?;
    let shown = reporting::preview(&state, &platform).await?;
    let mut all = problems(&state, &platform);
    all.extend(
        shown
            .problems
            .into_iter()
            .filter(|problem| !problem.starts_with("has ")),
    );
    let entities = shown.entities.into_iter().map(|(kind, body)| PreviewEntity {
        kind: kind.name().to_owned(),
        body,
    });
    Ok(Json(ReportPreview {
        entities: entities.collect(),
        samples: shown.samples,
        records: shown.records,
        problems: all,
    }))
}

/// Lets records that the platform refused wait once more. Administrators only.
#[utoipa::path(post, path = "/reporting/{id}/retry", operation_id = "retry_reporting", tag = "reporting", params(("id" = String, Path)), responses(
    (status = 200, body = Retried),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer),
))]
pub async fn retry(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Path(id): Path<String>,
) -> Result<Json<Retried>, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let platform = known(&state, &id).await?;
    let records = state.store.retry_uploads(&platform.id).await?;
    shelf(&state).wake(&platform.id).notify_one();
    note(&state, &caller, &format!("retry {} {id}", ReportTo::KIND), "done").await;
    Ok(Json(Retried { records }))
}

async fn known(state: &State, id: &str) -> Result<ReportTo, ApiError> {
    let platform = state.store.get::<ReportTo>(id).await?;
    platform.ok_or_else(|| ApiError::unknown("platform", id))
}

fn shelf(state: &State) -> std::sync::Arc<Shelf> {
    state.memory.of()
}

async fn view(state: &State, platform: &ReportTo) -> Result<ReportToView, ApiError> {
    let id: &PlatformId = &platform.id;
    let health = shelf(state).health(id);
    let backlog = state.store.backlog(id).await?;
    let stuck = state.store.refused_uploads(id, STUCK).await?;
    let stuck = stuck.into_iter().filter_map(|(_, upload, problem)| match upload {
        Upload::Record { record } => Some(StuckRecord {
            charge: record.charge.to_string(),
            port: record.port.to_string(),
            ended_ms: record.end.0,
            problem,
        }),
        Upload::Sample { .. } | Upload::Again { .. } => None,
    });
    let (last_error_ms, last_error) = health.last_error.map(|(at, text)| (at.0, text)).unzip();
    Ok(ReportToView {
        settings: ReportToBody::of(platform),
        has_key: state.gate.has_platform_key(id).await?,
        has_callback_token: state.gate.has_platform_token(id).await?,
        addresses: reporting::addresses(platform),
        state: ReportToState {
            connected: health.connected,
            last_success_ms: health.last_success.map(|at| at.0),
            last_error,
            last_error_ms,
            problems: health.problems,
            waiting_samples: backlog.samples,
            waiting_records: backlog.records,
            waiting_repairs: backlog.repairs,
            waiting_since_ms: backlog.oldest.map(|at| at.0),
            dropped_samples: backlog.dropped,
            refused_samples: backlog.refused,
            stuck_records: backlog.stuck,
            stuck: stuck.collect(),
        },
    })
}
