//! Who hears what.
//!
//! Reports flow from links to the engine of their site, setpoints from the engine to whoever holds the
//! link, views to everybody who shows them. An intent is an ask: it has exactly one answer, and so has a
//! question. At home all of it stays in this process ([`in_process`]).
//!
//! Every queue has a bound. A subscriber that falls behind loses the oldest messages and is told how many
//! ([`Received::Missed`]); views and documents can then be had from [`Bus::latest_view`] and
//! [`Bus::latest_document`].

#[cfg(test)]
mod contract;
pub mod in_process;

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use model::document::Document;
use model::id::{DeviceId, SiteId};
use model::intent::{Intent, Rejection};
use model::message::{Answer, Message};
use model::question::{Finding, Question};
use model::view::SiteView;

pub use in_process::InProcess;

/// Which messages a subscriber wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topic {
    /// Reports of every device of a site; for its engine.
    Reports(SiteId),
    /// Setpoints for the devices behind one link; for whoever holds it.
    Setpoints(BTreeSet<(SiteId, DeviceId)>),
    /// Views of every site.
    Views,
    /// Changes of documents in the store, of every kind. Who missed some reads all anew.
    Nouns,
}

impl Topic {
    /// Setpoints for one device.
    #[must_use]
    pub fn setpoints_of(site: &SiteId, device: &DeviceId) -> Self {
        Self::Setpoints(BTreeSet::from([(site.clone(), device.clone())]))
    }
}

/// What a subscription yields.
#[allow(
    clippy::large_enum_variant,
    reason = "messages are by far the common case, boxing each would cost more"
)]
#[derive(Clone, Debug)]
pub enum Received {
    Message(Message),
    /// The subscriber was too slow; so many messages are gone.
    Missed(u64),
}

/// A bounded queue of messages of one topic.
#[async_trait]
pub trait Subscription: Send {
    /// The next message, `None` when the bus has gone.
    async fn next(&mut self) -> Option<Received>;
}

/// Where the engine of a site takes intents and questions from.
#[async_trait]
pub trait Desk: Send {
    /// What came next, `None` when the bus has gone.
    async fn next(&mut self) -> Option<Asked>;
}

/// What lies on a desk, with the means to answer it.
pub enum Asked {
    Intent(Intent, Reply),
    Question(Question, Reply<Found>),
}

/// The answer to a question.
pub type Found = Result<Finding, Rejection>;

/// Answers one ask; dropped unanswered, the asker is told that the site is busy.
pub struct Reply<T = Answer>(pub tokio::sync::oneshot::Sender<T>);

#[async_trait]
pub trait Bus: Send + Sync {
    /// Never waits; what a slow subscriber cannot take is dropped for it and counted.
    async fn publish(&self, message: Message);
    async fn subscribe(&self, topic: Topic) -> Box<dyn Subscription>;
    /// The latest view of a site.
    async fn latest_view(&self, site: &SiteId) -> Option<Arc<SiteView>>;
    /// The latest views of all sites, ordered by id.
    async fn latest_views(&self) -> Vec<Arc<SiteView>>;
    /// The latest vendor document of a device.
    async fn latest_document(&self, site: &SiteId, device: &DeviceId) -> Option<Document>;
    /// Files an intent and waits for its answer, at most 5 s, or 15 s where a device behind a slow line has the
    /// last word; nobody there or too slow is `Rejection::Busy`, an unknown site `Rejection::Unknown`.
    async fn ask(&self, intent: Intent) -> Answer;
    /// Asks a question and waits for its answer, with the refusals of [`Bus::ask`].
    async fn inquire(&self, site: &SiteId, question: Question) -> Found;
    /// Opens the desk of a site; a newer desk replaces an older one.
    async fn open_desk(&self, site: &SiteId) -> Box<dyn Desk>;
}
