//! A go-e charger on its wire: HTTP, WebSocket, Modbus and MQTT.
//!
//! Until somebody talks to it over one of its own ways, the box around the EVSE is a plain command and costs
//! nothing, because long stretches of the past are made without any wire. From the first request on, the
//! dialect's charger decides, with all its keys.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use dialects::goe::charger::{Effect, Password, Session};
use dialects::goe::topics::{self, EXPORTED, Topic};
use dialects::goe::ws::{FromCharger, PasswordKey};
use dialects::goe::{self, ChargerInputs, Quirk, Variant};
use dialects::{Reply, Request, query};
use model::phases::Phases;
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Now};
use model::units::MilliAmps;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Link, Publication, Voice, Way};
use crate::body::station::{Station, StationSettings};
use crate::body::{Placed, Surroundings};
use crate::draw::Draws;
use crate::fault::Fault;
use crate::physics::evse::Command;
use crate::settings::{GoeChargerSettings, GoeGeneration};

impl GoeChargerSettings {
    /// What is not about its wire.
    pub(crate) fn station(&self) -> StationSettings {
        StationSettings {
            evse: self.evse.clone(),
            max: self.max,
            rotation: self.rotation,
            obeys_after: self.obeys_after,
            vehicle: self.vehicle.clone(),
        }
    }
}

#[derive(Debug)]
pub(crate) struct GoeVoice {
    seed: u64,
    listen: SocketAddr,
    settings: GoeChargerSettings,
    wire: goe::Charger,
    password: Option<Password>,
    /// WebSockets that are open.
    sessions: BTreeMap<Link, Session>,
    /// WebSockets that were opened since the start.
    sockets: i64,
    /// Whether `wire` decides: since the first request.
    is_wired: bool,
    inputs: ChargerInputs,
}

/// What outlives a restart.
#[derive(Deserialize)]
struct Saved {
    wire: goe::Charger,
    is_wired: bool,
    /// Since boot.
    up: Millis,
}

impl GoeVoice {
    pub fn new(seed: u64, listen: SocketAddr, settings: &GoeChargerSettings, station: &mut Station) -> Self {
        let variant = match settings.generation {
            GoeGeneration::V3 => Variant::V3,
            GoeGeneration::V4 => Variant::V4,
            GoeGeneration::Core => Variant::Core,
        };
        let mut wire = goe::Charger::new(variant, &settings.serial);
        let password = settings.password.as_deref().map(|password| Password {
            kind: variant.hash(),
            key: PasswordKey::new(variant.hash(), password, &settings.serial),
        });
        wire.set_reaction(settings.obeys_after);
        configure(&mut wire, settings);
        let amps = wire.key("amp").and_then(Value::as_i64).unwrap_or(0);
        station.tell(Command {
            current: ChargeCurrent::at_most(MilliAmps::from_amps(amps)),
            phases: Phases::Three,
        });
        Self {
            seed,
            listen,
            settings: settings.clone(),
            wire,
            password,
            sessions: BTreeMap::new(),
            sockets: 0,
            is_wired: false,
            inputs: ChargerInputs::default(),
        }
    }

    /// From now on the dialect's charger decides.
    fn wired(&mut self, bodies: &mut [Placed]) -> &mut goe::Charger {
        if !self.is_wired {
            self.is_wired = true;
            if let Some(station) = station(bodies) {
                station.obey_at_once();
            }
            self.wire.set_inputs(self.inputs);
        }
        &mut self.wire
    }

    /// Sets the keys that a client would have written for the command.
    fn tell_wire(&mut self, current: ChargeCurrent, phases: Option<Phases>) {
        match current.current() {
            Some(current) => {
                self.wire.set_key("amp", Value::from(current.amps_rounded_down()));
                self.wire.set_key("frc", Value::from(2));
            }
            None => self.wire.set_key("frc", Value::from(1)),
        }
        match phases {
            Some(Phases::One) => self.wire.set_key("psm", Value::from(1)),
            Some(Phases::Three) => self.wire.set_key("psm", Value::from(2)),
            None => {}
        }
    }

    /// Answers a request of its own HTTP APIs.
    fn handle(
        &mut self,
        bodies: &mut [Placed],
        request: &http::Request<Vec<u8>>,
        is_deaf: bool,
        now: Now,
    ) -> http::Response<Vec<u8>> {
        let wire = self.wired(bodies);
        if is_deaf && matches!(request.uri().path(), "/api/set" | "/mqtt") {
            return wire.clone().handle(request, now);
        }
        wire.handle(request, now)
    }

