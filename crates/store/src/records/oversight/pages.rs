//! Samples on their way from the journal into pages, and back out of both.
//!
//! Who moves samples must not keep writers waiting: the journal is read in slices, sorted and packed on a thread of the
//! runtime, and written in one short transaction, which also notes up to where the entries of that operator stand in pages
//! and do not count any more. They are deleted in slices when nothing that counts is before them: what lies together goes
//! together, and no part of the file is written once for every operator that has something there.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::oversight::{Code, OperatorCode, Sample};
use model::time::Timestamp;

use super::journal::{self, report};
use super::{count, filled, operator, places};
use crate::StoreError;
use crate::database::Database;
use crate::oversight::{page, rows};
use crate::sql::{Failure, Param, Row, Sql, damaged, params};

/// So many samples of one operator are moved although none of them is old.
const CROWD: u64 = 50_000;
/// Entries from which on those of whoever has the oldest are moved, however young they are.
const LONG: i64 = 500_000;
/// What is moved in one go, in samples and in bytes of the journal: 16 pages at best, of 30 MB of memory.
const SAMPLES: u64 = 16 * page::LARGEST as u64;
const BYTES: usize = 16 << 20;
/// Entries that are read, or deleted, at a time: a few milliseconds.
const ENTRIES: u32 = 1_000;
/// Pages that are read, or deleted, at a time.
const PAGES: usize = 8;
const FORGOTTEN: u32 = 32;
/// Newest samples in one transaction, and in one statement.
pub const LATEST_TOGETHER: usize = 1_024;
const LATEST_ROWS: [usize; 3] = [64, 8, 1];

const MOVE: &str = "move samples into pages";
const READ: &str = "read samples";
const FORGET: &str = "delete old samples";

pub async fn condense<G: Send + Sync>(database: &Database<G>, before: Timestamp) -> Result<u64, StoreError> {
    let _alone = database.intake.moving.lock().await;
    loop {
        let oldest = sweep(database).await?;
        let is_due = |oldest: &Oldest| {
            let is_long = database.intake.newest() - oldest.number > LONG;
            oldest.is_done && (is_long || oldest.at < before)
        };
        let operator = match (database.intake.crowded(CROWD), oldest) {
            (Some(operator), _) => operator,
            (None, Some(oldest)) if is_due(&oldest) => oldest.operator,
            (None, _) => return Ok(0),
        };
        let Some(batch) = Batch::read(database, &operator).await? else {
            // What came is not worked off yet.
            database.intake.moved(&operator, None);
            continue;
        };
        let (first, last, samples) = (batch.first, batch.last, batch.samples);
        let packing = tokio::task::spawn_blocking(move || batch.pages());
        let pages = packing.await.map_err(|error| damaged(error).during(MOVE))?;
        let pages = pages.map_err(|failure| failure.during(MOVE))?;
        let of = operator.clone();
        let put = move |sql: &dyn Sql| put_pages(sql, &of, (first, last), &pages);
        database.writer.call(MOVE, put).await?;
        database.intake.moved(&operator, Some(samples));
        if samples > 0 {
            return Ok(samples);
        }
    }
}

/// The oldest entry that counts.
struct Oldest {
    number: i64,
    operator: OperatorCode,
    at: Timestamp,
    is_done: bool,
}

/// Deletes what stands in pages and has nothing that counts before it, and says what comes next.
async fn sweep<G: Send + Sync>(database: &Database<G>) -> Result<Option<Oldest>, StoreError> {
    // Mostly there is nothing to delete.
    let mut limit = 1;
    loop {
        let read = move |sql: &dyn Sql| oldest(sql, limit);
        let (paged, oldest) = database.reader.call(MOVE, read).await?;
        if let Some(upto) = paged {
            let delete =
                move |sql: &dyn Sql| sql.write("DELETE FROM journal WHERE number <= ?1", params![upto]);
            database.writer.call(MOVE, delete).await?;
        }
        if paged.is_none() || oldest.is_some() {
            return Ok(oldest);
        }
        limit = ENTRIES;
    }
}

/// Of so many entries from the beginning: up to where they stand in pages, and the first that does not.
fn oldest(sql: &dyn Sql, limit: u32) -> Result<(Option<i64>, Option<Oldest>), Failure> {
    let (paged, done) = (paged(sql)?, journal::done(sql)?);
    let select = "SELECT number, operator, at FROM journal ORDER BY number LIMIT ?1";
    let entries = sql.all(select, params![limit], |row| {
        let number = row.int(0)?;
        Ok(Oldest {
            number,
            operator: operator(row, 1)?,
            at: row.time(2)?,
            is_done: number <= done,
        })
    })?;
    let mut upto = None;
    for entry in entries {
        if paged
            .get(&entry.operator)
            .is_none_or(|paged| *paged < entry.number)
        {
            return Ok((upto, Some(entry)));
        }
        upto = Some(entry.number);
    }
    Ok((upto, None))
}

