//! How the control cycle runs.

use serde::{Deserialize, Serialize};

use crate::time::Millis;

/// How the control cycle runs. Defaults are those of `docs/guide/control.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSettings {
    /// Decides and explains, and tells nobody.
    pub observe: bool,
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
    /// After an overload nothing starts or rises below that limit for so long; 0: as soon as there is room.
    pub overload_hold: Millis,
    /// Sun must be short for three phases, or enough for them, for so long before their number changes.
    pub narrow_delay: Millis,
    pub widen_delay: Millis,
    /// After a change of phases their number stays for so long.
    pub phases_hold: Millis,
    /// Nothing is offered for so long while the contactor changes.
    pub phases_pause: Millis,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            observe: false,
            period: Millis(1_000),
            start_delay_solar: Millis(60_000),
            start_delay_grid: Millis(10_000),
            stop_delay: Millis(180_000),
            min_on: Millis(300_000),
            min_off: Millis(300_000),
            rise_window: Millis(60_000),
            ack_timeout: Millis(10_000),
            station_timeout: Millis(15_000),
            overload_hold: Millis(0),
            narrow_delay: Millis(180_000),
            widen_delay: Millis(600_000),
            phases_hold: Millis(600_000),
            phases_pause: Millis(10_000),
        }
    }
}
