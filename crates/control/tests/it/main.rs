//! Whole cycles against a small site that moves: cars follow, meters lag, devices fall silent.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "tests")]

mod absurd;
mod heap;
mod ramps;
mod safety;
mod scenarios;
mod turns;
mod what_if;
mod world;
