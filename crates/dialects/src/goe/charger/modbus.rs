//! The charger's registers: functions 3, 4 and 16, and no other.

use model::time::Now;

use super::{Charger, Effect};
use crate::goe::registers::{self, Order, Space};
use crate::modbus::{Exception, Registers, answer, pdu};

/// Writes one register; a charger does not know it (reference 8).
const WRITE_SINGLE: u8 = 6;

impl Charger {
    /// Answers one Modbus request, whatever unit it is for.
    #[must_use]
    pub fn handle_modbus(&mut self, request: &[u8], effect: Effect, now: Now) -> Vec<u8> {
        self.advance(now);
        if request.first() == Some(&WRITE_SINGLE) {
            return pdu::Response::Refused {
                function: WRITE_SINGLE,
                exception: Exception::IllegalFunction,
            }
            .encode();
        }
        // When somebody was here last, from 60.3.
        let rbt = self.inputs.rbt.0;
        match request.first() {
            Some(16) => self.put([("mstw", rbt.into())]),
            Some(3 | 4) => self.put([("mstr", rbt.into())]),
            _ => {}
        }
        answer(
            request,
            &mut Bank {
                charger: self,
                effect,
                now,
            },
        )
    }
}

struct Bank<'a> {
    charger: &'a mut Charger,
    effect: Effect,
    now: Now,
}

impl Bank<'_> {
    fn read(&self, space: Space, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let keys = self.charger.keys();
        registers::read(&keys, space, address, count, Order::of(&keys))
    }
}

impl Registers for Bank<'_> {
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        self.read(Space::Holding, address, count)
    }

    fn read_input(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        self.read(Space::Input, address, count)
    }

    fn write_holding(&mut self, address: u16, values: &[u16]) -> Result<(), Exception> {
        let keys = &self.charger.keys;
        let writes = registers::write(keys, address, values, Order::of(keys))?;
        for (key, value) in writes {
            self.charger
                .write_value(&key, &value, self.effect, self.now)
                .map_err(|_| Exception::IllegalValue)?;
        }
        Ok(())
    }
}
