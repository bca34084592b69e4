//! One device's conversation: the request under way, whether the device answers, when to ask again.
//!
//! Shared by every client that speaks Modbus. Knows requests and time, neither registers nor meaning.
//!
//! A device that is offline is asked less and less often, up to every 30 s.

use std::collections::VecDeque;

use model::message::Report;
use model::time::{Millis, Monotonic, Now};

use super::error::Exception;
use super::pdu::{self, Response};
use crate::attempts::{Attempts, Problem, Waits};
use crate::{Failure, Reply, ReplyError, Request};

const LONGEST_PAUSE: Millis = Millis::from_seconds(30);
/// Reports that nobody fetches; the oldest goes first.
const MAX_REPORTS: usize = 64;

/// Why an exchange brought nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Refused(Exception),
    Senseless(ReplyError),
}

/// The state of one conversation.
#[derive(Debug)]
pub(crate) struct Conversation {
    /// As people know the device: `meter "garage"`.
    subject: String,
    unit: u8,
    period: Millis,
    under_way: Option<pdu::Request>,
    reports: VecDeque<Report>,
    attempts: Attempts,
    due: Monotonic,
}

impl Conversation {
    pub(crate) fn new(subject: String, unit: u8, period: Millis) -> Self {
        let period = Millis(period.0.max(100));
        let waits = Waits::Doubling {
            first: period,
            longest: LONGEST_PAUSE,
        };
        Self {
            attempts: Attempts::new(&format!("{subject} {unit}"), waits),
            subject,
            unit,
            period,
            under_way: None,
            reports: VecDeque::new(),
            due: Monotonic(i64::MIN),
        }
    }

    pub(crate) const fn is_busy(&self) -> bool {
        self.under_way.is_some()
    }

    pub(crate) const fn due(&self) -> Monotonic {
        self.due
    }

    /// Whether a round of polling begins now; the next one is due a period later.
    pub(crate) fn begin_round(&mut self, now: Now) -> bool {
        if now.monotonic < self.due {
            return false;
        }
        // Keeps its beat, unless it is late by more than one.
        let next = Monotonic(self.due.0.saturating_add(self.period.0));
        self.due = if next > now.monotonic {
            next
        } else {
            now.monotonic + self.period
        };
        true
    }

    pub(crate) fn send(&mut self, request: pdu::Request) -> Request {
        let pdu = request.encode();
        self.under_way = Some(request);
        Request::Modbus { unit: self.unit, pdu }
    }

    /// The request that was under way with its answer, or the trouble with it. `None` when nothing was
    /// under way.
    pub(crate) fn receive(&mut self, reply: &Reply) -> Option<(pdu::Request, Result<Response, Trouble>)> {
        let request = self.under_way.take()?;
        let result = match reply {
            Reply::Http(_) => Err(self.senseless(&request, "an HTTP response", "a Modbus response")),
            Reply::Modbus { pdu } => match Response::decode(pdu, &request) {
                Ok(Response::Refused { exception, .. }) => Err(Trouble::Refused(exception)),
                Ok(response) => Ok(response),
                Err(error) => {
                    let expected = expected_answer(&request);
                    Err(self.senseless(&request, &error.to_string(), &expected))
                }
            },
        };
        Some((request, result))
    }

    /// The request that nobody answered.
    pub(crate) fn abandon(&mut self) -> Option<pdu::Request> {
        self.under_way.take()
    }

    pub(crate) fn reply_error(&self, request: &pdu::Request, came: &str, expected: &str) -> ReplyError {
        ReplyError {
            asked: self.asked(request),
            came: came.to_owned(),
            expected: expected.to_owned(),
        }
    }

    fn senseless(&self, request: &pdu::Request, came: &str, expected: &str) -> Trouble {
        Trouble::Senseless(self.reply_error(request, came, expected))
    }

    fn asked(&self, request: &pdu::Request) -> String {
        let verb = if request.is_read() { "read" } else { "write" };
        format!("{verb} register {} of {}", request.address(), self.subject)
    }

    /// The trouble as an error for the log and as a counted failure.
    pub(crate) fn fail_with(&mut self, request: &pdu::Request, trouble: Trouble, now: Now) -> ReplyError {
        let asked = self.asked(request);
        match trouble {
            Trouble::Refused(exception) => {
                self.failed(&asked, &format!("{exception}; {}", exception.advice()), now);
                self.reply_error(request, &exception.to_string(), &expected_answer(request))
            }
            Trouble::Senseless(error) => {
                let (came, expected, unit) = (&error.came, &error.expected, self.unit);
                let why = format!("{came}, expected {expected}; check the register map and unit id {unit}");
                self.failed(&asked, &why, now);
                error
            }
        }
    }

    /// Counts a request without an answer.
    pub(crate) fn fail_without_answer(&mut self, request: &pdu::Request, failure: &Failure, now: Now) {
        let unit = self.unit;
        let why = match failure {
            Failure::TimedOut { after_ms } => {
                let after = span_text(*after_ms);
                format!("no answer within {after}; check unit id {unit} and the RS-485 wiring")
            }
            Failure::Refused => {
                format!("{failure}; check address and port, and that Modbus TCP is switched on")
            }
            Failure::Closed => format!("{failure}; check how many connections the device allows"),
            Failure::Other(_) => format!("{failure}; check network and power of the device"),
        };
        self.failed(&self.asked(request), &why, now);
    }

