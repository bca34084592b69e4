//! What travels on the bus.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::device::LinkState;
use crate::document::Document;
use crate::id::{DeviceId, EvseId, SiteId};
use crate::intent::{Intent, Receipt, Rejection};
use crate::reading::{EvseStatus, Measured};
use crate::setpoint::Setpoint;
use crate::time::Now;
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
