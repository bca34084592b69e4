//! Sessions of a site: readings to state machines, their effects to records, wishes and reasons.
//!
//! The machines are pure ([`model::session::machine`]); here they get what they need to know (who charges,
//! what it costs, where the energy comes from) and what they say is written down. An EVSE whose car has no
//! running transaction is barred: control gives it nothing and names the cause.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::device::{AuthorisationMode, Device, Evse};
use model::id::{CardId, EvseId, UserId, VehicleId};
use model::intent::Rejection;
use model::message::{Report, Reported};
use model::phases::{Phase, Phases};
use model::reason::Cause;
use model::session::machine::{Effect, Input, Machine, Place};
use model::session::{Authorisation, LedgerEntry, Mix, Price, Sample, Session, SocMark, StopReason};
use model::site::Site;
use model::tariff::PriceBook;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::WattHours;
use model::user::{Card, Role, User};
use model::vehicle::{SocSource, StateOfCharge, Vehicle, VehicleCharge};
use model::view::{SessionView, TransactionState};

use crate::budgets::{self, BudgetAsk, Held, Owner, Spent};
use crate::core::{Core, Record};
use crate::ledger::{self, Ledger};

/// A running session is written down this often; its boundaries at once.
const KEEP_EVERY: Millis = Millis(60_000);

/// Who may charge, and with which cars.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    pub users: BTreeMap<UserId, User>,
    pub cards: BTreeMap<CardId, Card>,
    pub vehicles: BTreeMap<VehicleId, Vehicle>,
    /// As last known, not estimated.
    pub soc: BTreeMap<VehicleId, StateOfCharge>,
}

/// The sessions of a site.
pub struct Sessions {
    machines: BTreeMap<EvseId, Machine>,
    pub(crate) directory: Directory,
    prices: Option<Arc<PriceBook>>,
    budgets: BTreeMap<EvseId, Vec<Held>>,
    /// Why the last transaction was stopped, where a budget did it.
    used_up: BTreeMap<EvseId, Cause>,
    /// Revisions that were written down.
    stored: BTreeMap<EvseId, u64>,
    kept: Option<Monotonic>,
    mix: Mix,
    ledger: Ledger,
}

impl Directory {
    fn user(&self, authorisation: &Authorisation) -> Option<&User> {
        self.users.get(authorisation.user.as_ref()?)
    }

    fn card(&self, authorisation: &Authorisation) -> Option<&Card> {
        self.cards.get(authorisation.card.as_ref()?)
    }

    /// Why somebody may not charge here.
    fn refuses(&self, authorisation: &Authorisation, site: &Site, now: Timestamp) -> Option<String> {
        let no = |why: &str| Some(why.to_owned());
        if let Some(id) = &authorisation.card {
            match self.cards.get(id) {
                None => return no("the card is not known any more"),
                Some(card) if !card.enabled => return no("the card is disabled"),
                Some(card) if card.valid_until.is_some_and(|until| until <= now) => {
                    return no("the card has expired");
                }
                Some(card) if authorisation.user.as_ref() != Some(&card.user) => {
                    return no("the card belongs to another user");
                }
                Some(_) => {}
            }
        }
        if let Some(id) = &authorisation.user {
            match self.users.get(id) {
                None => return no("the user is not known any more"),
                Some(user) if !user.enabled => return no("the user is disabled"),
                Some(user) if user.role_on(&site.id).is_none_or(|role| role < Role::User) => {
                    return no("the user may not charge at this site");
                }
                Some(_) => {}
            }
        }
        None
    }
}

impl Sessions {
    /// Goes on with sessions that were open when an earlier process ended. Those that no EVSE can go on
    /// with are closed as lost.
    pub(crate) fn restored(
        site: &Site,
        epoch: u64,
        open: Vec<Session>,
        ledger: Vec<LedgerEntry>,
        directory: Directory,
        now: Now,
    ) -> (Self, Vec<Record>) {
        let mut machines: BTreeMap<EvseId, Machine> = site
            .evses()
            .map(|(_, evse)| (evse.id.clone(), Machine::new(place(site, epoch, evse))))
            .collect();
        let mut lost = Vec::new();
        // The last plugged in comes last and stays.
        for session in open {
            let Some((_, evse)) = site.evses().find(|(_, evse)| evse.id == session.evse) else {
                lost.push(session);
                continue;
            };
            let machine = Machine::restored(place(site, epoch, evse), session);
            if let Some(before) = machines.insert(evse.id.clone(), machine) {
                lost.extend(before.session().cloned());
            }
        }
        let records = lost
            .into_iter()
            .map(|session| boundary(session.lost(now.wall)))
            .collect();
        let stored = machines
            .iter()
            .filter_map(|(evse, machine)| Some((evse.clone(), machine.session()?.revision)))
            .collect();
        let evses: Vec<EvseId> = machines.keys().cloned().collect();
        let mut sessions = Self {
            machines,
            directory,
            prices: None,
            budgets: BTreeMap::new(),
            used_up: BTreeMap::new(),
            stored,
            mix: Mix::default(),
            ledger: Ledger::new(site.id.clone(), ledger),
            kept: None,
        };
        for evse in evses {
            sessions.hold_to_budgets(&evse, &site.time_zone, now.wall);
            sessions.mark_soc(&evse);
        }
        (sessions, records)
    }

