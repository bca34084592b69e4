//! Keeps one link per device running.
//!
//! A link that ends or panics is started again after a pause that grows; the others do not notice. A device
//! that does not answer is no reason to restart anything: its link reports it and goes on asking.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Subscription};
use links::Backoff;
use model::device::{Device, LinkState};
use model::gateway::{Gateway, Unit};
use model::settings::LoggerSettings;
use model::site::{Keeper, Site};
use model::time::Clock;
use model::view::LinkCounts;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use crate::driver::{Driver, Loggers, Misfit, Shared, Target};
use crate::epoch::Epoch;
use crate::health::Health;
use crate::link::{Link, Place, Post};

/// How long links have to end after a shutdown before they are cut.
const GRACE: Duration = Duration::from_secs(5);

/// A link that ran for so long had recovered; its next end counts as the first one.
const RECOVERED: Duration = Duration::from_secs(300);

type MakeDriver = Arc<dyn Fn(&Target) -> Result<Driver, Misfit> + Send + Sync>;

/// What all links are given.
struct Means {
    bus: Arc<dyn Bus>,
    clock: Arc<dyn Clock>,
    make_driver: MakeDriver,
}

/// The links of all sites of this process.
pub struct Supervisor {
    links: JoinSet<()>,
    health: Vec<watch::Receiver<Health>>,
    /// Of those whose devices are ours, with the health of their links.
    gateways: Vec<(Gateway, watch::Receiver<Health>)>,
    shutdown: CancellationToken,
}

impl Supervisor {
    /// Starts a link for every enabled device of the sites that we keep, one for all of those behind the same
    /// gateway, and waits for none of them.
    ///
    /// When this returns, setpoints published for any of the devices reach its link. Reports are published
    /// from then on: whoever wants the first ones has subscribed before. Cancelling `shutdown` ends the links.
    pub async fn start(
        sites: &[Site],
        gateways: &[Gateway],
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        let nobody = Loggers::new(&LoggerSettings::default(), Arc::default(), Arc::clone(&clock));
        Self::start_with_loggers(sites, gateways, nobody, bus, clock, shutdown).await
    }

    /// As [`Self::start`], where data loggers dial us.
    pub async fn start_with_loggers(
        sites: &[Site],
        gateways: &[Gateway],
        loggers: Loggers,
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        loggers.name(gateways);
        let shared = Shared::new(loggers);
        let make_driver = move |target: &Target| match &shared {
            Ok(shared) => Driver::of(target, shared),
            Err(misfit) => Err(misfit.clone()),
        };
        let means = Means {
            bus,
            clock,
            make_driver: Arc::new(make_driver),
        };
        Self::start_with(sites, gateways, means, shutdown).await
    }

    async fn start_with(
        sites: &[Site],
        gateways: &[Gateway],
        means: Means,
        shutdown: CancellationToken,
    ) -> Self {
        let mut supervisor = Self {
            links: JoinSet::new(),
            health: Vec::new(),
            gateways: Vec::new(),
            shutdown: shutdown.child_token(),
        };
        let (behind, alone): (Vec<_>, Vec<_>) = sites
            .iter()
            .filter(|site| site.keeper == Keeper::Ours)
            .flat_map(|site| site.devices.iter().map(move |device| (site, device)))
            .filter(|(_, device)| device.enabled && device.link.is_linked())
            .partition(|(_, device)| device.link.via().is_some());
        for (site, device) in alone {
            let span = tracing::info_span!("link", site.id = %site.id, device.id = %device.id);
            let target = Target::Device(Box::new(device.clone()));
            let places = vec![place(site, device)];
            supervisor.add(target, places, &means, span).await;
        }
        for gateway in gateways {
            let (mut places, mut devices) = (Vec::new(), Vec::new());
            for (site, device) in &behind {
                if device.link.via().is_some_and(|(via, _)| *via == gateway.id) {
                    places.push(place(site, device));
                    devices.push(Device::clone(device));
                }
            }
            if !devices.is_empty() {
                let span = tracing::info_span!("link", gateway.id = %gateway.id);
                let target = Target::Gateway(Box::new(gateway.clone()), devices);
                supervisor.add(target, places, &means, span).await;
                let health = supervisor.health.last().cloned();
                supervisor
                    .gateways
                    .extend(health.map(|health| (gateway.clone(), health)));
            }
        }
        supervisor
    }

    async fn add(&mut self, target: Target, places: Vec<Place>, means: &Means, span: Span) {
        let post = Post::new(places, Arc::clone(&means.bus), Arc::clone(&means.clock));
        let setpoints = post.subscribe().await;
        self.health.push(post.health.subscribe());
        let tended = Tended {
            post: Arc::new(post),
            target,
            make_driver: Arc::clone(&means.make_driver),
        };
        let shutdown = self.shutdown.clone();
        self.links
            .spawn(tended.keep(setpoints, shutdown).instrument(span));
    }

