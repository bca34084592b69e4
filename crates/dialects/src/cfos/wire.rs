//! The documents of the API, as clients read them.
//!
//! Names changed with the firmware (1.18 to 1.20) and clients of both times are in use, so old and new names
//! stand side by side. Currents are mA, powers W, energies Wh, voltages V, times s; bit fields have L1 in
//! bit 0. Everything is a whole number, a boolean or a text.

use serde::Serialize;

/// The answer to `get_dev_info`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DevInfo {
    pub params: Params,
    /// EVSEs first, then meters.
    pub devices: Vec<Device>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Params {
    pub title: String,
    pub desc: String,
    /// Per phase.
    pub max_total_current: i64,
    pub reserve_current: i64,
    pub overdraft_cur: i64,
    /// The same by its newer name.
    pub max_overdraft_cur: i64,
    /// 0: no limit of its own.
    pub max_total_evse_current: i64,
    pub cons_evse_power: i64,
    pub avail_evse_power: i64,
    pub lb_enabled: bool,
    /// On losing a device: 0 stops charging, 1 goes to the minimum, -1 lifts the limit.
    pub disable_policy: i64,
    pub cycle_time: i64,
    pub max_evses: i64,
    pub shareware_mode: bool,
    pub version: String,
    pub time: i64,
    pub vsn: Vsn,
    pub ocpp_gateway_license_cnt: i64,
    pub ocpp_gateway_licenses_used: i64,
    /// Names up to firmware 1.14, in W over all phases.
    pub max_total_power: i64,
    pub max_total_evse_power: i64,
    pub power_reserve: i64,
    pub consumed_evse_power: i64,
    pub remaining_evse_power: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Vsn {
    pub vendorid: i64,
    /// Major in bits 24 to 31, minor in 16 to 23, build below.
    pub version: i64,
    pub productid: i64,
    pub serialno: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Device {
    Evse(Box<Evse>),
    Meter(Box<Meter>),
}

/// What EVSEs and meters have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Common {
    pub dev_type: String,
    /// 1 or 0, not a boolean.
    pub device_enabled: i64,
    pub name: String,
    pub address: String,
    /// Unit number on Modbus.
    pub id: i64,
    /// `E1`, … or `M1`, ….
    pub dev_id: String,
    pub number: i64,
    pub desc: String,
    pub com_err: bool,
    /// Since the last error; large when there was none.
    pub com_err_secs: i64,
    pub com_errors: i64,
    pub last_error: String,
    pub is_evse: bool,
    /// Wired phases; 0: not known.
    pub used_phases: u8,
    pub model: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evse {
    #[serde(flatten)]
    pub common: Common,
    pub label: String,
    pub min_charging_cur: i64,
    pub max_charging_cur: i64,
    /// 1 is the lowest.
    pub prio: i64,
    pub charging_enabled: bool,
    pub cur_charging_power: i64,
    pub power_w: i64,
    pub current_l1: i64,
    pub current_l2: i64,
    pub current_l3: i64,
    pub last_set_charging_cur: i64,
    pub total_energy: i64,
    pub ta_en: i64,
    pub phases: u8,
    pub state: State,
    pub paused: bool,
    pub pause_reason: i64,
    pub pause_time: i64,
    pub pause_min_time: i64,
    /// Bit 0: charging is disabled.
    pub overrides: i64,
    /// Only while somebody asks for less than the maximum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ov_cur: Option<i64>,
    pub evse: Socket,
}

/// State of an EVSE, a number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Waiting,
    VehiclePresent,
    Charging,
    ChargingWithVentilation,
    Error,
    Offline,
}

impl State {
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Waiting => 1,
            Self::VehiclePresent => 2,
            Self::Charging => 3,
            Self::ChargingWithVentilation => 4,
            Self::Error => 5,
            Self::Offline => 6,
        }
    }

    #[must_use]
    pub const fn is_charging(self) -> bool {
        matches!(self, Self::Charging | Self::ChargingWithVentilation)
    }
}

impl Serialize for State {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}

/// The socket of an EVSE. Real boxes send it for their own EVSE only, clients expect it of all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Socket {
    pub cp_state: String,
    pub pp_state: String,
    pub charging: bool,
    /// What it was told.
    pub current: i64,
    pub enabled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Meter {
    #[serde(flatten)]
    pub common: Common,
    pub is_va: bool,
    pub invert: bool,
    pub import: i64,
    pub export: i64,
    pub power_w: i64,
    /// The name up to firmware 1.14.
    pub power: i64,
    pub current_l1: i64,
    pub current_l2: i64,
    pub current_l3: i64,
    pub voltage_l1: i64,
    pub voltage_l2: i64,
    pub voltage_l3: i64,
    pub role: Role,
    /// Percent; storage only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soc: Option<i64>,
}

/// Purpose of a meter, a number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Display,
    Consumption,
    Production,
    Grid,
    Storage,
}

impl Role {
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Display => 0,
            Self::Consumption => 1,
            Self::Production => 2,
            Self::Grid => 3,
            Self::Storage => 5,
        }
    }
}

impl Serialize for Role {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.number())
    }
}
