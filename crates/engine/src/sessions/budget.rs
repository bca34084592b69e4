//! Budgets of whoever charges: what they have left, and the end when there is nothing.

use model::id::EvseId;
use model::reason::Cause;
use model::session::machine::{Input, Machine};
use model::session::{Session, StopReason};
use model::time::{Now, Timestamp};
use model::units::WattHours;

use super::Sessions;
use crate::budgets::{self, BudgetAsk, Held, Owner, Spent};
use crate::core::Core;

impl Sessions {
    /// The budgets of whoever charges now, as far as they are not known already.
    pub(super) fn hold_to_budgets(&mut self, evse: &EvseId, time_zone: &str, now: Timestamp) {
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

    /// The budget of whoever charges that has the least left, and what was used of it.
    pub(crate) fn budget(&self, evse: &EvseId) -> Option<(WattHours, WattHours)> {
        let session = self.session(evse)?;
        let held = self.budgets.get(evse)?.iter();
        let known = held.filter_map(|held| Some((held.budget.energy, held.used(session)?)));
        known.min_by_key(|(budget, used)| *budget - *used)
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
}

impl Core {
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

    /// Stops whoever has used up a budget.
    pub(super) fn stop_exhausted(&mut self, evse: &EvseId, now: Now) {
        if let Some(cause) = self.sessions.exhausted(evse) {
            self.session_input(evse, Input::Stop(StopReason::BudgetUsedUp), now);
            self.sessions.used_up.insert(evse.clone(), cause);
        }
    }
}
