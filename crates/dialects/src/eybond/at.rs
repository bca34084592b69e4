//! The text session of newer loggers: lines of `AT+NAME?`, and behind them the bare serial line.
//!
//! A line ends with CR LF; `AT+NAME:value` answers `AT+NAME?`. A logger that is told the speed of its serial line as it
//! is already becomes transparent: from then on what is sent goes to the line as it is, what the line says comes back
//! as it is, and there is no other way back than a new connection. So a session asks first what the logger is, becomes
//! transparent with the first question for a device, and then only carries. Nothing else is ever set.
//!
//! A transparent logger says nothing of its own, and an inverter is silent at night: a session in which nothing was
//! heard for [`SILENT`] is ended, so that the logger connects again.

use std::collections::VecDeque;

use model::time::{Millis, Monotonic, Now};

use super::frame::function;
use super::parameters::{self, Answer, Parameter};
use super::uplink::{ANSWER_WITHIN, GAP, Heard, Question};
use crate::ReplyError;

/// Nothing at all was heard for so long.
pub const SILENT: Millis = Millis(600_000);
/// Longer than any line, and than any answer of an inverter.
const LONGEST: usize = 1_024;
/// By this a logger says that it has taken what was set.
const TAKEN: &str = "W000";
const UART: &str = "UART";
const NUMBER: &str = "DTUPN";

/// Parameters of the frames, and what they are called here.
const NAMES: [(Parameter, &str); 6] = [
    (Parameter::NUMBER, NUMBER),
    (Parameter::KIND, "DTUTYPE"),
    (Parameter::FIRMWARE, "FWVER"),
    (Parameter::SERVER, "CLDSRVHOST1"),
    (Parameter::BAUD_RATE, UART),
    (Parameter::DIAGNOSTICS, "WFSS"),
];

/// Whether a connection that begins like this is a text session.
#[must_use]
pub fn is_text(bytes: &[u8]) -> bool {
    bytes.starts_with(b"AT+")
}

/// What asks a logger for its number. Whatever was sent before is no part of the line.
pub(super) const ASKS_NUMBER: &[u8] = b"\r\nAT+DTUPN?\r\n";

/// One line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Asks(&'a str),
    Sets(&'a str, &'a str),
    Says(&'a str, &'a str),
}

impl<'a> Line<'a> {
    /// `None` for what is none.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(line).ok()?.trim();
        let said = text.strip_prefix("AT+")?;
        if said.bytes().any(|byte| !(0x20..0x7F).contains(&byte)) {
            return None;
        }
        if let Some(name) = said.strip_suffix('?') {
            return Some(Self::Asks(name));
        }
        let end = said.find([':', '='])?;
        let (name, value) = (said.get(..end)?, said.get(end + 1..)?.trim());
        Some(match said.as_bytes().get(end) {
            Some(b'=') => Self::Sets(name, value),
            _ => Self::Says(name, value),
        })
    }

    pub fn encode(self) -> Vec<u8> {
        let text = match self {
            Self::Asks(name) => format!("AT+{name}?\r\n"),
            Self::Sets(name, value) => format!("AT+{name}={value}\r\n"),
            Self::Says(name, value) => format!("AT+{name}:{value}\r\n"),
        };
        text.into_bytes()
    }

    /// The number that it says.
    pub fn number(self) -> Option<&'a str> {
        match self {
            Self::Says(NUMBER, value) => parameters::number(value.as_bytes()),
            Self::Says(..) | Self::Asks(_) | Self::Sets(..) => None,
        }
    }
}

/// The first line, and how many bytes it took. `None` until its end has come.
pub(super) fn cut(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, end + 1))
}

/// Whether what has come is too long for the beginning of a line.
pub(super) const fn is_too_long(bytes: &[u8]) -> bool {
    bytes.len() > LONGEST
}

/// The name of a parameter here.
pub(super) fn name(parameter: Parameter) -> Option<&'static str> {
    let known = NAMES.iter().find(|(known, _)| *known == parameter);
    known.map(|(_, name)| *name)
}

/// The parameter of a name here.
pub(super) fn parameter(name: &str) -> Option<Parameter> {
    let known = NAMES.iter().find(|(_, known)| *known == name);
    known.map(|(parameter, _)| *parameter)
}

/// What is to be sent to the line once the way is free.
#[derive(Debug)]
struct Carried {
    bytes: Vec<u8>,
    is_whole: fn(&[u8]) -> bool,
}

