//! What really happens in a world, whatever its meters say.

use std::collections::BTreeMap;

use model::id::{CircuitId, DeviceId, EvseId};
use model::phases::PerPhase;
use model::reading::PilotState;
use model::setpoint::ChargeCurrent;
use model::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, Watts};

use crate::physics::Flow;

/// Everything at one moment. Positive flows into the thing named, and
/// `grid = house + evses + battery + pv` holds to the watt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Truth {
    /// What flows through each fuse towards the loads.
    pub circuits: BTreeMap<CircuitId, Flow>,
    pub grid: Flow,
    pub house: Flow,
    /// All inverters; zero or negative.
    pub pv: Flow,
    /// All batteries.
    pub battery: Flow,
    pub battery_soc: BTreeMap<DeviceId, PerMille>,
    pub evses: BTreeMap<EvseId, EvseTruth>,
    pub voltage: PerPhase<MilliVolts>,
    pub frequency: MilliHertz,
}

/// One EVSE and the car at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvseTruth {
    pub station: DeviceId,
    /// By grid phase.
    pub flow: Flow,
    /// What the pilot signal offers; lags behind the setpoint of a slow station.
    pub offered: ChargeCurrent,
    pub pilot: PilotState,
    /// Of the car, at home or away.
    pub soc: PerMille,
    /// Whether a car is here that would take current.
    pub wants: bool,
}

impl EvseTruth {
    /// The highest current of any phase.
    #[must_use]
    pub fn drawn(&self) -> MilliAmps {
        self.flow
            .current
            .into_array()
            .into_iter()
            .max()
            .unwrap_or_default()
    }
}

impl Truth {
    /// What all EVSEs take.
    #[must_use]
    pub fn evse_power(&self) -> Watts {
        self.evses.values().map(|evse| evse.flow.power.total()).sum()
    }
}