    /// How each link does, in the order of the sites and their devices, then those of gateways.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        self.health.iter().map(|health| health.borrow().clone()).collect()
    }

    /// What carries our devices, and how it does.
    #[must_use]
    pub fn gateways(&self) -> Vec<(Gateway, watch::Receiver<Health>)> {
        self.gateways.clone()
    }

    /// What counts the links, for as long as somebody wants to know.
    pub fn counts(&self) -> impl Fn() -> BTreeMap<&'static str, LinkCounts> + Send + Sync + use<> {
        let health: Arc<[_]> = self.health.as_slice().into();
        move || counts(&health)
    }

    /// Ends all links. A request under way is given up.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        let all_ended = async { while self.links.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, all_ended).await.is_err() {
            tracing::warn!("some links did not end and were cut");
            self.links.shutdown().await;
        }
    }
}

/// By driver. A link with several devices counts by the first of them when it was started again.
fn counts(health: &[watch::Receiver<Health>]) -> BTreeMap<&'static str, LinkCounts> {
    let mut counts = BTreeMap::<_, LinkCounts>::new();
    for health in health {
        let health = health.borrow();
        for device in &health.devices {
            let of_driver = counts.entry(device.driver).or_default();
            match device.link {
                LinkState::Connecting => of_driver.connecting += 1,
                LinkState::Online => of_driver.online += 1,
                LinkState::Offline { .. } => of_driver.offline += 1,
            }
        }
        if let Some(first) = health.devices.first() {
            counts.entry(first.driver).or_default().restarts += health.restarts;
        }
    }
    counts
}

/// A device of a site as its link knows it.
fn place(site: &Site, device: &Device) -> Place {
    let unit = device.link.via().map_or(Unit::only(), |(_, unit)| unit.clone());
    Place {
        unit,
        site: site.id.clone(),
        device: device.id.clone(),
        driver: device.link.driver(),
        epoch: Epoch::default(),
    }
}

impl Post {
    async fn subscribe(&self) -> Box<dyn Subscription> {
        self.bus.subscribe(self.topic()).await
    }
}

/// What a link leads to and how it is made.
struct Tended {
    post: Arc<Post>,
    target: Target,
    make_driver: MakeDriver,
}

impl Tended {
    /// Runs the link again and again until the shutdown.
    async fn keep(self, mut setpoints: Box<dyn Subscription>, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(&self.post.name(), RECOVERED);
        loop {
            let began = self.post.clock.now().monotonic;
            match (self.make_driver)(&self.target) {
                Ok(driver) => match self.run(driver, setpoints, &shutdown).await {
                    // In memory of its own, as it is not needed while the link runs.
                    Some(ended) => Box::pin(self.note_end(ended)).await,
                    None => return,
                },
                Err(misfit) => Box::pin(self.note_misfit(&misfit)).await,
            }
            let ran = self.post.clock.now().monotonic - began;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = tokio::time::sleep(backoff.pause(ran.to_std())) => {}
            }
            setpoints = self.post.subscribe().await;
        }
    }

    /// Runs the link in a task of its own, so that its panic ends nothing else. `None` after a shutdown.
    async fn run(
        &self,
        driver: Driver,
        setpoints: Box<dyn Subscription>,
        shutdown: &CancellationToken,
    ) -> Option<Result<(), JoinError>> {
        let mut task = JoinSet::new();
        task.spawn(
            Link::new(Arc::clone(&self.post), driver, setpoints)
                .run()
                .in_current_span(),
        );
        tokio::select! {
            () = shutdown.cancelled() => {
                task.shutdown().await;
                None
            }
            ended = task.join_next() => ended,
        }
    }

    /// Logs once, and reports each time: whoever subscribes later must hear of it too.
    async fn note_misfit(&self, misfit: &Misfit) {
        let state = LinkState::Offline {
            problem: misfit.to_string(),
        };
        for place in &self.post.places {
            self.post.note(place, &state);
        }
        self.post.report_all(&state).await;
    }

    async fn note_end(&self, ended: Result<(), JoinError>) {
        match ended {
            Ok(()) => tracing::warn!("the link ended because the bus did; starting it again"),
            Err(error) => tracing::error!("the link failed and is started again: {error}"),
        }
        let problem = "its link failed and is being started again; the log says why".to_owned();
        let state = LinkState::Offline { problem };
        self.post.health.send_modify(|health| {
            health.restarts += 1;
            for device in &mut health.devices {
                device.link.clone_from(&state);
            }
        });
        self.post.report_all(&state).await;
    }
}

#[cfg(test)]
mod tests;
