//! The typed configuration. How a file becomes one of these, with all its problems found at once, is in
//! the binary's `config`.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::gateway::Gateway;
use crate::id::{EvseId, SiteId};
use crate::site::Site;
use crate::tariff::Tariff;
use crate::time::Millis;
use crate::vehicle::Vehicle;

/// Everything that one process needs to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    pub listen: std::net::SocketAddr,
    pub tls: TlsSettings,
    /// Names, beside IP literals and `localhost`, under which the server answers. Others are refused, so
    /// that a foreign page cannot read the site by DNS rebinding.
    pub host_names: Vec<String>,
    pub control: ControlSettings,
    pub goe: GoeSettings,
    pub backup: BackupSettings,
    /// Those of the file; others are in the store.
    pub tariffs: Vec<Tariff>,
    pub vehicles: Vec<Vehicle>,
    pub price_providers: Vec<PriceProvider>,
    /// How long readings are kept, if the file says so; else it can be changed at run time.
    pub history: Option<Retention>,
    pub personal_data: PersonalData,
    pub outbound: OutboundSettings,
    /// Without it no e-mail is sent.
    pub mail: Option<MailSettings>,
    /// Links to several devices; those name them.
    pub gateways: Vec<Gateway>,
    /// The first one is the default site of dialects that know only one.
    pub sites: Vec<Site>,
    /// What of all this the file says, where it can be chosen at run time as well.
    pub given: Given,
}

/// Which of the settings that can be chosen at run time stand in the file, and so cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given {
    pub backup: bool,
    pub mail: bool,
    pub outbound: bool,
    pub local_open: bool,
    /// Sites that have their name from the file.
    pub names: BTreeSet<SiteId>,
    pub time_zones: BTreeSet<SiteId>,
    /// EVSEs of which the file says whether the cloud form of go-e answers for them.
    #[serde(default)]
    pub goe_enabled: BTreeSet<EvseId>,
}

/// Settings that were chosen at run time. What the file says stands above them. How long readings are kept is
/// a document of its own, [`Retention`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Chosen {
    pub backup: Option<Nightly>,
    /// Its password is sealed by the gate.
    pub mail: Option<MailSettings>,
    pub outbound: Option<OutboundSettings>,
    pub local_open: Option<Vec<String>>,
    pub sites: BTreeMap<SiteId, ChosenSite>,
}

/// When backups are made and how many are kept; where is the file's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nightly {
    pub keep: u16,
    pub at_minute: u16,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChosenSite {
    pub name: Option<String>,
    pub time_zone: Option<String>,
}

impl crate::noun::Noun for Chosen {
    const KIND: &'static str = "settings";

    fn id(&self) -> &str {
        Self::ID
    }
}

impl Chosen {
    /// There is one document.
    pub const ID: &'static str = "chosen";

    /// Puts what was chosen where the file says nothing.
    pub fn over(&self, settings: &mut Settings) {
        let given = &settings.given;
        if let Some(Nightly { keep, at_minute }) = self.backup.filter(|_| !given.backup) {
            settings.backup.keep = keep;
            settings.backup.at_minute = at_minute;
        }
        if let Some(mail) = self.mail.as_ref().filter(|_| !given.mail) {
            settings.mail = Some(mail.clone());
        }
        if let Some(outbound) = self.outbound.as_ref().filter(|_| !given.outbound) {
            settings.outbound = outbound.clone();
        }
        if let Some(networks) = self.local_open.as_ref().filter(|_| !given.local_open) {
            settings.goe.local_open.clone_from(networks);
        }
        for site in &mut settings.sites {
            let Some(chosen) = self.sites.get(&site.id) else {
                continue;
            };
            if let Some(name) = chosen.name.as_ref().filter(|_| !given.names.contains(&site.id)) {
                site.name.clone_from(name);
            }
            let zone = chosen.time_zone.as_ref();
            if let Some(zone) = zone.filter(|_| !given.time_zones.contains(&site.id)) {
                site.time_zone.clone_from(zone);
            }
        }
    }
}

/// How the one HTTP port is offered a second time, over TLS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSettings {
    /// `None`: not at all.
    pub listen: Option<std::net::SocketAddr>,
    /// PEM files, both or none; without them a self-signed certificate is made.
    pub certificate: Option<std::path::PathBuf>,
    pub key: Option<std::path::PathBuf>,
    /// Lets people of other machines sign in over plain HTTP, for a TLS proxy in front.
    pub insecure_sign_in: bool,
}

/// What may be dialled because somebody asked (webhooks), beyond the public internet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboundSettings {
    /// Networks (`192.168.1.0/24`) and host names.
    pub allow: Vec<String>,
}

/// Where e-mail is handed over. The password is in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    pub user: Option<String>,
    pub password_file: Option<std::path::PathBuf>,
    /// The sender: `name@example.org`, or `Name <name@example.org>`.
    pub from: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Begins in clear and changes to TLS before anything is said.
    StartTls,
    Tls,
    None,
}