    /// Counts a device that answers and cannot be used.
    pub(crate) fn unusable(&mut self, why: &str, now: Now) {
        self.failed(
            &format!("use {}", self.subject),
            &format!("{why}; check the kind of the device"),
            now,
        );
    }

    /// Counts a failure and puts the next attempt off.
    fn failed(&mut self, asked: &str, why: &str, now: Now) {
        let problem = Problem::new(&format!("cannot {asked}"), why);
        let news = self.attempts.failed(problem, now.monotonic);
        self.due = self.attempts.retry_at();
        if let Some(state) = news {
            self.report(Report::Link(state));
        }
    }

    pub(crate) fn succeeded(&mut self) {
        if let Some(state) = self.attempts.succeeded() {
            self.report(Report::Link(state));
        }
    }

    pub(crate) fn is_offline(&self) -> bool {
        self.attempts.is_offline()
    }

    pub(crate) fn report(&mut self, report: Report) {
        if self.reports.len() == MAX_REPORTS {
            self.reports.pop_front();
        }
        self.reports.push_back(report);
    }

    pub(crate) fn next_report(&mut self) -> Option<Report> {
        self.reports.pop_front()
    }
}

fn expected_answer(request: &pdu::Request) -> String {
    match request {
        pdu::Request::Read { count, .. } => format!("{count} values of function {}", request.function()),
        pdu::Request::WriteCoil { .. }
        | pdu::Request::WriteRegister { .. }
        | pdu::Request::WriteCoils { .. }
        | pdu::Request::WriteRegisters { .. } => format!("the echo of function {}", request.function()),
    }
}

/// `2 s` where it is whole seconds, else `1500 ms`.
fn span_text(ms: i64) -> String {
    if ms % 1_000 == 0 {
        format!("{} s", ms / 1_000)
    } else {
        format!("{ms} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::device::LinkState;
    use model::time::Timestamp;

    fn at(ms: i64) -> Now {
        Now {
            wall: Timestamp(0),
            monotonic: Monotonic(ms),
        }
    }

    fn meter(name: &str) -> Conversation {
        Conversation::new(format!("meter \"{name}\""), 3, Millis(1_000))
    }

    fn lose(conversation: &mut Conversation, now: Now) {
        conversation.send(pdu::Request::holding(40_072, 2));
        let request = conversation.abandon().unwrap();
        conversation.fail_without_answer(&request, &Failure::TimedOut { after_ms: 2_000 }, now);
    }

    #[test]
    fn three_lost_answers_make_a_device_offline_and_say_why() {
        let mut conversation = meter("garage");
        lose(&mut conversation, at(0));
        lose(&mut conversation, at(1_000));
        assert_eq!(conversation.next_report(), None);
        lose(&mut conversation, at(2_000));
        let problem = "cannot read register 40072 of meter \"garage\": no answer within 2 s; \
                       check unit id 3 and the RS-485 wiring";
        let offline = LinkState::Offline {
            problem: problem.to_owned(),
        };
        assert_eq!(conversation.next_report(), Some(Report::Link(offline)));
        conversation.send(pdu::Request::holding(40_000, 2));
        let request = conversation.abandon().unwrap();
        conversation.fail_without_answer(&request, &Failure::TimedOut { after_ms: 2_000 }, at(3_000));
        assert_eq!(
            conversation.next_report(),
            None,
            "the same reason at another register"
        );
        conversation.fail_without_answer(&request, &Failure::Refused, at(4_000));
        assert!(matches!(
            conversation.next_report(),
            Some(Report::Link(LinkState::Offline { .. }))
        ));
        conversation.succeeded();
        assert_eq!(conversation.next_report(), Some(Report::Link(LinkState::Online)));
    }

    #[test]
    fn ten_seconds_of_failing_are_enough() {
        let mut conversation = meter("garage");
        lose(&mut conversation, at(0));
        lose(&mut conversation, at(10_000));
        assert!(conversation.is_offline());
    }

    #[test]
    fn pauses_double_up_to_half_a_minute_and_differ_between_devices() {
        let pauses = |name: &str| -> Vec<i64> {
            let mut conversation = meter(name);
            (0..10)
                .map(|_| {
                    lose(&mut conversation, at(0));
                    conversation.due().0
                })
                .collect()
        };
        let garage = pauses("garage");
        assert_eq!(garage[..2], [1_000, 1_000]);
        for (pause, longest) in garage[2..]
            .iter()
            .zip([2_000, 4_000, 8_000, 16_000, 30_000, 30_000])
        {
            assert!(
                (longest * 8 / 10..=longest).contains(pause),
                "{pause} of {longest}"
            );
        }
        assert_ne!(garage, pauses("roof"));
        assert_eq!(garage, pauses("garage"));
    }

    #[test]
    fn rounds_keep_their_beat() {
        let mut conversation = meter("garage");
        assert!(conversation.begin_round(at(5_000)));
        assert!(!conversation.begin_round(at(5_999)));
        assert!(conversation.begin_round(at(6_030)));
        assert_eq!(conversation.due(), Monotonic(7_000));
        assert!(conversation.begin_round(at(60_000)));
        assert_eq!(conversation.due(), Monotonic(61_000));
    }
}
