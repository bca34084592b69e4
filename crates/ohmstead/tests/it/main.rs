//! Tests of the whole: the shape of the workspace, the licences, the binary as its users start it.

// A test that panics has failed, which is what it is for.
#![allow(clippy::unwrap_used)]

mod backup;
mod bad_starts;
#[cfg(feature = "postgres")]
#[path = "../../../store/src/postgres/cluster.rs"]
#[allow(dead_code, reason = "tests of the store need more of it")]
mod cluster;
mod demo;
mod examples;
mod goe_cloud;
mod goe_doors;
mod layout;
mod licences;
mod metadata;
#[cfg(feature = "postgres")]
mod postgres;
mod process;
mod serve;
mod shinemonitor_cloud;
mod shinemonitor_doors;
mod supervision_doors;
mod wire;
