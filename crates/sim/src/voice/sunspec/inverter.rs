//! An inverter with two strings of panels: models 103 and 160.

use dialects::sunspec::{Image, ImageError, ModelInstance, map};
use model::units::{MilliVolts, WattHours, Watts};

use super::Registers;
use crate::body::Body;
use crate::physics::pv::Pv;

#[derive(Debug)]
pub(crate) struct InverterRegisters;

const STRINGS: u16 = 2;
/// A string of sixteen modules in operation.
const STRING_VOLTAGE: MilliVolts = MilliVolts(560_000);
/// `St` and `DCSt`: asleep, and following the point of most power.
const SLEEPING: i64 = 2;
const PRODUCING: i64 = 4;

impl Registers for InverterRegisters {
    const MODEL_NAME: &'static str = "Simulated inverter";

    fn models() -> Vec<ModelInstance> {
        vec![ModelInstance::new(103), ModelInstance::new(160).repeats(STRINGS)]
    }

    fn refresh(&self, image: &mut Image, body: &dyn Body) -> Result<(), ImageError> {
        let measured = body.measured();
        let produced = -measured.power.unwrap_or_default();
        let energy = measured.energy_out.unwrap_or_default();
        let state = if produced > Watts::ZERO {
            PRODUCING
        } else {
            SLEEPING
        };
        map::write_inverter(image, 103, &measured)?;
        image.set(103, "St", state)?;
        let panels = Watts(Pv::before_inverter(produced.0));
        image.set(103, "DCW", panels)?;
        // Both strings get the same sun; the first is one watt ahead where it does not divide.
        let second = panels / 2;
        for (string, power) in [(0, panels - second), (1, second)] {
            let volts = if produced > Watts::ZERO {
                STRING_VOLTAGE
            } else {
                MilliVolts::ZERO
            };
            let current = power.current_rounded_down(volts, 1);
            let energy = WattHours(Pv::before_inverter(energy.0)) / i64::from(STRINGS);
            image.set_in_block(160, string, "ID", i64::from(string) + 1)?;
            image.set_in_block(160, string, "DCA", current)?;
            image.set_in_block(160, string, "DCV", volts)?;
            image.set_in_block(160, string, "DCW", power)?;
            image.set_in_block(160, string, "DCWH", energy)?;
            image.set_in_block(160, string, "DCSt", state)?;
        }
        Ok(())
    }
}
