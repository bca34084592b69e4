//! A home battery that can be told to charge and discharge: SunSpec models 124 and 802.

use dialects::modbus::{Decimal, answer};
use dialects::sunspec::{Image, ImageError, ModelInstance, Window, map};
use model::id::DeviceId;
use model::reading::Measured;
use model::time::Millis;
use model::units::{PerMille, Watts};
use serde::{Deserialize, Serialize};

use crate::device::{Surroundings, sunspec};
use crate::physics::battery::{Battery, BatterySettings, BatteryState, Bounds};
use crate::physics::{Flow, over_three_phases};

#[derive(Clone, Debug)]
pub(crate) struct BatteryDevice {
    id: DeviceId,
    image: Image,
    battery: Battery,
    /// Since it was told anything.
    untold: Millis,
    flow: Flow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct BatteryDeviceState {
    battery: BatteryState,
}

/// Both limits of `StorCtl_Mod`.
const LIMIT_BOTH: i64 = 3;

impl BatteryDevice {
    pub fn new(id: &DeviceId, settings: &BatterySettings) -> Self {
        let mut image = sunspec::image(
            id,
            "Simulated battery",
            &[ModelInstance::new(124), ModelInstance::new(802)],
        );
        sunspec::keep(id, describe(&mut image, settings));
        Self {
            id: id.clone(),
            image,
            battery: Battery::new(settings.clone()),
            untold: Millis::ZERO,
            flow: Flow::default(),
        }
    }

    /// What it was told before does not survive a restart: it comes back with its own logic.
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

    /// Charges (positive) or discharges with this power; `None` hands back to its own logic.
    pub fn command(&mut self, power: Option<Watts>) {
        let told = self.write_command(power);
        sunspec::keep(&self.id, told);
        self.obey();
    }

    fn write_command(&mut self, power: Option<Watts>) -> Result<(), ImageError> {
        let Some(power) = power else {
            return self.image.set(124, "StorCtl_Mod", 0);
        };
        let full = largest_power(self.battery.settings());
        let hundredths = Watts(power.0.clamp(-full.0, full.0)) * 10_000 / full.0;
        self.image.set(124, "InWRte", Decimal::new(hundredths.0, -2))?;
        self.image.set(124, "OutWRte", Decimal::new(-hundredths.0, -2))?;
        self.image.set(124, "StorCtl_Mod", LIMIT_BOTH)
    }

    /// Takes over what model 124 says now.
    fn obey(&mut self) {
        let Window { at_least, at_most } = Window::of(&self.image);
        self.battery.bound(Bounds { at_least, at_most });
        self.untold = Millis::ZERO;
    }

    /// `others` is what the rest of the site takes.
    pub fn step(&mut self, around: Surroundings, others: Watts) {
        self.untold = self.untold + around.span;
        self.forget_old_command();
        let power = self.battery.step(others, around.span);
        self.flow = Flow::of_power(over_three_phases(power), around.voltage);
    }

    /// A command ends when nobody has repeated it for as long as it said.
    fn forget_old_command(&mut self) {
        let lasts_s = self
            .image
            .get(124, "InOutWRte_RvrtTms")
            .and_then(|lasts| lasts.in_steps_of(0));
        if lasts_s.is_some_and(|lasts_s| lasts_s > 0 && self.untold >= Millis::from_seconds(lasts_s)) {
            self.command(None);
        }
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

    /// A deaf battery acknowledges a write and forgets it.
    pub fn handle(&mut self, pdu: &[u8], is_deaf: bool) -> Vec<u8> {
        let measured = self.measured();
        sunspec::keep(&self.id, map::write_battery(&mut self.image, &measured));
        if is_deaf {
            return answer(pdu, &mut self.image.clone());
        }
        let reply = answer(pdu, &mut self.image);
        if !self.image.take_writes().is_empty() {
            self.obey();
        }
        reply
    }
}

/// Model 124 has one maximum for both directions.
fn largest_power(settings: &BatterySettings) -> Watts {
    settings.max_charge.max(settings.max_discharge).max(Watts(1))
}

/// What does not change while it runs.
fn describe(image: &mut Image, settings: &BatterySettings) -> Result<(), ImageError> {
    image.set(124, "WChaMax", largest_power(settings))?;
    image.set(124, "StorCtl_Mod", 0)?;
    image.set(124, "InWRte", 100)?;
    image.set(124, "OutWRte", 100)?;
    image.set(124, "InOutWRte_RvrtTms", 0)?;
    image.set(124, "MinRsvPct", settings.min_soc)?;
    image.set(802, "WHRtg", settings.capacity)?;
    image.set(802, "WChaRteMax", settings.max_charge)?;
    image.set(802, "WDisChaRteMax", settings.max_discharge)?;
    image.set(802, "SoCMax", PerMille(1_000))?;
    image.set(802, "SoCMin", settings.min_soc)
}
