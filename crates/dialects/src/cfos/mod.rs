//! cFos Charging Manager: the HTTP API at `/cnf`.
//!
//! | file | what it knows |
//! |---|---|
//! | `server` | the query of a request: which command, however it was encoded |
//! | `wire` | the documents as clients read them, old and new names together |
//! | `map` | a site as a charging manager with its devices |
//! | `error` | refusals in this dialect's words: a JSON string |
//!
//! So far one command is answered, `get_dev_info`, in the form for callers without credentials: what the
//! vendor's page lists plus what known clients need, and no secrets. Signing in, steering and registers are
//! not here.

pub mod error;
pub mod map;
pub mod server;
pub mod wire;

/// What everybody calls this dialect.
pub const NAME: &str = "cfos";
