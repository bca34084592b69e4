//! What is known at a start.
//!
//! The newest samples of ports are stored once a minute together with how far the journal was worked off by then
//! ([`Progress`]). From there to where it is done now the journal is read once more for the image alone; what
//! follows is worked off as ever.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use model::noun::Noun;
use model::oversight::{EntityKey, EntityKind, Operator, OperatorCode, Sample, Warning};
use model::time::{Clock, Millis, Timestamp};
use serde::{Deserialize, Serialize};
use store::oversight::{RecordFilter, Round};
use store::{Nouns, StoreError, Typed};

use crate::authority::Desk;
use crate::book::Book;
use crate::book::shelf::Place;
use crate::core::{Ground, take};
use crate::overview::Look;
use crate::quality::{Calendar, Ledger, REPORT_EVERY};
use crate::risk::Held;
use crate::{Authority, Rules, Terms};

/// Rows that are read at once.
const PAGE: u32 = 5_000;
const ENTRIES: u32 = 500;

/// How far everything was when the newest samples were stored.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// The journal was worked off up to here.
    pub done: i64,
    pub at: Timestamp,
    /// Rules that held and had not fired yet.
    pub holds: Vec<Hold>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hold {
    pub operator: OperatorCode,
    pub rule: String,
    pub since: Timestamp,
    pub first: Sample,
}

impl Noun for Progress {
    const KIND: &'static str = "oversight-progress";

    fn id(&self) -> &str {
        Self::ID
    }
}

impl Progress {
    /// There is one document.
    pub const ID: &'static str = "journal";
}

/// Books that are being read.
struct Reading<'a> {
    store: &'a dyn store::Oversight,
    ground: &'a Ground,
    now: Timestamp,
    books: BTreeMap<OperatorCode, Book>,
    /// Where ports are, by their numbers; operators by their places among the books.
    ports: BTreeMap<i64, (u32, Place)>,
}

impl Authority {
    /// Reads what is known. Both are the same store.
    ///
    /// # Errors
    /// When the store cannot say.
    pub async fn open(
        nouns: Arc<dyn Nouns>,
        store: Arc<dyn store::Oversight>,
        terms: impl Into<Terms> + Send,
        rules: Rules,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, StoreError> {
        let terms = terms.into();
        let calendar = Calendar::new(&terms.time_zone);
        let ground = Ground {
            terms,
            rules,
            calendar,
        };
        let operators: Vec<Operator> = nouns.list().await?;
        let books = operators
            .into_iter()
            .map(|operator| (operator.id.clone(), Book::new(Arc::new(operator))));
        let now = clock.now().wall;
        let mut reading = Reading {
            store: store.as_ref(),
            ground: &ground,
            now,
            books: books.collect(),
            ports: BTreeMap::new(),
        };
        reading.entities().await?;
        reading.latest().await?;
        let progress: Progress = nouns.get(Progress::ID).await?.unwrap_or_default();
        let open = store.open_warnings().await?;
        let gone = reading.warnings(&progress, &open);
        let done = store.done().await?;
        let (alive, days) = reading.journal(&progress, done).await?;
        reading.set_open(&open);
        reading.gaps(progress.at, alive);
        reading.counts(&days).await?;
        let desks = reading
            .books
            .into_iter()
            .map(|(code, book)| (code, Arc::new(Desk::new(book))))
            .collect();
        let authority = Arc::new(Self::new(nouns, store, clock, ground, desks, done));
        // Their ports were deleted, and the process ended before that was noted.
        authority.put_warnings(gone).await?;
        Ok(authority)
    }
}

impl Reading<'_> {
    async fn entities(&mut self) -> Result<(), StoreError> {
        // What was moved into something newer than itself.
        let mut deferred = Vec::new();
        let mut after = i64::MIN;
        loop {
            let keys = self.store.entity_keys(after, PAGE).await?;
            let Some(last) = keys.last() else { break };
            after = last.number;
            deferred.extend(self.take_in(keys).await?);
        }
        deferred.sort_by_key(|key| (key.kind, key.number));
        for key in self.take_in(deferred).await? {
            tracing::warn!(operator = %key.operator, id = %key.id, kind = key.kind.name(), "an entity stands in nothing that is known and is left out");
        }
        Ok(())
    }

    /// Adds entities and what they say of themselves; gives those whose parents are not there.
    async fn take_in(&mut self, keys: Vec<EntityKey>) -> Result<Vec<EntityKey>, StoreError> {
        let codes: Vec<_> = self.books.keys().cloned().collect();
        let mut left = Vec::new();
        let mut added: BTreeMap<i64, OperatorCode> = BTreeMap::new();
        for key in keys {
            // Of an operator that was removed, everything else was deleted before.
            let Some(book) = self.books.get_mut(&key.operator) else {
                continue;
            };
            if !book.add(key.clone(), self.now) {
                left.push(key);
                continue;
            }
            // Equipment says nothing that is needed all the time.
            if key.kind != EntityKind::Equipment {
                added.insert(key.number, key.operator);
            }
        }
        let numbers: Vec<_> = added.keys().copied().collect();
        let found = if numbers.is_empty() {
            Vec::new()
        } else {
            self.store.entities(&numbers).await?
        };
        for (number, entity) in found {
            let Some(operator) = added.get(&number) else {
                continue;
            };
            let index = codes.binary_search(operator).map(u32::try_from);
            let Some(book) = self.books.get_mut(operator) else {
                continue;
            };
            book.describe(&entity);
            if entity.kind == EntityKind::Port
                && let (Some(place), Ok(Ok(index))) = (book.ports.find(&entity.id), index)
            {
                self.ports.insert(number, (index, place));
            }
        }
        Ok(left)
    }

