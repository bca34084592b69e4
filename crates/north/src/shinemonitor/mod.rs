//! The ShineMonitor door: `/public/`.
//!
//! Everything is one signed query, by GET, or by POST in the URL or in a form. The dialect reads it and computes
//! what its signature would be; here the gate says who has signed ([`sessions`]), the running house becomes the
//! scene of the caller ([`scene`]), and what an action wants beside it is fetched ([`fetch`]) or done ([`deeds`]).
//! What sites and devices are called is settled once ([`names`]).
//!
//! Neither host nor origin is looked at: nothing is let in by what a browser adds on its own, and apps that were
//! sent here by DNS name the vendor's host. Queries are never logged.

mod accounts;
mod deeds;
mod fetch;
mod names;
mod scene;
mod sessions;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request as HttpRequest, State as Shared};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::error::{Code, Refusal};
use dialects::shinemonitor::request::{self, Business, Read, Request};
use dialects::shinemonitor::wire::{Callback, Dat, addressed, envelope};
use tokio::sync::OnceCell;

use crate::State;
use crate::door::Door;
use crate::limits::{MAX_OPEN_BODY, too_large};
use names::Names;

/// With and without the slash.
const PATHS: [&str; 2] = ["/public", "/public/"];
/// Tells which action was answered.
const ACTION: HeaderName = HeaderName::from_static("x-eybond-action");

pub(crate) const DOOR: Door = Door {
    name: DIALECT.name,
    roots: &["public"],
    paths: &[],
    answers_to: |_, path| PATHS.contains(&path),
    refuses: |status, _| (status == StatusCode::INTERNAL_SERVER_ERROR).then(broken),
    routes,
    at_once: None,
};

/// What the handlers work with.
struct Shell {
    state: State,
    names: OnceCell<Names>,
}

fn routes(state: &State) -> Router<State> {
    let shell = Arc::new(Shell {
        state: state.clone(),
        names: OnceCell::new(),
    });
    let answers = || get(ask).post(ask).options(preflight);
    let all = PATHS
        .into_iter()
        .fold(Router::new(), |routes, path| routes.route(path, answers()));
    all.with_state(shell)
}

async fn ask(
    Shared(shell): Shared<Arc<Shell>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: HttpRequest,
) -> Response {
    let (head, body) = request.into_parts();
    let in_url = head.uri.query().unwrap_or_default();
    let form;
    let query = if head.method == Method::POST && is_form(&head.headers) && !in_url.contains("&action=") {
        form = match to_bytes(body, MAX_OPEN_BODY).await {
            Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
            Err(_) => return too_large().into_response(),
        };
        &form
    } else {
        in_url
    };
    let Read {
        callback,
        action,
        request,
    } = request::read(query);
    let result = match request {
        Ok(request) => shell.answer(request, peer.ip(), Means::of(&head.method)).await,
        Err(refusal) => Err(refusal),
    };
    sent(&result, action, callback)
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let kind = kind.map(|kind| kind.split(';').next().unwrap_or_default().trim());
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-www-form-urlencoded"))
}

/// What a request may bring about by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Means {
    /// A HEAD shows what a GET would, and changes nothing.
    Looks,
    Acts,
}

impl Means {
    fn of(method: &Method) -> Self {
        if method == Method::HEAD {
            Self::Looks
        } else {
            Self::Acts
        }
    }
}

impl Shell {
    async fn answer(&self, request: Request<'_>, from: IpAddr, means: Means) -> Result<Dat, Refusal> {
        match request {
            Request::Open(open) => open.answer(),
            Request::Login(_) | Request::Registration(_) if means == Means::Looks => {
                Err(Code::Forbidden.into())
            }
            Request::Login(login) => self.log_in(&login, from).await,
            Request::Registration(new) => self.register(&new, from).await,
            Request::Business(call) => self.business(&call, from, means).await,
        }
    }

    async fn business(&self, call: &Business<'_>, from: IpAddr, means: Means) -> Result<Dat, Refusal> {
        let caller = self.caller(call, from).await?;
        let stage = self.stage(&caller).await?;
        let (params, scene) = (call.params(), stage.scene());
        let wants = call.row.wants(params, &scene)?;
        let mut got = Vec::with_capacity(wants.len());
        for want in wants {
            got.push(self.fetch(want, &caller, means).await?);
        }
        call.row.answer(params, &scene, got)
    }

    /// Assigned at the first request that needs them.
    async fn names(&self) -> Result<&Names, Refusal> {
        let names = self.names.get_or_try_init(|| Names::settle(&self.state)).await;
        names.map_err(|error| failed("cannot number plants and devices", &error))
    }
}

/// What went wrong inside is for the log.
fn failed(what: &str, error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "{what}");
    Code::Internal.into()
}

/// Refusals are answers like others.
fn sent(result: &Result<Dat, Refusal>, action: Option<&'static str>, callback: Callback<'_>) -> Response {
    let (body, content_type) = addressed(envelope(result), callback);
    let mut response = Response::new(Body::from(body));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(action) = action {
        headers.insert(ACTION, HeaderValue::from_static(action));
    }
    response
}

/// A defect of ours.
fn broken() -> Response {
    sent(&Err(Code::Internal.into()), None, Callback::default())
}

async fn preflight() -> impl IntoResponse {
    let headers = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "*"),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    (StatusCode::NO_CONTENT, headers)
}
