//! What sealed readings are condensed to: minutes, quarter-hours and days of UTC.
//!
//! Days are rows of a table. Of what is finer, that of one day is a page and one row: a month of quarter-hours is read
//! from thirty of them. Rows are found like blocks, by `series << 36 | start second`. A bucket may be sealed in parts,
//! and the parts may come in any order: each is merged with what is there.

use super::block::{DAY_S, MINUTE_S, QUARTER_S, Reading, key};
use super::page::{self, Frame};
use crate::condense::{Bucket, Condenser, END_OF_TIME_S};
use crate::sql::{Failure, Row, Sql, params};

const DAY_MS: i64 = DAY_S * 1_000;
/// Rows of the old form that are read at a time; more than a page has buckets.
const BITE: u32 = 20_000;

/// Adds readings of a series, which are in order of time, to its quarter-hours and days.
pub fn seal(sql: &dyn Sql, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    let quarters = condensed(readings, QUARTER_S);
    let mut days = Condenser::new(DAY_S);
    quarters.iter().for_each(|quarter| days.bucket(quarter));
    QUARTERS.add(sql, series, &quarters)?;
    days.finish().iter().try_for_each(|day| add_day(sql, series, day))
}

/// Adds readings of a series, which are in order of time, to its minutes.
pub fn thin(sql: &dyn Sql, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    MINUTES.add(sql, series, &condensed(readings, MINUTE_S))
}

fn condensed(readings: &[Reading], width_s: i64) -> Vec<Bucket> {
    let mut condenser = Condenser::new(width_s);
    for (at, value) in readings {
        condenser.reading(*at, *value);
    }
    condenser.finish()
}

/// A width that is kept ready.
#[derive(Clone, Copy)]
pub enum Rollup {
    Quarter,
    Day,
}

impl Rollup {
    /// The widest that buckets of so many seconds can be made of.
    pub fn for_width(width_s: i64) -> Option<Self> {
        let is_multiple = |width: i64| width_s > 0 && width_s % width == 0;
        if is_multiple(DAY_S) {
            Some(Self::Day)
        } else {
            is_multiple(QUARTER_S).then_some(Self::Quarter)
        }
    }

    /// Hands over the sealed part of every bucket that starts in `from..to`, in order of time.
    pub fn for_each(
        self,
        sql: &dyn Sql,
        series: i64,
        from_ms: i64,
        to_ms: i64,
        mut take: impl FnMut(&Bucket),
    ) -> Result<(), Failure> {
        match self {
            Self::Quarter => QUARTERS.for_each(sql, series, from_ms, to_ms, take),
            Self::Day => {
                let select =
                    "SELECT key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms FROM day
                     WHERE key >= ?1 AND key < ?2 ORDER BY key";
                let span = params![key(series, from_ms), key(series, to_ms)];
                sql.each(select, span, &mut |row| {
                    take(&bucket(row)?);
                    Ok(())
                })
            }
        }
    }
}

/// The part of a day of UTC that is sealed, merged with what there is of it.
fn add_day(sql: &dyn Sql, series: i64, day: &Bucket) -> Result<(), Failure> {
    let mut whole = *day;
    Rollup::Day.for_each(sql, series, day.start_ms, day.start_ms + 1_000, |held| {
        whole = *held;
        whole.merge(day);
    })?;
    sql.write(
        "INSERT INTO day (key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT (key) DO UPDATE SET count = excluded.count, sum = excluded.sum,
         lowest = excluded.lowest, highest = excluded.highest,
         last = excluded.last, last_at_ms = excluded.last_at_ms,
         first = excluded.first, first_at_ms = excluded.first_at_ms",
        params![
            key(series, whole.start_ms),
            whole.count,
            whole.sum,
            whole.min,
            whole.max,
            whole.last,
            whole.last_at_ms,
            whole.first,
            whole.first_at_ms
        ],
    )
}