    pub(crate) fn session(&self, evse: &EvseId) -> Option<&Session> {
        self.machines.get(evse)?.session()
    }

    /// Why an EVSE gets nothing, whatever it is asked for.
    pub(crate) fn barred(&self, evse: &EvseId) -> Option<Cause> {
        let session = self.session(evse)?;
        let Some(running) = session.running() else {
            let budget = session.transactions.last().and_then(|last| last.stopped);
            let used_up = budget.filter(|stop| stop.reason == StopReason::BudgetUsedUp);
            return Some(match used_up {
                Some(_) => self.used_up.get(evse).cloned().unwrap_or(Cause::BudgetUsedUp {
                    budget: session.energy(),
                    used: session.energy(),
                }),
                None => Cause::AwaitingAuthorisation,
            });
        };
        let held = self.budgets.get(evse);
        let is_unknown = held.is_none_or(|held| held.iter().any(|held| held.used(session).is_none()));
        let has_budget = self
            .directory
            .user(&running.authorisation)
            .is_some_and(|user| user.budget.is_some())
            || self
                .directory
                .card(&running.authorisation)
                .is_some_and(|card| card.budget.is_some());
        if has_budget && is_unknown {
            return Some(Cause::AwaitingAuthorisation);
        }
        let vehicle = self.vehicle(session)?;
        let (limit, soc) = (vehicle.charge_limit?, self.soc(session)?.soc);
        (soc >= limit).then_some(Cause::ChargeLimitReached { limit, soc })
    }

    /// On how many phases at most, by card, user and car.
    pub(crate) fn phases(&self, evse: &EvseId, wished: Option<Phases>) -> Option<Phases> {
        let Some(session) = self.session(evse) else {
            return wished;
        };
        let person = session.running().and_then(|running| {
            let card = self
                .directory
                .card(&running.authorisation)
                .and_then(|card| card.phases);
            card.or_else(|| {
                self.directory
                    .user(&running.authorisation)
                    .and_then(|user| user.phases)
            })
        });
        let car = self
            .vehicle(session)
            .map(|vehicle| vehicle.phases)
            .filter(|phases| *phases == Phases::One);
        if [wished, person, car].contains(&Some(Phases::One)) {
            return Some(Phases::One);
        }
        wished.or(person)
    }

    /// How full the car is by now, if that can be told.
    fn soc(&self, session: &Session) -> Option<StateOfCharge> {
        let mark = session.soc?;
        let charged = (session.energy() - mark.energy).at_least_zero();
        Some(self.vehicle(session)?.charge_after(mark.known, charged))
    }

    /// Cars that are plugged in and have not told for too long how full they are.
    pub(crate) fn silent_cars(&self, now: Timestamp) -> Vec<&str> {
        let sessions = self.machines.values().filter_map(Machine::session);
        let silent = sessions.filter_map(|session| {
            let vehicle = self.vehicle(session)?;
            let told = session.soc.map_or(session.plugged, |mark| mark.known.at);
            let limit = vehicle.soc_source.stale_after()?;
            (now - told.max(session.plugged) > limit).then_some(vehicle.name.as_str())
        });
        silent.collect()
    }

    fn vehicle(&self, session: &Session) -> Option<&Vehicle> {
        self.directory.vehicles.get(session.vehicle.as_ref()?)
    }

    /// The car that is assumed to be at an EVSE, if there is just one.
    fn at_home(&self, evse: &EvseId) -> Option<&VehicleId> {
        let mut homes = self
            .directory
            .vehicles
            .values()
            .filter(|v| v.home.as_ref() == Some(evse));
        homes
            .next()
            .filter(|_| homes.next().is_none())
            .map(|vehicle| &vehicle.id)
    }

