//! Polls one charger over HTTP: its own API v2, or the vendor's cloud (API v3).
//!
//! The cloud knows what the charger told it last. That it has nothing fresh (404) is no break of the link at
//! once: it is asked again at its own slow pace, and offline after [`MOST_STALE`] times.

use http::{Method, StatusCode};
use model::gateway::Unit;
use model::id::EvseId;
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};

use super::tracker::{Said, Tracker, VendorWrite};
use super::{Common, WAITS};
use crate::attempts::Attempts;
use crate::goe::wire;
use crate::query;
use crate::{Event, Failure, Reply, ReplyError, Request};

/// The keys of every poll: what control needs, and what changes from second to second on a page.
const POLLED: &str = "alw,acu,acs,adi,ama,amp,amt,car,cbl,cdi,cll,cus,err,eto,fhz,frc,fsp,fup,fwv,lmo,loc,modelStatus,\
    nrg,pha,psm,rbt,rssi,tma,tpa,trx,utc,var,wh";

/// How soon the whole status is read again after a key of the charger's own was written.
const READ_BACK: Millis = Millis(1_500);
/// How soon a whole status that failed is tried again; polls go on meanwhile, some chargers answer only those.
const FULL_RETRY: Millis = Millis(10_000);
/// How long the owner of the socket may sleep while an answer is due.
const PATIENCE: Millis = Millis(10_000);

/// What a client needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoeClientSettings {
    pub evse: EvseId,
    /// `http://192.168.1.50`; a trailing `/` or `/api` is dropped.
    pub url: String,
    /// Between two filtered polls.
    pub poll: Millis,
    /// Between two readings of the whole status.
    pub full_every: Millis,
}

/// Between two polls of the cloud while the car charges, and when it does not.
const CLOUD_CHARGING: Millis = Millis(5_000);
const CLOUD_IDLE: Millis = Millis(30_000);
/// So often in a row the cloud may have nothing fresh.
const MOST_STALE: u32 = 3;

/// A token; not to be seen.
struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

/// What was asked for and not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Status { full: bool },
    Setpoint,
    Write(VendorWrite),
}

/// A request and when it was made.
#[derive(Debug)]
struct Ready {
    asked: Asked,
    at: Monotonic,
    request: Request,
}

/// The client half of the dialect.
#[derive(Debug)]
pub struct Client {
    tracker: Tracker,
    base: String,
    /// What the cloud wants to see.
    token: Option<Token>,
    /// How often the cloud had nothing fresh.
    stale: u32,
    poll: Millis,
    full_every: Millis,
    attempts: Attempts,
    /// Ready to leave.
    out: Option<Ready>,
    under_way: Option<(Asked, Monotonic)>,
    /// When it was called last.
    now: Monotonic,
    poll_due: Monotonic,
    full_due: Monotonic,
}

impl Client {
    #[must_use]
    pub fn new(settings: GoeClientSettings) -> Self {
        let GoeClientSettings {
            evse,
            url,
            poll,
            full_every,
        } = settings;
        Self::with(Common::new(evse, poll), &url, full_every)
    }

    /// A client with everything said that is the same for every way. The whole status is read every
    /// `full_every`.
    #[must_use]
    pub fn with(common: Common, url: &str, full_every: Millis) -> Self {
        let base = url.trim().trim_end_matches('/');
        let base = base.strip_suffix("/api").unwrap_or(base).to_owned();
        let attempts = Attempts::new(&format!("{base} {}", common.evse), WAITS);
        let poll = Millis(common.poll.0.max(100));
        Self {
            tracker: Tracker::new(common),
            base,
            token: None,
            stale: 0,
            poll,
            full_every: Millis(full_every.0.max(1_000)),
            attempts,
            out: None,
            under_way: None,
            now: Monotonic(i64::MIN),
            poll_due: Monotonic(i64::MIN),
            full_due: Monotonic(i64::MIN),
        }
    }

