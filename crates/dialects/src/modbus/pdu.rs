//! Requests and responses of functions 1 to 6, 15 and 16, without their transport frame.
//!
//! Both directions are decoded with bounds checks only: no input panics, and a response is accepted only
//! when function, length and echoed address fit the request it answers. Framing (MBAP, RTU checksum) is
//! the transport's. Source: Modbus application protocol specification 1.1b3, section 6.

use super::error::{DecodeError, Exception};

/// Most registers in one read (functions 3 and 4).
pub const MAX_READ_REGISTERS: u16 = 125;
/// Most registers in one write (function 16).
pub const MAX_WRITE_REGISTERS: u16 = 123;
/// Most coils or discrete inputs in one read (functions 1 and 2).
pub const MAX_READ_BITS: u16 = 2_000;
/// Most coils in one write (function 15).
pub const MAX_WRITE_BITS: u16 = 1_968;

/// Which of the four tables a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    Coils,
    DiscreteInputs,
    Holding,
    Input,
}

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    Read { table: Table, address: u16, count: u16 },
    WriteCoil { address: u16, on: bool },
    WriteRegister { address: u16, value: u16 },
    WriteCoils { address: u16, values: Vec<bool> },
    WriteRegisters { address: u16, values: Vec<u16> },
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    Bits {
        table: Table,
        values: Vec<bool>,
    },
    Registers {
        table: Table,
        values: Vec<u16>,
    },
    /// The request was a write and is done.
    Written {
        function: u8,
        address: u16,
        value: u16,
    },
    Refused {
        function: u8,
        exception: Exception,
    },
}

impl Table {
    const fn function(self) -> u8 {
        match self {
            Self::Coils => 1,
            Self::DiscreteInputs => 2,
            Self::Holding => 3,
            Self::Input => 4,
        }
    }

    const fn holds_bits(self) -> bool {
        matches!(self, Self::Coils | Self::DiscreteInputs)
    }

    const fn max_count(self) -> u16 {
        if self.holds_bits() {
            MAX_READ_BITS
        } else {
            MAX_READ_REGISTERS
        }
    }
}

impl Request {
    #[must_use]
    pub const fn holding(address: u16, count: u16) -> Self {
        Self::Read {
            table: Table::Holding,
            address,
            count,
        }
    }

    #[must_use]
    pub const fn function(&self) -> u8 {
        match self {
            Self::Read { table, .. } => table.function(),
            Self::WriteCoil { .. } => 5,
            Self::WriteRegister { .. } => 6,
            Self::WriteCoils { .. } => 15,
            Self::WriteRegisters { .. } => 16,
        }
    }

    /// The first register or bit that is meant.
    #[must_use]
    pub const fn address(&self) -> u16 {
        match self {
            Self::Read { address, .. }
            | Self::WriteCoil { address, .. }
            | Self::WriteRegister { address, .. }
            | Self::WriteCoils { address, .. }
            | Self::WriteRegisters { address, .. } => *address,
        }
    }

    #[must_use]
    pub const fn is_read(&self) -> bool {
        matches!(self, Self::Read { .. })
    }

    /// The two numbers behind the function code, which writes echo.
    fn head(&self) -> (u16, u16) {
        match self {
            Self::Read { address, count, .. } => (*address, *count),
            Self::WriteCoil { address, on } => (*address, if *on { 0xFF00 } else { 0 }),
            Self::WriteRegister { address, value } => (*address, *value),
            Self::WriteCoils { address, values } => (*address, saturating_count(values.len())),
            Self::WriteRegisters { address, values } => (*address, saturating_count(values.len())),
        }
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (address, second) = self.head();
        let mut pdu = vec![self.function()];
        pdu.extend(address.to_be_bytes());
        pdu.extend(second.to_be_bytes());
        match self {
            Self::Read { .. } | Self::WriteCoil { .. } | Self::WriteRegister { .. } => {}
            Self::WriteCoils { values, .. } => push_counted(&mut pdu, &pack_bits(values)),
            Self::WriteRegisters { values, .. } => push_counted(&mut pdu, &pack_registers(values)),
        }
        pdu
    }

