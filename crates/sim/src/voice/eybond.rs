//! A data logger: dials a hub, and tunnels what the inverters on its serial line say.

use std::net::SocketAddr;

use dialects::eybond::frame::LOGGER;
use dialects::eybond::parameters::Parameter;
use dialects::eybond::text::Protocol;
use dialects::eybond::{Logger, SerialLine, rtu};
use dialects::modbus::{Exception, Registers, answer};
use dialects::{Reply, Request};
use model::reading::Measured;
use model::time::Now;
use model::units::{PerMille, Watts};
use serde_json::{Map, Value};

use crate::body::Placed;
use crate::fault::Fault;
use crate::settings::{LoggerLanguage, LoggerSettings};
use crate::voice::{Link, Voice, Way};
use knobs::Knobs;

/// Protocol number of its first inverter, as loggers have one for all.
const DEVCODE: u16 = 0x0925;
/// Of every simulated battery here.
const BATTERY_DECIVOLTS: i64 = 512;
/// Where it is saved how the inverters are set.
const KNOBS: &str = "knobs";
/// Bytes that a cut frame lacks.
const CUT: usize = 3;

#[derive(Debug)]
pub(crate) struct LoggerVoice {
    server: SocketAddr,
    logger: Logger,
    stations: Vec<Station>,
    /// How the inverters are set, in their order.
    knobs: Vec<Knobs>,
    links: i64,
    cuts: bool,
}

/// An inverter, and which of the bodies it is made of.
#[derive(Clone, Copy, Debug)]
struct Station {
    address: u8,
    speaks: LoggerLanguage,
    pv: usize,
    battery: Option<usize>,
}

impl LoggerVoice {
    /// Bodies are the panels of each inverter, with its battery behind them where it has one.
    pub fn new(settings: &LoggerSettings) -> Self {
        let mut next = 0;
        let mut take = || {
            next += 1;
            next - 1
        };
        let stations = settings.inverters.iter().map(|inverter| Station {
            address: inverter.address,
            speaks: inverter.speaks,
            pv: take(),
            battery: inverter.battery.as_ref().map(|_| take()),
        });
        let logger = Logger::new(&settings.pn, DEVCODE)
            .with(Parameter::FIRMWARE, concat!("sim ", env!("CARGO_PKG_VERSION")))
            .with(Parameter::SERVER, &settings.server.to_string())
            .with(Parameter::DIAGNOSTICS, "-58");
        let logger = if settings.in_lines {
            logger.in_lines()
        } else {
            logger
        };
        Self {
            server: settings.server,
            knobs: settings.inverters.iter().map(|_| Knobs::default()).collect(),
            stations: stations.collect(),
            logger,
            links: 0,
            cuts: false,
        }
    }

    fn cut(&self, mut frames: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
        if self.cuts {
            for frame in &mut frames {
                frame.truncate(frame.len().saturating_sub(CUT));
            }
        }
        frames
    }
}

impl Voice for LoggerVoice {
    fn ways(&self) -> Vec<Way> {
        vec![Way::Dial { server: self.server }]
    }

    fn answer(&mut self, _: &mut [Placed], _: &Request, _: bool, _: Now) -> Option<Reply> {
        None
    }

    fn open(&mut self, _: &mut [Placed]) -> Option<(Link, Vec<Vec<u8>>)> {
        self.links += 1;
        self.logger.reconnect();
        let greeting = self.logger.greet();
        let greeting = (!greeting.is_empty()).then_some(greeting).into_iter().collect();
        Some((Link(self.links), self.cut(greeting)))
    }

    fn hear(
        &mut self,
        bodies: &mut [Placed],
        link: Link,
        message: Option<&[u8]>,
        is_deaf: bool,
        _: Now,
    ) -> Option<Vec<Vec<u8>>> {
        // A logger has one connection.
        if link != Link(self.links) {
            return None;
        }
        let mut line = Line {
            stations: &self.stations,
            knobs: &mut self.knobs,
            bodies,
            is_deaf,
        };
        let said = self.logger.handle_bytes(message.unwrap_or_default(), &mut line);
        said.ok().map(|frames| self.cut(frames))
    }

