//! Who may sign in and who charges: ids and roles only, no secrets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::alarm::Severity;
use crate::id::{CardId, SiteId, TariffId, UserId, VehicleId};
use crate::noun::noun;
use crate::oversight::OperatorCode;
use crate::phases::Phases;
use crate::time::Timestamp;
use crate::units::WattHours;

/// What a person or program may do, from least to most.
///
/// | role | may |
/// |---|---|
/// | viewer | see a site |
/// | user | and steer charging, see and export their own sessions |
/// | operator | and see everybody's sessions, acknowledge alarms, edit vehicles, users' cards |
/// | admin | and change settings, users, tokens, tariffs, see the audit log, back up |
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    User,
    Operator,
    Admin,
}

/// Somebody who may sign in, charge, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    pub id: UserId,
    pub name: String,
    /// On every site that `sites` does not name. `None`: nothing there.
    pub role: Option<Role>,
    /// Roles on single sites; they stand above `role`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sites: BTreeMap<SiteId, Role>,
    /// A disabled user can neither sign in nor charge.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Whether others may see the name beside a charging car.
    #[serde(default)]
    pub display: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    /// Charge on so many phases, whatever the car asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// Instead of the tariff of the site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<TariffId>,
    /// Rules as text, kept in order; they have no effect on charging yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
    #[serde(default, skip_serializing_if = "Notify::is_nothing")]
    pub notify: Notify,
    /// `None`: nothing of what operators report. Administrators see all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oversight: Option<UserOversight>,
}

/// Whose stations somebody watches that are no sites of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserOversight {
    /// Those of all operators, for the authority.
    Authority,
    /// Those of one operator, as its own people.
    Operator(OperatorCode),
}

/// What somebody wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Notify {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An http or https address that gets a JSON document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Alarms from this severity on; `None`: no alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms_from: Option<Severity>,
}

/// Energy somebody may charge in a span of time. When it is used up charging stops, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Budget {
    pub energy: WattHours,
    pub per: BudgetPeriod,
}

/// Spans are those of the site's calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPeriod {
    Session,
    Day,
    Week,
    Month,
    Year,
    /// Since the time of `since`, for good.
    Total {
        since: Timestamp,
    },
}

/// How a number is presented.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CardKind {
    Rfid,
    Pin,
}

/// An RFID card or a PIN of a user. The number itself is a secret of the gate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    pub id: CardId,
    pub user: UserId,
    pub kind: CardKind,
    pub name: String,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// Beside the user's own; the tighter one counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phases: Option<Phases>,
    /// Instead of the tariff of the user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tariff: Option<TariffId>,
    /// The car that is charged with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vehicle: Option<VehicleId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<String>,
}

noun!(User, "user");
noun!(Card, "card");

const fn yes() -> bool {
    true
}

impl Notify {
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

impl User {
    /// An enabled user with one role everywhere and nothing else.
    #[must_use]
    pub fn new(id: UserId, name: &str, role: Role) -> Self {
        Self {
            id,
            name: name.to_owned(),
            role: Some(role),
            sites: BTreeMap::new(),
            enabled: true,
            display: false,
            budget: None,
            phases: None,
            tariff: None,
            rules: Vec::new(),
            notify: Notify::default(),
            oversight: None,
        }
    }

    #[must_use]
    pub fn role_on(&self, site: &SiteId) -> Option<Role> {
        self.sites.get(site).copied().or(self.role)
    }
}
