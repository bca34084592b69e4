//! The cycle of one site, sans-IO.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use control::snapshot::Snapshot;
use control::{Decision, Finding, Lasting, Memory, Verdict as Decided};
use model::alarm::{Alarm, AlarmCode};
use model::device::{Device, Evse, Force, ForeignPolicy, LinkState, Wish};
use model::id::{DeviceId, EvseId};
use model::intent::Rejection;
use model::message::{ForeignWhat, ForeignWrite, Notice, Report, Reported};
use model::phases::Phases;
use model::reading::{Pushed, Quantity};
use model::reason::{Cause, Reason};
use model::session::{LedgerEntry, Session};
use model::setpoint::{Action, ChargeCurrent, Setpoint};
use model::settings::ControlSettings;
use model::site::Site;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, Watts};
use model::vendor::{Keys, VendorKeys};
use model::view::CycleView;
use store::DeviceSeen;

use crate::alarms::Alarms;
use crate::cycle;
use crate::dimming::Dimming;
use crate::dispatch::Dispatch;
use crate::image::{Effect, Image};
use crate::intents::{self, Change};
use crate::overdraft::Account;
use crate::record::Record;
use crate::recorder::{self, Recorder};
use crate::rules::Rules;
use crate::sessions::{Directory, Sessions};
use crate::tickets::{Asked, Tickets, Verdict};

/// Documents and signs of life are stored this often.
const KEEP_EVERY: Millis = Millis(60_000);

/// What control has learned is stored this often.
const KEEP_MEMORY_EVERY: Millis = Millis(300_000);

/// A ceiling that goes by itself lasts so long unless it is asked for again.
const CAP_LASTS: Millis = Millis(600_000);

/// A ceiling that goes by itself. It is not stored: a restart forgets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cap {
    pub current: MilliAmps,
    pub until: Monotonic,
    pub ends: Timestamp,
}

/// What the store gave back at the start.
#[derive(Clone, Debug, Default)]
pub struct Restored {
    pub wishes: Vec<(EvseId, Wish)>,
    pub setpoints: Vec<(EvseId, ChargeCurrent)>,
    pub devices: Vec<(DeviceId, DeviceSeen)>,
    /// Those not cleared, and those cleared within the last minute.
    pub alarms: Vec<Alarm>,
    /// Open sessions, the first plugged in first.
    pub sessions: Vec<Session>,
    /// The latest quarter-hours, in order of time.
    pub ledger: Vec<LedgerEntry>,
    pub directory: Directory,
    pub keys: Vec<VendorKeys>,
    /// What control has learned.
    pub lasting: Lasting,
}

/// The engine of one site.
///
/// Feed it with [`Core::handle_report`], [`Core::apply`] and [`Core::handle_timeout`]; fetch what it wants
/// done with [`Core::poll_setpoint`] and [`Core::poll_record`]; come back at [`Core::poll_timeout`].
pub struct Core {
    pub(crate) site: Arc<Site>,
    pub(crate) settings: ControlSettings,
    pub(crate) epoch: u64,
    pub(crate) image: Image,
    pub(crate) wishes: BTreeMap<EvseId, Wish>,
    pub(crate) memory: Memory,
    /// What the last cycle saw.
    pub(crate) snapshot: Option<Snapshot>,
    pub(crate) decision: Decision,
    pub(crate) dispatch: Dispatch,
    pub(crate) reasons: BTreeMap<EvseId, Reason>,
    pub(crate) alarms: Alarms,
    pub(crate) account: Account,
    pub(crate) recorder: Recorder,
    pub(crate) kept: BTreeMap<DeviceId, (Monotonic, Monotonic)>,
    pub(crate) setpoints: VecDeque<Setpoint>,
    pub(crate) records: VecDeque<Record>,
    pub(crate) due: Monotonic,
    pub(crate) cycle: CycleView,
    pub(crate) house: VecDeque<Watts>,
    pub(crate) sessions: Sessions,
    pub(crate) caps: BTreeMap<EvseId, Cap>,
    pub(crate) pushed: BTreeMap<EvseId, (Pushed, Now)>,
    /// Whose pushed readings the last cycle used.
    pub(crate) leans_on: Option<EvseId>,
    /// What somebody else changed at charging stations.
    pub(crate) foreign: BTreeMap<EvseId, ForeignWrite>,
    /// Of the last cycle, in the order of the site.
    pub(crate) price_allows: Vec<Option<bool>>,
    pub(crate) tickets: Tickets,
    /// Of EVSEs whose charging station speaks another language.
    pub(crate) keys: BTreeMap<EvseId, Keys>,
    pub(crate) rules: Rules,
    pub(crate) dimming: Dimming,
    /// When what control has learned was written down last.
    pub(crate) memory_kept: Monotonic,
}

