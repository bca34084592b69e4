//! A simulated site with the real control around it, without sockets and without a runtime.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use dialects::{Client, Event, Failure, goe, sunspec};
use engine::{Core, Record, Restored};
use model::device::{ChargeMode, Device, DeviceKind, LinkSettings, Wish};
use model::gateway::Unit;
use model::id::{DeviceId, EvseId, SessionId};
use model::intent::{Intent, Wanted};
use model::message::{Report, Reported};
use model::reason::Cause;
use model::session::{LedgerEntry, Session};
use model::setpoint::{Action, Setpoint};
use model::settings::ControlSettings;
use model::site::Site;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::view::SiteView;
use sim::demo;
use sim::settings::WorldSettings;
use sim::world::World;

use crate::overload::Watch;

/// Midsummer in the demo's time zone, midnight.
pub const SUMMER: Timestamp = Timestamp(1_782_079_200_000);

/// How readings and setpoints travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Wire {
    /// Perfect links without any codec.
    Direct,
    /// The dialect clients against the dialect servers.
    Codecs,
}

pub struct ClosedLoop {
    pub world: World,
    pub site: Arc<Site>,
    pub now: Now,
    pub watch: Watch,
    /// Every setpoint that left, with its time in milliseconds.
    pub trace: Vec<(i64, Setpoint)>,
    /// Sessions and quarter-hours as they were written down last.
    pub sessions: BTreeMap<SessionId, Session>,
    pub ledger: BTreeMap<Timestamp, LedgerEntry>,
    core: Core,
    settings: ControlSettings,
    clients: BTreeMap<DeviceId, Box<dyn Client>>,
    epoch: u64,
    started: Monotonic,
}

const SETTLED: Millis = Millis(15_000);

impl ClosedLoop {
    /// The demo's home, as it stands or changed by `alter`.
    pub fn home(
        seed: u64,
        wire: Wire,
        start: Timestamp,
        alter: impl FnOnce(&mut WorldSettings, &mut Site),
    ) -> Self {
        let mut settings = demo::home(seed);
        let addresses: BTreeMap<DeviceId, SocketAddr> = settings
            .devices
            .iter()
            .enumerate()
            .map(|(index, device)| {
                let port = u16::try_from(10_000 + index).expect("few devices");
                (device.id.clone(), SocketAddr::from(([127, 0, 0, 1], port)))
            })
            .collect();
        let mut site = demo::home_site(&settings, &addresses);
        alter(&mut settings, &mut site);
        let world = World::new(settings).expect("the demo's settings are right");
        let site = Arc::new(site);
        let now = Now {
            wall: start,
            monotonic: Monotonic(0),
        };
        let control = ControlSettings::default();
        let clients = match wire {
            Wire::Direct => BTreeMap::new(),
            Wire::Codecs => site
                .devices
                .iter()
                .map(|device| (device.id.clone(), client(device)))
                .collect(),
        };
        Self {
            watch: Watch::of(&site),
            core: Core::new(site.clone(), control, 1, Restored::default(), Millis(60_000), now),
            world,
            site,
            now,
            trace: Vec::new(),
            sessions: BTreeMap::new(),
            ledger: BTreeMap::new(),
            settings: control,
            clients,
            epoch: 1,
            started: now.monotonic,
        }
    }

    /// Files a wish as a person would.
    pub fn ask(&mut self, wanted: Wanted) -> Result<(), model::intent::Rejection> {
        let intent = Intent {
            site: self.site.id.clone(),
            by: "test".to_owned(),
            door: "test".to_owned(),
            wanted,
        };
        let change = self.core.weigh(&intent, self.now.wall)?;
        self.core.apply(change, self.now);
        Ok(())
    }

    pub fn set_modes(&mut self, mode: ChargeMode) {
        let evses: Vec<EvseId> = self.site.evses().map(|(_, evse)| evse.id.clone()).collect();
        for evse in evses {
            self.ask(Wanted::Mode { evse, mode }).expect("modes are accepted");
        }
    }

