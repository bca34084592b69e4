//! The sites that `ohmstead demo` shows: *Home* and *Roof* are alive, *Yard* is broken on purpose.
//!
//! Home is laid out so that something happens at any hour. The left car commutes, comes home nearly empty
//! and charges fast; the right one is here all day, goes out in the evening, and fills up slowly from the
//! sun. One of them is plugged in and wants energy at almost any time of any day. On the roof of a workshop three
//! inverters are read through the data logger that came with them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use jiff::civil::time;
use model::device::{
    AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, GoeLink, LinkSettings, MeterRole,
};
use model::id::{CircuitId, DeviceId, EvseId, SiteId};
use model::phases::{PerPhase, PhaseRotation, PhaseSet};
use model::setpoint::ChargeCurrent;
use model::site::{Circuit, Keeper, Position, Site};
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, PerMille, WattHours, Watts};

use crate::settings::{
    BatterySettings, CarsSettings, CircuitSettings, Days, DeviceKind as Simulated, DeviceSettings,
    GoeChargerSettings, GoeGeneration, HouseSettings, MODBUS_UNIT, PvSettings, TripHabit, VehicleSettings,
    WorldSettings,
};

mod roof;

pub use roof::{gateways, roof};

const TIME_ZONE: &str = "Europe/Vienna";
const VIENNA: Position = Position {
    latitude_udeg: 48_208_200,
    longitude_udeg: 16_373_800,
};

/// Site *Home*: meter, sun, battery, house, two chargers.
#[must_use]
pub fn home(seed: u64) -> WorldSettings {
    let device = |id: &str, name: &str, circuit: &str, kind: Simulated| DeviceSettings {
        id: device_id(id),
        name: name.to_owned(),
        circuit: circuit_id(circuit),
        listen: None,
        kind,
    };
    let pv = PvSettings {
        peak: Watts(9_800),
        rated: Watts(10_000),
        tilt_deg: 32,
        azimuth_deg: 190,
        cloudiness: None,
    };
    let battery = BatterySettings {
        capacity: WattHours(10_000),
        max_charge: Watts(5_000),
        max_discharge: Watts(5_000),
        min_soc: PerMille(100),
        initial_soc: PerMille(550),
    };
    WorldSettings {
        seed,
        time_zone: TIME_ZONE.to_owned(),
        position: VIENNA,
        circuits: vec![
            CircuitSettings {
                id: circuit_id("house"),
                name: "House connection".to_owned(),
                parent: None,
                limit: MilliAmps(35_000),
            },
            CircuitSettings {
                id: circuit_id("garage"),
                name: "Garage".to_owned(),
                parent: Some(circuit_id("house")),
                limit: MilliAmps(25_000),
            },
        ],
        house: Some(HouseSettings {
            base: PerPhase::new(Watts(130), Watts(85), Watts(65)),
        }),
        devices: vec![
            device("grid", "Grid meter", "house", Simulated::Meter),
            device("pv", "Roof", "house", Simulated::Inverter(pv)),
            device("battery", "Battery", "house", Simulated::Battery(battery)),
            device(
                "wallbox-left",
                "Wallbox left",
                "garage",
                Simulated::GoeCharger(left()),
            ),
            device(
                "wallbox-right",
                "Wallbox right",
                "garage",
                Simulated::GoeCharger(right()),
            ),
        ],
        cars: CarsSettings::default(),
    }
}

/// A commuter's three-phase car at a quick 22 kW box.
fn left() -> GoeChargerSettings {
    GoeChargerSettings {
        evse: evse_id("left"),
        serial: "000001".to_owned(),
        generation: GoeGeneration::V4,
        max: MilliAmps(32_000),
        rotation: PhaseRotation::R123,
        obeys_after: Millis::ZERO,
        vehicle: VehicleSettings {
            name: "left car".to_owned(),
            battery: WattHours(77_000),
            phases: 3,
            max_current: MilliAmps(16_000),
            reaction: Millis(1_400),
            charge_limit: PerMille(1_000),
            initial_soc: PerMille(480),
            trips: vec![
                trip(Days::Workdays, (7, 35), (16, 50), 20, 1_000, (34_000, 48_000)),
                trip(Days::Weekends, (12, 10), (17, 10), 20, 1_000, (34_000, 48_000)),
            ],
        },
        password: None,
        firmware: None,
        modbus_listen: None,
        mqtt: None,
    }
}

/// A one-phase car that is out in the evening, at an older 11 kW box that takes its time.
fn right() -> GoeChargerSettings {
    GoeChargerSettings {
        evse: evse_id("right"),
        serial: "000002".to_owned(),
        generation: GoeGeneration::V3,
        max: MilliAmps(16_000),
        rotation: PhaseRotation::R231,
        obeys_after: Millis(3_000),
        vehicle: VehicleSettings {
            name: "right car".to_owned(),
            battery: WattHours(64_000),
            phases: 1,
            max_current: MilliAmps(16_000),
            reaction: Millis(2_300),
            charge_limit: PerMille(900),
            initial_soc: PerMille(310),
            trips: vec![trip(Days::Every, (18, 10), (20, 30), 20, 1_000, (33_000, 44_000))],
        },
        password: None,
        firmware: None,
        modbus_listen: None,
        mqtt: None,
    }
}

