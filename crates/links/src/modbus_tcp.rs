//! Modbus over TCP, both sides: the frame around a request, connections and their bounds.
//!
//! What a PDU says is not looked at; that is the business of a dialect.

mod client;
mod frame;
mod server;

pub use client::Client;
pub use server::serve;
