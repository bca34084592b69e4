//! One address on the serial line of a logger: its rounds, and what can be set there.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use model::control::{Control, Controls};
use model::device::LinkState;
use model::document::Document;
use model::gateway::Unit;
use model::message::Report;
use model::time::{Millis, Monotonic, Now};
use serde_json::json;

use super::definition::{Ask, Definition};
use super::frame::LOGGER;
use super::map::{Answer, Round};
use super::part::Part;
use super::{DIALECT, rtu, text};
use crate::Event;
use crate::attempts::{Attempts, Problem};
use crate::modbus::pdu::Response;

/// How often it is looked how the things are set that can be set. Somebody may stand in front of the device.
const SETTINGS_EVERY: Millis = Millis(300_000);
/// Registers that may all be zero: those of the state, of faults and warnings.
const FEW: usize = 10;

/// What of a station a device of ours is.
#[derive(Debug)]
pub(super) struct Seen {
    pub unit: Unit,
    pub part: Part,
}

/// One address on the line.
#[derive(Debug)]
pub(super) struct Station {
    pub address: u8,
    /// As people know the first of them.
    pub name: String,
    pub definition: Arc<Definition>,
    pub seen: Box<[Seen]>,
    pub period: Millis,
    pub attempts: Attempts,
    pub due: Monotonic,
    /// Of the round under way; between rounds, what does not change.
    answers: Vec<Answer>,
    is_identified: bool,
    /// Its last round succeeded.
    is_up: bool,
    /// To the questions how things are set, as far as they were ever asked.
    settings: Vec<Answer>,
    /// Which of these questions is next; behind the last one between two passes.
    next_setting: usize,
    settings_due: Monotonic,
}

/// A question as it stands on the serial line.
pub(super) struct Line {
    pub address: u8,
    pub bytes: Vec<u8>,
    pub is_whole: fn(&[u8]) -> bool,
}

impl Station {
    pub fn new(
        address: u8,
        name: String,
        definition: Arc<Definition>,
        seen: Seen,
        period: Millis,
        attempts: Attempts,
    ) -> Self {
        Self {
            address,
            name,
            seen: Box::new([seen]),
            period,
            attempts,
            due: Monotonic(i64::MIN),
            answers: Vec::new(),
            is_identified: false,
            is_up: false,
            settings: Vec::new(),
            next_setting: definition.setting_asks().len(),
            settings_due: Monotonic(i64::MIN),
            definition,
        }
    }

    /// Its logger has connected.
    pub fn open(&mut self, now: Now) {
        (self.due, self.settings_due) = (now.monotonic, now.monotonic);
        self.next_setting = self.definition.setting_asks().len();
        self.answers = Vec::new();
        (self.is_identified, self.is_up) = (false, false);
    }

    /// What is asked next in the round under way.
    pub fn asks(&self) -> Option<Line> {
        let ask = self.definition.asks().get(self.answers.len())?;
        Some(self.line(ask))
    }

    fn line(&self, ask: &Ask) -> Line {
        match ask {
            Ask::Registers(span) => {
                self.carries(rtu::encode(self.address, &span.request().encode()), rtu::is_whole)
            }
            Ask::Command(protocol, name) => self.carries(protocol.command(name), text::is_whole),
        }
    }

    /// The address of a serial line is in the frame of that line, where it has one.
    pub fn carries(&self, bytes: Vec<u8>, is_whole: fn(&[u8]) -> bool) -> Line {
        let is_text = self.definition.text_protocol().is_some();
        Line {
            address: if is_text { self.address } else { LOGGER },
            bytes,
            is_whole,
        }
    }

    /// When it is to be asked how things are set.
    pub fn setting_due(&self) -> Monotonic {
        match self.definition.setting_asks().len() {
            0 => Monotonic(i64::MAX),
            _ if !self.is_up => Monotonic(i64::MAX),
            all if self.next_setting < all => Monotonic(i64::MIN),
            _ => self.settings_due,
        }
    }

    /// The next question of a pass through what can be set, and its place among them.
    pub fn next_setting(&mut self, now: Now) -> usize {
        if self.next_setting >= self.definition.setting_asks().len() {
            self.next_setting = 0;
            self.settings_due = now.monotonic + SETTINGS_EVERY;
        }
        self.next_setting
    }

