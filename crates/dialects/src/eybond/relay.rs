//! What the vendor's cloud is shown and may ask, while we hold the connection of its logger.
//!
//! To the cloud we look like the logger: it hears the logger's number, what the logger says by itself, and answers to
//! what it asks. To the logger there is one server, which asks one thing at a time: a question of the cloud waits for
//! its turn, leaves under a number of ours, and its answer goes back under the number that the cloud gave it.
//!
//! Heartbeats of the cloud never reach the logger: they would set its clock, and we answer them as it would. Of the
//! rest only what reads is passed on ([`Asks::read`]); what writes is refused as the logger or the inverter would.

use std::collections::VecDeque;

use super::frame::{self, Cut, Frame, function};
use super::text::Protocol;
use super::{parameters, rtu, text};
use crate::ReplyError;

/// Questions that wait; who asks more is not answered.
const MOST_WAITING: usize = 8;
/// Frames that may still be answered, in either direction.
const REMEMBERED: usize = 8;

/// One question of the cloud.
#[derive(Clone, Debug)]
pub(super) struct Asks {
    /// As the cloud numbered it.
    transaction: u16,
    pub devcode: u16,
    pub address: u8,
    pub function: u8,
    pub payload: Vec<u8>,
    /// Whether the line is free again after so much of an answer.
    pub is_whole: fn(&[u8]) -> bool,
    /// Frames that the answer has; a logger may leave some out.
    pub frames: usize,
}

impl Asks {
    /// A question that changes nothing: parameters, readings and the past of a logger, registers, and what text
    /// protocols only ask. `None`: anything else, known or not.
    fn read(frame: &Frame<'_>) -> Option<Self> {
        let (is_whole, frames): (fn(&[u8]) -> bool, _) = match frame.function {
            function::QUERY if !frame.payload.is_empty() => (|_| true, frame.payload.len()),
            function::REAL_TIME | function::HISTORY => (|_| true, 1),
            function::FORWARD => (reading(frame.payload)?, 1),
            _ => return None,
        };
        Some(Self {
            transaction: frame.transaction,
            devcode: frame.devcode,
            address: frame.address,
            function: frame.function,
            payload: frame.payload.to_vec(),
            is_whole,
            frames,
        })
    }
}

/// When the answer to what is asked on the serial line is complete. `None`: it may write.
pub(super) fn reading(line: &[u8]) -> Option<fn(&[u8]) -> bool> {
    if let Some((_, pdu)) = rtu::decode_exactly(line) {
        // Coils, inputs, holding and input registers.
        return matches!(pdu.first(), Some(1..=4)).then_some(rtu::is_whole);
    }
    let asks = |protocol: Protocol| protocol.read_command(line);
    let is_query =
        asks(Protocol::Pi18).is_some() || asks(Protocol::Pi30).is_some_and(|name| name.starts_with('Q'));
    is_query.then_some(text::is_whole)
}

/// Why something that the cloud said is not passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    Refused(ReplyError),
    /// It is no frame, and nobody knows where the next one begins.
    Broken(ReplyError),
}

/// Under which numbers a question went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Asked {
    ours: u16,
    theirs: u16,
    function: u8,
}

/// The cloud of one logger.
#[derive(Debug, Default)]
pub(super) struct Relay {
    is_open: bool,
    /// The beginning of a frame of the cloud.
    part: Vec<u8>,
    /// The newest heartbeat of the logger.
    number: Option<Vec<u8>>,
    waiting: VecDeque<Asks>,
    /// The last one that was served was we.
    is_its_turn: bool,
    asked: VecDeque<Asked>,
    /// What the logger has said by itself and the cloud may acknowledge.
    told: VecDeque<(u16, u8)>,
    out: VecDeque<Vec<u8>>,
}

impl Relay {
    /// The cloud is there. It hears who calls, as soon as we know.
    pub fn open(&mut self) {
        self.close();
        self.is_open = true;
        self.out.extend(self.number.clone());
    }

    /// It has gone. What it asked is of no interest any more.
    pub fn close(&mut self) {
        let number = self.number.take();
        *self = Self {
            number,
            ..Self::default()
        };
    }

