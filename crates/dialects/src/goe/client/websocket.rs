//! Follows one charger over its WebSocket: what changes comes by itself, about once a second.
//!
//! A connection that says nothing for [`SILENT`] is dead. Where it stands between dialling and the first status
//! is a state; what it costs to prove the password is worked out aside, once for each serial number.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, OnceLock};

use model::gateway::Unit;
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::tracker::{Said, Tracker, VendorWrite};
use super::{Common, WAITS};
use crate::attempts::Attempts;
use crate::goe::ws::{
    Auth, AuthRequired, FromCharger, HashKind, Hello, PasswordKey, Response, SetValue, ToCharger,
};
use crate::{Event, Failure, Incoming, Outgoing, Reply, ReplyError, Request, Work};

/// How long a connection may be without a word. Chargers say something each second.
const SILENT: Millis = Millis(15_000);
/// How long a charger may take to answer a write.
const ANSWER_WITHIN: Millis = Millis(10_000);
/// Keys of a whole status, of which real ones have 300. What comes beyond is not kept.
const MOST_KEYS: usize = 2_000;
/// Pushes that nobody fetched: setpoints and vendor writes of one moment.
const MOST_OUT: usize = 64;

/// What a client needs to know beside [`Common`].
#[derive(Clone, Default)]
pub struct WebSocketSettings {
    /// As it is shown: `ws://192.168.1.50/ws`.
    pub url: String,
    pub password: Option<String>,
    /// Anything that nobody can guess, for the tokens of the client.
    pub seed: [u64; 2],
}

impl fmt::Debug for WebSocketSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebSocketSettings({}, …)", self.url)
    }
}

/// Where a connection stands.
#[derive(Debug)]
enum State {
    Away,
    Dialling,
    /// The charger speaks first.
    Greeting,
    /// The key of the password is being worked out.
    Working(AuthRequired),
    /// The proof has left.
    Proving,
    /// It says what it has.
    Telling,
}

/// The key of a password, once it has been worked out.
#[derive(Clone, Debug)]
struct Key {
    kind: HashKind,
    serial: String,
    made: Arc<OnceLock<PasswordKey>>,
}

/// A write that has no answer yet.
#[derive(Debug)]
struct Asked {
    id: u64,
    what: What,
    until: Monotonic,
}

#[derive(Debug)]
enum What {
    Setpoint(&'static str),
    Vendor(VendorWrite),
}

/// The client half of the dialect, over a WebSocket.
pub struct Client {
    tracker: Tracker,
    url: String,
    password: Option<String>,
    seed: [u64; 2],
    attempts: Attempts,
    state: State,
    hello: Hello,
    key: Option<Key>,
    /// Parts of a whole status that is not complete.
    parts: Map<String, Value>,
    asked: Vec<Asked>,
    last_id: u64,
    heard: Monotonic,
    now: Monotonic,
    out: VecDeque<Outgoing>,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Client({}, {:?}, …)", self.url, self.state)
    }
}

impl Client {
    #[must_use]
    pub fn new(common: Common, settings: WebSocketSettings) -> Self {
        let WebSocketSettings { url, password, seed } = settings;
        let attempts = Attempts::new(&format!("{url} {}", common.evse), WAITS);
        Self {
            tracker: Tracker::new(common),
            url,
            password,
            seed,
            attempts,
            state: State::Away,
            hello: Hello::default(),
            key: None,
            parts: Map::new(),
            asked: Vec::new(),
            last_id: 0,
            heard: Monotonic(i64::MIN),
            now: Monotonic(i64::MIN),
            out: VecDeque::new(),
        }
    }

    fn push(&mut self, outgoing: Outgoing) {
        if self.out.len() < MOST_OUT {
            self.out.push_back(outgoing);
        }
    }

    fn say(&mut self, frame: &ToCharger) {
        self.push(Outgoing::Text(frame.encode()));
    }

