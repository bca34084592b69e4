//! Tests of the whole: the shape of the workspace, the licences, the binary as its users start it.

// A test that panics has failed, which is what it is for.
#![allow(clippy::unwrap_used)]

mod backup;
mod bad_starts;
mod demo;
mod examples;
mod layout;
mod licences;
mod metadata;
mod process;
mod serve;
