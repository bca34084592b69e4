//! A SQLite connection as records and history see it.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, DropBehavior, ErrorCode, Statement, ToSql};

use crate::sql::{Failure, Param, Row, Sql, Value, damaged};

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        if error.sqlite_error_code() == Some(ErrorCode::DiskFull) {
            Self::Full
        } else {
            Self::Sql(error.to_string())
        }
    }
}

impl Sql for Connection {
    fn begin(&self) -> Result<(), Failure> {
        let mut transaction = self.unchecked_transaction()?;
        transaction.set_drop_behavior(DropBehavior::Ignore);
        Ok(())
    }

    fn commit(&self) -> Result<(), Failure> {
        Sql::execute(self, "COMMIT", &[]).map(drop)
    }

    fn rollback(&self) -> Result<(), Failure> {
        Sql::execute(self, "ROLLBACK", &[]).map(drop)
    }

    fn is_in_transaction(&self) -> bool {
        !self.is_autocommit()
    }

    fn bytes(&self) -> Result<i64, Failure> {
        let sql: &dyn Sql = self;
        let select = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()";
        let bytes = sql.first(select, &[], |row| row.int(0))?;
        Ok(bytes.unwrap_or(0))
    }

    fn execute(&self, sql: &str, parameters: &[Param<'_>]) -> Result<u64, Failure> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, parameters)?;
        u64::try_from(statement.raw_execute()?).map_err(damaged)
    }

    fn each(
        &self,
        sql: &str,
        parameters: &[Param<'_>],
        take: &mut dyn FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut statement = self.prepare_cached(sql)?;
        bind(&mut statement, parameters)?;
        let columns = statement.column_count();
        let mut rows = statement.raw_query();
        let mut row = Row::default();
        while let Some(found) = rows.next()? {
            row.0.clear();
            for column in 0..columns {
                row.0.push(value(found.get_ref(column)?)?);
            }
            take(&row)?;
        }
        Ok(())
    }
}

fn bind(statement: &mut Statement<'_>, parameters: &[Param<'_>]) -> Result<(), Failure> {
    for (place, parameter) in (1..).zip(parameters) {
        statement.raw_bind_parameter(place, parameter)?;
    }
    Ok(())
}

impl ToSql for Param<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Int(value) => ValueRef::Integer(*value),
            Self::Text(value) => ValueRef::Text(value.as_bytes()),
            Self::Bytes(value) => ValueRef::Blob(value),
        }))
    }
}

fn value(found: ValueRef<'_>) -> Result<Value, Failure> {
    Ok(match found {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(value) => Value::Int(value),
        ValueRef::Real(value) => return Err(damaged(format!("{value} where no fraction may be"))),
        ValueRef::Text(bytes) => Value::Text(std::str::from_utf8(bytes).map_err(damaged)?.to_owned()),
        ValueRef::Blob(bytes) => Value::Bytes(bytes.to_vec()),
    })
}
