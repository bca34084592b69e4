//! A site and its tree of circuits.

use serde::{Deserialize, Serialize};

use crate::device::Device;
use crate::grid::GridRules;
use crate::id::{CircuitId, DeviceId, SiteId};
use crate::phases::PerPhase;
use crate::units::{MilliAmps, MilliVolts, Watts};

/// Who runs the control cycle of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keeper {
    /// We do.
    #[default]
    Ours,
    /// Somebody else does and reports to us; we store, check and show, and never control.
    Reported,
}

/// Where a site is, for the sun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Millionths of a degree, north positive.
    pub latitude_udeg: i64,
    /// Millionths of a degree, east positive.
    pub longitude_udeg: i64,
}

/// A fused part of the wiring. Circuits form a tree whose root is the house connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circuit {
    pub id: CircuitId,
    pub name: String,
    /// `None` for the house connection.
    pub parent: Option<CircuitId>,
    /// What the fuse carries, per phase.
    pub limit: PerPhase<MilliAmps>,
    /// A limit on the sum of all phases.
    pub power_limit: Option<Watts>,
    /// Kept free on every phase.
    pub reserve: MilliAmps,
    /// How much generation behind this conductor may be counted as room, per phase. At the house
    /// connection usually the current of the inverter; 0 elsewhere.
    pub credit: MilliAmps,
    /// The meter that measures everything behind this fuse.
    pub meter: Option<DeviceId>,
}

/// One grid connection and all behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    pub id: SiteId,
    pub name: String,
    pub keeper: Keeper,
    /// IANA name, for example `Europe/Vienna`.
    pub time_zone: String,
    pub position: Option<Position>,
    /// Used where no meter says better.
    pub nominal_voltage: MilliVolts,
    #[serde(default)]
    pub grid: GridRules,
    /// Parents before children; the first is the house connection.
    pub circuits: Vec<Circuit>,
    pub devices: Vec<Device>,
}

impl Site {
    #[must_use]
    pub fn circuit(&self, id: &CircuitId) -> Option<&Circuit> {
        self.circuits.iter().find(|circuit| circuit.id == *id)
    }

    #[must_use]
    pub fn device(&self, id: &DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == *id)
    }

    /// Every EVSE with the charging station it belongs to.
    pub fn evses(&self) -> impl Iterator<Item = (&Device, &crate::device::Evse)> {
        self.devices
            .iter()
            .flat_map(|device| device.evses().iter().map(move |evse| (device, evse)))
    }
}
