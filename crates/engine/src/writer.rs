//! Writes records down: what must be durable at once, and the rest one after the other behind the cycle.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use model::id::SiteId;
use model::time::{Millis, Monotonic, Now};
use model::vehicle::{StateOfCharge, VehicleCharge};
use store::{Store, StoreError, Typed};
use tokio::task::JoinSet;

use crate::aside::AsideFile;
use crate::backlog::Backlog;
use crate::record::Record;

/// The form in which what control has learned is stored.
pub const MEMORY_VERSION: u32 = 1;

/// Control does not wait longer than this for a disk.
pub const STORE_TIMEOUT: Duration = Duration::from_secs(1);
/// A record on its way that gets no answer is tried again.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long the end of the process waits for each record.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A file that cannot be written is tried again after this.
const ASIDE_AGAIN: Millis = Millis(30_000);
const WRITE: &str = "write records";

/// Where records go.
pub trait Shelf: Clone + Send + Sync + 'static {
    fn write(&self, record: Record) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// The records of one site in a store.
#[derive(Clone)]
pub struct SiteShelf {
    pub store: Arc<dyn Store>,
    pub site: SiteId,
    pub epoch: u64,
}

impl Shelf for SiteShelf {
    async fn write(&self, record: Record) -> Result<(), StoreError> {
        let (store, site, epoch) = (&self.store, &self.site, self.epoch);
        match record {
            Record::Samples(samples) => store.append(samples).await,
            Record::Past(columns) => store.import_all(columns).await,
            Record::Setpoints(told) => store.put_setpoints(site, epoch, &told).await,
            Record::Memory(lasting) => {
                let text = serde_json::to_vec(&lasting).unwrap_or_default();
                store.put_memory(site, epoch, MEMORY_VERSION, &text).await
            }
            Record::Wish { evse, wish } => store.put_wish(site, epoch, &evse, wish).await,
            Record::Alarm(alarm) => store.put_alarm(&alarm).await,
            Record::Keys(kept) => store.put(&kept).await,
            Record::Device { device, seen } => store.put_device(site, &device, seen).await,
            Record::Document { device, document } => store.put_document(site, &device, &document).await,
            Record::Books(books) => store.put_books(epoch, site, &books.sessions, &books.ledger).await,
            Record::Audit(entry) => store.record(&entry).await,
            Record::Charge { charge, since } => put_charge(store.as_ref(), &charge, since).await,
        }
    }
}

async fn put_charge(
    store: &dyn Store,
    charge: &VehicleCharge,
    since: Option<StateOfCharge>,
) -> Result<(), StoreError> {
    if let Some(since) = since {
        let stored = store.get::<VehicleCharge>(charge.id.as_str()).await?;
        if stored.is_none_or(|stored| stored.known != since) {
            return Ok(());
        }
    }
    store.put(charge).await
}

/// What became of the one thing that was on its way.
#[derive(Debug)]
pub enum Outcome {
    Written(Result<(), StoreError>),
    /// So many records, set aside together.
    SetAside(usize, io::Result<()>),
}

/// Everything that waits, and the one record that is on its way.
pub struct Writer<S> {
    shelf: S,
    aside: AsideFile,
    backlog: Backlog,
    under_way: JoinSet<Outcome>,
    /// Why nothing can be set aside.
    stuck: Option<String>,
    has_aside: bool,
    aside_due: Monotonic,
}

impl<S: Shelf> Writer<S> {
    pub fn new(shelf: S, aside: AsideFile) -> Self {
        Self {
            has_aside: aside.holds_something(),
            shelf,
            aside,
            backlog: Backlog::default(),
            under_way: JoinSet::new(),
            stuck: None,
            aside_due: Monotonic(i64::MIN),
        }
    }

    pub fn take(&mut self, record: Record, now: Monotonic) {
        self.backlog.push(record, now);
    }

    /// Has all sessions and quarter-hours on disk, unless that takes too long: then they go on waiting.
    ///
    /// # Errors
    /// With what the store said.
    pub async fn write_books(&mut self, now: Monotonic) -> Result<(), String> {
        let books = Record::Books(self.backlog.books());
        let written = within(self.shelf.write(books.clone())).await;
        match &written {
            Ok(()) => self.backlog.wrote(&books),
            Err(why) => self.backlog.note_refused(why, now),
        }
        written
    }

    /// Has a change on disk before it takes effect. What cannot be written is forgotten: nobody was told of it.
    ///
    /// # Errors
    /// With what the store said.
    pub async fn write_change(&mut self, change: Record) -> Result<(), String> {
        // The ledger may hold what sessions that still wait have taken.
        let change = if let Record::Books(change) = change {
            let mut books = self.backlog.books();
            books.merge(change);
            Record::Books(books)
        } else {
            change
        };
        within(self.shelf.write(change.clone())).await?;
        self.backlog.wrote(&change);
        Ok(())
    }

