//! Brings one platform what it is owed: where it may call, what we have, repairs, records, samples.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use dialects::supervision::client::{Account, Event, Outcome, Uploader, Work, in_step};
use links::http::Client;
use model::oversight::{Callback, ChargeRecord, Code, Entity, EntityKind, Lane, ReportTo, Sample, Upload};
use model::secret::Secret;
use model::time::{Millis, Monotonic, Now};
use model::units::PerMille;
use store::StoreError;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::shelf::Shelf;
use super::{CALLBACKS, address, names};
use crate::State;

/// Between two calls while much waits: a platform that was away is not run over when it is back.
const PACE: Duration = Duration::from_millis(250);
/// How long a platform lets a token live, unless it says otherwise by refusing one.
const TOKEN_LIFE: Millis = Millis(12 * 3_600_000);
/// What a platform refused is offered again after this.
const AGAIN_AFTER: Millis = Millis(3_600_000);
/// A platform that refuses all we say is left alone for so long.
const BARRED_FOR: Millis = Millis(300_000);
/// The clock is looked at so often while something is waited for.
const NAP: Duration = Duration::from_secs(1);
/// Looked at so often even when nobody says that something waits.
const LOOK_EVERY: Duration = Duration::from_secs(30);
const STORE_AWAY: Duration = Duration::from_secs(5);

/// Under which kind of document stands where a platform may call.
pub(super) const ADDRESSES: &str = "report-to-addresses";

/// What the work under way came from.
#[derive(Debug)]
enum Job {
    Address(Callback, Option<String>),
    Put(Entity),
    Remove(EntityKind, Code),
    Queued {
        lane: Lane,
        numbers: Vec<i64>,
        ports: Vec<Code>,
    },
}

/// What a platform will not have, until when.
#[derive(Debug)]
struct Refused {
    wanted: Option<Entity>,
    until: Monotonic,
    text: String,
}

/// The task of one platform.
pub struct Teller {
    state: State,
    platform: Arc<ReportTo>,
    client: Client,
    uploader: Uploader,
    shelf: Arc<Shelf>,
    wake: Arc<Notify>,
    wanted: Vec<Entity>,
    told: Vec<Entity>,
    addresses: BTreeMap<Callback, String>,
    refused: BTreeMap<(Option<EntityKind>, String), Refused>,
    job: Option<Job>,
    barred: Option<Monotonic>,
    /// When we last doubted that the platform still knows what we told it.
    doubted: Option<Monotonic>,
}

impl Teller {
    /// # Errors
    /// When the store fails, or the mapping cannot be used.
    pub async fn open(
        state: State,
        platform: Arc<ReportTo>,
        secret: Secret,
        client: Client,
        shelf: Arc<Shelf>,
    ) -> Result<Self, String> {
        let definition = names::definition(&platform)?;
        let account = Account {
            platform: platform.url.clone(),
            definition: Arc::new(definition),
            operator: platform.operator.clone(),
            secret,
            digest: platform.digest,
            zone: names::zone(&platform),
            token_life: TOKEN_LIFE,
        };
        let failed = |error: StoreError| error.to_string();
        let told = state.store.told_entities(&platform.id).await.map_err(failed)?;
        let addresses = state
            .store
            .noun(ADDRESSES, platform.id.as_str())
            .await
            .map_err(failed)?;
        let addresses = addresses.and_then(|body| serde_json::from_str(&body).ok());
        Ok(Self {
            wanted: names::entities(&platform, &state.settings.sites),
            uploader: Uploader::new(account),
            wake: shelf.wake(&platform.id),
            addresses: addresses.unwrap_or_default(),
            state,
            platform,
            client,
            shelf,
            told,
            refused: BTreeMap::new(),
            job: None,
            barred: None,
            doubted: None,
        })
    }

