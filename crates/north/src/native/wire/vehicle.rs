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
    /// Its source has not told for too long. Ignored when sent.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    pub soc_stale: bool,
    /// Why its source told nothing the last time, for those who see settings. Ignored when sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub soc_problem: Option<String>,
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
    /// Fetched as JSON, in percent.
    Http {
        /// Empty for those who may not see settings.
        url: String,
        /// Members on the way to it, separated by dots (`battery.soc`, `cars.0.soc`); empty: the document is
        /// the number.
        path: String,
        /// 15 to 86400.
        every_s: u32,
        /// The header that carries the secret: `Authorization`, `X-Api-Key`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        header: Option<String>,
        /// The value of that header. Never shown; absent it stays as it is while the address leads to the
        /// same host, empty it is forgotten.
        #[serde(default, skip_serializing)]
        #[schema(write_only, nullable = false)]
        secret: Option<String>,
        /// Whether a secret is kept. Ignored when sent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[schema(required = false)]
        has_secret: bool,
    },
    /// Heard on an MQTT topic, in percent.
    Mqtt {
        /// `mqtt://host` or `mqtts://host:port`; empty for those who may not see settings.
        broker: String,
        topic: String,
        /// As over HTTP; empty when the message is just the number.
        #[serde(default)]
        #[schema(required = false)]
        path: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        user: Option<String>,
        /// The password of that user, as over HTTP.
        #[serde(default, skip_serializing)]
        #[schema(write_only, nullable = false)]
        secret: Option<String>,
        /// Whether a secret is kept. Ignored when sent.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        #[schema(required = false)]
        has_secret: bool,
    },
    /// Told by the charging station, where it can.
    Charger {},
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = StateOfCharge)]
pub struct Soc {
    pub soc_permille: i64,
    /// When it was last told; charging alone does not make it younger.
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

impl SocSource {
    fn of(source: model::vehicle::SocSource, has_secret: bool) -> Self {
        use model::vehicle::SocSource as From;
        match source {
            From::Manual => Self::Manual {},
            From::Pushed => Self::Pushed {},
            From::Http {
                url,
                path,
                every_s,
                header,
            } => Self::Http {
                url,
                path,
                every_s,
                header,
                secret: None,
                has_secret,
            },
            From::Mqtt {
                broker,
                topic,
                path,
                user,
            } => Self::Mqtt {
                broker,
                topic,
                path,
                user,
                secret: None,
                has_secret,
            },
            From::Charger => Self::Charger {},
        }
    }

    /// A secret that was sent with it.
    #[must_use]
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Http { secret, .. } | Self::Mqtt { secret, .. } => secret.as_deref(),
            Self::Manual {} | Self::Pushed {} | Self::Charger {} => None,
        }
    }

    /// Without what leads into the network.
    pub fn hide(&mut self) {
        match self {
            Self::Http {
                url, path, header, ..
            } => {
                url.clear();
                path.clear();
                *header = None;
            }
            Self::Mqtt {
                broker,
                topic,
                path,
                user,
                ..
            } => {
                broker.clear();
                topic.clear();
                path.clear();
                *user = None;
            }
            Self::Manual {} | Self::Pushed {} | Self::Charger {} => {}
        }
    }
}

impl Vehicle {
    #[must_use]
    pub fn of(vehicle: &model::vehicle::Vehicle, soc: Option<Soc>, source: Source, has_secret: bool) -> Self {
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
            soc_source: SocSource::of(vehicle.soc_source.clone(), has_secret),
            soc,
            soc_stale: false,
            soc_problem: None,
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
                SocSource::Http {
                    url,
                    path,
                    every_s,
                    header,
                    ..
                } => To::Http {
                    url,
                    path,
                    every_s,
                    header,
                },
                SocSource::Mqtt {
                    broker,
                    topic,
                    path,
                    user,
                    ..
                } => To::Mqtt {
                    broker,
                    topic,
                    path,
                    user,
                },
                SocSource::Charger {} => To::Charger,
            },
        })
    }
}
