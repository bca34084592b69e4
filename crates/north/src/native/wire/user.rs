//! Users, their cards, the tokens of programs, and the audit log.

use std::collections::BTreeMap;

use model::id::{CardId, SiteId, UserId};
use model::time::Timestamp;
use model::units::WattHours;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Phases, Severity, id, optional_id};
use crate::native::error::ApiError;

mirror!(
    /// What somebody may do, from least to most.
    Role = model::user::Role { Viewer, User, Operator, Admin }
);

pub(super) type SiteRoles = BTreeMap<String, Role>;

pub(super) fn roles_shown(sites: &BTreeMap<SiteId, model::user::Role>) -> SiteRoles {
    sites
        .iter()
        .map(|(site, role)| (site.to_string(), (*role).into()))
        .collect()
}

pub(super) fn roles_read(sites: Option<SiteRoles>) -> Result<BTreeMap<SiteId, model::user::Role>, ApiError> {
    let sites = sites.into_iter().flatten();
    sites
        .map(|(site, role)| Ok((id("sites", &site)?, role.into())))
        .collect()
}

/// A span of the site's calendar, or everything since `since_ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BudgetPer {
    Session,
    Day,
    Week,
    Month,
    Year,
    Total,
}

/// Energy that may be charged in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    pub energy_wh: i64,
    pub per: BudgetPer,
    /// With `total` only; absent: since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<i64>,
}

impl From<model::user::Budget> for Budget {
    fn from(budget: model::user::Budget) -> Self {
        use model::user::BudgetPeriod;
        let (per, since_ms) = match budget.per {
            BudgetPeriod::Session => (BudgetPer::Session, None),
            BudgetPeriod::Day => (BudgetPer::Day, None),
            BudgetPeriod::Week => (BudgetPer::Week, None),
            BudgetPeriod::Month => (BudgetPer::Month, None),
            BudgetPeriod::Year => (BudgetPer::Year, None),
            BudgetPeriod::Total { since } => (BudgetPer::Total, Some(since.0)),
        };
        Self {
            energy_wh: budget.energy.0,
            per,
            since_ms,
        }
    }
}

impl From<Budget> for model::user::Budget {
    fn from(budget: Budget) -> Self {
        use model::user::BudgetPeriod;
        let per = match budget.per {
            BudgetPer::Session => BudgetPeriod::Session,
            BudgetPer::Day => BudgetPeriod::Day,
            BudgetPer::Week => BudgetPeriod::Week,
            BudgetPer::Month => BudgetPeriod::Month,
            BudgetPer::Year => BudgetPeriod::Year,
            BudgetPer::Total => BudgetPeriod::Total {
                since: Timestamp(budget.since_ms.unwrap_or(0)),
            },
        };
        Self {
            energy: WattHours(budget.energy_wh),
            per,
        }
    }
}

/// What somebody wants to hear of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// An http or https address that gets a JSON document.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<String>,
    /// Alarms from this severity on; absent: no alarms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alarms_from: Option<Severity>,
}

impl From<&model::user::Notify> for Notify {
    fn from(notify: &model::user::Notify) -> Self {
        Self {
            email: notify.email.clone(),
            webhook: notify.webhook.clone(),
            alarms_from: notify.alarms_from.map(Into::into),
        }
    }
}

impl From<Notify> for model::user::Notify {
    fn from(notify: Notify) -> Self {
        Self {
            email: notify.email,
            webhook: notify.webhook,
            alarms_from: notify.alarms_from.map(Into::into),
        }
    }
}

/// Whose stations somebody watches that are no sites of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Watches {
    /// Those of all operators, for the authority; false with `operator`.
    #[serde(default)]
    pub all: bool,
    /// Those of this operator alone, as its own people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub operator: Option<String>,
}

impl From<&model::user::UserOversight> for Watches {
    fn from(oversight: &model::user::UserOversight) -> Self {
        use model::user::UserOversight;
        match oversight {
            UserOversight::Authority => Self {
                all: true,
                operator: None,
            },
            UserOversight::Operator(code) => Self {
                all: false,
                operator: Some(code.to_string()),
            },
        }
    }
}

impl Watches {
    fn read(self) -> Result<Option<model::user::UserOversight>, ApiError> {
        use model::user::UserOversight;
        match (self.all, self.operator) {
            (true, None) => Ok(Some(UserOversight::Authority)),
            (false, None) => Ok(None),
            (false, Some(code)) => {
                let code = code.parse().map_err(|error: model::oversight::CodeError| {
                    ApiError::invalid(
                        "oversight.operator",
                        format!("`{}`", error.text),
                        "the id of an operator",
                    )
                })?;
                Ok(Some(UserOversight::Operator(code)))
            }
            (true, Some(_)) => Err(ApiError::invalid(
                "oversight",
                "both all and operator",
                "one of the two",
            )),
        }
    }
}

