//! Sealed readings in the database: blocks, and the rollups written with them.
//!
//! A block holds one series over at most a day or some thousand readings, as two columns of integers
//! compressed with pco. It is found by `series << 36 | start second`, so no two blocks of a series start in
//! the same second, and none overlap.

use std::collections::BTreeMap;

use pco::ChunkConfig;
use pco::standalone::{simple_compress, simple_decompress};
use rusqlite::{Connection, OptionalExtension, params};

use crate::condense::{Bucket, Condenser, END_OF_TIME_S};
use crate::sqlite::worker::Failure;

pub const QUARTER_S: i64 = 900;
pub const DAY_S: i64 = 86_400;
/// Readings in a block at most, except that a second is never split.
const LARGEST: usize = 4_000;
/// Higher levels cost time and save little on such columns.
const LEVEL: usize = 4;

/// One reading: milliseconds since 1970 and its value.
pub type Reading = (i64, i64);

pub fn key(series: i64, at_ms: i64) -> i64 {
    series << 36 | at_ms.div_euclid(1_000).clamp(0, END_OF_TIME_S - 1)
}

/// Writes readings of one series, which are in order of time. Where there are readings already, the new ones
/// are put between them; at the same millisecond the old one stays.
pub fn write(connection: &Connection, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    let (Some((first_ms, _)), Some((last_ms, _))) = (readings.first(), readings.last()) else {
        return Ok(());
    };
    let touched = touched(connection, series, *first_ms, *last_ms)?;
    if touched.is_empty() {
        insert(connection, series, readings)?;
        return add_rollups(connection, series, readings);
    }
    let mut merged = BTreeMap::new();
    for key in touched {
        merged.extend(load(connection, key)?);
        connection
            .prepare_cached("DELETE FROM block WHERE key = ?1")?
            .execute([key])?;
    }
    let new: Vec<Reading> = readings
        .iter()
        .filter(|(at, _)| !merged.contains_key(at))
        .copied()
        .collect();
    merged.extend(new.iter().copied());
    insert(connection, series, &merged.into_iter().collect::<Vec<_>>())?;
    add_rollups(connection, series, &new)
}

/// Keys of the blocks that overlap a span, or that start in the same second as its first or last reading.
fn touched(connection: &Connection, series: i64, first_ms: i64, last_ms: i64) -> Result<Vec<i64>, Failure> {
    let (first_key, last_key) = (key(series, first_ms), key(series, last_ms));
    let mut select = connection.prepare_cached(
        "SELECT key, first_ms, last_ms FROM block
         WHERE key <= ?2 AND key >= coalesce((SELECT max(key) FROM block WHERE key <= ?1 AND key >= ?3), ?1)",
    )?;
    let mut rows = select.query(params![first_key, last_key, key(series, 0)])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let (key, from, to): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let overlaps = from <= last_ms && to >= first_ms;
        if overlaps || key == first_key || key == last_key {
            keys.push(key);
        }
    }
    Ok(keys)
}

