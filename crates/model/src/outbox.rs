//! What is owed to the outside: webhooks, e-mails, callbacks, uploads.

use serde::{Deserialize, Serialize};

use crate::id::{ParcelId, UserId};
use crate::oversight::{Code, Failed, OperatorCode, Warning};
use crate::time::Timestamp;

/// Something to be brought to somebody, as often as it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parcel {
    pub id: ParcelId,
    /// Parcels of one target leave in order; a target is an address or a mailbox.
    pub target: String,
    pub content: Content,
    /// With whose rights it is sent; `None`: the installation's.
    pub author: Option<UserId>,
    pub created: Timestamp,
    pub attempts: u32,
    pub state: ParcelState,
    /// What the last attempt said.
    pub last_error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Content {
    /// POSTed as JSON.
    Webhook { url: String, body: String },
    Email {
        to: String,
        subject: String,
        body: String,
    },
    /// Told to an operator that is watched over, in its dialect, at the address that it has by then.
    Notice { operator: OperatorCode, notice: Notice },
    /// An operator is asked how a port was at a moment, because what it told of that was lost.
    PastSample {
        operator: OperatorCode,
        port: Code,
        at: Timestamp,
    },
}

/// What an operator is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "about", rename_all = "snake_case")]
pub enum Notice {
    /// A sample of its could not be used.
    Failed(Box<Failed>),
    /// There is a danger at one of its ports.
    Risk(Box<Warning>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ParcelState {
    Waiting {
        next_attempt: Timestamp,
    },
    /// Given up; somebody may send it again.
    Dead {
        since: Timestamp,
    },
    Delivered {
        at: Timestamp,
    },
}
