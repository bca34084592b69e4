//! What an operator reports: samples of its ports, charges that have ended, and what is odd about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Code, Decimal, OperatorCode};
use crate::time::Timestamp;

/// A port at one moment, as its hardware said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    pub port: Code,
    pub equipment: Code,
    /// By the clock of the hardware, to the second.
    pub at: Timestamp,
    pub state: PortState,
    /// What the operator's table calls the fault; `None`: there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<i64>,
    /// 10 closed, 50 open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<i64>,
    /// V
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub voltage: Option<Decimal>,
    /// A
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<Decimal>,
    /// kW
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<Decimal>,
    /// kWh of the running charge
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub energy: Option<Decimal>,
    /// °C
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temperature: Option<Decimal>,
    /// %
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soc: Option<Decimal>,
    /// Of the running charge, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_s: Option<i64>,
    /// Of the running charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<Code>,
    /// 1 smoke, 2 none, 3 unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smoke: Option<i64>,
    /// Everything else that was sent: by our name where there is one, else by theirs, as JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub more: BTreeMap<String, String>,
}

/// What a port does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PortState {
    Idle,
    /// A vehicle is there and does not charge.
    Occupied,
    Charging,
    Reserved,
    /// A vehicle is there and has charged.
    Complete,
    Fault,
    /// A number that the table does not have.
    Other(i64),
}

/// A charge that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeRecord {
    /// Unique within one operator.
    pub charge: Code,
    pub port: Code,
    pub start: Timestamp,
    pub end: Timestamp,
    /// kWh
    pub energy: Decimal,
    /// In the currency of the authority.
    pub energy_cost: Decimal,
    pub service_cost: Decimal,
    pub start_kind: i64,
    pub stop_reason: i64,
    /// W
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub average_power: Option<Decimal>,
    /// A keyed digest of whatever named a person; the person itself is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
}

/// A record as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRecord {
    /// In the order in which they came.
    pub number: i64,
    pub operator: OperatorCode,
    pub record: ChargeRecord,
    pub received: Timestamp,
    /// Its port was not known.
    pub is_orphan: bool,
}

/// A sample that could not be used. It stays on record, repaired or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Given by us.
    pub id: Code,
    pub operator: OperatorCode,
    pub port: Option<Code>,
    /// What failed, as JSON in the words in which it came.
    pub body: String,
    /// Where it was sent.
    pub path: String,
    pub first: Timestamp,
    pub last: Timestamp,
    /// How often it has failed.
    pub count: u8,
    pub state: FailedState,
    /// Of the last failure: the status and the sentence that the operator is told.
    pub status: u16,
    pub message: String,
}

impl Failed {
    /// So often a sample may fail before it is given up.
    pub const MOST: u8 = 3;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailedState {
    /// Its operator may send it again.
    Open,
    Repaired,
    Lost,
}

/// Something odd about what an operator said; it was kept all the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: FindingKind,
    /// By our name.
    pub field: String,
    pub value: String,
    /// What would have been right.
    pub expected: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A number that the table of the field does not have.
    OutOfTable,
    /// More digits than the field has.
    TooPrecise,
    /// A number sent as a text.
    NumberAsText,
    /// A time that is not written as it should be.
    OddTime,
    /// Older than the newest of its port.
    OutOfOrder,
    /// The same sample or record again.
    Duplicate,
    /// The same time of the same port with other content.
    Contradictory,
    /// Values that exclude each other, such as an idle port with current.
    Implausible,
    /// Energy that became less within one charge.
    EnergyBackwards,
    /// Nothing came when something was due.
    Missing,
    /// A record of a port that nobody has registered.
    Orphan,
}

impl FindingKind {
    pub const ALL: [Self; 11] = [
        Self::OutOfTable,
        Self::TooPrecise,
        Self::NumberAsText,
        Self::OddTime,
        Self::OutOfOrder,
        Self::Duplicate,
        Self::Contradictory,
        Self::Implausible,
        Self::EnergyBackwards,
        Self::Missing,
        Self::Orphan,
    ];
}

/// How well an operator reported on one day of the authority's calendar.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Quality {
    /// Samples that were kept, and those that were not.
    pub kept: u64,
    pub failed: u64,
    pub repaired: u64,
    pub lost: u64,
    /// Samples that came later than a quarter of an hour after their time.
    pub late: u64,
    pub records: u64,
    pub warnings: u64,
    /// Calls to the operator that were answered, and those that were not.
    pub told: u64,
    pub not_told: u64,
    pub findings: BTreeMap<FindingKind, u64>,
}
