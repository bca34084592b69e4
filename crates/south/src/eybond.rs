//! Data loggers, which dial us: who is here, what is polled through them, and how they do.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bus::Bus;
use dialects::eybond::{Behind, Client, Definition, DeviceSettings, Greeter, parameters, redirect};
use dialects::{Greeter as AnyGreeter, Greeting, ReplyError};
use links::outbound_guard::Guard;
use model::device::{Device, LinkSettings};
use model::endpoint::Endpoint;
use model::gateway::{AcceptedLogger, Gateway, GatewayFacts, GatewayLink, LoggerState, LoggerStates, PassOn};
use model::id::{DeviceId, GatewayId, SiteId};
use model::message::{Message, Notice, Report, Reported};
use model::settings::LoggerSettings;
use model::time::{Clock, Millis, Monotonic, Now};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::arrivals::{Arrivals, Stranger};
use crate::beside::WithVendor;
use crate::driver::{Driver, Misfit, Shared};
use crate::health::Health;
use crate::transport::Transport;

/// Connections of one port.
const MOST_CONNECTIONS: usize = 12_000;

/// What was told is told again.
const TELL_AGAIN: Duration = Duration::from_secs(60);
/// When thousands come at once they are counted a few times.
const BETWEEN_TELLS: Duration = Duration::from_secs(1);

/// Gateways by their numbers.
type Named = Mutex<BTreeMap<String, GatewayId>>;
type About = (SiteId, DeviceId);
type Notices = BTreeMap<(SiteId, DeviceId, Notice), Option<String>>;

/// All loggers of one process. Clones are the same.
#[derive(Clone)]
pub struct Loggers {
    arrivals: Arrivals,
    clock: Arc<dyn Clock>,
    heartbeat: Millis,
    /// Where their vendor's cloud is, and by which way it is reached.
    vendor: Option<Endpoint>,
    guard: Arc<Guard>,
    /// Numbers of gateways whose settings leave them open.
    accepted: Arc<Mutex<BTreeMap<GatewayId, String>>>,
    /// Gateways of the settings, also those that no device is behind, which have no link.
    named: Arc<Named>,
    /// Read once, whatever number of inverters is of the same make.
    definitions: Arc<Mutex<BTreeMap<String, Arc<Definition>>>>,
}

impl fmt::Debug for Loggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loggers").finish_non_exhaustive()
    }
}

impl Loggers {
    /// Their vendor's cloud is dialled as far as `guard` lets: where its name leads back to this house, as it does
    /// when loggers are brought here by that name, nobody is to be passed on to ourselves.
    #[must_use]
    pub fn new(settings: &LoggerSettings, guard: Arc<Guard>, clock: Arc<dyn Clock>) -> Self {
        Self {
            arrivals: Arrivals::new(Arc::clone(&clock)),
            clock,
            heartbeat: settings.heartbeat,
            vendor: settings.vendor.as_deref().map(Endpoint::of),
            guard,
            accepted: Arc::default(),
            named: Arc::default(),
            definitions: Arc::default(),
        }
    }

    /// Takes connections at a port until `stop`.
    pub async fn listen(self, listener: TcpListener, stop: CancellationToken) {
        let (heartbeat, named) = (self.heartbeat, Arc::clone(&self.named));
        let greeter = Arc::new(move || {
            let (greeter, named) = (Greeter::new(heartbeat), Arc::clone(&named));
            Box::new(Knowing { greeter, named }) as Box<dyn AnyGreeter>
        });
        self.arrivals
            .listen(listener, MOST_CONNECTIONS, greeter, stop)
            .await;
    }

    /// Ends the connection of a logger, so that the one that waits under its number takes its place. Says
    /// whether there is one.
    pub fn take_over(&self, pn: &str) -> bool {
        self.arrivals.take_over(pn)
    }

    /// From now on a gateway whose settings leave it open is the logger with this number; its link notices when it
    /// tries again, within a minute.
    pub fn accept(&self, logger: AcceptedLogger) {
        self.accepted().insert(logger.gateway, logger.pn);
    }

    /// The gateways of the settings.
    pub(crate) fn name(&self, gateways: &[Gateway]) {
        let numbers = gateways
            .iter()
            .filter_map(|gateway| Some((gateway.logger_number()?.to_owned(), gateway.id.clone())));
        self.named().extend(numbers);
    }

