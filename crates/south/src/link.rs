//! Drives any dialect client over any transport.
//!
//! Sends what the client wants sent, feeds it what comes back, wakes it when it is due, publishes its reports
//! and hands it setpoints, also while a request is under way. Knows no dialect. When to ask, when to give up
//! and what a device's silence means is decided by the client.

use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, Received, Subscription};
use dialects::{Failure, Incoming, Reply, ReplyError, Request};
use model::device::LinkState;
use model::id::{DeviceId, SiteId};
use model::message::{Message, Report, Reported};
use model::setpoint::{Action, Setpoint};
use model::time::{Clock, Now};
use tokio::sync::watch;

use crate::complaints::Complaints;
use crate::driver::Driver;
use crate::epoch::Epoch;
use crate::health::Health;

/// A client that is always due must not keep the processor busy.
const SHORTEST_REST: Duration = Duration::from_millis(1);

/// What a link is told by whoever starts it.
pub(crate) struct Post {
    pub site: SiteId,
    pub device: DeviceId,
    pub bus: Arc<dyn Bus>,
    pub clock: Arc<dyn Clock>,
    pub epoch: Arc<Epoch>,
    pub health: Arc<watch::Sender<Health>>,
}

pub(crate) struct Link {
    post: Arc<Post>,
    driver: Driver,
    setpoints: Box<dyn Subscription>,
    complaints: Complaints,
    state: LinkState,
}

impl Link {
    /// `setpoints` is a subscription to those of this device.
    pub fn new(post: Arc<Post>, driver: Driver, setpoints: Box<dyn Subscription>) -> Self {
        Self {
            post,
            driver,
            setpoints,
            complaints: Complaints::default(),
            state: LinkState::Connecting,
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
        if !matches!(incoming, Incoming::Closed(_) | Incoming::Done) {
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
                        if let Some(action) = post.order(received?) {
                            client.handle_action(&action, post.clock.now());
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
                if let Some(action) = self.post.order(received?) {
                    self.driver.client.handle_action(&action, now);
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
        while let Some(report) = self.driver.client.poll_event() {
            if let Report::Link(state) = &report
                && *state != self.state
            {
                self.state = state.clone();
                self.complaints.forget();
                self.post.note(state);
            }
            self.post.report(at, report).await;
        }
    }
}

impl Post {
    /// Puts a report of this device on the bus.
    pub async fn report(&self, at: Now, report: Report) {
        let reported = Reported {
            site: self.site.clone(),
            device: self.device.clone(),
            at,
            report,
        };
        self.bus.publish(Message::Reported(reported)).await;
    }

    /// Logs a change of the link and keeps it for whoever asks after its health.
    pub fn note(&self, state: &LinkState) {
        match state {
            LinkState::Connecting => tracing::debug!("connecting"),
            LinkState::Online => tracing::info!("the device answers"),
            LinkState::Offline { problem } => tracing::warn!("the device is offline: {problem}"),
        }
        self.health.send_modify(|health| health.link = state.clone());
    }

    /// What of a subscription is to be carried out.
    fn order(&self, received: Received) -> Option<Action> {
        match received {
            Received::Message(Message::Setpoint { setpoint, .. }) => self.admit(setpoint),
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

    fn admit(&self, setpoint: Setpoint) -> Option<Action> {
        let Setpoint {
            device,
            epoch,
            action,
        } = setpoint;
        if device != self.device {
            return None;
        }
        if !self.epoch.admits(epoch) {
            tracing::warn!(epoch, "dropped a setpoint of an engine that has been replaced");
            return None;
        }
        Some(action)
    }
}

#[cfg(test)]
mod tests;
