//! Who has connected: its number, by its heartbeat, or as it says when asked.
//!
//! Some loggers say their number at once, some are silent until they are told the time, some tell it only when
//! asked for it, in a frame or, what newer ones understand, in a line ([`at`]). Whoever has said it and has to wait is told the
//! time every minute, or asked again in a line, so that it stays.

use std::collections::VecDeque;

use model::time::{Millis, Monotonic, Now};

use super::at;
use super::frame::{self, Cut, Frame, LOGGER, function};
use super::parameters::{self, Answer, Parameter};
use super::uplink;
use crate::{Greeting, ReplyError};

/// Whoever says nothing for so long is told the time.
const LISTENS: Millis = Millis(2_000);
/// Then asked, so often in each way.
const ASKS_EVERY: Millis = Millis(4_000);
/// Between the one way and the other.
const OTHERWISE: Millis = Millis(2_000);

/// The greeter of one connection.
#[derive(Debug)]
pub struct Greeter {
    every: Millis,
    step: Step,
    due: Monotonic,
    /// It speaks in lines.
    is_text: bool,
    heard: Vec<u8>,
    /// The number that it has said.
    said: String,
    transaction: u16,
    out: VecDeque<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    New,
    Listens,
    Asks,
    AsksInLine,
    /// It has said who it is.
    Waits,
}

impl Greeter {
    /// One that tells the time every so often.
    #[must_use]
    pub const fn new(every: Millis) -> Self {
        Self {
            every,
            step: Step::New,
            due: Monotonic(i64::MIN),
            is_text: false,
            heard: Vec::new(),
            said: String::new(),
            transaction: 0,
            out: VecDeque::new(),
        }
    }

    fn say(&mut self, function: u8, payload: &[u8]) {
        self.transaction = self.transaction.wrapping_add(1);
        let frame = Frame {
            transaction: self.transaction,
            devcode: frame::ANY,
            address: LOGGER,
            function,
            payload,
        };
        self.out.push_back(frame.encode());
    }

    fn ask_in_line(&mut self) {
        self.out.push_back(at::ASKS_NUMBER.to_vec());
    }

    fn is(&mut self, name: String, now: Now) -> Greeting {
        self.step = Step::Waits;
        self.due = now.monotonic + self.every;
        self.said.clone_from(&name);
        let rest = std::mem::take(&mut self.heard);
        Greeting::Is { name, rest }
    }

    /// Whoever has said one number does not say another one.
    fn check(&self, number: &str) -> Result<(), ReplyError> {
        if parameters::is_number(number, &self.said) || parameters::is_number(&self.said, number) {
            return Ok(());
        }
        Err(ReplyError {
            asked: "who is it".to_owned(),
            came: format!("number {number}"),
            expected: format!("{}, as it has said before", self.said),
        })
    }

    /// Its client asks anew, so it needs no whole frame, and the beginning of one.
    fn skim_frames(&self, unread: &mut Vec<u8>) -> Result<(), ReplyError> {
        let mut seen = 0;
        loop {
            match frame::cut(unread.get(seen..).unwrap_or_default()) {
                Cut::Part => break,
                Cut::Broken { length } => return Err(broken(length)),
                Cut::Frame(frame, used) => {
                    number(&frame).map_or(Ok(()), |number| self.check(number))?;
                    seen += used;
                }
            }
        }
        unread.drain(..seen);
        Ok(())
    }

    /// The same of lines, but for the one that says the number.
    fn skim_lines(&self, unread: &mut Vec<u8>) -> Result<(), ReplyError> {
        let (mut rest, mut says) = (unread.as_slice(), Vec::new());
        while let Some((line, used)) = at::cut(rest) {
            if let Some(number) = at::Line::read(line).and_then(at::Line::number) {
                self.check(number)?;
                says = rest.get(..used).unwrap_or_default().to_vec();
            }
            rest = rest.get(used..).unwrap_or_default();
        }
        says.extend_from_slice(rest);
        *unread = says;
        Ok(())
    }

    /// The line that says the number is left for its client, which knows by it in which way to speak.
    fn hear_lines(&mut self, now: Now) -> Greeting {
        while let Some((line, used)) = at::cut(&self.heard) {
            let number = at::Line::read(line).and_then(at::Line::number).map(str::to_owned);
            if let Some(name) = number {
                return self.is(name, now);
            }
            self.heard.drain(..used);
            // It says something else first.
            if matches!(self.step, Step::New | Step::Listens) {
                self.step = Step::AsksInLine;
                self.due = now.monotonic;
            }
        }
        if at::is_too_long(&self.heard) {
            return Greeting::Nonsense(ReplyError {
                asked: "who is it".to_owned(),
                came: format!("{} bytes without an end", self.heard.len()),
                expected: "AT+DTUPN:, the number of a data logger, and the end of the line".to_owned(),
            });
        }
        Greeting::More
    }
}

