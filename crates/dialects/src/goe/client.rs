//! Talk to one real charger: read it, bring it setpoints, by whichever interface it is reached.
//!
//! A setpoint becomes `amp`, `frc` and, when a phase count is wished, `psm`: paused is `frc=1`; charging is
//! `amp=N` (whole amperes, rounded down) with `frc=2`, because the charger's own tariff, schedule and surplus
//! logic must not decide against ours. Only keys that differ from what the charger shows are written: `amp`
//! wears its flash. `frc` falls back to 0 when a car is unplugged; then, as whenever the charger shows
//! something else than it was told, it is told again: [`MOST_REPEATS`] times every three seconds, then once a
//! minute. What is reported is always what the charger says.
//!
//! | file | what it does |
//! |---|---|
//! | `tracker` | what is known of the charger, what it shall do, what is reported; the same for every way |
//! | `document` | everything it ever said, as the text that leaves |
//! | `target` | the setpoint and what has to be written for it |
//! | `foreign` | somebody else wrote: noticing it, and what stands |
//! | `http` | the local HTTP API v2, and the cloud's v3 |
//! | `websocket` | the WebSocket |
//! | `mqtt` | the broker that the charger publishes to |
//! | `modbus` | the registers of Modbus TCP |
//!
//! Not here: sockets and their time limits; whether the charger answers (`crate::attempts`).

mod document;
mod foreign;
mod http;
pub mod modbus;
pub mod mqtt;
mod target;
mod tracker;
pub mod websocket;

use model::device::ForeignPolicy;
use model::id::EvseId;
use model::setpoint::ChargeCurrent;
use model::time::Millis;

pub use http::{Client, GoeClientSettings};

use crate::attempts::Waits;

/// How often a setpoint that the charger does not show is sent again before the pace slows down.
pub const MOST_REPEATS: u32 = 5;

/// After the first, second, … failure in a row.
const WAITS: Waits = Waits::Steps(&[1_000, 2_000, 5_000, 10_000]);

/// What is the same for every way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    pub evse: EvseId,
    /// Between two reports of what did not change; also between two polls, where there are any.
    pub poll: Millis,
    pub foreign: ForeignPolicy,
    /// To be programmed into the charger.
    pub fall_back: Option<ChargeCurrent>,
}

impl Common {
    #[must_use]
    pub fn new(evse: EvseId, poll: Millis) -> Self {
        Self {
            evse,
            poll,
            foreign: ForeignPolicy::default(),
            fall_back: None,
        }
    }
}
