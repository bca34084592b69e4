//! Follows one charger over the broker that it publishes to.
//!
//! The broker keeps the last value of every key, also of a charger that has been off for a month. What was kept
//! is taken as a ground, and counts once the charger itself has been heard for [`SETTLE`]: by then it has
//! published every key anew if it had been away. A charger that says nothing for [`SILENT`] is offline,
//! whatever the broker holds. The transport connects again by itself.

use std::collections::VecDeque;

use model::gateway::Unit;
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};

use super::tracker::{Said, Tracker, VendorWrite};
use super::{Common, WAITS};
use crate::attempts::Attempts;
use crate::goe::topics::{self, Topic};
use crate::{Event, Failure, Incoming, Outgoing, Reply, ReplyError, Request};

/// How long a charger may be without a word. `rbt` and `utc` change each second.
const SILENT: Millis = Millis(15_000);
/// How long a charger is heard before what the broker had kept counts.
const SETTLE: Millis = Millis(3_000);
/// Keys come one by one; those of one moment are taken together.
const GATHER: Millis = Millis(200);
/// How long a charger may take to say what became of a write.
const ANSWER_WITHIN: Millis = Millis(5_000);
/// Keys that are kept; chargers export 119.
const MOST_KEYS: usize = 2_000;
/// Pushes that nobody fetched.
const MOST_OUT: usize = 64;

/// Where the charger is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MqttSettings {
    /// As it is shown.
    pub broker: String,
    /// `go-eCharger/000001/`
    pub prefix: String,
}

impl MqttSettings {
    /// What has to be subscribed to: the keys and the results of writes.
    #[must_use]
    pub fn filters(&self) -> [String; 2] {
        [format!("{}+", self.prefix), format!("{}+/result", self.prefix)]
    }
}

/// A write whose result has not come.
#[derive(Debug)]
struct Asked {
    key: String,
    vendor: Option<VendorWrite>,
    until: Monotonic,
}

/// The client half of the dialect, over MQTT.
#[derive(Debug)]
pub struct Client {
    tracker: Tracker,
    settings: MqttSettings,
    attempts: Attempts,
    started: bool,
    broker_is_there: bool,
    /// Since when it has been heard without a pause.
    alive_since: Option<Monotonic>,
    heard: Monotonic,
    /// Keys that have not been taken yet, and since when.
    gathered: Map<String, Value>,
    gathering_since: Option<Monotonic>,
    asked: Vec<Asked>,
    now: Monotonic,
    out: VecDeque<Outgoing>,
}

impl Client {
    #[must_use]
    pub fn new(common: Common, settings: MqttSettings) -> Self {
        let attempts = Attempts::new(&format!("{} {}", settings.broker, common.evse), WAITS);
        Self {
            tracker: Tracker::new(common),
            settings,
            attempts,
            started: false,
            broker_is_there: false,
            alive_since: None,
            heard: Monotonic(i64::MIN),
            gathered: Map::new(),
            gathering_since: None,
            asked: Vec::new(),
            now: Monotonic(i64::MIN),
            out: VecDeque::new(),
        }
    }

    fn push(&mut self, outgoing: Outgoing) {
        if self.out.len() < MOST_OUT {
            self.out.push_back(outgoing);
        }
    }

    fn problem(&self, what: &str, hint: &str) -> String {
        format!(
            "cannot follow {} of charger \"{}\" at {}: {what}; {hint}",
            self.settings.prefix,
            self.tracker.evse(),
            self.settings.broker
        )
    }

    fn lost(&mut self, what: &str, hint: &str, now: Monotonic) {
        let problem = self.problem(what, hint);
        self.alive_since = None;
        if let Some(state) = self.attempts.give_up(problem, now) {
            self.tracker.report(Report::Link(state));
        }
        for asked in std::mem::take(&mut self.asked) {
            if let Some(write) = asked.vendor {
                self.tracker.unanswered(write, "the connection broke");
            }
        }
    }

    fn advance(&mut self, now: Now) -> Result<(), ReplyError> {
        self.now = now.monotonic;
        self.tracker.expire(now.monotonic);
        if !self.started {
            self.started = true;
            self.heard = now.monotonic;
            self.push(Outgoing::Open);
        }
        if self.broker_is_there && now.monotonic - self.heard >= SILENT {
            // Said again only when it has come and gone.
            self.heard = Monotonic(i64::MAX / 2);
            self.lost(
                &format!("nothing heard for {} s", SILENT.0 / 1_000),
                "check that the charger has power, that MQTT is on in its app, and the prefix",
                now.monotonic,
            );
        }
        let taken = self.take_gathered(now);
        if self.is_settled(now.monotonic) {
            self.write(now);
        }
        taken
    }

    fn is_settled(&self, now: Monotonic) -> bool {
        self.alive_since.is_some_and(|since| now - since >= SETTLE)
    }

    fn take_gathered(&mut self, now: Now) -> Result<(), ReplyError> {
        let gathered_enough = self
            .gathering_since
            .is_some_and(|since| now.monotonic - since >= GATHER);
        if !gathered_enough || !self.is_settled(now.monotonic) {
            return Ok(());
        }
        self.gathering_since = None;
        let object = std::mem::take(&mut self.gathered);
        let came_back = self.attempts.succeeded();
        // What is known at first is all there is.
        let said = if came_back.is_some() {
            Said::Whole
        } else {
            Said::Changes
        };
        if let Some(state) = came_back {
            self.tracker.report(Report::Link(state));
            self.tracker.came_back();
        }
        let taken = self.tracker.take(object, said, now);
        taken.problem.map_or(Ok(()), Err)
    }

