//! How a go-e charger is reached: the keys of a device with `driver = "goe"`.

use std::path::PathBuf;

use links::mqtt::Broker;
use model::device::{ForeignPolicy, GoeLink, GoeWay};
use model::setpoint::ChargeCurrent;
use model::units::MilliAmps;

use crate::config::section::Section;

/// Of these exactly one says where the charger is.
const WAYS: [&str; 4] = ["url", "websocket", "mqtt", "modbus"];

/// Keys and the ways they belong to.
const BELONGS: [(&str, &[&str], &str); 6] = [
    ("prefix", &["mqtt"], "mqtt"),
    ("user", &["mqtt"], "mqtt"),
    ("password_file", &["mqtt", "websocket"], "mqtt or websocket"),
    ("token_file", &["cloud"], "an https address"),
    ("ca_file", &["cloud"], "an https address"),
    ("unit", &["modbus"], "modbus"),
];

pub fn read(section: &Section<'_, '_>) -> Option<GoeLink> {
    let given: Vec<&str> = WAYS.into_iter().filter(|key| section.has(key)).collect();
    match given.as_slice() {
        [] => {
            section.required_text(
                "url",
                "the charger's address, for example \"http://192.168.1.50\", or websocket, mqtt or modbus in its place",
            );
        }
        [_] => {}
        [_, second, ..] => section.problem(
            second,
            format!(
                "a charger is reached in one way, but {} are there",
                given.join(" and ")
            ),
        ),
    }
    // Every key is asked for, so that one that is out of place is said in these words.
    let url = section.parsed(
        "url",
        "the charger's address, for example \"http://192.168.1.50\"",
        |text| web_address(text, &["http://", "https://"]),
    );
    let websocket = section.parsed("websocket", "an address like \"ws://192.168.1.50/ws\"", |text| {
        web_address(text, &["ws://", "wss://"])
    });
    let broker = section.parsed("mqtt", "a broker like \"mqtt://192.168.1.10\"", |text| {
        text.parse::<Broker>().is_ok().then(|| text.to_owned())
    });
    let modbus = section.parsed("modbus", "a host and a port like \"192.168.1.50:502\"", |text| {
        let (host, port) = text.rsplit_once(':')?;
        (!host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)).then(|| text.to_owned())
    });
    let prefix = section.parsed(
        "prefix",
        "a topic that ends in /, like \"go-eCharger/000001/\"",
        |text| (text.ends_with('/') && links::mqtt::is_topic(text)).then(|| text.to_owned()),
    );
    let user = section.text("user");
    let file = |key| section.text(key).map(PathBuf::from);
    let (password_file, token_file, ca_file) = (file("password_file"), file("token_file"), file("ca_file"));
    let unit = section.scaled("unit", 0, 0..=255, "a Modbus unit id, 0 to 255");
    let foreign = section.parsed("foreign", "reassert, yield or ask", |text| match text {
        "reassert" => Some(ForeignPolicy::Reassert),
        "yield" => Some(ForeignPolicy::Yield),
        "ask" => Some(ForeignPolicy::Ask),
        _ => None,
    });
    let fall_back = fall_back(section);

    let is_cloud = url.as_deref().is_some_and(|url| url.starts_with("https://"));
    let chosen = match given.first() {
        Some(&"url") if is_cloud => "cloud",
        Some(way) => way,
        None => return None,
    };
    for (key, ways, of) in BELONGS {
        if section.has(key) && !ways.contains(&chosen) {
            section.problem(key, format!("{key} belongs to a charger that is reached by {of}"));
        }
    }
    let way = match chosen {
        "cloud" => {
            if token_file.is_none() {
                section.missing("token_file", "a file with the token of the charger's cloud API");
            }
            GoeWay::Cloud {
                url: url?,
                token_file: token_file?,
                ca_file,
            }
        }
        "websocket" => GoeWay::WebSocket {
            url: websocket?,
            password_file,
        },
        "mqtt" => {
            if !section.has("prefix") {
                section.missing("prefix", "the topic of the charger, like \"go-eCharger/000001/\"");
            }
            if password_file.is_some() && user.is_none() {
                section.missing("user", "whose password is in password_file");
            }
            GoeWay::Mqtt {
                broker: broker?,
                prefix: prefix?,
                user,
                password_file,
            }
        }
        "modbus" => GoeWay::Modbus {
            address: modbus?,
            unit: unit.and_then(|unit| u8::try_from(unit).ok()).unwrap_or(1),
        },
        _ => GoeWay::Http { url: url? },
    };
    Some(GoeLink {
        way,
        foreign: foreign.unwrap_or_default(),
        fall_back,
    })
}

fn web_address(text: &str, schemes: &[&str]) -> Option<String> {
    let rest = schemes.iter().find_map(|scheme| text.strip_prefix(scheme))?;
    (!rest.is_empty() && !rest.starts_with('/') && !rest.contains(['?', '#', ' ', '@']))
        .then(|| text.trim_end_matches('/').to_owned())
}

/// Whole amperes: a charger takes no others.
fn fall_back(section: &Section<'_, '_>) -> Option<ChargeCurrent> {
    let expected = "whole amperes: 0 (no charging) or 6 to 32";
    let amps = section.scaled("fall_back_a", 0, 0..=32, expected)?;
    if (1..6).contains(&amps) {
        section.problem(
            "fall_back_a",
            format!("fall_back_a is {amps}, expected {expected}"),
        );
        return None;
    }
    Some(ChargeCurrent::at_most(MilliAmps::from_amps(amps)))
}
