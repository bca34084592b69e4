//! Sites, circuits and devices of the file.

use std::collections::BTreeSet;
use std::str::FromStr;

use model::device::{AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, MeterRole};
use model::gateway::Gateway;
use model::habits::Habits;
use model::id::{CircuitId, DeviceId, EvseId, SiteId};
use model::panels::Panels;
use model::phases::{PerPhase, PhaseRotation, PhaseSet};
use model::setpoint::ChargeCurrent;
use model::site::{Circuit, Keeper, Position, Site};
use model::sun::Plane;
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, PerMille, WattHours, Watts};

use super::section::{Section, nearest};
use super::{Read, gateway, grid, link};

const ID: &str = "an id of a-z, 0-9, - and _";
const AMPS: &str = "amperes, 0 to 6300, at most three decimals";

/// Reads every `[[site]]`.
pub fn read_all(root: &Section<'_, '_>, gateways: &[Gateway]) -> Read<Vec<Site>> {
    let mut seen = Seen {
        gateways,
        ids: BTreeSet::new(),
    };
    let sections = root.tables("site");
    if sections.is_empty() && !root.has("site") {
        root.missing("[[site]]", "at least one site");
    }
    let mut read = Read::<Vec<Site>>::default();
    for section in sections {
        let (has_name, has_zone) = (section.has("name"), section.has("time_zone"));
        let Some(site) = read_site(section, &mut seen) else {
            continue;
        };
        read = read
            .given_if(has_name, Site::name_place(&site.id))
            .given_if(has_zone, Site::time_zone_place(&site.id));
        for device in &site.devices {
            let has_panels =
                matches!(&device.kind, DeviceKind::Inverter { panels, .. } if !panels.is_empty());
            read = read.given_if(has_panels, Site::panels_place(&site.id, &device.id));
        }
        read.settings.push(site);
    }
    read
}

/// Ids are unique in one installation; and what devices may be behind.
struct Seen<'g> {
    gateways: &'g [Gateway],
    ids: BTreeSet<(&'static str, String)>,
}

impl Seen<'_> {
    fn check(&mut self, what: &'static str, id: &str, section: &Section<'_, '_>) {
        if !self.ids.insert((what, id.to_owned())) {
            section.problem(
                "id",
                format!("{what} `{id}` is there twice; ids are unique in one installation"),
            );
        }
    }
}

pub fn required_id<T: FromStr>(section: &Section<'_, '_>, key: &'static str, expected: &str) -> Option<T> {
    if !section.has(key) {
        section.required_text(key, expected);
        return None;
    }
    section.parsed(key, ID, |text| text.parse().ok())
}

fn read_site(mut section: Section<'_, '_>, seen: &mut Seen<'_>) -> Option<Site> {
    let id: Option<SiteId> = required_id(&section, "id", "an id such as \"home\"");
    if let Some(id) = &id {
        section.rename(format!("site \"{id}\""));
        seen.check("site", id.as_str(), &section);
    }
    let name = section.text("name");
    let time_zone = section
        .parsed("time_zone", "an IANA name such as \"Europe/Vienna\"", |text| {
            model::time::is_time_zone(text).then(|| text.to_owned())
        })
        .unwrap_or_else(|| "UTC".to_owned());
    let latitude = section.scaled("latitude", 6, -90_000_000..=90_000_000, "degrees, -90 to 90");
    let longitude = section.scaled("longitude", 6, -180_000_000..=180_000_000, "degrees, -180 to 180");
    let position = match (latitude, longitude) {
        (Some(latitude_udeg), Some(longitude_udeg)) => Some(Position {
            latitude_udeg,
            longitude_udeg,
        }),
        (None, None) => None,
        (Some(_), None) => {
            section.missing("longitude", "degrees beside the latitude");
            None
        }
        (None, Some(_)) => {
            section.missing("latitude", "degrees beside the longitude");
            None
        }
    };
    let nominal_voltage = section
        .scaled(
            "voltage_v",
            3,
            90_000..=300_000,
            "volts between phase and neutral, 90 to 300",
        )
        .map_or(MilliVolts(230_000), MilliVolts);
    let circuits = read_circuits(&section, seen);
    let known: Vec<String> = circuits.iter().map(|c| c.id.to_string()).collect();
    let devices: Vec<Device> = section
        .tables("device")
        .into_iter()
        .filter_map(|device| read_device(device, &known, seen))
        .collect();
    check_meters(&section, &circuits, &devices);
    let grid = grid::read(&section);
    section.finish_ref();
    let id = id?;
    Some(Site {
        name: name.unwrap_or_else(|| id.to_string()),
        keeper: Keeper::Ours,
        time_zone,
        position,
        nominal_voltage,
        grid,
        circuits,
        devices,
        id,
    })
}

