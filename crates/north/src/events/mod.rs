//! The event stream: views of all sites to everybody who watches.
//!
//! One task ([`Hub::run`]) takes views from the bus, lets the [`journal`] find what changed and hands one
//! shared text to all clients. It never waits for a client: the queue of a client is bounded by the ring of
//! a broadcast channel, and one that falls behind drops what it missed and gets whole views again.
//!
//! Devices × rate × bytes × fan-out: a home of ten devices sends about 6 kB a second to each client, made
//! once.

pub mod journal;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use bus::{Bus, Received, Topic};
use model::id::SiteId;
use model::message::Message as BusMessage;
use model::time::{Clock, Monotonic};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::readiness::Readiness;
use journal::{Journal, Message};

/// Messages a client may be behind before it starts over with whole views.
const RING: usize = 64;
/// Clients at the same time.
const MAX_CLIENTS: usize = 1_000;
/// Of one caller, so that nobody shuts out the others.
const MAX_OF_ONE: usize = 100;

/// Which sites a client wants and may see.
pub type Wants = Arc<dyn Fn(&SiteId) -> bool + Send + Sync>;

pub struct Hub {
    /// Distinguishes this process from an earlier one, whose numbers mean nothing any more.
    boot: String,
    clock: Arc<dyn Clock>,
    journal: Mutex<Journal>,
    sender: broadcast::Sender<Message>,
    /// How many clients each caller has.
    callers: Mutex<BTreeMap<String, usize>>,
    closed: CancellationToken,
}

impl Hub {
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        let boot = format!("{:x}", clock.now().wall.0);
        let (sender, _) = broadcast::channel(RING);
        let (journal, callers, closed) = (Mutex::default(), Mutex::default(), CancellationToken::new());
        Arc::new(Self {
            boot,
            clock,
            journal,
            sender,
            callers,
            closed,
        })
    }

    /// Feeds the stream until the bus has gone or [`Hub::close`] is called. When it ends, or is dropped,
    /// all streams end too, so that the server can stop.
    pub async fn run(self: Arc<Self>, bus: Arc<dyn Bus>, readiness: Arc<Readiness>) {
        let _closes = self.closed.clone().drop_guard();
        let mut views = bus.subscribe(Topic::Views).await;
        let mut progress = readiness.watch_progress();
        self.take_latest(bus.as_ref()).await;
        let permille = *progress.borrow_and_update();
        if permille < 1_000 {
            self.note_backfill(permille);
        }
        loop {
            tokio::select! {
                () = self.closed.cancelled() => return,
                received = views.next() => match received {
                    Some(Received::Message(BusMessage::View(view))) => self.offer(view),
                    Some(Received::Message(BusMessage::Reported(_) | BusMessage::Setpoint { .. } | BusMessage::NounsChanged { .. })) => {}
                    Some(Received::Missed(_)) => self.take_latest(bus.as_ref()).await,
                    None => return,
                },
                () = self.wait_until_due() => self.flush(),
                Ok(()) = progress.changed() => {
                    let permille = *progress.borrow_and_update();
                    self.note_backfill(permille);
                }
            }
        }
    }

    /// Ends the stream of every client.
    pub fn close(&self) {
        self.closed.cancel();
    }

    async fn take_latest(&self, bus: &dyn Bus) {
        for view in bus.latest_views().await {
            self.offer(view);
        }
    }

    fn offer(&self, view: Arc<model::view::SiteView>) {
        self.send(|journal, now| journal.offer(view, now).into_iter().collect());
    }

    fn flush(&self) {
        self.send(Journal::flush);
    }

    fn note_backfill(&self, permille: u16) {
        self.send(|journal, now| journal.note_backfill(permille, now).into_iter().collect());
    }

    /// Changes the journal and sends what comes of it in one step, so that a client that opens meanwhile
    /// neither misses nor repeats anything.
    fn send(&self, change: impl FnOnce(&mut Journal, Monotonic) -> Vec<Message>) {
        let now = self.clock.now().monotonic;
        let mut journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        for message in change(&mut journal, now) {
            // Nobody listening is no failure.
            let _ = self.sender.send(message);
        }
    }

    async fn wait_until_due(&self) {
        let due = self.journal.lock().unwrap_or_else(PoisonError::into_inner).due();
        match due {
            Some(due) => tokio::time::sleep((due - self.clock.now().monotonic).to_std()).await,
            None => std::future::pending().await,
        }
    }

    /// A new client of a caller. `last` is the id of the last message it saw; one of another process, or an
    /// old one, counts as none. `None` when there are too many clients.
    pub fn open(self: &Arc<Self>, caller: &str, last: Option<&str>, wants: Wants) -> Option<Client> {
        if self.sender.receiver_count() >= MAX_CLIENTS {
            return None;
        }
        let place = Place::take(self, caller)?;
        let last = last.and_then(|last| self.number_of(last));
        let (receiver, queue) = self.begin(last, &wants);
        Some(Client {
            hub: Arc::clone(self),
            receiver,
            queue,
            wants,
            _place: place,
        })
    }

    fn begin(&self, last: Option<u64>, wants: &Wants) -> (broadcast::Receiver<Message>, VecDeque<Message>) {
        let now = self.clock.now().monotonic;
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let receiver = self.sender.subscribe();
        (receiver, journal.open(last, now, wants.as_ref()).into())
    }

    fn number_of(&self, id: &str) -> Option<u64> {
        let (boot, number) = id.split_once('-')?;
        (boot == self.boot).then(|| number.parse().ok()).flatten()
    }

    /// The id under which a message is sent.
    #[must_use]
    pub fn id_of(&self, message: &Message) -> String {
        format!("{}-{}", self.boot, message.number)
    }
}

/// One connected client.
pub struct Client {
    hub: Arc<Hub>,
    receiver: broadcast::Receiver<Message>,
    queue: VecDeque<Message>,
    wants: Wants,
    _place: Place,
}

/// One of the clients that a caller may have.
struct Place {
    hub: Arc<Hub>,
    caller: String,
}

impl Place {
    fn take(hub: &Arc<Hub>, caller: &str) -> Option<Self> {
        let mut callers = hub.callers.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = callers.entry(caller.to_owned()).or_default();
        if *taken >= MAX_OF_ONE {
            return None;
        }
        *taken += 1;
        let (hub, caller) = (Arc::clone(hub), caller.to_owned());
        Some(Self { hub, caller })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut callers = self.hub.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = callers.get_mut(&self.caller) {
            *taken -= 1;
            if *taken == 0 {
                callers.remove(&self.caller);
            }
        }
    }
}

impl Client {
    /// The next message with its id, `None` at the end.
    pub async fn next(&mut self) -> Option<(String, Message)> {
        loop {
            if let Some(message) = self.queue.pop_front() {
                return Some((self.hub.id_of(&message), message));
            }
            tokio::select! {
                biased;
                () = self.hub.closed.cancelled() => return None,
                received = self.receiver.recv() => match received {
                    Ok(message) if message.site.as_ref().is_none_or(|site| (self.wants)(site)) => {
                        self.queue.push_back(message);
                    }
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => {
                        (self.receiver, self.queue) = self.hub.begin(None, &self.wants);
                    }
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }
}
