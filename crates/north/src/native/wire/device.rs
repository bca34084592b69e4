//! Devices: what they are, whether they answer, what they measure.

use model::device::LinkState;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PerPhase;

/// The devices of a site, in the order of its configuration.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct DeviceList {
    pub items: Vec<DeviceView>,
}

/// A meter, inverter, battery or charging station.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    pub id: String,
    pub name: String,
    /// `meter`, `inverter`, `battery` or `charging_station`.
    pub kind: String,
    /// Meters only.
    #[schema(required = true)]
    pub role: Option<MeterRole>,
    pub circuit: String,
    pub enabled: bool,
    pub link: LinkView,
    /// When it last said something usable.
    #[schema(required = true)]
    pub last_seen_ms: Option<i64>,
    /// Whether its values are young enough for control.
    pub is_fresh: bool,
    /// Maker, model, firmware, as far as the device says.
    #[schema(required = true)]
    pub identity: Option<String>,
    pub measured: MeasuredView,
}

impl From<&model::view::DeviceView> for DeviceView {
    fn from(device: &model::view::DeviceView) -> Self {
        Self {
            id: device.id.to_string(),
            name: device.name.clone(),
            kind: device.kind.clone(),
            role: device.role.map(Into::into),
            circuit: device.circuit.to_string(),
            enabled: device.enabled,
            link: (&device.link).into(),
            last_seen_ms: device.last_seen.map(|at| at.0),
            is_fresh: device.is_fresh,
            identity: device.identity.clone(),
            measured: (&device.measured).into(),
        }
    }
}

/// What a meter measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MeterRole {
    Grid,
    Production,
    Consumption,
    Storage,
    Display,
}

impl From<model::device::MeterRole> for MeterRole {
    fn from(role: model::device::MeterRole) -> Self {
        use model::device::MeterRole as Theirs;
        match role {
            Theirs::Grid => Self::Grid,
            Theirs::Production => Self::Production,
            Theirs::Consumption => Self::Consumption,
            Theirs::Storage => Self::Storage,
            Theirs::Display => Self::Display,
        }
    }
}

/// Whether a device answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    pub state: LinkStateName,
    /// What was tried, what happened and what to check; only when offline.
    #[schema(required = true)]
    pub problem: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LinkStateName {
    /// Never heard from since the start.
    Connecting,
    Online,
    Offline,
}

impl From<&LinkState> for LinkView {
    fn from(link: &LinkState) -> Self {
        match link {
            LinkState::Connecting => Self {
                state: LinkStateName::Connecting,
                problem: None,
            },
            LinkState::Online => Self {
                state: LinkStateName::Online,
                problem: None,
            },
            LinkState::Offline { problem } => Self {
                state: LinkStateName::Offline,
                problem: Some(problem.clone()),
            },
        }
    }
}

/// What one poll of a device says; a member is null when it was not reported. Positive flows into the
/// thing named: import, a charging battery, a running EVSE.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MeasuredView {
    #[schema(required = true)]
    pub power_w: Option<i64>,
    #[schema(required = true)]
    pub phase_power_w: Option<PerPhase>,
    /// Signed like the power of its phase.
    #[schema(required = true)]
    pub current_ma: Option<PerPhase>,
    #[schema(required = true)]
    pub voltage_mv: Option<PerPhase>,
    #[schema(required = true)]
    pub frequency_mhz: Option<i64>,
    /// Lifetime counter of what flowed into the thing named.
    #[schema(required = true)]
    pub energy_in_wh: Option<i64>,
    /// Lifetime counter of what flowed out of it.
    #[schema(required = true)]
    pub energy_out_wh: Option<i64>,
    /// State of charge, batteries only.
    #[schema(required = true)]
    pub soc_permille: Option<i64>,
    pub quality: Quality,
}

impl From<&model::reading::Measured> for MeasuredView {
    fn from(measured: &model::reading::Measured) -> Self {
        Self {
            power_w: measured.power.map(|v| v.0),
            phase_power_w: measured.phase_power.map(|v| PerPhase::of(v, |w| w.0)),
            current_ma: measured.current.map(|v| PerPhase::of(v, |a| a.0)),
            voltage_mv: measured.voltage.map(|v| PerPhase::of(v, |u| u.0)),
            frequency_mhz: measured.frequency.map(|v| v.0),
            energy_in_wh: measured.energy_in.map(|v| v.0),
            energy_out_wh: measured.energy_out.map(|v| v.0),
            soc_permille: measured.soc.map(|v| v.0),
            quality: measured.quality.into(),
        }
    }
}

/// How far a value may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    Measured,
    /// Computed from other values.
    Derived,
    /// Pushed by somebody else, or assumed.
    Estimated,
}

impl From<model::reading::Quality> for Quality {
    fn from(quality: model::reading::Quality) -> Self {
        use model::reading::Quality as Theirs;
        match quality {
            Theirs::Measured => Self::Measured,
            Theirs::Derived => Self::Derived,
            Theirs::Estimated => Self::Estimated,
        }
    }
}