    /// # Errors
    /// The exception a server answers to these bytes.
    pub fn decode(pdu: &[u8]) -> Result<Self, Exception> {
        let Some((&function, body)) = pdu.split_first() else {
            return Err(Exception::IllegalFunction);
        };
        let table = match function {
            1 => Table::Coils,
            2 => Table::DiscreteInputs,
            3 => Table::Holding,
            4 => Table::Input,
            5 | 6 | 15 | 16 => return Self::decode_write(function, body),
            _ => return Err(Exception::IllegalFunction),
        };
        let (address, count, rest) = split_head(body).ok_or(Exception::IllegalValue)?;
        if !rest.is_empty() || count == 0 || count > table.max_count() {
            return Err(Exception::IllegalValue);
        }
        check_end(address, count)?;
        Ok(Self::Read {
            table,
            address,
            count,
        })
    }

    fn decode_write(function: u8, body: &[u8]) -> Result<Self, Exception> {
        let (address, second, rest) = split_head(body).ok_or(Exception::IllegalValue)?;
        match function {
            5 => match (second, rest) {
                (0xFF00, []) => Ok(Self::WriteCoil { address, on: true }),
                (0, []) => Ok(Self::WriteCoil { address, on: false }),
                _ => Err(Exception::IllegalValue),
            },
            6 if rest.is_empty() => Ok(Self::WriteRegister {
                address,
                value: second,
            }),
            6 => Err(Exception::IllegalValue),
            15 => {
                let bytes = counted(rest, usize::from(second).div_ceil(8)).ok_or(Exception::IllegalValue)?;
                if second == 0 || second > MAX_WRITE_BITS {
                    return Err(Exception::IllegalValue);
                }
                check_end(address, second)?;
                Ok(Self::WriteCoils {
                    address,
                    values: unpack_bits(bytes, second),
                })
            }
            _ => {
                let bytes = counted(rest, usize::from(second) * 2).ok_or(Exception::IllegalValue)?;
                if second == 0 || second > MAX_WRITE_REGISTERS {
                    return Err(Exception::IllegalValue);
                }
                check_end(address, second)?;
                Ok(Self::WriteRegisters {
                    address,
                    values: unpack_registers(bytes),
                })
            }
        }
    }

    /// The answer of a server that has done as asked, for a write.
    #[must_use]
    pub fn done(&self) -> Response {
        let (address, value) = self.head();
        Response::Written {
            function: self.function(),
            address,
            value,
        }
    }
}

impl Response {
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Bits { table, values } => {
                let mut pdu = vec![table.function()];
                push_counted(&mut pdu, &pack_bits(values));
                pdu
            }
            Self::Registers { table, values } => {
                let mut pdu = vec![table.function()];
                push_counted(&mut pdu, &pack_registers(values));
                pdu
            }
            Self::Written {
                function,
                address,
                value,
            } => {
                let mut pdu = vec![*function];
                pdu.extend(address.to_be_bytes());
                pdu.extend(value.to_be_bytes());
                pdu
            }
            Self::Refused { function, exception } => vec![function | 0x80, exception.code()],
        }
    }

    /// Reads `pdu` as the answer to `request`.
    ///
    /// # Errors
    /// When it is of another function, has another length, or echoes something else.
    pub fn decode(pdu: &[u8], request: &Request) -> Result<Self, DecodeError> {
        let length = DecodeError::Length { length: pdu.len() };
        let Some((&function, body)) = pdu.split_first() else {
            return Err(length);
        };
        if function == request.function() | 0x80 {
            let [code] = body else { return Err(length) };
            let exception = Exception::from_code(*code);
            return Ok(Self::Refused {
                function: request.function(),
                exception,
            });
        }
        if function != request.function() {
            return Err(DecodeError::Function { function });
        }
        match request {
            Request::Read { table, count, .. } if table.holds_bits() => {
                let bytes = counted(body, usize::from(*count).div_ceil(8)).ok_or(length)?;
                Ok(Self::Bits {
                    table: *table,
                    values: unpack_bits(bytes, *count),
                })
            }
            Request::Read { table, count, .. } => {
                let bytes = counted(body, usize::from(*count) * 2).ok_or(length)?;
                Ok(Self::Registers {
                    table: *table,
                    values: unpack_registers(bytes),
                })
            }
            Request::WriteCoil { .. }
            | Request::WriteRegister { .. }
            | Request::WriteCoils { .. }
            | Request::WriteRegisters { .. } => {
                let (address, value, rest) = split_head(body).ok_or(length.clone())?;
                if !rest.is_empty() {
                    return Err(length);
                }
                if (address, value) != request.head() {
                    return Err(DecodeError::Echo { address, value });
                }
                Ok(Self::Written {
                    function,
                    address,
                    value,
                })
            }
        }
    }
}

