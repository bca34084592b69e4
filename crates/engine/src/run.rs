//! The only async file of the engine: bus and store in, bus and store out, and the time.

use std::sync::Arc;

use bus::{Bus, Desk, Received, Reply, Subscription, Topic};
use model::id::UserId;
use model::intent::{Intent, Receipt, Rejection, Wanted};
use model::message::Message;
use model::settings::ControlSettings;
use model::site::Site;
use model::time::{Clock, Millis, Now};
use model::vehicle::{StateOfCharge, VehicleCharge};
use store::{AuditEntry, Store, StoreError, Typed};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::alarms::RETURNS_WITHIN;
use crate::books;
use crate::core::{Core, Record, Restored};
use crate::intents::Change;

/// Records on their way to the disk. When it is full (a disk that hangs for minutes), the newest readings
/// are dropped and the store alarm stands; control goes on.
const RECORD_QUEUE: usize = 4_096;
/// How often live readings are kept.
const RECORD_EVERY: Millis = Millis(1_000);

/// Quarter-hours that may still be added to.
const RECENT_LEDGER: Millis = Millis(2 * 3_600_000);
/// Users, cards, cars and prices are looked up this often, and when somebody says that they have changed.
const LOOK_UP_EVERY: Millis = Millis(60_000);

/// Control does not wait longer than this for a disk.
const STORE_TIMEOUT: Millis = Millis(1_000);

/// What the engine of a site needs.
pub struct Engine {
    pub site: Arc<Site>,
    pub settings: ControlSettings,
    pub bus: Arc<dyn Bus>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
}

impl Engine {
    /// Subscribes, opens the desk and fetches what was before. Links may be started after this: no report
    /// of theirs gets lost.
    ///
    /// # Errors
    /// When the store cannot say what was before: starting blind could forget a wish somebody made.
    pub async fn open(self) -> Result<Opened, StoreError> {
        let site = self.site.id.clone();
        let reports = self.bus.subscribe(Topic::Reports(site.clone())).await;
        let nouns = self.bus.subscribe(Topic::Nouns).await;
        let desk = self.bus.open_desk(&site).await;
        let epoch = self.store.take_epoch(&site).await?;
        let restored = Restored {
            wishes: self.store.wishes(&site).await?,
            setpoints: self.store.setpoints(&site).await?,
            devices: self.store.devices(&site).await?,
            alarms: self
                .store
                .alarms_since(&site, self.clock.now().wall - RETURNS_WITHIN)
                .await?,
            sessions: self.store.open_sessions(&site).await?,
            ledger: {
                let now = self.clock.now().wall;
                self.store
                    .ledger(&site, now - RECENT_LEDGER, now + Millis(1))
                    .await?
            },
            directory: books::directory(self.store.as_ref()).await?,
        };
        let mut core = Core::new(
            self.site.clone(),
            self.settings,
            epoch,
            restored,
            RECORD_EVERY,
            self.clock.now(),
        );
        let prices = books::prices(self.store.as_ref(), &self.site, self.clock.now().wall).await?;
        core.set_prices(Arc::new(prices));
        Ok(Opened {
            engine: self,
            core,
            reports,
            nouns,
            desk,
        })
    }
}

/// An engine that hears everything and has not decided anything yet.
pub struct Opened {
    engine: Engine,
    core: Core,
    reports: Box<dyn Subscription>,
    nouns: Box<dyn Subscription>,
    desk: Box<dyn Desk>,
}

