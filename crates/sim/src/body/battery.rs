//! A home battery on three phases.

use model::id::DeviceId;
use model::reading::Measured;
use model::units::Watts;
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyState, Surroundings};
use crate::physics::battery::{Battery, BatterySettings, BatteryState, Bounds};
use crate::physics::{Flow, over_three_phases};
use crate::truth::Truth;

#[derive(Debug)]
pub(crate) struct HomeBattery {
    battery: Battery,
    flow: Flow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct HomeBatteryState {
    battery: BatteryState,
}

impl HomeBattery {
    pub fn new(settings: &BatterySettings) -> Self {
        Self {
            battery: Battery::new(settings.clone()),
            flow: Flow::default(),
        }
    }

    /// Keeps its own logic within bounds from now on.
    pub fn bound(&mut self, bounds: Bounds) {
        self.battery.bound(bounds);
    }
}

impl Body for HomeBattery {
    fn balance(&mut self, around: Surroundings, others: Watts) -> Watts {
        let power = self.battery.step(others, around.span);
        self.flow = Flow::of_power(over_three_phases(power), around.voltage);
        power
    }

    fn flow(&self) -> Flow {
        self.flow
    }

    fn measured(&self) -> Measured {
        let energy = &self.battery.state().energy;
        Measured {
            power: Some(self.battery.power()),
            energy_in: Some(energy.into.energy()),
            energy_out: Some(energy.out.energy()),
            soc: Some(self.battery.soc()),
            ..Measured::default()
        }
    }

    fn show(&self, id: &DeviceId, truth: &mut Truth) {
        truth.battery = truth.battery + self.flow;
        truth.battery_soc.insert(id.clone(), self.battery.soc());
    }

    fn state(&self) -> BodyState {
        BodyState::Battery(HomeBatteryState {
            battery: self.battery.state().clone(),
        })
    }

    /// What it was told before does not survive a restart: it comes back with its own logic.
    fn restore(&mut self, state: BodyState) -> bool {
        let BodyState::Battery(state) = state else {
            return false;
        };
        self.battery = Battery::restored(self.battery.settings().clone(), state.battery);
        true
    }

    fn battery(&mut self) -> Option<&mut HomeBattery> {
        Some(self)
    }
}
