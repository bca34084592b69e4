//! An operator that reports to a platform: logs in, brings one piece of work after the other, and says what became
//! of it.
//!
//! Without sockets: send what [`Uploader::poll_request`] gives, feed what comes back, sleep until
//! [`Uploader::poll_timeout`]. At most one request is under way. Whoever owns the queue gives the next piece of work
//! once [`Event::Did`] told of the last; after a crash it may come again, since the same thing told twice is told
//! once.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::oversight::{Callback, ChargeRecord, Code, Digest, Entity, EntityKind, OperatorCode, Sample};
use model::secret::Secret;
use model::time::{Millis, Monotonic, Now};
use model::units::PerMille;

use super::callback::{Envelope, envelope, request_of};
use super::definition::{Definition, Endpoint};
use super::map::{entity_json, record_json, sample_json};
use super::{read, sign, time};
use crate::query;
use crate::{Failure, ReplyError};

/// Waits after failures; the last again and again.
const STEPS_S: [i64; 4] = [1, 5, 30, 300];
/// A token is renewed when this much of its life is over, in per mille.
const RENEWED: i64 = 800;

/// At which platform, and as whom.
#[derive(Clone, Debug)]
pub struct Account {
    /// Scheme, host and port.
    pub platform: String,
    pub definition: Arc<Definition>,
    pub operator: OperatorCode,
    pub secret: Secret,
    pub digest: Digest,
    /// Whose clocks the platform writes times by.
    pub zone: TimeZone,
    /// How long it lets a token live.
    pub token_life: Millis,
}

/// One piece of work: one call, or a few until one fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Registers it, or changes it if it is there.
    Put(Entity),
    Remove {
        kind: EntityKind,
        id: Code,
    },
    /// As many as fit in a list.
    Samples(Vec<Sample>),
    /// Repairs a failure.
    Again {
        failed: Code,
        sample: Sample,
    },
    Records(Vec<ChargeRecord>),
    /// Where the platform may call; `None`: nowhere.
    Address {
        callback: Callback,
        url: Option<String>,
    },
}

impl Work {
    /// Into how many outcomes it falls.
    #[must_use]
    pub fn parts(&self) -> usize {
        match self {
            Self::Samples(samples) => samples.len(),
            Self::Records(records) => records.len(),
            Self::Put(_) | Self::Remove { .. } | Self::Again { .. } | Self::Address { .. } => 1,
        }
    }
}

/// What became of a part of a piece of work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// The platform will not have it, now or later.
    Refused {
        status: u16,
        message: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    LoggedIn,
    /// What became of the work, part by part.
    Did(Vec<Outcome>),
    /// It is tried again, and this is why.
    Trouble(String),
}

#[derive(Clone, Debug)]
struct Token {
    text: Secret,
    since: Monotonic,
}

/// A failure that comes again is waited for longer.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    failures: usize,
    until: Option<Monotonic>,
}

impl Waiting {
    /// `jitter`: 0 to 1000, of a wait between four and six fifths.
    fn fail(&mut self, now: Now, jitter: PerMille) {
        let last = STEPS_S.len() - 1;
        let step = STEPS_S.get(self.failures.min(last)).copied().unwrap_or(STEPS_S[last]);
        self.failures += 1;
        let share = 800 + jitter.0.clamp(0, 1_000) * 400 / 1_000;
        self.until = Some(now.monotonic + Millis(step * share));
    }

    fn is_over(self, now: Now) -> bool {
        self.until.is_none_or(|until| until <= now.monotonic)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    Login,
    Work,
}

#[derive(Debug)]
struct Job {
    work: Work,
    /// Of what is to be put: it is there, so it is changed.
    is_there: bool,
    /// It was the other way round before.
    is_turned: bool,
    waiting: Waiting,
}

/// The client half.
#[derive(Debug)]
pub struct Uploader {
    account: Account,
    token: Option<Token>,
    login: Waiting,
    /// Calls in a row that were not believed.
    unbelieved: usize,
    job: Option<Job>,
    flight: Option<Flight>,
    events: VecDeque<Event>,
}

impl Uploader {
    #[must_use]
    pub const fn new(account: Account) -> Self {
        Self {
            account,
            token: None,
            login: Waiting {
                failures: 0,
                until: None,
            },
            unbelieved: 0,
            job: None,
            flight: None,
            events: VecDeque::new(),
        }
    }

