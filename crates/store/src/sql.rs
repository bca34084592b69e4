//! The little SQL that records and history need, whatever database answers it.
//!
//! Statements are the same for every backend: parameters are `?1`, `?2`, …, every integer is 64 bits wide, and
//! what backends say differently is not said at all.

use std::str::FromStr;

use model::id::IdError;
use model::time::Timestamp;
use serde::de::DeserializeOwned;

use crate::StoreError;

/// Why a job failed, before it is known what was being done.
#[derive(Debug)]
pub enum Failure {
    /// What the database said.
    Sql(String),
    Full,
    /// The server does not answer, or no more: what was not answered may have been done or not.
    #[cfg_attr(not(feature = "postgres"), allow(dead_code, reason = "files are never away"))]
    Away(String),
    /// The job wanted nothing to be done; it has written nothing.
    Refused(StoreError),
    /// What was read back makes no sense.
    Damaged(String),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl Failure {
    pub fn during(self, operation: &'static str) -> StoreError {
        match self {
            Self::Full => StoreError::Full { operation },
            Self::Away(cause) => StoreError::Away { operation, cause },
            Self::Refused(error) => error,
            Self::Sql(cause) | Self::Damaged(cause) => StoreError::Other { operation, cause },
        }
    }
}

pub fn damaged(cause: impl std::fmt::Display) -> Failure {
    Failure::Damaged(format!("the database holds something odd: {cause}"))
}

/// A connection. It is used by one thread and has at most one transaction.
pub trait Sql {
    fn begin(&self) -> Result<(), Failure>;
    fn commit(&self) -> Result<(), Failure>;
    fn rollback(&self) -> Result<(), Failure>;
    /// A failure may have ended the transaction.
    fn is_in_transaction(&self) -> bool;
    /// Runs a statement and says how many rows it changed.
    fn execute(&self, sql: &str, parameters: &[Param<'_>]) -> Result<u64, Failure>;
    /// Hands over every row of a query, in order.
    fn each(
        &self,
        sql: &str,
        parameters: &[Param<'_>],
        take: &mut dyn FnMut(&Row) -> Result<(), Failure>,
    ) -> Result<(), Failure>;

    /// How many bytes of disk the tables behind this connection take.
    fn bytes(&self) -> Result<i64, Failure>;

    /// Runs a statement of a transaction. What is wrong with it may be said as late as at the next call that
    /// has an answer, or at the commit.
    fn write(&self, sql: &str, parameters: &[Param<'_>]) -> Result<(), Failure> {
        self.execute(sql, parameters).map(drop)
    }
}

impl dyn Sql + '_ {
    /// Every row of a query, each made into something.
    pub fn all<T>(
        &self,
        sql: &str,
        parameters: &[Param<'_>],
        make: impl Fn(&Row) -> Result<T, Failure>,
    ) -> Result<Vec<T>, Failure> {
        let mut made = Vec::new();
        self.each(sql, parameters, &mut |row| {
            made.push(make(row)?);
            Ok(())
        })?;
        Ok(made)
    }

    /// The row of a query that has at most one.
    pub fn first<T>(
        &self,
        sql: &str,
        parameters: &[Param<'_>],
        make: impl Fn(&Row) -> Result<T, Failure>,
    ) -> Result<Option<T>, Failure> {
        Ok(self.all(sql, parameters, make)?.pop())
    }

    /// Runs something in a transaction of its own; nothing of it stays if it fails.
    pub fn transaction<T>(&self, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.begin()?;
        let outcome = work().and_then(|value| self.commit().map(|()| value));
        if outcome.is_err() && self.is_in_transaction() {
            self.rollback()?;
        }
        outcome
    }
}

/// A step from one schema to the next, taken in one transaction.
pub struct Step {
    pub statements: &'static str,
    /// What statements alone cannot do, after them.
    pub then: fn(&dyn Sql) -> Result<(), Failure>,
}

impl Step {
    pub const fn of(statements: &'static str) -> Self {
        Self {
            statements,
            then: |_| Ok(()),
        }
    }
}

/// A parameter of a statement.
#[derive(Clone, Copy, Debug)]
pub enum Param<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

/// What parameters are made of.
macro_rules! param {
    ($($from:ty, $value:ident => $param:expr;)*) => {
        $(impl<'a> From<$from> for Param<'a> {
            fn from($value: $from) -> Self {
                $param
            }
        })*
    };
}
param! {
    i64, value => Self::Int(value);
    u32, value => Self::Int(value.into());
    Timestamp, value => Self::Int(value.0);
    &'a str, value => Self::Text(value);
    &'a String, value => Self::Text(value);
    &'a Vec<u8>, value => Self::Bytes(value);
}

impl<'a, T: Into<Param<'a>>> From<Option<T>> for Param<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::Param::from($value)),*]
    };
}
pub(crate) use params;

/// A column of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    Null,
    Int(i64),
    Text(String),
    Bytes(Vec<u8>),
}

/// A row of an answer. Asking for another type than is there is an error: the database is damaged then.
#[derive(Debug, Default)]
pub struct Row(pub Vec<Value>);

impl Row {
    pub fn int(&self, column: usize) -> Result<i64, Failure> {
        self.opt_int(column)?.ok_or_else(|| self.odd(column))
    }

    pub fn opt_int(&self, column: usize) -> Result<Option<i64>, Failure> {
        match self.0.get(column) {
            Some(Value::Int(value)) => Ok(Some(*value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Text(_) | Value::Bytes(_)) | None => Err(self.odd(column)),
        }
    }

    pub fn time(&self, column: usize) -> Result<Timestamp, Failure> {
        self.int(column).map(Timestamp)
    }

    pub fn opt_time(&self, column: usize) -> Result<Option<Timestamp>, Failure> {
        Ok(self.opt_int(column)?.map(Timestamp))
    }

    pub fn text(&self, column: usize) -> Result<&str, Failure> {
        self.opt_text(column)?.ok_or_else(|| self.odd(column))
    }

    pub fn opt_text(&self, column: usize) -> Result<Option<&str>, Failure> {
        match self.0.get(column) {
            Some(Value::Text(value)) => Ok(Some(value)),
            Some(Value::Null) => Ok(None),
            Some(Value::Int(_) | Value::Bytes(_)) | None => Err(self.odd(column)),
        }
    }

    pub fn bytes(&self, column: usize) -> Result<&[u8], Failure> {
        match self.0.get(column) {
            Some(Value::Bytes(value)) => Ok(value),
            Some(Value::Null | Value::Int(_) | Value::Text(_)) | None => Err(self.odd(column)),
        }
    }

    pub fn id<T: FromStr<Err = IdError>>(&self, column: usize) -> Result<T, Failure> {
        self.text(column)?.parse().map_err(damaged)
    }

    /// A value of the model that is kept as JSON.
    pub fn json<T: DeserializeOwned>(&self, column: usize) -> Result<T, Failure> {
        serde_json::from_str(self.text(column)?).map_err(damaged)
    }

    /// A value of the model that is one word in JSON.
    pub fn word<T: DeserializeOwned>(&self, column: usize) -> Result<T, Failure> {
        serde_json::from_value(self.text(column)?.into()).map_err(damaged)
    }

    fn odd(&self, column: usize) -> Failure {
        let kind = match self.0.get(column) {
            None => "missing",
            Some(Value::Null) => "null",
            Some(Value::Int(_)) => "an integer",
            Some(Value::Text(_)) => "a text",
            Some(Value::Bytes(_)) => "bytes",
        };
        damaged(format!("column {column} of a row is {kind}"))
    }
}
