//! Plug-in to plug-out, and the billed part of it.

pub mod machine;
mod meter;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::id::{CardId, EvseId, SessionId, SiteId, TariffId, UserId, VehicleId};
use crate::money::{Currency, Micros, PerKwh};
use crate::phases::PerPhase;
use crate::time::{Millis, Timestamp};
use crate::units::{MilliAmps, MilliVolts, PerMille, WattHours, Watts};
use crate::vehicle::StateOfCharge;

/// One stay of one car, from plug-in to plug-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    pub id: SessionId,
    pub site: SiteId,
    pub evse: EvseId,
    pub plugged: Timestamp,
    /// `None` while the car is there.
    pub unplugged: Option<Timestamp>,
    pub vehicle: Option<VehicleId>,
    /// In order of time; none while nobody has been authorised. The last one may be running.
    pub transactions: Vec<Transaction>,
    /// The charger's own counter since plug-in, as last heard: when it has fallen, another car is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charger_energy: Option<WattHours>,
    /// What was last told of how full the car is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soc: Option<SocMark>,
    /// Grows with every change, so that a late copy never overwrites a newer one.
    pub revision: u64,
}

/// A state of charge, and what the session had taken when it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SocMark {
    pub known: StateOfCharge,
    pub energy: WattHours,
}

/// What is billed: from authorisation to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transaction {
    /// 1 for the first of the session.
    pub number: u32,
    pub authorisation: Authorisation,
    pub started: Timestamp,
    pub stopped: Option<Stop>,
    /// Lifetime counter at the start; `None`: the EVSE has no meter.
    pub meter_start: Option<WattHours>,
    /// The counter as last read.
    pub meter_stop: Option<WattHours>,
    /// Never negative, never smaller than before.
    pub energy: WattHours,
    pub per_phase: PerPhase<WattHours>,
    /// While one phase carried current.
    pub one_phase: WattHours,
    /// While two or three did.
    pub three_phase: WattHours,
    pub origin: Origin,
    /// Time with current flowing.
    pub charging: Millis,
    pub peak: Watts,
    /// In the currency of its first price; `None`: nothing of it was priced.
    pub cost: Option<Cost>,
    /// What was priced in other currencies, because a contract in another one came into force; one sum each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_costs: Vec<Cost>,
    /// Energy for which no tariff had a price: it is in no cost. See [`Transaction::unpriced`].
    #[serde(default)]
    pub unpriced: WattHours,
    #[serde(default, skip_serializing_if = "Ahead::is_nothing")]
    pub ahead: Ahead,
    /// Whether any part of `energy` was estimated from current and voltage.
    pub estimated: bool,
}

/// Energy that was counted while a counter was silent, beyond what it had said: it says it once more when it is
/// back, also after a restart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ahead {
    /// Of the lifetime counter.
    pub counter: WattHours,
    /// Of the charger's own counter since plug-in.
    pub charger: WattHours,
}

/// Who may charge, and how that was proved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authorisation {
    pub kind: AuthorisationKind,
    pub user: Option<UserId>,
    pub card: Option<CardId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthorisationKind {
    Rfid,
    Pin,
    /// In the page, an app or another program.
    App,
    /// The EVSE asks nobody.
    PlugAndGo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    pub at: Timestamp,
    pub reason: StopReason,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StopReason {
    Unplugged,
    /// The same card again, or the page.
    Asked,
    BudgetUsedUp,
    /// The authorisation was withdrawn: user or card disabled or deleted.
    Withdrawn,
    /// Another user was authorised.
    Replaced,
    /// The car had gone when we came back.
    Lost,
}

/// Where energy came from; the parts add up to the energy of the transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub sun: WattHours,
    pub battery: WattHours,
    pub grid: WattHours,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    pub amount: Micros,
    pub currency: Currency,
}

/// One quarter-hour of the ledger of a site: where energy came from and where it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub site: SiteId,
    /// Aligned to UTC quarter-hours.
    pub start: Timestamp,
    /// Every session that charged in it.
    pub shares: Vec<LedgerShare>,
    pub imported: WattHours,
    pub exported: WattHours,
    pub produced: WattHours,
    pub battery_in: WattHours,
    pub battery_out: WattHours,
    pub house: WattHours,
}

/// What one transaction took in a quarter-hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerShare {
    pub session: SessionId,
    pub transaction: u32,
    pub origin: Origin,
    /// By which all of it was priced, wherever it came from.
    pub tariff: Option<TariffId>,
    pub cost: Option<Cost>,
}

impl Session {
    /// The transaction that is running.
    #[must_use]
    pub fn running(&self) -> Option<&Transaction> {
        self.transactions.last().filter(|t| t.stopped.is_none())
    }

    /// Closed because nobody can say any more when the car left.
    #[must_use]
    pub fn lost(mut self, now: Timestamp) -> Self {
        let mut end = now.max(self.plugged);
        for transaction in &mut self.transactions {
            end = end.max(transaction.started);
            let stop = transaction.stopped.get_or_insert(Stop {
                at: end,
                reason: StopReason::Lost,
            });
            end = end.max(stop.at);
        }
        self.unplugged = Some(end);
        self.revision += 1;
        self
    }