    fn named(&self) -> MutexGuard<'_, BTreeMap<String, GatewayId>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accepted(&self) -> MutexGuard<'_, BTreeMap<GatewayId, String>> {
        // A map stays whole even if a holder of the lock panicked.
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of a gateway, if it is a logger and known which.
    fn number(&self, gateway: &Gateway) -> Option<String> {
        match &gateway.link {
            GatewayLink::Logger { pn: Some(pn), .. } => Some(pn.clone()),
            GatewayLink::Logger { pn: None, .. } => self.accepted().get(&gateway.id).cloned(),
            GatewayLink::Modbus { .. } | GatewayLink::Shinemonitor(_) => None,
        }
    }

    /// How they all do: those of `gateways`, and strangers.
    #[must_use]
    pub fn states(&self, gateways: &[(Gateway, watch::Receiver<Health>)]) -> LoggerStates {
        let by_name = |those: Vec<Stranger>| -> BTreeMap<String, Stranger> {
            those.into_iter().map(|one| (one.name.clone(), one)).collect()
        };
        let (seated, waiting) = (by_name(self.arrivals.seated()), by_name(self.arrivals.waiting()));
        let named = self.named();
        let strangers = self.arrivals.strangers().into_iter().map(|stranger| LoggerState {
            accepted: named.get(&stranger.name).cloned(),
            from: Some(stranger.from),
            since: Some(stranger.since.wall),
            last_contact: Some(stranger.since.wall),
            facts: GatewayFacts::default(),
            waiting: None,
            pn: stranger.name,
        });
        let ours = gateways.iter().filter_map(|(gateway, health)| {
            let pn = self.number(gateway)?;
            let health = health.borrow();
            let here = seated.get(&pn);
            Some(LoggerState {
                accepted: Some(gateway.id.clone()),
                from: here.map(|here| here.from),
                since: here.map(|here| here.since.wall),
                last_contact: health.last_answer.map(|at| at.wall),
                facts: health.gateway.as_deref().cloned().unwrap_or_default(),
                waiting: waiting.get(&pn).map(|waiting| waiting.from),
                pn,
            })
        });
        let all = strangers.chain(ours);
        all.map(|state| (state.pn.clone(), state)).collect()
    }

    /// Reports who claims a number twice, and who has dialled that nobody has named, until `stop`. The former of
    /// the devices behind that number, the latter of all sites that have loggers, or of the first one.
    pub async fn tell(
        self,
        gateways: Vec<(Gateway, watch::Receiver<Health>)>,
        first: Option<About>,
        bus: Arc<dyn Bus>,
        stop: CancellationToken,
    ) {
        // What was ever noticed, as it was told last.
        let (mut told, mut again) = (Notices::new(), false);
        loop {
            for (about, text) in self.notices(&gateways, first.as_ref()) {
                let is_news = match told.get(&about) {
                    Some(before) => again || *before != text,
                    None => text.is_some(),
                };
                if !is_news {
                    continue;
                }
                let (site, device, notice) = about.clone();
                told.insert(about, text.clone());
                let reported = Reported {
                    site,
                    device,
                    at: self.clock.now(),
                    report: Report::Notice { notice, text },
                };
                bus.publish(Message::Reported(reported)).await;
            }
            again = tokio::select! {
                () = stop.cancelled() => return,
                () = self.arrivals.changed() => false,
                // Whoever missed it hears it again.
                () = tokio::time::sleep(TELL_AGAIN) => true,
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(BETWEEN_TELLS) => {}
            }
        }
    }

    fn notices(&self, gateways: &[(Gateway, watch::Receiver<Health>)], first: Option<&About>) -> Notices {
        let mut notices = Notices::new();
        let mut carriers: BTreeMap<SiteId, DeviceId> = BTreeMap::new();
        let waiting = self.arrivals.waiting();
        for (gateway, health) in gateways {
            let Some(pn) = self.number(gateway) else {
                continue;
            };
            let claimed = waiting.binary_search_by(|one| one.name.cmp(&pn)).ok();
            let text = claimed.and_then(|at| waiting.get(at)).map(|one| {
                let from = one.from.ip();
                format!("a second connection, from {from}, says that it is data logger {pn}; it waits")
            });
            for own in &health.borrow().devices {
                carriers
                    .entry(own.site.clone())
                    .or_insert_with(|| own.device.clone());
                let about = (own.site.clone(), own.device.clone(), Notice::LoggerClaimedTwice);
                notices.insert(about, text.clone());
            }
        }
        if carriers.is_empty() {
            carriers.extend(first.cloned());
        }
        let mut strangers = self.arrivals.strangers();
        let named = self.named();
        strangers.retain(|stranger| !named.contains_key(&stranger.name));
        drop(named);
        let text = strangers.first().map(|one| {
            let others = match strangers.len() - 1 {
                0 => String::new(),
                others => format!(", and {others} more"),
            };
            let (name, from) = (&one.name, one.from.ip());
            format!("data logger {name}, from {from}{others}, has connected and stands in no [[gateway]]; it is left alone")
        });
        for (site, device) in carriers {
            notices.insert((site, device, Notice::LoggerUnknown), text.clone());
        }
        notices
    }

    fn definition(&self, name: &str) -> Option<Arc<Definition>> {
        // A map stays whole even if a holder of the lock panicked.
        let mut known = self.definitions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(definition) = known.get(name) {
            return Some(Arc::clone(definition));
        }
        let definition = Arc::new(Definition::built_in(name)?);
        known.insert(name.to_owned(), Arc::clone(&definition));
        Some(definition)
    }
}

/// A greeter that knows which numbers are longer than a heartbeat.
struct Knowing {
    greeter: Greeter,
    named: Arc<Named>,
}

impl Knowing {
    /// The number that was said, or the only one of which it is the beginning.
    fn whole(&self, said: String) -> String {
        let named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        if named.contains_key(&said) {
            return said;
        }
        let mut longer = named.keys().filter(|number| parameters::is_number(&said, number));
        match (longer.next(), longer.next()) {
            (Some(number), None) => number.clone(),
            _ => said,
        }
    }
}

impl AnyGreeter for Knowing {
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Greeting {
        match self.greeter.handle_bytes(bytes, now) {
            Greeting::Is { name, rest } => Greeting::Is {
                name: self.whole(name),
                rest,
            },
            greeting @ (Greeting::More | Greeting::Nonsense(_)) => greeting,
        }
    }

