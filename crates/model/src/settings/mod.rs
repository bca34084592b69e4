//! The typed configuration. How a file becomes one of these, with all its problems found at once, is in
//! the binary's `config`.

mod control;
mod eybond;
mod goe;
mod mail;
mod shinemonitor;
mod supervision;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::device::DeviceKind;
use crate::gateway::Gateway;
use crate::id::{DeviceId, SiteId};
use crate::panels::Panels;
use crate::site::Site;
use crate::tariff::Tariff;
use crate::time::Millis;
use crate::vehicle::Vehicle;

pub use control::ControlSettings;
pub use eybond::LoggerSettings;
pub use goe::{ChosenGoe, GoeCharger, GoeSettings, SetStatus};
pub use mail::{MailSettings, MailTls};
pub use shinemonitor::{ShinemonitorPlant, ShinemonitorSettings};
pub use supervision::SupervisionSettings;

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
    #[serde(default)]
    pub shinemonitor: ShinemonitorSettings,
    #[serde(default)]
    pub supervision: SupervisionSettings,
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
    #[serde(default)]
    pub loggers: LoggerSettings,
    /// The first one is the default site of dialects that know only one.
    pub sites: Vec<Site>,
    /// What of all this the file says, where it can be chosen at run time as well.
    pub given: Given,
}

impl Settings {
    /// What an authority asks of its operators, if this is one.
    #[must_use]
    pub fn oversight(&self) -> Option<&SupervisionSettings> {
        Some(&self.supervision).filter(|settings| settings.enabled)
    }
}

/// Places of the settings that can be chosen at run time and stand in the file, and so cannot: `backup`,
/// `sites.home.name`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given(BTreeSet<String>);

impl Given {
    /// Whether the file says what stands at a place.
    #[must_use]
    pub fn says(&self, place: &str) -> bool {
        self.0.contains(place)
    }

    pub fn insert(&mut self, place: impl Into<String>) {
        self.0.insert(place.into());
    }
}

impl FromIterator<String> for Given {
    fn from_iter<I: IntoIterator<Item = String>>(places: I) -> Self {
        Self(places.into_iter().collect())
    }
}

impl Site {
    /// Where its name stands among the settings.
    #[must_use]
    pub fn name_place(id: &SiteId) -> String {
        format!("sites.{id}.name")
    }

    /// Where the panels of one of its inverters do.
    #[must_use]
    pub fn panels_place(id: &SiteId, inverter: &DeviceId) -> String {
        format!("sites.{id}.devices.{inverter}.panels")
    }

    /// Where its time zone does.
    #[must_use]
    pub fn time_zone_place(id: &SiteId) -> String {
        format!("sites.{id}.time_zone")
    }
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
    #[serde(flatten)]
    pub goe: ChosenGoe,
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
    /// By inverter.
    pub panels: BTreeMap<DeviceId, Vec<Panels>>,
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
        if let Some(Nightly { keep, at_minute }) = self.backup.filter(|_| !given.says("backup")) {
            settings.backup.keep = keep;
            settings.backup.at_minute = at_minute;
        }
        if let Some(mail) = self.mail.as_ref().filter(|_| !given.says("mail")) {
            settings.mail = Some(mail.clone());
        }
        if let Some(outbound) = self.outbound.as_ref().filter(|_| !given.says("outbound")) {
            settings.outbound = outbound.clone();
        }
        self.goe.over(&mut settings.goe, given);
        for site in &mut settings.sites {
            let Some(chosen) = self.sites.get(&site.id) else {
                continue;
            };
            let (name, zone) = (Site::name_place(&site.id), Site::time_zone_place(&site.id));
            if let Some(name) = chosen.name.as_ref().filter(|_| !given.says(&name)) {
                site.name.clone_from(name);
            }
            if let Some(zone) = chosen.time_zone.as_ref().filter(|_| !given.says(&zone)) {
                site.time_zone.clone_from(zone);
            }
            for device in &mut site.devices {
                let place = Site::panels_place(&site.id, &device.id);
                let wanted = chosen.panels.get(&device.id).filter(|_| !given.says(&place));
                if let (Some(wanted), DeviceKind::Inverter { panels, .. }) = (wanted, &mut device.kind) {
                    panels.clone_from(wanted);
                }
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
