use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bus::in_process::InProcess;
use bus::{Bus, Received, Topic};
use dialects::{Client, Event, Failure, Reply, ReplyError, Request};
use model::device::LinkState;
use model::gateway::Unit;
use model::message::{Message, Report};
use model::reading::{Measured, Quantity};
use model::setpoint::{Action, Setpoint};
use model::time::{Millis, Monotonic, Now};
use model::units::Watts;

use super::{Link, Place, Post, earlier};
use crate::driver::Driver;
use crate::epoch::Epoch;
use crate::fake::{NONSENSE, Outcome, PausedClock, Trace, device, driver, order, site};
use crate::health::{Health, MOST_FOUND};

/// Runs a link for `seconds` whose exchanges end as `outcomes` say, with orders at `(ms, epoch, byte)`, and
/// compares what passed between client and device, and what was reported.
async fn check(
    outcomes: &[Outcome],
    orders: &[(u64, u64, u8)],
    seconds: u64,
    expected: &[&str],
    expected_reports: &[&str],
) {
    let (clock, bus, trace, reported) = (
        PausedClock::new(),
        InProcess::new(),
        Trace::default(),
        Trace::default(),
    );
    let (site, device) = (site("home", Vec::new()).id, device("grid").id);
    let place = Place {
        unit: Unit::only(),
        site: site.clone(),
        device: device.clone(),
        driver: "none",
        epoch: Epoch::default(),
    };
    let post = Arc::new(Post::new(vec![place], bus.clone(), clock.clone()));
    let mut reports = bus.subscribe(Topic::Reports(site.clone())).await;
    let setpoints = bus.subscribe(post.topic()).await;
    let link = Link::new(post, driver(clock, &trace, outcomes), setpoints);

    let mut running = tokio::task::JoinSet::new();
    running.spawn(link.run());
    let written = reported.clone();
    running.spawn(async move {
        while let Some(Received::Message(Message::Reported(said))) = reports.next().await {
            let Report::Link(state) = said.report else {
                panic!("not said by the fake")
            };
            written.note(said.at, &format!("{state:?}"));
        }
    });
    let orders = orders.to_vec();
    running.spawn(async move {
        let start = tokio::time::Instant::now();
        for (at, epoch, byte) in orders {
            tokio::time::sleep_until(start + Duration::from_millis(at)).await;
            let setpoint = Setpoint {
                device: device.clone(),
                epoch,
                action: order(byte),
            };
            bus.publish(Message::Setpoint {
                site: site.clone(),
                setpoint,
            })
            .await;
        }
    });
    tokio::time::sleep(Duration::from_millis(seconds * 1_000 - 1)).await;
    assert_eq!(trace.lines(), expected);
    assert_eq!(reported.lines(), expected_reports);
}

fn after(ms: u64, byte: u8) -> Outcome {
    Some((ms, Ok(byte)))
}