    /// A client of the vendor's cloud below `url` (`https://000001.api.v3.go-e.io`).
    #[must_use]
    pub fn of_cloud(common: Common, url: &str, token: String) -> Self {
        Self {
            token: Some(Token(token)),
            ..Self::with(common, url, CLOUD_IDLE)
        }
    }

    /// The cloud is asked for the whole status only: it has that at hand.
    fn pace(&self) -> Millis {
        match (&self.token, self.tracker.is_charging()) {
            (None, _) => self.full_every,
            (Some(_), true) => CLOUD_CHARGING,
            (Some(_), false) => CLOUD_IDLE,
        }
    }

    /// Chooses what leaves next: setpoint, vendor write, whole status, poll.
    fn advance(&mut self, now: Now) {
        self.now = now.monotonic;
        self.tracker.expire(now.monotonic);
        if let Some(state) = self.attempts.judge(now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
        if self.under_way.is_some() || now.monotonic < self.attempts.retry_at() {
            return;
        }
        // What has not left is chosen again, so that the newest and most urgent leaves.
        if let Some(Ready {
            asked: Asked::Write(write),
            ..
        }) = self.out.take()
        {
            self.tracker.put_back(write);
        }
        let chosen = if let Some(query) = self.tracker.due_query(self.now) {
            Some((Asked::Setpoint, format!("/api/set?{query}")))
        } else if let Some(write) = self.tracker.next_write() {
            let path = format!(
                "/api/set?{}={}",
                query::encode(&write.key),
                query::encode(&write.value)
            );
            Some((Asked::Write(write), path))
        } else if now.monotonic >= self.full_due {
            Some((Asked::Status { full: true }, "/api/status".to_owned()))
        } else if self.token.is_none() && now.monotonic >= self.poll_due {
            Some((
                Asked::Status { full: false },
                format!("/api/status?filter={POLLED}"),
            ))
        } else {
            None
        };
        self.out = chosen.and_then(|(asked, path)| self.request(asked, &path));
    }

    /// A request, or nothing and an offline link when the address is none.
    fn request(&mut self, asked: Asked, path: &str) -> Option<Ready> {
        let request = http::Request::builder()
            .method(Method::GET)
            .uri(format!("{}{path}", self.base))
            .header(http::header::ACCEPT, "application/json");
        let request = match &self.token {
            Some(Token(token)) => request.header(http::header::AUTHORIZATION, bearer(token)),
            None => request,
        };
        let request = request.body(Vec::new());
        match request {
            Ok(request) if request.uri().host().is_some() => Some(Ready {
                asked,
                at: self.now,
                request: Request::Http(request),
            }),
            Ok(_) | Err(_) => {
                let problem = format!(
                    "cannot read charger \"{}\": `{}` is no address; expected one like http://192.168.1.50",
                    self.tracker.evse(),
                    self.base
                );
                if let Some(state) = self.attempts.give_up(problem, self.now) {
                    self.tracker.report(Report::Link(state));
                }
                None
            }
        }
    }

    fn failed(&mut self, what: &str, hint: &str, now: Now) {
        let problem = format!(
            "cannot read {}/api/status of charger \"{}\": {what}; {hint}",
            self.base,
            self.tracker.evse()
        );
        if let Some(state) = self.attempts.failed(problem, now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
    }

    fn status_failed(&mut self, full: bool, now: Now) {
        if full {
            self.full_due = now.monotonic + FULL_RETRY;
        }
    }

    fn came_back(&mut self, now: Now) {
        if let Some(state) = self.attempts.succeeded() {
            self.tracker.report(Report::Link(state));
            // Firmware, settings and plug may have changed meanwhile.
            self.stale = 0;
            self.full_due = self.full_due.min(now.monotonic);
            self.tracker.came_back();
        }
    }

    /// A status, of which a charger may answer 400 with what it has (firmware 60.3, API-v2#312).
    fn status_reply(
        &mut self,
        full: bool,
        reply: &http::Response<Vec<u8>>,
        now: Now,
    ) -> Result<(), ReplyError> {
        let asked_at = self.under_way.take().map_or(now.monotonic, |(_, at)| at);
        let read = match reply.status() {
            StatusCode::OK | StatusCode::BAD_REQUEST => wire::object(reply.body()),
            StatusCode::NOT_FOUND if self.token.is_some() => return self.stale(now),
            StatusCode::UNAUTHORIZED if self.token.is_some() => {
                Err("HTTP 401, the token is wrong".to_owned())
            }
            StatusCode::FORBIDDEN if self.token.is_some() => {
                Err("HTTP 403, the charger is not in the cloud or its cloud API is off".to_owned())
            }
            StatusCode::NOT_FOUND => Err("HTTP 404, its local API is not enabled".to_owned()),
            status => Err(format!("HTTP {}", status.as_u16())),
        };
        let object = read.and_then(|object| {
            let known = object.contains_key("car") || object.contains_key("nrg");
            if known {
                Ok(object)
            } else {
                Err("a JSON object without `car` and `nrg`".to_owned())
            }
        });
        match object {
            Ok(object) => {
                // A recovered link asks for the whole status once more; a whole status is that already.
                self.came_back(now);
                self.stale = 0;
                let taken = self.take_status(object, full, now);
                if full {
                    self.full_due = now.monotonic + self.pace();
                }
                self.poll_due = now.monotonic.max(asked_at + self.poll);
                taken
            }
            Err(came) => {
                let hint = if self.token.is_some() {
                    "check the token in token_file, and that the cloud API is on in the charger's app"
                } else if reply.status() == StatusCode::NOT_FOUND {
                    "enable the local HTTP API v2 in the charger's app"
                } else {
                    "check that the address is the charger's and its firmware 51.4 or newer"
                };
                self.status_failed(full, now);
                self.failed(&came, hint, now);
                Err(ReplyError {
                    asked: "/api/status".to_owned(),
                    came,
                    expected: "a JSON object of keys".to_owned(),
                })
            }
        }
    }

    fn take_status(&mut self, object: Map<String, Value>, full: bool, now: Now) -> Result<(), ReplyError> {
        let said = if full { Said::Whole } else { Said::Poll };
        let taken = self.tracker.take(object, said, now);
        if taken.rebooted && self.token.is_none() {
            self.full_due = self.full_due.min(now.monotonic);
        }
        taken.problem.map_or(Ok(()), Err)
    }

    /// The cloud has heard nothing for a while.
    fn stale(&mut self, now: Now) -> Result<(), ReplyError> {
        self.stale += 1;
        self.full_due = now.monotonic + CLOUD_IDLE;
        if self.stale >= MOST_STALE {
            let problem = format!(
                "the cloud has heard nothing of charger \"{}\" for a while; check that it has power and is in the internet",
                self.tracker.evse()
            );
            if let Some(state) = self.attempts.give_up(problem, now.monotonic) {
                self.tracker.report(Report::Link(state));
            }
        }
        Ok(())
    }

    /// The answer to a set: an object with true or a text under each key.
    ///
    /// # Errors
    /// With the charger's own words, or what came in their place.
    fn set_reply(&mut self, reply: &http::Response<Vec<u8>>, now: Now) -> Result<(), Refused> {
        self.under_way = None;
        let status = reply.status();
        let object = match wire::object(reply.body()) {
            Ok(object) => object,
            Err(came) => {
                let came = format!("HTTP {}, {came}", status.as_u16());
                self.failed(&came, "check that the address is the charger's", now);
                return Err(Refused {
                    words: came.clone(),
                    came,
                });
            }
        };
        self.came_back(now);
        if self.token.is_some() {
            // What changes of it shows with the next status.
            self.full_due = self.full_due.min(now.monotonic + READ_BACK);
        }
        let object = in_one(object);
        let texts: Vec<String> = object
            .values()
            .filter(|value| **value != Value::Bool(true))
            .map(plain)
            .collect();
        if texts.is_empty() && status.is_success() {
            return Ok(());
        }
        let words = texts.join("; ");
        Err(Refused {
            came: format!("HTTP {} {words}", status.as_u16()),
            words,
        })
    }
}

/// The answer of the cloud names what was taken in one list and what was not in another.
fn in_one(mut object: Map<String, Value>) -> Map<String, Value> {
    let (Some(Value::Array(_)), Some(Value::Array(failed))) = (object.get("succeeded"), object.get("failed"))
    else {
        return object;
    };
    let failed: Vec<Value> = failed.clone();
    object.retain(|key, value| key != "succeeded" && key != "failed" && *value != Value::Bool(true));
    for refused in failed {
        if let Value::Object(refused) = refused {
            for (key, value) in refused {
                object
                    .entry(key.clone())
                    .or_insert_with(|| Value::from(format!("{key}: not taken ({value})")));
            }
        }
    }
    object
}

/// A token as a header that is not shown.
fn bearer(token: &str) -> http::HeaderValue {
    let value = http::HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.unwrap_or(http::HeaderValue::from_static("Bearer"));
    value.set_sensitive(true);
    value
}

/// The charger said no.
struct Refused {
    /// Its own words.
    words: String,
    /// The same as it came.
    came: String,
}

impl Refused {
    fn to_error(&self, asked: &str) -> ReplyError {
        ReplyError {
            asked: format!("set {asked}"),
            came: self.came.clone(),
            expected: "true under every key".to_owned(),
        }
    }
}

/// A refusal as a person reads it.
fn plain(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
        .chars()
        .take(200)
        .collect()
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    fn handle_action(&mut self, _: &Unit, action: &Action, now: Now) {
        self.tracker.act(action);
        self.advance(now);
    }

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        let Reply::Http(reply) = reply else {
            self.under_way = None;
            return Err(ReplyError {
                asked: self.base.clone(),
                came: "a Modbus answer".to_owned(),
                expected: "an HTTP answer".to_owned(),
            });
        };
        let result = match self.under_way.as_ref().map(|(asked, _)| asked.clone()) {
            Some(Asked::Status { full }) => self.status_reply(full, &reply, now),
            Some(Asked::Setpoint) => self
                .set_reply(&reply, now)
                .map_err(|refused| refused.to_error("the setpoint")),
            Some(Asked::Write(write)) => {
                self.full_due = self.full_due.min(now.monotonic + READ_BACK);
                let said = self.set_reply(&reply, now);
                let error = said
                    .as_ref()
                    .err()
                    .map(|refused| refused.to_error(&format!("`{}`", write.key)));
                self.tracker
                    .answered(write, said.map_err(|refused| refused.words), now);
                error.map_or(Ok(()), Err)
            }
            None => Ok(()),
        };
        self.advance(now);
        result
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        match self.under_way.take() {
            Some((Asked::Status { full }, _)) => self.status_failed(full, now),
            Some((Asked::Write(write), _)) => self.tracker.unanswered(write, &failure.to_string()),
            Some((Asked::Setpoint, _)) | None => {}
        }
        let hint = match (failure, &self.token) {
            (Failure::Refused, None) => "check the address and that the charger's local HTTP API is enabled",
            (Failure::TimedOut { .. } | Failure::Closed | Failure::Other(_), None) => {
                "check that the charger has power and is in the network"
            }
            (Failure::Other(_), Some(_)) => {
                "check the address, and ca_file where no public authority signs for it"
            }
            (Failure::Refused | Failure::TimedOut { .. } | Failure::Closed, Some(_)) => {
                "check the address, and that this machine reaches the internet"
            }
        };
        self.failed(&failure.to_string(), hint, now);
        self.advance(now);
    }

    fn poll_request(&mut self) -> Option<Request> {
        let Ready { asked, at, request } = self.out.take()?;
        if asked == Asked::Setpoint {
            self.tracker.sent(at);
        }
        self.under_way = Some((asked, at));
        Some(request)
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.tracker.poll_event().map(Event::from)
    }

    fn poll_timeout(&self) -> Monotonic {
        let due = if self.under_way.is_some() {
            self.now + PATIENCE
        } else {
            match self.token {
                Some(_) => self.full_due,
                None => self.full_due.min(self.poll_due),
            }
        };
        self.attempts.deadline(due).min(self.tracker.poll_timeout())
    }
}
