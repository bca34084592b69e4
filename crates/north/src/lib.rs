//! Whom we answer.
//!
//! Every door to the outside has a file here: our own API ([`native`]), the dialects of other makers
//! ([`door`]), the page ([`assets`]). None of them touches a device or decides anything: what is
//! asked for becomes an intent on the bus, what is shown comes from the latest view, who may is asked of the
//! gate. The binary owns the port and serves [`router`].

mod address;
mod assets;
mod cfos;
mod door;
pub mod events;
mod front;
mod goe;
mod health;
mod limits;
mod loggers;
pub mod metrics;
pub mod native;
pub mod networks;
pub mod outbox;
mod plant_sheets;
pub mod readiness;
mod shinemonitor;
mod solar;
mod supervision;

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use bus::Bus;
use gate::Gate;
use links::outbound_guard::Guard;
use model::settings::Settings;
use model::time::Clock;
use model::vehicle::SourceStates;
use model::view::LinkCounts;
use store::Store;

pub use door::reporting::Reporting;
pub use door::{Platform, PlatformError, begin};
pub use front::{Connection, Front};
pub use loggers::Loggers;
pub use metrics::Metrics;
pub use readiness::Readiness;

/// How a request came; the binary puts it among the extensions. Plain when it says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Plain,
    Tls,
}

/// What the handlers work with. Cloning it is cheap: every layer in front of a handler does so, for every request.
#[derive(Clone)]
pub struct State(Arc<Parts>);

/// What is in it. Whoever changes something has a state of its own from then on.
#[derive(Clone)]
pub struct Parts {
    pub bus: Arc<dyn Bus>,
    pub store: Arc<dyn Store>,
    pub gate: Arc<Gate>,
    pub clock: Arc<dyn Clock>,
    pub settings: Arc<Settings>,
    pub readiness: Arc<Readiness>,
    pub metrics: Arc<Metrics>,
    /// Remembers energies of days that are over.
    pub energies: Arc<store::EnergyBook>,
    /// Fed by [`events::Hub::run`], a task of the binary.
    pub hub: Arc<events::Hub>,
    /// What users may have dialled.
    pub guard: Arc<Guard>,
    /// One change of a document at a time, since checks look at several.
    changing: Arc<tokio::sync::Mutex<()>>,
    /// The data directory, when records and history are files in it.
    data: Option<Arc<std::path::Path>>,
    backing_up: Arc<tokio::sync::Semaphore>,
    /// Counts the links of this process, by driver.
    links: Arc<dyn Fn() -> BTreeMap<&'static str, LinkCounts> + Send + Sync>,
    /// The data loggers of this process.
    loggers: Loggers,
    /// What is remembered between requests.
    memory: Arc<door::Memory>,
    /// The authority that this installation is, if it is one.
    platform: Option<Arc<Platform>>,
    /// How the sources of vehicles do.
    sources: tokio::sync::watch::Receiver<SourceStates>,
}

impl std::ops::Deref for State {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::ops::DerefMut for State {
    fn deref_mut(&mut self) -> &mut Parts {
        Arc::make_mut(&mut self.0)
    }
}

impl State {
    #[must_use]
    pub fn new(
        bus: Arc<dyn Bus>,
        store: Arc<dyn Store>,
        gate: Arc<Gate>,
        clock: Arc<dyn Clock>,
        settings: Arc<Settings>,
        readiness: Arc<Readiness>,
    ) -> Self {
        // The reader of the settings has refused entries that are none; without one nothing is allowed.
        let guard = Arc::new(Guard::new(&settings.outbound.allow).unwrap_or_default());
        Self(Arc::new(Parts {
            bus,
            store,
            gate,
            hub: events::Hub::new(Arc::clone(&clock)),
            clock,
            settings,
            readiness,
            metrics: Arc::default(),
            energies: Arc::default(),
            guard,
            changing: Arc::default(),
            data: None,
            backing_up: Arc::new(tokio::sync::Semaphore::new(1)),
            memory: Arc::default(),
            platform: None,
            // Nobody changes it: nothing is followed.
            links: Arc::new(BTreeMap::new),
            loggers: Loggers::default(),
            sources: tokio::sync::watch::channel(SourceStates::new()).1,
        }))
    }

    /// With what counts the links of this process, for the metrics.
    #[must_use]
    pub fn with_links(
        mut self,
        links: impl Fn() -> BTreeMap<&'static str, LinkCounts> + Send + Sync + 'static,
    ) -> Self {
        self.links = Arc::new(links);
        self
    }

    /// With the data loggers of this process.
    #[must_use]
    pub fn with_loggers(mut self, loggers: Loggers) -> Self {
        self.loggers = loggers;
        self
    }

    /// As an authority that operators report to.
    #[must_use]
    pub fn with_platform(mut self, platform: Arc<Platform>) -> Self {
        self.platform = Some(platform);
        self
    }

    pub(crate) fn platform(&self) -> Option<&Arc<Platform>> {
        self.platform.as_ref()
    }

    /// Says where to look how the sources of vehicles do.
    #[must_use]
    pub fn with_sources(mut self, sources: tokio::sync::watch::Receiver<SourceStates>) -> Self {
        self.sources = sources;
        self
    }

    /// Names the data directory, so that it can be backed up.
    #[must_use]
    pub fn with_data(mut self, data: &std::path::Path) -> Self {
        self.data = Some(data.into());
        self
    }
}

/// Everything but what [`Front`] answers at once. Requests carry a `ConnectInfo<SocketAddr>`: who calls decides over
/// slowing down, and over what a dialect shows to some networks only.
pub fn router(state: State) -> Router {
    let private = Router::new()
        .route("/metrics", get(metrics::show))
        .route_layer(from_fn_with_state(state.clone(), native::auth::require));
    let ours = Router::new()
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .merge(private)
        .merge(native::router(&state));
    let routes = door::DOORS
        .iter()
        .fold(ours, |routes, door| routes.merge((door.routes)(&state)));
    routes
        .fallback(assets::serve)
        .layer(DefaultBodyLimit::max(limits::MAX_BODY))
        .layer(from_fn(limits::bound_body))
        .layer(from_fn_with_state(state.clone(), address::check_host))
        .layer(from_fn(limits::bound_work))
        .layer(from_fn(limits::finish))
        .layer(from_fn_with_state(state.clone(), metrics::observe))
        .with_state(state)
}
