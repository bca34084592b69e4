//! The charger's first HTTP API, which older clients still speak: `GET /status` and `GET /mqtt?payload=key=value`.
//!
//! Nearly every value is text, units are coarser than today's, and a write answers the whole status whether it
//! was taken or not. Here both are translated from and to the keys of today. What the model has no word for
//! shows the value of a charger that never used it; passwords and card numbers are always empty.
//!
//! Source: reference 10 and `status-v1-fw033.json`.

use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::query::Write;
use super::server::{Sheet, json_reply};
use super::wire::rounded;
use crate::query::pairs;

/// Wh in a step of the energy counters (0.1 kWh).
const WH_PER_STEP: f64 = 100.0;
/// Deka-watt-seconds in a Wh.
const DWS_PER_WH: f64 = 360.0;
/// The names of the ten card slots in the order of today's slots: `eca` is the energy of the first.
const SLOTS: [&str; 10] = ["a", "r", "d", "4", "5", "6", "7", "8", "9", "1"];

/// 200 with everything the charger shows.
#[must_use]
pub fn status_reply(sheet: &Sheet) -> Response<Vec<u8>> {
    json_reply(StatusCode::OK, &status(sheet))
}

/// The status object.
#[must_use]
pub fn status(sheet: &Sheet) -> Map<String, Value> {
    let keys = Keys(sheet);
    let mut status = Map::new();
    let mut text = |key: &str, value: String| {
        status.insert(key.to_owned(), Value::String(value));
    };
    text("version", "B".to_owned());
    text("tme", clock(&keys.text("loc")));
    for key in [
        "rbc", "rbt", "car", "amp", "err", "amt", "cbl", "wst", "tds", "lbr", "ama", "ust", "sdp",
    ] {
        text(key, keys.whole(key).to_string());
    }
    for (key, of) in [("ast", "acs"), ("uby", "trx")] {
        text(key, keys.whole(of).to_string());
    }
    for (key, of) in [("alw", "alw"), ("adi", "adi"), ("nmo", "nmo"), ("lse", "lse")] {
        text(key, i64::from(keys.is_true(of)).to_string());
    }
    // 2: stops after `dwo`.
    text("stp", if keys.is_null("dwo") { "0" } else { "2" }.to_owned());
    text("dwo", rounded(keys.number("dwo") / WH_PER_STEP).to_string());
    text("dws", rounded(keys.number("wh") * DWS_PER_WH).to_string());
    text("eto", rounded(keys.number("eto") / WH_PER_STEP).to_string());
    text("pha", bits(&keys.list("pha")).to_string());
    let temperatures = temperatures(&keys.list("tma"));
    text(
        "tmp",
        rounded(temperatures.iter().copied().fold(0.0, f64::max)).to_string(),
    );
    text("fwv", plain_version(&keys.text("fwv")));
    text("sse", keys.text("sse"));
    // Hours of the zone, 100 added.
    text("tof", (100 + keys.whole("tof") / 60).to_string());
    for (index, key) in ["al1", "al2", "al3", "al4", "al5"].into_iter().enumerate() {
        text(
            key,
            keys.list("clp")
                .get(index)
                .and_then(Value::as_i64)
                .unwrap_or(0)
                .to_string(),
        );
    }
    for key in ["cid", "cch", "cfi"] {
        text(key, colour(&keys.text(key)).unwrap_or(0).to_string());
    }
    for (key, value) in [
        ("wen", "1"),
        ("txi", "0"),
        ("cdi", "0"),
        ("aho", "3"),
        ("afi", "7"),
        ("azo", "0"),
        ("r1x", "2"),
        ("dto", "0"),
        ("sch", "AAAAAAAAAAAAAAAA"),
        ("wss", ""),
        ("wke", ""),
        ("wak", ""),
    ] {
        text(key, value.to_owned());
    }
    let cards = keys.list("cards");
    for (slot, name) in SLOTS.into_iter().enumerate() {
        let card = cards.get(slot);
        let energy = card.and_then(|card| card["energy"].as_f64()).unwrap_or(0.0);
        text(&format!("ec{name}"), rounded(energy / WH_PER_STEP).to_string());
        text(&format!("rc{name}"), String::new());
        let called = card
            .and_then(|card| card["name"].as_str())
            .filter(|called| *called != "n/a");
        let letter = match name {
            "r" => "m",
            "d" => "e",
            other => other,
        };
        text(&format!("rn{letter}"), called.unwrap_or_default().to_owned());
    }
    status.insert("tma".to_owned(), json!(temperatures));
    status.insert("nrg".to_owned(), nrg(&keys.list("nrg")));
    for key in [
        "loe", "lot", "lom", "lop", "lon", "lof", "loa", "lch", "mce", "mcc",
    ] {
        let value = match key {
            "loe" | "mce" => i64::from(keys.is_true(key)),
            "lop" | "lof" => keys.whole(key),
            _ => 0,
        };
        status.insert(key.to_owned(), value.into());
    }
    status.insert("log".to_owned(), keys.text("log").into());
    status.insert("mcp".to_owned(), 1883.into());
    for key in ["mcs", "mcu", "mck"] {
        status.insert(key.to_owned(), "".into());
    }
    status
}