fn broken(length: usize) -> ReplyError {
    ReplyError {
        asked: "who is it".to_owned(),
        came: format!("a frame with a length of {length}"),
        expected: "a heartbeat with the number of a data logger".to_owned(),
    }
}

/// Its number, if the frame says it.
fn number<'a>(frame: &Frame<'a>) -> Option<&'a str> {
    match frame.function {
        function::HEARTBEAT => parameters::number(frame.payload),
        function::QUERY => {
            let answer = Answer::decode(frame.payload)?;
            let text = answer.text.filter(|_| answer.parameter == Parameter::NUMBER)?;
            parameters::number(text.as_bytes())
        }
        _ => None,
    }
}

impl crate::Greeter for Greeter {
    fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Greeting {
        self.heard.extend_from_slice(bytes);
        self.is_text |= at::is_text(&self.heard);
        if self.is_text {
            return self.hear_lines(now);
        }
        loop {
            let (number, used) = match frame::cut(&self.heard) {
                Cut::Part => return Greeting::More,
                Cut::Broken { length } => return Greeting::Nonsense(broken(length)),
                Cut::Frame(frame, used) => (number(&frame).map(str::to_owned), used),
            };
            let rest = self.heard.split_off(used);
            self.heard = rest;
            if let Some(name) = number {
                return self.is(name, now);
            }
        }
    }

    fn handle_waiting(&mut self, unread: &mut Vec<u8>) -> Result<(), ReplyError> {
        if self.is_text {
            self.skim_lines(unread)
        } else {
            self.skim_frames(unread)
        }
    }

    fn handle_timeout(&mut self, now: Now) -> Greeting {
        if self.due > now.monotonic {
            return Greeting::More;
        }
        let time = uplink::heartbeat(now.wall, self.every);
        (self.step, self.due) = match self.step {
            Step::New => (Step::Listens, now.monotonic + LISTENS),
            Step::Listens if !self.is_text => {
                self.say(function::HEARTBEAT, &time);
                (Step::Asks, now.monotonic + ASKS_EVERY)
            }
            Step::Asks if !self.is_text => {
                self.say(function::QUERY, &[Parameter::NUMBER.0]);
                (Step::AsksInLine, now.monotonic + OTHERWISE)
            }
            Step::Listens | Step::Asks | Step::AsksInLine => {
                self.ask_in_line();
                (Step::Asks, now.monotonic + OTHERWISE)
            }
            Step::Waits if self.is_text => {
                self.ask_in_line();
                (Step::Waits, now.monotonic + self.every)
            }
            Step::Waits => {
                self.say(function::HEARTBEAT, &time);
                (Step::Waits, now.monotonic + self.every)
            }
        };
        Greeting::More
    }

    fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    fn poll_timeout(&self) -> Monotonic {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::Greeter as _;

    fn at(ms: i64) -> Now {
        Now {
            wall: Timestamp(ms),
            monotonic: Monotonic(ms),
        }
    }

    fn frame(function: u8, payload: &[u8]) -> Vec<u8> {
        let frame = Frame {
            transaction: 0x8000,
            devcode: 0x0925,
            address: LOGGER,
            function,
            payload,
        };
        frame.encode()
    }

    fn functions(greeter: &mut Greeter) -> Vec<u8> {
        let sent = std::iter::from_fn(|| greeter.poll_bytes());
        sent.map(|bytes| bytes[7]).collect()
    }

    #[test]
    fn a_logger_says_its_number_by_itself_when_told_the_time_or_when_asked() {
        let mut greeter = Greeter::new(Millis(60_000));
        assert_eq!(greeter.handle_timeout(at(0)), Greeting::More);
        let mut bytes = frame(22, b"what it has measured");
        bytes.extend(frame(1, b"E5000099990001"));
        bytes.extend(b"\x80\x01");
        let (first, second) = bytes.split_at(40);
        assert_eq!(greeter.handle_bytes(first, at(1)), Greeting::More);
        let is = Greeting::Is {
            name: "E5000099990001".to_owned(),
            rest: b"\x80\x01".to_vec(),
        };
        assert_eq!(greeter.handle_bytes(second, at(1)), is);
        assert!(functions(&mut greeter).is_empty(), "nobody had to ask");

        let mut greeter = Greeter::new(Millis(60_000));
        for (ms, expected) in [
            (0, vec![]),
            (2_000, vec![1]),
            (6_000, vec![2]),
            (8_000, vec![b'U']),
            (10_000, vec![2]),
        ] {
            assert!(greeter.poll_timeout() <= Monotonic(ms));
            assert_eq!(greeter.handle_timeout(at(ms)), Greeting::More);
            assert_eq!(functions(&mut greeter), expected, "{ms}");
        }
        let answer = frame(2, b"\x00\x02W0011223344556");
        let heard = greeter.handle_bytes(&answer, at(10_100));
        assert!(matches!(heard, Greeting::Is { name, .. } if name == "W0011223344556"));
    }

    #[test]
    fn whoever_waits_is_told_the_time_every_minute() {
        let mut greeter = Greeter::new(Millis(60_000));
        greeter.handle_timeout(at(0));
        greeter.handle_bytes(&frame(1, b"E5000099990001"), at(500));
        for ms in [60_500, 120_500] {
            assert_eq!(greeter.poll_timeout(), Monotonic(ms));
            greeter.handle_timeout(at(ms));
            assert_eq!(functions(&mut greeter), [1]);
        }
    }

    #[test]
    fn a_logger_that_speaks_in_lines_is_asked_in_one_and_keeps_it_for_its_client() {
        for (says_first, asked) in [(&b"AT+ATVER:1.2\r\n"[..], 1), (b"", 3)] {
            let mut greeter = Greeter::new(Millis(60_000));
            assert_eq!(greeter.handle_timeout(at(0)), Greeting::More);
            if !says_first.is_empty() {
                assert_eq!(greeter.handle_bytes(says_first, at(100)), Greeting::More);
            }
            let mut sent = Vec::new();
            while !sent.contains(&at::ASKS_NUMBER.to_vec()) {
                let Monotonic(due) = greeter.poll_timeout();
                assert!(due <= 8_000, "{sent:02x?}");
                assert_eq!(greeter.handle_timeout(at(due)), Greeting::More);
                sent.extend(std::iter::from_fn(|| greeter.poll_bytes()));
            }
            assert_eq!(sent.len(), asked, "{sent:02x?}");
            assert_eq!(
                greeter.handle_bytes(b"AT+DTUPN:E50000", at(9_000)),
                Greeting::More
            );
            let is = Greeting::Is {
                name: "E5000099990001".to_owned(),
                rest: b"AT+DTUPN:E5000099990001\r\nAT+".to_vec(),
            };
            assert_eq!(greeter.handle_bytes(b"99990001\r\nAT+", at(9_000)), is);
            // While it waits it is asked again, and never told the time.
            greeter.handle_timeout(at(69_000));
            assert_eq!(greeter.poll_bytes(), Some(at::ASKS_NUMBER.to_vec()));
            assert_eq!(greeter.poll_bytes(), None);
        }
        let mut greeter = Greeter::new(Millis(60_000));
        let mut endless = b"AT+".to_vec();
        endless.resize(1_100, b'A');
        assert!(matches!(
            greeter.handle_bytes(&endless, at(0)),
            Greeting::Nonsense(_)
        ));
    }

    #[test]
    fn whoever_waits_for_days_leaves_no_more_than_what_has_begun() {
        let beat = frame(1, b"E5000099990001");
        let line = b"AT+DTUPN:E5000099990001\r\nAT+ATVER:1.2\r\n".to_vec();
        let other = [
            frame(1, b"W0011223344556"),
            b"AT+DTUPN:W0011223344556\r\n".to_vec(),
        ];
        for ((says, longest, begins), other) in
            [(beat, 22, &b""[..]), (line, 64, b"AT+")].into_iter().zip(other)
        {
            let mut greeter = Greeter::new(Millis(60_000));
            let Greeting::Is { rest, .. } = greeter.handle_bytes(&says, at(0)) else {
                panic!("{says:02x?}")
            };
            let mut unread = rest;
            for piece in says.repeat(3_000).chunks(5) {
                unread.extend_from_slice(piece);
                greeter.handle_waiting(&mut unread).unwrap();
                assert!(unread.len() < longest, "{} bytes", unread.len());
            }
            assert!(unread.starts_with(begins), "{unread:02x?}");
            unread.extend_from_slice(&other);
            let error = greeter.handle_waiting(&mut unread).unwrap_err();
            assert!(error.to_string().contains("W0011223344556"), "{error}");
        }
        let mut greeter = Greeter::new(Millis(60_000));
        greeter.handle_bytes(&frame(1, b"E5000099990001"), at(0));
        let mut unread = b"GET / HTTP/1.1\r\n".to_vec();
        assert!(greeter.handle_waiting(&mut unread).is_err());
    }

    #[test]
    fn whoever_speaks_another_language_is_nobody() {
        let mut greeter = Greeter::new(Millis(60_000));
        let heard = greeter.handle_bytes(b"GET / HTTP/1.1\r\n", at(0));
        assert!(matches!(heard, Greeting::Nonsense(_)), "{heard:?}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_heard(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 0..8)) {
            let mut greeter = Greeter::new(Millis(60_000));
            for piece in pieces {
                if let Greeting::Is { .. } | Greeting::Nonsense(_) = greeter.handle_bytes(&piece, at(0)) {
                    break;
                }
                let _ = greeter.handle_waiting(&mut piece.clone());
            }
        }
    }
}
