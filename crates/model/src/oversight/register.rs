//! What an operator has: stations, their equipment, its ports.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Code, Decimal, OperatorCode};
use crate::time::Timestamp;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EntityKind {
    Station,
    Equipment,
    Port,
}

impl EntityKind {
    pub const ALL: [Self; 3] = [Self::Station, Self::Equipment, Self::Port];

    /// As it is stored.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Station => "station",
            Self::Equipment => "equipment",
            Self::Port => "port",
        }
    }

    /// What it stands in.
    #[must_use]
    pub const fn parent(self) -> Option<Self> {
        match self {
            Self::Station => None,
            Self::Equipment => Some(Self::Station),
            Self::Port => Some(Self::Equipment),
        }
    }
}

/// A station, a piece of equipment or a port, as its operator describes it.
///
/// Fields have names of ours (`rated_voltage_max`), whatever the wire calls them; the ids and the operator are no
/// fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    pub kind: EntityKind,
    pub id: Code,
    /// Of a port its equipment, of equipment its station.
    pub parent: Option<Code>,
    pub fields: BTreeMap<String, Value>,
    /// What was sent and means nothing here, as JSON.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unknown: BTreeMap<String, String>,
    /// Of the last time that it was told; who compares contents leaves it out.
    #[serde(default)]
    pub told: Timestamp,
}

impl Entity {
    /// Whether both say the same, whenever they were told.
    #[must_use]
    pub fn says_the_same(&self, other: &Self) -> bool {
        (self.kind, &self.id, &self.parent) == (other.kind, &other.id, &other.parent)
            && self.fields == other.fields
            && self.unknown == other.unknown
    }

    /// The number of a field, if it is one.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<Decimal> {
        match self.fields.get(field)? {
            Value::Number(number) => Some(*number),
            Value::Text(_) => None,
        }
    }

    /// The text of a field, if it is one.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        match self.fields.get(field)? {
            Value::Text(text) => Some(text),
            Value::Number(_) => None,
        }
    }
}

/// What a field says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    Number(Decimal),
    Text(String),
}

/// An entity without what it says of itself, in the order in which it was registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntityKey {
    /// Given by the store; grows with every entity and is never given again.
    pub number: i64,
    pub operator: OperatorCode,
    pub kind: EntityKind,
    pub id: Code,
    pub parent: Option<Code>,
}