    fn write(&mut self, now: Now) {
        let over = |asked: &mut Asked| asked.until <= now.monotonic;
        let late: Vec<Asked> = self.asked.extract_if(.., over).collect();
        for asked in late {
            if let Some(write) = asked.vendor {
                let words = "the charger did not answer; it may take no writes over MQTT (`mcr`)";
                self.tracker.unanswered(write, words);
            }
        }
        let due = self.tracker.due(now.monotonic);
        if !due.is_empty() {
            self.tracker.sent(now.monotonic);
        }
        for (key, value) in due {
            self.set(key, &value.to_string(), None, now);
        }
        while let Some(write) = self.tracker.next_write() {
            self.set(&write.key.clone(), &write.value.clone(), Some(write), now);
        }
    }

    fn set(&mut self, key: &str, payload: &str, vendor: Option<VendorWrite>, now: Now) {
        self.asked.push(Asked {
            key: key.to_owned(),
            vendor,
            until: now.monotonic + ANSWER_WITHIN,
        });
        self.push(Outgoing::Publish {
            topic: topics::set(&self.settings.prefix, key),
            payload: payload.as_bytes().to_vec(),
        });
    }

    fn hear(&mut self, topic: &str, payload: &[u8], retained: bool, now: Now) -> Result<(), ReplyError> {
        match topics::parse(&self.settings.prefix, topic) {
            Some(Topic::Key(key)) => {
                let value = serde_json::from_slice(payload);
                if !retained {
                    self.heard = now.monotonic;
                    self.alive_since.get_or_insert(now.monotonic);
                    self.gathering_since.get_or_insert(now.monotonic);
                }
                let value = value.map_err(|_| ReplyError {
                    asked: format!("topic {topic}"),
                    came: String::from_utf8_lossy(payload).chars().take(80).collect(),
                    expected: "JSON".to_owned(),
                })?;
                let is_room = self.gathered.len() < MOST_KEYS;
                // What the charger says itself is newer than what was kept, whichever comes first.
                let is_known = self.gathered.contains_key(key);
                if is_room && !(retained && is_known) {
                    self.gathered.insert(key.to_owned(), value);
                }
                Ok(())
            }
            Some(Topic::Result(key)) if !retained => self.take_result(key, payload, now),
            Some(Topic::Result(_) | Topic::Set(_)) | None => Ok(()),
        }
    }

    fn take_result(&mut self, key: &str, payload: &[u8], now: Now) -> Result<(), ReplyError> {
        let Some(at) = self.asked.iter().position(|asked| asked.key == key) else {
            // Somebody else's write.
            return Ok(());
        };
        let said = topics::read_result(&String::from_utf8_lossy(payload));
        if let Some(write) = self.asked.remove(at).vendor {
            self.tracker.answered(write, said.clone(), now);
        }
        said.map_err(|came| ReplyError {
            asked: format!("set `{key}`"),
            came,
            expected: topics::SUCCESS.to_owned(),
        })
    }
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        // What made no sense is told with what is heard next.
        let _ = self.advance(now);
    }

    fn handle_action(&mut self, _: &Unit, action: &Action, now: Now) {
        self.tracker.act(action);
        if self.is_settled(now.monotonic) {
            self.write(now);
        }
    }

    fn handle_reply(&mut self, _: Reply, _: Now) -> Result<(), ReplyError> {
        Ok(())
    }

    fn handle_failure(&mut self, _: &Failure, _: Now) {}

    fn poll_request(&mut self) -> Option<Request> {
        None
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        self.out.pop_front()
    }

    fn handle_incoming(&mut self, incoming: Incoming, now: Now) -> Result<(), ReplyError> {
        let heard = match incoming {
            Incoming::Opened => {
                self.broker_is_there = true;
                self.heard = now.monotonic;
                Ok(())
            }
            Incoming::Published {
                topic,
                payload,
                retained,
            } => self.hear(&topic, &payload, retained, now),
            Incoming::Closed(failure) => {
                self.broker_is_there = false;
                self.lost(&failure.to_string(), "check the broker", now.monotonic);
                Ok(())
            }
            Incoming::Message(_) | Incoming::Done | Incoming::Beside(_) => Ok(()),
        };
        heard.and(self.advance(now))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.tracker.poll_event().map(Event::from)
    }

    fn poll_timeout(&self) -> Monotonic {
        if !self.started {
            return Monotonic(i64::MIN);
        }
        let never = Monotonic(i64::MAX);
        let silent = if self.broker_is_there {
            self.heard + SILENT
        } else {
            never
        };
        let settled = self.alive_since.map_or(never, |since| since + SETTLE);
        let gathered = self
            .gathering_since
            .map_or(never, |since| (since + GATHER).max(settled));
        let answers = self.asked.iter().map(|asked| asked.until).min();
        silent
            .min(gathered)
            .min(answers.unwrap_or(never))
            .min(self.tracker.poll_timeout())
    }
}
