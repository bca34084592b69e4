//! What somebody asks for.
//!
//! Nothing outside touches a device: whatever comes in through any dialect becomes an intent at the same
//! desk, is weighed with everything else in the next cycle, and leaves as a setpoint with its reason.

use serde::{Deserialize, Serialize};

use crate::alarm::AlarmCode;
use crate::control::Order;
use crate::device::{ChargeMode, Force, Wish};
use crate::id::{DeviceId, EvseId, SiteId};
use crate::money::PerKwh;
use crate::phases::Phases;
use crate::reading::Pushed;
use crate::session::Authorisation;
use crate::time::Timestamp;
use crate::units::{MilliAmps, WattHours};

/// One wish, for one EVSE or device of one site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Wanted {
    /// Also takes a forced state back to neutral.
    Mode {
        evse: EvseId,
        mode: ChargeMode,
    },
    Force {
        evse: EvseId,
        force: Force,
    },
    /// The most the EVSE shall offer: 6 A up to its maximum.
    Current {
        evse: EvseId,
        current: MilliAmps,
    },
    Phases {
        evse: EvseId,
        phases: Option<Phases>,
    },
    /// How much the car may have in all since it was plugged in; `None` takes the limit away.
    EnergyLimit {
        evse: EvseId,
        limit: Option<WattHours>,
    },
    /// Up to which price a car that waits for the sun also takes grid energy.
    PriceLimit {
        evse: EvseId,
        limit: Option<PerKwh>,
    },
    /// A ceiling that goes by itself unless it is asked for again, and is forgotten by a restart.
    TemporaryCurrent {
        evse: EvseId,
        current: Option<MilliAmps>,
    },
    /// What a meter of somebody else's says, pushed at an EVSE. Not stored: it counts for seconds.
    PushedReadings {
        evse: EvseId,
        readings: Pushed,
    },
    /// Somebody who may charge showed it; the gate has proved it.
    Authorise {
        evse: EvseId,
        authorisation: Authorisation,
    },
    /// Ends the running transaction; the car stays plugged in and gets no more current.
    StopTransaction {
        evse: EvseId,
    },
    /// A key of a vendor's language that the model does not know; the value is JSON text. It goes to a
    /// charging station that speaks it, whose word is the answer; for any other it is kept.
    VendorWrite {
        evse: EvseId,
        dialect: String,
        key: String,
        value: String,
    },
    /// Something that only the device and its definition know; its word is the answer.
    Order {
        device: DeviceId,
        order: Order,
    },
    /// Somebody has seen an open alarm; the raise time says which one.
    AcknowledgeAlarm {
        device: Option<DeviceId>,
        code: AlarmCode,
        raised: Timestamp,
    },
}

impl Wanted {
    /// Whether the answer may have to come over a slow serial line.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        matches!(self, Self::Order { .. })
    }
}

/// Who asks, by which door, for what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    pub site: SiteId,
    /// Name of the principal, for the audit log.
    pub by: String,
    /// `native`, `goe`, `cfos`, …
    pub door: String,
    pub wanted: Wanted,
}

/// The wish was accepted and stored; the next cycle weighs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub at: Timestamp,
    pub epoch: u64,
    /// What the EVSE is asked for from now on; `None` for a write that only the device knows.
    pub wish: Option<Wish>,
    /// What the device said to it, byte for byte, where that is more than yes.
    #[serde(default)]
    pub said: Vec<u8>,
}

/// Why a wish was refused. Each dialect maps it to its own words in its `error.rs`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(tag = "code", rename_all = "snake_case")]
pub enum Rejection {
    #[error("there is no {what} `{id}`")]
    Unknown { what: String, id: String },
    #[error("not allowed: {why}")]
    NotAllowed { why: String },
    #[error("{what} is {given}, expected {expected}")]
    OutOfRange {
        what: String,
        given: String,
        expected: String,
    },
    #[error("{what} is not supported by this device")]
    NotSupported { what: String },
    #[error("{what} does not answer; it was last heard from {last_seen}")]
    Offline { what: String, last_seen: String },
    /// The device itself said no, in its own words.
    #[error("the device refuses: {said}")]
    Device { said: String },
    #[error("busy: {why}")]
    Busy { why: String },
    #[error("the change could not be stored and was not made: {why}")]
    NotStored { why: String },
}
