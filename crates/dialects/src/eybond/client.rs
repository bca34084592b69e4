//! The client half: one logger with all that is polled behind it.
//!
//! It waits until the logger has connected, asks what it is, and reads the devices in turn, a round each. A round
//! that fails anywhere gives no reading at all. Devices of ours that are parts of one inverter ([`Part`]) share its
//! rounds. It never writes: what a definition says is read, and nothing else is sent to a device.

use std::collections::VecDeque;
use std::fmt::Write;
use std::sync::Arc;

use model::device::LinkState;
use model::document::Document;
use model::gateway::{GatewayFacts, PassOn, Unit};
use model::message::Report;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};
use serde_json::json;

use super::at;
use super::connection::Connection;
use super::definition::{Ask, Definition};
use super::frame::{LOGGER, function};
use super::map::{Answer, Round};
use super::parameters::{self, Parameter};
use super::part::{Behind, Part};
use super::relay::Unheard;
use super::uplink::{Heard, Question, Uplink};
use super::{DIALECT, rtu, text};
use crate::attempts::{Attempts, Problem, Waits};
use crate::modbus::pdu::Response;
use crate::{Beside, Event, Failure, Incoming, Outgoing, Reply, ReplyError, Request};

/// A logger that is away for longer has left its devices offline; they dial again by themselves.
const ABSENT: Millis = Millis(60_000);
/// A device that does not answer is asked less and less often, up to this.
const LONGEST_PAUSE: Millis = Millis(120_000);
/// How often the strength of the signal is asked for.
const SIGNAL_EVERY: Millis = Millis(600_000);
/// Registers that may all be zero: those of the state, of faults and warnings.
const FEW: usize = 10;
/// What is asked of every logger that has connected.
const QUESTIONS: [Parameter; 7] = [
    Parameter::FIRMWARE,
    Parameter::PERIOD,
    Parameter::DESCRIPTOR,
    Parameter::TIME_ZONE,
    Parameter::BAUD_RATE,
    Parameter::SERVER,
    Parameter::DIAGNOSTICS,
];

/// One logger.
#[derive(Clone, Debug)]
pub struct LoggerSettings {
    /// Its number.
    pub pn: String,
    /// How often it is told the time.
    pub heartbeat: Millis,
    /// What its vendor's cloud is let see and ask, which is the connection beside.
    pub pass_on: PassOn,
    pub devices: Vec<DeviceSettings>,
}

/// A device of ours behind it.
#[derive(Clone, Debug)]
pub struct DeviceSettings {
    pub behind: Behind,
    /// As people know it; appears in messages.
    pub name: String,
    /// Shared by all of the same make.
    pub definition: Arc<Definition>,
    /// How often it is read.
    pub poll: Millis,
}

/// What of a station a device of ours is.
#[derive(Debug)]
struct Seen {
    unit: Unit,
    part: Part,
}

/// One address on the line.
#[derive(Debug)]
struct Station {
    address: u8,
    /// As people know the first of them.
    name: String,
    definition: Arc<Definition>,
    seen: Box<[Seen]>,
    period: Millis,
    attempts: Attempts,
    due: Monotonic,
    /// Of the round under way; between rounds, what does not change.
    answers: Vec<Answer>,
    is_identified: bool,
}

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Parameter(Parameter),
    Station(usize),
}

/// A client for one logger.
#[derive(Debug)]
pub struct Client {
    pn: String,
    heartbeat: Millis,
    pass_on: PassOn,
    stations: Box<[Station]>,
    connection: Option<Connection>,
    /// Whether it is known in which way the logger speaks.
    is_sniffed: bool,
    asked: Asked,
    /// Whose round is under way, or who was last.
    turn: usize,
    is_in_round: bool,
    /// How many of [`QUESTIONS`] have been asked.
    questions: usize,
    signal_due: Monotonic,
    facts: GatewayFacts,
    /// When it is away for too long.
    absent_due: Option<Monotonic>,
    out: Option<Outgoing>,
    events: VecDeque<Event>,
}

