//! A three-phase inverter with two strings of panels.

use model::id::DeviceId;
use model::reading::Measured;
use model::site::Position;
use model::units::Watts;
use serde::{Deserialize, Serialize};

use crate::device::Surroundings;
use crate::physics::counter::TwoWay;
use crate::physics::pv::{Pv, PvSettings};
use crate::physics::{Flow, over_three_phases};

#[derive(Clone, Debug)]
pub(crate) struct Inverter {
    pv: Pv,
    counters: TwoWay,
    flow: Flow,
    measured: Measured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InverterState {
    counters: TwoWay,
}

impl Inverter {
    pub fn new(_id: &DeviceId, seed: u64, place: Position, settings: &PvSettings) -> Self {
        Self {
            pv: Pv::new(seed, place, settings.clone()),
            counters: TwoWay::default(),
            flow: Flow::default(),
            measured: Measured::default(),
        }
    }

    pub fn restore(&mut self, state: InverterState) {
        self.counters = state.counters;
    }

    pub const fn state(&self) -> InverterState {
        InverterState {
            counters: self.counters,
        }
    }

    pub const fn flow(&self) -> Flow {
        self.flow
    }

    pub fn step(&mut self, around: Surroundings) {
        let power: Watts = -self.pv.production(around.at);
        self.flow = Flow::of_power(over_three_phases(power), around.voltage);
        self.counters.add(power, around.span);
        self.measured = Measured {
            power: Some(power),
            phase_power: Some(self.flow.power),
            current: Some(self.flow.current),
            voltage: Some(around.voltage),
            frequency: Some(around.frequency),
            energy_out: Some(self.counters.out.energy()),
            ..Measured::default()
        };
    }

    pub fn measured(&self) -> Measured {
        self.measured.clone()
    }
}
