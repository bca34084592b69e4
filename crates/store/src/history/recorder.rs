//! Readings on disk: sealed blocks, a hot table, and what came since the last flush in memory.
//!
//! Sketch: 50 devices x 12 series at 1 Hz are 600 readings a second. Every four seconds one hot row of some
//! 7 kB takes them; each series is sealed about every half hour into a block of some 700 bytes. What is open
//! is at most 2,500 readings of 16 bytes per series.
//!
//! A query takes what is open first and reads the database afterwards. Since a reading leaves memory only
//! after the commit that sealed it, none is missed; since the database says up to when it is sealed, none is
//! counted twice.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::reading::Quantity;
use model::settings::Retention;
use model::time::Timestamp;

use super::block::{self, Reading};
use super::clock::{self, Clocks};
use super::hot;
use super::open::{Open, Plan};
use super::rollup::{MINUTES, QUARTERS, Rollup};
use crate::condense::{self, Bucket, Condenser, END_OF_TIME_S, is_storable};
use crate::database::Database;
use crate::keeper::{Keep, Keeper};
use crate::retention;
use crate::sql::{Failure, Sql, params};
use crate::worker::{Manner, Worker};
use crate::{History, Latest, Row, Sample, Series, Size, Step, StoreError};

/// How long a reading may be in memory alone; a second less than what is promised.
const FLUSH_EVERY: Duration = Duration::from_secs(4);
/// Readings not written yet at which who brings more has to wait for a flush.
const FLUSH_AT: usize = 200_000;
/// Readings in memory at which more are refused: when the disk is full for long.
const AT_MOST: usize = 1_000_000;

/// Blocks, or days of minutes, that are thinned at a time: some milliseconds of the writer.
const BITE: i64 = 4;
/// Series that are looked at in one bite.
const LOOKED_AT: usize = 64;

const FLUSH: &str = "write readings";
const READ: &str = "read the history";

/// The history and its threads.
pub struct Recorder {
    writer: Arc<Worker>,
    reader: Arc<Worker>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    /// Counts imports.
    revision: AtomicU64,
    round: Mutex<Round>,
    /// Whether the last flush failed, so that it is reported once.
    is_failing: AtomicBool,
    keeper: Option<Keeper>,
}

/// How far thinning has gone through the series.
#[derive(Default)]
struct Round {
    /// The last series that was looked at.
    series: i64,
    found: bool,
}

impl Recorder {
    /// Without a connection that only reads, the one that writes reads as well. What is to be done after writes is
    /// done on a thread of its own.
    pub fn open(
        writer: Box<dyn Sql + Send>,
        reader: Option<Box<dyn Sql + Send>>,
        keep: Option<Keep>,
    ) -> Result<Self, StoreError> {
        let cannot = |error: std::io::Error| StoreError::Other {
            operation: "start the history",
            cause: error.to_string(),
        };
        let open = restore(&*writer).map_err(|failure| failure.during("read the open readings"))?;
        let shared = Arc::new(Shared {
            open: Mutex::new(open),
            keeper: keep
                .map(|keep| Keeper::spawn("history-keep", keep))
                .transpose()
                .map_err(cannot)?,
            ..Shared::default()
        });
        let flushed = Arc::clone(&shared);
        let tick = Box::new(move |sql: &dyn Sql| flushed.flush_in_background(sql));
        let threads = || -> std::io::Result<(Arc<Worker>, Arc<Worker>)> {
            let manner = Manner::Alongside {
                every: FLUSH_EVERY,
                tick,
            };
            let writer = Arc::new(Worker::spawn("history-write", writer, manner)?);
            let reader = match reader {
                Some(reader) => Arc::new(Worker::spawn("history-read", reader, Manner::Alone)?),
                None => Arc::clone(&writer),
            };
            Ok((writer, reader))
        };
        let (writer, reader) = threads().map_err(cannot)?;
        Ok(Self {
            writer,
            reader,
            shared,
        })
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        self.writer.call(FLUSH, move |sql| shared.flush(sql, None)).await
    }