    /// Keeps what was charged when a state of charge was told.
    fn mark_soc(&mut self, evse: &EvseId) {
        let Some(machine) = self.machines.get_mut(evse) else {
            return;
        };
        let Some(session) = machine.session() else { return };
        let known = session
            .vehicle
            .as_ref()
            .and_then(|vehicle| self.directory.soc.get(vehicle))
            .copied();
        if known == session.soc.map(|mark| mark.known) {
            return;
        }
        let mark = known.map(|known| SocMark {
            known,
            energy: if known.at <= session.plugged {
                WattHours::ZERO
            } else {
                session.energy()
            },
        });
        machine.mark_soc(mark);
    }

    /// What the charging station says counts for the car that is plugged in, if it is its source.
    fn told_by_charger(&mut self, evse: &EvseId, known: StateOfCharge) -> Option<VehicleCharge> {
        let vehicle = self.vehicle(self.session(evse)?)?;
        if vehicle.soc_source != SocSource::Charger {
            return None;
        }
        let id = vehicle.id.clone();
        let is_new = self.directory.soc.get(&id).is_none_or(|before| {
            before.soc != known.soc || before.estimated || known.at - before.at >= KEEP_EVERY
        });
        if !is_new {
            return None;
        }
        self.directory.soc.insert(id.clone(), known);
        self.mark_soc(evse);
        Some(VehicleCharge { id, known })
    }

    /// The budgets of whoever charges now, as far as they are not known already.
    fn hold_to_budgets(&mut self, evse: &EvseId, time_zone: &str, now: Timestamp) {
        let running = self
            .machines
            .get(evse)
            .and_then(Machine::session)
            .and_then(Session::running);
        let Some(running) = running else {
            self.budgets.remove(evse);
            return;
        };
        let of_user = self.directory.user(&running.authorisation);
        let of_card = self.directory.card(&running.authorisation);
        let wanted = [
            of_user.and_then(|user| Some((Owner::User(user.id.clone()), user.budget?))),
            of_card.and_then(|card| Some((Owner::Card(card.id.clone()), card.budget?))),
        ];
        let before = self.budgets.remove(evse).unwrap_or_default();
        let held = wanted.into_iter().flatten().map(|(owner, budget)| {
            let from = budgets::span_start(budget.per, time_zone, now);
            let known = before
                .iter()
                .find(|held| held.owner == owner && held.from == from);
            Held {
                spent: known.and_then(|held| held.spent),
                asked: known.and_then(|held| held.asked),
                owner,
                budget,
                from,
            }
        });
        self.budgets.insert(evse.clone(), held.collect());
    }

    /// The first budget that is used up.
    fn exhausted(&self, evse: &EvseId) -> Option<Cause> {
        let session = self.session(evse)?;
        session.running()?;
        self.budgets.get(evse)?.iter().find_map(|held| {
            let used = held.used(session)?;
            (used >= held.budget.energy).then_some(Cause::BudgetUsedUp {
                budget: held.budget.energy,
                used,
            })
        })
    }

    fn price(&self, site: &Site, session: Option<&Session>, now: Timestamp) -> Option<Price> {
        let running = session?.running()?;
        let user = self
            .directory
            .user(&running.authorisation)
            .and_then(|user| user.tariff.as_ref());
        let card = self
            .directory
            .card(&running.authorisation)
            .and_then(|card| card.tariff.as_ref());
        let priced = self.prices.as_ref()?.price_at(&site.id, user, card, now)?;
        Some(Price {
            tariff: priced.tariff,
            per_kwh: priced.price,
            currency: priced.currency,
        })
    }
}

fn place(site: &Site, epoch: u64, evse: &Evse) -> Place {
    let wired = evse.rotation.set_to_grid(evse.terminals);
    let [l1, l2, l3] = Phase::ALL.map(|phase| wired.is_empty() || wired.contains(phase));
    Place {
        site: site.id.clone(),
        evse: evse.id.clone(),
        epoch,
        asks: evse.authorisation == AuthorisationMode::Card,
        wired: model::phases::PerPhase::new(l1, l2, l3),
    }
}

