//! A dialect and a transport that do what a test wants, under the paused time of tokio.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use dialects::{Client, Event, Failure, Reply, ReplyError, Request};
use model::device::{Device, DeviceKind, LinkSettings, LinkState, MeterRole};
use model::gateway::Unit;
use model::id::{CircuitId, DeviceId, SiteId};
use model::message::Report;
use model::phases::PerPhase;
use model::setpoint::Action;
use model::site::{Circuit, Keeper, Site};
use model::time::{Clock, Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliVolts};

use crate::driver::Driver;
use crate::transport::Transport;

pub(crate) const PERIOD: Millis = Millis(1_000);

/// Follows the time of tokio, beginning with 0.
pub(crate) struct PausedClock(tokio::time::Instant);

impl PausedClock {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(tokio::time::Instant::now()))
    }
}

impl PausedClock {
    /// Its beginning.
    pub fn standing() -> Now {
        Now {
            wall: Timestamp::from_seconds(1_700_000_000),
            monotonic: Monotonic(0),
        }
    }
}

impl Clock for PausedClock {
    fn now(&self) -> Now {
        let elapsed = i64::try_from(self.0.elapsed().as_millis()).unwrap();
        Self::standing().after(Millis(elapsed))
    }
}

/// What happened, one line each: milliseconds and words.
#[derive(Clone, Default)]
pub(crate) struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub fn note(&self, at: Now, what: &str) {
        self.0.lock().unwrap().push(format!("{} {what}", at.monotonic.0));
    }

    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }
}

/// Asks once a second; sends setpoints as they are.
pub(crate) struct FakeClient {
    trace: Trace,
    due: Monotonic,
    out: VecDeque<Request>,
    events: VecDeque<Event>,
}

/// The request that polls, and the first byte of answers which make no sense or break the client.
const POLL: u8 = 0;
pub(crate) const NONSENSE: u8 = 0xee;
pub(crate) const PANIC: u8 = 0xff;

impl Client for FakeClient {
    fn handle_timeout(&mut self, now: Now) {
        self.due = now.monotonic + PERIOD;
        self.out.push_back(Request::Modbus {
            unit: 1,
            pdu: vec![POLL],
        });
    }

    fn handle_action(&mut self, _: &Unit, action: &Action, now: Now) {
        let Action::VendorWrite { value, .. } = action else {
            panic!("no such test: {action:?}")
        };
        self.trace.note(now, &format!("told {value}"));
        self.out.push_front(Request::Modbus {
            unit: 1,
            pdu: vec![value.parse().unwrap()],
        });
    }

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        let Reply::Modbus { pdu } = reply else {
            panic!("no such test")
        };
        self.trace.note(now, &format!("answer {}", pdu[0]));
        assert_ne!(pdu[0], PANIC, "this client breaks, as the test wants");
        if pdu[0] == NONSENSE {
            let problem = "nonsense".to_owned();
            let state = LinkState::Offline {
                problem: problem.clone(),
            };
            self.events.push_back(Report::Link(state).into());
            return Err(ReplyError {
                asked: "poll".to_owned(),
                came: problem,
                expected: "sense".to_owned(),
            });
        }
        self.events.push_back(Report::Link(LinkState::Online).into());
        Ok(())
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        self.trace.note(now, &failure.to_string());
        let state = LinkState::Offline {
            problem: failure.to_string(),
        };
        self.events.push_back(Report::Link(state).into());
    }

    fn poll_request(&mut self) -> Option<Request> {
        self.out.pop_front()
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Monotonic {
        self.due
    }
}

/// One exchange: how long it takes and how it ends. `None` never ends.
pub(crate) type Outcome = Option<(u64, Result<u8, Failure>)>;

/// Ends exchanges as scripted, the last way for ever.
pub(crate) struct FakeTransport {
    clock: Arc<dyn Clock>,
    trace: Trace,
    outcomes: VecDeque<Outcome>,
}

#[async_trait]
impl Transport for FakeTransport {
    async fn exchange(&mut self, request: Request) -> Result<Reply, Failure> {
        let Request::Modbus { pdu, .. } = request else {
            panic!("no such test")
        };
        self.trace.note(self.clock.now(), &format!("asked {}", pdu[0]));
        let outcome = self.outcomes[0].clone();
        if self.outcomes.len() > 1 {
            self.outcomes.pop_front();
        }
        let Some((after_ms, result)) = outcome else {
            return std::future::pending().await;
        };
        tokio::time::sleep(Duration::from_millis(after_ms)).await;
        result.map(|byte| Reply::Modbus { pdu: vec![byte] })
    }
}

pub(crate) fn driver(clock: Arc<dyn Clock>, trace: &Trace, outcomes: &[Outcome]) -> Driver {
    let client = FakeClient {
        trace: trace.clone(),
        due: Monotonic(i64::MIN),
        out: VecDeque::new(),
        events: VecDeque::new(),
    };
    let transport = FakeTransport {
        clock,
        trace: trace.clone(),
        outcomes: outcomes.iter().cloned().collect(),
    };
    Driver {
        client: Box::new(client),
        transport: Box::new(transport),
    }
}

pub(crate) fn device(id: &str) -> Device {
    Device {
        id: DeviceId::new(id).unwrap(),
        name: id.to_owned(),
        kind: DeviceKind::Meter {
            role: MeterRole::Grid,
        },
        circuit: CircuitId::new("house").unwrap(),
        enabled: true,
        period: PERIOD,
        link: LinkSettings::Sunspec {
            address: "127.0.0.1:1".to_owned(),
            unit: 1,
        },
    }
}

pub(crate) fn site(id: &str, devices: Vec<Device>) -> Site {
    Site {
        id: SiteId::new(id).unwrap(),
        name: id.to_owned(),
        keeper: Keeper::Ours,
        time_zone: "Europe/Vienna".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: CircuitId::new("house").unwrap(),
            name: "House".to_owned(),
            parent: None,
            limit: PerPhase::new(MilliAmps(35_000), MilliAmps(35_000), MilliAmps(35_000)),
            power_limit: None,
            reserve: MilliAmps(0),
            credit: MilliAmps(0),
            meter: None,
        }],
        devices,
    }
}

/// An order that the fake client sends as the byte it says.
pub(crate) fn order(byte: u8) -> Action {
    Action::VendorWrite {
        ticket: 0,
        key: "byte".to_owned(),
        value: byte.to_string(),
    }
}
