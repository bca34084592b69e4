//! Stations, equipment and ports.
//!
//! Sketch: there may be 1.7 million, all of which are read at a start. So what identifies them stands in a narrow table
//! of its own, 60 bytes each, and what they say of themselves, ten times as much, in another.

use std::collections::BTreeMap;

use model::oversight::{Code, Entity, EntityKey, EntityKind, OperatorCode, Value};
use model::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::super::to_json;
use super::{charges, code, filled, operator, places};
use crate::sql::{Failure, Param, Row, Sql, damaged, params};

/// Entities asked for in one statement.
const TOGETHER: usize = 64;

/// What an entity says, as it is written.
#[derive(Serialize)]
struct Says<'a> {
    fields: &'a BTreeMap<String, Value>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    unknown: &'a BTreeMap<String, String>,
    told: Timestamp,
}

/// The same as it is read.
#[derive(Deserialize)]
struct Said {
    fields: BTreeMap<String, Value>,
    #[serde(default)]
    unknown: BTreeMap<String, String>,
    told: Timestamp,
}

pub fn put(sql: &dyn Sql, operator: &OperatorCode, entity: &Entity) -> Result<EntityKey, Failure> {
    let parent = entity.parent.as_ref().map(Code::as_str);
    let number = sql.first(
        "INSERT INTO entity (operator, kind, id, parent) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (operator, kind, id) DO UPDATE SET parent = excluded.parent RETURNING number",
        params![operator.as_str(), entity.kind.name(), entity.id.as_str(), parent],
        |row| row.int(0),
    )?;
    let number = number.ok_or_else(|| damaged("an entity got no number"))?;
    let says = Says {
        fields: &entity.fields,
        unknown: &entity.unknown,
        told: entity.told,
    };
    sql.write(
        "INSERT INTO entity_body (number, body) VALUES (?1, ?2)
         ON CONFLICT (number) DO UPDATE SET body = excluded.body",
        params![number, &to_json(&says)?],
    )?;
    if entity.kind == EntityKind::Port {
        charges::adopt(sql, operator, &entity.id)?;
    }
    Ok(EntityKey {
        number,
        operator: operator.clone(),
        kind: entity.kind,
        id: entity.id.clone(),
        parent: entity.parent.clone(),
    })
}

/// Deletes an entity and what is kept by its number.
pub fn delete(sql: &dyn Sql, operator: &OperatorCode, kind: EntityKind, id: &Code) -> Result<(), Failure> {
    let key = params![operator.as_str(), kind.name(), id.as_str()];
    let number = "(SELECT number FROM entity WHERE operator = ?1 AND kind = ?2 AND id = ?3)";
    for table in ["entity_body", "latest_sample"] {
        sql.write(&format!("DELETE FROM {table} WHERE number = {number}"), key)?;
    }
    sql.write(
        "DELETE FROM entity WHERE operator = ?1 AND kind = ?2 AND id = ?3",
        key,
    )
}

const COLUMNS: &str = "entity.number, entity.kind, entity.id, entity.parent, entity_body.body
     FROM entity JOIN entity_body ON entity_body.number = entity.number";

fn entity(row: &Row) -> Result<(i64, Entity), Failure> {
    let Said {
        fields,
        unknown,
        told,
    } = row.json(4)?;
    let entity = Entity {
        kind: kind(row.text(1)?)?,
        id: code(row, 2)?,
        parent: parent(row, 3)?,
        fields,
        unknown,
        told,
    };
    Ok((row.int(0)?, entity))
}

pub fn find(
    sql: &dyn Sql,
    operator: &OperatorCode,
    kind: EntityKind,
    id: &Code,
) -> Result<Option<Entity>, Failure> {
    let select =
        format!("SELECT {COLUMNS} WHERE entity.operator = ?1 AND entity.kind = ?2 AND entity.id = ?3");
    let key = params![operator.as_str(), kind.name(), id.as_str()];
    Ok(sql.first(&select, key, entity)?.map(|(_, entity)| entity))
}

pub fn numbered(sql: &dyn Sql, numbers: &[i64]) -> Result<Vec<(i64, Entity)>, Failure> {
    let select = format!("SELECT {COLUMNS} WHERE entity.number IN ({})", places(TOGETHER));
    let mut found = BTreeMap::new();
    for slice in filled(numbers, TOGETHER, |number| Param::Int(*number)) {
        found.extend(sql.all(&select, &slice, entity)?);
    }
    let in_order = numbers
        .iter()
        .filter_map(|number| Some((*number, found.get(number)?.clone())));
    Ok(in_order.collect())
}

pub fn keys(sql: &dyn Sql, after: i64, limit: u32) -> Result<Vec<EntityKey>, Failure> {
    let select = "SELECT number, operator, kind, id, parent FROM entity
         WHERE number > ?1 ORDER BY number LIMIT ?2";
    sql.all(select, params![after, limit], |row| {
        Ok(EntityKey {
            number: row.int(0)?,
            operator: operator(row, 1)?,
            kind: kind(row.text(2)?)?,
            id: code(row, 3)?,
            parent: parent(row, 4)?,
        })
    })
}

fn kind(name: &str) -> Result<EntityKind, Failure> {
    let kind = EntityKind::ALL.into_iter().find(|kind| kind.name() == name);
    kind.ok_or_else(|| damaged(format!("`{name}` is no kind of entity")))
}

fn parent(row: &Row, column: usize) -> Result<Option<Code>, Failure> {
    row.opt_text(column)?
        .map(|text| Code::new(text).map_err(damaged))
        .transpose()
}
