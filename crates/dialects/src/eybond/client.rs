//! The client half: one logger with all that is polled behind it.
//!
//! It waits until the logger has connected, asks what it is, and reads the devices in turn, a round each. A round
//! that fails anywhere gives no reading at all. Devices of ours that are parts of one inverter ([`Part`]) share its
//! rounds. Nothing is ever written but what somebody orders, and only where a definition says how ([`super::control`]).

use std::collections::VecDeque;
use std::sync::Arc;

use model::control::Order;
use model::gateway::{GatewayFacts, PassOn, Unit};
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};

use super::at;
use super::connection::Connection;
use super::definition::Definition;
use super::frame::function;
use super::jobs::{self, Job, Jobs, Work};
use super::parameters::{self, Parameter};
use super::part::Behind;
use super::relay::Unheard;
use super::station::{Line, Seen, Station, report_all};
use super::uplink::{Heard, Question, Uplink};
use crate::attempts::{Attempts, Problem, Waits};
use crate::{Beside, Event, Failure, Incoming, Outgoing, Reply, ReplyError, Request};

/// A logger that is away for longer has left its devices offline; they dial again by themselves.
const ABSENT: Millis = Millis(60_000);
/// A device that does not answer is asked less and less often, up to this.
const LONGEST_PAUSE: Millis = Millis(120_000);
/// How often the strength of the signal is asked for.
const SIGNAL_EVERY: Millis = Millis(600_000);
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

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Nothing,
    Parameter(Parameter),
    Station(usize),
    /// How things are set there: which of these questions.
    Setting(usize, usize),
    /// The first of the orders.
    Job,
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
    /// Rounds that have ended since the logger connected.
    rounds: usize,
    /// Between two rounds it is once asked how things are set.
    is_setting_turn: bool,
    jobs: Jobs,
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
            let attempts = Attempts::new(&format!("{} {}", settings.pn, device.behind), waits);
            stations.push(Station::new(
                device.behind.address,
                device.name,
                device.definition,
                seen,
                device.poll,
                attempts,
            ));
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
            rounds: 0,
            is_setting_turn: false,
            jobs: Jobs::default(),
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
        self.rounds = 0;
        // What somebody before has told of itself is no word of this one.
        if std::mem::take(&mut self.facts) != GatewayFacts::default() {
            self.events.push_back(Event::Gateway(GatewayFacts::default()));
        }
        for station in &mut self.stations {
            station.open(now);
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
        while let Some(job) = self.jobs.take() {
            let answer = Err("its data logger has hung up".to_owned());
            self.events.extend(jobs::ended(&job.unit, job.ticket, answer));
        }
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
        if self.connection.is_none() || self.ask_job(now) {
            return;
        }
        if !self.is_in_round {
            if let Some(parameter) = next_question(&mut self.questions, &mut self.signal_due, now) {
                self.asked = Asked::Parameter(parameter);
                let question = Question::of_logger(function::QUERY, std::slice::from_ref(&parameter.0));
                if let Some(connection) = &mut self.connection {
                    connection.ask(question, now);
                }
                return;
            }
            let next = self.next_station(|station| station.due <= now.monotonic);
            // What everybody waits for comes first: a reading of each device.
            let may_wait = self.rounds < self.stations.len();
            let is_turn = std::mem::take(&mut self.is_setting_turn) && !may_wait || next.is_none();
            if is_turn && self.ask_setting(now) {
                return;
            }
            let Some(next) = next else { return };
            (self.turn, self.is_in_round) = (next, true);
            if let Some(station) = self.stations.get_mut(next) {
                station.begin(now);
            }
        }
        let asks = self.stations.get(self.turn).and_then(Station::asks);
        match asks {
            Some(line) => self.carry(Asked::Station(self.turn), self.turn, &line, now),
            None => self.is_in_round = false,
        }
    }

    /// Whose turn it is of those that want it, beginning behind the last one.
    fn next_station(&self, wants: impl Fn(&Station) -> bool) -> Option<usize> {
        let count = self.stations.len();
        let mut all = (self.turn + 1..count).chain(0..count.min(self.turn + 1));
        all.find(|at| self.stations.get(*at).is_some_and(&wants))
    }

    /// Puts something on the serial line.
    fn carry(&mut self, asked: Asked, station: usize, line: &Line, now: Now) {
        let code = self.stations.get(station);
        let code = code.map(|station| station.definition.frame_code);
        if let (Some(connection), Some(code)) = (&mut self.connection, code) {
            self.asked = asked;
            connection.ask(forward(code, line.address, &line.bytes, line.is_whole), now);
        }
    }

    /// Asks one of the devices how it is set, if it is time. Says whether it did.
    fn ask_setting(&mut self, now: Now) -> bool {
        let next = self.next_station(|station| station.setting_due() <= now.monotonic);
        let Some((at, station)) = next.and_then(|at| Some((at, self.stations.get_mut(at)?))) else {
            return false;
        };
        let setting = station.next_setting(now);
        let Some(line) = station.setting_line(setting) else {
            return false;
        };
        self.carry(Asked::Setting(at, setting), at, &line, now);
        true
    }

    /// Goes on with the first order. Says whether there is one.
    fn ask_job(&mut self, now: Now) -> bool {
        let Some(job) = self.jobs.first() else {
            return false;
        };
        let at = job.station;
        let line = self.stations.get(at).and_then(|station| match &job.work {
            Work::Question((bytes, is_whole)) => Some(station.carries(bytes.clone(), *is_whole)),
            Work::Set { wording, .. } => {
                Some(station.carries(wording.line(station.address), wording.is_whole()))
            }
            Work::ReadBack { ask, .. } => station.setting_line(*ask),
        });
        match line {
            Some(line) => self.carry(Asked::Job, at, &line, now),
            // Nobody is there to answer.
            None => self.go_on_with_job(None),
        }
        true
    }

    /// Takes what came of the first order.
    fn go_on_with_job(&mut self, answer: Option<&[u8]>) {
        let Some(Job {
            unit,
            ticket,
            station: at,
            work,
        }) = self.jobs.take()
        else {
            return;
        };
        let Some(station) = self.stations.get_mut(at) else {
            return;
        };
        let ended = match (work, answer) {
            (_, None) => Err("no answer".to_owned()),
            (Work::Question(_), Some(answer)) => Ok(answer.to_vec()),
            (
                Work::Set {
                    control,
                    value,
                    wording,
                },
                Some(answer),
            ) => match wording.check(station.address, answer) {
                Ok(()) => {
                    let said = answer.to_vec();
                    let Some(ask) = station.definition.shows(&control) else {
                        self.events.extend(jobs::ended(&unit, ticket, Ok(said)));
                        return;
                    };
                    let work = Work::ReadBack {
                        control,
                        value,
                        said,
                        ask,
                    };
                    self.jobs.resume(Job::new(&unit, ticket, at, work));
                    return;
                }
                Err(why) => Err(why),
            },
            (
                Work::ReadBack {
                    control,
                    value,
                    said,
                    ask,
                },
                Some(answer),
            ) => {
                station.keep_setting(ask, Some(answer));
                station.report_controls(&mut self.events);
                match station.value(&control) {
                    Some(shown) if shown == value => Ok(said),
                    Some(shown) => Err(format!("{control}: it took {value} and shows {shown}")),
                    None => Err(format!("{control}: it took {value} and does not show it")),
                }
            }
        };
        self.events.extend(jobs::ended(&unit, ticket, ended));
    }

    fn order(&mut self, unit: &Unit, ticket: u64, order: &Order) {
        let here = |station: &Station| station.seen.iter().any(|seen| seen.unit == *unit);
        let station = self.stations.iter().position(here);
        let found = station.and_then(|at| Some((at, self.stations.get(at)?)));
        let work = match found {
            _ if self.connection.is_none() => Err(format!("data logger {} is not connected", self.pn)),
            None => Err("it is not behind this data logger".to_owned()),
            Some((at, station)) => {
                jobs::work(&station.definition, station.address, order).map(|work| (at, work))
            }
        };
        let refused = match work {
            Ok((at, work)) => self.jobs.push(Job::new(unit, ticket, at, work)),
            Err(why) => Err(why),
        };
        if let Err(why) = refused {
            self.events.extend(jobs::ended(unit, ticket, Err(why)));
        }
    }

    fn answered(&mut self, answer: Option<&[u8]>, now: Now) {
        match std::mem::replace(&mut self.asked, Asked::Nothing) {
            Asked::Nothing => {}
            Asked::Parameter(parameter) => self.learn(parameter, answer),
            Asked::Job => self.go_on_with_job(answer),
            Asked::Setting(at, setting) => {
                if let Some(station) = self.stations.get_mut(at) {
                    station.take_setting(setting, answer, &mut self.events);
                }
            }
            Asked::Station(at) => {
                let Some(station) = self.stations.get_mut(at) else {
                    return;
                };
                let ended = match station.take(answer) {
                    Ok(is_whole) => is_whole.then_some(Ok(())),
                    Err(why) => Some(Err(why)),
                };
                let Some(ended) = ended else { return };
                (self.is_in_round, self.is_setting_turn) = (false, true);
                self.rounds = self.rounds.saturating_add(1);
                match ended {
                    Ok(()) => station.finish(&mut self.events, now),
                    Err(why) => station.fail(&why, &mut self.events, now),
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

    /// Nothing but orders means anything to what is behind a logger.
    fn handle_action(&mut self, unit: &Unit, action: &Action, _: Now) {
        match action {
            Action::Order { ticket, order } => self.order(unit, *ticket, order),
            Action::Charge { .. }
            | Action::BatteryPower { .. }
            | Action::TakeBack { .. }
            | Action::VendorWrite { .. } => {}
        }
    }

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
        let has_more = self.is_in_round || self.questions < QUESTIONS.len() || !self.jobs.is_empty();
        let wanted = if has_more || connection.has_foreign() {
            Monotonic(i64::MIN)
        } else {
            let stations = self.stations.iter();
            let stations = stations.map(|station| station.due.min(station.setting_due()));
            stations
                .min()
                .map_or(self.signal_due, |due| due.min(self.signal_due))
        };
        due.min(wanted.max(connection.free_at()))
    }
}
