//! How a charger announces itself in the local network (multicast DNS).
//!
//! Among many web servers a charger is the one whose texts say so; a controller has a kind of its own. Source:
//! reference 1 and the defaults of `cms` and `cmp`.

use std::collections::BTreeMap;

/// Kinds of services to ask for.
pub const KINDS: [&str; 2] = ["_http._tcp", CONTROLLERS];
const CONTROLLERS: &str = "_go-e_controller._tcp";

/// What announces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announced {
    pub is_controller: bool,
    pub serial: String,
    /// `go-eCharger_V4`, as far as it says.
    pub device_type: String,
    pub friendly_name: String,
}

/// Reads what a service says of itself; nothing when it is none of ours.
#[must_use]
pub fn read(kind: &str, texts: &BTreeMap<String, String>) -> Option<Announced> {
    let text = |key: &str| {
        let value = texts.get(key).map(|text| text.trim().chars().take(64).collect());
        value.unwrap_or_default()
    };
    let is_controller = kind == CONTROLLERS;
    let family: String = text("devicefamily");
    if !is_controller && !family.eq_ignore_ascii_case("goecharger") {
        return None;
    }
    let serial: String = text("serial");
    Some(Announced {
        is_controller,
        serial: if serial.bytes().all(|b| b.is_ascii_digit()) && !serial.is_empty() {
            format!("{serial:0>6}")
        } else {
            serial
        },
        device_type: text("devicetype"),
        friendly_name: text("friendly_name"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chargers_are_told_from_other_web_servers() {
        let texts = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
                .collect::<BTreeMap<_, _>>()
        };
        let charger = texts(&[
            ("serial", "1"),
            ("devicefamily", "goecharger"),
            ("devicetype", "go-eCharger_V4"),
            ("friendly_name", " garage "),
        ]);
        let expected = Announced {
            is_controller: false,
            serial: "000001".to_owned(),
            device_type: "go-eCharger_V4".to_owned(),
            friendly_name: "garage".to_owned(),
        };
        assert_eq!(read("_http._tcp", &charger), Some(expected));
        assert_eq!(read("_http._tcp", &texts(&[("path", "/")])), None);
        let controller = read("_go-e_controller._tcp", &texts(&[("serial", "900001")])).unwrap();
        assert!(controller.is_controller && controller.serial == "900001");
    }
}