    fn handle_waiting(&mut self, unread: &mut Vec<u8>) -> Result<(), ReplyError> {
        self.greeter.handle_waiting(unread)
    }

    fn handle_timeout(&mut self, now: Now) -> Greeting {
        self.greeter.handle_timeout(now)
    }

    fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        self.greeter.poll_bytes()
    }

    fn poll_timeout(&self) -> Monotonic {
        self.greeter.poll_timeout()
    }
}

/// Tells a logger in the local network to connect to `server` until it loses power, and says from where it has
/// answered. `to` may be a broadcast address.
///
/// # Errors
/// When nobody answers, or not as a logger does.
pub async fn redirect_logger(
    to: IpAddr,
    server: SocketAddr,
    within: Duration,
) -> Result<IpAddr, links::Failure> {
    let order = redirect::order(server);
    let to = SocketAddr::new(to, redirect::PORT);
    let (answer, from) = links::datagram::ask(to, order.as_bytes(), within).await?;
    if redirect::is_answer(&answer) {
        Ok(from.ip())
    } else {
        Err(links::Failure::Other(format!(
            "{} does not answer as a data logger does",
            from.ip()
        )))
    }
}

/// A logger and all that is polled through it.
pub(crate) fn driver(
    gateway: &Gateway,
    pass_on: PassOn,
    devices: &[Device],
    shared: &Shared,
) -> Result<Driver, Misfit> {
    let loggers = &shared.loggers;
    let pn = loggers.number(gateway).ok_or_else(|| {
        Misfit(format!(
            "nobody has said which data logger `{}` is; accept one that has connected, or set `pn`",
            gateway.id
        ))
    })?;
    let behind: Result<Vec<_>, Misfit> = devices.iter().map(|device| behind(device, loggers)).collect();
    let settings = dialects::eybond::LoggerSettings {
        pn: pn.clone(),
        heartbeat: loggers.heartbeat,
        pass_on,
        devices: behind?,
    };
    let seat = loggers.arrivals.seat(&pn);
    let transport: Box<dyn Transport> = match (pass_on, &loggers.vendor) {
        (PassOn::Nothing, _) | (PassOn::Reads, None) => Box::new(seat),
        (PassOn::Reads, Some(vendor)) => {
            let way = shared.way.guarded(Arc::clone(&loggers.guard));
            let clock = Arc::clone(&loggers.clock);
            Box::new(WithVendor::new(seat, &pn, vendor.clone(), way, clock))
        }
    };
    Ok(Driver {
        client: Box::new(Client::new(settings)),
        transport,
    })
}

fn behind(device: &Device, loggers: &Loggers) -> Result<DeviceSettings, Misfit> {
    let misfit = |what: &str| Misfit(format!("device \"{}\": {what}", device.name));
    let LinkSettings::Via { unit, definition, .. } = &device.link else {
        return Err(misfit("is behind no gateway"));
    };
    let name = definition
        .as_deref()
        .ok_or_else(|| misfit("an inverter behind a logger does not describe itself; check `definition`"))?;
    let definition = loggers
        .definition(name)
        .ok_or_else(|| misfit(&format!("there is no definition `{name}`; check `definition`")))?;
    let behind = Behind::read(unit).filter(|behind| definition.parts().any(|part| part == behind.part));
    let behind = behind.ok_or_else(|| {
        misfit(&format!(
            "`{unit}` is nothing that `{name}` has; check `unit` and `part`"
        ))
    })?;
    Ok(DeviceSettings {
        behind,
        name: device.name.clone(),
        definition,
        poll: device.period,
    })
}
