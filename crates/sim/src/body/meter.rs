//! A three-phase meter behind a fuse.

use model::reading::Measured;
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyState, Surroundings};
use crate::physics::Flow;
use crate::physics::counter::TwoWay;

#[derive(Debug)]
pub(crate) struct Meter {
    counters: TwoWay,
    measured: Measured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MeterState {
    counters: TwoWay,
}

impl Meter {
    pub fn new() -> Self {
        Self {
            counters: TwoWay::used(),
            measured: Measured::default(),
        }
    }
}

impl Body for Meter {
    fn measure(&mut self, around: Surroundings, through: Flow) {
        self.counters.add(through.power.total(), around.span);
        self.measured = Measured {
            power: Some(through.power.total()),
            phase_power: Some(through.power),
            current: Some(through.current),
            voltage: Some(around.voltage),
            frequency: Some(around.frequency),
            ..Measured::default()
        };
    }

    fn measured(&self) -> Measured {
        Measured {
            energy_in: Some(self.counters.into.energy()),
            energy_out: Some(self.counters.out.energy()),
            ..self.measured.clone()
        }
    }

    fn state(&self) -> BodyState {
        BodyState::Meter(MeterState {
            counters: self.counters,
        })
    }

    fn restore(&mut self, state: BodyState) -> bool {
        let BodyState::Meter(state) = state else {
            return false;
        };
        self.counters = state.counters;
        true
    }
}
