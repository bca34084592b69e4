//! The logger's half: what a data logger does with what it is sent. For simulated ones, and for tests of ours.

use std::collections::BTreeMap;

use super::at::{self, Line};
use super::frame::{self, Cut, Frame, LOGGER, OWN_TRANSACTIONS, function};
use super::parameters::{Answer, Parameter};
use super::{rtu, text};

/// The serial line behind a logger.
pub trait SerialLine {
    /// What comes back; `None` when nothing does.
    fn exchange(&mut self, address: u8, bytes: &[u8]) -> Option<Vec<u8>>;
}

/// One logger.
#[derive(Clone, Debug)]
pub struct Logger {
    pn: String,
    devcode: u16,
    parameters: BTreeMap<Parameter, String>,
    heard: Vec<u8>,
    transaction: u16,
    speaks: Speaks,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaks {
    Frames,
    Lines {
        /// What comes is for the serial line.
        is_transparent: bool,
    },
}

/// It was sent what is no frame, and hangs up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HangsUp;

impl Logger {
    /// One that speaks a protocol to its devices, and tells no more of itself.
    #[must_use]
    pub fn new(pn: &str, devcode: u16) -> Self {
        let known = [
            (Parameter::NUMBER, pn.to_owned()),
            (Parameter::DESCRIPTOR, format!("{devcode:04X}")),
        ];
        Self {
            pn: pn.to_owned(),
            devcode,
            parameters: BTreeMap::from(known),
            heard: Vec::new(),
            transaction: 0,
            speaks: Speaks::Frames,
        }
    }

    /// One that speaks in lines, and says nothing before it is asked.
    #[must_use]
    pub fn in_lines(mut self) -> Self {
        self.speaks = Speaks::Lines {
            is_transparent: false,
        };
        self.with(Parameter::BAUD_RATE, "9600,8,1,NONE")
    }

    #[must_use]
    pub fn with(mut self, parameter: Parameter, text: &str) -> Self {
        self.parameters.insert(parameter, text.to_owned());
        self
    }

    /// What was left of the connection before is forgotten.
    pub fn reconnect(&mut self) {
        self.heard = Vec::new();
        if let Speaks::Lines { is_transparent } = &mut self.speaks {
            *is_transparent = false;
        }
    }

    /// Its number, by itself; nothing if it does not say it.
    pub fn greet(&mut self) -> Vec<u8> {
        if self.speaks != Speaks::Frames {
            return Vec::new();
        }
        let transaction = OWN_TRANSACTIONS | self.transaction;
        self.transaction = self.transaction.wrapping_add(1);
        self.number(transaction)
    }

    /// What it says to bytes that have come.
    ///
    /// # Errors
    /// When they are no frames.
    pub fn handle_bytes(&mut self, bytes: &[u8], line: &mut dyn SerialLine) -> Result<Vec<Vec<u8>>, HangsUp> {
        self.heard.extend_from_slice(bytes);
        if self.speaks != Speaks::Frames {
            return Ok(self.hear_lines(line));
        }
        let heard = std::mem::take(&mut self.heard);
        let (mut rest, mut said) = (heard.as_slice(), Vec::new());
        loop {
            match frame::cut(rest) {
                Cut::Frame(frame, used) => {
                    said.extend(self.answer(&frame, line));
                    rest = rest.get(used..).unwrap_or_default();
                }
                Cut::Part => {
                    self.heard = rest.to_vec();
                    return Ok(said);
                }
                Cut::Broken { .. } => return Err(HangsUp),
            }
        }
    }

    fn answer(&self, frame: &Frame<'_>, line: &mut dyn SerialLine) -> Vec<Vec<u8>> {
        match frame.function {
            function::HEARTBEAT => vec![self.number(frame.transaction)],
            function::QUERY => {
                let asked = frame.payload.iter().map(|number| {
                    let parameter = Parameter(*number);
                    let text = self.parameters.get(&parameter).map(String::as_str);
                    self.frame(frame, &Answer { parameter, text }.encode())
                });
                asked.collect()
            }
            function::FORWARD => {
                let answer = line.exchange(frame.address, frame.payload);
                answer
                    .map(|bytes| self.frame(frame, &bytes))
                    .into_iter()
                    .collect()
            }
            // What it does not know it does not answer.
            _ => Vec::new(),
        }
    }

    fn hear_lines(&mut self, line: &mut dyn SerialLine) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        while let Speaks::Lines {
            is_transparent: false,
        } = self.speaks
        {
            let Some((asked, used)) = at::cut(&self.heard) else {
                return said;
            };
            let asked = asked.to_vec();
            self.heard.drain(..used);
            said.extend(Line::read(&asked).and_then(|asked| self.answer_line(asked)));
        }
        // One that is cut short is completed by what comes next.
        if rtu::decode_exactly(&self.heard).is_some() || text::is_whole(&self.heard) {
            let asked = std::mem::take(&mut self.heard);
            said.extend(line.exchange(LOGGER, &asked));
        }
        said
    }

    fn answer_line(&mut self, asked: Line<'_>) -> Option<Vec<u8>> {
        let text = |name| Some(self.parameters.get(&at::parameter(name)?)?.as_str());
        match asked {
            Line::Asks(name) => Some(Line::Says(name, text(name)?).encode()),
            Line::Sets(name, value) => {
                let is_same = at::parameter(name) == Some(Parameter::BAUD_RATE) && text(name) == Some(value);
                if is_same {
                    self.speaks = Speaks::Lines { is_transparent: true };
                }
                Some(Line::Says(name, if is_same { "W000" } else { "E001" }).encode())
            }
            Line::Says(..) => None,
        }
    }

    fn number(&self, transaction: u16) -> Vec<u8> {
        let mut payload = self.pn.as_bytes().to_vec();
        payload.resize(payload.len().max(14), 0);
        let frame = Frame {
            transaction,
            devcode: self.devcode,
            address: LOGGER,
            function: function::HEARTBEAT,
            payload: &payload,
        };
        frame.encode()
    }

    fn frame(&self, asked: &Frame<'_>, payload: &[u8]) -> Vec<u8> {
        let frame = Frame {
            devcode: self.devcode,
            payload,
            ..*asked
        };
        frame.encode()
    }
}