    /// Begins to write the next record, or to set aside what the store refuses, if it is time.
    pub fn start(&mut self, now: Now) {
        if !self.under_way.is_empty() {
            return;
        }
        if self.backlog.asides().len() > 0 && self.aside_due <= now.monotonic {
            let asides: Vec<_> = self.backlog.asides().cloned().collect();
            let file = self.aside.clone();
            // Control does not wait for this disk either.
            self.under_way
                .spawn_blocking(move || Outcome::SetAside(asides.len(), file.append(&asides, now.wall)));
        } else if let Some(record) = self.backlog.next(now.monotonic) {
            let shelf = self.shelf.clone();
            self.under_way.spawn(async move {
                let written = tokio::time::timeout(ANSWER_WITHIN, shelf.write(record)).await;
                Outcome::Written(written.unwrap_or_else(|_| Err(no_answer())))
            });
        }
    }

    /// When [`Self::start`] has something to do.
    pub fn poll_timeout(&self) -> Option<Monotonic> {
        if !self.under_way.is_empty() {
            return None;
        }
        let aside = (self.backlog.asides().len() > 0).then_some(self.aside_due);
        self.backlog.poll_timeout().into_iter().chain(aside).min()
    }

    /// Waits for what is on its way; for ever if nothing is. May be dropped at any time.
    pub async fn ended(&mut self) -> Outcome {
        match self.under_way.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => Outcome::Written(Err(StoreError::Other {
                operation: WRITE,
                cause: error.to_string(),
            })),
            None => std::future::pending().await,
        }
    }

    /// Takes in what [`Self::ended`] brought.
    pub fn note(&mut self, outcome: Outcome, now: Monotonic) {
        match outcome {
            Outcome::Written(written) => self.backlog.ended(written, now),
            Outcome::SetAside(count, Ok(())) => {
                for aside in self.backlog.asides().take(count) {
                    tracing::error!("set aside in {}: {}", self.aside.path().display(), aside.why);
                }
                self.backlog.set_aside(count);
                self.has_aside = true;
                self.stuck = None;
            }
            Outcome::SetAside(_, Err(error)) => {
                let why = format!("cannot write {}: {error}", self.aside.path().display());
                tracing::error!("{why}");
                self.aside_due = now + ASIDE_AGAIN;
                self.stuck = Some(why);
            }
        }
    }

    /// What does not get written, in words.
    pub fn problem(&self) -> Option<String> {
        self.stuck.clone().or_else(|| self.backlog.problem())
    }

    /// What is set aside, in words.
    pub fn aside(&self) -> Option<String> {
        self.has_aside.then(|| {
            format!(
                "the store refused records; they are kept in {} and offered to it again at the next start",
                self.aside.path().display()
            )
        })
    }

    /// Sessions and quarter-hours that are not on disk.
    #[cfg(test)]
    pub fn waiting_books(&self) -> usize {
        self.backlog.books().len()
    }

    /// Somebody may have taken the file away.
    pub fn look_aside(&mut self) {
        self.has_aside = self.aside.holds_something();
    }

    /// The end of the process: writes what still waits; what the store does not take is set aside.
    pub async fn finish(mut self, now: Now) {
        let mut at = now;
        for _ in 0..=crate::backlog::TRIES {
            if !self.under_way.is_empty() {
                match tokio::time::timeout(LAST_WAIT, self.ended()).await {
                    Ok(outcome) => self.note(outcome, at.monotonic),
                    // Whatever else there is would wait as long.
                    Err(_) => break,
                }
            }
            // What was refused is due again at the end of its pause.
            at = at.after(crate::backlog::LONGEST_PAUSE);
            while self.poll_timeout().is_some_and(|due| due <= at.monotonic) {
                self.start(at);
                match tokio::time::timeout(LAST_WAIT, self.ended()).await {
                    Ok(outcome) => self.note(outcome, at.monotonic),
                    Err(_) => break,
                }
            }
        }
        self.backlog.abandon("the process ended before the store took it");
        let asides: Vec<_> = self.backlog.asides().cloned().collect();
        if asides.is_empty() {
            return;
        }
        let file = self.aside.clone();
        let written = tokio::task::spawn_blocking(move || file.append(&asides, now.wall)).await;
        if let Err(error) = written.map_err(io::Error::other).flatten() {
            tracing::error!(
                "records are lost: cannot write {}: {error}",
                self.aside.path().display()
            );
        }
    }
}

fn no_answer() -> StoreError {
    StoreError::Away {
        operation: WRITE,
        cause: "it does not answer".to_owned(),
    }
}

/// Waits for the disk, but not for long.
pub async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match tokio::time::timeout(STORE_TIMEOUT, call).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the disk does not answer".to_owned()),
    }
}
