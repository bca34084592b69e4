//! What travels over the native API.
//!
//! These are not the model's types: units stand in the names of members, times are milliseconds since 1970,
//! and the document `openapi.json` is generated from them. Conversions from the model are here and nowhere
//! else; they never fail, because a view is right by construction.

mod device;
mod event;
mod evse;
mod history;
mod intent;
mod session;
mod site;
mod user;

pub use device::{DeviceList, DeviceView, LinkStateName, LinkView, MeasuredView, MeterRole, Quality};
pub use event::{Backfill, Patch};
pub use evse::{
    ChargeMode, EvseList, EvseView, Force, GoeView, Phases, PilotState, ReasonView, Wish,
    of_site as evses_of, station_of,
};
pub use history::{HistoryAnswer, HistorySeries};
pub use intent::{IntentAnswer, IntentRequest};
pub use session::{SessionView, SetUp, SignIn, TicketSignIn};
pub use site::{
    AlarmCode, AlarmList, AlarmView, CircuitView, CycleView, Flow, Overdraft, Severity, SiteList,
    SiteSummary, SiteView,
};
pub use user::Role;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One value for each phase of the grid connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PerPhase {
    pub l1: i64,
    pub l2: i64,
    pub l3: i64,
}

impl PerPhase {
    fn of<T>(values: model::phases::PerPhase<T>, number: impl FnMut(T) -> i64) -> Self {
        let model::phases::PerPhase { l1, l2, l3 } = values.map(number);
        Self { l1, l2, l3 }
    }
}
