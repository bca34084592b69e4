//! Readings and wishes to the machines, and what their effects ask for.

use model::device::{Device, Evse};
use model::id::{EvseId, VehicleId};
use model::intent::Rejection;
use model::message::{Report, Reported};
use model::session::machine::{Effect, Input};
use model::session::{Authorisation, Sample, Session, StopReason, Transaction};
use model::time::{Now, Timestamp};
use model::units::WattHours;
use model::vehicle::{SocSource, StateOfCharge, VehicleCharge};
use model::view::{RunningTransaction, SessionView, TransactionState};

use super::{Directory, KEEP_EVERY};
use crate::budgets;
use crate::core::Core;
use crate::ledger;
use crate::record::{Books, Record};

impl Core {
    /// Who may charge, and with which cars, has changed.
    pub fn set_directory(&mut self, directory: Directory, now: Now) {
        if self.sessions.directory == directory {
            return;
        }
        let mut directory = directory;
        // What a station has told may still be on its way to the store.
        for (id, known) in &self.sessions.directory.soc {
            let is_told = directory
                .vehicles
                .get(id)
                .is_some_and(|vehicle| vehicle.soc_source == SocSource::Charger);
            if is_told && directory.soc.get(id).is_none_or(|stored| stored.at < known.at) {
                directory.soc.insert(id.clone(), *known);
            }
        }
        self.sessions.directory = directory;
        let evses: Vec<EvseId> = self.sessions.machines.keys().cloned().collect();
        for evse in evses {
            let authorisation = self
                .sessions
                .session(&evse)
                .and_then(Session::running)
                .map(|running| running.authorisation.clone());
            let refused =
                authorisation.and_then(|who| self.sessions.directory.refuses(&who, &self.site, now.wall));
            if refused.is_some() {
                self.session_input(&evse, Input::Stop(StopReason::Withdrawn), now);
            }
            self.sessions.mark_soc(&evse);
            self.sessions
                .hold_to_budgets(&evse, &self.site.time_zone, now.wall);
        }
        self.due = now.monotonic;
    }

    pub fn directory(&self) -> &Directory {
        &self.sessions.directory
    }

    /// Whether somebody may charge at an EVSE.
    pub(crate) fn check_authorisation(
        &self,
        authorisation: &Authorisation,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        match self.sessions.directory.refuses(authorisation, &self.site, now) {
            Some(why) => Err(Rejection::NotAllowed { why }),
            None => Ok(()),
        }
    }

    /// The books as a change would leave them, so that they can be stored before it takes effect.
    pub fn foresee(&self, evse: &EvseId, input: Input, now: Now) -> Option<Books> {
        let mut machine = self.sessions.machines.get(evse)?.clone();
        let before = machine.session().map(|session| session.revision);
        let mut ledger = self.sessions.ledger.clone();
        let mut books = Books::default();
        for effect in machine.on(input, now) {
            match effect {
                Effect::Gained(gain) => books.ledger.extend(ledger.add(&gain, now.wall)),
                Effect::Closed(session) => books.sessions.push(session),
                Effect::Opened
                | Effect::AuthorisationWanted
                | Effect::Kept
                | Effect::Started(_)
                | Effect::Stopped(_, _) => {}
            }
        }
        let after = machine.session();
        books
            .sessions
            .extend(after.filter(|session| Some(session.revision) != before).cloned());
        if books.is_empty() {
            return None;
        }
        // The quarter-hour holds what the others have taken as well.
        let others = self.sessions.machines.iter().filter(|(other, _)| *other != evse);
        let others = others.filter_map(|(other, machine)| {
            let session = machine.session()?;
            (self.sessions.stored.get(other) != Some(&session.revision)).then(|| session.clone())
        });
        books.sessions.extend(others);
        books.ledger.extend(ledger.draft());
        Some(books)
    }

