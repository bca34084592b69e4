//! A real charger by its other ways: the WebSocket, a broker, registers. Client and simulated charger in memory.

use std::collections::BTreeMap;

use model::device::LinkState;
use model::gateway::Unit;
use model::id::EvseId;
use model::message::{ForeignWhat, Report};
use model::phases::PerPhase;
use model::reading::{EvseStatus, PilotState};
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Monotonic, Now};
use model::units::{MilliAmps, MilliVolts, WattHours};
use serde_json::{Map, Value, json};

use super::{at, get};
use crate::goe::charger::{Effect, Password, Session};
use crate::goe::client::modbus::{self, ModbusSettings};
use crate::goe::client::mqtt::{self, MqttSettings};
use crate::goe::client::websocket::{self, WebSocketSettings};
use crate::goe::topics::{self, EXPORTED};
use crate::goe::ws::{FromCharger, PasswordKey};
use crate::goe::{Charger, ChargerInputs, Common, Variant};
use crate::{Client, Event, Failure, Incoming, Outgoing, Reply, ReplyError, Request};

const STEP_MS: i64 = 100;
const PREFIX: &str = "go-eCharger/000001/";

/// What stands between client and charger.
enum Wire {
    Socket {
        /// `None`: nobody is connected.
        session: Option<Session>,
        password: &'static str,
    },
    Broker {
        kept: BTreeMap<String, Vec<u8>>,
        is_subscribed: bool,
    },
    Registers,
}

/// A client, a charger with a car, and the time.
struct Pair {
    client: Box<dyn Client>,
    charger: Charger,
    effect: Effect,
    wire: Wire,
    now: Now,
    plugged: bool,
    /// Nothing reaches anybody.
    cut: bool,
    reports: Vec<Report>,
    errors: Vec<ReplyError>,
    dialled: u32,
    worked: u32,
    /// Keys that the charger was told, in order.
    told: Vec<String>,
}

fn common() -> Common {
    Common::new(EvseId::new("left").unwrap(), Millis(1_000))
}

fn by_socket(variant: Variant, password: Option<&str>) -> Pair {
    let settings = WebSocketSettings {
        url: "ws://192.0.2.7/ws".to_owned(),
        password: password.map(str::to_owned),
        seed: [1, 2],
    };
    let wire = Wire::Socket {
        session: None,
        password: "correct horse",
    };
    Pair::new(
        Box::new(websocket::Client::new(common(), settings)),
        variant,
        wire,
    )
}

fn by_broker(kept: &[(&str, Value)]) -> Pair {
    let settings = MqttSettings {
        broker: "mqtt://192.0.2.1".to_owned(),
        prefix: PREFIX.to_owned(),
    };
    let kept = kept
        .iter()
        .map(|(key, value)| (topics::key(PREFIX, key), value.to_string().into_bytes()))
        .collect();
    let wire = Wire::Broker {
        kept,
        is_subscribed: false,
    };
    Pair::new(Box::new(mqtt::Client::new(common(), settings)), Variant::V3, wire)
}

fn by_registers(variant: Variant) -> Pair {
    let settings = ModbusSettings {
        address: "192.0.2.7:502".to_owned(),
        unit: 1,
        full_every: Millis(60_000),
    };
    Pair::new(
        Box::new(modbus::Client::new(common(), settings)),
        variant,
        Wire::Registers,
    )
}

impl Pair {
    fn new(client: Box<dyn Client>, variant: Variant, wire: Wire) -> Self {
        Self {
            client,
            charger: Charger::new(variant, "000001"),
            effect: Effect::Real,
            wire,
            now: at(0),
            plugged: true,
            cut: false,
            reports: Vec::new(),
            errors: Vec::new(),
            dialled: 0,
            worked: 0,
            told: Vec::new(),
        }
    }

    fn run(&mut self, ms: i64) {
        for _ in 0..ms / STEP_MS {
            self.now = self.now.after(Millis(STEP_MS));
            self.drive();
            if self.now.monotonic.0 % 1_000 == 0 {
                self.tell();
            }
            if self.client.poll_timeout() <= self.now.monotonic {
                self.client.handle_timeout(self.now);
            }
            self.carry();
            while let Some(Event::Report { report, .. }) = self.client.poll_event() {
                self.reports.push(report);
            }
        }
    }

