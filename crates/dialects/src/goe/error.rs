//! Refusals of the model in this dialect's words.

use model::intent::Rejection;

use super::value;

/// The text under a key that could not be set, as a charger words it. `text` is what the caller wrote.
#[must_use]
pub fn failed_text(key: &str, text: &str, rejection: &Rejection) -> String {
    match rejection {
        Rejection::Unknown { .. } => value::unknown(key),
        Rejection::NotAllowed { .. } => value::not_from_api(key, text),
        Rejection::NotSupported { .. } => value::without_setter(key, text),
        Rejection::OutOfRange { expected, .. } => {
            format!("{key}: failed: Value {text} exceeds range {expected} ({text})")
        }
        Rejection::Offline { .. } => format!("{key}: failed: the charger is not connected ({text})"),
        // A charger words it as we would.
        Rejection::Device { said } => said.clone(),
        Rejection::Busy { .. } => "couldn't take api lock in 3s, please try again later".to_owned(),
        Rejection::NotStored { .. } => format!("{key}: failed: the value could not be stored ({text})"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inner_detail_stays_inside() {
        let why = || "disk of host db7 is full".to_owned();
        for (rejection, expected) in [
            (
                Rejection::Unknown {
                    what: "key".into(),
                    id: "x".into(),
                },
                "amp: unknown api key",
            ),
            (
                Rejection::NotAllowed { why: why() },
                "amp: tried to set api key which is not allowed from api (20)",
            ),
            (
                Rejection::NotSupported { what: "psm".into() },
                "amp: tried to set api key without setter (20)",
            ),
            (
                Rejection::OutOfRange {
                    what: "current".into(),
                    given: "20 A".into(),
                    expected: "6 to 16".into(),
                },
                "amp: failed: Value 20 exceeds range 6 to 16 (20)",
            ),
            (
                Rejection::Offline {
                    what: "left".into(),
                    last_seen: "never".into(),
                },
                "amp: failed: the charger is not connected (20)",
            ),
            (
                Rejection::Device {
                    said: "amp: locked by the app".into(),
                },
                "amp: locked by the app",
            ),
            (
                Rejection::Busy { why: why() },
                "couldn't take api lock in 3s, please try again later",
            ),
            (
                Rejection::NotStored { why: why() },
                "amp: failed: the value could not be stored (20)",
            ),
        ] {
            assert_eq!(failed_text("amp", "20", &rejection), expected);
        }
    }
}
