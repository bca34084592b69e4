//! The doors of dialects: everything that the rest of this crate has to know of one.
//!
//! A dialect that is answered over HTTP has a file or folder here, with one [`Door`] in it, and a line in
//! [`DOORS`]. Our own API and the page are no dialects; they get what no door takes.

use std::any::{Any, TypeId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;

use crate::native::error::ApiError;
use crate::{State, cfos, goe, shinemonitor, supervision};

pub use crate::supervision::{Platform, PlatformError};

pub(crate) use crate::supervision::uploads as reporting;

/// All of them.
pub(crate) const DOORS: [&Door; 5] = [
    &goe::DOOR,
    &cfos::DOOR,
    &shinemonitor::DOOR,
    &supervision::DOOR,
    &reporting::DOOR,
];

/// How others are answered in one dialect.
pub(crate) struct Door {
    /// As metrics and the audit log call it.
    pub name: &'static str,
    /// First segments below which everything is its own.
    pub roots: &'static [&'static str],
    /// Its paths elsewhere.
    pub paths: &'static [&'static str],
    /// Whether a foreign name that resolves to us may be used for one of its paths.
    pub answers_to: fn(host: &str, path: &str) -> bool,
    /// What it says where no handler of its own came to speak. `None`: what our own API says.
    pub refuses: fn(StatusCode, &Uri) -> Option<Response>,
    /// Built once for each router, with what it remembers.
    pub routes: fn(&State) -> Router<State>,
    /// What it answers in front of the router.
    pub at_once: Option<MakeAtOnce>,
    /// What our own API says of it, to who is signed in.
    pub native: Option<fn() -> OpenApiRouter<State>>,
}

/// What is remembered between requests, of each type one thing: a router and what answers in front of it share it.
#[derive(Default)]
pub(crate) struct Memory(Mutex<BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl Memory {
    /// The one of a type, which is made when it is asked for first.
    pub fn of<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = all
            .entry(TypeId::of::<T>())
            .or_insert_with(|| Arc::new(T::default()));
        // Under its own id stands nothing of another type.
        Arc::clone(kept).downcast().unwrap_or_default()
    }
}

/// Makes what answers for one router.
pub type MakeAtOnce = fn(&State) -> Box<dyn AtOnce>;

/// Answers what is asked most often, without the router and exactly as it would.
pub trait AtOnce: Send + Sync {
    /// `None`: ask the router.
    fn answer(&self, request: &Head<'_>) -> Option<Response>;
}

/// A request without its body.
#[derive(Clone, Copy)]
pub struct Head<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
}

impl<'a> Head<'a> {
    pub fn of<B>(request: &'a Request<B>) -> Self {
        Self {
            method: request.method(),
            uri: request.uri(),
            headers: request.headers(),
        }
    }
}

impl Door {
    /// The door that a path belongs to.
    pub fn of(path: &str) -> Option<&'static Self> {
        let root = first_segment(path);
        DOORS
            .into_iter()
            .find(|door| door.roots.contains(&root) || door.paths.contains(&path))
    }
}

/// What stands before the second slash.
pub(crate) fn first_segment(path: &str) -> &str {
    path.trim_start_matches('/').split('/').next().unwrap_or_default()
}

/// Refuses what no handler came to answer, in the words of the door that it was meant for.
pub(crate) fn refuse(uri: &Uri, said: ApiError) -> Response {
    let door = Door::of(uri.path());
    let own = door.and_then(|door| (door.refuses)(said.status(), uri));
    own.unwrap_or_else(|| said.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_belongs_to_at_most_one_door() {
        for (path, expected) in [
            ("/api/status", Some("goe")),
            ("/api/set", Some("goe")),
            ("/goe/000001/api/status", Some("goe")),
            ("/goe", Some("goe")),
            ("/cnf", Some("cfos")),
            ("/site/home/cnf", Some("cfos")),
            ("/public", Some("shinemonitor")),
            ("/public/", Some("shinemonitor")),
            ("/public/index.html", Some("shinemonitor")),
            ("/publication", None),
            ("/platform", Some("supervision")),
            ("/platform/management/cell", Some("supervision")),
            ("/platforms", None),
            ("/reporting/city/risk", Some("reporting")),
            ("/reports", None),
            ("/api/status/", None),
            ("/api/v1/sites", None),
            ("/sites/home", None),
            ("/metrics", None),
            ("/", None),
            ("", None),
        ] {
            assert_eq!(Door::of(path).map(|door| door.name), expected, "{path}");
            let takers = DOORS
                .iter()
                .filter(|door| door.roots.contains(&first_segment(path)) || door.paths.contains(&path));
            assert!(takers.count() <= 1, "{path}");
        }
    }
}
