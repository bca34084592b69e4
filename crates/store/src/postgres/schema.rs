//! Making and migrating the tables.

use super::connection::Connection;
use crate::sql::{Failure, Sql, Step, params};
use crate::{StoreError, history};

/// The schema version is the number of migrations applied.
pub const MIGRATIONS: &[Step] = &[
    Step::of(include_str!("../../migrations/postgres/0001_first.sql")),
    Step::of(include_str!(
        "../../migrations/postgres/0002_columns_in_steps.sql"
    )),
    Step {
        statements: include_str!("../../migrations/postgres/0003_pages.sql"),
        then: history::to_pages,
    },
    Step::of(include_str!("../../migrations/postgres/0004_oversight.sql")),
    Step::of(include_str!("../../migrations/postgres/0005_uploads.sql")),
];

/// What the tables of readings take, and what all others do.
macro_rules! bytes {
    ($which:literal) => {
        concat!(
            "SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS BIGINT) FROM pg_class
             WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname ",
            $which,
            " ('series', 'block', 'clock', 'hot', 'minute_page', 'quarter_page', 'day')"
        )
    };
}
pub const HISTORY_BYTES: &str = bytes!("IN");
pub const RECORDS_BYTES: &str = bytes!("NOT IN");

/// The newest schema this program knows.
pub fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings a database to the newest schema and counts this opening of it. `name` is for messages.
pub fn migrate(connection: &Connection, name: &str) -> Result<i64, Failure> {
    let sql: &dyn Sql = connection;
    let is_there = "SELECT count(*) FROM pg_class WHERE oid = to_regclass('schema_version')";
    if sql.first(is_there, &[], |row| row.int(0))? == Some(0) {
        connection.run(
            "BEGIN; CREATE TABLE schema_version (version BIGINT NOT NULL);
            INSERT INTO schema_version (version) VALUES (0); COMMIT",
        )?;
    }
    let found = sql.first("SELECT version FROM schema_version", &[], |row| row.int(0))?;
    let found = found.unwrap_or(0);
    let known = known();
    if found > known {
        return Err(StoreError::TooNew {
            file: name.to_owned(),
            found,
            known,
        }
        .into());
    }
    for (version, step) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        sql.transaction(|| {
            connection.run(step.statements)?;
            (step.then)(sql)?;
            sql.write("UPDATE schema_version SET version = ?1", params![version])
        })?;
    }
    let count = "UPDATE opened SET number = number + 1 RETURNING number";
    let number = sql.first(count, &[], |row| row.int(0))?;
    number.ok_or_else(|| Failure::Damaged("nobody counts how often the database was opened".to_owned()))
}
