//! What we report of our own sites, and to whom.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{ChargeRecord, Code, Digest, OperatorCode, Sample};
use crate::id::{DeviceId, EvseId, PlatformId, SiteId};
use crate::money::Currency;
use crate::noun::noun;
use crate::site::{Position, Site};
use crate::time::{Millis, Timestamp, is_time_zone};

/// A platform that we report to as an operator. Its secrets are sealed by the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportTo {
    pub id: PlatformId,
    pub name: String,
    /// Scheme, host and port.
    pub url: String,
    /// Who we are there.
    pub operator: OperatorCode,
    #[serde(default)]
    pub digest: Digest,
    #[serde(default)]
    pub enabled: bool,
    /// It may be reached over plain http, and may call us there.
    #[serde(default)]
    pub local: bool,
    /// A port is told so often when nothing changes.
    pub interval: Millis,
    /// Whose clocks times are written by.
    pub time_zone: String,
    /// Costs in others are not told.
    pub currency: Currency,
    /// Under which address of ours it may call; `None`: it is told none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// Fields by the names that the documentation has, and what this platform calls them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub field_names: BTreeMap<String, String>,
    /// What else is other than documented, as a file of the dialect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    pub sites: Vec<ReportedSite>,
    /// Charges that ended before are not told.
    #[serde(default)]
    pub since: Timestamp,
}
noun!(ReportTo, "report-to");

/// How a site of ours appears at a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedSite {
    pub site: SiteId,
    /// What is not named here has our own id there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<Code>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub equipment: BTreeMap<DeviceId, Code>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ports: BTreeMap<EvseId, Code>,
    pub sheet: StationSheet,
}

/// What nobody measures of a site. Numbers are of the platform's tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationSheet {
    /// Who owns the equipment, by the code of the organisation.
    pub owner: String,
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    pub station_type: i64,
    /// Where the platform's maps have it; `None`: where the site says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
    /// Number of the standard that its ports follow.
    pub standard: String,
    pub energy_fee: String,
    pub service_fee: String,
    /// 1 yes, 2 no, 3 unknown.
    pub fire_extinguisher: i64,
    pub smoke_detector: i64,
}

/// A position, and which maps it is right on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    pub position: Position,
    pub datum: Datum,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Datum {
    /// As satellites say.
    #[default]
    Wgs84,
    /// As maps of mainland China are shifted.
    Gcj02,
}

impl ReportTo {
    /// So often a port may be told when nothing changes.
    pub const INTERVAL: (Millis, Millis) = (Millis(300_000), Millis(600_000));

    /// Everything that is wrong with it, given the sites there are.
    #[must_use]
    pub fn problems(&self, sites: &[Site]) -> Vec<String> {
        let mut texts = Vec::new();
        let mut wrong = |text: String| texts.push(format!("platform `{}` {text}", self.id));
        if !(1..=80).contains(&self.name.trim().chars().count()) {
            wrong("has a name that is not 1 to 80 characters long".to_owned());
        }
        let (least, most) = Self::INTERVAL;
        if !(least..=most).contains(&self.interval) {
            let (given, least, most) = (self.interval.as_seconds(), least.as_seconds(), most.as_seconds());
            wrong(format!(
                "has an interval of {given} s, expected {least} to {most} s"
            ));
        }
        if !is_time_zone(&self.time_zone) {
            wrong(format!(
                "has the time zone `{}`, expected an IANA name such as Asia/Shanghai",
                self.time_zone
            ));
        }
        let callback = self.callback.as_deref();
        for (what, url) in [
            ("address", Some(self.url.as_str())),
            ("callback address", callback),
        ] {
            if let Some(text) = url.and_then(|url| self.url_problem(url)) {
                wrong(format!("has an {what} that {text}"));
            }
        }
        if self.enabled && self.sites.is_empty() {
            wrong("is told of no site".to_owned());
        }
        let mut seen = BTreeSet::new();
        for reported in &self.sites {
            let id = &reported.site;
            if !seen.insert(id) {
                wrong(format!("has site `{id}` twice"));
            }
            let Some(site) = sites.iter().find(|site| site.id == *id) else {
                wrong(format!("has site `{id}`, which does not exist"));
                continue;
            };
            for device in reported.equipment.keys() {
                if site.device(device).is_none_or(|device| device.evses().is_empty()) {
                    wrong(format!(
                        "names `{device}`, which is no charging station of site `{id}`"
                    ));
                }
            }
            for evse in reported.ports.keys() {
                if !site.evses().any(|(_, known)| known.id == *evse) {
                    wrong(format!("names `{evse}`, which is no EVSE of site `{id}`"));
                }
            }
            for (what, text) in [
                ("owner", &reported.sheet.owner),
                ("address", &reported.sheet.address),
            ] {
                if text.trim().is_empty() {
                    wrong(format!("has no {what} of site `{id}`"));
                }
            }
            let has_place = reported.sheet.place.is_some() || site.position.is_some();
            if !has_place {
                wrong(format!("is not told where site `{id}` is"));
            }
        }
        for code in self.twice(sites) {
            wrong(format!("is told `{code}` twice; give one of them another code"));
        }
        texts
    }

