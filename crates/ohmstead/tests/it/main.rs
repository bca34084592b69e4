//! Tests of the whole: the shape of the workspace, the licences, the binary as its users start it.

mod layout;
mod licences;
mod metadata;
