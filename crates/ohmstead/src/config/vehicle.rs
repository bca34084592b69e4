//! Vehicles of the file.

use std::collections::BTreeSet;

use model::device::ChargeMode;
use model::id::VehicleId;
use model::phases::Phases;
use model::site::Site;
use model::units::{MilliAmps, PerMille, WattHours};
use model::vehicle::{SocSource, Vehicle};

use super::section::{Section, nearest};
use super::site::required_id;

/// Reads every `[[vehicle]]`.
pub fn read_all(root: &Section<'_, '_>, sites: &[Site]) -> Vec<Vehicle> {
    let evses: Vec<&str> = sites
        .iter()
        .flat_map(Site::evses)
        .map(|(_, evse)| evse.id.as_str())
        .collect();
    let mut seen = BTreeSet::new();
    let mut vehicles = Vec::new();
    for section in root.tables("vehicle") {
        let position = section.position("id");
        let home = section.position("home");
        let Some(vehicle) = read_vehicle(section) else {
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
    vehicles
}

fn read_vehicle(mut section: Section<'_, '_>) -> Option<Vehicle> {
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
    section.finish();
    let id = id?;
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
    let source = section.parsed("soc", "manual or pushed", |text| match text {
        "manual" => Some(SocSource::Manual),
        "pushed" => Some(SocSource::Pushed),
        _ => None,
    });
    source.unwrap_or_default()
}