    /// One second.
    pub fn tick(&mut self) {
        self.now = self.now.after(Millis(1_000));
        self.world.step(self.now);
        if self.clients.is_empty() {
            for (device, report) in self.world.reports() {
                self.report(device, report);
            }
        } else {
            self.poll_clients();
        }
        self.core.handle_timeout(self.now);
        while let Some(setpoint) = self.core.poll_setpoint() {
            assert_eq!(setpoint.epoch, self.epoch);
            match self.clients.get_mut(&setpoint.device) {
                Some(client) => client.handle_action(&Unit::only(), &setpoint.action, self.now),
                None => self.world.act(&setpoint.device, &setpoint.action, self.now),
            }
            self.watch.told(&setpoint, self.now);
            self.trace.push((self.now.monotonic.0, setpoint));
        }
        if !self.clients.is_empty() {
            self.poll_clients();
        }
        self.write_down();
        // Before the first setpoints have arrived the chargers do what they did before we came.
        if self.now.monotonic - self.started >= SETTLED {
            self.watch
                .observe(&self.site, &self.world.truth(), self.now, Millis(1_000));
        }
    }

    /// What a store would keep.
    fn write_down(&mut self) {
        while let Some(record) = self.core.poll_record() {
            match record {
                Record::Books(books) => {
                    for session in books.sessions {
                        let before = self.sessions.get(&session.id);
                        assert!(before.is_none_or(|before| before.revision < session.revision));
                        self.sessions.insert(session.id.clone(), session);
                    }
                    self.ledger
                        .extend(books.ledger.into_iter().map(|entry| (entry.start, entry)));
                }
                Record::Samples(_)
                | Record::Past(_)
                | Record::Setpoints(_)
                | Record::Memory(_)
                | Record::Wish { .. }
                | Record::Keys(_)
                | Record::Alarm(_)
                | Record::Charge { .. }
                | Record::Audit(_)
                | Record::Device { .. }
                | Record::Document { .. } => {}
            }
        }
    }

    /// The end of the process: what is still in memory only is written down.
    pub fn settle(&mut self) {
        self.core.settle(self.now);
        self.write_down();
    }

    pub fn core(&mut self) -> &mut Core {
        &mut self.core
    }

    fn open_sessions(&self) -> Vec<Session> {
        let mut open: Vec<Session> = self.sessions.values().cloned().collect();
        open.retain(|session| session.unplugged.is_none());
        open.sort_by_key(|session| session.plugged);
        open
    }

    pub fn run(&mut self, seconds: i64) {
        for _ in 0..seconds {
            self.tick();
        }
    }

    /// Runs until something holds; says how many seconds that took.
    pub fn run_until(&mut self, at_most: i64, what: &str, holds: impl Fn(&Self) -> bool) -> i64 {
        for second in 0..at_most {
            if holds(self) {
                return second;
            }
            self.tick();
        }
        panic!("{what}: not within {at_most} s; {:#?}", self.view().evses);
    }

    fn report(&mut self, device: DeviceId, report: Report) {
        let reported = Reported {
            site: self.site.id.clone(),
            device,
            at: self.now,
            report,
        };
        self.core.handle_report(&reported);
    }

    /// Everything that is due goes over the wire and back, at this moment.
    fn poll_clients(&mut self) {
        let ids: Vec<DeviceId> = self.clients.keys().cloned().collect();
        for id in ids {
            let mut reports = Vec::new();
            if let Some(client) = self.clients.get_mut(&id) {
                if client.poll_timeout() <= self.now.monotonic {
                    client.handle_timeout(self.now);
                }
                // A bound, so that a client that never stops asking is a failure and no hang.
                for _ in 0..64 {
                    let Some(request) = client.poll_request() else {
                        break;
                    };
                    match self.world.handle(&id, &request, self.now) {
                        // What is wrong with an answer shows in the link state.
                        Some(reply) => drop(client.handle_reply(reply, self.now)),
                        None => client.handle_failure(&Failure::TimedOut { after_ms: 2_000 }, self.now),
                    }
                }
                reports.extend(std::iter::from_fn(|| client.poll_event()).filter_map(Event::into_report));
            }
            for report in reports {
                self.report(id.clone(), report);
            }
        }
    }

