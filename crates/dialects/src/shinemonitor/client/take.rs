//! What comes for the calls of a client.

use model::device::LinkState;
use model::gateway::Unit;
use model::message::Report;
use model::reading::Measured;
use model::time::{Millis, Now, Timestamp};
use serde_json::Value;

use super::record::{self, Record};
use super::station::Way;
use super::{
    AHEAD, Asked, Client, DAYS_APART, LOGGERS_EVERY, MOST_FAILURES, REFUSED_AGAIN, STALE, STATES_EVERY,
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
        }
    }

    /// The cloud has no record of a device, in this way at least, or not for this app.
    fn last_refused(&mut self, at: usize, code: i64, text: &str) {
        const NO_RECORD: i64 = 12;
        const NO_DEVICE: i64 = 258;
        /// Refused, not supported, nothing there, no such call.
        const OF_WAY: [i64; 4] = [8, 9, 12, 256];
        let apps = self.caller.apps();
        let Some(station) = self.stations.get_mut(at) else {
            return;
        };
        // Now and then nothing is there where there was something.
        if code == NO_RECORD && station.is_good {
            station.failures += 1;
            if station.failures < MOST_FAILURES {
                station.due = self.now + station.period;
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
                station.period,
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
                station.period,
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
        let (way, pace, zone) = (station.way, self.pace(station), self.zone_of(station));
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
        let asked = Asked::Last(at);
        let error = |client: &Self, came: String, expected: &str| Err(client.error(asked, came, expected));
        let Some(station) = self.stations.get_mut(at) else {
            return Ok(());
        };
        station.due = self.now + pace;
        station.failures = 0;
        station.apps_tried = 0;
        if station.last.as_ref() == Some(&record.id) {
            if now.wall - station.last_at.unwrap_or(now.wall) > stale {
                self.too_old(at, &record);
            } else if station.is_good {
                self.events.extend(station.show(LinkState::Online));
            }
            return Ok(());
        }
        station.is_good = false;
        station.last = Some(record.id.clone());
        let dated = match &zone {
            Some(zone) => time::read_moment(&record.at, zone),
            // Nobody knows which clocks these are.
            None => Some(now.wall),
        };
        let Some(dated) = dated else {
            return error(
                self,
                format!("a record of \"{}\"", clip(&record.at)),
                "a time like 2026-01-31 12:00:00",
            );
        };
        station.last_at = Some(dated);
        let is_ahead = dated - now.wall > AHEAD;
        let is_stale = now.wall - dated > stale;
        let measured = self.measured(at, &record)?;
        if measured.is_empty() {
            let titles: Vec<&str> = record
                .fields
                .iter()
                .map(|field| field.title.as_str())
                .take(8)
                .collect();
            let Some(station) = self.stations.get(at) else {
                return Ok(());
            };
            let problem = format!(
                "nothing is known of what the cloud shows of device {} ({}…); its titles belong into definitions/shinemonitor/fields.toml",
                station.name,
                clip(&titles.join(", "))
            );
            self.offline(at, problem);
            return Ok(());
        }
        if is_stale {
            self.keep_past(at, std::slice::from_ref(&record), now);
            self.too_old(at, &record);
            return Ok(());
        }
        let Some(station) = self.stations.get_mut(at) else {
            return Ok(());
        };
        station.is_good = true;
        if !station.is_introduced {
            station.is_introduced = true;
            let text = station.identity(&record);
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
            return error(self, came, "one of the past; check time_zone of the gateway");
        }
        Ok(())
    }

    fn too_old(&mut self, at: usize, record: &Record) {
        let Some(station) = self.stations.get(at) else {
            return;
        };
        let problem = format!(
            "the latest that the cloud has of device {} is of {} by its clock; check that the logger has power and is in the internet",
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
                self.keep_past(at, &rows, now);
                Ok(())
            }
            Err(expected) => Err(self.error(Asked::Day(at), "something else".to_owned(), &expected)),
        }
    }

    /// Into the history. Rows that make no sense are left out.
    fn keep_past(&mut self, at: usize, rows: &[Record], now: Now) {
        let Some(station) = self.stations.get(at) else {
            return;
        };
        let Some(zone) = self.zone_of(station) else { return };
        let dated: Vec<(Timestamp, &Record)> = rows
            .iter()
            .filter_map(|row| Some((time::read_moment(&row.at, &zone)?, row)))
            .filter(|(at, _)| *at <= now.wall)
            .collect();
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

/// So much of a foreign text as a message may hold.
fn clip(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control())
        .take(120)
        .collect()
}
