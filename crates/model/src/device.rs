//! Devices of a site: meters, inverters, batteries, charging stations.

use serde::{Deserialize, Serialize};

use crate::id::{CircuitId, DeviceId, EvseId};
use crate::money::PerKwh;
use crate::phases::{PhaseRotation, PhaseSet, Phases};
use crate::setpoint::ChargeCurrent;
use crate::time::Millis;
use crate::units::{MilliAmps, WattHours, Watts};

/// What a meter measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MeterRole {
    /// The grid connection of the site, or of the circuit that names it.
    Grid,
    Production,
    Consumption,
    Storage,
    /// Shown, not used for control.
    Display,
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum DeviceKind {
    Meter {
        role: MeterRole,
    },
    Inverter {
        rated_power: Option<Watts>,
    },
    Battery {
        capacity: Option<WattHours>,
        max_charge: Watts,
        max_discharge: Watts,
    },
    ChargingStation {
        evses: Vec<Evse>,
    },
}

impl DeviceKind {
    /// `meter`, `inverter`, `battery` or `charging_station`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Meter { .. } => "meter",
            Self::Inverter { .. } => "inverter",
            Self::Battery { .. } => "battery",
            Self::ChargingStation { .. } => "charging_station",
        }
    }
}

/// One device with a link of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    pub id: DeviceId,
    pub name: String,
    pub kind: DeviceKind,
    /// The circuit it hangs on; the house connection for a grid meter.
    pub circuit: CircuitId,
    /// Disabled devices are shown and not used.
    pub enabled: bool,
    /// How often it is asked. Ages are judged by it.
    pub period: Millis,
    pub link: LinkSettings,
}

impl Device {
    /// The EVSEs of a charging station, none for everything else.
    #[must_use]
    pub fn evses(&self) -> &[Evse] {
        match &self.kind {
            DeviceKind::ChargingStation { evses } => evses,
            DeviceKind::Meter { .. } | DeviceKind::Inverter { .. } | DeviceKind::Battery { .. } => &[],
        }
    }
}

/// How a device is reached. Drivers of `south` are chosen by this and by nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
pub enum LinkSettings {
    /// A go-e charger's local HTTP API v2 below `url` (`http://192.168.1.50`).
    Goe { url: String },
    /// A Modbus TCP device that speaks SunSpec.
    Sunspec { address: String, unit: u8 },
    /// A Modbus TCP device described by a definition file.
    Modbus {
        address: String,
        unit: u8,
        definition: String,
    },
    /// Nothing is dialled; the device is known and not connected.
    None,
}

impl LinkSettings {
    /// The vendor's language of keys that the device speaks, by the name its documents have.
    #[must_use]
    pub const fn dialect(&self) -> Option<&'static str> {
        match self {
            Self::Goe { .. } => Some("goe"),
            Self::Sunspec { .. } | Self::Modbus { .. } | Self::None => None,
        }
    }
}

/// The unit that charges one car, and how it is wired.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evse {
    pub id: EvseId,
    pub name: String,
    /// Terminals that are wired: usually all three, or L1 alone.
    pub terminals: PhaseSet,
    pub rotation: PhaseRotation,
    pub min: MilliAmps,
    pub max: MilliAmps,
    /// Setpoints are `min` plus a multiple of this.
    pub step: MilliAmps,
    /// Whether one phase can be chosen instead of three.
    pub phase_switching: bool,
    /// Classes are served in order, 0 first.
    pub class: u8,
    /// Share among EVSEs of one class.
    pub weight: u16,
    /// What it may draw when the meter above it is silent.
    pub fallback: ChargeCurrent,
    /// The mode of a car that nobody has chosen one for.
    pub default_mode: ChargeMode,
    pub authorisation: AuthorisationMode,
}

/// Whether a car gets current before somebody has shown that they may charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorisationMode {
    /// Plug and go.
    #[default]
    None,
    /// After an RFID card, a PIN, or a word of the app.
    Card,
}

/// What drives a charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChargeMode {
    Off,
    /// Only what the sun leaves over.
    Solar,
    /// The minimum always, more when the sun leaves it over.
    MinSolar,
    /// As much as wish and limits allow.
    #[default]
    Fast,
}

impl ChargeMode {
    pub const ALL: [Self; 4] = [Self::Off, Self::Solar, Self::MinSolar, Self::Fast];
}

/// A switch above the mode, as the buttons of many chargers have it. Falls back to `Neutral` on unplugging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Force {
    #[default]
    Neutral,
    Off,
    On,
}

/// What somebody wants of an EVSE. Survives restarts; limits stand above all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub mode: ChargeMode,
    pub force: Force,
    /// The most the EVSE shall offer.
    pub current: MilliAmps,
    /// `None`: whatever fits.
    pub phases: Option<Phases>,
    /// The car gets no more once so much was charged since it was plugged in.
    #[serde(default)]
    pub energy_limit: Option<WattHours>,
    /// What waits for the sun also takes grid energy while that costs at most so much.
    #[serde(default)]
    pub price_limit: Option<PerKwh>,
}

impl Wish {
    /// What an EVSE does before anybody has asked for anything.
    #[must_use]
    pub fn default_of(evse: &Evse) -> Self {
        Self {
            mode: evse.default_mode,
            force: Force::Neutral,
            current: evse.max,
            phases: None,
            energy_limit: None,
            price_limit: None,
        }
    }

    /// The mode after the switch above it.
    #[must_use]
    pub const fn effective_mode(&self) -> ChargeMode {
        match self.force {
            Force::Neutral => self.mode,
            Force::Off => ChargeMode::Off,
            Force::On => ChargeMode::Fast,
        }
    }
}

/// Whether a device answers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum LinkState {
    /// Never heard from since the start.
    #[default]
    Connecting,
    Online,
    /// No usable answer. `problem` says what was tried, what happened and what to check.
    Offline {
        problem: String,
    },
}
