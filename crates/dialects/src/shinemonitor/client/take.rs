//! What comes for the calls of a client.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use model::device::LinkState;
use model::gateway::Unit;
use model::message::Report;
use model::reading::Measured;
use model::time::{Millis, Now, Timestamp};
use serde_json::Value;

use super::record::{self, Record};
use super::station::{Hint, Way};
use super::{
    AHEAD, Asked, Client, DAYS_APART, FARTHEST, HINTS, LOGGERS_EVERY, MOST_FAILURES, REFUSED_AGAIN, SAME_AGE,
    STALE, STATES_EVERY, WARNINGS_EVERY,
};
use crate::shinemonitor::time;
use crate::{Event, ReplyError};

impl Client {
    pub(super) fn take_logger(&mut self, at: usize, dat: &Value) -> Result<(), ReplyError> {
        let Some(logger) = self.loggers.get_mut(at) else {
            return Ok(());
        };
        match record::of_logger(dat, &logger.pn) {
            Ok(about) => {
                logger.about = Some(about);
                logger.failures = 0;
                logger.due = self.now + LOGGERS_EVERY;
                Ok(())
            }
            Err(expected) => {
                logger.due = self.now + REFUSED_AGAIN;
                Err(self.error(Asked::Logger(at), "something else".to_owned(), &expected))
            }
        }
    }

    /// Devices that the cloud hears nothing of are not asked, and no failure.
    pub(super) fn take_state(&mut self, at: usize, dat: &Value) {
        let fastest = self.stations.iter().filter(|station| station.logger == at);
        let fastest = fastest.map(|station| self.pace(station)).min();
        let Some(logger) = self.loggers.get_mut(at) else {
            return;
        };
        let wait = fastest.unwrap_or(REFUSED_AGAIN);
        logger.state_due = self.now + Millis(wait.0.max(STATES_EVERY.0));
        let due = logger.state_due;
        let mut away = Vec::new();
        for (at_station, station) in self.stations.iter_mut().enumerate() {
            if station.logger != at {
                continue;
            }
            let name = &station.name;
            let is_it = |code: i64, address: i64, serial: &str| {
                (code, address, serial) == (name.devcode, name.devaddr, name.sn.as_str())
            };
            station.absence = record::absence(dat, &logger.pn, &is_it);
            if let Some(why) = station.absence {
                away.push((at_station, why));
            }
        }
        for (at, why) in away {
            let Some(station) = self.stations.get(at) else {
                continue;
            };
            let problem = format!("the cloud hears nothing of device {}: {why}", station.name);
            self.offline(at, problem);
            if let Some(station) = self.stations.get_mut(at) {
                station.due = due;
            }
        }
    }

    pub(super) fn refused(&mut self, asked: Asked, code: i64, text: &str) {
        let again = self.now + REFUSED_AGAIN;
        match asked {
            Asked::Logger(at) => {
                if let Some(logger) = self.loggers.get_mut(at) {
                    logger.due = again;
                }
            }
            Asked::State(at) => {
                if let Some(logger) = self.loggers.get_mut(at) {
                    logger.state_due = again;
                }
                for station in self.stations.iter_mut().filter(|station| station.logger == at) {
                    station.absence = None;
                }
            }
            Asked::Day(at) => {
                self.next_day = self.now + DAYS_APART;
                if let Some(station) = self.stations.get_mut(at) {
                    station.day_done();
                }
            }
            Asked::Last(at) => self.last_refused(at, code, text),
            // No warning, or no record.
            Asked::Warnings(at) if code == 264 || code == 12 => self.take_warnings(at, None),
            Asked::Warnings(at) => self.put_off_warnings(at, REFUSED_AGAIN),
        }
    }

    pub(super) fn put_off_warnings(&mut self, at: usize, wait: Millis) {
        if let Some(station) = self.stations.get_mut(at) {
            station.warnings_due = self.now + wait;
        }
    }

    /// `None`: there are none.
    pub(super) fn take_warnings(&mut self, at: usize, dat: Option<&Value>) {
        let wait = Millis(self.pace_of(at).0.max(WARNINGS_EVERY.0));
        self.put_off_warnings(at, wait);
        if let Some(station) = self.stations.get_mut(at) {
            let events = station.warn(dat.and_then(record::warnings));
            self.events.extend(events);
        }
    }

