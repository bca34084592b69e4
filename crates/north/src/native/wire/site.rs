//! A site as a whole: its balance, its circuits, its alarms.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{DeviceView, EvseView, PerPhase};

/// All sites of this installation.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SiteList {
    pub items: Vec<SiteSummary>,
}

/// One line about a site.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SiteSummary {
    pub id: String,
    pub name: String,
    pub devices: usize,
    pub evses: usize,
    /// Alarms that are not cleared.
    pub alarms: usize,
    /// Whether its control cycle runs: its last view is younger than ten seconds.
    pub online: bool,
}

/// The whole picture of a site at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SiteView {
    pub id: String,
    pub name: String,
    /// IANA name.
    pub time_zone: String,
    /// Which engine made it; grows with each take-over.
    pub epoch: u64,
    pub at_ms: i64,
    pub flow: Flow,
    pub circuits: Vec<CircuitView>,
    pub devices: Vec<DeviceView>,
    pub evses: Vec<EvseView>,
    /// Those not cleared yet.
    pub alarms: Vec<AlarmView>,
    pub overdraft: Overdraft,
    pub cycle: CycleView,
}

impl From<&model::view::SiteView> for SiteView {
    fn from(view: &model::view::SiteView) -> Self {
        Self {
            id: view.id.to_string(),
            name: view.name.clone(),
            time_zone: view.time_zone.clone(),
            epoch: view.epoch,
            at_ms: view.at.wall.0,
            flow: view.flow.into(),
            circuits: view.circuits.iter().map(Into::into).collect(),
            devices: view.devices.iter().map(Into::into).collect(),
            evses: super::evse::of_site(view),
            alarms: view.alarms.iter().map(Into::into).collect(),
            overdraft: view.overdraft.into(),
            cycle: view.cycle.into(),
        }
    }
}

/// The balance of the site: grid = house + EVSEs + battery + PV, all positive into the thing named. A
/// member is null when nothing measures it or what measures it is silent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flow {
    #[schema(required = true)]
    pub grid_w: Option<i64>,
    /// Negative while the sun delivers.
    #[schema(required = true)]
    pub pv_w: Option<i64>,
    /// Positive while it charges.
    #[schema(required = true)]
    pub battery_w: Option<i64>,
    /// The rest of the balance.
    #[schema(required = true)]
    pub house_w: Option<i64>,
    pub evses_w: i64,
}

impl From<model::view::Flow> for Flow {
    fn from(flow: model::view::Flow) -> Self {
        Self {
            grid_w: flow.grid.map(|power| power.0),
            pv_w: flow.pv.map(|power| power.0),
            battery_w: flow.battery.map(|power| power.0),
            house_w: flow.house.map(|power| power.0),
            evses_w: flow.evses.0,
        }
    }
}

/// A fused part of the wiring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CircuitView {
    pub id: String,
    pub name: String,
    /// Null for the house connection.
    #[schema(required = true)]
    pub parent: Option<String>,
    pub limit_ma: PerPhase,
    /// Null when its meter is silent.
    #[schema(required = true)]
    pub current_ma: Option<PerPhase>,
    /// What is left for EVSEs above what they draw; negative when exceeded.
    #[schema(required = true)]
    pub headroom_ma: Option<PerPhase>,
}

impl From<&model::view::CircuitView> for CircuitView {
    fn from(circuit: &model::view::CircuitView) -> Self {
        Self {
            id: circuit.id.to_string(),
            name: circuit.name.clone(),
            parent: circuit.parent.as_ref().map(ToString::to_string),
            limit_ma: PerPhase::of(circuit.limit, |current| current.0),
            current_ma: circuit
                .current
                .map(|current| PerPhase::of(current, |current| current.0)),
            headroom_ma: circuit
                .headroom
                .map(|current| PerPhase::of(current, |current| current.0)),
        }
    }
}

/// Milliseconds and milliampere-seconds above a limit since the start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Overdraft {
    /// Caused by a command of ours; a defect when not zero.
    pub caused_ms: i64,
    pub caused_ma_s: i64,
    /// House load or sun, until it was answered.
    pub reacted_ms: i64,
    pub reacted_ma_s: i64,
}

impl From<model::view::Overdraft> for Overdraft {
    fn from(overdraft: model::view::Overdraft) -> Self {
        let model::view::Overdraft {
            caused_ms,
            caused_ma_s,
            reacted_ms,
            reacted_ma_s,
        } = overdraft;
        Self {
            caused_ms,
            caused_ma_s,
            reacted_ms,
            reacted_ma_s,
        }
    }
}

/// How the control cycle does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CycleView {
    pub count: u64,
    /// How long the last one took, in microseconds.
    pub last_us: u64,
}

impl From<model::view::CycleView> for CycleView {
    fn from(cycle: model::view::CycleView) -> Self {
        Self {
            count: cycle.count,
            last_us: cycle.last_us,
        }
    }
}

/// Alarms of a site, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AlarmList {
    pub items: Vec<AlarmView>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// What somebody should look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlarmView {
    pub site: String,
    #[schema(required = true)]
    pub device: Option<String>,
    pub code: AlarmCode,
    pub severity: Severity,
    /// A plain English sentence.
    pub text: String,
    pub raised_ms: i64,
    #[schema(required = true)]
    pub cleared_ms: Option<i64>,
    /// Somebody has seen it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub acknowledged: Option<AcknowledgedView>,
}

/// Who has seen an alarm, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AcknowledgedView {
    pub by: String,
    pub at_ms: i64,
}

/// Which alarm somebody has seen.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledgement {
    /// Absent for an alarm of the whole site.
    pub device: Option<String>,
    pub code: AlarmCode,
    pub raised_ms: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlarmState {
    Open,
    All,
}

impl From<&model::alarm::Alarm> for AlarmView {
    fn from(alarm: &model::alarm::Alarm) -> Self {
        Self {
            site: alarm.site.to_string(),
            device: alarm.device.as_ref().map(ToString::to_string),
            code: alarm.code.into(),
            severity: alarm.severity.into(),
            text: alarm.text.clone(),
            raised_ms: alarm.raised.0,
            cleared_ms: alarm.cleared.map(|at| at.0),
            acknowledged: alarm.acknowledged.as_ref().map(|seen| AcknowledgedView {
                by: seen.by.to_string(),
                at_ms: seen.at.0,
            }),
        }
    }
}

mirror!(
    AlarmCode = model::alarm::AlarmCode {
        DeviceOffline,
        MeterSilent,
        NotFollowing,
        LimitExceeded,
        StoreFailing,
        SocStale,
        RecordsSetAside,
        ForeignWriter,
        PricesStale,
        LoggerClaimedTwice,
        LoggerUnknown,
        RiskSeen,
        DeviceWarning
    }
);
mirror!(Severity = model::alarm::Severity { Warning, Error });
