//! What travels on the bus.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::control::Controls;
use crate::device::LinkState;
use crate::document::Document;
use crate::id::{DeviceId, EvseId, SiteId};
use crate::intent::{Intent, Receipt, Rejection};
use crate::phases::Phases;
use crate::reading::{EvseStatus, Measured, Quantity};
use crate::setpoint::Setpoint;
use crate::time::{Now, Timestamp};
use crate::units::MilliAmps;
use crate::view::SiteView;

/// What a link says of its device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Report {
    Link(LinkState),
    Measured(Measured),
    Evse {
        evse: EvseId,
        status: EvseStatus,
    },
    /// Maker, model, firmware, serial number, as far as the device says.
    Identity {
        text: String,
    },
    Document(Document),
    /// What can be set at it, and how it is set now.
    Controls(Controls),
    /// What a device said to a vendor write or an order: done, with its bytes where they are more than yes, or its own
    /// words why not.
    VendorAnswer {
        ticket: u64,
        answer: Result<Vec<u8>, String>,
    },
    /// Somebody else changed what the device had been told. `None`: it is as told again.
    Foreign {
        write: Option<ForeignWrite>,
    },
    /// What it measured before we listened, at most [`Report::MOST_PAST`] values in any order: a part of the
    /// history, never of what is so now.
    Past {
        samples: Vec<(Timestamp, Quantity, i64)>,
    },
    /// Something around its link that somebody should look at, in words. `None`: no more.
    Notice {
        notice: Notice,
        text: Option<String>,
    },
}

/// What a link notices beside its devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// A second connection claims to be the logger that the device is behind.
    LoggerClaimedTwice,
    /// Loggers have dialled us that nobody has named. About the site; the device only carries it.
    LoggerUnknown,
    /// A platform that we report to sees a danger at the charging station.
    RiskSeen,
    /// The device itself, or the cloud that it tells, has warnings that nobody has handled.
    DeviceWarning,
}

impl Report {
    /// What is more than this in one report is dropped.
    pub const MOST_PAST: usize = 4_096;
}

/// What somebody else made of a device that we control: its app, another manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ForeignWrite {
    pub what: ForeignWhat,
    pub since: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "value", rename_all = "snake_case")]
pub enum ForeignWhat {
    Current(MilliAmps),
    Paused,
    Started,
    Phases(Phases),
}

/// A report with its origin and time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    pub site: SiteId,
    pub device: DeviceId,
    pub at: Now,
    pub report: Report,
}

/// One message. Reports flow to the engine of the site, setpoints to whoever holds the link, views to
/// everybody who shows them, changes of nouns to everybody who keeps a copy.
#[derive(Clone, Debug)]
pub enum Message {
    Reported(Reported),
    Setpoint {
        site: SiteId,
        setpoint: Setpoint,
    },
    View(Arc<SiteView>),
    /// Documents of a kind were changed in the store: [`crate::noun::Noun::KIND`], or
    /// [`crate::tariff::PRICES`]. Whoever works with them reads them again.
    NounsChanged {
        kind: String,
    },
}

/// The answer to an intent.
pub type Answer = Result<Receipt, Rejection>;

/// An intent that waits for its answer.
#[derive(Clone, Debug)]
pub struct Ask {
    pub intent: Intent,
}
