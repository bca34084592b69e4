//! Sealed readings in the database: blocks, and the rollups written with them.
//!
//! A block holds one series over at most a day or some thousand readings, as two columns of integers
//! compressed with pco; the one of times is shared by the series of a device that are read together. It is found by `series << 36 | start second`, so no two blocks of a series start in
//! the same second, and none overlap.

use std::collections::BTreeMap;

use pco::standalone::{simple_compress, simple_decompress};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::clock;
use crate::condense::{Bucket, Condenser, END_OF_TIME_S};
use crate::sql::{Failure, Row, Sql, params};

pub const MINUTE_S: i64 = 60;
pub const QUARTER_S: i64 = 900;
pub const DAY_S: i64 = 86_400;
/// Readings in a block at most, except that a second is never split.
const LARGEST: usize = 4_000;
/// What is written when readings are sealed.
const SEALED: [Rollup; 2] = [Rollup::Quarter, Rollup::Day];
/// Higher levels cost time and save little on such columns.
const LEVEL: usize = 4;

/// One reading: milliseconds since 1970 and its value.
pub type Reading = (i64, i64);

pub fn key(series: i64, at_ms: i64) -> i64 {
    series << 36 | at_ms.div_euclid(1_000).clamp(0, END_OF_TIME_S - 1)
}

/// Writes readings of one series, which are in order of time. Where there are readings already, the new ones
/// are put between them; at the same millisecond the old one stays.
pub fn write(sql: &dyn Sql, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    let (Some((first_ms, _)), Some((last_ms, _))) = (readings.first(), readings.last()) else {
        return Ok(());
    };
    let touched = touched(sql, series, *first_ms, *last_ms)?;
    if touched.is_empty() {
        insert(sql, series, readings)?;
        return add_rollups(sql, series, readings, &SEALED);
    }
    let mut merged = BTreeMap::new();
    for key in touched {
        merged.extend(load(sql, key)?);
        sql.write("DELETE FROM block WHERE key = ?1", params![key])?;
    }
    let new: Vec<Reading> = readings
        .iter()
        .filter(|(at, _)| !merged.contains_key(at))
        .copied()
        .collect();
    merged.extend(new.iter().copied());
    insert(sql, series, &merged.into_iter().collect::<Vec<_>>())?;
    add_rollups(sql, series, &new, &SEALED)
}

/// Keys of the blocks that overlap a span, or that start in the same second as its first or last reading.
fn touched(sql: &dyn Sql, series: i64, first_ms: i64, last_ms: i64) -> Result<Vec<i64>, Failure> {
    let (first_key, last_key) = (key(series, first_ms), key(series, last_ms));
    let mut keys = Vec::new();
    sql.each(
        "SELECT key, first_ms, last_ms FROM block
         WHERE key >= coalesce((SELECT max(key) FROM block WHERE key <= ?1 AND key >= ?2), ?1) AND key <= ?3
         ORDER BY key",
        params![first_key, key(series, 0), last_key],
        &mut |row| {
            let (key, from, to) = (row.int(0)?, row.int(1)?, row.int(2)?);
            let overlaps = from <= last_ms && to >= first_ms;
            if overlaps || key == first_key || key == last_key {
                keys.push(key);
            }
            Ok(())
        },
    )?;
    Ok(keys)
}

fn insert(sql: &dyn Sql, series: i64, mut readings: &[Reading]) -> Result<(), Failure> {
    while let Some((first_ms, _)) = readings.first() {
        let (block, rest) = readings.split_at(block_end(readings));
        let last_ms = block.last().map_or(*first_ms, |(at, _)| *at);
        let count = i64::try_from(block.len()).unwrap_or(i64::MAX);
        let (times, values): (Vec<i64>, Vec<i64>) = block.iter().copied().unzip();
        let (clock, values) = (clock::keep(sql, &times)?, pack(&values)?);
        sql.write(
            "INSERT INTO block (key, first_ms, last_ms, count, times, readings, clock)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            params![
                key(series, *first_ms),
                *first_ms,
                last_ms,
                count,
                &Vec::new(),
                &values,
                clock
            ],
        )?;
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

pub fn pack(column: &[i64]) -> Result<Vec<u8>, Failure> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::TryConsecutive(order(column)));
    let packed = simple_compress(column, &config);
    packed.map_err(|error| Failure::Damaged(format!("cannot compress a block: {error}")))
}

