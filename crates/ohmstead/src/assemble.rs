//! Wires the rooms together and takes them apart again.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bus::Bus;
use bus::in_process::InProcess;
use engine::run::Engine;
use gate::{Gate, InstallationKey};
use links::mail::{Mailer, Protection, Relay};
use links::outbound_guard::{Guard, SystemResolver};
use links::tls_server::Certificate;
use model::gateway::{AcceptedLogger, GatewayLink};
use model::id::SiteId;
use model::secret::Secret;
use model::settings::{MailSettings, MailTls, PersonalData, Retention, Settings};
use model::time::{Clock, Timestamp};
use model::vehicle::SourceStates;
use north::Platform;
use north::outbox::notices::Notifier;
use north::outbox::{LIMITS, Sender, Ways};
use south::Loggers;
use store::{Sqlite, Store, StoreError, Typed};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::clock::RealClock;
use crate::config::DatabaseUrl;
use crate::{chosen, listen, nightly, oversight, prices, vehicles};

/// Pauses while there are old readings to thin, and when there are none.
const BETWEEN_BITES: Duration = Duration::from_millis(50);
const BETWEEN_ROUNDS: Duration = Duration::from_secs(900);
/// Sessions that forget whose they were in one bite.
const BITE: u32 = 200;
const DAY_MS: i64 = 86_400_000;