    /// What the cloud says. Acknowledgements for the logger are added to `for_logger`.
    ///
    /// # Errors
    /// With what is not passed on.
    pub fn hear(&mut self, bytes: &[u8], for_logger: &mut VecDeque<Vec<u8>>) -> Result<(), Unheard> {
        if !self.is_open {
            return Ok(());
        }
        let mut part = std::mem::take(&mut self.part);
        part.extend_from_slice(bytes);
        let (mut rest, mut refused) = (part.as_slice(), Ok(()));
        loop {
            match frame::cut(rest) {
                Cut::Frame(frame, used) => {
                    if let Err(error) = self.take(&frame, for_logger) {
                        refused = Err(Unheard::Refused(error));
                    }
                    rest = rest.get(used..).unwrap_or_default();
                }
                Cut::Part => {
                    self.part = rest.to_vec();
                    return refused;
                }
                Cut::Broken { length } => {
                    let error = ReplyError {
                        asked: "read a frame of the vendor's cloud".to_owned(),
                        came: format!("a length of {length}"),
                        expected: "a length from 2 to 1020; check `vendor` in [loggers]".to_owned(),
                    };
                    return Err(Unheard::Broken(error));
                }
            }
        }
    }

    fn take(&mut self, frame: &Frame<'_>, for_logger: &mut VecDeque<Vec<u8>>) -> Result<(), ReplyError> {
        if frame.function == function::HEARTBEAT {
            self.answer_heartbeat(frame.transaction);
            return Ok(());
        }
        let told = self
            .told
            .iter()
            .position(|told| *told == (frame.transaction, frame.function));
        if let Some(told) = told {
            self.told.remove(told);
            for_logger.push_back(frame.encode());
            return Ok(());
        }
        let Some(asks) = Asks::read(frame) else {
            self.refuse(frame);
            return Err(ReplyError {
                asked: "pass on what the vendor's cloud asks of a data logger".to_owned(),
                came: format!(
                    "function {}, which writes or is not known; it was refused",
                    frame.function
                ),
                expected: "what reads".to_owned(),
            });
        };
        if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back(asks);
        }
        Ok(())
    }

    fn answer_heartbeat(&mut self, transaction: u16) {
        let number = self.number.as_deref().map(frame::cut);
        if let Some(Cut::Frame(number, _)) = number {
            let answer = Frame {
                transaction,
                ..number
            };
            self.out.push_back(answer.encode());
        }
    }

    /// In the words of whom it was meant for, where there are any: else the cloud waits in vain.
    fn refuse(&mut self, frame: &Frame<'_>) {
        let payload = match (frame.function, frame.payload) {
            (function::SET, [parameter, ..]) => {
                let parameter = parameters::Parameter(*parameter);
                parameters::Answer {
                    parameter,
                    text: None,
                }
                .encode()
            }
            (function::FORWARD, line) => match rtu::decode_exactly(line) {
                Some((unit, [function, ..])) => {
                    const ILLEGAL_FUNCTION: u8 = 1;
                    rtu::encode(unit, &[*function | 0x80, ILLEGAL_FUNCTION])
                }
                Some(_) => return,
                None if Protocol::Pi30.read_command(line).is_some() => Protocol::Pi30.answer("NAK"),
                None => return,
            },
            _ => return,
        };
        let answer = Frame {
            payload: &payload,
            ..*frame
        };
        self.out.push_back(answer.encode());
    }

    /// We were served.
    pub const fn yielded(&mut self) {
        self.is_its_turn = true;
    }

    /// Whether a question waits; between two of ours one has its turn.
    pub fn wants(&self, even_out_of_turn: bool) -> bool {
        !self.waiting.is_empty() && (even_out_of_turn || self.is_its_turn)
    }

    /// The next question.
    pub fn take_next(&mut self) -> Option<Asks> {
        self.is_its_turn = false;
        self.waiting.pop_front()
    }

    /// It has left under a number of ours.
    pub fn has_asked(&mut self, asks: &Asks, ours: u16) {
        let asked = Asked {
            ours,
            theirs: asks.transaction,
            function: asks.function,
        };
        remember(&mut self.asked, asked);
    }

    /// What the logger says. `is_ours`: it answers us.
    pub fn overhear(&mut self, frame: &Frame<'_>, is_ours: bool) {
        if frame.function == function::HEARTBEAT {
            let is_new = self.number.replace(frame.encode()).is_none();
            if self.is_open && (is_new || !is_ours) {
                self.out.push_back(frame.encode());
            }
            return;
        }
        if is_ours || !self.is_open {
            return;
        }
        let asked = |asked: &&Asked| (asked.ours, asked.function) == (frame.transaction, frame.function);
        // An answer that comes late or in several frames is one as well.
        if let Some(asked) = self.asked.iter().find(asked) {
            let transaction = asked.theirs;
            let answer = Frame {
                transaction,
                ..*frame
            };
            self.out.push_back(answer.encode());
        } else if function::BY_ITSELF.contains(&frame.function) {
            remember(&mut self.told, (frame.transaction, frame.function));
            self.out.push_back(frame.encode());
        }
    }

    /// What the cloud is to hear.
    pub fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }
}