impl Core {
    /// `record_every` is the interval of the history.
    pub fn new(
        site: Arc<Site>,
        settings: ControlSettings,
        epoch: u64,
        restored: Restored,
        record_every: Millis,
        now: Now,
    ) -> Self {
        let mut wishes: BTreeMap<EvseId, Wish> = site
            .evses()
            .map(|(_, evse)| (evse.id.clone(), Wish::default_of(evse)))
            .collect();
        for (evse, wish) in restored.wishes {
            if let Some(place) = wishes.get_mut(&evse) {
                *place = wish;
            }
        }
        let mut image = Image::of(&site);
        for (device, seen) in restored.devices {
            if let Some(place) = image.devices.get_mut(&device) {
                place.identity = seen.identity;
                place.last_seen = Some(seen.at);
            }
        }
        let mut alarms = Alarms::restored(site.id.clone(), restored.alarms);
        let retired = alarms.retire(|alarm| is_judged(&site, alarm), now.wall);
        let (sessions, closed) = Sessions::restored(
            &site,
            epoch,
            restored.sessions,
            restored.ledger,
            restored.directory,
            now,
        );
        let mut records: VecDeque<Record> = retired.into_iter().map(Record::Alarm).collect();
        if !closed.is_empty() {
            records.push_back(Record::Books(closed));
        }
        Self {
            sessions,
            caps: BTreeMap::new(),
            pushed: BTreeMap::new(),
            leans_on: None,
            foreign: BTreeMap::new(),
            price_allows: Vec::new(),
            tickets: Tickets::of_epoch(epoch),
            keys: restored
                .keys
                .into_iter()
                .map(|kept| (kept.evse, kept.keys))
                .collect(),
            alarms,
            image,
            wishes,
            memory: {
                let mut memory = Memory::restored(restored.setpoints);
                memory.recall(restored.lasting);
                memory
            },
            dimming: Dimming::default(),
            memory_kept: now.monotonic,
            snapshot: None,
            decision: Decision::default(),
            dispatch: Dispatch::default(),
            reasons: BTreeMap::new(),
            account: Account::default(),
            recorder: Recorder::new(record_every),
            kept: BTreeMap::new(),
            setpoints: VecDeque::new(),
            records,
            due: now.monotonic,
            cycle: CycleView::default(),
            rules: Rules::default(),
            house: VecDeque::new(),
            site,
            settings,
            epoch,
        }
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    pub fn wishes(&self) -> &BTreeMap<EvseId, Wish> {
        &self.wishes
    }

    pub(crate) fn image(&self) -> &Image {
        &self.image
    }

    /// An EVSE with its station.
    pub(crate) fn evse(&self, id: &EvseId) -> Result<(&Device, &Evse), Rejection> {
        self.site
            .evses()
            .find(|(_, evse)| evse.id == *id)
            .ok_or_else(|| Rejection::Unknown {
                what: "EVSE".to_owned(),
                id: id.to_string(),
            })
    }

    /// Takes a reading, a state or a document of a device.
    pub fn handle_report(&mut self, reported: &Reported) {
        let came_back = matches!(reported.report, Report::Link(LinkState::Online))
            && self
                .image
                .devices
                .get(&reported.device)
                .is_some_and(|d| d.link != LinkState::Online);
        let effect = self.image.take(reported);
        self.record(reported);
        self.keep(reported);
        self.note_word(reported);
        self.session_report(reported);
        if came_back {
            self.tell_again(&reported.device);
        }
        match (&reported.report, effect) {
            (Report::Link(state), _) => self.judge_link(&reported.device, state, reported.at.wall),
            (Report::Foreign { write }, _) => self.note_foreign(&reported.device, *write, reported.at.wall),
            (Report::Notice { notice, text }, _) => {
                self.note(&reported.device, *notice, text.clone(), reported.at.wall);
            }
            (_, Effect::Urgent) => self.due = reported.at.monotonic,
            (Report::Evse { evse, .. }, Effect::Unplugged) => {
                self.due = reported.at.monotonic;
                self.release_force(evse);
            }
            (_, Effect::Nothing | Effect::Unplugged) => {}
        }
    }

    /// What somebody kept for a while belongs into the history at the time at which it was measured.
    fn record(&mut self, reported: &Reported) {
        let at = reported.at.wall;
        match &reported.report {
            Report::Measured(measured) if self.recorder.is_past(at) => {
                if self.site.device(&reported.device).is_some() {
                    let samples = measured.values().map(|(quantity, value)| (at, quantity, value));
                    let samples: Vec<_> = samples.collect();
                    let columns = recorder::past(&reported.device, &samples, at + Millis(1));
                    self.records.push_back(Record::Past(columns));
                }
            }
            Report::Measured(_)
            | Report::Evse { .. }
            | Report::Identity { .. }
            | Report::Document(_)
            | Report::VendorAnswer { .. }
            | Report::Controls(_)
            | Report::Link(_)
            | Report::Foreign { .. }
            | Report::Past { .. }
            | Report::Notice { .. } => self.recorder.take(reported),
        }
    }

    /// Somebody else wrote to a station, or it is as we told it again.
    fn note_foreign(&mut self, device: &DeviceId, write: Option<ForeignWrite>, now: Timestamp) {
        let Some(device) = self.site.device(device) else {
            return;
        };
        for evse in device.evses() {
            match write {
                Some(write) => self.foreign.insert(evse.id.clone(), write),
                None => self.foreign.remove(&evse.id),
            };
        }
        let policy = device.link.foreign_policy();
        let text = write.map(|write| foreign_text(&device.name, write.what, policy));
        let alarm = self
            .alarms
            .set(Some(&device.id), AlarmCode::ForeignWriter, text, now);
        self.records.extend(alarm.map(Record::Alarm));
    }

    /// What a link has noticed beside its device.
    fn note(&mut self, device: &DeviceId, notice: Notice, text: Option<String>, now: Timestamp) {
        let (device, code) = match notice {
            Notice::LoggerClaimedTwice => (Some(device), AlarmCode::LoggerClaimedTwice),
            Notice::LoggerUnknown => (None, AlarmCode::LoggerUnknown),
            Notice::RiskSeen => (Some(device), AlarmCode::RiskSeen),
            Notice::DeviceWarning => (Some(device), AlarmCode::DeviceWarning),
        };
        let alarm = self.alarms.set(device, code, text, now);
        self.records.extend(alarm.map(Record::Alarm));
    }

    /// A wish that comes after what somebody else did to the station counts more.
    fn take_back(&mut self, evse: &EvseId) {
        let station = self.site.evses().find(|(_, own)| own.id == *evse);
        let Some((station, _)) = station else { return };
        if self.alarms.is_open(Some(&station.id), AlarmCode::ForeignWriter) {
            self.setpoints.push_back(Setpoint {
                device: station.id.clone(),
                epoch: self.epoch,
                action: Action::TakeBack { evse: evse.clone() },
            });
        }
    }

    /// Takes what a device says to a write, or shows of one.
    fn note_word(&mut self, reported: &Reported) {
        match &reported.report {
            Report::VendorAnswer { ticket, answer } => {
                self.tickets
                    .answer(&reported.device, *ticket, answer, reported.at.monotonic);
            }
            Report::Document(document) => {
                let site = &self.site;
                let is_its = |evse: &EvseId| {
                    let device = site.device(&reported.device);
                    device.is_some_and(|device| device.evses().iter().any(|own| own.id == *evse))
                };
                self.tickets.shown(&document.dialect, &document.json, is_its);
            }
            Report::Measured(_)
            | Report::Evse { .. }
            | Report::Identity { .. }
            | Report::Controls(_)
            | Report::Link(_)
            | Report::Foreign { .. }
            | Report::Past { .. }
            | Report::Notice { .. } => {}
        }
    }

    /// What somebody else changed explains what a car gets, where our own decision would let it charge, or
    /// where it charges against it.
    fn cause(&self, station: &Device, evse: &EvseId, verdict: &Decided) -> Cause {
        let Some(ForeignWrite { what, .. }) = self.foreign.get(evse).copied() else {
            return verdict.cause.clone();
        };
        // Who is silent is not known to do anything.
        let is_known = !matches!(verdict.cause, Cause::StationSilent { .. } | Cause::StartingUp);
        if !is_known || verdict.told.is_paused() != matches!(what, ForeignWhat::Started) {
            return verdict.cause.clone();
        }
        Cause::ChangedElsewhere {
            what,
            policy: station.link.foreign_policy(),
        }
    }

    /// Makes an accepted change take effect; the next cycle runs at once. Where a device has the last word, it
    /// comes as a [`Verdict`] with the ticket that is returned.
    pub fn apply(&mut self, change: Change, now: Now) -> Option<u64> {
        match change {
            Change::Wish { evse, wish } => {
                self.take_back(&evse);
                self.wishes.insert(evse, wish);
                self.due = now.monotonic;
            }
            Change::Cap { evse, current } => {
                match current {
                    Some(current) => {
                        let cap = Cap {
                            current,
                            until: now.monotonic + CAP_LASTS,
                            ends: now.wall + CAP_LASTS,
                        };
                        self.caps.insert(evse, cap);
                    }
                    None => {
                        self.caps.remove(&evse);
                    }
                }
                self.due = now.monotonic;
            }
            Change::Pushed { evse, readings } => {
                self.pushed.insert(evse, (readings, now));
            }
            Change::Session { evse, input } => {
                self.session_input(&evse, input, now);
                self.due = now.monotonic;
            }
            Change::Forward { device, write } => {
                let asked = Asked::Write(write.clone());
                let ticket = self.tickets.open(device.clone(), asked, now.monotonic);
                self.setpoints.push_back(Setpoint {
                    device,
                    epoch: self.epoch,
                    action: Action::VendorWrite {
                        ticket,
                        key: write.key,
                        value: write.value,
                    },
                });
                return Some(ticket);
            }
            Change::Order { device, order } => {
                let ticket = self.tickets.open(device.clone(), Asked::Order, now.monotonic);
                self.setpoints.push_back(Setpoint {
                    device,
                    epoch: self.epoch,
                    action: Action::Order { ticket, order },
                });
                return Some(ticket);
            }
            Change::Keep(kept) => {
                self.keys.insert(kept.evse, kept.keys);
            }
            Change::Acknowledge(seen) => self.alarms.note_acknowledged(&seen),
        }
        None
    }

    /// Runs the cycle if it is due. Says whether it ran, so that the view can go out.
    pub fn handle_timeout(&mut self, now: Now) -> bool {
        let (site, image) = (&self.site, &self.image);
        self.tickets.expire(now.monotonic, |device| {
            let Some(device) = site.device(device) else {
                return Rejection::Unknown {
                    what: "device".to_owned(),
                    id: device.to_string(),
                };
            };
            let offline = intents::check_online(device, image);
            offline.err().unwrap_or_else(|| Rejection::Busy {
                why: format!("{} has not answered in time", device.name),
            })
        });
        if now.monotonic < self.due {
            return false;
        }
        self.due = now.monotonic + self.settings.period;
        let mut snapshot = self.freeze(now);
        self.leans_on = self.lean(&mut snapshot, now.monotonic);
        self.rule(&mut snapshot, now);
        self.price_allows.clear();
        self.price_allows
            .extend(snapshot.evses.iter().map(control::snapshot::Evse::price_allows));
        self.account.observe(&snapshot, now.monotonic);
        control::step(&snapshot, &mut self.memory, now, &mut self.decision);
        self.dispatch_all(&snapshot, now);
        self.judge(&snapshot, now);
        self.observe_house(now);
        self.session_cycle(now);
        self.record_derived(now);
        self.audit_dimming(now);
        self.keep_memory(now.monotonic);
        let samples = self.recorder.drain(now.wall);
        if !samples.is_empty() {
            self.records.push_back(Record::Samples(samples));
        }
        self.cycle.count += 1;
        self.snapshot = Some(snapshot);
        true
    }

    /// The snapshot of a cycle: readings and wishes, and what sessions say of them.
    fn freeze(&self, now: Now) -> Snapshot {
        let mut snapshot = cycle::freeze(&self.site, self.settings, &self.image, &self.wishes, now);
        snapshot.dimming = self.dimming.in_force(now.wall);
        for evse in &mut snapshot.evses {
            evse.barred = self
                .sessions
                .barred(&evse.id)
                .or_else(|| self.had_enough(&evse.id));
            evse.cap = self.cap(&evse.id, now.monotonic).map(|cap| cap.current);
            evse.price = evse.wish.price_limit.and_then(|_| {
                let session = self.sessions.session(&evse.id);
                let priced = self.sessions.priced(&self.site, session, now.wall)?;
                Some((priced.price, priced.currency))
            });
            let session = self.sessions.session(&evse.id);
            // An estimate only rises.
            let charge = session.and_then(|session| self.sessions.soc(session));
            evse.soc = charge.filter(|charge| !charge.estimated).map(|charge| charge.soc);
            evse.wish.phases = self.sessions.phases(&evse.id, evse.wish.phases);
        }
        snapshot
    }

    /// Where nothing of the site's own says what flows at its grid connection, what was pushed last does. It says
    /// what the sun leaves over and nothing else: no circuit gets room by it.
    fn lean(&self, snapshot: &mut Snapshot, now: Monotonic) -> Option<EvseId> {
        if snapshot.sun.grid.is_some() {
            return None;
        }
        let fresh = self
            .pushed
            .keys()
            .filter_map(|evse| Some((evse, self.fresh_push(evse, now)?)));
        let (evse, (readings, _)) = fresh.max_by_key(|(_, (_, at))| at.monotonic)?;
        // What a battery gives is no sun.
        let given = readings.battery.filter(|_| snapshot.sun.battery.is_none());
        let given = given.map_or(Watts::ZERO, |power| (-power).at_least_zero());
        snapshot.sun.grid = Some(readings.grid + given);
        snapshot.sun.pv = snapshot.sun.pv.or(readings.pv);
        Some(evse.clone())
    }

    pub(crate) fn fresh_push(&self, evse: &EvseId, now: Monotonic) -> Option<(Pushed, Now)> {
        let pushed = self.pushed.get(evse).copied();
        pushed.filter(|(_, at)| now - at.monotonic <= Pushed::LASTS)
    }

    /// Why a car gets no more, when it has had what was asked for.
    fn had_enough(&self, evse: &EvseId) -> Option<Cause> {
        let limit = self.wishes.get(evse)?.energy_limit?;
        let status = self.image.evses.get(evse)?.status.as_ref()?;
        if !status.value.pilot.is_plugged() {
            return None;
        }
        // Charging stations count as well; whoever counts more is right.
        let counted = self.sessions.session(evse).map(Session::energy);
        let charged = counted.max(status.value.session_energy)?;
        (charged >= limit).then_some(Cause::EnergyLimitReached { limit, charged })
    }

    /// The ceiling that goes by itself, while it has not gone.
    pub(crate) fn cap(&self, evse: &EvseId, now: Monotonic) -> Option<Cap> {
        self.caps.get(evse).copied().filter(|cap| now < cap.until)
    }

    /// How long the last cycle took, by the shell's clock.
    pub fn note_duration(&mut self, micros: u64) {
        self.cycle.last_us = micros;
    }

    /// Says whether the store works (`problem` is what it said if not), and whether records had to be set
    /// aside because it does not take them (`aside` says where they are).
    pub fn note_store(&mut self, problem: Option<String>, aside: Option<String>, now: Now) {
        for (code, text) in [
            (AlarmCode::StoreFailing, problem),
            (AlarmCode::RecordsSetAside, aside),
        ] {
            let alarm = self.alarms.set(None, code, text, now.wall);
            self.records.extend(alarm.map(Record::Alarm));
        }
    }

    pub fn poll_setpoint(&mut self) -> Option<Setpoint> {
        self.setpoints.pop_front()
    }

    pub fn poll_record(&mut self) -> Option<Record> {
        self.records.pop_front()
    }

    /// What became of a write that a device had the last word on.
    pub fn poll_verdict(&mut self) -> Option<Verdict> {
        self.tickets.poll_verdict()
    }

    /// When [`Core::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Monotonic {
        self.tickets
            .poll_timeout()
            .map_or(self.due, |due| due.min(self.due))
    }

