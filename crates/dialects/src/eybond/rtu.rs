//! Modbus RTU, as it travels in frames of a logger: unit, PDU, checksum.

/// The shortest answer: unit, function, exception and checksum.
const SHORTEST: usize = 5;
/// The answer to a write: unit, function, two numbers and checksum.
const WRITTEN: usize = 8;

/// CRC-16/MODBUS.
#[must_use]
pub fn checksum(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 }
        })
    })
}

/// A PDU for a unit, as it stands on the line.
#[must_use]
pub fn encode(unit: u8, pdu: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pdu.len() + 3);
    bytes.push(unit);
    bytes.extend_from_slice(pdu);
    let checksum = checksum(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Bytes of an answer, as far as it says that itself. Readings say how much they hold, writes echo two numbers.
fn length(bytes: &[u8]) -> usize {
    match bytes {
        [_, 5 | 6 | 15 | 16, ..] => WRITTEN,
        [_, function, count, ..] if function & 0x80 == 0 => usize::from(*count) + SHORTEST,
        _ => SHORTEST,
    }
}

/// Whether an answer has come as far as it says itself.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    bytes.len() >= length(bytes)
}

/// Unit and PDU, if the checksum fits. What stands behind an answer is not looked at.
#[must_use]
pub fn decode(bytes: &[u8]) -> Option<(u8, &[u8])> {
    decode_exactly(bytes.get(..length(bytes))?)
}

/// Unit and PDU of a whole frame, request or answer, if the checksum fits.
#[must_use]
pub fn decode_exactly(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let (body, said) = bytes.split_last_chunk::<2>()?;
    let (unit, pdu) = body.split_first()?;
    (!pdu.is_empty() && checksum(body) == u16::from_le_bytes(*said)).then_some((*unit, pdu))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requests_have_their_known_checksums() {
        assert_eq!(checksum(b"123456789"), 0x4B37);
        for (pdu, expected) in [
            ([3, 0, 0xC9, 0, 0x22], [0x15, 0xED]),
            ([3, 0, 0xC9, 0, 0x1F], [0xD4, 0x3C]),
            ([3, 0, 0xBA, 0, 0x0C], [0x64, 0x2A]),
            ([3, 0, 0xAB, 0, 1], [0xF5, 0xEA]),
            ([3, 0, 0xCA, 0, 3], [0x25, 0xF5]),
        ] {
            let bytes = encode(1, &pdu);
            assert_eq!(bytes[6..], expected, "{pdu:02x?}");
            assert_eq!(decode_exactly(&bytes), Some((1, &pdu[..])));
        }
    }

    #[test]
    fn an_answer_ends_where_it_says() {
        let answer = encode(1, &[3, 2, 0x09, 0x29]);
        assert!(!is_whole(&answer[..6]) && is_whole(&answer));
        let mut more = answer.clone();
        more.push(0);
        assert_eq!(decode(&more), Some((1, &[3, 2, 0x09, 0x29][..])));
        let refused = encode(1, &[0x83, 2]);
        assert!(is_whole(&refused));
        assert_eq!(decode(&refused), Some((1, &[0x83, 2][..])));
        let mut wrong = answer;
        wrong[3] ^= 1;
        assert_eq!(decode(&wrong), None);
        let written = encode(1, &[16, 1, 0x2D, 0, 1]);
        assert!(!is_whole(&written[..7]) && is_whole(&written));
        assert_eq!(decode(&written), Some((1, &[16, 1, 0x2D, 0, 1][..])));
        assert_eq!(decode(&[]), None);
        assert_eq!(decode_exactly(&[1, 2]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (decode(&bytes), decode_exactly(&bytes), is_whole(&bytes));
        }
    }
}