#[tokio::test(start_paused = true)]
async fn polls_when_due_and_dates_reports_by_the_answer() {
    let expected = ["0 asked 0", "40 answer 1", "1000 asked 0", "1030 answer 2"];
    check(
        &[after(40, 1), after(30, 2)],
        &[],
        2,
        &expected,
        &["40 Online", "1030 Online"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_setpoint_goes_out_at_once() {
    let expected = [
        "0 asked 0",
        "40 answer 1",
        "300 told 16",
        "300 asked 16",
        "340 answer 1",
    ];
    check(
        &[after(40, 1)],
        &[(300, 1, 16)],
        1,
        &expected,
        &["40 Online", "340 Online"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_setpoint_is_taken_while_the_device_is_slow_to_answer() {
    let expected = [
        "0 asked 0",
        "300 told 16",
        "400 told 10",
        "900 answer 1",
        "900 asked 10",
        "910 answer 2",
        "910 asked 16",
        "920 answer 2",
    ];
    let reports = ["900 Online", "910 Online", "920 Online"];
    check(
        &[after(900, 1), after(10, 2)],
        &[(300, 1, 16), (400, 1, 10)],
        1,
        &expected,
        &reports,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn setpoints_of_an_engine_that_was_replaced_are_dropped() {
    let expected = [
        "0 asked 0",
        "0 answer 1",
        "100 told 16",
        "100 asked 16",
        "100 answer 1",
        "300 told 10",
        "300 asked 10",
        "300 answer 1",
    ];
    let orders = [(100, 7, 16), (200, 6, 32), (300, 8, 10), (400, 7, 32)];
    check(
        &[after(0, 1)],
        &orders,
        1,
        &expected,
        &["0 Online", "100 Online", "300 Online"],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn failures_and_nonsense_reach_the_client_and_nobody_stops() {
    let outcomes = [
        Some((0, Err(Failure::Refused))),
        Some((2_000, Err(Failure::TimedOut { after_ms: 2_000 }))),
        after(0, NONSENSE),
        after(0, 1),
    ];
    let expected = [
        "0 asked 0",
        "0 connection refused",
        "1000 asked 0",
        "3000 no answer within 2000 ms",
        "3000 asked 0",
        "3000 answer 238",
        "4000 asked 0",
        "4000 answer 1",
    ];
    let reports = [
        r#"0 Offline { problem: "connection refused" }"#,
        r#"3000 Offline { problem: "no answer within 2000 ms" }"#,
        r#"3000 Offline { problem: "nonsense" }"#,
        "4000 Online",
    ];
    check(&outcomes, &[], 5, &expected, &reports).await;
}

/// Two devices behind one link, and a third that stands in no site; sends setpoints as they are.
struct TwoUnits {
    asked: bool,
    told: Trace,
    events: VecDeque<Event>,
}

impl TwoUnits {
    fn say(&mut self, unit: &str, report: Report) {
        let unit = Unit::named(unit);
        self.events.push_back(Event::Report { unit, report });
    }
}

impl Client for TwoUnits {
    fn handle_timeout(&mut self, _: Now) {
        self.asked = true;
    }

    fn handle_action(&mut self, unit: &Unit, action: &Action, now: Now) {
        let Action::VendorWrite { value, .. } = action else {
            panic!("no such test: {action:?}")
        };
        self.told.note(now, &format!("{unit} told {value}"));
    }

    fn handle_reply(&mut self, _: Reply, now: Now) -> Result<(), ReplyError> {
        self.say("1", Report::Link(LinkState::Online));
        self.say("1", power(-100));
        let problem = "silent".to_owned();
        self.say("2", Report::Link(LinkState::Offline { problem }));
        let samples = vec![(now.wall, Quantity::Power, -90)];
        self.say("2", Report::Past { samples });
        self.say("3", power(-300));
        for (unit, identity) in [("1", "inverter 1"), ("3", "inverter 3")] {
            self.events.push_back(Event::Found {
                unit: Unit::named(unit),
                identity: identity.to_owned(),
            });
        }
        Ok(())
    }

    fn handle_failure(&mut self, _: &Failure, _: Now) {}

    fn poll_request(&mut self) -> Option<Request> {
        std::mem::take(&mut self.asked).then(|| Request::Modbus {
            unit: 0,
            pdu: vec![0],
        })
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn poll_timeout(&self) -> Monotonic {
        if self.asked {
            Monotonic(i64::MAX)
        } else {
            Monotonic(0)
        }
    }
}

fn power(watts: i64) -> Report {
    Report::Measured(Measured {
        power: Some(Watts(watts)),
        ..Measured::default()
    })
}

/// The devices need not be of one site: an account has several.
#[tokio::test(start_paused = true)]
async fn several_devices_behind_one_link_are_told_apart() {
    let (clock, bus, told) = (PausedClock::new(), InProcess::new(), Trace::default());
    let place = |unit: &str, site: &str, device: &str| Place {
        unit: Unit::named(unit),
        site: site.parse().unwrap(),
        device: device.parse().unwrap(),
        driver: "none",
        epoch: Epoch::default(),
    };
    let places = vec![place("2", "roof", "pv"), place("1", "home", "pv")];
    let post = Arc::new(Post::new(places, bus.clone(), clock.clone()));
    let setpoints = bus.subscribe(post.topic()).await;
    let mut of_home = bus.subscribe(Topic::Reports("home".parse().unwrap())).await;
    let mut of_roof = bus.subscribe(Topic::Reports("roof".parse().unwrap())).await;
    let client = TwoUnits {
        asked: true,
        told: told.clone(),
        events: VecDeque::new(),
    };
    let answers = driver(clock.clone(), &Trace::default(), &[Some((10, Ok(1))), None]);
    let driver = Driver {
        client: Box::new(client),
        ..answers
    };
    let mut running = tokio::task::JoinSet::new();
    running.spawn(Link::new(post.clone(), driver, setpoints).run());

    let next = async |reports: &mut Box<dyn bus::Subscription>| match reports.next().await {
        Some(Received::Message(Message::Reported(said))) => (said.device.to_string(), said.report),
        other => panic!("{other:?}"),
    };
    let pv = |report: Report| ("pv".to_owned(), report);
    for expected in [
        Report::Link(LinkState::Online),
        power(-100),
        Report::Identity {
            text: "inverter 1".to_owned(),
        },
    ] {
        assert_eq!(next(&mut of_home).await, pv(expected));
    }
    let problem = "silent".to_owned();
    let offline = LinkState::Offline { problem };
    assert_eq!(next(&mut of_roof).await, pv(Report::Link(offline.clone())));
    let (_, past) = next(&mut of_roof).await;
    assert!(matches!(past, Report::Past { .. }), "{past:?}");

    // An engine that was replaced at one site says nothing of the other.
    for (site, epoch, byte) in [("home", 7, 1), ("roof", 2, 2), ("home", 6, 3), ("roof", 3, 4)] {
        let setpoint = Setpoint {
            device: "pv".parse().unwrap(),
            epoch,
            action: order(byte),
        };
        let site = site.parse().unwrap();
        bus.publish(Message::Setpoint { site, setpoint }).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(told.lines(), ["10 1 told 1", "10 2 told 2", "10 2 told 4"]);

    let health = post.health.borrow().clone();
    let links: Vec<_> = health.devices.iter().map(|device| &device.link).collect();
    assert_eq!(links, [&LinkState::Online, &offline]);
    let found: Vec<_> = health
        .found
        .iter()
        .map(|found| (found.unit.as_str(), found.identity.as_str()))
        .collect();
    assert_eq!(found, [("3", "inverter 3")]);
}

/// A reading that was kept somewhere has both clocks of when it was taken, and is never of the future.
#[test]
fn an_earlier_time_is_one_of_both_clocks() {
    let now = PausedClock::standing();
    for (ago, expected) in [(0, 0), (300_000, 300_000), (-5_000, 0)] {
        let then = earlier(now, now.wall - Millis(ago));
        assert_eq!(now.wall - then.wall, Millis(expected));
        assert_eq!(now.monotonic - then.monotonic, Millis(expected));
    }
}

#[test]
fn a_bound_number_of_strangers_is_remembered() {
    let mut health = Health::of(&[]);
    let now = PausedClock::standing();
    for n in 0..MOST_FOUND + 10 {
        let unit = Unit::named(&n.to_string());
        assert_eq!(health.find(&unit, "", now), n < MOST_FOUND, "{n}");
    }
    let first = Unit::named("0");
    for (identity, is_news) in [("", false), ("x", true), ("x", false), ("", false), ("y", true)] {
        assert_eq!(health.find(&first, identity, now), is_news, "{identity}");
    }
    assert_eq!(health.found.len(), MOST_FOUND);
}