impl Opened {
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.core.epoch()
    }

    /// Runs the site until `stop`, then writes what is still due.
    pub async fn run(self, stop: CancellationToken) {
        let Self {
            engine,
            mut core,
            mut reports,
            mut nouns,
            mut desk,
        } = self;
        let site = engine.site.id.clone();
        let epoch = core.epoch();
        let (records, queue) = mpsc::channel(RECORD_QUEUE);
        let (problem, mut store_problem) = watch::channel(None);
        let writer = tokio::spawn(write_down(
            engine.store.clone(),
            site.clone(),
            epoch,
            queue,
            problem,
        ));
        tracing::info!(site.id = %site, epoch, "engine started");
        let mut looked_up = engine.clock.now().monotonic;

        loop {
            let wait = core.poll_timeout() - engine.clock.now().monotonic;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                asked = desk.next() => match asked {
                    Some((intent, reply)) => engine.answer(&mut core, intent, reply).await,
                    None => break,
                },
                received = reports.next() => match received {
                    Some(Received::Message(Message::Reported(reported))) => core.handle_report(&reported),
                    Some(Received::Message(Message::Setpoint { .. } | Message::View(_) | Message::NounsChanged { .. })) => {}
                    Some(Received::Missed(count)) => {
                        tracing::warn!(site.id = %site, count, "readings came faster than they could be taken");
                    }
                    None => break,
                },
                Some(_) = nouns.next() => engine.look_up(&mut core).await,
                Ok(()) = store_problem.changed() => {
                    let problem = store_problem.borrow_and_update().clone();
                    core.note_store(problem, engine.clock.now());
                }
                () = tokio::time::sleep(wait.to_std()) => {}
            }
            let now = engine.clock.now();
            if now.monotonic - looked_up >= LOOK_UP_EVERY {
                looked_up = now.monotonic;
                engine.look_up(&mut core).await;
            }
            engine.ask_budgets(&mut core).await;
            engine.turn(&mut core, &records).await;
        }
        core.settle(engine.clock.now());
        while let Some(record) = core.poll_record() {
            if records.send(record).await.is_err() {
                break;
            }
        }
        drop(records);
        if let Err(error) = writer.await {
            tracing::error!(site.id = %site, %error, "the writer of records ended early");
        }
        tracing::info!(site.id = %site, epoch, "engine stopped");
    }
}

impl Engine {
    /// One turn: the cycle if it is due, setpoints first, then the view, then the records.
    async fn turn(&self, core: &mut Core, records: &mpsc::Sender<Record>) {
        let started = tokio::time::Instant::now();
        let ran = core.handle_timeout(self.clock.now());
        while let Some(setpoint) = core.poll_setpoint() {
            tracing::debug!(site.id = %self.site.id, device.id = %setpoint.device, action = ?setpoint.action, "setpoint");
            self.bus
                .publish(Message::Setpoint {
                    site: self.site.id.clone(),
                    setpoint,
                })
                .await;
        }
        let mut later = Vec::new();
        while let Some(record) = core.poll_record() {
            let Record::Session {
                session,
                boundary: true,
            } = record
            else {
                later.push(record);
                continue;
            };
            // Nobody is shown a transaction that a power cut could undo.
            if let Err(why) = within(self.store.put_session(core.epoch(), &session)).await {
                tracing::error!(site.id = %self.site.id, session.id = %session.id, %why, "cannot write a session yet");
                later.push(Record::Session {
                    session,
                    boundary: false,
                });
            }
        }
        if ran {
            core.note_duration(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
            self.bus
                .publish(Message::View(Arc::new(core.view(self.clock.now()))))
                .await;
        }
        for record in later {
            if let Err(mpsc::error::TrySendError::Full(_)) = records.try_send(record) {
                core.note_store(
                    Some("the disk is too slow; readings are being dropped".to_owned()),
                    self.clock.now(),
                );
            }
        }
    }

    /// Weighs an intent; stores, audits, applies, then answers.
    async fn answer(&self, core: &mut Core, intent: Intent, reply: Reply) {
        if matches!(intent.wanted, Wanted::Authorise { .. }) {
            self.look_up(core).await;
        }
        let now = self.clock.now();
        let weighed = core.weigh(&intent, now.wall);
        let answer = match weighed {
            Ok(change) => self.store_change(core, &change, now).await.map(|()| {
                let wish = match &change {
                    Change::Wish { wish, .. } => Some(*wish),
                    Change::Session { .. } | Change::Forward { .. } | Change::Acknowledge(_) => None,
                };
                core.apply(change, now);
                Receipt {
                    at: now.wall,
                    epoch: core.epoch(),
                    wish,
                }
            }),
            Err(rejection) => Err(rejection),
        };
        self.audit(&intent, &answer).await;
        if answer.is_ok() {
            self.ask_budgets(core).await;
            // The view shows the accepted wish at once, so the app reads what it wrote.
            core.handle_timeout(self.clock.now());
            self.bus
                .publish(Message::View(Arc::new(core.view(self.clock.now()))))
                .await;
        }
        // Nobody waits any more when the asker has gone.
        let _ = reply.0.send(answer);
    }

    async fn store_change(&self, core: &Core, change: &Change, now: Now) -> Result<(), Rejection> {
        let stored = match change {
            Change::Wish { evse, wish } => {
                within(self.store.put_wish(&self.site.id, core.epoch(), evse, *wish)).await
            }
            Change::Session { evse, input } => match core.foresee(evse, input.clone(), now) {
                Some(session) => within(self.store.put_session(core.epoch(), &session)).await,
                None => Ok(()),
            },
            Change::Acknowledge(alarm) => within(self.store.put_alarm(alarm)).await,
            Change::Forward { .. } => Ok(()),
        };
        stored.map_err(|why| Rejection::NotStored { why })
    }

    /// Brings users, cards, cars and prices up to date.
    async fn look_up(&self, core: &mut Core) {
        match within(books::directory(self.store.as_ref())).await {
            Ok(directory) => core.set_directory(directory, self.clock.now()),
            Err(error) => tracing::warn!(site.id = %self.site.id, %error, "cannot look up users and cards"),
        }
        let now = self.clock.now().wall;
        match within(books::prices(self.store.as_ref(), &self.site, now)).await {
            Ok(prices) => core.set_prices(Arc::new(prices)),
            Err(error) => tracing::warn!(site.id = %self.site.id, %error, "cannot look up tariffs"),
        }
    }

    /// Answers what the core wants to know of budgets.
    async fn ask_budgets(&self, core: &mut Core) {
        for ask in core.budget_asks(self.clock.now()) {
            match within(books::spent(self.store.as_ref(), &self.site.id, &ask)).await {
                Ok(spent) => core.note_spent(&ask, spent, self.clock.now()),
                Err(error) => {
                    tracing::warn!(site.id = %self.site.id, %error, "cannot look up what was charged")
                }
            }
        }
    }

    async fn audit(&self, intent: &Intent, answer: &Result<Receipt, Rejection>) {
        let entry = AuditEntry {
            at: self.clock.now().wall,
            principal: intent.by.clone(),
            door: intent.door.clone(),
            action: action_text(intent),
            outcome: answer
                .as_ref()
                .map_or_else(ToString::to_string, |_| "accepted".to_owned()),
        };
        if let Err(error) = self.store.record(&entry).await {
            tracing::error!(site.id = %self.site.id, %error, "cannot write the audit log");
        }
    }
}

/// Waits for the disk, but not for long.
async fn within<T>(call: impl Future<Output = Result<T, StoreError>>) -> Result<T, String> {
    match tokio::time::timeout(STORE_TIMEOUT.to_std(), call).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err("the disk does not answer".to_owned()),
    }
}

