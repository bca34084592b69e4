//! What a Modbus device says when it refuses, and what makes a PDU unreadable.

use std::fmt;

/// An exception response. Codes as in the Modbus application protocol 1.1b3, section 7.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exception {
    IllegalFunction,
    IllegalAddress,
    IllegalValue,
    DeviceFailure,
    Acknowledge,
    Busy,
    MemoryParity,
    GatewayPathUnavailable,
    GatewayNoResponse,
    /// A code that the standard does not name.
    Unknown(u8),
}

impl Exception {
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::IllegalFunction => 1,
            Self::IllegalAddress => 2,
            Self::IllegalValue => 3,
            Self::DeviceFailure => 4,
            Self::Acknowledge => 5,
            Self::Busy => 6,
            Self::MemoryParity => 8,
            Self::GatewayPathUnavailable => 10,
            Self::GatewayNoResponse => 11,
            Self::Unknown(code) => code,
        }
    }

    #[must_use]
    pub const fn from_code(code: u8) -> Self {
        match code {
            1 => Self::IllegalFunction,
            2 => Self::IllegalAddress,
            3 => Self::IllegalValue,
            4 => Self::DeviceFailure,
            5 => Self::Acknowledge,
            6 => Self::Busy,
            8 => Self::MemoryParity,
            10 => Self::GatewayPathUnavailable,
            11 => Self::GatewayNoResponse,
            other => Self::Unknown(other),
        }
    }

    /// What an installer should look at.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::IllegalFunction | Self::IllegalAddress | Self::IllegalValue => {
                "check that the model and its definition match"
            }
            Self::DeviceFailure | Self::MemoryParity => "check the device, it reports a fault of its own",
            Self::Acknowledge | Self::Busy => "the device is busy, ask it less often",
            Self::GatewayPathUnavailable | Self::GatewayNoResponse => {
                "check the wiring behind the gateway and the unit id"
            }
            Self::Unknown(_) => "check the manual of the device",
        }
    }
}

impl fmt::Display for Exception {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::IllegalFunction => "illegal function",
            Self::IllegalAddress => "illegal data address",
            Self::IllegalValue => "illegal data value",
            Self::DeviceFailure => "server device failure",
            Self::Acknowledge => "acknowledge",
            Self::Busy => "server device busy",
            Self::MemoryParity => "memory parity error",
            Self::GatewayPathUnavailable => "gateway path unavailable",
            Self::GatewayNoResponse => "gateway target device failed to respond",
            Self::Unknown(_) => "not in the standard",
        };
        write!(f, "exception {} ({name})", self.code())
    }
}

/// Why the bytes of a response are not the answer to the request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    #[error("{length} bytes")]
    Length { length: usize },
    #[error("function {function}")]
    Function { function: u8 },
    #[error("an echo of address {address} and value {value}")]
    Echo { address: u16, value: u16 },
}