fn insert(connection: &Connection, series: i64, mut readings: &[Reading]) -> Result<(), Failure> {
    while let Some((first_ms, _)) = readings.first() {
        let (block, rest) = readings.split_at(block_end(readings));
        let last_ms = block.last().map_or(*first_ms, |(at, _)| *at);
        let count = i64::try_from(block.len()).unwrap_or(i64::MAX);
        let (times, values): (Vec<i64>, Vec<i64>) = block.iter().copied().unzip();
        connection
            .prepare_cached(
                "INSERT INTO block (key, first_ms, last_ms, count, times, readings) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![key(series, *first_ms), first_ms, last_ms, count, pack(&times)?, pack(&values)?])?;
        readings = rest;
    }
    Ok(())
}

/// How many readings the next block takes.
fn block_end(readings: &[Reading]) -> usize {
    let start_ms = readings.first().map_or(0, |(at, _)| *at);
    let full = |(n, pair): (usize, &[Reading])| {
        let is_full = n + 1 >= LARGEST || pair[1].0 - start_ms >= DAY_S * 1_000;
        let is_new_second = pair[0].0.div_euclid(1_000) != pair[1].0.div_euclid(1_000);
        (is_full && is_new_second).then_some(n + 1)
    };
    readings
        .windows(2)
        .enumerate()
        .find_map(full)
        .unwrap_or(readings.len())
}

fn pack(column: &[i64]) -> Result<Vec<u8>, Failure> {
    let packed = simple_compress(column, &ChunkConfig::default().with_compression_level(LEVEL));
    packed.map_err(|error| Failure::Damaged(format!("cannot compress a block: {error}")))
}

fn load(connection: &Connection, key: i64) -> Result<Vec<Reading>, Failure> {
    let mut select = connection.prepare_cached("SELECT times, readings FROM block WHERE key = ?1")?;
    select.query_row([key], |row| {
        Ok(unpack(
            key,
            row.get_ref(0)?.as_blob()?,
            row.get_ref(1)?.as_blob()?,
        ))
    })?
}

fn unpack(key: i64, times: &[u8], values: &[u8]) -> Result<Vec<Reading>, Failure> {
    let damaged = |cause: String| Failure::Damaged(format!("block {key} of the history is damaged: {cause}"));
    let times = simple_decompress::<i64>(times).map_err(|error| damaged(error.to_string()))?;
    let values = simple_decompress::<i64>(values).map_err(|error| damaged(error.to_string()))?;
    if times.len() != values.len() {
        return Err(damaged(format!(
            "{} times and {} readings",
            times.len(),
            values.len()
        )));
    }
    Ok(times.into_iter().zip(values).collect())
}

/// Hands over every sealed reading of a series with `from <= at < to`, in order of time.
pub fn for_each(
    connection: &Connection,
    series: i64,
    from_ms: i64,
    to_ms: i64,
    mut take: impl FnMut(i64, i64),
) -> Result<(), Failure> {
    for key in touched(connection, series, from_ms, to_ms.saturating_sub(1))? {
        let readings = load(connection, key)?;
        let from = readings.partition_point(|(at, _)| *at < from_ms);
        let to = readings.partition_point(|(at, _)| *at < to_ms);
        readings
            .get(from..to)
            .into_iter()
            .flatten()
            .for_each(|(at, value)| take(*at, *value));
    }
    Ok(())
}

/// When the first and the last sealed reading of a series were taken.
pub fn span(connection: &Connection, series: i64) -> Result<Option<(i64, i64)>, Failure> {
    let ends = params![key(series, 0), key(series, i64::MAX)];
    let mut first = connection
        .prepare_cached("SELECT first_ms FROM block WHERE key BETWEEN ?1 AND ?2 ORDER BY key LIMIT 1")?;
    let mut last = connection
        .prepare_cached("SELECT last_ms FROM block WHERE key BETWEEN ?1 AND ?2 ORDER BY key DESC LIMIT 1")?;
    let first: Option<i64> = first.query_row(ends, |row| row.get(0)).optional()?;
    let last: Option<i64> = last.query_row(ends, |row| row.get(0)).optional()?;
    Ok(first.zip(last))
}

fn add_rollups(connection: &Connection, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    for rollup in [Rollup::Quarter, Rollup::Day] {
        let mut condenser = Condenser::new(rollup.width_s());
        readings
            .iter()
            .for_each(|(at, value)| condenser.reading(*at, *value));
        let mut upsert = connection.prepare_cached(rollup.upsert())?;
        for bucket in condenser.finish() {
            let Bucket {
                start_ms,
                count,
                sum,
                min,
                max,
                last,
                last_at_ms,
            } = bucket;
            upsert.execute(params![
                key(series, start_ms),
                count,
                sum,
                min,
                max,
                last,
                last_at_ms
            ])?;
        }
    }
    Ok(())
}

/// A width that is kept ready.
#[derive(Clone, Copy)]
pub enum Rollup {
    Quarter,
    Day,
}

/// A bucket may be sealed in parts, and the parts may come in any order. The cast keeps a sum that left 64
/// bits an integer, at the end of the range.
macro_rules! upsert {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " AS held (key, count, sum, lowest, highest, last, last_at_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (key) DO UPDATE SET count = held.count + excluded.count,
             sum = CAST(held.sum + excluded.sum AS INTEGER),
             lowest = min(held.lowest, excluded.lowest), highest = max(held.highest, excluded.highest),
             last = iif(excluded.last_at_ms >= held.last_at_ms, excluded.last, held.last),
             last_at_ms = max(held.last_at_ms, excluded.last_at_ms)"
        )
    };
}

