//! The text protocols of inverters: PI30 (`QPIGS`) and PI18 (`^P005GS`), with their checksum.
//!
//! A command ends with two bytes of CRC-16/XMODEM and a carriage return; each of the two that would be a
//! bracket, a carriage return or a line feed is one higher. PI18 devices in the wild leave theirs as they are, so
//! both count on the way in, and a message of theirs may have a carriage return in its checksum: then its length,
//! which it says itself, tells where it ends.

/// Which of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// `QPIGS`, answered by `(` and values with blanks between.
    Pi30,
    /// `^P005GS`, answered by `^D` and a length, and values with commas between.
    Pi18,
}

/// Ends every message.
pub const END: u8 = b'\r';
/// Whoever says more without an end is not understood.
pub const LONGEST: usize = 512;

/// CRC-16/XMODEM.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 {
                crc << 1
            } else {
                crc << 1 ^ 0x1021
            }
        })
    })
}

/// The two bytes as they are sent.
fn sent(checksum: u16) -> [u8; 2] {
    checksum.to_be_bytes().map(|byte| match byte {
        b'(' | b'\r' | b'\n' => byte + 1,
        byte => byte,
    })
}

fn sealed(mut text: Vec<u8>) -> Vec<u8> {
    let checksum = sent(checksum(&text));
    text.extend_from_slice(&checksum);
    text.push(END);
    text
}

impl Protocol {
    /// A command as it stands on the line.
    #[must_use]
    pub fn command(self, name: &str) -> Vec<u8> {
        sealed(match self {
            Self::Pi30 => name.as_bytes().to_vec(),
            Self::Pi18 => format!("^P{:03}{name}", name.len() + 3).into_bytes(),
        })
    }

    /// A command that sets something, as it stands on the line.
    #[must_use]
    pub fn order(self, name: &str) -> Vec<u8> {
        match self {
            Self::Pi30 => self.command(name),
            Self::Pi18 => sealed(format!("^S{:03}{name}", name.len() + 3).into_bytes()),
        }
    }

    /// The name of a command; what the device's half needs.
    #[must_use]
    pub fn read_command(self, bytes: &[u8]) -> Option<&str> {
        let text = open(bytes)?;
        match self {
            Self::Pi30 => Some(text),
            Self::Pi18 => text.strip_prefix("^P")?.get(3..),
        }
    }

    /// An answer as it stands on the line.
    #[must_use]
    pub fn answer(self, values: &str) -> Vec<u8> {
        sealed(match self {
            Self::Pi30 => format!("({values}").into_bytes(),
            Self::Pi18 => format!("^D{:03}{values}", values.len() + 3).into_bytes(),
        })
    }

    /// What an answer says. `None` when it is none, or one that refuses.
    #[must_use]
    pub fn read_answer(self, bytes: &[u8]) -> Option<&str> {
        let text = open(bytes)?;
        match self {
            Self::Pi30 => text.strip_prefix('(').filter(|values| *values != "NAK"),
            Self::Pi18 => text.strip_prefix("^D")?.get(3..),
        }
    }

    /// The answer to a command that sets something, as it stands on the line; what the device's half needs.
    #[must_use]
    pub fn verdict(self, is_taken: bool) -> Vec<u8> {
        let (taken, refused) = self.verdicts();
        sealed(if is_taken { taken } else { refused }.as_bytes().to_vec())
    }

    /// Whether a device has taken what it was told. `None`: it says neither yes nor no.
    #[must_use]
    pub fn read_verdict(self, bytes: &[u8]) -> Option<bool> {
        let (taken, refused) = self.verdicts();
        match open(bytes)? {
            text if text == taken => Some(true),
            text if text == refused => Some(false),
            _ => None,
        }
    }

    const fn verdicts(self) -> (&'static str, &'static str) {
        match self {
            Self::Pi30 => ("(ACK", "(NAK"),
            Self::Pi18 => ("^1", "^0"),
        }
    }

    /// The values of an answer, in order.
    pub fn values(self, answer: &str) -> impl Iterator<Item = &str> {
        let between = match self {
            Self::Pi30 => ' ',
            Self::Pi18 => ',',
        };
        answer.split(between).map(str::trim)
    }
}

