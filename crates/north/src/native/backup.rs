//! A backup for an administrator to take away.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State as Shared;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream::unfold;
use gate::{Action, Principal, Subject};
use model::time::Timestamp;
use store::backup::{BackupError, back_up, nightly_name};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use super::audit::note;
use super::auth::allow;
use super::error::{ApiError, ErrorAnswer};
use crate::State;

/// A failure within it is answered as one; a backup that takes longer begins as a download that waits.
const FAILS_WITHIN: Duration = Duration::from_secs(20);
const CHUNK: usize = 64 * 1024;
/// Chunks that wait for a slow reader.
const WAITING: usize = 8;

type Chunks = mpsc::Sender<std::io::Result<Bytes>>;

/// Makes a backup and sends it: one gzipped tar file, without the installation key.
#[utoipa::path(post, path = "/backup", operation_id = "create_backup", tag = "storage", responses(
    (status = 200, content_type = "application/gzip", description = "The file. A download that breaks off is no backup."),
    (status = 401, body = ErrorAnswer),
    (status = 403, body = ErrorAnswer),
    (status = 409, body = ErrorAnswer, description = "Records are kept in PostgreSQL, or a backup is being made."),
    (status = 503, body = ErrorAnswer),
))]
pub async fn create(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
) -> Result<Response, ApiError> {
    allow(&caller, &Action::Administer, &Subject::Installation)?;
    let data = state.data.as_ref().ok_or_else(|| {
        ApiError::new(
            StatusCode::CONFLICT,
            "not_supported",
            "records and history are kept in PostgreSQL; back it up with pg_dump",
        )
    })?;
    let permit = state.backing_up.clone().try_acquire_owned().map_err(|_| {
        ApiError::new(
            StatusCode::CONFLICT,
            "busy",
            "a backup is being made; try again when it is done",
        )
    })?;
    // It is noted before: the download may take long and may break off.
    note(&state, &caller, "back up", "begun").await;
    let now = state.clock.now().wall;
    let (chunks, body) = mpsc::channel(WAITING);
    let (told, made) = oneshot::channel();
    let work = Work {
        data: data.as_ref().to_owned(),
        now,
        chunks,
        _permit: permit,
    };
    tokio::task::spawn_blocking(move || work.run(told));
    if let Ok(Ok(Err(error))) = tokio::time::timeout(FAILS_WITHIN, made).await {
        tracing::error!(%error, "no backup was made");
        return Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "no_backup",
            error.to_string(),
        ));
    }
    let stream = unfold(Some(body), async |body| {
        let mut body = body?;
        let chunk = body.recv().await?;
        // What failed ends here.
        let rest = chunk.is_ok().then_some(body);
        Some((chunk, rest))
    });
    let mut response = Response::new(Body::from_stream(stream));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/gzip"));
    let name = format!("attachment; filename=\"{}\"", nightly_name(now));
    if let Ok(name) = HeaderValue::try_from(name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

struct Work {
    data: PathBuf,
    now: Timestamp,
    chunks: Chunks,
    /// One at a time; held until the last chunk is out.
    _permit: OwnedSemaphorePermit,
}

impl Work {
    fn run(self, told: oneshot::Sender<Result<(), BackupError>>) {
        let draft = self.data.join("download.tar.gz");
        // One is left behind when the process dies in between.
        let _ = std::fs::remove_file(&draft);
        let made = back_up(&self.data, &draft, false, env!("CARGO_PKG_VERSION"), self.now);
        let failed = made.as_ref().err().map(ToString::to_string);
        // Nobody waits any more when it took long.
        let _ = told.send(made.map(drop));
        let sent = match failed {
            Some(text) => Err(std::io::Error::other(text)),
            None => self.send(&draft),
        };
        if let Err(error) = sent {
            let _ = self.chunks.blocking_send(Err(error));
        }
    }

    fn send(&self, draft: &Path) -> std::io::Result<()> {
        let mut file = std::fs::File::open(draft)?;
        std::fs::remove_file(draft)?;
        loop {
            let mut chunk = vec![0; CHUNK];
            let count = file.read(&mut chunk)?;
            chunk.truncate(count);
            if count == 0 || self.chunks.blocking_send(Ok(chunk.into())).is_err() {
                return Ok(());
            }
        }
    }
}
