//! Keeps one link per device running.
//!
//! A link that ends or panics is started again after a pause that grows; the others do not notice. A device
//! that does not answer is no reason to restart anything: its link reports it and goes on asking.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Subscription, Topic};
use links::Backoff;
use model::device::{Device, LinkState};
use model::message::Report;
use model::site::{Keeper, Site};
use model::time::Clock;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::driver::{Driver, Misfit, Shared};
use crate::epoch::Epoch;
use crate::health::Health;
use crate::link::{Link, Post};

/// How long links have to end after a shutdown before they are cut.
const GRACE: Duration = Duration::from_secs(5);

/// A link that ran for so long had recovered; its next end counts as the first one.
const RECOVERED: Duration = Duration::from_secs(300);

type MakeDriver = Arc<dyn Fn(&Device) -> Result<Driver, Misfit> + Send + Sync>;

/// The links of all sites of this process.
pub struct Supervisor {
    links: JoinSet<()>,
    health: Vec<watch::Receiver<Health>>,
    shutdown: CancellationToken,
}

impl Supervisor {
    /// Starts a link for every enabled device of the sites that we keep, and waits for none of them.
    ///
    /// When this returns, setpoints published for any of the devices reach its link. Reports are published
    /// from then on: whoever wants the first ones has subscribed before. Cancelling `shutdown` ends the links.
    pub async fn start(
        sites: &[Site],
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
    ) -> Self {
        let shared = Shared::new();
        let make_driver = move |device: &Device| match &shared {
            Ok(shared) => Driver::of(device, shared),
            Err(misfit) => Err(misfit.clone()),
        };
        Self::start_with(sites, bus, clock, shutdown, Arc::new(make_driver)).await
    }

    async fn start_with(
        sites: &[Site],
        bus: Arc<dyn Bus>,
        clock: Arc<dyn Clock>,
        shutdown: CancellationToken,
        make_driver: MakeDriver,
    ) -> Self {
        let mut supervisor = Self {
            links: JoinSet::new(),
            health: Vec::new(),
            shutdown: shutdown.child_token(),
        };
        for site in sites.iter().filter(|site| site.keeper == Keeper::Ours) {
            for device in site.devices.iter().filter(|device| is_dialled(device)) {
                let (health, watched) = watch::channel(Health::new(site.id.clone(), device.id.clone()));
                let post = Post {
                    site: site.id.clone(),
                    device: device.id.clone(),
                    bus: Arc::clone(&bus),
                    clock: Arc::clone(&clock),
                    epoch: Arc::new(Epoch::default()),
                    health: Arc::new(health),
                };
                let setpoints = post.subscribe().await;
                let seat = Seat {
                    post: Arc::new(post),
                    device: device.clone(),
                    make_driver: Arc::clone(&make_driver),
                };
                let shutdown = supervisor.shutdown.clone();
                let span = tracing::info_span!("link", site.id = %site.id, device.id = %device.id);
                supervisor
                    .links
                    .spawn(seat.keep(setpoints, shutdown).instrument(span));
                supervisor.health.push(watched);
            }
        }
        supervisor
    }

    /// How each link does, in the order of the sites and their devices.
    #[must_use]
    pub fn health(&self) -> Vec<Health> {
        self.health.iter().map(|health| health.borrow().clone()).collect()
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

fn is_dialled(device: &Device) -> bool {
    device.enabled && device.link.is_dialled()
}

impl Post {
    async fn subscribe(&self) -> Box<dyn Subscription> {
        self.bus
            .subscribe(Topic::Setpoints(self.site.clone(), self.device.clone()))
            .await
    }
}

/// One device and how its link is made.
struct Seat {
    post: Arc<Post>,
    device: Device,
    make_driver: MakeDriver,
}

impl Seat {
    /// Runs the link again and again until the shutdown.
    async fn keep(self, mut setpoints: Box<dyn Subscription>, shutdown: CancellationToken) {
        let mut backoff = Backoff::new(&format!("{}/{}", self.post.site, self.post.device), RECOVERED);
        loop {
            let began = self.post.clock.now().monotonic;
            match (self.make_driver)(&self.device) {
                Ok(driver) => match self.run(driver, setpoints, &shutdown).await {
                    Some(ended) => self.note_end(ended).await,
                    None => return,
                },
                Err(misfit) => self.note_misfit(&misfit).await,
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
        let is_news = self.post.health.borrow().link != state;
        if is_news {
            self.post.note(&state);
        }
        self.post.report(self.post.clock.now(), Report::Link(state)).await;
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
            health.link = state.clone();
        });
        self.post.report(self.post.clock.now(), Report::Link(state)).await;
    }
}

#[cfg(test)]
mod tests;
