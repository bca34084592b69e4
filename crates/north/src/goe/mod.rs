//! The go-e doors.
//!
//! `/api/status` and `/api/set` are the cloud form: the charger is named by the host (`000001.…`), else by
//! its token. Below `/goe/<serial>/<token>/` stands the local form, which answers as a charger in the LAN
//! does, in its API of today and in its first one; without the token part it is open to the networks that the
//! settings list, and to nobody else.
//!
//! What is answered is the dialect's business; here a caller is recognised, and the latest view and document
//! are fetched. A set becomes intents, one after the other.

mod at_once;
mod caller;
mod charger;
mod sheets;
mod writes;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State as Shared};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use dialects::goe::DIALECT;
use dialects::goe::query::{SetQuery, StatusQuery, Write};
use dialects::goe::server::{
    self, Outcome, Refusal, Secrets, SetForm, StatusForm, refuse, set_reply, status_reply,
};
use dialects::goe::v1;
use dialects::goe::value::Reading;
use gate::Action;
use gate::address::goe_serial_of_host;
use model::settings::SetStatus;
use model::time::Millis;
use serde_json::json;

use crate::State;
use crate::address::may_write;
use crate::door::Door;
use at_once::AtOnce;
use caller::Caller;
pub use charger::{Charger, Door as ChargerDoor};
use sheets::Sheets;
pub use writes::{Writer, write_all};

/// The local form has no word for the age of data; a charger in the LAN either answers or does not.
const LOCAL_AGE: Millis = Millis(30_000);
/// The paths of the cloud form.
const STATUS: &str = "/api/status";
const SET: &str = "/api/set";

pub(crate) const DOOR: Door = Door {
    name: DIALECT.name,
    roots: &["goe"],
    paths: &[STATUS, SET],
    answers_to: |host, path| [STATUS, SET].contains(&path) && goe_serial_of_host(host).is_some(),
    refuses: |status, uri| (status == StatusCode::METHOD_NOT_ALLOWED).then(|| method_not_allowed(uri)),
    routes,
    at_once: Some(AtOnce::boxed),
};

/// What the handlers work with.
#[derive(Clone)]
struct Goe {
    state: State,
    sheets: Arc<Sheets>,
}

fn routes(state: &State) -> Router<State> {
    let goe = Goe {
        state: state.clone(),
        sheets: Arc::default(),
    };
    Router::new()
        .route(STATUS, only_get(get(cloud_status)).options(preflight))
        .route(SET, only_get(get(cloud_set)))
        .route("/goe/{serial}/{token}/api/status", only_get(get(local_status)))
        .route("/goe/{serial}/{token}/api/set", only_get(get(local_set)))
        .route("/goe/{serial}/api/status", only_get(get(open_status)))
        .route("/goe/{serial}/api/set", only_get(get(open_set)))
        .route("/goe/{serial}/{token}/status", only_get(get(local_v1_status)))
        .route("/goe/{serial}/{token}/mqtt", only_get(get(local_v1_set)))
        .route("/goe/{serial}/status", only_get(get(open_v1_status)))
        .route("/goe/{serial}/mqtt", only_get(get(open_v1_set)))
        .with_state(goe)
}

/// A HEAD is no GET here: it would write.
fn only_get(route: MethodRouter<Goe>) -> MethodRouter<Goe> {
    route.head(StatusCode::METHOD_NOT_ALLOWED)
}

type Reply = http::Response<Vec<u8>>;

async fn cloud_status(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let query = StatusQuery::parse(uri.query().unwrap_or_default());
    let caller = Caller::of_cloud(&goe.state, &uri, &headers, query.token.as_deref(), peer.ip()).await;
    let Some(caller) = caller else {
        return sent(refuse(Refusal::Unauthorized));
    };
    sent(
        match Charger::find(&goe.state, &caller.evse, &caller.principal, &Action::Read).await {
            Some(charger) => match charger.facts(&goe.state).admit_status(query.age) {
                Ok(()) => cloud_body(&goe, &charger, &caller, &query),
                Err(refusal) => refuse(refusal),
            },
            None => refuse(Refusal::Offline),
        },
    )
}

