//! What comes in, and how it is answered.

use model::oversight::{Code, EntityKind, Finding};
use store::StoreError;

/// Samples in one call.
pub const MOST_SAMPLES: usize = 12;
/// Records in one call.
pub const MOST_RECORDS: usize = 30;

/// Something that an operator said, with what was odd about how it said it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told<T> {
    /// Of an entity only the fields that were sent.
    pub what: T,
    pub findings: Vec<Finding>,
    /// As it was sent, in JSON: what an operator is told when it cannot be used.
    pub body: String,
}

/// What became of an entity that was registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registered {
    New,
    /// It was there and says the same.
    Same,
    Replaced,
}

/// One page of a list, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub index: u64,
    pub size: u32,
    /// On all pages.
    pub total: u64,
    pub list: Vec<T>,
}

/// A kind of thing that has an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Operator,
    Station,
    Equipment,
    Port,
    /// That failed.
    Sample,
    Record,
    Warning,
}

impl What {
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Station => "station",
            Self::Equipment => "equipment",
            Self::Port => "port",
            Self::Sample => "sample",
            Self::Record => "record",
            Self::Warning => "warning",
        }
    }
}

impl From<EntityKind> for What {
    fn from(kind: EntityKind) -> Self {
        match kind {
            EntityKind::Station => Self::Station,
            EntityKind::Equipment => Self::Equipment,
            EntityKind::Port => Self::Port,
        }
    }
}

/// Why something was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    #[error("{}: there is none `{id}`", what.name())]
    Unknown { what: What, id: String },
    /// The id is in use, with other content.
    #[error("{}: `{id}` is there already and says something else", what.name())]
    Taken { what: What, id: String },
    /// What stands in it must be deleted first.
    #[error("{}: {children} still belong to `{id}`", what.name())]
    HasChildren { what: What, id: String, children: u64 },
    #[error("{field}: is missing")]
    Missing { field: &'static str },
    #[error("operator: `{given}` is somebody else")]
    Foreign { given: String },
    #[error("sample: `{id}` has failed too often and was given up")]
    GivenUp { id: Code },
    #[error("list: {given} entries, expected at most {most}")]
    TooMany { given: usize, most: usize },
    #[error("{field}: found `{value}`, expected {expected}")]
    Unfit {
        field: String,
        value: String,
        expected: String,
    },
    /// Nothing of the call was taken, or nobody knows; it may be sent again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refused {
    pub(crate) fn unknown(what: impl Into<What>, id: impl ToString) -> Self {
        Self::Unknown {
            what: what.into(),
            id: id.to_string(),
        }
    }
}
