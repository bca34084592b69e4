//! Vehicles of the file.

use std::collections::BTreeSet;
use std::path::PathBuf;

use links::mqtt::Broker;
use model::device::ChargeMode;
use model::id::VehicleId;
use model::phases::Phases;
use model::site::Site;
use model::units::{MilliAmps, PerMille, WattHours};
use model::vehicle::{SocSource, Vehicle};

use super::section::{Section, nearest};
use super::site::required_id;
use super::{FileSecret, Holder, Place, Read};

/// Reads every `[[vehicle]]`.
pub fn read_all(root: &Section<'_, '_>, sites: &[Site]) -> Read<Vec<Vehicle>> {
    let evses: Vec<&str> = sites
        .iter()
        .flat_map(Site::evses)
        .map(|(_, evse)| evse.id.as_str())
        .collect();
    let mut seen = BTreeSet::new();
    let (mut vehicles, mut secrets) = (Vec::new(), Vec::new());
    for section in root.tables("vehicle") {
        let position = section.position("id");
        let home = section.position("home");
        let Some(vehicle) = read_vehicle(section, &mut secrets) else {
            continue;
        };
        for text in vehicle.problems() {
            root.problem_at(position, text);
        }
        if let Some(evse) = vehicle
            .home
            .as_ref()
            .filter(|evse| !evses.contains(&evse.as_str()))
        {
            let hint = nearest(evse.as_str(), &evses)
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            root.problem_at(
                home,
                format!(
                    "vehicle `{}` is at home at EVSE `{evse}`, which no device has{hint}",
                    vehicle.id
                ),
            );
        }
        if !seen.insert(vehicle.id.clone()) {
            root.problem_at(position, format!("vehicle `{}` is there twice", vehicle.id));
        }
        vehicles.push(vehicle);
    }
    Read {
        settings: vehicles,
        secrets,
        given: Vec::new(),
    }
}

fn read_vehicle(mut section: Section<'_, '_>, secrets: &mut Vec<FileSecret>) -> Option<Vehicle> {
    let id: Option<VehicleId> = required_id(&section, "id", "an id such as \"blue-car\"");
    if let Some(id) = &id {
        section.rename(format!("vehicle \"{id}\""));
    }
    let amps = |key, expected| section.scaled(key, 3, 0..=1_000_000, expected).map(MilliAmps);
    let percent = |key| {
        section
            .scaled(key, 1, 0..=1_000, "percent, 0 to 100")
            .map(PerMille)
    };
    let phases = section.scaled("phases", 0, 1..=3, "1 or 3");
    let mode = section.parsed("mode", "off, solar, min_solar or fast", |text| match text {
        "off" => Some(ChargeMode::Off),
        "solar" => Some(ChargeMode::Solar),
        "min_solar" => Some(ChargeMode::MinSolar),
        "fast" => Some(ChargeMode::Fast),
        _ => None,
    });
    let (name, capacity) = (
        section.text("name"),
        section.scaled("capacity_kwh", 3, 1..=2_000_000, "kWh above 0"),
    );
    let min = amps("min_a", "amperes, at least 6");
    let max = amps("max_a", "amperes");
    let efficiency = percent("efficiency_percent");
    let charge_limit = percent("charge_limit_percent");
    let owner = section.parsed("owner", "the id of a user", |text| text.parse().ok());
    let home = section.parsed("home", "the id of an EVSE", |text| text.parse().ok());
    let soc_source = read_source(&section);
    let secret_file = section.text("soc_secret_file").map(PathBuf::from);
    if secret_file.is_some() && !soc_source.has_place_for_secret() {
        section.problem(
            "soc_secret_file",
            "soc_secret_file holds the value of soc_header or the password of soc_user, and neither is there",
        );
    }
    section.finish();
    let id = id?;
    secrets.push(FileSecret {
        of: Holder::Vehicle(id.clone()),
        secret: secret_file.map(Place::File),
    });
    Some(Vehicle {
        name: name.unwrap_or_else(|| id.to_string()),
        capacity: capacity.map(WattHours),
        phases: if phases == Some(1) {
            Phases::One
        } else {
            Phases::Three
        },
        min: min.unwrap_or(MilliAmps::from_amps(6)),
        max,
        efficiency: efficiency.unwrap_or(PerMille(900)),
        charge_limit,
        default_mode: mode,
        owner,
        home,
        soc_source,
        id,
    })
}

fn read_source(section: &Section<'_, '_>) -> SocSource {
    let kinds = "manual, pushed, http, mqtt or charger";
    let kind = section.parsed("soc", kinds, |text| {
        ["manual", "pushed", "http", "mqtt", "charger"]
            .into_iter()
            .find(|kind| *kind == text)
    });
    let kind = kind.unwrap_or("manual");
    // Each key is asked for, so that one that is out of place is said.
    let (url, path) = (
        section.text("soc_url"),
        section.text("soc_path").unwrap_or_default(),
    );
    let every = section.scaled("soc_every_s", 0, 15..=86_400, "15 to 86400 seconds");
    let header = section.text("soc_header");
    let (broker, topic) = (section.text("soc_broker"), section.text("soc_topic"));
    let user = section.text("soc_user");
    let needed = |key: &'static str, value: Option<String>, expected: &str| {
        if value.is_none() {
            section.missing(key, expected);
        }
        value.unwrap_or_default()
    };
    let misplaced = |keys: &[(&'static str, bool)], of: &str| {
        for (key, _) in keys.iter().filter(|(_, is_given)| *is_given) {
            section.problem(key, format!("{key} is for soc = \"{of}\", but soc is \"{kind}\""));
        }
    };
    let of_http = [
        ("soc_url", url.is_some()),
        ("soc_every_s", every.is_some()),
        ("soc_header", header.is_some()),
    ];
    let of_mqtt = [
        ("soc_broker", broker.is_some()),
        ("soc_topic", topic.is_some()),
        ("soc_user", user.is_some()),
    ];
    match kind {
        "http" => {
            misplaced(&of_mqtt, "mqtt");
            SocSource::Http {
                url: needed("soc_url", url, "an address, http:// or https://"),
                path,
                every_s: every.and_then(|every| u32::try_from(every).ok()).unwrap_or(300),
                header,
            }
        }
        "mqtt" => {
            misplaced(&of_http, "http");
            let broker = needed("soc_broker", broker, "mqtt://host or mqtts://host");
            if let Err(error) = broker.parse::<Broker>()
                && !broker.is_empty()
            {
                section.problem("soc_broker", format!("soc_broker: {error}"));
            }
            SocSource::Mqtt {
                broker,
                topic: needed("soc_topic", topic, "a topic"),
                path,
                user,
            }
        }
        other => {
            misplaced(&of_http, "http");
            misplaced(&of_mqtt, "mqtt");
            match other {
                "pushed" => SocSource::Pushed,
                "charger" => SocSource::Charger,
                _ => SocSource::Manual,
            }
        }
    }
}
