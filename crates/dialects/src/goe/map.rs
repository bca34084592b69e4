//! Wire words to model values, and back.
//!
//! `south` reads what a real charger says, `north` shows an EVSE of any make as a charger, `set` turns a
//! written key into an intent. Numbers change their units here and nowhere else.

mod north;
mod set;
pub mod south;

pub use north::{About, model_status, overlay, sheet, synthesised};
pub use set::{Plan, Target, plan};