    fn drive(&mut self) {
        let outputs = self.charger.outputs();
        let flows = self.plugged && outputs.allowed;
        let amps = MilliAmps::from_amps(if flows { outputs.amps } else { 0 });
        self.charger.set_inputs(ChargerInputs {
            plugged: self.plugged,
            asks: self.plugged,
            drawn: PerPhase::all(amps),
            voltages: PerPhase::all(MilliVolts(230_000)),
            eto: WattHours(527_952),
            wh: WattHours(100),
            time: self.now,
            rbt: Millis(self.now.monotonic.0),
            ..ChargerInputs::default()
        });
        // Its logic runs.
        let _ = self.charger.handle(&get("/api/status?filter=car"), self.now);
    }

    fn hear(&mut self, incoming: Incoming) {
        if let Err(error) = self.client.handle_incoming(incoming, self.now) {
            self.errors.push(error);
        }
    }

    fn frames(&mut self, frames: Vec<FromCharger>) {
        for frame in frames {
            self.hear(Incoming::Message(frame.encode().into_bytes()));
        }
    }

    /// What the charger says unasked, once a second.
    fn tell(&mut self) {
        if self.cut {
            return;
        }
        match &mut self.wire {
            Wire::Socket {
                session: Some(session),
                ..
            } => {
                let changes = session.changes(&self.charger);
                self.frames(changes.into_iter().collect());
            }
            Wire::Socket { session: None, .. } | Wire::Registers => {}
            Wire::Broker { kept, is_subscribed } => {
                let keys = self.charger.keys().into_owned();
                let mut heard = Vec::new();
                for key in EXPORTED {
                    let (topic, payload) = (topics::key(PREFIX, key), keys[key].to_string().into_bytes());
                    if kept.insert(topic.clone(), payload.clone()) != Some(payload.clone()) && *is_subscribed
                    {
                        heard.push((topic, payload));
                    }
                }
                for (topic, payload) in heard {
                    self.hear(Incoming::Published {
                        topic,
                        payload,
                        retained: false,
                    });
                }
            }
        }
    }

    fn carry(&mut self) {
        while let Some(outgoing) = self.client.poll_outgoing() {
            self.push(outgoing);
        }
        while let Some(request) = self.client.poll_request() {
            let Request::Modbus { pdu, .. } = request else {
                panic!("{request:?}")
            };
            if self.cut {
                self.client
                    .handle_failure(&Failure::TimedOut { after_ms: 2_000 }, self.now);
                continue;
            }
            if pdu[0] == 16 {
                self.told
                    .push(format!("{}={}", u16::from_be_bytes([pdu[1], pdu[2]]), pdu[7]));
            }
            let pdu = self.charger.handle_modbus(&pdu, self.effect, self.now);
            if let Err(error) = self.client.handle_reply(Reply::Modbus { pdu }, self.now) {
                self.errors.push(error);
            }
        }
    }

    fn push(&mut self, outgoing: Outgoing) {
        match outgoing {
            Outgoing::Open => {
                self.dialled += 1;
                if self.cut {
                    self.hear(Incoming::Closed(Failure::Refused));
                    return;
                }
                self.hear(Incoming::Opened);
                match &mut self.wire {
                    Wire::Socket { session, password } => {
                        let kind = self.charger.variant().hash();
                        let key = PasswordKey::new(kind, password, "000001");
                        let new =
                            Session::new(Some(Password { kind, key }), "aa".to_owned(), "bb".to_owned());
                        let greeting = new.greeting(&self.charger);
                        *session = Some(new);
                        self.frames(greeting);
                    }
                    Wire::Broker { kept, is_subscribed } => {
                        *is_subscribed = true;
                        for (topic, payload) in kept.clone() {
                            self.hear(Incoming::Published {
                                topic,
                                payload,
                                retained: true,
                            });
                        }
                    }
                    Wire::Registers => panic!("nothing is opened"),
                }
            }
            Outgoing::Close => {
                if let Wire::Socket { session, .. } = &mut self.wire {
                    *session = None;
                }
            }
            Outgoing::Work(work) => {
                self.worked += 1;
                (work.0)();
                self.hear(Incoming::Done);
            }
            Outgoing::Text(text) if !self.cut => {
                let Wire::Socket {
                    session: Some(session),
                    ..
                } = &mut self.wire
                else {
                    panic!("{text}")
                };
                if text.contains("setValue") {
                    self.told.push(text.clone());
                }
                let frames = session.handle(text.as_bytes(), &mut self.charger, self.effect, self.now);
                self.frames(frames.unwrap());
            }
            Outgoing::Publish { topic, payload } if !self.cut => {
                let Some(topics::Topic::Set(key)) = topics::parse(PREFIX, &topic) else {
                    panic!("{topic}")
                };
                let payload = String::from_utf8(payload).unwrap();
                self.told.push(format!("{key}={payload}"));
                let result = self.charger.take(key, &payload, self.effect, self.now);
                self.hear(Incoming::Published {
                    topic: topics::result(PREFIX, key),
                    payload: result.into_bytes(),
                    retained: false,
                });
            }
            Outgoing::Bytes(_) | Outgoing::Text(_) | Outgoing::Publish { .. } | Outgoing::Beside(_) => {}
        }
    }