/// What there is before anything runs: the time, the store, the gate.
pub struct House {
    pub clock: Arc<dyn Clock>,
    pub store: Arc<dyn Store>,
    pub gate: Arc<Gate>,
    pub readiness: Arc<north::Readiness>,
    /// The data directory, when records and history are files in it.
    data: Option<PathBuf>,
    /// The data directory, whatever is in it.
    directory: PathBuf,
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
            data: database.is_none().then(|| data.to_owned()),
            directory: data.to_owned(),
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

/// The settings, and who was accepted where they leave open which data logger a gateway is.
async fn with_accepted(settings: Arc<Settings>, store: &dyn Store) -> anyhow::Result<Arc<Settings>> {
    let accepted = store.list::<AcceptedLogger>().await;
    let accepted = accepted.context("cannot read which data loggers were accepted")?;
    if accepted.is_empty() {
        return Ok(settings);
    }
    let mut settings = Settings::clone(&settings);
    for AcceptedLogger { gateway, pn } in accepted {
        let mut gateways = settings.gateways.iter();
        if gateways.any(|known| known.logger_number() == Some(pn.as_str())) {
            continue;
        }
        let mut gateways = settings.gateways.iter_mut();
        let gateway = gateways.find(|known| known.id == gateway);
        if let Some(GatewayLink::Logger { pn: open, .. }) = gateway.map(|gateway| &mut gateway.link) {
            open.get_or_insert(pn);
        }
    }
    Ok(Arc::new(settings))
}

/// A running process.
pub struct Running {
    pub gate: Arc<Gate>,
    /// Of the engine of each site.
    pub epochs: BTreeMap<SiteId, u64>,
    /// The authority that this process is, if it is one.
    pub platform: Option<Arc<Platform>>,
    /// Where data loggers connect, as it was opened.
    pub logger_ports: Vec<SocketAddr>,
    stop: CancellationToken,
    store: Arc<dyn Store>,
    links: south::Supervisor,
    tasks: JoinSet<anyhow::Result<()>>,
}

impl Running {
    /// Starts engines, links and the HTTP port, and the same over TLS if there is a listener for it.
    ///
    /// # Errors
    /// When something cannot start at all; a device that is off never is such a thing.
    pub async fn start(
        house: House,
        settings: Arc<Settings>,
        listener: TcpListener,
        tls: Option<(TcpListener, Arc<Certificate>)>,
        for_loggers: Vec<TcpListener>,
    ) -> anyhow::Result<Self> {
        let House {
            clock,
            store,
            gate,
            readiness,
            data,
            directory,
        } = house;
        let settings = with_accepted(settings, store.as_ref()).await?;
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
                aside: directory.clone(),
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
        let mut state = north::State::new(
            bus.clone(),
            store.clone(),
            gate.clone(),
            clock.clone(),
            settings.clone(),
            readiness,
        );
        let loggers = Loggers::new(&settings.loggers, state.guard.clone(), clock.clone());
        let mut logger_ports = Vec::new();
        for listener in for_loggers {
            logger_ports.push(listener.local_addr().context("cannot tell the own address")?);
            let listening = loggers.clone().listen(listener, stop.clone());
            tasks.spawn(async move {
                listening.await;
                Ok(())
            });
        }
        let links = south::Supervisor::start_with_loggers(
            &settings.sites,
            &settings.gateways,
            loggers.clone(),
            bus.clone(),
            clock.clone(),
            stop.clone(),
        )
        .await;
        tasks.spawn(thin(store.clone(), settings.history, clock.clone(), stop.clone()));
        tasks.spawn(forget(
            store.clone(),
            settings.personal_data,
            clock.clone(),
            stop.clone(),
        ));
        let providers = settings.price_providers.clone();
        let (clock_of, store_of, bus_of) = (clock.clone(), store.clone(), bus.clone());
        let stop_of = stop.clone();
        tasks.spawn(async move {
            prices::run(providers, clock_of, store_of, bus_of, stop_of).await;
            Ok(())
        });
        let (mailer, mailers) = watch::channel(mailer(&settings, &gate).await?);
        let platform = oversight::open((&store, &gate, &clock), &settings, state.guard.clone()).await?;
        if let Some(platform) = &platform {
            state = state.with_platform(platform.clone());
            let (authority, stop) = (platform.authority().clone(), stop.clone());
            tasks.spawn(async move {
                authority.run(stop).await;
                Ok(())
            });
        }
        let ways = ways_out(mailers, &gate, state.guard.clone(), platform.clone()).await?;
        let follower = chosen::Follower {
            store: store.clone(),
            gate: gate.clone(),
            bus: state.bus.clone(),
            settings: settings.clone(),
            guard: state.guard.clone(),
            mailer,
        };
        let stop_follower = stop.clone();
        tasks.spawn(async move {
            follower.run(stop_follower).await;
            Ok(())
        });
        let sender = Sender::new(store.clone(), clock.clone(), ways);
        let notifier = Notifier {
            store: store.clone(),
            gate: gate.clone(),
            clock: clock.clone(),
            settings: settings.clone(),
        };
        let (stop_sender, stop_notifier) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            sender.run(stop_sender).await;
            Ok(())
        });
        tasks.spawn(async move {
            notifier.run(stop_notifier).await;
            Ok(())
        });
        let (states, sources) = watch::channel(SourceStates::new());
        let gateways = links.gateways();
        if !settings.loggers.listen.is_empty() {
            let mut devices = settings
                .sites
                .iter()
                .filter_map(|site| Some((site, site.devices.first()?)));
            let first = devices.next();
            let first = first.map(|(site, device)| (site.id.clone(), device.id.clone()));
            let telling = loggers
                .clone()
                .tell(gateways.clone(), first, state.bus.clone(), stop.clone());
            tasks.spawn(async move {
                telling.await;
                Ok(())
            });
        }
        state = state
            .with_sources(sources)
            .with_links(links.counts())
            .with_loggers(north::Loggers {
                states: {
                    let loggers = loggers.clone();
                    Arc::new(move || loggers.states(&gateways))
                },
                take_over: {
                    let loggers = loggers.clone();
                    Arc::new(move |pn: &str| loggers.take_over(pn))
                },
                accept: Arc::new(move |logger| loggers.accept(logger)),
            });
        let follower = vehicles::Follower {
            store: store.clone(),
            gate: gate.clone(),
            bus: state.bus.clone(),
            clock: clock.clone(),
            of_file: settings
                .vehicles
                .iter()
                .map(|vehicle| vehicle.id.to_string())
                .collect(),
            states,
        };
        let way = south::vehicle::Way {
            guard: state.guard.clone(),
            resolver: Arc::new(SystemResolver),
        };
        let stop_follower = stop.clone();
        tasks.spawn(async move {
            follower.run(way, stop_follower).await;
            Ok(())
        });
        if let Some(data) = data {
            state = state.with_data(&data);
            let (store, stop) = (store.clone(), stop.clone());
            tasks.spawn(async move {
                nightly::run(data, settings, store, clock, stop).await;
                Ok(())
            });
        }
        tasks.spawn(feed(state.clone(), stop.clone()));
        north::begin(&state).await;
        let reporting = north::Reporting::new(state.clone()).run(stop.clone());
        tasks.spawn(async move {
            reporting.await;
            Ok(())
        });
        let front = north::Front::new(state);
        let places = listen::places();
        if let Some((listener, certificate)) = tls {
            tasks.spawn(listen::serve_tls(
                listener,
                certificate,
                front.clone(),
                places.clone(),
                stop.clone(),
            ));
        }
        tasks.spawn(listen::serve(listener, front, places, stop.clone()));
        Ok(Self {
            gate,
            epochs,
            platform,
            logger_ports,
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

/// What the outbox sends by.
async fn ways_out(
    mailer: watch::Receiver<Option<Mailer>>,
    gate: &Gate,
    guard: Arc<Guard>,
    operators: Option<Arc<Platform>>,
) -> anyhow::Result<Ways> {
    Ok(Ways {
        http: links::http::Client::guarded(LIMITS, guard, Arc::new(SystemResolver))?,
        mailer,
        key: gate
            .signing_key()
            .await
            .context("cannot read the key that signs webhooks")?,
        operators,
    })
}

/// Who hands mail over, if there is a relay.
///
/// # Errors
/// When the password cannot be read, or TLS cannot be set up.
pub async fn mailer(settings: &Settings, gate: &Gate) -> anyhow::Result<Option<Mailer>> {
    let Some(mail) = &settings.mail else {
        return Ok(None);
    };
    let sealed = match (&mail.user, &mail.password_file) {
        (Some(_), None) => gate
            .mail_password()
            .await
            .context("cannot read the password of the mail relay")?,
        (Some(_) | None, _) => None,
    };
    let relay = relay(mail, sealed.as_ref().map(Secret::expose))?;
    Ok(Some(Mailer::new(&relay).context("cannot set up mail")?))
}

fn relay(mail: &MailSettings, sealed: Option<&str>) -> anyhow::Result<Relay> {
    let credentials = match (&mail.user, &mail.password_file) {
        (Some(user), Some(file)) => {
            let password = std::fs::read_to_string(file)
                .with_context(|| format!("cannot read the mail password in {}", file.display()))?;
            Some((user.clone(), password.trim_end_matches(['\r', '\n']).to_owned()))
        }
        (Some(user), None) => sealed.map(|password| (user.clone(), password.to_owned())),
        (None, _) => None,
    };
    Ok(Relay {
        host: mail.host.clone(),
        port: mail.port,
        protection: match mail.tls {
            MailTls::StartTls => Protection::StartTls,
            MailTls::Tls => Protection::Tls,
            MailTls::None => Protection::Nothing,
        },
        credentials,
        from: mail.from.clone(),
        patience: LIMITS.timeout,
    })
}

/// Brings views to those who watch them.
async fn feed(state: north::State, stop: CancellationToken) -> anyhow::Result<()> {
    tokio::select! {
        () = stop.cancelled() => {}
        () = state.hub.clone().run(state.bus.clone(), state.readiness.clone()) => tracing::warn!("the bus has gone; live events have ended"),
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

/// Takes people out of old records, a bite at a time.
async fn forget(
    store: Arc<dyn Store>,
    personal: PersonalData,
    clock: Arc<dyn Clock>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let pause = match forget_some(&*store, personal, clock.now().wall).await {
            Ok(true) => BETWEEN_BITES,
            Ok(false) => BETWEEN_ROUNDS,
            Err(error) => {
                tracing::warn!(%error, "old records are not made anonymous for now");
                BETWEEN_ROUNDS
            }
        };
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Whether there may be more to do.
async fn forget_some(store: &dyn Store, personal: PersonalData, now: Timestamp) -> Result<bool, StoreError> {
    let before = |days: u32| Timestamp(now.0 - i64::from(days) * DAY_MS);
    if let Some(days) = personal.audit_days {
        store.forget_audit(before(days)).await?;
    }
    match personal.session_days {
        Some(days) => Ok(store.forget_sessions(before(days), BITE).await? == u64::from(BITE)),
        None => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
[loggers]
listen = ["127.0.0.1:502"]
[[gateway]]
id = "roof"
driver = "logger"
pn = "E5000099990001"
[[gateway]]
id = "shed"
driver = "logger"
[[gateway]]
id = "barn"
driver = "logger"
[[site]]
id = "home"
[[site.circuit]]
id = "house"
limit_a = 35
"#;

    #[tokio::test]
    async fn what_was_accepted_counts_where_the_file_says_nothing() {
        let config = crate::config::parse(FILE).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let settings = Arc::new(config.settings);
        let store = Sqlite::in_memory().unwrap();
        let same = with_accepted(settings.clone(), &*store).await.unwrap();
        assert!(Arc::ptr_eq(&same, &settings));
        for (gateway, pn) in [
            ("roof", "W0000000000001"),
            ("shed", "W0000000000002"),
            // The file has given it to another one since.
            ("barn", "E5000099990001"),
            ("attic", "W0000000000004"),
        ] {
            let accepted = AcceptedLogger {
                gateway: gateway.parse().unwrap(),
                pn: pn.to_owned(),
            };
            store.put(&accepted).await.unwrap();
        }
        let settings = with_accepted(settings, &*store).await.unwrap();
        let numbers: Vec<_> = settings
            .gateways
            .iter()
            .map(model::gateway::Gateway::logger_number)
            .collect();
        assert_eq!(numbers, [Some("E5000099990001"), Some("W0000000000002"), None]);
    }
}
