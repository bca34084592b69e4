//! What one cycle leaves for the next: timers, the last commands, the loads of the last minute.

use std::collections::BTreeMap;

use model::id::EvseId;
use model::setpoint::ChargeCurrent;
use serde::{Deserialize, Serialize};

/// Hysteresis and timers of one site.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    restored: BTreeMap<EvseId, ChargeCurrent>,
}

impl Memory {
    /// After a restart: what every EVSE was told last. Nothing rises before its status was read back.
    #[must_use]
    pub fn restored(told: impl IntoIterator<Item = (EvseId, ChargeCurrent)>) -> Self {
        Self { restored: told.into_iter().collect() }
    }

    fn told(&self, evse: &EvseId) -> ChargeCurrent {
        self.restored.get(evse).copied().unwrap_or_default()
    }

    pub(crate) fn hold(&mut self, evse: &EvseId) -> ChargeCurrent {
        self.told(evse)
    }
}