    /// Has something done on the thread that writes; for tests of what a full disk does.
    #[cfg(test)]
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&dyn Sql) -> Result<T, Failure> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.call("test", work).await
    }
}

impl Shared {
    /// The maps stay whole even if a holder of the lock panicked: nothing under it calls out.
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes what is in memory alone, and seals what is due. Only the writing thread comes here, so plans
    /// do not overtake each other.
    fn flush(&self, sql: &dyn Sql, seal: Option<i64>) -> Result<(), Failure> {
        let plan = self.open().plan(seal);
        if plan.is_empty() {
            return Ok(());
        }
        sql.transaction(|| write(sql, &plan))?;
        self.open().done(&plan);
        self.keep();
        Ok(())
    }

    /// Has done what follows a write.
    fn keep(&self) {
        if let Some(keeper) = &self.keeper {
            keeper.note();
        }
    }

    fn flush_in_background(&self, sql: &dyn Sql) {
        match self.flush(sql, None) {
            Ok(()) => {
                if self.is_failing.swap(false, Ordering::Relaxed) {
                    tracing::info!("readings are written again");
                }
            }
            Err(failure) => {
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::error!("readings stay in memory for now: {}", failure.during(FLUSH));
                }
            }
        }
    }

    /// Writes past readings of some series, in order of time; of all of them, or of none.
    fn import(&self, sql: &dyn Sql, columns: &[(Series, Vec<Reading>)]) -> Result<(), Failure> {
        let mut imports = Vec::with_capacity(columns.len());
        let mut is_past_changed = false;
        for (series, readings) in columns {
            let Some((last_ms, _)) = readings.last() else {
                continue;
            };
            let (number, newest, is_between, thinned_ms) = {
                let mut open = self.open();
                let number = open.number(series);
                (
                    number,
                    open.newest(series),
                    !open
                        .readings(number, i64::MIN, last_ms.saturating_add(1))
                        .is_empty(),
                    open.thinned_until(number),
                )
            };
            // What was thinned is in the rollups; it is not there to tell what is new.
            let late = readings.partition_point(|(at, _)| *at < thinned_ms);
            let readings = readings.get(late..).unwrap_or_default();
            let (Some(first), Some(last)) = (readings.first(), readings.last()) else {
                continue;
            };
            is_past_changed |= newest.is_some_and(|(newest_ms, _)| first.0 <= newest_ms);
            // Open readings are newer than all sealed ones; those among the imported have to be sealed first.
            if is_between {
                self.flush(sql, Some(number))?;
            }
            imports.push((number, series, readings, first.0, *last));
        }
        if imports.is_empty() {
            return Ok(());
        }
        sql.transaction(|| {
            let mut clocks = Clocks::default();
            for (number, series, readings, ..) in &imports {
                insert_series(sql, *number, series)?;
                block::join(sql, &mut clocks, *number, readings)?;
            }
            Ok(())
        })?;
        let mut open = self.open();
        for (number, _, _, first_ms, last) in imports {
            open.imported(number, first_ms, last);
        }
        drop(open);
        // What only follows the newest reading of its series changes no day that is over.
        if is_past_changed {
            self.revision.fetch_add(1, Ordering::SeqCst);
        }
        self.keep();
        Ok(())
    }

    /// One bite of thinning: a few blocks, or a look at some series that have none. Only the writing thread comes
    /// here.
    fn thin(&self, sql: &dyn Sql, raw_until_ms: i64, minutes_until_ms: i64) -> Result<bool, Failure> {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = self.open().known_after(round.series, LOOKED_AT);
        let mut left = BITE;
        for number in numbers.iter().copied() {
            let mut thinned = None;
            let mut is_coarser = false;
            sql.transaction(|| {
                thinned = None;
                while left > 0 {
                    let Some(until_ms) = block::thin(sql, number, raw_until_ms)? else {
                        break;
                    };
                    thinned = Some(until_ms);
                    left -= 1;
                }
                is_coarser = left > 0 && block::coarsen(sql, number, minutes_until_ms)?;
                Ok(())
            })?;
            if let Some(until_ms) = thinned {
                self.open().thinned(number, until_ms);
            }
            round.found |= thinned.is_some() || is_coarser;
            left -= i64::from(is_coarser);
            if left <= 0 {
                return Ok(true);
            }
            round.series = number;
        }
        if numbers.len() == LOOKED_AT {
            return Ok(true);
        }
        let found = std::mem::take(&mut *round).found;
        if found {
            return Ok(true);
        }
        // A block is never longer than a day.
        clock::remove(sql, raw_until_ms - 2 * block::DAY_S * 1_000)
    }
}

