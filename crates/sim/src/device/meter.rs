//! A three-phase meter behind a fuse.

use model::id::DeviceId;
use model::reading::Measured;
use model::units::MilliHertz;
use serde::{Deserialize, Serialize};

use crate::device::Surroundings;
use crate::physics::Flow;
use crate::physics::counter::TwoWay;

#[derive(Clone, Debug)]
pub(crate) struct Meter {
    counters: TwoWay,
    measured: Measured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MeterState {
    counters: TwoWay,
}

impl Meter {
    pub fn new(_id: &DeviceId) -> Self {
        Self {
            counters: TwoWay::default(),
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
            frequency: Some(MilliHertz(around.frequency.0)),
            energy_in: Some(self.counters.into.energy()),
            energy_out: Some(self.counters.out.energy()),
            ..Measured::default()
        };
    }

    pub fn measured(&self) -> Measured {
        self.measured.clone()
    }
}