impl Client {
    #[must_use]
    pub fn new(settings: LoggerSettings) -> Self {
        let mut stations: Vec<Station> = Vec::new();
        for device in settings.devices {
            let seen = Seen {
                unit: device.behind.unit(),
                part: device.behind.part,
            };
            let same = |station: &&mut Station| {
                station.address == device.behind.address && station.definition == device.definition
            };
            if let Some(station) = stations.iter_mut().find(same) {
                station.period = station.period.min(device.poll);
                let all = std::mem::take(&mut station.seen).into_vec();
                station.seen = all.into_iter().chain([seen]).collect();
                continue;
            }
            let waits = Waits::Doubling {
                first: device.poll,
                longest: LONGEST_PAUSE,
            };
            stations.push(Station {
                address: device.behind.address,
                attempts: Attempts::new(&format!("{} {}", settings.pn, device.behind), waits),
                name: device.name,
                definition: device.definition,
                seen: Box::new([seen]),
                period: device.poll,
                due: Monotonic(i64::MIN),
                answers: Vec::new(),
                is_identified: false,
            });
        }
        Self {
            pn: settings.pn,
            heartbeat: settings.heartbeat,
            pass_on: settings.pass_on,
            stations: stations.into_boxed_slice(),
            connection: None,
            is_sniffed: false,
            asked: Asked::Nothing,
            turn: 0,
            is_in_round: false,
            questions: 0,
            signal_due: Monotonic(i64::MAX),
            facts: GatewayFacts::default(),
            absent_due: None,
            out: None,
            events: VecDeque::new(),
        }
    }

    fn open(&mut self, now: Now) {
        let uplink = Uplink::new(self.heartbeat, now);
        self.connection = Some(Connection::Frames(Box::new(match self.pass_on {
            PassOn::Nothing => uplink,
            PassOn::Reads => uplink.passing_on(),
        })));
        self.is_sniffed = false;
        (self.asked, self.is_in_round, self.questions) = (Asked::Nothing, false, 0);
        self.signal_due = now.monotonic + SIGNAL_EVERY;
        self.absent_due = None;
        // What somebody before has told of itself is no word of this one.
        if std::mem::take(&mut self.facts) != GatewayFacts::default() {
            self.events.push_back(Event::Gateway(GatewayFacts::default()));
        }
        for station in &mut self.stations {
            station.due = now.monotonic;
            station.answers = Vec::new();
            station.is_identified = false;
        }
    }

    /// Finds out by the first bytes in which way the logger speaks.
    fn sniff(&mut self, bytes: &[u8], now: Now) {
        if !std::mem::replace(&mut self.is_sniffed, true) && at::is_text(bytes) && self.connection.is_some() {
            self.connection = Some(Connection::Lines(Box::new(at::Session::new(now))));
            (self.asked, self.is_in_round, self.questions) = (Asked::Nothing, false, 0);
        }
    }

    fn close(&mut self, now: Now) {
        self.connection = None;
        self.asked = Asked::Nothing;
        self.absent_due = Some(now.monotonic + ABSENT);
    }

    /// It has been away for too long.
    fn miss(&mut self, now: Now) {
        self.absent_due = Some(Monotonic(i64::MAX));
        let pn = &self.pn;
        for station in &mut self.stations {
            let problem = Problem::new(
                &format!("cannot read \"{}\"", station.name),
                &format!("data logger {pn} is not connected; check its network and the server that it dials"),
            );
            let news = station.attempts.give_up(problem, now.monotonic);
            report_all(&mut self.events, &station.seen, news);
        }
    }

    /// Takes what the connection brought, and asks what is next.
    fn go_on(&mut self, now: Now) {
        while let Some(heard) = self.connection.as_mut().and_then(Connection::poll_heard) {
            match heard {
                // Whoever changes its number is somebody else.
                Heard::Number(number) if !parameters::is_number(&number, &self.pn) => self.hang_up(now),
                Heard::Number(_) => {}
                Heard::Answer(answer) => self.answered(Some(&answer), now),
                Heard::NoAnswer => self.answered(None, now),
                Heard::Dead => self.hang_up(now),
            }
        }
        if !self.may_ask(now) || self.ask_foreign(false, now) {
            return;
        }
        self.ask(now);
        if self.asked == Asked::Nothing {
            self.ask_foreign(true, now);
        }
    }

    fn may_ask(&self, now: Now) -> bool {
        let connection = self.connection.as_ref();
        self.asked == Asked::Nothing && connection.is_some_and(|connection| connection.is_free(now))
    }

    /// What the vendor's cloud wants to know.
    fn ask_foreign(&mut self, even_out_of_turn: bool, now: Now) -> bool {
        let uplink = self.connection.as_mut().and_then(Connection::frames);
        uplink.is_some_and(|uplink| uplink.ask_foreign(even_out_of_turn, now))
    }

