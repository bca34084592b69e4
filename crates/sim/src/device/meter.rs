//! A three-phase meter behind a fuse: SunSpec model 203.

use dialects::modbus::answer;
use dialects::sunspec::{Image, ModelInstance, map};
use model::id::DeviceId;
use model::reading::Measured;
use serde::{Deserialize, Serialize};

use crate::device::{Surroundings, sunspec};
use crate::physics::Flow;
use crate::physics::counter::TwoWay;

#[derive(Clone, Debug)]
pub(crate) struct Meter {
    id: DeviceId,
    image: Image,
    counters: TwoWay,
    measured: Measured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MeterState {
    counters: TwoWay,
}

impl Meter {
    pub fn new(id: &DeviceId) -> Self {
        Self {
            id: id.clone(),
            image: sunspec::image(id, "Simulated meter", &[ModelInstance::new(203)]),
            counters: TwoWay::used(),
            measured: Measured::default(),
        }
    }

    pub fn restore(&mut self, state: MeterState) {
        self.counters = state.counters;
    }

    pub const fn state(&self) -> MeterState {
        MeterState {
            counters: self.counters,
        }
    }

    pub fn step(&mut self, around: Surroundings, flow: Flow) {
        self.counters.add(flow.power.total(), around.span);
        self.measured = Measured {
            power: Some(flow.power.total()),
            phase_power: Some(flow.power),
            current: Some(flow.current),
            voltage: Some(around.voltage),
            frequency: Some(around.frequency),
            ..Measured::default()
        };
    }

    /// Counters are there before the first step, everything else is not.
    pub fn measured(&self) -> Measured {
        Measured {
            energy_in: Some(self.counters.into.energy()),
            energy_out: Some(self.counters.out.energy()),
            ..self.measured.clone()
        }
    }

    pub fn handle(&mut self, pdu: &[u8]) -> Vec<u8> {
        let measured = self.measured();
        sunspec::keep(&self.id, map::write_meter(&mut self.image, 203, &measured));
        answer(pdu, &mut self.image)
    }
}
