//! The client half for devices that a definition describes: reads them in rounds, never writes.
//!
//! A round that fails anywhere gives no reading at all. Actions are ignored: a definition has no setpoints.

use model::gateway::Unit;
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};

use super::conversation::{Conversation, Trouble};
use super::definition::Definition;
use super::map;
use super::pdu::Response;
use crate::{Event, Failure, Reply, ReplyError, Request};

/// One device.
#[derive(Clone, Debug, PartialEq)]
pub struct ModbusSettings {
    /// As people know it; appears in messages.
    pub name: String,
    pub unit: u8,
    pub definition: Definition,
    /// How often it is read.
    pub poll: Millis,
}

/// A client for one device.
#[derive(Debug)]
pub struct Client {
    definition: Definition,
    conversation: Conversation,
    /// The answers of the round under way; `None` between rounds.
    read: Option<Vec<Vec<u16>>>,
    identified: bool,
}

impl Client {
    #[must_use]
    pub fn new(settings: ModbusSettings) -> Self {
        let subject = format!("{} \"{}\"", settings.definition.role.name(), settings.name);
        Self {
            conversation: Conversation::new(subject, settings.unit, settings.poll),
            definition: settings.definition,
            read: None,
            identified: false,
        }
    }

    fn finish_round(&mut self, measured: model::reading::Measured) {
        self.conversation.succeeded();
        // These devices do not say who they are; the definition does.
        if !self.identified {
            self.identified = true;
            let text = format!("{} {}", self.definition.maker, self.definition.name);
            self.conversation.report(Report::Identity { text });
        }
        self.conversation.report(Report::Measured(measured));
    }
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        // A round that takes longer than its period is read to its end.
        if self.conversation.begin_round(now) && self.read.is_none() {
            self.read = Some(Vec::new());
        }
    }

    fn handle_action(&mut self, _: &Unit, _action: &Action, _now: Now) {}

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        let Some((request, result)) = self.conversation.receive(&reply) else {
            return Err(ReplyError {
                asked: "nothing".to_owned(),
                came: "an answer".to_owned(),
                expected: "silence".to_owned(),
            });
        };
        let mut read = self.read.take().unwrap_or_default();
        match result {
            Ok(Response::Registers { values, .. }) => read.push(values),
            Ok(Response::Bits { .. } | Response::Written { .. } | Response::Refused { .. }) => return Ok(()),
            Err(trouble) => return Err(self.conversation.fail_with(&request, trouble, now)),
        }
        if read.len() < self.definition.requests().len() {
            self.read = Some(read);
            return Ok(());
        }
        match map::measured(&self.definition, &read) {
            Ok(measured) => {
                self.finish_round(measured);
                Ok(())
            }
            Err(problem) => {
                let error = self
                    .conversation
                    .reply_error(&request, &problem.came, &problem.expected);
                Err(self
                    .conversation
                    .fail_with(&request, Trouble::Senseless(error), now))
            }
        }
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        if let Some(request) = self.conversation.abandon() {
            self.read = None;
            self.conversation.fail_without_answer(&request, failure, now);
        }
    }

    fn poll_request(&mut self) -> Option<Request> {
        if self.conversation.is_busy() {
            return None;
        }
        let next = self.read.as_ref()?.len();
        let span = self.definition.requests().get(next)?;
        Some(self.conversation.send(span.request()))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.conversation.next_report().map(Event::from)
    }

    fn poll_timeout(&self) -> Monotonic {
        self.conversation.due()
    }
}
