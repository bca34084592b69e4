//! The cycle: readings in, a frozen image, `control::step`, setpoints out, and the record of it all.
//!
//! [`Core`] is sans-IO: it never awaits, reads a clock or knows a store, so a simulated day needs neither
//! sockets nor a runtime. [`run`] moves messages between the bus, the store and the core, and keeps time; what is
//! to be written goes through `writer`, which no disk holds up. Nothing here knows a dialect.

mod alarms;
mod aside;
mod backlog;
mod books;
mod budgets;
pub mod core;
mod cycle;
mod dimming;
mod dispatch;
mod image;
mod intents;
mod ledger;
mod overdraft;
mod questions;
mod record;
mod recorder;
mod rules;
pub mod run;
mod sessions;
#[cfg(test)]
mod tests;
mod tickets;
mod views;
mod writer;

pub use crate::budgets::{BudgetAsk, Owner, Spent};
pub use crate::core::{Core, Restored};
pub use crate::intents::Change;
pub use crate::record::{Books, Record};
pub use crate::sessions::Directory;
pub use crate::tickets::{Verdict, Write};
