//! Drives any dialect client over any transport.
//!
//! Sends what the client wants sent, feeds it what comes back, wakes it when it is due, publishes its reports
//! and hands it setpoints, also while a request is under way. Knows no dialect. When to ask, when to give up
//! and what a device's silence means is decided by the client.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Received, Subscription, Topic};
use dialects::{Event, Failure, Incoming, Reply, ReplyError, Request};
use model::device::LinkState;
use model::gateway::Unit;
use model::id::{DeviceId, SiteId};
use model::message::{Message, Report, Reported};
use model::setpoint::{Action, Setpoint};
use model::time::{Clock, Millis, Now, Timestamp};
use tokio::sync::watch;

use crate::complaints::Complaints;
use crate::driver::Driver;
use crate::epoch::Epoch;
use crate::health::Health;

/// A client that is always due must not keep the processor busy.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// What a link is told by whoever starts it.
pub(crate) struct Post {
    /// The devices behind it, in order of their units; mostly one.
    pub places: Box<[Place]>,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub health: watch::Sender<Health>,
}

/// A device of ours, and what a dialect calls it.
pub(crate) struct Place {
    pub unit: Unit,
    pub site: SiteId,
    pub device: DeviceId,
    pub driver: &'static str,
    pub epoch: Epoch,
}

pub(crate) struct Link {
    post: Arc<Post>,
    driver: Driver,
    setpoints: Box<dyn Subscription>,
    complaints: Complaints,
}

impl Link {
    /// `setpoints` is a subscription to those of the devices behind it.
    pub fn new(post: Arc<Post>, driver: Driver, setpoints: Box<dyn Subscription>) -> Self {
        Self {
            post,
            driver,
            setpoints,
            complaints: Complaints::default(),
        }
    }

    /// Runs until the bus has gone. May be dropped at any time.
    pub async fn run(mut self) {
        loop {
            let now = self.post.clock.now();
            if self.driver.client.poll_timeout() <= now.monotonic {
                self.driver.client.handle_timeout(now);
                self.publish(now).await;
            }
            self.push().await;
            let bus_lives = match self.driver.client.poll_request() {
                Some(request) => self.exchange(request).await,
                None => self.rest().await,
            };
            if bus_lives.is_none() {
                return;
            }
        }
    }

    /// Sends what the client wants pushed. A send that fails is an end of the connection.
    async fn push(&mut self) {
        while let Some(outgoing) = self.driver.client.poll_outgoing() {
            if let Err(failure) = self.driver.transport.push(outgoing).await {
                self.hear(Incoming::Closed(failure)).await;
            }
        }
    }

    /// Feeds the client what came unasked.
    async fn hear(&mut self, incoming: Incoming) {
        let now = self.post.clock.now();
        if !matches!(
            incoming,
            Incoming::Closed(_) | Incoming::Done | Incoming::Beside(_)
        ) {
            self.post
                .health
                .send_modify(|health| health.last_answer = Some(now));
        }
        let heard = self.driver.client.handle_incoming(incoming, now);
        self.complain(heard);
        self.publish(now).await;
    }

    fn complain(&mut self, heard: Result<(), ReplyError>) {
        if let Err(error) = heard
            && self.complaints.is_new(&error)
        {
            tracing::warn!("the answer makes no sense: {error}");
        }
    }

    /// Brings one request to its end; `None` when the bus has gone.
    async fn exchange(&mut self, request: Request) -> Option<()> {
        let Self {
            post,
            driver: Driver { client, transport },
            setpoints,
            ..
        } = self;
        let outcome = {
            let mut outcome = transport.exchange(request);
            loop {
                tokio::select! {
                    // A setpoint that is there goes in front of whatever the answer makes the client ask next.
                    biased;
                    received = setpoints.next() => {
                        if let Some((place, action)) = post.order(received?) {
                            client.handle_action(&place.unit, &action, post.clock.now());
                        }
                    }
                    outcome = &mut outcome => break outcome,
                }
            }
        };
        let now = post.clock.now();
        self.conclude(outcome, now);
        self.publish(now).await;
        Some(())
    }

    /// Waits for a setpoint, for something unasked, or until the client is due; `None` when the bus has gone.
    async fn rest(&mut self) -> Option<()> {
        let due = self.driver.client.poll_timeout() - self.post.clock.now().monotonic;
        tokio::select! {
            received = self.setpoints.next() => {
                let now = self.post.clock.now();
                if let Some((place, action)) = self.post.order(received?) {
                    self.driver.client.handle_action(&place.unit, &action, now);
                    self.publish(now).await;
                }
            }
            incoming = self.driver.transport.incoming() => self.hear(incoming).await,
            () = tokio::time::sleep(due.to_std().max(SHORTEST_REST)) => {}
        }
        Some(())
    }

    fn conclude(&mut self, outcome: Result<Reply, Failure>, now: Now) {
        match outcome {
            Ok(reply) => {
                self.post
                    .health
                    .send_modify(|health| health.last_answer = Some(now));
                let heard = self.driver.client.handle_reply(reply, now);
                self.complain(heard);
            }
            Err(failure) => {
                tracing::debug!("no answer: {failure}");
                self.driver.client.handle_failure(&failure, now);
            }
        }
    }

    /// Passes on what the client has to say, as of `at`.
    async fn publish(&mut self, at: Now) {
        while let Some(passed) = self.pass_on(at) {
            passed.await;
        }
    }

