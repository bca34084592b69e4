//! The task that works off what was reported, and looks what was not.
//!
//! - What was accepted is worked off at once, in rounds: what became of it is stored together with how far the
//!   journal is done. While the store takes nothing, the round waits and the journal grows on disk.
//! - Every minute, each operator at its own second: ports that should have said something, warnings that nobody
//!   has acknowledged.
//! - Every minute: the newest samples are stored, then what is done moves from the journal into pages.
//! - Every hour: what is older than it has to be is forgotten.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::oversight::{Code, Failed, OperatorCode};
use model::time::{Millis, Monotonic};
use store::oversight::{Accepted, Round};
use store::{StoreError, Typed};
use tokio_util::sync::CancellationToken;

use crate::Authority;
use crate::authority::{Desk, Settler};
use crate::core::{look_for_gaps, take};
use crate::opened::{Hold, Progress};

/// Entries of the journal in one round.
const ROUND: u32 = 500;
/// So long more may come before a round begins.
const GATHER: Millis = Millis(100);
const MINUTE: Millis = Millis(60_000);
const HOUR: Millis = Millis(3_600_000);
/// Without news there is a look that often whether something is due.
const LOOK_EVERY: Millis = Millis(1_000);
/// Between attempts while the store fails; doubles up to the longest.
const FIRST_PAUSE: Millis = Millis(1_000);
const LONGEST_PAUSE: Millis = Millis(30_000);
/// Newest samples that are stored at once.
const LATEST: usize = 2_000;
/// So long the journal keeps what is done.
const CONDENSE_AFTER: Millis = Millis(2 * 60_000);
/// Rules that hold and have not fired; of more a restart counts anew.
const MOST_HOLDS: usize = 10_000;

/// When what is due next.
struct Due {
    gaps: BTreeMap<OperatorCode, Monotonic>,
    keep: Monotonic,
    forget: Monotonic,
}

