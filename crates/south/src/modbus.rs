//! Devices behind Modbus TCP: those that describe themselves by SunSpec models, and those of definition files.

use std::time::Duration;

use dialects::modbus::{self, Definition, ModbusSettings};
use dialects::sunspec::{self, Role, SunspecSettings};
use links::Limits;
use model::device::{Device, DeviceKind};

use crate::driver::{Driver, Misfit};

/// A round has several requests; gateways in front of a serial line need up to a second for each.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(2),
    // Frames have their own bound.
    max_body: 0,
};

pub(crate) fn sunspec(device: &Device, address: &str, unit: u8) -> Result<Driver, Misfit> {
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
    let transport = links::modbus_tcp::Client::new(address, LIMITS);
    Ok(Driver {
        client: Box::new(sunspec::Client::new(settings)),
        transport: Box::new(transport),
    })
}

/// A device described by a definition file.
pub(crate) fn defined(device: &Device, address: &str, unit: u8, definition: &str) -> Result<Driver, Misfit> {
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
    Ok(Driver {
        client: Box::new(modbus::Client::new(settings)),
        transport: Box::new(links::modbus_tcp::Client::new(address, LIMITS)),
    })
}