    /// The next of it, in memory of its own: a link rests most of the time, and there are ten thousand of them that
    /// need no room for a report then.
    fn pass_on(&mut self, at: Now) -> Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> {
        let event = self.driver.client.poll_event()?;
        Some(Box::pin(self.pass_on_event(event, at)))
    }

    async fn pass_on_event(&mut self, event: Event, at: Now) {
        let (unit, at, report) = match event {
            Event::Report { unit, report } => (unit, at, report),
            Event::Dated {
                unit,
                at: taken,
                report,
            } => (unit, earlier(at, taken), report),
            Event::Gateway(facts) => {
                self.post
                    .health
                    .send_modify(|health| health.gateway = Some(Box::new(facts)));
                return;
            }
            Event::Found { unit, identity } => match self.post.place(&unit) {
                Some(_) => (unit, at, Report::Identity { text: identity }),
                None => {
                    self.post.find(&unit, &identity, at);
                    return;
                }
            },
        };
        let Some(place) = self.post.place(&unit) else {
            self.post.find(&unit, "", at);
            return;
        };
        if let Report::Link(state) = &report
            && self.post.note(place, state)
        {
            self.complaints.forget();
        }
        self.post.report(place, at, report).await;
    }
}

/// Both clocks at an earlier time by the wall; never later.
fn earlier(now: Now, wall: Timestamp) -> Now {
    let ago = Millis((now.wall - wall).0.max(0));
    Now {
        wall: now.wall - ago,
        monotonic: now.monotonic - ago,
    }
}

impl Post {
    pub fn new(places: Vec<Place>, bus: Arc<dyn Bus>, clock: Arc<dyn Clock>) -> Self {
        let mut places = places.into_boxed_slice();
        places.sort_by(|a, b| a.unit.cmp(&b.unit));
        Self {
            health: watch::Sender::new(Health::of(&places)),
            places,
            bus,
            clock,
        }
    }

    /// Its first device, by which it differs from other links.
    pub fn name(&self) -> String {
        let first = self.places.first();
        first.map_or_else(String::new, |place| format!("{}/{}", place.site, place.device))
    }

    /// The topic of setpoints for the devices behind this link.
    pub fn topic(&self) -> Topic {
        let devices = self.places.iter();
        Topic::Setpoints(
            devices
                .map(|place| (place.site.clone(), place.device.clone()))
                .collect(),
        )
    }

    fn place(&self, unit: &Unit) -> Option<&Place> {
        let at = self.places.binary_search_by(|place| place.unit.cmp(unit)).ok()?;
        self.places.get(at)
    }

    /// Puts a report of a device on the bus.
    pub async fn report(&self, place: &Place, at: Now, report: Report) {
        let reported = Reported {
            site: place.site.clone(),
            device: place.device.clone(),
            at,
            report,
        };
        self.bus.publish(Message::Reported(reported)).await;
    }

    /// The same state of all devices behind this link.
    pub async fn report_all(&self, state: &LinkState) {
        let now = self.clock.now();
        for place in &self.places {
            self.report(place, now, Report::Link(state.clone())).await;
        }
    }

    /// Logs a change of a device and keeps it for whoever asks after its health. Says whether it is one.
    pub fn note(&self, place: &Place, state: &LinkState) -> bool {
        let is_new = self.health.send_if_modified(|health| {
            let mut devices = health.devices.iter_mut();
            let own = devices.find(|own| own.site == place.site && own.device == place.device);
            own.is_some_and(|own| {
                let is_new = own.link != *state;
                if is_new {
                    own.link.clone_from(state);
                }
                is_new
            })
        });
        if is_new {
            // The span of the link names one device only.
            let among = (self.places.len() > 1).then(|| {
                tracing::info_span!("device", site.id = %place.site, device.id = %place.device).entered()
            });
            match state {
                LinkState::Connecting => tracing::debug!("connecting"),
                LinkState::Online => tracing::info!("the device answers"),
                LinkState::Offline { problem } => tracing::warn!("the device is offline: {problem}"),
            }
            drop(among);
        }
        is_new
    }

    /// Keeps a device that stands in no site for whoever asks.
    fn find(&self, unit: &Unit, identity: &str, at: Now) {
        let is_new = self
            .health
            .send_if_modified(|health| health.find(unit, identity, at));
        if is_new {
            tracing::info!(%unit, identity, "a device is there that stands in no site; it is left alone");
        }
    }

    /// What of a subscription is to be carried out.
    fn order(&self, received: Received) -> Option<(&Place, Action)> {
        match received {
            Received::Message(Message::Setpoint { site, setpoint }) => self.admit(&site, setpoint),
            Received::Message(Message::Reported(_) | Message::View(_) | Message::NounsChanged { .. }) => None,
            Received::Missed(count) => {
                tracing::warn!(
                    count,
                    "setpoints came faster than the device takes them; the oldest are lost"
                );
                None
            }
        }
    }

    fn admit(&self, site: &SiteId, setpoint: Setpoint) -> Option<(&Place, Action)> {
        let Setpoint {
            device,
            epoch,
            action,
        } = setpoint;
        let mut places = self.places.iter();
        let place = places.find(|place| place.site == *site && place.device == device)?;
        if !place.epoch.admits(epoch) {
            tracing::warn!(epoch, "dropped a setpoint of an engine that has been replaced");
            return None;
        }
        Some((place, action))
    }
}

#[cfg(test)]
mod tests;
