//! A client, a charger and a car, with latency and loss as fields and time in steps.

use model::device::{ForeignPolicy, LinkState};
use model::document::Document;
use model::gateway::Unit;
use model::id::EvseId;
use model::message::{ForeignWhat, Report};
use model::phases::{PerPhase, Phase, Phases};
use model::reading::{EvseStatus, Measured};
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Monotonic, Now};
use model::units::{MilliAmps, MilliVolts, WattHours};

use super::{at, get};
use crate::goe::{Charger, ChargerInputs, Client, Common, Variant};
use crate::{Client as _, Event, Failure, Reply, ReplyError, Request};

const STEP_MS: i64 = 100;
const TIMED_OUT_MS: i64 = 2_000;

pub struct Pair {
    pub client: Client,
    pub charger: Charger,
    pub now: Now,
    /// From request to answer.
    pub latency_ms: i64,
    /// Whether the nth exchange is lost.
    pub lose: Box<dyn FnMut(u64) -> bool>,
    pub plugged: bool,
    pub asks: bool,
    pub complete: bool,
    pub booted_ms: i64,
    /// Paths with queries, in the order they arrived.
    pub requests: Vec<String>,
    pub reports: Vec<Report>,
    pub errors: Vec<ReplyError>,
    exchanges: u64,
    milliamp_ms: i64,
    due: Option<(Monotonic, Option<Request>)>,
}

impl Pair {
    pub fn new(variant: Variant) -> Self {
        Self::sharing(variant, ForeignPolicy::default(), None)
    }

