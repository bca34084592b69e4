//! Readings on disk: sealed blocks, a hot table, and what came since the last flush in memory.
//!
//! Sketch: 50 devices x 12 series at 1 Hz are 600 readings a second. Every four seconds one hot row of some
//! 7 kB takes them; each series is sealed about every half hour into a block of some 700 bytes. What is open
//! is at most 2,500 readings of 16 bytes per series.
//!
//! A query takes what is open first and reads the database afterwards. Since a reading leaves memory only
//! after the commit that sealed it, none is missed; since the database says up to when it is sealed, none is
//! counted twice.

mod block;
mod hot;
mod open;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use model::reading::Quantity;
use model::time::Timestamp;
use rusqlite::{Connection, params};

use self::block::{Reading, Rollup};
use self::open::{Open, Plan};
use crate::condense::{self, Bucket, Condenser, END_OF_TIME_S, is_storable};
use crate::sqlite::Sqlite;
use crate::sqlite::worker::{Failure, Manner, Worker};
use crate::{History, Row, Sample, Series, Step, StoreError};

/// How long a reading may be in memory alone; a second less than what is promised.
const FLUSH_EVERY: Duration = Duration::from_secs(4);
/// Readings not written yet at which who brings more has to wait for a flush.
const FLUSH_AT: usize = 200_000;
/// Readings in memory at which more are refused: when the disk is full for long.
const AT_MOST: usize = 1_000_000;

const FLUSH: &str = "write readings";
const READ: &str = "read the history";

/// The history file and its threads.
pub struct Recorder {
    writer: Worker,
    reader: Worker,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    dropped: AtomicU64,
    /// Whether the last flush failed, so that it is reported once.
    is_failing: AtomicBool,
}