/// A row of the table of days, or of another that once was like it.
fn bucket(row: &Row) -> Result<Bucket, Failure> {
    let start_ms = start_ms(row.int(0)?);
    let min = row.int(3)?;
    Ok(Bucket {
        start_ms,
        count: row.int(1)?,
        sum: row.int(2)?,
        min,
        max: row.int(4)?,
        last: row.int(5)?,
        last_at_ms: row.int(6)?,
        // Rows of the first schema do not know; a counter began at its lowest.
        first: row.opt_int(7)?.unwrap_or(min),
        first_at_ms: row.opt_int(8)?.unwrap_or(start_ms),
    })
}

const fn start_ms(key: i64) -> i64 {
    (key & (END_OF_TIME_S - 1)) * 1_000
}

const fn day_of(at_ms: i64) -> i64 {
    at_ms - at_ms.rem_euclid(DAY_MS)
}

/// A table of pages, with what is said about it in SQL.
pub struct Pages {
    width_s: i64,
    select: &'static str,
    select_last: &'static str,
    put: &'static str,
    remove: &'static str,
}

/// The pages of a width in a table.
macro_rules! pages {
    ($width_s:expr, $table:literal) => {
        Pages {
            width_s: $width_s,
            select: concat!(
                "SELECT key, body FROM ",
                $table,
                " WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT ?3"
            ),
            select_last: concat!(
                "SELECT key, body FROM ",
                $table,
                " WHERE key >= ?1 AND key <= ?2 ORDER BY key DESC LIMIT 2"
            ),
            put: concat!(
                "INSERT INTO ",
                $table,
                " (key, body) VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET body = excluded.body"
            ),
            remove: concat!("DELETE FROM ", $table, " WHERE key >= ?1 AND key < ?2"),
        }
    };
}

/// Only of readings that were thinned.
pub const MINUTES: Pages = pages!(MINUTE_S, "minute_page");
pub const QUARTERS: Pages = pages!(QUARTER_S, "quarter_page");

impl Pages {
    /// Hands over the sealed part of every bucket that starts in `from..to`, in order of time.
    pub fn for_each(
        &self,
        sql: &dyn Sql,
        series: i64,
        from_ms: i64,
        to_ms: i64,
        mut take: impl FnMut(&Bucket),
    ) -> Result<(), Failure> {
        let span = params![key(series, day_of(from_ms)), key(series, to_ms), i64::MAX];
        let mut buckets = Vec::new();
        sql.each(self.select, span, &mut |row| {
            self.unpack(row, &mut buckets)?;
            let from = buckets.partition_point(|bucket| bucket.start_ms < from_ms);
            let to = buckets.partition_point(|bucket| bucket.start_ms < to_ms);
            buckets
                .get(from..to)
                .unwrap_or_default()
                .iter()
                .for_each(&mut take);
            Ok(())
        })
    }

