//! Our few types of values as PostgreSQL's: BIGINT, TEXT, BYTEA.

use std::error::Error;

use bytes::BytesMut;
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use crate::sql::{Failure, Param, Row, Value};

pub fn values(parameters: &[Param<'_>]) -> Vec<Value> {
    let value = |parameter: &Param<'_>| match parameter {
        Param::Null => Value::Null,
        Param::Int(value) => Value::Int(*value),
        Param::Text(value) => Value::Text((*value).to_owned()),
        Param::Bytes(value) => Value::Bytes(value.to_vec()),
    };
    parameters.iter().map(value).collect()
}

pub fn references(values: &[Value]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

pub fn row(found: &tokio_postgres::Row) -> Result<Row, Failure> {
    let columns = (0..found.len()).map(|column| Ok(found.try_get(column)?));
    Ok(Row(columns.collect::<Result<_, Failure>>()?))
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Int(value) => value.to_sql_checked(kind, out),
            Self::Text(value) => value.to_sql_checked(kind, out),
            Self::Bytes(value) => value.to_sql_checked(kind, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        // Each variant checks for itself.
        true
    }

    to_sql_checked!();
}

impl<'a> FromSql<'a> for Value {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(match *kind {
            Type::INT8 => Self::Int(FromSql::from_sql(kind, raw)?),
            Type::TEXT => Self::Text(FromSql::from_sql(kind, raw)?),
            _ => Self::Bytes(FromSql::from_sql(kind, raw)?),
        })
    }

    fn from_sql_null(_: &Type) -> Result<Self, Box<dyn Error + Sync + Send>> {
        Ok(Self::Null)
    }

    fn accepts(kind: &Type) -> bool {
        [Type::INT8, Type::TEXT, Type::BYTEA].contains(kind)
    }
}
