//! What can be set at a simulated storage inverter, in both of its languages. It remembers how it is set; its physics
//! does not care.

use dialects::modbus::Exception;
use serde::{Deserialize, Serialize};

/// How an inverter is set. Currents are in tenths of an ampere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Knobs {
    output_priority: u16,
    input_range: u16,
    buzzer: u16,
    charger_priority: u16,
    max_charge: u16,
    max_ac_charge: u16,
    /// With mains: stop, resume; without: of the second output, of the first.
    soc: [u16; 4],
    full: u16,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            output_priority: 2,
            input_range: 0,
            buzzer: 3,
            charger_priority: 3,
            max_charge: 600,
            max_ac_charge: 300,
            soc: [20, 40, 15, 10],
            full: 100,
        }
    }
}

/// The most that this machine charges with, in tenths of an ampere.
const MOST_CHARGE: u16 = 1_200;
const MOST_AC_CHARGE: u16 = 600;

impl Knobs {
    /// As the sheet of "protocol 11" numbers them.
    pub fn register(&self, address: u16) -> Option<&u16> {
        let [stop, resume, second, first] = &self.soc;
        Some(match address {
            301 => &self.output_priority,
            302 => &self.input_range,
            303 => &self.buzzer,
            331 => &self.charger_priority,
            332 => &self.max_charge,
            333 => &self.max_ac_charge,
            341 => stop,
            342 => resume,
            343 => second,
            344 => first,
            347 => &self.full,
            _ => return None,
        })
    }

    fn register_mut(&mut self, address: u16) -> Option<&mut u16> {
        let [stop, resume, second, first] = &mut self.soc;
        Some(match address {
            301 => &mut self.output_priority,
            302 => &mut self.input_range,
            303 => &mut self.buzzer,
            331 => &mut self.charger_priority,
            332 => &mut self.max_charge,
            333 => &mut self.max_ac_charge,
            341 => stop,
            342 => resume,
            343 => second,
            344 => first,
            347 => &mut self.full,
            _ => return None,
        })
    }

    /// What does not fit the others is refused, as that sheet has it.
    pub fn set(&mut self, address: u16, value: u16) -> Result<(), Exception> {
        let [stop, resume, second, first] = self.soc;
        let fits = match address {
            301 | 303 => value <= 3,
            302 => value <= 2,
            331 => (1..=3).contains(&value),
            332 => (self.max_ac_charge.max(100)..=MOST_CHARGE).contains(&value),
            333 => (50..=self.max_charge.min(MOST_AC_CHARGE)).contains(&value),
            341 => value > second && value < resume && value <= 96,
            342 => value > stop && value <= self.full,
            343 => value >= first && value < stop,
            344 => value <= second,
            347 => value >= resume.max(20) && value <= 100,
            _ => return Err(Exception::IllegalFunction),
        };
        let knob = self.register_mut(address).filter(|_| fits);
        *knob.ok_or(Exception::IllegalValue)? = value;
        Ok(())
    }

    /// The rating and the settings of a PI30 machine of 5 kVA at 48 V.
    pub fn qpiri(&self) -> String {
        let (ac, all) = (self.max_ac_charge / 10, self.max_charge / 10);
        let (input, output, charger) = (self.input_range, self.output_priority, self.charger_priority);
        format!(
            "230.0 21.7 230.0 50.0 21.7 5000 5000 48.0 46.0 42.0 56.4 54.0 2 {ac:02} {all:03} {input} {output} \
             {charger} 9 01 0 0 54.0 0 1"
        )
    }

    /// A command of PI30. `false`: NAK.
    pub fn take(&mut self, command: &str) -> bool {
        let number = |digits: &str| digits.parse::<u16>().ok();
        let told = |prefix: &str| command.strip_prefix(prefix).and_then(number);
        let (knob, value) = if let Some(priority) = told("POP0").filter(|priority| *priority <= 2) {
            (&mut self.output_priority, priority)
        } else if let Some(priority) = told("PCP0").filter(|priority| *priority <= 3) {
            (&mut self.charger_priority, priority)
        } else if let Some(range) = told("PGR0").filter(|range| *range <= 1) {
            (&mut self.input_range, range)
        } else if let Some(amps) = told("MUCHGC0").filter(|amps| [2, 10, 20, 30, 40, 50, 60].contains(amps)) {
            (&mut self.max_ac_charge, amps * 10)
        } else if let Some(amps) = told("MCHGC0").filter(|amps| (1..=8).any(|tens| tens * 10 == *amps)) {
            (&mut self.max_charge, amps * 10)
        } else {
            return false;
        };
        *knob = value;
        true
    }
}
