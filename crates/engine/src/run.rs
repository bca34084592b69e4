//! The loop of the engine: bus and store in, bus and store out, and the time.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bus::{Asked, Bus, Desk, Received, Reply, Subscription, Topic};
use control::Lasting;
use model::control::Order;
use model::device::Wish;
use model::document::Document;
use model::id::UserId;
use model::intent::{Intent, Receipt, Rejection, Wanted};
use model::message::{Message, Report, Reported};
use model::money::PerKwh;
use model::rule::RuleSet;
use model::settings::ControlSettings;
use model::site::Site;
use model::time::{Clock, Millis, Monotonic, Now};
use model::units::MilliAmps;
use store::{AuditEntry, Store, StoreError, Typed};
use tokio_util::sync::CancellationToken;

use crate::alarms::RETURNS_WITHIN;
use crate::aside::AsideFile;
use crate::books;
use crate::core::{Core, Restored};
use crate::intents::Change;
use crate::record::Record;
use crate::tickets::Verdict;
use crate::writer::{MEMORY_VERSION, Outcome, Shelf, SiteShelf, Writer, within};

/// How often live readings are kept.
const RECORD_EVERY: Millis = Millis(1_000);

/// Quarter-hours that may still be added to.
const RECENT_LEDGER: Millis = Millis(2 * 3_600_000);
/// Users, cards, cars and prices are looked up this often, and when somebody says that they have changed.
const LOOK_UP_EVERY: Millis = Millis(60_000);

/// Those who wait for the word of a device, by ticket.
type Waiting = BTreeMap<u64, (Intent, Reply)>;

/// What the engine of a site needs.
pub struct Engine {
    pub site: Arc<Site>,
    pub settings: ControlSettings,
    pub bus: Arc<dyn Bus>,
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// Where a file may be made for what the store refuses for good.
    pub aside: PathBuf,
}

impl Engine {
    /// Subscribes, opens the desk and fetches what was before. Links may be started after this: no report
    /// of theirs gets lost. What devices had said before is on the bus from now on.
    ///
    /// # Errors
    /// When the store cannot say what was before: starting blind could forget a wish somebody made.
    pub async fn open(self) -> Result<Opened, StoreError> {
        let site = self.site.id.clone();
        // It is no news to this engine, so it subscribes after it.
        self.publish_kept_documents().await?;
        let reports = self.bus.subscribe(Topic::Reports(site.clone())).await;
        let nouns = self.bus.subscribe(Topic::Nouns).await;
        let desk = self.bus.open_desk(&site).await;
        let epoch = self.store.take_epoch(&site).await?;
        let aside = AsideFile::of(&self.aside, &site);
        if let Err(error) = aside.offer(self.store.as_ref(), &site, epoch).await {
            tracing::error!(site.id = %site, %error, "cannot offer the store what was set aside in {}", aside.path().display());
        }
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
            keys: self.store.list().await?,
            lasting: lasting(self.store.memory(&site).await?),
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
        self.take_rules(&mut core, self.store.list().await?);
        let shelf = SiteShelf {
            store: self.store.clone(),
            site,
            epoch,
        };
        Ok(Opened {
            writer: Writer::new(shelf, aside),
            engine: self,
            core,
            reports,
            nouns,
            desk,
        })
    }

    /// A device that is off still has what it last said, with the wall time of that; its monotonic time died
    /// with the process that heard it.
    async fn publish_kept_documents(&self) -> Result<(), StoreError> {
        for (device, kept) in self.store.documents(&self.site.id).await? {
            let at = Now {
                wall: kept.at,
                monotonic: Monotonic(0),
            };
            let reported = Reported {
                site: self.site.id.clone(),
                device,
                at,
                report: Report::Document(Document {
                    dialect: kept.dialect,
                    at,
                    json: kept.json.into(),
                }),
            };
            self.bus.publish(Message::Reported(reported)).await;
        }
        Ok(())
    }
}

/// An engine that hears everything and has not decided anything yet.
pub struct Opened {
    engine: Engine,
    core: Core,
    writer: Writer<SiteShelf>,
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
            mut writer,
            mut reports,
            mut nouns,
            mut desk,
        } = self;
        let site = engine.site.id.clone();
        let epoch = core.epoch();
        tracing::info!(site.id = %site, epoch, "engine started");
        let mut looked_up = engine.clock.now().monotonic;
        // No more than there are open tickets.
        let mut waiting = BTreeMap::new();

        loop {
            let due = writer
                .poll_timeout()
                .map_or(core.poll_timeout(), |due| due.min(core.poll_timeout()));
            let wait = due - engine.clock.now().monotonic;
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                outcome = writer.ended() => engine.note(&mut core, &mut writer, outcome),
                asked = desk.next() => match asked {
                    // Whoever does not wait any more has no use for it.
                    Some(Asked::Question(question, reply)) => { let _ = reply.0.send(core.find(&question, engine.clock.now())); }
                    Some(Asked::Intent(intent, reply)) => engine.answer(&mut core, &mut writer, &mut waiting, intent, reply).await,
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
                () = tokio::time::sleep(wait.to_std()) => {}
            }
            let now = engine.clock.now();
            if now.monotonic - looked_up >= LOOK_UP_EVERY {
                looked_up = now.monotonic;
                writer.look_aside();
                engine.look_up(&mut core).await;
            }
            engine.ask_budgets(&mut core).await;
            engine.turn(&mut core, &mut writer).await;
            engine.pass_verdicts(&mut core, &mut writer, &mut waiting).await;
        }
        let now = engine.clock.now();
        core.settle(now);
        while let Some(record) = core.poll_record() {
            writer.take(record, now.monotonic);
        }
        writer.finish(now).await;
        tracing::info!(site.id = %site, epoch, "engine stopped");
    }
}

