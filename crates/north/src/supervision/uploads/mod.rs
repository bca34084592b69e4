//! We as an operator: our own sites report themselves to platforms.
//!
//! What is to be told waits in the store, in one queue for each platform, so that a week without a network or a
//! restart loses nothing ([`store::Uploads`]). [`Reporting`] puts it there: samples when a port changes its state and
//! else by interval ([`watch`]), charges when they have ended ([`charges`]). One [`teller`] for each platform brings
//! it there, in order, and keeps stations, equipment and ports in step. What the platform says to us comes in by
//! [`hear`]. [`preview`] says what would be sent, without sending it.
//!
//! A platform gets names from [`names`]: by default our own ids.

mod charges;
mod hear;
mod names;
mod preview;
mod shelf;
mod teller;
mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bus::{Received, Topic};
use links::Limits;
use links::http::Client;
use links::outbound_guard::SystemResolver;
use model::id::{EvseId, PlatformId, SessionId, SiteId};
use model::message::{Message, Notice, Report, Reported};
use model::noun::Noun;
use model::oversight::{Callback, Lane, ReportTo, Upload};
use model::time::{Millis, Timestamp};
use model::view::SiteView;
use store::{StoreError, Typed};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::State;
use charges::Note;
use teller::Teller;
use watch::Watch;

pub(crate) use hear::DOOR;
pub(crate) use preview::preview;
pub(crate) use shelf::Shelf;

/// Samples that may wait for one platform: a week of a hundred ports. Of more the oldest go.
pub(crate) const MOST_SAMPLES: u32 = 200_000;
/// Sessions are looked at so often even when no view shows that one has ended.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// A danger that nobody repeats for so long is over.
const CALM: Millis = Millis(3_600_000);

/// What a platform may cost us.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(3),
    timeout: Duration::from_secs(10),
    max_body: 256 * 1024,
};

const CALLBACKS: [Callback; 3] = [Callback::ReportFailed, Callback::PastSample, Callback::Risk];

/// The last part of the path at which a platform may call.
const fn last_part(callback: Callback) -> &'static str {
    match callback {
        Callback::ReportFailed => "failed",
        Callback::PastSample => "sample",
        Callback::Risk => "risk",
    }
}

/// Where a platform may call.
fn address(platform: &ReportTo, callback: Callback) -> Option<String> {
    let base = platform.callback.as_deref()?.trim_end_matches('/');
    let (id, last) = (&platform.id, last_part(callback));
    Some(format!("{base}/{}/{id}/{last}", hear::ROOT))
}

/// All the places where a platform may call.
pub(crate) fn addresses(platform: &ReportTo) -> Vec<String> {
    let all = CALLBACKS.into_iter();
    all.filter_map(|callback| address(platform, callback)).collect()
}

/// The next time it is told anew where it may call.
pub(crate) async fn forget_addresses(state: &State, id: &PlatformId) -> Result<(), StoreError> {
    state
        .store
        .delete_noun(teller::ADDRESSES, id.as_str())
        .await
        .map(drop)
}

/// What is wrong with a platform's settings that only the dialect knows.
pub(crate) fn mapping_problem(platform: &ReportTo) -> Option<String> {
    let problem = names::definition(platform).err()?;
    Some(format!("platform `{}` {problem}", platform.id))
}

/// What is remembered of one platform between views.
struct Source {
    platform: Arc<ReportTo>,
    watch: Watch,
    note: Note,
    /// The session of each charging point, as the last view showed it.
    sessions: BTreeMap<(SiteId, EvseId), Option<SessionId>>,
    looked: bool,
    stop: CancellationToken,
}

/// The task that puts into the queues what is to be told, and starts who tells it.
pub struct Reporting {
    state: State,
    shelf: Arc<Shelf>,
    sources: BTreeMap<PlatformId, Source>,
    tellers: JoinSet<()>,
}

impl Reporting {
    #[must_use]
    pub fn new(state: State) -> Self {
        Self {
            shelf: state.memory.of(),
            state,
            sources: BTreeMap::new(),
            tellers: JoinSet::new(),
        }
    }

