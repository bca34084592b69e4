//! Sessions of a site: readings to state machines, their effects to records, wishes and reasons.
//!
//! The machines are pure ([`model::session::machine`]); here they get what they need to know (who charges,
//! what it costs, where the energy comes from) and what they say is written down. An EVSE whose car has no
//! running transaction is barred: control gives it nothing and names the cause.

mod budget;
mod directory;
mod drive;
mod prices;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::device::{AuthorisationMode, Evse};
use model::id::{EvseId, VehicleId};
use model::phases::{Phase, Phases};
use model::reason::Cause;
use model::session::machine::{Machine, Place};
use model::session::{LedgerEntry, Mix, Session, SocMark, StopReason};
use model::site::Site;
use model::tariff::PriceBook;
use model::time::{Millis, Monotonic, Now, Timestamp};
use model::units::WattHours;
use model::vehicle::{SocSource, StateOfCharge, Vehicle, VehicleCharge};

use crate::budgets::Held;
use crate::ledger::Ledger;
use crate::record::Books;

pub use directory::Directory;

/// A running session is written down this often, as is what its car says; its boundaries at once.
const KEEP_EVERY: Millis = Millis(60_000);

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
    /// Since when a tariff has had no prices, as far as we have seen; and when that was last looked at.
    unpriced: Option<Monotonic>,
    prices_judged: Option<Monotonic>,
    /// What is over and not yet among the records.
    over: Books,
    mix: Mix,
    ledger: Ledger,
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
    ) -> (Self, Books) {
        let mut machines: BTreeMap<EvseId, Machine> = site
            .evses()
            .map(|(_, evse)| (evse.id.clone(), Machine::new(place(site, epoch, evse))))
            .collect();
        let mut lost = Vec::new();
        // The last plugged in comes last and stays.
        for session in open {
            let Some((_, evse)) = site.evses().find(|(_, evse)| evse.id == session.evse) else {
                lost.push(session.lost(now.wall));
                continue;
            };
            // Where two are open, the first one was over when the second one began.
            let end = session.plugged.min(now.wall);
            let machine = Machine::restored(place(site, epoch, evse), session);
            if let Some(before) = machines.insert(evse.id.clone(), machine) {
                lost.extend(before.session().map(|session| session.clone().lost(end)));
            }
        }
        let closed = Books {
            sessions: lost,
            boundary: true,
            ..Books::default()
        };
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
            unpriced: None,
            prices_judged: None,
            over: Books::default(),
            mix: Mix::default(),
            ledger: Ledger::new(site.id.clone(), ledger),
            kept: None,
        };
        for evse in evses {
            sessions.hold_to_budgets(&evse, &site.time_zone, now.wall);
            sessions.mark_soc(&evse);
        }
        (sessions, closed)
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
    pub(crate) fn soc(&self, session: &Session) -> Option<StateOfCharge> {
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