impl Engine {
    /// One turn: the cycle if it is due, setpoints first, then the view, then the records.
    async fn turn<S: Shelf>(&self, core: &mut Core, writer: &mut Writer<S>) {
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
        let mut is_boundary = false;
        while let Some(record) = core.poll_record() {
            is_boundary |= matches!(&record, Record::Books(books) if books.boundary);
            writer.take(record, self.clock.now().monotonic);
        }
        // Nobody is shown a transaction that a power cut could undo.
        if is_boundary && let Err(why) = writer.write_books(self.clock.now().monotonic).await {
            tracing::error!(site.id = %self.site.id, %why, "cannot write sessions yet");
        }
        if ran {
            core.note_duration(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
            self.bus
                .publish(Message::View(Arc::new(core.view(self.clock.now()))))
                .await;
        }
        core.note_store(writer.problem(), writer.aside(), self.clock.now());
        writer.start(self.clock.now());
    }

    /// Takes in what became of a record.
    fn note<S: Shelf>(&self, core: &mut Core, writer: &mut Writer<S>, outcome: Outcome) {
        let now = self.clock.now();
        let before = writer.problem();
        writer.note(outcome, now.monotonic);
        match (before, writer.problem()) {
            (None, Some(error)) => tracing::error!(site.id = %self.site.id, %error, "cannot write records"),
            (Some(_), None) => tracing::info!(site.id = %self.site.id, "records are written again"),
            (None, None) | (Some(_), Some(_)) => {}
        }
        core.note_store(writer.problem(), writer.aside(), now);
    }

    /// Weighs an intent; stores, audits, applies, then answers. Where a device has the last word, the answer
    /// waits for it, and the desk does not.
    async fn answer<S: Shelf>(
        &self,
        core: &mut Core,
        writer: &mut Writer<S>,
        waiting: &mut Waiting,
        intent: Intent,
        reply: Reply,
    ) {
        if matches!(intent.wanted, Wanted::Authorise { .. }) {
            self.look_up(core).await;
        }
        let now = self.clock.now();
        let weighed = core.weigh(&intent, now.wall);
        let stored = match weighed {
            Ok(change) => {
                let stored = self.store_change(core, writer, &change, now).await;
                stored.map(|()| change)
            }
            Err(rejection) => Err(rejection),
        };
        let answer = match stored {
            Ok(change) => {
                let wish = match &change {
                    Change::Wish { wish, .. } => Some(*wish),
                    Change::Cap { evse, .. } => core.wishes().get(evse).copied(),
                    Change::Session { .. }
                    | Change::Forward { .. }
                    | Change::Order { .. }
                    | Change::Keep(_)
                    | Change::Pushed { .. }
                    | Change::Acknowledge(_) => None,
                };
                if let Some(ticket) = core.apply(change, now) {
                    waiting.insert(ticket, (intent, reply));
                    return;
                }
                Ok(self.receipt(core, wish, Vec::new()))
            }
            Err(rejection) => Err(rejection),
        };
        self.tell(core, writer, &intent, reply, answer).await;
    }

    /// Answers those who waited for the word of a device.
    async fn pass_verdicts<S: Shelf>(&self, core: &mut Core, writer: &mut Writer<S>, waiting: &mut Waiting) {
        while let Some(Verdict { ticket, answer }) = core.poll_verdict() {
            let Some((intent, reply)) = waiting.remove(&ticket) else {
                continue;
            };
            let answer = answer.map(|said| self.receipt(core, None, said));
            self.tell(core, writer, &intent, reply, answer).await;
        }
    }

    fn receipt(&self, core: &Core, wish: Option<Wish>, said: Vec<u8>) -> Receipt {
        Receipt {
            at: self.clock.now().wall,
            epoch: core.epoch(),
            wish,
            said,
        }
    }

    async fn tell<S: Shelf>(
        &self,
        core: &mut Core,
        writer: &mut Writer<S>,
        intent: &Intent,
        reply: Reply,
        answer: Result<Receipt, Rejection>,
    ) {
        // A push comes every few seconds and changes nothing that stays.
        if !matches!(intent.wanted, Wanted::PushedReadings { .. }) || answer.is_err() {
            self.audit(writer, intent, &answer).await;
        }
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

    async fn store_change<S: Shelf>(
        &self,
        core: &Core,
        writer: &mut Writer<S>,
        change: &Change,
        now: Now,
    ) -> Result<(), Rejection> {
        let record = match change {
            Change::Wish { evse, wish } => Some(Record::Wish {
                evse: evse.clone(),
                wish: *wish,
            }),
            Change::Session { evse, input } => core.foresee(evse, input.clone(), now).map(Record::Books),
            Change::Acknowledge(alarm) => Some(Record::Alarm(alarm.clone())),
            Change::Keep(kept) => Some(Record::Keys(kept.clone())),
            Change::Forward { .. } | Change::Order { .. } | Change::Cap { .. } | Change::Pushed { .. } => {
                None
            }
        };
        match record {
            Some(record) => {
                let written = writer.write_change(record).await;
                written.map_err(|why| Rejection::NotStored { why })
            }
            None => Ok(()),
        }
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
        match within(self.store.list::<RuleSet>()).await {
            Ok(sets) => self.take_rules(core, sets),
            Err(error) => tracing::warn!(site.id = %self.site.id, %error, "cannot look up rules"),
        }
    }

    /// A set that was sound when it was kept may name what is no longer there.
    fn take_rules(&self, core: &mut Core, mut sets: Vec<RuleSet>) {
        sets.retain(|set| set.site == self.site.id);
        for problem in core.set_rules(sets, self.clock.now()) {
            tracing::warn!(site.id = %self.site.id, %problem, "a rule set is not used");
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

    /// An answer does not wait longer for the audit log than for anything else; the entry is not lost.
    async fn audit<S: Shelf>(
        &self,
        writer: &mut Writer<S>,
        intent: &Intent,
        answer: &Result<Receipt, Rejection>,
    ) {
        let entry = AuditEntry {
            at: self.clock.now().wall,
            principal: intent.by.clone(),
            door: intent.door.clone(),
            action: action_text(intent),
            outcome: answer
                .as_ref()
                .map_or_else(ToString::to_string, |_| "accepted".to_owned()),
        };
        if let Err(why) = writer.write_change(Record::Audit(entry.clone())).await {
            tracing::error!(site.id = %self.site.id, %why, "cannot write the audit log yet");
            writer.take(Record::Audit(entry), self.clock.now().monotonic);
        }
    }
}

/// What was asked for, without values of vendor keys: they may be secrets.
fn action_text(intent: &Intent) -> String {
    match &intent.wanted {
        Wanted::Mode { evse, mode } => format!("mode of {evse} to {mode:?}"),
        Wanted::Force { evse, force } => format!("force of {evse} to {force:?}"),
        Wanted::Current { evse, current } => format!("current of {evse} to {}", current.to_amps_text()),
        Wanted::Phases { evse, phases } => format!("phases of {evse} to {phases:?}"),
        Wanted::EnergyLimit { evse, limit } => {
            let limit = limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
            format!("energy limit of {evse} to {limit}")
        }
        Wanted::PriceLimit { evse, limit } => {
            let limit = limit.map_or_else(|| "none".to_owned(), PerKwh::to_text);
            format!("price limit of {evse} to {limit}")
        }
        Wanted::TemporaryCurrent { evse, current } => {
            let current = current.map_or_else(|| "none".to_owned(), MilliAmps::to_amps_text);
            format!("temporary current of {evse} to {current}")
        }
        Wanted::PushedReadings { evse, .. } => format!("pushed readings to {evse}"),
        Wanted::Authorise { evse, authorisation } => {
            let who = authorisation
                .user
                .as_ref()
                .map_or("nobody in particular", UserId::as_str);
            format!("charging of {who} at {evse}")
        }
        Wanted::StopTransaction { evse } => format!("stop of the transaction at {evse}"),
        Wanted::VendorWrite { evse, key, .. } => format!("key {key} of {evse}"),
        Wanted::Order { device, order } => match order {
            Order::Set { control, value } => format!("control {control} of {device} to {value}"),
            Order::Question { text } => {
                let text: String = text.chars().take(64).collect();
                format!("question {text} to {device}")
            }
        },
        Wanted::AcknowledgeAlarm { device, code, raised } => {
            let of = device.as_ref().map_or("the site", |device| device.as_str());
            format!("alarm {code:?} of {of}, raised {}, seen", raised.0)
        }
    }
}

/// What control has learned; of another form it is learned again.
fn lasting(stored: Option<(u32, Vec<u8>)>) -> Lasting {
    let bytes = stored.filter(|(version, _)| *version == MEMORY_VERSION);
    bytes
        .and_then(|(_, bytes)| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}
