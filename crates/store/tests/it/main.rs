//! What a store must stand that only whole processes can show.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test may fail like the test itself"
)]

mod backend;
mod backup;
#[path = "../../src/postgres/cluster.rs"]
mod cluster;
mod full;
mod import;
mod kill;
mod migrate;
mod synced;