    fn url_problem(&self, url: &str) -> Option<&'static str> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Some("has no scheme");
        };
        let host = rest.split('/').next().unwrap_or_default();
        match scheme {
            _ if host.is_empty() || host.contains('@') || rest.contains(['?', '#']) => {
                Some("is more or less than https, a host and a path")
            }
            "https" => None,
            "http" if self.local => None,
            "http" => Some("is plain http; only what is marked local may be"),
            _ => Some("is not https"),
        }
    }

    /// Codes that two things of one kind would have.
    fn twice(&self, sites: &[Site]) -> Vec<String> {
        let mut twice = Vec::new();
        let mut seen = BTreeSet::new();
        for reported in &self.sites {
            let Some(site) = sites.iter().find(|site| site.id == reported.site) else {
                continue;
            };
            let mut all = vec![("station", reported.station_code())];
            let stations = site.devices.iter().filter(|device| !device.evses().is_empty());
            all.extend(stations.map(|device| ("equipment", reported.equipment_code(&device.id))));
            all.extend(
                site.evses()
                    .map(|(_, evse)| ("port", reported.port_code(&evse.id))),
            );
            for (kind, code) in all {
                if !seen.insert((kind, code.clone())) {
                    twice.push(code);
                }
            }
        }
        twice
    }

    /// The site that is told under a name, and how.
    #[must_use]
    pub fn site(&self, id: &SiteId) -> Option<&ReportedSite> {
        self.sites.iter().find(|reported| reported.site == *id)
    }
}

impl ReportedSite {
    fn station_code(&self) -> String {
        let given = self.station.as_ref().map(Code::as_str);
        given.unwrap_or(self.site.as_str()).to_owned()
    }

    fn equipment_code(&self, id: &DeviceId) -> String {
        let given = self.equipment.get(id).map(Code::as_str);
        given.unwrap_or(id.as_str()).to_owned()
    }

    fn port_code(&self, id: &EvseId) -> String {
        let given = self.ports.get(id).map(Code::as_str);
        given.unwrap_or(id.as_str()).to_owned()
    }
}

/// One thing that waits to be told to a platform.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Upload {
    Sample {
        sample: Sample,
    },
    Record {
        record: ChargeRecord,
    },
    /// Mends a sample that the platform could not use.
    Again {
        failed: Code,
        sample: Sample,
    },
}

impl Upload {
    #[must_use]
    pub const fn lane(&self) -> Lane {
        match self {
            Self::Sample { .. } => Lane::Sample,
            Self::Record { .. } => Lane::Record,
            Self::Again { .. } => Lane::Again,
        }
    }

    /// Of what moment it tells.
    #[must_use]
    pub const fn at(&self) -> Timestamp {
        match self {
            Self::Sample { sample } | Self::Again { sample, .. } => sample.at,
            Self::Record { record } => record.end,
        }
    }
}

/// What waits in a row, the oldest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    Sample,
    Record,
    Again,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Sample, Self::Record, Self::Again];

    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sample => "sample",
            Self::Record => "record",
            Self::Again => "again",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> ReportTo {
        ReportTo {
            id: PlatformId::new("city").unwrap(),
            name: "City".to_owned(),
            url: "https://platform.example".to_owned(),
            operator: OperatorCode::new("MA005DBW1").unwrap(),
            digest: Digest::Sha256,
            enabled: false,
            local: false,
            interval: Millis(300_000),
            time_zone: "Asia/Shanghai".to_owned(),
            currency: "CNY".parse().unwrap(),
            callback: None,
            field_names: BTreeMap::new(),
            mapping: None,
            sites: Vec::new(),
            since: Timestamp(0),
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert_eq!(some().problems(&[]), Vec::<String>::new());
        type Change = fn(&mut ReportTo);
        let rows: [(Change, &str); 7] = [
            (|p| p.name = " ".to_owned(), "1 to 80 characters"),
            (|p| p.interval = Millis(299_000), "an interval of 299 s"),
            (|p| p.interval = Millis(601_000), "an interval of 601 s"),
            (|p| p.time_zone = "Mars/Base".to_owned(), "Mars/Base"),
            (|p| p.url = "http://platform.example".to_owned(), "plain http"),
            (
                |p| p.callback = Some("https://a@b/c".to_owned()),
                "a host and a path",
            ),
            (|p| p.enabled = true, "no site"),
        ];
        for (change, expected) in rows {
            let mut platform = some();
            change(&mut platform);
            let problems = platform.problems(&[]);
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].contains(expected), "{problems:?}");
        }
        let mut near = some();
        near.local = true;
        near.url = "http://127.0.0.1:8090".to_owned();
        assert_eq!(near.problems(&[]), Vec::<String>::new());
    }
}
