//! Many devices on one grid, time stepped, no sockets.
//!
//! Whoever holds a world moves it with [`World::step`] and then looks: at the [`Truth`], at the reports that
//! perfect links would bring, or through the wire protocols with [`World::handle`]. Looking changes nothing,
//! and values stand still between steps.

use std::collections::BTreeMap;

use dialects::goe::charger::Session;
use dialects::{Reply, Request};
use jiff::tz::TimeZone;
use model::id::{CircuitId, DeviceId};
use model::message::Report;
use model::phases::PerPhase;
use model::setpoint::Action;
use model::time::{Millis, Now};
use model::units::{MilliHertz, MilliVolts};
use serde::{Deserialize, Serialize};

use crate::device::{Body, Device, DeviceState, Surroundings};
use crate::fault::Fault;
use crate::local::LocalTime;
use crate::physics::Flow;
use crate::physics::grid::Grid;
use crate::physics::house::House;
pub use crate::settings::{SettingsError, WorldSettings};
use crate::truth::{EvseTruth, Truth};

/// A site that does not exist.
#[derive(Clone, Debug)]
pub struct World {
    settings: WorldSettings,
    zone: TimeZone,
    grid: Grid,
    house: Option<House>,
    devices: Vec<Device>,
    parents: Vec<Option<usize>>,
    /// When the last step ended; `None` before the first.
    at: Option<Now>,
    voltage: PerPhase<MilliVolts>,
    frequency: MilliHertz,
    house_flow: Flow,
    /// What flows through each fuse, in the order of the settings.
    circuit_flows: Vec<Flow>,
}

/// Why a saved world cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("the saved world cannot be read")]
    Unreadable(#[source] serde_json::Error),
    #[error("the saved world has format {found}, this program knows {FORMAT}")]
    Format { found: u32 },
    #[error("`{device}` was saved as another kind of device")]
    Kind { device: DeviceId },
}

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    devices: BTreeMap<DeviceId, DeviceState>,
}

const LONGEST_STEP: Millis = Millis(1_000);

impl World {
    /// A world that begins now, with nothing counted yet.
    ///
    /// # Errors
    /// When the settings contradict themselves.
    pub fn new(settings: WorldSettings) -> Result<Self, SettingsError> {
        let zone = TimeZone::get(&settings.time_zone).map_err(|_| SettingsError::TimeZone {
            name: settings.time_zone.clone(),
        })?;
        let parents = parents(&settings)?;
        let devices = devices(&settings)?;
        Ok(Self {
            grid: Grid::new(settings.seed),
            house: settings
                .house
                .as_ref()
                .map(|house| House::new(settings.seed, house)),
            devices,
            circuit_flows: vec![Flow::default(); parents.len()],
            parents,
            at: None,
            voltage: PerPhase::all(MilliVolts(230_000)),
            frequency: MilliHertz(50_000),
            house_flow: Flow::default(),
            zone,
            settings,
        })
    }

    /// A world that goes on where it was saved. Devices that were not saved begin anew; what happened in
    /// the meantime did not happen.
    ///
    /// # Errors
    /// When the settings contradict themselves or the saved text does not fit them.
    pub fn restore(settings: WorldSettings, saved: &str) -> Result<Self, RestoreError> {
        let saved: Saved = serde_json::from_str(saved).map_err(RestoreError::Unreadable)?;
        if saved.format != FORMAT {
            return Err(RestoreError::Format { found: saved.format });
        }
        let mut world = Self::new(settings)?;
        let mut states = saved.devices;
        for device in &mut world.devices {
            if let Some(state) = states.remove(&device.id)
                && !device.restore(state)
            {
                return Err(RestoreError::Kind {
                    device: device.id.clone(),
                });
            }
        }
        Ok(world)
    }

    /// Everything that must survive a restart, as one JSON text.
    #[must_use]
    pub fn save(&self) -> String {
        let devices = self
            .devices
            .iter()
            .map(|device| (device.id.clone(), device.state()))
            .collect();
        let saved = Saved {
            format: FORMAT,
            devices,
        };
        serde_json::to_string(&saved).expect("ids, integers and texts always become JSON")
    }

    #[must_use]
    pub const fn settings(&self) -> &WorldSettings {
        &self.settings
    }

