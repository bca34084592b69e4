//! Records of charges.

use std::collections::BTreeMap;

use model::oversight::{ChargeRecord, Code, Decimal, OperatorCode, StoredRecord};
use model::time::Timestamp;

use super::super::{Only, to_json};
use super::{count, filled, operator, places};
use crate::oversight::{RecordFilter, RecordOutcome, RecordTotals};
use crate::sql::{Failure, Param, Sql, params};

/// Records that lose their person in one transaction.
pub const TOGETHER: u32 = 500;
/// Charges asked for in one statement.
const ASKED: usize = 32;
/// What one record adds to sums at most, a million kWh or units of money: nobody may make them overflow.
const MOST: i64 = 1_000_000_000_000;

pub fn put(
    sql: &dyn Sql,
    operator: &OperatorCode,
    records: &[(ChargeRecord, bool)],
    received: Timestamp,
) -> Result<Vec<RecordOutcome>, Failure> {
    let mut there = there(sql, operator, records)?;
    let mut outcomes = Vec::with_capacity(records.len());
    for (record, is_orphan) in records {
        let outcome = match there.get(&record.charge) {
            Some(held) if is_same(held, record) => RecordOutcome::Same,
            Some(_) => RecordOutcome::Taken,
            None => {
                insert(sql, operator, record, *is_orphan, received)?;
                there.insert(record.charge.clone(), record.clone());
                RecordOutcome::Stored
            }
        };
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

/// Records that have the same codes.
fn there(
    sql: &dyn Sql,
    operator: &OperatorCode,
    records: &[(ChargeRecord, bool)],
) -> Result<BTreeMap<Code, ChargeRecord>, Failure> {
    let select = format!(
        "SELECT body FROM charge_record WHERE charge IN ({}) AND operator = ?{}",
        places(ASKED),
        ASKED + 1
    );
    let mut there = BTreeMap::new();
    for mut parameters in filled(records, ASKED, |(record, _)| Param::Text(record.charge.as_str())) {
        parameters.push(Param::Text(operator.as_str()));
        let found = sql.all(&select, &parameters, |row| row.json::<ChargeRecord>(0))?;
        there.extend(found.into_iter().map(|record| (record.charge.clone(), record)));
    }
    Ok(there)
}

/// Whether a record is there already, perhaps without what could name a person.
fn is_same(held: &ChargeRecord, record: &ChargeRecord) -> bool {
    held == record || (!is_personal(held) && *held == nameless(record.clone()))
}

fn is_personal(record: &ChargeRecord) -> bool {
    record.person.is_some() || !record.unknown.is_empty()
}

/// What nobody understood could name a person as well.
fn nameless(record: ChargeRecord) -> ChargeRecord {
    ChargeRecord {
        person: None,
        unknown: BTreeMap::new(),
        ..record
    }
}

fn insert(
    sql: &dyn Sql,
    operator: &OperatorCode,
    record: &ChargeRecord,
    is_orphan: bool,
    received: Timestamp,
) -> Result<(), Failure> {
    let summed = |decimal: Decimal| decimal.0.clamp(-MOST, MOST);
    sql.write(
        "INSERT INTO charge_record (operator, charge, port, started, ended, received, orphan, personal, energy, energy_cost, service_cost, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            operator.as_str(),
            record.charge.as_str(),
            record.port.as_str(),
            record.start,
            record.end,
            received,
            i64::from(is_orphan),
            i64::from(is_personal(record)),
            summed(record.energy),
            summed(record.energy_cost),
            summed(record.service_cost),
            &to_json(record)?
        ],
    )
}

fn only(filter: &RecordFilter) -> Only<'_> {
    let mut only = Only::default();
    only.add("operator = ?", filter.operator.as_ref().map(OperatorCode::as_str));
    only.add("port = ?", filter.port.as_ref().map(Code::as_str));
    only.add("started >= ?", filter.from);
    only.add("started < ?", filter.to);
    if filter.only_orphans {
        only.conditions.push("orphan = 1".to_owned());
    }
    only
}

pub fn page(
    sql: &dyn Sql,
    filter: &RecordFilter,
    skip: u64,
    limit: u32,
) -> Result<Vec<StoredRecord>, Failure> {
    let mut only = only(filter);
    // What is skipped is skipped in an index.
    let select = format!(
        "SELECT number, operator, received, orphan, body FROM charge_record WHERE number IN
         (SELECT number FROM charge_record {} ORDER BY number LIMIT {} OFFSET {}) ORDER BY number",
        only.text(),
        only.place(limit),
        only.place(i64::try_from(skip).unwrap_or(i64::MAX))
    );
    sql.all(&select, &only.parameters, |row| {
        Ok(StoredRecord {
            number: row.int(0)?,
            operator: operator(row, 1)?,
            received: row.time(2)?,
            is_orphan: row.int(3)? != 0,
            record: row.json(4)?,
        })
    })
}

pub fn totals(sql: &dyn Sql, filter: &RecordFilter) -> Result<RecordTotals, Failure> {
    let only = only(filter);
    let sum = |column: &str| format!("CAST(coalesce(sum({column}), 0) AS BIGINT)");
    let select = format!(
        "SELECT count(*), {}, {}, {} FROM charge_record {}",
        sum("energy"),
        sum("energy_cost"),
        sum("service_cost"),
        only.text()
    );
    let totals = sql.first(&select, &only.parameters, |row| {
        Ok(RecordTotals {
            count: count(row, 0)?,
            energy: row.int(1)?,
            energy_cost: row.int(2)?,
            service_cost: row.int(3)?,
        })
    })?;
    Ok(totals.unwrap_or_default())
}

/// Records of a port are no orphans.
pub fn adopt(sql: &dyn Sql, operator: &OperatorCode, port: &Code) -> Result<(), Failure> {
    sql.write(
        "UPDATE charge_record SET orphan = 0 WHERE operator = ?1 AND port = ?2 AND orphan = 1",
        params![operator.as_str(), port.as_str()],
    )
}

pub fn forget_persons(sql: &dyn Sql, before: Timestamp) -> Result<u64, Failure> {
    let select = "SELECT number, body FROM charge_record WHERE personal = 1 AND ended < ?1
         ORDER BY ended LIMIT ?2";
    let found = sql.all(select, params![before, TOGETHER], |row| {
        Ok((row.int(0)?, row.json::<ChargeRecord>(1)?))
    })?;
    let mut count = 0;
    for (number, record) in found {
        sql.write(
            "UPDATE charge_record SET personal = 0, body = ?2 WHERE number = ?1",
            params![number, &to_json(&nameless(record))?],
        )?;
        count += 1;
    }
    Ok(count)
}
