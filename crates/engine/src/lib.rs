//! The cycle: readings in, a frozen image, `control::step`, setpoints out, and the record of it all.
//!
//! [`Core`] is sans-IO: it never awaits, reads a clock or knows a store, so a simulated day needs neither
//! sockets nor a runtime. [`run`] is the only async file; it moves messages between the bus, the store and
//! the core, and keeps time. Nothing here knows a dialect.

mod alarms;
mod books;
mod budgets;
pub mod core;
mod cycle;
mod dispatch;
mod image;
mod intents;
mod ledger;
mod overdraft;
mod recorder;
pub mod run;
mod sessions;
#[cfg(test)]
mod tests;
mod views;

pub use crate::budgets::{BudgetAsk, Owner, Spent};
pub use crate::core::{Core, Record, Restored};
pub use crate::intents::Change;
pub use crate::sessions::Directory;
