//! Modbus: the PDU codec, registers that answer, and a client for devices that a definition file describes.
//!
//! Frames and sockets are the transport's. Devices that describe themselves are [`crate::sunspec`]'s, which
//! shares the codec and the conversation.

mod catalogue;
mod client;
pub(crate) mod conversation;
pub mod decimal;
pub mod definition;
pub mod error;
mod map;
pub mod pdu;
pub(crate) mod plausible;
pub mod poll_plan;
pub mod register;
pub mod registers;
#[cfg(test)]
mod tests;

pub use client::{Client, ModbusSettings};
pub use decimal::Decimal;
pub use definition::{Definition, DefinitionError, DeviceRole};
pub use error::Exception;
pub use registers::{Registers, answer};
