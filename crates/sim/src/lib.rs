//! A site that does not exist.
//!
//! [`physics`] is what happens without any protocol. A device is a body, which is physics with readings, and a voice,
//! which is a wire protocol; [`world`] puts them on one grid and steps them through time. The same run serves tests in memory and, on real ports ([`listen`]), the demonstration. Everything is a function
//! of the settings, the seed and the commands given: same inputs, same trace, on every machine.

mod body;
pub mod cars;
pub mod demo;
mod device;
mod draw;
pub mod fault;
pub mod fleet;
pub mod listen;
mod local;
mod number;
pub mod physics;
mod poller;
pub mod settings;
pub mod truth;
mod voice;
pub mod world;

pub use fault::Fault;
pub use poller::Poller;
pub use settings::WorldSettings;
pub use truth::{EvseTruth, Truth};
pub use voice::{Link, Publication};
pub use world::{RestoreError, World};