/// Up to where the entries of each operator stand in pages.
fn paged(sql: &dyn Sql) -> Result<BTreeMap<OperatorCode, i64>, Failure> {
    let select = "SELECT operator, number FROM journal_paged ORDER BY operator";
    let paged = sql.all(select, &[], |row| Ok((operator(row, 0)?, row.int(1)?)))?;
    Ok(paged.into_iter().collect())
}

fn paged_of(sql: &dyn Sql, operator: &OperatorCode) -> Result<i64, Failure> {
    let select = "SELECT number FROM journal_paged WHERE operator = ?1";
    let paged = sql.first(select, params![operator.as_str()], |row| row.int(0))?;
    Ok(paged.unwrap_or(0))
}

/// Entries of one operator that are done and not in pages yet, the oldest first.
struct Batch {
    first: i64,
    last: i64,
    samples: u64,
    bytes: usize,
    entries: Vec<(i64, Vec<u8>)>,
}

impl Batch {
    async fn read<G: Send + Sync>(
        database: &Database<G>,
        operator: &OperatorCode,
    ) -> Result<Option<Self>, StoreError> {
        let mut batch = Self {
            first: 0,
            last: 0,
            samples: 0,
            bytes: 0,
            entries: Vec::new(),
        };
        loop {
            let (operator, after) = (operator.clone(), batch.last);
            let read = move |sql: &dyn Sql| {
                let select = "SELECT number, samples, body FROM journal
                     WHERE operator = ?1 AND number > ?2 AND number <= ?3 ORDER BY number LIMIT ?4";
                let (done, paged) = (journal::done(sql)?, paged_of(sql, &operator)?);
                let after = after.max(paged);
                sql.all(select, params![operator.as_str(), after, done, ENTRIES], |row| {
                    Ok((row.int(0)?, count(row, 1)?, row.bytes(2)?.to_vec()))
                })
            };
            let found = database.reader.call(MOVE, read).await?;
            let is_end = found.len() < usize::try_from(ENTRIES).unwrap_or(usize::MAX);
            for (number, samples, body) in found {
                if batch.entries.is_empty() {
                    batch.first = number;
                } else if batch.samples + samples > SAMPLES || batch.bytes + body.len() > BYTES {
                    return Ok(Some(batch));
                }
                batch.last = number;
                batch.samples += samples;
                batch.bytes += body.len();
                batch.entries.push((number, body));
            }
            if is_end {
                return Ok((!batch.entries.is_empty()).then_some(batch));
            }
        }
    }

    /// Its samples in order of port and time; those of the same time as they came.
    fn pages(self) -> Result<Vec<Packed>, Failure> {
        let mut samples = Vec::new();
        for (number, body) in self.entries {
            match rows::unpack(&body) {
                Ok(found) => samples.extend(found),
                Err(cause) => report(number, damaged(cause)),
            }
        }
        let mut in_order: Vec<&Sample> = samples.iter().collect();
        in_order.sort_by(|a, b| (&a.port, a.at).cmp(&(&b.port, b.at)));
        let mut rest = in_order.as_slice();
        let mut pages = Vec::new();
        while !rest.is_empty() {
            let (page, after) = rest.split_at(page::end(rest));
            pages.extend(Packed::of(page)?);
            rest = after;
        }
        Ok(pages)
    }
}

/// A page as it is stored.
struct Packed {
    first_at: Timestamp,
    last_at: Timestamp,
    first_port: Code,
    last_port: Code,
    count: i64,
    body: Vec<u8>,
}

impl Packed {
    fn of(samples: &[&Sample]) -> Result<Option<Self>, Failure> {
        let times = || samples.iter().map(|sample| sample.at);
        let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
            return Ok(None);
        };
        Ok(Some(Self {
            first_at: times().min().unwrap_or(first.at),
            last_at: times().max().unwrap_or(last.at),
            first_port: first.port.clone(),
            last_port: last.port.clone(),
            count: i64::try_from(samples.len()).map_err(damaged)?,
            body: page::pack(samples)?,
        }))
    }
}

/// Does nothing when somebody else moved these entries meanwhile: a caller may have gone while its work was waiting.
fn put_pages(
    sql: &dyn Sql,
    operator: &OperatorCode,
    (first, last): (i64, i64),
    pages: &[Packed],
) -> Result<(), Failure> {
    let oldest = "SELECT min(number) FROM journal WHERE operator = ?1 AND number > ?2";
    let after = params![operator.as_str(), paged_of(sql, operator)?];
    let oldest = sql.first(oldest, after, |row| row.opt_int(0))?;
    if oldest.flatten() != Some(first) {
        return Ok(());
    }
    for page in pages {
        sql.write(
            "INSERT INTO sample_page (operator, first_at, last_at, first_port, last_port, count, body)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                operator.as_str(),
                page.first_at,
                page.last_at,
                page.first_port.as_str(),
                page.last_port.as_str(),
                page.count,
                &page.body
            ],
        )?;
    }
    sql.write(
        "INSERT INTO journal_paged (operator, number) VALUES (?1, ?2)
         ON CONFLICT (operator) DO UPDATE SET number = excluded.number",
        params![operator.as_str(), last],
    )
}

