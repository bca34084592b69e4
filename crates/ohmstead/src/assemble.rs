//! Wires the rooms together and takes them apart again.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use bus::in_process::InProcess;
use engine::run::Engine;
use gate::{Gate, InstallationKey};
use model::id::SiteId;
use model::settings::{Retention, Settings};
use model::time::Clock;
use store::{Sqlite, Store};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::RealClock;
use crate::config::DatabaseUrl;
use crate::listen;

/// Pauses while there are old readings to thin, and when there are none.
const BETWEEN_BITES: Duration = Duration::from_millis(50);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(900);

/// What there is before anything runs: the time, the store, the gate.
pub struct House {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub gate: Arc<Gate>,
    pub readiness: Arc<north::Readiness>,
}

impl House {
    /// Opens a data directory, and a database instead of its files if one is given.
    ///
    /// # Errors
    /// When it is in use, written by a newer version, or cannot be written.
    pub async fn open(data: &Path, database: Option<&DatabaseUrl>) -> anyhow::Result<Self> {
        let clock: Arc<dyn Clock> = Arc::new(RealClock::start());
        let store = open_store(data, database)?;
        let key = InstallationKey::open(&data.join("key"))?;
        let gate = Gate::open(store.clone(), key, clock.clone())
            .await
            .with_context(|| format!("cannot read users and secrets in {}", data.display()))?;
        Ok(Self {
            clock,
            store,
            gate,
            readiness: Arc::new(north::Readiness::default()),
        })
    }
}

fn open_store(data: &Path, database: Option<&DatabaseUrl>) -> anyhow::Result<Arc<dyn Store>> {
    let Some(DatabaseUrl(url)) = database else {
        return Ok(Sqlite::open(data)?);
    };
    // The installation key stays here.
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data)
        .with_context(|| format!("cannot make the data directory {}", data.display()))?;
    open_database(url)
}

#[cfg(feature = "postgres")]
fn open_database(url: &str) -> anyhow::Result<Arc<dyn Store>> {
    Ok(store::Postgres::open(url)?)
}

#[cfg(not(feature = "postgres"))]
fn open_database(_: &str) -> anyhow::Result<Arc<dyn Store>> {
    anyhow::bail!("this program was built without PostgreSQL; remove `store` from the config file")
}

/// A running process.
pub struct Running {
    pub gate: Arc<Gate>,
    /// Of the engine of each site.
    pub epochs: BTreeMap<SiteId, u64>,
    stop: CancellationToken,
    store: Arc<dyn Store>,
    links: south::Supervisor,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// Starts engines, links and the HTTP port.
    ///
    /// # Errors
    /// When something cannot start at all; a device that is off never is such a thing.
    pub async fn start(house: House, settings: Arc<Settings>, listener: TcpListener) -> anyhow::Result<Self> {
        let House {
            clock,
            store,
            gate,
            readiness,
        } = house;
        let stop = CancellationToken::new();
        let bus: Arc<dyn Bus> = InProcess::new();
        let mut tasks = JoinSet::new();
        let sites: Vec<_> = settings.sites.iter().cloned().map(Arc::new).collect();
        let mut epochs = BTreeMap::new();
        for site in &sites {
            let engine = Engine {
                site: site.clone(),
                settings: settings.control,
                bus: bus.clone(),
                store: store.clone(),
                clock: clock.clone(),
            };
            let opened = engine
                .open()
                .await
                .with_context(|| format!("cannot start site {}", site.id))?;
            epochs.insert(site.id.clone(), opened.epoch());
            let stop = stop.clone();
            tasks.spawn(async move {
                opened.run(stop).await;
                Ok(())
            });
        }
        let links = south::Supervisor::start(&settings.sites, bus.clone(), clock.clone(), stop.clone()).await;
        tasks.spawn(thin(store.clone(), settings.history, clock.clone(), stop.clone()));
        let state = north::State::new(bus, store.clone(), gate.clone(), clock, settings, readiness);
        tasks.spawn(feed(state.clone(), stop.clone()));
        tasks.spawn(listen::serve(listener, north::router(state), stop.clone()));
        Ok(Self {
            gate,
            epochs,
            stop,
            store,
            links,
            tasks,
        })
    }

    /// Ends everything in order: the doors, the links, the engines, then the store.
    ///
    /// # Errors
    /// With the first task that failed.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        tracing::info!("stopping");
        self.stop.cancel();
        self.links.stop().await;
        let mut first = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            let ended = ended.context("a task panicked").and_then(std::convert::identity);
            first = first.and(ended);
        }
        self.store
            .flush()
            .await
            .context("cannot write the last readings")?;
        first
    }
}

/// Brings views to those who watch them.
async fn feed(state: north::State, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => {}
        () = state.hub.clone().run(state.bus, state.readiness) => tracing::warn!("the bus has gone; live events have ended"),
    }
    Ok(())
}

/// Thins old readings, a bite at a time, so that live ones never wait for long.
async fn thin(
    store: Arc<dyn Store>,
    from_file: Option<Retention>,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let now = clock.now().wall;
        let bite = async { store.thin(store::retention(&*store, from_file).await?, now).await };
        let pause = match bite.await {
            Ok(true) => BETWEEN_BITES,
            Ok(false) => BETWEEN_ROUNDS,
            Err(error) => {
                tracing::warn!(%error, "old readings are not thinned for now");
                BETWEEN_ROUNDS
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}