    /// Samples and records that fit in one piece of work.
    #[must_use]
    pub fn most(&self) -> (usize, usize) {
        let limits = &self.account.definition.limits;
        (limits.samples.value as usize, limits.records.value as usize)
    }

    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.job.is_none()
    }

    /// Takes a piece of work, or gives it back while there is another one. `is_known`: what is put has been
    /// registered before.
    ///
    /// # Errors
    /// The work itself.
    pub fn give(&mut self, work: Work, is_known: bool) -> Result<(), Work> {
        if self.job.is_some() {
            return Err(work);
        }
        if work.parts() == 0 {
            self.events.push_back(Event::Did(Vec::new()));
            return Ok(());
        }
        self.job = Some(Job {
            work,
            is_there: is_known,
            is_turned: false,
            waiting: Waiting::default(),
        });
        Ok(())
    }

    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// When [`Uploader::poll_request`] has something to send, unless an answer or new work comes before; `None`: not
    /// by itself.
    #[must_use]
    pub fn poll_timeout(&self, now: Now) -> Option<Monotonic> {
        let job = self.job.as_ref().filter(|_| self.flight.is_none())?;
        let at = if self.token.is_none() {
            self.login.until
        } else {
            job.waiting.until
        };
        Some(at.unwrap_or(now.monotonic).max(now.monotonic))
    }

    /// What is to be sent. Nothing leaves as long as there is no work.
    pub fn poll_request(&mut self, now: Now) -> Option<http::Request<Vec<u8>>> {
        let job = self.job.as_ref().filter(|_| self.flight.is_none())?;
        let life = Millis(self.account.token_life.0 / 1_000 * RENEWED);
        let is_old = |token: &Token| now.monotonic - token.since >= life;
        // An old token still serves while a new one cannot be had.
        let wants_token = self.token.as_ref().is_none_or(is_old);
        let (flight, request) = if wants_token && self.login.is_over(now) {
            (Flight::Login, self.account.login(now))
        } else {
            let token = self.token.as_ref().filter(|_| job.waiting.is_over(now))?;
            (Flight::Work, self.account.call(job, &token.text, now))
        };
        match request {
            Ok(request) => {
                self.flight = Some(flight);
                Some(request)
            }
            // Only an address that is none, or a name that no header holds.
            Err(error) => {
                self.refuse_all(400, &error.to_string());
                None
            }
        }
    }

    /// No answer came.
    pub fn handle_failure(&mut self, failure: &Failure, now: Now, jitter: PerMille) {
        self.trouble(failure.to_string(), now, jitter, None);
    }

    /// # Errors
    /// When the answer makes no sense; it is tried again later.
    pub fn handle_reply(
        &mut self,
        response: &http::Response<Vec<u8>>,
        now: Now,
        jitter: PerMille,
    ) -> Result<(), ReplyError> {
        let said = envelope(&self.account.definition, response.body());
        let http = response.status();
        // Done is what both say.
        let status = match &said {
            Some(said) if http.is_success() => said.status,
            _ if http.is_success() => 0,
            _ => http.as_u16(),
        };
        let message = said.as_ref().map_or_else(|| format!("HTTP {}", http.as_u16()), |said| said.message.to_string());
        let after = retry_after(response);
        match (self.flight, status) {
            (None, _) => {}
            (Some(_), 0) => {
                self.trouble("the answer has no envelope".to_owned(), now, jitter, after);
                return Err(ReplyError {
                    asked: self.account.platform.clone(),
                    came: format!("HTTP {} without an envelope", http.as_u16()),
                    expected: "an object with a status".to_owned(),
                });
            }
            (Some(_), 429 | 500..) => self.trouble(format!("{status}: {message}"), now, jitter, after),
            (Some(Flight::Login), 200) => {
                let token = said.as_ref().and_then(|said| read::text_of(said.data));
                match token.filter(|token| !token.is_empty()) {
                    Some(token) => {
                        self.flight = None;
                        self.login = Waiting::default();
                        self.token = Some(Token {
                            text: Secret::new(token),
                            since: now.monotonic,
                        });
                        self.events.push_back(Event::LoggedIn);
                    }
                    None => self.trouble("the log-in gave no token".to_owned(), now, jitter, None),
                }
            }
            (Some(Flight::Login), _) => self.trouble(format!("log-in: {status}: {message}"), now, jitter, after),
            (Some(Flight::Work), 401) => self.unbelieved(&message, now, jitter),
            (Some(Flight::Work), _) => self.worked(status, &message, said.as_ref()),
        }
        Ok(())
    }

