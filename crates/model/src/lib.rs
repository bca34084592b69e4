//! The nouns of a site and their units.
//!
//! Everything that crosses a border between two rooms of the house is defined here: what is measured
//! ([`reading`]), what is asked for ([`intent`]), what is decided ([`setpoint`], [`reason`]), what the
//! others may see ([`view`]) and what travels between them ([`message`]). Nothing here does IO, reads a
//! clock or knows a wire format.

pub mod alarm;
pub mod control;
pub mod decimal;
pub mod device;
pub mod dialect;
pub mod document;
pub mod endpoint;
pub mod gateway;
pub mod grid;
pub mod habits;
pub mod id;
pub mod intent;
pub mod limit;
pub mod message;
pub mod money;
pub mod noun;
pub mod outbox;
pub mod oversight;
pub mod panels;
pub mod phases;
pub mod plant;
pub mod question;
pub mod reading;
pub mod reason;
pub mod rule;
pub mod secret;
pub mod session;
pub mod setpoint;
pub mod settings;
pub mod shinemonitor;
pub mod site;
pub mod spread;
pub mod sun;
pub mod tariff;
pub mod time;
pub mod units;
pub mod user;
pub mod vehicle;
pub mod vendor;
pub mod view;
