//! The closed loop: a world, the dialect clients and the engine's core under stepped time.

// Figures of a day are for people to read.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod bad_days;
mod closed_loop;
mod day;
mod fleet_day;
mod goe_ways;
#[allow(dead_code, reason = "shared with the tests of links, which use more of it")]
#[path = "../../../links/tests/it/mosquitto.rs"]
mod mosquitto;
mod overload;
mod sessions;
