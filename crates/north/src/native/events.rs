//! The event stream of the native API: server-sent events with ids and ten minutes of resume.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::stream::{self, Stream};
use gate::{Action, Principal, Subject};
use model::id::SiteId;
use serde::Deserialize;

use super::auth::principal_of;
use super::error::{ApiError, ErrorAnswer};
use super::sites::readable;
use crate::State;
use crate::events::{Client, Wants};

const KEEP_ALIVE: Duration = Duration::from_secs(15);

#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only this site; all without it.
    site: Option<String>,
}

/// Streams what changes. Event types: `view` (a `SiteView`, first and whenever a client was away too long),
/// `patch` (a `Patch`, at most one per site and second) and `backfill` (a `Backfill`).
#[utoipa::path(get, path = "/events", operation_id = "stream_events", tag = "events",
    params(EventsQuery, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event seen; younger than ten minutes, only what changed since is sent.")),
    responses(
    (status = 200, body = String, content_type = "text/event-stream"),
    (status = 401, body = ErrorAnswer),
    (status = 404, body = ErrorAnswer),
    (status = 503, body = ErrorAnswer, description = "Too many streams are open."),
))]
pub async fn stream(
    Shared(state): Shared<State>,
    Extension(caller): Extension<Principal>,
    Query(query): Query<EventsQuery>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let only = query
        .site
        .map(|site| readable(&state, &caller, &site))
        .transpose()?;
    let who = caller.clone();
    let wants: Wants = Arc::new(move |site: &SiteId| {
        only.as_ref().is_none_or(|only| only == site) && gate::may(&who, &Action::Read, &Subject::Site(site))
    });
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let client = state.hub.open(&caller.name, last, wants).ok_or_else(|| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "too many event streams are open, by you or by all together",
        )
    })?;
    let watcher = Watcher {
        client,
        state,
        headers,
        caller,
    };
    Ok(Sse::new(watcher.into_stream()).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// An open stream and the proof it was opened with.
struct Watcher {
    client: Client,
    state: State,
    headers: HeaderMap,
    /// Who it proved, with what they might see then.
    caller: Principal,
}

impl Watcher {
    fn into_stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        stream::unfold(self, |mut watcher| async {
            let (id, message) = watcher.client.next().await?;
            if !watcher.is_still_the_same().await {
                return None;
            }
            let event = Event::default()
                .id(id)
                .event(message.kind.name())
                .data(message.data.as_ref());
            Some((Ok(event), watcher))
        })
    }

    /// Whoever has signed out or may see something else by now has to ask anew.
    async fn is_still_the_same(&self) -> bool {
        let now = principal_of(&self.state.gate, &self.headers).await;
        now.is_some_and(|now| now == self.caller)
    }
}
