//! How a device is reached: `driver` of a device, and the keys that go with it.

use model::device::LinkSettings;
use model::gateway::Gateway;

pub use super::eybond::{read_behind as read_behind_logger, read_logger};
use super::section::{Section, nearest, one_of};
use super::{gateway, goe};

/// `None`: it was said what is wrong.
pub fn read(section: &Section<'_, '_>, gateways: &[Gateway]) -> Option<LinkSettings> {
    let drivers = one_of(&LinkSettings::DRIVERS);
    let driver = section.required_text("driver", &drivers)?;
    let unit = || {
        section
            .scaled("unit", 0, 0..=255, "a Modbus unit id, 0 to 255")
            .and_then(|unit| u8::try_from(unit).ok())
            .unwrap_or(1)
    };
    match driver.as_str() {
        "goe" => goe::charger::read(section).map(LinkSettings::Goe),
        "sunspec" => {
            let unit = unit();
            address(section).map(|address| LinkSettings::Sunspec { address, unit })
        }
        "modbus" => {
            let unit = unit();
            let address = address(section);
            address
                .zip(definition(section))
                .map(|(address, definition)| LinkSettings::Modbus {
                    address,
                    unit,
                    definition,
                })
        }
        "gateway" => gateway::read_via(section, gateways),
        "none" => Some(LinkSettings::None),
        other => {
            let hint = nearest(other, &LinkSettings::DRIVERS)
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            section.problem(
                "driver",
                format!("there is no driver `{other}`, expected {drivers}{hint}"),
            );
            None
        }
    }
}

/// Where a Modbus TCP device or gateway is.
pub fn address(section: &Section<'_, '_>) -> Option<String> {
    let expected = "a host and a port, for example \"192.168.1.20:502\"";
    if !section.has("address") {
        section.required_text("address", expected);
        return None;
    }
    section.parsed("address", expected, |text| {
        let (host, port) = text.rsplit_once(':')?;
        (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| text.to_owned())
    })
}

/// A file of `definitions/modbus`.
pub fn definition(section: &Section<'_, '_>) -> Option<String> {
    let known = dialects::modbus::definition::names();
    let definition = section.required_text("definition", &known.join(", "));
    definition.filter(|name| {
        let fits = known.contains(&name.as_str());
        if !fits {
            let hint = nearest(name, &known).map_or_else(
                || format!("; known are {}", known.join(", ")),
                |k| format!("; did you mean `{k}`?"),
            );
            section.problem("definition", format!("there is no definition `{name}`{hint}"));
        }
        fits
    })
}
