//! Reads the devices of an account of a ShineMonitor cloud: one client for all of them.
//!
//! A logger tells its cloud what a device measured every few minutes, and nothing is gained by asking more often.
//! So each device is asked as often as its logger tells, one call at a time and a second apart, and what it said has
//! the time at which it was measured. The days before are fetched once, slowly, the newest first. Nothing can be set.

mod caller;
mod finder;
mod record;
mod station;
mod table;
mod take;

use std::collections::VecDeque;
use std::fmt;

use jiff::tz::{Offset, TimeZone};
use model::device::LinkState;
use model::gateway::Unit;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now};

pub use caller::{AccountSettings, SignIn};
pub use finder::{Finder, FoundDevice, FoundLogger, FoundPlant};
pub use table::{Part, Table, TableError};

use self::caller::{Answer, Caller};
use self::record::About;
use self::station::{Station, Way};
use super::params::DeviceName;
use super::time;
use crate::attempts::{Attempts, Waits};
use crate::query;
use crate::{Event, Failure, Reply, ReplyError, Request};

/// After failures in a row.
const WAITS: Waits = Waits::Doubling {
    first: Millis(5_000),
    longest: Millis(600_000),
};
/// Between the end of a call and the next one.
pub(super) const APART: Millis = Millis(1_000);
/// Between two days of the past.
const DAYS_APART: Millis = Millis(5_000);
/// A day of the past that waits so long goes ahead of what is so now.
const OVERDUE: Millis = Millis(10_000);
/// What loggers are is asked this often.
const LOGGERS_EVERY: Millis = Millis(3_600_000);
/// States of devices are asked at most this often.
const STATES_EVERY: Millis = Millis(10_000);
/// Warnings of a device are asked at most this often.
const WARNINGS_EVERY: Millis = Millis(300_000);
/// What the cloud refuses is asked again after this.
const REFUSED_AGAIN: Millis = Millis(600_000);
/// Where the cloud does not say how often a logger tells it, it is asked no more often than the fastest known ones do.
const TELLS_EVERY: Millis = Millis(60_000);
/// A record is no news when it is older than this and than three periods.
const STALE: Millis = Millis(900_000);
/// So far ahead of us the clocks of a cloud may be.
const AHEAD: Millis = Millis(300_000);
/// So many records in a row, of about the same age when they are asked for, tell how far ahead of UTC the clocks of a
/// cloud are; no zone is farther, in seconds.
const HINTS: u32 = 3;
const SAME_AGE: Millis = Millis(120_000);
const FARTHEST: i32 = 50_400;
/// How long the owner of the socket may sleep while an answer is due.
const PATIENCE: Millis = Millis(60_000);
/// Warnings of a device that are looked at, the newest.
const MOST_WARNINGS: usize = 50;
/// So often in a row a device, a logger or a day of the past may be answered with nonsense.
const MOST_FAILURES: u32 = 3;

/// A device of the cloud and the part of it that is meant: `W0011223344556,2376,1,92932004102443/battery`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub name: DeviceName,
    pub part: Part,
}

impl Place {
    /// As it is shown.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let (name, part) = text.rsplit_once('/')?;
        Some(Self {
            name: DeviceName::read(name)?,
            part: Part::from_name(part)?,
        })
    }

    #[must_use]
    pub fn unit(&self) -> Unit {
        Unit::named(&self.to_string())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.name, self.part.name())
    }
}

/// What a client needs to know.
#[derive(Clone, Debug)]
pub struct CloudSettings {
    pub account: AccountSettings,
    /// Whose clocks the cloud shows; `None`: those of each logger, as far ahead of UTC as the cloud says.
    pub zone: Option<TimeZone>,
    /// So many days are fetched, today among them.
    pub past_days: u8,
    pub table: Table,
    /// What is to be read, and at most how often.
    pub places: Vec<(Place, Millis)>,
}

/// The client half of the dialect.
pub struct Client {
    caller: Caller,
    table: Table,
    zone: Option<TimeZone>,
    past_days: u8,
    loggers: Vec<Logger>,
    stations: Vec<Station>,
    attempts: Attempts,
    /// Until somebody has changed something.
    is_stopped: bool,
    now: Monotonic,
    /// No call leaves before this.
    next_call: Monotonic,
    next_day: Monotonic,
    out: Option<(Asked, http::Request<Vec<u8>>)>,
    under_way: Option<Asked>,
    events: VecDeque<Event>,
}

/// A logger with devices of ours.
struct Logger {
    pn: String,
    about: Option<About>,
    due: Monotonic,
    /// In a row.
    failures: u32,
    /// When its state, and that of its devices, is asked.
    state_due: Monotonic,
    /// Seconds ahead of UTC that its records show, where they do not show what the cloud says.
    learned: Option<i32>,
    /// A record was as young as it should be.
    is_clock_known: bool,
}

