//! Questions that somebody puts to an inverter in its own language: text, or bytes in hexadecimal.

use super::relay;
use super::text::Protocol;
use super::{rtu, text};

/// Longer ones are none.
const LONGEST: usize = 256;

/// A question as it stands on the serial line, and when its answer is complete.
pub(super) type OnTheLine = (Vec<u8>, fn(&[u8]) -> bool);

/// Whether it only asks, whatever it is put to.
#[must_use]
pub fn is_question(said: &str) -> bool {
    let own = [Protocol::Pi30, Protocol::Pi18].map(Some);
    let mut own = own.into_iter();
    own.any(|protocol| of_text(protocol, said).is_some())
        || bytes(said).is_some_and(|line| relay::reading(&line).is_some())
}

/// The question to a device that speaks this protocol, where `None` is registers. `None`: it is none, or may change
/// something.
pub(super) fn read(protocol: Option<Protocol>, address: u8, said: &str) -> Option<OnTheLine> {
    if let Some(name) = of_text(protocol, said) {
        return Some((protocol?.command(name), text::is_whole));
    }
    let line = bytes(said)?;
    let is_whole = relay::reading(&line)?;
    let is_its = match protocol {
        Some(protocol) => protocol.read_command(&line).is_some(),
        None => rtu::decode_exactly(&line).is_some_and(|(unit, _)| unit == address),
    };
    is_its.then_some((line, is_whole))
}

/// `QPIGS`, `^P005GS`: the name of the command.
fn of_text(protocol: Option<Protocol>, said: &str) -> Option<&str> {
    let name = match protocol? {
        Protocol::Pi30 => said.starts_with('Q').then_some(said)?,
        Protocol::Pi18 => said.strip_prefix("^P")?.get(3..)?,
    };
    let is_plain =
        (1..=LONGEST).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_plain.then_some(name)
}

/// `01 03 00 CA 00 03 25 F5`, with or without blanks.
fn bytes(said: &str) -> Option<Vec<u8>> {
    let digits: Vec<char> = said.chars().filter(|c| *c != ' ').collect();
    if digits.is_empty() || digits.len() > 2 * LONGEST {
        return None;
    }
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(high.to_digit(16)? << 4 | low.to_digit(16)?).ok(),
        _ => None,
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(bytes: &[u8]) -> String {
        let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        pairs.join(" ")
    }

    #[test]
    fn only_what_asks_is_a_question_and_only_for_whoever_speaks_so() {
        let (pi30, pi18) = (Some(Protocol::Pi30), Some(Protocol::Pi18));
        let framed = hex(&Protocol::Pi30.command("QPIGS"));
        let reads = hex(&rtu::encode(5, &[3, 0, 201, 0, 34]));
        let writes = hex(&rtu::encode(5, &[6, 1, 0x2D, 0, 1]));
        let sets = hex(&Protocol::Pi18.order("POP1"));
        for (protocol, said, expected) in [
            (pi30, "QPIGS", true),
            (pi18, "QPIGS", false),
            (None, "QPIGS", false),
            (pi18, "^P005GS", true),
            (pi30, "^P005GS", false),
            (pi30, framed.as_str(), true),
            (pi18, framed.as_str(), false),
            (None, reads.as_str(), true),
            (pi30, reads.as_str(), false),
            (None, writes.as_str(), false),
            (pi30, "POP02", false),
            (pi18, "^S007POP1", false),
            (pi18, sets.as_str(), false),
            (pi30, "Q\rPOP02", false),
            (pi30, "Q PIGS", false),
            (pi30, "", false),
            (pi18, "^P", false),
            (pi18, "^P005", false),
            (None, "01 03 0", false),
            (None, "zz", false),
            (pi18, "^P00\u{e9}", false),
        ] {
            assert_eq!(read(protocol, 5, said).is_some(), expected, "{protocol:?} {said}");
            if expected {
                assert!(is_question(said), "{said}");
            }
        }
        assert!(read(None, 4, &reads).is_none(), "it is put to another device");
        for said in ["POP02", writes.as_str(), sets.as_str(), "^S007POP1", "AT+DTUPN?"] {
            assert!(!is_question(said), "{said}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(said in ".{0,80}") {
            for protocol in [None, Some(Protocol::Pi30), Some(Protocol::Pi18)] {
                let is_one = read(protocol, 1, &said).is_some();
                prop_assert!(!is_one || is_question(&said));
            }
        }
    }
}
