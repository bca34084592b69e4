//! Cars: what they can do, how full they are, and how they are recognised.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::device::ChargeMode;
use crate::id::{EvseId, UserId, VehicleId};
use crate::noun::noun;
use crate::phases::Phases;
use crate::time::{Millis, Timestamp};
use crate::units::{MilliAmps, PerMille, WattHours};

/// A car.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vehicle {
    pub id: VehicleId,
    pub name: String,
    /// Usable capacity of its battery.
    pub capacity: Option<WattHours>,
    /// Phases its charger uses.
    pub phases: Phases,
    /// Below this it does not charge; 6 A for most.
    pub min: MilliAmps,
    /// The most its charger takes per phase.
    pub max: Option<MilliAmps>,
    /// Share of the energy from the wall that reaches its battery.
    pub efficiency: PerMille,
    /// Charging ends here.
    pub charge_limit: Option<PerMille>,
    /// The mode when it is plugged in, instead of the EVSE's.
    pub default_mode: Option<ChargeMode>,
    pub owner: Option<UserId>,
    /// It is assumed to be the one at this EVSE when no card says otherwise.
    pub home: Option<EvseId>,
    /// Where its state of charge comes from.
    pub soc_source: SocSource,
}

/// Where a state of charge comes from.
///
/// What opens the door of a source (a header's value, a password) is not in here: it is sealed by the gate
/// under the id of the vehicle.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SocSource {
    /// Typed in; from then on estimated from the energy charged.
    #[default]
    Manual,
    /// Put at `/api/v1/vehicles/<id>/soc` by a program.
    Pushed,
    /// Fetched as JSON from an address, in percent.
    Http {
        url: String,
        /// Members on the way to it, separated by dots (`battery.soc`); empty: the document is the number.
        path: String,
        every_s: u32,
        /// The header that carries the secret, if there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        header: Option<String>,
    },
    /// Heard on an MQTT topic, in percent.
    Mqtt {
        /// `mqtt://host`, `mqtts://host:port`.
        broker: String,
        topic: String,
        /// As over HTTP.
        #[serde(default)]
        path: String,
        /// The secret is its password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// Told by the charging station where the car is plugged in.
    Charger,
}

impl SocSource {
    /// What `every_s` may be.
    pub const EVERY_S: std::ops::RangeInclusive<u32> = 15..=86_400;

    /// How old what was told may become before it cannot be relied on. `None`: it stays good until somebody
    /// says otherwise.
    #[must_use]
    pub fn stale_after(&self) -> Option<Millis> {
        match self {
            // Three were missed.
            Self::Http { every_s, .. } => Some(Millis((i64::from(*every_s) * 3_000).max(300_000))),
            // Cars publish when something changes.
            Self::Mqtt { .. } => Some(Millis(86_400_000)),
            Self::Manual | Self::Pushed | Self::Charger => None,
        }
    }

    /// Whether somebody has to go and get it.
    #[must_use]
    pub const fn is_followed(&self) -> bool {
        matches!(self, Self::Http { .. } | Self::Mqtt { .. })
    }

    /// Whether a secret belongs to it.
    #[must_use]
    pub const fn has_place_for_secret(&self) -> bool {
        matches!(
            self,
            Self::Http { header: Some(_), .. } | Self::Mqtt { user: Some(_), .. }
        )
    }

    /// Whether a secret that was given for `other` may be used here: only where it would go to the same
    /// peer, so that nobody has a secret sent elsewhere by changing an address.
    #[must_use]
    pub fn is_same_peer(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Http { url: a, .. }, Self::Http { url: b, .. }) => origin(a) == origin(b),
            (Self::Mqtt { broker: a, .. }, Self::Mqtt { broker: b, .. }) => a == b,
            _ => false,
        }
    }

    fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        match self {
            Self::Manual | Self::Pushed | Self::Charger => {}
            Self::Http {
                url,
                path,
                every_s,
                header,
            } => {
                let is_web = url.starts_with("http://") || url.starts_with("https://");
                if !is_web || url.len() > LONGEST_URL {
                    found.push(format!(
                        "fetches its state of charge from an address that is none, expected http:// or https:// and at most {LONGEST_URL} characters"
                    ));
                }
                if !Self::EVERY_S.contains(every_s) {
                    let (least, most) = (Self::EVERY_S.start(), Self::EVERY_S.end());
                    found.push(format!(
                        "fetches its state of charge every {every_s} s, expected {least} to {most} s"
                    ));
                }
                if let Some(name) = header.as_ref().filter(|name| !is_free_header(name)) {
                    found.push(format!(
                        "sends its secret in the header `{name}`, expected a name such as Authorization or X-Api-Key"
                    ));
                }
                found.extend(path_problem(path));
            }
            Self::Mqtt {
                broker,
                topic,
                path,
                user,
            } => {
                if !["mqtt://", "mqtts://"]
                    .iter()
                    .any(|scheme| broker.starts_with(scheme))
                {
                    found.push("names no broker, expected mqtt://host or mqtts://host".to_owned());
                }
                let is_topic = (1..=1_024).contains(&topic.len())
                    && topic.chars().all(|c| !c.is_control() && c != '#' && c != '+');
                if !is_topic {
                    found.push(format!(
                        "listens to the topic `{topic}`, expected one topic without + and #"
                    ));
                }
                if user.as_ref().is_some_and(|user| !(1..=256).contains(&user.len())) {
                    found.push("has a user of the broker that is not 1 to 256 characters long".to_owned());
                }
                found.extend(path_problem(path));
            }
        }
        found
    }
}