    /// The cloud has no record of a device, in this way at least, or not for this app.
    fn last_refused(&mut self, at: usize, code: i64, text: &str) {
        const NO_RECORD: i64 = 12;
        const NO_DEVICE: i64 = 258;
        /// Refused, not supported, nothing there, no such call.
        const OF_WAY: [i64; 4] = [8, 9, 12, 256];
        let (apps, pace) = (self.caller.apps(), self.pace_of(at));
        let Some(station) = self.stations.get_mut(at) else {
            return;
        };
        // Now and then nothing is there where there was something.
        if code == NO_RECORD && station.is_good {
            station.failures += 1;
            if station.failures < MOST_FAILURES {
                station.due = self.now + pace;
                return;
            }
        }
        station.failures = 0;
        if code == NO_DEVICE && station.apps_tried + 1 < apps {
            station.apps_tried += 1;
            self.caller.next_app();
            return;
        }
        station.apps_tried = 0;
        if OF_WAY.contains(&code) && station.last.is_none() {
            station.way = station.way.other();
            station.ways_tried += 1;
            if station.ways_tried % 2 == 1 {
                return;
            }
        }
        let (problem, wait) = match code {
            NO_RECORD => (
                format!("the cloud has no record of device {} yet", station.name),
                pace,
            ),
            NO_DEVICE => (
                format!(
                    "this account has no device {}; `ohmstead discover` lists those that it has",
                    station.name
                ),
                REFUSED_AGAIN,
            ),
            // Device or logger is offline.
            262 | 263 => (
                format!("the cloud hears nothing of device {}: {text}", station.name),
                pace,
            ),
            _ => (
                format!("the cloud refuses device {}: {text}", station.name),
                REFUSED_AGAIN,
            ),
        };
        station.due = self.now + wait;
        self.offline(at, problem);
    }

    pub(super) fn take_last(&mut self, at: usize, dat: &Value, now: Now) -> Result<(), ReplyError> {
        let Some(station) = self.stations.get(at) else {
            return Ok(());
        };
        let (way, pace) = (station.way, self.pace(station));
        let read = match way {
            Way::Titles => record::of_titles(dat),
            Way::Groups => record::of_groups(dat),
        };
        let record = match read {
            Ok(record) => record,
            Err(expected) => {
                let error = self.error(Asked::Last(at), "something else".to_owned(), &expected);
                self.put_off(Some(Asked::Last(at)), &error.to_string());
                return Err(error);
            }
        };
        let stale = Millis(STALE.0.max(3 * pace.0));
        let Some(station) = self.stations.get_mut(at) else {
            return Ok(());
        };
        station.due = self.now + pace;
        station.failures = 0;
        station.apps_tried = 0;
        if station.has_taken(&record) {
            if now.wall - station.last_at.unwrap_or(now.wall) > stale {
                self.too_old(at, &record);
            } else if station.is_good {
                self.events.extend(station.show(LinkState::Online));
            }
            return Ok(());
        }
        station.is_good = false;
        let is_next = station.last.replace(record.clone()).is_some();
        match self.take_record(at, &record, is_next, now) {
            Ok(()) => Ok(()),
            Err(error) => {
                let is_taken = self.stations.get(at).is_some_and(|station| station.is_good);
                if !is_taken {
                    self.offline(at, error.to_string());
                }
                Err(error)
            }
        }
    }

