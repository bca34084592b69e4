//! Who may.
//!
//! Callers prove who they are in different ways: a session cookie, a bearer token, the token of a charger, a
//! signature. Each proof ends in one [`Principal`], and one function answers [`may`]. Nobody else sees secrets,
//! names of dialects or the audit log.
//!
//! - Passwords are Argon2id, at most two hashes at once ([`passwords`]). Random tokens of 256 bits are kept
//!   as SHA-256. What a protocol needs in clear (the token of a charger) is sealed with the installation key
//!   ([`secrets`]).
//! - Names, credentials, sessions and accounts of dialects are in [`doors`], which knows no dialect.
//! - Numbers of cards are sealed too, and found by a digest under that key ([`Gate::card_by_number`]).
//! - Only failures are slowed down ([`slow_down`]): a right credential is never delayed or refused.
//! - What the gate compares on every request is held in memory, read at [`Gate::open`] and written through.
//!   One process owns a data directory, so nobody else changes it underneath.
//!
//! The address rules ([`address`]) are pure functions: HTTP itself is the business of the doors.

pub mod address;
mod audit;
mod basic;
mod cards;
mod denied;
mod doors;
mod gate;
mod may;
mod passwords;
mod principal;
mod sealed;
mod secrets;
mod sessions;
mod signing;
mod slow_down;
#[cfg(test)]
mod tests;
mod tickets;
mod tokens;
mod users;

pub use audit::By;
pub use cards::KnownCard;
pub use denied::{Denied, GateError};
pub use doors::{Access, Account, Claim, DoorCaller, DoorSession, Life, Login, Passing, Switches, Thing};
pub use gate::Gate;
pub use may::{Action, Subject, may};
pub use passwords::PasswordChange;
pub use principal::{Grant, Principal, Roles, Scope};
pub use secrets::InstallationKey;
pub use sessions::{NewSession, PageSession};
pub use signing::SigningKey;
pub use slow_down::Source;
pub use tokens::Token;
pub use users::Past;
