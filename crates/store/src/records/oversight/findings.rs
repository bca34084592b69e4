//! Samples that could not be used, dangers, and how well operators report.

use model::oversight::{Code, Failed, FailedState, OperatorCode, Quality, Warning};

use super::super::{Only, to_json, to_word};
use super::operator;
use crate::sql::{Failure, Sql, params};

pub fn put_failed(sql: &dyn Sql, failed: &Failed) -> Result<(), Failure> {
    sql.write(
        "INSERT INTO failure (id, operator, state, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET operator = excluded.operator, state = excluded.state,
         body = excluded.body",
        params![
            failed.id.as_str(),
            failed.operator.as_str(),
            &to_word(&failed.state)?,
            &to_json(failed)?
        ],
    )
}

pub fn failed(sql: &dyn Sql, id: &Code) -> Result<Option<Failed>, Failure> {
    let select = "SELECT body FROM failure WHERE id = ?1";
    sql.first(select, params![id.as_str()], |row| row.json(0))
}

pub fn failures(
    sql: &dyn Sql,
    operator: Option<&OperatorCode>,
    state: Option<FailedState>,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, Failed)>, Failure> {
    let state = state.map(|state| to_word(&state)).transpose()?;
    let mut only = Only::default();
    only.add("operator = ?", operator.map(OperatorCode::as_str));
    only.add("state = ?", state.as_ref());
    only.add("number < ?", before);
    let select = format!(
        "SELECT number, body FROM failure {} ORDER BY number DESC LIMIT {}",
        only.text(),
        only.place(limit)
    );
    sql.all(&select, &only.parameters, |row| Ok((row.int(0)?, row.json(1)?)))
}

pub fn put_warning(sql: &dyn Sql, warning: &Warning) -> Result<(), Failure> {
    sql.write(
        "INSERT INTO warning (id, operator, cleared, body) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (id) DO UPDATE SET operator = excluded.operator, cleared = excluded.cleared,
         body = excluded.body",
        params![
            warning.id.as_str(),
            warning.operator.as_str(),
            warning.cleared,
            &to_json(warning)?
        ],
    )
}

pub fn warning(sql: &dyn Sql, id: &Code) -> Result<Option<Warning>, Failure> {
    let select = "SELECT body FROM warning WHERE id = ?1";
    sql.first(select, params![id.as_str()], |row| row.json(0))
}

pub fn open_warnings(sql: &dyn Sql) -> Result<Vec<Warning>, Failure> {
    let select = "SELECT body FROM warning WHERE cleared IS NULL ORDER BY number";
    sql.all(select, &[], |row| row.json(0))
}

pub fn warnings(
    sql: &dyn Sql,
    operator: Option<&OperatorCode>,
    only_open: bool,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<(i64, Warning)>, Failure> {
    let mut only = Only::default();
    only.add("operator = ?", operator.map(OperatorCode::as_str));
    only.add("number < ?", before);
    if only_open {
        only.conditions.push("cleared IS NULL".to_owned());
    }
    let select = format!(
        "SELECT number, body FROM warning {} ORDER BY number DESC LIMIT {}",
        only.text(),
        only.place(limit)
    );
    sql.all(&select, &only.parameters, |row| Ok((row.int(0)?, row.json(1)?)))
}

pub fn put_quality(
    sql: &dyn Sql,
    operator: &OperatorCode,
    day: &str,
    quality: &Quality,
) -> Result<(), Failure> {
    sql.write(
        "INSERT INTO report_quality (operator, day, body) VALUES (?1, ?2, ?3)
         ON CONFLICT (operator, day) DO UPDATE SET body = excluded.body",
        params![operator.as_str(), day, &to_json(quality)?],
    )
}

pub fn quality(sql: &dyn Sql, day: &str) -> Result<Vec<(OperatorCode, Quality)>, Failure> {
    let select = "SELECT operator, body FROM report_quality WHERE day = ?1 ORDER BY operator";
    sql.all(select, params![day], |row| Ok((operator(row, 0)?, row.json(1)?)))
}

pub fn quality_of(
    sql: &dyn Sql,
    operator: &OperatorCode,
    from: &str,
    to: &str,
) -> Result<Vec<(String, Quality)>, Failure> {
    let select = "SELECT day, body FROM report_quality
         WHERE operator = ?1 AND day >= ?2 AND day <= ?3 ORDER BY day";
    sql.all(select, params![operator.as_str(), from, to], |row| {
        Ok((row.text(0)?.to_owned(), row.json(1)?))
    })
}
