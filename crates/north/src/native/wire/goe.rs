//! An EVSE as a go-e charger: how it is reached, and its keys.

use std::collections::{BTreeMap, BTreeSet};

use dialects::goe::keys::{Access, Key, Kind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// How an EVSE appears to go-e clients.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct GoeView {
    /// Six digits, leading zeros kept.
    pub serial: String,
    /// What a client shows to read and steer this EVSE; null before one was made, and where it was not asked for.
    pub token: Option<String>,
    /// Whether the cloud form answers.
    pub enabled: bool,
    /// Whether the config file says so, and it cannot be switched here.
    pub enabled_from_file: bool,
    /// Guarded keys that may be written.
    pub granted: BTreeSet<String>,
    /// All keys that are written only where they are granted.
    pub guarded: Vec<String>,
    /// What clients of the vendor's cloud call; they come here when that name leads here.
    pub cloud_host: String,
    /// Where the local form lives on this server. `{token}` stands for the token; a path without it answers to the
    /// networks of the settings only.
    pub local_paths: Vec<String>,
}

/// What is decided about the go-e door of an EVSE.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoeDoorChange {
    /// Null: as it was configured.
    pub enabled: Option<bool>,
    /// Guarded keys that may be written from now on.
    pub granted: BTreeSet<String>,
}

/// All keys that anybody has seen on a go-e charger, ordered by name.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GoeKeyList {
    pub items: Vec<GoeKey>,
    /// When the charger was last heard from.
    pub at_ms: Option<i64>,
}

/// One key.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GoeKey {
    pub key: String,
    pub access: GoeAccess,
    #[serde(rename = "type")]
    pub kind: GoeType,
    pub nullable: bool,
    /// Of the number, or of the length of the text in characters.
    pub range: Option<GoeRange>,
    /// Empty where there is none.
    pub unit: String,
    /// `Config`, `Status`, `Constant`, `Other`, `Undocumented`.
    pub category: String,
    pub meaning: String,
    /// What single values mean.
    pub values: Vec<GoeMeaning>,
    /// Absent where this charger does not have the key, and for secrets.
    #[serde(skip_serializing_if = "Option::is_none", default, deserialize_with = "given")]
    #[schema(value_type = Value)]
    pub value: Option<Value>,
    /// Never shown here.
    pub secret: bool,
    /// Written only where it is granted.
    pub grant_needed: bool,
    /// Whether the caller may write it now.
    pub writable: bool,
    /// Where the value comes from; null where there is none.
    pub source: Option<GoeSource>,
}

/// A null that is there is a value.
fn given<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Both ends are included.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, ToSchema)]
pub struct GoeRange {
    pub min: i64,
    pub max: i64,
}

#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GoeMeaning {
    /// As JSON, or a text for keys that are texts.
    pub value: String,
    pub meaning: String,
}

/// Who may read and write a key, by the vendor's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoeAccess {
    Read,
    ReadWrite,
    Write,
    /// Seen in the field, not in the vendor's tables.
    Undocumented,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoeType {
    Bool,
    Integer,
    Number,
    Text,
    Array,
    Object,
    Any,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoeSource {
    /// The charger's own document.
    Charger,
    /// Ours, whatever the charger says; of an EVSE of another make, all.
    Ours,
}

/// The values of all keys that this charger has and that are no secrets.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct GoeValues {
    #[schema(value_type = BTreeMap<String, Value>)]
    pub values: BTreeMap<String, Value>,
    /// When the charger was last heard from.
    pub at_ms: Option<i64>,
}

/// A value to be written, as the key's type wants it.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GoeWrite {
    #[serde(deserialize_with = "Value::deserialize")]
    #[schema(value_type = Value)]
    pub value: Value,
}

impl GoeKey {
    /// A row of the table, without what is true of one charger only.
    pub fn of(key: &Key) -> Self {
        Self {
            key: key.name.to_owned(),
            access: key.access.into(),
            kind: key.kind.into(),
            nullable: key.nullable,
            range: key.range.map(|(min, max)| GoeRange { min, max }),
            unit: key.unit.to_owned(),
            category: key.category.to_owned(),
            meaning: key.description.to_owned(),
            values: key
                .values()
                .map(|(value, meaning)| GoeMeaning {
                    value: value.to_owned(),
                    meaning: meaning.to_owned(),
                })
                .collect(),
            value: None,
            secret: false,
            grant_needed: false,
            writable: false,
            source: None,
        }
    }
}

impl From<Access> for GoeAccess {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::ReadWrite => Self::ReadWrite,
            Access::Write => Self::Write,
            Access::Undocumented => Self::Undocumented,
        }
    }
}

impl From<Kind> for GoeType {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Bool => Self::Bool,
            Kind::Integer => Self::Integer,
            Kind::Number => Self::Number,
            Kind::Text => Self::Text,
            Kind::Array => Self::Array,
            Kind::Object => Self::Object,
            Kind::Any => Self::Any,
        }
    }
}
