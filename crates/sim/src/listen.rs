//! The devices of a world on real ports, one each.
//!
//! A task moves the world on every second. What has happened is on disk before anybody can see it, so that
//! no counter runs backwards after a crash of the process: requests are answered under the same lock. Here
//! are no frames and no protocols; `links` carries, the devices answer, and each says which ways there are to it.

mod broker;
mod dial;
mod sockets;

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use dialects::{Reply, Request};
use links::ServerLimits;
use model::id::DeviceId;
use model::time::{Clock, Millis};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use crate::voice::Way;
use crate::world::World;

const TICK: Duration = Duration::from_secs(1);

/// Why the devices cannot be reached.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error("device `{device}` cannot listen on {address}; choose another address or stop who uses it")]
    Bind {
        device: DeviceId,
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(
        "the cars cannot tell how full they are on {address}; choose another address or stop who uses it"
    )]
    BindCars {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error(transparent)]
    NoBroker(#[from] links::mqtt::NoBroker),
    #[error("the state of the world cannot be written to {}", path.display())]
    Save {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Devices that answer until they are shut down or this is dropped.
#[derive(Debug)]
pub struct Listening {
    addresses: BTreeMap<DeviceId, SocketAddr>,
    modbus: BTreeMap<DeviceId, SocketAddr>,
    cars: SocketAddr,
    shutdown: CancellationToken,
    tasks: JoinSet<()>,
}

impl Listening {
    /// Where each device answers.
    #[must_use]
    pub const fn addresses(&self) -> &BTreeMap<DeviceId, SocketAddr> {
        &self.addresses
    }

    /// Where devices speak Modbus TCP beside what is on their own port.
    #[must_use]
    pub const fn modbus(&self) -> &BTreeMap<DeviceId, SocketAddr> {
        &self.modbus
    }

    /// Where the cars tell how full they are: `http://<this>/vehicles/<EVSE>`.
    #[must_use]
    pub const fn cars(&self) -> SocketAddr {
        self.cars
    }

    /// Ends all connections, and the time of the world with a last save.
    pub async fn shutdown(mut self) {
        self.shutdown.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

/// Opens a port for every device and lets time pass. With `save_to`, the state of the world is kept in that
/// file, replaced as a whole each time.
///
/// # Errors
/// When a port is taken or the state cannot be written at the start. Later failures to write are logged, and
/// the devices go on.
pub async fn listen(
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    save_to: Option<PathBuf>,
) -> Result<Listening, ListenError> {
    let ticker = Ticker {
        world: Arc::clone(&world),
        clock: Arc::clone(&clock),
        save_to,
    };
    ticker.tick()?;

    let settings = lock(&world).settings().cars.clone();
    let broker = settings.broker.map(|text| text.parse()).transpose()?;
    let address = settings
        .listen
        .unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
    let failed = |source| ListenError::BindCars { address, source };
    let for_cars = TcpListener::bind(address).await.map_err(failed)?;
    let cars = for_cars.local_addr().map_err(failed)?;
    let ways = lock(&world).ways();
    let (mut addresses, mut modbus, mut opened) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (device, way) in ways {
        let (way, bound) = Opened::open(&device, way).await?;
        match (bound, addresses.contains_key(&device)) {
            (Some(bound), false) => addresses.insert(device.clone(), bound),
            (Some(bound), true) => modbus.insert(device.clone(), bound),
            (None, _) => None,
        };
        opened.push((device, way));
    }

    let shutdown = CancellationToken::new();
    let mut tasks = JoinSet::new();
    tasks.spawn(crate::cars::serve(Arc::clone(&world), for_cars, shutdown.clone()));
    if let Some(broker) = broker {
        tasks.spawn(crate::cars::publish(Arc::clone(&world), broker, shutdown.clone()));
    }
    for (device, way) in opened {
        let port = Port {
            world: Arc::clone(&world),
            clock: Arc::clone(&clock),
            device,
        };
        way.run(port, &shutdown, &mut tasks);
    }
    tasks.spawn(ticker.run(shutdown.clone()));
    Ok(Listening {
        addresses,
        modbus,
        cars,
        shutdown,
        tasks,
    })
}

/// A way with all that could be refused: whoever gets one runs it.
enum Opened {
    Http(TcpListener, &'static str),
    Modbus(TcpListener),
    Dial(SocketAddr),
    Broker(broker::Settings),
}

impl Opened {
    /// With the address, where it listens.
    async fn open(device: &DeviceId, way: Way) -> Result<(Self, Option<SocketAddr>), ListenError> {
        Ok(match way {
            Way::Http { listen, sockets_at } => {
                let (listener, bound) = bind(device, listen).await?;
                (Self::Http(listener, sockets_at), Some(bound))
            }
            Way::Modbus { listen } => {
                let (listener, bound) = bind(device, listen).await?;
                (Self::Modbus(listener), Some(bound))
            }
            Way::Dial { server } => (Self::Dial(server), None),
            Way::Broker {
                url,
                client,
                subscriptions,
            } => (
                Self::Broker(broker::Settings {
                    broker: url.parse()?,
                    client,
                    subscriptions,
                }),
                None,
            ),
        })
    }

    fn run(self, port: Port, shutdown: &CancellationToken, tasks: &mut JoinSet<()>) {
        let shutdown = shutdown.clone();
        match self {
            Self::Http(listener, path) => tasks.spawn(sockets::serve(port, listener, path, shutdown)),
            Self::Modbus(listener) => tasks.spawn(serve_modbus(port, listener, shutdown)),
            Self::Dial(server) => tasks.spawn(dial::keep(port, server, shutdown)),
            Self::Broker(settings) => tasks.spawn(broker::publish(port, settings, shutdown)),
        };
    }
}

/// One device and all it needs to answer.
#[derive(Clone)]
struct Port {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    device: DeviceId,
}

impl Port {
    async fn answer(&self, request: Request) -> Option<Reply> {
        let (reply, delay) = {
            let mut world = lock(&self.world);
            (
                world.handle(&self.device, &request, self.clock.now()),
                world.delay(&self.device),
            )
        };
        if delay > Millis::ZERO {
            tokio::time::sleep(delay.to_std()).await;
        }
        reply
    }

    async fn answer_http(&self, request: http::Request<Vec<u8>>) -> Option<http::Response<Vec<u8>>> {
        match self.answer(Request::Http(request)).await? {
            Reply::Http(response) => Some(response),
            Reply::Modbus { .. } => None,
        }
    }

    async fn delay(&self) {
        let delay = lock(&self.world).delay(&self.device);
        if delay > Millis::ZERO {
            tokio::time::sleep(delay.to_std()).await;
        }
    }
}

async fn bind(device: &DeviceId, address: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let failed = |source| ListenError::Bind {
        device: device.clone(),
        address,
        source,
    };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

async fn serve_modbus(port: Port, listener: TcpListener, shutdown: CancellationToken) {
    let handler = move |unit, pdu| {
        let port = port.clone();
        async move {
            match port.answer(Request::Modbus { unit, pdu }).await? {
                Reply::Modbus { pdu } => Some(pdu),
                Reply::Http(_) => None,
            }
        }
    };
    links::modbus_tcp::serve(listener, ServerLimits::default(), shutdown, handler).await;
}

/// Moves the world on and keeps its state.
struct Ticker {
    world: Arc<Mutex<World>>,
    clock: Arc<dyn Clock>,
    save_to: Option<PathBuf>,
}

impl Ticker {
    async fn run(self, shutdown: CancellationToken) {
        let ticker = Arc::new(self);
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut could_save = true;
        loop {
            let is_last = tokio::select! {
                _ = ticks.tick() => false,
                () = shutdown.cancelled() => true,
            };
            let ticking = Arc::clone(&ticker);
            // The disk may take its time; the runtime has other things to do.
            let ticked = tokio::task::spawn_blocking(move || ticking.tick()).await;
            let saved = match ticked {
                Ok(Ok(())) => true,
                Ok(Err(error)) => {
                    if could_save {
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "virtual devices go on, but their counters may run backwards after a crash"
                        );
                    }
                    false
                }
                Err(error) => {
                    tracing::error!("the virtual devices stand still: {error}");
                    return;
                }
            };
            if saved && !could_save {
                tracing::info!("the state of the virtual devices is saved again");
            }
            could_save = saved;
            if is_last {
                return;
            }
        }
    }

    /// Steps and saves without letting go of the world in between.
    fn tick(&self) -> Result<(), ListenError> {
        let mut world = lock(&self.world);
        world.step(self.clock.now());
        let Some(path) = &self.save_to else { return Ok(()) };
        let saved = replace(path, &world.save());
        saved.map_err(|source| ListenError::Save {
            path: path.clone(),
            source,
        })
    }
}

/// Writes a file so that there is always a whole one, old or new. It is not forced to the disk: it survives
/// the death of the process, which is what virtual devices have to survive.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, path)
}

/// A panic under the lock leaves plain numbers behind, not a broken invariant.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use links::Limits;
    use model::time::{Monotonic, Now, Timestamp};

    use super::*;
    use crate::demo;
    use crate::fault::Fault;

    /// A clock that runs ten minutes ahead whenever somebody looks at it.
    #[derive(Default)]
    struct Hasty(AtomicI64);

    impl Clock for Hasty {
        fn now(&self) -> Now {
            let ms = self.0.fetch_add(600_000, Ordering::Relaxed);
            Now {
                wall: Timestamp(1_782_000_000_000 + ms),
                monotonic: Monotonic(ms),
            }
        }
    }

    fn device(id: &str) -> DeviceId {
        DeviceId::new(id).unwrap()
    }

    fn status(address: SocketAddr) -> http::Request<Vec<u8>> {
        http::Request::get(format!("http://{address}/api/status?filter=sse,car"))
            .body(Vec::new())
            .unwrap()
    }

    fn patient() -> Limits {
        Limits {
            timeout: Duration::from_secs(10),
            ..Limits::default()
        }
    }

    #[tokio::test]
    async fn every_device_answers_on_a_port_of_its_own() {
        let world = Arc::new(Mutex::new(World::new(demo::home(1)).unwrap()));
        let listening = listen(Arc::clone(&world), Arc::new(Hasty::default()), None)
            .await
            .unwrap();
        let addresses = listening.addresses().clone();
        assert_eq!(addresses.len(), 5);
        let http = links::http::Client::new(patient()).unwrap();
        let answer = http
            .send(status(addresses[&device("wallbox-right")]))
            .await
            .unwrap();
        assert!(
            String::from_utf8_lossy(answer.body()).contains("\"sse\":\"000002\""),
            "{answer:?}"
        );

        for id in ["grid", "pv", "battery"] {
            let mut modbus = links::modbus_tcp::Client::new(addresses[&device(id)].to_string(), patient());
            let mark = modbus.exchange(1, &[3, 0x9c, 0x40, 0, 2]).await.unwrap();
            assert_eq!(mark, [3, 4, 0x53, 0x75, 0x6e, 0x53], "{id}");
        }

        lock(&world).set_fault(&device("wallbox-right"), Some(Fault::Silence));
        let brief = Limits {
            timeout: Duration::from_millis(100),
            ..Limits::default()
        };
        let impatient = links::http::Client::new(brief).unwrap();
        assert!(
            impatient
                .send(status(addresses[&device("wallbox-right")]))
                .await
                .is_err()
        );
        lock(&world).set_fault(&device("wallbox-right"), Some(Fault::Delay { by: Millis(1) }));
        assert!(
            http.send(status(addresses[&device("wallbox-right")]))
                .await
                .is_ok()
        );

        listening.shutdown().await;
        assert!(
            http.send(status(addresses[&device("wallbox-left")]))
                .await
                .is_err()
        );
    }

    #[test]
    fn what_is_seen_has_been_saved() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("world.json");
        let world = Arc::new(Mutex::new(World::new(demo::home(1)).unwrap()));
        let clock = Arc::new(Hasty::default());
        let ticker = Ticker {
            world: Arc::clone(&world),
            clock,
            save_to: Some(path.clone()),
        };
        let mut last = String::new();
        for _ in 0..3 {
            ticker.tick().unwrap();
            let saved = std::fs::read_to_string(&path).unwrap();
            assert_eq!(saved, lock(&world).save());
            assert_ne!(saved, last);
            last = saved;
        }
        assert_eq!(World::restore(demo::home(1), &last).unwrap().save(), last);
        assert_eq!(
            std::fs::read_dir(folder.path()).unwrap().count(),
            1,
            "no draft is left"
        );
    }

    #[tokio::test]
    async fn what_cannot_be_opened_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = demo::home(1);
        settings.devices[1].listen = Some(taken.local_addr().unwrap());
        let world = Arc::new(Mutex::new(World::new(settings).unwrap()));
        let error = listen(world, Arc::new(Hasty::default()), None).await.unwrap_err();
        assert!(error.to_string().contains("`pv`"), "{error}");

        let world = Arc::new(Mutex::new(World::new(demo::home(1)).unwrap()));
        let nowhere = PathBuf::from("/nowhere/world.json");
        let error = listen(world, Arc::new(Hasty::default()), Some(nowhere))
            .await
            .unwrap_err();
        assert!(error.to_string().contains("/nowhere/world.json"), "{error}");
    }
}
