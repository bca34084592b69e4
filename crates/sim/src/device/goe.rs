//! A go-e charger with a car that comes and goes.
//!
//! Until somebody talks to it over one of its own ways, the box around the EVSE is a plain command and costs
//! nothing, because long stretches of the past are made without any wire. From the first request on, the
//! dialect's charger decides, with all its keys.

use dialects::goe::charger::{Effect, Password, Session};
use dialects::goe::topics::EXPORTED;
use dialects::goe::ws::{FromCharger, PasswordKey};
use dialects::goe::{Charger, ChargerInputs, Quirk, Variant};
use dialects::query;
use http::{Request, Response};
use model::id::EvseId;
use model::phases::Phases;
use model::reading::{EvseStatus, Measured, PilotState};
use model::setpoint::{Action, ChargeCurrent};
use model::time::{Millis, Now};
use model::units::MilliAmps;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::device::Surroundings;
use crate::draw::Draws;
use crate::physics::Flow;
use crate::physics::evse::{Command, Evse, EvseSettings, EvseState};
use crate::physics::vehicle::{Vehicle, VehicleState};
use crate::settings::{GoeChargerSettings, GoeGeneration};

#[derive(Clone, Debug)]
pub(crate) struct GoeCharger {
    seed: u64,
    settings: GoeChargerSettings,
    command: Command,
    evse: Evse,
    vehicle: Vehicle,
    wire: Charger,
    password: Option<Password>,
    /// WebSockets that were opened since the start.
    sockets: i64,
    /// Whether `wire` decides: since the first request.
    is_wired: bool,
    inputs: ChargerInputs,
    /// By grid phase.
    flow: Flow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GoeChargerState {
    command: Command,
    evse: EvseState,
    vehicle: VehicleState,
    wire: Charger,
    is_wired: bool,
    /// Since boot.
    up: Millis,
}

impl GoeCharger {
    pub fn new(seed: u64, settings: &GoeChargerSettings) -> Self {
        let evse = EvseSettings {
            max: settings.max,
            conductors: 3,
            obeys_after: settings.obeys_after,
        };
        let variant = match settings.generation {
            GoeGeneration::V3 => Variant::V3,
            GoeGeneration::V4 => Variant::V4,
            GoeGeneration::Core => Variant::Core,
        };
        let mut wire = Charger::new(variant, &settings.serial);
        let password = settings.password.as_deref().map(|password| Password {
            kind: variant.hash(),
            key: PasswordKey::new(variant.hash(), password, &settings.serial),
        });
        wire.set_reaction(settings.obeys_after);
        configure(&mut wire, settings);
        let amps = wire.key("amp").and_then(Value::as_i64).unwrap_or(0);
        let current = ChargeCurrent::at_most(MilliAmps::from_amps(amps));
        Self {
            seed,
            settings: settings.clone(),
            command: Command {
                current,
                phases: Phases::Three,
            },
            evse: Evse::new(evse),
            vehicle: Vehicle::new(seed, settings.vehicle.clone()),
            wire,
            password,
            sockets: 0,
            is_wired: false,
            inputs: ChargerInputs::default(),
            flow: Flow::default(),
        }
    }

    pub fn restore(&mut self, state: GoeChargerState) {
        self.command = state.command;
        self.evse = Evse::restored(self.evse_settings(state.is_wired), state.evse);
        self.vehicle = Vehicle::restored(self.seed, self.settings.vehicle.clone(), state.vehicle);
        self.wire = state.wire;
        configure(&mut self.wire, &self.settings);
        self.is_wired = state.is_wired;
        self.inputs.rbt = state.up;
    }

    pub fn state(&self) -> GoeChargerState {
        GoeChargerState {
            command: self.command,
            evse: self.evse.state().clone(),
            vehicle: self.vehicle.state().clone(),
            wire: self.wire.clone(),
            is_wired: self.is_wired,
            up: self.inputs.rbt,
        }
    }

