//! go-e chargers: the local HTTP API v2 and the cloud HTTP API v3.
//!
//! | file | what it knows |
//! |---|---|
//! | `announce` | how a charger announces itself in the local network |
//! | `keys` | the key table: access, type, range, secrets, keys that are never null |
//! | `query` | the query string as both interfaces read it |
//! | `value` | the typing and checking of a written value, and the texts of a refusal |
//! | `v1` | the first HTTP API, translated |
//! | `topics` | the topics of a charger at a broker of MQTT |
//! | `registers` | the registers of a charger over Modbus |
//! | `ws` | the WebSocket of a charger: frames and password |
//! | `wire` | the typed reading of a status, one bad key at a time |
//! | `map` | wire words to model values and back |
//! | `client` | reads a real charger, by any of its interfaces, and brings it setpoints |
//! | `server` | what a virtual charger answers, cloud form and local form |
//! | `charger` | a whole charger as its wire sees it, for the simulator |
//! | `error` | refusals of the model in this dialect's words |
//!
//! Not here: sockets, tokens being compared, host names, the choice of a charger (north), physics (sim).
//! Where the knowledge comes from is in `docs/dialects/goe.md`.

pub mod announce;
pub mod charger;
pub mod client;
pub mod error;
pub mod keys;
pub mod map;
pub mod query;
pub mod registers;
pub mod server;
pub mod topics;
pub mod v1;
pub mod value;
pub mod wire;
pub mod ws;

pub use charger::{Charger, ChargerInputs, ChargerOutputs, Quirk, Variant};
pub use client::{Client, Common, GoeClientSettings};

/// What the other rooms call this dialect: documents, the audit log, metrics.
pub const DIALECT: model::dialect::Dialect = model::dialect::Dialect {
    name: "goe",
    title: "go-e",
    switched: "cloud form",
};

#[cfg(test)]
mod tests;
