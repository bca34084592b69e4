//! Physics with a device around it: what it reports, what it obeys, what it answers on the wire.

pub mod battery;
pub mod goe;
pub mod inverter;
pub mod meter;
mod sunspec;

use dialects::goe::charger::Session;
use dialects::{Reply, Request};
use model::device::LinkState;
use model::id::DeviceId;
use model::message::Report;
use model::phases::PerPhase;
use model::setpoint::Action;
use model::site::Position;
use model::time::{Millis, Now};
use model::units::{MilliHertz, MilliVolts};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::local::LocalTime;
use crate::physics::Flow;
use crate::settings::{DeviceKind, DeviceSettings, MODBUS_UNIT};

use self::battery::{BatteryDevice, BatteryDeviceState};
use self::goe::{GoeCharger, GoeChargerState};
use self::inverter::{Inverter, InverterState};
use self::meter::{Meter, MeterState};

/// What a device finds around it during one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    pub now: Now,
    pub local: LocalTime,
    pub span: Millis,
    pub voltage: PerPhase<MilliVolts>,
    pub frequency: MilliHertz,
}

impl Surroundings {
    /// Local time is UTC plus this.
    pub fn utc_offset(&self) -> Millis {
        Millis::from_seconds(self.local.day * 86_400 + self.local.second - self.now.wall.as_seconds())
    }
}

/// One device of a world.
#[derive(Clone, Debug)]
pub(crate) struct Device {
    pub id: DeviceId,
    /// Index of its circuit.
    pub circuit: usize,
    pub body: Body,
    fault: Option<Fault>,
    /// How long the fault has lasted.
    faulty: Millis,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Meter(Box<Meter>),
    Inverter(Box<Inverter>),
    Battery(Box<BatteryDevice>),
    Goe(Box<GoeCharger>),
}

/// What outlives a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum DeviceState {
    Meter(MeterState),
    Inverter(InverterState),
    Battery(BatteryDeviceState),
    Goe(Box<GoeChargerState>),
}

impl Device {
    pub fn new(seed: u64, place: Position, settings: &DeviceSettings, circuit: usize) -> Self {
        let body = match &settings.kind {
            DeviceKind::Meter => Body::Meter(Box::new(Meter::new(&settings.id))),
            DeviceKind::Inverter(pv) => {
                Body::Inverter(Box::new(Inverter::new(&settings.id, seed, place, pv)))
            }
            DeviceKind::Battery(battery) => {
                Body::Battery(Box::new(BatteryDevice::new(&settings.id, battery)))
            }
            DeviceKind::GoeCharger(charger) => Body::Goe(Box::new(GoeCharger::new(seed, charger))),
        };
        Self {
            id: settings.id.clone(),
            circuit,
            body,
            fault: None,
            faulty: Millis::ZERO,
        }
    }

    /// Takes over what was saved; `false` when it was saved by another kind of device.
    pub fn restore(&mut self, state: DeviceState) -> bool {
        match (&mut self.body, state) {
            (Body::Meter(meter), DeviceState::Meter(state)) => meter.restore(state),
            (Body::Inverter(inverter), DeviceState::Inverter(state)) => inverter.restore(state),
            (Body::Battery(battery), DeviceState::Battery(state)) => battery.restore(state),
            (Body::Goe(charger), DeviceState::Goe(state)) => charger.restore(*state),
            (Body::Meter(_) | Body::Inverter(_) | Body::Battery(_) | Body::Goe(_), _) => return false,
        }
        true
    }

    pub fn state(&self) -> DeviceState {
        match &self.body {
            Body::Meter(meter) => DeviceState::Meter(meter.state()),
            Body::Inverter(inverter) => DeviceState::Inverter(inverter.state()),
            Body::Battery(battery) => DeviceState::Battery(battery.state()),
            Body::Goe(charger) => DeviceState::Goe(Box::new(charger.state())),
        }
    }

    pub const fn fault(&self) -> Option<Fault> {
        self.fault
    }