    /// The sealed part of the last bucket that starts before a time.
    pub fn before(&self, sql: &dyn Sql, series: i64, at_ms: i64) -> Result<Option<Bucket>, Failure> {
        // No page is empty; that of the day may have nothing that early.
        let span = params![key(series, 0), key(series, at_ms)];
        let (mut buckets, mut found) = (Vec::new(), None);
        sql.each(self.select_last, span, &mut |row| {
            if found.is_none() {
                self.unpack(row, &mut buckets)?;
                found = buckets.iter().rfind(|bucket| bucket.start_ms < at_ms).copied();
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// The sealed part of the first bucket that starts at a time or after it.
    pub fn after(&self, sql: &dyn Sql, series: i64, at_ms: i64) -> Result<Option<Bucket>, Failure> {
        let span = params![key(series, day_of(at_ms)), key(series + 1, 0), 2_i64];
        let (mut buckets, mut found) = (Vec::new(), None);
        sql.each(self.select, span, &mut |row| {
            if found.is_none() {
                self.unpack(row, &mut buckets)?;
                found = buckets.iter().find(|bucket| bucket.start_ms >= at_ms).copied();
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// Removes the oldest day of a series, if all of it is before a time, and says when it ended.
    pub fn remove_oldest(&self, sql: &dyn Sql, series: i64, before_ms: i64) -> Result<Option<i64>, Failure> {
        let oldest = self.after(sql, series, 0)?;
        let end_ms = oldest.map(|oldest| day_of(oldest.start_ms) + DAY_MS);
        let Some(end_ms) = end_ms.filter(|end_ms| *end_ms <= before_ms) else {
            return Ok(None);
        };
        sql.write(self.remove, params![key(series, 0), key(series, end_ms)])?;
        Ok(Some(end_ms))
    }

    /// Merges buckets, which are in order of time, with what there is of them.
    fn add(&self, sql: &dyn Sql, series: i64, new: &[Bucket]) -> Result<(), Failure> {
        let mut buckets = Vec::new();
        for new in new.chunk_by(|a, b| day_of(a.start_ms) == day_of(b.start_ms)) {
            let day_ms = new.first().map_or(0, |first| day_of(first.start_ms));
            let span = params![key(series, day_ms), key(series, day_ms + DAY_MS), 1_i64];
            buckets.clear();
            sql.each(self.select, span, &mut |row| self.unpack(row, &mut buckets))?;
            buckets.extend(new);
            buckets.sort_by_key(|bucket| bucket.start_ms);
            buckets.dedup_by(|later, known| {
                let is_same = later.start_ms == known.start_ms;
                if is_same {
                    known.merge(later);
                }
                is_same
            });
            self.put(sql, series, day_ms, &buckets)?;
        }
        Ok(())
    }

    fn put(&self, sql: &dyn Sql, series: i64, day_ms: i64, buckets: &[Bucket]) -> Result<(), Failure> {
        let body = page::pack(self.frame(day_ms), buckets);
        sql.write(self.put, params![key(series, day_ms), &body])
    }

    fn unpack(&self, row: &Row, buckets: &mut Vec<Bucket>) -> Result<(), Failure> {
        let key = row.int(0)?;
        page::unpack(self.frame(start_ms(key)), row.bytes(1)?, buckets)
            .map_err(|cause| Failure::Damaged(format!("page {key} of the history is damaged: {cause}")))
    }

    const fn frame(&self, day_ms: i64) -> Frame {
        Frame {
            start_ms: day_ms,
            width_ms: self.width_s * 1_000,
        }
    }

    /// Makes pages of rows of a bucket each, as older schemas had them.
    fn pack_rows(&self, sql: &dyn Sql, table: &str) -> Result<(), Failure> {
        let select = format!(
            "SELECT key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms FROM {table}
             WHERE key >= ?1 ORDER BY key LIMIT ?2"
        );
        let series_and_day = |(key, bucket): &(i64, Bucket)| (key >> 36, day_of(bucket.start_ms));
        let mut from = 0;
        loop {
            let rows = sql.all(&select, params![from, BITE], |row| {
                Ok((row.int(0)?, bucket(row)?))
            })?;
            let is_last = rows.len() < BITE as usize;
            let mut days = rows
                .chunk_by(|a, b| series_and_day(a) == series_and_day(b))
                .peekable();
            while let Some(day) = days.next() {
                let Some((series, day_ms)) = day.first().map(series_and_day) else {
                    continue;
                };
                // There may be more of the last one.
                if !is_last && days.peek().is_none() {
                    from = key(series, day_ms);
                    break;
                }
                let buckets: Vec<Bucket> = day.iter().map(|(_, bucket)| *bucket).collect();
                self.put(sql, series, day_ms, &buckets)?;
            }
            if is_last {
                return Ok(());
            }
        }
    }
}

/// A step of the schema: minutes and quarter-hours, until then a row each, become pages.
pub fn to_pages(sql: &dyn Sql) -> Result<(), Failure> {
    for (pages, table) in [(MINUTES, "minute"), (QUARTERS, "quarter")] {
        pages.pack_rows(sql, table)?;
        sql.write(&format!("DROP TABLE {table}"), &[])?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollup_serves_its_multiples() {
        let widths = [1, 60, 900, 1_000, 3_600, 86_400, 90_000, 604_800].map(|width_s| {
            Rollup::for_width(width_s).map_or("readings", |rollup| match rollup {
                Rollup::Quarter => "quarters",
                Rollup::Day => "days",
            })
        });
        let expected = [
            "readings", "readings", "quarters", "readings", "quarters", "days", "quarters", "days",
        ];
        assert_eq!(widths, expected);
    }
}