    /// Reports until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut views = self.state.bus.subscribe(Topic::Views).await;
        let mut nouns = self.state.bus.subscribe(Topic::Nouns).await;
        self.follow(&stop).await;
        let mut look = tokio::time::interval(LOOK_EVERY);
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(received) = views.next() => match received {
                    Received::Message(Message::View(view)) => self.take(&view).await,
                    Received::Message(_) => {}
                    Received::Missed(_) => {
                        for view in self.state.bus.latest_views().await {
                            self.take(&view).await;
                        }
                    }
                },
                Some(received) = nouns.next() => {
                    let is_other = matches!(
                        &received,
                        Received::Message(Message::NounsChanged { kind }) if kind != ReportTo::KIND
                    );
                    if !is_other {
                        self.follow(&stop).await;
                        self.look().await;
                    }
                }
                _ = look.tick() => {
                    self.follow(&stop).await;
                    for source in self.sources.values_mut() {
                        source.looked = false;
                    }
                    self.look().await;
                    self.calm().await;
                }
            }
        }
        for source in self.sources.values() {
            source.stop.cancel();
        }
        while self.tellers.join_next().await.is_some() {}
    }

    /// Starts and ends tellers so that they are those that are wanted.
    async fn follow(&mut self, stop: &CancellationToken) {
        while self.tellers.try_join_next().is_some() {}
        if let Err(error) = self.follow_all(stop).await {
            tracing::error!(%error, "cannot read the platforms that we report to");
        }
        // Who is new is told at once how everything is.
        if self.sources.values().any(|source| source.sessions.is_empty()) {
            for view in self.state.bus.latest_views().await {
                self.take(&view).await;
            }
        }
    }

    async fn follow_all(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let all = self.state.store.list::<ReportTo>().await?;
        self.shelf
            .keep(|id| all.iter().any(|platform| platform.id == *id));
        let wanted: Vec<_> = all.into_iter().filter(|platform| platform.enabled).collect();
        let is_as_wanted = |source: &Source| wanted.contains(&source.platform);
        self.sources.retain(|_, source| {
            let stays = is_as_wanted(source);
            if !stays {
                source.stop.cancel();
            }
            stays
        });
        for platform in wanted {
            if self.sources.contains_key(&platform.id) {
                continue;
            }
            let platform = Arc::new(platform);
            let note = self.state.store.upload_note(&platform.id).await?;
            let stop = stop.child_token();
            match self.teller(&platform).await {
                Ok(teller) => {
                    self.tellers.spawn(teller.run(stop.clone()));
                }
                Err(problem) => {
                    self.trouble(&platform.id, problem);
                    continue;
                }
            }
            let source = Source {
                watch: Watch::default(),
                note: Note::read(note.as_deref()),
                sessions: BTreeMap::new(),
                looked: false,
                stop,
                platform,
            };
            self.sources.insert(source.platform.id.clone(), source);
        }
        Ok(())
    }

    fn trouble(&self, id: &PlatformId, problem: String) {
        let now = self.state.clock.now().wall;
        self.shelf.note(id, |health| {
            health.connected = false;
            health.last_error = Some((now, problem));
        });
    }

    async fn teller(&self, platform: &Arc<ReportTo>) -> Result<Teller, String> {
        let secret = self.state.gate.platform_key(&platform.id).await;
        let secret = secret.map_err(|error| error.to_string())?;
        let secret = secret.ok_or_else(|| "has no key to sign with".to_owned())?;
        let client = if platform.local {
            // An administrator has said that it is near.
            Client::trusting(LIMITS, None)
        } else {
            Client::guarded(LIMITS, self.state.guard.clone(), Arc::new(SystemResolver))
        };
        let client = client.map_err(|failure| failure.to_string())?;
        Teller::open(
            self.state.clone(),
            platform.clone(),
            secret,
            client,
            self.shelf.clone(),
        )
        .await
    }

    /// Queues the samples that a view makes due.
    async fn take(&mut self, view: &SiteView) {
        let now = self.state.clock.now();
        let mut has_ended = false;
        for source in self.sources.values_mut() {
            let Some(reported) = source.platform.site(&view.id) else {
                continue;
            };
            for evse in &view.evses {
                let session = evse.session.as_ref().map(|session| session.id.clone());
                let key = (view.id.clone(), evse.id.clone());
                let before = source.sessions.insert(key, session.clone()).flatten();
                if before.is_some() && before != session {
                    source.looked = false;
                    has_ended = true;
                }
            }
            let samples = names::samples(&source.platform, reported, view);
            let due = source.watch.due(samples, now.monotonic, source.platform.interval);
            if due.is_empty() {
                continue;
            }
            let uploads: Vec<_> = due
                .iter()
                .cloned()
                .map(|sample| Upload::Sample { sample })
                .collect();
            let id = &source.platform.id;
            match self
                .state
                .store
                .queue_uploads(id, &uploads, None, MOST_SAMPLES)
                .await
            {
                Ok(()) => self.shelf.wake(id).notify_one(),
                Err(error) => {
                    tracing::warn!(%error, platform = %id, "samples cannot be kept; they are made again");
                    source.watch.forget(&due);
                }
            }
        }
        if has_ended {
            self.look().await;
        }
    }

    /// Queues the charges that have ended.
    async fn look(&mut self) {
        let now = self.state.clock.now().wall;
        for source in self.sources.values_mut().filter(|source| !source.looked) {
            match look_at(&self.state, source, now).await {
                Ok(0) => source.looked = true,
                Ok(_) => {
                    source.looked = true;
                    self.shelf.wake(&source.platform.id).notify_one();
                }
                Err(error) => {
                    tracing::warn!(%error, "charges that have ended cannot be queued; they are looked for again");
                }
            }
        }
    }

    /// Ends the alarms of dangers that nobody repeats.
    async fn calm(&self) {
        let before = self.state.clock.now().wall - CALM;
        for (site, device) in self.shelf.calm(before) {
            say_risk(&self.state, site, device, None).await;
        }
    }
}

async fn look_at(state: &State, source: &mut Source, now: Timestamp) -> Result<usize, StoreError> {
    let (uploads, note) = charges::look(&*state.store, &source.platform, &source.note, now).await?;
    if !uploads.is_empty() || note != source.note {
        let text = serde_json::to_string(&note).unwrap_or_default();
        let id = &source.platform.id;
        state
            .store
            .queue_uploads(id, &uploads, Some(&text), MOST_SAMPLES)
            .await?;
        source.note = note;
    }
    Ok(uploads.len())
}

/// Tells the engine of a site that a platform sees a danger, or none any more.
async fn say_risk(state: &State, site: SiteId, device: model::id::DeviceId, text: Option<String>) {
    let notice = Notice::RiskSeen;
    let said = Reported {
        site,
        device,
        at: state.clock.now(),
        report: Report::Notice { notice, text },
    };
    state.bus.publish(Message::Reported(said)).await;
}

/// Failures that wait to be mended already.
async fn mending(state: &State, id: &PlatformId) -> Result<BTreeSet<String>, StoreError> {
    let waiting = state.store.waiting_uploads(id, Lane::Again, 10_000).await?;
    let failed = waiting.into_iter().filter_map(|(_, upload)| match upload {
        Upload::Again { failed, .. } => Some(failed.to_string()),
        Upload::Sample { .. } | Upload::Record { .. } => None,
    });
    Ok(failed.collect())
}