    /// Of its topics, where a broker is set up.
    fn prefix(&self) -> Option<String> {
        let mqtt = self.settings.mqtt.as_ref()?;
        Some(mqtt.prefix(&self.settings.serial))
    }
}

impl Voice for GoeVoice {
    fn ways(&self) -> Vec<Way> {
        let mut ways = vec![Way::Http {
            listen: self.listen,
            sockets_at: "/ws",
        }];
        if let Some(listen) = self.settings.modbus_listen {
            ways.push(Way::Modbus { listen });
        }
        if let Some(mqtt) = &self.settings.mqtt {
            ways.push(Way::Broker {
                url: mqtt.broker.clone(),
                client: format!("go-eCharger_{}", self.settings.serial),
                subscriptions: vec![topics::set(&mqtt.prefix(&self.settings.serial), "+")],
            });
        }
        ways
    }

    fn lead(&mut self, bodies: &mut [Placed], _: Surroundings) {
        if !self.is_wired {
            return;
        }
        let outputs = self.wire.outputs();
        let amps = if outputs.allowed { outputs.amps } else { 0 };
        if let Some(station) = station(bodies) {
            station.tell(Command {
                current: ChargeCurrent::at_most(MilliAmps::from_amps(amps)),
                phases: outputs.phases,
            });
        }
    }

    fn follow(&mut self, bodies: &mut [Placed], around: Surroundings) {
        let Some(station) = station(bodies) else { return };
        let evse = station.evse();
        self.inputs = ChargerInputs {
            plugged: evse.pilot().is_plugged(),
            asks: station.asks(),
            complete: evse.is_complete(),
            drawn: evse.draw(),
            voltages: station.voltage(),
            eto: evse.state().total.energy(),
            wh: evse.session_energy(),
            time: around.now,
            rbt: if around.is_up {
                self.inputs.rbt + around.span
            } else {
                Millis::ZERO
            },
            utc_offset: around.utc_offset(),
        };
        if self.is_wired && around.is_up {
            self.wire.set_inputs(self.inputs);
        }
    }

    fn act(&mut self, bodies: &mut [Placed], index: usize, action: &Action, now: Now) {
        match action {
            Action::Charge {
                evse,
                current,
                phases,
            } => {
                let meant = bodies
                    .get_mut(index)
                    .and_then(|placed| placed.body.station())
                    .filter(|station| station.id() == evse);
                let Some(station) = meant else { return };
                // This make knows whole amperes only.
                let amps = current.or_zero().amps_rounded_down();
                let current = ChargeCurrent::at_most(MilliAmps::from_amps(amps));
                station.tell(Command {
                    current,
                    phases: phases.unwrap_or(station.command().phases),
                });
                self.tell_wire(current, *phases);
            }
            Action::VendorWrite { key, value, .. } => {
                // By its own door, so that it checks the value as it would any other.
                let query = format!("/api/set?{}={}", query::encode(key), query::encode(value));
                if let Ok(request) = http::Request::get(query).body(Vec::new()) {
                    self.handle(bodies, &request, false, now);
                }
            }
            Action::TakeBack { .. } | Action::BatteryPower { .. } | Action::Order { .. } => {}
        }
    }

    fn answer(&mut self, bodies: &mut [Placed], request: &Request, is_deaf: bool, now: Now) -> Option<Reply> {
        match request {
            Request::Http(request) => Some(Reply::Http(self.handle(bodies, request, is_deaf, now))),
            Request::Modbus { pdu, .. } => {
                self.settings.modbus_listen?;
                let pdu = self.wired(bodies).handle_modbus(pdu, effect(is_deaf), now);
                Some(Reply::Modbus { pdu })
            }
        }
    }

    fn open(&mut self, bodies: &mut [Placed]) -> Option<(Link, Vec<Vec<u8>>)> {
        self.sockets += 1;
        let purpose = format!("tokens of {}", self.settings.serial);
        let mut dice = Draws::new(self.seed, &purpose).at(self.sockets);
        let mut token = || -> String {
            (0..4)
                .map(|_| format!("{:08x}", dice.between(0, 0xffff_ffff)))
                .collect()
        };
        let session = Session::new(self.password.clone(), token(), token());
        let greeting = session.greeting(self.wired(bodies));
        let link = Link(self.sockets);
        self.sessions.insert(link, session);
        Some((link, encoded(&greeting)))
    }

    fn hear(
        &mut self,
        bodies: &mut [Placed],
        link: Link,
        message: Option<&[u8]>,
        is_deaf: bool,
        now: Now,
    ) -> Option<Vec<Vec<u8>>> {
        self.wired(bodies);
        let session = self.sessions.get_mut(&link)?;
        let frames = match message {
            Some(message) => session
                .handle(message, &mut self.wire, effect(is_deaf), now)
                .unwrap_or_default(),
            None => session.changes(&self.wire).into_iter().collect(),
        };
        Some(encoded(&frames))
    }