    /// Moves on to `now` in steps of at most a second. The first step only sets the time.
    ///
    /// How long it takes is told by the monotonic clock, what time of day it is by the wall clock, so that a
    /// wall clock that jumps moves the sun and no counter.
    pub fn step(&mut self, now: Now) {
        let mut left = self.since_last(now);
        while left > LONGEST_STEP {
            left = Millis(left.0 - LONGEST_STEP.0);
            self.advance(
                Now {
                    wall: now.wall - left,
                    monotonic: now.monotonic - left,
                },
                LONGEST_STEP,
            );
        }
        self.advance(now, left);
        self.at = Some(now);
    }

    /// Moves on to `now` in a single step, for long stretches of the past: up to 10 s make sense.
    pub fn step_coarse(&mut self, now: Now) {
        let span = self.since_last(now);
        self.advance(now, span);
        self.at = Some(now);
    }

    fn since_last(&self, now: Now) -> Millis {
        self.at
            .map_or(Millis::ZERO, |at| Millis((now.monotonic - at.monotonic).0.max(0)))
    }

    /// One step of physics that ends now.
    fn advance(&mut self, now: Now, span: Millis) {
        let at = now.wall;
        let before = self.circuit_flows.first().copied().unwrap_or_default();
        self.voltage = self.grid.voltage(at, before.current);
        self.frequency = self.grid.frequency(at);
        let local = LocalTime::new(at, &self.zone);
        let around = Surroundings {
            now,
            local,
            span,
            voltage: self.voltage,
            frequency: self.frequency,
        };

        let load = self
            .house
            .as_mut()
            .map(|house| house.load(at, local))
            .unwrap_or_default();
        self.house_flow = Flow::of_power(load, self.voltage);
        let mut others = load.total();
        for device in &mut self.devices {
            device.age_fault(span);
            let is_up = !matches!(device.fault(), Some(Fault::Reboot { .. }));
            match &mut device.body {
                Body::Inverter(inverter) => inverter.step(around),
                Body::Goe(charger) => charger.step(around, is_up),
                Body::Battery(_) | Body::Meter(_) => {}
            }
            if !matches!(device.body, Body::Battery(_)) {
                others += device.flow().power.total();
            }
        }
        // Batteries come last: their own logic looks at what everything else takes.
        for device in &mut self.devices {
            if let Body::Battery(battery) = &mut device.body {
                battery.step(around, others);
                others += battery.flow().power.total();
            }
        }
        self.add_up();
        for device in &mut self.devices {
            if let Body::Meter(meter) = &mut device.body {
                meter.step(
                    around,
                    self.circuit_flows
                        .get(device.circuit)
                        .copied()
                        .unwrap_or_default(),
                );
            }
        }
    }

    fn add_up(&mut self) {
        self.circuit_flows.fill(Flow::default());
        if let Some(root) = self.circuit_flows.first_mut() {
            *root = self.house_flow;
        }
        for device in &self.devices {
            let flow = device.flow();
            let mut circuit = Some(device.circuit);
            while let Some(index) = circuit {
                if let Some(sum) = self.circuit_flows.get_mut(index) {
                    *sum = *sum + flow;
                }
                circuit = self.parents.get(index).copied().flatten();
            }
        }
    }

    /// What really happens, as of the last step.
    #[must_use]
    pub fn truth(&self) -> Truth {
        let ids = self.settings.circuits.iter().map(|circuit| circuit.id.clone());
        let mut truth = Truth {
            circuits: ids.zip(self.circuit_flows.iter().copied()).collect(),
            grid: self.circuit_flows.first().copied().unwrap_or_default(),
            house: self.house_flow,
            voltage: self.voltage,
            frequency: self.frequency,
            ..Truth::default()
        };
        for device in &self.devices {
            match &device.body {
                Body::Meter(_) => {}
                Body::Inverter(inverter) => truth.pv = truth.pv + inverter.flow(),
                Body::Battery(battery) => {
                    truth.battery = truth.battery + battery.flow();
                    truth.battery_soc.insert(device.id.clone(), battery.soc());
                }
                Body::Goe(charger) => {
                    let evse = EvseTruth {
                        station: device.id.clone(),
                        flow: charger.flow(),
                        offered: charger.offered(),
                        pilot: charger.pilot(),
                        soc: charger.vehicle().soc(),
                        wants: charger.vehicle().wants(),
                    };
                    truth.evses.insert(charger.evse_id().clone(), evse);
                }
            }
        }
        truth
    }

    /// What perfect links would report of every device, as of the last step.
    #[must_use]
    pub fn reports(&self) -> Vec<(DeviceId, Report)> {
        let mut reports = Vec::with_capacity(3 * self.devices.len());
        for device in &self.devices {
            device.reports(&mut reports);
        }
        reports
    }

