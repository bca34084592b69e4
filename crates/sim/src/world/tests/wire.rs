//! Home, and the dialects' own clients at every device.

use super::*;
use dialects::goe::GoeClientSettings;
use dialects::sunspec::{Role, SunspecSettings};
use dialects::{Client, Event, Failure};
use model::device::LinkState;
use model::gateway::Unit;
use model::reading::{EvseStatus, PilotState};

struct Wired {
    world: World,
    now: Now,
    clients: Vec<(DeviceId, Box<dyn Client>)>,
    reports: BTreeMap<DeviceId, Vec<Report>>,
}

/// New ones, that know nothing yet.
fn clients() -> Vec<(DeviceId, Box<dyn Client>)> {
    let goe = |evse: &str| -> Box<dyn Client> {
        Box::new(dialects::goe::Client::new(GoeClientSettings {
            evse: EvseId::new(evse).unwrap(),
            url: "http://10.0.0.1".to_owned(),
            poll: Millis(1_000),
            full_every: Millis(60_000),
        }))
    };
    let sunspec = |role: Role| -> Box<dyn Client> {
        Box::new(dialects::sunspec::Client::new(SunspecSettings {
            name: "it".to_owned(),
            unit: 1,
            poll: Millis(1_000),
            role,
        }))
    };
    let stored = Role::Battery {
        max_charge: Watts(5_000),
        max_discharge: Watts(5_000),
    };
    vec![
        (device("grid"), sunspec(Role::Meter)),
        (device("pv"), sunspec(Role::Inverter)),
        (device("battery"), sunspec(stored)),
        (device("wallbox-left"), goe("left")),
        (device("wallbox-right"), goe("right")),
    ]
}

impl Wired {
    fn new(seed: u64, date: &str) -> Self {
        let (world, now) = home(seed, date);
        Self {
            world,
            now,
            clients: clients(),
            reports: BTreeMap::new(),
        }
    }

    fn run(&mut self, duration_s: i64) {
        self.reports.clear();
        for _ in 0..duration_s {
            self.now = self.now.after(seconds(1));
            self.world.step(self.now);
            for (id, client) in &mut self.clients {
                client.handle_timeout(self.now);
                while let Some(request) = client.poll_request() {
                    match self.world.handle(id, &request, self.now) {
                        // Nonsense is reported in the link state, which is what tests look at.
                        Some(reply) => drop(client.handle_reply(reply, self.now)),
                        None => client.handle_failure(&Failure::TimedOut { after_ms: 2_000 }, self.now),
                    }
                }
                let reports = self.reports.entry(id.clone()).or_default();
                reports.extend(std::iter::from_fn(|| client.poll_event()).filter_map(Event::into_report));
            }
        }
    }

    fn tell(&mut self, id: &str, action: &Action) {
        let now = self.now;
        let client = self.clients.iter_mut().find(|(known, _)| known.as_str() == id);
        client.unwrap().1.handle_action(&Unit::only(), action, now);
    }

    fn last<T>(&self, id: &str, pick: impl Fn(&Report) -> Option<T>) -> Option<T> {
        self.reports[&device(id)].iter().rev().find_map(pick)
    }

    fn measured(&self, id: &str) -> Measured {
        let of = |report: &Report| {
            if let Report::Measured(measured) = report {
                Some(measured.clone())
            } else {
                None
            }
        };
        self.last(id, of).unwrap()
    }

    fn status(&self, id: &str) -> EvseStatus {
        let of = |report: &Report| {
            if let Report::Evse { status, .. } = report {
                Some(*status)
            } else {
                None
            }
        };
        self.last(id, of).unwrap()
    }

    fn link(&self, id: &str) -> Option<LinkState> {
        self.last(id, |report| {
            if let Report::Link(state) = report {
                Some(state.clone())
            } else {
                None
            }
        })
    }

    fn drawn(&self, evse: &str) -> i64 {
        self.world.truth().evses[&EvseId::new(evse).unwrap()].drawn().0
    }
}