/// What `payload=key=value` means in today's keys: a write, or `None` when there is nothing to change.
#[must_use]
pub fn write(query: &str, sheet: &Sheet) -> Option<Write> {
    let payload = pairs(query).into_iter().find(|(name, _)| name == "payload")?.1;
    let (key, text) = payload.trim().split_once('=')?;
    let (key, text) = (key.trim(), text.trim());
    let number = || text.parse::<i64>().ok();
    let (key, text) = match key {
        // The volatile current: what we are asked for is kept by us, a charger's flash never sees it.
        "amx" => ("amp", text.to_owned()),
        "alw" => ("frc", if number()? == 0 { "1" } else { "2" }.to_owned()),
        "ast" => ("acs", text.to_owned()),
        "stp" if number()? == 0 => ("dwo", "null".to_owned()),
        "stp" => return None,
        "dwo" => match number()? {
            0 => ("dwo", "null".to_owned()),
            steps => ("dwo", steps.checked_mul(100)?.to_string()),
        },
        "cid" | "cch" | "cfi" => {
            let colour = number().filter(|colour| (0..=0xFF_FFFF).contains(colour))?;
            (key, format!("\"#{colour:06X}\""))
        }
        "al1" | "al2" | "al3" | "al4" | "al5" => ("clp", steps(key, number()?, sheet)?),
        "r2x" | "lse" => ("lse", (number()? != 0).to_string()),
        "nmo" => ("nmo", (number()? != 0).to_string()),
        _ => (key, text.to_owned()),
    };
    Some(Write {
        key: key.to_owned(),
        text,
    })
}

/// The current steps of the button with one replaced.
fn steps(key: &str, amps: i64, sheet: &Sheet) -> Option<String> {
    let index = key.strip_prefix("al")?.parse::<usize>().ok()?.checked_sub(1)?;
    let mut steps = Keys(sheet).list("clp");
    *steps.get_mut(index)? = amps.into();
    Some(Value::Array(steps).to_string())
}

/// A sheet with its values as this API wants them: what is missing is zero or empty.
struct Keys<'a>(&'a Sheet);

impl Keys<'_> {
    fn value(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    fn is_null(&self, key: &str) -> bool {
        self.value(key).is_null()
    }

    fn is_true(&self, key: &str) -> bool {
        self.value(key).as_bool().unwrap_or(false)
    }

    fn number(&self, key: &str) -> f64 {
        self.value(key).as_f64().unwrap_or(0.0)
    }

    fn whole(&self, key: &str) -> i64 {
        rounded(self.number(key))
    }

    fn text(&self, key: &str) -> String {
        self.value(key).as_str().unwrap_or_default().to_owned()
    }

    fn list(&self, key: &str) -> Vec<Value> {
        self.value(key).as_array().cloned().unwrap_or_default()
    }
}

/// `2026-07-12T15:06:59.000 +02:00` as day, month, year, hour and minute: `1207261506`.
fn clock(local: &str) -> String {
    let part = |range: std::ops::Range<usize>| {
        local
            .get(range)
            .filter(|part| part.bytes().all(|b| b.is_ascii_digit()))
    };
    let parts = [part(8..10), part(5..7), part(2..4), part(11..13), part(14..16)];
    parts
        .into_iter()
        .collect::<Option<String>>()
        .unwrap_or_else(|| "0101000000".to_owned())
}

/// The contacts as a number: bits 0 to 2 are L1 to L3 behind the contactor, 3 to 5 before it.
fn bits(contacts: &[Value]) -> u8 {
    let set = contacts.iter().take(6).enumerate();
    set.filter(|(_, contact)| contact.as_bool().unwrap_or(false))
        .map(|(bit, _)| 1 << bit)
        .sum()
}

/// Four sensors, the last one repeated where there are fewer.
fn temperatures(sensors: &[Value]) -> [f64; 4] {
    let mut last = 0.0;
    std::array::from_fn(|index| {
        last = sensors.get(index).and_then(Value::as_f64).unwrap_or(last);
        last
    })
}

/// V, 0.1 A, 0.1 kW, in total 0.01 kW, and %; all whole.
fn nrg(values: &[Value]) -> Value {
    (0..16)
        .map(|index| {
            let value = values.get(index).and_then(Value::as_f64).unwrap_or(0.0);
            Value::from(rounded(match index {
                4..=6 => value * 10.0,
                7..=10 => value / 100.0,
                11 => value / 10.0,
                _ => value,
            }))
        })
        .collect()
}

