//! What a world is made of. Readable as TOML, so that `ohmstead sim --config FILE` can bring up any site.

use std::net::{Ipv4Addr, SocketAddr};

use model::id::{CircuitId, DeviceId, EvseId};
use model::phases::PhaseRotation;
use model::site::Position;
use model::time::Millis;
use model::units::MilliAmps;
use serde::{Deserialize, Serialize};

pub use crate::physics::battery::BatterySettings;
pub use crate::physics::habit::{Days, TripHabit};
pub use crate::physics::house::HouseSettings;
pub use crate::physics::pv::PvSettings;
pub use crate::physics::vehicle::VehicleSettings;

/// Unit number of every simulated Modbus device.
pub const MODBUS_UNIT: u8 = 1;

/// A whole world: one grid connection and all behind it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldSettings {
    /// Weather, habits and appliances follow from it.
    pub seed: u64,
    /// IANA name; people live by it.
    pub time_zone: String,
    pub position: Position,
    /// Parents before children; the first is the house connection.
    pub circuits: Vec<CircuitSettings>,
    /// The household, at the house connection.
    pub house: Option<HouseSettings>,
    pub devices: Vec<DeviceSettings>,
    /// Where the cars tell how full they are.
    #[serde(default, skip_serializing_if = "CarsSettings::is_default")]
    pub cars: CarsSettings,
}

/// Cars tell how full they are, as a maker's service would.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CarsSettings {
    /// Over HTTP; absent: any free port of the loopback address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    /// And to this broker, `mqtt://host:port`, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker: Option<String>,
}

impl CarsSettings {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A fused part of the wiring. The simulator's fuses never blow; the limit is for whoever watches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CircuitSettings {
    pub id: CircuitId,
    pub name: String,
    /// Absent for the house connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<CircuitId>,
    /// Of each phase.
    pub limit: MilliAmps,
}

/// One device with a port of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceSettings {
    pub id: DeviceId,
    pub name: String,
    pub circuit: CircuitId,
    /// Where it answers; absent: any free port of the loopback address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listen: Option<SocketAddr>,
    #[serde(flatten)]
    pub kind: DeviceKind,
}

impl DeviceSettings {
    /// Where to listen.
    pub(crate) fn address(&self) -> SocketAddr {
        self.listen.unwrap_or(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
    }
}

/// What a device is and which protocol it speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[allow(
    clippy::large_enum_variant,
    reason = "a world has a handful of them, read once; a box would only stand in the way of a pattern"
)]
pub enum DeviceKind {
    /// Measures everything behind its circuit's fuse: SunSpec model 203 over Modbus TCP.
    Meter,
    /// SunSpec models 103 and 160 over Modbus TCP.
    Inverter(PvSettings),
    /// SunSpec models 124 and 802 over Modbus TCP.
    Battery(BatterySettings),
    /// The vendor's local HTTP APIs and WebSocket on one port; Modbus TCP and MQTT if they are set up.
    GoeCharger(GoeChargerSettings),
    /// A data logger that dials a hub, and the inverters on its serial line.
    Logger(LoggerSettings),
}

/// A data logger. Two with the same number are two that claim it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggerSettings {
    /// 8 to 30 letters and digits.
    pub pn: String,
    /// Where it dials.
    pub server: SocketAddr,
    /// In lines of text, and not in frames.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_lines: bool,
    pub inverters: Vec<LoggerInverterSettings>,
}

/// An inverter on the serial line of a data logger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoggerInverterSettings {
    pub id: DeviceId,
    pub name: String,
    /// On the serial line.
    pub address: u8,
    pub speaks: LoggerLanguage,
    pub pv: PvSettings,
    /// Of a storage inverter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub battery: Option<LoggerBatterySettings>,
}

/// The battery of a storage inverter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggerBatterySettings {
    pub id: DeviceId,
    pub name: String,
    #[serde(flatten)]
    pub battery: BatterySettings,
}

/// What an inverter behind a data logger speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LoggerLanguage {
    /// Registers of "protocol 11" by Modbus RTU.
    Smg,
    /// Texts (`QPIGS`).
    Pi30,
}

impl LoggerLanguage {
    /// The definition that reads it.
    #[must_use]
    pub const fn definition(self) -> &'static str {
        match self {
            Self::Smg => "smg",
            Self::Pi30 => "pi30",
        }
    }
}

/// A go-e charger and the car that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoeChargerSettings {
    pub evse: EvseId,
    /// Six digits, leading zeros kept.
    pub serial: String,
    pub generation: GoeGeneration,
    /// 16 A for the 11 kW box, 32 A for the 22 kW box.
    pub max: MilliAmps,
    /// How its terminals are connected to the grid.
    #[serde(default)]
    pub rotation: PhaseRotation,
    /// How long a new setpoint takes to reach the car.
    #[serde(default)]
    pub obeys_after: Millis,
    pub vehicle: VehicleSettings,
    /// Of its WebSocket; absent: nobody gets in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// In place of the one of its generation, for example `60.5-rc2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firmware: Option<String>,
    /// Where it speaks Modbus TCP; absent: it does not. Port 0: any free one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modbus_listen: Option<SocketAddr>,
    /// The broker that it tells its keys; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mqtt: Option<GoeMqttSettings>,
}

/// A broker that a go-e charger is a client of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoeMqttSettings {
    /// `mqtt://host:port`.
    pub broker: String,
    /// Of its topics, with the slash at its end; absent: `go-eCharger/<serial>/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl GoeMqttSettings {
    /// Of the topics of a charger with this serial number.
    #[must_use]
    pub fn prefix(&self, serial: &str) -> String {
        self.prefix
            .clone()
            .unwrap_or_else(|| dialects::goe::topics::usual_prefix(serial))
    }
}

/// Which hardware it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoeGeneration {
    V3,
    V4,
    Core,
}

/// Why there can be no such world.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("time zone `{name}` is unknown; expected an IANA name, for example Europe/Vienna")]
    TimeZone { name: String },
    #[error("there is no circuit; the first one is the house connection")]
    NoCircuit,
    #[error("circuit `{circuit}` names the parent `{parent}`, which is not listed before it")]
    Parent { circuit: CircuitId, parent: String },
    #[error("device `{device}` hangs on circuit `{circuit}`, which does not exist")]
    Circuit { device: DeviceId, circuit: CircuitId },
    #[error("the id `{id}` is used twice")]
    Twice { id: String },
}