fn read_circuits(site: &Section<'_, '_>, seen: &mut Seen<'_>) -> Vec<Circuit> {
    let mut circuits: Vec<Circuit> = Vec::new();
    let sections = site.tables("circuit");
    if sections.is_empty() && !site.has("circuit") {
        site.missing(
            "[[site.circuit]]",
            "the house connection, then the circuits below it",
        );
    }
    for mut section in sections {
        let id: Option<CircuitId> = required_id(&section, "id", "an id such as \"house\"");
        if let Some(id) = &id {
            section.rename(format!("circuit \"{id}\""));
            seen.check("circuit", id.as_str(), &section);
        }
        let parent: Option<CircuitId> = section.parsed("parent", ID, |text| text.parse().ok());
        match (&parent, circuits.is_empty()) {
            (Some(parent), false) if !circuits.iter().any(|c| c.id == *parent) => {
                let known: Vec<&str> = circuits.iter().map(|c| c.id.as_str()).collect();
                let hint = nearest(parent.as_str(), &known).map_or_else(
                    || format!("; known so far are {}", known.join(", ")),
                    |k| format!("; did you mean `{k}`?"),
                );
                section.problem(
                    "parent",
                    format!("parent `{parent}` is no circuit above this one{hint}"),
                );
            }
            (Some(parent), true) => section.problem(
                "parent",
                format!("the first circuit is the house connection and has no parent, but names `{parent}`"),
            ),
            (None, false) if !section.has("parent") => {
                section.missing(
                    "parent",
                    "the circuit it is fed from; only the first one has none",
                );
            }
            (Some(_) | None, _) => {}
        }
        let amps = 0..=6_300_000;
        let limit = section.per_phase(
            "limit_a",
            3,
            1..=6_300_000,
            "amperes above 0, one number or three",
        );
        if !section.has("limit_a") {
            section.missing("limit_a", "what the fuse carries in amperes");
        }
        let milliamps = |key| {
            section
                .scaled(key, 3, amps.clone(), AMPS)
                .map_or(MilliAmps::ZERO, MilliAmps)
        };
        let circuit = id.map(|id| Circuit {
            name: section.text("name").unwrap_or_else(|| id.to_string()),
            parent,
            limit: PerPhase::from_array(limit.unwrap_or([1; 3]).map(MilliAmps)),
            power_limit: section
                .scaled("power_limit_w", 0, 1..=10_000_000, "watts above 0")
                .map(Watts),
            reserve: milliamps("reserve_a"),
            credit: milliamps("credit_a"),
            meter: section.parsed("meter", ID, |text| text.parse().ok()),
            id,
        });
        section.finish();
        circuits.extend(circuit);
    }
    circuits
}

fn check_meters(site: &Section<'_, '_>, circuits: &[Circuit], devices: &[Device]) {
    for circuit in circuits {
        let Some(meter) = &circuit.meter else { continue };
        match devices.iter().find(|device| device.id == *meter) {
            Some(device) if matches!(device.kind, DeviceKind::Meter { .. }) => {}
            Some(device) => site.problem(
                "circuit",
                format!(
                    "circuit \"{}\" names `{meter}` as its meter, which is a {}",
                    circuit.id,
                    device.kind.name()
                ),
            ),
            None => {
                let known: Vec<&str> = devices.iter().map(|d| d.id.as_str()).collect();
                let hint = nearest(meter.as_str(), &known)
                    .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
                site.problem(
                    "circuit",
                    format!(
                        "circuit \"{}\" names meter `{meter}`, which is no device{hint}",
                        circuit.id
                    ),
                );
            }
        }
    }
}

const KINDS: [&str; 4] = ["meter", "inverter", "battery", "charging_station"];

fn read_device(mut section: Section<'_, '_>, circuits: &[String], seen: &mut Seen<'_>) -> Option<Device> {
    let id: Option<DeviceId> = required_id(&section, "id", "an id such as \"grid\"");
    if let Some(id) = &id {
        section.rename(format!("device \"{id}\""));
        seen.check("device", id.as_str(), &section);
    }
    let kind = section.required_text("kind", &KINDS.join(", "));
    let name = section.text("name");
    let circuit: Option<CircuitId> = match section.text("circuit") {
        Some(text) if circuits.contains(&text) => text.parse().ok(),
        Some(text) => {
            let known: Vec<&str> = circuits.iter().map(String::as_str).collect();
            let hint = nearest(&text, &known).map_or_else(
                || format!("; known are {}", known.join(", ")),
                |k| format!("; did you mean `{k}`?"),
            );
            section.problem(
                "circuit",
                format!("there is no circuit `{text}` in this site{hint}"),
            );
            None
        }
        None => circuits.first().and_then(|root| root.parse().ok()),
    };
    let link = link::read(&section, seen.gateways);
    let kind = kind.and_then(|kind| read_kind(&kind, &section, id.as_ref(), name.as_deref(), seen));
    let usual = |link| gateway::usual_period(link, seen.gateways);
    let usual = link.as_ref().map_or(Millis(1_000), usual);
    let period = section
        .scaled("poll_s", 3, 500..=3_600_000, "seconds, 0.5 to 3600")
        .map_or(usual, Millis);
    let enabled = section.boolean("enabled", true);
    section.finish();
    let id = id?;
    Some(Device {
        name: name.unwrap_or_else(|| id.to_string()),
        kind: kind?,
        circuit: circuit?,
        enabled,
        period,
        link: link?,
        id,
    })
}