    /// Brings a report to the machines it is for.
    pub(crate) fn session_report(&mut self, reported: &Reported) {
        let site = self.site.clone();
        let Some(station) = site.device(&reported.device) else {
            return;
        };
        match &reported.report {
            Report::Measured(measured) if station.evses().len() == 1 => {
                let evse = &station.evses()[0];
                let sample = self.sample(station, evse, reported.at);
                self.session_input(&evse.id, Input::Measured(sample), reported.at);
                let known = measured.soc.map(|soc| StateOfCharge {
                    soc,
                    at: reported.at.wall,
                    estimated: false,
                });
                let told = known.and_then(|known| self.sessions.told_by_charger(&evse.id, known));
                self.records
                    .extend(told.map(|charge| Record::Charge { charge, since: None }));
            }
            Report::Evse { evse: id, status } => {
                let Some(evse) = station.evses().iter().find(|evse| evse.id == *id) else {
                    return;
                };
                let is_measured = self
                    .image
                    .devices
                    .get(&station.id)
                    .is_some_and(|device| device.measured.is_some());
                if station.evses().len() > 1 || !is_measured {
                    let sample = self.sample(station, evse, reported.at);
                    self.session_input(id, Input::Measured(sample), reported.at);
                }
                let input = Input::Heard {
                    pilot: status.pilot,
                    charger: status.session_energy,
                };
                self.session_input(id, input, reported.at);
            }
            Report::Measured(_)
            | Report::Link(_)
            | Report::Identity { .. }
            | Report::Document(_)
            | Report::VendorAnswer { .. }
            | Report::Controls(_)
            | Report::Foreign { .. }
            | Report::Past { .. }
            | Report::Notice { .. } => {}
        }
    }

    fn sample(&self, station: &Device, evse: &Evse, now: Now) -> Sample {
        let is_only = station.evses().len() == 1;
        let image = self.image.devices.get(&station.id).filter(|_| is_only);
        let measured = image
            .and_then(|device| device.measured.as_ref())
            .map(|reading| &reading.value);
        let has_current = measured.is_some_and(|measured| measured.current.is_some())
            || self
                .image
                .evses
                .get(&evse.id)
                .and_then(|image| image.status.as_ref())
                .is_some_and(|status| status.value.current.is_some());
        Sample {
            counter: measured.and_then(|measured| measured.energy_in),
            current: has_current.then(|| crate::cycle::drawn_by_grid_phase(station, evse, &self.image)),
            voltage: self.site.nominal_voltage,
            power: measured.and_then(|measured| measured.power),
            mix: self.sessions.mix,
            price: self
                .sessions
                .price(&self.site, self.sessions.session(&evse.id), now.wall),
        }
    }

    /// Feeds a machine and does what its effects ask for.
    pub(crate) fn session_input(&mut self, evse: &EvseId, input: Input, now: Now) {
        let Some(machine) = self.sessions.machines.get_mut(evse) else {
            return;
        };
        let effects = machine.on(input, now);
        let (mut is_boundary, mut is_turned) = (false, false);
        for effect in effects {
            match effect {
                Effect::Gained(gain) => {
                    let done = self.sessions.ledger.add(&gain, now.wall);
                    is_turned |= done.is_some();
                    self.sessions.over.ledger.extend(done);
                }
                Effect::Opened => {
                    let home = self.sessions.at_home(evse).cloned();
                    self.recognise(evse, home);
                    is_boundary = true;
                }
                Effect::Started(_) => {
                    let vehicle =
                        self.sessions
                            .session(evse)
                            .and_then(Session::running)
                            .and_then(|running| {
                                self.sessions
                                    .directory
                                    .card(&running.authorisation)?
                                    .vehicle
                                    .clone()
                            });
                    if vehicle.is_some() {
                        self.recognise(evse, vehicle);
                    }
                    self.sessions.budgets.remove(evse);
                    self.sessions.used_up.remove(evse);
                    self.sessions
                        .hold_to_budgets(evse, &self.site.time_zone, now.wall);
                    is_boundary = true;
                }
                Effect::Stopped(_, _) => {
                    self.sessions.budgets.remove(evse);
                    is_boundary = true;
                }
                Effect::Closed(session) => {
                    self.keep_estimate(&session);
                    self.sessions.used_up.remove(evse);
                    self.sessions.over.sessions.push(session);
                    is_boundary = true;
                }
                Effect::AuthorisationWanted | Effect::Kept => {}
            }
        }
        if is_boundary {
            self.due = now.monotonic;
            self.keep_all(true, now);
        } else if is_turned {
            self.keep_all(false, now);
        }
        // Also one that has just begun: whoever has nothing left gets nothing.
        self.stop_exhausted(evse, now);
    }

