//! The logger's half: what a data logger does with what it is sent. For simulated ones, and for tests of ours.

use std::collections::BTreeMap;

use super::frame::{self, Cut, Frame, LOGGER, OWN_TRANSACTIONS, function};
use super::parameters::{Answer, Parameter};

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
        }
    }

    #[must_use]
    pub fn with(mut self, parameter: Parameter, text: &str) -> Self {
        self.parameters.insert(parameter, text.to_owned());
        self
    }

    /// What was left of the connection before is forgotten.
    pub fn reconnect(&mut self) {
        self.heard = Vec::new();
    }

    /// Its number, by itself.
    pub fn greet(&mut self) -> Vec<u8> {
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