fn cloud_body(goe: &Goe, charger: &Charger, caller: &Caller, query: &StatusQuery) -> Reply {
    let Some(last_modified) = charger.last_data() else {
        return refuse(Refusal::Offline);
    };
    let sheet = goe.sheets.of(&charger.moment(), caller.token.as_deref());
    status_reply(
        &sheet,
        query.filter.as_deref(),
        Secrets::WhenNamed,
        StatusForm::Cloud { last_modified },
    )
}

async fn cloud_set(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if !may_write(&uri, &headers) {
        return sent(foreign());
    }
    let query = SetQuery::parse(uri.query().unwrap_or_default());
    let caller = Caller::of_cloud(&goe.state, &uri, &headers, query.token.as_deref(), peer.ip()).await;
    let Some(caller) = caller else {
        return sent(refuse(Refusal::Unauthorized));
    };
    sent(
        match Charger::find(&goe.state, &caller.evse, &caller.principal, &Action::Steer).await {
            Some(charger) => match charger.facts(&goe.state).admit_set() {
                Ok(()) => {
                    let outcomes =
                        written(&goe.state, &charger, &caller, &query.writes, Reading::Lenient).await;
                    let accepted = match goe.state.settings.goe.set_status {
                        SetStatus::Accepted => StatusCode::ACCEPTED,
                        SetStatus::Ok => StatusCode::OK,
                    };
                    set_reply(&outcomes, SetForm::Cloud { accepted })
                }
                Err(refusal) => refuse(refusal),
            },
            None => refuse(Refusal::Offline),
        },
    )
}

async fn local_status(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((serial, token)): Path<(String, String)>,
    uri: Uri,
) -> Response {
    let caller = Caller::of_local(&goe.state, &serial, &token, peer.ip()).await;
    sent(local_status_of(&goe, caller, &uri).await)
}