fn boundary(session: Session) -> Record {
    Record::Session {
        session: Box::new(session),
        boundary: true,
    }
}

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

    /// What energy costs from now on.
    pub fn set_prices(&mut self, prices: Arc<PriceBook>) {
        self.sessions.prices = Some(prices);
    }

    /// Questions to the store that are due, for budgets of running transactions.
    pub fn budget_asks(&mut self, now: Now) -> Vec<BudgetAsk> {
        let Sessions {
            budgets, machines, ..
        } = &mut self.sessions;
        let mut asks = Vec::new();
        for (evse, held) in budgets {
            let Some(session) = machines.get(evse).and_then(Machine::session) else {
                continue;
            };
            for held in held {
                let wait = if held.spent.is_some() {
                    budgets::EVERY
                } else {
                    budgets::AGAIN
                };
                let is_due = held.asked.is_none_or(|at| now.monotonic - at >= wait);
                let Some(from) = held.from.filter(|_| is_due) else {
                    continue;
                };
                held.asked = Some(now.monotonic);
                asks.push(BudgetAsk {
                    evse: evse.clone(),
                    session: session.id.clone(),
                    plugged: session.plugged,
                    owner: held.owner.clone(),
                    from,
                });
            }
        }
        asks
    }

    /// The answer to a question of [`Core::budget_asks`].
    pub fn note_spent(&mut self, ask: &BudgetAsk, spent: Spent, now: Now) {
        if self
            .sessions
            .session(&ask.evse)
            .is_none_or(|session| session.id != ask.session)
        {
            return;
        }
        let held = self.sessions.budgets.get_mut(&ask.evse).into_iter().flatten();
        for held in held.filter(|held| held.owner == ask.owner && held.from == Some(ask.from)) {
            held.spent = Some(spent);
        }
        self.due = now.monotonic;
        self.stop_exhausted(&ask.evse, now);
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

    /// The session as a change would leave it, so that it can be stored before it takes effect.
    pub fn foresee(&self, evse: &EvseId, input: Input, now: Now) -> Option<Session> {
        let mut machine = self.sessions.machines.get(evse)?.clone();
        let before = machine.session().map(|session| session.revision);
        machine.on(input, now);
        machine
            .session()
            .filter(|session| Some(session.revision) != before)
            .cloned()
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
            Report::Measured(_) | Report::Link(_) | Report::Identity { .. } | Report::Document(_) => {}
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
                    self.records.extend(done.map(Record::Ledger));
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
                    self.records.push_back(boundary(session));
                    is_boundary = true;
                }
                Effect::AuthorisationWanted | Effect::Kept => {}
            }
        }
        if is_boundary {
            self.due = now.monotonic;
            self.keep_all(Some(evse), now);
        } else {
            if is_turned {
                self.keep_all(None, now);
            }
            self.stop_exhausted(evse, now);
        }
    }

    fn stop_exhausted(&mut self, evse: &EvseId, now: Now) {
        if let Some(cause) = self.sessions.exhausted(evse) {
            self.session_input(evse, Input::Stop(StopReason::BudgetUsedUp), now);
            self.sessions.used_up.insert(evse.clone(), cause);
        }
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

    fn keep_session(&mut self, evse: &EvseId, boundary: bool) {
        let Some(session) = self.sessions.session(evse) else {
            self.sessions.stored.remove(evse);
            return;
        };
        if self.sessions.stored.get(evse) == Some(&session.revision) {
            return;
        }
        let session = Box::new(session.clone());
        self.sessions.stored.insert(evse.clone(), session.revision);
        self.records.push_back(Record::Session { session, boundary });
    }

    /// What each cycle does for sessions: the mix, the ledger, and drafts of what is still running.
    pub(crate) fn session_cycle(&mut self, now: Now) {
        let flow = self.flow(now);
        self.sessions.mix = ledger::mix(&flow);
        let done = self.sessions.ledger.turn(now.wall);
        let is_turned = done.is_some();
        self.records.extend(done.map(Record::Ledger));
        self.sessions.ledger.observe(&flow, now);
        let kept = self.sessions.kept;
        if is_turned || kept.is_none_or(|at| now.monotonic - at >= KEEP_EVERY) {
            self.keep_all(None, now);
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
        self.keep_all(None, now);
    }

    /// Sessions and ledger are written down together, so that they say the same after a crash.
    fn keep_all(&mut self, boundary: Option<&EvseId>, now: Now) {
        self.sessions.kept = Some(now.monotonic);
        let evses: Vec<EvseId> = self.sessions.machines.keys().cloned().collect();
        for evse in evses {
            self.keep_session(&evse, boundary == Some(&evse));
        }
        let draft = self.sessions.ledger.draft();
        self.records.extend(draft.map(Record::Ledger));
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
            kind: last.map(|last| last.authorisation.kind),
            state: match last.map(|last| last.stopped) {
                None => TransactionState::Waiting,
                Some(None) => TransactionState::Running,
                Some(Some(stop)) => TransactionState::Stopped(stop.reason),
            },
            energy: session.energy(),
            origin: session.origin(),
            cost: last.and_then(|last| last.cost),
            estimated: session.transactions.iter().any(|t| t.estimated),
        })
    }
}