    /// What comes on the connection beside.
    fn hear_beside(&mut self, beside: Beside) -> Result<(), ReplyError> {
        let Some(uplink) = self.connection.as_mut().and_then(Connection::frames) else {
            return Ok(());
        };
        match beside {
            Beside::Opened => uplink.open_vendor(),
            Beside::Closed => uplink.close_vendor(),
            Beside::Bytes(bytes) => match uplink.hear_vendor(&bytes) {
                Ok(()) => {}
                Err(Unheard::Refused(error)) => return Err(error),
                Err(Unheard::Broken(error)) => {
                    uplink.close_vendor();
                    self.out = Some(Outgoing::Beside(Beside::Closed));
                    return Err(error);
                }
            },
        }
        Ok(())
    }

    fn hang_up(&mut self, now: Now) {
        self.out = Some(Outgoing::Close);
        self.close(now);
    }

    fn ask(&mut self, now: Now) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        if !self.is_in_round {
            if let Some(parameter) = next_question(&mut self.questions, &mut self.signal_due, now) {
                self.asked = Asked::Parameter(parameter);
                connection.ask(Question::of_logger(function::QUERY, &[parameter.0]), now);
                return;
            }
            let count = self.stations.len();
            let due = |at: &usize| {
                self.stations
                    .get(*at)
                    .is_some_and(|station| station.due <= now.monotonic)
            };
            let next = (self.turn + 1..count)
                .chain(0..count.min(self.turn + 1))
                .find(due);
            let Some(next) = next else { return };
            (self.turn, self.is_in_round) = (next, true);
            if let Some(station) = self.stations.get_mut(next) {
                station.begin(now);
            }
        }
        let Some(station) = self.stations.get(self.turn) else {
            self.is_in_round = false;
            return;
        };
        let Some(ask) = station.definition.asks().get(station.answers.len()) else {
            self.is_in_round = false;
            return;
        };
        self.asked = Asked::Station(self.turn);
        let code = station.definition.frame_code;
        match ask {
            // The address of a serial line is in the frame of that line.
            Ask::Registers(span) => {
                let payload = rtu::encode(station.address, &span.request().encode());
                connection.ask(forward(code, LOGGER, &payload, rtu::is_whole), now);
            }
            Ask::Command(protocol, name) => {
                let payload = protocol.command(name);
                connection.ask(forward(code, station.address, &payload, text::is_whole), now);
            }
        }
    }

    fn answered(&mut self, answer: Option<&[u8]>, now: Now) {
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Nothing => {}
            Asked::Parameter(parameter) => self.learn(parameter, answer),
            Asked::Station(at) => {
                let Some(station) = self.stations.get_mut(at) else {
                    return;
                };
                match station.take(answer) {
                    Ok(false) => {}
                    Ok(true) => {
                        self.is_in_round = false;
                        station.finish(&mut self.events, now);
                    }
                    Err(why) => {
                        self.is_in_round = false;
                        station.fail(&why, &mut self.events, now);
                    }
                }
            }
        }
    }

    fn learn(&mut self, parameter: Parameter, answer: Option<&[u8]>) {
        let answer = answer.and_then(parameters::Answer::decode);
        let Some(text) = answer
            .filter(|answer| answer.parameter == parameter)
            .and_then(|answer| answer.text)
        else {
            return;
        };
        let mut facts = self.facts.clone();
        match parameter {
            Parameter::KIND => facts.kind = Some(text.to_owned()),
            Parameter::FIRMWARE => facts.firmware = Some(text.to_owned()),
            Parameter::DESCRIPTOR => facts.descriptor = Some(text.to_owned()),
            Parameter::DIAGNOSTICS => facts.signal_dbm = parameters::signal(text).or(facts.signal_dbm),
            _ => {}
        }
        if facts != self.facts {
            self.facts.clone_from(&facts);
            self.events.push_back(Event::Gateway(facts));
        }
    }
}

fn next_question(asked: &mut usize, signal_due: &mut Monotonic, now: Now) -> Option<Parameter> {
    if let Some(parameter) = QUESTIONS.get(*asked) {
        *asked += 1;
        return Some(*parameter);
    }
    if *signal_due > now.monotonic {
        return None;
    }
    *signal_due = now.monotonic + SIGNAL_EVERY;
    Some(Parameter::DIAGNOSTICS)
}

const fn forward(devcode: u16, address: u8, payload: &[u8], is_whole: fn(&[u8]) -> bool) -> Question<'_> {
    Question {
        devcode,
        address,
        function: function::FORWARD,
        payload,
        is_whole,
    }
}

fn report_all(events: &mut VecDeque<Event>, seen: &[Seen], news: Option<LinkState>) {
    let Some(state) = news else { return };
    events.extend(seen.iter().map(|seen| Event::Report {
        unit: seen.unit.clone(),
        report: Report::Link(state.clone()),
    }));
}

