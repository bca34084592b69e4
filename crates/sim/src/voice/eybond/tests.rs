//! A logger in a world without sockets, and the dialect's client as the hub.

use std::collections::BTreeMap;
use std::sync::Arc;

use dialects::eybond::{self, Behind, Definition, DeviceSettings};
use dialects::{Client as _, Event, Failure, Incoming, Outgoing};
use model::control::{Controls, Order};
use model::device::LinkState;
use model::gateway::{PassOn, Unit};
use model::id::DeviceId;
use model::message::Report;
use model::reading::Measured;
use model::setpoint::Action;
use model::time::{Millis, Monotonic, Now, Timestamp};

use crate::fault::Fault;
use crate::settings::WorldSettings;
use crate::voice::Link;
use crate::world::World;

const PN: &str = "E5000099990001";
const ROOF: &str = r#"
seed = 1
time_zone = "Europe/Vienna"
position = { latitude_udeg = 48208200, longitude_udeg = 16373800 }
circuits = [{ id = "house", name = "House", limit = 35000 }]
[[devices]]
id = "logger"
name = "Logger"
circuit = "house"
kind = "logger"
pn = "E5000099990001"
server = "127.0.0.1:502"
inverters = [
    { id = "east", name = "east", address = 1, speaks = "smg", pv = { peak = 5000, rated = 5000, tilt_deg = 30, azimuth_deg = 90, cloudiness = 0 } },
    { id = "west", name = "west", address = 2, speaks = "smg", pv = { peak = 4000, rated = 4000, tilt_deg = 30, azimuth_deg = 270, cloudiness = 0 } },
    { id = "store", name = "store", address = 3, speaks = "pi30", pv = { peak = 3000, rated = 3000, tilt_deg = 30, azimuth_deg = 180, cloudiness = 0 }, battery = { id = "store-battery", name = "store-battery", capacity = 5000, max_charge = 2500, max_discharge = 2500, min_soc = 100, initial_soc = 500 } },
]
"#;

/// Units of the hub, and the bodies that they are.
const UNITS: [(&str, &str, &str); 4] = [
    ("1/pv", "smg", "east"),
    ("2/pv", "smg", "west"),
    ("3/pv", "pi30", "store"),
    ("3/battery", "pi30", "store-battery"),
];

struct Roof {
    world: World,
    hub: eybond::Client,
    link: Option<Link>,
    now: Now,
    links: BTreeMap<String, bool>,
    read: BTreeMap<String, Measured>,
    controls: BTreeMap<String, Controls>,
    answers: Vec<(u64, Result<Vec<u8>, String>)>,
    hung_up: usize,
}

impl Roof {
    fn new() -> Self {
        Self::of(ROOF)
    }

    fn of(world: &str) -> Self {
        let settings: WorldSettings = toml::from_str(world).unwrap();
        let again: WorldSettings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(settings, again);
        let devices = UNITS.map(|(unit, definition, name)| DeviceSettings {
            behind: Behind::read(&Unit::named(unit)).unwrap(),
            name: name.to_owned(),
            definition: Arc::new(Definition::built_in(definition).unwrap()),
            poll: Millis(10_000),
        });
        let hub = eybond::Client::new(eybond::LoggerSettings {
            pn: PN.to_owned(),
            heartbeat: Millis(60_000),
            pass_on: PassOn::Nothing,
            devices: devices.into(),
        });
        // Noon in June.
        let now = Now {
            wall: Timestamp(1_782_036_000_000),
            monotonic: Monotonic(0),
        };
        Self {
            world: World::new(settings).unwrap(),
            hub,
            link: None,
            now,
            links: BTreeMap::new(),
            read: BTreeMap::new(),
            controls: BTreeMap::new(),
            answers: Vec::new(),
            hung_up: 0,
        }
    }

    fn id() -> DeviceId {
        "logger".parse().unwrap()
    }

