//! The door of operators: `/platform/`.
//!
//! Four headers say who calls, and the gate knows who has signed them, over the very bytes that were sent. The dialect
//! reads what is asked and words the answer; the books of the authority decide ([`answer`]). Bodies are read after the
//! signature was found right.
//!
//! Neither host nor origin is looked at: nothing is let in by what a browser adds on its own.
//!
//! The other way round, our own sites as an operator reports them, is [`uploads`].

mod answer;
mod callbacks;
mod keys;
mod platform;
pub(crate) mod uploads;
mod words;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State as Shared};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use dialects::supervision::DIALECT;
use dialects::supervision::definition::{Definition, Endpoint, built_in};
use dialects::supervision::error::Refusal;
use dialects::supervision::server::{self, Answer};
use futures_util::StreamExt;

use crate::door::{Door, first_segment};
use crate::{State, Transport, native};

pub use platform::{Platform, PlatformError};

const ROOT: &str = "platform";
/// The largest body of a call.
const MAX_BODY: usize = 256 * 1024;
/// From the end of the head to the end of the body.
const BODY_WITHIN: Duration = Duration::from_secs(15);
const METHODS: [Method; 4] = [Method::GET, Method::POST, Method::PUT, Method::DELETE];

pub(crate) const DOOR: Door = Door {
    name: DIALECT.name,
    roots: &[ROOT],
    paths: &[],
    answers_to: |_, path| first_segment(path) == ROOT,
    refuses: |status, _| Some(sent(server::refused(built_in(), &of_status(status), false))),
    routes,
    begins: None,
    at_once: None,
    native: Some(native::supervision::routes),
};

fn routes(_: &State) -> Router<State> {
    let definition = built_in();
    let mut paths: Vec<String> = Endpoint::ALL
        .into_iter()
        .filter_map(|endpoint| Some(definition.place(endpoint)?.1))
        .collect();
    paths.sort_unstable();
    paths.dedup();
    paths.extend([
        format!("/{ROOT}"),
        format!("/{ROOT}/"),
        format!("/{ROOT}/{{*rest}}"),
    ]);
    paths
        .iter()
        .fold(Router::new(), |routes, path| routes.route(path, any(ask)))
}

/// What a call is made with, apart from its body.
struct Call<'a> {
    head: &'a Parts,
    endpoint: Endpoint,
    from: IpAddr,
}

async fn ask(
    Shared(state): Shared<State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    transport: Option<Extension<Transport>>,
    request: HttpRequest,
) -> Response {
    let definition = built_in();
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let Some(platform) = state.platform() else {
        let refusal = Refusal::new(404, "this installation watches over no operators");
        return sent(server::refused(definition, &refusal, false));
    };
    let from = peer.ip().to_canonical();
    let is_tls = matches!(transport, Some(Extension(Transport::Tls)));
    if !is_tls && !from.is_loopback() && !platform.settings().plain_http {
        let refusal = Refusal::forbidden("calls are answered over https only");
        return sent(server::refused(definition, &refusal, false));
    }
    if head.method == Method::OPTIONS {
        return allowing(definition, path, empty(StatusCode::NO_CONTENT));
    }
    let endpoint = match endpoint(definition, &head.method, path) {
        Ok(endpoint) => endpoint,
        Err(refusal) => {
            let answer = sent(server::refused(definition, &refusal, false));
            return match refusal.status {
                405 => allowing(definition, path, answer),
                _ => answer,
            };
        }
    };
    let call = Call {
        head: &head,
        endpoint,
        from,
    };
    sent(platform.answer(&call, body).await)
}

/// A HEAD shows what a GET would, but for the one that makes something.
fn endpoint(definition: &Definition, method: &Method, path: &str) -> Result<Endpoint, Refusal> {
    if *method != Method::HEAD {
        return definition.endpoint(method, path);
    }
    let endpoint = definition.endpoint(&Method::GET, path)?;
    if endpoint == Endpoint::Token {
        return definition.endpoint(method, path);
    }
    Ok(endpoint)
}

fn allowing(definition: &Definition, path: &str, mut response: Response) -> Response {
    let methods = METHODS
        .into_iter()
        .filter(|method| definition.endpoint(method, path).is_ok());
    let mut names: Vec<String> = methods.map(|method| method.to_string()).collect();
    names.push(Method::OPTIONS.to_string());
    if let Ok(names) = HeaderValue::from_str(&names.join(", ")) {
        response.headers_mut().insert(header::ALLOW, names);
    }
    response
}

/// The body of a call that may have one.
async fn whole(body: Body) -> Result<Bytes, Refusal> {
    let reading = async {
        let mut parts = body.into_data_stream();
        let mut all: Option<Vec<u8>> = None;
        let mut first = Bytes::new();
        while let Some(part) = parts.next().await {
            let part = part.map_err(|_| Refusal::new(400, "the body ended early"))?;
            let length = all.as_ref().map_or(first.len(), Vec::len);
            if length + part.len() > MAX_BODY {
                return Err(Refusal::new(413, format!("a body has at most {MAX_BODY} bytes")));
            }
            match &mut all {
                Some(all) => all.extend_from_slice(&part),
                None if first.is_empty() => first = part,
                None => all = Some([&first[..], &part[..]].concat()),
            }
        }
        Ok(all.map_or(first, Bytes::from))
    };
    let late = || {
        Refusal::new(
            400,
            format!("the body did not come within {} s", BODY_WITHIN.as_secs()),
        )
    };
    tokio::time::timeout(BODY_WITHIN, reading)
        .await
        .unwrap_or_else(|_| Err(late()))
}

/// What is said where no call came to be answered.
fn of_status(status: StatusCode) -> Refusal {
    if status.is_server_error() {
        return Refusal::ours("something went wrong inside; try again later");
    }
    let text = match status {
        StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
        StatusCode::METHOD_NOT_ALLOWED => "this path does not have this method",
        StatusCode::NOT_FOUND => "there is no such path",
        _ => "the request cannot be read",
    };
    Refusal::new(status.as_u16(), text)
}

fn sent(answer: Answer) -> Response {
    let mut response = Response::new(Body::from(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(seconds) = answer.retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Of a store or gate that failed: what went wrong inside is for the log.
fn failed(what: &str, error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "{what}");
    Refusal::ours("something went wrong inside; try again later")
}