    /// The token is not good any more: another one at once, and after that only with patience.
    fn unbelieved(&mut self, message: &str, now: Now, jitter: PerMille) {
        self.flight = None;
        self.token = None;
        self.unbelieved += 1;
        if self.unbelieved > 1 {
            self.login.failures = self.unbelieved - 2;
            self.login.fail(now, jitter);
        }
        self.events.push_back(Event::Trouble(format!("401: {message}")));
    }

    fn trouble(&mut self, why: String, now: Now, jitter: PerMille, after: Option<Millis>) {
        let waiting = match self.flight.take() {
            None => return,
            Some(Flight::Login) => Some(&mut self.login),
            Some(Flight::Work) => self.job.as_mut().map(|job| &mut job.waiting),
        };
        if let Some(waiting) = waiting {
            waiting.fail(now, jitter);
            if let Some(after) = after {
                waiting.until = waiting.until.max(Some(now.monotonic + after));
            }
        }
        self.events.push_back(Event::Trouble(why));
    }

    fn worked(&mut self, status: u16, message: &str, said: Option<&Envelope<'_>>) {
        self.flight = None;
        self.unbelieved = 0;
        let Some(job) = &mut self.job else { return };
        // Something is there that is to be registered, or not there that is to be changed.
        let turns = match (&job.work, status) {
            (Work::Put(_), 409) => !job.is_there,
            (Work::Put(_), 404) => job.is_there,
            _ => false,
        };
        if turns && !job.is_turned {
            job.is_there = !job.is_there;
            job.is_turned = true;
            job.waiting = Waiting::default();
            return;
        }
        if matches!((&job.work, status), (Work::Remove { .. }, 404)) {
            self.did(vec![Outcome::Done]);
            return;
        }
        let whole = if status == 200 {
            Outcome::Done
        } else {
            Outcome::Refused {
                status,
                message: message.to_owned(),
            }
        };
        let mut outcomes = vec![whole; job.work.parts()];
        if let Some(rejected) = said.and_then(|said| said.rejected) {
            for (index, refused) in refusals(&self.account.definition, rejected) {
                if let Some(outcome) = outcomes.get_mut(index) {
                    *outcome = refused;
                }
            }
        }
        self.did(outcomes);
    }

    fn did(&mut self, outcomes: Vec<Outcome>) {
        self.job = None;
        self.events.push_back(Event::Did(outcomes));
    }

    fn refuse_all(&mut self, status: u16, message: &str) {
        let parts = self.job.as_ref().map_or(0, |job| job.work.parts());
        let message = message.to_owned();
        self.did(vec![Outcome::Refused { status, message }; parts]);
    }
}

/// Seconds, or a date that is not waited for.
fn retry_after(response: &http::Response<Vec<u8>>) -> Option<Millis> {
    let value = response.headers().get(http::header::RETRY_AFTER)?;
    let seconds: i64 = value.to_str().ok()?.trim().parse().ok()?;
    Some(Millis::from_seconds(seconds.clamp(0, 3_600)))
}

/// The entries of a list that were refused, by their places.
fn refusals(definition: &Definition, json: &str) -> Vec<(usize, Outcome)> {
    let form = &definition.rejected;
    let one = |entry: &str| {
        let (mut index, mut status, mut message) = (None, None, String::new());
        read::members(entry, |name, raw| {
            if name == form.name("index") {
                index = raw.parse().ok();
            } else if name == form.name("status") {
                status = raw.parse().ok();
            } else if name == form.name("message") {
                message = read::text_of(raw).unwrap_or_default().into_owned();
            }
        })
        .ok()?;
        let status = status?;
        Some((index?, Outcome::Refused { status, message }))
    };
    let entries = read::entries(json, 1_000).unwrap_or_default();
    entries.into_iter().filter_map(one).collect()
}

