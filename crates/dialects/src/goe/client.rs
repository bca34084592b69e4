//! Polls one real charger over its local HTTP API v2 and brings it setpoints.
//!
//! A setpoint becomes `amp`, `frc` and, when a phase count is wished, `psm`: paused is `frc=1`; charging is
//! `amp=N` (whole amperes, rounded down) with `frc=2`, because the charger's own tariff, schedule and surplus
//! logic must not decide against ours. Only keys that differ from what the charger shows are written: `amp`
//! wears its flash. `frc` falls back to 0 when a car is unplugged; then, as whenever the charger shows
//! something else than it was told, it is told again: [`MOST_REPEATS`] times every three seconds, then once a
//! minute. What is reported is always what the charger says.
//!
//! Not here: sockets and their time limits, foreign writers and what to do about them.

mod link;
mod target;

use std::collections::VecDeque;
use std::sync::Arc;

use http::{Method, StatusCode};
use model::document::Document;
use model::id::EvseId;
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};

use super::map;
use super::wire::{self, Status};
use crate::query;
use crate::{Failure, Reply, ReplyError, Request};
use link::Link;
use target::Target;

/// The name of this dialect on documents.
pub const DIALECT: &str = "goe";

/// How often a setpoint that the charger does not show is sent again before the pace slows down.
pub const MOST_REPEATS: u32 = 5;

/// The keys of every poll: what control needs, and what changes from second to second on a page.
const POLLED: &str = "alw,acu,acs,adi,ama,amp,amt,car,cbl,cdi,cll,cus,err,eto,fhz,frc,fsp,fup,fwv,lmo,loc,modelStatus,\
    nrg,pha,psm,rbt,rssi,tma,tpa,trx,utc,var,wh";

/// Vendor writes that wait their turn; the oldest gives way.
const MOST_WRITES: usize = 16;
/// Reports that nobody fetched; the oldest gives way.
const MOST_EVENTS: usize = 64;
/// How soon the whole status is read again after a key of the charger's own was written.
const READ_BACK: Millis = Millis(1_500);
/// How soon a whole status that failed is tried again; polls go on meanwhile, some chargers answer only those.
const FULL_RETRY: Millis = Millis(10_000);
/// How long the owner of the socket may sleep while an answer is due.
const PATIENCE: Millis = Millis(10_000);
/// How often a vendor write without an answer is tried.
const MOST_TRIES: u32 = 3;

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

/// Writing a document costs more than everything else of a poll.
const DOCUMENT_EVERY: Millis = Millis(5_000);

