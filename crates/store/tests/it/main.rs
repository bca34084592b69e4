//! What a store must stand that only whole processes can show.

#![allow(
    clippy::unwrap_used,
    reason = "a helper of a test may fail like the test itself"
)]

mod import;
mod kill;
