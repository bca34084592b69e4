//! Signing in and out.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Role, Watches};

/// Who the caller is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    pub signed_in: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub user: Option<String>,
    /// On every site that `sites` does not name; absent: nothing there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<Role>,
    /// Roles on single sites, by site id; they stand above `role`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sites: BTreeMap<String, Role>,
    /// Whose stations are seen that report to us; administrators see all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub oversight: Option<Watches>,
    /// Nobody can sign in yet: the page asks for the set-up link. Only when not signed in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub setup_needed: Option<bool>,
}

/// Where somebody is signed in, the place last used first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct PageSessionList {
    pub items: Vec<PageSessionView>,
}

/// One browser that is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PageSessionView {
    /// To the day.
    pub last_used_ms: i64,
    pub expires_ms: i64,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

impl From<gate::PageSession> for PageSessionView {
    fn from(session: gate::PageSession) -> Self {
        Self {
            last_used_ms: session.last_used.0,
            expires_ms: session.expires.0,
            is_current: session.is_current,
        }
    }
}

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    pub user: String,
    pub password: String,
}

/// A one-time sign-in ticket, as printed with the link at the start.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TicketSignIn {
    pub ticket: String,
}

/// The one-time set-up ticket and the password of the first admin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetUp {
    pub ticket: String,
    pub password: String,
}