    fn dispatch_all(&mut self, snapshot: &Snapshot, now: Now) {
        let mut changed = Vec::new();
        for (index, (station, evse)) in self.site.evses().enumerate() {
            let Some(verdict) = self.decision.verdicts.get(index) else {
                continue;
            };
            let cause = self.cause(station, &evse.id, verdict);
            let since = match self.reasons.get(&evse.id) {
                Some(reason) if reason.cause.code() == cause.code() => reason.since,
                Some(_) | None => now.wall,
            };
            self.reasons.insert(evse.id.clone(), Reason { cause, since });
            if !station.enabled || self.settings.observe {
                continue;
            }
            let before = self.dispatch.told(&evse.id);
            if !self
                .dispatch
                .must_send(&evse.id, verdict.told, verdict.phases, now.monotonic)
            {
                continue;
            }
            if before.is_none_or(|told| verdict.told > told.current) {
                self.account
                    .raised(snapshot, snapshot.evses[index].circuit, now.monotonic);
            }
            if before.is_none_or(|told| told.current != verdict.told) {
                changed.push((evse.id.clone(), verdict.told));
                self.recorder.add(
                    &format!("evse:{}", evse.id),
                    Quantity::Setpoint,
                    verdict.told.or_zero().0,
                );
            }
            self.setpoints.push_back(Setpoint {
                device: station.id.clone(),
                epoch: self.epoch,
                action: Action::Charge {
                    evse: evse.id.clone(),
                    current: verdict.told,
                    phases: verdict.phases,
                },
            });
        }
        // Decreases leave first, also among several stations.
        let told = |s: &Setpoint| match &s.action {
            Action::Charge { current, .. } => current.or_zero(),
            Action::BatteryPower { .. }
            | Action::TakeBack { .. }
            | Action::VendorWrite { .. }
            | Action::Order { .. } => MilliAmps::ZERO,
        };
        self.setpoints.make_contiguous().sort_by_key(told);
        if !changed.is_empty() {
            self.records.push_back(Record::Setpoints(changed));
        }
    }