/// `#RRGGBB` as a number.
fn colour(text: &str) -> Option<u32> {
    u32::from_str_radix(text.strip_prefix('#')?, 16).ok()
}

/// Clients read the version as a number: `60.5 BETA` is 60.5.
fn plain_version(text: &str) -> String {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    text.get(..end)
        .filter(|plain| !plain.is_empty())
        .unwrap_or("0")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::goe::charger::Variant;

    fn sheet(overlay: Value) -> Sheet {
        let Value::Object(overlay) = overlay else {
            panic!("an object")
        };
        Sheet::new(Variant::V4.document(), overlay)
    }

    /// Names and types of a real charger's answer (`samples/status-v1-fw033.json` of the reference).
    #[test]
    fn every_key_of_a_real_status_is_there_with_its_type() {
        let sample: Map<String, Value> =
            serde_json::from_str(include_str!("../../testdata/goe/status-v1-fw033.json")).unwrap();
        let ours = status(&sheet(json!({"sse": "000001"})));
        for (key, value) in &sample {
            let kind = |value: &Value| (value.is_string(), value.is_number(), value.is_array());
            assert_eq!(ours.get(key).map(kind), Some(kind(value)), "{key}");
        }
        assert_eq!(ours.len(), sample.len());
    }

    #[test]
    fn units_are_the_old_ones() {
        let ours = status(&sheet(json!({
            "sse": "000001", "car": 2, "amp": 16, "alw": true, "wh": 1234.5, "eto": 123_456, "dwo": 5000.0,
            "nrg": [230.4, 229, 231, 1, 15.94, 16.02, 15.98, 3671, 3668, 3690, 0, 11029, 99, 98, 97, 0],
            "pha": [true, false, false, true, true, true], "tma": [31.5, 26], "fwv": "60.5 BETA", "tof": 60,
            "loc": "2026-07-12T15:06:59.000 +02:00", "cid": "#0000FF", "trx": 2, "cbl": 32,
            "cards": [{"name": "Guest", "energy": 4567.0, "cardId": true}], "wak": "secret", "mcu": "mqtt://u:p@h",
        })));
        for (key, expected) in [
            ("car", "2"),
            ("amp", "16"),
            ("alw", "1"),
            ("dws", "444420"),
            ("eto", "1235"),
            ("stp", "2"),
            ("dwo", "50"),
            ("pha", "57"),
            ("tmp", "32"),
            ("fwv", "60.5"),
            ("tof", "101"),
            ("tme", "1207261506"),
            ("cid", "255"),
            ("uby", "2"),
            ("cbl", "32"),
            ("eca", "46"),
            ("rna", "Guest"),
            ("rca", ""),
            ("wak", ""),
            ("mcu", ""),
        ] {
            assert_eq!(ours[key], expected, "{key}");
        }
        assert_eq!(
            ours["nrg"],
            json!([
                230, 229, 231, 1, 159, 160, 160, 37, 37, 37, 0, 1103, 99, 98, 97, 0
            ])
        );
        assert_eq!(ours["tma"], json!([31.5, 26.0, 26.0, 26.0]));
    }

    #[test]
    fn old_writes_become_todays() {
        let sheet = sheet(json!({"clp": [6, 10, 12, 14, 16]}));
        for (payload, expected) in [
            ("amp=16", Some(("amp", "16"))),
            ("amx%3D10", Some(("amp", "10"))),
            ("alw=0", Some(("frc", "1"))),
            ("alw=1", Some(("frc", "2"))),
            ("ast=1", Some(("acs", "1"))),
            ("stp=0", Some(("dwo", "null"))),
            ("stp=2", None),
            ("dwo=50", Some(("dwo", "5000"))),
            ("dwo=0", Some(("dwo", "null"))),
            ("cid=255", Some(("cid", "\"#0000FF\""))),
            ("cid=16777216", None),
            ("al3=13", Some(("clp", "[6,10,13,14,16]"))),
            ("al6=13", Some(("al6", "13"))),
            ("r2x=1", Some(("lse", "true"))),
            ("nosuch=1", Some(("nosuch", "1"))),
            ("alw=x", None),
            ("amp", None),
            ("dwo=9223372036854775807", None),
        ] {
            let expected = expected.map(|(key, text)| Write {
                key: key.to_owned(),
                text: text.to_owned(),
            });
            assert_eq!(
                write(&format!("payload={payload}"), &sheet),
                expected,
                "{payload}"
            );
        }
        assert_eq!(write("", &sheet), None);
    }

    #[test]
    fn an_empty_charger_has_numbers_where_clients_convert() {
        let bare = status(&Sheet::new(Map::new(), Map::new()));
        for key in ["car", "amp", "fwv", "eto", "dws", "tme", "pha", "al5", "cid"] {
            assert!(
                bare[key].as_str().is_some_and(|text| text.parse::<f64>().is_ok()),
                "{key}: {}",
                bare[key]
            );
        }
    }
}
