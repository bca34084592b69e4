//! Links to several devices, and the devices behind them.

use std::collections::BTreeSet;

use model::device::LinkSettings;
use model::gateway::{Gateway, GatewayLink, Unit};
use model::id::GatewayId;
use model::site::Site;
use model::time::Millis;

use super::link::{address, definition, read_behind_logger, read_logger};
use super::section::{Section, nearest, one_of};
use super::shinemonitor::account;
use super::site::required_id;

/// Reads every `[[gateway]]`.
pub fn read_all(root: &Section<'_, '_>) -> Vec<Gateway> {
    let mut seen = BTreeSet::new();
    let sections = root.tables("gateway").into_iter();
    sections.filter_map(|section| read(section, &mut seen)).collect()
}

fn read(mut section: Section<'_, '_>, seen: &mut BTreeSet<GatewayId>) -> Option<Gateway> {
    let id: Option<GatewayId> = required_id(&section, "id", "an id such as \"line\"");
    if let Some(id) = &id {
        section.rename(format!("gateway \"{id}\""));
        if !seen.insert(id.clone()) {
            section.problem("id", format!("gateway `{id}` is there twice"));
        }
    }
    let name = section.text("name");
    let drivers = one_of(&GatewayLink::DRIVERS);
    let link = match section.required_text("driver", &drivers).as_deref() {
        Some("modbus") => address(&section).map(|address| GatewayLink::Modbus { address }),
        Some("shinemonitor") => account::read(&section).map(GatewayLink::Shinemonitor),
        Some("logger") => read_logger(&section),
        Some(other) => {
            section.problem(
                "driver",
                format!("a gateway has no driver `{other}`, expected {drivers}"),
            );
            None
        }
        None => None,
    };
    section.finish();
    let id = id?;
    Some(Gateway {
        name: name.unwrap_or_else(|| id.to_string()),
        link: link?,
        id,
    })
}

/// How a device behind a gateway is reached.
pub fn read_via(section: &Section<'_, '_>, gateways: &[Gateway]) -> Option<LinkSettings> {
    let known: Vec<&str> = gateways.iter().map(|gateway| gateway.id.as_str()).collect();
    let named = section.required_text("gateway", "the id of a [[gateway]]");
    let gateway = named.and_then(|name| {
        let gateway = gateways.iter().find(|gateway| gateway.id.as_str() == name);
        if gateway.is_none() {
            let hint = match (nearest(&name, &known), known.is_empty()) {
                (Some(near), _) => format!("; did you mean `{near}`?"),
                (None, true) => "; there is none at all".to_owned(),
                (None, false) => format!("; known are {}", known.join(", ")),
            };
            section.problem("gateway", format!("there is no gateway `{name}`{hint}"));
        }
        gateway
    });
    match gateway {
        Some(Gateway {
            id,
            link: GatewayLink::Logger { .. },
            ..
        }) => return read_behind_logger(section, id),
        Some(Gateway {
            id,
            link: GatewayLink::Shinemonitor(_),
            ..
        }) => {
            return account::unit(section).map(|unit| LinkSettings::Via {
                gateway: id.clone(),
                unit,
                definition: None,
            });
        }
        Some(Gateway {
            link: GatewayLink::Modbus { .. },
            ..
        })
        | None => {}
    }
    let definition = if section.has("definition") {
        Some(definition(section)?)
    } else {
        None
    };
    let expected = "the address of the device on the line, 0 to 255";
    if !section.has("unit") {
        section.missing("unit", expected);
    }
    let unit = section.scaled("unit", 0, 0..=255, expected)?;
    Some(LinkSettings::Via {
        gateway: gateway?.id.clone(),
        unit: Unit::named(&unit.to_string()),
        definition,
    })
}

/// How often a device is heard when nobody says it: what its gateway can carry.
pub fn usual_period(link: &LinkSettings, gateways: &[Gateway]) -> Millis {
    let via = link
        .via()
        .and_then(|(id, _)| gateways.iter().find(|gateway| gateway.id == *id));
    via.map_or(link.usual_period(), |gateway| gateway.link.usual_period())
}

/// What a cloud tells is minutes old: too late to keep a fuse.
fn check_meters(root: &Section<'_, '_>, sites: &[Site], gateways: &[Gateway]) {
    let clouds: BTreeSet<_> = gateways
        .iter()
        .filter(|gateway| matches!(gateway.link, GatewayLink::Shinemonitor(_)))
        .map(|gateway| &gateway.id)
        .collect();
    for site in sites {
        for circuit in &site.circuits {
            let meter = site
                .devices
                .iter()
                .find(|device| Some(&device.id) == circuit.meter.as_ref());
            let Some((gateway, _)) = meter.and_then(|meter| meter.link.via()) else {
                continue;
            };
            if clouds.contains(gateway) {
                let text = format!(
                    "circuit \"{}\" has a meter behind `{gateway}`, whose readings are minutes old, expected one that \
                     answers every few seconds",
                    circuit.id
                );
                root.problem("site", text);
            }
        }
    }
}

/// Two devices behind one gateway under one name could not be told apart, nor two loggers of one number.
pub fn check(root: &Section<'_, '_>, sites: &[Site], gateways: &[Gateway]) {
    let mut numbers = BTreeSet::new();
    for gateway in gateways {
        if let GatewayLink::Logger { pn: Some(pn), .. } = &gateway.link
            && !numbers.insert(pn)
        {
            let text = format!(
                "gateway \"{}\" is data logger {pn}, and so is another one",
                gateway.id
            );
            root.problem("gateway", text);
        }
    }
    check_meters(root, sites, gateways);
    let mut seen = BTreeSet::new();
    for device in sites.iter().flat_map(|site| &site.devices) {
        if let Some((gateway, unit)) = device.link.via()
            && !seen.insert((gateway, unit))
        {
            root.problem(
                "site",
                format!(
                    "device \"{}\" is unit {unit} of gateway `{gateway}`, and so is another one",
                    device.id
                ),
            );
        }
    }
}
