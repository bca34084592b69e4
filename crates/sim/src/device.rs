//! What has an address and may misbehave: a voice, and the body or the bodies that it speaks for.
//!
//! Faults stand between the two and the outside: who is silent, slow or senseless is so in any dialect. This is the one
//! place that knows which body and which voice a kind of device is made of.

use dialects::{Reply, Request};
use model::device::LinkState;
use model::id::DeviceId;
use model::message::Report;
use model::setpoint::Action;
use model::site::Position;
use model::time::{Millis, Now};
use model::units::Watts;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::body::battery::HomeBattery;
use crate::body::inverter::Inverter;
use crate::body::meter::Meter;
use crate::body::station::Station;
use crate::body::{Body, BodyState, Placed, Surroundings};
use crate::fault::Fault;
use crate::physics::Flow;
use crate::settings::{DeviceKind, DeviceSettings};
use crate::voice::eybond::LoggerVoice;
use crate::voice::goe::GoeVoice;
use crate::voice::sunspec::Sunspec;
use crate::voice::sunspec::battery::BatteryRegisters;
use crate::voice::sunspec::inverter::InverterRegisters;
use crate::voice::sunspec::meter::MeterRegisters;
use crate::voice::{Link, Publication, Voice, Way};

/// One device of a world.
#[derive(Debug)]
pub(crate) struct Device {
    pub id: DeviceId,
    voice: Box<dyn Voice>,
    bodies: Vec<Placed>,
    fault: Option<Fault>,
    /// How long the fault has lasted.
    faulty: Millis,
}

/// What outlives a restart of a body, and of the voice for the first one it speaks for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct DeviceState {
    #[serde(flatten)]
    body: BodyState,
    #[serde(flatten)]
    voice: Map<String, Value>,
}

/// Why a device cannot go on where it was saved.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// It was saved as another kind.
    Kind(DeviceId),
    Unreadable(serde_json::Error),
}

impl Device {
    pub fn new(seed: u64, at: Position, settings: &DeviceSettings, circuit: usize) -> Self {
        let (body, voice): (Box<dyn Body>, Box<dyn Voice>) = match &settings.kind {
            DeviceKind::Logger(logger) => {
                let place = |id: &DeviceId, body| Placed {
                    id: id.clone(),
                    circuit,
                    body,
                };
                let mut bodies = Vec::new();
                for inverter in &logger.inverters {
                    let pv = Box::new(Inverter::new(seed, at, &inverter.pv));
                    bodies.push(place(&inverter.id, pv as Box<dyn Body>));
                    bodies.extend(inverter.battery.as_ref().map(|own| {
                        place(&own.id, Box::new(HomeBattery::new(&own.battery)) as Box<dyn Body>)
                    }));
                }
                let voice = Box::new(LoggerVoice::new(logger));
                return Self::over(settings.id.clone(), voice, bodies);
            }
            DeviceKind::Meter => (
                Box::new(Meter::new()),
                Box::new(Sunspec::new(settings, MeterRegisters)),
            ),
            DeviceKind::Inverter(pv) => (
                Box::new(Inverter::new(seed, at, pv)),
                Box::new(Sunspec::new(settings, InverterRegisters)),
            ),
            DeviceKind::Battery(battery) => (
                Box::new(HomeBattery::new(battery)),
                Box::new(Sunspec::new(settings, BatteryRegisters::new(battery))),
            ),
            DeviceKind::GoeCharger(goe) => {
                let mut station = Station::new(seed, goe.station());
                let voice = GoeVoice::new(seed, settings.address(), goe, &mut station);
                (Box::new(station), Box::new(voice))
            }
        };
        let placed = Placed {
            id: settings.id.clone(),
            circuit,
            body,
        };
        Self::over(settings.id.clone(), voice, vec![placed])
    }

    /// A voice and all that it speaks for.
    fn over(id: DeviceId, voice: Box<dyn Voice>, bodies: Vec<Placed>) -> Self {
        Self {
            id,
            voice,
            bodies,
            fault: None,
            faulty: Millis::ZERO,
        }
    }

    /// Whether it is known by this id, or something that it speaks for is.
    pub fn has(&self, id: &DeviceId) -> bool {
        self.id == *id || self.bodies.iter().any(|placed| placed.id == *id)
    }

