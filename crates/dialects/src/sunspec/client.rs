//! The client half: finds the models of a device, reads them in rounds, and tells a battery what to do.
//!
//! A round that fails anywhere gives no reading at all. Every read includes the id and length of its model,
//! so that a chain that has moved (a firmware update, another device at the same address) is noticed before
//! its registers are taken for something else; the walk then begins anew.
//!
//! Of the actions only battery power means something here; all others are ignored.

use model::gateway::Unit;
use model::message::Report;
use model::reading::Measured;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use model::units::Watts;

use super::block::Block;
use super::chain::{self, BASES, Found, Planned, Role, Stride, Walk};
use super::image::MARK;
use super::map;
use super::model::Models;
use super::storage::Order;
use crate::modbus::Exception;
use crate::modbus::conversation::{Conversation, Trouble};
use crate::modbus::pdu::{MAX_READ_REGISTERS, Request as Pdu, Response};
use crate::modbus::plausible;
use crate::{Event, Failure, Reply, ReplyError, Request};

/// One device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SunspecSettings {
    /// As people know it; appears in messages.
    pub name: String,
    pub unit: u8,
    pub role: Role,
    /// How often it is read.
    pub poll: Millis,
}

#[derive(Debug)]
enum Stage {
    /// Nothing to ask before the next round.
    Idle,
    /// Is the mark at this base?
    Mark { base: usize },
    /// Which model is next?
    Header { walk: Walk },
    /// Who made it?
    Identity { common: Found },
    /// What does it say? One element of `read` for each block that has answered.
    Values { read: Vec<Vec<u16>> },
}

/// A client for one device that speaks SunSpec.
#[derive(Debug)]
pub struct Client {
    role: Role,
    models: Models,
    conversation: Conversation,
    stage: Stage,
    /// The question of this stage got no answer and is repeated in the next round.
    waits: bool,
    /// What to read in every round; empty until the chain is known.
    blocks: Vec<Planned>,
    identity: Option<String>,
    order: Order,
}

impl Client {
    #[must_use]
    pub fn new(settings: SunspecSettings) -> Self {
        let subject = format!("{} \"{}\"", settings.role.name(), settings.name);
        let (charge, discharge) = match settings.role {
            Role::Battery {
                max_charge,
                max_discharge,
            } => (max_charge, max_discharge),
            Role::Meter | Role::Inverter => (Watts::ZERO, Watts::ZERO),
        };
        Self {
            role: settings.role,
            models: Models::built_in(),
            conversation: Conversation::new(subject, settings.unit, settings.poll),
            stage: Stage::Idle,
            waits: false,
            blocks: Vec::new(),
            identity: None,
            order: Order::new(charge, discharge),
        }
    }

    fn forget_chain(&mut self) {
        self.blocks.clear();
        self.order.forget_control();
    }

