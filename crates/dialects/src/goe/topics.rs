//! What a charger says to a broker of MQTT, and hears from it.
//!
//! Under its prefix (`go-eCharger/000001/`; some older firmware has a slash in front) each key is a topic that
//! holds its JSON, retained. `<key>/set` takes JSON, `<key>/result` answers in plain words. Source: reference 5.

use serde_json::Value;

use super::value::{self, Reading};

/// What a firmware publishes, in its order; the whole status has twice as many (`mqtt-v3-fw56.9.log` of the
/// reference).
pub const EXPORTED: [&str; 119] = [
    "alw",
    "acu",
    "adi",
    "dwo",
    "tpa",
    "eto",
    "lwf",
    "ccw",
    "dns",
    "rssi",
    "utc",
    "loc",
    "lbr",
    "lmo",
    "ama",
    "clp",
    "bac",
    "lbp",
    "amp",
    "cid",
    "cwc",
    "cch",
    "cfi",
    "ust",
    "fsp",
    "acs",
    "frc",
    "rbc",
    "rbt",
    "car",
    "err",
    "cbl",
    "pha",
    "wh",
    "trx",
    "fwv",
    "cdi",
    "lccfi",
    "lccfc",
    "lcctc",
    "tma",
    "amt",
    "nrg",
    "modelStatus",
    "lmsc",
    "mca",
    "awp",
    "awcp",
    "att",
    "ate",
    "ara",
    "pgrid",
    "ppv",
    "pakku",
    "deltap",
    "var",
    "spl3",
    "psm",
    "ocu",
    "cus",
    "fhz",
    "loa",
    "cards",
    "men",
    "msp",
    "msb",
    "msr",
    "dll",
    "hai",
    "hla",
    "rde",
    "lri",
    "tsi",
    "lrc",
    "lrr",
    "lcs",
    "csa",
    "ctrls",
    "ccd",
    "tcl",
    "nmo",
    "oem",
    "typ",
    "awc",
    "frm",
    "fup",
    "awe",
    "fst",
    "fmt",
    "acp",
    "fzf",
    "pgt",
    "sh",
    "psh",
    "po",
    "zfo",
    "psmd",
    "sumd",
    "mpwst",
    "mptwt",
    "die",
    "dii",
    "la1",
    "la3",
    "di1",
    "pgr",
    "pdi",
    "cll",
    "ufe",
    "ufm",
    "ufa",
    "ufs",
    "lbl",
    "avgfhz",
    "tab",
    "lto",
    "evt",
    "dsrc",
    "pco",
];

/// The result of a write that was taken.
pub const SUCCESS: &str = "success";

/// What a topic below a prefix is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic<'t> {
    /// The value of a key.
    Key(&'t str),
    /// A write to it.
    Set(&'t str),
    /// What became of the write.
    Result(&'t str),
}

/// The prefix that a charger has unless its owner chose another one.
#[must_use]
pub fn usual_prefix(serial: &str) -> String {
    format!("go-eCharger/{serial}/")
}

/// What a topic says, if it is one of this prefix. A prefix that does not end in a slash is taken as it is, as
/// chargers do (API-v2#231).
#[must_use]
pub fn parse<'t>(prefix: &str, topic: &'t str) -> Option<Topic<'t>> {
    let rest = topic.strip_prefix(prefix)?;
    let (key, of) = match rest.split_once('/') {
        None => (rest, Topic::Key(rest)),
        Some((key, "set")) => (key, Topic::Set(key)),
        Some((key, "result")) => (key, Topic::Result(key)),
        Some(_) => return None,
    };
    (!key.is_empty()).then_some(of)
}

/// Where the value of a key stands.
#[must_use]
pub fn key(prefix: &str, key: &str) -> String {
    format!("{prefix}{key}")
}

/// Where a write to a key goes.
#[must_use]
pub fn set(prefix: &str, key: &str) -> String {
    format!("{prefix}{key}/set")
}

/// Where a charger says what became of it.
#[must_use]
pub fn result(prefix: &str, key: &str) -> String {
    format!("{prefix}{key}/result")
}