/// What was asked for, without values of vendor keys: they may be secrets.
fn action_text(intent: &Intent) -> String {
    match &intent.wanted {
        Wanted::Mode { evse, mode } => format!("mode of {evse} to {mode:?}"),
        Wanted::Force { evse, force } => format!("force of {evse} to {force:?}"),
        Wanted::Current { evse, current } => format!("current of {evse} to {}", current.to_amps_text()),
        Wanted::Phases { evse, phases } => format!("phases of {evse} to {phases:?}"),
        Wanted::Authorise { evse, authorisation } => {
            let who = authorisation
                .user
                .as_ref()
                .map_or("nobody in particular", UserId::as_str);
            format!("charging of {who} at {evse}")
        }
        Wanted::StopTransaction { evse } => format!("stop of the transaction at {evse}"),
        Wanted::VendorWrite { device, key, .. } => format!("key {key} of {device}"),
        Wanted::AcknowledgeAlarm { device, code, raised } => {
            let of = device.as_ref().map_or("the site", |device| device.as_str());
            format!("alarm {code:?} of {of}, raised {}, seen", raised.0)
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

/// Writes records in order. A failing store is reported once and tried again with the next record.
async fn write_down(
    store: Arc<dyn Store>,
    site: model::id::SiteId,
    epoch: u64,
    mut queue: mpsc::Receiver<Record>,
    problem: watch::Sender<Option<String>>,
) {
    while let Some(record) = queue.recv().await {
        let written = match record {
            Record::Samples(samples) => store.append(samples).await,
            Record::Setpoints(told) => store.put_setpoints(&site, epoch, &told).await,
            Record::Wish { evse, wish } => store.put_wish(&site, epoch, &evse, wish).await,
            Record::Alarm(alarm) => store.put_alarm(&alarm).await,
            Record::Device { device, seen } => store.put_device(&site, &device, seen).await,
            Record::Document { device, document } => store.put_document(&site, &device, &document).await,
            Record::Session { session, .. } => store.put_session(epoch, &session).await,
            Record::Ledger(entry) => store.put_ledger(epoch, &entry).await,
            Record::Charge { charge, since } => put_charge(store.as_ref(), &charge, since).await,
        };
        let state = written.err().map(|error| error.to_string());
        problem.send_if_modified(|before| {
            let changed = *before != state;
            if changed {
                match &state {
                    Some(error) => tracing::error!(site.id = %site, %error, "cannot write records"),
                    None => tracing::info!(site.id = %site, "records are written again"),
                }
                before.clone_from(&state);
            }
            changed
        });
    }
}
