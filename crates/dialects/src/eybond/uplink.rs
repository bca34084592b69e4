//! One connection of a logger, as we hold it: frames out of bytes, heartbeats, one request at a time.
//!
//! The logger is told what time it is at once and every minute; whoever leaves two of these heartbeats without a
//! word is dead. A request waits until the one before it is over and [`GAP`] has gone by, and is answered within
//! [`ANSWER_WITHIN`] or not at all. An answer is known by transaction and function together: a logger numbers its
//! own frames as it likes. What it says by itself is a sign of life.
//!
//! The vendor's cloud may be let in on it ([`Uplink::passing_on`]): then its questions take turns with ours.

use std::collections::VecDeque;

use jiff::tz::TimeZone;
use model::time::{Millis, Monotonic, Now, Timestamp};

use super::frame::{self, ANY, Cut, Frame, LOGGER, OWN_TRANSACTIONS, function};
use super::parameters;
use super::relay::{Relay, Unheard};
use crate::ReplyError;

/// Between two requests: behind a logger there is a slow serial line.
pub const GAP: Millis = Millis(850);
/// A logger gives up on a silent inverter after three seconds.
pub const ANSWER_WITHIN: Millis = Millis(4_000);
/// Of several frames in a row, the next one.
const NEXT_WITHIN: Millis = Millis(1_000);
/// A frame that began is complete by then.
const FRAME_WITHIN: Millis = Millis(5_000);
/// Heartbeats without a word.
const MOST_UNANSWERED: u8 = 2;
/// Bytes of one answer, however many frames it came in.
const LONGEST_ANSWER: usize = 1_024;

/// What came of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Its number, by its heartbeat.
    Number(String),
    /// The answer to what was asked.
    Answer(Vec<u8>),
    NoAnswer,
    /// It says nothing any more.
    Dead,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub devcode: u16,
    pub address: u8,
    pub function: u8,
    pub payload: &'a [u8],
    /// Whether an answer is complete; some come in several frames.
    pub is_whole: fn(&[u8]) -> bool,
}

impl<'a> Question<'a> {
    /// One for the logger itself.
    #[must_use]
    pub const fn of_logger(function: u8, payload: &'a [u8]) -> Self {
        Self {
            devcode: ANY,
            address: LOGGER,
            function,
            payload,
            is_whole: |_| true,
        }
    }
}

#[derive(Debug)]
struct Asking {
    transaction: u16,
    function: u8,
    is_whole: fn(&[u8]) -> bool,
    /// Frames that are still to come, at least.
    frames: usize,
    /// Whether the vendor's cloud asks.
    is_foreign: bool,
    answer: Vec<u8>,
    due: Monotonic,
}

impl Asking {
    fn is_answered_by(&self, frame: &Frame<'_>) -> bool {
        (self.transaction, self.function) == (frame.transaction, frame.function)
    }
}

/// One connection.
#[derive(Debug)]
pub struct Uplink {
    every: Millis,
    /// The beginning of a frame, and when it has to be complete.
    part: Vec<u8>,
    part_due: Monotonic,
    transaction: u16,
    asking: Option<Asking>,
    /// Nothing is asked before.
    free_at: Monotonic,
    beat_at: Monotonic,
    /// Heartbeats since it last said something.
    unanswered: u8,
    /// The transaction of the last one.
    beat: Option<u16>,
    relay: Option<Box<Relay>>,
    out: VecDeque<Vec<u8>>,
    heard: VecDeque<Heard>,
}

impl Uplink {
    /// Tells a logger the time every so often, beginning now.
    #[must_use]
    pub const fn new(every: Millis, now: Now) -> Self {
        Self {
            every,
            part: Vec::new(),
            part_due: Monotonic(i64::MAX),
            transaction: 0,
            asking: None,
            free_at: now.monotonic,
            beat_at: now.monotonic,
            unanswered: 0,
            beat: None,
            relay: None,
            out: VecDeque::new(),
            heard: VecDeque::new(),
        }
    }