/// Which samples are asked for.
#[derive(Clone)]
pub struct Wanted {
    pub operator: OperatorCode,
    pub port: Code,
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Where samples of a port stand at one moment.
struct Places {
    /// Entries of the journal that may have some.
    entries: Vec<(i64, Vec<u8>)>,
    /// Pages that may have some, and their first times, in order of these.
    pages: Vec<(Timestamp, i64)>,
}

/// Samples, each with its time and what decides between two of the same.
struct Found {
    samples: Vec<(Timestamp, i64, Sample)>,
    limit: usize,
}

impl Found {
    fn take(&mut self, rank: i64, samples: Vec<Sample>) {
        self.samples
            .extend(samples.into_iter().map(|sample| (sample.at, rank, sample)));
        if self.samples.len() > self.limit.saturating_mul(2).saturating_add(page::LARGEST) {
            self.shorten();
        }
    }

    fn shorten(&mut self) {
        self.samples.sort_by_key(|(at, rank, _)| (*at, *rank));
        self.samples.truncate(self.limit);
    }

    /// Whether there are enough from before a time.
    fn is_complete(&mut self, before: Timestamp) -> bool {
        if self.samples.len() < self.limit {
            return false;
        }
        self.shorten();
        self.samples.last().is_none_or(|(at, ..)| *at < before)
    }
}

pub async fn samples<G: Send + Sync>(
    database: &Database<G>,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<Sample>, StoreError> {
    let asked = wanted.clone();
    let look = move |sql: &dyn Sql| at_one_moment(sql, || Places::find(sql, &asked));
    let places = database.reader.call(READ, look).await?;
    let mut found = Found {
        samples: Vec::new(),
        limit: usize::try_from(limit).unwrap_or(usize::MAX),
    };
    for (number, body) in places.entries {
        match rows::unpack(&body) {
            Ok(mut samples) => {
                samples.retain(|sample| {
                    sample.port == wanted.port && wanted.from <= sample.at && sample.at < wanted.to
                });
                found.take(i64::MAX, samples);
            }
            Err(cause) => report(number, damaged(cause)),
        }
    }
    for slice in places.pages.chunks(PAGES) {
        if slice
            .first()
            .is_some_and(|(first_at, _)| found.is_complete(*first_at))
        {
            break;
        }
        let (asked, numbers) = (wanted.clone(), slice.to_vec());
        let read = move |sql: &dyn Sql| of_pages(sql, &numbers, &asked);
        for (number, samples) in database.reader.call(READ, read).await? {
            found.take(number, samples);
        }
    }
    found.shorten();
    Ok(found.samples.into_iter().map(|(_, _, sample)| sample).collect())
}

/// Reads in a transaction, unless there is one: what is moved meanwhile is seen once.
fn at_one_moment<T>(sql: &dyn Sql, read: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    if sql.is_in_transaction() {
        read()
    } else {
        sql.transaction(read)
    }
}

impl Places {
    fn find(sql: &dyn Sql, wanted: &Wanted) -> Result<Self, Failure> {
        let Wanted {
            operator,
            port,
            from,
            to,
        } = wanted;
        let paged = paged_of(sql, operator)?;
        let mut entries = Vec::new();
        sql.each(
            "SELECT number, body FROM journal WHERE operator = ?1 AND number > ?2 ORDER BY number",
            params![operator.as_str(), paged],
            &mut |row| {
                let body = row.bytes(1)?;
                if rows::may_have(body, port) {
                    entries.push((row.int(0)?, body.to_vec()));
                }
                Ok(())
            },
        )?;
        let select = "SELECT first_at, number FROM sample_page
             WHERE operator = ?1 AND last_at >= ?2 AND first_at < ?3 AND first_port <= ?4 AND last_port >= ?4
             ORDER BY first_at, number";
        let span = params![operator.as_str(), *from, *to, port.as_str()];
        let pages = sql.all(select, span, |row| Ok((row.time(0)?, row.int(1)?)))?;
        Ok(Self { entries, pages })
    }
}

/// What pages have of a port; one that was deleted meanwhile has nothing.
fn of_pages(
    sql: &dyn Sql,
    pages: &[(Timestamp, i64)],
    wanted: &Wanted,
) -> Result<Vec<(i64, Vec<Sample>)>, Failure> {
    let select = format!(
        "SELECT number, body FROM sample_page WHERE number IN ({})",
        places(PAGES)
    );
    let of_page = |row: &Row| {
        let number = row.int(0)?;
        let samples = page::of_port(row.bytes(1)?, &wanted.port, wanted.from, wanted.to);
        let damaged = |cause| Failure::Damaged(format!("page {number} of the samples is damaged: {cause}"));
        Ok((number, samples.map_err(damaged)?))
    };
    let mut found = Vec::new();
    for numbers in filled(pages, PAGES, |(_, number)| Param::Int(*number)) {
        found.extend(sql.all(&select, &numbers, of_page)?);
    }
    Ok(found)
}

pub async fn forget<G: Send + Sync>(database: &Database<G>, before: Timestamp) -> Result<u64, StoreError> {
    let _alone = database.intake.moving.lock().await;
    sweep(database).await?;
    let mut forgotten = 0;
    for forget in [forget_pages, forget_entries] {
        loop {
            let forget = move |sql: &dyn Sql| forget(sql, before);
            let (rows, samples) = database.writer.call(FORGET, forget).await?;
            forgotten += samples;
            if rows < FORGOTTEN {
                break;
            }
        }
    }
    Ok(forgotten)
}

/// Deletes the oldest pages. Says how many they were, and of how many samples.
fn forget_pages(sql: &dyn Sql, before: Timestamp) -> Result<(u32, u64), Failure> {
    let select = "SELECT number, count FROM sample_page WHERE last_at < ?1 ORDER BY last_at LIMIT ?2";
    let old = sql.all(select, params![before, FORGOTTEN], |row| {
        Ok((row.int(0)?, count(row, 1)?))
    })?;
    let (mut pages, mut samples) = (0, 0);
    for (number, count) in old {
        sql.write("DELETE FROM sample_page WHERE number = ?1", params![number])?;
        pages += 1;
        samples += count;
    }
    Ok((pages, samples))
}

/// The same with the oldest entries of the journal that are done. Samples that stand in pages are counted there.
fn forget_entries(sql: &dyn Sql, before: Timestamp) -> Result<(u32, u64), Failure> {
    let paged = paged(sql)?;
    let select =
        "SELECT number, samples, at, operator FROM journal WHERE number <= ?1 ORDER BY number LIMIT ?2";
    let oldest = sql.all(select, params![journal::done(sql)?, FORGOTTEN], |row| {
        Ok((row.int(0)?, count(row, 1)?, row.time(2)?, operator(row, 3)?))
    })?;
    let (mut entries, mut samples) = (0, 0);
    for (number, count, _, operator) in oldest.into_iter().take_while(|(_, _, at, _)| *at < before) {
        sql.write("DELETE FROM journal WHERE number = ?1", params![number])?;
        entries += 1;
        let is_paged = paged.get(&operator).is_some_and(|paged| number <= *paged);
        samples += if is_paged { 0 } else { count };
    }
    Ok((entries, samples))
}

/// The newest sample of each port as bytes, in order of the numbers.
pub fn latest_rows(latest: &[(i64, Arc<Sample>)]) -> Vec<(i64, Vec<u8>)> {
    let rows = latest
        .iter()
        .map(|(number, sample)| (*number, rows::pack(std::slice::from_ref(&**sample))));
    // No statement may say the same row twice.
    rows.collect::<BTreeMap<_, _>>().into_iter().collect()
}

pub fn put_latest(sql: &dyn Sql, mut rows: &[(i64, Vec<u8>)]) -> Result<(), Failure> {
    for together in LATEST_ROWS {
        let tuples: Vec<String> = (0..together)
            .map(|row| format!("(?{}, ?{})", 2 * row + 1, 2 * row + 2))
            .collect();
        let upsert = format!(
            "INSERT INTO latest_sample (number, body) VALUES {}
             ON CONFLICT (number) DO UPDATE SET body = excluded.body",
            tuples.join(", ")
        );
        while let Some((slice, rest)) = rows.split_at_checked(together) {
            let parameters = slice
                .iter()
                .flat_map(|(number, body)| [Param::Int(*number), Param::Bytes(body)]);
            sql.write(&upsert, &parameters.collect::<Vec<_>>())?;
            rows = rest;
        }
    }
    Ok(())
}

pub fn latest(sql: &dyn Sql, after: i64, limit: u32) -> Result<Vec<(i64, Sample)>, Failure> {
    let select = "SELECT number, body FROM latest_sample WHERE number > ?1 ORDER BY number LIMIT ?2";
    let mut found = Vec::new();
    sql.each(select, params![after, limit], &mut |row| {
        let number = row.int(0)?;
        let mut samples = rows::unpack(row.bytes(1)?).map_err(damaged)?;
        found.extend(samples.pop().map(|sample| (number, sample)));
        Ok(())
    })?;
    Ok(found)
}
