//! Charging sessions: one car from plug-in to plug-out, and what was billed of it.

use model::session as m;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::PerPhase;

mirror!(
    /// `none`: plug and go. `card`: current only after a card, a PIN or the app.
    AuthorisationMode = model::device::AuthorisationMode { None, Card }
);
mirror!(
    /// How the right to charge was shown.
    AuthorisationKind = m::AuthorisationKind { Rfid, Pin, App, PlugAndGo }
);
mirror!(
    /// Why a transaction ended. `asked`: the same card again, or the page; `withdrawn`: user or card were
    /// disabled; `replaced`: another user was authorised; `lost`: the car had gone when we came back.
    StopReason = m::StopReason { Unplugged, Asked, BudgetUsedUp, Withdrawn, Replaced, Lost }
);

/// Where energy came from. The parts add up to the energy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Origin {
    pub sun_wh: i64,
    pub battery_wh: i64,
    pub grid_wh: i64,
}

/// Money in millionths of the currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cost {
    pub amount_micros: i64,
    /// ISO 4217.
    pub currency: String,
}

/// The session of the car that is plugged in now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionNow {
    pub id: String,
    pub since_ms: i64,
    #[schema(required = true)]
    pub vehicle: Option<String>,
    /// How full the car is by now, if that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub soc: Option<super::Soc>,
    /// Name of who charges, if they want it shown.
    #[schema(required = true)]
    pub user: Option<String>,
    /// Null while nobody has been authorised.
    #[schema(required = true)]
    pub kind: Option<AuthorisationKind>,
    pub state: TransactionState,
    /// Null unless the transaction was stopped.
    #[schema(required = true)]
    pub stop_reason: Option<StopReason>,
    pub energy_wh: i64,
    pub origin: Origin,
    #[schema(required = true)]
    pub cost: Option<Cost>,
    /// Costs in other currencies, when a contract in another one came into force meanwhile.
    #[serde(default)]
    pub other_costs: Vec<Cost>,
    /// Energy for which no tariff had a price: it is in no cost.
    #[serde(default)]
    pub unpriced_wh: i64,
    /// Whether a part of the energy was estimated from current and voltage.
    pub estimated: bool,
}

/// `waiting`: nobody has been authorised yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionState {
    Waiting,
    Running,
    Stopped,
}

impl From<m::Origin> for Origin {
    fn from(origin: m::Origin) -> Self {
        Self {
            sun_wh: origin.sun.0,
            battery_wh: origin.battery.0,
            grid_wh: origin.grid.0,
        }
    }
}

impl From<m::Cost> for Cost {
    fn from(cost: m::Cost) -> Self {
        Self {
            amount_micros: cost.amount.0,
            currency: cost.currency.to_string(),
        }
    }
}

impl From<&model::view::SessionView> for SessionNow {
    fn from(session: &model::view::SessionView) -> Self {
        use model::view::TransactionState as State;
        let (state, stop_reason) = match session.state {
            State::Waiting => (TransactionState::Waiting, None),
            State::Running => (TransactionState::Running, None),
            State::Stopped(reason) => (TransactionState::Stopped, Some(reason.into())),
        };
        Self {
            id: session.id.to_string(),
            since_ms: session.since.0,
            vehicle: session.vehicle.as_ref().map(ToString::to_string),
            soc: session.soc.map(Into::into),
            user: session.user.clone(),
            kind: session.kind.map(Into::into),
            state,
            stop_reason,
            energy_wh: session.energy.0,
            origin: session.origin.into(),
            cost: session.cost.map(Into::into),
            other_costs: session.other_costs.iter().copied().map(Into::into).collect(),
            unpriced_wh: session.unpriced.0,
            estimated: session.estimated,
        }
    }
}

/// One stay of one car, from plug-in to plug-out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    pub id: String,
    pub evse: String,
    pub plugged_ms: i64,
    /// Absent while the car is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub unplugged_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub vehicle: Option<String>,
    pub energy_wh: i64,
    /// One per currency; empty where no tariff was in force.
    pub costs: Vec<Cost>,
    /// Energy for which no tariff had a price: it is in no cost.
    #[serde(default)]
    pub unpriced_wh: i64,
    pub origin: Origin,
    pub transactions: Vec<Transaction>,
}

