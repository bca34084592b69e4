//! Inverters behind a data logger: the workshop, and how the model sees what hangs on a logger.

use std::net::SocketAddr;

use model::device::{Device, DeviceKind, LinkSettings};
use model::gateway::{Gateway, GatewayLink, PassOn, Unit};
use model::id::{DeviceId, GatewayId};
use model::phases::PerPhase;
use model::time::Millis;
use model::units::{MilliAmps, PerMille, WattHours, Watts};

use super::{TIME_ZONE, VIENNA, circuit_id, device_id};
use crate::settings::{
    BatterySettings, CarsSettings, CircuitSettings, DeviceKind as Simulated, DeviceSettings, HouseSettings,
    LoggerBatterySettings, LoggerInverterSettings, LoggerLanguage, LoggerSettings, PvSettings, WorldSettings,
};

/// Site *Roof*: a workshop with two inverters and a storage inverter behind a data logger, which dials `server`.
#[must_use]
pub fn roof(seed: u64, server: SocketAddr) -> WorldSettings {
    let device = |id: &str, name: &str, kind: Simulated| DeviceSettings {
        id: device_id(id),
        name: name.to_owned(),
        circuit: circuit_id("workshop"),
        listen: None,
        kind,
    };
    let inverter = |id: &str, name: &str, address, peak, azimuth_deg| LoggerInverterSettings {
        id: device_id(id),
        name: name.to_owned(),
        address,
        speaks: LoggerLanguage::Smg,
        pv: PvSettings {
            peak: Watts(peak),
            rated: Watts(5_000),
            tilt_deg: 15,
            azimuth_deg,
            cloudiness: None,
        },
        battery: None,
    };
    let battery = LoggerBatterySettings {
        id: device_id("roof-battery"),
        name: "Battery of the workshop".to_owned(),
        battery: BatterySettings {
            capacity: WattHours(14_000),
            max_charge: Watts(3_000),
            max_discharge: Watts(4_000),
            min_soc: PerMille(200),
            initial_soc: PerMille(620),
        },
    };
    let logger = LoggerSettings {
        pn: "E5000099990001".to_owned(),
        server,
        in_lines: false,
        inverters: vec![
            inverter("roof-east", "East roof", 1, 5_200, 95),
            inverter("roof-west", "West roof", 2, 5_200, 275),
            LoggerInverterSettings {
                speaks: LoggerLanguage::Pi30,
                battery: Some(battery),
                ..inverter("roof-storage", "South roof", 5, 4_400, 185)
            },
        ],
    };
    WorldSettings {
        seed: seed.wrapping_add(1),
        time_zone: TIME_ZONE.to_owned(),
        position: VIENNA,
        circuits: vec![CircuitSettings {
            id: circuit_id("workshop"),
            name: "Workshop".to_owned(),
            parent: None,
            limit: MilliAmps(63_000),
        }],
        house: Some(HouseSettings {
            base: PerPhase::new(Watts(420), Watts(310), Watts(290)),
        }),
        devices: vec![
            device("roof-grid", "Grid meter", Simulated::Meter),
            device("roof-logger", "Data logger", Simulated::Logger(logger)),
        ],
        cars: CarsSettings::default(),
    }
}

/// The data loggers of a world, by which what is behind them is reached.
#[must_use]
pub fn gateways(world: &WorldSettings) -> Vec<Gateway> {
    let loggers = world.devices.iter().filter_map(|device| {
        let Simulated::Logger(logger) = &device.kind else {
            return None;
        };
        Some(Gateway {
            id: gateway_id(&device.id),
            name: device.name.clone(),
            link: GatewayLink::Logger {
                pn: Some(logger.pn.clone()),
                pass_on: PassOn::default(),
            },
        })
    });
    loggers.collect()
}

fn gateway_id(device: &DeviceId) -> GatewayId {
    GatewayId::new(device.as_str()).expect("both ids have the same letters")
}

/// What is behind a data logger.
pub(super) fn behind(device: &DeviceSettings, logger: &LoggerSettings) -> Vec<Device> {
    let part = |inverter: &LoggerInverterSettings, id: &DeviceId, name: &str, part: &str, kind| Device {
        id: id.clone(),
        name: name.to_owned(),
        kind,
        circuit: device.circuit.clone(),
        enabled: true,
        period: Millis(10_000),
        link: LinkSettings::Via {
            gateway: gateway_id(&device.id),
            unit: Unit::named(&format!("{}/{part}", inverter.address)),
            definition: Some(inverter.speaks.definition().to_owned()),
        },
    };
    let mut devices = Vec::new();
    for inverter in &logger.inverters {
        let kind = DeviceKind::Inverter {
            rated_power: Some(inverter.pv.rated),
            panels: vec![inverter.pv.panels()],
        };
        devices.push(part(inverter, &inverter.id, &inverter.name, "pv", kind));
        if let Some(own) = &inverter.battery {
            let kind = DeviceKind::Battery {
                capacity: Some(own.battery.capacity),
                max_charge: own.battery.max_charge,
                max_discharge: own.battery.max_discharge,
            };
            devices.push(part(inverter, &own.id, &own.name, "battery", kind));
        }
    }
    devices
}
