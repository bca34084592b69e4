//! What is owed to the outside, as an administrator sees it.

use model::outbox::{Content, Parcel, ParcelState};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The newest first.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct ParcelList {
    pub items: Vec<ParcelView>,
    /// Cursor of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub next: Option<String>,
}

/// A webhook or an e-mail, without what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ParcelView {
    pub id: String,
    pub kind: ParcelKind,
    /// The host of a webhook (its path may be a secret), or the mailbox.
    pub target: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub subject: Option<String>,
    /// For whom, or on whose behalf.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub author: Option<String>,
    pub state: ParcelStateName,
    pub created_ms: i64,
    pub attempts: u32,
    /// The next attempt while it waits; else when it was given up or delivered.
    pub at_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_error: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParcelKind {
    Webhook,
    Email,
    /// To an operator that is watched over.
    Notice,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ParcelStateName {
    Waiting,
    /// Given up; somebody may send it again.
    Dead,
    Delivered,
}

impl ParcelStateName {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Dead => "dead",
            Self::Delivered => "delivered",
        }
    }
}

/// With what webhooks are signed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct SigningKeyView {
    pub key: String,
}

impl From<&Parcel> for ParcelView {
    fn from(parcel: &Parcel) -> Self {
        let (kind, target, subject) = match &parcel.content {
            Content::Webhook { url, .. } => (ParcelKind::Webhook, host_of(url), None),
            Content::Email { to, subject, .. } => (ParcelKind::Email, to.clone(), Some(subject.clone())),
            Content::Notice { operator, .. } | Content::PastSample { operator, .. } => {
                (ParcelKind::Notice, operator.to_string(), None)
            }
        };
        let (state, at) = match parcel.state {
            ParcelState::Waiting { next_attempt } => (ParcelStateName::Waiting, next_attempt),
            ParcelState::Dead { since } => (ParcelStateName::Dead, since),
            ParcelState::Delivered { at } => (ParcelStateName::Delivered, at),
        };
        Self {
            id: parcel.id.to_string(),
            kind,
            target,
            subject,
            author: parcel.author.as_ref().map(ToString::to_string),
            state,
            created_ms: parcel.created.0,
            attempts: parcel.attempts,
            at_ms: at.0,
            last_error: parcel.last_error.clone(),
        }
    }
}

fn host_of(url: &str) -> String {
    let after = url.split_once("://").map_or(url, |(_, rest)| rest);
    let host = after.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    // Whatever stands before an @ is no host.
    host.rsplit('@').next().unwrap_or_default().to_owned()
}
