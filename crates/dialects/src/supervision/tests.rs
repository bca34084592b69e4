//! The printed page, what people send instead of it, and both halves against each other.

mod callbacks;
mod facts;
mod golden;
mod headers;
mod pair;
mod reading;
mod sites;

use jiff::tz::TimeZone;
use model::oversight::{Operator, OperatorCode};
use model::secret::Secret;
use model::time::Timestamp;

use super::definition::{Definition, built_in};
use super::error::Refusal;
use super::request::{self, Asked, Context, Endpoint};

pub const SECRET: &str = "ohmstead-test-secret";
/// 2022-02-28 13:45:04 in Shanghai.
pub const NOW: Timestamp = Timestamp(1_646_027_104_000);

/// The body that the seed page prints.
pub const SEED: &str = include_str!("../../testdata/supervision/cell.json");

pub fn operator(id: &str) -> Operator {
    Operator::new(OperatorCode::new(id).unwrap(), "Leap Charging")
}

pub fn shanghai() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap()
}

pub fn secret() -> Secret {
    Secret::new(SECRET)
}

/// Reads a call of an operator by a definition.
pub fn read_by(
    definition: &Definition,
    operator: &Operator,
    endpoint: Endpoint,
    query: &str,
    body: &str,
) -> Result<Asked, Refusal> {
    let context = Context {
        definition,
        operator,
        zone: &shanghai(),
        now: NOW,
        person_key: &secret(),
    };
    request::read(endpoint, query, body.as_bytes(), &context)
}

pub fn read(operator: &Operator, endpoint: Endpoint, query: &str, body: &str) -> Result<Asked, Refusal> {
    read_by(built_in(), operator, endpoint, query, body)
}

/// Status and message of a refusal.
pub fn refused(operator: &Operator, endpoint: Endpoint, query: &str, body: &str) -> (u16, String) {
    match read(operator, endpoint, query, body) {
        Ok(asked) => (200, format!("{asked:?}")),
        Err(refusal) => (refusal.status, refusal.message),
    }
}