const LONGEST_URL: usize = 2_048;

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    let end = url[after..]
        .find(['/', '?', '#'])
        .map_or(url.len(), |at| after + at);
    &url[..end]
}

fn path_problem(path: &str) -> Option<String> {
    let fits = path.len() <= 200 && path.chars().all(|c| !c.is_control());
    (!fits).then(|| "has a path of more than 200 characters to its state of charge".to_owned())
}

/// A header name that is not the business of HTTP itself.
fn is_free_header(name: &str) -> bool {
    let is_name = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let taken = [
        "host",
        "connection",
        "content-length",
        "transfer-encoding",
        "upgrade",
        "te",
        "trailer",
        "expect",
    ];
    is_name && !taken.contains(&name.to_ascii_lowercase().as_str())
}

/// How the source of a vehicle does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceState {
    /// When it last told anything.
    pub heard: Option<Timestamp>,
    /// Why nothing came the last time.
    pub problem: Option<String>,
}

/// The states of all sources that are followed.
pub type SourceStates = BTreeMap<VehicleId, SourceState>;

/// How full a car is, when that was known, and what it has taken since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOfCharge {
    pub soc: PerMille,
    /// When it was last told; charging alone does not make it younger.
    pub at: Timestamp,
    /// Whether charged energy was added to the last known value.
    pub estimated: bool,
}

/// The last known state of charge of a vehicle, kept under the id of the vehicle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleCharge {
    pub id: VehicleId,
    pub known: StateOfCharge,
}

noun!(Vehicle, "vehicle");
noun!(VehicleCharge, "vehicle_soc");

impl Vehicle {
    /// How full it is after so much energy from the wall.
    #[must_use]
    pub fn soc_after(&self, known: PerMille, charged: WattHours) -> PerMille {
        match self.capacity {
            Some(capacity) if capacity.0 > 0 => {
                let added = i128::from(charged.0) * i128::from(self.efficiency.0) / i128::from(capacity.0);
                let soc = i128::from(known.0) + added;
                PerMille(i64::try_from(soc.clamp(0, 1_000)).unwrap_or(1_000))
            }
            Some(_) | None => known,
        }
    }

    /// What is known once so much energy has been taken since; the same when its size is not known.
    #[must_use]
    pub fn charge_after(&self, known: StateOfCharge, charged: WattHours) -> StateOfCharge {
        if charged.0 <= 0 || self.capacity.is_none_or(|capacity| capacity.0 <= 0) {
            return known;
        }
        StateOfCharge {
            soc: self.soc_after(known.soc, charged),
            estimated: true,
            ..known
        }
    }

