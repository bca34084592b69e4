//! A home battery that can be told to charge and discharge.

use model::id::DeviceId;
use model::reading::Measured;
use model::units::{PerMille, Watts};
use serde::{Deserialize, Serialize};

use crate::device::Surroundings;
use crate::physics::battery::{Battery, BatterySettings, BatteryState};
use crate::physics::{Flow, over_three_phases};

#[derive(Clone, Debug)]
pub(crate) struct BatteryDevice {
    battery: Battery,
    flow: Flow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BatteryDeviceState {
    battery: BatteryState,
}

impl BatteryDevice {
    pub fn new(_id: &DeviceId, settings: &BatterySettings) -> Self {
        Self {
            battery: Battery::new(settings.clone()),
            flow: Flow::default(),
        }
    }

    pub fn restore(&mut self, state: BatteryDeviceState) {
        self.battery = Battery::restored(self.battery.settings().clone(), state.battery);
    }

    pub fn state(&self) -> BatteryDeviceState {
        BatteryDeviceState {
            battery: self.battery.state().clone(),
        }
    }

    pub const fn flow(&self) -> Flow {
        self.flow
    }

    pub fn soc(&self) -> PerMille {
        self.battery.soc()
    }

    pub fn command(&mut self, power: Option<Watts>) {
        self.battery.command(power);
    }

    /// `others` is what the rest of the site takes.
    pub fn step(&mut self, around: Surroundings, others: Watts) {
        let power = self.battery.step(others, around.span);
        self.flow = Flow::of_power(over_three_phases(power), around.voltage);
    }

    pub fn measured(&self) -> Measured {
        let energy = &self.battery.state().energy;
        Measured {
            power: Some(self.battery.power()),
            energy_in: Some(energy.into.energy()),
            energy_out: Some(energy.out.energy()),
            soc: Some(self.battery.soc()),
            ..Measured::default()
        }
    }
}