    /// Takes a record that is none of those before. `is_next`: it came since the one before was asked for.
    fn take_record(&mut self, at: usize, record: &Record, is_next: bool, now: Now) -> Result<(), ReplyError> {
        let asked = Asked::Last(at);
        let Some(shown) = time::read_clock(&record.at) else {
            let came = format!("a record of \"{}\"", clip(&record.at));
            return Err(self.error(asked, came, "a time like 2026-01-31 12:00:00"));
        };
        let stale = Millis(STALE.0.max(3 * self.pace_of(at).0));
        if is_next && self.zone.is_none() {
            self.learn(at, shown, stale, now);
        }
        let Some(station) = self.stations.get(at) else {
            return Ok(());
        };
        let zone = self.zone_of(station);
        let dated = match &zone {
            Some(zone) => dated(shown, zone, now),
            // It has come since we asked last.
            None if is_next => now.wall,
            None => {
                let problem = format!(
                    "nobody knows how old the latest record of device {} is, of {} by the clocks of the cloud: the next one tells, or time_zone of the gateway",
                    station.name,
                    clip(&record.at)
                );
                self.offline(at, problem);
                return Ok(());
            }
        };
        let is_ahead = dated - now.wall > AHEAD;
        let is_stale = now.wall - dated > stale;
        let measured = self.measured(at, record)?;
        if measured.is_empty() {
            let titles: Vec<&str> = record
                .fields
                .iter()
                .map(|field| field.title.as_str())
                .take(8)
                .collect();
            let problem = format!(
                "nothing is known of what the cloud shows of device {} ({}…); its titles belong into definitions/shinemonitor/fields.toml",
                station.name,
                clip(&titles.join(", "))
            );
            self.offline(at, problem);
            return Ok(());
        }
        let missed = Millis(2 * self.pace_of(at).0);
        let gap = station.last_at.filter(|last| dated - *last > missed);
        let fits = zone.is_some() && !is_ahead && !is_stale;
        self.know_clock(at, fits);
        let Some(station) = self.stations.get_mut(at) else {
            return Ok(());
        };
        station.last_at = Some(dated.min(now.wall));
        if let Some(last) = gap {
            let days = (now.wall - last).0 / 86_400_000 + 2;
            let days = u8::try_from(days).unwrap_or(u8::MAX).min(self.past_days);
            station.fill(last, days);
        }
        if is_stale {
            self.keep_past(at, std::slice::from_ref(record), None, now);
            self.too_old(at, record);
            return Ok(());
        }
        station.is_good = true;
        if !station.is_introduced {
            station.is_introduced = true;
            let text = station.identity(record);
            for (unit, _) in &station.places {
                self.events.push_back(Event::Report {
                    unit: unit.clone(),
                    report: Report::Identity { text: text.clone() },
                });
            }
        }
        self.events.extend(station.show(LinkState::Online));
        for (unit, measured) in measured {
            self.events.push_back(Event::Dated {
                unit,
                at: dated.min(now.wall),
                report: Report::Measured(measured),
            });
        }
        if is_ahead {
            let came = format!("a record of \"{}\", which is to come", clip(&record.at));
            return Err(self.error(asked, came, "one of the past; check time_zone of the gateway"));
        }
        Ok(())
    }

    /// A record that has just come is minutes old. Where the clocks of the cloud would have it otherwise, or nobody
    /// has said whose they are, some such records in a row tell how far ahead of UTC they are: some brands show UTC.
    fn learn(&mut self, at: usize, shown: DateTime, stale: Millis, now: Now) {
        let pace = self.pace_of(at);
        let Some(station) = self.stations.get(at) else {
            return;
        };
        let zone = self.zone_of(station);
        let age = zone.map(|zone| now.wall - dated(shown, &zone, now));
        let fits = age.is_some_and(|age| (-AHEAD.0..=stale.0).contains(&age.0));
        let ahead = time::moments(shown, &TimeZone::UTC).0 - now.wall;
        // Offsets are quarters of an hour, most of them hours. Below the pace nothing is told apart.
        let step = match pace.0 {
            ..=480_000 => Some(900_000),
            480_001..=2_700_000 => Some(3_600_000),
            _ => None,
        };
        let guess = step.filter(|_| !fits).and_then(|step| {
            let offset = (ahead.0.saturating_sub(AHEAD.0).div_euclid(step) + 1).saturating_mul(step);
            i32::try_from(offset / 1_000).ok()
        });
        let guess = guess.filter(|offset| offset.abs() <= FARTHEST);
        let Some(station) = self.stations.get_mut(at) else {
            return;
        };
        station.hint = guess.map(|offset| match station.hint {
            Some(before) if before.offset == offset && (before.ahead.0 - ahead.0).abs() <= SAME_AGE.0 => {
                Hint {
                    count: before.count + 1,
                    ..before
                }
            }
            _ => Hint {
                offset,
                ahead,
                count: 1,
            },
        });
        if let Some(hint) = station.hint.filter(|hint| hint.count >= HINTS) {
            station.hint = None;
            let logger = station.logger;
            if let Some(logger) = self.loggers.get_mut(logger) {
                logger.learned = Some(hint.offset);
            }
        }
    }

