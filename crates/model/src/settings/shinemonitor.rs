//! How we appear to ShineMonitor clients.

use serde::{Deserialize, Serialize};

use crate::id::SiteId;
use crate::time::Millis;

/// The ShineMonitor API of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShinemonitorSettings {
    /// The brands whose apps may sign in, by the keys that those apps send; without one nobody can.
    pub company_keys: Vec<String>,
    /// How long a session lives.
    pub expire: Millis,
    /// Whether somebody with a number and its one-time code may make an account.
    #[serde(default)]
    pub registration: bool,
    /// What is said about single plants.
    #[serde(default)]
    pub plants: Vec<ShinemonitorPlant>,
}

impl ShinemonitorSettings {
    /// That of the printed examples, and that of the public portal, which most clients send.
    pub const COMPANY_KEYS: [&'static str; 2] = ["0123456789ABCDEF", "bnrl_frRFjEz8Mkn"];
}

impl Default for ShinemonitorSettings {
    fn default() -> Self {
        Self {
            company_keys: Self::COMPANY_KEYS.map(str::to_owned).into(),
            expire: Millis(7 * 24 * 3_600_000),
            registration: false,
            plants: Vec::new(),
        }
    }
}

/// How one site appears to ShineMonitor clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShinemonitorPlant {
    pub site: SiteId,
    /// The number of what stands for its data logger.
    pub pn: String,
}