/// The value that a payload writes.
///
/// # Errors
/// The text of the result.
pub fn read_set(key: &str, payload: &str) -> Result<Value, String> {
    if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(payload) {
        let kind = if error.is_eof() {
            "IncompleteInput"
        } else {
            "InvalidInput"
        };
        return Err(format!("invalid json {kind}: {payload}"));
    }
    let value::Checked { value, refusal } = value::check(key, payload, Reading::Strict);
    match refusal {
        None => Ok(value),
        Some(refusal) => Err(result_text(key, payload, &refusal)),
    }
}

/// A refusal of [`value`] or of the charger's logic as a result says it: without the key, and with the payload
/// behind it in place of brackets.
#[must_use]
pub fn result_text(key: &str, payload: &str, refusal: &str) -> String {
    let text = refusal
        .strip_prefix(key)
        .and_then(|rest| rest.strip_prefix(": "))
        .unwrap_or(refusal);
    let text = text.strip_prefix("failed: ").unwrap_or(text);
    let text = text.rsplit_once(" (").map_or(text, |(text, _)| text);
    format!("{text} {payload}")
}

/// What a result says of a write.
///
/// # Errors
/// The charger's own words.
pub fn read_result(payload: &str) -> Result<(), String> {
    if payload == SUCCESS {
        Ok(())
    } else {
        Err(payload.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::goe::{Variant, keys};

    #[test]
    fn topics_are_told_apart() {
        for (prefix, topic, expected) in [
            (
                "go-eCharger/000001/",
                "go-eCharger/000001/amp",
                Some(Topic::Key("amp")),
            ),
            (
                "go-eCharger/000001/",
                "go-eCharger/000001/amp/set",
                Some(Topic::Set("amp")),
            ),
            (
                "/go-eCharger/000001/",
                "/go-eCharger/000001/amp/result",
                Some(Topic::Result("amp")),
            ),
            ("go-eCharger/000001/", "/go-eCharger/000001/amp", None),
            ("go-eCharger/000001/", "go-eCharger/000002/amp", None),
            ("go-eCharger/000001/", "go-eCharger/000001/", None),
            ("go-eCharger/000001/", "go-eCharger/000001//set", None),
            ("go-eCharger/000001/", "go-eCharger/000001/amp/get", None),
            ("go-eCharger/000001/", "go-eCharger/000001/amp/set/x", None),
            ("", "amp", Some(Topic::Key("amp"))),
        ] {
            assert_eq!(parse(prefix, topic), expected, "{topic}");
        }
        let prefix = usual_prefix("000001");
        assert_eq!(parse(&prefix, &key(&prefix, "frc")), Some(Topic::Key("frc")));
        assert_eq!(parse(&prefix, &set(&prefix, "frc")), Some(Topic::Set("frc")));
        assert_eq!(
            parse(&prefix, &result(&prefix, "frc")),
            Some(Topic::Result("frc"))
        );
    }

    /// The first five are the texts of reference 5.
    #[test]
    fn results_use_the_chargers_words() {
        for (key, payload, expected) in [
            ("amp", "10", Ok(json!(10))),
            ("fna", "\"garage", Err("invalid json IncompleteInput: \"garage")),
            ("fna", "garage", Err("invalid json InvalidInput: garage")),
            ("fna", "1", Err("value must be string 1")),
            (
                "fna",
                "\"go\"",
                Err("String length  2 exceeds range 4 to 64 \"go\""),
            ),
            ("amp", "5", Err("Value 5 exceeds range 6 to 32 5")),
            ("amp", "", Err("invalid json IncompleteInput: ")),
            ("alw", "true", Err("tried to set api key without setter true")),
            ("nosuch", "1", Err("unknown api key 1")),
            ("trx", "null", Ok(Value::Null)),
        ] {
            let expected = expected.map_err(str::to_owned);
            assert_eq!(read_set(key, payload), expected, "{key} {payload}");
        }
        assert_eq!(read_result("success"), Ok(()));
        assert_eq!(
            read_result("value must be string 1"),
            Err("value must be string 1".to_owned())
        );
    }

    #[test]
    fn what_is_exported_is_there() {
        let document = Variant::V3.document();
        let secrets: Vec<_> = EXPORTED.iter().filter(|key| keys::is_secret(key)).collect();
        // The firmware does publish it.
        assert_eq!(secrets, [&"dll"]);
        for key in EXPORTED {
            assert!(document.contains_key(key), "{key}");
        }
        let mut sorted = EXPORTED;
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]), "each once");
    }
}
