//! What a device is told to do.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::control::Order;
use crate::id::{DeviceId, EvseId};
use crate::phases::Phases;
use crate::units::{MilliAmps, Watts};

/// What an AC EVSE is told. IEC 61851-1 has no current between 0 and 6 A, so this type has none either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChargeCurrent(Option<MilliAmps>);

impl ChargeCurrent {
    /// The lowest current a car may be offered.
    pub const MIN: MilliAmps = MilliAmps(6_000);
    /// No current: the car waits.
    pub const PAUSED: Self = Self(None);

    /// Rounds down into the allowed set: below 6 A means paused.
    #[must_use]
    pub fn at_most(limit: MilliAmps) -> Self {
        Self((limit >= Self::MIN).then_some(limit))
    }

    /// The current offered, `None` when paused.
    #[must_use]
    pub const fn current(self) -> Option<MilliAmps> {
        self.0
    }

    /// The current as a number, paused as zero.
    #[must_use]
    pub fn or_zero(self) -> MilliAmps {
        self.0.unwrap_or(MilliAmps::ZERO)
    }

    #[must_use]
    pub const fn is_paused(self) -> bool {
        self.0.is_none()
    }
}

impl fmt::Display for ChargeCurrent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(current) => f.write_str(&current.to_amps_text()),
            None => f.write_str("paused"),
        }
    }
}

/// What a link is handed to bring to its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Offer this current on this many phases.
    Charge {
        evse: EvseId,
        current: ChargeCurrent,
        phases: Option<Phases>,
    },
    /// Charge (positive) or discharge (negative) a battery; `None` hands it back to its own logic.
    BatteryPower { power: Option<Watts> },
    /// Nothing is left any more to whoever else changed what the EVSE had been told.
    TakeBack { evse: EvseId },
    /// Write a key of the device's own language that the model does not know (a display colour, a name).
    /// The value is JSON text. Who waits for the device's word finds it under the ticket
    /// ([`crate::message::Report::VendorAnswer`]); 0: nobody waits.
    VendorWrite { ticket: u64, key: String, value: String },
    /// Do what only the device's definition knows. Its word goes under the ticket, as above.
    Order { ticket: u64, order: Order },
}

/// One action for one device, under the epoch of the engine that decided it. A link drops orders of an
/// older epoch than the newest it has seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setpoint {
    pub device: DeviceId,
    pub epoch: u64,
    pub action: Action,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_between_zero_and_six_amps_can_be_said() {
        for (limit, expected) in [
            (-1, None),
            (0, None),
            (5_999, None),
            (6_000, Some(6_000)),
            (16_500, Some(16_500)),
        ] {
            let current = ChargeCurrent::at_most(MilliAmps(limit));
            assert_eq!(current.current().map(|c| c.0), expected, "{limit}");
        }
    }
}
