//! The bus of one process.
//!
//! Each topic is one ring, and one for each subscriber to setpoints: publishing never waits, a subscriber that
//! falls behind loses the oldest messages and hears how many. Rings are made by their first subscriber; before
//! that, messages of the topic go nowhere. A place in a ring is as large as a pointer: there is a ring for each
//! link, and most are empty most of the time. Nothing survives the process, and nothing is looked at on the way
//! through except to remember the latest view of a site and the latest vendor document of a device.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::document::Document;
use model::id::{DeviceId, SiteId};
use model::intent::{Intent, Rejection};
use model::message::{Answer, Message, Report};
use model::question::Question;
use model::view::SiteView;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::{Asked, Bus, Desk, Found, Received, Reply, Subscription, Topic};

/// Reports kept for a slow engine: ten devices with six reports a second fill it in ten seconds.
const REPORTS: usize = 512;
/// Setpoints kept for a slow link. Only the newest matters to a device, so a short queue is enough.
const SETPOINTS: usize = 32;
/// More devices than this behind one link share what is kept for so many.
const MOST_SHARED: usize = 32;
/// Views kept for a slow reader, of all sites together.
const VIEWS: usize = 128;
/// Changes of documents kept for a slow reader; people make them one by one.
const NOUNS: usize = 64;
/// Intents and questions waiting at one desk. When it is full, asking is refused as busy.
const INTENTS: usize = 128;
/// How long an ask waits for its answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// So many times that, where a device behind a slow line has the last word.
const SLOW: u32 = 3;

type Ring = broadcast::Sender<Arc<Message>>;

/// Carries messages between the tasks of one process.
pub struct InProcess {
    rooms: Mutex<Rooms>,
    views: Ring,
    nouns: Ring,
    answer_within: Duration,
}

#[derive(Default)]
struct Rooms {
    reports: BTreeMap<SiteId, Ring>,
    /// The rings of those who hold a link to the device.
    setpoints: BTreeMap<(SiteId, DeviceId), Vec<Ring>>,
    desks: BTreeMap<SiteId, mpsc::Sender<Asked>>,
    latest_views: BTreeMap<SiteId, Arc<SiteView>>,
    documents: BTreeMap<(SiteId, DeviceId), Document>,
}

impl InProcess {
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::answering_within(ANSWER_WITHIN))
    }

    pub(crate) fn answering_within(answer_within: Duration) -> Self {
        Self {
            rooms: Mutex::default(),
            views: broadcast::channel(VIEWS).0,
            nouns: broadcast::channel(NOUNS).0,
            answer_within,
        }
    }

    /// The maps stay whole even if a holder of the lock panicked: each change is one insertion.
    fn rooms(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn desk(&self, site: &SiteId) -> Result<mpsc::Sender<Asked>, Rejection> {
        let rooms = self.rooms();
        match rooms.desks.get(site) {
            Some(desk) => Ok(desk.clone()),
            None if rooms.latest_views.contains_key(site) => Err(nobody(site)),
            None => Err(Rejection::Unknown {
                what: "site".to_owned(),
                id: site.to_string(),
            }),
        }
    }

    /// Puts something on a desk and waits for what is said of it.
    async fn put<T>(
        &self,
        site: &SiteId,
        patience: u32,
        asked: impl FnOnce(Reply<T>) -> Asked,
    ) -> Result<T, Rejection> {
        let within = self.answer_within * patience;
        let desk = self.desk(site)?;
        let (reply, answer) = oneshot::channel();
        desk.try_send(asked(Reply(reply))).map_err(|error| match error {
            mpsc::error::TrySendError::Closed(_) => nobody(site),
            mpsc::error::TrySendError::Full(_) => Rejection::Busy {
                why: format!("{INTENTS} wishes are waiting at site {site}; try again in a few seconds"),
            },
        })?;
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(nobody(site)),
            Err(_) => Err(Rejection::Busy {
                why: format!(
                    "site {site} did not answer within {} s; look whether the wish was taken before asking again",
                    within.as_secs()
                ),
            }),
        }
    }
}

fn nobody(site: &SiteId) -> Rejection {
    Rejection::Busy {
        why: format!("nobody runs site {site} at the moment; try again in a few seconds"),
    }
}

