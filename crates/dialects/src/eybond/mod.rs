//! Eybond data loggers: small boxes that dial a server and tunnel what inverters say on a serial line.
//!
//! | file | what it is |
//! |---|---|
//! | `frame` | the frames of the uplink |
//! | `parameters` | what a logger tells of itself |
//! | `rtu`, `text` | what it tunnels: Modbus RTU, and the text protocols PI30 and PI18 |
//! | `uplink` | one connection as we hold it |
//! | `at`, `connection` | the text session of newer loggers, and a connection of either kind |
//! | `relay` | what the vendor's cloud is let see and ask of it |
//! | `greeter` | who has connected |
//! | `definition`, `catalogue`, `part` | makes of inverters as data, and what devices of ours are of them |
//! | `control`, `question` | what people may set there, and what they may ask |
//! | `map` | answers become fields and model values |
//! | `redirect` | telling one where to connect |
//! | `client`, `station`, `jobs` | our half: polls all that is behind one logger, and brings it orders |
//! | `logger` | its half, for the simulator |
//!
//! A logger proves nothing: anybody may claim any number. Who gets a seat under one is decided where sockets
//! are. Nothing is written to an inverter but what somebody orders.

mod at;
mod catalogue;
mod client;
mod connection;
mod control;
pub mod definition;
pub mod frame;
mod greeter;
mod jobs;
mod logger;
mod map;
pub mod parameters;
mod part;
mod question;
pub mod redirect;
mod relay;
pub mod rtu;
mod station;
#[cfg(test)]
mod tests;
pub mod text;
mod uplink;

pub use client::{Client, DeviceSettings, LoggerSettings};
pub use definition::Definition;
pub use greeter::Greeter;
pub use logger::{HangsUp, Logger, SerialLine};
pub use part::{Behind, Part};
pub use question::is_question;

/// The name of the dialect, by which documents are known.
pub const DIALECT: &str = "eybond";