    fn judge(&mut self, snapshot: &Snapshot, now: Now) {
        let mut silent = Vec::new();
        let mut exceeded = Vec::new();
        let mut stubborn = Vec::new();
        for finding in &self.decision.findings {
            match finding {
                Finding::MeterSilent { circuit } => silent.push(*circuit),
                Finding::LimitExceeded { circuit, .. } => exceeded.push(*circuit),
                Finding::NotFollowing { evse } => stubborn.push(*evse),
                // The link's own alarm says why.
                Finding::StationSilent { .. } => {}
            }
        }
        for (index, circuit) in snapshot.circuits.iter().enumerate() {
            let Some(meter) = &circuit.meter else { continue };
            let text = silent.contains(&index).then(|| {
                format!(
                    "meter {} of circuit {} is silent; cars below it get their fall-back current",
                    meter.device, circuit.id
                )
            });
            let raised = self
                .alarms
                .set(Some(&meter.device), AlarmCode::MeterSilent, text, now.wall);
            self.records.extend(raised.map(Record::Alarm));
            let text = exceeded.contains(&index).then(|| {
                format!(
                    "circuit {} is above its limit; cars have been told to go down",
                    circuit.id
                )
            });
            let raised = self
                .alarms
                .set(Some(&meter.device), AlarmCode::LimitExceeded, text, now.wall);
            self.records.extend(raised.map(Record::Alarm));
        }
        let mut not_following = Vec::new();
        for (index, (station, evse)) in self.site.evses().enumerate() {
            let text = stubborn.contains(&index).then(|| {
                format!(
                    "{} does not follow its setpoint; what it draws is kept free for it",
                    evse.name
                )
            });
            not_following.extend(
                self.alarms
                    .set(Some(&station.id), AlarmCode::NotFollowing, text, now.wall),
            );
        }
        self.records.extend(not_following.into_iter().map(Record::Alarm));
        let silent = self.sessions.silent_cars(now.wall);
        let text = (!silent.is_empty()).then(|| {
            format!(
                "{} has not told for long how full it is; charging goes by the estimate",
                silent.join(", ")
            )
        });
        let raised = self.alarms.set(None, AlarmCode::SocStale, text, now.wall);
        self.records.extend(raised.map(Record::Alarm));
    }

