//! Polls one charger over its local HTTP API v2.

use http::{Method, StatusCode};
use model::id::EvseId;
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};

use super::Common;
use super::link::Link;
use super::tracker::{Said, Tracker, VendorWrite};
use crate::goe::wire;
use crate::query;
use crate::{Failure, Reply, ReplyError, Request};

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
    poll: Millis,
    full_every: Millis,
    link: Link,
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
        let link = Link::new(&format!("{base} {}", common.evse));
        let poll = Millis(common.poll.0.max(100));
        Self {
            tracker: Tracker::new(common),
            base,
            poll,
            full_every: Millis(full_every.0.max(1_000)),
            link,
            out: None,
            under_way: None,
            now: Monotonic(i64::MIN),
            poll_due: Monotonic(i64::MIN),
            full_due: Monotonic(i64::MIN),
        }
    }

    /// Chooses what leaves next: setpoint, vendor write, whole status, poll.
    fn advance(&mut self, now: Now) {
        self.now = now.monotonic;
        self.tracker.expire(now.monotonic);
        if let Some(state) = self.link.judge(now.monotonic) {
            self.tracker.report(Report::Link(state));
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
                    self.tracker.evse(),
                    self.base
                );
                if let Some(state) = self.link.give_up(problem, self.now) {
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
        if let Some(state) = self.link.failed(problem, now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
    }

    fn status_failed(&mut self, full: bool, now: Now) {
        if full {
            self.full_due = now.monotonic + FULL_RETRY;
        }
    }

    fn came_back(&mut self, now: Now) {
        if let Some(state) = self.link.succeeded() {
            self.tracker.report(Report::Link(state));
            // Firmware, settings and plug may have changed meanwhile.
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
        let said = if full { Said::Whole } else { Said::Poll };
        let taken = self.tracker.take(object, said, now);
        if taken.rebooted {
            self.full_due = self.full_due.min(now.monotonic);
        }
        taken.problem.map_or(Ok(()), Err)
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

    fn handle_action(&mut self, action: &Action, now: Now) {
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
        if asked == Asked::Setpoint {
            self.tracker.sent(at);
        }
        self.under_way = Some((asked, at));
        Some(request)
    }

    fn poll_event(&mut self) -> Option<Report> {
        self.tracker.poll_event()
    }

    fn poll_timeout(&self) -> Monotonic {
        let due = if self.under_way.is_some() {
            self.now + PATIENCE
        } else {
            self.full_due.min(self.poll_due)
        };
        self.link.deadline(due).min(self.tracker.poll_timeout())
    }
}
