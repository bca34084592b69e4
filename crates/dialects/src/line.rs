//! Several devices on one line: a client for each, one request at a time.
//!
//! For what is behind a converter to a serial line: it has one connection, and on its wires one device speaks
//! at a time. Devices are asked in turn, so that one which does not answer costs the others its time limit and
//! no more; whoever has just been told something is next.

use model::gateway::Unit;
use model::setpoint::Action;
use model::time::{Monotonic, Now};

use crate::{Client, Event, Failure, Reply, ReplyError, Request};

/// All devices of a line.
pub struct Line {
    stations: Vec<Station>,
    /// Whose turn it is.
    turn: usize,
    /// Whose request is under way.
    asking: Option<usize>,
}

struct Station {
    unit: Unit,
    client: Box<dyn Client>,
}

impl Line {
    /// Each client speaks to a single device and asks; what is pushed does not travel over a line.
    #[must_use]
    pub fn new(clients: Vec<(Unit, Box<dyn Client>)>) -> Self {
        let stations = clients.into_iter();
        Self {
            stations: stations.map(|(unit, client)| Station { unit, client }).collect(),
            turn: 0,
            asking: None,
        }
    }

    fn asking(&mut self) -> Option<&mut Station> {
        let asking = self.asking.take()?;
        self.stations.get_mut(asking)
    }
}

impl Client for Line {
    fn handle_timeout(&mut self, now: Now) {
        for station in &mut self.stations {
            if station.client.poll_timeout() <= now.monotonic {
                station.client.handle_timeout(now);
            }
        }
    }

    fn handle_action(&mut self, unit: &Unit, action: &Action, now: Now) {
        let station = self.stations.iter().position(|station| station.unit == *unit);
        let Some(at) = station else { return };
        self.turn = at;
        if let Some(station) = self.stations.get_mut(at) {
            station.client.handle_action(&Unit::only(), action, now);
        }
    }

    fn handle_reply(&mut self, reply: Reply, now: Now) -> Result<(), ReplyError> {
        match self.asking() {
            Some(station) => station.client.handle_reply(reply, now),
            None => Ok(()),
        }
    }

    fn handle_failure(&mut self, failure: &Failure, now: Now) {
        if let Some(station) = self.asking() {
            station.client.handle_failure(failure, now);
        }
    }

    fn poll_request(&mut self) -> Option<Request> {
        if self.asking.is_some() {
            return None;
        }
        let count = self.stations.len();
        (self.turn..count).chain(0..self.turn.min(count)).find_map(|at| {
            let request = self.stations.get_mut(at)?.client.poll_request()?;
            self.asking = Some(at);
            self.turn = at + 1;
            Some(request)
        })
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.stations.iter_mut().find_map(|station| {
            let unit = station.unit.clone();
            Some(match station.client.poll_event()? {
                Event::Report { report, .. } => Event::Report { unit, report },
                Event::Dated { at, report, .. } => Event::Dated { unit, at, report },
                Event::Found { identity, .. } => Event::Found { unit, identity },
                Event::Gateway(facts) => Event::Gateway(facts),
            })
        })
    }

