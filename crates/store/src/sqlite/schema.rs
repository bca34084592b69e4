//! Opening a database file: private, of a schema we know, migrated forward.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};

use crate::sql::{Failure, Step};
use crate::{StoreError, history};

/// Everything a file needs to be opened. The schema version is the number of migrations applied.
pub struct Schema {
    pub file: &'static str,
    pub migrations: &'static [Step],
    /// `FULL` syncs every commit, `NORMAL` only checkpoints.
    pub synchronous: &'static str,
    pub page_bytes: u32,
    /// Who writes empties the log itself when it has that many pages.
    pub log_pages: u32,
}

pub const RECORDS: Schema = Schema {
    file: "records.db",
    migrations: &[
        Step::of(include_str!("../../migrations/sqlite/records/0001_first.sql")),
        Step::of(include_str!("../../migrations/sqlite/records/0002_sessions.sql")),
        Step::of(include_str!("../../migrations/sqlite/records/0003_oversight.sql")),
        Step::of(include_str!("../../migrations/sqlite/records/0004_uploads.sql")),
    ],
    synchronous: "FULL",
    page_bytes: 4_096,
    // When records come so fast that another thread does not get to the end of the log; see `keep`.
    log_pages: 6_000,
};

pub const HISTORY: Schema = Schema {
    file: "history.db",
    migrations: &[
        Step::of(include_str!("../../migrations/sqlite/history/0001_first.sql")),
        Step::of(include_str!(
            "../../migrations/sqlite/history/0002_energy_and_retention.sql"
        )),
        Step::of(include_str!(
            "../../migrations/sqlite/history/0003_columns_in_steps.sql"
        )),
        Step {
            statements: include_str!("../../migrations/sqlite/history/0004_pages.sql"),
            then: history::to_pages,
        },
    ],
    synchronous: "NORMAL",
    page_bytes: 8_192,
    // Another thread does it long before; see `keep`.
    log_pages: 8_000,
};

/// An emptied log keeps so much of the disk.
pub const LOG_BYTES: u32 = 4 << 20;
const OPEN: &str = "open the database";

impl Schema {
    /// The newest version this program knows.
    pub fn known(&self) -> i64 {
        i64::try_from(self.migrations.len()).unwrap_or(i64::MAX)
    }

    /// The connection that writes. Makes and migrates the file.
    pub fn open_writer(&self, directory: &Path) -> Result<Connection, StoreError> {
        let path = directory.join(self.file);
        // Made here and not by SQLite, which would let others read it; the files beside it take its mode.
        let made = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path);
        made.map_err(|error| StoreError::Other {
            operation: OPEN,
            cause: format!("{}: {error}", path.display()),
        })?;
        let mut connection = Connection::open(&path).map_err(|error| Failure::from(error).during(OPEN))?;
        // A transaction that reads first would fail if another connection wrote before it does.
        connection.set_transaction_behavior(TransactionBehavior::Immediate);
        self.migrate(&connection)
            .map_err(|failure| failure.during(OPEN))?;
        Ok(connection)
    }

    /// A connection that only reads, beside the one that writes.
    pub fn open_reader(&self, directory: &Path) -> Result<Connection, StoreError> {
        let open = || {
            let connection = Connection::open(directory.join(self.file))?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "cache_size", -1_024)?;
            connection.pragma_update(None, "query_only", true)?;
            Ok(connection)
        };
        open().map_err(|error: rusqlite::Error| Failure::from(error).during(OPEN))
    }

    /// A connection beside the one that writes, which leaves the log to it.
    pub fn open_keeper(&self, directory: &Path) -> Result<Connection, StoreError> {
        let open = || {
            let connection = Connection::open(directory.join(self.file))?;
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "synchronous", self.synchronous)?;
            connection.pragma_update(None, "cache_size", -256)?;
            connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
            connection.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
            Ok(connection)
        };
        open().map_err(|error: rusqlite::Error| Failure::from(error).during(OPEN))
    }

    pub fn open_in_memory(&self) -> Result<Connection, StoreError> {
        let open = || {
            let connection = Connection::open_in_memory()?;
            self.migrate(&connection)?;
            Ok(connection)
        };
        open().map_err(|failure: Failure| failure.during(OPEN))
    }

    fn migrate(&self, connection: &Connection) -> Result<(), Failure> {
        let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        let known = self.known();
        if found > known {
            return Err(StoreError::TooNew {
                file: self.file.to_owned(),
                found,
                known,
            }
            .into());
        }
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.pragma_update(None, "page_size", self.page_bytes)?;
        connection.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", self.synchronous)?;
        connection.pragma_update(None, "cache_size", -1_024)?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_BYTES, |_| Ok(()))?;
        connection.pragma_update_and_check(None, "wal_autocheckpoint", self.log_pages, |_| Ok(()))?;
        for (version, step) in (1_i64..)
            .zip(self.migrations)
            .filter(|(version, _)| *version > found)
        {
            let transaction = connection.unchecked_transaction()?;
            transaction.execute_batch(step.statements)?;
            (step.then)(connection)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()?;
        }
        Ok(())
    }
}