    /// Lets the vendor's cloud in on it.
    #[must_use]
    pub fn passing_on(mut self) -> Self {
        self.relay = Some(Box::default());
        self
    }

    /// # Errors
    /// When these are no frames: nobody knows where the next one begins.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<(), ReplyError> {
        let mut part = std::mem::take(&mut self.part);
        part.extend_from_slice(bytes);
        let mut rest = part.as_slice();
        loop {
            match frame::cut(rest) {
                Cut::Frame(frame, used) => {
                    self.hear(frame, now);
                    rest = rest.get(used..).unwrap_or_default();
                }
                Cut::Part if rest.is_empty() => {
                    self.part_due = Monotonic(i64::MAX);
                    return Ok(());
                }
                Cut::Part => {
                    // Only a new beginning has new time.
                    if rest.len() < part.len() || self.part_due == Monotonic(i64::MAX) {
                        self.part_due = now.monotonic + FRAME_WITHIN;
                    }
                    self.part = rest.to_vec();
                    return Ok(());
                }
                Cut::Broken { length } => return Err(broken(&format!("a length of {length}"))),
            }
        }
    }

    /// # Errors
    /// When a frame has begun and not ended.
    pub fn handle_timeout(&mut self, now: Now) -> Result<(), ReplyError> {
        if self.part_due <= now.monotonic {
            return Err(broken(&format!("{} bytes and no more", self.part.len())));
        }
        if self
            .asking
            .as_ref()
            .is_some_and(|asking| asking.due <= now.monotonic)
        {
            self.conclude(Heard::NoAnswer, now);
        }
        if self.asking.is_none() && self.beat_at <= now.monotonic {
            self.beat(now);
        }
        Ok(())
    }

    /// The vendor's cloud has come.
    pub fn open_vendor(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.open();
        }
    }

    /// It has gone. An answer that is under way is awaited for the sake of the serial line.
    pub fn close_vendor(&mut self) {
        if let Some(relay) = &mut self.relay {
            relay.close();
        }
    }

    /// What the vendor's cloud says.
    ///
    /// # Errors
    /// With what is not passed on.
    pub(super) fn hear_vendor(&mut self, bytes: &[u8]) -> Result<(), Unheard> {
        match &mut self.relay {
            Some(relay) => relay.hear(bytes, &mut self.out),
            None => Ok(()),
        }
    }

    /// What the vendor's cloud is to hear.
    pub fn poll_vendor_bytes(&mut self) -> Option<Vec<u8>> {
        self.relay.as_mut()?.poll_bytes()
    }

    /// Whether the vendor's cloud has a question.
    #[must_use]
    pub fn has_foreign(&self) -> bool {
        self.relay.as_ref().is_some_and(|relay| relay.wants(true))
    }

    /// Asks the next question of the vendor's cloud, when [`Self::is_free`] and it is its turn. Says whether it did.
    pub fn ask_foreign(&mut self, even_out_of_turn: bool, now: Now) -> bool {
        let relay = self.relay.as_mut().filter(|relay| relay.wants(even_out_of_turn));
        let Some(asks) = relay.and_then(|relay| relay.take_next()) else {
            return false;
        };
        let transaction = self.send(asks.devcode, asks.address, asks.function, &asks.payload);
        if let Some(relay) = &mut self.relay {
            relay.has_asked(&asks, transaction);
        }
        self.asking = Some(Asking {
            transaction,
            function: asks.function,
            is_whole: asks.is_whole,
            frames: asks.frames,
            is_foreign: true,
            answer: Vec::new(),
            due: now.monotonic + ANSWER_WITHIN,
        });
        true
    }

    /// Whether an answer is awaited.
    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.asking.is_some()
    }

    /// Whether something can be asked now.
    #[must_use]
    pub fn is_free(&self, now: Now) -> bool {
        self.asking.is_none() && self.free_at <= now.monotonic && self.beat_at > now.monotonic
    }

    /// When something can be asked, if nothing comes in between.
    #[must_use]
    pub const fn free_at(&self) -> Monotonic {
        self.free_at
    }

    /// Asks, when [`Self::is_free`]: else the question before counts as not answered.
    pub fn ask(&mut self, question: Question<'_>, now: Now) {
        if self.asking.is_some() {
            self.conclude(Heard::NoAnswer, now);
        }
        let transaction = self.send(
            question.devcode,
            question.address,
            question.function,
            question.payload,
        );
        self.asking = Some(Asking {
            transaction,
            function: question.function,
            is_whole: question.is_whole,
            frames: 1,
            is_foreign: false,
            answer: Vec::new(),
            due: now.monotonic + ANSWER_WITHIN,
        });
        if let Some(relay) = &mut self.relay {
            relay.yielded();
        }
    }

    /// What is to be sent.
    pub fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        let bytes = self.out.pop_front();
        if self.out.is_empty() {
            self.out = VecDeque::new();
        }
        bytes
    }

    /// What came of it.
    pub fn poll_heard(&mut self) -> Option<Heard> {
        let heard = self.heard.pop_front();
        if self.heard.is_empty() {
            self.heard = VecDeque::new();
        }
        heard
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Monotonic {
        let asking = self.asking.as_ref().map_or(self.beat_at, |asking| asking.due);
        asking.min(self.part_due)
    }

    fn hear(&mut self, frame: Frame<'_>, now: Now) {
        self.unanswered = 0;
        if let Some(relay) = &mut self.relay {
            let mut ours = self.asking.iter().filter(|asking| !asking.is_foreign);
            let is_answer = ours.any(|asking| asking.is_answered_by(&frame));
            let is_beat = frame.function == function::HEARTBEAT && self.beat == Some(frame.transaction);
            relay.overhear(&frame, is_answer || is_beat);
        }
        if frame.function == function::HEARTBEAT {
            if let Some(number) = parameters::number(frame.payload) {
                self.heard.push_back(Heard::Number(number.to_owned()));
            }
            return;
        }
        let Some(asking) = &mut self.asking else { return };
        if !asking.is_answered_by(&frame) {
            return;
        }
        let room = LONGEST_ANSWER.saturating_sub(asking.answer.len());
        let payload = frame.payload.get(..room).unwrap_or(frame.payload);
        asking.answer.extend_from_slice(payload);
        asking.frames = asking.frames.saturating_sub(1);
        if asking.frames > 0 {
            // Some loggers answer the first of several questions alone.
            asking.due = asking.due.min(now.monotonic + NEXT_WITHIN);
        } else if (asking.is_whole)(&asking.answer) || asking.answer.len() >= LONGEST_ANSWER {
            let answer = std::mem::take(&mut asking.answer);
            self.conclude(Heard::Answer(answer), now);
        }
    }

    fn conclude(&mut self, heard: Heard, now: Now) {
        let asking = self.asking.take();
        self.free_at = now.monotonic + GAP;
        // What the vendor's cloud asked, it has heard itself.
        if asking.is_some_and(|asking| !asking.is_foreign) {
            self.heard.push_back(heard);
        }
    }

    fn beat(&mut self, now: Now) {
        if self.unanswered >= MOST_UNANSWERED {
            self.beat_at = Monotonic(i64::MAX);
            self.heard.push_back(Heard::Dead);
            return;
        }
        self.unanswered += 1;
        self.beat_at = now.monotonic + self.every;
        let payload = heartbeat(now.wall, self.every);
        self.beat = Some(self.send(ANY, LOGGER, function::HEARTBEAT, &payload));
    }

    fn send(&mut self, devcode: u16, address: u8, function: u8, payload: &[u8]) -> u16 {
        self.transaction = (self.transaction + 1) % OWN_TRANSACTIONS;
        let frame = Frame {
            transaction: self.transaction,
            devcode,
            address,
            function,
            payload,
        };
        self.out.push_back(frame.encode());
        self.transaction
    }
}

