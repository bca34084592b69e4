//! Making and migrating the tables.

use tokio_postgres::Client;

use crate::StoreError;
use crate::sql::Failure;

/// The schema version is the number of migrations applied.
const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/postgres/0001_first.sql"),
    include_str!("../../migrations/postgres/0002_columns_in_steps.sql"),
];

/// What the tables of readings take, and what all others do.
macro_rules! bytes {
    ($which:literal) => {
        concat!(
            "SELECT CAST(coalesce(sum(pg_total_relation_size(oid)), 0) AS BIGINT) FROM pg_class
             WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND relname ",
            $which,
            " ('series', 'block', 'clock', 'hot', 'minute', 'quarter', 'day')"
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
pub async fn migrate(client: &Client, name: &str) -> Result<i64, Failure> {
    let is_new = "SELECT to_regclass('schema_version') IS NULL";
    if client.query_one(is_new, &[]).await?.try_get(0)? {
        let create = "BEGIN; CREATE TABLE schema_version (version BIGINT NOT NULL);
            INSERT INTO schema_version (version) VALUES (0); COMMIT";
        client.batch_execute(create).await?;
    }
    let select = "SELECT version FROM schema_version";
    let found: i64 = client.query_one(select, &[]).await?.try_get(0)?;
    let known = known();
    if found > known {
        return Err(StoreError::TooNew {
            file: name.to_owned(),
            found,
            known,
        }
        .into());
    }
    for (version, sql) in (1_i64..).zip(MIGRATIONS).filter(|(version, _)| *version > found) {
        let step = format!("BEGIN; {sql} ; UPDATE schema_version SET version = {version}; COMMIT");
        client.batch_execute(&step).await?;
    }
    let count = "UPDATE opened SET number = number + 1 RETURNING number";
    Ok(client.query_one(count, &[]).await?.try_get(0)?)
}
