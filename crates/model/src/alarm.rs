//! What somebody should look at.

use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, SiteId, UserId};
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Warning,
    Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlarmCode {
    DeviceOffline,
    MeterSilent,
    NotFollowing,
    LimitExceeded,
    StoreFailing,
    /// A car that charges does not tell how full it is.
    SocStale,
    /// The store refuses records for good; they are kept elsewhere.
    RecordsSetAside,
    /// Somebody else changed what a device had been told.
    ForeignWriter,
    /// A dynamic tariff has no price, so its own fallback counts.
    PricesStale,
    /// A second connection claims to be a data logger that is here.
    LoggerClaimedTwice,
    /// A data logger has dialled us that nobody has named.
    LoggerUnknown,
    /// A platform that we report to sees a danger at a charging station.
    RiskSeen,
    /// A device has warnings of its own.
    DeviceWarning,
}

impl AlarmCode {
    /// As it is stored, and told to other programs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::DeviceOffline => "device_offline",
            Self::MeterSilent => "meter_silent",
            Self::NotFollowing => "not_following",
            Self::LimitExceeded => "limit_exceeded",
            Self::StoreFailing => "store_failing",
            Self::SocStale => "soc_stale",
            Self::RecordsSetAside => "records_set_aside",
            Self::ForeignWriter => "foreign_writer",
            Self::PricesStale => "prices_stale",
            Self::LoggerClaimedTwice => "logger_claimed_twice",
            Self::LoggerUnknown => "logger_unknown",
            Self::RiskSeen => "risk_seen",
            Self::DeviceWarning => "device_warning",
        }
    }
}

/// Raised once and cleared once; the same code for the same device is one alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    pub site: SiteId,
    pub device: Option<DeviceId>,
    pub code: AlarmCode,
    pub severity: Severity,
    pub text: String,
    pub raised: Timestamp,
    pub cleared: Option<Timestamp>,
    /// Somebody has seen it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<Acknowledged>,
}

/// Who has seen an alarm, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    pub by: UserId,
    pub at: Timestamp,
}