impl Recorder {
    pub fn open(writer: Connection, reader: Connection) -> Result<Self, StoreError> {
        let open = restore(&writer).map_err(|failure| failure.during("read the open readings"))?;
        let shared = Arc::new(Shared {
            open: Mutex::new(open),
            ..Shared::default()
        });
        let flushed = Arc::clone(&shared);
        let tick = Box::new(move |connection: &Connection| flushed.flush_in_background(connection));
        let threads = || -> std::io::Result<(Worker, Worker)> {
            let manner = Manner::Alongside {
                every: FLUSH_EVERY,
                tick,
            };
            let writer = Worker::spawn("history-write", writer, manner)?;
            Ok((writer, Worker::spawn("history-read", reader, Manner::Alone)?))
        };
        let (writer, reader) = threads().map_err(|error| StoreError::Other {
            operation: "start the history",
            cause: error.to_string(),
        })?;
        Ok(Self {
            writer,
            reader,
            shared,
        })
    }

    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Ordering::Relaxed)
    }

    async fn flush(&self) -> Result<(), StoreError> {
        let shared = Arc::clone(&self.shared);
        self.writer
            .call(FLUSH, move |connection| shared.flush(connection, None))
            .await
    }

    /// Has something done on the thread that writes; for tests of what a full disk does.
    #[cfg(test)]
    pub async fn write<T: Send + 'static>(
        &self,
        work: impl FnMut(&Connection) -> Result<T, Failure> + Send + 'static,
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
    fn flush(&self, connection: &Connection, seal: Option<i64>) -> Result<(), Failure> {
        let plan = self.open().plan(seal);
        if plan.is_empty() {
            return Ok(());
        }
        let transaction = connection.unchecked_transaction()?;
        write(&transaction, &plan)?;
        transaction.commit()?;
        self.open().done(&plan);
        Ok(())
    }

    fn flush_in_background(&self, connection: &Connection) {
        match self.flush(connection, None) {
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

    fn import(&self, connection: &Connection, series: &Series, readings: &[Reading]) -> Result<(), Failure> {
        let (Some((first_ms, _)), Some((last_ms, _))) = (readings.first(), readings.last()) else {
            return Ok(());
        };
        let (number, is_between) = {
            let mut open = self.open();
            let number = open.number(series);
            (
                number,
                !open
                    .readings(number, i64::MIN, last_ms.saturating_add(1))
                    .is_empty(),
            )
        };
        // Open readings are newer than all sealed ones; those among the imported have to be sealed first.
        if is_between {
            self.flush(connection, Some(number))?;
        }
        let transaction = connection.unchecked_transaction()?;
        insert_series(&transaction, number, series)?;
        block::write(&transaction, number, readings)?;
        transaction.commit()?;
        self.open().imported(number, *first_ms, *last_ms);
        Ok(())
    }
}

fn write(connection: &Connection, plan: &Plan) -> Result<(), Failure> {
    for (number, series) in &plan.new_series {
        insert_series(connection, *number, series)?;
    }
    for (number, readings) in &plan.seals {
        block::write(connection, *number, readings)?;
    }
    let body = hot::encode(&plan.entries);
    connection
        .prepare_cached("INSERT INTO hot (id, body) VALUES (?1, ?2)")?
        .execute(params![plan.hot_row, body])?;
    connection
        .prepare_cached("DELETE FROM hot WHERE id < ?1")?
        .execute([plan.hot_from])?;
    Ok(())
}

fn insert_series(connection: &Connection, number: i64, series: &Series) -> Result<(), Failure> {
    let sql = "INSERT OR IGNORE INTO series (id, subject, quantity) VALUES (?1, ?2, ?3)";
    connection
        .prepare_cached(sql)?
        .execute(params![number, series.subject, series.quantity.name()])?;
    Ok(())
}

/// What was open when the file was last written.
fn restore(connection: &Connection) -> Result<Open, Failure> {
    let mut open = Open::default();
    let mut select = connection.prepare("SELECT id, subject, quantity FROM series")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (number, subject, quantity): (i64, String, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let Some(quantity) = Quantity::from_name(&quantity) else {
            return Err(Failure::Damaged(format!(
                "series {number} is of unknown quantity `{quantity}`"
            )));
        };
        open.restore_series(
            number,
            Series { subject, quantity },
            block::span(connection, number)?,
        );
    }
    let mut select = connection.prepare("SELECT id, body FROM hot ORDER BY id")?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (number, body): (i64, Vec<u8>) = (row.get(0)?, row.get(1)?);
        match hot::decode(&body) {
            Some(entries) => open.restore_hot(number, entries),
            None => tracing::error!("row {number} of the open readings is damaged; its readings are lost"),
        }
    }
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
    fn raw(&self, connection: &Connection) -> Result<Vec<Row>, Failure> {
        let mut rows = Vec::new();
        let mut take = |at, value| rows.push(condense::raw(at, value));
        block::for_each(connection, self.series, self.from_ms, self.to_ms, &mut take)?;
        self.open_after(connection)?
            .for_each(|(at, value)| take(*at, *value));
        Ok(rows)
    }

    fn condensed(&self, connection: &Connection, width_s: i64) -> Result<Vec<Row>, Failure> {
        let mut condenser = Condenser::new(width_s);
        match Rollup::for_width(width_s) {
            Some(rollup) => rollup.for_each(connection, self.series, self.from_ms, self.to_ms, |bucket| {
                condenser.bucket(bucket);
            })?,
            None => block::for_each(connection, self.series, self.from_ms, self.to_ms, |at, value| {
                condenser.reading(at, value);
            })?,
        }
        self.open_after(connection)?
            .for_each(|(at, value)| condenser.reading(*at, *value));
        Ok(condenser.finish().iter().map(Bucket::row).collect())
    }

    /// Those open readings that were not sealed meanwhile.
    fn open_after(&self, connection: &Connection) -> Result<impl Iterator<Item = &Reading>, Failure> {
        let sealed_until = block::span(connection, self.series)?.map(|(_, last_ms)| last_ms);
        Ok(self
            .open
            .iter()
            .filter(move |(at, _)| sealed_until.is_none_or(|sealed| *at > sealed)))
    }
}

#[async_trait]
impl History for Sqlite {
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
            if !open.add(&sample.series, sample.at.0, sample.value) {
                recorder.shared.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        Ok(())
    }

    async fn import(&self, series: &Series, rows: &[(Timestamp, i64)]) -> Result<(), StoreError> {
        let (shared, series) = (Arc::clone(&self.history.shared), series.clone());
        let mut readings: Vec<Reading> = rows
            .iter()
            .filter(|(at, _)| is_storable(at.0))
            .map(|(at, value)| (at.0, *value))
            .collect();
        // Already so for callers who keep to the contract; of equal times the first stays.
        readings.sort_by_key(|(at, _)| *at);
        readings.dedup_by_key(|(at, _)| *at);
        let import = move |connection: &Connection| shared.import(connection, &series, &readings);
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
        let read = move |connection: &Connection| {
            // One view of the file for all that follows.
            let transaction = connection.unchecked_transaction()?;
            match step {
                Step::Raw => question.raw(&transaction),
                Step::Seconds(width_s) => question.condensed(&transaction, i64::from(width_s).max(1)),
            }
        };
        self.history.reader.call(READ, read).await
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
