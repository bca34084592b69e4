//! Somebody who has proved who they are.

use model::id::{EvseId, UserId};
use model::user::{Role, User};

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// For the audit log: a user id, `token:<name>`, `goe:<serial>`, …
    pub name: String,
    pub user: Option<UserId>,
    pub grant: Grant,
}

/// What the proof is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// Everything a role may, on all sites.
    Role(Role),
    /// One EVSE by its own token.
    Evse(EvseId),
    /// Reading what a dialect shows to everybody.
    OpenRead,
}

impl Principal {
    pub(crate) fn user(user: &User) -> Self {
        Self {
            name: user.id.to_string(),
            user: Some(user.id.clone()),
            grant: Grant::Role(user.role.unwrap_or(Role::Viewer)),
        }
    }

    pub(crate) fn token(name: &str, role: Role) -> Self {
        Self {
            name: format!("token:{name}"),
            user: None,
            grant: Grant::Role(role),
        }
    }

    pub(crate) fn goe(serial: &str, evse: EvseId) -> Self {
        Self {
            name: format!("goe:{serial}"),
            user: None,
            grant: Grant::Evse(evse),
        }
    }
}
