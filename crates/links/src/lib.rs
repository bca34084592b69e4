//! Transports, both sides.
//!
//! Moves bytes between this process and its peers, and puts a bound on everything a peer can do to it: how
//! long it may take, how much it may send, how many may come at once. Knows no vendor, no dialect and no
//! model: what a message means is the business of whoever calls. Never logs bodies.

mod accept;
pub mod authority;
mod backoff;
pub mod datagram;
mod dial;
mod failure;
pub mod http;
pub mod lenient_target;
pub mod limits;
pub mod mail;
pub mod mdns;
pub mod modbus_tcp;
pub mod mqtt;
pub mod outbound_guard;
pub mod places;
mod tls;
pub mod tls_server;
pub mod websocket;

pub use accept::accept;
pub use backoff::Backoff;
pub use dial::{Way, connect};
pub use failure::Failure;
pub use limits::{Limits, ServerLimits};
