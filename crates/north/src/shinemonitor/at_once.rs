//! The latest data of a device, answered in front of the router.
//!
//! Dashboards ask for them far more often than for all else together, and they change once a second. The router
//! keeps what it has answered ([`Bodies`]); as long as the view it was made from is the latest one, it is the
//! answer here as well. Whatever is not plainly such a request of somebody who may is left to the router, byte for
//! byte as it answers; a test compares them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};

use axum::body::HttpBody;
use axum::http::{HeaderValue, Method, header};
use axum::response::Response;
use dialects::shinemonitor::params::{DeviceName, Params};
use dialects::shinemonitor::request::{self, Read, Request};
use dialects::shinemonitor::{DIALECT, Lang};
use futures_util::FutureExt;
use gate::{Action, Subject};
use model::id::SiteId;
use model::secret::Secret;
use model::time::{Millis, Monotonic};
use model::view::SiteView;

use super::{DOOR, PATHS, sent};
use crate::State;
use crate::assets::takes;
use crate::door::{self, Head};
use crate::metrics::Answered;

/// The action that is answered here.
pub const LAST_DATA: &str = "queryDeviceLastData";
/// What is older is made anew, even where the house stands still: a day may have begun.
const LASTS: Millis = Millis(5_000);

/// Finished answers by device and language.
#[derive(Default)]
pub struct Bodies(Mutex<BTreeMap<(DeviceName, Lang), Kept>>);

#[derive(Clone)]
struct Kept {
    site: SiteId,
    /// Views are never changed, only replaced, and a place in memory is not given away while it is known here.
    view: Weak<SiteView>,
    made: Monotonic,
    envelope: Vec<u8>,
}

impl Bodies {
    /// Keeps what somebody was answered.
    pub fn keep(&self, params: Params<'_>, view: &Arc<SiteView>, made: Monotonic, envelope: &[u8]) {
        let Ok(device) = params.device() else { return };
        let kept = Kept {
            site: view.id.clone(),
            view: Arc::downgrade(view),
            made,
            envelope: envelope.to_vec(),
        };
        self.kept().insert((device, params.lang()), kept);
    }

    fn of(&self, params: Params<'_>) -> Option<Kept> {
        let key = (params.device().ok()?, params.lang());
        self.kept().get(&key).cloned()
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<(DeviceName, Lang), Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers at once, or not at all.
pub struct AtOnce {
    state: State,
    bodies: Arc<Bodies>,
    answered: [OnceLock<Answered>; 2],
}

impl AtOnce {
    pub fn boxed(state: &State) -> Box<dyn door::AtOnce> {
        Box::new(Self {
            state: state.clone(),
            bodies: state.memory.of(),
            answered: [OnceLock::new(), OnceLock::new()],
        })
    }
}

impl door::AtOnce for AtOnce {
    fn answer(&self, request: &Head<'_>) -> Option<Response> {
        let Head { method, uri, headers } = *request;
        let route = PATHS.iter().position(|path| *path == uri.path())?;
        let has_body =
            headers.contains_key(header::CONTENT_LENGTH) || headers.contains_key(header::TRANSFER_ENCODING);
        let has_host = headers.get_all(header::HOST).iter().count() == 1;
        if method != Method::GET || uri.authority().is_some() || has_body || !has_host {
            return None;
        }
        let Read {
            callback,
            action,
            request,
        } = request::read(uri.query()?);
        let Ok(Request::Business(call)) = request else {
            return None;
        };
        if action != Some(LAST_DATA) {
            return None;
        }
        let state = &self.state;
        let holds = |secret: &Secret| call.check(secret.expose()).is_ok();
        let caller = state.gate.door_session_at_once(&DIALECT, call.token(), holds)?;
        let kept = self.bodies.of(call.params())?;
        if !gate::may(&caller.principal, &Action::Read, &Subject::Site(&kept.site)) {
            return None;
        }
        // In this process a bus has them at hand; one that would have to ask is asked by the router.
        let view = state.bus.latest_view(&kept.site).now_or_never()??;
        let is_latest = std::ptr::eq(kept.view.as_ptr(), Arc::as_ptr(&view));
        if !is_latest || state.clock.now().monotonic - kept.made > LASTS {
            return None;
        }
        let mut response = sent(kept.envelope, action, callback, takes(headers, "gzip"));
        let length = response.body().size_hint().exact()?;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_LENGTH, length.into());
        headers.insert(
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        );
        self.count(route);
        Some(response)
    }
}

impl AtOnce {
    /// As the router counts.
    fn count(&self, route: usize) {
        let (Some(&path), Some(answered)) = (PATHS.get(route), self.answered.get(route)) else {
            return;
        };
        tracing::debug!(
            http.method = "GET",
            http.route = path,
            http.status = 200,
            duration_ms = 0,
            "answered"
        );
        let metrics = &self.state.metrics;
        let answered = answered.get_or_init(|| metrics.answered(Some(DOOR.name), "GET", path, 200));
        answered.inc();
    }
}
