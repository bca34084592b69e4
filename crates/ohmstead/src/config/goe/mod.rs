//! `[goe]`: how we appear to go-e clients. How we reach their chargers: [`charger`].

pub mod charger;

use std::collections::BTreeSet;

use dialects::goe::DIALECT;
use gate::{Access, Thing};
use model::secret::Secret;
use model::settings::{GoeCharger, GoeSettings, SetStatus};
use model::site::Site;
use model::time::Millis;
use north::networks::is_network;

use crate::config::section::{Section, nearest};
use crate::config::site::required_id;
use crate::config::{FileSecret, Holder, Place, Read};

pub fn read(root: &Section<'_, '_>, sites: &[Site]) -> Read<GoeSettings> {
    let read = root.table("goe").map(read_goe).unwrap_or_default();
    check_chargers(root, &read.settings, sites);
    read
}

fn read_goe(section: Section<'_, '_>) -> Read<GoeSettings> {
    let default = GoeSettings::default();
    let offline_after = section
        .scaled("offline_after_h", 2, 1..=876_000, "hours, 0.01 to 8760")
        .map_or(default.offline_after, |hundredths| Millis(hundredths * 36_000));
    let set_status = match section.scaled("set_status", 0, 200..=202, "202, or 200") {
        Some(200) => SetStatus::Ok,
        Some(201) => {
            section.problem("set_status", "set_status is 201, expected 202, or 200".to_owned());
            SetStatus::Accepted
        }
        _ => SetStatus::Accepted,
    };
    let mut secrets = Vec::new();
    let mut given = Vec::new();
    if section.has("local_open") {
        given.push(GoeSettings::LOCAL_OPEN.to_owned());
    }
    let mut chargers = Vec::new();
    for charger in section.tables("charger") {
        let serial = charger.required_text("serial", "six digits, leading zeros kept");
        let serial = serial.filter(|serial| {
            let fits = serial.len() == 6 && serial.bytes().all(|b| b.is_ascii_digit());
            if !fits {
                charger.problem(
                    "serial",
                    format!("serial is \"{serial}\", expected six digits in quotes"),
                );
            }
            fits
        });
        let evse = required_id(&charger, "evse", "the id of an EVSE");
        let token = charger.text("token");
        if let Some(token) = token.as_ref().filter(|token| token.len() < 8) {
            charger.problem(
                "token",
                format!("token has {} characters, expected at least 8", token.len()),
            );
        }
        let enabled = charger.boolean("enabled", true);
        if let (Some(serial), Some(evse)) = (serial, evse) {
            if charger.has("enabled") {
                given.push(GoeCharger::enabled_place(&evse));
            }
            secrets.push(FileSecret {
                of: Holder::Access(Access::new(DIALECT, &serial, Thing::Evse(evse.clone()))),
                secret: token.map(|token| Place::Here(Secret::new(token))),
            });
            chargers.push(GoeCharger {
                evse,
                serial,
                enabled,
            });
        }
        charger.finish();
    }
    let settings = GoeSettings {
        offline_after,
        set_status,
        local_open: section.texts("local_open"),
        chargers,
    };
    for network in &settings.local_open {
        if !is_network(network) {
            section.problem(
                "local_open",
                format!("\"{network}\" in local_open is no network, expected for example \"192.168.1.0/24\""),
            );
        }
    }
    section.finish();
    Read {
        settings,
        secrets,
        given,
    }
}

fn check_chargers(root: &Section<'_, '_>, goe: &GoeSettings, sites: &[Site]) {
    let known: Vec<&str> = sites
        .iter()
        .flat_map(|s| s.evses())
        .map(|(_, e)| e.id.as_str())
        .collect();
    let mut serials = BTreeSet::new();
    for charger in &goe.chargers {
        if !known.contains(&charger.evse.as_str()) {
            let hint = nearest(charger.evse.as_str(), &known)
                .map_or_else(String::new, |known| format!("; did you mean `{known}`?"));
            root.problem(
                "goe",
                format!(
                    "go-e charger {} names EVSE `{}`, which no device has{hint}",
                    charger.serial, charger.evse
                ),
            );
        }
        if !serials.insert(&charger.serial) {
            root.problem("goe", format!("go-e serial {} is given twice", charger.serial));
        }
    }
}