    pub fn set_fault(&mut self, fault: Option<Fault>) {
        self.fault = fault;
        self.faulty = Millis::ZERO;
        if let Body::Goe(charger) = &mut self.body {
            if matches!(fault, Some(Fault::Reboot { .. })) {
                charger.reboot();
            }
            charger.set_quirk(fault.and_then(Fault::quirk));
        }
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

    /// Lets a fault that ends by itself end.
    pub fn age_fault(&mut self, span: Millis) {
        self.faulty = self.faulty + span;
        if let Some(Fault::Reboot { lasts }) = self.fault
            && self.faulty >= lasts
        {
            self.fault = None;
        }
    }

    /// What flows into it; a meter is no load.
    pub fn flow(&self) -> Flow {
        match &self.body {
            Body::Meter(_) => Flow::default(),
            Body::Inverter(inverter) => inverter.flow(),
            Body::Battery(battery) => battery.flow(),
            Body::Goe(charger) => charger.flow(),
        }
    }

    /// What a link without any loss would report of it.
    pub fn reports(&self, reports: &mut Vec<(DeviceId, Report)>) {
        let mut report = |report| reports.push((self.id.clone(), report));
        if self.is_hidden() {
            report(Report::Link(LinkState::Offline {
                problem: "it gives no usable answer".to_owned(),
            }));
            return;
        }
        report(Report::Link(LinkState::Online));
        match &self.body {
            Body::Meter(meter) => report(Report::Measured(meter.measured())),
            Body::Inverter(inverter) => report(Report::Measured(inverter.measured())),
            Body::Battery(battery) => report(Report::Measured(battery.measured())),
            Body::Goe(charger) => {
                report(Report::Measured(charger.measured()));
                report(Report::Evse {
                    evse: charger.evse_id().clone(),
                    status: charger.status(),
                });
            }
        }
    }

    /// Does what a setpoint says, as if it had come over the wire.
    pub fn act(&mut self, action: &Action, now: Now) {
        if self.is_hidden() || self.fault == Some(Fault::IgnoreSetpoints) {
            return;
        }
        match (&mut self.body, action) {
            (Body::Goe(charger), Action::Charge { .. } | Action::VendorWrite { .. }) => {
                charger.act(action, now)
            }
            (Body::Battery(battery), Action::BatteryPower { power }) => battery.command(*power),
            // Sent to the wrong device: a real one would answer with an error and do nothing.
            (Body::Meter(_) | Body::Inverter(_) | Body::Battery(_) | Body::Goe(_), _) => {}
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
        let now = self.own_time(now);
        let is_deaf = self.fault == Some(Fault::IgnoreSetpoints);
        match (&mut self.body, request) {
            (Body::Goe(charger), Request::Http(request)) => {
                Some(Reply::Http(charger.handle(request, is_deaf, now)))
            }
            (Body::Meter(meter), Request::Modbus { unit, pdu }) => {
                (*unit == MODBUS_UNIT).then(|| Reply::Modbus {
                    pdu: meter.handle(pdu),
                })
            }
            (Body::Inverter(inverter), Request::Modbus { unit, pdu }) => {
                (*unit == MODBUS_UNIT).then(|| Reply::Modbus {
                    pdu: inverter.handle(pdu),
                })
            }
            (Body::Battery(battery), Request::Modbus { unit, pdu }) => {
                (*unit == MODBUS_UNIT).then(|| Reply::Modbus {
                    pdu: battery.handle(pdu, is_deaf),
                })
            }
            (Body::Goe(charger), Request::Modbus { pdu, .. }) => charger
                .handle_modbus(pdu, is_deaf, now)
                .map(|pdu| Reply::Modbus { pdu }),
            (Body::Meter(_) | Body::Inverter(_) | Body::Battery(_), Request::Http(_)) => None,
        }
    }
}

impl Device {
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

    /// The go-e charger that it is.
    fn charger(&mut self) -> Option<&mut GoeCharger> {
        match &mut self.body {
            Body::Goe(charger) => Some(charger),
            Body::Meter(_) | Body::Inverter(_) | Body::Battery(_) => None,
        }
    }

    /// A charger that nobody can reach takes no link; one that is silent takes it and says nothing.
    pub fn open_socket(&mut self) -> Option<(Session, Vec<String>)> {
        if matches!(self.fault, Some(Fault::Reboot { .. })) {
            return None;
        }
        let says_nothing = self.is_hidden();
        let (session, greeting) = self.charger()?.open_socket();
        Some((session, if says_nothing { Vec::new() } else { greeting }))
    }

    pub fn socket(&mut self, session: &mut Session, message: Option<&[u8]>, now: Now) -> Option<Vec<String>> {
        if matches!(self.fault, Some(Fault::Reboot { .. })) {
            return None;
        }
        if self.is_silent() {
            return Some(Vec::new());
        }
        if self.is_hidden() {
            return Some(vec![SENSELESS.to_owned()]);
        }
        let (now, is_deaf) = (self.own_time(now), self.fault == Some(Fault::IgnoreSetpoints));
        Some(self.charger()?.socket(session, message, is_deaf, now))
    }

    pub fn exported(&mut self) -> Vec<(&'static str, String)> {
        if self.is_hidden() {
            return Vec::new();
        }
        self.charger().map(GoeCharger::exported).unwrap_or_default()
    }

    pub fn take(&mut self, key: &str, payload: &str, now: Now) -> Option<String> {
        if self.is_hidden() {
            return None;
        }
        let (now, is_deaf) = (self.own_time(now), self.fault == Some(Fault::IgnoreSetpoints));
        self.charger()?.take(key, payload, is_deaf, now)
    }
}

/// A message without a meaning.
const SENSELESS: &str = "{\"amp\":[,}";

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