    fn charge(&mut self, amps: i64) {
        let action = Action::Charge {
            evse: EvseId::new("left").unwrap(),
            current: ChargeCurrent::at_most(MilliAmps::from_amps(amps)),
            phases: None,
        };
        self.client.handle_action(&Unit::only(), &action, self.now);
    }

    fn write(&mut self, ticket: u64, key: &str, value: &str) {
        let action = Action::VendorWrite {
            ticket,
            key: key.to_owned(),
            value: value.to_owned(),
        };
        self.client.handle_action(&Unit::only(), &action, self.now);
    }

    fn links(&self) -> Vec<LinkState> {
        let link = |report: &Report| {
            if let Report::Link(state) = report {
                Some(state.clone())
            } else {
                None
            }
        };
        self.reports.iter().filter_map(link).collect()
    }

    fn problem(&self) -> String {
        match self.links().pop() {
            Some(LinkState::Offline { problem }) => problem,
            other => panic!("{other:?}"),
        }
    }

    fn status(&self) -> Option<EvseStatus> {
        let status = |report: &Report| {
            if let Report::Evse { status, .. } = report {
                Some(*status)
            } else {
                None
            }
        };
        self.reports.iter().rev().find_map(status)
    }

    fn obeyed(&self) -> Option<i64> {
        Some(self.status()?.obeyed?.or_zero().0 / 1_000)
    }

    fn document(&self) -> Map<String, Value> {
        let document = |report: &Report| {
            if let Report::Document(document) = report {
                Some(document.json.clone())
            } else {
                None
            }
        };
        let json = self.reports.iter().rev().find_map(document).unwrap();
        serde_json::from_str(&json).unwrap()
    }

    fn answers(&self) -> Vec<(u64, Result<Vec<u8>, String>)> {
        let answer = |report: &Report| {
            if let Report::VendorAnswer { ticket, answer } = report {
                Some((*ticket, answer.clone()))
            } else {
                None
            }
        };
        self.reports.iter().filter_map(answer).collect()
    }
}

/// The same for every way: it is read, obeys, is told once, and nobody else's writes go unseen.
fn check(mut pair: Pair) {
    pair.run(8_000);
    assert_eq!(pair.links(), [LinkState::Online], "{:?}", pair.errors);
    let status = pair.status().unwrap();
    assert_eq!(status.pilot, PilotState::C);
    assert_eq!(status.current.map(|c| c.l1), Some(MilliAmps(16_000)));
    for amps in [10, 0, 6, 16] {
        pair.charge(amps);
        pair.run(5_000);
        assert_eq!(pair.obeyed(), Some(amps), "{:?}", pair.told);
    }
    let told = pair.told.len();
    for _ in 0..20 {
        pair.charge(16);
        pair.run(1_000);
    }
    assert_eq!(pair.told.len(), told, "{:?}", pair.told);
    let _ = pair.charger.handle(&get("/api/set?amp=7"), pair.now);
    pair.run(6_000);
    assert_eq!(pair.obeyed(), Some(16));
    let foreign: Vec<_> = pair
        .reports
        .iter()
        .filter_map(|report| {
            if let Report::Foreign { write } = report {
                Some(write.map(|write| write.what))
            } else {
                None
            }
        })
        .collect();
    let seven = ForeignWhat::Current(MilliAmps(7_000));
    assert_eq!(foreign, [Some(seven), None]);
    pair.plugged = false;
    pair.run(3_000);
    assert_eq!(pair.status().unwrap().pilot, PilotState::A);
    assert_eq!(pair.errors, []);
}

