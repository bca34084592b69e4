//! Samples as they came, in the order in which they were written down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::oversight::{Code, OperatorCode};
use model::time::Timestamp;

use super::{code, operator};
use crate::StoreError;
use crate::oversight::{Accepted, rows};
use crate::sql::{Failure, Row, Sql, damaged, params};

/// A call is not longer.
const LONGEST: usize = 1 << 20;

/// What is known of the journal beside what stands in it.
#[derive(Default)]
pub struct Intake {
    /// The newest number; 0: it has to be looked up. Only the thread that writes gives numbers, so that they grow in the
    /// order of commits: who reads up to a number has missed none before it. What is rolled back leaves a gap.
    newest: AtomicI64,
    /// How many samples of each operator came since some of its were moved; a hint, which nobody has after a start.
    waiting: Mutex<BTreeMap<OperatorCode, u64>>,
    /// Held by who moves samples or deletes them.
    pub moving: tokio::sync::Mutex<()>,
}

impl Intake {
    fn next(&self, sql: &dyn Sql) -> Result<i64, Failure> {
        let newest = match self.newest.load(Ordering::Relaxed) {
            0 => {
                let newest = "SELECT coalesce(max(number), 0) FROM journal";
                let newest = sql.first(newest, &[], |row| row.int(0))?;
                newest.unwrap_or(0).max(done(sql)?)
            }
            newest => newest,
        };
        self.newest.store(newest + 1, Ordering::Relaxed);
        Ok(newest + 1)
    }

    /// The newest number there is; 0: nothing came since the start.
    pub fn newest(&self) -> i64 {
        self.newest.load(Ordering::Relaxed)
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeMap<OperatorCode, u64>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn came(&self, operator: &OperatorCode, samples: usize) {
        let samples = u64::try_from(samples).unwrap_or(u64::MAX);
        let mut waiting = self.waiting();
        match waiting.get_mut(operator) {
            Some(count) => *count = count.saturating_add(samples),
            None => {
                waiting.insert(operator.clone(), samples);
            }
        }
    }

    /// Of whom most wait, if they are that many.
    pub fn crowded(&self, least: u64) -> Option<OperatorCode> {
        let waiting = self.waiting();
        let most = waiting.iter().max_by_key(|(_, count)| **count);
        let most = most.filter(|(_, count)| **count >= least);
        most.map(|(operator, _)| operator.clone())
    }

    /// Some were moved, or all there are.
    pub fn moved(&self, operator: &OperatorCode, samples: Option<u64>) {
        let mut waiting = self.waiting();
        let left = match (waiting.get(operator), samples) {
            (Some(count), Some(samples)) => count.saturating_sub(samples),
            (Some(_), None) | (None, _) => 0,
        };
        if left == 0 {
            waiting.remove(operator);
        } else {
            waiting.insert(operator.clone(), left);
        }
    }
}

/// A call on its way into the journal.
pub struct Entry {
    operator: OperatorCode,
    at: Timestamp,
    samples: i64,
    repairs: Option<Code>,
    body: Vec<u8>,
}

impl Entry {
    pub fn of(accepted: &Accepted) -> Result<Self, StoreError> {
        let body = rows::pack(&accepted.samples);
        if body.len() > LONGEST {
            return Err(StoreError::Other {
                operation: "journal samples",
                cause: format!("they take {} bytes, and {LONGEST} are the most", body.len()),
            });
        }
        Ok(Self {
            operator: accepted.operator.clone(),
            at: accepted.at,
            samples: i64::try_from(accepted.samples.len()).unwrap_or(i64::MAX),
            repairs: accepted.repairs.clone(),
            body,
        })
    }

    pub fn put(&self, sql: &dyn Sql, intake: &Intake) -> Result<i64, Failure> {
        let number = intake.next(sql)?;
        sql.write(
            "INSERT INTO journal (number, operator, at, samples, repairs, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![
                number,
                self.operator.as_str(),
                self.at,
                self.samples,
                self.repairs.as_ref().map(Code::as_str),
                &self.body
            ],
        )?;
        Ok(number)
    }
}

/// Entries after a number. One that is damaged is left out and goes to the program's log: it must not keep everything
/// behind it from being worked off.
pub fn after(sql: &dyn Sql, mut after: i64, limit: u32) -> Result<Vec<(i64, Accepted)>, Failure> {
    let select = "SELECT number, operator, at, repairs, body FROM journal
         WHERE number > ?1 ORDER BY number LIMIT ?2";
    loop {
        let mut entries = Vec::new();
        let mut found = 0;
        sql.each(select, params![after, limit], &mut |row| {
            found += 1;
            after = row.int(0)?;
            match accepted(row) {
                Ok(entry) => entries.push((after, entry)),
                Err(failure) => report(after, failure),
            }
            Ok(())
        })?;
        if !entries.is_empty() || found < limit || found == 0 {
            return Ok(entries);
        }
    }
}

/// Says that an entry cannot be read.
pub fn report(number: i64, failure: Failure) {
    let error = failure.during("read the journal of samples");
    tracing::error!("entry {number} is left out: {error}");
}

fn accepted(row: &Row) -> Result<Accepted, Failure> {
    Ok(Accepted {
        operator: operator(row, 1)?,
        at: row.time(2)?,
        samples: rows::unpack(row.bytes(4)?).map_err(damaged)?,
        repairs: match row.opt_text(3)? {
            Some(_) => Some(code(row, 3)?),
            None => None,
        },
    })
}

pub fn done(sql: &dyn Sql) -> Result<i64, Failure> {
    let done = sql.first("SELECT number FROM journal_done", &[], |row| row.int(0))?;
    done.ok_or_else(|| damaged("nobody knows how far the journal is done"))
}

/// It never goes back.
pub fn set_done(sql: &dyn Sql, done: i64) -> Result<(), Failure> {
    sql.write(
        "UPDATE journal_done SET number = ?1 WHERE number < ?1",
        params![done],
    )
}
