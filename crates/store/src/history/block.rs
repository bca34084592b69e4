//! Sealed readings in the database.
//!
//! A block holds one series over at most a day or some thousand readings, as two columns of integers; the one of times
//! is shared by the series of a device that are read together. It is found by `series << 36 | start second`, so no two
//! blocks of a series start in the same second, and none overlap.

use std::collections::BTreeMap;

use super::clock::Clocks;
use super::column::{self, Unpacker};
use super::rollup::{self, MINUTES, QUARTERS};
use crate::condense::END_OF_TIME_S;
use crate::sql::{Failure, Sql, params};

pub const MINUTE_S: i64 = 60;
pub const QUARTER_S: i64 = 900;
pub const DAY_S: i64 = 86_400;
/// Readings in a block at most, except that a second is never split.
const LARGEST: usize = 4_000;

/// A block with fewer readings takes late ones in.
const SMALL: i64 = 64;

/// One reading: milliseconds since 1970 and its value.
pub type Reading = (i64, i64);

pub fn key(series: i64, at_ms: i64) -> i64 {
    series << 36 | at_ms.div_euclid(1_000).clamp(0, END_OF_TIME_S - 1)
}

/// Writes readings of one series, which are in order of time. Where there are readings already, the new ones
/// are put between them; at the same millisecond the old one stays.
pub fn write(sql: &dyn Sql, clocks: &mut Clocks, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    let (Some((first_ms, _)), Some((last_ms, _))) = (readings.first(), readings.last()) else {
        return Ok(());
    };
    let touched = touched(sql, series, *first_ms, *last_ms)?;
    merge(sql, clocks, series, readings, touched)
}

/// The same with readings that come late, maybe each of them alone: they join the block before them while that is
/// small.
pub fn join(sql: &dyn Sql, clocks: &mut Clocks, series: i64, readings: &[Reading]) -> Result<(), Failure> {
    let (Some((first_ms, _)), Some((last_ms, _))) = (readings.first(), readings.last()) else {
        return Ok(());
    };
    let mut touched = touched(sql, series, *first_ms, *last_ms)?;
    if touched.is_empty() {
        touched.extend(small_before(sql, series, *first_ms, *last_ms)?);
    }
    merge(sql, clocks, series, readings, touched)
}

/// The block before a span, if it has few readings and the span is of the same day.
fn small_before(sql: &dyn Sql, series: i64, first_ms: i64, last_ms: i64) -> Result<Option<i64>, Failure> {
    let before = sql.first(
        "SELECT key, first_ms, count FROM block WHERE key >= ?1 AND key < ?2 ORDER BY key DESC LIMIT 1",
        params![key(series, 0), key(series, first_ms)],
        |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)),
    )?;
    let is_small =
        |(_, from_ms, count): &(i64, i64, i64)| *count < SMALL && last_ms - from_ms < DAY_S * 1_000;
    Ok(before.filter(is_small).map(|(key, ..)| key))
}

