use model::phases::PerPhase;
use model::reading::Measured;
use model::time::{Monotonic, Timestamp};
use model::units::{MilliHertz, MilliVolts, PerMille, WattHours};

use super::*;
use crate::demo;
use crate::local::LocalTime;
use crate::physics::battery::{BatterySettings, Bounds};
use crate::physics::pv::PvSettings;

/// A box with a number for each of its bodies: `?1` on its link is answered with the power of the first one, a setpoint
/// for a battery goes to the battery. By itself it says how many there are.
#[derive(Debug, Default)]
struct Numbered {
    opened: i64,
}

impl Voice for Numbered {
    fn ways(&self) -> Vec<Way> {
        Vec::new()
    }

    fn act(&mut self, bodies: &mut [Placed], index: usize, action: &Action, _: Now) {
        let meant = bodies.get_mut(index).and_then(|placed| placed.body.battery());
        if let (Some(battery), Action::BatteryPower { power }) = (meant, action) {
            battery.bound(Bounds {
                at_least: *power,
                at_most: *power,
            });
        }
    }

    fn answer(&mut self, _: &mut [Placed], _: &Request, _: bool, _: Now) -> Option<Reply> {
        None
    }

    fn open(&mut self, _: &mut [Placed]) -> Option<(Link, Vec<Vec<u8>>)> {
        self.opened += 1;
        Some((Link(self.opened), Vec::new()))
    }

    fn hear(
        &mut self,
        bodies: &mut [Placed],
        _: Link,
        message: Option<&[u8]>,
        _: bool,
        _: Now,
    ) -> Option<Vec<Vec<u8>>> {
        let Some([b'?', digit]) = message else {
            return Some(vec![bodies.len().to_string().into_bytes()]);
        };
        let number = usize::from(digit - b'1');
        let power = bodies.get(number)?.body.measured().power.unwrap_or_default();
        Some(vec![power.0.to_string().into_bytes()])
    }
}

fn id(text: &str) -> DeviceId {
    DeviceId::new(text).unwrap()
}

fn roof(peak: i64) -> Box<dyn Body> {
    let settings = PvSettings {
        peak: Watts(peak),
        rated: Watts(10_000),
        tilt_deg: 30,
        azimuth_deg: 180,
        cloudiness: Some(PerMille(0)),
    };
    Box::new(Inverter::new(1, demo::home(1).position, &settings))
}

fn storage() -> Box<dyn Body> {
    Box::new(HomeBattery::new(&BatterySettings {
        capacity: WattHours(10_000),
        max_charge: Watts(5_000),
        max_discharge: Watts(5_000),
        min_soc: PerMille(100),
        initial_soc: PerMille(500),
    }))
}

/// Two inverters and a battery behind one box, at noon in summer.
fn logger() -> (Device, Surroundings) {
    let bodies = [
        ("east", roof(4_000)),
        ("west", roof(8_000)),
        ("storage", storage()),
    ];
    let bodies = bodies.map(|(name, body)| Placed {
        id: id(name),
        circuit: 0,
        body,
    });
    let device = Device::over(id("logger"), Box::new(Numbered::default()), bodies.into());
    let wall = Timestamp(1_782_122_400_000);
    let around = Surroundings {
        now: Now {
            wall,
            monotonic: Monotonic(0),
        },
        local: LocalTime::new(wall, &jiff::tz::TimeZone::UTC),
        span: Millis(1_000),
        voltage: PerPhase::all(MilliVolts(230_000)),
        frequency: MilliHertz(50_000),
        is_up: true,
    };
    (device, around)
}

/// A minute next to a house that takes 500 W. What everything takes in the end.
fn run(device: &mut Device, around: Surroundings) -> Watts {
    let mut sum = Watts::ZERO;
    for _ in 0..60 {
        sum = Watts(500);
        sum += device.live(around);
        sum += device.balance(around, sum);
        device.measure(around, &[]);
    }
    sum
}