/// What was asked for, by its place in the lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Logger(usize),
    State(usize),
    Last(usize),
    Warnings(usize),
    Day(usize),
}

impl Asked {
    const fn action(self, way: Way) -> &'static str {
        match (self, way) {
            (Self::Logger(_), _) => "queryCollectorInfo",
            (Self::State(_), _) => "queryPlantDeviceStatus",
            (Self::Last(_), Way::Titles) => "queryDeviceLastData",
            (Self::Last(_), Way::Groups) => "querySPDeviceLastData",
            (Self::Warnings(_), _) => "queryDeviceWarning",
            (Self::Day(_), _) => "queryDeviceDataOneDay",
        }
    }
}

impl Client {
    #[must_use]
    pub fn new(settings: CloudSettings) -> Self {
        let CloudSettings {
            account,
            zone,
            past_days,
            table,
            places,
        } = settings;
        let attempts = Attempts::new(&format!("{} {}", account.url, account.user), WAITS);
        let mut loggers: Vec<Logger> = Vec::new();
        let mut stations: Vec<Station> = Vec::new();
        for (place, period) in places {
            let pn = &place.name.pn;
            if !loggers.iter().any(|logger| logger.pn == *pn) {
                loggers.push(Logger {
                    pn: pn.clone(),
                    about: None,
                    due: Monotonic(i64::MIN),
                    failures: 0,
                    state_due: Monotonic(i64::MIN),
                    learned: None,
                    is_clock_known: false,
                });
            }
            let of_logger = loggers.iter().position(|logger| logger.pn == *pn).unwrap_or(0);
            match stations.iter_mut().find(|station| station.name == place.name) {
                Some(station) => station.add(&place, period),
                None => {
                    let way = if table.is_grouped(place.name.devcode) {
                        Way::Groups
                    } else {
                        Way::Titles
                    };
                    stations.push(Station::new(&place, period, of_logger, way, past_days));
                }
            }
        }
        Self {
            caller: Caller::new(account),
            table,
            zone,
            past_days,
            loggers,
            stations,
            attempts,
            is_stopped: false,
            now: Monotonic(i64::MIN),
            next_call: Monotonic(i64::MIN),
            next_day: Monotonic(i64::MIN),
            out: None,
            under_way: None,
            events: VecDeque::new(),
        }
    }

    fn advance(&mut self, now: Now) {
        self.now = now.monotonic;
        let rests = now.monotonic < self.next_call.max(self.attempts.retry_at());
        if self.is_stopped || self.under_way.is_some() || rests {
            return;
        }
        if self.next_day == Monotonic(i64::MIN) {
            // What is so now comes first.
            self.next_day = now.monotonic + DAYS_APART;
        }
        self.out = None;
        let Some(asked) = self.choose(now) else { return };
        let Some(call) = self.call(asked, now) else { return };
        match self.caller.request(&call, now) {
            Ok(request) => self.out = Some((asked, request)),
            Err(problem) => self.stop(&problem),
        }
    }

    /// What is asked next: loggers, then what is so now, then the past.
    fn choose(&self, now: Now) -> Option<Asked> {
        let is_due = |due: Monotonic| due <= now.monotonic;
        let logger = self.loggers.iter().position(|logger| is_due(logger.due));
        if let Some(logger) = logger {
            return Some(Asked::Logger(logger));
        }
        // Many devices must not keep the past out for good.
        if is_due(self.next_day + OVERDUE)
            && let Some(station) = self.with_past()
        {
            return Some(Asked::Day(station));
        }
        let stations = self.stations.iter().enumerate();
        let due = stations
            .filter(|(_, station)| is_due(station.due))
            .min_by_key(|(_, station)| station.due);
        if let Some((at, station)) = due {
            let logger = self.loggers.get(station.logger)?;
            let has_plant = logger.about.as_ref().is_some_and(|about| about.plant.is_some());
            return Some(if has_plant && is_due(logger.state_due) {
                Asked::State(station.logger)
            } else {
                Asked::Last(at)
            });
        }
        let warns = self
            .stations
            .iter()
            .position(|station| is_due(station.warnings_due()));
        if let Some(station) = warns {
            return Some(Asked::Warnings(station));
        }
        let is_day = is_due(self.next_day);
        is_day.then(|| self.with_past()).flatten().map(Asked::Day)
    }

    /// A device with days that are to be fetched, and can be.
    fn with_past(&self) -> Option<usize> {
        self.stations.iter().position(|station| {
            let is_left = station.next_day < station.days && station.absence.is_none();
            is_left && self.knows_clock(station)
        })
    }