/// Whether differences of neighbours are smaller than the values around their mean: of a counter, a time or a slow
/// load they are, of a noise they are not.
fn order(column: &[i64]) -> usize {
    let mean = column.iter().map(|value| i128::from(*value)).sum::<i128>()
        / i128::try_from(column.len().max(1)).unwrap_or(1);
    let spread: i128 = column.iter().map(|value| (i128::from(*value) - mean).abs()).sum();
    let steps: i128 = column
        .windows(2)
        .map(|pair| (i128::from(pair[1]) - i128::from(pair[0])).abs())
        .sum();
    usize::from(steps < spread)
}

fn load(sql: &dyn Sql, key: i64) -> Result<Vec<Reading>, Failure> {
    let select = "SELECT coalesce(clock.times, block.times), block.readings
         FROM block LEFT JOIN clock ON clock.id = block.clock WHERE block.key = ?1";
    let readings = sql.first(select, params![key], |row| {
        unpack(key, row.bytes(0)?, row.bytes(1)?)
    })?;
    readings.ok_or_else(|| Failure::Damaged(format!("block {key} of the history is missing")))
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
    sql: &dyn Sql,
    series: i64,
    from_ms: i64,
    to_ms: i64,
    mut take: impl FnMut(i64, i64),
) -> Result<(), Failure> {
    for key in touched(sql, series, from_ms, to_ms.saturating_sub(1))? {
        let readings = load(sql, key)?;
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

/// When the first reading of a series was taken that is or was sealed, and the last one.
pub fn ends(sql: &dyn Sql, series: i64) -> Result<Option<(i64, Reading)>, Failure> {
    let first = Rollup::Quarter.after(sql, series, 0)?;
    let last = last(sql, series)?;
    Ok(first.map(|first| first.first_at_ms).zip(last))
}

/// The newest reading of a series that is or was sealed.
pub fn last(sql: &dyn Sql, series: i64) -> Result<Option<Reading>, Failure> {
    let last = Rollup::Quarter.before(sql, series, i64::MAX)?;
    Ok(last.map(|last| (last.last_at_ms, last.last)))
}

/// Replaces the oldest block of a series by minutes, if all of it is older than a time. Answers up to when there
/// are no readings at full resolution any more.
pub fn thin(sql: &dyn Sql, series: i64, before_ms: i64) -> Result<Option<i64>, Failure> {
    let oldest = sql.first(
        "SELECT key, last_ms FROM block WHERE key >= ?1 AND key < ?2 ORDER BY key LIMIT 1",
        params![key(series, 0), key(series + 1, 0)],
        |row| Ok((row.int(0)?, row.int(1)?)),
    )?;
    let Some((oldest, last_ms)) = oldest.filter(|(_, last_ms)| *last_ms < before_ms) else {
        return Ok(None);
    };
    add_rollups(sql, series, &load(sql, oldest)?, &[Rollup::Minute])?;
    sql.write("DELETE FROM block WHERE key = ?1", params![oldest])?;
    let thinned_ms = last_ms + 1;
    sql.write(
        "UPDATE series SET thinned_ms = ?2 WHERE id = ?1",
        params![series, thinned_ms],
    )?;
    Ok(Some(thinned_ms))
}

/// Removes up to a day of minutes of a series, if they are older than a time. Answers whether there were some.
pub fn coarsen(sql: &dyn Sql, series: i64, before_ms: i64) -> Result<bool, Failure> {
    let Some(oldest) = Rollup::Minute.after(sql, series, 0)? else {
        return Ok(false);
    };
    let quarter = |ms: i64| ms - ms.rem_euclid(QUARTER_S * 1_000);
    let until_ms = quarter(before_ms.min(oldest.start_ms + DAY_S * 1_000));
    if oldest.start_ms >= until_ms {
        return Ok(false);
    }
    sql.write(
        "DELETE FROM minute WHERE key >= ?1 AND key < ?2",
        params![key(series, 0), key(series, until_ms)],
    )?;
    sql.write(
        "UPDATE series SET coarse_ms = ?2 WHERE id = ?1",
        params![series, until_ms],
    )?;
    Ok(true)
}

/// Up to when a series has minutes instead of readings, and up to when it has quarter-hours only.
pub fn thinned(sql: &dyn Sql, series: i64) -> Result<(i64, i64), Failure> {
    let select = "SELECT thinned_ms, coarse_ms FROM series WHERE id = ?1";
    let known = sql.first(select, params![series], |row| Ok((row.int(0)?, row.int(1)?)))?;
    Ok(known.unwrap_or_default())
}

/// A bucket may be sealed in parts, and the parts may come in any order.
fn add_rollups(sql: &dyn Sql, series: i64, readings: &[Reading], rollups: &[Rollup]) -> Result<(), Failure> {
    for rollup in rollups {
        let mut condenser = Condenser::new(rollup.width_s());
        readings
            .iter()
            .for_each(|(at, value)| condenser.reading(*at, *value));
        let mut new = condenser.finish();
        let (Some(first), Some(last)) = (new.first(), new.last()) else {
            continue;
        };
        let mut held = BTreeMap::new();
        rollup.for_each(sql, series, first.start_ms, last.start_ms + 1_000, |bucket| {
            held.insert(bucket.start_ms, *bucket);
        })?;
        for bucket in &mut new {
            if let Some(mut known) = held.remove(&bucket.start_ms) {
                known.merge(bucket);
                *bucket = known;
            }
            let Bucket {
                start_ms,
                count,
                sum,
                min,
                max,
                first,
                first_at_ms,
                last,
                last_at_ms,
            } = *bucket;
            sql.write(
                rollup.upsert(),
                params![
                    key(series, start_ms),
                    count,
                    sum,
                    min,
                    max,
                    last,
                    last_at_ms,
                    first,
                    first_at_ms
                ],
            )?;
        }
    }
    Ok(())
}

/// A width that is kept ready.
#[derive(Clone, Copy)]
pub enum Rollup {
    /// Only of readings that were thinned.
    Minute,
    Quarter,
    Day,
}

macro_rules! upsert {
    ($table:literal) => {
        concat!(
            "INSERT INTO ",
            $table,
            " (key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
             ON CONFLICT (key) DO UPDATE SET count = excluded.count, sum = excluded.sum,
             lowest = excluded.lowest, highest = excluded.highest,
             last = excluded.last, last_at_ms = excluded.last_at_ms,
             first = excluded.first, first_at_ms = excluded.first_at_ms"
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
            Self::Minute => MINUTE_S,
            Self::Quarter => QUARTER_S,
            Self::Day => DAY_S,
        }
    }

    const fn upsert(self) -> &'static str {
        match self {
            Self::Minute => upsert!("minute"),
            Self::Quarter => upsert!("quarter"),
            Self::Day => upsert!("day"),
        }
    }

    const fn table(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Quarter => "quarter",
            Self::Day => "day",
        }
    }

    /// Selects buckets whose key is in `?1..?2`.
    fn select(self, order: &str) -> String {
        format!(
            "SELECT key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms FROM {}
             WHERE key >= ?1 AND key < ?2 ORDER BY key {order}",
            self.table()
        )
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
        let span = params![key(series, from_ms), key(series, to_ms)];
        sql.each(&self.select(""), span, &mut |row| {
            take(&bucket(row)?);
            Ok(())
        })
    }

    /// The sealed part of the last bucket that starts before a time.
    pub fn before(self, sql: &dyn Sql, series: i64, at_ms: i64) -> Result<Option<Bucket>, Failure> {
        let span = params![key(series, 0), key(series, at_ms)];
        sql.first(&self.select("DESC LIMIT 1"), span, bucket)
    }

    /// The sealed part of the first bucket that starts at a time or after it.
    pub fn after(self, sql: &dyn Sql, series: i64, at_ms: i64) -> Result<Option<Bucket>, Failure> {
        let span = params![key(series, at_ms), key(series + 1, 0)];
        sql.first(&self.select("LIMIT 1"), span, bucket)
    }
}

fn bucket(row: &Row) -> Result<Bucket, Failure> {
    let start_ms = (row.int(0)? & (END_OF_TIME_S - 1)) * 1_000;
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
                Rollup::Minute => "minutes",
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