fn powers(device: &Device) -> Vec<i64> {
    let power = |placed: &Placed| placed.body.measured().power.unwrap().0;
    device.bodies().iter().map(power).collect()
}

/// A battery stops a watt before what it wants.
fn assert_near(power: i64, expected: i64, why: &str) {
    assert!(
        (power - expected).abs() <= 2,
        "{power}, expected {expected}: {why}"
    );
}

#[test]
fn one_voice_speaks_for_several_bodies() {
    let (mut logger, around) = logger();
    let sum = run(&mut logger, around);
    let powers = powers(&logger);
    assert!(
        powers[0] < -2_000 && powers[1] < 2 * powers[0] + 100,
        "{powers:?}"
    );
    assert_near(powers[2], 5_000, "what the sun leaves over is stored");
    assert_eq!(sum.0, 500 + powers.iter().sum::<i64>());

    let (link, greeting) = logger.open().unwrap();
    assert!(greeting.is_empty());
    for (message, said) in [
        (Some("?1"), powers[0]),
        (Some("?2"), powers[1]),
        (Some("?3"), powers[2]),
        (None, 3),
    ] {
        let answer = logger.hear(link, message.map(str::as_bytes), around.now);
        assert_eq!(answer, Some(vec![said.to_string().into_bytes()]), "{message:?}");
    }

    let mut reports = Vec::new();
    logger.reports(&mut reports);
    let of = |name: &str| reports.iter().filter(|(known, _)| *known == id(name)).count();
    assert_eq!(["east", "west", "storage", "logger"].map(of), [2, 2, 2, 0]);
}

#[test]
fn a_setpoint_reaches_the_body_that_it_names() {
    let (mut logger, around) = logger();
    let discharge = Action::BatteryPower {
        power: Some(Watts(-1_000)),
    };
    for name in ["east", "logger", "attic"] {
        logger.act(&id(name), &discharge, around.now);
    }
    run(&mut logger, around);
    assert_near(powers(&logger)[2], 5_000, "none of them is the battery");
    logger.act(&id("storage"), &discharge, around.now);
    run(&mut logger, around);
    assert_near(powers(&logger)[2], -1_000, "it is told");
}

#[test]
fn a_fault_of_the_box_hides_all_behind_it() {
    let (mut logger, around) = logger();
    run(&mut logger, around);
    let (link, _) = logger.open().unwrap();
    logger.set_fault(Some(Fault::Silence));
    assert_eq!(logger.hear(link, Some(b"?1"), around.now), Some(Vec::new()));
    let mut reports = Vec::new();
    logger.reports(&mut reports);
    let hidden = reports
        .iter()
        .filter(|(_, report)| matches!(report, Report::Link(LinkState::Offline { .. })));
    assert_eq!((hidden.count(), reports.len()), (3, 3));

    let lasts = Millis(30_000);
    logger.set_fault(Some(Fault::Reboot { lasts }));
    assert_eq!(logger.hear(link, None, around.now), None, "it hangs up");
    assert!(logger.open().is_none());
    run(&mut logger, around);
    assert!(logger.open().is_some(), "and is back by itself");
}

#[test]
fn each_body_goes_on_where_it_was_saved() {
    let (mut before, around) = logger();
    for _ in 0..30 {
        run(&mut before, around);
    }
    let energies = |device: &Device| -> Vec<Measured> {
        let energies = |placed: &Placed| Measured {
            power: None,
            ..placed.body.measured()
        };
        device.bodies().iter().map(energies).collect()
    };
    let saved = serde_json::to_string(&before.states()).unwrap();
    let mut states: Vec<(DeviceId, DeviceState)> = serde_json::from_str(&saved).unwrap();
    let (mut after, _) = logger();
    assert_ne!(energies(&before)[2], energies(&after)[2]);
    after
        .restore(|wanted| {
            let index = states.iter().position(|(known, _)| known == wanted)?;
            Some(states.remove(index).1)
        })
        .unwrap();
    assert_eq!(energies(&before)[2], energies(&after)[2]);
    assert!(states.is_empty());
}
