//! Data loggers that dial us.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// Where data loggers connect, and how they are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggerSettings {
    /// Nothing is opened without one.
    pub listen: Vec<SocketAddr>,
    /// How often a logger is told the time; one that leaves two of these without a word is dead.
    pub heartbeat: Millis,
    /// Where the vendor's cloud is, host and port, for loggers that are passed on.
    #[serde(default)]
    pub vendor: Option<String>,
}

impl Default for LoggerSettings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            heartbeat: Millis(60_000),
            vendor: None,
        }
    }
}