/// Whether the end has come.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.contains(&END)
        && (open(bytes).is_some() || said_length(bytes).is_none_or(|length| length <= bytes.len()))
}

/// How long a message of PI18 is, as it says itself.
fn said_length(bytes: &[u8]) -> Option<usize> {
    const HEAD: usize = 5;
    let [b'^', _, digits @ ..] = bytes.get(..HEAD)? else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(10);
    let count = digits
        .iter()
        .try_fold(0, |sum, byte| Some(sum * 10 + digit(byte)?))?;
    Some(HEAD + usize::try_from(count).ok()?)
}

/// The text in front of a checksum that fits.
fn open(bytes: &[u8]) -> Option<&str> {
    let first = bytes.iter().position(|byte| *byte == END);
    let last = said_length(bytes).map(|length| length - 1);
    let ends = first.into_iter().chain(last);
    ends.filter(|end| bytes.get(*end) == Some(&END))
        .find_map(|end| open_until(bytes, end))
}

fn open_until(bytes: &[u8], end: usize) -> Option<&str> {
    let (text, said) = bytes.get(..end)?.split_last_chunk::<2>()?;
    let checksum = checksum(text);
    let fits = *said == sent(checksum) || *said == checksum.to_be_bytes();
    std::str::from_utf8(text).ok().filter(|_| fits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn commands_have_their_known_checksums() {
        assert_eq!(checksum(b"123456789"), 0x31C3);
        for (protocol, name, text, expected) in [
            (Protocol::Pi30, "QPIGS", "QPIGS", [0xB7, 0xA9]),
            (Protocol::Pi30, "QMOD", "QMOD", [0x49, 0xC1]),
            (Protocol::Pi30, "QPIRI", "QPIRI", [0xF8, 0x54]),
            (Protocol::Pi30, "QPIWS", "QPIWS", [0xB4, 0xDA]),
            (Protocol::Pi30, "QID", "QID", [0xD6, 0xEA]),
            (Protocol::Pi30, "QVFW", "QVFW", [0x62, 0x99]),
            (Protocol::Pi30, "QPI", "QPI", [0xBE, 0xAC]),
            (Protocol::Pi30, "QPIGS2", "QPIGS2", [0x68, 0x2D]),
            (Protocol::Pi30, "QFLAG", "QFLAG", [0x98, 0x74]),
            (Protocol::Pi30, "QET", "QET", [0x81, 0xB6]),
            (Protocol::Pi30, "QLT", "QLT", [0x3B, 0x2E]),
            (Protocol::Pi18, "GS", "^P005GS", [0x58, 0x14]),
            (Protocol::Pi18, "PI", "^P005PI", [0x71, 0x8B]),
            (Protocol::Pi18, "PIRI", "^P007PIRI", [0xEE, 0x38]),
            (Protocol::Pi18, "MOD", "^P006MOD", [0xDD, 0xBE]),
            (Protocol::Pi18, "ID", "^P005ID", [0x19, 0xCD]),
            (Protocol::Pi18, "ET", "^P005ET", [0x4E, 0x91]),
        ] {
            let mut bytes = text.as_bytes().to_vec();
            bytes.extend(expected);
            bytes.push(END);
            assert_eq!(protocol.command(name), bytes, "{name}");
            assert_eq!(protocol.read_command(&bytes), Some(name));
        }
    }

    #[test]
    fn orders_are_said_yes_or_no_to() {
        let pi30 = Protocol::Pi30;
        for (said, expected) in [
            (&b"(ACK\x39\x20\r"[..], Some(true)),
            (b"(NAK\x73\x73\r", Some(false)),
            (b"(ACK\x39\x21\r", None),
            (b"(ACK\r", None),
            (b"", None),
        ] {
            assert_eq!(pi30.read_verdict(said), expected, "{said:02x?}");
        }
        assert_eq!(pi30.verdict(true), b"(ACK\x39\x20\r");
        assert_eq!(pi30.order("POP02"), pi30.command("POP02"));
        let pi18 = Protocol::Pi18;
        assert!(pi18.order("MCHGC0,030").starts_with(b"^S013MCHGC0,030"));
        for is_taken in [true, false] {
            let said = pi18.verdict(is_taken);
            assert!(is_whole(&said), "{said:02x?}");
            assert_eq!(pi18.read_verdict(&said), Some(is_taken));
            assert_eq!(pi30.read_verdict(&said), None);
        }
    }

    #[test]
    fn bytes_of_a_checksum_that_would_end_a_message_are_one_higher() {
        assert_eq!(sent(0x0D0A), [0x0E, 0x0B]);
        assert_eq!(sent(0x2829), [0x29, 0x29]);
    }

    #[test]
    fn answers_are_opened() {
        let answer = Protocol::Pi30.answer("230.1 50.0 B");
        let values = Protocol::Pi30.read_answer(&answer).unwrap();
        assert_eq!(
            Protocol::Pi30.values(values).collect::<Vec<_>>(),
            ["230.1", "50.0", "B"]
        );
        let answer = Protocol::Pi18.answer("2301,500");
        let values = Protocol::Pi18.read_answer(&answer).unwrap();
        assert_eq!(Protocol::Pi18.values(values).collect::<Vec<_>>(), ["2301", "500"]);
        assert!(is_whole(&answer) && !is_whole(&answer[..answer.len() - 1]));

        let refused = Protocol::Pi30.answer("NAK");
        assert_eq!(Protocol::Pi30.read_answer(&refused), None);
        let mut wrong = Protocol::Pi30.answer("230.1");
        wrong[2] ^= 1;
        assert_eq!(Protocol::Pi30.read_answer(&wrong), None);
        assert_eq!(Protocol::Pi18.read_answer(&Protocol::Pi30.answer("230.1")), None);
    }

    /// As devices do that know no exception.
    #[test]
    fn a_checksum_that_was_left_as_it_is_counts_too() {
        let found = (0_u32..200_000).find_map(|n| {
            let text = format!("^D013{n:010}");
            let plain = checksum(text.as_bytes());
            let [high, low] = plain.to_be_bytes();
            (sent(plain) != plain.to_be_bytes() && high != END && low != END).then_some((text, plain))
        });
        let (text, plain) = found.unwrap();
        let mut bytes = text.clone().into_bytes();
        bytes.extend(plain.to_be_bytes());
        bytes.push(END);
        assert_eq!(Protocol::Pi18.read_answer(&bytes), Some(&text[5..]));
    }

    #[test]
    fn a_checksum_that_holds_the_end_is_no_end() {
        for at in [0, 1] {
            let found = (0_u32..200_000).find_map(|n| {
                let text = format!("^D013{n:010}");
                let plain = checksum(text.as_bytes()).to_be_bytes();
                (plain[at] == END).then_some((text, plain))
            });
            let (text, plain) = found.unwrap();
            let mut bytes = text.clone().into_bytes();
            bytes.extend(plain);
            bytes.push(END);
            for end in 0..bytes.len() {
                assert!(!is_whole(&bytes[..end]), "{at}: {end} of {} bytes", bytes.len());
            }
            assert!(is_whole(&bytes));
            assert_eq!(Protocol::Pi18.read_answer(&bytes), Some(&text[5..]));
        }
        // Whoever lies about the length is believed its checksum, and is not awaited longer than it says.
        let mut lies = b"^D100123".to_vec();
        lies.extend(checksum(&lies).to_be_bytes());
        lies.push(END);
        assert!(is_whole(&lies));
        assert!(is_whole(b"^D006xx\r\r\r\r\r"));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            for protocol in [Protocol::Pi30, Protocol::Pi18] {
                let _ = (protocol.read_answer(&bytes), protocol.read_command(&bytes));
            }
        }

        #[test]
        fn an_answer_comes_back(values in "[0-9. A-Z]{0,100}") {
            let answer = Protocol::Pi30.answer(&values);
            prop_assume!(values != "NAK");
            prop_assert_eq!(Protocol::Pi30.read_answer(&answer), Some(values.as_str()));
        }
    }
}