    pub fn setting_line(&self, at: usize) -> Option<Line> {
        let ask = self.definition.setting_asks().get(at)?;
        Some(self.line(ask))
    }

    /// A question of a pass is over; after the last one it is told how everything is set.
    pub fn take_setting(&mut self, at: usize, answer: Option<&[u8]>, events: &mut VecDeque<Event>) {
        self.keep_setting(at, answer);
        self.next_setting = at + 1;
        if self.next_setting >= self.definition.setting_asks().len() {
            self.report_controls(events);
        }
    }

    /// Whoever does not answer such a question has nothing to set there.
    pub fn keep_setting(&mut self, at: usize, answer: Option<&[u8]>) {
        let all = self.definition.setting_asks();
        let read = all.get(at).zip(answer);
        let read = read.and_then(|(ask, answer)| self.read(ask, answer).ok());
        let count = all.len();
        self.settings.resize(count, Answer::Text(String::new()));
        if let Some(kept) = self.settings.get_mut(at) {
            *kept = read.unwrap_or_else(|| Answer::Text(String::new()));
        }
    }

    fn controls(&self) -> impl Iterator<Item = Control> {
        let asks = self.definition.setting_asks();
        let settings = self.definition.settings.iter();
        settings.filter_map(|setting| setting.control(asks, &self.settings))
    }

    /// How a control is set.
    pub fn value(&self, id: &str) -> Option<String> {
        self.controls().find(|control| control.id == id)?.value
    }

    pub fn report_controls(&self, events: &mut VecDeque<Event>) {
        let controls = Controls {
            list: self.controls().collect(),
            takes_questions: true,
        };
        events.extend(self.seen.iter().map(|seen| Event::Report {
            unit: seen.unit.clone(),
            report: Report::Controls(controls.clone()),
        }));
    }

    /// A round begins; the next one is due a period later.
    pub fn begin(&mut self, now: Now) {
        // Keeps its beat, unless it is late by more than one.
        let next = self.due + self.period;
        self.due = next.max(now.monotonic + Millis(1));
        if next <= now.monotonic {
            self.due = now.monotonic + self.period;
        }
        self.answers.truncate(self.definition.once());
    }

    /// Takes an answer, and says whether it was the last.
    pub fn take(&mut self, answer: Option<&[u8]>) -> Result<bool, String> {
        let at = self.answers.len();
        let is_once = at < self.definition.once();
        let Some(answer) = answer else {
            if !is_once {
                return Err("no answer; check the address and the RS-485 wiring".to_owned());
            }
            // Some have no word for who they are, and say none.
            self.answers.push(Answer::Text(String::new()));
            return Ok(self.answers.len() == self.definition.asks().len());
        };
        let ask = self.definition.asks().get(at);
        let read = ask.ok_or_else(|| "an answer too many".to_owned());
        let read = read.and_then(|ask| self.read(ask, answer));
        self.answers.push(match read {
            Ok(answer) => answer,
            // What says who it is, is worth no reading.
            Err(_) if is_once => Answer::Text(String::new()),
            Err(why) => return Err(format!("{why}; check that the device and its definition match")),
        });
        Ok(self.answers.len() == self.definition.asks().len())
    }

    fn read(&self, ask: &Ask, answer: &[u8]) -> Result<Answer, String> {
        match ask {
            Ask::Registers(span) => registers(self.address, span, answer),
            Ask::Command(protocol, name) => protocol
                .read_answer(answer)
                .map(|text| Answer::Text(text.to_owned()))
                .ok_or_else(|| format!("`{name}` got {}, expected values", brief(answer))),
        }
    }

    pub fn finish(&mut self, events: &mut VecDeque<Event>, now: Now) {
        let definition = Arc::clone(&self.definition);
        let answers = std::mem::take(&mut self.answers);
        let round = Round::of(&definition, &answers);
        let measured: Result<Vec<_>, _> = self.seen.iter().map(|seen| round.measured(seen.part)).collect();
        let measured = match measured {
            Ok(measured) => measured,
            Err(senseless) => {
                let why = format!("{}, expected {}", senseless.came, senseless.expected);
                self.fail(&why, events, now);
                return;
            }
        };
        self.is_up = true;
        report_all(events, &self.seen, self.attempts.succeeded());
        let document = document(&definition, &round, &answers, now);
        let is_new = !std::mem::replace(&mut self.is_identified, true);
        let identity = is_new.then(|| {
            let (maker, name) = (&definition.maker, &definition.name);
            let serial = round
                .serial()
                .map(|serial| format!(", {serial}"))
                .unwrap_or_default();
            format!("{maker} {name}{serial}")
        });
        for (seen, measured) in self.seen.iter().zip(measured) {
            let identity = identity.clone().map(|text| Report::Identity { text });
            let reports = [Report::Measured(measured), Report::Document(document.clone())];
            let reports = identity.into_iter().chain(reports);
            events.extend(reports.map(|report| Event::Report {
                unit: seen.unit.clone(),
                report,
            }));
        }
        if is_new && definition.setting_asks().is_empty() {
            self.report_controls(events);
        }
        self.answers = answers.into_iter().take(definition.once()).collect();
    }