    /// Does what the time says: dials, gives a silent connection up, writes what is due.
    fn advance(&mut self, now: Now) {
        self.now = now.monotonic;
        self.tracker.expire(now.monotonic);
        if let Some(state) = self.attempts.judge(now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
        match self.state {
            State::Away if now.monotonic >= self.attempts.retry_at() => {
                self.state = State::Dialling;
                self.heard = now.monotonic;
                self.push(Outgoing::Open);
            }
            State::Away => {}
            State::Dialling | State::Greeting | State::Working(_) | State::Proving | State::Telling => {
                if now.monotonic - self.heard >= SILENT {
                    self.push(Outgoing::Close);
                    let problem = format!("nothing heard for {} s", SILENT.0 / 1_000);
                    self.broke(
                        &problem,
                        "check that the charger has power and is in the network",
                        now,
                    );
                }
            }
        }
        if matches!(self.state, State::Telling) {
            self.write(now);
        }
    }

    /// Setpoints first, then keys of the charger's own.
    fn write(&mut self, now: Now) {
        let over = |asked: &mut Asked| asked.until <= now.monotonic;
        let late: Vec<Asked> = self.asked.extract_if(.., over).collect();
        for asked in late {
            if let What::Vendor(write) = asked.what {
                self.tracker.unanswered(write, "the charger did not answer");
            }
        }
        let due = self.tracker.due(now.monotonic);
        if !due.is_empty() {
            self.tracker.sent(now.monotonic);
        }
        for (key, value) in due {
            self.set(key, Value::from(value), What::Setpoint(key), now);
        }
        while let Some(write) = self.tracker.next_write() {
            match serde_json::from_str(&write.value) {
                Ok(value) => self.set(&write.key.clone(), value, What::Vendor(write), now),
                Err(error) => {
                    let words = format!("{}: no JSON ({error})", write.key);
                    self.tracker.answered(write, Err(words), now);
                }
            }
        }
    }

    fn set(&mut self, key: &str, value: Value, what: What, now: Now) {
        self.last_id += 1;
        let set = SetValue {
            request_id: self.last_id.to_string(),
            key: key.to_owned(),
            value,
        };
        let signed = self
            .key
            .as_ref()
            .filter(|_| self.hello.secured)
            .and_then(|key| key.made.get());
        let frame = match signed {
            Some(key) => ToCharger::secured(set, key),
            None => ToCharger::SetValue(set),
        };
        self.asked.push(Asked {
            id: self.last_id,
            what,
            until: now.monotonic + ANSWER_WITHIN,
        });
        self.say(&frame);
    }

    fn problem(&self, what: &str, hint: &str) -> String {
        format!(
            "cannot follow {} of charger \"{}\": {what}; {hint}",
            self.url,
            self.tracker.evse()
        )
    }

    /// The connection is of no use any more.
    fn broke(&mut self, what: &str, hint: &str, now: Now) {
        let problem = self.problem(what, hint);
        if let Some(state) = self.attempts.failed(problem, now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
        self.let_go();
    }

    /// It is there and will not have us; asking again soon would not help.
    fn refused(&mut self, what: &str, hint: &str, now: Now) {
        let problem = self.problem(what, hint);
        if let Some(state) = self.attempts.give_up(problem, now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
        self.push(Outgoing::Close);
        self.let_go();
    }

    fn let_go(&mut self) {
        self.state = State::Away;
        self.parts = Map::new();
        for asked in std::mem::take(&mut self.asked) {
            if let What::Vendor(write) = asked.what {
                self.tracker.unanswered(write, "the connection broke");
            }
        }
    }

    fn take_frame(&mut self, frame: FromCharger, now: Now) -> Result<(), ReplyError> {
        match frame {
            FromCharger::Hello(hello) => self.hello = hello,
            FromCharger::AuthRequired(wanted) => self.prove(wanted, now),
            FromCharger::AuthSuccess => self.state = State::Telling,
            FromCharger::AuthError { message } => {
                self.refused(
                    &format!("the charger says \"{message}\""),
                    "check the password in password_file",
                    now,
                );
            }
            FromCharger::AuthImpossible => self.refused(
                "the charger cannot check a password",
                "set one in its app and put it in password_file",
                now,
            ),
            FromCharger::FullStatus { partial, status } => {
                if self.parts.is_empty() && status.len() <= MOST_KEYS {
                    self.parts = status;
                } else {
                    for (key, value) in status {
                        if self.parts.len() < MOST_KEYS {
                            self.parts.insert(key, value);
                        }
                    }
                }
                if !partial {
                    let whole = std::mem::take(&mut self.parts);
                    return self.take_status(whole, Said::Whole, now);
                }
            }
            FromCharger::DeltaStatus { status } => return self.take_status(status, Said::Changes, now),
            FromCharger::Response(response) => return self.take_response(&response, now),
            FromCharger::Other { .. } => {}
        }
        Ok(())
    }

    fn take_status(&mut self, status: Map<String, Value>, said: Said, now: Now) -> Result<(), ReplyError> {
        // A connection made anew may begin in the middle.
        self.state = State::Telling;
        if let Some(state) = self.attempts.succeeded() {
            self.tracker.report(Report::Link(state));
            self.tracker.came_back();
        }
        let taken = self.tracker.take(status, said, now);
        taken.problem.map_or(Ok(()), Err)
    }

    /// What a response shows is what was asked for, not what the charger has; that comes by itself.
    fn take_response(&mut self, response: &Response, now: Now) -> Result<(), ReplyError> {
        let id = response.answers().parse::<u64>().ok();
        let Some(at) = self.asked.iter().position(|asked| Some(asked.id) == id) else {
            return Ok(());
        };
        let asked = self.asked.swap_remove(at);
        let words = response
            .message
            .clone()
            .unwrap_or_else(|| "no reason given".to_owned());
        let said = if response.success { Ok(()) } else { Err(words) };
        let name = match &asked.what {
            What::Setpoint(key) => (*key).to_owned(),
            What::Vendor(write) => write.key.clone(),
        };
        if let What::Vendor(write) = asked.what {
            self.tracker.answered(write, said.clone(), now);
        }
        said.map_err(|came| ReplyError {
            asked: format!("set `{name}`"),
            came,
            expected: "success".to_owned(),
        })
    }

    fn prove(&mut self, wanted: AuthRequired, now: Now) {
        let Some(password) = &self.password else {
            self.refused("the charger wants its password", "put it in password_file", now);
            return;
        };
        let kind = wanted.hash.unwrap_or(HashKind::Pbkdf2);
        let known = self
            .key
            .as_ref()
            .filter(|key| key.kind == kind && key.serial == self.hello.serial && key.made.get().is_some());
        if known.is_none() {
            let key = Key {
                kind,
                serial: self.hello.serial.clone(),
                made: Arc::default(),
            };
            let (password, Key { serial, made, .. }) = (password.clone(), key.clone());
            self.key = Some(key);
            self.push(Outgoing::Work(Work(Box::new(move || {
                made.get_or_init(|| PasswordKey::new(kind, &password, &serial));
            }))));
            self.state = State::Working(wanted);
            return;
        }
        self.answer(&wanted);
    }

    fn answer(&mut self, wanted: &AuthRequired) {
        let token3 = self.token();
        let Some(key) = self.key.as_ref().and_then(|key| key.made.get()) else {
            return;
        };
        let hash = key.answer(&wanted.token1, &wanted.token2, &token3);
        self.state = State::Proving;
        self.say(&ToCharger::Auth(Auth { token3, hash }));
    }

    /// 32 hexadecimal digits, others each time.
    fn token(&mut self) -> String {
        self.last_id += 1;
        let mut hash = Sha256::new();
        for number in [self.seed[0], self.seed[1], self.last_id] {
            hash.update(number.to_le_bytes());
        }
        let digest = hash.finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect()
    }
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    fn handle_action(&mut self, _: &Unit, action: &Action, now: Now) {
        self.tracker.act(action);
        self.advance(now);
    }

    fn handle_reply(&mut self, _: Reply, _: Now) -> Result<(), ReplyError> {
        Ok(())
    }

    fn handle_failure(&mut self, _: &Failure, _: Now) {}

    fn poll_request(&mut self) -> Option<Request> {
        None
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        let outgoing = self.out.pop_front();
        if outgoing.is_none() && self.out.capacity() > 0 {
            self.out = VecDeque::new();
        }
        outgoing
    }

    fn handle_incoming(&mut self, incoming: Incoming, now: Now) -> Result<(), ReplyError> {
        let result = match incoming {
            Incoming::Opened => {
                self.heard = now.monotonic;
                self.state = State::Greeting;
                Ok(())
            }
            Incoming::Message(message) => {
                self.heard = now.monotonic;
                match FromCharger::decode(&message) {
                    Ok(frame) => self.take_frame(frame, now),
                    Err(error) => Err(ReplyError {
                        asked: self.url.clone(),
                        came: error.to_string(),
                        expected: "a frame of a charger".to_owned(),
                    }),
                }
            }
            Incoming::Done => {
                if let State::Working(wanted) = std::mem::replace(&mut self.state, State::Greeting) {
                    self.heard = now.monotonic;
                    self.answer(&wanted);
                }
                Ok(())
            }
            Incoming::Closed(failure) => {
                if !matches!(self.state, State::Away) {
                    let hint = match failure {
                        Failure::Refused => "check the address",
                        Failure::TimedOut { .. } | Failure::Closed | Failure::Other(_) => {
                            "check that the charger has power and is in the network"
                        }
                    };
                    self.broke(&failure.to_string(), hint, now);
                }
                Ok(())
            }
            Incoming::Published { .. } | Incoming::Beside(_) => Ok(()),
        };
        self.advance(now);
        result
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.tracker.poll_event().map(Event::from)
    }

    fn poll_timeout(&self) -> Monotonic {
        let due = match self.state {
            State::Away => self.attempts.retry_at(),
            State::Dialling | State::Greeting | State::Working(_) | State::Proving | State::Telling => {
                self.heard + SILENT
            }
        };
        let answers = self.asked.iter().map(|asked| asked.until).min();
        self.attempts
            .deadline(due)
            .min(self.tracker.poll_timeout())
            .min(answers.unwrap_or(Monotonic(i64::MAX)))
    }
}