    /// Lets seconds go by. The logger dials when it has no connection.
    fn run(&mut self, seconds: i64) {
        for _ in 0..seconds * 2 {
            self.now = self.now.after(Millis(500));
            self.world.step(self.now);
            if self.link.is_none()
                && let Some((link, greeting)) = self.world.open(&Self::id())
            {
                self.link = Some(link);
                self.hear(Incoming::Opened);
                // Whoever says nothing is asked before anybody is its hub.
                let asks = b"AT+DTUPN?\r\n";
                let greeting = if greeting.is_empty() {
                    self.world
                        .hear(&Self::id(), link, Some(asks), self.now)
                        .unwrap_or_default()
                } else {
                    greeting
                };
                for bytes in greeting {
                    self.hear(Incoming::Message(bytes));
                }
            }
            if self.hub.poll_timeout() <= self.now.monotonic {
                self.hub.handle_timeout(self.now);
            }
            self.settle();
        }
    }

    fn hear(&mut self, incoming: Incoming) {
        let _ = self.hub.handle_incoming(incoming, self.now);
    }

    fn settle(&mut self) {
        while let Some(outgoing) = self.hub.poll_outgoing() {
            let answer = match (outgoing, self.link) {
                (Outgoing::Bytes(bytes), Some(link)) => {
                    self.world.hear(&Self::id(), link, Some(&bytes), self.now)
                }
                (Outgoing::Close, Some(_)) => None,
                (_, None) => continue,
                (
                    other @ (Outgoing::Open
                    | Outgoing::Text(_)
                    | Outgoing::Publish { .. }
                    | Outgoing::Work(_)
                    | Outgoing::Beside(_)),
                    Some(_),
                ) => panic!("{other:?}"),
            };
            match (answer, self.link) {
                (Some(frames), _) => {
                    for frame in frames {
                        self.hear(Incoming::Message(frame));
                    }
                }
                (None, Some(link)) => {
                    self.world.close(&Self::id(), link);
                    self.link = None;
                    self.hung_up += 1;
                    self.hear(Incoming::Closed(Failure::Closed));
                }
                (None, None) => {}
            }
        }
        while let Some(event) = self.hub.poll_event() {
            let Event::Report { unit, report } = event else {
                continue;
            };
            if let Report::Link(state) = &report {
                self.links.insert(unit.to_string(), *state == LinkState::Online);
            }
            let unit = unit.to_string();
            if let Report::VendorAnswer { ticket, answer } = report {
                self.answers.push((ticket, answer));
            } else if let Report::Controls(controls) = report {
                self.controls.insert(unit, controls);
            } else if let Report::Measured(measured) = report {
                self.read.insert(unit, measured);
            }
        }
    }

    /// Sets something and waits for the word of the inverter.
    fn set(&mut self, unit: &str, control: &str, value: &str) -> Result<Vec<u8>, String> {
        let order = Order::Set {
            control: control.to_owned(),
            value: value.to_owned(),
        };
        let action = Action::Order { ticket: 1, order };
        self.hub.handle_action(&Unit::named(unit), &action, self.now);
        self.run(15);
        let (_, answer) = self.answers.pop().unwrap();
        answer
    }

    fn value(&self, unit: &str, control: &str) -> String {
        let known = self.controls[unit].get(control);
        known.unwrap().value.clone().unwrap()
    }

    fn body(&self, id: &str) -> Measured {
        let id: DeviceId = id.parse().unwrap();
        for (device, report) in self.world.reports() {
            if let Report::Measured(measured) = report
                && device == id
            {
                return measured;
            }
        }
        panic!("{id} reads nothing");
    }

    fn set_fault(&mut self, fault: Option<Fault>) {
        self.world.set_fault(&Self::id(), fault);
    }

    fn are_online(&self) -> Vec<bool> {
        UNITS
            .iter()
            .map(|(unit, ..)| self.links.get(*unit).copied().unwrap_or(false))
            .collect()
    }
}

#[test]
fn a_hub_reads_through_the_logger_what_the_bodies_do() {
    let mut roof = Roof::new();
    roof.run(60);
    assert_eq!(roof.are_online(), [true; 4]);
    for (unit, _, id) in UNITS {
        let (read, is) = (roof.read[unit].power.unwrap().0, roof.body(id).power.unwrap().0);
        // A battery is read in whole amperes.
        let tolerance = if unit == "3/battery" { 60 } else { 50 };
        assert!((read - is).abs() <= tolerance, "{unit}: read {read} W, is {is} W");
    }
    assert!(
        roof.read["1/pv"].power.unwrap().0 < -500,
        "{:?}",
        roof.read["1/pv"]
    );
    let soc = roof.read["3/battery"].soc.unwrap();
    assert!(
        (soc.0 - roof.body("store-battery").soc.unwrap().0).abs() <= 10,
        "{soc:?}"
    );
    assert_eq!(roof.hung_up, 0);
}

