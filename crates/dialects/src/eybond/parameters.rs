//! What a logger tells of itself: numbered texts, asked by function 2.
//!
//! Several may be asked at once, and then some loggers answer the first one only; so we ask one at a time.

/// A parameter by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter(pub u8);

impl Parameter {
    pub const KIND: Self = Self(1);
    pub const NUMBER: Self = Self(2);
    pub const FIRMWARE: Self = Self(5);
    /// Seconds between two records of its own.
    pub const PERIOD: Self = Self(13);
    /// What it speaks on the serial line: `0925`, `0942#name`.
    pub const DESCRIPTOR: Self = Self(14);
    pub const SERVER: Self = Self(21);
    pub const TIME_ZONE: Self = Self(25);
    pub const BAUD_RATE: Self = Self(34);
    /// Network diagnostics, the strength of the signal among them.
    pub const DIAGNOSTICS: Self = Self(48);
}

/// The answer to one question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer<'a> {
    pub parameter: Parameter,
    /// `None`: it was refused.
    pub text: Option<&'a str>,
}

impl<'a> Answer<'a> {
    /// Reads a payload: a status, the number, the text. What is no text counts as refused.
    #[must_use]
    pub fn decode(payload: &'a [u8]) -> Option<Self> {
        let [status, parameter, text @ ..] = payload else {
            return None;
        };
        let text = std::str::from_utf8(text).ok();
        let text = text.map(|text| text.trim_matches(|c: char| c == '\0' || c.is_whitespace()));
        Some(Self {
            parameter: Parameter(*parameter),
            text: text.filter(|text| *status == 0 && is_printable(text)),
        })
    }

    /// The payload of an answer.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut payload = vec![u8::from(self.text.is_none()), self.parameter.0];
        payload.extend_from_slice(self.text.unwrap_or_default().as_bytes());
        payload
    }
}

fn is_printable(text: &str) -> bool {
    text.chars().all(|c| !c.is_control())
}

/// A signal in dBm, the first number of a text that can be one.
#[must_use]
pub fn signal(text: &str) -> Option<i64> {
    let numbers = text.split(|c: char| !c.is_ascii_digit() && c != '-');
    let signals = numbers.filter_map(|number| number.parse::<i64>().ok());
    signals.into_iter().find(|signal| (-120..0).contains(signal))
}

/// The protocol number of a descriptor: `0925` and `0942#name` are hexadecimal.
#[must_use]
pub fn devcode(descriptor: &str) -> Option<u16> {
    let digits = descriptor.split(['#', ',']).next()?.trim();
    (digits.len() == 4).then(|| u16::from_str_radix(digits, 16).ok())?
}

/// Characters of a number that every heartbeat has room for.
const IN_HEARTBEAT: usize = 14;

/// The number of a logger in a heartbeat, or anywhere it may be claimed: 8 to 30 letters and digits, behind
/// which zeros fill up.
#[must_use]
pub fn number(bytes: &[u8]) -> Option<&str> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(bytes.get(..end)?).ok()?.trim();
    let fits = (8..=30).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then_some(text)
}

/// Whether a number that was said is this one: some loggers have 18 characters, of which their heartbeats have room
/// for the first 14.
#[must_use]
pub fn is_number(said: &str, number: &str) -> bool {
    said == number || said.len() == IN_HEARTBEAT && number.starts_with(said)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_number_may_be_cut_where_a_heartbeat_ends() {
        for (said, expected) in [
            ("Q00333322220001112", true),
            ("Q0033332222000", true),
            ("Q003333222200", false),
            ("Q00333322220001", false),
            ("Q0033332222001", false),
        ] {
            assert_eq!(is_number(said, "Q00333322220001112"), expected, "{said}");
        }
        assert!(!is_number("Q00333322220001112", "Q0033332222000"));
    }

    #[test]
    fn answers_say_a_text_or_refuse() {
        let answer = |number, text| {
            Some(Answer {
                parameter: Parameter(number),
                text,
            })
        };
        for (payload, expected) in [
            (&b"\x00\x050.12"[..], answer(5, Some("0.12"))),
            (b"\x00\x0E0925\0\0", answer(14, Some("0925"))),
            (b"\x01\x30", answer(48, None)),
            (b"\x00\x05\xFF\xFE", answer(5, None)),
            (b"\x00\x05a\x1Bb", answer(5, None)),
            (b"\x00", None),
            (b"", None),
        ] {
            assert_eq!(Answer::decode(payload), expected, "{payload:02x?}");
        }
        let asked = Answer {
            parameter: Parameter::SERVER,
            text: Some("ess.eybond.com,502,TCP"),
        };
        assert_eq!(Answer::decode(&asked.encode()), Some(asked));
    }

    #[test]
    fn texts_of_loggers_are_read() {
        for (text, expected) in [
            ("-61", Some(-61)),
            ("RSSI:-72 dBm", Some(-72)),
            ("0,-48,1", Some(-48)),
            ("99", None),
            ("-", None),
            ("", None),
        ] {
            assert_eq!(signal(text), expected, "{text}");
        }
        for (text, expected) in [
            ("0925", Some(2_341)),
            ("0942#name", Some(2_370)),
            ("02FF,0,0,#0#", Some(767)),
            ("SMG", None),
            ("", None),
        ] {
            assert_eq!(devcode(text), expected, "{text}");
        }
        for (bytes, expected) in [
            (&b"E5000099990001"[..], Some("E5000099990001")),
            (b"W0011223344\0\0\0", Some("W0011223344")),
            (b"E50000999900010001", Some("E50000999900010001")),
            (b"short", None),
            (b"E5000099990001-", None),
            (b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0", None),
            (b"\xFF\xFE5000099990001", None),
        ] {
            assert_eq!(number(bytes), expected, "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = number(&bytes);
            if let Some(Answer { text: Some(text), .. }) = Answer::decode(&bytes) {
                let _ = (signal(text), devcode(text));
            }
        }
    }
}