    /// Whether what is known of it is too old for what its source should tell.
    #[must_use]
    pub fn is_stale(&self, known: Option<&StateOfCharge>, now: Timestamp) -> bool {
        let Some(limit) = self.soc_source.stale_after() else {
            return false;
        };
        known.is_none_or(|known| now - known.at > limit)
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut wrong = |text: String| found.push(format!("vehicle `{}` {text}", self.id));
        if !(1..=80).contains(&self.name.chars().count()) || self.name.chars().any(char::is_control) {
            wrong("has no name of 1 to 80 characters".to_owned());
        }
        if let Some(capacity) = self.capacity.filter(|c| !(1_000..=2_000_000).contains(&c.0)) {
            wrong(format!(
                "has a capacity of {capacity}, expected 1000 to 2000000 Wh"
            ));
        }
        if !(6_000..=80_000).contains(&self.min.0) {
            wrong(format!(
                "has a minimum of {}, expected 6000 to 80000 mA",
                self.min
            ));
        }
        if let Some(max) = self.max.filter(|max| *max < self.min || max.0 > 1_000_000) {
            wrong(format!(
                "has a maximum of {max}, expected its minimum of {} to 1000000 mA",
                self.min
            ));
        }
        if !(500..=1_000).contains(&self.efficiency.0) {
            wrong(format!(
                "has an efficiency of {}, expected 500 to 1000 ‰",
                self.efficiency
            ));
        }
        if let Some(limit) = self.charge_limit.filter(|l| !(1..=1_000).contains(&l.0)) {
            wrong(format!("has a charge limit of {limit}, expected 1 to 1000 ‰"));
        }
        for text in self.soc_source.problems() {
            wrong(text);
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vehicle() -> Vehicle {
        Vehicle {
            id: VehicleId::new("car").unwrap(),
            name: "Car".to_owned(),
            capacity: Some(WattHours(60_000)),
            phases: Phases::Three,
            min: MilliAmps(6_000),
            max: Some(MilliAmps(16_000)),
            efficiency: PerMille(900),
            charge_limit: Some(PerMille(800)),
            default_mode: None,
            owner: None,
            home: None,
            soc_source: SocSource::Manual,
        }
    }

    #[test]
    fn charged_energy_fills_a_car_of_known_size() {
        let known = StateOfCharge {
            soc: PerMille(500),
            at: Timestamp(1),
            estimated: false,
        };
        for (capacity, charged, expected, estimated) in [
            (Some(60_000), 20_000, 800, true),
            (Some(60_000), 90_000, 1_000, true),
            (Some(60_000), 0, 500, false),
            (Some(60_000), -5_000, 500, false),
            (Some(60_000), i64::MAX, 1_000, true),
            (None, 20_000, 500, false),
        ] {
            let car = Vehicle {
                capacity: capacity.map(WattHours),
                ..vehicle()
            };
            let after = car.charge_after(known, WattHours(charged));
            assert_eq!(
                (after.soc.0, after.estimated, after.at),
                (expected, estimated, known.at),
                "{charged}"
            );
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(vehicle().problems(), Vec::<String>::new());
        let http = |url: &str, path: &str, every_s, header: Option<&str>| SocSource::Http {
            url: url.to_owned(),
            path: path.to_owned(),
            every_s,
            header: header.map(str::to_owned),
        };
        let mqtt = |broker: &str, topic: &str, user: Option<&str>| SocSource::Mqtt {
            broker: broker.to_owned(),
            topic: topic.to_owned(),
            path: String::new(),
            user: user.map(str::to_owned),
        };
        let url = "https://car.example/status";
        for (source, expected) in [
            (SocSource::Pushed, ""),
            (SocSource::Charger, ""),
            (http(url, "battery.soc", 60, Some("X-Api-Key")), ""),
            (http("ftp://car", "", 60, None), "from an address that is none"),
            (http(url, "", 14, None), "every 14 s, expected 15 to 86400 s"),
            (http(url, "", 60, Some("Host")), "in the header `Host`"),
            (http(url, "", 60, Some("a b")), "in the header `a b`"),
            (http(url, &"a.".repeat(101), 60, None), "a path of more than"),
            (mqtt("mqtts://broker.example", "car/soc", Some("hub")), ""),
            (mqtt("broker.example", "car/soc", None), "names no broker"),
            (mqtt("mqtt://broker", "car/+", None), "the topic `car/+`"),
            (mqtt("mqtt://broker", "car/soc", Some("")), "a user of the broker"),
        ] {
            let car = Vehicle {
                soc_source: source.clone(),
                ..vehicle()
            };
            let found = car.problems().join(", ");
            assert_eq!(found.is_empty(), expected.is_empty(), "{source:?}: {found}");
            assert!(found.contains(expected), "{source:?}: {found}");
        }
        let wrong = Vehicle {
            name: String::new(),
            capacity: Some(WattHours(60)),
            min: MilliAmps(5_999),
            max: Some(MilliAmps(5_000)),
            efficiency: PerMille(0),
            charge_limit: Some(PerMille(1_001)),
            ..vehicle()
        };
        assert_eq!(wrong.problems().len(), 6, "{:?}", wrong.problems());
    }

    #[test]
    fn a_secret_stays_with_the_peer_it_was_given_for() {
        let http = |url: &str| SocSource::Http {
            url: url.to_owned(),
            path: String::new(),
            every_s: 60,
            header: Some("Authorization".to_owned()),
        };
        for (a, b, expected) in [
            ("https://car.example/a?b", "https://car.example/c", true),
            ("https://car.example", "https://car.example/c", true),
            ("https://car.example/", "http://car.example/", false),
            ("https://car.example/", "https://car.example.org/", false),
            ("https://car.example/", "https://car.example@evil.example/", false),
            ("https://car.example:1/", "https://car.example:2/", false),
        ] {
            assert_eq!(http(a).is_same_peer(&http(b)), expected, "{a} {b}");
        }
        assert!(!http("https://car.example").is_same_peer(&SocSource::Manual));
    }

    #[test]
    fn what_nobody_renews_becomes_stale() {
        let told = |at| StateOfCharge {
            soc: PerMille(500),
            at: Timestamp(at),
            estimated: false,
        };
        let followed = Vehicle {
            soc_source: SocSource::Http {
                url: "http://car".to_owned(),
                path: String::new(),
                every_s: 600,
                header: None,
            },
            ..vehicle()
        };
        for (known, now, expected) in [
            (Some(told(0)), 1_800_000, false),
            (Some(told(0)), 1_800_001, true),
            (None, 0, true),
        ] {
            assert_eq!(
                followed.is_stale(known.as_ref(), Timestamp(now)),
                expected,
                "{now}"
            );
        }
        assert!(!vehicle().is_stale(None, Timestamp(i64::MAX)));
    }
}
