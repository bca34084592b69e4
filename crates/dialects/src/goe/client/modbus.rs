//! Polls one charger over Modbus TCP.
//!
//! Few keys are in registers: enough for control, no document worth the name. Writes go out one register each
//! with function 16, the only one that chargers know; currents to the register that is not kept in flash. In
//! which order words and bytes come is told by no register, so the order that makes sense of the voltages
//! counts (firmware 60.3 had it wrong).

use std::collections::VecDeque;

use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::{Map, Value};

use super::tracker::{Said, Tracker, VendorWrite};
use super::{Common, WAITS};
use crate::attempts::Attempts;
use crate::goe::registers::{self, Block, Order, Space};
use crate::modbus::Exception;
use crate::modbus::pdu::{Request as Pdu, Response, Table};
use crate::{Failure, Reply, ReplyError, Request};

/// The currents that were asked for, which control needs as often as what is live.
const CURRENTS: (Space, u16, u16) = (Space::Holding, 299, 2);
/// How soon a key of the charger's own is read back.
const READ_BACK: Millis = Millis(1_200);
/// How long the owner of the socket may sleep while an answer is due.
const PATIENCE: Millis = Millis(10_000);
/// More than a charger ever has; anything above means that the order is wrong.
const MOST_VOLTS: f64 = 500.0;

/// Keys that can be written beside the setpoint, and their registers.
const WRITABLE: [(&str, u16); 9] = [
    ("acs", 201),
    ("ust", 204),
    ("lbr", 206),
    ("lse", 207),
    ("ama", 211),
    ("nmo", 218),
    ("amp", registers::AMPERE_EEPROM),
    ("psm", registers::PHASE_SWITCH_MODE),
    ("frc", registers::FORCE_STATE),
];

/// Where the charger is, and how often everything is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModbusSettings {
    /// As it is shown: `192.168.1.50:502`.
    pub address: String,
    pub unit: u8,
    pub full_every: Millis,
}

/// What was asked for and not answered yet.
#[derive(Clone, Debug)]
enum Asked {
    Read(Space, u16),
    Setpoint,
    Vendor(VendorWrite),
}

/// The client half of the dialect, over Modbus TCP.
#[derive(Debug)]
pub struct Client {
    tracker: Tracker,
    settings: ModbusSettings,
    poll: Millis,
    attempts: Attempts,
    order: Order,
    /// The charger has no register for `frc` (before 55.6).
    without_force: bool,
    /// Reads that are left of the round, and what it brought.
    round: VecDeque<(Space, u16, u16)>,
    is_whole: bool,
    blocks: Vec<Block>,
    /// Registers to be written for the setpoint.
    writes: VecDeque<(u16, u16)>,
    under_way: Option<(Asked, Pdu)>,
    now: Monotonic,
    poll_due: Monotonic,
    full_due: Monotonic,
}

impl Client {
    #[must_use]
    pub fn new(common: Common, settings: ModbusSettings) -> Self {
        let attempts = Attempts::new(&format!("{} {}", settings.address, common.evse), WAITS);
        Self {
            poll: Millis(common.poll.0.max(100)),
            tracker: Tracker::new(common),
            settings,
            attempts,
            order: Order::default(),
            without_force: false,
            round: VecDeque::new(),
            is_whole: false,
            blocks: Vec::new(),
            writes: VecDeque::new(),
            under_way: None,
            now: Monotonic(i64::MIN),
            poll_due: Monotonic(i64::MIN),
            full_due: Monotonic(i64::MIN),
        }
    }