    /// Tells until `stop`. A call under way is let go then; what it told is told again after the next start.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let wait = tokio::select! {
                () = stop.cancelled() => return,
                wait = self.step() => wait,
            };
            let wait = wait.unwrap_or_else(|error| {
                tracing::error!(%error, platform = %self.platform.id, "cannot read or note what a platform is told");
                STORE_AWAY
            });
            let is_idle = self.uploader.is_idle();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified(), if is_idle && wait > PACE => {}
            }
        }
    }

    /// Does the next thing there is to do, and says how long to wait after it.
    ///
    /// # Errors
    /// When the store fails; it is done again then.
    pub async fn step(&mut self) -> Result<Duration, StoreError> {
        let now = self.state.clock.now();
        if let Some(until) = self.barred.filter(|until| *until > now.monotonic) {
            return Ok((until - now.monotonic).to_std().min(NAP));
        }
        self.barred = None;
        if self.uploader.is_idle() {
            let Some((job, work, is_known)) = self.next(now).await? else {
                return Ok(LOOK_EVERY);
            };
            // It is idle, so it takes it.
            if self.uploader.give(work, is_known).is_ok() {
                self.job = Some(job);
            }
        }
        if let Some(request) = self.uploader.poll_request(now) {
            let answer = self.client.send(request).await;
            let now = self.state.clock.now();
            match answer {
                Ok(response) => {
                    if let Err(error) = self.uploader.handle_reply(&response, now, jitter(now)) {
                        tracing::warn!(platform = %self.platform.id, "{error}");
                    }
                }
                Err(failure) => {
                    let failure = dialects::Failure::Other(failure.to_string());
                    self.uploader.handle_failure(&failure, now, jitter(now));
                }
            }
        }
        self.heed().await?;
        let now = self.state.clock.now();
        if self.uploader.is_idle() {
            return Ok(PACE);
        }
        let at = self.uploader.poll_timeout(now);
        Ok(at.map_or(PACE, |at| (at - now.monotonic).to_std().min(NAP)))
    }

    /// What is to be told next.
    async fn next(&mut self, now: Now) -> Result<Option<(Job, Work, bool)>, StoreError> {
        self.refused.retain(|_, refused| refused.until > now.monotonic);
        if let Some(next) = self.next_address() {
            return Ok(Some(next));
        }
        if let Some(next) = self.next_entity() {
            return Ok(Some(next));
        }
        let (samples, records) = self.uploader.most();
        for (lane, most) in [(Lane::Again, 1), (Lane::Record, records), (Lane::Sample, samples)] {
            let most = u32::try_from(most).unwrap_or(1);
            let waiting = self
                .state
                .store
                .waiting_uploads(&self.platform.id, lane, most)
                .await?;
            if let Some(next) = queued(lane, waiting) {
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    fn next_address(&self) -> Option<(Job, Work, bool)> {
        CALLBACKS.into_iter().find_map(|callback| {
            let wanted = address(&self.platform, callback);
            let is_refused = self.refused.contains_key(&(None, format!("{callback:?}")));
            if is_refused || self.addresses.get(&callback) == wanted.as_ref() {
                return None;
            }
            let work = Work::Address {
                callback,
                url: wanted.clone(),
            };
            Some((Job::Address(callback, wanted), work, true))
        })
    }

    fn next_entity(&self) -> Option<(Job, Work, bool)> {
        let steps = in_step(&self.told, &self.wanted);
        steps.into_iter().find_map(|(work, is_known)| {
            let (key, job) = match &work {
                Work::Put(entity) => (key(entity.kind, &entity.id), Job::Put(entity.clone())),
                Work::Remove { kind, id } => (key(*kind, id), Job::Remove(*kind, id.clone())),
                Work::Samples(_) | Work::Again { .. } | Work::Records(_) | Work::Address { .. } => {
                    return None;
                }
            };
            let wanted = match &job {
                Job::Put(entity) => Some(entity),
                Job::Remove(..) | Job::Address(..) | Job::Queued { .. } => None,
            };
            let refused = self.refused.get(&key);
            let is_refused = refused.is_some_and(|refused| refused.wanted.as_ref() == wanted);
            (!is_refused).then_some((job, work, is_known))
        })
    }

    /// Takes what the dialect's client says of the last exchange.
    async fn heed(&mut self) -> Result<(), StoreError> {
        while let Some(event) = self.uploader.poll_event() {
            let now = self.state.clock.now();
            match event {
                Event::LoggedIn => self.went_well(now),
                Event::Trouble(text) => self.went_wrong(now, text),
                Event::Did(outcomes) => {
                    if let Some(job) = self.job.take() {
                        self.did(job, &outcomes, now).await?;
                    }
                }
            }
        }
        Ok(())
    }

    fn went_well(&self, now: Now) {
        self.shelf.note(&self.platform.id, |health| {
            health.connected = true;
            health.last_success = Some(now.wall);
        });
    }

    fn went_wrong(&self, now: Now, text: String) {
        self.shelf.note(&self.platform.id, |health| {
            if health.connected || health.last_error.is_none() {
                tracing::warn!(platform = %self.platform.id, "a platform is not reached: {text}");
            }
            health.connected = false;
            health.last_error = Some((now.wall, text));
        });
    }

    async fn did(&mut self, job: Job, outcomes: &[Outcome], now: Now) -> Result<(), StoreError> {
        if let Some(text) = barred(outcomes) {
            self.barred = Some(now.monotonic + BARRED_FOR);
            self.went_wrong(now, text);
            return Ok(());
        }
        self.went_well(now);
        let first = outcomes.first().cloned().unwrap_or(Outcome::Done);
        match job {
            Job::Address(callback, url) => match first {
                Outcome::Done => {
                    match url {
                        Some(url) => self.addresses.insert(callback, url),
                        None => self.addresses.remove(&callback),
                    };
                    let body = serde_json::to_string(&self.addresses).unwrap_or_default();
                    let id = self.platform.id.as_str();
                    self.state.store.put_noun(ADDRESSES, id, &body).await?;
                }
                Outcome::Refused { status, message } => {
                    let what = format!("the address for {callback:?}");
                    self.refuse(
                        (None, format!("{callback:?}")),
                        None,
                        &what,
                        status,
                        &message,
                        now,
                    );
                }
            },
            Job::Put(entity) => match first {
                Outcome::Done => {
                    self.state.store.put_told(&self.platform.id, &entity).await?;
                    self.told
                        .retain(|told| (told.kind, &told.id) != (entity.kind, &entity.id));
                    self.told.push(entity);
                }
                Outcome::Refused { status, message } => {
                    let what = format!("{} {}", entity.kind.name(), entity.id);
                    let key = key(entity.kind, &entity.id);
                    self.refuse(key, Some(entity), &what, status, &message, now);
                }
            },
            Job::Remove(kind, id) => match first {
                Outcome::Done => {
                    self.state.store.forget_told(&self.platform.id, kind, &id).await?;
                    self.told.retain(|told| (told.kind, &told.id) != (kind, &id));
                }
                Outcome::Refused { status, message } => {
                    let what = format!("that {} {id} goes", kind.name());
                    self.refuse(key(kind, &id), None, &what, status, &message, now);
                }
            },
            Job::Queued { lane, numbers, ports } => {
                self.settle(lane, &numbers, &ports, outcomes, now).await?;
            }
        }
        self.show_problems();
        Ok(())
    }

    async fn settle(
        &mut self,
        lane: Lane,
        numbers: &[i64],
        ports: &[Code],
        outcomes: &[Outcome],
        now: Now,
    ) -> Result<(), StoreError> {
        // A platform that does not know a port we told it of has lost its books: it is told all once more, and what
        // it did not take stays where it is meanwhile.
        let is_told = |port: &Code| {
            let mut told = self.told.iter();
            told.any(|entity| entity.kind == EntityKind::Port && entity.id == *port)
        };
        let is_lost = |(outcome, port): (&Outcome, &Code)| {
            matches!(outcome, Outcome::Refused { status: 404, .. }) && lane != Lane::Again && is_told(port)
        };
        let may_doubt = self.doubted.is_none_or(|at| now.monotonic - at >= AGAIN_AFTER);
        let doubts = may_doubt && outcomes.iter().zip(ports).any(is_lost);
        let mut done = Vec::new();
        let mut refused = Vec::new();
        for ((outcome, port), number) in outcomes.iter().zip(ports).zip(numbers) {
            match outcome {
                Outcome::Done => done.push(*number),
                Outcome::Refused { .. } if doubts && is_lost((outcome, port)) => {}
                Outcome::Refused { status, message } => {
                    refused.push((*number, format!("{status}: {message}")));
                }
            }
        }
        self.state
            .store
            .settle_uploads(&self.platform.id, &done, &refused)
            .await?;
        if let Some((_, text)) = refused.first() {
            let text = format!("a {} was refused: {text}", lane.name());
            self.shelf.note(&self.platform.id, |health| {
                health.last_error = Some((now.wall, text));
            });
        }
        if doubts {
            self.doubted = Some(now.monotonic);
            for entity in std::mem::take(&mut self.told) {
                self.state
                    .store
                    .forget_told(&self.platform.id, entity.kind, &entity.id)
                    .await?;
            }
        }
        Ok(())
    }

    fn refuse(
        &mut self,
        key: (Option<EntityKind>, String),
        wanted: Option<Entity>,
        what: &str,
        status: u16,
        message: &str,
        now: Now,
    ) {
        let refused = Refused {
            wanted,
            until: now.monotonic + AGAIN_AFTER,
            text: format!("{what} was refused: {status}: {message}"),
        };
        self.refused.insert(key, refused);
    }

    fn show_problems(&self) {
        let texts: Vec<_> = self
            .refused
            .values()
            .map(|refused| refused.text.clone())
            .collect();
        self.shelf
            .note(&self.platform.id, |health| health.problems = texts);
    }
}

fn key(kind: EntityKind, id: &Code) -> (Option<EntityKind>, String) {
    (Some(kind), id.to_string())
}

/// A platform that refuses us, and not what we say: nothing is lost by waiting.
fn barred(outcomes: &[Outcome]) -> Option<String> {
    let mut why = None;
    for outcome in outcomes {
        match outcome {
            Outcome::Refused {
                status: status @ (403 | 405),
                message,
            } => why = Some(format!("{status}: {message}")),
            Outcome::Done | Outcome::Refused { .. } => return None,
        }
    }
    why
}

/// What waits in a lane as one piece of work.
fn queued(lane: Lane, waiting: Vec<(i64, Upload)>) -> Option<(Job, Work, bool)> {
    let mut numbers = Vec::new();
    let mut ports = Vec::new();
    let mut samples: Vec<Sample> = Vec::new();
    let mut records: Vec<ChargeRecord> = Vec::new();
    let mut again = None;
    for (number, upload) in waiting {
        numbers.push(number);
        match upload {
            Upload::Sample { sample } => {
                ports.push(sample.port.clone());
                samples.push(sample);
            }
            Upload::Record { record } => {
                ports.push(record.port.clone());
                records.push(record);
            }
            Upload::Again { failed, sample } => {
                ports.push(sample.port.clone());
                again = Some(Work::Again { failed, sample });
            }
        }
    }
    let work = match lane {
        Lane::Sample if !samples.is_empty() => Work::Samples(samples),
        Lane::Record if !records.is_empty() => Work::Records(records),
        Lane::Again => again?,
        Lane::Sample | Lane::Record => return None,
    };
    Some((Job::Queued { lane, numbers, ports }, work, true))
}

/// So that several installations do not come back at the same moment. The clock is random enough.
fn jitter(now: Now) -> PerMille {
    PerMille(now.wall.0.rem_euclid(1_000))
}