    /// Of all its transactions.
    #[must_use]
    pub fn origin(&self) -> Origin {
        self.transactions
            .iter()
            .fold(Origin::default(), |sum, t| sum + t.origin)
    }

    /// Of all its transactions, one sum per currency.
    #[must_use]
    pub fn costs(&self) -> Vec<Cost> {
        let mut sums = Vec::new();
        for cost in self.transactions.iter().flat_map(Transaction::costs) {
            Cost::add_to(&mut sums, cost);
        }
        sums
    }

    /// Energy of all its transactions that is in no cost.
    #[must_use]
    pub fn unpriced(&self) -> WattHours {
        self.transactions.iter().map(Transaction::unpriced).sum()
    }

    /// Of all its transactions.
    #[must_use]
    pub fn energy(&self) -> WattHours {
        self.transactions.iter().map(|t| t.energy).sum()
    }
}

impl Ahead {
    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl Transaction {
    /// What it cost, one sum per currency.
    pub fn costs(&self) -> impl Iterator<Item = Cost> {
        self.cost.into_iter().chain(self.other_costs.iter().copied())
    }

    /// Energy that is in no cost. A transaction without any cost was not priced at all.
    #[must_use]
    pub fn unpriced(&self) -> WattHours {
        if self.cost.is_none() {
            self.energy
        } else {
            self.unpriced
        }
    }

    /// Adds what a part of its energy cost.
    fn price(&mut self, energy: WattHours, cost: Option<Cost>) {
        match (&mut self.cost, cost) {
            (_, None) => self.unpriced += energy,
            (None, cost) => self.cost = cost,
            (Some(own), Some(cost)) if own.currency == cost.currency => own.amount += cost.amount,
            (Some(_), Some(cost)) => Cost::add_to(&mut self.other_costs, cost),
        }
    }
}

impl Cost {
    /// Adds to the sum of its currency.
    pub fn add_to(sums: &mut Vec<Self>, cost: Self) {
        match sums.iter_mut().find(|sum| sum.currency == cost.currency) {
            Some(sum) => sum.amount += cost.amount,
            None => sums.push(cost),
        }
    }
}

impl LedgerEntry {
    /// This copy of a quarter-hour, with whatever another copy of it knows beyond: a clock that was put back
    /// far, or a copy that comes late, takes nothing away.
    #[must_use]
    pub fn at_least(mut self, other: &Self) -> Self {
        for held in &other.shares {
            match self.shares.iter_mut().find(|share| share.is_of(held)) {
                Some(share) if share.origin.total() < held.origin.total() => share.clone_from(held),
                Some(_) => {}
                None => self.shares.push(held.clone()),
            }
        }
        for (own, held) in [
            (&mut self.imported, other.imported),
            (&mut self.exported, other.exported),
            (&mut self.produced, other.produced),
            (&mut self.battery_in, other.battery_in),
            (&mut self.battery_out, other.battery_out),
            (&mut self.house, other.house),
        ] {
            *own = held.max(*own);
        }
        self
    }
}

impl LedgerShare {
    /// Whether both are the same part of the same transaction: a tariff that changes begins another part.
    #[must_use]
    pub fn is_of(&self, other: &Self) -> bool {
        let currency = |share: &Self| share.cost.map(|cost| cost.currency);
        self.session == other.session
            && self.transaction == other.transaction
            && self.tariff == other.tariff
            && currency(self) == currency(other)
    }
}

impl Origin {
    #[must_use]
    pub fn total(&self) -> WattHours {
        self.sun + self.battery + self.grid
    }
}

impl std::ops::Add for Origin {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            sun: self.sun + other.sun,
            battery: self.battery + other.battery,
            grid: self.grid + other.grid,
        }
    }
}

impl Authorisation {
    /// Whether it is the same card, or without one the same user by the same means.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.card, &other.card) {
            (Some(a), Some(b)) => a == b,
            (None, None) => self.kind == other.kind && self.user == other.user,
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether it was presented at the charging station, where a second time means stop.
    #[must_use]
    pub const fn is_tap(&self) -> bool {
        matches!(self.kind, AuthorisationKind::Rfid | AuthorisationKind::Pin)
    }
}

/// What was measured at an EVSE. The values hold until the next sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// Lifetime counter of the EVSE, or of the station whose only one it is.
    pub counter: Option<WattHours>,
    /// By grid phase.
    pub current: Option<PerPhase<MilliAmps>>,
    /// Between a phase and neutral, measured or nominal.
    pub voltage: MilliVolts,
    pub power: Option<Watts>,
    pub mix: Mix,
    pub price: Option<Price>,
}

/// Where the energy of a moment comes from; the rest is from the grid.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mix {
    pub sun: PerMille,
    pub battery: PerMille,
}

/// What a kWh costs somebody at a moment, VAT included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Price {
    pub tariff: TariffId,
    pub per_kwh: PerKwh,
    pub currency: Currency,
}
