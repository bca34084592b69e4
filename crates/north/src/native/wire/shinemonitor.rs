//! Accounts of ShineMonitor clients.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Role;
use super::user::{roles_read, roles_shown, yes};
use crate::native::error::ApiError;
use crate::shinemonitor::accounts;

mirror!(
    /// What an account is to clients.
    ShinemonitorKind = dialects::shinemonitor::scene::Role {
        Owner,
        Dealer,
        Vendor,
        Browser
    }
);

/// Accounts, in order of their numbers.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShinemonitorAccountList {
    pub items: Vec<ShinemonitorAccount>,
}

/// Somebody who signs in with a ShineMonitor client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShinemonitorAccount {
    /// Given away once.
    pub number: u32,
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub email: Option<String>,
    pub kind: ShinemonitorKind,
    /// On every site that `sites` does not name; absent: nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<Role>,
    /// Roles on single sites, by site id; they stand above `role`.
    pub sites: BTreeMap<String, Role>,
    pub enabled: bool,
    pub created_ms: i64,
    /// To the hour.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_login_ms: Option<i64>,
}

impl From<&gate::Account> for ShinemonitorAccount {
    fn from(kept: &gate::Account) -> Self {
        Self {
            number: kept.number,
            name: kept.name.clone(),
            email: kept.email.clone(),
            kind: accounts::role_of(kept).into(),
            role: kept.role.map(Into::into),
            sites: roles_shown(&kept.sites),
            enabled: kept.enabled,
            created_ms: kept.created.0,
            last_login_ms: kept.last_login.map(|login| login.at.0),
        }
    }
}

/// What is said of an account; it takes the place of what was said before.
// No `Debug`: it holds a password.
#[derive(Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShinemonitorAccountBody {
    pub name: String,
    #[serde(default)]
    pub email: Option<String>,
    pub kind: ShinemonitorKind,
    #[serde(default)]
    pub role: Option<Role>,
    #[serde(default)]
    pub sites: Option<BTreeMap<String, Role>>,
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Needed for a new account; a new one ends its sessions.
    #[serde(default)]
    pub password: Option<String>,
}

impl ShinemonitorAccountBody {
    /// What is known of the account, with what is said of it.
    ///
    /// # Errors
    /// When the id of a site is none.
    pub fn over(self, known: gate::Account) -> Result<gate::Account, ApiError> {
        let account = gate::Account {
            name: self.name,
            email: self.email,
            role: self.role.map(Into::into),
            sites: roles_read(self.sites)?,
            enabled: self.enabled,
            ..known
        };
        Ok(accounts::with_role(account, self.kind.into()))
    }
}

/// A number of a data logger whose owner may make an account.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShinemonitorCodeBody {
    pub pn: String,
    /// The site that will be theirs.
    pub site: String,
}

/// A one-time code; it is told this once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShinemonitorCode {
    pub code: String,
    pub expires_ms: i64,
}
