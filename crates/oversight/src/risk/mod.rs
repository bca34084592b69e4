//! What is dangerous: rules over samples, and what they raise.
//!
//! [`Rules`] are data (`definitions/oversight/risks.toml` says how they are written). [`Watch`] remembers for one
//! operator which rules hold at which port, and since when. [`replay`] runs rules over recorded samples.

mod read;
mod replay;
mod rules;
mod watch;

pub use read::{Problem, RulesError};
pub use replay::Fired;
pub(crate) use replay::replay;
pub use rules::Rules;
pub(crate) use rules::View;
pub(crate) use watch::{Held, Moment, Watch};