async fn local_set(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((serial, token)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let caller = Caller::of_local(&goe.state, &serial, &token, peer.ip()).await;
    sent(local_set_of(&goe, caller, &uri, &headers).await)
}

async fn open_status(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(serial): Path<String>,
    uri: Uri,
) -> Response {
    let caller = Caller::of_open(&goe.state, &serial, peer.ip());
    sent(local_status_of(&goe, caller, &uri).await)
}

async fn open_set(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(serial): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let caller = Caller::of_open(&goe.state, &serial, peer.ip());
    sent(local_set_of(&goe, caller, &uri, &headers).await)
}

async fn local_status_of(goe: &Goe, caller: Option<Caller>, uri: &Uri) -> Reply {
    let Some(caller) = caller else {
        return refuse(Refusal::Unauthorized);
    };
    let charger = match reachable(&goe.state, &caller, &Action::Read).await {
        Ok(charger) => charger,
        Err(reply) => return reply,
    };
    let query = StatusQuery::parse(uri.query().unwrap_or_default());
    let secrets = if caller.token.is_some() {
        Secrets::WhenNamed
    } else {
        Secrets::Never
    };
    let sheet = goe.sheets.of(&charger.moment(), caller.token.as_deref());
    status_reply(&sheet, query.filter.as_deref(), secrets, StatusForm::Local)
}

async fn local_set_of(goe: &Goe, caller: Option<Caller>, uri: &Uri, headers: &HeaderMap) -> Reply {
    if !may_write(uri, headers) {
        return foreign();
    }
    let Some(caller) = caller else {
        return refuse(Refusal::Unauthorized);
    };
    let charger = match reachable(&goe.state, &caller, &Action::Steer).await {
        Ok(charger) => charger,
        Err(reply) => return reply,
    };
    let query = SetQuery::parse(uri.query().unwrap_or_default());
    let outcomes = written(&goe.state, &charger, &caller, &query.writes, Reading::Strict).await;
    set_reply(&outcomes, SetForm::Local)
}

async fn local_v1_status(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((serial, token)): Path<(String, String)>,
) -> Response {
    let caller = Caller::of_local(&goe.state, &serial, &token, peer.ip()).await;
    sent(v1_status_of(&goe, caller).await)
}

async fn local_v1_set(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((serial, token)): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let caller = Caller::of_local(&goe.state, &serial, &token, peer.ip()).await;
    sent(v1_set_of(&goe, caller, &uri, &headers).await)
}

async fn open_v1_status(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(serial): Path<String>,
) -> Response {
    let caller = Caller::of_open(&goe.state, &serial, peer.ip());
    sent(v1_status_of(&goe, caller).await)
}

async fn open_v1_set(
    Shared(goe): Shared<Goe>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(serial): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    let caller = Caller::of_open(&goe.state, &serial, peer.ip());
    sent(v1_set_of(&goe, caller, &uri, &headers).await)
}

async fn v1_status_of(goe: &Goe, caller: Option<Caller>) -> Reply {
    let Some(caller) = caller else {
        return refuse(Refusal::Unauthorized);
    };
    match reachable(&goe.state, &caller, &Action::Read).await {
        Ok(charger) => v1::status_reply(&goe.sheets.of(&charger.moment(), caller.token.as_deref())),
        Err(reply) => reply,
    }
}

/// The first API answers the whole status, whatever became of the write.
async fn v1_set_of(goe: &Goe, caller: Option<Caller>, uri: &Uri, headers: &HeaderMap) -> Reply {
    if !may_write(uri, headers) {
        return foreign();
    }
    let Some(caller) = caller else {
        return refuse(Refusal::Unauthorized);
    };
    let charger = match reachable(&goe.state, &caller, &Action::Steer).await {
        Ok(charger) => charger,
        Err(reply) => return reply,
    };
    let sheet = goe.sheets.of(&charger.moment(), caller.token.as_deref());
    if let Some(write) = v1::write(uri.query().unwrap_or_default(), &sheet) {
        written(&goe.state, &charger, &caller, &[write], Reading::Lenient).await;
    }
    v1_status_of(goe, Some(caller)).await
}

/// A charger that would answer in the LAN. Of one that would not, a client learns by 503: 404 means to it
/// that the interface is switched off.
async fn reachable(state: &State, caller: &Caller, action: &Action) -> Result<Charger, Reply> {
    let gone = |age: Millis| {
        let mut reply = refuse(Refusal::Outdated { age });
        *reply.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        reply
    };
    let Some(charger) = Charger::find(state, &caller.evse, &caller.principal, action).await else {
        return Err(gone(LOCAL_AGE));
    };
    match charger.facts(state).data_age {
        Some(age) if age <= LOCAL_AGE => Ok(charger),
        Some(age) => Err(gone(age)),
        None => Err(gone(LOCAL_AGE)),
    }
}

/// Writes of a caller. Who has not shown the charger's token is not trusted with what guards it.
async fn written(
    state: &State,
    charger: &Charger,
    caller: &Caller,
    writes: &[Write],
    reading: Reading,
) -> Vec<Outcome> {
    let writer = Writer {
        principal: &caller.principal,
        door: DOOR.name,
        may_guard: caller.token.is_some(),
    };
    write_all(state, charger, &writer, writes, reading).await
}

/// A write that a page of another site sent through its visitor's browser.
fn foreign() -> Reply {
    refusal(
        StatusCode::FORBIDDEN,
        "Writes from pages of other sites are refused",
    )
}

/// A charger in the LAN says it in text, the cloud in JSON.
fn method_not_allowed(uri: &Uri) -> Response {
    let mut reply = if uri.path().starts_with("/goe/") {
        server::method_not_allowed()
    } else {
        refusal(
            StatusCode::METHOD_NOT_ALLOWED,
            "Request method for this URI is not handled by server",
        )
    };
    reply
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET"));
    sent(reply)
}

fn refusal(status: StatusCode, reason: &str) -> Reply {
    let mut reply = refuse(Refusal::Unauthorized);
    *reply.status_mut() = status;
    let body = json!({"success": false, "reason": reason})
        .to_string()
        .into_bytes();
    reply
        .headers_mut()
        .insert(header::CONTENT_LENGTH, body.len().into());
    *reply.body_mut() = body;
    reply
}

/// What a browser asks before it sends a token in a header.
async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers)
}

fn sent(mut reply: Reply) -> Response {
    reply
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    reply.map(Body::from)
}