/// What was asked for and not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    Status { full: bool },
    Setpoint,
    Write(VendorWrite),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct VendorWrite {
    key: String,
    /// JSON text.
    value: String,
    tries: u32,
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
    evse: EvseId,
    base: String,
    poll: Millis,
    full_every: Millis,
    link: Link,
    /// Ready to leave.
    out: Option<Ready>,
    under_way: Option<(Asked, Monotonic)>,
    /// When it was called last.
    now: Monotonic,
    events: VecDeque<Report>,
    poll_due: Monotonic,
    full_due: Monotonic,
    /// Everything the charger ever said, newest values.
    document: Map<String, Value>,
    status: Status,
    complete: bool,
    identity: Option<String>,
    document_sent: Option<Monotonic>,
    target: Option<Target>,
    writes: VecDeque<VendorWrite>,
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
        let base = url.trim().trim_end_matches('/');
        let base = base.strip_suffix("/api").unwrap_or(base).to_owned();
        let link = Link::new(&format!("{base} {evse}"));
        Self {
            evse,
            base,
            poll: Millis(poll.0.max(100)),
            full_every: Millis(full_every.0.max(1_000)),
            link,
            out: None,
            under_way: None,
            now: Monotonic(i64::MIN),
            events: VecDeque::new(),
            poll_due: Monotonic(i64::MIN),
            full_due: Monotonic(i64::MIN),
            document: Map::new(),
            status: Status::default(),
            complete: false,
            identity: None,
            document_sent: None,
            target: None,
            writes: VecDeque::new(),
        }
    }

    fn report(&mut self, report: Report) {
        if self.events.len() == MOST_EVENTS {
            self.events.pop_front();
        }
        self.events.push_back(report);
    }

    /// Chooses what leaves next: setpoint, vendor write, whole status, poll.
    fn advance(&mut self, now: Now) {
        self.now = now.monotonic;
        if let Some(state) = self.link.judge(now.monotonic) {
            self.report(Report::Link(state));
        }
        if self.under_way.is_some() || now.monotonic < self.link.retry_at() {
            return;
        }
        // What has not left is chosen again, so that the newest and most urgent leaves.
        if let Some(Ready {
            asked: Asked::Write(write),
            ..
        }) = self.out.take()
        {
            self.writes.push_front(write);
        }
        let chosen = if let Some(query) = self
            .target
            .as_ref()
            .and_then(|target| target.due(&self.status, self.now))
        {
            Some((Asked::Setpoint, format!("/api/set?{query}")))
        } else if let Some(write) = self.writes.pop_front() {
            let path = format!(
                "/api/set?{}={}",
                query::encode(&write.key),
                query::encode(&write.value)
            );
            Some((Asked::Write(write), path))
        } else if now.monotonic >= self.full_due {
            Some((Asked::Status { full: true }, "/api/status".to_owned()))
        } else if now.monotonic >= self.poll_due {
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
            .header(http::header::ACCEPT, "application/json")
            .body(Vec::new());
        match request {
            Ok(request) if request.uri().host().is_some() => Some(Ready {
                asked,
                at: self.now,
                request: Request::Http(request),
            }),
            Ok(_) | Err(_) => {
                let problem = format!(
                    "cannot read charger \"{}\": `{}` is no address; expected one like http://192.168.1.50",
                    self.evse, self.base
                );
                if let Some(state) = self.link.give_up(problem, self.now) {
                    self.report(Report::Link(state));
                }
                None
            }
        }
    }

    fn failed(&mut self, what: &str, hint: &str, now: Now) {
        let problem = format!(
            "cannot read {}/api/status of charger \"{}\": {what}; {hint}",
            self.base, self.evse
        );
        if let Some(state) = self.link.failed(problem, now.monotonic) {
            self.report(Report::Link(state));
        }
    }

    fn status_failed(&mut self, full: bool, now: Now) {
        if full {
            self.full_due = now.monotonic + FULL_RETRY;
        }
    }

    fn came_back(&mut self, now: Now) {
        if let Some(state) = self.link.succeeded() {
            self.report(Report::Link(state));
            // Firmware, settings and plug may have changed meanwhile.
            self.full_due = self.full_due.min(now.monotonic);
            if let Some(target) = &mut self.target {
                target.forget();
            }
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
                if full {
                    self.full_due = now.monotonic + self.full_every;
                }
                self.poll_due = now.monotonic.max(asked_at + self.poll);
                self.take_status(object, full, now)
            }
            Err(came) => {
                let hint = if reply.status() == StatusCode::NOT_FOUND {
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
        let (fresh, faults) = Status::read(&object);
        let rebooted = matches!((self.status.rbt, fresh.rbt), (Some(before), Some(after)) if after < before);
        if rebooted {
            self.full_due = self.full_due.min(now.monotonic);
        }
        self.document.extend(object);
        self.status = Status::read(&self.document).0.with_live(&fresh);
        if let Some(measured) = map::south::measured(&fresh) {
            self.report(Report::Measured(measured));
        }
        if fresh.car.is_some()
            && let Some(status) = map::south::evse_status(&self.status, self.complete)
        {
            self.complete = status.complete;
            self.report(Report::Evse {
                evse: self.evse.clone(),
                status,
            });
        }
        let identity = map::south::identity(&self.document);
        if identity.is_some() && identity != self.identity {
            self.identity.clone_from(&identity);
            self.report(Report::Identity {
                text: identity.unwrap_or_default(),
            });
        }
        self.send_document(full, now);
        if let Some(target) = &mut self.target {
            target.compare(&self.status);
        }
        match faults.first() {
            None => Ok(()),
            Some(fault) => Err(ReplyError {
                asked: format!("key `{}` of /api/status", fault.key),
                came: fault.came.clone(),
                expected: fault.expected.to_owned(),
            }),
        }
    }

    /// The merged document: after a whole status at most once a second, else every few seconds. What moves in
    /// between is in the typed reports, which are laid over it.
    fn send_document(&mut self, full: bool, now: Now) {
        let pause = if full { Millis(1_000) } else { DOCUMENT_EVERY };
        let due = self
            .document_sent
            .is_none_or(|sent| now.monotonic - sent >= pause);
        if due && let Ok(json) = serde_json::to_string(&self.document) {
            self.document_sent = Some(now.monotonic);
            let document = Document {
                dialect: DIALECT.to_owned(),
                at: now,
                json: Arc::from(json),
            };
            self.report(Report::Document(document));
        }
    }

    /// The answer to a set: an object with true or a text under each key.
    fn set_reply(
        &mut self,
        asked: &str,
        reply: &http::Response<Vec<u8>>,
        now: Now,
    ) -> Result<(), ReplyError> {
        self.under_way = None;
        let refused = |came: String| {
            Err(ReplyError {
                asked: format!("set {asked}"),
                came,
                expected: "true under every key".to_owned(),
            })
        };
        let object = match wire::object(reply.body()) {
            Ok(object) => object,
            Err(came) => {
                let came = format!("HTTP {}, {came}", reply.status().as_u16());
                self.failed(&came, "check that the address is the charger's", now);
                return refused(came);
            }
        };
        self.came_back(now);
        let texts: Vec<String> = object
            .values()
            .filter(|value| **value != Value::Bool(true))
            .map(plain)
            .collect();
        if texts.is_empty() && reply.status().is_success() {
            Ok(())
        } else {
            refused(format!("HTTP {} {}", reply.status().as_u16(), texts.join("; ")))
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

    fn handle_action(&mut self, action: &Action, now: Now) {
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
            Action::VendorWrite { key, value, .. } => {
                self.writes.retain(|write| write.key != *key);
                if self.writes.len() == MOST_WRITES {
                    self.writes.pop_front();
                }
                self.writes.push_back(VendorWrite {
                    key: key.clone(),
                    value: value.clone(),
                    tries: 0,
                });
            }
            // Another EVSE's, or a battery's: a charger has neither.
            Action::Charge { .. } | Action::BatteryPower { .. } => {}
        }
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
            Some(Asked::Setpoint) => self.set_reply("the setpoint", &reply, now),
            Some(Asked::Write(write)) => {
                self.full_due = self.full_due.min(now.monotonic + READ_BACK);
                self.set_reply(&format!("`{}`", write.key), &reply, now)
            }
            None => Ok(()),
        };
        self.advance(now);
        result
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        match self.under_way.take() {
            Some((Asked::Status { full }, _)) => self.status_failed(full, now),
            Some((Asked::Write(mut write), _)) if write.tries + 1 < MOST_TRIES => {
                write.tries += 1;
                self.writes.push_front(write);
            }
            Some((Asked::Write(_) | Asked::Setpoint, _)) | None => {}
        }
        let hint = match failure {
            Failure::Refused => "check the address and that the charger's local HTTP API is enabled",
            Failure::TimedOut { .. } | Failure::Closed | Failure::Other(_) => {
                "check that the charger has power and is in the network"
            }
        };
        self.failed(&failure.to_string(), hint, now);
        self.advance(now);
    }

    fn poll_request(&mut self) -> Option<Request> {
        let Ready { asked, at, request } = self.out.take()?;
        if asked == Asked::Setpoint
            && let Some(target) = &mut self.target
        {
            target.sent(&self.status, at);
        }
        self.under_way = Some((asked, at));
        Some(request)
    }

    fn poll_event(&mut self) -> Option<Report> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Monotonic {
        let due = if self.under_way.is_some() {
            self.now + PATIENCE
        } else {
            self.full_due.min(self.poll_due)
        };
        self.link.deadline(due)
    }
}