    fn suffer(&mut self, _: &mut [Placed], fault: Option<Fault>) {
        self.cuts = fault == Some(Fault::CutFrames);
    }

    fn state(&self) -> Map<String, Value> {
        let saved = serde_json::to_value(&self.knobs);
        saved.map(|knobs| (KNOBS.to_owned(), knobs)).into_iter().collect()
    }

    fn restore(&mut self, _: &mut [Placed], mut saved: Map<String, Value>) -> Result<(), serde_json::Error> {
        let Some(knobs) = saved.remove(KNOBS) else {
            return Ok(());
        };
        let knobs: Vec<Knobs> = serde_json::from_value(knobs)?;
        for (own, saved) in self.knobs.iter_mut().zip(knobs) {
            *own = saved;
        }
        Ok(())
    }
}

/// The serial line during one message.
struct Line<'a> {
    stations: &'a [Station],
    knobs: &'a mut [Knobs],
    bodies: &'a [Placed],
    /// What is set is taken and forgotten.
    is_deaf: bool,
}

impl Line<'_> {
    /// A station at an address, or whoever hears what has none.
    fn station(&mut self, address: Option<u8>, speaks: LoggerLanguage) -> Option<Inverter<'_>> {
        let is_meant = |own: &Station| address.is_none_or(|address| own.address == address);
        let mut stations = self.stations.iter();
        let at = stations.position(|own| is_meant(own) && own.speaks == speaks)?;
        let station = self.stations.get(at)?;
        let measured = |at: usize| self.bodies.get(at).map(|placed| placed.body.measured());
        Some(Inverter {
            id: self.bodies.get(station.pv)?.id.to_string(),
            pv: measured(station.pv)?,
            battery: station.battery.and_then(measured),
            knobs: self.knobs.get_mut(at)?,
            is_deaf: self.is_deaf,
        })
    }
}

impl SerialLine for Line<'_> {
    fn exchange(&mut self, address: u8, bytes: &[u8]) -> Option<Vec<u8>> {
        let registers = rtu::decode_exactly(bytes).filter(|_| address == LOGGER);
        if let Some((unit, pdu)) = registers {
            let mut inverter = self.station(Some(unit), LoggerLanguage::Smg)?;
            return Some(rtu::encode(unit, &answer(pdu, &mut inverter)));
        }
        let address = (address != LOGGER).then_some(address);
        let mut inverter = self.station(address, LoggerLanguage::Pi30)?;
        let command = Protocol::Pi30.read_command(bytes)?;
        if command.starts_with('Q') {
            return Some(Protocol::Pi30.answer(&inverter.text(command)));
        }
        Some(Protocol::Pi30.verdict(inverter.is_told(command)))
    }
}

/// An inverter as it is now.
struct Inverter<'a> {
    id: String,
    pv: Measured,
    battery: Option<Measured>,
    knobs: &'a mut Knobs,
    is_deaf: bool,
}