fn write(sql: &dyn Sql, plan: &Plan) -> Result<(), Failure> {
    for (number, series) in &plan.new_series {
        insert_series(sql, *number, series)?;
    }
    let mut clocks = Clocks::default();
    for (number, readings) in &plan.seals {
        block::write(sql, &mut clocks, *number, readings)?;
    }
    let body = hot::encode(&plan.entries);
    sql.write(
        // It is there already if a server committed it and was lost before it could say so.
        "INSERT INTO hot (id, body) VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
        params![plan.hot_row, &body],
    )?;
    sql.write("DELETE FROM hot WHERE id < ?1", params![plan.hot_from])
}

fn insert_series(sql: &dyn Sql, number: i64, series: &Series) -> Result<(), Failure> {
    sql.write(
        "INSERT INTO series (id, subject, quantity) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING",
        params![number, &series.subject, series.quantity.name()],
    )
}

/// What was open when the history was last written.
fn restore(sql: &dyn Sql) -> Result<Open, Failure> {
    let mut open = Open::default();
    let select = "SELECT id, subject, quantity FROM series";
    let known = sql.all(select, &[], |row| {
        let (number, subject, quantity) = (row.int(0)?, row.text(1)?, row.text(2)?);
        let quantity = Quantity::from_name(quantity).ok_or_else(|| {
            Failure::Damaged(format!("series {number} is of unknown quantity `{quantity}`"))
        })?;
        let subject = subject.to_owned();
        Ok((number, Series { subject, quantity }))
    })?;
    for (number, series) in known {
        let (thinned_ms, _) = block::thinned(sql, number)?;
        open.restore_series(number, series, block::ends(sql, number)?, thinned_ms);
    }
    sql.each("SELECT id, body FROM hot ORDER BY id", &[], &mut |row| {
        let number = row.int(0)?;
        match hot::decode(row.bytes(1)?) {
            Some(entries) => open.restore_hot(number, entries),
            None => tracing::error!("row {number} of the open readings is damaged; its readings are lost"),
        }
        Ok(())
    })?;
    Ok(open)
}

/// What a query is made of: the series, the open readings in its span, and the span.
struct Question {
    series: i64,
    from_ms: i64,
    to_ms: i64,
    open: Vec<Reading>,
}

