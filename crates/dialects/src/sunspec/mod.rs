//! SunSpec over Modbus: devices that describe themselves by a chain of models.
//!
//! [`Image`] is the server half, [`Client`] the client half, [`map`] the only place that knows how points
//! become readings and what their signs are. Sources: the SunSpec device information
//! model specification 1.1 and the public model definitions, as data in `definitions/sunspec`.

pub mod block;
mod chain;
mod client;
mod image;
pub mod map;
pub mod model;
mod storage;
#[cfg(test)]
mod tests;

pub use chain::Role;
pub use client::{Client, SunspecSettings};
pub use image::{BASE, Image, ImageError, ModelInstance, Write};
pub use storage::Window;
