//! An authority's books of the operators it watches over.
//!
//! What operators register and report comes in here in types of the model; what it means, what is odd about it
//! and what is dangerous is decided here, whatever dialect it came in and whatever page shows it.
//!
//! - [`Authority`] is what everybody talks to. What it answers is durable.
//! - A report is judged at once as far as its answer needs (`intake`), put into the journal of the store and
//!   worked off soon after (`core`): that moves the image of its port (`book`), counts what is odd (`quality`)
//!   and raises warnings (`risk`). After a crash the rest of the journal is worked off again.
//! - Pure rooms here have no clock and no store; `run` is the one task that has both.

mod authority;
mod book;
mod core;
mod intake;
mod opened;
mod overview;
mod quality;
mod register;
mod risk;
mod run;
mod supervision;
mod terms;
#[cfg(test)]
mod tests;
mod told;
mod views;

pub use authority::Authority;
pub use intake::Usable;
pub use overview::{
    DailyRow, Look, Noted, OperatorOverview, Overview, PortFilter, PortNow, StationOnMap, Tally,
};
pub use risk::{Fired, Problem, Rules, RulesError};
pub use terms::Terms;
pub use told::{MOST_RECORDS, MOST_SAMPLES, Page, Refused, Registered, Told, What};