/// Users, in order of their ids.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct UserList {
    pub items: Vec<UserView>,
    /// The `cursor` of the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// Somebody who may sign in, charge, or both.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    pub id: String,
    pub name: String,
    /// On every site that `sites` does not name; absent: nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<Role>,
    /// Roles on single sites, by site id; they stand above `role`.
    pub sites: BTreeMap<String, Role>,
    /// A disabled user can neither sign in nor charge.
    pub enabled: bool,
    /// Whether others may see the name beside a charging car.
    pub display: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub budget: Option<Budget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phases: Option<Phases>,
    /// Instead of the tariff of the site.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tariff: Option<String>,
    /// Kept in order; without effect on charging yet.
    pub rules: Vec<String>,
    pub notify: Notify,
    /// Absent: nothing of what operators report, but to administrators.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub oversight: Option<Watches>,
    pub has_password: bool,
    pub cards: Vec<CardView>,
}

impl UserView {
    #[must_use]
    pub fn of(user: &model::user::User, has_password: bool, cards: &[gate::KnownCard]) -> Self {
        Self {
            id: user.id.to_string(),
            name: user.name.clone(),
            role: user.role.map(Into::into),
            sites: roles_shown(&user.sites),
            enabled: user.enabled,
            display: user.display,
            budget: user.budget.map(Into::into),
            phases: user.phases.map(Into::into),
            tariff: user.tariff.as_ref().map(ToString::to_string),
            rules: user.rules.clone(),
            notify: (&user.notify).into(),
            oversight: user.oversight.as_ref().map(Into::into),
            has_password,
            cards: cards.iter().map(Into::into).collect(),
        }
    }
}

/// What is said of a user; it takes the place of everything said before.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserBody {
    /// Needed for a new user; otherwise the one of the path.
    #[serde(default)]
    pub id: Option<String>,
    pub name: String,
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub sites: Option<BTreeMap<String, Role>>,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub display: bool,
    #[serde(default)]
    pub budget: Option<Budget>,
    #[serde(default)]
    pub phases: Option<Phases>,
    #[serde(default)]
    pub tariff: Option<String>,
    #[serde(default)]
    pub rules: Option<Vec<String>>,
    #[serde(default)]
    pub notify: Option<Notify>,
    #[serde(default)]
    pub oversight: Option<Watches>,
}

pub(super) const fn yes() -> bool {
    true
}

impl UserBody {
    /// As a user of the model; `path` is the id of a known one.
    ///
    /// # Errors
    /// When an id is none, or another than that of the path.
    pub fn read(self, path: Option<&UserId>) -> Result<model::user::User, ApiError> {
        let given = optional_id("id", self.id.as_ref())?;
        let id = match (path, given) {
            (Some(path), Some(given)) if given != *path => {
                return Err(ApiError::invalid(
                    "id",
                    format!("`{given}`"),
                    format!("`{path}`, as in the path"),
                ));
            }
            (Some(path), _) => path.clone(),
            (None, Some(given)) => given,
            (None, None) => return Err(ApiError::invalid("id", "absent", "the id of the new user")),
        };
        Ok(model::user::User {
            id,
            name: self.name,
            role: self.role.map(Into::into),
            sites: roles_read(self.sites)?,
            enabled: self.enabled,
            display: self.display,
            budget: self.budget.map(Into::into),
            phases: self.phases.map(Into::into),
            tariff: optional_id("tariff", self.tariff.as_ref())?,
            rules: self.rules.unwrap_or_default(),
            notify: self.notify.unwrap_or_default().into(),
            oversight: self.oversight.map(Watches::read).transpose()?.flatten(),
        })
    }
}

/// A new password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordBody {
    pub password: String,
    /// The one in use; needed for oneself.
    #[serde(default)]
    pub current: Option<String>,
}

mirror!(
    /// How a number is presented.
    CardKind = model::user::CardKind { Rfid, Pin }
);

/// An RFID card or a PIN, without its number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct CardView {
    pub id: String,
    pub kind: CardKind,
    pub name: String,
    /// The end of an RFID number, as in `…4711`; none of a PIN.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub number_hint: Option<String>,
    pub enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub valid_until_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub budget: Option<Budget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub phases: Option<Phases>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub tariff: Option<String>,
    /// The car that is charged with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub vehicle: Option<String>,
    pub rules: Vec<String>,
}