#[test]
fn clients_read_what_is_true() {
    let mut wired = Wired::new(1, SUMMER);
    for _ in 0..11 * 60 {
        wired.now = wired.now.after(seconds(60));
        wired.world.step_coarse(wired.now);
    }
    wired.run(20);
    let truth = wired.world.truth();
    for id in ["grid", "pv", "battery", "wallbox-left", "wallbox-right"] {
        assert_eq!(wired.link(id), Some(LinkState::Online), "{id}");
    }
    let grid = wired.measured("grid");
    let real = measured(&wired.world, "grid");
    assert_eq!(grid.power, Some(truth.grid.power.total()));
    assert_eq!(
        (grid.phase_power, grid.energy_in, grid.energy_out),
        (real.phase_power, real.energy_in, real.energy_out)
    );
    let (read, real) = (grid.current.unwrap(), truth.grid.current);
    assert!(
        read.zip(real, |a, b| (a - b).abs().0)
            .into_array()
            .into_iter()
            .all(|off| off <= 10),
        "{read:?} {real:?}"
    );
    assert_eq!(wired.measured("pv").power, Some(truth.pv.power.total()));
    assert_eq!(wired.measured("battery").power, Some(truth.battery.power.total()));
    assert_eq!(
        wired.measured("battery").soc,
        truth.battery_soc.values().next().copied()
    );
    let right = wired.measured("wallbox-right");
    assert!(
        (right.power.unwrap() - truth.evses[&EvseId::new("right").unwrap()].flow.power.total()).abs()
            < Watts(10)
    );
}

#[test]
fn chargers_and_battery_obey_over_the_wire() {
    let mut wired = Wired::new(1, WINTER);
    wired.run(10);
    for (amps, from, to) in [
        (10, 9_500, 10_000),
        (0, 0, 0),
        (6, 5_500, 6_000),
        (16, 15_500, 16_000),
    ] {
        for evse in ["left", "right"] {
            let (station, action) = offer(evse, amps);
            wired.tell(station.as_str(), &action);
        }
        wired.run(25);
        for (evse, station) in [("left", "wallbox-left"), ("right", "wallbox-right")] {
            let drawn = wired.drawn(evse);
            assert!((from..=to).contains(&drawn), "{amps} A to {evse}: {drawn}");
            let obeyed = wired.status(station).obeyed.unwrap();
            assert_eq!(
                obeyed,
                ChargeCurrent::at_most(MilliAmps::from_amps(amps)),
                "{evse}"
            );
        }
    }
    wired.tell(
        "battery",
        &Action::BatteryPower {
            power: Some(Watts(-1_500)),
        },
    );
    wired.run(60);
    assert!((wired.measured("battery").power.unwrap().0 + 1_500).abs() < 10);
    wired.run(60);
    assert!(
        (wired.measured("battery").power.unwrap().0 + 1_500).abs() < 10,
        "it is refreshed"
    );
    wired.clients.clear();
    let exact = wired.world.truth().battery.power.total();
    wired.run(70);
    assert_ne!(
        wired.world.truth().battery.power.total(),
        exact,
        "back to its own logic when nobody asks"
    );
}

#[test]
fn what_was_told_without_a_wire_is_what_the_wire_shows() {
    let mut wired = Wired::new(1, WINTER);
    let (station, action) = offer("left", 9);
    wired.world.act(&station, &action, wired.now);
    wired.run(10);
    assert_eq!(
        wired.status("wallbox-left").obeyed,
        Some(ChargeCurrent::at_most(MilliAmps(9_000)))
    );
    let (_, pause) = offer("left", 0);
    wired.world.act(&station, &pause, wired.now);
    wired.run(10);
    assert_eq!(
        (wired.status("wallbox-left").obeyed, wired.drawn("left")),
        (Some(ChargeCurrent::PAUSED), 0)
    );
}

#[test]
fn a_misbehaving_device_is_offline_and_recovers() {
    for fault in [
        Fault::Silence,
        Fault::Garbage,
        Fault::Html,
        Fault::Reboot { lasts: seconds(40) },
    ] {
        let mut wired = Wired::new(2, WINTER);
        wired.run(5);
        for id in ["grid", "wallbox-left"] {
            wired.world.set_fault(&device(id), Some(fault));
        }
        wired.run(30);
        for id in ["grid", "wallbox-left"] {
            assert!(
                matches!(wired.link(id), Some(LinkState::Offline { .. })),
                "{fault:?} of {id}"
            );
            wired.world.set_fault(&device(id), None);
        }
        wired.run(60);
        for id in ["grid", "wallbox-left"] {
            assert_eq!(wired.link(id), Some(LinkState::Online), "{fault:?} of {id}");
        }
    }
}

