//! Platforms that we report our own sites to.

use std::collections::BTreeMap;
use std::str::FromStr;

use model::oversight as of;
use model::site::Position;
use model::time::{Millis, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::id;
use crate::native::error::ApiError;

/// Ordered by id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportToList {
    pub items: Vec<ReportToView>,
}

/// A platform, and how the reporting to it does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportToView {
    /// Without secrets.
    pub settings: ReportToBody,
    pub has_key: bool,
    pub has_callback_token: bool,
    /// Where the platform may call us; empty without a callback address.
    pub addresses: Vec<String>,
    pub state: ReportToState,
}

/// How the reporting to a platform does.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportToState {
    /// The last exchange was a good one.
    pub connected: bool,
    #[schema(required = true)]
    pub last_success_ms: Option<i64>,
    #[schema(required = true)]
    pub last_error: Option<String>,
    #[schema(required = true)]
    pub last_error_ms: Option<i64>,
    /// What the platform will not have of what we registered.
    pub problems: Vec<String>,
    pub waiting_samples: u64,
    pub waiting_records: u64,
    /// Samples that mend others.
    pub waiting_repairs: u64,
    /// Of what moment the oldest of what waits tells.
    #[schema(required = true)]
    pub waiting_since_ms: Option<i64>,
    /// Samples that went because too many waited.
    pub dropped_samples: u64,
    /// Samples that the platform refused.
    pub refused_samples: u64,
    /// Records that the platform refused. They wait for somebody, the newest first; at most 20 are shown.
    pub stuck_records: u64,
    pub stuck: Vec<StuckRecord>,
}

/// A record that a platform refused.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct StuckRecord {
    pub charge: String,
    pub port: String,
    pub ended_ms: i64,
    /// What the platform said.
    pub problem: String,
}

mirror!(
    /// The hash below a signature.
    ReportDigest = model::oversight::Digest { Sha256, Sha512, Sha1 }
);
mirror!(
    /// On which maps a place is right.
    Datum = model::oversight::Datum {
        /// As satellites say.
        Wgs84,
        /// As maps of mainland China are shifted.
        Gcj02,
    }
);

/// A platform that we report to as an operator.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportToBody {
    pub id: String,
    pub name: String,
    /// Scheme, host and port.
    pub url: String,
    /// Who we are there.
    pub operator: String,
    /// What we sign with there. Never shown; left out, it stays, unless the address or the operator changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub key: Option<String>,
    /// By which calls of the platform are known, as its page shows it. Never shown; left out, it stays; empty, it goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub callback_token: Option<String>,
    pub digest: ReportDigest,
    pub enabled: bool,
    /// It is in a network of ours: plain http and private addresses are fine.
    #[serde(default)]
    #[schema(required = false)]
    pub local: bool,
    /// A port is told so often when nothing changes; 300 to 600.
    pub interval_s: i64,
    /// Whose clocks it writes times by.
    pub time_zone: String,
    /// Costs in others are not told.
    pub currency: String,
    /// Our address as the platform sees it; it is told where below it may call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callback: Option<String>,
    /// Documented names of fields, and what this platform calls them.
    #[serde(default)]
    #[schema(required = false)]
    pub field_names: BTreeMap<String, String>,
    /// What else differs from the documentation: the text of a mapping file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapping: Option<String>,
    pub sites: Vec<ReportedSite>,
}

/// A site, and how it appears at a platform. What has no code of its own appears under our id.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedSite {
    pub site: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub station: Option<String>,
    /// Codes of charging stations, by our ids.
    #[serde(default)]
    #[schema(required = false)]
    pub equipment: BTreeMap<String, String>,
    /// Codes of charging points, by our ids.
    #[serde(default)]
    #[schema(required = false)]
    pub ports: BTreeMap<String, String>,
    /// Who owns the equipment, by the code of the organisation.
    pub owner: String,
    pub address: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// By the platform's table.
    pub station_type: i64,
    /// Left out: where the site says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<ReportedPlace>,
    /// Number of the standard that the ports follow.
    pub standard: String,
    pub energy_fee: String,
    pub service_fee: String,
    /// 1 yes, 2 no, 3 unknown.
    pub fire_extinguisher: i64,
    pub smoke_detector: i64,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportedPlace {
    /// Millionths of a degree, north positive.
    pub latitude_udeg: i64,
    /// Millionths of a degree, east positive.
    pub longitude_udeg: i64,
    pub datum: Datum,
}

/// What would be sent, word for word.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportPreview {
    pub entities: Vec<PreviewEntity>,
    /// JSON, one for each port.
    pub samples: Vec<String>,
    /// JSON; of the last charges that have ended, the last first.
    pub records: Vec<String>,
    /// What a platform that follows the documentation would find wrong with it.
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PreviewEntity {
    /// `station`, `equipment` or `port`.
    pub kind: String,
    /// JSON
    pub body: String,
}

/// What waits once more.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Retried {
    pub records: u64,
}