impl Question {
    fn raw(&self, sql: &dyn Sql) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let from_ms = self.thinned(sql, |bucket| rows.push(bucket.row()))?;
        rows.reserve(self.open.len() + block::count(sql, self.series, from_ms, self.to_ms)?);
        block::for_each_block(sql, self.series, from_ms, self.to_ms, |times, values| {
            let readings = times.iter().zip(values);
            rows.extend(readings.map(|(at, value)| condense::raw(*at, *value)));
        })?;
        rows.extend(
            self.open_after(sql)?
                .map(|(at, value)| condense::raw(*at, *value)),
        );
        Ok(rows)
    }

    fn condensed(&self, sql: &dyn Sql, width_s: i64) -> Result<Vec<Row>, Failure> {
        let mut condenser = Condenser::new(width_s);
        match Rollup::for_width(width_s) {
            Some(rollup) => rollup.for_each(sql, self.series, self.from_ms, self.to_ms, |bucket| {
                condenser.bucket(bucket);
            })?,
            None => {
                let from_ms = self.thinned(sql, |bucket| condenser.bucket(bucket))?;
                block::for_each(sql, self.series, from_ms, self.to_ms, |at, value| {
                    condenser.reading(at, value);
                })?;
            }
        }
        self.open_after(sql)?
            .for_each(|(at, value)| condenser.reading(*at, *value));
        Ok(condenser.finish().iter().map(Bucket::row).collect())
    }

    /// Hands over the finest that is left of what was thinned, and says from when there are readings.
    fn thinned(&self, sql: &dyn Sql, mut take: impl FnMut(&Bucket)) -> Result<i64, Failure> {
        let (thinned_ms, coarse_ms) = block::thinned(sql, self.series)?;
        if self.from_ms < coarse_ms {
            let to_ms = self.to_ms.min(coarse_ms);
            let (from_ms, to_ms) = condense::whole_buckets(self.from_ms, to_ms, block::QUARTER_S);
            QUARTERS.for_each(sql, self.series, from_ms, to_ms, &mut take)?;
        }
        if self.from_ms < thinned_ms {
            let (from_ms, to_ms) = (self.from_ms.max(coarse_ms), self.to_ms.min(thinned_ms));
            let (from_ms, to_ms) = condense::whole_buckets(from_ms, to_ms, block::MINUTE_S);
            MINUTES.for_each(sql, self.series, from_ms, to_ms, &mut take)?;
        }
        Ok(self.from_ms.max(thinned_ms).min(self.to_ms))
    }

    /// Quarter-hours of the span, the last before it and the first after it, and all that are open.
    fn quarters(&self, sql: &dyn Sql) -> Result<Vec<Bucket>, Failure> {
        let mut condenser = Condenser::new(block::QUARTER_S);
        let before = QUARTERS.before(sql, self.series, self.from_ms)?;
        before.iter().for_each(|bucket| condenser.bucket(bucket));
        QUARTERS.for_each(sql, self.series, self.from_ms, self.to_ms, |bucket| {
            condenser.bucket(bucket);
        })?;
        let after = QUARTERS.after(sql, self.series, self.to_ms)?;
        after.iter().for_each(|bucket| condenser.bucket(bucket));
        self.open_after(sql)?
            .for_each(|(at, value)| condenser.reading(*at, *value));
        Ok(condenser.finish())
    }

    /// Those open readings that were not sealed meanwhile.
    fn open_after(&self, sql: &dyn Sql) -> Result<impl Iterator<Item = &Reading>, Failure> {
        let sealed_until = if self.open.is_empty() {
            None
        } else {
            block::last(sql, self.series)?.map(|(last_ms, _)| last_ms)
        };
        Ok(self
            .open
            .iter()
            .filter(move |(at, _)| sealed_until.is_none_or(|sealed| *at > sealed)))
    }
}

#[async_trait]
impl<G: Send + Sync> History for Database<G> {
    async fn append(&self, samples: Vec<Sample>) -> Result<(), StoreError> {
        let recorder = &self.history;
        let is_crowded = {
            let open = recorder.shared.open();
            open.total() >= AT_MOST || open.unwritten() >= FLUSH_AT
        };
        // The flush reports what keeps it from writing; if it works there is room again.
        if is_crowded {
            recorder.flush().await?;
        }
        let mut open = recorder.shared.open();
        for sample in &samples {
            // One that is too late has no place any more.
            open.add(&sample.series, sample.at.0, sample.value);
        }
        Ok(())
    }

