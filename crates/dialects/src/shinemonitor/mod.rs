//! The ShineMonitor API, which dessmonitor and the apps of many inverter makers speak as well.
//!
//! Everything is one signed `GET /public/?…&action=…`. [`request::read`] takes the raw query apart and finds the
//! action in [`actions::TABLE`]; whoever holds the secrets asks the request whether it is proved. A row then says
//! what it needs beside the [`scene::Scene`] ([`want::Want`]) and turns what was fetched into its answer, which
//! [`wire`] puts into its envelope. Nothing here waits.

pub mod actions;
pub mod client;
pub mod error;
mod map;
mod number;
pub mod params;
pub mod rc4;
pub mod request;
pub mod scene;
pub mod sign;
mod time;
mod titles;
pub mod want;
pub mod wire;

pub use titles::Lang;

/// What the other rooms call this dialect: the audit log, metrics, accounts.
pub const DIALECT: model::dialect::Dialect = model::dialect::Dialect {
    name: "shinemonitor",
    title: "ShineMonitor",
    switched: "answers",
};

#[cfg(test)]
mod tests;