fn read_kind(
    kind: &str,
    section: &Section<'_, '_>,
    id: Option<&DeviceId>,
    name: Option<&str>,
    seen: &mut Seen<'_>,
) -> Option<DeviceKind> {
    let watts = |key| {
        section
            .scaled(key, 0, 0..=10_000_000, "watts, 0 or more")
            .map(Watts)
    };
    match kind {
        "meter" => {
            let role = section.parsed(
                "role",
                "grid, production, consumption, storage or display",
                |text| match text {
                    "grid" => Some(MeterRole::Grid),
                    "production" => Some(MeterRole::Production),
                    "consumption" => Some(MeterRole::Consumption),
                    "storage" => Some(MeterRole::Storage),
                    "display" => Some(MeterRole::Display),
                    _ => None,
                },
            );
            Some(DeviceKind::Meter {
                role: role.unwrap_or(MeterRole::Display),
            })
        }
        "inverter" => Some(DeviceKind::Inverter {
            rated_power: watts("rated_power_w"),
            panels: section
                .tables("panels")
                .into_iter()
                .filter_map(|panels| read_panels(panels, id))
                .collect(),
        }),
        "battery" => {
            let capacity = section
                .scaled("capacity_kwh", 3, 1..=1_000_000_000, "kWh above 0")
                .map(WattHours);
            let required = |key: &'static str| {
                if !section.has(key) {
                    section.missing(key, "watts");
                }
                watts(key).unwrap_or_default()
            };
            let (max_charge, max_discharge) = (required("max_charge_w"), required("max_discharge_w"));
            Some(DeviceKind::Battery {
                capacity,
                max_charge,
                max_discharge,
            })
        }
        "charging_station" => {
            let mut evses: Vec<Evse> = section
                .tables("evse")
                .into_iter()
                .filter_map(|evse| read_evse(evse, name, seen))
                .collect();
            if evses.is_empty() && !section.has("evse") {
                let id = EvseId::new(id?.as_str()).ok()?;
                evses.push(default_evse(id.clone(), name.unwrap_or(id.as_str())));
            }
            Some(DeviceKind::ChargingStation { evses })
        }
        other => {
            let hint =
                nearest(other, &KINDS).map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            section.problem(
                "kind",
                format!("there is no kind `{other}`, expected {}{hint}", KINDS.join(", ")),
            );
            None
        }
    }
}

/// Panels that look the same way.
fn read_panels(mut section: Section<'_, '_>, inverter: Option<&DeviceId>) -> Option<Panels> {
    if let Some(inverter) = inverter {
        section.rename(format!("[[panels]] of device \"{inverter}\""));
    }
    let required = |key, range, expected| {
        if !section.has(key) {
            section.missing(key, expected);
        }
        section.scaled(key, 0, range, expected)
    };
    let peak = required("peak_w", Panels::PEAK, "watts above 0");
    let tilt_deg = required("tilt_deg", Panels::TILT, "degrees, 0 (flat) to 90 (upright)");
    let azimuth_deg = required(
        "azimuth_deg",
        Panels::AZIMUTH,
        "degrees clockwise from north, 0 to 360; 180 is south",
    );
    section.finish();
    Some(Panels {
        peak: Watts(peak?),
        plane: Plane {
            tilt_deg: tilt_deg?,
            azimuth_deg: azimuth_deg?,
        },
    })
}