    pub fn fail(&mut self, why: &str, events: &mut VecDeque<Event>, now: Now) {
        let problem = Problem::new(&format!("cannot read \"{}\"", self.name), why);
        self.is_up = false;
        let news = self.attempts.failed(problem, now.monotonic);
        self.due = self.attempts.retry_at();
        // Whoever said nothing at all is asked who it is again.
        let once = self.definition.once();
        self.answers
            .truncate(if self.answers.len() > once { once } else { 0 });
        report_all(events, &self.seen, news);
    }
}

/// Devices behind loggers answer with zeros where others have an exception. A few registers may well be zero, a block
/// with the voltages of battery and grid in it is not.
fn is_refusal(values: &[u16]) -> bool {
    values.len() > FEW && values.iter().all(|value| *value == 0)
}

fn registers(unit: u8, span: &crate::modbus::poll_plan::Span, answer: &[u8]) -> Result<Answer, String> {
    let (from, pdu) = rtu::decode(answer).ok_or_else(|| {
        format!(
            "register {} got {}, expected a whole frame",
            span.address,
            brief(answer)
        )
    })?;
    if from != unit {
        return Err(format!("unit {from} answered, expected unit {unit}"));
    }
    match Response::decode(pdu, &span.request()) {
        Ok(Response::Registers { values, .. }) if is_refusal(&values) => Err(format!(
            "register {} got {} zeros, which is how such a device refuses",
            span.address,
            values.len()
        )),
        Ok(Response::Registers { values, .. }) => Ok(Answer::Registers(values)),
        Ok(Response::Refused { exception, .. }) => Err(format!("register {}: {exception}", span.address)),
        Ok(Response::Bits { .. } | Response::Written { .. }) => {
            Err("another answer than was asked for".to_owned())
        }
        Err(error) => Err(format!("register {} got {error}", span.address)),
    }
}

/// The first bytes, for a message.
fn brief(bytes: &[u8]) -> String {
    let first = bytes.get(..16).unwrap_or(bytes);
    let mut text = format!("{} bytes (", bytes.len());
    for byte in first {
        let _ = write!(text, "{byte:02X}");
    }
    text.push_str(if first.len() < bytes.len() { "…)" } else { ")" });
    text
}

/// All that the device said, for whoever shows it field by field.
fn document(definition: &Definition, round: &Round<'_>, answers: &[Answer], now: Now) -> Document {
    let fields: Vec<_> = round.fields().into_iter().map(|field| {
        json!({ "key": field.key, "title": field.title, "value": field.value, "unit": field.unit })
    })
    .collect();
    let json = json!({ "devcode": definition.devcode, "fields": fields, "raw": raw(answers) });
    Document {
        dialect: DIALECT.to_owned(),
        at: now,
        json: Arc::from(json.to_string()),
    }
}

/// The answers one behind the other, in hexadecimal.
fn raw(answers: &[Answer]) -> String {
    let mut hex = String::new();
    for answer in answers {
        let bytes: Vec<u8> = match answer {
            Answer::Registers(words) => words.iter().flat_map(|word| word.to_be_bytes()).collect(),
            Answer::Text(text) => text.as_bytes().to_vec(),
        };
        for byte in bytes {
            let _ = write!(hex, "{byte:02X}");
        }
    }
    hex
}

pub(super) fn report_all(events: &mut VecDeque<Event>, seen: &[Seen], news: Option<LinkState>) {
    let Some(state) = news else { return };
    events.extend(seen.iter().map(|seen| Event::Report {
        unit: seen.unit.clone(),
        report: Report::Link(state.clone()),
    }));
}