impl Station {
    /// A round begins; the next one is due a period later.
    fn begin(&mut self, now: Now) {
        // Keeps its beat, unless it is late by more than one.
        let next = self.due + self.period;
        self.due = next.max(now.monotonic + Millis(1));
        if next <= now.monotonic {
            self.due = now.monotonic + self.period;
        }
        self.answers.truncate(self.definition.once());
    }

    /// Takes an answer, and says whether it was the last.
    fn take(&mut self, answer: Option<&[u8]>) -> Result<bool, String> {
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
        let read = match self.definition.asks().get(at) {
            Some(Ask::Registers(span)) => registers(self.address, span, answer),
            Some(Ask::Command(protocol, name)) => protocol
                .read_answer(answer)
                .map(|text| Answer::Text(text.to_owned()))
                .ok_or_else(|| format!("`{name}` got {}, expected values", brief(answer))),
            None => Err("an answer too many".to_owned()),
        };
        self.answers.push(match read {
            Ok(answer) => answer,
            // What says who it is, is worth no reading.
            Err(_) if is_once => Answer::Text(String::new()),
            Err(why) => return Err(format!("{why}; check that the device and its definition match")),
        });
        Ok(self.answers.len() == self.definition.asks().len())
    }

    fn finish(&mut self, events: &mut VecDeque<Event>, now: Now) {
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
        report_all(events, &self.seen, self.attempts.succeeded());
        let document = document(&definition, &round, &answers, now);
        let identity = (!std::mem::replace(&mut self.is_identified, true)).then(|| {
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
        self.answers = answers.into_iter().take(definition.once()).collect();
    }

    fn fail(&mut self, why: &str, events: &mut VecDeque<Event>, now: Now) {
        let problem = Problem::new(&format!("cannot read \"{}\"", self.name), why);
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

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        if let Some(connection) = &mut self.connection {
            if connection.poll_timeout() <= now.monotonic && connection.handle_timeout(now).is_err() {
                self.hang_up(now);
            }
        } else if self.absent_due.get_or_insert(now.monotonic + ABSENT).0 <= now.monotonic.0 {
            self.miss(now);
        }
        self.go_on(now);
    }

    /// Nothing is written to what is behind a logger.
    fn handle_action(&mut self, _: &Unit, _: &Action, _: Now) {}

    fn handle_reply(&mut self, _: Reply, _: Now) -> Result<(), ReplyError> {
        Ok(())
    }

    fn handle_failure(&mut self, _: &Failure, _: Now) {}

    fn poll_request(&mut self) -> Option<Request> {
        None
    }

    fn poll_outgoing(&mut self) -> Option<Outgoing> {
        if let Some(out) = self.out.take() {
            return Some(out);
        }
        let connection = self.connection.as_mut()?;
        if let Some(bytes) = connection.poll_bytes() {
            return Some(Outgoing::Bytes(bytes));
        }
        let bytes = connection.frames()?.poll_vendor_bytes()?;
        Some(Outgoing::Beside(Beside::Bytes(bytes)))
    }

    fn handle_incoming(&mut self, incoming: Incoming, now: Now) -> Result<(), ReplyError> {
        let heard = match incoming {
            Incoming::Beside(beside) => {
                let heard = self.hear_beside(beside);
                self.go_on(now);
                return heard;
            }
            Incoming::Opened => {
                self.open(now);
                Ok(())
            }
            Incoming::Message(bytes) => {
                self.sniff(&bytes, now);
                match &mut self.connection {
                    Some(connection) => connection.handle_bytes(&bytes, now),
                    None => Ok(()),
                }
            }
            Incoming::Closed(_) => {
                self.close(now);
                Ok(())
            }
            Incoming::Published { .. } | Incoming::Done => Ok(()),
        };
        self.go_on(now);
        if heard.is_err() {
            self.hang_up(now);
        }
        heard
    }

    fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front();
        if self.events.is_empty() {
            self.events = VecDeque::new();
        }
        event
    }

    fn poll_timeout(&self) -> Monotonic {
        let Some(connection) = &self.connection else {
            return self.absent_due.unwrap_or(Monotonic(i64::MIN));
        };
        let due = connection.poll_timeout();
        if connection.is_asking() {
            return due;
        }
        let wanted = if self.is_in_round || self.questions < QUESTIONS.len() || connection.has_foreign() {
            Monotonic(i64::MIN)
        } else {
            let stations = self.stations.iter().map(|station| station.due);
            stations
                .min()
                .map_or(self.signal_due, |due| due.min(self.signal_due))
        };
        due.min(wanted.max(connection.free_at()))
    }
}