fn default_evse(id: EvseId, name: &str) -> Evse {
    Evse {
        id,
        name: name.to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R123,
        min: ChargeCurrent::MIN,
        max: MilliAmps::from_amps(16),
        step: MilliAmps::from_amps(1),
        phase_switching: false,
        class: 1,
        weight: 1,
        fallback: ChargeCurrent::at_most(ChargeCurrent::MIN),
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

fn read_evse(mut section: Section<'_, '_>, station: Option<&str>, seen: &mut Seen<'_>) -> Option<Evse> {
    let id: Option<EvseId> = required_id(&section, "id", "an id such as \"left\"");
    if let Some(id) = &id {
        section.rename(format!("EVSE \"{id}\""));
        seen.check("EVSE", id.as_str(), &section);
    }
    let default = default_evse(id.clone().or_else(|| EvseId::new("unknown").ok())?, "");
    let amps = |key, range, expected| section.scaled(key, 3, range, expected).map(MilliAmps);
    let min = amps("min_a", 6_000..=6_300_000, "amperes, at least 6").unwrap_or(default.min);
    let max = amps("max_a", 6_000..=6_300_000, "amperes, at least 6").unwrap_or(default.max);
    if max < min {
        section.problem(
            "max_a",
            format!(
                "max_a {} is below min_a {}",
                max.to_amps_text(),
                min.to_amps_text()
            ),
        );
    }
    let step = amps("step_a", 100..=32_000, "amperes, 0.1 to 32").unwrap_or(default.step);
    let fallback = amps("fallback_a", 0..=6_300_000, "0 (paused), or at least 6 amperes");
    if let Some(fallback) = fallback.filter(|f| f.0 != 0 && *f < ChargeCurrent::MIN) {
        section.problem(
            "fallback_a",
            format!(
                "fallback_a is {}, expected 0 or at least 6",
                fallback.to_amps_text()
            ),
        );
    }
    let terminals = section
        .scaled("phases", 0, 1..=3, "1 or 3")
        .map_or(default.terminals, |phases| {
            if phases == 1 { PhaseSet::L1 } else { PhaseSet::ALL }
        });
    let rotation = section.parsed(
        "rotation",
        "123, 231, 312, 132, 213 or 321 in quotes",
        |text| match text {
            "123" => Some(PhaseRotation::R123),
            "231" => Some(PhaseRotation::R231),
            "312" => Some(PhaseRotation::R312),
            "132" => Some(PhaseRotation::R132),
            "213" => Some(PhaseRotation::R213),
            "321" => Some(PhaseRotation::R321),
            _ => None,
        },
    );
    let mode = section.parsed("mode", "off, solar, min_solar or fast", |text| match text {
        "off" => Some(ChargeMode::Off),
        "solar" => Some(ChargeMode::Solar),
        "min_solar" => Some(ChargeMode::MinSolar),
        "fast" => Some(ChargeMode::Fast),
        _ => None,
    });
    let authorisation = section.parsed("authorisation", "none or card", |text| match text {
        "none" => Some(AuthorisationMode::None),
        "card" => Some(AuthorisationMode::Card),
        _ => None,
    });
    let class = section
        .scaled("class", 0, 0..=9, "0 (served first) to 9")
        .and_then(|n| u8::try_from(n).ok());
    let weight = section
        .scaled("weight", 0, 1..=100, "1 to 100")
        .and_then(|n| u16::try_from(n).ok());
    let evse = Evse {
        name: section
            .text("name")
            .or_else(|| station.map(str::to_owned))
            .unwrap_or_else(|| default.id.to_string()),
        terminals,
        rotation: rotation.unwrap_or_default(),
        min,
        max,
        step,
        phase_switching: section.boolean("phase_switching", default.phase_switching),
        class: class.unwrap_or(default.class),
        weight: weight.unwrap_or(default.weight),
        fallback: fallback.map_or(default.fallback, ChargeCurrent::at_most),
        default_mode: mode.unwrap_or(default.default_mode),
        authorisation: authorisation.unwrap_or(default.authorisation),
        habits: read_habits(&section),
        dimmable: section.boolean("dimmable", default.dimmable),
        before_battery: section.boolean("before_battery", default.before_battery),
        id: default.id,
    };
    section.finish();
    id.map(|_| evse)
}

/// What its cars and its contactor put up with.
fn read_habits(section: &Section<'_, '_>) -> Habits {
    let default = Habits::default();
    let count = |key, range: std::ops::RangeInclusive<i64>, expected| {
        let number = section.scaled(key, 0, range, expected);
        number.and_then(|n| u8::try_from(n).ok())
    };
    let starts = count("starts_per_hour", 0..=16, "0 (as many as come) to 16");
    Habits {
        starts_per_hour: starts.unwrap_or(default.starts_per_hour),
        refill_after: section
            .scaled("refill_after_percent", 1, 0..=1_000, "percent, 0 to 100")
            .map_or(default.refill_after, PerMille),
        top_ups: count("top_ups", 0..=100, "0 to 100").or(default.top_ups),
        wake_after: section
            .scaled("wake_after_min", 0, 1..=1_440, "minutes, 1 to 1440")
            .map(|minutes| Millis(minutes * 60_000)),
        phase_changes: count("phase_changes", 0..=200, "0 to 200").unwrap_or(default.phase_changes),
    }
}