impl Rollup {
    /// The widest that buckets of so many seconds can be made of.
    pub fn for_width(width_s: i64) -> Option<Self> {
        [Self::Day, Self::Quarter]
            .into_iter()
            .find(|rollup| width_s > 0 && width_s % rollup.width_s() == 0)
    }

    const fn width_s(self) -> i64 {
        match self {
            Self::Quarter => QUARTER_S,
            Self::Day => DAY_S,
        }
    }

    const fn upsert(self) -> &'static str {
        match self {
            Self::Quarter => upsert!("quarter"),
            Self::Day => upsert!("day"),
        }
    }

    const fn select(self) -> &'static str {
        match self {
            Self::Quarter => {
                "SELECT key, count, sum, lowest, highest, last, last_at_ms FROM quarter WHERE key >= ?1 AND key < ?2"
            }
            Self::Day => {
                "SELECT key, count, sum, lowest, highest, last, last_at_ms FROM day WHERE key >= ?1 AND key < ?2"
            }
        }
    }

    /// Hands over the sealed part of every bucket that starts in `from..to`, in order of time.
    pub fn for_each(
        self,
        connection: &Connection,
        series: i64,
        from_ms: i64,
        to_ms: i64,
        mut take: impl FnMut(&Bucket),
    ) -> Result<(), Failure> {
        let mut select = connection.prepare_cached(self.select())?;
        let mut rows = select.query(params![key(series, from_ms), key(series, to_ms)])?;
        while let Some(row) = rows.next()? {
            let key: i64 = row.get(0)?;
            take(&Bucket {
                start_ms: (key & (END_OF_TIME_S - 1)) * 1_000,
                count: row.get(1)?,
                sum: row.get(2)?,
                min: row.get(3)?,
                max: row.get(4)?,
                last: row.get(5)?,
                last_at_ms: row.get(6)?,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_end_by_count_or_day_and_never_within_a_second() {
        let every = |step_ms: i64, count: i64| {
            (0..count)
                .map(|n| (500 + n * step_ms, n))
                .collect::<Vec<Reading>>()
        };
        for (readings, expected) in [
            (every(1_000, 10), 10),
            (every(1_000, 5_000), 4_000),
            (every(60_000, 5_000), 1_440),
            (every(500, 5_000), 4_001),
            (every(1, 5_500), 4_500),
            (every(1, 4_499), 4_499),
            (every(200_000_000, 3), 1),
        ] {
            assert_eq!(block_end(&readings), expected, "{} readings", readings.len());
        }
    }

    #[test]
    fn a_block_reads_back_and_damage_is_reported() {
        let readings: Vec<Reading> = vec![(0, i64::MIN), (1, i64::MAX), (5_000, 0), (1_700_000_000_000, -7)];
        let (times, values): (Vec<i64>, Vec<i64>) = readings.iter().copied().unzip();
        let (times, values) = (pack(&times).unwrap(), pack(&values).unwrap());
        assert_eq!(unpack(1, &times, &values).unwrap(), readings);
        assert!(unpack(1, &times, &values[..5]).is_err());
        assert!(unpack(1, &times, &pack(&[1, 2]).unwrap()).is_err());
        assert!(unpack(1, b"", b"").is_err());
    }

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