/// Lists longer than any limit keep a count that every decoder refuses.
fn saturating_count(length: usize) -> u16 {
    u16::try_from(length).unwrap_or(u16::MAX)
}

fn check_end(address: u16, count: u16) -> Result<(), Exception> {
    match u32::from(address) + u32::from(count) {
        0..=0x1_0000 => Ok(()),
        _ => Err(Exception::IllegalAddress),
    }
}

fn split_head(body: &[u8]) -> Option<(u16, u16, &[u8])> {
    let (head, rest) = body.split_first_chunk::<4>()?;
    let [a, b, c, d] = *head;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]), rest))
}

/// The bytes behind a byte count, when both are exactly `expected`.
fn counted(body: &[u8], expected: usize) -> Option<&[u8]> {
    let (&count, bytes) = body.split_first()?;
    (usize::from(count) == expected && bytes.len() == expected).then_some(bytes)
}

fn push_counted(pdu: &mut Vec<u8>, bytes: &[u8]) {
    pdu.push(u8::try_from(bytes.len()).unwrap_or(u8::MAX));
    pdu.extend(bytes);
}

fn pack_registers(values: &[u16]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn unpack_registers(bytes: &[u8]) -> Vec<u16> {
    bytes
        .as_chunks::<2>()
        .0
        .iter()
        .map(|pair| u16::from_be_bytes(*pair))
        .collect()
}

fn pack_bits(values: &[bool]) -> Vec<u8> {
    values
        .chunks(8)
        .map(|bits| {
            bits.iter()
                .enumerate()
                .fold(0, |byte, (i, on)| byte | (u8::from(*on) << i))
        })
        .collect()
}

fn unpack_bits(bytes: &[u8], count: u16) -> Vec<bool> {
    (0..usize::from(count))
        .map(|i| bytes.get(i / 8).is_some_and(|byte| byte & (1 << (i % 8)) != 0))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(bytes: &[u8], expected: Result<Request, Exception>) {
        assert_eq!(Request::decode(bytes), expected, "{bytes:02x?}");
        if let Ok(request) = expected {
            assert_eq!(request.encode(), bytes, "{request:?}");
        }
    }

    #[test]
    fn requests_read_and_write_the_bytes_of_the_specification() {
        let read = |table, address, count| {
            Ok(Request::Read {
                table,
                address,
                count,
            })
        };
        check(&[1, 0x00, 0x13, 0x00, 0x13], read(Table::Coils, 0x13, 0x13));
        check(
            &[2, 0x00, 0xC4, 0x00, 0x16],
            read(Table::DiscreteInputs, 0xC4, 0x16),
        );
        check(&[3, 0x00, 0x6B, 0x00, 0x03], read(Table::Holding, 0x6B, 3));
        check(&[4, 0x00, 0x08, 0x00, 0x01], read(Table::Input, 8, 1));
        check(
            &[5, 0x00, 0xAC, 0xFF, 0x00],
            Ok(Request::WriteCoil {
                address: 0xAC,
                on: true,
            }),
        );
        check(
            &[6, 0x00, 0x01, 0x00, 0x03],
            Ok(Request::WriteRegister { address: 1, value: 3 }),
        );
        check(
            &[15, 0x00, 0x13, 0x00, 0x0A, 0x02, 0xCD, 0x01],
            Ok(Request::WriteCoils {
                address: 0x13,
                values: [1, 0, 1, 1, 0, 0, 1, 1, 1, 0].map(|bit| bit == 1).to_vec(),
            }),
        );
        check(
            &[16, 0x00, 0x01, 0x00, 0x02, 0x04, 0x00, 0x0A, 0x01, 0x02],
            Ok(Request::WriteRegisters {
                address: 1,
                values: vec![0x0A, 0x0102],
            }),
        );
    }

    #[test]
    fn bad_requests_get_the_exception_of_the_specification() {
        check(&[], Err(Exception::IllegalFunction));
        check(&[43, 14, 1, 0], Err(Exception::IllegalFunction));
        check(&[3, 0, 0, 0, 0], Err(Exception::IllegalValue));
        check(&[3, 0, 0, 0, 126], Err(Exception::IllegalValue));
        check(&[3, 0, 0, 0], Err(Exception::IllegalValue));
        check(&[3, 0, 0, 0, 1, 0], Err(Exception::IllegalValue));
        check(&[3, 0xFF, 0xFF, 0, 2], Err(Exception::IllegalAddress));
        check(&[3, 0xFF, 0xFF, 0, 1], Ok(Request::holding(0xFFFF, 1)));
        check(&[5, 0, 0, 0x12, 0x34], Err(Exception::IllegalValue));
        check(&[16, 0, 0, 0, 2, 4, 0, 1, 0], Err(Exception::IllegalValue));
        check(&[16, 0, 0, 0, 0, 0], Err(Exception::IllegalValue));
    }

    #[test]
    fn a_response_must_fit_its_request() {
        let request = Request::holding(0x6B, 2);
        let decode = |bytes: &[u8]| Response::decode(bytes, &request);
        let values = vec![0x022B, 0x0001];
        assert_eq!(
            decode(&[3, 4, 2, 0x2B, 0, 1]),
            Ok(Response::Registers {
                table: Table::Holding,
                values
            })
        );
        let refused = Response::Refused {
            function: 3,
            exception: Exception::IllegalAddress,
        };
        assert_eq!(decode(&[0x83, 2]), Ok(refused));
        assert_eq!(decode(&[]), Err(DecodeError::Length { length: 0 }));
        assert_eq!(decode(&[0x83]), Err(DecodeError::Length { length: 1 }));
        assert_eq!(decode(&[3, 2, 0, 1]), Err(DecodeError::Length { length: 4 }));
        assert_eq!(
            decode(&[3, 4, 2, 0x2B, 0]),
            Err(DecodeError::Length { length: 5 })
        );
        assert_eq!(
            decode(&[3, 4, 2, 0x2B, 0, 1, 9]),
            Err(DecodeError::Length { length: 7 })
        );
        assert_eq!(
            decode(&[4, 4, 2, 0x2B, 0, 1]),
            Err(DecodeError::Function { function: 4 })
        );
        let write = Request::WriteRegisters {
            address: 7,
            values: vec![1, 2],
        };
        let echo = Response::decode(&[16, 0, 7, 0, 3], &write);
        assert_eq!(echo, Err(DecodeError::Echo { address: 7, value: 3 }));
        assert_eq!(Response::decode(&[16, 0, 7, 0, 2], &write), Ok(write.done()));
    }

    fn any_request() -> impl Strategy<Value = Request> {
        let table = prop_oneof![
            Just(Table::Coils),
            Just(Table::DiscreteInputs),
            Just(Table::Holding),
            Just(Table::Input)
        ];
        prop_oneof![
            (table, 0..65_000u16, 1..=125u16).prop_map(|(table, address, count)| Request::Read {
                table,
                address,
                count
            }),
            (any::<u16>(), any::<bool>()).prop_map(|(address, on)| Request::WriteCoil { address, on }),
            (any::<u16>(), any::<u16>())
                .prop_map(|(address, value)| Request::WriteRegister { address, value }),
            (0..60_000u16, prop::collection::vec(any::<bool>(), 1..1_968))
                .prop_map(|(address, values)| Request::WriteCoils { address, values }),
            (0..60_000u16, prop::collection::vec(any::<u16>(), 1..123))
                .prop_map(|(address, values)| Request::WriteRegisters { address, values }),
        ]
    }

    proptest! {
        #[test]
        fn requests_survive_the_wire(request in any_request()) {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }

        #[test]
        fn decoders_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), request in any_request()) {
            let _ = Request::decode(&bytes);
            if let Ok(response) = Response::decode(&bytes, &request) {
                prop_assert_eq!(Response::decode(&response.encode(), &request), Ok(response));
            }
        }
    }
}
