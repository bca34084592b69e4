//! Cars: what they can do, how full they are, and how they are recognised.

use serde::{Deserialize, Serialize};

use crate::device::ChargeMode;
use crate::id::{EvseId, UserId, VehicleId};
use crate::noun::noun;
use crate::phases::Phases;
use crate::time::Timestamp;
use crate::units::{MilliAmps, PerMille, WattHours};

/// A car.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vehicle {
    pub id: VehicleId,
    pub name: String,
    /// Usable capacity of its battery.
    pub capacity: Option<WattHours>,
    /// Phases its charger uses.
    pub phases: Phases,
    /// Below this it does not charge; 6 A for most.
    pub min: MilliAmps,
    /// The most its charger takes per phase.
    pub max: Option<MilliAmps>,
    /// Share of the energy from the wall that reaches its battery.
    pub efficiency: PerMille,
    /// Charging ends here.
    pub charge_limit: Option<PerMille>,
    /// The mode when it is plugged in, instead of the EVSE's.
    pub default_mode: Option<ChargeMode>,
    pub owner: Option<UserId>,
    /// It is assumed to be the one at this EVSE when no card says otherwise.
    pub home: Option<EvseId>,
    /// Where its state of charge comes from.
    pub soc_source: SocSource,
}

/// Where a state of charge comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SocSource {
    /// Typed in; from then on estimated from the energy charged.
    #[default]
    Manual,
    /// Put at `/api/v1/vehicles/<id>/soc` by a program.
    Pushed,
    /// Fetched as JSON from an address; `path` names the member (`battery.soc`), in percent.
    Http { url: String, path: String, every_s: u32 },
    /// Heard on an MQTT topic, in percent.
    Mqtt { topic: String },
    /// Told by the charging station.
    Charger,
}

/// How full a car is, when that was known, and what it has taken since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOfCharge {
    pub soc: PerMille,
    pub at: Timestamp,
    /// Whether charged energy was added to the last known value.
    pub estimated: bool,
}

noun!(Vehicle, "vehicle");

impl Vehicle {
    /// How full it is after so much energy from the wall.
    #[must_use]
    pub fn soc_after(&self, known: PerMille, charged: WattHours) -> PerMille {
        match self.capacity {
            Some(capacity) if capacity.0 > 0 => {
                let added = i128::from(charged.0) * i128::from(self.efficiency.0) / i128::from(capacity.0);
                let soc = i128::from(known.0) + added;
                PerMille(i64::try_from(soc.clamp(0, 1_000)).unwrap_or(1_000))
            }
            Some(_) | None => known,
        }
    }
}