    fn judge_link(&mut self, device: &DeviceId, state: &LinkState, now: Timestamp) {
        let text = match state {
            LinkState::Offline { problem } => Some(problem.clone()),
            LinkState::Online => None,
            // Nothing is known yet, neither good nor bad.
            LinkState::Connecting => return,
        };
        let alarm = self.alarms.set(Some(device), AlarmCode::DeviceOffline, text, now);
        self.records.extend(alarm.map(Record::Alarm));
    }

    fn record_derived(&mut self, now: Now) {
        let flow = self.flow(now);
        if let Some(house) = flow.house {
            self.recorder
                .add(&format!("site:{}", self.site.id), Quantity::Power, house.0);
        }
        for (station, evse) in self.site.evses() {
            if let Some(power) = self.evse_power(station, evse) {
                self.recorder
                    .add(&format!("evse:{}", evse.id), Quantity::Power, power.0);
            }
        }
    }

    fn keep(&mut self, reported: &Reported) {
        let (seen_at, document_at) = self
            .kept
            .get(&reported.device)
            .copied()
            .unwrap_or((Monotonic(i64::MIN), Monotonic(i64::MIN)));
        let due = |at: Monotonic| reported.at.monotonic - at >= KEEP_EVERY;
        match &reported.report {
            Report::Document(document) if due(document_at) => {
                self.records.push_back(Record::Document {
                    device: reported.device.clone(),
                    document: document.clone(),
                });
                self.kept
                    .insert(reported.device.clone(), (seen_at, reported.at.monotonic));
            }
            Report::Measured(_) | Report::Identity { .. } if due(seen_at) => {
                let identity = self
                    .image
                    .devices
                    .get(&reported.device)
                    .and_then(|d| d.identity.clone());
                self.records.push_back(Record::Device {
                    device: reported.device.clone(),
                    seen: DeviceSeen {
                        at: reported.at.wall,
                        identity,
                    },
                });
                self.kept
                    .insert(reported.device.clone(), (reported.at.monotonic, document_at));
            }
            Report::Past { samples } if self.site.device(&reported.device).is_some() => {
                let columns = recorder::past(&reported.device, samples, reported.at.wall);
                if !columns.is_empty() {
                    self.records.push_back(Record::Past(columns));
                }
            }
            Report::Past { .. }
            | Report::Notice { .. }
            | Report::Document(_)
            | Report::VendorAnswer { .. }
            | Report::Controls(_)
            | Report::Foreign { .. }
            | Report::Measured(_)
            | Report::Identity { .. }
            | Report::Link(_)
            | Report::Evse { .. } => {}
        }
    }