impl Authority {
    /// Works off what was reported until `stop`.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let start = self.clock.now().monotonic;
        let mut due = Due {
            gaps: BTreeMap::new(),
            keep: start + MINUTE,
            forget: start + MINUTE,
        };
        let mut pause = Millis::ZERO;
        tracing::info!(
            operators = self.operators().len(),
            "reports of operators are worked off"
        );
        loop {
            let wait = if pause == Millis::ZERO { LOOK_EVERY } else { pause };
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = self.arrived.notified(), if pause == Millis::ZERO => {
                    tokio::time::sleep(GATHER.to_std()).await;
                }
                () = tokio::time::sleep(wait.to_std()) => {}
            }
            pause = match self.turn(&mut due).await {
                Ok(()) => {
                    if self.problem().is_some() {
                        tracing::info!("what operators report is worked off again");
                        self.set_problem(None);
                    }
                    Millis::ZERO
                }
                Err(error) => {
                    if self.problem().is_none() {
                        tracing::error!(%error, "cannot work off what operators report; it waits in the journal");
                    }
                    self.set_problem(Some(error.to_string()));
                    Millis((pause.0 * 2).clamp(FIRST_PAUSE.0, LONGEST_PAUSE.0))
                }
            };
        }
        let ended = async {
            self.catch_up().await?;
            self.keep().await
        };
        if let Err(error) = ended.await {
            tracing::warn!(%error, "what operators reported last is worked off after the next start");
        }
    }

    async fn turn(&self, due: &mut Due) -> Result<(), StoreError> {
        self.catch_up().await?;
        let now = self.clock.now().monotonic;
        let operators: Vec<_> = self.desks().keys().cloned().collect();
        due.gaps.retain(|code, _| operators.binary_search(code).is_ok());
        for (number, code) in (0..).zip(operators) {
            let at = *due
                .gaps
                .entry(code.clone())
                .or_insert_with(|| now + jitter(number));
            if now >= at {
                self.look_for_gaps(&code).await?;
                due.gaps.insert(code, now + MINUTE);
            }
        }
        if now >= due.keep {
            self.keep().await?;
            due.keep = now + MINUTE;
        }
        if now >= due.forget {
            self.forget().await?;
            due.forget = now + HOUR;
        }
        Ok(())
    }

    /// Works off what was reported so far, once; [`Self::run`] does it all the time.
    ///
    /// # Errors
    /// When the store fails; nothing is lost, the next time goes on.
    pub async fn catch_up(&self) -> Result<(), StoreError> {
        loop {
            let mut settler = self.settler.lock().await;
            self.flush(&mut settler).await?;
            let entries = self.store.accepted(settler.done, ROUND).await?;
            let Some((last, _)) = entries.last() else {
                return self.settle_counts(&mut settler).await;
            };
            let last = *last;
            let mut repaired = self.repaired(&entries).await?;
            let mut round = Round {
                done: Some(last),
                ..Round::default()
            };
            for (number, entry) in &entries {
                // Of an operator that was removed.
                let Some(desk) = self.desks().get(&entry.operator).cloned() else {
                    continue;
                };
                let failed = entry.repairs.as_ref().and_then(|id| repaired.remove(id));
                take(
                    &mut desk.write(),
                    *number,
                    entry,
                    failed,
                    &self.ground,
                    &mut round,
                );
            }
            round.quality = self.dirty_counts();
            settler.done = last;
            settler.pending = Some(round);
            self.flush(&mut settler).await?;
            drop(settler);
            tokio::task::yield_now().await;
        }
    }

    /// What was counted since without a round of its own.
    async fn settle_counts(&self, settler: &mut Settler) -> Result<(), StoreError> {
        let quality = self.dirty_counts();
        if quality.is_empty() {
            return Ok(());
        }
        settler.pending = Some(Round {
            quality,
            ..Round::default()
        });
        self.flush(settler).await
    }

    fn dirty_counts(&self) -> Vec<(OperatorCode, String, model::oversight::Quality)> {
        let mut quality = Vec::new();
        for (code, desk) in self.desks().iter() {
            desk.write().ledger.take_dirty(code, &mut quality);
        }
        quality
    }

    async fn repaired(&self, entries: &[(i64, Accepted)]) -> Result<BTreeMap<Code, Failed>, StoreError> {
        let mut repaired = BTreeMap::new();
        for id in entries.iter().filter_map(|(_, entry)| entry.repairs.as_ref()) {
            if let Some(failed) = self.store.failed(id).await? {
                repaired.insert(id.clone(), failed);
            }
        }
        Ok(repaired)
    }

    /// Catches up, looks what every operator has not reported and who has to be told again, and stores the newest
    /// samples;
    /// [`Self::run`] does it every minute.
    ///
    /// # Errors
    /// When the store fails; the next time goes on.
    pub async fn look(&self) -> Result<(), StoreError> {
        // Who waits in the journal is not silent.
        self.catch_up().await?;
        let operators: Vec<_> = self.desks().keys().cloned().collect();
        for code in operators {
            self.look_for_gaps(&code).await?;
        }
        self.keep().await
    }

    async fn look_for_gaps(&self, code: &OperatorCode) -> Result<(), StoreError> {
        let Some(desk) = self.desks().get(code).cloned() else {
            return Ok(());
        };
        let mut settler = self.settler.lock().await;
        self.flush(&mut settler).await?;
        let now = self.clock.now().wall;
        let mut round = Round::default();
        {
            let mut book = desk.write();
            look_for_gaps(&mut book, now, &self.ground, &mut round);
            book.ledger.take_dirty(code, &mut round.quality);
        }
        if round.warnings.is_empty() && round.quality.is_empty() {
            return Ok(());
        }
        settler.pending = Some(round);
        self.flush(&mut settler).await
    }

    /// Stores the newest samples and how far that is, then moves what is done into pages. No round may come
    /// between both: its entries would leave the journal before the image of them is stored.
    async fn keep(&self) -> Result<(), StoreError> {
        loop {
            let settler = self.settler.lock().await;
            if settler.pending.is_some() {
                return Ok(());
            }
            self.keep_latest().await?;
            let at = self.clock.now().wall;
            let progress = Progress {
                done: settler.done,
                at,
                holds: self.holds(),
            };
            self.nouns.put(&progress).await?;
            if self.store.condense(at - CONDENSE_AFTER).await? == 0 {
                return Ok(());
            }
            drop(settler);
            tokio::task::yield_now().await;
        }
    }

    async fn keep_latest(&self) -> Result<(), StoreError> {
        let desks: Vec<_> = self.desks().values().cloned().collect();
        for desk in desks {
            while let Some(places) = dirty(&desk) {
                let latest: Vec<_> = {
                    let book = desk.read();
                    let sample =
                        |place: &u32| Some((book.ports.get(*place)?.number, Arc::new(book.newest(*place)?)));
                    places.iter().filter_map(sample).collect()
                };
                self.store.put_latest(&latest).await?;
                let mut book = desk.write();
                for place in places {
                    book.dirty.remove(&place);
                }
            }
        }
        Ok(())
    }

    fn holds(&self) -> Vec<Hold> {
        let mut holds = Vec::new();
        for (code, desk) in self.desks().iter() {
            let book = desk.read();
            for (_, rule, held) in book.watch.pending() {
                let Some(rule) = self.ground.rules.name(rule) else {
                    continue;
                };
                if holds.len() >= MOST_HOLDS {
                    return holds;
                }
                holds.push(Hold {
                    operator: code.clone(),
                    rule: rule.to_owned(),
                    since: held.since,
                    first: held.first.clone(),
                });
            }
        }
        holds
    }

    async fn forget(&self) -> Result<(), StoreError> {
        let now = self.clock.now().wall;
        let terms = &self.ground.terms;
        let samples = self.store.forget_samples(now - terms.keep_samples).await?;
        let persons = self.store.forget_persons(now - terms.keep_persons).await?;
        if samples > 0 || persons > 0 {
            tracing::info!(samples, persons, "old reports of operators were forgotten");
        }
        Ok(())
    }
}

/// Some of the ports whose newest sample the store does not have. They cannot change meanwhile: who changes them
/// holds the settler.
fn dirty(desk: &Desk) -> Option<Vec<u32>> {
    let places: Vec<_> = desk.read().dirty.iter().take(LATEST).copied().collect();
    (!places.is_empty()).then_some(places)
}

/// Spreads operators over a minute, so that not all are looked at in the same second.
fn jitter(number: i64) -> Millis {
    Millis(number * 17_000 % MINUTE.0)
}