impl Inverter<'_> {
    fn pv_power(&self) -> i64 {
        -self.pv.power.unwrap_or_default().0
    }

    /// Positive charges.
    fn battery_power(&self) -> i64 {
        let battery = self.battery.as_ref();
        battery.and_then(|own| own.power).unwrap_or(Watts::ZERO).0
    }

    fn soc_percent(&self) -> i64 {
        let battery = self.battery.as_ref();
        battery.and_then(|own| own.soc).unwrap_or(PerMille(0)).0 / 10
    }

    /// What leaves it: sun that is not stored, and what the battery gives.
    fn output(&self) -> i64 {
        self.pv_power() - self.battery_power()
    }

    fn decivolts(&self) -> i64 {
        self.pv.voltage.map_or(0, |voltage| voltage.l1.0 / 100)
    }

    fn centihertz(&self) -> i64 {
        self.pv.frequency.map_or(0, |frequency| frequency.0 / 10)
    }

    /// Amperes in tenths.
    fn battery_deciamps(&self) -> i64 {
        self.battery_power() * 100 / BATTERY_DECIVOLTS
    }

    fn register(&self, address: u16) -> Option<u16> {
        if let Some(knob) = self.knobs.register(address) {
            return Some(*knob);
        }
        let blocks = [100..=109, 171..=184, 186..=197, 201..=234];
        if !blocks
            .iter()
            .any(|block: &std::ops::RangeInclusive<u16>| block.contains(&address))
        {
            return None;
        }
        let value = match address {
            184 => 11,
            186..=197 => {
                let at = usize::from(address - 186) * 2;
                let byte = |at: usize| i64::from(self.id.as_bytes().get(at).copied().unwrap_or_default());
                byte(at) << 8 | byte(at + 1)
            }
            201 => 2,
            202 | 205 | 210 => self.decivolts(),
            203 | 207 | 212 => self.centihertz(),
            208 | 213 | 214 => self.output(),
            215 => BATTERY_DECIVOLTS,
            217 => self.battery_power(),
            219 => 3_600,
            220 => self.pv_power() / 36,
            223 => self.pv_power(),
            226..=228 => 35,
            229 => self.soc_percent(),
            232 => self.battery_deciamps(),
            _ => 0,
        };
        let bounded = value.clamp(i16::MIN.into(), u16::MAX.into());
        let [.., high, low] = bounded.to_be_bytes();
        Some(u16::from_be_bytes([high, low]))
    }

    fn text(&self, command: &str) -> String {
        match command {
            "QID" => self.id.clone(),
            "QMOD" => "L".to_owned(),
            "QPIGS" => {
                let (volts, hertz) = (tenths(self.decivolts()), tenths(self.centihertz() / 10));
                let (output, amps) = (
                    self.output().max(0),
                    self.battery_power() * 10 / BATTERY_DECIVOLTS,
                );
                let battery = format!("{}.{}0", BATTERY_DECIVOLTS / 10, BATTERY_DECIVOLTS % 10);
                let (charge, discharge) = (amps.max(0), (-amps).max(0));
                format!(
                    "{volts} {hertz} {volts} {hertz} {output:04} {output:04} 010 380 {battery} {charge:03} \
                     {soc:03} 0035 {pv_amps:04} 360.0 {battery} {discharge:05} 00010110 00 00 {pv:05} 010",
                    soc = self.soc_percent(),
                    pv_amps = self.pv_power() / 360,
                    pv = self.pv_power().max(0),
                )
            }
            "QPIRI" => self.knobs.qpiri(),
            "QMUCHGCR" => "002 010 020 030 040 050 060".to_owned(),
            "QMCHGCR" => "010 020 030 040 050 060 070 080".to_owned(),
            _ => "NAK".to_owned(),
        }
    }

    /// Sets what a command says. `false`: it does not take it.
    fn is_told(&mut self, command: &str) -> bool {
        let mut knobs = self.knobs.clone();
        let is_taken = knobs.take(command);
        if is_taken && !self.is_deaf {
            *self.knobs = knobs;
        }
        is_taken
    }
}

fn tenths(value: i64) -> String {
    format!("{}.{}", value / 10, value % 10)
}

impl Registers for Inverter<'_> {
    fn read_holding(&self, address: u16, count: u16) -> Result<Vec<u16>, Exception> {
        let addresses = (0..count).map(|offset| address.checked_add(offset).ok_or(Exception::IllegalAddress));
        addresses
            .map(|address| self.register(address?).ok_or(Exception::IllegalAddress))
            .collect()
    }

    fn write_holding(&mut self, address: u16, values: &[u16]) -> Result<(), Exception> {
        let mut knobs = self.knobs.clone();
        for (offset, value) in (0..).zip(values) {
            let address: Option<u16> = address.checked_add(offset);
            knobs.set(address.ok_or(Exception::IllegalAddress)?, *value)?;
        }
        if !self.is_deaf {
            *self.knobs = knobs;
        }
        Ok(())
    }
}

mod knobs;
#[cfg(test)]
mod tests;
