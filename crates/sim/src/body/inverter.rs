//! A three-phase inverter under a roof full of panels.

use model::reading::Measured;
use model::site::Position;
use model::units::Watts;
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyState, Surroundings};
use crate::physics::counter::Counter;
use crate::physics::pv::{Pv, PvSettings};
use crate::physics::{Flow, over_three_phases};
use crate::truth::Truth;

#[derive(Debug)]
pub(crate) struct Inverter {
    pv: Pv,
    produced: Counter,
    flow: Flow,
    measured: Measured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InverterState {
    produced: Counter,
}

impl Inverter {
    pub fn new(seed: u64, place: Position, settings: &PvSettings) -> Self {
        Self {
            pv: Pv::new(seed, place, settings.clone()),
            produced: Counter::used(),
            flow: Flow::default(),
            measured: Measured::default(),
        }
    }
}

impl Body for Inverter {
    fn live(&mut self, around: Surroundings) -> Watts {
        let power = -self.pv.production(around.now.wall);
        self.flow = Flow::of_power(over_three_phases(power), around.voltage);
        self.produced.add(-power, around.span);
        self.measured = Measured {
            power: Some(power),
            phase_power: Some(self.flow.power),
            current: Some(self.flow.current),
            voltage: Some(around.voltage),
            frequency: Some(around.frequency),
            ..Measured::default()
        };
        power
    }

    fn flow(&self) -> Flow {
        self.flow
    }

    fn measured(&self) -> Measured {
        Measured {
            energy_out: Some(self.produced.energy()),
            ..self.measured.clone()
        }
    }

    fn show(&self, _: &model::id::DeviceId, truth: &mut Truth) {
        truth.pv = truth.pv + self.flow;
    }

    fn state(&self) -> BodyState {
        BodyState::Inverter(InverterState {
            produced: self.produced,
        })
    }

    fn restore(&mut self, state: BodyState) -> bool {
        let BodyState::Inverter(state) = state else {
            return false;
        };
        self.produced = state.produced;
        true
    }
}
