//! The go-e doors.
//!
//! `/api/status` and `/api/set` are the cloud form: the charger is named by the host (`000001.…`), else by
//! its token. Below `/goe/<serial>/<token>/` stands the local form, which answers as a charger in the LAN
//! does, in its API of today and in its first one; without the token part it is open to the networks that the
//! settings list, and to nobody else.
//!
//! What is answered is the dialect's business; here a caller is recognised, and the latest view and document
//! are fetched ([`asked`]). A set becomes intents, one after the other ([`writes`]).

mod asked;
mod at_once;
mod caller;
mod charger;
mod sheets;
mod writes;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use dialects::goe::DIALECT;
use dialects::goe::query::{SetQuery, StatusQuery};
use dialects::goe::server::{self, Refusal, SetForm, StatusForm, refuse, set_reply, status_reply};
use dialects::goe::v1;
use dialects::goe::value::Reading;
use gate::address::goe_serial_of_host;
use model::settings::SetStatus;

use crate::door::Door;
use crate::{State, native};
use asked::{Asked, Form, query_of};
use at_once::AtOnce;
pub use charger::{Charger, Door as ChargerDoor};
use sheets::Sheets;
pub use writes::{Writer, write_all};

/// The paths of the cloud form.
const STATUS: &str = "/api/status";
const SET: &str = "/api/set";
/// Below these stands the local form.
const LOCAL: [&str; 2] = ["/goe/{serial}", "/goe/{serial}/{token}"];

pub(crate) const DOOR: Door = Door {
    name: DIALECT.name,
    roots: &["goe"],
    paths: &[STATUS, SET],
    answers_to: |host, path| [STATUS, SET].contains(&path) && goe_serial_of_host(host).is_some(),
    refuses: |status, uri| (status == StatusCode::METHOD_NOT_ALLOWED).then(|| method_not_allowed(uri)),
    routes,
    begins: None,
    at_once: Some(AtOnce::boxed),
    native: Some(native::goe::routes),
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
    let cloud = Router::new()
        .route(STATUS, only_get(get(status)).options(preflight))
        .route(SET, only_get(get(set)));
    let all = LOCAL.into_iter().fold(cloud, |routes, base| {
        routes
            .route(&format!("{base}{STATUS}"), only_get(get(status)))
            .route(&format!("{base}{SET}"), only_get(get(set)))
            .route(&format!("{base}/status"), only_get(get(first_status)))
            .route(&format!("{base}/mqtt"), only_get(get(first_set)))
    });
    all.with_state(goe)
}

/// A HEAD is no GET here: it would write.
fn only_get(route: MethodRouter<Goe>) -> MethodRouter<Goe> {
    route.head(StatusCode::METHOD_NOT_ALLOWED)
}

type Reply = http::Response<Vec<u8>>;

async fn status(asked: Asked<StatusQuery>) -> Response {
    let form = match (asked.form, asked.charger.last_data()) {
        (Form::Local, _) => StatusForm::Local,
        (Form::Cloud, Some(last_modified)) => StatusForm::Cloud { last_modified },
        (Form::Cloud, None) => return sent(refuse(Refusal::Offline)),
    };
    let filter = asked.query.filter.as_deref();
    sent(status_reply(&asked.sheet(), filter, asked.secrets(), form))
}

async fn set(asked: Asked<SetQuery>) -> Response {
    let (form, reading) = match asked.form {
        Form::Local => (SetForm::Local, Reading::Strict),
        Form::Cloud => {
            let accepted = match asked.goe.state.settings.goe.set_status {
                SetStatus::Accepted => StatusCode::ACCEPTED,
                SetStatus::Ok => StatusCode::OK,
            };
            (SetForm::Cloud { accepted }, Reading::Lenient)
        }
    };
    let outcomes = asked.write(&asked.query.writes, reading).await;
    sent(set_reply(&outcomes, form))
}

async fn first_status(asked: Asked<StatusQuery>) -> Response {
    sent(v1::status_reply(&asked.sheet()))
}

/// The first API answers the whole status, whatever became of the write.
async fn first_set(uri: Uri, asked: Asked<SetQuery>) -> Response {
    if let Some(write) = v1::write(query_of(&uri), &asked.sheet()) {
        asked.write(&[write], Reading::Lenient).await;
    }
    sent(match asked.looked_again().await {
        Ok(asked) => v1::status_reply(&asked.sheet()),
        Err(refusal) => refuse(refusal),
    })
}

/// A charger in the LAN says it in text, the cloud in JSON.
fn method_not_allowed(uri: &Uri) -> Response {
    let mut reply = if uri.path().starts_with("/goe/") {
        server::method_not_allowed()
    } else {
        refuse(Refusal::Method)
    };
    reply
        .headers_mut()
        .insert(header::ALLOW, HeaderValue::from_static("GET"));
    sent(reply)
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