    fn know_clock(&mut self, at: usize, fits: bool) {
        let logger = self.stations.get(at).map(|station| station.logger);
        if let Some(logger) = logger.and_then(|logger| self.loggers.get_mut(logger)) {
            logger.is_clock_known |= fits;
        }
    }

    fn too_old(&mut self, at: usize, record: &Record) {
        let Some(station) = self.stations.get(at) else {
            return;
        };
        let problem = format!(
            "the latest that the cloud has of device {} is of {} by its clock; check that the logger has power and is in the internet, and time_zone of the gateway",
            station.name,
            clip(&record.at)
        );
        self.offline(at, problem);
    }

    /// What a record says of each part that is wanted.
    fn measured(&self, at: usize, record: &Record) -> Result<Vec<(Unit, Measured)>, ReplyError> {
        let Some(station) = self.stations.get(at) else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for (unit, part) in &station.places {
            let measured = self.table.measured(*part, station.name.devcode, record);
            let measured = measured.map_err(|why| self.error(Asked::Last(at), why.came, &why.expected))?;
            found.extend(measured.map(|measured| (unit.clone(), measured)));
        }
        Ok(found)
    }

    pub(super) fn take_day(&mut self, at: usize, dat: &Value, now: Now) -> Result<(), ReplyError> {
        self.next_day = self.now + DAYS_APART;
        let rows = record::of_day(dat);
        if let Some(station) = self.stations.get_mut(at) {
            station.day_done();
        }
        match rows {
            Ok(rows) => {
                let since = self.stations.get(at).and_then(|station| station.since);
                self.keep_past(at, &rows, since, now);
                Ok(())
            }
            Err(expected) => Err(self.error(Asked::Day(at), "something else".to_owned(), &expected)),
        }
    }

    /// Into the history, what is after `since`. Rows that make no sense are left out.
    fn keep_past(&mut self, at: usize, rows: &[Record], since: Option<Timestamp>, now: Now) {
        let Some(station) = self.stations.get(at) else {
            return;
        };
        let Some(zone) = self.zone_of(station).filter(|_| self.knows_clock(station)) else {
            return;
        };
        let is_wanted = |at: &Timestamp| *at <= now.wall && since.is_none_or(|since| *at > since);
        let dated = in_order(rows, &zone);
        let dated: Vec<(Timestamp, &Record)> = dated.into_iter().filter(|(at, _)| is_wanted(at)).collect();
        for (unit, part) in &station.places {
            let mut samples = Vec::new();
            for (taken, row) in &dated {
                if let Ok(Some(measured)) = self.table.measured(*part, station.name.devcode, row) {
                    samples.extend(
                        measured
                            .values()
                            .map(|(quantity, value)| (*taken, quantity, value)),
                    );
                }
            }
            for some in samples.chunks(Report::MOST_PAST) {
                self.events.push_back(Event::Report {
                    unit: unit.clone(),
                    report: Report::Past {
                        samples: some.to_vec(),
                    },
                });
            }
        }
    }
}

/// When a record was measured that is the latest there is: in the hour that comes twice, the later time of both
/// unless that is still to come.
fn dated(shown: DateTime, zone: &TimeZone, now: Now) -> Timestamp {
    let (first, second) = time::moments(shown, zone);
    if second - now.wall > AHEAD { first } else { second }
}

/// The rows of a day with their times. Those of the hour that comes twice are told apart by their order.
fn in_order<'r>(rows: &'r [Record], zone: &TimeZone) -> Vec<(Timestamp, &'r Record)> {
    let shown = rows
        .iter()
        .filter_map(|row| Some((time::read_clock(&row.at)?, row)));
    let mut shown: Vec<(DateTime, &Record)> = shown.collect();
    let (first, last) = (shown.first(), shown.last());
    let goes_back = first.zip(last).is_some_and(|(first, last)| first.0 > last.0);
    if goes_back {
        shown.reverse();
    }
    let mut latest = None;
    let mut is_second = false;
    let dated = shown.into_iter().map(|(clock, row)| {
        is_second |= latest.is_some_and(|latest| clock < latest);
        latest = Some(clock);
        let (first, second) = time::moments(clock, zone);
        (if is_second { second } else { first }, row)
    });
    let mut dated: Vec<_> = dated.collect();
    if goes_back {
        dated.reverse();
    }
    dated
}

/// So much of a foreign text as a message may hold.
fn clip(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(120)
        .collect()
}
