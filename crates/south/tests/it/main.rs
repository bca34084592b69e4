//! Links against virtual devices on loopback: the client half of a dialect, real sockets, its server half.

// What the test itself sets up cannot fail in a way worth a message.
#![allow(clippy::unwrap_used)]

mod discover;
mod gateway;
mod goe;
mod goe_ways;
mod loggers;
#[allow(dead_code, reason = "its other users end it")]
#[path = "../../../links/tests/it/mosquitto.rs"]
mod mosquitto;
mod site;
mod sunspec;
mod vehicle;