fn merge(
    sql: &dyn Sql,
    clocks: &mut Clocks,
    series: i64,
    readings: &[Reading],
    touched: Vec<i64>,
) -> Result<(), Failure> {
    if touched.is_empty() {
        insert(sql, clocks, series, readings)?;
        return rollup::seal(sql, series, readings);
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
    insert(sql, clocks, series, &merged.into_iter().collect::<Vec<_>>())?;
    rollup::seal(sql, series, &new)
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

fn insert(sql: &dyn Sql, clocks: &mut Clocks, series: i64, mut readings: &[Reading]) -> Result<(), Failure> {
    while let Some((first_ms, _)) = readings.first() {
        let (block, rest) = readings.split_at(block_end(readings));
        let last_ms = block.last().map_or(*first_ms, |(at, _)| *at);
        let count = i64::try_from(block.len()).unwrap_or(i64::MAX);
        let (times, values): (Vec<i64>, Vec<i64>) = block.iter().copied().unzip();
        let (clock, values) = (clocks.keep(sql, &times)?, column::pack(&values)?);
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
        let is_new_second = || pair[0].0.div_euclid(1_000) != pair[1].0.div_euclid(1_000);
        (is_full && is_new_second()).then_some(n + 1)
    };
    readings
        .windows(2)
        .enumerate()
        .find_map(full)
        .unwrap_or(readings.len())
}

fn load(sql: &dyn Sql, key: i64) -> Result<Vec<Reading>, Failure> {
    let select = "SELECT coalesce(clock.times, block.times), block.readings
         FROM block LEFT JOIN clock ON clock.id = block.clock WHERE block.key = ?1";
    let readings = sql.first(select, params![key], |row| {
        let mut block = Block::default();
        block.unpack(key, row.bytes(0)?, row.bytes(1)?)?;
        Ok(block.times.into_iter().zip(block.values).collect())
    })?;
    readings.ok_or_else(|| Failure::Damaged(format!("block {key} of the history is missing")))
}

/// A block unpacked: times, and as many values. The next one uses the same memory.
#[derive(Default)]
struct Block {
    unpacker: Unpacker,
    times: Vec<i64>,
    values: Vec<i64>,
}

impl Block {
    fn unpack(&mut self, key: i64, times: &[u8], values: &[u8]) -> Result<(), Failure> {
        let damaged =
            |cause: String| Failure::Damaged(format!("block {key} of the history is damaged: {cause}"));
        self.unpacker.unpack(times, &mut self.times).map_err(damaged)?;
        self.unpacker.unpack(values, &mut self.values).map_err(damaged)?;
        let (times, values) = (self.times.len(), self.values.len());
        if times != values {
            return Err(damaged(format!("{times} times and {values} readings")));
        }
        Ok(())
    }
}

/// Hands over every sealed reading of a series with `from <= at < to`, in order of time.
pub fn for_each(
    sql: &dyn Sql,
    series: i64,
    from_ms: i64,
    to_ms: i64,
    mut take: impl FnMut(i64, i64),
) -> Result<(), Failure> {
    for_each_block(sql, series, from_ms, to_ms, |times, values| {
        times.iter().zip(values).for_each(|(at, value)| take(*at, *value));
    })
}

/// The same block by block: times, and as many values.
pub fn for_each_block(
    sql: &dyn Sql,
    series: i64,
    from_ms: i64,
    to_ms: i64,
    mut take: impl FnMut(&[i64], &[i64]),
) -> Result<(), Failure> {
    let select = "SELECT block.key, coalesce(clock.times, block.times), block.readings
         FROM block LEFT JOIN clock ON clock.id = block.clock
         WHERE block.key >= coalesce((SELECT max(key) FROM block WHERE key <= ?1 AND key >= ?2), ?1)
         AND block.key <= ?3 AND block.first_ms < ?4 AND block.last_ms >= ?5 ORDER BY block.key";
    let span = params![
        key(series, from_ms),
        key(series, 0),
        key(series, to_ms),
        to_ms,
        from_ms
    ];
    let mut block = Block::default();
    sql.each(select, span, &mut |row| {
        block.unpack(row.int(0)?, row.bytes(1)?, row.bytes(2)?)?;
        let Block { times, values, .. } = &block;
        let from = times.partition_point(|at| *at < from_ms);
        let to = times.partition_point(|at| *at < to_ms).max(from);
        take(
            times.get(from..to).unwrap_or_default(),
            values.get(from..to).unwrap_or_default(),
        );
        Ok(())
    })
}

/// At most so many readings are sealed in a span.
pub fn count(sql: &dyn Sql, series: i64, from_ms: i64, to_ms: i64) -> Result<usize, Failure> {
    let select = "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM block
         WHERE key >= coalesce((SELECT max(key) FROM block WHERE key <= ?1 AND key >= ?2), ?1) AND key <= ?3";
    let span = params![key(series, from_ms), key(series, 0), key(series, to_ms)];
    let count = sql.first(select, span, |row| row.int(0))?;
    Ok(usize::try_from(count.unwrap_or(0)).unwrap_or(0))
}

/// When the first reading of a series was taken that is or was sealed, and the last one.
pub fn ends(sql: &dyn Sql, series: i64) -> Result<Option<(i64, Reading)>, Failure> {
    let first = QUARTERS.after(sql, series, 0)?;
    let last = last(sql, series)?;
    Ok(first.map(|first| first.first_at_ms).zip(last))
}

/// The newest reading of a series that is or was sealed.
pub fn last(sql: &dyn Sql, series: i64) -> Result<Option<Reading>, Failure> {
    let last = QUARTERS.before(sql, series, i64::MAX)?;
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
    rollup::thin(sql, series, &load(sql, oldest)?)?;
    sql.write("DELETE FROM block WHERE key = ?1", params![oldest])?;
    let thinned_ms = last_ms + 1;
    sql.write(
        "UPDATE series SET thinned_ms = ?2 WHERE id = ?1",
        params![series, thinned_ms],
    )?;
    Ok(Some(thinned_ms))
}

/// Removes the oldest day of minutes of a series, if all of it is older than a time and nothing of it is there at full
/// resolution. Answers whether it did.
pub fn coarsen(sql: &dyn Sql, series: i64, before_ms: i64) -> Result<bool, Failure> {
    let (thinned_ms, _) = thinned(sql, series)?;
    let Some(until_ms) = MINUTES.remove_oldest(sql, series, before_ms.min(thinned_ms))? else {
        return Ok(false);
    };
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
        let (times, values) = (
            vec![0, 1, 5_000, 1_700_000_000_000],
            vec![i64::MIN, i64::MAX, 0, -7],
        );
        let packed = (
            column::pack_times(&times).unwrap(),
            column::pack(&values).unwrap(),
        );
        let mut block = Block::default();
        block.unpack(1, &packed.0, &packed.1).unwrap();
        assert_eq!((&block.times, &block.values), (&times, &values));
        for (times, values) in [
            (packed.0.as_slice(), &packed.1[..5]),
            (&packed.0, &column::pack(&[1, 2]).unwrap()),
            (b"", b""),
        ] {
            assert!(block.unpack(1, times, values).is_err());
        }
    }
}
