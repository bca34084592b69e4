//! Who may.
//!
//! Callers prove who they are in different ways; each proof ends in one [`Principal`], and one function
//! answers [`may`]. Nobody else sees secrets, aliases or the audit log.

use model::id::{SiteId, UserId};
use model::user::Role;

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
    Evse(model::id::EvseId),
    /// Reading what a dialect shows to everybody.
    OpenRead,
}

/// What is asked of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    /// Change mode and current of an EVSE.
    Steer,
    /// Change settings, users, tokens.
    Administer,
}

/// What it is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Installation,
    Site(&'a SiteId),
    Evse(&'a SiteId, &'a model::id::EvseId),
}

/// Whether a principal may do something.
#[must_use]
pub fn may(principal: &Principal, action: &Action, subject: &Subject<'_>) -> bool {
    match &principal.grant {
        Grant::Role(role) => match action {
            Action::Read => true,
            Action::Steer => *role >= Role::User,
            Action::Administer => *role >= Role::Admin,
        },
        Grant::Evse(own) => match (action, subject) {
            (Action::Read | Action::Steer, Subject::Evse(_, evse)) => *evse == own,
            _ => false,
        },
        Grant::OpenRead => matches!(action, Action::Read),
    }
}
