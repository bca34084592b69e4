//! What is known of one charger and what it shall do, by whichever way it is reached.
//!
//! Fed with keys and values as they come, whole statuses, polls or changes; says what has to be written and
//! what is reported. Of a charger it keeps its document as text and a few typed values, so that ten thousand
//! of them fit into one process.

use std::collections::VecDeque;

use model::device::ForeignPolicy;
use model::document::Document;
use model::id::EvseId;
use model::message::{ForeignWrite, Report};
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};

use super::Common;
use super::document::Text;
use super::target::{Noticed, Target};
use crate::ReplyError;
use crate::goe::DIALECT;
use crate::goe::map::south::{self, Nameplate};
use crate::goe::wire::{Car, Status};

/// Vendor writes that wait their turn; the oldest gives way.
const MOST_WRITES: usize = 16;
/// Reports that nobody fetched; the oldest gives way.
const MOST_EVENTS: usize = 64;
/// Writing a document costs more than everything else of a poll.
const DOCUMENT_EVERY: Millis = Millis(5_000);
/// How often a vendor write without an answer is tried.
const MOST_TRIES: u32 = 3;
/// How long a charger may take to show a key that it says it has taken.
const SHOWS_WITHIN: Millis = Millis(2_800);
/// Between two tries to programme the current it falls back to: it is kept in flash.
const FALL_BACK_EVERY: Millis = Millis(600_000);
/// The most a charger takes.
const MOST_AMPS: i64 = 32;

/// How much an object says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Every key there is.
    Whole,
    /// The keys that change from second to second, and others.
    Poll,
    /// What has changed; the rest is as it was.
    Changes,
}

/// A key of the charger's own to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct VendorWrite {
    /// Who waits for its answer; 0: nobody.
    ticket: u64,
    pub key: String,
    /// JSON text.
    pub value: String,
    tries: u32,
}

/// A write that the charger says it has taken, until it shows.
#[derive(Clone, Debug)]
struct Claimed {
    ticket: u64,
    key: String,
    value: Value,
    until: Monotonic,
}

/// One charger.
#[derive(Debug)]
pub(super) struct Tracker {
    evse: EvseId,
    poll: Millis,
    policy: ForeignPolicy,
    fall_back: Option<i64>,
    fall_back_told: Option<Monotonic>,
    status: Status,
    complete: bool,
    text: Text,
    text_sent: Option<Monotonic>,
    said_last: Option<Monotonic>,
    nameplate: Nameplate,
    target: Option<Target>,
    foreign: Option<ForeignWrite>,
    writes: VecDeque<VendorWrite>,
    claimed: Vec<Claimed>,
    events: VecDeque<Report>,
}

impl Tracker {
    pub(super) fn new(common: Common) -> Self {
        let Common {
            evse,
            poll,
            foreign,
            fall_back,
        } = common;
        Self {
            evse,
            poll,
            policy: foreign,
            fall_back: fall_back.map(amps),
            fall_back_told: None,
            status: Status::default(),
            complete: false,
            text: Text::default(),
            text_sent: None,
            said_last: None,
            nameplate: Nameplate::default(),
            target: None,
            foreign: None,
            writes: VecDeque::new(),
            claimed: Vec::new(),
            events: VecDeque::new(),
        }
    }

    pub(super) const fn evse(&self) -> &EvseId {
        &self.evse
    }

    pub(super) fn is_charging(&self) -> bool {
        self.status.car == Some(Car::Charging)
    }