    /// Says which car it is; its own mode counts from now on.
    fn recognise(&mut self, evse: &EvseId, vehicle: Option<VehicleId>) {
        let Some(machine) = self.sessions.machines.get_mut(evse) else {
            return;
        };
        if machine.session().is_none_or(|session| session.vehicle == vehicle) {
            return;
        }
        machine.identify(vehicle.clone());
        self.sessions.mark_soc(evse);
        let mode = vehicle
            .and_then(|vehicle| self.sessions.directory.vehicles.get(&vehicle))
            .and_then(|vehicle| vehicle.default_mode);
        let (Some(mode), Some(wish)) = (mode, self.wishes.get_mut(evse)) else {
            return;
        };
        if wish.mode != mode {
            wish.mode = mode;
            self.records.push_back(Record::Wish {
                evse: evse.clone(),
                wish: *wish,
            });
        }
    }

    /// What each cycle does for sessions: the mix, the ledger, and drafts of what is still running.
    pub(crate) fn session_cycle(&mut self, now: Now) {
        self.judge_prices(now);
        let flow = self.flow(now);
        self.sessions.mix = ledger::mix(&flow);
        let done = self.sessions.ledger.turn(now.wall);
        let is_turned = done.is_some();
        self.sessions.over.ledger.extend(done);
        self.sessions.ledger.observe(&flow, now);
        let kept = self.sessions.kept;
        if is_turned || kept.is_none_or(|at| now.monotonic - at >= KEEP_EVERY) {
            self.keep_all(false, now);
        }
        let evses: Vec<EvseId> = self.sessions.machines.keys().cloned().collect();
        for evse in evses {
            let is_over = self.sessions.budgets.get(&evse).is_some_and(|held| {
                held.iter().any(|held| {
                    held.from != budgets::span_start(held.budget.per, &self.site.time_zone, now.wall)
                })
            });
            if is_over {
                self.sessions
                    .hold_to_budgets(&evse, &self.site.time_zone, now.wall);
            }
        }
    }

    /// Everything that is still only in memory, at the end of the process.
    pub fn settle(&mut self, now: Now) {
        self.keep_all(false, now);
    }

    /// Sessions and ledger are written down together, so that they say the same after a crash.
    fn keep_all(&mut self, boundary: bool, now: Now) {
        let sessions = &mut self.sessions;
        sessions.kept = Some(now.monotonic);
        let mut books = Books {
            boundary,
            ..std::mem::take(&mut sessions.over)
        };
        for (evse, machine) in &sessions.machines {
            let Some(session) = machine.session() else {
                sessions.stored.remove(evse);
                continue;
            };
            if sessions.stored.get(evse) != Some(&session.revision) {
                sessions.stored.insert(evse.clone(), session.revision);
                books.sessions.push(session.clone());
            }
        }
        books.ledger.extend(sessions.ledger.draft());
        if !books.is_empty() {
            self.records.push_back(Record::Books(books));
        }
    }

    /// What a car has taken since it last told how full it was is not forgotten when it leaves.
    fn keep_estimate(&mut self, session: &Session) {
        let (Some(id), Some(mark)) = (&session.vehicle, session.soc) else {
            return;
        };
        let Some(known) = self.sessions.soc(session).filter(|known| *known != mark.known) else {
            return;
        };
        self.sessions.directory.soc.insert(id.clone(), known);
        let charge = VehicleCharge {
            id: id.clone(),
            known,
        };
        self.records.push_back(Record::Charge {
            charge,
            since: Some(mark.known),
        });
    }

    pub(crate) fn session_view(&self, evse: &EvseId) -> Option<SessionView> {
        let session = self.sessions.session(evse)?;
        let last = session.transactions.last();
        let user = last.and_then(|last| self.sessions.directory.user(&last.authorisation));
        Some(SessionView {
            id: session.id.clone(),
            since: session.plugged,
            vehicle: session.vehicle.clone(),
            soc: self.sessions.soc(session),
            user: user.filter(|user| user.display).map(|user| user.name.clone()),
            card: last.and_then(|last| last.authorisation.card.clone()),
            kind: last.map(|last| last.authorisation.kind),
            state: match last.map(|last| last.stopped) {
                None => TransactionState::Waiting,
                Some(None) => TransactionState::Running,
                Some(Some(stop)) => TransactionState::Stopped(stop.reason),
            },
            running: last
                .filter(|last| last.stopped.is_none())
                .map(|last| RunningTransaction {
                    number: last.number,
                    started: last.started,
                }),
            energy: session.energy(),
            origin: session.origin(),
            cost: last.and_then(|last| last.cost),
            other_costs: last.map(|last| last.other_costs.clone()).unwrap_or_default(),
            unpriced: last.map_or(WattHours::ZERO, Transaction::unpriced),
            estimated: session.transactions.iter().any(|t| t.estimated),
        })
    }
}
