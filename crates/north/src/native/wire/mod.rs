//! What travels over the native API.
//!
//! These are not the model's types: units stand in the names of members, times are milliseconds since 1970,
//! and the document `openapi.json` is generated from them. Conversions from the model are here and nowhere
//! else; they never fail, because a view is right by construction.

/// An enum of the model with the same names on the wire.
macro_rules! mirror {
    ($(#[$doc:meta])* $name:ident = $theirs:path { $($(#[$variant_doc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl From<$theirs> for $name {
            fn from(value: $theirs) -> Self {
                use $theirs as Theirs;
                match value { $(Theirs::$variant => Self::$variant,)+ }
            }
        }

        impl From<$name> for $theirs {
            fn from(value: $name) -> Self {
                use $theirs as Theirs;
                match value { $($name::$variant => Theirs::$variant,)+ }
            }
        }
    };
}

mod charge;
mod control;
mod device;
mod event;
mod evse;
mod goe;
mod help;
mod history;
mod intent;
pub mod logger;
mod outbox;
pub mod plant;
pub mod reporting;
mod rule;
mod session;
pub mod settings;
pub mod shinemonitor;
mod site;
pub mod solar;
mod storage;
pub mod supervision;
mod tariff;
mod user;
mod vehicle;

pub use charge::{
    AuthorisationKind, AuthorisationMode, AuthorisationRequest, Cost, Origin, Session, SessionList,
    SessionNow, SessionTotals, StopReason, Transaction, TransactionState,
};
pub use control::{ControlChoice, ControlList, ControlNumber, ControlRequest, ControlView};
pub use device::{DeviceList, DeviceView, LinkStateName, LinkView, MeasuredView, MeterRole, Quality};
pub use event::{Backfill, Patch};
pub use evse::{
    ChargeMode, EvseList, EvseView, Force, Phases, PilotState, ReasonView, Wish, of_site as evses_of,
    station_of,
};
pub use goe::{
    GoeAccess, GoeDoorChange, GoeKey, GoeKeyList, GoeMeaning, GoeRange, GoeSource, GoeType, GoeValues,
    GoeView, GoeWrite,
};
pub use help::{HelpList, HelpView};
pub use history::{EnergyAnswer, EnergyRow, EnergySeries, HistoryAnswer, HistorySeries, Period};
pub use intent::{IntentAnswer, IntentRequest};
pub use outbox::{ParcelKind, ParcelList, ParcelStateName, ParcelView, SigningKeyView};
pub use rule::{RuleProblem, RuleProblemList, RuleRun, RuleRunList, RuleSet, RuleSetList};
pub use session::{PageSessionList, PageSessionView, SessionView, SetUp, SignIn, TicketSignIn};
pub use site::{
    AcknowledgedView, Acknowledgement, AlarmCode, AlarmList, AlarmState, AlarmView, CircuitView, CycleView,
    Flow, Overdraft, Severity, SiteList, SiteSummary, SiteView,
};
pub use storage::{BackupView, RetentionSource, RetentionView, StorageView};
pub use tariff::{Band, Contract, Direction, PriceList, PriceSpan, Prices, Tariff, TariffList};
pub use user::{
    AuditItem, AuditList, Budget, BudgetPer, CardBody, CardKind, CardView, NewToken, Notify, PasswordBody,
    Role, Scope, TokenBody, TokenList, TokenView, UserBody, UserList, UserView, Watches,
};
pub use vehicle::{Soc, SocRequest, SocSource, Vehicle, VehicleList};

use std::str::FromStr;

use model::id::IdError;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::native::error::ApiError;

/// Reads an id of any kind; the refusal names the member.
fn id<T: FromStr<Err = IdError>>(place: &str, text: &str) -> Result<T, ApiError> {
    let expected = "1 to 63 characters of a-z, 0-9, - and _, starting with a letter or digit";
    text.parse().map_err(|_| {
        let shown: String = text.chars().take(80).collect();
        ApiError::invalid(place, format!("`{shown}`"), expected)
    })
}

fn optional_id<T: FromStr<Err = IdError>>(place: &str, text: Option<&String>) -> Result<Option<T>, ApiError> {
    text.map(|text| id(place, text)).transpose()
}

/// Where something can be changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// In the config file; here it is read-only.
    File,
    /// Here.
    #[default]
    Store,
}

impl Source {
    #[must_use]
    pub fn of(is_from_file: bool) -> Self {
        if is_from_file { Self::File } else { Self::Store }
    }
}

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