    /// On the wire the charger's logic is what takes its time, so that it also reads back late.
    fn evse_settings(&self, is_wired: bool) -> EvseSettings {
        let obeys_after = if is_wired {
            Millis::ZERO
        } else {
            self.settings.obeys_after
        };
        EvseSettings {
            obeys_after,
            ..*self.evse.settings()
        }
    }

    pub const fn evse_id(&self) -> &EvseId {
        &self.settings.evse
    }

    pub const fn vehicle(&self) -> &Vehicle {
        &self.vehicle
    }

    pub const fn offered(&self) -> ChargeCurrent {
        self.evse.offered()
    }

    pub const fn pilot(&self) -> PilotState {
        self.evse.pilot()
    }

    pub const fn flow(&self) -> Flow {
        self.flow
    }

    pub fn reboot(&mut self) {
        self.evse.drop_out();
        self.inputs.rbt = Millis::ZERO;
    }

    pub fn step(&mut self, around: Surroundings, is_up: bool) {
        self.vehicle.live(around.local);
        if self.is_wired {
            let outputs = self.wire.outputs();
            let amps = if outputs.allowed { outputs.amps } else { 0 };
            let current = ChargeCurrent::at_most(MilliAmps::from_amps(amps));
            self.command = Command {
                current,
                phases: outputs.phases,
            };
        }
        let command = if is_up {
            self.command
        } else {
            Command {
                current: ChargeCurrent::PAUSED,
                ..self.command
            }
        };
        let voltage = self.settings.rotation.to_terminals(around.voltage);
        self.evse
            .step(command, &mut self.vehicle, voltage, around.now.wall, around.span);
        self.flow = Flow::of_current(self.settings.rotation.to_grid(self.evse.draw()), around.voltage);

        self.inputs = ChargerInputs {
            plugged: self.evse.pilot().is_plugged(),
            asks: self.evse.pilot().is_plugged() && self.vehicle.wants(),
            complete: self.evse.is_complete(),
            drawn: self.evse.draw(),
            voltages: voltage,
            eto: self.evse.state().total.energy(),
            wh: self.evse.session_energy(),
            time: around.now,
            rbt: if is_up {
                self.inputs.rbt + around.span
            } else {
                Millis::ZERO
            },
            utc_offset: around.utc_offset(),
        };
        if self.is_wired && is_up {
            self.wire.set_inputs(self.inputs);
        }
    }

    pub fn act(&mut self, action: &Action, now: Now) {
        match action {
            Action::Charge {
                evse,
                current,
                phases,
            } if *evse == self.settings.evse => {
                // This make knows whole amperes only.
                let amps = current.or_zero().amps_rounded_down();
                let current = ChargeCurrent::at_most(MilliAmps::from_amps(amps));
                self.command = Command {
                    current,
                    phases: phases.unwrap_or(self.command.phases),
                };
                self.tell_wire(*phases);
            }
            Action::VendorWrite { key, value, .. } => {
                // By its own door, so that it checks the value as it would any other.
                let query = format!("/api/set?{}={}", query::encode(key), query::encode(value));
                if let Ok(request) = Request::get(query).body(Vec::new()) {
                    self.handle(&request, false, now);
                }
            }
            Action::Charge { .. } | Action::TakeBack { .. } | Action::BatteryPower { .. } => {}
        }
    }

