//! Frames of the uplink: a header of eight bytes, big-endian, and a payload.
//!
//! | bytes | what |
//! |---|---|
//! | 0, 1 | transaction, echoed in an answer; a logger counts its own from 0x8000 |
//! | 2, 3 | protocol number of the device that it is about |
//! | 4, 5 | length of what follows: address, function and payload |
//! | 6 | address; 0xFF is the logger itself |
//! | 7 | function |
//!
//! It looks like Modbus TCP and is not. Source: the uplink of Eybond data loggers as their local integrations
//! speak it, and captures of the vendor's cloud, whose frames all have a length of all their bytes less six.

/// What the logger itself is addressed by.
pub const LOGGER: u8 = 0xFF;
/// The protocol number in what is for the logger itself, as the vendor's cloud has it.
pub const ANY: u16 = 1;
/// Transactions that a logger begins.
pub const OWN_TRANSACTIONS: u16 = 0x8000;

const HEADER: usize = 8;
/// What the length does not count.
const UNCOUNTED: usize = 6;
/// Address and function alone.
const SHORTEST: usize = 2;
/// Longer than any frame that was seen, and short enough to wait for.
const LONGEST: usize = 1_020;
/// The longest payload of a frame.
pub const MAX_PAYLOAD: usize = LONGEST - SHORTEST;

/// What a frame is for.
pub mod function {
    pub const HEARTBEAT: u8 = 1;
    pub const QUERY: u8 = 2;
    pub const SET: u8 = 3;
    /// A raw frame for the serial line, and what came back from there.
    pub const FORWARD: u8 = 4;
    pub const REAL_TIME: u8 = 17;
    /// Asks for what the logger has kept.
    pub const HISTORY: u8 = 19;
    /// What a logger says unasked.
    pub const BY_ITSELF: [u8; 4] = [22, 23, 24, 50];
}

/// One frame, borrowed from the bytes that it came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    pub transaction: u16,
    pub devcode: u16,
    pub address: u8,
    pub function: u8,
    pub payload: &'a [u8],
}

impl Frame<'_> {
    /// The bytes of a frame. A payload that is too long is cut.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let payload = self.payload.get(..MAX_PAYLOAD).unwrap_or(self.payload);
        let length = u16::try_from(payload.len() + SHORTEST).unwrap_or(u16::MAX);
        let mut bytes = Vec::with_capacity(HEADER + payload.len());
        bytes.extend_from_slice(&self.transaction.to_be_bytes());
        bytes.extend_from_slice(&self.devcode.to_be_bytes());
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(&[self.address, self.function]);
        bytes.extend_from_slice(payload);
        bytes
    }
}

/// What the beginning of some bytes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut<'a> {
    /// Part of a frame.
    Part,
    /// A frame, and how many bytes it took.
    Frame(Frame<'a>, usize),
    /// No frame, by a length that cannot be. Nobody knows where the next one begins.
    Broken { length: usize },
}

/// Cuts the first frame off.
#[must_use]
pub fn cut(bytes: &[u8]) -> Cut<'_> {
    let Some([t0, t1, d0, d1, l0, l1]) = bytes.first_chunk::<UNCOUNTED>() else {
        return Cut::Part;
    };
    let length = usize::from(u16::from_be_bytes([*l0, *l1]));
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Cut::Broken { length };
    }
    let end = UNCOUNTED + length;
    let (Some([address, function]), Some(payload)) = (bytes.get(UNCOUNTED..HEADER), bytes.get(HEADER..end))
    else {
        return Cut::Part;
    };
    let frame = Frame {
        transaction: u16::from_be_bytes([*t0, *t1]),
        devcode: u16::from_be_bytes([*d0, *d1]),
        address: *address,
        function: *function,
        payload,
    };
    Cut::Frame(frame, end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Frames of the vendor's cloud as they were captured, with their payload.
    #[test]
    fn captured_frames_are_cut_by_their_length() {
        let heartbeat = [0x3D, 0x0A, 0, 1, 0, 0x0A, 0xFF, 1, 24, 6, 1, 12, 0, 0, 0, 0x23];
        let trigger = [0x3D, 0x0C, 0, 1, 0, 3, 0, 17, 0];
        for (bytes, function, payload) in [(&heartbeat[..], 1, 8), (&trigger[..], 17, 1)] {
            let Cut::Frame(frame, used) = cut(bytes) else {
                panic!("{bytes:02x?}")
            };
            assert_eq!(
                (frame.devcode, frame.function, frame.payload.len(), used),
                (1, function, payload, bytes.len())
            );
            assert_eq!(frame.encode(), bytes);
        }
        let mut both = heartbeat.to_vec();
        both.extend(trigger);
        assert!(matches!(cut(&both), Cut::Frame(_, 16)));
    }

    #[test]
    fn a_lying_length_is_no_reason_to_wait() {
        for (length, expected) in [
            (0_u16, Cut::Broken { length: 0 }),
            (1, Cut::Broken { length: 1 }),
            (2, Cut::Part),
            (1_020, Cut::Part),
            (1_021, Cut::Broken { length: 1_021 }),
            (0xFFFF, Cut::Broken { length: 0xFFFF }),
        ] {
            let [high, low] = length.to_be_bytes();
            assert_eq!(cut(&[0, 1, 0, 1, high, low]), expected, "{length}");
        }
    }

    #[test]
    fn too_much_payload_is_cut() {
        let frame = Frame {
            transaction: 1,
            devcode: 0,
            address: LOGGER,
            function: function::FORWARD,
            payload: &[7; MAX_PAYLOAD + 1],
        };
        let bytes = frame.encode();
        assert!(matches!(cut(&bytes), Cut::Frame(cut, _) if cut.payload.len() == MAX_PAYLOAD));
    }

    proptest! {
        #[test]
        fn any_bytes_are_cut(bytes in prop::collection::vec(any::<u8>(), 0..1_100)) {
            if let Cut::Frame(frame, used) = cut(&bytes) {
                prop_assert!(used <= bytes.len());
                prop_assert_eq!(frame.encode(), &bytes[..used]);
            }
        }

        #[test]
        fn a_frame_comes_back_whole_and_never_early(
            transaction: u16, devcode: u16, address: u8, function: u8,
            payload in prop::collection::vec(any::<u8>(), 0..=MAX_PAYLOAD),
        ) {
            let frame = Frame { transaction, devcode, address, function, payload: &payload };
            let bytes = frame.encode();
            prop_assert_eq!(cut(&bytes), Cut::Frame(frame, bytes.len()));
            for end in 0..bytes.len() {
                prop_assert_eq!(cut(&bytes[..end]), Cut::Part);
            }
        }
    }
}