impl From<&gate::KnownCard> for CardView {
    fn from(known: &gate::KnownCard) -> Self {
        let card = &known.card;
        Self {
            id: card.id.to_string(),
            kind: card.kind.into(),
            name: card.name.clone(),
            number_hint: known.hint.as_ref().map(|hint| format!("…{hint}")),
            enabled: card.enabled,
            valid_until_ms: card.valid_until.map(|end| end.0),
            budget: card.budget.map(Into::into),
            phases: card.phases.map(Into::into),
            tariff: card.tariff.as_ref().map(ToString::to_string),
            vehicle: card.vehicle.as_ref().map(ToString::to_string),
            rules: card.rules.clone(),
        }
    }
}

/// What is said of a card; it takes the place of everything said before, but for a number that is left out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CardBody {
    pub kind: CardKind,
    pub name: String,
    /// 6 to 40 hexadecimal digits of an RFID card, 4 to 12 digits of a PIN; needed for a new card. Case,
    /// spaces, colons, dots and hyphens do not matter.
    #[serde(default)]
    pub number: Option<String>,
    #[serde(default = "yes")]
    pub enabled: bool,
    #[serde(default)]
    pub valid_until_ms: Option<i64>,
    #[serde(default)]
    pub budget: Option<Budget>,
    #[serde(default)]
    pub phases: Option<Phases>,
    #[serde(default)]
    pub tariff: Option<String>,
    #[serde(default)]
    pub vehicle: Option<String>,
    #[serde(default)]
    pub rules: Option<Vec<String>>,
}

impl CardBody {
    /// As a card of the model, and its number.
    ///
    /// # Errors
    /// When an id is none.
    pub fn read(self, id: CardId, user: UserId) -> Result<(model::user::Card, Option<String>), ApiError> {
        let card = model::user::Card {
            id,
            user,
            kind: self.kind.into(),
            name: self.name,
            enabled: self.enabled,
            valid_until: self.valid_until_ms.map(Timestamp),
            budget: self.budget.map(Into::into),
            phases: self.phases.map(Into::into),
            tariff: optional_id("tariff", self.tariff.as_ref())?,
            vehicle: optional_id("vehicle", self.vehicle.as_ref())?,
            rules: self.rules.unwrap_or_default(),
        };
        Ok((card, self.number))
    }
}

mirror!(
    /// A group of actions a token is good for.
    Scope = gate::Scope { Read, Steer, Administer }
);

/// Tokens, in order of their names.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct TokenList {
    pub items: Vec<TokenView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// What a token is good for, without the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TokenView {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<Role>,
    pub sites: BTreeMap<String, Role>,
    pub scopes: Vec<Scope>,
    /// The user who made it; it never does more than they may.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub created_ms: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub expires_ms: Option<i64>,
    /// To the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_used_ms: Option<i64>,
}

impl From<&gate::Token> for TokenView {
    fn from(token: &gate::Token) -> Self {
        Self {
            name: token.name.clone(),
            role: token.role.map(Into::into),
            sites: roles_shown(&token.sites),
            scopes: token.scopes.iter().map(|scope| (*scope).into()).collect(),
            by: token.by.as_ref().map(ToString::to_string),
            created_ms: token.created.map(|at| at.0),
            expires_ms: token.expires.map(|at| at.0),
            last_used_ms: token.last_used.map(|at| at.0),
        }
    }
}

/// A token to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenBody {
    pub name: String,
    /// On every site that `sites` does not name.
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub sites: Option<BTreeMap<String, Role>>,
    pub scopes: Vec<Scope>,
    /// Absent: it does not end.
    #[serde(default)]
    pub expires_ms: Option<i64>,
}

impl TokenBody {
    /// As the gate knows it.
    ///
    /// # Errors
    /// When a site id is none.
    pub fn read(self) -> Result<gate::Token, ApiError> {
        Ok(gate::Token {
            name: self.name,
            role: self.role.map(Into::into),
            sites: roles_read(self.sites)?,
            scopes: self.scopes.into_iter().map(Into::into).collect(),
            by: None,
            created: None,
            expires: self.expires_ms.map(Timestamp),
            last_used: None,
        })
    }
}

/// A token just made; it is told this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct NewToken {
    pub token: String,
}

/// Entries of the audit log, the newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct AuditList {
    pub items: Vec<AuditItem>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// Who did what, by which door, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AuditItem {
    pub at_ms: i64,
    /// A user id, `token:<name>`, `goe:<serial>`, `console`.
    pub principal: String,
    pub door: String,
    pub action: String,
    pub outcome: String,
}

impl From<store::AuditEntry> for AuditItem {
    fn from(entry: store::AuditEntry) -> Self {
        Self {
            at_ms: entry.at.0,
            principal: entry.principal,
            door: entry.door,
            action: entry.action,
            outcome: entry.outcome,
        }
    }
}