    pub(super) fn report(&mut self, report: Report) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(report);
    }

    pub(super) fn poll_event(&mut self) -> Option<Report> {
        let event = self.events.pop_front();
        if event.is_none() && self.events.capacity() > 0 {
            // Most of the time there is nothing to say.
            self.events = VecDeque::new();
        }
        event
    }

    /// Takes what somebody wants of the charger.
    pub(super) fn act(&mut self, action: &Action) {
        match action {
            Action::Charge {
                evse,
                current,
                phases,
            } if *evse == self.evse => {
                let next = Target::new(*current, *phases);
                match &mut self.target {
                    Some(target) => target.replace(next),
                    None => self.target = Some(next),
                }
            }
            Action::VendorWrite { ticket, key, value } => self.queue(*ticket, key, value),
            Action::TakeBack { evse } if *evse == self.evse => {
                if let Some(target) = &mut self.target {
                    target.take_back();
                }
            }
            // Another EVSE's, or a battery's: a charger has neither, and no controls.
            Action::Charge { .. }
            | Action::TakeBack { .. }
            | Action::BatteryPower { .. }
            | Action::Order { .. } => {}
        }
    }

    fn queue(&mut self, ticket: u64, key: &str, value: &str) {
        let older = self.writes.iter().position(|write| write.key == key);
        if let Some(older) = older.and_then(|at| self.writes.remove(at)) {
            self.answer(older.ticket, Err(format!("{key}: overtaken by a newer value")));
        }
        if self.writes.len() == MOST_WRITES
            && let Some(oldest) = self.writes.pop_front()
        {
            self.answer(
                oldest.ticket,
                Err(format!("{}: too many writes wait", oldest.key)),
            );
        }
        self.writes.push_back(VendorWrite {
            ticket,
            key: key.to_owned(),
            value: value.to_owned(),
            tries: 0,
        });
    }

    fn answer(&mut self, ticket: u64, answer: Result<(), String>) {
        if ticket != 0 {
            let answer = answer.map(|()| Vec::new());
            self.report(Report::VendorAnswer { ticket, answer });
        }
    }

    /// The vendor write whose turn it is.
    pub(super) fn next_write(&mut self) -> Option<VendorWrite> {
        self.writes.pop_front()
    }

    /// One that has not left after all.
    pub(super) fn put_back(&mut self, write: VendorWrite) {
        self.writes.push_front(write);
    }

    /// One that left and found no answer; it is tried again, not for ever.
    pub(super) fn unanswered(&mut self, mut write: VendorWrite, why: &str) {
        write.tries += 1;
        if self.writes.iter().any(|newer| newer.key == write.key) {
            self.answer(
                write.ticket,
                Err(format!("{}: overtaken by a newer value", write.key)),
            );
        } else if write.tries < MOST_TRIES {
            self.writes.push_front(write);
        } else {
            self.answer(write.ticket, Err(why.to_owned()));
        }
    }

    /// One that cannot be written this way.
    pub(super) fn refuse(&mut self, write: &VendorWrite, words: String) {
        self.answer(write.ticket, Err(words));
    }

    /// What the charger said to a vendor write. Firmware 60.3 says that it has taken what it has not
    /// (API-v2#306), so a good word counts once the key shows, or when the charger never shows that key.
    pub(super) fn answered(&mut self, write: VendorWrite, said: Result<(), String>, now: Now) {
        match said {
            Err(words) => self.answer(write.ticket, Err(words)),
            Ok(()) if write.ticket == 0 => {}
            Ok(()) => self.claimed.push(Claimed {
                ticket: write.ticket,
                value: serde_json::from_str(&write.value).unwrap_or(Value::String(write.value)),
                key: write.key,
                until: now.monotonic + SHOWS_WITHIN,
            }),
        }
    }

    /// What has to be written for the setpoint now.
    pub(super) fn due(&self, now: Monotonic) -> Vec<(&'static str, i64)> {
        let target = self.target.as_ref();
        target.map_or_else(Vec::new, |target| target.writes(&self.status, now))
    }

    /// The same as a query.
    pub(super) fn due_query(&self, now: Monotonic) -> Option<String> {
        self.target.as_ref()?.due(&self.status, now)
    }

    /// What was due has left.
    pub(super) fn sent(&mut self, now: Monotonic) {
        if let Some(target) = &mut self.target {
            target.sent(&self.status, now);
        }
    }

    /// The link was broken: what was written may be lost, what differs may be older.
    pub(super) fn came_back(&mut self) {
        if let Some(target) = &mut self.target {
            target.forget();
        }
    }

    /// Time has passed.
    pub(super) fn expire(&mut self, now: Monotonic) {
        let (over, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.claimed)
            .into_iter()
            .partition(|claimed| claimed.until <= now);
        self.claimed = waiting;
        for Claimed {
            ticket, key, value, ..
        } in over
        {
            let answer = match self.text.get(&key) {
                Some(shown) if !is_same(&value, &shown) => {
                    let shown: String = shown.to_string().chars().take(80).collect();
                    Err(format!("{key}: taken, but the charger goes on showing {shown}"))
                }
                // Some keys are never shown; then its word is all there is.
                Some(_) | None => Ok(()),
            };
            self.answer(ticket, answer);
        }
    }

    /// When [`Self::expire`] is due.
    pub(super) fn poll_timeout(&self) -> Monotonic {
        let next = self.claimed.iter().map(|claimed| claimed.until).min();
        next.unwrap_or(Monotonic(i64::MAX))
    }

    /// Keys and values of the charger. Says whether it has rebooted, and what made no sense.
    pub(super) fn take(&mut self, object: Map<String, Value>, said: Said, now: Now) -> Taken {
        let (fresh, faults) = Status::read(&object);
        let before = self.status;
        let rebooted = matches!((before.rbt, fresh.rbt), (Some(before), Some(after)) if after < before);
        self.status = before.updated(&object, &fresh);
        let source = match said {
            Said::Changes => self.status,
            Said::Whole | Said::Poll => {
                self.status = self.status.with_live(&fresh);
                fresh
            }
        };
        self.show_claimed(&object);
        let is_new = self.nameplate.take(&object);
        self.text.take(&object);
        if self.is_time_to_speak(said, &before, now.monotonic) {
            self.speak(&source, now.monotonic);
        }
        if is_new && let Some(text) = self.nameplate.text() {
            self.report(Report::Identity { text });
        }
        self.send_document(said == Said::Whole, now);
        self.judge(&before, rebooted, now);
        let problem = faults.first().map(|fault| ReplyError {
            asked: format!("key `{}` of /api/status", fault.key),
            came: fault.came.clone(),
            expected: fault.expected.to_owned(),
        });
        let fall_back = self.programme_fall_back(said, now.monotonic);
        Taken {
            rebooted,
            problem: problem.or(fall_back),
        }
    }

    /// Answers are always told; changes at once when they matter, else once in a while.
    fn is_time_to_speak(&self, said: Said, before: &Status, now: Monotonic) -> bool {
        let matters = |status: &Status| {
            (
                (status.car, status.err, status.frc, status.alw),
                (status.amp, status.pha, status.psm, status.nrg),
            )
        };
        said != Said::Changes
            || matters(before) != matters(&self.status)
            || self.said_last.is_none_or(|last| now - last >= self.poll)
    }

    fn speak(&mut self, source: &Status, now: Monotonic) {
        self.said_last = Some(now);
        if let Some(measured) = south::measured(source) {
            self.report(Report::Measured(measured));
        }
        if source.car.is_some()
            && let Some(status) = south::evse_status(&self.status, self.complete)
        {
            self.complete = status.complete;
            self.report(Report::Evse {
                evse: self.evse.clone(),
                status,
            });
        }
    }

    /// What of the status is the setpoint, and what somebody else's.
    fn judge(&mut self, before: &Status, rebooted: bool, now: Now) {
        let Some(target) = &mut self.target else { return };
        let left = before.car != Some(Car::Idle) && self.status.car == Some(Car::Idle);
        if rebooted || left {
            target.take_back();
        }
        match target.compare(&self.status, self.policy) {
            Noticed::Foreign(what) => {
                let write = ForeignWrite {
                    what,
                    since: now.wall,
                };
                self.foreign = Some(write);
                self.report(Report::Foreign { write: Some(write) });
            }
            Noticed::AsTold => self.as_told(),
            Noticed::Nothing if rebooted || left => self.as_told(),
            Noticed::Nothing => {}
        }
    }

    fn as_told(&mut self) {
        if self.foreign.take().is_some() {
            self.report(Report::Foreign { write: None });
        }
    }

    fn show_claimed(&mut self, object: &Map<String, Value>) {
        let mut shown = Vec::new();
        self.claimed.retain(|claimed| {
            let is_shown = object
                .get(&claimed.key)
                .is_some_and(|value| is_same(&claimed.value, value));
            if is_shown {
                shown.push(claimed.ticket);
            }
            !is_shown
        });
        for ticket in shown {
            self.answer(ticket, Ok(()));
        }
    }

    /// The current that the charger falls back to is written when it shows another one, and once in ten
    /// minutes when it does not listen.
    fn programme_fall_back(&mut self, said: Said, now: Monotonic) -> Option<ReplyError> {
        let wanted = self.fall_back?;
        let expected = || format!("{wanted} A, as it was told");
        let shown = match self.status.lof {
            Some(shown) if shown == wanted => {
                self.fall_back_told = None;
                return None;
            }
            Some(shown) => format!("{shown} A"),
            None if said == Said::Whole => "nothing".to_owned(),
            None => return None,
        };
        let told = self.fall_back_told;
        let problem = told
            .filter(|told| now - *told >= SHOWS_WITHIN)
            .map(|_| ReplyError {
                asked: "current to fall back to (`lof`)".to_owned(),
                came: shown,
                expected: expected(),
            });
        if told.is_none_or(|told| now - told >= FALL_BACK_EVERY) {
            self.fall_back_told = Some(now);
            self.queue(0, "lof", &wanted.to_string());
        }
        problem
    }

    /// The document: after a whole status at most once a second, else every few seconds. What moves in between
    /// is in the typed reports, which are laid over it.
    fn send_document(&mut self, whole: bool, now: Now) {
        let pause = if whole { Millis(1_000) } else { DOCUMENT_EVERY };
        let due = self.text_sent.is_none_or(|sent| now.monotonic - sent >= pause);
        if due {
            self.text_sent = Some(now.monotonic);
            let document = Document {
                dialect: DIALECT.name.to_owned(),
                at: now,
                json: self.text.merged(),
            };
            self.report(Report::Document(document));
        }
    }
}

/// What came of keys and values.
#[derive(Debug)]
pub(super) struct Taken {
    pub rebooted: bool,
    pub problem: Option<ReplyError>,
}

/// Whole amperes as the charger takes them; 0 is paused.
fn amps(current: ChargeCurrent) -> i64 {
    current
        .current()
        .map_or(0, |current| current.amps_rounded_down().min(MOST_AMPS))
}

/// Whether a charger shows what was written, however it prints numbers.
fn is_same(written: &Value, shown: &Value) -> bool {
    match (written, shown) {
        (Value::Number(a), Value::Number(b)) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => (a - b).abs() <= 1e-6 * a.abs().max(1.0),
            _ => a == b,
        },
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        _ => written == shown,
    }
}