#[test]
fn every_way_reads_and_commands_a_charger() {
    check(by_socket(Variant::V4, Some("correct horse")));
    check(by_socket(Variant::Core, Some("correct horse")));
    check(by_broker(&[]));
    check(by_registers(Variant::V3));
    check(by_registers(Variant::V4));
}

/// What the charger says counts, and what it shows.
#[test]
fn every_way_tells_what_became_of_a_write() {
    for mut pair in [
        by_socket(Variant::V4, Some("correct horse")),
        by_broker(&[]),
        by_registers(Variant::V3),
    ] {
        pair.run(8_000);
        pair.write(1, "lbr", "77");
        pair.run(4_000);
        assert_eq!(pair.answers(), [(1, Ok(Vec::new()))]);
        pair.write(2, "lbr", "\"x\"");
        pair.run(4_000);
        assert!(
            matches!(&pair.answers()[1], (2, Err(words)) if !words.is_empty()),
            "{:?}",
            pair.answers()
        );
        pair.effect = Effect::None;
        pair.write(3, "lbr", "5");
        pair.run(5_000);
        let shown = Err("lbr: taken, but the charger goes on showing 77".to_owned());
        assert_eq!(pair.answers()[2], (3, shown));
    }
}

#[test]
fn a_socket_brings_the_whole_document_and_keeps_it_up_to_date() {
    let mut pair = by_socket(Variant::V4, Some("correct horse"));
    pair.run(3_000);
    assert_eq!(pair.document().len(), pair.charger.keys().len());
    pair.charger.set_key("fna", json!("garage"));
    pair.run(8_000);
    let (document, keys) = (pair.document(), pair.charger.keys().into_owned());
    for key in ["fna", "amp", "car", "sse", "cards"] {
        assert_eq!(document[key], keys[key], "{key}");
    }
    assert!(pair.told.is_empty());
}

#[test]
fn a_socket_that_breaks_is_dialled_again_and_the_key_worked_out_once() {
    let mut pair = by_socket(Variant::V4, Some("correct horse"));
    pair.run(3_000);
    for (round, how) in ["silence", "end"].into_iter().enumerate() {
        pair.cut = true;
        if how == "end" {
            pair.hear(Incoming::Closed(Failure::Closed));
        }
        pair.run(40_000);
        assert!(pair.problem().contains("check"), "{how}");
        pair.charge(8 + i64::try_from(round).unwrap());
        pair.cut = false;
        pair.run(16_000);
        assert_eq!(pair.links().last(), Some(&LinkState::Online), "{how}");
        assert_eq!(pair.obeyed(), Some(8 + i64::try_from(round).unwrap()));
    }
    assert_eq!(pair.worked, 1);
    assert!(pair.dialled < 20, "{}", pair.dialled);
}

#[test]
fn a_wrong_password_is_said_and_not_tried_all_the_time() {
    for (password, expected) in [
        (
            Some("wrong"),
            "\"Wrong password\"; check the password in password_file",
        ),
        (None, "wants its password; put it in password_file"),
    ] {
        let mut pair = by_socket(Variant::V4, password);
        pair.run(110_000);
        assert!(pair.problem().contains(expected), "{}", pair.problem());
        assert_eq!(pair.dialled, 2, "once a minute");
        assert!(!format!("{:?}", pair.problem()).contains("wrong\""));
    }
}

