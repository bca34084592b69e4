//! How often a car and its charger may be bothered.

use serde::{Deserialize, Serialize};

use crate::time::Millis;
use crate::units::PerMille;

/// What cars that charge at an EVSE, and its contactor, put up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Habits {
    /// So many starts within an hour; 0: as many as come.
    pub starts_per_hour: u8,
    /// A car that was full gets current again once its state of charge has fallen by so much.
    pub refill_after: PerMille,
    /// So often a car that was full may draw again while nobody knows how full it is. `None`: as often as it
    /// likes.
    pub top_ups: Option<u8>,
    /// A car that is offered current and does not ask for it is woken after so long. `None`: it may sleep.
    pub wake_after: Option<Millis>,
    /// So many changes between one and three phases while a car is plugged in; those that somebody asks for
    /// come on top.
    pub phase_changes: u8,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            starts_per_hour: 6,
            refill_after: PerMille(30),
            top_ups: None,
            wake_after: None,
            phase_changes: 8,
        }
    }
}

impl Habits {
    /// More starts within an hour are not told apart from any number.
    pub const MOST_STARTS: u8 = 16;
}