    fn poll_timeout(&self) -> Monotonic {
        let due = self.stations.iter().map(|station| station.client.poll_timeout());
        due.min().unwrap_or(Monotonic(i64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use model::device::LinkState;
    use model::message::Report;
    use model::time::{Millis, Timestamp};

    use super::*;
    use crate::modbus::{Client as Meter, Definition, Exception, ModbusSettings, Registers, answer};

    const TIMED_OUT: i64 = 2_000;

    /// A meter of a house where nothing runs.
    struct Idle;

    impl Registers for Idle {
        fn read_holding(&self, _: u16, count: u16) -> Result<Vec<u16>, Exception> {
            Ok(vec![0; count.into()])
        }

        fn write_holding(&mut self, _: u16, _: &[u16]) -> Result<(), Exception> {
            Err(Exception::IllegalFunction)
        }
    }

    /// A line with meters, of which some answer; the time is stepped by the exchanges.
    struct Wires {
        line: Line,
        answering: Vec<u8>,
        answer_ms: i64,
        now: i64,
        asked: Vec<u8>,
        reports: BTreeMap<String, Vec<Report>>,
    }

    impl Wires {
        fn new(units: &[u8], answering: &[u8]) -> Self {
            let definition = Definition::built_in("eastron-sdm630").unwrap();
            let client = |unit: &u8| {
                let settings = ModbusSettings {
                    name: format!("meter {unit}"),
                    unit: *unit,
                    definition: definition.clone(),
                    poll: Millis(1_000),
                };
                let client: Box<dyn Client> = Box::new(Meter::new(settings));
                (Unit::named(&unit.to_string()), client)
            };
            Self {
                line: Line::new(units.iter().map(client).collect()),
                answering: answering.to_vec(),
                answer_ms: 20,
                now: 0,
                asked: Vec::new(),
                reports: BTreeMap::new(),
            }
        }

        fn run_until(&mut self, end: i64) {
            while self.now < end {
                let now = Now {
                    wall: Timestamp(self.now),
                    monotonic: Monotonic(self.now),
                };
                self.line.handle_timeout(now);
                match self.line.poll_request() {
                    Some(Request::Modbus { unit, pdu }) => {
                        self.asked.push(unit);
                        if self.answering.contains(&unit) {
                            self.now += self.answer_ms;
                            let pdu = answer(&pdu, &mut Idle);
                            self.line.handle_reply(Reply::Modbus { pdu }, now).unwrap();
                        } else {
                            self.now += TIMED_OUT;
                            let failure = Failure::TimedOut { after_ms: TIMED_OUT };
                            self.line.handle_failure(&failure, now);
                        }
                    }
                    Some(Request::Http(_)) => panic!("no such test"),
                    None => self.now = self.line.poll_timeout().0.max(self.now + 1),
                }
                while let Some(event) = self.line.poll_event() {
                    let Event::Report { unit, report } = event else {
                        panic!("{event:?}")
                    };
                    self.reports.entry(unit.to_string()).or_default().push(report);
                }
            }
        }

        fn asked(&self, unit: u8) -> usize {
            self.asked.iter().filter(|asked| **asked == unit).count()
        }
    }

    #[test]
    fn devices_are_asked_in_turn_and_answer_under_their_own_names() {
        let mut wires = Wires::new(&[3, 4, 5], &[3, 4, 5]);
        wires.run_until(1_000);
        assert_eq!(wires.asked[..3], [3, 4, 5]);
        for unit in ["3", "4", "5"] {
            let reports = &wires.reports[unit];
            assert_eq!(reports[0], Report::Link(LinkState::Online), "{unit}");
            assert!(matches!(reports[2], Report::Measured(_)), "{reports:?}");
        }
    }

    /// Each round has two requests, and all of them together take longer than a second.
    #[test]
    fn a_slow_line_is_read_as_often_as_it_can_be() {
        let units = [3, 4, 5, 6];
        let mut wires = Wires::new(&units, &units);
        wires.answer_ms = 400;
        wires.run_until(60_000);
        for unit in units {
            let reports = wires.reports[&unit.to_string()].iter();
            let readings = reports.filter(|report| matches!(report, Report::Measured(_)));
            let count = readings.count();
            assert!(
                (12..=60_000_usize.div_ceil(400 * 2 * 4)).contains(&count),
                "{unit}: {count}"
            );
        }
    }

    #[test]
    fn a_device_that_does_not_answer_costs_the_others_its_time_limit_alone() {
        let mut wires = Wires::new(&[3, 4], &[4]);
        wires.run_until(60_000);
        let silent = wires.reports.get("3").map(Vec::as_slice);
        let Some([Report::Link(LinkState::Offline { problem })]) = silent else {
            panic!("{silent:?}")
        };
        assert!(problem.contains("\"meter 3\""), "{problem}");
        assert!(
            wires.asked(4) > 4 * wires.asked(3),
            "{} {}",
            wires.asked(4),
            wires.asked(3)
        );
    }
}
