//! Settings of the installation.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// What can be chosen here, as far as the config file does not say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SettingsView {
    pub history: HistorySettings,
    pub backup: BackupSettings,
    /// Null: no e-mail is sent.
    #[schema(required = true)]
    pub mail: Option<MailSettings>,
    pub outbound: OutboundSettings,
    pub goe: GoeSettings,
    pub sites: Vec<SiteSettings>,
    /// What was changed and takes effect when the server is started again: `goe.local_open`,
    /// `sites.home.name`.
    pub after_restart: Vec<String>,
}

/// How long readings are kept; quarter-hours and days stay for ever.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HistorySettings {
    pub raw_days: u32,
    pub minute_days: u32,
    /// The config file says it; here it cannot be changed.
    pub from_file: bool,
}

/// The nightly backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BackupSettings {
    /// So many are kept; 0: none is made.
    pub keep: u16,
    /// Minutes since local midnight of the first site.
    pub at_minute: u16,
    pub from_file: bool,
}

/// The relay that takes e-mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    #[schema(required = true)]
    pub user: Option<String>,
    pub has_password: bool,
    /// The sender: `name@example.org`, or `Name <name@example.org>`.
    pub from: String,
    pub from_file: bool,
}

mirror! {
    MailTls = model::settings::MailTls {
        /// Begins in clear and changes to TLS before anything is said.
        #[serde(rename = "starttls")]
        StartTls,
        Tls,
        None,
    }
}

/// What may be dialled because a user asked, beside the public internet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OutboundSettings {
    /// Networks and host names.
    pub allow: Vec<String>,
    pub from_file: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = GoeFormSettings)]
pub struct GoeSettings {
    /// Networks from which the local form answers without a token.
    pub local_open: Vec<String>,
    pub from_file: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SiteSettings {
    pub id: String,
    pub name: String,
    pub name_from_file: bool,
    /// IANA name.
    pub time_zone: String,
    pub time_zone_from_file: bool,
    pub inverters: Vec<InverterSettings>,
}

/// What hangs on an inverter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InverterSettings {
    pub id: String,
    pub name: String,
    pub panels: Vec<PanelSettings>,
    pub panels_from_file: bool,
}

/// Panels that look the same way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PanelSettings {
    /// What they give at 1,000 W/m²; above 0.
    pub peak_w: i64,
    /// 0 (flat) to 90 (upright).
    pub tilt_deg: i64,
    /// Clockwise from north, 0 to 360; 180 is south.
    pub azimuth_deg: i64,
}

/// What is to change; what is absent stays.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingsChange {
    #[serde(default)]
    #[schema(nullable = false)]
    pub history: Option<HistoryChange>,
    #[serde(default)]
    #[schema(nullable = false)]
    pub backup: Option<BackupChange>,
    /// The whole relay; null: no e-mail is sent any more.
    #[serde(default, deserialize_with = "some")]
    #[schema(value_type = Option<MailChange>)]
    pub mail: Option<Option<MailChange>>,
    #[serde(default)]
    #[schema(nullable = false)]
    pub outbound: Option<OutboundChange>,
    #[serde(default)]
    #[schema(nullable = false)]
    pub goe: Option<GoeChange>,
    /// By id.
    #[serde(default)]
    #[schema(required = false)]
    pub sites: BTreeMap<String, SiteChange>,
}

/// Null is something other than nothing.
fn some<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<MailChange>>, D::Error> {
    Option::deserialize(from).map(Some)
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct HistoryChange {
    /// 1 to 36500.
    pub raw_days: u32,
    /// At least `raw_days`.
    pub minute_days: u32,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupChange {
    /// 0 to 1000.
    pub keep: u16,
    /// 0 to 1439.
    pub at_minute: u16,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailChange {
    pub host: String,
    /// What is usual for `tls` when absent.
    #[serde(default)]
    #[schema(nullable = false)]
    pub port: Option<u16>,
    pub tls: MailTls,
    #[serde(default)]
    pub user: Option<String>,
    /// Absent: it stays as it is, while host and user do.
    #[serde(default)]
    #[schema(write_only, nullable = false)]
    pub password: Option<String>,
    pub from: String,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutboundChange {
    pub allow: Vec<String>,
}

#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoeChange {
    pub local_open: Vec<String>,
}

#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteChange {
    #[serde(default)]
    #[schema(nullable = false)]
    pub name: Option<String>,
    #[serde(default)]
    #[schema(nullable = false)]
    pub time_zone: Option<String>,
    /// All that hang on an inverter, by its id; what is absent stays.
    #[serde(default)]
    #[schema(required = false)]
    pub panels: BTreeMap<String, Vec<PanelSettings>>,
}
