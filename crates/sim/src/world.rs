//! Many devices on one grid, time stepped, no sockets.
//!
//! Whoever holds a world moves it with [`World::step`] and then looks: at the [`Truth`], at the reports that
//! perfect links would bring, or through the wire protocols with [`World::handle`]. Looking changes nothing,
//! and values stand still between steps.

use std::collections::BTreeMap;

use dialects::{Reply, Request};
use jiff::tz::TimeZone;
use model::id::{CircuitId, DeviceId};
use model::message::Report;
use model::phases::PerPhase;
use model::setpoint::Action;
use model::time::{Millis, Now};
use model::units::{MilliHertz, MilliVolts};
use serde::{Deserialize, Serialize};

use crate::body::{Placed, Surroundings};
use crate::device::{Device, DeviceState, Unfit};
use crate::fault::Fault;
use crate::local::LocalTime;
use crate::physics::Flow;
use crate::physics::grid::Grid;
use crate::physics::house::House;
pub use crate::settings::{SettingsError, WorldSettings};
use crate::truth::Truth;
use crate::voice::{Link, Publication, Way};

/// A site that does not exist.
#[derive(Debug)]
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
            device
                .restore(|id| states.remove(id))
                .map_err(|unfit| match unfit {
                    Unfit::Kind(device) => RestoreError::Kind { device },
                    Unfit::Unreadable(error) => RestoreError::Unreadable(error),
                })?;
        }
        Ok(world)
    }

    /// Everything that must survive a restart, as one JSON text.
    #[must_use]
    pub fn save(&self) -> String {
        let devices = self.devices.iter().flat_map(Device::states).collect();
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
            is_up: true,
        };

        let load = self
            .house
            .as_mut()
            .map(|house| house.load(at, local))
            .unwrap_or_default();
        self.house_flow = Flow::of_power(load, self.voltage);
        let mut others = load.total();
        for device in &mut self.devices {
            others += device.live(around);
        }
        // Batteries come last: their own logic looks at what everything else takes.
        for device in &mut self.devices {
            others += device.balance(around, others);
        }
        self.add_up();
        for device in &mut self.devices {
            device.measure(around, &self.circuit_flows);
        }
    }

    fn add_up(&mut self) {
        self.circuit_flows.fill(Flow::default());
        if let Some(root) = self.circuit_flows.first_mut() {
            *root = self.house_flow;
        }
        for Placed { circuit, body, .. } in self.devices.iter().flat_map(Device::bodies) {
            let flow = body.flow();
            let mut circuit = Some(*circuit);
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
        for Placed { id, body, .. } in self.devices.iter().flat_map(Device::bodies) {
            body.show(id, &mut truth);
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
        if let Some(holder) = self.devices.iter_mut().find(|holder| holder.has(device)) {
            holder.act(device, action, now);
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

    /// How devices are spoken to, one after the other.
    pub(crate) fn ways(&self) -> Vec<(DeviceId, Way)> {
        let ways = |device: &Device| {
            let id = device.id.clone();
            let ways = device.ways().into_iter();
            ways.map(move |way| (id.clone(), way))
        };
        self.devices.iter().flat_map(ways).collect()
    }

    /// A link comes up, a WebSocket for example: its number, and what the device says first. `None` when it takes
    /// none, or nobody can reach it.
    pub fn open(&mut self, device: &DeviceId) -> Option<(Link, Vec<Vec<u8>>)> {
        self.device_mut(device)?.open()
    }

    /// What a device says on a link: to a message, or by itself about what has changed. `None` when it hangs up.
    pub fn hear(
        &mut self,
        device: &DeviceId,
        link: Link,
        message: Option<&[u8]>,
        now: Now,
    ) -> Option<Vec<Vec<u8>>> {
        self.device_mut(device)?.hear(link, message, now)
    }

    /// A link is gone.
    pub fn close(&mut self, device: &DeviceId, link: Link) {
        if let Some(device) = self.device_mut(device) {
            device.close(link);
        }
    }

    /// What the broker of a device is to know. Nothing when it is silent or has none.
    #[must_use]
    pub fn publications(&mut self, device: &DeviceId) -> Vec<Publication> {
        self.device_mut(device)
            .map(Device::publications)
            .unwrap_or_default()
    }

    /// What a device publishes as the result of a message that it has subscribed to, if anything.
    pub fn take(&mut self, device: &DeviceId, topic: &str, payload: &[u8], now: Now) -> Option<Publication> {
        self.device_mut(device)?.take(topic, payload, now)
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
        let circuit =
            index_of(&settings.circuits, &device.circuit).ok_or_else(|| SettingsError::Circuit {
                device: device.id.clone(),
                circuit: device.circuit.clone(),
            })?;
        let made = Device::new(settings.seed, settings.position, device, circuit);
        let mut ids: Vec<&DeviceId> = made.bodies().iter().map(|placed| &placed.id).collect();
        // What speaks for itself has one id for both.
        if ids != [&made.id] {
            ids.push(&made.id);
        }
        for (at, id) in ids.iter().enumerate() {
            let is_known = |id: &&DeviceId| devices.iter().any(|other| other.has(id));
            if is_known(id) || ids.iter().take(at).any(|other| other == id) {
                return Err(SettingsError::Twice { id: id.to_string() });
            }
        }
        devices.push(made);
    }
    Ok(devices)
}

#[cfg(test)]
mod tests;
