//! What people want of devices behind a logger, beside reading them: an order leaves in front of whatever would be asked
//! next, and is over when the device has said its word.
//!
//! What was set is read back: only then it is known that it is so.

use std::collections::VecDeque;

use model::control::Order;
use model::gateway::Unit;
use model::message::Report;

use super::control::Wording;
use super::definition::Definition;
use super::question::{self, OnTheLine};
use crate::Event;

/// Orders of one logger that wait; further ones are refused.
const MOST: usize = 16;

/// One order.
#[derive(Debug)]
pub(super) struct Job {
    /// Who was asked, and under which ticket the answer goes; 0: nobody waits for it.
    pub unit: Unit,
    pub ticket: u64,
    /// Which station it is for.
    pub station: usize,
    pub work: Work,
}

#[derive(Debug)]
pub(super) enum Work {
    Question(OnTheLine),
    /// Not written yet.
    Set {
        control: String,
        value: String,
        wording: Wording,
    },
    /// Written; the device said this to it. How it is set now comes as the answer to this question of its definition.
    ReadBack {
        control: String,
        value: String,
        said: Vec<u8>,
        ask: usize,
    },
}

/// All orders of a logger.
#[derive(Debug, Default)]
pub(super) struct Jobs(VecDeque<Job>);

impl Jobs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whose turn it is.
    pub fn first(&self) -> Option<&Job> {
        self.0.front()
    }

    /// # Errors
    /// When too many wait.
    pub fn push(&mut self, job: Job) -> Result<(), String> {
        if self.0.len() == MOST {
            return Err(format!("{MOST} orders wait for the data logger"));
        }
        self.0.push_back(job);
        Ok(())
    }

    pub fn take(&mut self) -> Option<Job> {
        self.0.pop_front()
    }

    /// Goes on with what was taken, before any other.
    pub fn resume(&mut self, job: Job) {
        self.0.push_front(job);
    }
}

impl Job {
    pub fn new(unit: &Unit, ticket: u64, station: usize, work: Work) -> Self {
        Self {
            unit: unit.clone(),
            ticket,
            station,
            work,
        }
    }
}

/// What came of an order, for whoever waits for it.
pub(super) fn ended(unit: &Unit, ticket: u64, answer: Result<Vec<u8>, String>) -> Option<Event> {
    (ticket != 0).then(|| Event::Report {
        unit: unit.clone(),
        report: Report::VendorAnswer { ticket, answer },
    })
}

/// What is to be done for an order at a device of this make.
///
/// # Errors
/// With what is wrong with it, in words.
pub(super) fn work(definition: &Definition, address: u8, order: &Order) -> Result<Work, String> {
    match order {
        Order::Question { text } => question::read(definition.text_protocol(), address, text)
            .map(Work::Question)
            .ok_or_else(|| {
                "only what it is asked in its own language and changes nothing is passed on".to_owned()
            }),
        Order::Set { control, value } => {
            let setting = definition.setting(control);
            let setting = setting.ok_or_else(|| format!("it has no control `{control}`"))?;
            let wording = setting.wording(value);
            let wording = wording.ok_or_else(|| format!("{control} cannot be {value}"))?;
            Ok(Work::Set {
                control: control.clone(),
                value: value.clone(),
                wording,
            })
        }
    }
}
