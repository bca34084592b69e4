//! Operators of charging stations whom an authority watches over: what they register, report and are told.
//!
//! An operator gives its stations, equipment and ports ids of its own ([`Code`]), and what it says is kept as
//! it was said: a value that no table has is stored too, with a [`Finding`]. None of this is a site of ours;
//! what we report of our sites to an authority has the same types.

mod code;
mod decimal;
mod operator;
mod register;
mod report;
mod risk;
mod upload;

pub use code::{Code, CodeError, OperatorCode};
pub use decimal::{Decimal, DecimalError};
pub use operator::{Address, AddressChange, Callback, Digest, Duplicates, Operator};
pub use register::{Entity, EntityKey, EntityKind, Value};
pub use report::{
    ChargeRecord, Failed, FailedState, Finding, FindingKind, PortState, Quality, Sample, StoredRecord,
};
pub use risk::{RiskLevel, Warning};
pub use upload::{Datum, Lane, Place, ReportTo, ReportedSite, StationSheet, Upload};
