//! Users, their cards, and the tokens of programs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do, from least to most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Viewer,
    User,
    Operator,
    Admin,
}

impl From<model::user::Role> for Role {
    fn from(role: model::user::Role) -> Self {
        match role {
            model::user::Role::Viewer => Self::Viewer,
            model::user::Role::User => Self::User,
            model::user::Role::Operator => Self::Operator,
            model::user::Role::Admin => Self::Admin,
        }
    }
}

impl From<Role> for model::user::Role {
    fn from(role: Role) -> Self {
        match role {
            Role::Viewer => Self::Viewer,
            Role::User => Self::User,
            Role::Operator => Self::Operator,
            Role::Admin => Self::Admin,
        }
    }
}