impl MailTls {
    /// The port that relays listen on.
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

impl MailSettings {
    /// Whether a password would travel through a network in clear.
    #[must_use]
    pub fn shows_password(&self) -> bool {
        let is_local = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        self.user.is_some() && self.tls == MailTls::None && !is_local
    }
}

/// How the control cycle runs. Defaults are those of `docs/guide/control.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ControlSettings {
    /// A cycle at least this often.
    pub period: Millis,
    /// Sun and room must last this long before a car starts.
    pub start_delay_solar: Millis,
    pub start_delay_grid: Millis,
    /// Without sun, the minimum is held this long before a pause.
    pub stop_delay: Millis,
    pub min_on: Millis,
    pub min_off: Millis,
    /// Increases are judged by the highest load of this window.
    pub rise_window: Millis,
    /// A charging station that has not followed by then counts as failed.
    pub ack_timeout: Millis,
    /// A charging station is silent after this long.
    pub station_timeout: Millis,
}

impl Default for ControlSettings {
    fn default() -> Self {
        Self {
            period: Millis(1_000),
            start_delay_solar: Millis(60_000),
            start_delay_grid: Millis(10_000),
            stop_delay: Millis(180_000),
            min_on: Millis(300_000),
            min_off: Millis(300_000),
            rise_window: Millis(60_000),
            ack_timeout: Millis(10_000),
            station_timeout: Millis(15_000),
        }
    }
}

/// How long readings are kept, and how finely. Quarter-hours and days stay for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// Every reading.
    pub raw_days: u32,
    /// Minutes in their place, counted from the reading; so at least as long.
    pub minute_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            raw_days: 90,
            minute_days: 730,
        }
    }
}

impl Retention {
    /// What either may be.
    pub const DAYS: std::ops::RangeInclusive<u32> = 1..=36_500;

    /// The member that does not fit, and what would.
    #[must_use]
    pub fn problem(self) -> Option<(&'static str, u32, String)> {
        let most = *Self::DAYS.end();
        if !Self::DAYS.contains(&self.raw_days) {
            return Some(("raw_days", self.raw_days, format!("1 to {most}")));
        }
        let expected = format!("at least raw_days ({}), at most {most}", self.raw_days);
        let fits = (self.raw_days..=most).contains(&self.minute_days);
        (!fits).then_some(("minute_days", self.minute_days, expected))
    }
}

/// How long records name somebody; `None`: for ever.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonalData {
    /// Days after the end of a session in which its user, card and vehicle are kept.
    pub session_days: Option<u32>,
    /// Days in which entries of the audit log are kept.
    pub audit_days: Option<u32>,
}

impl crate::noun::Noun for Retention {
    const KIND: &'static str = "setting";

    fn id(&self) -> &str {
        "retention"
    }
}

/// The go-e cloud form of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeSettings {
    /// A charger whose link has been lost for longer is refused with 403.
    pub offline_after: Millis,
    #[serde(default)]
    pub set_status: SetStatus,
    /// Networks (`192.168.1.0/24`) from which the local form answers without a token.
    pub local_open: Vec<String>,
    pub chargers: Vec<GoeCharger>,
}

impl Default for GoeSettings {
    fn default() -> Self {
        Self {
            offline_after: Millis(24 * 3_600_000),
            set_status: SetStatus::default(),
            local_open: Vec::new(),
            chargers: Vec::new(),
        }
    }
}

/// What the cloud form answers to a write that was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SetStatus {
    /// 202, as documented.
    #[default]
    Accepted,
    /// 200, for clients that take everything else for a failure.
    Ok,
}

/// How one EVSE appears to go-e clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoeCharger {
    pub evse: EvseId,
    /// Six digits, leading zeros kept.
    pub serial: String,
    /// Whether the cloud API is switched on (`cae`).
    pub enabled: bool,
}

/// The nightly backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackupSettings {
    /// So many are kept; 0: none is made.
    pub keep: u16,
    /// Minutes since local midnight of the first site.
    pub at_minute: u16,
    /// `None`: `backups` in the data directory.
    pub directory: Option<String>,
}

impl BackupSettings {
    /// Where nightly backups of a data directory are.
    #[must_use]
    pub fn directory_of(&self, data: &std::path::Path) -> std::path::PathBuf {
        self.directory
            .as_ref()
            .map_or_else(|| data.join("backups"), std::path::PathBuf::from)
    }
}

impl Default for BackupSettings {
    fn default() -> Self {
        Self {
            keep: 7,
            at_minute: 180,
            directory: None,
        }
    }
}

/// Where prices of dynamic contracts come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceProvider {
    /// By which contracts name it.
    pub id: String,
    pub source: PriceSource,
    pub format: PriceFormat,
    pub every: Millis,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum PriceSource {
    Http { url: String },
    File { path: String },
}

/// How prices stand in a JSON document: a list of objects, each with a start and a price.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PriceFormat {
    /// Members on the way to the list, separated by dots; empty: the document is the list.
    pub list: String,
    /// Members of one entry, by the same kind of path.
    pub start: String,
    pub end: SlotEnd,
    pub price: String,
    /// Millionths of a currency unit per kWh that a price of 1 stands for: 1000 for EUR/MWh.
    pub unit_micros: i64,
    pub time: TimeFormat,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlotEnd {
    Member(String),
    After(Millis),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimeFormat {
    /// With an offset: `2026-03-29T02:00:00+01:00`.
    Iso8601,
    EpochSeconds,
    EpochMillis,
}