/// What is awaited.
#[derive(Debug)]
enum Awaits {
    Parameter(Parameter),
    /// What the speed of the line is.
    Speed(Carried),
    /// That the logger becomes transparent.
    Way(Carried),
    Line(fn(&[u8]) -> bool),
}

/// One connection.
#[derive(Debug)]
pub struct Session {
    is_transparent: bool,
    /// The beginning of a line, or of an answer.
    part: Vec<u8>,
    awaits: Option<(Awaits, Monotonic)>,
    free_at: Monotonic,
    silent_at: Monotonic,
    out: VecDeque<Vec<u8>>,
    heard: VecDeque<Heard>,
}

impl Session {
    #[must_use]
    pub fn new(now: Now) -> Self {
        Self {
            is_transparent: false,
            part: Vec::new(),
            awaits: None,
            free_at: now.monotonic,
            silent_at: now.monotonic + SILENT,
            // Ends whatever was sent before it was known who this is.
            out: VecDeque::from([b"\r\n".to_vec()]),
            heard: VecDeque::new(),
        }
    }

    /// # Errors
    /// When a line does not end.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Now) -> Result<(), ReplyError> {
        self.silent_at = now.monotonic + SILENT;
        self.part.extend_from_slice(bytes);
        while !self.is_transparent {
            let Some((line, used)) = cut(&self.part) else {
                if is_too_long(&self.part) {
                    return Err(ReplyError {
                        asked: "read a line of a data logger".to_owned(),
                        came: format!("{} bytes without an end", self.part.len()),
                        expected: "AT+NAME:value".to_owned(),
                    });
                }
                return Ok(());
            };
            let line = line.to_vec();
            self.part.drain(..used);
            if let Some(Line::Says(name, value)) = Line::read(&line) {
                self.hear(name, value, now);
            }
        }
        self.hear_line(now);
        Ok(())
    }

    pub fn handle_timeout(&mut self, now: Now) {
        if self.awaits.as_ref().is_some_and(|(_, due)| *due <= now.monotonic) {
            self.conclude(Heard::NoAnswer, now);
        }
        if self.silent_at <= now.monotonic {
            self.silent_at = Monotonic(i64::MAX);
            self.heard.push_back(Heard::Dead);
        }
    }

    #[must_use]
    pub fn is_free(&self, now: Now) -> bool {
        self.awaits.is_none() && self.heard.is_empty() && self.free_at <= now.monotonic
    }

    #[must_use]
    pub const fn free_at(&self) -> Monotonic {
        self.free_at
    }

    #[must_use]
    pub const fn is_asking(&self) -> bool {
        self.awaits.is_some()
    }

    /// Asks, when [`Self::is_free`]. What cannot be asked here has no answer at once.
    pub fn ask(&mut self, question: Question<'_>, now: Now) {
        if question.function == function::FORWARD {
            let carried = Carried {
                bytes: question.payload.to_vec(),
                is_whole: question.is_whole,
            };
            if self.is_transparent {
                self.carry(carried, now);
            } else {
                self.send(Line::Asks(UART).encode(), Awaits::Speed(carried), now);
            }
            return;
        }
        let parameter = question.payload.first().copied().map(Parameter);
        let known = parameter.filter(|_| question.function == function::QUERY && !self.is_transparent);
        match known.and_then(|parameter| Some((parameter, name(parameter)?))) {
            Some((parameter, name)) => {
                self.send(Line::Asks(name).encode(), Awaits::Parameter(parameter), now)
            }
            None => self.heard.push_back(Heard::NoAnswer),
        }
    }

    /// What is to be sent.
    pub fn poll_bytes(&mut self) -> Option<Vec<u8>> {
        self.out.pop_front()
    }

    /// What came of it.
    pub fn poll_heard(&mut self) -> Option<Heard> {
        self.heard.pop_front()
    }

    /// When [`Self::handle_timeout`] is due.
    #[must_use]
    pub fn poll_timeout(&self) -> Monotonic {
        if !self.heard.is_empty() {
            return Monotonic(i64::MIN);
        }
        let due = self.awaits.as_ref().map(|(_, due)| *due);
        due.unwrap_or(self.silent_at).min(self.silent_at)
    }

    fn send(&mut self, bytes: Vec<u8>, awaits: Awaits, now: Now) {
        self.out.push_back(bytes);
        self.awaits = Some((awaits, now.monotonic + ANSWER_WITHIN));
    }

    fn carry(&mut self, carried: Carried, now: Now) {
        self.part = Vec::new();
        self.send(carried.bytes, Awaits::Line(carried.is_whole), now);
    }

    fn hear(&mut self, name: &str, value: &str, now: Now) {
        if name == NUMBER
            && let Some(number) = parameters::number(value.as_bytes())
        {
            self.heard.push_back(Heard::Number(number.to_owned()));
        }
        let Some((awaits, due)) = self.awaits.take() else {
            return;
        };
        match awaits {
            Awaits::Parameter(parameter) if self::name(parameter) == Some(name) => {
                let text = Some(value);
                self.conclude(Heard::Answer(Answer { parameter, text }.encode()), now);
            }
            Awaits::Speed(carried) if name == UART => {
                let same = Line::Sets(UART, value).encode();
                self.send(same, Awaits::Way(carried), now);
            }
            Awaits::Way(carried) if name == UART && value == TAKEN => {
                self.is_transparent = true;
                self.carry(carried, now);
            }
            // It will not.
            Awaits::Way(_) if name == UART => self.conclude(Heard::NoAnswer, now),
            other @ (Awaits::Parameter(_) | Awaits::Speed(_) | Awaits::Way(_) | Awaits::Line(_)) => {
                self.awaits = Some((other, due));
            }
        }
    }

    /// What the serial line says. What nobody has asked for is nothing.
    fn hear_line(&mut self, now: Now) {
        let Some((Awaits::Line(is_whole), _)) = &self.awaits else {
            self.part = Vec::new();
            return;
        };
        if is_whole(&self.part) || self.part.len() >= LONGEST {
            let answer = std::mem::take(&mut self.part);
            self.conclude(Heard::Answer(answer), now);
        }
    }

    fn conclude(&mut self, heard: Heard, now: Now) {
        self.awaits = None;
        self.free_at = now.monotonic + GAP;
        self.heard.push_back(heard);
    }
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;
    use crate::eybond::{rtu, text};

    fn at(ms: i64) -> Now {
        Now {
            wall: Timestamp(ms),
            monotonic: Monotonic(ms),
        }
    }

    fn sent(session: &mut Session) -> Vec<Vec<u8>> {
        std::iter::from_fn(|| session.poll_bytes()).collect()
    }

    fn heard(session: &mut Session) -> Vec<Heard> {
        std::iter::from_fn(|| session.poll_heard()).collect()
    }

    fn forward(payload: &[u8]) -> Question<'_> {
        Question {
            devcode: 0x0925,
            address: 0xFF,
            function: function::FORWARD,
            payload,
            is_whole: rtu::is_whole,
        }
    }

    #[test]
    fn lines_ask_set_and_say() {
        for (line, expected) in [
            (&b"AT+DTUPN?\r"[..], Some(Line::Asks("DTUPN"))),
            (
                b"AT+UART=9600,8,1,NONE",
                Some(Line::Sets("UART", "9600,8,1,NONE")),
            ),
            (b"AT+UART:W000\r", Some(Line::Says("UART", "W000"))),
            (
                b"AT+CLDSRVHOST1:ess.eybond.com,502,TCP",
                Some(Line::Says("CLDSRVHOST1", "ess.eybond.com,502,TCP")),
            ),
            (b"AT+", None),
            (b"AT+\xFF:1", None),
            (b"AT+A:\x1B[2J", None),
            (b"OK", None),
            (b"", None),
        ] {
            assert_eq!(Line::read(line), expected, "{line:02x?}");
        }
        assert_eq!(
            Line::Says("DTUPN", "E5000099990001").number(),
            Some("E5000099990001")
        );
        assert_eq!(Line::Says("DTUPN", "E5-1").number(), None);
    }

    #[test]
    fn a_session_asks_what_the_logger_is_and_then_becomes_the_line() {
        let mut session = Session::new(at(0));
        assert_eq!(sent(&mut session), [b"\r\n"]);
        session.ask(
            Question::of_logger(function::QUERY, &[Parameter::FIRMWARE.0]),
            at(0),
        );
        assert_eq!(sent(&mut session), [b"AT+FWVER?\r\n"]);
        for piece in [&b"AT+WFSS:-70\r\nAT+FW"[..], b"VER:8.50.12.3\r", b"\n"] {
            assert_eq!(heard(&mut session), []);
            session.handle_bytes(piece, at(10)).unwrap();
        }
        assert_eq!(heard(&mut session), [Heard::Answer(b"\0\x058.50.12.3".to_vec())]);
        assert!(!session.is_free(at(859)) && session.is_free(at(860)));
        // What it has no word for.
        session.ask(
            Question::of_logger(function::QUERY, &[Parameter::TIME_ZONE.0]),
            at(900),
        );
        assert_eq!(
            (sent(&mut session).len(), heard(&mut session)),
            (0, vec![Heard::NoAnswer])
        );

        let asks = rtu::encode(1, &[3, 0, 201, 0, 1]);
        session.ask(forward(&asks), at(1_000));
        assert_eq!(sent(&mut session), [b"AT+UART?\r\n"]);
        session
            .handle_bytes(b"AT+UART:9600,8,1,NONE\r\n", at(1_010))
            .unwrap();
        assert_eq!(sent(&mut session), [b"AT+UART=9600,8,1,NONE\r\n"]);
        session.handle_bytes(b"AT+UART:W000\r\n", at(1_020)).unwrap();
        assert_eq!(sent(&mut session), std::slice::from_ref(&asks));
        let answer = rtu::encode(1, &[3, 2, 0, 3]);
        let (first, second) = answer.split_at(3);
        session.handle_bytes(first, at(1_030)).unwrap();
        assert_eq!(heard(&mut session), []);
        session.handle_bytes(second, at(1_040)).unwrap();
        assert_eq!(heard(&mut session), [Heard::Answer(answer)]);
        // From now on it only carries, and what the line says unasked is nothing.
        session
            .handle_bytes(b"AT+DTUPN:W0000000000002\r\n", at(1_050))
            .unwrap();
        assert_eq!(heard(&mut session), []);
        session.ask(
            Question::of_logger(function::QUERY, &[Parameter::FIRMWARE.0]),
            at(2_000),
        );
        assert_eq!(heard(&mut session), [Heard::NoAnswer]);
        session.ask(forward(&asks), at(2_000));
        assert_eq!(sent(&mut session), [asks]);
        session.handle_timeout(at(6_000));
        assert_eq!(heard(&mut session), [Heard::NoAnswer]);
    }

    #[test]
    fn who_will_not_become_the_line_or_says_nothing_has_no_answer() {
        let asks = text::Protocol::Pi30.command("QMOD");
        let mut session = Session::new(at(0));
        session.ask(forward(&asks), at(0));
        session
            .handle_bytes(b"AT+UART:9600,8,1,NONE\r\nAT+UART:E001\r\n", at(10))
            .unwrap();
        assert_eq!(heard(&mut session), [Heard::NoAnswer]);
        let sent = sent(&mut session);
        assert!(!sent.contains(&asks), "{sent:02x?}");

        session.ask(forward(&asks), at(1_000));
        session.handle_timeout(at(5_000));
        assert_eq!(heard(&mut session), [Heard::NoAnswer]);
        assert_eq!(session.poll_timeout(), Monotonic(600_010));
        session.handle_timeout(at(600_010));
        assert_eq!(heard(&mut session), [Heard::Dead]);

        let mut session = Session::new(at(0));
        let endless = session.handle_bytes(&[b'A'; LONGEST + 1], at(0)).unwrap_err();
        assert!(
            endless.to_string().contains("1025 bytes without an end"),
            "{endless}"
        );
    }

    proptest! {
        #[test]
        fn whatever_is_said_nothing_but_the_speed_is_ever_set(
            pieces in prop::collection::vec(prop_oneof![
                prop::collection::vec(any::<u8>(), 0..40),
                Just(b"AT+UART:9600,8,1,NONE\r\n".to_vec()),
                Just(b"AT+UART:W000\r\n".to_vec()),
            ], 0..12),
        ) {
            let mut session = Session::new(at(0));
            for piece in pieces {
                if session.is_free(at(1_000)) {
                    session.ask(forward(b"Q"), at(0));
                }
                if session.handle_bytes(&piece, at(0)).is_err() {
                    break;
                }
                for bytes in sent(&mut session) {
                    prop_assert!(bytes == b"Q" || !bytes.contains(&b'=') || bytes.starts_with(b"AT+UART="));
                    prop_assert_eq!(bytes.iter().filter(|byte| **byte == b'\n').count(), usize::from(bytes != b"Q"));
                }
                heard(&mut session);
            }
        }
    }
}
