//! The server half: registers that answer requests.
//!
//! Knows no addresses and no device; whoever implements [`Registers`] says what may be read and written.

use super::error::Exception;
use super::pdu::{Request, Response, Table};

/// What stands behind the register addresses of a device. Counts are within the limits of the protocol
/// and `address + count` never runs past 65,536.
pub trait Registers {
    /// # Errors
    /// When any of the registers does not exist.
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception>;

    /// Writes all of the values or none.
    ///
    /// # Errors
    /// When any of the registers does not exist or may not be written.
    fn write_holding(&mut self, address: u16, values: &[u16]) -> Result<(), Exception>;

    /// # Errors
    /// As [`Registers::read_holding`], which is what devices with one map for both tables answer from.
    fn read_input(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        self.read_holding(address, count)
    }
}

/// The response PDU to a request PDU. Always answers: bytes that make no sense get an exception. Coils and
/// discrete inputs are refused, because nothing that we serve has any.
pub fn answer(pdu: &[u8], registers: &mut (impl Registers + ?Sized)) -> Vec<u8> {
    let function = pdu.first().copied().unwrap_or(0);
    Request::decode(pdu)
        .and_then(|request| carry_out(&request, registers))
        .unwrap_or_else(|exception| Response::Refused { function, exception })
        .encode()
}

fn carry_out(request: &Request, registers: &mut (impl Registers + ?Sized)) -> Result<Response, Exception> {
    match request {
        Request::Read {
            table: Table::Holding,
            address,
            count,
        } => {
            let values = registers.read_holding(*address, *count)?;
            Ok(Response::Registers {
                table: Table::Holding,
                values,
            })
        }
        Request::Read {
            table: Table::Input,
            address,
            count,
        } => {
            let values = registers.read_input(*address, *count)?;
            Ok(Response::Registers {
                table: Table::Input,
                values,
            })
        }
        Request::WriteRegister { address, value } => registers
            .write_holding(*address, &[*value])
            .map(|()| request.done()),
        Request::WriteRegisters { address, values } => {
            registers.write_holding(*address, values).map(|()| request.done())
        }
        Request::Read {
            table: Table::Coils | Table::DiscreteInputs,
            ..
        }
        | Request::WriteCoil { .. }
        | Request::WriteCoils { .. } => Err(Exception::IllegalFunction),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Registers 10 to 13.
    struct Four([u16; 4]);

    impl Four {
        fn range(address: u16, count: usize) -> Result<std::ops::Range<usize>, Exception> {
            let start = usize::from(address)
                .checked_sub(10)
                .ok_or(Exception::IllegalAddress)?;
            if start + count > 4 {
                Err(Exception::IllegalAddress)
            } else {
                Ok(start..start + count)
            }
        }
    }

    impl Registers for Four {
        fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
            Self::range(address, usize::from(count)).map(|range| self.0[range].to_vec())
        }
        fn write_holding(&mut self, address: u16, values: &[u16]) -> Result<(), Exception> {
            Self::range(address, values.len()).map(|range| self.0[range].copy_from_slice(values))
        }
    }

    fn check(pdu: &[u8], expected: &[u8]) {
        assert_eq!(answer(pdu, &mut Four([1, 2, 3, 4])), expected, "{pdu:02x?}");
    }

    #[test]
    fn registers_answer_or_refuse() {
        check(&[3, 0, 10, 0, 2], &[3, 4, 0, 1, 0, 2]);
        check(&[4, 0, 13, 0, 1], &[4, 2, 0, 4]);
        check(&[3, 0, 13, 0, 2], &[0x83, 2]);
        check(&[6, 0, 11, 0, 9], &[6, 0, 11, 0, 9]);
        check(&[6, 0, 9, 0, 9], &[0x86, 2]);
        check(&[16, 0, 12, 0, 2, 4, 0, 7, 0, 8], &[16, 0, 12, 0, 2]);
        check(&[1, 0, 10, 0, 1], &[0x81, 1]);
        check(&[0x63], &[0xE3, 1]);
        check(&[], &[0x80, 1]);
    }

    #[test]
    fn a_write_is_read_back() {
        let mut four = Four([0; 4]);
        answer(&[16, 0, 10, 0, 2, 4, 0, 7, 0, 8], &mut four);
        assert_eq!(four.0, [7, 8, 0, 0]);
    }

    proptest! {
        #[test]
        fn every_input_is_answered(pdu in prop::collection::vec(any::<u8>(), 0..260)) {
            prop_assert!(answer(&pdu, &mut Four([0; 4])).len() >= 2);
        }
    }
}
