//! What follows every write: the log of readings is synced, and logs are now and then emptied into their files.
//!
//! SQLite would do the second within a commit, and let it wait for the disk three times. Here another thread waits.

use std::fs::File;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::schema::{HISTORY, LOG_BYTES, RECORDS, Schema};
use crate::StoreError;
use crate::keeper::Keep;
use crate::sql::Failure;

/// Writes of readings after which the log is emptied; of those that come every four seconds, a quarter of an hour.
const WRITES: u32 = 225;
/// The length from which a log is emptied: twice what it keeps when it was.
const LONG: u64 = 2 * LOG_BYTES as u64;
/// A log that could not be emptied to its end, since more was written meanwhile, grows so much until the next time.
const GROWS: u64 = 2 << 20;

/// For readings, whose commits are not synced.
pub fn history(directory: &Path) -> Result<Keep, StoreError> {
    let mut log = Log::open(&HISTORY, directory)?;
    let mut writes = 0;
    Ok(reporting("sync readings", move || {
        writes += 1;
        let file = File::open(&log.path).map_err(odd)?;
        file.sync_data().map_err(odd)?;
        if log.is_long(file.metadata().map_err(odd)?.len()) || writes >= WRITES {
            writes = 0;
            log.empty()?;
            log.begin_again()?;
        }
        Ok(())
    }))
}

/// For records, whose commits are synced before anybody is told of them.
pub fn records(directory: &Path) -> Result<Keep, StoreError> {
    let mut log = Log::open(&RECORDS, directory)?;
    Ok(reporting("shorten the log of records", move || {
        let bytes = std::fs::metadata(&log.path).map_err(odd)?.len();
        if log.is_long(bytes) { log.empty() } else { Ok(()) }
    }))
}

fn odd(error: std::io::Error) -> Failure {
    Failure::Sql(error.to_string())
}

/// Failures go to the program's log, once until it works again.
fn reporting(
    operation: &'static str,
    mut keep: impl FnMut() -> Result<(), Failure> + Send + 'static,
) -> Keep {
    let mut is_failing = false;
    Box::new(move || match keep() {
        Ok(()) => is_failing = false,
        Err(failure) => {
            if !std::mem::replace(&mut is_failing, true) {
                tracing::error!("{}", failure.during(operation));
            }
        }
    })
}

struct Log {
    path: PathBuf,
    connection: Connection,
    /// The length from which it is emptied next.
    long: u64,
}

impl Log {
    fn open(schema: &Schema, directory: &Path) -> Result<Self, StoreError> {
        Ok(Self {
            path: directory.join(format!("{}-wal", schema.file)),
            connection: schema.open_keeper(directory)?,
            long: LONG,
        })
    }

    fn is_long(&mut self, bytes: u64) -> bool {
        let is_long = bytes >= self.long;
        if is_long {
            self.long = bytes + GROWS;
        } else if bytes < LONG {
            self.long = LONG;
        }
        is_long
    }

    /// Copies the log into the file, so that the next write can begin it again.
    fn empty(&self) -> Result<(), Failure> {
        // Whoever reads or writes goes on; what they keep in use stays in the log until the next time.
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        Ok(())
    }

    /// The first write after that waits for the disk, so it is made here: nothing is changed.
    fn begin_again(&self) -> Result<(), Failure> {
        let version: i64 = self
            .connection
            .pragma_query_value(None, "user_version", |row| row.get(0))?;
        self.connection.pragma_update(None, "user_version", version)?;
        Ok(())
    }
}