    fn call(&self, asked: Asked, now: Now) -> Option<String> {
        Some(match asked {
            Asked::Logger(at) => {
                let pn = query::encode(&self.loggers.get(at)?.pn);
                format!("{}&pn={pn}", asked.action(Way::Titles))
            }
            Asked::State(at) => {
                let logger = self.loggers.get(at)?;
                let plant = logger.about.as_ref()?.plant?;
                let pn = query::encode(&logger.pn);
                format!("{}&plantid={plant}&pn={pn}", asked.action(Way::Titles))
            }
            Asked::Last(at) => {
                let station = self.stations.get(at)?;
                format!("{}{}", asked.action(station.way), station.parameters())
            }
            Asked::Warnings(at) => {
                let station = self.stations.get(at)?;
                let action = asked.action(Way::Titles);
                format!(
                    "{action}{}&handle=false&page=0&pagesize={MOST_WARNINGS}",
                    station.parameters()
                )
            }
            Asked::Day(at) => {
                let station = self.stations.get(at)?;
                let day = self.day(station, now)?;
                format!("{}{}&date={day}", asked.action(station.way), station.parameters())
            }
        })
    }

    /// The day of the past that is next, by the clocks of the cloud.
    fn day(&self, station: &Station, now: Now) -> Option<jiff::civil::Date> {
        let today = time::day_of(now.wall, &self.zone_of(station)?);
        let back = jiff::Span::new().days(i64::from(station.next_day));
        today.checked_sub(back).ok()
    }

    fn zone_of(&self, station: &Station) -> Option<TimeZone> {
        if self.zone.is_some() {
            return self.zone.clone();
        }
        let logger = self.loggers.get(station.logger)?;
        let told = logger.about.as_ref().and_then(|about| about.offset);
        let offset = Offset::from_seconds(logger.learned.or(told)?).ok()?;
        Some(TimeZone::fixed(offset))
    }

    /// Whether it is certain whose clocks records show. What the cloud says of its loggers is so where a record that
    /// has just come is as young as it should be.
    fn knows_clock(&self, station: &Station) -> bool {
        let logger = self.loggers.get(station.logger);
        self.zone.is_some() || logger.is_some_and(|logger| logger.is_clock_known)
    }

    /// Between two calls for a device: never more often than its logger tells the cloud.
    fn pace(&self, station: &Station) -> Millis {
        let logger = self.loggers.get(station.logger);
        let told = logger.and_then(|logger| logger.about.as_ref()?.period);
        Millis(station.period.0.max(told.unwrap_or(TELLS_EVERY).0))
    }

    fn pace_of(&self, at: usize) -> Millis {
        self.stations
            .get(at)
            .map_or(TELLS_EVERY, |station| self.pace(station))
    }

    /// Nothing is asked any more.
    fn stop(&mut self, problem: &str) {
        self.is_stopped = true;
        self.all_offline(&format!("cannot read {}: {problem}", self.caller.url()));
    }

    fn all_offline(&mut self, problem: &str) {
        for station in &mut self.stations {
            let state = LinkState::Offline {
                problem: problem.to_owned(),
            };
            self.events.extend(station.show(state));
        }
    }

    fn offline(&mut self, at: usize, problem: String) {
        if let Some(station) = self.stations.get_mut(at) {
            self.events.extend(station.show(LinkState::Offline { problem }));
        }
    }

    /// The cloud cannot be asked, or talks nonsense.
    fn failed(&mut self, asked: Option<Asked>, came: &str, hint: &str) {
        let problem = format!("cannot read {}: {came}; {hint}", self.caller.url());
        if let Some(LinkState::Offline { problem }) = self.attempts.failed(problem.clone(), self.now) {
            self.all_offline(&problem);
        }
        self.put_off(asked, &problem);
    }

    /// What failed does not stand in the way of the others.
    fn put_off(&mut self, asked: Option<Asked>, problem: &str) {
        match asked {
            Some(Asked::Last(at)) => {
                let pace = self.pace_of(at);
                let Some(station) = self.stations.get_mut(at) else {
                    return;
                };
                station.failures += 1;
                station.due = self.now + APART;
                if station.failures >= MOST_FAILURES {
                    station.failures = 0;
                    station.due = self.now + pace;
                    self.offline(at, problem.to_owned());
                }
            }
            Some(Asked::Day(at)) => {
                self.next_day = self.now + Millis(DAYS_APART.0 * 12);
                if let Some(station) = self.stations.get_mut(at) {
                    station.day_failures += 1;
                    if station.day_failures >= MOST_FAILURES {
                        station.day_done();
                    }
                }
            }
            Some(Asked::Warnings(at)) => self.put_off_warnings(at, WARNINGS_EVERY),
            Some(Asked::State(at)) => {
                if let Some(logger) = self.loggers.get_mut(at) {
                    logger.state_due = self.now + Millis(30_000);
                }
            }
            Some(Asked::Logger(at)) => {
                if let Some(logger) = self.loggers.get_mut(at) {
                    logger.failures += 1;
                    if logger.failures >= MOST_FAILURES {
                        logger.failures = 0;
                        logger.due = self.now + Millis(60_000);
                    }
                }
            }
            None => {}
        }
    }

