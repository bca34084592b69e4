//! What pages show. All of it comes from memory, so that it costs nothing to look.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::oversight::{
    Code, Decimal, Finding, Operator, OperatorCode, PortState, Quality, RiskLevel, Sample,
};
use model::time::Timestamp;

/// What a port looks like from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Look {
    Idle,
    Occupied,
    Charging,
    Reserved,
    Complete,
    Fault,
    /// A state that no table has.
    Other,
    /// It said so, or has said nothing for too long.
    Offline,
    /// It has never said anything.
    Never,
}

impl Look {
    pub const ALL: [Self; 9] = [
        Self::Idle,
        Self::Occupied,
        Self::Charging,
        Self::Reserved,
        Self::Complete,
        Self::Fault,
        Self::Other,
        Self::Offline,
        Self::Never,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Occupied => "occupied",
            Self::Charging => "charging",
            Self::Reserved => "reserved",
            Self::Complete => "complete",
            Self::Fault => "fault",
            Self::Other => "other",
            Self::Offline => "offline",
            Self::Never => "never",
        }
    }

    pub(crate) const fn of(state: PortState) -> Self {
        match state {
            PortState::Idle => Self::Idle,
            PortState::Occupied => Self::Occupied,
            PortState::Charging => Self::Charging,
            PortState::Reserved => Self::Reserved,
            PortState::Complete => Self::Complete,
            PortState::Fault => Self::Fault,
            PortState::Other(_) => Self::Other,
        }
    }
}

/// How many there are of what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    pub stations: u64,
    pub equipment: u64,
    pub ports: u64,
    /// Every port once; looks that none has are missing.
    pub looks: BTreeMap<Look, u64>,
    /// Of the ports that are not offline, those without a fresh sample.
    pub stale: u64,
}

/// An operator at one glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperatorOverview {
    pub operator: Arc<Operator>,
    pub tally: Tally,
    /// Of today so far.
    pub quality: Quality,
    /// Open ones; levels that none has are missing.
    pub warnings: BTreeMap<RiskLevel, u64>,
    /// Of charges that began today.
    pub energy: Decimal,
    pub energy_cost: Decimal,
    pub service_cost: Decimal,
    /// When anything of it was taken last.
    pub heard: Option<Timestamp>,
}

/// All operators at one glance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// Today by the calendar of the authority.
    pub day: String,
    pub operators: Vec<OperatorOverview>,
    /// Why what comes in is not worked off, if it is not.
    pub problem: Option<String>,
}

/// A station for a map.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StationOnMap {
    pub operator: OperatorCode,
    pub station: Code,
    pub name: String,
    /// Longitude and latitude as told: GCJ-02, which lies up to some hundred metres beside WGS-84.
    pub place: Option<(Decimal, Decimal)>,
    pub looks: BTreeMap<Look, u64>,
    /// The highest of its open warnings.
    pub risk: Option<RiskLevel>,
}

/// Which ports; what is `None` does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PortFilter {
    pub look: Option<Look>,
    pub station: Option<Code>,
    /// Stands in its id.
    pub text: Option<String>,
    /// Only those with an open warning.
    pub only_warned: bool,
}

/// A port as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortNow {
    pub port: Code,
    pub equipment: Code,
    pub station: Code,
    pub look: Look,
    pub is_stale: bool,
    /// The newest by its own time.
    pub sample: Option<Sample>,
    /// When that came.
    pub seen: Option<Timestamp>,
    /// The highest of its open warnings.
    pub risk: Option<RiskLevel>,
}

/// Something odd, and where and when it was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    pub at: Timestamp,
    /// The port, or what else it is about.
    pub about: Code,
    pub finding: Finding,
}

/// An operator on one day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DailyRow {
    pub day: String,
    pub operator: OperatorCode,
    pub name: String,
    pub stations: u64,
    pub ports: u64,
    pub quality: Quality,
    /// Charges that began on that day.
    pub charges: u64,
    pub energy: Decimal,
    pub energy_cost: Decimal,
    pub service_cost: Decimal,
}