    fn advance(&mut self, now: Now) {
        self.now = now.monotonic;
        self.tracker.expire(now.monotonic);
        if let Some(state) = self.attempts.judge(now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
    }

    /// Registers that have to be written for the setpoint now.
    fn queue_setpoint(&mut self) {
        let due = self.tracker.due(self.now);
        if due.is_empty() {
            return;
        }
        self.tracker.sent(self.now);
        self.writes = due
            .into_iter()
            .map(|(key, value)| {
                let value = u16::try_from(value).unwrap_or(0);
                match key {
                    "amp" => (registers::AMPERE_VOLATILE, value),
                    "psm" => (registers::PHASE_SWITCH_MODE, value),
                    // 1 is off, 2 is on; the older register knows allowed or not.
                    _ if self.without_force => (registers::ALLOW, u16::from(value != 1)),
                    _ => (registers::FORCE_STATE, value),
                }
            })
            .collect();
    }

    fn choose(&mut self) -> Option<(Asked, Pdu)> {
        if self.now < self.attempts.retry_at() {
            return None;
        }
        if self.writes.is_empty() {
            self.queue_setpoint();
        }
        if let Some((address, value)) = self.writes.pop_front() {
            return Some((Asked::Setpoint, self.write(address, value)));
        }
        while let Some(write) = self.tracker.next_write() {
            match register_of(&write) {
                Some((address, value)) => {
                    let pdu = self.write(address, value);
                    return Some((Asked::Vendor(write), pdu));
                }
                None => {
                    let words = format!("{}: is in no register that can be written", write.key);
                    self.tracker.refuse(&write, words);
                }
            }
        }
        if self.round.is_empty() {
            self.begin_round()?;
        }
        let (space, address, count) = self.round.pop_front()?;
        let table = match space {
            Space::Holding => Table::Holding,
            Space::Input => Table::Input,
        };
        Some((
            Asked::Read(space, address),
            Pdu::Read {
                table,
                address,
                count,
            },
        ))
    }

    fn begin_round(&mut self) -> Option<()> {
        self.is_whole = self.now >= self.full_due;
        if !self.is_whole && self.now < self.poll_due {
            return None;
        }
        self.blocks.clear();
        self.round = registers::LIVE.into_iter().chain([CURRENTS]).collect();
        if self.is_whole {
            self.full_due = self.now + self.settings.full_every;
            self.round
                .extend(registers::SETTINGS.into_iter().filter(|range| *range != CURRENTS));
        }
        self.poll_due = self.now + self.poll;
        Some(())
    }

    fn write(&self, address: u16, value: u16) -> Pdu {
        let value = if self.order.low_byte_first {
            value.swap_bytes()
        } else {
            value
        };
        Pdu::WriteRegisters {
            address,
            values: vec![value],
        }
    }

    fn failed(&mut self, what: &str, hint: &str, now: Now) {
        self.round.clear();
        self.writes.clear();
        let problem = format!(
            "cannot read registers of charger \"{}\" at {}: {what}; {hint}",
            self.tracker.evse(),
            self.settings.address
        );
        if let Some(state) = self.attempts.failed(problem, now.monotonic) {
            self.tracker.report(Report::Link(state));
        }
    }

    fn read(&mut self, space: Space, address: u16, response: Response, now: Now) -> Result<(), ReplyError> {
        match response {
            Response::Registers { values, .. } => self.blocks.push(Block {
                space,
                address,
                values,
            }),
            // An older firmware has not all of them.
            Response::Refused {
                exception: Exception::IllegalAddress | Exception::IllegalValue,
                ..
            } => {
                self.without_force |= address == registers::PHASE_SWITCH_MODE;
            }
            Response::Refused { exception, .. } => {
                self.failed(&exception.to_string(), exception.advice(), now);
                return Ok(());
            }
            Response::Bits { .. } | Response::Written { .. } => {}
        }
        if !self.round.is_empty() {
            return Ok(());
        }
        self.finish_round(now)
    }

    fn finish_round(&mut self, now: Now) -> Result<(), ReplyError> {
        let blocks = std::mem::take(&mut self.blocks);
        let Some((order, mut object)) = in_some_order(&blocks, self.order) else {
            self.failed(
                "registers that are none of a charger",
                "check the address, and that Modbus is on in the charger's app",
                now,
            );
            return Err(ReplyError {
                asked: "registers".to_owned(),
                came: "no car state and no voltage of a charger".to_owned(),
                expected: "the registers of a go-e charger".to_owned(),
            });
        };
        self.order = order;
        if self.without_force
            && let Some(allowed) = object.get("alw").and_then(Value::as_bool)
        {
            object.insert("frc".to_owned(), Value::from(if allowed { 2 } else { 1 }));
        }
        if let Some(state) = self.attempts.succeeded() {
            self.tracker.report(Report::Link(state));
            self.tracker.came_back();
        }
        let said = if self.is_whole { Said::Whole } else { Said::Poll };
        let taken = self.tracker.take(object, said, now);
        taken.problem.map_or(Ok(()), Err)
    }
}

/// The status in the first order in which it makes sense, the one of last time first.
fn in_some_order(blocks: &[Block], last: Order) -> Option<(Order, Map<String, Value>)> {
    let orders = [(true, false), (false, false), (true, true), (false, true)];
    let orders = orders.map(|(high_word_first, low_byte_first)| Order {
        high_word_first,
        low_byte_first,
    });
    std::iter::once(last).chain(orders).find_map(|order| {
        let object = registers::decode_status(blocks, order);
        let car = object.get("car").and_then(Value::as_i64)?;
        let volts = object.get("nrg").and_then(Value::as_array)?;
        let volts_fit = volts.iter().take(3).all(|volts| {
            volts
                .as_f64()
                .is_some_and(|volts| (0.0..=MOST_VOLTS).contains(&volts))
        });
        ((0..=6).contains(&car) && volts_fit).then_some((order, object))
    })
}

fn register_of(write: &VendorWrite) -> Option<(u16, u16)> {
    let (_, address) = WRITABLE.into_iter().find(|(key, _)| *key == write.key)?;
    let value = match serde_json::from_str(&write.value).ok()? {
        Value::Bool(flag) => u16::from(flag),
        Value::Number(number) => u16::try_from(number.as_i64()?).ok()?,
        Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => return None,
    };
    Some((address, value))
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    fn handle_action(&mut self, action: &Action, now: Now) {
        self.tracker.act(action);
        if matches!(action, Action::Charge { .. }) {
            // What has not left is chosen again.
            self.writes.clear();
        }
        self.advance(now);
    }

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        let (Some((asked, request)), Reply::Modbus { pdu }) = (self.under_way.take(), reply) else {
            return Ok(());
        };
        let result = match Response::decode(&pdu, &request) {
            Err(error) => {
                self.failed(&error.to_string(), "check that the address is the charger's", now);
                Err(ReplyError {
                    asked: format!("registers from {}", request.address()),
                    came: error.to_string(),
                    expected: "an answer of Modbus".to_owned(),
                })
            }
            Ok(response) => {
                let refusal = match &response {
                    Response::Refused { exception, .. } => Some(exception.to_string()),
                    Response::Bits { .. } | Response::Registers { .. } | Response::Written { .. } => None,
                };
                let said = refusal.map_or(Ok(()), Err);
                let refused = |asked: String, said: Result<(), String>| {
                    said.map_err(|came| ReplyError {
                        asked,
                        came,
                        expected: "a write that is taken".to_owned(),
                    })
                };
                match asked {
                    Asked::Read(space, address) => self.read(space, address, response, now),
                    Asked::Setpoint => refused(format!("register {}", request.address()), said),
                    Asked::Vendor(write) => {
                        let key = format!("set `{}`", write.key);
                        self.tracker.answered(write, said.clone(), now);
                        self.full_due = self.full_due.min(now.monotonic + READ_BACK);
                        refused(key, said)
                    }
                }
            }
        };
        self.advance(now);
        result
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        if let Some((Asked::Vendor(write), _)) = self.under_way.take() {
            self.tracker.unanswered(write, &failure.to_string());
        }
        let hint = match failure {
            Failure::Refused => "check the address and that Modbus is on in the charger's app",
            Failure::TimedOut { .. } | Failure::Closed | Failure::Other(_) => {
                "check that the charger has power and is in the network"
            }
        };
        self.failed(&failure.to_string(), hint, now);
        self.advance(now);
    }

    fn poll_request(&mut self) -> Option<Request> {
        if self.under_way.is_some() {
            return None;
        }
        let (asked, pdu) = self.choose()?;
        let bytes = pdu.encode();
        self.under_way = Some((asked, pdu));
        Some(Request::Modbus {
            unit: self.settings.unit,
            pdu: bytes,
        })
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
        self.attempts.deadline(due).min(self.tracker.poll_timeout())
    }
}