fn read<T: FromStr>(place: &str, text: &str, expected: &str) -> Result<T, ApiError> {
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        ApiError::invalid(place, format!("`{shown}`"), expected)
    })
}

fn code<T: FromStr>(place: &str, text: &str) -> Result<T, ApiError> {
    read(place, text, "1 to 64 visible ASCII characters without spaces")
}

fn empty_as_none(text: Option<String>) -> Option<String> {
    text.filter(|text| !text.trim().is_empty())
}

impl ReportToBody {
    /// The platform without its secrets.
    pub fn read(self, since: Timestamp) -> Result<of::ReportTo, ApiError> {
        let sites = self.sites.into_iter().map(ReportedSite::read);
        Ok(of::ReportTo {
            id: id("id", &self.id)?,
            name: self.name.trim().to_owned(),
            url: self.url.trim().trim_end_matches('/').to_owned(),
            operator: code("operator", &self.operator)?,
            digest: self.digest.into(),
            enabled: self.enabled,
            local: self.local,
            interval: Millis::from_seconds(self.interval_s.clamp(-1, 1_000_000)),
            time_zone: self.time_zone,
            currency: read("currency", &self.currency, "a code such as CNY")?,
            callback: empty_as_none(self.callback),
            field_names: self.field_names,
            mapping: empty_as_none(self.mapping),
            sites: sites.collect::<Result<_, _>>()?,
            since,
        })
    }

    pub fn of(platform: &of::ReportTo) -> Self {
        Self {
            id: platform.id.to_string(),
            name: platform.name.clone(),
            url: platform.url.clone(),
            operator: platform.operator.to_string(),
            key: None,
            callback_token: None,
            digest: platform.digest.into(),
            enabled: platform.enabled,
            local: platform.local,
            interval_s: platform.interval.as_seconds(),
            time_zone: platform.time_zone.clone(),
            currency: platform.currency.to_string(),
            callback: platform.callback.clone(),
            field_names: platform.field_names.clone(),
            mapping: platform.mapping.clone(),
            sites: platform.sites.iter().map(ReportedSite::of).collect(),
        }
    }
}

impl ReportedSite {
    fn read(self) -> Result<of::ReportedSite, ApiError> {
        let mut equipment = BTreeMap::new();
        for (own, given) in &self.equipment {
            equipment.insert(id("sites.equipment", own)?, code("sites.equipment", given)?);
        }
        let mut ports = BTreeMap::new();
        for (own, given) in &self.ports {
            ports.insert(id("sites.ports", own)?, code("sites.ports", given)?);
        }
        let station = empty_as_none(self.station);
        Ok(of::ReportedSite {
            site: id("sites.site", &self.site)?,
            station: station.map(|text| code("sites.station", &text)).transpose()?,
            equipment,
            ports,
            sheet: of::StationSheet {
                owner: self.owner,
                address: self.address,
                phone: empty_as_none(self.phone),
                station_type: self.station_type,
                place: self.place.map(ReportedPlace::read).transpose()?,
                standard: self.standard,
                energy_fee: self.energy_fee,
                service_fee: self.service_fee,
                fire_extinguisher: self.fire_extinguisher,
                smoke_detector: self.smoke_detector,
            },
        })
    }

    fn of(reported: &of::ReportedSite) -> Self {
        let sheet = &reported.sheet;
        let equipment = reported.equipment.iter();
        let ports = reported.ports.iter();
        Self {
            site: reported.site.to_string(),
            station: reported.station.as_ref().map(ToString::to_string),
            equipment: equipment
                .map(|(own, given)| (own.to_string(), given.to_string()))
                .collect(),
            ports: ports
                .map(|(own, given)| (own.to_string(), given.to_string()))
                .collect(),
            owner: sheet.owner.clone(),
            address: sheet.address.clone(),
            phone: sheet.phone.clone(),
            station_type: sheet.station_type,
            place: sheet.place.map(|place| ReportedPlace {
                latitude_udeg: place.position.latitude_udeg,
                longitude_udeg: place.position.longitude_udeg,
                datum: place.datum.into(),
            }),
            standard: sheet.standard.clone(),
            energy_fee: sheet.energy_fee.clone(),
            service_fee: sheet.service_fee.clone(),
            fire_extinguisher: sheet.fire_extinguisher,
            smoke_detector: sheet.smoke_detector,
        }
    }
}

impl ReportedPlace {
    fn read(self) -> Result<of::Place, ApiError> {
        for (place, given, most) in [
            ("latitude_udeg", self.latitude_udeg, 90_000_000),
            ("longitude_udeg", self.longitude_udeg, 180_000_000),
        ] {
            if !(-most..=most).contains(&given) {
                return Err(ApiError::invalid(place, given, format!("-{most} to {most}")));
            }
        }
        Ok(of::Place {
            position: Position {
                latitude_udeg: self.latitude_udeg,
                longitude_udeg: self.longitude_udeg,
            },
            datum: self.datum.into(),
        })
    }
}
