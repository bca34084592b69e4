//! The typed configuration. How a file becomes one of these, with all its problems found at once, is in
//! the binary's `config`.

use serde::{Deserialize, Serialize};

use crate::site::Site;
use crate::time::Millis;

/// Everything that one process needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub listen: std::net::SocketAddr,
    /// Names, beside IP literals and `localhost`, under which the server answers. Others are refused, so
    /// that a foreign page cannot read the site by DNS rebinding.
    pub host_names: Vec<String>,
    pub control: ControlSettings,
    pub goe: GoeSettings,
    /// The first one is the default site of dialects that know only one.
    pub sites: Vec<Site>,
}

/// How the control cycle runs. Defaults are those of `docs/guide/control.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSettings {
    /// A cycle at least this often.
    pub period: Millis,
    /// Sun and room must last this long before a car starts.
    pub start_delay_solar: Millis,
    pub start_delay_grid: Millis,
    /// Without sun, the minimum is held this long before a pause.
    pub stop_delay: Millis,
    pub min_on: Millis,
    pub min_off: Millis,
    /// Increases are judged by the highest load of this window.
    pub rise_window: Millis,
    /// A charging station that has not followed by then counts as failed.
    pub ack_timeout: Millis,
    /// A charging station is silent after this long.
    pub station_timeout: Millis,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            period: Millis(1_000),
            start_delay_solar: Millis(60_000),
            start_delay_grid: Millis(10_000),
            stop_delay: Millis(180_000),
            min_on: Millis(300_000),
            min_off: Millis(300_000),
            rise_window: Millis(60_000),
            ack_timeout: Millis(10_000),
            station_timeout: Millis(15_000),
        }
    }
}

/// The go-e cloud form of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeSettings {
    /// A charger whose link has been lost for longer is refused with 403.
    pub offline_after: Millis,
    /// Networks (`192.168.1.0/24`) from which the local form answers without a token.
    pub local_open: Vec<String>,
    pub chargers: Vec<GoeCharger>,
}

impl Default for GoeSettings {
    fn default() -> Self {
        Self {
            offline_after: Millis(24 * 3_600_000),
            local_open: Vec::new(),
            chargers: Vec::new(),
        }
    }
}

/// How one EVSE appears to go-e clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeCharger {
    pub evse: crate::id::EvseId,
    /// Six digits, leading zeros kept.
    pub serial: String,
    /// Whether the cloud API is switched on (`cae`).
    pub enabled: bool,
}
