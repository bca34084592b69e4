//! What follows every write of readings: the log is synced, and now and then emptied into the file.
//!
//! SQLite would do the second within a commit, and let it wait for the disk three times. Here another thread waits.

use std::fs::File;
use std::path::Path;

use rusqlite::Connection;

use super::schema::HISTORY;
use crate::StoreError;
use crate::history::Keep;
use crate::sql::Failure;

/// Writes after which the log is emptied; of those that come every four seconds, a quarter of an hour.
const WRITES: u32 = 225;

/// The same for the pages of a log: what an import writes at once is not to wait for so many writes.
const PAGES: u64 = 1_000;

pub fn keep(directory: &Path) -> Result<Keep, StoreError> {
    let connection = HISTORY.open_keeper(directory)?;
    let log = directory.join(format!("{}-wal", HISTORY.file));
    let mut writes = 0;
    let mut is_failing = false;
    Ok(Box::new(move || {
        writes += 1;
        let kept = sync(&log).and_then(|bytes| {
            if writes < WRITES && bytes < PAGES * u64::from(HISTORY.page_bytes) {
                return Ok(());
            }
            writes = 0;
            empty(&connection)
        });
        match kept {
            Ok(()) => is_failing = false,
            Err(failure) => {
                if !std::mem::replace(&mut is_failing, true) {
                    tracing::error!("{}", failure.during("sync readings"));
                }
            }
        }
    }))
}

/// Makes the disk have the log, and says how long it is.
fn sync(log: &Path) -> Result<u64, Failure> {
    let bytes = File::open(log).and_then(|file| {
        file.sync_data()?;
        Ok(file.metadata()?.len())
    });
    bytes.map_err(|error| Failure::Sql(error.to_string()))
}

/// Copies the log into the file and begins it again.
fn empty(connection: &Connection) -> Result<(), Failure> {
    // Whoever reads or writes goes on; what they keep in use stays in the log until the next time.
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    // The first write after that waits for the disk, so it is made here: nothing is changed.
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    connection.pragma_update(None, "user_version", version)?;
    Ok(())
}