    /// A crash: everything in memory is gone, wishes and last setpoints come back from the store.
    pub fn restart(&mut self) {
        let view = self.view();
        let restored = Restored {
            wishes: view
                .evses
                .iter()
                .map(|evse| (evse.id.clone(), evse.wish))
                .collect(),
            setpoints: view
                .evses
                .iter()
                .map(|evse| (evse.id.clone(), evse.setpoint))
                .collect(),
            sessions: self.open_sessions(),
            ledger: self.ledger.values().rev().take(8).rev().cloned().collect(),
            directory: self.core.directory().clone(),
            devices: Vec::new(),
            alarms: view.alarms.clone(),
            keys: Vec::new(),
            lasting: Default::default(),
        };
        self.epoch += 1;
        self.core = Core::new(
            self.site.clone(),
            self.settings,
            self.epoch,
            restored,
            Millis(60_000),
            self.now,
        );
        for (id, known) in &mut self.clients {
            *known = client(self.site.device(id).expect("clients are made of devices"));
        }
    }

    pub fn view(&self) -> SiteView {
        self.core.view(self.now)
    }

    pub fn cause(&self, evse: &str) -> Cause {
        self.evse(evse).reason.cause
    }

    pub fn evse(&self, evse: &str) -> model::view::EvseView {
        self.view()
            .evses
            .into_iter()
            .find(|view| view.id.as_str() == evse)
            .expect("known EVSE")
    }

    pub fn wish(&self, evse: &str) -> Wish {
        self.evse(evse).wish
    }

    /// What an EVSE really draws on its strongest phase.
    pub fn drawn_ma(&self, evse: &str) -> i64 {
        self.world.truth().evses[&EvseId::new(evse).expect("an id")]
            .drawn()
            .0
    }

    /// Highest current told to each EVSE since an index of the trace.
    pub fn highest_told_since(&self, index: usize) -> i64 {
        self.trace[index..]
            .iter()
            .map(|(_, setpoint)| match &setpoint.action {
                Action::Charge { current, .. } => current.or_zero().0,
                Action::BatteryPower { .. }
                | Action::TakeBack { .. }
                | Action::VendorWrite { .. }
                | Action::Order { .. } => 0,
            })
            .max()
            .unwrap_or(0)
    }
}

/// The client that `south` would make for a device.
fn client(device: &Device) -> Box<dyn Client> {
    match (&device.link, &device.kind) {
        (LinkSettings::Goe(link), DeviceKind::ChargingStation { evses }) => {
            Box::new(goe::Client::new(goe::GoeClientSettings {
                evse: evses[0].id.clone(),
                url: link.way.address().to_owned(),
                poll: device.period,
                full_every: Millis(60_000),
            }))
        }
        (LinkSettings::Sunspec { unit, .. }, kind) => {
            let role = match kind {
                DeviceKind::Meter { .. } => sunspec::Role::Meter,
                DeviceKind::Inverter { .. } => sunspec::Role::Inverter,
                DeviceKind::Battery {
                    max_charge,
                    max_discharge,
                    ..
                } => sunspec::Role::Battery {
                    max_charge: *max_charge,
                    max_discharge: *max_discharge,
                },
                DeviceKind::ChargingStation { .. } => panic!("a SunSpec charging station"),
            };
            Box::new(sunspec::Client::new(sunspec::SunspecSettings {
                name: device.name.clone(),
                unit: *unit,
                role,
                poll: device.period,
            }))
        }
        (link, kind) => panic!("no client for {link:?} and {kind:?}"),
    }
}
