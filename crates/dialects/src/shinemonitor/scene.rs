//! What an account may see, as far as it is known without waiting. Filled by who holds the model.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use model::alarm::Severity;
use model::control::Controls;
use model::device::{MeterRole, Wish};
use model::id::{DeviceId, EvseId, SiteId};
use model::reading::{Measured, PilotState, Quantity};
use model::site::Position;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use model::view::Flow;

use super::error::{Code, Refusal};
use super::params::DeviceName;
use super::want::{Series, Subject};

pub use model::plant::{Prices, Sheet};

/// Plants, gateways and devices are those of the caller, in an order that stays.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    pub now: Timestamp,
    pub caller: &'a Account,
    /// Accounts that the caller may look at, the newest first.
    pub others: &'a [Account],
    pub plants: &'a [Plant],
    pub gateways: &'a [Gateway],
    pub devices: &'a [Device],
    /// Of every account: what is foreign is told apart from what does not exist.
    pub all_plants: &'a BTreeSet<i64>,
}

/// Account types. Only the owner's number is in a source, the others are ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Owner,
    Dealer,
    Vendor,
    /// May look, not touch.
    Browser,
}

impl Role {
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Owner => 0,
            Self::Dealer => 1,
            Self::Vendor => 2,
            Self::Browser => 3,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub uid: i64,
    /// As stored, not as typed.
    pub usr: String,
    pub role: Role,
    pub is_enabled: bool,
    pub created: Timestamp,
    pub last_login: Option<LastLogin>,
    pub may_control: bool,
    pub may_edit: bool,
    pub texts: AccountTexts,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastLogin {
    pub at: Timestamp,
    pub from: String,
}

/// What people tell about themselves; empty where they do not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountTexts {
    pub mobile: String,
    pub email: String,
    pub nickname: String,
    pub photo: String,
    pub company: String,
    pub company_address: String,
    pub company_phone: String,
    pub description: String,
}

#[derive(Clone, Debug)]
pub struct Plant {
    pub pid: i64,
    /// Of the gateway that is its own, and stands for a logger of what is behind none.
    pub pn: String,
    pub site: SiteId,
    pub name: String,
    pub owner: i64,
    pub owner_name: String,
    pub zone: TimeZone,
    pub position: Option<Position>,
    /// Between a phase and neutral.
    pub nominal_voltage: MilliVolts,
    pub created: Timestamp,
    pub sheet: Sheet,
    pub flow: Flow,
    pub has_open_alarm: bool,
}

/// A data logger, or what stands for one where there is none.
#[derive(Clone, Debug)]
pub struct Gateway {
    pub pn: String,
    pub pid: i64,
    pub alias: String,
    /// How often it reads its devices.
    pub period: Millis,
    pub is_online: bool,
    pub kind: Option<i64>,
    pub firmware: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceType {
    Inverter,
    Meter(MeterRole),
    Battery,
    Charger,
}

impl DeviceType {
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Inverter => 512,
            Self::Meter(_) => 1024,
            Self::Charger => 2048,
            Self::Battery => 2304,
        }
    }

    /// The counter that the energy of such a device is read from.
    #[must_use]
    pub const fn counter(self) -> Quantity {
        match self {
            Self::Inverter | Self::Battery | Self::Meter(MeterRole::Production) => Quantity::EnergyOut,
            Self::Meter(_) | Self::Charger => Quantity::EnergyIn,
        }
    }

    /// Whether its power counts as production: negative in the model, positive here.
    #[must_use]
    pub const fn produces(self) -> bool {
        matches!(self, Self::Inverter | Self::Meter(MeterRole::Production))
    }
}

#[derive(Clone, Debug)]
pub struct Device {
    pub name: DeviceName,
    pub site: SiteId,
    pub id: DeviceId,
    /// Of a charging station with several, the EVSE that it is; it has the history of that alone.
    pub evse: Option<EvseId>,
    pub pid: i64,
    pub alias: String,
    pub kind: DeviceType,
    /// It has been heard and its link stands. An inverter asleep is online.
    pub is_online: bool,
    /// Values younger than a few polls arrive.
    pub is_fresh: bool,
    pub last_seen: Option<Timestamp>,
    /// The worst of its open alarms.
    pub alarm: Option<Severity>,
    pub measured: Measured,
    /// What its definition reads, beyond what the model has names for; `None` where nothing more is read.
    pub fields: Option<Arc<[Field]>>,
    pub rated: Option<Watts>,
    /// Maker, model and firmware as it says them.
    pub identity: Option<String>,
    pub charger: Option<Charger>,
    /// What people can set there, where it is no charging station.
    pub controls: Controls,
    pub raw: Option<Raw>,
}

/// A value with the name that its definition gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    pub key: String,
    /// Shown where the key has no title in the table of titles.
    pub title: String,
    pub unit: String,
    pub val: String,
}

/// The part of a charging station that charges a car.
#[derive(Clone, Debug)]
pub struct Charger {
    pub evse: EvseId,
    pub min: MilliAmps,
    pub max: MilliAmps,
    pub switches_phases: bool,
    pub wish: Wish,
    pub pilot: PilotState,
    pub session_energy: Option<WattHours>,
}

/// Something of a device that can be set, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    pub id: String,
    pub title: String,
    pub unit: String,
    /// What may be typed.
    pub hint: String,
    /// All that may be chosen; empty where a value is typed.
    pub items: Vec<Item>,
    /// As read last.
    pub value: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    pub key: String,
    pub label: String,
}