    /// Sets the keys that a client would have written for the command.
    fn tell_wire(&mut self, phases: Option<Phases>) {
        match self.command.current.current() {
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

    /// From now on the dialect's charger decides.
    fn wired(&mut self) -> &mut Charger {
        if !self.is_wired {
            self.is_wired = true;
            self.evse = Evse::restored(self.evse_settings(true), self.evse.state().clone());
            self.wire.set_inputs(self.inputs);
        }
        &mut self.wire
    }

    pub fn set_quirk(&mut self, quirk: Option<Quirk>) {
        if quirk.is_some() {
            self.wired();
        }
        self.wire.set_quirk(quirk);
    }

    /// Answers a request of its own HTTP APIs. A deaf charger acknowledges a write and forgets it.
    pub fn handle(&mut self, request: &Request<Vec<u8>>, is_deaf: bool, now: Now) -> Response<Vec<u8>> {
        let wire = self.wired();
        if is_deaf && matches!(request.uri().path(), "/api/set" | "/mqtt") {
            return wire.clone().handle(request, now);
        }
        wire.handle(request, now)
    }

    /// Answers over Modbus, where that is set up.
    pub fn handle_modbus(&mut self, pdu: &[u8], is_deaf: bool, now: Now) -> Option<Vec<u8>> {
        self.settings.modbus_listen?;
        Some(self.wired().handle_modbus(pdu, effect(is_deaf), now))
    }

    /// A client of its WebSocket, and what it is told first.
    pub fn open_socket(&mut self) -> (Session, Vec<String>) {
        self.sockets += 1;
        let purpose = format!("tokens of {}", self.settings.serial);
        let mut dice = Draws::new(self.seed, &purpose).at(self.sockets);
        let mut token = || -> String {
            (0..4)
                .map(|_| format!("{:08x}", dice.between(0, 0xffff_ffff)))
                .collect()
        };
        let session = Session::new(self.password.clone(), token(), token());
        let greeting = session.greeting(self.wired());
        (session, texts(&greeting))
    }

    /// What it says to a message, or by itself.
    pub fn socket(
        &mut self,
        session: &mut Session,
        message: Option<&[u8]>,
        is_deaf: bool,
        now: Now,
    ) -> Vec<String> {
        let wire = self.wired();
        let frames = match message {
            Some(message) => session
                .handle(message, wire, effect(is_deaf), now)
                .unwrap_or_default(),
            None => session.changes(wire).into_iter().collect(),
        };
        texts(&frames)
    }

    /// The keys that it publishes, where a broker is set up.
    pub fn exported(&mut self) -> Vec<(&'static str, String)> {
        if self.settings.mqtt.is_none() {
            return Vec::new();
        }
        let keys = self.wired().keys();
        EXPORTED
            .into_iter()
            .filter_map(|key| Some((key, keys.get(key)?.to_string())))
            .collect()
    }

    /// What it publishes as the result of a write, if it takes any (`mcr`).
    pub fn take(&mut self, key: &str, payload: &str, is_deaf: bool, now: Now) -> Option<String> {
        self.settings.mqtt.as_ref()?;
        let wire = self.wired();
        let is_read_only = wire.key("mcr") == Some(&Value::Bool(true));
        (!is_read_only).then(|| wire.take(key, payload, effect(is_deaf), now))
    }

    pub fn measured(&self) -> Measured {
        let flow = Flow::of_current(self.evse.draw(), self.inputs.voltages);
        Measured {
            power: Some(flow.power.total()),
            phase_power: Some(flow.power),
            current: Some(flow.current),
            voltage: Some(self.inputs.voltages),
            energy_in: Some(self.evse.state().total.energy()),
            ..Measured::default()
        }
    }

    pub fn status(&self) -> EvseStatus {
        let has_error = self.wire.quirk() == Some(Quirk::CarError);
        EvseStatus {
            pilot: if has_error {
                PilotState::F
            } else {
                self.evse.pilot()
            },
            complete: self.evse.is_complete(),
            obeyed: Some(self.evse.offered()),
            terminals: self.evse.connected(),
            max_current: Some(self.settings.max),
            session_energy: Some(self.evse.session_energy()),
            current: Some(self.evse.draw()),
            watchdog: None,
        }
    }
}

const fn effect(is_deaf: bool) -> Effect {
    if is_deaf { Effect::None } else { Effect::Real }
}

fn texts(frames: &[FromCharger]) -> Vec<String> {
    frames.iter().map(FromCharger::encode).collect()
}

/// What the settings fix, whatever was written or saved before.
fn configure(wire: &mut Charger, settings: &GoeChargerSettings) {
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