/// What is billed: from authorisation to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Transaction {
    /// 1 for the first of the session.
    pub number: u32,
    pub kind: AuthorisationKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub card: Option<String>,
    pub started_ms: i64,
    /// Absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stopped_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub stop_reason: Option<StopReason>,
    /// Lifetime counter; absent where the EVSE has no meter.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub meter_start_wh: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub meter_stop_wh: Option<i64>,
    pub energy_wh: i64,
    /// By grid phase; the parts add up to the energy.
    pub per_phase_wh: PerPhase,
    /// While one phase carried current.
    pub one_phase_wh: i64,
    /// While two or three did.
    pub three_phase_wh: i64,
    pub origin: Origin,
    /// Time with current flowing.
    pub charging_ms: i64,
    pub peak_w: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub cost: Option<Cost>,
    /// Costs in other currencies, when a contract in another one came into force meanwhile.
    #[serde(default)]
    pub other_costs: Vec<Cost>,
    /// Energy for which no tariff had a price: it is in no cost.
    #[serde(default)]
    pub unpriced_wh: i64,
    /// Whether a part of the energy was estimated from current and voltage.
    pub estimated: bool,
}

/// Sessions, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionList {
    pub items: Vec<Session>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
    /// Of all sessions that fit, not of this page alone; on the first page only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub totals: Option<SessionTotals>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionTotals {
    pub count: u64,
    pub energy_wh: i64,
    pub charging_ms: i64,
    pub origin: Origin,
    pub costs: Vec<Cost>,
    /// Energy for which no tariff had a price: it is in no cost.
    #[serde(default)]
    pub unpriced_wh: i64,
}

/// Shows the right to charge.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum AuthorisationRequest {
    /// By being signed in.
    App {},
    Rfid {
        number: String,
    },
    Pin {
        number: String,
    },
}

impl From<&m::Session> for Session {
    fn from(session: &m::Session) -> Self {
        let transactions = &session.transactions;
        Self {
            id: session.id.to_string(),
            evse: session.evse.to_string(),
            plugged_ms: session.plugged.0,
            unplugged_ms: session.unplugged.map(|at| at.0),
            vehicle: session.vehicle.as_ref().map(ToString::to_string),
            energy_wh: session.energy().0,
            costs: session.costs().into_iter().map(Into::into).collect(),
            unpriced_wh: session.unpriced().0,
            origin: session.origin().into(),
            transactions: transactions.iter().map(Into::into).collect(),
        }
    }
}

impl From<&m::Transaction> for Transaction {
    fn from(transaction: &m::Transaction) -> Self {
        Self {
            number: transaction.number,
            kind: transaction.authorisation.kind.into(),
            user: transaction.authorisation.user.as_ref().map(ToString::to_string),
            card: transaction.authorisation.card.as_ref().map(ToString::to_string),
            started_ms: transaction.started.0,
            stopped_ms: transaction.stopped.map(|stop| stop.at.0),
            stop_reason: transaction.stopped.map(|stop| stop.reason.into()),
            meter_start_wh: transaction.meter_start.map(|counter| counter.0),
            meter_stop_wh: transaction.meter_stop.map(|counter| counter.0),
            energy_wh: transaction.energy.0,
            per_phase_wh: PerPhase::of(transaction.per_phase, |energy| energy.0),
            one_phase_wh: transaction.one_phase.0,
            three_phase_wh: transaction.three_phase.0,
            origin: transaction.origin.into(),
            charging_ms: transaction.charging.0,
            peak_w: transaction.peak.0,
            cost: transaction.cost.map(Into::into),
            other_costs: transaction.other_costs.iter().copied().map(Into::into).collect(),
            unpriced_wh: transaction.unpriced().0,
            estimated: transaction.estimated,
        }
    }
}

impl From<store::SessionTotals> for SessionTotals {
    fn from(totals: store::SessionTotals) -> Self {
        Self {
            count: totals.count,
            energy_wh: totals.energy.0,
            charging_ms: totals.charging.0,
            origin: totals.origin.into(),
            costs: totals.costs.into_iter().map(Into::into).collect(),
            unpriced_wh: totals.unpriced.0,
        }
    }
}
