//! Devices behind Modbus TCP: those that describe themselves by SunSpec models, and those of definition files.

use std::time::Duration;

use dialects::modbus::{self, Definition, ModbusSettings};
use dialects::sunspec::{self, Role, SunspecSettings};
use dialects::{Client, Line};
use links::Limits;
use model::device::{Device, DeviceKind, LinkSettings};
use model::gateway::Unit;

use crate::driver::{Driver, Misfit};

/// A round has several requests; gateways in front of a serial line need up to a second for each.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(2),
    // Frames have their own bound.
    max_body: 0,
};

pub(crate) fn sunspec(device: &Device, address: &str, unit: u8) -> Result<Driver, Misfit> {
    Ok(at(address, self_described(device, unit)?))
}

/// A device described by a definition file.
pub(crate) fn defined(device: &Device, address: &str, unit: u8, definition: &str) -> Result<Driver, Misfit> {
    Ok(at(address, by_definition(device, unit, definition)?))
}

/// All devices of a serial line. Each speaks for itself; the connection is one.
pub(crate) fn line(address: &str, devices: &[Device]) -> Result<Driver, Misfit> {
    let clients: Result<Vec<_>, Misfit> = devices.iter().map(on_line).collect();
    Ok(at(address, Box::new(Line::new(clients?))))
}

fn at(address: &str, client: Box<dyn Client>) -> Driver {
    Driver {
        client,
        transport: Box::new(links::modbus_tcp::Client::new(address, LIMITS)),
    }
}

fn on_line(device: &Device) -> Result<(Unit, Box<dyn Client>), Misfit> {
    let misfit = |what: &str| Misfit(format!("device \"{}\": {what}", device.name));
    let LinkSettings::Via { unit, definition, .. } = &device.link else {
        return Err(misfit("is behind no gateway"));
    };
    let address = unit.as_str().parse::<u8>();
    let address =
        address.map_err(|_| misfit(&format!("`{unit}` is no address of a serial line; check `unit`")))?;
    let client = match definition {
        Some(definition) => by_definition(device, address, definition),
        None => self_described(device, address),
    };
    let client = client.map_err(|why| misfit(&why.to_string()))?;
    Ok((unit.clone(), client))
}

fn self_described(device: &Device, unit: u8) -> Result<Box<dyn Client>, Misfit> {
    let role = match &device.kind {
        DeviceKind::Meter { .. } => Role::Meter,
        DeviceKind::Inverter { .. } => Role::Inverter,
        DeviceKind::Battery {
            max_charge,
            max_discharge,
            ..
        } => Role::Battery {
            max_charge: *max_charge,
            max_discharge: *max_discharge,
        },
        DeviceKind::ChargingStation { .. } => {
            return Err(Misfit(
                "a charging station does not speak SunSpec; check `driver` of this device".to_owned(),
            ));
        }
    };
    let settings = SunspecSettings {
        name: device.name.clone(),
        unit,
        role,
        poll: device.period,
    };
    Ok(Box::new(sunspec::Client::new(settings)))
}

fn by_definition(device: &Device, unit: u8, definition: &str) -> Result<Box<dyn Client>, Misfit> {
    let definition = Definition::built_in(definition).ok_or_else(|| {
        Misfit(format!(
            "there is no definition `{definition}`; check `definition` of this device"
        ))
    })?;
    let settings = ModbusSettings {
        name: device.name.clone(),
        unit,
        definition,
        poll: device.period,
    };
    Ok(Box::new(modbus::Client::new(settings)))
}
