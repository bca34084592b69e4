//! The store of one machine: two SQLite files in one data directory.
//!
//! `records.db` holds configuration and records and is synced at every commit; `history.db` holds readings
//! and is synced right after. Each file has one thread that writes, one that reads, and one that keeps its log
//! short and makes nobody wait; callers wait without blocking their own thread. A lock file keeps a second
//! process out.

mod connection;
mod keep;
mod schema;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
use crate::database::Database;
use crate::history::Recorder;
pub(crate) use schema::{HISTORY, RECORDS, Schema};

/// A data directory, open; or a database that is gone with its last owner.
pub type Sqlite = Database<Option<Lock>>;

/// Keeps a second process out. It goes with the process, however it ends; the file stays.
pub struct Lock {
    _file: File,
}

impl Sqlite {
    /// Opens a data directory, and makes it (mode 0700) when there is none.
    ///
    /// # Errors
    /// [`StoreError::InUse`] when another process has it open, [`StoreError::TooNew`] when a newer version
    /// wrote it, and whatever else keeps the files from being opened.
    pub fn open(directory: &Path) -> Result<Arc<Self>, StoreError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .map_err(|error| cannot_open(directory, &error))?;
        let lock = lock(directory)?;
        let records = Box::new(RECORDS.open_writer(directory)?);
        let history = Recorder::open(
            Box::new(HISTORY.open_writer(directory)?),
            Some(Box::new(HISTORY.open_reader(directory)?)),
            Some(keep::history(directory)?),
        )?;
        let reader = Box::new(RECORDS.open_reader(directory)?);
        let keep = keep::records(directory)?;
        Self::start(records, Some(reader), history, Some(keep), Some(lock))
    }

    /// A store without a file, for tests of those who use one.
    ///
    /// # Errors
    /// When there is no memory or no thread for it.
    pub fn in_memory() -> Result<Arc<Self>, StoreError> {
        let history = Recorder::open(Box::new(HISTORY.open_in_memory()?), None, None)?;
        Self::start(Box::new(RECORDS.open_in_memory()?), None, history, None, None)
    }
}

fn cannot_open(directory: &Path, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Other {
        operation: "open the data directory",
        cause: format!("{}: {cause}; check that it may be written", directory.display()),
    }
}

fn lock(directory: &Path) -> Result<Lock, StoreError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(|error| cannot_open(directory, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            place: format!("data directory {}", directory.display()),
            choose: "--data",
        }),
        Err(TryLockError::Error(error)) => Err(cannot_open(directory, &error)),
    }
}

#[cfg(test)]
mod tests;