/// The latest register image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw {
    pub at: Timestamp,
    pub bytes: Vec<u8>,
}

impl<'a> Scene<'a> {
    pub fn plant(&self, pid: i64) -> Result<&'a Plant, Refusal> {
        let found = self.plants.iter().find(|plant| plant.pid == pid);
        found.ok_or_else(|| {
            let exists = self.all_plants.contains(&pid);
            if exists { Code::NoPermission } else { Code::NoPlant }.into()
        })
    }

    /// The plant of a thing that is in the scene.
    pub fn plant_of(&self, pid: i64) -> Result<&'a Plant, Refusal> {
        let found = self.plants.iter().find(|plant| plant.pid == pid);
        found.ok_or_else(|| Code::NoPlant.into())
    }

    pub fn gateway(&self, pn: &str) -> Result<&'a Gateway, Refusal> {
        let found = self.gateways.iter().find(|gateway| gateway.pn == pn);
        found.ok_or_else(|| Code::NoCollector.into())
    }

    pub fn device(&self, name: &DeviceName) -> Result<&'a Device, Refusal> {
        let found = self.devices.iter().find(|device| device.name == *name);
        found.ok_or_else(|| Code::NoDevice.into())
    }

    /// Each logger once: one with devices of several plants counts as the first one's.
    pub fn loggers(&self) -> impl Iterator<Item = &'a Gateway> + use<'a> {
        let mut seen = BTreeSet::new();
        self.gateways
            .iter()
            .filter(move |gateway| seen.insert(gateway.pn.as_str()))
    }

    pub fn gateways_of(&self, pid: i64) -> impl Iterator<Item = &'a Gateway> + use<'a> {
        self.gateways.iter().filter(move |gateway| gateway.pid == pid)
    }

    pub fn devices_of(&self, pid: i64) -> impl Iterator<Item = &'a Device> + use<'a> {
        self.devices.iter().filter(move |device| device.pid == pid)
    }

    pub fn devices_behind(&self, pn: &str) -> impl Iterator<Item = &'a Device> {
        self.devices.iter().filter(move |device| device.name.pn == pn)
    }

    /// What produces: the inverters; where there is none, meters of production.
    #[must_use]
    pub fn generating(&self, pid: i64) -> Vec<&'a Device> {
        let of = |kind: DeviceType| self.devices_of(pid).filter(move |device| device.kind == kind);
        let inverters: Vec<_> = of(DeviceType::Inverter).collect();
        if inverters.is_empty() {
            return of(DeviceType::Meter(MeterRole::Production)).collect();
        }
        inverters
    }

    /// A meter at the grid connection of a plant.
    #[must_use]
    pub fn grid_meter(&self, pid: i64) -> Option<&'a Device> {
        self.devices_of(pid)
            .find(|device| device.kind == DeviceType::Meter(MeterRole::Grid))
    }

    pub fn batteries(&self, pid: i64) -> impl Iterator<Item = &'a Device> + use<'a> {
        self.devices_of(pid)
            .filter(|device| device.kind == DeviceType::Battery)
    }
}

impl Device {
    #[must_use]
    pub fn series(&self, quantity: Quantity) -> Series {
        Series {
            site: self.site.clone(),
            subject: match &self.evse {
                Some(evse) => Subject::Evse(evse.clone()),
                None => Subject::Device(self.id.clone()),
            },
            quantity,
        }
    }

    #[must_use]
    pub fn status(&self) -> i64 {
        match (self.is_online, self.alarm) {
            (false, _) => status::OFFLINE,
            (true, Some(Severity::Error)) => status::ERROR,
            (true, Some(Severity::Warning)) => status::WARNING,
            (true, None) => status::ONLINE,
        }
    }

    /// As this dialect counts: what is produced is positive, what is taken from the grid or charges a battery
    /// as well.
    #[must_use]
    pub fn power(&self) -> Option<Watts> {
        let power = self.measured.power?;
        Some(if self.kind.produces() {
            (-power).at_least_zero()
        } else {
            power
        })
    }

    #[must_use]
    pub fn total(&self) -> Option<WattHours> {
        if self.kind.counter() == Quantity::EnergyOut {
            self.measured.energy_out
        } else {
            self.measured.energy_in
        }
    }
}

impl Gateway {
    #[must_use]
    pub fn status(&self) -> i64 {
        if self.is_online {
            status::ONLINE
        } else {
            status::OFFLINE
        }
    }
}

impl Plant {
    #[must_use]
    pub fn status(&self, scene: &Scene<'_>) -> i64 {
        let is_online = scene.devices_of(self.pid).any(|device| device.is_online);
        match (is_online, self.has_open_alarm) {
            (false, _) => status::OFFLINE,
            (true, true) => status::WARNING,
            (true, false) => status::ONLINE,
        }
    }

    #[must_use]
    pub fn house(&self, quantity: Quantity) -> Series {
        Series {
            site: self.site.clone(),
            subject: Subject::House,
            quantity,
        }
    }

    #[must_use]
    pub fn nominal(&self, scene: &Scene<'_>) -> Watts {
        let rated = || {
            scene
                .generating(self.pid)
                .iter()
                .filter_map(|device| device.rated)
                .sum()
        };
        self.sheet.nominal.unwrap_or_else(rated)
    }
}

/// Of plants, gateways and devices alike.
pub mod status {
    pub const ONLINE: i64 = 0;
    pub const OFFLINE: i64 = 1;
    pub const WARNING: i64 = 4;
    pub const ERROR: i64 = 5;
}