fn broken(came: &str) -> ReplyError {
    ReplyError {
        asked: "read a frame of a data logger".to_owned(),
        came: came.to_owned(),
        expected: "a length from 2 to 1020, and as many bytes".to_owned(),
    }
}

/// The payload of a heartbeat of ours: the time in UTC, and how often it comes in seconds.
#[must_use]
pub fn heartbeat(wall: Timestamp, every: Millis) -> [u8; 8] {
    let utc = TimeZone::UTC.to_datetime(wall.to_jiff());
    let byte = |value: i8| u8::try_from(value).unwrap_or_default();
    let year = u8::try_from(utc.year() - 2_000).unwrap_or_default();
    let [high, low] = u16::try_from(every.0 / 1_000).unwrap_or(u16::MAX).to_be_bytes();
    [
        year,
        byte(utc.month()),
        byte(utc.day()),
        byte(utc.hour()),
        byte(utc.minute()),
        byte(utc.second()),
        high,
        low,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Millis = Millis(60_000);

    fn at(ms: i64) -> Now {
        Now {
            wall: Timestamp(1_782_000_000_000 + ms),
            monotonic: Monotonic(ms),
        }
    }

    /// What is sent now, as function, transaction and payload.
    fn sent(uplink: &mut Uplink) -> Vec<(u8, u16, Vec<u8>)> {
        let bytes = std::iter::from_fn(|| uplink.poll_bytes());
        let frames = bytes.map(|bytes| {
            let Cut::Frame(frame, used) = frame::cut(&bytes) else {
                panic!("{bytes:02x?}")
            };
            assert_eq!(used, bytes.len());
            (frame.function, frame.transaction, frame.payload.to_vec())
        });
        frames.collect()
    }

    fn says(uplink: &mut Uplink, transaction: u16, function: u8, payload: &[u8], now: Now) {
        let frame = Frame {
            transaction,
            devcode: 0x0925,
            address: 5,
            function,
            payload,
        };
        uplink.handle_bytes(&frame.encode(), now).unwrap();
    }

    fn heard(uplink: &mut Uplink) -> Vec<Heard> {
        std::iter::from_fn(|| uplink.poll_heard()).collect()
    }

    /// One that has had its first heartbeat.
    fn open() -> Uplink {
        let mut uplink = Uplink::new(MINUTE, at(0));
        uplink.handle_timeout(at(0)).unwrap();
        assert_eq!(sent(&mut uplink).len(), 1);
        uplink
    }

    fn ask(uplink: &mut Uplink, now: Now) -> u16 {
        assert!(uplink.is_free(now));
        uplink.ask(Question::of_logger(function::QUERY, &[5]), now);
        sent(uplink)[0].1
    }

    #[test]
    fn a_logger_is_told_the_time_at_once_and_every_minute() {
        let mut uplink = Uplink::new(MINUTE, at(0));
        assert_eq!(uplink.poll_timeout(), Monotonic(0));
        for minute in 0..3 {
            let now = at(minute * 60_000);
            uplink.handle_timeout(now).unwrap();
            let beats = sent(&mut uplink);
            let minute = u8::try_from(minute).unwrap();
            // 2026-06-21 00:00 UTC.
            assert_eq!(beats[0].2, [26, 6, 21, 0, minute, 0, 0, 60], "{beats:?}");
            assert_eq!((beats.len(), beats[0].0), (1, 1));
            says(&mut uplink, 0x8000, 1, b"E5000099990001", now);
            assert_eq!(heard(&mut uplink), [Heard::Number("E5000099990001".to_owned())]);
            assert_eq!(uplink.poll_timeout(), now.monotonic + MINUTE);
        }
    }

    #[test]
    fn whoever_leaves_two_heartbeats_without_a_word_is_dead() {
        let mut uplink = open();
        for (second, expected) in [(60, vec![]), (120, vec![Heard::Dead])] {
            uplink.handle_timeout(at(second * 1_000)).unwrap();
            assert_eq!(heard(&mut uplink), expected, "{second}");
        }
        let mut uplink = open();
        for second in [60, 120, 180] {
            // Anything is a sign of life.
            says(&mut uplink, 0x8001, 23, &[1, 2], at(second * 1_000 - 1));
            uplink.handle_timeout(at(second * 1_000)).unwrap();
            assert_eq!(heard(&mut uplink), [], "{second}");
        }
    }

    #[test]
    fn an_answer_is_known_by_transaction_and_function() {
        let mut uplink = open();
        let transaction = ask(&mut uplink, at(0));
        assert!(!uplink.is_free(at(1_000)));
        says(&mut uplink, transaction, 22, b"by itself", at(10));
        says(&mut uplink, transaction + 1, 2, b"another", at(20));
        assert_eq!(heard(&mut uplink), []);
        says(&mut uplink, transaction, 2, b"\0\x050.12", at(30));
        assert_eq!(heard(&mut uplink), [Heard::Answer(b"\0\x050.12".to_vec())]);
        assert!(!uplink.is_free(at(879)) && uplink.is_free(at(880)));
        says(&mut uplink, transaction, 2, b"again", at(31));
        assert_eq!(heard(&mut uplink), []);
    }

    #[test]
    fn whoever_does_not_answer_in_time_has_not_answered() {
        let mut uplink = open();
        let transaction = ask(&mut uplink, at(0));
        assert_eq!(uplink.poll_timeout(), Monotonic(4_000));
        uplink.handle_timeout(at(3_999)).unwrap();
        assert_eq!(heard(&mut uplink), []);
        uplink.handle_timeout(at(4_000)).unwrap();
        assert_eq!(heard(&mut uplink), [Heard::NoAnswer]);
        says(&mut uplink, transaction, 2, b"late", at(4_001));
        assert_eq!(heard(&mut uplink), []);
    }

    #[test]
    fn an_answer_may_come_in_several_frames() {
        let mut uplink = open();
        let question = Question {
            devcode: 0,
            address: 1,
            function: function::FORWARD,
            payload: b"QMOD",
            is_whole: crate::eybond::text::is_whole,
        };
        uplink.ask(question, at(0));
        let transaction = sent(&mut uplink)[0].1;
        says(&mut uplink, transaction, 4, b"(B", at(10));
        assert_eq!(heard(&mut uplink), []);
        says(&mut uplink, transaction, 4, b"xy\r", at(20));
        assert_eq!(heard(&mut uplink), [Heard::Answer(b"(Bxy\r".to_vec())]);
    }

    #[test]
    fn frames_come_in_any_pieces() {
        let mut uplink = open();
        let transaction = ask(&mut uplink, at(0));
        let frame = |transaction, function, payload| Frame {
            transaction,
            devcode: 1,
            address: LOGGER,
            function,
            payload,
        };
        let mut bytes = frame(0x8000, 1, &b"E5000099990001"[..]).encode();
        bytes.extend(frame(transaction, 2, b"\0\x050.12").encode());
        for byte in bytes.chunks(1) {
            uplink.handle_bytes(byte, at(5)).unwrap();
        }
        assert_eq!(heard(&mut uplink).len(), 2);
        assert_eq!(uplink.part.capacity(), 0, "a silent logger costs no buffer");
    }

    #[test]
    fn what_lies_about_its_length_or_never_ends_is_broken() {
        let mut uplink = open();
        let lie = uplink.handle_bytes(&[0, 1, 0, 1, 0xFF, 0xFF, 1, 1], at(0));
        assert!(lie.unwrap_err().to_string().contains("a length of 65535"));

        let mut uplink = open();
        uplink.handle_bytes(&[0, 1, 0, 1, 0, 100], at(0)).unwrap();
        uplink.handle_bytes(&[1], at(4_000)).unwrap();
        assert_eq!(uplink.poll_timeout(), Monotonic(5_000));
        let half = uplink.handle_timeout(at(5_000)).unwrap_err();
        assert!(half.to_string().contains("7 bytes and no more"), "{half}");
    }
}