    /// What came for a call, or in place of it.
    fn take(&mut self, asked: Asked, answer: Answer, now: Now) -> Result<(), ReplyError> {
        match answer {
            Answer::Again => return Ok(()),
            Answer::Stopped(problem) => {
                self.stop(&problem);
                return Ok(());
            }
            Answer::Failed { came, hint } => {
                self.failed(Some(asked), &came, hint);
                return Err(self.error(asked, came, "an answer"));
            }
            Answer::Dat(_) | Answer::Empty | Answer::Refused { .. } => {}
        }
        if self.attempts.succeeded().is_some() {
            // What each device is shows with its next answer.
            for station in &mut self.stations {
                station.shown = None;
            }
        }
        match (asked, answer) {
            (Asked::Logger(at), Answer::Dat(dat)) => self.take_logger(at, &dat),
            (Asked::State(at), Answer::Dat(dat)) => {
                self.take_state(at, &dat);
                Ok(())
            }
            (Asked::Last(at), Answer::Dat(dat)) => self.take_last(at, &dat, now),
            (Asked::Warnings(at), Answer::Dat(dat)) => {
                self.take_warnings(at, Some(&dat));
                Ok(())
            }
            (Asked::Day(at), Answer::Dat(dat)) => self.take_day(at, &dat, now),
            (asked, Answer::Refused { code, text }) => {
                self.refused(asked, code, &text);
                Ok(())
            }
            (asked, _) => {
                self.refused(asked, 12, "nothing is there");
                Ok(())
            }
        }
    }

    fn error(&self, asked: Asked, came: String, expected: &str) -> ReplyError {
        let way = match asked {
            Asked::Last(at) => self.stations.get(at).map_or(Way::Titles, |station| station.way),
            Asked::Logger(_) | Asked::State(_) | Asked::Warnings(_) | Asked::Day(_) => Way::Titles,
        };
        ReplyError {
            asked: format!("{} of {}", asked.action(way), self.caller.url()),
            came,
            expected: expected.to_owned(),
        }
    }
}

impl crate::Client for Client {
    fn handle_timeout(&mut self, now: Now) {
        self.advance(now);
    }

    /// Nothing can be set over a cloud.
    fn handle_action(&mut self, _: &Unit, _: &Action, now: Now) {
        self.advance(now);
    }

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        self.now = now.monotonic;
        self.next_call = now.monotonic + APART;
        let Some(asked) = self.under_way.take() else {
            return Ok(());
        };
        let Reply::Http(reply) = reply else {
            self.caller.unanswered();
            return Err(self.error(asked, "a Modbus answer".to_owned(), "an HTTP answer"));
        };
        let answer = self.caller.answer(&reply);
        self.take(asked, answer, now)
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        self.now = now.monotonic;
        self.next_call = now.monotonic + APART;
        self.caller.unanswered();
        let asked = self.under_way.take();
        let hint = match failure {
            Failure::Other(_) => "check url, and ca_file where no public authority signs for it",
            Failure::Refused | Failure::TimedOut { .. } | Failure::Closed => {
                "check url, and that this machine reaches the internet"
            }
        };
        self.failed(asked, &failure.to_string(), hint);
    }

    fn poll_request(&mut self) -> Option<Request> {
        let (asked, request) = self.out.take()?;
        self.under_way = Some(asked);
        Some(Request::Http(request))
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Monotonic {
        if self.is_stopped {
            return Monotonic(i64::MAX);
        }
        if self.under_way.is_some() {
            return self.now + PATIENCE;
        }
        let loggers = self.loggers.iter().map(|logger| logger.due);
        let stations = self.stations.iter().map(|station| station.due);
        let warnings = self.stations.iter().map(Station::warnings_due);
        let past = self.with_past().map(|_| self.next_day);
        let due = loggers.chain(stations).chain(warnings).chain(past).min();
        let due = due.unwrap_or(Monotonic(i64::MAX));
        due.max(self.next_call).max(self.attempts.retry_at())
    }
}