#[test]
fn what_chargers_in_the_field_do_is_understood() {
    for (fault, is_there, has_error) in [
        (Fault::PartialStatus, true, false),
        (Fault::MissingKeys, true, false),
        (Fault::FirmwareSuffix, true, false),
        (Fault::CarError, true, true),
        (Fault::Hang { after: seconds(50) }, true, false),
        (Fault::Hang { after: seconds(10) }, false, false),
    ] {
        let mut wired = Wired::new(2, WINTER);
        wired.run(5);
        wired.world.set_fault(&device("wallbox-left"), Some(fault));
        wired.run(40);
        let is_lost = matches!(wired.link("wallbox-left"), Some(LinkState::Offline { .. }));
        assert_eq!(is_lost, !is_there, "{fault:?}");
        if is_there {
            let seen = wired.status("wallbox-left").pilot;
            assert_eq!(seen == PilotState::F, has_error, "{fault:?}: {seen:?}");
            assert_eq!(wired.drawn("left") == 0, has_error, "{fault:?}");
        }
        wired.world.set_fault(&device("wallbox-left"), None);
        wired.run(60);
        let seen = wired.status("wallbox-left").pilot;
        assert_eq!(
            (seen, wired.drawn("left") > 5_000),
            (PilotState::C, true),
            "after {fault:?}"
        );
    }
}

#[test]
fn a_deaf_device_acknowledges_and_goes_on() {
    let mut wired = Wired::new(3, WINTER);
    wired.run(20);
    let before = wired.drawn("left");
    wired
        .world
        .set_fault(&device("wallbox-left"), Some(Fault::IgnoreSetpoints));
    let (station, action) = offer("left", 6);
    wired.tell(station.as_str(), &action);
    wired.run(30);
    assert!((wired.drawn("left") - before).abs() < 100, "{before}");
    assert_ne!(
        wired.status("wallbox-left").obeyed,
        Some(ChargeCurrent::at_most(MilliAmps(6_000)))
    );
    assert_eq!(wired.link("wallbox-left"), None, "it stays online");
}

#[test]
fn keys_and_plugs_survive_a_restart() {
    let mut wired = Wired::new(4, WINTER);
    let (station, action) = offer("left", 8);
    wired.run(5);
    wired.tell(station.as_str(), &action);
    wired.run(30);
    let saved = wired.world.save();
    wired.world = World::restore(demo::home(4), &saved).unwrap();
    wired.clients = clients();
    wired.now.monotonic = Monotonic(0);
    wired.world.step(wired.now);
    let drawn = wired.drawn("left");
    assert!((7_500..8_000).contains(&drawn), "{drawn}");
    wired.run(10);
    let status = wired.status("wallbox-left");
    assert_eq!(status.obeyed, Some(ChargeCurrent::at_most(MilliAmps(8_000))));
    assert!(
        status.pilot.is_plugged() && status.session_energy > Some(WattHours(10)),
        "{status:?}"
    );
}

#[test]
fn only_its_own_unit_and_protocol_are_answered() {
    let mut world = World::new(demo::home(1)).unwrap();
    let now = midnight(WINTER);
    world.step(now);
    let read = |unit| Request::Modbus {
        unit,
        pdu: vec![3, 0x9c, 0x40, 0, 2],
    };
    let get = Request::Http(http::Request::new(Vec::new()));
    for (id, request, answers) in [
        ("grid", read(1), true),
        ("grid", read(2), false),
        ("grid", get.clone(), false),
        ("wallbox-left", get, true),
        ("wallbox-left", read(1), false),
        ("attic", read(1), false),
    ] {
        assert_eq!(
            world.handle(&device(id), &request, now).is_some(),
            answers,
            "{id} {request:?}"
        );
    }
}