    pub fn bodies(&self) -> &[Placed] {
        &self.bodies
    }

    pub fn ways(&self) -> Vec<Way> {
        self.voice.ways()
    }

    /// What outlives a restart, by body.
    pub fn states(&self) -> Vec<(DeviceId, DeviceState)> {
        let mut voice = self.voice.state();
        let state = |placed: &Placed| DeviceState {
            body: placed.body.state(),
            voice: std::mem::take(&mut voice),
        };
        let states: Vec<DeviceState> = self.bodies.iter().map(state).collect();
        self.bodies
            .iter()
            .map(|placed| placed.id.clone())
            .zip(states)
            .collect()
    }

    /// Takes over what was saved of its bodies; what was not saved begins anew.
    pub fn restore(&mut self, mut saved: impl FnMut(&DeviceId) -> Option<DeviceState>) -> Result<(), Unfit> {
        let mut voice = None;
        for (index, placed) in self.bodies.iter_mut().enumerate() {
            let Some(state) = saved(&placed.id) else { continue };
            if !placed.body.restore(state.body) {
                return Err(Unfit::Kind(placed.id.clone()));
            }
            if index == 0 {
                voice = Some(state.voice);
            }
        }
        match voice {
            Some(voice) => self
                .voice
                .restore(&mut self.bodies, voice)
                .map_err(Unfit::Unreadable),
            None => Ok(()),
        }
    }

    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        self.faulty = Millis::ZERO;
        for placed in &mut self.bodies {
            placed.body.suffer(fault);
        }
        self.voice.suffer(&mut self.bodies, fault);
    }

    /// Whether nobody gets a usable answer.
    fn is_hidden(&self) -> bool {
        self.is_silent() || self.fault.is_some_and(Fault::hides_device)
    }

    /// Whether nobody gets any answer.
    fn is_silent(&self) -> bool {
        if let Some(Fault::Hang { after }) = self.fault {
            return self.faulty >= after;
        }
        matches!(self.fault, Some(Fault::Silence | Fault::Reboot { .. }))
    }

    const fn is_restarting(&self) -> bool {
        matches!(self.fault, Some(Fault::Reboot { .. }))
    }

    /// Whether it acknowledges what it is told and does not do it.
    fn is_deaf(&self) -> bool {
        self.fault == Some(Fault::IgnoreSetpoints)
    }

    /// What time it is by its own clock.
    fn own_time(&self, now: Now) -> Now {
        let Some(Fault::ClockJump { by }) = self.fault else {
            return now;
        };
        Now {
            wall: now.wall + by,
            ..now
        }
    }

    /// Lets a fault that ends by itself end.
    fn age_fault(&mut self, span: Millis) {
        self.faulty = self.faulty + span;
        if let Some(Fault::Reboot { lasts }) = self.fault
            && self.faulty >= lasts
        {
            self.fault = None;
        }
    }

    fn around_it(&self, around: Surroundings) -> Surroundings {
        Surroundings {
            is_up: !self.is_restarting(),
            ..around
        }
    }

    /// The first part of a step; returns what it takes by that.
    pub fn live(&mut self, around: Surroundings) -> Watts {
        self.age_fault(around.span);
        let around = self.around_it(around);
        self.voice.lead(&mut self.bodies, around);
        self.bodies
            .iter_mut()
            .map(|placed| placed.body.live(around))
            .sum()
    }

    /// The second part, next to what everything else takes; returns what it takes by that.
    pub fn balance(&mut self, around: Surroundings, others: Watts) -> Watts {
        let around = self.around_it(around);
        let mut own = Watts::ZERO;
        for placed in &mut self.bodies {
            own += placed.body.balance(around, others + own);
        }
        own
    }

    /// The last part, when everything flows.
    pub fn measure(&mut self, around: Surroundings, circuits: &[Flow]) {
        let around = self.around_it(around);
        for placed in &mut self.bodies {
            let through = circuits.get(placed.circuit).copied().unwrap_or_default();
            placed.body.measure(around, through);
        }
        self.voice.follow(&mut self.bodies, around);
    }

    /// What a link without any loss would report of it.
    pub fn reports(&self, reports: &mut Vec<(DeviceId, Report)>) {
        for placed in &self.bodies {
            let mut report = |report| reports.push((placed.id.clone(), report));
            if self.is_hidden() {
                report(Report::Link(LinkState::Offline {
                    problem: "it gives no usable answer".to_owned(),
                }));
                continue;
            }
            report(Report::Link(LinkState::Online));
            report(Report::Measured(placed.body.measured()));
            if let Some((evse, status)) = placed.body.evse() {
                report(Report::Evse {
                    evse: evse.clone(),
                    status,
                });
            }
        }
    }

    /// Does what a setpoint for something that it speaks for says, as if it had come over the wire.
    pub fn act(&mut self, id: &DeviceId, action: &Action, now: Now) {
        if self.is_hidden() || self.is_deaf() {
            return;
        }
        if let Some(index) = self.bodies.iter().position(|placed| placed.id == *id) {
            self.voice.act(&mut self.bodies, index, action, now);
        }
    }

    /// What it answers on the wire, `None` when it stays silent.
    pub fn handle(&mut self, request: &Request, now: Now) -> Option<Reply> {
        if self.is_silent() {
            return None;
        }
        if self.fault == Some(Fault::Garbage) {
            return Some(garbage(request));
        }
        if self.fault == Some(Fault::Html) {
            return Some(web_page(request));
        }
        let (now, is_deaf) = (self.own_time(now), self.is_deaf());
        self.voice.answer(&mut self.bodies, request, is_deaf, now)
    }

    /// One that nobody can reach takes no link; one that is silent takes it and says nothing.
    pub fn open(&mut self) -> Option<(Link, Vec<Vec<u8>>)> {
        if self.is_restarting() {
            return None;
        }
        let says_nothing = self.is_hidden();
        let (link, greeting) = self.voice.open(&mut self.bodies)?;
        Some((link, if says_nothing { Vec::new() } else { greeting }))
    }

    pub fn hear(&mut self, link: Link, message: Option<&[u8]>, now: Now) -> Option<Vec<Vec<u8>>> {
        if self.is_restarting() {
            return None;
        }
        if self.is_silent() {
            return Some(Vec::new());
        }
        if self.is_hidden() {
            return Some(vec![SENSELESS.to_vec()]);
        }
        let (now, is_deaf) = (self.own_time(now), self.is_deaf());
        self.voice.hear(&mut self.bodies, link, message, is_deaf, now)
    }

    pub fn close(&mut self, link: Link) {
        self.voice.close(link);
    }

    pub fn publications(&mut self) -> Vec<Publication> {
        if self.is_hidden() {
            return Vec::new();
        }
        self.voice.publications(&mut self.bodies)
    }

    pub fn take(&mut self, topic: &str, payload: &[u8], now: Now) -> Option<Publication> {
        if self.is_hidden() {
            return None;
        }
        let (now, is_deaf) = (self.own_time(now), self.is_deaf());
        self.voice.take(&mut self.bodies, topic, payload, is_deaf, now)
    }
}

/// A message without a meaning.
const SENSELESS: &[u8] = b"{\"amp\":[,}";

/// An answer that has the length of one and no meaning.
fn garbage(request: &Request) -> Reply {
    match request {
        Request::Http(_) => Reply::Http(http::Response::new(b"\x00\xf7{\"amp\":[,}\x9c".to_vec())),
        // Fewer bytes than the count promises.
        Request::Modbus { pdu, .. } => Reply::Modbus {
            pdu: vec![pdu.first().copied().unwrap_or(3), 40, 0xde, 0xad, 0xbe],
        },
    }
}

fn web_page(request: &Request) -> Reply {
    const PAGE: &str = "<!DOCTYPE html><html><body><h1>Set up your device</h1></body></html>";
    match request {
        Request::Http(_) => {
            let mut response = http::Response::new(PAGE.as_bytes().to_vec());
            let kind = http::HeaderValue::from_static("text/html");
            response.headers_mut().insert(http::header::CONTENT_TYPE, kind);
            Reply::Http(response)
        }
        Request::Modbus { .. } => Reply::Modbus {
            pdu: PAGE.as_bytes().to_vec(),
        },
    }
}

#[cfg(test)]
mod tests;