    async fn latest(&mut self) -> Result<(), StoreError> {
        let mut books: Vec<_> = self.books.values_mut().collect();
        let mut after = i64::MIN;
        loop {
            let latest = self.store.latest_samples(after, PAGE).await?;
            let Some((last, _)) = latest.last() else {
                return Ok(());
            };
            after = *last;
            for (number, sample) in latest {
                let Some((operator, place)) = self.ports.get(&number) else {
                    continue;
                };
                if let Some(book) = books.get_mut(*operator as usize) {
                    book.restore(*place, &sample, sample.at);
                }
            }
        }
    }

    /// What rules held, and which had fired. Gives open warnings of ports that are gone, cleared.
    fn warnings(&mut self, progress: &Progress, open: &[Warning]) -> Vec<Warning> {
        for hold in &progress.holds {
            let rule = self.ground.rules.find(&hold.rule);
            let book = self.books.get_mut(&hold.operator);
            if let (Some(rule), Some(book)) = (rule, book)
                && let Some(place) = book.ports.find(&hold.first.port)
            {
                let held = Held {
                    since: hold.since,
                    first: hold.first.clone(),
                    open: None,
                };
                book.watch.put(place, rule, held);
            }
        }
        self.set_open(open);
        let is_gone = |warning: &&Warning| self.place_of(warning).is_none();
        let gone = open.iter().filter(is_gone).cloned();
        gone.map(|warning| Warning {
            cleared: Some(self.now),
            ..warning
        })
        .collect()
    }

    /// Where a warning belongs; `None`: its port or its rule is gone.
    fn place_of(&self, warning: &Warning) -> Option<(Place, u16)> {
        let book = self.books.get(&warning.operator)?;
        Some((
            book.ports.find(&warning.port)?,
            self.ground.rules.find(&warning.rule)?,
        ))
    }

    fn set_open(&mut self, open: &[Warning]) {
        let mut by_operator: BTreeMap<OperatorCode, Vec<(Place, u16, Warning)>> = BTreeMap::new();
        for warning in open {
            if let Some((place, rule)) = self.place_of(warning) {
                let of_operator = by_operator.entry(warning.operator.clone()).or_default();
                of_operator.push((place, rule, warning.clone()));
            }
        }
        for (code, book) in &mut self.books {
            book.watch.set_open(by_operator.remove(code).unwrap_or_default());
        }
    }

    /// Brings the image to where the journal is done, and looks what waits beyond. Says when we were there last, and
    /// the days that may still be counted in.
    async fn journal(
        &mut self,
        progress: &Progress,
        done: i64,
    ) -> Result<(Timestamp, BTreeSet<String>), StoreError> {
        let calendar = &self.ground.calendar;
        let mut days = BTreeSet::from([calendar.day(self.now)]);
        let mut alive = progress.at;
        let mut after = progress.done;
        loop {
            let entries = self.store.accepted(after, ENTRIES).await?;
            let Some((last, _)) = entries.last() else { break };
            after = *last;
            for (number, entry) in &entries {
                alive = alive.max(entry.at);
                let Some(book) = self.books.get_mut(&entry.operator) else {
                    continue;
                };
                if *number <= done {
                    // What became of it is in the store.
                    take(book, *number, entry, None, self.ground, &mut Round::default());
                } else {
                    days.insert(calendar.day(entry.at));
                    book.repairing.extend(entry.repairs.clone());
                }
            }
        }
        Ok((if alive == Timestamp(0) { self.now } else { alive }, days))
    }

    /// Nobody was silent while nobody listened. `looked` is when somebody looked for silent ports last.
    fn gaps(&mut self, looked: Timestamp, alive: Timestamp) {
        let terms = &self.ground.terms;
        let down = (self.now - alive).max(Millis::ZERO);
        let down = if down < terms.stale_after {
            Millis::ZERO
        } else {
            down
        };
        for book in self.books.values_mut() {
            let mut looks = Vec::new();
            for (place, slot) in book.ports.iter_mut() {
                let port = &mut slot.what;
                let counted = (looked - port.seen).max(Millis::ZERO);
                port.missed = u16::try_from(counted.0 / REPORT_EVERY.0).unwrap_or(u16::MAX);
                looks.push((place, counted));
                port.seen = port.seen + down;
            }
            for (place, silence) in looks {
                let Some(sample) = book.newest(place) else {
                    continue;
                };
                let seen = book.ports.get(place).map(|slot| slot.what.seen);
                book.heard = book.heard.max(seen);
                let is_offline = silence >= terms.offline_after || self.ground.rules.says_offline(&sample);
                let look = if is_offline {
                    Look::Offline
                } else {
                    Look::of(sample.state)
                };
                book.set_look(place, look, !is_offline && silence >= terms.stale_after);
            }
        }
    }

    /// What was counted on days that may still be counted in.
    async fn counts(&mut self, days: &BTreeSet<String>) -> Result<(), StoreError> {
        let calendar = &self.ground.calendar;
        for book in self.books.values_mut() {
            book.ledger = Ledger::default();
        }
        for day in days {
            for (operator, quality) in self.store.quality(day).await? {
                if let Some(book) = self.books.get_mut(&operator) {
                    book.ledger.load(day, quality);
                }
            }
        }
        let today = calendar.day(self.now);
        let span = calendar.span(&today);
        for (code, book) in &mut self.books {
            let filter = RecordFilter {
                operator: Some(code.clone()),
                from: span.map(|(from, _)| from),
                to: span.map(|(_, to)| to),
                ..RecordFilter::default()
            };
            let totals = self.store.record_totals(&filter).await?;
            book.ledger.set_charges(&today, totals);
        }
        Ok(())
    }
}
