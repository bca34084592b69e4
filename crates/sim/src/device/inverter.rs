//! A three-phase inverter with two strings of panels: SunSpec models 103 and 160.

use dialects::modbus::answer;
use dialects::sunspec::{Image, ImageError, ModelInstance, map};
use model::id::DeviceId;
use model::reading::Measured;
use model::site::Position;
use model::units::{MilliVolts, WattHours, Watts};
use serde::{Deserialize, Serialize};

use crate::device::{Surroundings, sunspec};
use crate::physics::counter::Counter;
use crate::physics::pv::{Pv, PvSettings};
use crate::physics::{Flow, over_three_phases};

#[derive(Clone, Debug)]
pub(crate) struct Inverter {
    id: DeviceId,
    image: Image,
    pv: Pv,
    produced: Counter,
    flow: Flow,
    measured: Measured,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct InverterState {
    produced: Counter,
}

const STRINGS: u16 = 2;
/// A string of sixteen modules in operation.
const STRING_VOLTAGE: MilliVolts = MilliVolts(560_000);
/// `St` and `DCSt`: asleep, and following the point of most power.
const SLEEPING: i64 = 2;
const PRODUCING: i64 = 4;

impl Inverter {
    pub fn new(id: &DeviceId, seed: u64, place: Position, settings: &PvSettings) -> Self {
        let models = [ModelInstance::new(103), ModelInstance::new(160).repeats(STRINGS)];
        Self {
            id: id.clone(),
            image: sunspec::image(id, "Simulated inverter", &models),
            pv: Pv::new(seed, place, settings.clone()),
            produced: Counter::used(),
            flow: Flow::default(),
            measured: Measured::default(),
        }
    }

    pub fn restore(&mut self, state: InverterState) {
        self.produced = state.produced;
    }

    pub const fn state(&self) -> InverterState {
        InverterState {
            produced: self.produced,
        }
    }

    pub const fn flow(&self) -> Flow {
        self.flow
    }

    pub fn step(&mut self, around: Surroundings) {
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
    }

    /// The counter is there before the first step, everything else is not.
    pub fn measured(&self) -> Measured {
        Measured {
            energy_out: Some(self.produced.energy()),
            ..self.measured.clone()
        }
    }

    pub fn handle(&mut self, pdu: &[u8]) -> Vec<u8> {
        let written = self.write();
        sunspec::keep(&self.id, written);
        answer(pdu, &mut self.image)
    }

    fn write(&mut self) -> Result<(), ImageError> {
        let produced = -self.measured.power.unwrap_or_default();
        let state = if produced > Watts::ZERO {
            PRODUCING
        } else {
            SLEEPING
        };
        let measured = self.measured();
        map::write_inverter(&mut self.image, 103, &measured)?;
        self.image.set(103, "St", state)?;
        let panels = Watts(Pv::before_inverter(produced.0));
        self.image.set(103, "DCW", panels)?;
        // Both strings get the same sun; the first is one watt ahead where it does not divide.
        let second = panels / 2;
        for (string, power) in [(0, panels - second), (1, second)] {
            let volts = if produced > Watts::ZERO {
                STRING_VOLTAGE
            } else {
                MilliVolts::ZERO
            };
            let current = power.current_rounded_down(volts, 1);
            let energy = WattHours(Pv::before_inverter(self.produced.energy().0)) / i64::from(STRINGS);
            self.image
                .set_in_block(160, string, "ID", i64::from(string) + 1)?;
            self.image.set_in_block(160, string, "DCA", current)?;
            self.image.set_in_block(160, string, "DCV", volts)?;
            self.image.set_in_block(160, string, "DCW", power)?;
            self.image.set_in_block(160, string, "DCWH", energy)?;
            self.image.set_in_block(160, string, "DCSt", state)?;
        }
        Ok(())
    }
}
