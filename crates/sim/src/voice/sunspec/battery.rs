//! A battery that can be told to charge and discharge: models 124 and 802.

use dialects::modbus::Decimal;
use dialects::sunspec::{Image, ImageError, ModelInstance, Window, map};
use model::setpoint::Action;
use model::time::Millis;
use model::units::{PerMille, Watts};

use super::Registers;
use crate::body::{Body, Surroundings};
use crate::physics::battery::{BatterySettings, Bounds};

#[derive(Debug)]
pub(crate) struct BatteryRegisters {
    settings: BatterySettings,
    /// Since it was told anything.
    untold: Millis,
}

/// Both limits of `StorCtl_Mod`.
const LIMIT_BOTH: i64 = 3;

impl BatteryRegisters {
    pub fn new(settings: &BatterySettings) -> Self {
        Self {
            settings: settings.clone(),
            untold: Millis::ZERO,
        }
    }

    /// Model 124 has one maximum for both directions.
    fn largest_power(&self) -> Watts {
        let settings = &self.settings;
        settings.max_charge.max(settings.max_discharge).max(Watts(1))
    }

    /// Charges (positive) or discharges with this power; `None` hands back to its own logic.
    fn command(
        &mut self,
        image: &mut Image,
        body: &mut dyn Body,
        power: Option<Watts>,
    ) -> Result<(), ImageError> {
        let written = self.write_command(image, power);
        self.obey(image, body);
        written
    }

    fn write_command(&self, image: &mut Image, power: Option<Watts>) -> Result<(), ImageError> {
        let Some(power) = power else {
            return image.set(124, "StorCtl_Mod", 0);
        };
        let full = self.largest_power();
        let hundredths = Watts(power.0.clamp(-full.0, full.0)) * 10_000 / full.0;
        image.set(124, "InWRte", Decimal::new(hundredths.0, -2))?;
        image.set(124, "OutWRte", Decimal::new(-hundredths.0, -2))?;
        image.set(124, "StorCtl_Mod", LIMIT_BOTH)
    }
}

impl Registers for BatteryRegisters {
    const MODEL_NAME: &'static str = "Simulated battery";

    fn models() -> Vec<ModelInstance> {
        vec![ModelInstance::new(124), ModelInstance::new(802)]
    }

    fn describe(&self, image: &mut Image) -> Result<(), ImageError> {
        let settings = &self.settings;
        image.set(124, "WChaMax", self.largest_power())?;
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

    fn refresh(&self, image: &mut Image, body: &dyn Body) -> Result<(), ImageError> {
        map::write_battery(image, &body.measured())
    }

    /// Takes over what model 124 says now.
    fn obey(&mut self, image: &Image, body: &mut dyn Body) {
        let Window { at_least, at_most } = Window::of(image);
        if let Some(battery) = body.battery() {
            battery.bound(Bounds { at_least, at_most });
        }
        self.untold = Millis::ZERO;
    }

    /// A command ends when nobody has repeated it for as long as it said.
    fn lead(
        &mut self,
        image: &mut Image,
        body: &mut dyn Body,
        around: Surroundings,
    ) -> Result<(), ImageError> {
        self.untold = self.untold + around.span;
        let lasts_s = image
            .get(124, "InOutWRte_RvrtTms")
            .and_then(|lasts| lasts.in_steps_of(0));
        if lasts_s.is_some_and(|lasts_s| lasts_s > 0 && self.untold >= Millis::from_seconds(lasts_s)) {
            return self.command(image, body, None);
        }
        Ok(())
    }

    fn act(&mut self, image: &mut Image, body: &mut dyn Body, action: &Action) -> Result<(), ImageError> {
        match action {
            Action::BatteryPower { power } => self.command(image, body, *power),
            Action::Charge { .. }
            | Action::TakeBack { .. }
            | Action::VendorWrite { .. }
            | Action::Order { .. } => Ok(()),
        }
    }
}