    /// Does what a setpoint says, without any codec in between. A device that does not exist, or that a
    /// fault makes deaf, does nothing.
    pub fn act(&mut self, device: &DeviceId, action: &Action, now: Now) {
        if let Some(device) = self.device_mut(device) {
            device.act(action, now);
        }
    }

    /// What a device answers on the wire, `None` when it stays silent or does not exist. Values are those of
    /// the last step. [`World::delay`] says how much later the answer is to arrive.
    pub fn handle(&mut self, device: &DeviceId, request: &Request, now: Now) -> Option<Reply> {
        self.device_mut(device)?.handle(request, now)
    }

    /// How long an answer of this device takes. Zero unless a fault says otherwise.
    #[must_use]
    pub fn delay(&self, device: &DeviceId) -> Millis {
        if let Some(Fault::Delay { by }) = self.fault(device) {
            by
        } else {
            Millis::ZERO
        }
    }

    /// A client comes to the WebSocket of a go-e charger: its session, and what it is told first. `None` when there is
    /// no such charger, or nobody can reach it.
    pub fn open_socket(&mut self, device: &DeviceId) -> Option<(Session, Vec<String>)> {
        self.device_mut(device)?.open_socket()
    }

    /// What a go-e charger says at its WebSocket: to a message, or by itself about what has changed. `None` when the
    /// link is cut.
    pub fn socket(
        &mut self,
        device: &DeviceId,
        session: &mut Session,
        message: Option<&[u8]>,
        now: Now,
    ) -> Option<Vec<String>> {
        self.device_mut(device)?.socket(session, message, now)
    }

    /// The keys that a go-e charger publishes, as JSON. Nothing when it is silent or publishes nothing.
    #[must_use]
    pub fn exported(&mut self, device: &DeviceId) -> Vec<(&'static str, String)> {
        self.device_mut(device).map(Device::exported).unwrap_or_default()
    }

    /// What a go-e charger publishes as the result of a write, if it takes any.
    pub fn take(&mut self, device: &DeviceId, key: &str, payload: &str, now: Now) -> Option<String> {
        self.device_mut(device)?.take(key, payload, now)
    }

    /// Makes a device misbehave, or behave again.
    pub fn set_fault(&mut self, device: &DeviceId, fault: Option<Fault>) {
        if let Some(device) = self.device_mut(device) {
            device.set_fault(fault);
        }
    }

    /// How a device misbehaves at the moment.
    #[must_use]
    pub fn fault(&self, device: &DeviceId) -> Option<Fault> {
        self.devices
            .iter()
            .find(|known| known.id == *device)
            .and_then(Device::fault)
    }

    fn device_mut(&mut self, id: &DeviceId) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == *id)
    }
}

/// The index of each circuit's parent.
fn parents(settings: &WorldSettings) -> Result<Vec<Option<usize>>, SettingsError> {
    let circuits = &settings.circuits;
    if circuits.is_empty() {
        return Err(SettingsError::NoCircuit);
    }
    let mut parents = Vec::with_capacity(circuits.len());
    for (index, circuit) in circuits.iter().enumerate() {
        let earlier = &circuits[..index];
        if earlier.iter().any(|other| other.id == circuit.id) {
            return Err(SettingsError::Twice {
                id: circuit.id.to_string(),
            });
        }
        let found = circuit
            .parent
            .as_ref()
            .and_then(|parent| index_of(earlier, parent));
        // Only the house connection has no parent.
        if found.is_none() && (index > 0 || circuit.parent.is_some()) {
            let parent = circuit
                .parent
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default();
            return Err(SettingsError::Parent {
                circuit: circuit.id.clone(),
                parent,
            });
        }
        parents.push(found);
    }
    Ok(parents)
}

fn index_of(circuits: &[crate::settings::CircuitSettings], id: &CircuitId) -> Option<usize> {
    circuits.iter().position(|circuit| circuit.id == *id)
}

fn devices(settings: &WorldSettings) -> Result<Vec<Device>, SettingsError> {
    let mut devices: Vec<Device> = Vec::with_capacity(settings.devices.len());
    for device in &settings.devices {
        if devices.iter().any(|other| other.id == device.id) {
            return Err(SettingsError::Twice {
                id: device.id.to_string(),
            });
        }
        let circuit =
            index_of(&settings.circuits, &device.circuit).ok_or_else(|| SettingsError::Circuit {
                device: device.id.clone(),
                circuit: device.circuit.clone(),
            })?;
        devices.push(Device::new(settings.seed, settings.position, device, circuit));
    }
    Ok(devices)
}

#[cfg(test)]
mod tests;