    fn close(&mut self, link: Link) {
        self.sessions.remove(&link);
    }

    /// The keys that it publishes, as JSON.
    fn publications(&mut self, bodies: &mut [Placed]) -> Vec<Publication> {
        let Some(prefix) = self.prefix() else {
            return Vec::new();
        };
        let keys = self.wired(bodies).keys();
        let published = |key| {
            Some(Publication {
                topic: topics::key(&prefix, key),
                payload: keys.get(key)?.to_string().into_bytes(),
                retain: true,
            })
        };
        EXPORTED.into_iter().filter_map(published).collect()
    }

    /// It may take no writes (`mcr`).
    fn take(
        &mut self,
        bodies: &mut [Placed],
        topic: &str,
        payload: &[u8],
        is_deaf: bool,
        now: Now,
    ) -> Option<Publication> {
        let prefix = self.prefix()?;
        let Some(Topic::Set(key)) = topics::parse(&prefix, topic) else {
            return None;
        };
        let wire = self.wired(bodies);
        if wire.key("mcr") == Some(&Value::Bool(true)) {
            return None;
        }
        let result = wire.take(key, &String::from_utf8_lossy(payload), effect(is_deaf), now);
        Some(Publication {
            topic: topics::result(&prefix, key),
            payload: result.into_bytes(),
            retain: false,
        })
    }

    fn suffer(&mut self, bodies: &mut [Placed], fault: Option<Fault>) {
        if matches!(fault, Some(Fault::Reboot { .. })) {
            self.inputs.rbt = Millis::ZERO;
        }
        let quirk = fault.and_then(quirk);
        if quirk.is_some() {
            self.wired(bodies);
        }
        self.wire.set_quirk(quirk);
    }

    fn state(&self) -> Map<String, Value> {
        let saved = [
            ("wire", json!(self.wire)),
            ("is_wired", json!(self.is_wired)),
            ("up", json!(self.inputs.rbt)),
        ];
        saved
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn restore(&mut self, bodies: &mut [Placed], saved: Map<String, Value>) -> Result<(), serde_json::Error> {
        let saved: Saved = serde_json::from_value(Value::Object(saved))?;
        self.wire = saved.wire;
        configure(&mut self.wire, &self.settings);
        self.is_wired = saved.is_wired;
        self.inputs.rbt = saved.up;
        if self.is_wired
            && let Some(station) = station(bodies)
        {
            station.obey_at_once();
        }
        Ok(())
    }
}

/// It speaks for one station.
fn station(bodies: &mut [Placed]) -> Option<&mut Station> {
    bodies.first_mut()?.body.station()
}

const fn effect(is_deaf: bool) -> Effect {
    if is_deaf { Effect::None } else { Effect::Real }
}

fn encoded(frames: &[FromCharger]) -> Vec<Vec<u8>> {
    frames.iter().map(|frame| frame.encode().into_bytes()).collect()
}

/// What it does differently, if that is all there is to a fault.
const fn quirk(fault: Fault) -> Option<Quirk> {
    match fault {
        Fault::PartialStatus => Some(Quirk::PartialStatus),
        Fault::MissingKeys => Some(Quirk::MissingKeys),
        Fault::FirmwareSuffix => Some(Quirk::FirmwareSuffix),
        Fault::CarError => Some(Quirk::CarError),
        Fault::Silence
        | Fault::Delay { .. }
        | Fault::Garbage
        | Fault::Html
        | Fault::IgnoreSetpoints
        | Fault::Reboot { .. }
        | Fault::ClockJump { .. }
        | Fault::Hang { .. }
        | Fault::CutFrames => None,
    }
}

/// What the settings fix, whatever was written or saved before.
fn configure(wire: &mut goe::Charger, settings: &GoeChargerSettings) {
    if let Some(firmware) = &settings.firmware {
        wire.set_key("fwv", Value::from(firmware.as_str()));
    }
    if let Some(address) = settings.modbus_listen {
        wire.set_key("men", Value::from(true));
        wire.set_key("msp", Value::from(address.port()));
    }
    if let Some(mqtt) = &settings.mqtt {
        wire.set_key("mce", Value::from(true));
        wire.set_key("mcu", Value::from(mqtt.broker.as_str()));
        wire.set_key("mtp", Value::from(mqtt.prefix(&settings.serial)));
    }
}