    /// What control has learned outlives the process.
    fn keep_memory(&mut self, now: Monotonic) {
        if now - self.memory_kept >= KEEP_MEMORY_EVERY {
            self.memory_kept = now;
            self.records
                .push_back(Record::Memory(Box::new(self.memory.lasting())));
        }
    }

    /// A station that was away may have forgotten everything.
    fn tell_again(&mut self, station: &DeviceId) {
        let Some(device) = self.site.device(station) else {
            return;
        };
        for evse in device.evses() {
            self.dispatch.forget(&evse.id);
        }
    }

    /// The switch above the mode falls back when the car leaves.
    fn release_force(&mut self, evse: &EvseId) {
        if let Some(wish) = self
            .wishes
            .get_mut(evse)
            .filter(|wish| wish.force != Force::Neutral)
        {
            wish.force = Force::Neutral;
            self.records.push_back(Record::Wish {
                evse: evse.clone(),
                wish: *wish,
            });
        }
    }
}

fn foreign_text(station: &str, what: ForeignWhat, policy: ForeignPolicy) -> String {
    let what = match what {
        ForeignWhat::Current(current) => format!("set {station} to {}", current.to_amps_text()),
        ForeignWhat::Paused => format!("paused {station}"),
        ForeignWhat::Started => format!("started {station}"),
        ForeignWhat::Phases(Phases::One) => format!("set {station} to one phase"),
        ForeignWhat::Phases(Phases::Three) => format!("set {station} to three phases"),
    };
    let then = match policy {
        ForeignPolicy::Reassert => "it is told again what it shall do",
        ForeignPolicy::Yield => {
            "what is less than ours stands until the car leaves or somebody makes a new wish"
        }
        ForeignPolicy::Ask => {
            "what is less than ours stands: acknowledge this to leave it so, or make a new wish to take it back"
        }
    };
    format!("somebody else {what}; {then}")
}

/// Whether somebody will say that an alarm from before the start is over. The store has just answered.
fn is_judged(site: &Site, alarm: &Alarm) -> bool {
    if alarm.code == AlarmCode::SocStale {
        return true;
    }
    let device = alarm.device.as_ref().and_then(|id| site.device(id));
    let Some(device) = device.filter(|device| device.enabled) else {
        return false;
    };
    match alarm.code {
        AlarmCode::DeviceOffline => true,
        AlarmCode::MeterSilent | AlarmCode::LimitExceeded => site
            .circuits
            .iter()
            .any(|circuit| circuit.meter.as_ref() == Some(&device.id)),
        AlarmCode::NotFollowing => !device.evses().is_empty(),
        AlarmCode::StoreFailing
        | AlarmCode::RecordsSetAside
        | AlarmCode::PricesStale
        | AlarmCode::ForeignWriter
        | AlarmCode::LoggerClaimedTwice
        | AlarmCode::LoggerUnknown
        | AlarmCode::RiskSeen
        | AlarmCode::DeviceWarning
        | AlarmCode::SocStale => false,
    }
}