impl Account {
    fn login(&self, now: Now) -> Result<http::Request<Vec<u8>>, http::Error> {
        self.request(Endpoint::Token, &[], Vec::new(), None, now)
    }

    fn call(&self, job: &Job, token: &Secret, now: Now) -> Result<http::Request<Vec<u8>>, http::Error> {
        let definition = &self.definition;
        let names = &definition.query;
        let json = |text: String| text.into_bytes();
        let list = |entries: Vec<String>| format!("[{}]", entries.join(",")).into_bytes();
        let sample = |sample: &Sample, failed: Option<&Code>| {
            sample_json(definition, &self.operator, sample, failed, &self.zone)
        };
        let (endpoint, pairs, body) = match &job.work {
            Work::Put(entity) => {
                let endpoint = if job.is_there {
                    Endpoint::Modify(entity.kind)
                } else {
                    Endpoint::Register(entity.kind)
                };
                let body = json(entity_json(definition, &self.operator, entity, false));
                (endpoint, Vec::new(), body)
            }
            Work::Remove { kind, id } => {
                let pairs = vec![(&names.id(*kind).name, id.as_str())];
                (Endpoint::Remove(*kind), pairs, Vec::new())
            }
            Work::Samples(samples) => {
                let entries = samples.iter().map(|one| sample(one, None)).collect();
                (Endpoint::ReportList, Vec::new(), list(entries))
            }
            Work::Again { failed, sample: again } => {
                (Endpoint::ReportAgain, Vec::new(), json(sample(again, Some(failed))))
            }
            Work::Records(records) => {
                let one = |record| record_json(definition, &self.operator, record, false, &self.zone);
                let entries = records.iter().map(one).collect();
                (Endpoint::RecordList, Vec::new(), list(entries))
            }
            Work::Address { callback, url: Some(url) } => {
                let pairs = vec![(&names.url.name, url.as_str())];
                (Endpoint::SetAddress(*callback), pairs, Vec::new())
            }
            Work::Address { callback, url: None } => {
                (Endpoint::ClearAddress(*callback), Vec::new(), Vec::new())
            }
        };
        let mut all = Vec::new();
        // Whose it is stands in the query where there is no body.
        if body.is_empty() {
            all.push((&names.operator.name, self.operator.as_str()));
        }
        all.extend(pairs);
        self.request(endpoint, &all, body, Some(token.expose()), now)
    }

    fn request(
        &self,
        endpoint: Endpoint,
        pairs: &[(&String, &str)],
        body: Vec<u8>,
        token: Option<&str>,
        now: Now,
    ) -> Result<http::Request<Vec<u8>>, http::Error> {
        let (method, path) = self
            .definition
            .place(endpoint)
            .map(|(method, path)| (method.clone(), path))
            .unwrap_or_default();
        let mut url = format!("{}{path}", self.platform.trim_end_matches('/'));
        for (nth, (name, value)) in pairs.iter().enumerate() {
            url.push(if nth == 0 { '?' } else { '&' });
            url.push_str(name);
            url.push('=');
            url.push_str(&query::encode(value));
        }
        let headers = sign::headers(
            &self.definition,
            (self.digest, &self.secret),
            &time::text(now.wall, &self.zone),
            self.operator.as_str(),
            token,
        );
        request_of(method, &url, &headers, body)
    }
}

/// What must be told so that a platform knows what is wanted instead of what it was told: parents before what
/// stands in them, and what goes from the inside out.
#[must_use]
pub fn in_step(told: &[Entity], wanted: &[Entity]) -> Vec<(Work, bool)> {
    let same = |a: &Entity, b: &Entity| a.kind == b.kind && a.id == b.id;
    let mut steps = Vec::new();
    for kind in EntityKind::ALL {
        for entity in wanted.iter().filter(|entity| entity.kind == kind) {
            match told.iter().find(|other| same(other, entity)) {
                Some(known) if known.says_the_same(entity) => {}
                known => steps.push((Work::Put(entity.clone()), known.is_some())),
            }
        }
    }
    for kind in EntityKind::ALL.into_iter().rev() {
        for entity in told.iter().filter(|entity| entity.kind == kind) {
            if !wanted.iter().any(|other| same(other, entity)) {
                let id = entity.id.clone();
                steps.push((Work::Remove { kind, id }, true));
            }
        }
    }
    steps
}