#[async_trait]
impl Bus for InProcess {
    async fn publish(&self, message: Message) {
        let ring = {
            let mut rooms = self.rooms();
            match &message {
                Message::Reported(reported) => {
                    if let Report::Document(document) = &reported.report {
                        rooms
                            .documents
                            .insert((reported.site.clone(), reported.device.clone()), document.clone());
                    }
                    rooms.reports.get(&reported.site).cloned()
                }
                Message::Setpoint { site, setpoint } => {
                    let rings = rooms.setpoints.get(&(site.clone(), setpoint.device.clone()));
                    let message = Arc::new(message);
                    for ring in rings.into_iter().flatten() {
                        let _ = ring.send(Arc::clone(&message));
                    }
                    return;
                }
                Message::View(view) => {
                    rooms.latest_views.insert(view.id.clone(), Arc::clone(view));
                    Some(self.views.clone())
                }
                Message::NounsChanged { .. } => Some(self.nouns.clone()),
            }
        };
        if let Some(ring) = ring {
            // Fails only when nobody listens any more, which is nobody's loss.
            let _ = ring.send(Arc::new(message));
        }
    }

    async fn subscribe(&self, topic: Topic) -> Box<dyn Subscription> {
        let receiver = match topic {
            Topic::Reports(site) => {
                let mut rooms = self.rooms();
                rooms
                    .reports
                    .entry(site)
                    .or_insert_with(|| broadcast::channel(REPORTS).0)
                    .subscribe()
            }
            Topic::Setpoints(devices) => {
                let (ring, receiver) = broadcast::channel(SETPOINTS * devices.len().clamp(1, MOST_SHARED));
                let mut rooms = self.rooms();
                for device in devices {
                    let rings = rooms.setpoints.entry(device).or_default();
                    rings.retain(|ring| ring.receiver_count() > 0);
                    rings.push(ring.clone());
                }
                receiver
            }
            Topic::Views => self.views.subscribe(),
            Topic::Nouns => self.nouns.subscribe(),
        };
        Box::new(Listener { receiver })
    }

    async fn latest_view(&self, site: &SiteId) -> Option<Arc<SiteView>> {
        self.rooms().latest_views.get(site).cloned()
    }

    async fn latest_views(&self) -> Vec<Arc<SiteView>> {
        self.rooms().latest_views.values().cloned().collect()
    }

    async fn latest_document(&self, site: &SiteId, device: &DeviceId) -> Option<Document> {
        self.rooms()
            .documents
            .get(&(site.clone(), device.clone()))
            .cloned()
    }

    async fn ask(&self, intent: Intent) -> Answer {
        let site = intent.site.clone();
        let patience = if intent.wanted.is_slow() { SLOW } else { 1 };
        self.put(&site, patience, |reply| Asked::Intent(intent, reply))
            .await?
    }

    async fn inquire(&self, site: &SiteId, question: Question) -> Found {
        self.put(site, 1, |reply| Asked::Question(question, reply))
            .await?
    }

    async fn open_desk(&self, site: &SiteId) -> Box<dyn Desk> {
        let (sender, receiver) = mpsc::channel(INTENTS);
        // Dropping the older sender ends the older desk once it has worked off what it already holds.
        self.rooms().desks.insert(site.clone(), sender);
        Box::new(InTray { receiver })
    }
}

struct Listener {
    receiver: broadcast::Receiver<Arc<Message>>,
}

#[async_trait]
impl Subscription for Listener {
    async fn next(&mut self) -> Option<Received> {
        match self.receiver.recv().await {
            // Whoever hears it last has it alone.
            Ok(message) => Some(Received::Message(Arc::unwrap_or_clone(message))),
            Err(RecvError::Lagged(count)) => Some(Received::Missed(count)),
            Err(RecvError::Closed) => None,
        }
    }
}

struct InTray {
    receiver: mpsc::Receiver<Asked>,
}

#[async_trait]
impl Desk for InTray {
    async fn next(&mut self) -> Option<Asked> {
        self.receiver.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract;

    #[tokio::test]
    async fn keeps_the_contract() {
        let bus: Arc<dyn Bus> = Arc::new(InProcess::answering_within(Duration::from_millis(20)));
        contract::check(&bus).await;
    }

    #[tokio::test]
    async fn subscriptions_and_desks_end_with_the_bus() {
        let bus = InProcess::new();
        let site = SiteId::new("home").unwrap();
        let mut views = bus.subscribe(Topic::Views).await;
        let mut reports = bus.subscribe(Topic::Reports(site.clone())).await;
        let mut desk = bus.open_desk(&site).await;
        drop(bus);
        assert!(views.next().await.is_none());
        assert!(reports.next().await.is_none());
        assert!(desk.next().await.is_none());
    }
}
