//! A PostgreSQL database as the store, version 15 or newer.
//!
//! Four connections, each owned by one thread: records and readings, each written by one and read by another.
//! All commits are synced: a server may crash without us, and what we take for written must be there then. The
//! two that write hold an advisory lock each, so that no second process writes beside them, and after a lost
//! connection they go on only if nobody else opened the database meanwhile.
//!
//! When the server is away calls fail with [`StoreError::Away`]; each call tries again.

mod connection;
pub mod inspect;
mod link;
mod schema;
mod tls;
mod value;

use std::sync::Arc;

use crate::StoreError;
use crate::database::Database;
use crate::history::Recorder;
use connection::Connection;
use link::{Link, Role};

/// Holds nothing beside the connections.
pub struct Served;

/// A database of a PostgreSQL server, open.
pub type Postgres = Database<Served>;

impl Postgres {
    /// Opens a database by its address, `postgres://user:password@host:port/name`, and migrates it. Whether the
    /// connection is encrypted and the server checked is said there too, by `sslmode` and `sslrootcert`.
    ///
    /// # Errors
    /// [`StoreError::Away`] when the server does not answer, [`StoreError::InUse`] when another process has the
    /// database open, [`StoreError::TooNew`] when a newer version wrote it. None of them tells the password.
    pub fn open(url: &str) -> Result<Arc<Self>, StoreError> {
        let link = Link::parse(url)?;
        aside(move || open(&link))
    }
}

/// Connections wait for their server on a thread of their own, as the caller may not wait on its own.
fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let cannot = |cause: String| StoreError::Other {
        operation: "open the database",
        cause,
    };
    let working = std::thread::Builder::new()
        .name("store-open".to_owned())
        .spawn(work)
        .map_err(|error| cannot(error.to_string()))?;
    let outcome = working.join();
    outcome.unwrap_or_else(|_| Err(cannot("the opening thread panicked".to_owned())))
}

fn open(link: &Link) -> Result<Arc<Postgres>, StoreError> {
    let (records, opening) = Connection::take(link)?;
    let connect = |role| Connection::open(link, role);
    let history = Recorder::open(
        Box::new(connect(Role::WriteHistory(opening))?),
        Some(Box::new(connect(Role::ReadHistory)?)),
        None,
    )?;
    let reader = connect(Role::ReadRecords)?;
    Postgres::start(Box::new(records), Some(Box::new(reader)), history, None, Served)
}

#[cfg(test)]
mod cluster;
#[cfg(test)]
mod tests;