#[test]
fn a_hub_reads_in_lines_what_a_logger_of_that_kind_says() {
    let mut roof = Roof::of(&ROOF.replace("inverters = [", "in_lines = true\ninverters = ["));
    roof.run(90);
    assert_eq!(roof.are_online(), [true; 4]);
    for (unit, _, id) in UNITS {
        let (read, is) = (roof.read[unit].power.unwrap().0, roof.body(id).power.unwrap().0);
        assert!((read - is).abs() <= 60, "{unit}: read {read} W, is {is} W");
    }
    roof.set_fault(Some(Fault::Reboot {
        lasts: Millis(100_000),
    }));
    roof.run(200);
    roof.set_fault(None);
    roof.run(200);
    assert_eq!(roof.are_online(), [true; 4]);
}

#[test]
fn faults_of_a_logger_end_with_it_online_again() {
    for (fault, hangs_up) in [
        (Fault::Silence, true),
        (Fault::Garbage, true),
        (Fault::CutFrames, true),
        (
            Fault::Reboot {
                lasts: Millis(100_000),
            },
            true,
        ),
    ] {
        let mut roof = Roof::new();
        roof.run(60);
        roof.set_fault(Some(fault));
        roof.run(300);
        assert_eq!(roof.hung_up > 0, hangs_up, "{fault:?}: {}", roof.hung_up);
        roof.set_fault(None);
        roof.run(200);
        assert_eq!(roof.are_online(), [true; 4], "{fault:?}");
    }
}

#[test]
fn one_id_is_of_one_thing() {
    for (from, to) in [("\"west\"", "\"east\""), ("\"store-battery\"", "\"logger\"")] {
        let settings: WorldSettings = toml::from_str(&ROOF.replace(from, to)).unwrap();
        let error = World::new(settings).unwrap_err();
        assert!(error.to_string().contains("is used twice"), "{error}");
    }
}

#[test]
fn an_inverter_remembers_how_it_is_set_and_refuses_what_does_not_fit() {
    let mut roof = Roof::new();
    roof.run(60);
    assert_eq!(roof.value("1/pv", "output_source_priority"), "2");
    assert!(roof.set("1/pv", "output_source_priority", "1").is_ok());
    assert!(roof.set("1/pv", "max_charging_current", "45.5").is_ok());
    assert_eq!(
        roof.set("3/battery", "max_ac_charging_current", "20"),
        Ok(b"(ACK\x39\x20\r".to_vec())
    );
    let refused = roof.set("1/pv", "discharge_stop_soc_with_mains", "90");
    assert_eq!(
        refused,
        Err("it does not allow that value together with its others".to_owned())
    );
    // A new hub finds it as it was left, and so does one behind a restart of the world.
    let saved = roof.world.save();
    let mut again = Roof::new();
    again.world = World::restore(toml::from_str(ROOF).unwrap(), &saved).unwrap();
    for roof in [&mut roof, &mut again] {
        roof.hear(Incoming::Closed(Failure::Closed));
        roof.link = None;
        roof.controls.clear();
        roof.run(60);
        assert_eq!(roof.value("1/pv", "output_source_priority"), "1");
        assert_eq!(roof.value("1/pv", "max_charging_current"), "45.5");
        assert_eq!(
            roof.value("2/pv", "output_source_priority"),
            "2",
            "its neighbour is another one"
        );
        assert_eq!(roof.value("3/battery", "max_ac_charging_current"), "20");
    }
    again.set_fault(Some(Fault::IgnoreSetpoints));
    let forgotten = again.set("3/pv", "output_source_priority", "0");
    assert_eq!(
        forgotten,
        Err("output_source_priority: it took 0 and shows 2".to_owned())
    );
}
