//! The ShineMonitor door: `/public/`.
//!
//! Everything is one signed query, by GET, or by POST in the URL or in a form. The dialect reads it and computes
//! what its signature would be; here the gate says who has signed ([`sessions`]), the running house becomes the
//! scene of the caller ([`scene`]), and what an action wants beside it is fetched ([`fetch`]) or done ([`deeds`]).
//! What dashboards ask for all the time is answered in front of all that ([`at_once`]).
//! What sites and devices are called is settled once ([`names`]).
//!
//! Neither host nor origin is looked at: nothing is let in by what a browser adds on its own, and apps that were
//! sent here by DNS name the vendor's host. Queries are never logged.

pub(crate) mod accounts;
mod at_once;
mod deeds;
mod fetch;
mod names;
mod scene;
mod sessions;

use std::io::{self, Write};
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
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::FutureExt;
use tokio::sync::OnceCell;

use crate::assets::takes;
use crate::door::Door;
use crate::limits::{MAX_OPEN_BODY, too_large};
use crate::plant_sheets::Sheets;
use crate::{State, native};
use at_once::Bodies;
use names::Names;
use scene::Stage;

/// With and without the slash.
const PATHS: [&str; 2] = ["/public", "/public/"];
/// Tells which action was answered.
const ACTION: HeaderName = HeaderName::from_static("x-eybond-action");
/// Shorter answers are not worth it.
const PACKED_ABOVE: usize = 1_024;

pub(crate) const DOOR: Door = Door {
    name: DIALECT.name,
    roots: &["public"],
    paths: &[],
    answers_to: |_, path| PATHS.contains(&path),
    refuses: |status, _| (status == StatusCode::INTERNAL_SERVER_ERROR).then(broken),
    routes,
    begins: Some(|state| begin(state).boxed()),
    at_once: Some(at_once::AtOnce::boxed),
    native: Some(native::shinemonitor::routes),
};

/// Numbers all plants and devices, so that the first who asks has not to wait for it.
async fn begin(state: State) {
    let sheets = state.memory.of();
    if let Err(error) = Names::settle(&state, &sheets).await {
        tracing::error!(%error, "cannot number plants and devices; it is tried again when somebody asks");
    }
}

/// What the handlers work with.
struct Shell {
    state: State,
    names: OnceCell<Names>,
    bodies: Arc<Bodies>,
    sheets: Arc<Sheets>,
}

fn routes(state: &State) -> Router<State> {
    let shell = Arc::new(Shell {
        state: state.clone(),
        names: OnceCell::new(),
        bodies: state.memory.of(),
        sheets: state.memory.of(),
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
    sent(envelope(&result), action, callback, takes(&head.headers, "gzip"))
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
        let params = call.params();
        let _changing = if call.row.edits {
            Some(self.state.changing.lock().await)
        } else {
            None
        };
        let stage = self.stage(&caller, params).await?;
        let scene = stage.scene();
        let wants = call.row.wants(params, &scene)?;
        let mut got = Vec::with_capacity(wants.len());
        for want in wants {
            got.push(self.fetch(want, &caller, from, means).await?);
        }
        let result = call.row.answer(params, &scene, got);
        if result.is_ok() && call.row.name == at_once::LAST_DATA {
            self.keep(call, &stage, &result);
        }
        result
    }

    /// For those who ask the same before there is anything new.
    fn keep(&self, call: &Business<'_>, stage: &Stage, result: &Result<Dat, Refusal>) {
        let params = call.params();
        let device = params.device().ok();
        let view = device.and_then(|device| stage.view_of(&device));
        if let Some(view) = view {
            let now = self.state.clock.now().monotonic;
            self.bodies.keep(params, view, now, &envelope(result));
        }
    }

    /// Read at the first request that needs them; assigned at the start.
    async fn names(&self) -> Result<&Names, Refusal> {
        let names = self
            .names
            .get_or_try_init(|| Names::settle(&self.state, &self.sheets))
            .await;
        names.map_err(|error| failed("cannot number plants and devices", &error))
    }
}

/// What went wrong inside is for the log.
fn failed(what: &str, error: &dyn std::error::Error) -> Refusal {
    tracing::error!(%error, "{what}");
    Code::Internal.into()
}

/// Refusals are answers like others.
fn sent(
    envelope: Vec<u8>,
    action: Option<&'static str>,
    callback: Callback<'_>,
    takes_gzip: bool,
) -> Response {
    let (body, content_type) = addressed(envelope, callback);
    let packed = if takes_gzip && body.len() > PACKED_ABOVE {
        packed(&body).ok()
    } else {
        None
    };
    let is_packed = packed.is_some();
    let mut response = Response::new(Body::from(packed.unwrap_or(body)));
    let headers = response.headers_mut();
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Some(action) = action {
        headers.insert(ACTION, HeaderValue::from_static(action));
    }
    response
}

fn packed(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}

/// A defect of ours.
fn broken() -> Response {
    let result = Err(Code::Internal.into());
    sent(envelope(&result), None, Callback::default(), false)
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
