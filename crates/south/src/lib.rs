//! Links to what reports to us and obeys us.
//!
//! A link is one task per device, or per gateway to several: it drives the client half of a dialect over a
//! transport, puts what it reports on the bus and brings setpoints from the bus to the devices. Links decide nothing: what a device is
//! told is the engine's business, what it says on the wire that of its dialect.
//!
//! Ten devices asked once a second are ten requests of some kilobytes a second; a link waits for almost all
//! of its life and holds one answer at a time.

pub mod arrivals;
mod beside;
mod broker;
mod complaints;
pub mod discover;
mod driver;
mod epoch;
mod eybond;
#[cfg(test)]
mod fake;
mod goe;
mod health;
mod link;
mod modbus;
mod pick;
mod shinemonitor;
mod supervisor;
pub mod tariff;
mod transport;
pub mod vehicle;
mod websocket;

pub use driver::{Loggers, behind, redirect_logger};
pub use health::{DeviceHealth, Found, Health};
pub use supervisor::Supervisor;