    async fn import_all(&self, columns: Vec<(Series, Vec<(Timestamp, i64)>)>) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.history.shared);
        let in_order = |(series, rows): (Series, Vec<(Timestamp, i64)>)| {
            let rows = rows.into_iter().filter(|(at, _)| is_storable(at.0));
            let mut readings: Vec<Reading> = rows.map(|(at, value)| (at.0, value)).collect();
            // Already so for callers who keep to the contract; of equal times the first stays.
            readings.sort_by_key(|(at, _)| *at);
            readings.dedup_by_key(|(at, _)| *at);
            (series, readings)
        };
        let columns: Vec<_> = columns.into_iter().map(in_order).collect();
        let import = move |sql: &dyn Sql| shared.import(sql, &columns);
        self.history.writer.call("import readings", import).await
    }

    async fn query(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
        step: Step,
    ) -> Result<Vec<Row>, StoreError> {
        let within = |ms: i64| ms.clamp(0, END_OF_TIME_S * 1_000 - 1);
        let (from_ms, to_ms) = match step {
            Step::Raw => (within(from.0), within(to.0)),
            Step::Seconds(width_s) => {
                let (from_ms, to_ms) = condense::whole_buckets(from.0, to.0, width_s.into());
                (within(from_ms), within(to_ms))
            }
        };
        let question = {
            let open = self.history.shared.open();
            let Some(series) = open.known_number(series).filter(|_| from_ms < to_ms) else {
                return Ok(Vec::new());
            };
            Question {
                series,
                from_ms,
                to_ms,
                open: open.readings(series, from_ms, to_ms),
            }
        };
        let read = move |sql: &dyn Sql| {
            // One view of the database for all that follows.
            sql.transaction(|| match step {
                Step::Raw => question.raw(sql),
                Step::Seconds(width_s) => question.condensed(sql, i64::from(width_s).max(1)),
            })
        };
        self.history.reader.call(READ, read).await
    }

    async fn quarters(
        &self,
        series: &Series,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<Bucket>, StoreError> {
        let width_ms = block::QUARTER_S * 1_000;
        let within = |ms: i64| ms.clamp(0, END_OF_TIME_S * 1_000 - width_ms);
        let (from_ms, to_ms) = (within(from.0), within(to.0));
        let question = {
            let open = self.history.shared.open();
            let Some(series) = open.known_number(series).filter(|_| from_ms < to_ms) else {
                return Ok(Vec::new());
            };
            Question {
                series,
                from_ms: from_ms - from_ms % width_ms,
                to_ms: condense::whole_buckets(to_ms, to_ms, block::QUARTER_S).0,
                open: open.readings(series, 0, i64::MAX),
            }
        };
        let read = move |sql: &dyn Sql| sql.transaction(|| question.quarters(sql));
        self.history.reader.call(READ, read).await
    }

    async fn newest(&self, series: &Series) -> Result<Option<(Timestamp, i64)>, StoreError> {
        let newest = self.history.shared.open().newest(series);
        Ok(newest.map(|(at, value)| (Timestamp(at), value)))
    }

    async fn latest(&self) -> Result<Vec<Latest>, StoreError> {
        let latest = self.history.shared.open().latest();
        let latest = latest.into_iter().map(|(series, (at, value))| Latest {
            series,
            at: Timestamp(at),
            value,
        });
        Ok(latest.collect())
    }

    fn revision(&self) -> u64 {
        self.history.shared.revision.load(Ordering::SeqCst)
    }

    async fn thin(&self, retention: Retention, now: Timestamp) -> Result<bool, StoreError> {
        let shared = Arc::clone(&self.history.shared);
        let (raw_until, minutes_until) = retention::ends(retention, now);
        self.history
            .writer
            .call("thin old readings", move |sql| {
                shared.thin(sql, raw_until.0, minutes_until.0)
            })
            .await
    }

    async fn size(&self) -> Result<Size, StoreError> {
        let operation = "measure the store";
        let records = self.reader.call(operation, |sql| sql.bytes()).await?;
        let history = self.history.reader.call(operation, |sql| sql.bytes()).await?;
        Ok(Size {
            records: u64::try_from(records).unwrap_or(0),
            history: u64::try_from(history).unwrap_or(0),
        })
    }

    async fn series(&self) -> Result<Vec<Series>, StoreError> {
        Ok(self.history.shared.open().series())
    }

    async fn span(&self) -> Result<Option<(Timestamp, Timestamp)>, StoreError> {
        let span = self.history.shared.open().span_ms();
        Ok(span.map(|(oldest, newest)| (Timestamp(oldest), Timestamp(newest))))
    }

    async fn flush(&self) -> Result<(), StoreError> {
        self.history.flush().await
    }
}