    fn next_read(&self) -> Option<Pdu> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Mark { base } => BASES.get(*base).map(|base| Pdu::holding(*base, 2)),
            Stage::Header { walk } => Some(Pdu::holding(walk.next, 2)),
            Stage::Identity { common } => {
                let count = common.length.saturating_add(2).min(MAX_READ_REGISTERS);
                Some(Pdu::holding(common.address, count))
            }
            Stage::Values { read } => self
                .blocks
                .get(read.len())
                .map(|block| Pdu::holding(block.found.address, block.count)),
        }
    }

    /// Takes the registers that were asked for and goes on to the next question.
    fn take(&mut self, request: &Pdu, registers: Vec<u16>, now: Now) -> Result<(), ReplyError> {
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Idle => Ok(()),
            Stage::Mark { base } if registers == MARK => {
                let walk = Walk::from(BASES.get(base).copied().unwrap_or_default());
                self.stage = Stage::Header { walk };
                Ok(())
            }
            Stage::Mark { base } => self.try_next_base(base, request, now),
            Stage::Header { mut walk } => {
                let (id, length) = header(&registers);
                match walk.step(id, length) {
                    Stride::On => {
                        self.stage = Stage::Header { walk };
                        Ok(())
                    }
                    Stride::Ended => self.finish_walk(&walk, request, now),
                    Stride::Lost => {
                        let came = format!("model {id} with {length} registers");
                        Err(self.fail(request, &came, "a model, or the end of the chain", now))
                    }
                }
            }
            Stage::Identity { common } => {
                self.check_header(common, request, &registers, now)?;
                let block = self.models.get(common.id).map(|model| Block {
                    model,
                    registers: &registers,
                });
                let identity = block.and_then(|block| map::read_identity(&block));
                if identity != self.identity {
                    self.identity.clone_from(&identity);
                    if let Some(text) = identity {
                        self.conversation.report(Report::Identity { text });
                    }
                }
                self.stage = Stage::Values { read: Vec::new() };
                Ok(())
            }
            Stage::Values { mut read } => {
                if let Some(block) = self.blocks.get(read.len()) {
                    self.check_header(block.found, request, &registers, now)?;
                }
                read.push(registers);
                if read.len() < self.blocks.len() {
                    self.stage = Stage::Values { read };
                    return Ok(());
                }
                self.finish_round(request, &read, now)
            }
        }
    }

    fn check_header(
        &mut self,
        expected: Found,
        request: &Pdu,
        registers: &[u16],
        now: Now,
    ) -> Result<(), ReplyError> {
        let (id, length) = header(registers);
        if (id, length) == (expected.id, expected.length) {
            return Ok(());
        }
        self.forget_chain();
        let came = format!("model {id} with {length} registers");
        let wanted = format!("model {} with {} registers", expected.id, expected.length);
        Err(self.fail(request, &came, &wanted, now))
    }

    fn try_next_base(&mut self, base: usize, request: &Pdu, now: Now) -> Result<(), ReplyError> {
        if base + 1 < BASES.len() {
            self.stage = Stage::Mark { base: base + 1 };
            return Ok(());
        }
        Err(self.fail(
            request,
            "no mark `SunS` at 40000, 50000 or 0",
            "a device that speaks SunSpec",
            now,
        ))
    }

    fn finish_walk(&mut self, walk: &Walk, request: &Pdu, now: Now) -> Result<(), ReplyError> {
        match chain::plan(self.role, &walk.found, &self.models) {
            Ok(blocks) => {
                self.blocks = blocks;
                let common = walk.found.iter().find(|found| found.id == 1).copied();
                self.stage = match common {
                    Some(common) => Stage::Identity { common },
                    None => Stage::Values { read: Vec::new() },
                };
                Ok(())
            }
            Err(has) => {
                let needs = self.role.needs();
                let error = self.conversation.reply_error(request, &has, needs);
                self.conversation
                    .unusable(&format!("it has {has}, and {needs} is needed"), now);
                Err(error)
            }
        }
    }

    fn finish_round(&mut self, request: &Pdu, read: &[Vec<u16>], now: Now) -> Result<(), ReplyError> {
        match self.measured(read) {
            Ok(measured) => {
                self.conversation.succeeded();
                self.conversation.report(Report::Measured(measured));
                self.observe(request, read, now)
            }
            Err((came, expected)) => Err(self.fail(request, &came, &expected, now)),
        }
    }

    fn measured(&self, read: &[Vec<u16>]) -> Result<Measured, (String, String)> {
        let block = |ids: &[u16]| self.block(read, ids);
        let measured = match self.role {
            Role::Meter => block(&chain::METERS).map(|block| map::read_meter(&block)),
            Role::Inverter => block(&chain::INVERTERS).map(|block| map::read_inverter(&block)),
            Role::Battery { .. } => Some(map::read_battery(
                block(&[802]).as_ref(),
                block(&[124]).as_ref(),
                block(&chain::INVERTERS).as_ref(),
            )),
        };
        let measured = measured
            .ok_or_else(|| ("no block".to_owned(), "a block of the role".to_owned()))?
            .map_err(|error| {
                (
                    format!("{} is {}", error.point, error.came),
                    error.expected.to_owned(),
                )
            })?;
        plausible::check(&measured).map_err(|problem| (problem.came, problem.expected))?;
        Ok(measured)
    }

    fn block<'a>(&'a self, read: &'a [Vec<u16>], ids: &[u16]) -> Option<Block<'a>> {
        let mut blocks = self.blocks.iter().zip(read);
        let (planned, registers) = blocks.find(|(planned, _)| ids.contains(&planned.found.id))?;
        Some(Block {
            model: &planned.model,
            registers,
        })
    }

    /// Lets the order of a battery see whether it stands.
    fn observe(&mut self, request: &Pdu, read: &[Vec<u16>], now: Now) -> Result<(), ReplyError> {
        let storage = self
            .blocks
            .iter()
            .zip(read)
            .find(|(planned, _)| planned.found.id == 124);
        let possible = match storage {
            Some((planned, registers)) => {
                let block = Block {
                    model: &planned.model,
                    registers,
                };
                self.order.observe(planned.found.address, &block, now)
            }
            None => !self.order.give_up(),
        };
        if possible {
            return Ok(());
        }
        let expected = "model 124 with InWRte and OutWRte, so that it can be told a power";
        Err(self
            .conversation
            .reply_error(request, "a battery that only measures", expected))
    }

    fn fail(&mut self, request: &Pdu, came: &str, expected: &str, now: Now) -> ReplyError {
        self.stage = Stage::Idle;
        let error = self.conversation.reply_error(request, came, expected);
        self.conversation
            .fail_with(request, Trouble::Senseless(error), now)
    }

    fn trouble(&mut self, request: &Pdu, trouble: Trouble, now: Now) -> Result<(), ReplyError> {
        if !request.is_read() {
            self.order.drop_writes();
            return Err(self.conversation.fail_with(request, trouble, now));
        }
        let absent = matches!(
            trouble,
            Trouble::Refused(
                Exception::IllegalAddress | Exception::IllegalValue | Exception::IllegalFunction
            )
        );
        match std::mem::replace(&mut self.stage, Stage::Idle) {
            Stage::Mark { base } if absent => self.try_next_base(base, request, now),
            // Some devices have no end mark and refuse what lies behind their last model.
            Stage::Header { walk } if absent && !walk.found.is_empty() => {
                self.finish_walk(&walk, request, now)
            }
            stage @ (Stage::Idle
            | Stage::Mark { .. }
            | Stage::Header { .. }
            | Stage::Identity { .. }
            | Stage::Values { .. }) => {
                self.repeat(stage);
                Err(self.conversation.fail_with(request, trouble, now))
            }
        }
    }

    /// A walk goes on where it was, so that a line that loses every fifth answer is still walked to its
    /// end. A round of values begins anew, so that all values of a reading are of one moment.
    fn repeat(&mut self, stage: Stage) {
        self.stage = if matches!(stage, Stage::Values { .. }) {
            Stage::Idle
        } else {
            stage
        };
        self.waits = true;
    }
}

