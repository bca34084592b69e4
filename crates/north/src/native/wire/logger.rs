//! Data loggers: what devices of a site may be behind.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Those of a site, by number, with those that nobody knows for who may see settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggerList {
    pub items: Vec<LoggerView>,
    /// Gateways of which nobody has said yet which data logger they are, for who may see settings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vacant: Vec<VacantGateway>,
}

/// A gateway that a data logger can be accepted as.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VacantGateway {
    pub gateway: String,
    /// As the configuration calls it.
    pub name: String,
}

/// Which gateway a data logger is.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LoggerAcceptance {
    pub gateway: String,
}

/// A data logger that has dialled us, or that we wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LoggerView {
    /// The number by which it says who it is.
    pub pn: String,
    /// As the configuration calls it; null for a stranger.
    #[schema(required = true)]
    pub name: Option<String>,
    /// Whether the configuration names its number. A stranger is shown, and never asked or told anything.
    pub accepted: bool,
    pub online: bool,
    /// Where its connection comes from.
    #[schema(required = true)]
    pub from: Option<String>,
    /// Since when it is here.
    #[schema(required = true)]
    pub since_ms: Option<i64>,
    #[schema(required = true)]
    pub last_contact_ms: Option<i64>,
    /// Of its radio.
    #[schema(required = true)]
    pub signal_dbm: Option<i64>,
    #[schema(required = true)]
    pub kind: Option<String>,
    #[schema(required = true)]
    pub firmware: Option<String>,
    /// Where a second connection comes from that claims the same number, and waits.
    #[schema(required = true)]
    pub waiting: Option<String>,
    /// Devices of the site that are behind it.
    pub devices: Vec<String>,
}