fn trip(
    days: Days,
    leaves: (i8, i8),
    returns: (i8, i8),
    jitter_min: i64,
    chance: i64,
    wh: (i64, i64),
) -> TripHabit {
    TripHabit {
        days,
        leaves: time(leaves.0, leaves.1, 0, 0),
        returns: time(returns.0, returns.1, 0, 0),
        jitter_min,
        chance: PerMille(chance),
        energy_min: WattHours(wh.0),
        energy_max: WattHours(wh.1),
    }
}

/// The model's view of a world made by [`home`], with each device where it answers. A device without an
/// address is known and not dialled.
#[must_use]
pub fn home_site(world: &WorldSettings, addresses: &BTreeMap<DeviceId, SocketAddr>) -> Site {
    live_site("home", "Home", world, addresses)
}

/// The same of a world made by [`roof`]; what is behind its logger needs [`gateways`] as well.
#[must_use]
pub fn roof_site(world: &WorldSettings, addresses: &BTreeMap<DeviceId, SocketAddr>) -> Site {
    live_site("roof", "Roof", world, addresses)
}

fn live_site(
    id: &str,
    name: &str,
    world: &WorldSettings,
    addresses: &BTreeMap<DeviceId, SocketAddr>,
) -> Site {
    let devices: Vec<Device> = world
        .devices
        .iter()
        .flat_map(|device| modelled(device, addresses.get(&device.id)))
        .collect();
    let is_meter = |device: &&Device| matches!(device.kind, DeviceKind::Meter { .. });
    let circuit = |circuit: &CircuitSettings| {
        let is_root = circuit.parent.is_none();
        Circuit {
            id: circuit.id.clone(),
            name: circuit.name.clone(),
            parent: circuit.parent.clone(),
            limit: PerPhase::all(circuit.limit),
            power_limit: None,
            reserve: MilliAmps(if is_root { 1_000 } else { 0 }),
            credit: if is_root {
                credit(&devices)
            } else {
                MilliAmps::ZERO
            },
            meter: devices
                .iter()
                .filter(is_meter)
                .find(|device| device.circuit == circuit.id)
                .map(|device| device.id.clone()),
        }
    };
    Site {
        id: site_id(id),
        name: name.to_owned(),
        keeper: Keeper::Ours,
        time_zone: world.time_zone.clone(),
        position: Some(world.position),
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: world.circuits.iter().map(circuit).collect(),
        devices,
    }
}

/// What all inverters feed in per phase, as far as it may count as room for cars.
fn credit(devices: &[Device]) -> MilliAmps {
    let rated = devices.iter().map(|device| match device.kind {
        DeviceKind::Inverter { rated_power, .. } => rated_power.unwrap_or_default(),
        DeviceKind::Meter { .. } | DeviceKind::Battery { .. } | DeviceKind::ChargingStation { .. } => {
            Watts::ZERO
        }
    });
    rated.sum::<Watts>().current_rounded_down(MilliVolts(230_000), 3)
}

fn modelled(device: &DeviceSettings, address: Option<&SocketAddr>) -> Vec<Device> {
    let sunspec = || {
        address.map_or(LinkSettings::None, |address| LinkSettings::Sunspec {
            address: address.to_string(),
            unit: MODBUS_UNIT,
        })
    };
    let (kind, link) = match &device.kind {
        Simulated::Logger(logger) => return roof::behind(device, logger),
        Simulated::Meter => (
            DeviceKind::Meter {
                role: MeterRole::Grid,
            },
            sunspec(),
        ),
        Simulated::Inverter(pv) => (
            DeviceKind::Inverter {
                rated_power: Some(pv.rated),
                panels: vec![pv.panels()],
            },
            sunspec(),
        ),
        Simulated::Battery(battery) => {
            let kind = DeviceKind::Battery {
                capacity: Some(battery.capacity),
                max_charge: battery.max_charge,
                max_discharge: battery.max_discharge,
            };
            (kind, sunspec())
        }
        Simulated::GoeCharger(charger) => {
            let link = address.map_or(LinkSettings::None, |address| {
                LinkSettings::Goe(GoeLink::http(format!("http://{address}")))
            });
            (
                DeviceKind::ChargingStation {
                    evses: vec![modelled_evse(charger)],
                },
                link,
            )
        }
    };
    vec![Device {
        id: device.id.clone(),
        name: device.name.clone(),
        kind,
        circuit: device.circuit.clone(),
        enabled: true,
        period: Millis(1_000),
        link,
    }]
}

