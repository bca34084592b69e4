//! The interface by which operators of charging stations report to a platform that supervises them.
//!
//! Every name on the wire is data ([`definition`]). [`request`] reads what operators ask: who signed it
//! ([`sign`]), and the body straight into the nouns of [`model::oversight`], with findings for what is odd.
//! [`server`] words the answers, [`callback`] is what the platform asks of operators, both sides of it. [`client`]
//! is an operator that reports, [`site`] makes of our own sites what it reports.

pub mod callback;
pub mod client;
pub mod definition;
pub mod error;
pub mod map;
mod read;
pub mod request;
pub mod server;
pub mod sign;
pub mod site;
pub mod time;

/// What the other rooms call this dialect: the audit log, metrics, accounts.
pub const DIALECT: model::dialect::Dialect = model::dialect::Dialect {
    name: "supervision",
    title: "ChargingStation supervision",
    switched: "answers",
};

#[cfg(test)]
mod tests;
