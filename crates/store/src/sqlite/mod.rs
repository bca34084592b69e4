//! The store of one machine: two SQLite files in one data directory.
//!
//! `records.db` holds configuration and records and is synced at every commit; `history.db` holds readings
//! and is not, since losing the last seconds of a chart is no loss. Each file has one thread that writes and
//! one that reads; callers wait without blocking their own thread. A lock file keeps a second process out.

mod history;
mod records;
mod schema;
mod worker;

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::sync::Arc;

use crate::StoreError;
use history::Recorder;
use schema::{HISTORY, RECORDS};
use worker::{Manner, Worker};

/// A data directory, open. Dropping it writes what is in memory and closes the files.
pub struct Sqlite {
    writer: Worker,
    reader: Worker,
    history: Recorder,
    /// Freed last, when the threads above have ended.
    _lock: File,
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
        let records = RECORDS.open_writer(directory)?;
        let history = Recorder::open(HISTORY.open_writer(directory)?, HISTORY.open_reader(directory)?)?;
        let threads = || -> std::io::Result<(Worker, Worker)> {
            let reader = RECORDS.open_reader(directory).map_err(std::io::Error::other)?;
            Ok((
                Worker::spawn("records-write", records, Manner::Together)?,
                Worker::spawn("records-read", reader, Manner::Alone)?,
            ))
        };
        let (writer, reader) = threads().map_err(|error| cannot_open(directory, &error))?;
        Ok(Arc::new(Self {
            writer,
            reader,
            history,
            _lock: lock,
        }))
    }

    /// How many readings came too late to be kept.
    #[must_use]
    pub fn readings_dropped(&self) -> u64 {
        self.history.dropped()
    }
}

fn cannot_open(directory: &Path, cause: &dyn std::fmt::Display) -> StoreError {
    StoreError::Other {
        operation: "open the data directory",
        cause: format!("{}: {cause}; check that it may be written", directory.display()),
    }
}

/// The lock goes with the process, however it ends; the file stays.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join("lock");
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(|error| cannot_open(directory, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse {
            directory: directory.display().to_string(),
        }),
        Err(TryLockError::Error(error)) => Err(cannot_open(directory, &error)),
    }
}

#[cfg(test)]
mod tests;
