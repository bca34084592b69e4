//! Modbus: the PDU codec, registers that answer, and what every client that speaks it shares.
//!
//! Frames and sockets are the transport's. Devices that describe themselves are [`crate::sunspec`]'s.

pub(crate) mod conversation;
pub mod decimal;
pub mod error;
pub mod pdu;
pub(crate) mod plausible;
pub mod registers;

pub use decimal::Decimal;
pub use error::Exception;
pub use registers::{Registers, answer};
