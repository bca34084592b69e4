//! Cars.

use model::units::{MilliAmps, PerMille, WattHours};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChargeMode, Phases, Source, id, optional_id};
use crate::native::error::ApiError;

/// Ordered by id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct VehicleList {
    pub items: Vec<Vehicle>,
}

/// A car.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Vehicle {
    pub id: String,
    pub name: String,
    /// Usable capacity of its battery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity_wh: Option<i64>,
    /// Phases its charger uses.
    pub phases: Phases,
    /// Below this it does not charge.
    pub min_ma: i64,
    /// The most its charger takes per phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ma: Option<i64>,
    /// Share of the energy from the wall that reaches its battery.
    pub efficiency_permille: i64,
    /// Charging ends here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge_limit_permille: Option<i64>,
    /// The mode when it is plugged in, instead of the EVSE's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_mode: Option<ChargeMode>,
    /// The user whose car it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// It is assumed to be the one at this EVSE when no card says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    pub soc_source: SocSource,
    /// What is known of its state of charge. Ignored when sent; it has a path of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub soc: Option<Soc>,
    /// Where it can be changed. Ignored when sent.
    #[serde(default)]
    #[schema(required = false)]
    pub source: Source,
}

/// Where a state of charge comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum SocSource {
    /// Typed in; from then on estimated from the energy charged.
    Manual {},
    /// Put at this API by a program.
    Pushed {},
    /// Fetched as JSON; `path` names the member that holds percent. Refused by this version.
    Http { url: String, path: String, every_s: u32 },
    /// Heard on a topic, in percent; refused by this version.
    Mqtt { topic: String },
    /// Told by the charging station. Refused by this version.
    Charger {},
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StateOfCharge)]
pub struct Soc {
    pub soc_permille: i64,
    pub at_ms: i64,
    /// Whether charged energy was added to the last known value.
    pub estimated: bool,
}

/// A state of charge that somebody knows.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SocRequest {
    /// 0 to 1000.
    pub soc_permille: i64,
}

impl From<model::vehicle::StateOfCharge> for Soc {
    fn from(known: model::vehicle::StateOfCharge) -> Self {
        Self {
            soc_permille: known.soc.0,
            at_ms: known.at.0,
            estimated: known.estimated,
        }
    }
}

impl Vehicle {
    #[must_use]
    pub fn of(vehicle: &model::vehicle::Vehicle, soc: Option<Soc>, source: Source) -> Self {
        use model::vehicle::SocSource as From;
        Self {
            id: vehicle.id.to_string(),
            name: vehicle.name.clone(),
            capacity_wh: vehicle.capacity.map(|capacity| capacity.0),
            phases: vehicle.phases.into(),
            min_ma: vehicle.min.0,
            max_ma: vehicle.max.map(|max| max.0),
            efficiency_permille: vehicle.efficiency.0,
            charge_limit_permille: vehicle.charge_limit.map(|limit| limit.0),
            default_mode: vehicle.default_mode.map(Into::into),
            owner: vehicle.owner.as_ref().map(ToString::to_string),
            home: vehicle.home.as_ref().map(ToString::to_string),
            soc_source: match vehicle.soc_source.clone() {
                From::Manual => SocSource::Manual {},
                From::Pushed => SocSource::Pushed {},
                From::Http { url, path, every_s } => SocSource::Http { url, path, every_s },
                From::Mqtt { topic } => SocSource::Mqtt { topic },
                From::Charger => SocSource::Charger {},
            },
            soc,
            source,
        }
    }

    /// What was sent, as far as it can be read; whether it makes sense is another question.
    pub fn read(self) -> Result<model::vehicle::Vehicle, ApiError> {
        use model::vehicle::SocSource as To;
        Ok(model::vehicle::Vehicle {
            id: id("id", &self.id)?,
            name: self.name,
            capacity: self.capacity_wh.map(WattHours),
            phases: self.phases.into(),
            min: MilliAmps(self.min_ma),
            max: self.max_ma.map(MilliAmps),
            efficiency: PerMille(self.efficiency_permille),
            charge_limit: self.charge_limit_permille.map(PerMille),
            default_mode: self.default_mode.map(Into::into),
            owner: optional_id("owner", self.owner.as_ref())?,
            home: optional_id("home", self.home.as_ref())?,
            soc_source: match self.soc_source {
                SocSource::Manual {} => To::Manual,
                SocSource::Pushed {} => To::Pushed,
                SocSource::Http { url, path, every_s } => To::Http { url, path, every_s },
                SocSource::Mqtt { topic } => To::Mqtt { topic },
                SocSource::Charger {} => To::Charger,
            },
        })
    }
}
