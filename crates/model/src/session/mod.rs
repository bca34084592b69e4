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
    pub cost: Option<Cost>,
    /// Whether any part of `energy` was estimated from current and voltage.
    pub estimated: bool,
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
    /// By which the grid part was priced.
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
        let mut sums: Vec<Cost> = Vec::new();
        for cost in self.transactions.iter().filter_map(|t| t.cost) {
            match sums.iter_mut().find(|sum| sum.currency == cost.currency) {
                Some(sum) => sum.amount += cost.amount,
                None => sums.push(cost),
            }
        }
        sums
    }

    /// Of all its transactions.
    #[must_use]
    pub fn energy(&self) -> WattHours {
        self.transactions.iter().map(|t| t.energy).sum()
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
