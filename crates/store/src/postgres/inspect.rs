//! Looking at a database beside the process that has it open, without changing anything.

use model::noun::Noun;

use super::connection::Connection;
use super::link::{LOCK_RECORDS, Link, Role};
use super::{aside, schema};
use crate::StoreError;
use crate::sql::{Failure, Sql, params};

const LOOK: &str = "look at the database";

/// What a database is like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspected {
    /// Which database on which server.
    pub place: String,
    /// As the server says it.
    pub server: String,
    pub is_encrypted: bool,
    /// `None`: nothing of ours is there yet.
    pub schema: Option<i64>,
    /// The newest schema this program knows.
    pub known: i64,
    /// Whether a process of ours has it open.
    pub is_in_use: bool,
    pub records_bytes: i64,
    pub history_bytes: i64,
    /// What this user would need to make our tables, and has not.
    pub missing_rights: Vec<&'static str>,
}

/// # Errors
/// When the server is away, refuses the user or is too old.
pub fn inspect(url: &str) -> Result<Inspected, StoreError> {
    let link = Link::parse(url)?;
    aside(move || {
        let connection = Connection::open(&link, Role::ReadRecords)?;
        look(&connection, link.name()).map_err(|failure| failure.during(LOOK))
    })
}

fn look(connection: &Connection, place: String) -> Result<Inspected, Failure> {
    let sql: &dyn Sql = connection;
    let text = |select: &str| sql.first(select, &[], |row| Ok(row.text(0)?.to_owned()));
    let number = |select: &str| sql.first(select, &[], |row| row.int(0));
    let is = |select: &str| Ok::<_, Failure>(number(select)?.is_some_and(|count| count > 0));
    let has_schema = is("SELECT CAST(to_regclass('schema_version') IS NOT NULL AS INT)::BIGINT")?;
    let schema = if has_schema {
        number("SELECT version FROM schema_version")?
    } else {
        None
    };
    let may_create =
        is("SELECT CAST(coalesce(has_schema_privilege(current_schema(), 'CREATE'), FALSE) AS INT)::BIGINT")?;
    let lock = format!(
        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1
         AND classid::BIGINT = {} AND objid::BIGINT = {}
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())",
        LOCK_RECORDS >> 32,
        LOCK_RECORDS & 0xffff_ffff
    );
    Ok(Inspected {
        place,
        server: text("SELECT current_setting('server_version')")?.unwrap_or_default(),
        is_encrypted: is("SELECT count(*) FROM pg_stat_ssl WHERE pid = pg_backend_pid() AND ssl")?,
        schema,
        known: schema::known(),
        is_in_use: is(&lock)?,
        records_bytes: number(schema::RECORDS_BYTES)?.unwrap_or(0),
        history_bytes: number(schema::HISTORY_BYTES)?.unwrap_or(0),
        missing_rights: if may_create {
            Vec::new()
        } else {
            vec!["CREATE on the schema"]
        },
    })
}

/// Documents of a kind.
///
/// # Errors
/// When they cannot be read.
pub fn read_nouns<N: Noun>(url: &str) -> Result<Vec<N>, StoreError> {
    let link = Link::parse(url)?;
    let bodies = aside(move || {
        let connection = Connection::open(&link, Role::ReadRecords)?;
        let sql: &dyn Sql = &connection;
        let select = "SELECT body FROM noun WHERE kind = ?1 ORDER BY id";
        sql.all(select, params![N::KIND], |row| Ok(row.text(0)?.to_owned()))
            .map_err(|failure| failure.during(LOOK))
    })?;
    let parsed = bodies.iter().map(|body| serde_json::from_str(body));
    parsed
        .collect::<Result<_, _>>()
        .map_err(|error| StoreError::Other {
            operation: LOOK,
            cause: error.to_string(),
        })
}
