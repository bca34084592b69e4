//! What somebody gets who asks the meter of a world once a second: a load for whoever stores or draws readings.

use model::id::DeviceId;
use model::message::Report;
use model::reading::Measured;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::{MilliAmps, MilliHertz, MilliVolts};

use crate::World;
use crate::draw::{Dice, Draws};

/// An answer takes that many milliseconds to come.
const ANSWERS_AFTER_MS: (i64, i64) = (5, 25);

/// Asks one meter every full second. Values are as its registers round them; the time is that of the answer.
#[derive(Debug)]
pub struct Poller {
    world: World,
    meter: DeviceId,
    dice: Dice,
    began: Timestamp,
    asked: Timestamp,
}

impl Poller {
    #[must_use]
    pub fn new(world: World, meter: DeviceId, begins: Timestamp) -> Self {
        let dice = Draws::new(world.settings().seed, "answers of a poll").at(0);
        Self {
            world,
            meter,
            dice,
            began: begins,
            asked: begins,
        }
    }

    /// Asks; a second later than the last time. A meter that gives no values says nothing at all.
    pub fn ask(&mut self) -> (Timestamp, Measured) {
        let (from, to) = ANSWERS_AFTER_MS;
        let at = self.asked + Millis(self.dice.between(from, to));
        self.asked = self.asked + Millis(1_000);
        self.world.step_coarse(Now {
            wall: at,
            monotonic: Monotonic((at - self.began).0),
        });
        let reports = self.world.reports().into_iter();
        let mut own = reports
            .filter(|(id, _)| *id == self.meter)
            .map(|(_, report)| report);
        let measured = own.find_map(measured).map(as_registers_round);
        (at, measured.unwrap_or_default())
    }
}

fn measured(report: Report) -> Option<Measured> {
    let Report::Measured(measured) = report else {
        return None;
    };
    Some(measured)
}

/// To the steps of model 203 as our own servers scale it: 10 mA, 100 mV, 10 mHz.
fn as_registers_round(measured: Measured) -> Measured {
    Measured {
        current: measured
            .current
            .map(|current| current.map(|amps| MilliAmps(to_steps(amps.0, 10)))),
        voltage: measured
            .voltage
            .map(|voltage| voltage.map(|volts| MilliVolts(to_steps(volts.0, 100)))),
        frequency: measured.frequency.map(|hertz| MilliHertz(to_steps(hertz.0, 10))),
        ..measured
    }
}

/// Half a step is rounded away from zero.
const fn to_steps(value: i64, step: i64) -> i64 {
    let half = if value < 0 { -(step / 2) } else { step / 2 };
    (value + half) / step * step
}

#[cfg(test)]
mod tests {
    use dialects::sunspec::{Role, SunspecSettings};
    use dialects::{Client, Event, sunspec};

    use super::*;
    use crate::demo;

    #[test]
    fn a_poll_gives_what_the_meter_says_on_the_wire() {
        let begins = Timestamp(1_767_252_600_000);
        let grid = DeviceId::new("grid").unwrap();
        let mut poller = Poller::new(World::new(demo::home(3)).unwrap(), grid.clone(), begins);
        let mut client = sunspec::Client::new(SunspecSettings {
            name: "grid".to_owned(),
            unit: 1,
            poll: Millis(1_000),
            role: Role::Meter,
        });
        let mut compared = 0;
        for second in 0..120 {
            let (at, polled) = poller.ask();
            let late = at - (begins + Millis(second * 1_000));
            assert!((5..=25).contains(&late.0), "{late:?}");
            let now = Now {
                wall: at,
                monotonic: Monotonic((at - begins).0),
            };
            client.handle_timeout(now);
            while let Some(request) = client.poll_request() {
                let reply = poller.world.handle(&grid, &request, now).unwrap();
                client.handle_reply(reply, now).unwrap();
            }
            for measured in std::iter::from_fn(|| client.poll_event())
                .filter_map(Event::into_report)
                .filter_map(measured)
            {
                assert_eq!(measured, polled, "{second}");
                compared += 1;
            }
        }
        assert!(compared > 100, "{compared}");
    }
}
