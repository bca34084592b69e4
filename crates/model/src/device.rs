//! Devices of a site: meters, inverters, batteries, charging stations.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::gateway::Unit;
use crate::habits::Habits;
use crate::id::{CircuitId, DeviceId, EvseId, GatewayId};
use crate::money::PerKwh;
use crate::panels::Panels;
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
        /// Its strings; none when nobody has said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        panels: Vec<Panels>,
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
    /// A go-e charger, by one of its interfaces.
    Goe(GoeLink),
    /// A Modbus TCP device that speaks SunSpec.
    Sunspec { address: String, unit: u8 },
    /// A Modbus TCP device described by a definition file.
    Modbus {
        address: String,
        unit: u8,
        definition: String,
    },
    /// Behind a gateway, which is what is dialled.
    #[serde(rename = "gateway")]
    Via {
        gateway: GatewayId,
        unit: Unit,
        /// For what does not describe itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        definition: Option<String>,
    },
    /// Nothing is dialled; the device is known and not connected.
    None,
}

impl LinkSettings {
    /// What `driver` may say.
    pub const DRIVERS: [&'static str; 5] = ["goe", "sunspec", "modbus", "gateway", "none"];

    /// Which of [`Self::DRIVERS`] it is.
    #[must_use]
    pub const fn driver(&self) -> &'static str {
        match self {
            Self::Goe(_) => "goe",
            Self::Sunspec { .. } => "sunspec",
            Self::Modbus { .. } => "modbus",
            Self::Via { .. } => "gateway",
            Self::None => "none",
        }
    }

    /// Whether there is anything to dial for this device alone.
    #[must_use]
    pub const fn is_dialled(&self) -> bool {
        match self {
            Self::Goe(_) | Self::Sunspec { .. } | Self::Modbus { .. } => true,
            Self::Via { .. } | Self::None => false,
        }
    }

    /// Whether the device is to be heard, over a link of its own or a gateway's.
    #[must_use]
    pub const fn is_linked(&self) -> bool {
        self.is_dialled() || self.via().is_some()
    }

    /// Where the device itself is dialled.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Goe(link) => Some(Endpoint::of(link.way.address())),
            Self::Sunspec { address, .. } | Self::Modbus { address, .. } => Some(Endpoint::of(address)),
            Self::Via { .. } | Self::None => None,
        }
    }

    /// The files that must be there to dial it.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Goe(link) => link.way.files(),
            Self::Sunspec { .. } | Self::Modbus { .. } | Self::Via { .. } | Self::None => Vec::new(),
        }
    }

    /// How often the device may be heard, when nobody says it.
    #[must_use]
    pub const fn usual_period(&self) -> Millis {
        match self {
            Self::Goe(link) => link.way.usual_period(),
            Self::Sunspec { .. } | Self::Modbus { .. } | Self::Via { .. } | Self::None => Millis(1_000),
        }
    }

    /// The vendor's language of keys that the device speaks, by the name its documents have.
    #[must_use]
    pub const fn dialect(&self) -> Option<&'static str> {
        match self {
            Self::Goe(_) => Some("goe"),
            Self::Sunspec { .. } | Self::Modbus { .. } | Self::Via { .. } | Self::None => None,
        }
    }

    /// What is done when somebody else changes what the device was told.
    #[must_use]
    pub const fn foreign_policy(&self) -> ForeignPolicy {
        match self {
            Self::Goe(link) => link.foreign,
            Self::Sunspec { .. } | Self::Modbus { .. } | Self::Via { .. } | Self::None => {
                ForeignPolicy::Reassert
            }
        }
    }

    /// The gateway that the device is behind, and what it is called there.
    #[must_use]
    pub const fn via(&self) -> Option<(&GatewayId, &Unit)> {
        match self {
            Self::Via { gateway, unit, .. } => Some((gateway, unit)),
            Self::Goe(_) | Self::Sunspec { .. } | Self::Modbus { .. } | Self::None => None,
        }
    }
}