    /// With what is done about foreign writers, and what the charger shall fall back to.
    pub fn sharing(variant: Variant, foreign: ForeignPolicy, fall_back: Option<ChargeCurrent>) -> Self {
        let common = Common {
            foreign,
            fall_back,
            ..Common::new(EvseId::new("left").unwrap(), Millis(1_000))
        };
        let client = Client::with(common, "http://192.0.2.7/", Millis(60_000));
        Self {
            client,
            charger: Charger::new(variant, "000001"),
            now: at(0),
            latency_ms: 50,
            lose: Box::new(|_| false),
            plugged: true,
            asks: true,
            complete: false,
            booted_ms: 0,
            requests: Vec::new(),
            reports: Vec::new(),
            errors: Vec::new(),
            exchanges: 0,
            milliamp_ms: 0,
            due: None,
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: i64) {
        for _ in 0..ms / STEP_MS {
            self.now = self.now.after(Millis(STEP_MS));
            self.drive();
            self.deliver();
            if self.client.poll_timeout() <= self.now.monotonic {
                self.client.handle_timeout(self.now);
            }
            self.collect();
        }
    }

    pub fn charge(&mut self, amps: i64, phases: Option<Phases>) {
        let current = ChargeCurrent::at_most(MilliAmps::from_amps(amps));
        let action = Action::Charge {
            evse: EvseId::new("left").unwrap(),
            current,
            phases,
        };
        self.client.handle_action(&Unit::only(), &action, self.now);
        self.collect();
    }

    pub fn write(&mut self, key: &str, value: &str) {
        self.write_and_wait(0, key, value);
    }

    pub fn write_and_wait(&mut self, ticket: u64, key: &str, value: &str) {
        let action = Action::VendorWrite {
            ticket,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.client.handle_action(&Unit::only(), &action, self.now);
        self.collect();
    }

    fn drive(&mut self) {
        let outputs = self.charger.outputs();
        let flows = self.plugged && self.asks && !self.complete && outputs.allowed;
        let amps = MilliAmps::from_amps(if flows { outputs.amps } else { 0 });
        let drawn = match outputs.phases {
            Phases::One => PerPhase::new(amps, MilliAmps::ZERO, MilliAmps::ZERO),
            Phases::Three => PerPhase::all(amps),
        };
        self.milliamp_ms += drawn.total().0 * STEP_MS;
        let energy = WattHours(self.milliamp_ms / 1_000 * 230 / 3_600_000);
        self.charger.set_inputs(ChargerInputs {
            plugged: self.plugged,
            asks: self.asks && !self.complete,
            complete: self.complete,
            drawn,
            voltages: PerPhase::all(MilliVolts(230_500)),
            eto: WattHours(527_952) + energy,
            wh: energy,
            time: self.now,
            rbt: Millis(self.now.monotonic.0 - self.booted_ms),
            utc_offset: Millis(7_200_000),
        });
    }

    /// Hands over an answer, or its absence, when its time has come.
    fn deliver(&mut self) {
        let Some((due, request)) = self.due.take_if(|(due, _)| *due <= self.now.monotonic) else {
            return;
        };
        match request {
            Some(Request::Http(request)) => {
                let response = self.charger.handle(&request, due_now(due));
                self.requests.push(request.uri().to_string());
                if let Err(error) = self.client.handle_reply(Reply::Http(response), self.now) {
                    self.errors.push(error);
                }
            }
            Some(Request::Modbus { .. }) => panic!("a go-e charger is asked over HTTP"),
            None => self.client.handle_failure(
                &Failure::TimedOut {
                    after_ms: TIMED_OUT_MS,
                },
                self.now,
            ),
        }
    }

    fn collect(&mut self) {
        if self.due.is_none()
            && let Some(request) = self.client.poll_request()
        {
            self.exchanges += 1;
            let lost = (self.lose)(self.exchanges);
            let wait = if lost { TIMED_OUT_MS } else { self.latency_ms };
            self.due = Some((self.now.monotonic + Millis(wait), (!lost).then_some(request)));
        }
        while let Some(Event::Report { report, .. }) = self.client.poll_event() {
            self.reports.push(report);
        }
    }

    pub fn sets(&self) -> Vec<&str> {
        self.requests
            .iter()
            .filter_map(|uri| uri.strip_prefix("http://192.0.2.7/api/set?"))
            .collect()
    }

    /// What somebody else writes at the charger.
    pub fn elsewhere(&mut self, query: &str) {
        let response = self.charger.handle(&get(&format!("/api/set?{query}")), self.now);
        assert_eq!(response.status(), 200, "{query}");
    }

    pub fn foreign(&self) -> Vec<Option<ForeignWhat>> {
        let write = |report: &Report| {
            if let Report::Foreign { write } = report {
                Some(write.map(|write| write.what))
            } else {
                None
            }
        };
        self.reports.iter().filter_map(write).collect()
    }

    pub fn answers(&self) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let answer = |report: &Report| {
            if let Report::VendorAnswer { ticket, answer } = report {
                Some((*ticket, answer.clone()))
            } else {
                None
            }
        };
        self.reports.iter().filter_map(answer).collect()
    }

    pub fn links(&self) -> Vec<LinkState> {
        self.reports
            .iter()
            .filter_map(|report| {
                if let Report::Link(state) = report {
                    Some(state.clone())
                } else {
                    None
                }
            })
            .collect()
    }

    pub fn status(&self) -> EvseStatus {
        let last = self.reports.iter().rev();
        last.filter_map(|report| {
            if let Report::Evse { status, .. } = report {
                Some(*status)
            } else {
                None
            }
        })
        .next()
        .unwrap()
    }

    pub fn measured(&self) -> Measured {
        let last = self.reports.iter().rev();
        last.filter_map(|report| {
            if let Report::Measured(measured) = report {
                Some(measured.clone())
            } else {
                None
            }
        })
        .next()
        .unwrap()
    }

    pub fn documents(&self) -> Vec<Document> {
        self.reports
            .iter()
            .filter_map(|report| {
                if let Report::Document(document) = report {
                    Some(document.clone())
                } else {
                    None
                }
            })
            .collect()
    }

    /// What the car draws at the first terminal.
    pub fn drawn(&self) -> MilliAmps {
        self.status().current.unwrap()[Phase::L1]
    }
}

fn due_now(due: Monotonic) -> Now {
    at(due.0)
}