#[test]
fn a_socket_may_begin_in_the_middle_and_say_what_nobody_understands() {
    let settings = WebSocketSettings::default();
    let mut client = websocket::Client::new(common(), settings);
    client.handle_timeout(at(0));
    client.handle_incoming(Incoming::Opened, at(10)).unwrap();
    let mut say = |text: &str| client.handle_incoming(Incoming::Message(text.into()), at(20));
    say(r#"{"type":"updateInverter","x":1}"#).unwrap();
    assert!(say("<html>").is_err());
    assert!(say(r#"{"type":"deltaStatus","status":{"amp":"sixteen"}}"#).is_err());
    say(r#"{"type":"deltaStatus","status":{"car":2,"amp":16,"frc":2,"alw":true}}"#).unwrap();
    say(r#"{"type":"response","requestId":"99","success":true}"#).unwrap();
    let reports: Vec<Report> = std::iter::from_fn(|| client.poll_event())
        .filter_map(Event::into_report)
        .collect();
    assert!(reports.contains(&Report::Link(LinkState::Online)), "{reports:?}");
}

/// A broker holds for ever what a charger said last.
#[test]
fn what_a_broker_had_kept_is_not_what_a_charger_says() {
    let old = [
        ("car", json!(2)),
        ("amp", json!(32)),
        ("frc", json!(2)),
        ("alw", json!(true)),
    ];
    let mut pair = by_broker(&old);
    pair.cut = true;
    pair.push(Outgoing::Open);
    pair.cut = false;
    let mut silent = by_broker(&old);
    // The broker is there, the charger is not.
    silent.client.handle_timeout(at(0));
    silent.client.poll_outgoing();
    for incoming in
        std::iter::once(Incoming::Opened).chain(old.iter().map(|(key, value)| Incoming::Published {
            topic: topics::key(PREFIX, key),
            payload: value.to_string().into_bytes(),
            retained: true,
        }))
    {
        silent.client.handle_incoming(incoming, at(10)).unwrap();
    }
    for second in 1..40 {
        silent.client.handle_timeout(at(second * 1_000));
    }
    let reports: Vec<Report> = std::iter::from_fn(|| silent.client.poll_event())
        .filter_map(Event::into_report)
        .collect();
    let [Report::Link(LinkState::Offline { problem })] = reports.as_slice() else {
        panic!("{reports:?}")
    };
    assert!(problem.contains("nothing heard for 15 s"), "{problem}");

    // Then it is heard, and what it says is what counts.
    pair.run(10_000);
    assert_eq!(pair.links().last(), Some(&LinkState::Online));
    assert_eq!(pair.obeyed(), Some(16));
}

#[test]
fn a_broker_that_goes_is_told_and_comes_back() {
    let mut pair = by_broker(&[]);
    pair.run(8_000);
    pair.hear(Incoming::Closed(Failure::Closed));
    pair.run(100);
    assert!(pair.problem().contains("check the broker"), "{}", pair.problem());
    pair.push(Outgoing::Open);
    pair.run(8_000);
    assert_eq!(pair.links().last(), Some(&LinkState::Online));
}

#[test]
fn registers_in_any_order_and_a_device_that_is_none() {
    for (msr, msb) in [(true, false), (false, false), (true, true), (false, true)] {
        let mut pair = by_registers(Variant::V4);
        pair.charger.set_key("msr", json!(msr));
        pair.charger.set_key("msb", json!(msb));
        pair.run(4_000);
        pair.charge(9);
        pair.run(4_000);
        assert_eq!(pair.obeyed(), Some(9), "{msr} {msb}: {:?}", pair.errors);
    }
    let mut pair = by_registers(Variant::V4);
    pair.cut = true;
    pair.run(20_000);
    assert!(
        pair.problem().contains("no answer within 2000 ms"),
        "{}",
        pair.problem()
    );
    let mut client = modbus::Client::new(
        common(),
        ModbusSettings {
            address: "192.0.2.9:502".to_owned(),
            unit: 1,
            full_every: Millis(60_000),
        },
    );
    for ms in (0..20_000).step_by(100) {
        client.handle_timeout(at(ms));
        while client.poll_timeout() <= Monotonic(ms) {
            let Some(Request::Modbus { pdu, .. }) = client.poll_request() else {
                break;
            };
            let count = usize::from(pdu[4]);
            let mut answer = vec![pdu[0], u8::try_from(2 * count).unwrap()];
            answer.extend(vec![0xab; 2 * count]);
            let _ = client.handle_reply(Reply::Modbus { pdu: answer }, at(ms));
        }
    }
    let said = std::iter::from_fn(|| client.poll_event())
        .filter_map(Event::into_report)
        .find_map(|report| {
            if let Report::Link(LinkState::Offline { problem }) = report {
                Some(problem)
            } else {
                None
            }
        });
    assert!(said.unwrap().contains("none of a charger"));
}