/// The first two registers of a model: id and length.
fn header(registers: &[u16]) -> (u16, u16) {
    let at = |index: usize| registers.get(index).copied().unwrap_or_default();
    (at(0), at(1))
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        if !self.conversation.begin_round(now) || self.conversation.is_busy() {
            return;
        }
        self.waits = false;
        // After silence it may be another device, or the same with another firmware.
        if self.conversation.is_offline() {
            self.forget_chain();
        } else if !matches!(self.stage, Stage::Idle) {
            return;
        }
        self.stage = if self.blocks.is_empty() {
            Stage::Mark { base: 0 }
        } else {
            Stage::Values { read: Vec::new() }
        };
    }

    fn handle_action(&mut self, _: &Unit, action: &Action, _now: Now) {
        match action {
            Action::BatteryPower { power } if matches!(self.role, Role::Battery { .. }) => {
                self.order.want(*power);
            }
            Action::BatteryPower { .. }
            | Action::Charge { .. }
            | Action::TakeBack { .. }
            | Action::VendorWrite { .. }
            | Action::Order { .. } => {}
        }
    }

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        let Some((request, result)) = self.conversation.receive(&reply) else {
            return Err(ReplyError {
                asked: "nothing".to_owned(),
                came: "an answer".to_owned(),
                expected: "silence".to_owned(),
            });
        };
        match result {
            Ok(Response::Registers { values, .. }) => self.take(&request, values, now),
            Ok(Response::Written { .. }) => {
                self.order.wrote(now);
                Ok(())
            }
            Ok(Response::Bits { .. } | Response::Refused { .. }) => Ok(()),
            Err(trouble) => self.trouble(&request, trouble, now),
        }
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        if let Some(request) = self.conversation.abandon() {
            if request.is_read() {
                let stage = std::mem::replace(&mut self.stage, Stage::Idle);
                self.repeat(stage);
            } else {
                self.order.drop_writes();
            }
            self.conversation.fail_without_answer(&request, failure, now);
        }
    }

    fn poll_request(&mut self) -> Option<Request> {
        if self.conversation.is_busy() {
            return None;
        }
        let read = || if self.waits { None } else { self.next_read() };
        let request = self.order.next_write().or_else(read)?;
        Some(self.conversation.send(request))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.conversation.next_report().map(Event::from)
    }

    fn poll_timeout(&self) -> Monotonic {
        self.conversation.due()
    }
}