/// How a go-e charger is reached, and how we share it with others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeLink {
    #[serde(flatten)]
    pub way: GoeWay,
    #[serde(default)]
    pub foreign: ForeignPolicy,
    /// What the charger shall fall back to without us, to be programmed. `None`: left alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "said")]
    pub fall_back: Option<ChargeCurrent>,
}

/// Whatever is there was said: null is a pause, and only what is missing is left alone.
fn said<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<ChargeCurrent>, D::Error> {
    ChargeCurrent::deserialize(value).map(Some)
}

impl GoeLink {
    /// The charger's own HTTP API below `url`, nothing else said.
    #[must_use]
    pub fn http(url: impl Into<String>) -> Self {
        GoeWay::Http { url: url.into() }.into()
    }
}

impl From<GoeWay> for GoeLink {
    fn from(way: GoeWay) -> Self {
        Self {
            way,
            foreign: ForeignPolicy::default(),
            fall_back: None,
        }
    }
}

/// The interfaces of a go-e charger. Stored by the key that names the address, the narrower form first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum GoeWay {
    /// The vendor's cloud, HTTP API v3 (`https://000001.api.v3.go-e.io`).
    Cloud {
        url: String,
        /// One line: the charger's token.
        token_file: PathBuf,
        /// Who signed the certificate, when the system's own list does not know.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_file: Option<PathBuf>,
    },
    /// The charger's WebSocket (`ws://192.168.1.50/ws`).
    WebSocket {
        #[serde(rename = "websocket")]
        url: String,
        /// One line: the password of the charger.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_file: Option<PathBuf>,
    },
    /// The broker that the charger publishes to (`mqtt://192.168.1.10`).
    Mqtt {
        #[serde(rename = "mqtt")]
        broker: String,
        /// `go-eCharger/000001/`
        prefix: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        password_file: Option<PathBuf>,
    },
    /// Modbus TCP (`192.168.1.50:502`).
    Modbus {
        #[serde(rename = "modbus")]
        address: String,
        unit: u8,
    },
    /// The local HTTP API v2 (`http://192.168.1.50`).
    Http { url: String },
}

impl GoeWay {
    /// The address as it is configured.
    #[must_use]
    pub fn address(&self) -> &str {
        match self {
            Self::Cloud { url, .. } | Self::WebSocket { url, .. } | Self::Http { url } => url,
            Self::Mqtt { broker, .. } => broker,
            Self::Modbus { address, .. } => address,
        }
    }

    fn files(&self) -> Vec<&Path> {
        match self {
            Self::Http { .. } | Self::Modbus { .. } => Vec::new(),
            Self::WebSocket { password_file, .. } | Self::Mqtt { password_file, .. } => {
                password_file.as_deref().into_iter().collect()
            }
            Self::Cloud {
                token_file, ca_file, ..
            } => std::iter::once(token_file.as_path())
                .chain(ca_file.as_deref())
                .collect(),
        }
    }

    /// The vendor's cloud is asked twice a minute while no car charges.
    const fn usual_period(&self) -> Millis {
        match self {
            Self::Cloud { .. } => Millis(30_000),
            Self::WebSocket { .. } | Self::Mqtt { .. } | Self::Modbus { .. } | Self::Http { .. } => {
                Millis(1_000)
            }
        }
    }
}

/// What to do when somebody else changes what a charger has been told. What is above our limits is always
/// taken back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForeignPolicy {
    /// It stands until the car leaves, or until it is taken back by whoever set it.
    Yield,
    /// It is told again.
    #[default]
    Reassert,
    /// It stands until somebody has decided.
    Ask,
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
    #[serde(default)]
    pub habits: Habits,
    /// The grid operator may dim it (section 14a EnWG).
    #[serde(default = "usual")]
    pub dimmable: bool,
    /// The sun feeds it before the battery, however empty that is.
    #[serde(default)]
    pub before_battery: bool,
}