fn remember<T>(those: &mut VecDeque<T>, one: T) {
    if those.len() == REMEMBERED {
        those.pop_front();
    }
    those.push_back(one);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(transaction: u16, function: u8, payload: &[u8]) -> Vec<u8> {
        let frame = Frame {
            transaction,
            devcode: 0x0925,
            address: frame::LOGGER,
            function,
            payload,
        };
        frame.encode()
    }

    fn overhears(relay: &mut Relay, bytes: &[u8], is_ours: bool) {
        let Cut::Frame(frame, _) = frame::cut(bytes) else {
            panic!("{bytes:02x?}")
        };
        relay.overhear(&frame, is_ours);
    }

    fn out(relay: &mut Relay) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| relay.poll_bytes()).collect()
    }

    /// What became of a question: passed on, refused with an answer, or refused without.
    fn asked(function: u8, payload: &[u8]) -> (bool, Option<Vec<u8>>) {
        let (mut relay, mut for_logger) = (Relay::default(), VecDeque::new());
        relay.open();
        let heard = relay.hear(&frame(7, function, payload), &mut for_logger);
        assert!(for_logger.is_empty(), "{function}: nothing goes past the turns");
        assert_eq!(heard.is_ok(), relay.wants(true), "{function} {payload:02x?}");
        let said = relay.poll_bytes().map(|bytes| {
            let Cut::Frame(frame, _) = frame::cut(&bytes) else {
                panic!("{bytes:02x?}")
            };
            assert_eq!((frame.transaction, frame.function), (7, function));
            frame.payload.to_vec()
        });
        (heard.is_ok(), said)
    }

    #[test]
    fn what_reads_is_passed_on_and_what_writes_is_refused() {
        let registers = rtu::encode(1, &[3, 0, 201, 0, 34]);
        let write_one = rtu::encode(1, &[6, 1, 0x2C, 0, 1]);
        let write_many = rtu::encode(1, &[16, 1, 0x2C, 0, 1, 2, 0, 1]);
        for (function, payload, passed, answer) in [
            (2, vec![2, 1, 2, 3, 4], true, None),
            (2, vec![], false, None),
            (3, b"\x15ess.eybond.com".to_vec(), false, Some(vec![1, 0x15])),
            (4, registers, true, None),
            (4, write_one, false, Some(rtu::encode(1, &[0x86, 1]))),
            (4, write_many, false, Some(rtu::encode(1, &[0x90, 1]))),
            (4, Protocol::Pi30.command("QPIGS"), true, None),
            (4, Protocol::Pi18.command("GS"), true, None),
            (
                4,
                Protocol::Pi30.command("POP02"),
                false,
                Some(Protocol::Pi30.answer("NAK")),
            ),
            (4, b"^S007POP01\r".to_vec(), false, None),
            (4, b"QPIGS".to_vec(), false, None),
            (4, vec![], false, None),
            (17, vec![0], true, None),
            (19, vec![0], true, None),
            (18, vec![0, 1], false, None),
            (33, vec![], false, None),
            (50, vec![], false, None),
            (99, vec![], false, None),
        ] {
            assert_eq!(
                asked(function, &payload),
                (passed, answer),
                "{function} {payload:02x?}"
            );
        }
    }

    #[test]
    fn the_cloud_hears_what_the_logger_says_by_itself_and_no_answer_to_us() {
        let (mut relay, mut for_logger) = (Relay::default(), VecDeque::new());
        let number = frame(0x8000, 1, b"E5000099990001");
        overhears(&mut relay, &frame(0x8001, 23, b"before it came"), false);
        relay.open();
        assert!(out(&mut relay).is_empty());
        // Its first one says who calls, whoever it was for.
        overhears(&mut relay, &number, true);
        assert_eq!(out(&mut relay), std::slice::from_ref(&number));
        overhears(&mut relay, &frame(3, 1, b"E5000099990001"), true);
        overhears(&mut relay, &frame(4, 2, b"\0\x050.12"), true);
        overhears(&mut relay, &frame(5, 2, b"\0\x05late"), false);
        assert!(out(&mut relay).is_empty());
        let record = frame(0x8002, 23, b"record");
        overhears(&mut relay, &record, false);
        assert_eq!(out(&mut relay), [record]);
        // What it acknowledges goes to the logger, once.
        let acknowledged = frame(0x8002, 23, b"");
        assert_eq!(relay.hear(&acknowledged, &mut for_logger), Ok(()));
        assert_eq!(for_logger, std::slice::from_ref(&acknowledged));
        assert!(relay.hear(&acknowledged, &mut for_logger).is_err());
        // A heartbeat of the cloud is answered here, with what it will see as its own number.
        relay
            .hear(&frame(0x3D0B, 1, &[26, 6, 1, 12, 0, 0, 0, 35]), &mut for_logger)
            .unwrap();
        assert_eq!(for_logger.len(), 1);
        assert_eq!(out(&mut relay), [frame(0x3D0B, 1, b"E5000099990001")]);
        // It comes again and hears at once who calls.
        relay.close();
        relay.open();
        assert_eq!(out(&mut relay).len(), 1);
    }

    #[test]
    fn questions_have_their_turn_and_do_not_pile_up() {
        let (mut relay, mut for_logger) = (Relay::default(), VecDeque::new());
        relay.open();
        for transaction in 0..20 {
            relay.hear(&frame(transaction, 2, &[5]), &mut for_logger).unwrap();
        }
        assert!(!relay.wants(false) && relay.wants(true));
        relay.yielded();
        assert!(relay.wants(false));
        let first = relay.take_next().unwrap();
        relay.has_asked(&first, 0x21);
        assert!(!relay.wants(false));
        for payload in [b"\0\x050.12".as_slice(), b"\0\x0Dlate"] {
            overhears(&mut relay, &frame(0x21, 2, payload), false);
            assert_eq!(out(&mut relay), [frame(0, 2, payload)]);
        }
        assert_eq!(std::iter::from_fn(|| relay.take_next()).count(), MOST_WAITING - 1);
    }

    #[test]
    fn a_cloud_that_lies_about_a_length_is_told_from_one_that_wants_too_much() {
        let (mut relay, mut for_logger) = (Relay::default(), VecDeque::new());
        relay.open();
        let lie = relay.hear(b"HTTP/1.1 400", &mut for_logger);
        assert!(matches!(lie, Err(Unheard::Broken(error)) if error.to_string().contains("`vendor`")));
        let write = relay.hear(&frame(1, 3, &[29, b'1']), &mut for_logger);
        assert!(matches!(write, Err(Unheard::Refused(error)) if error.to_string().contains("function 3")));
    }

    proptest! {
        #[test]
        fn whatever_the_cloud_says_nothing_that_writes_is_asked(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8),
            function: u8, payload in prop::collection::vec(any::<u8>(), 0..40), seal: bool,
        ) {
            let (mut relay, mut for_logger) = (Relay::default(), VecDeque::new());
            relay.open();
            let payload = if seal { rtu::encode(1, &payload) } else { payload };
            let _ = relay.hear(&frame(1, function, &payload), &mut for_logger);
            while let Some(asks) = relay.take_next() {
                prop_assert!([2, 4, 17, 19].contains(&asks.function));
                if asks.function == 4 && seal {
                    prop_assert!((1..=4).contains(&asks.payload[1]));
                }
            }
            for piece in pieces {
                if let Err(Unheard::Broken(_)) = relay.hear(&piece, &mut for_logger) {
                    break;
                }
            }
            prop_assert!(for_logger.is_empty());
        }
    }
}