fn modelled_evse(charger: &GoeChargerSettings) -> Evse {
    let is_left = charger.evse.as_str() == "left";
    Evse {
        rotation: charger.rotation,
        max: charger.max,
        default_mode: if is_left {
            ChargeMode::Fast
        } else {
            ChargeMode::MinSolar
        },
        ..evse(charger.evse.as_str(), if is_left { "Left" } else { "Right" })
    }
}

fn evse(id: &str, name: &str) -> Evse {
    Evse {
        id: evse_id(id),
        name: name.to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::R123,
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: true,
        class: 0,
        weight: 1,
        fallback: ChargeCurrent::at_most(MilliAmps(6_000)),
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

/// What is broken in site *Yard*. Ids of stations are `wallbox-<word>`, of EVSEs the word itself.
const YARD: [&str; 3] = ["offline", "disabled", "silent"];

/// Site *Yard*: chargers that are known and not connected.
#[must_use]
pub fn yard_site() -> Site {
    let stations = YARD.map(|word| {
        let name = format!("{}{}", word[..1].to_uppercase(), &word[1..]);
        Device {
            id: device_id(&format!("wallbox-{word}")),
            name: format!("Wallbox {word}"),
            kind: DeviceKind::ChargingStation {
                evses: vec![evse(word, &name)],
            },
            circuit: circuit_id("yard"),
            enabled: word != "disabled",
            period: Millis(1_000),
            link: LinkSettings::None,
        }
    });
    Site {
        id: site_id("yard"),
        name: "Yard".to_owned(),
        keeper: Keeper::Ours,
        time_zone: TIME_ZONE.to_owned(),
        position: Some(VIENNA),
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: circuit_id("yard"),
            name: "Yard".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(63_000)),
            power_limit: None,
            reserve: MilliAmps::ZERO,
            credit: MilliAmps::ZERO,
            meter: None,
        }],
        devices: stations.into(),
    }
}

const FITS: &str = "the ids of the demonstration are well formed";

fn site_id(text: &str) -> SiteId {
    SiteId::new(text).expect(FITS)
}

fn device_id(text: &str) -> DeviceId {
    DeviceId::new(text).expect(FITS)
}

fn circuit_id(text: &str) -> CircuitId {
    CircuitId::new(text).expect(FITS)
}

fn evse_id(text: &str) -> EvseId {
    EvseId::new(text).expect(FITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_names_every_device_where_it_answers() {
        let world = home(1);
        let addresses: BTreeMap<DeviceId, SocketAddr> = (5_000..)
            .zip(&world.devices)
            .filter(|(_, device)| device.id.as_str() != "pv")
            .map(|(port, device)| (device.id.clone(), SocketAddr::from(([127, 0, 0, 1], port))))
            .collect();
        let site = home_site(&world, &addresses);
        let check = |id: &str, circuit: &str, link: LinkSettings| {
            let device = site.device(&device_id(id)).unwrap();
            assert_eq!((&device.link, device.circuit.as_str()), (&link, circuit), "{id}");
        };
        let sunspec = |port: u16| LinkSettings::Sunspec {
            address: format!("127.0.0.1:{port}"),
            unit: 1,
        };
        check("grid", "house", sunspec(5_000));
        check("pv", "house", LinkSettings::None);
        check("battery", "house", sunspec(5_002));
        check(
            "wallbox-left",
            "garage",
            LinkSettings::Goe(GoeLink::http("http://127.0.0.1:5003")),
        );
        check(
            "wallbox-right",
            "garage",
            LinkSettings::Goe(GoeLink::http("http://127.0.0.1:5004")),
        );

        let circuits: Vec<_> = site
            .circuits
            .iter()
            .map(|circuit| {
                (
                    circuit.id.as_str(),
                    circuit.limit.l2.0,
                    circuit.meter.as_ref().map(DeviceId::as_str),
                )
            })
            .collect();
        assert_eq!(
            circuits,
            [("house", 35_000, Some("grid")), ("garage", 25_000, None)]
        );
        let evses: Vec<_> = site
            .evses()
            .map(|(_, evse)| (evse.id.as_str(), evse.max.0, evse.rotation))
            .collect();
        let expected = [
            ("left", 32_000, PhaseRotation::R123),
            ("right", 16_000, PhaseRotation::R231),
        ];
        assert_eq!(evses, expected);
    }

    #[test]
    fn the_yard_has_three_chargers_that_nobody_dials() {
        let site = yard_site();
        let found: Vec<_> = site
            .evses()
            .map(|(station, evse)| (station.id.as_str(), evse.id.as_str(), &station.link))
            .collect();
        let none = &LinkSettings::None;
        let expected = [
            ("wallbox-offline", "offline", none),
            ("wallbox-disabled", "disabled", none),
            ("wallbox-silent", "silent", none),
        ];
        assert_eq!(found, expected);
    }
}