const fn usual() -> bool {
    true
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_charger_stored_before_there_were_several_ways_still_reads() {
        let read = |text: &str| serde_json::from_str::<LinkSettings>(text).unwrap();
        let old = r#"{"driver":"goe","url":"http://192.168.1.50"}"#;
        assert_eq!(read(old), LinkSettings::Goe(GoeLink::http("http://192.168.1.50")));
    }

    #[test]
    fn a_link_is_stored_under_the_name_of_its_driver() {
        let address = "192.168.1.20:502".to_owned();
        let links = [
            LinkSettings::Goe(GoeLink::http("http://192.168.1.50")),
            LinkSettings::Sunspec {
                address: address.clone(),
                unit: 1,
            },
            LinkSettings::Modbus {
                address,
                unit: 1,
                definition: "sdm630".to_owned(),
            },
            LinkSettings::Via {
                gateway: "line".parse().unwrap(),
                unit: Unit::named("3"),
                definition: None,
            },
            LinkSettings::None,
        ];
        assert_eq!(links.each_ref().map(LinkSettings::driver), LinkSettings::DRIVERS);
        for link in links {
            let stored = serde_json::to_value(&link).unwrap();
            assert_eq!(stored["driver"], link.driver());
            assert_eq!(link.is_dialled(), link.endpoint().is_some(), "{link:?}");
            assert_eq!(link.is_linked(), link != LinkSettings::None, "{link:?}");
        }
    }

    #[test]
    fn every_way_to_a_charger_is_stored_and_read_back() {
        let ways = [
            GoeWay::Http {
                url: "http://192.168.1.50".to_owned(),
            },
            GoeWay::WebSocket {
                url: "ws://192.168.1.50/ws".to_owned(),
                password_file: None,
            },
            GoeWay::WebSocket {
                url: "ws://192.168.1.50/ws".to_owned(),
                password_file: Some("/etc/left".into()),
            },
            GoeWay::Mqtt {
                broker: "mqtt://192.168.1.10".to_owned(),
                prefix: "go-eCharger/000001/".to_owned(),
                user: Some("hub".to_owned()),
                password_file: Some("/etc/broker".into()),
            },
            GoeWay::Modbus {
                address: "192.168.1.50:502".to_owned(),
                unit: 1,
            },
            GoeWay::Cloud {
                url: "https://000001.api.v3.go-e.io".to_owned(),
                token_file: "/etc/token".into(),
                ca_file: None,
            },
        ];
        for way in ways {
            for (foreign, fall_back) in [
                (ForeignPolicy::Reassert, None),
                (ForeignPolicy::Ask, Some(ChargeCurrent::PAUSED)),
                (
                    ForeignPolicy::Yield,
                    Some(ChargeCurrent::at_most(MilliAmps(8_000))),
                ),
            ] {
                let link = LinkSettings::Goe(GoeLink {
                    way: way.clone(),
                    foreign,
                    fall_back,
                });
                let text = serde_json::to_string(&link).unwrap();
                assert_eq!(
                    serde_json::from_str::<LinkSettings>(&text).unwrap(),
                    link,
                    "{text}"
                );
            }
        }
    }

    #[test]
    fn a_device_behind_a_gateway_is_stored_and_read_back() {
        for (definition, stored) in [
            (None, r#"{"driver":"gateway","gateway":"line","unit":"3"}"#),
            (
                Some("meter"),
                r#"{"driver":"gateway","gateway":"line","unit":"3","definition":"meter"}"#,
            ),
        ] {
            let link = LinkSettings::Via {
                gateway: "line".parse().unwrap(),
                unit: Unit::named("3"),
                definition: definition.map(str::to_owned),
            };
            assert_eq!(serde_json::to_string(&link).unwrap(), stored);
            assert_eq!(serde_json::from_str::<LinkSettings>(stored).unwrap(), link);
        }
    }
}
