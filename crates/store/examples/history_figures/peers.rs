//! The same day elsewhere.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use model::reading::Quantity;
use store::{History, Sqlite, Step};

use crate::load::{DAY, DAY_S, Device, SERIES, START, series};
use crate::measure::{median, print};

/// A day of some devices in our blocks, and in the peer that needs no other program.
pub async fn figures(directory: &Path, devices: usize) {
    std::fs::create_dir_all(directory).unwrap();
    let store = Sqlite::open(&directory.join("blocks")).unwrap();
    let mut rows = Rows::new(&directory.join("rows.db"));
    let (mut took, mut readings) = (Duration::ZERO, 0);
    for n in 0..devices {
        let mut device = Device::new(n);
        let columns = device.poll(DAY_S);
        rows.insert(n, &columns);
        readings += columns.len() * DAY_S;
        let columns = device.series.into_iter().zip(columns).collect();
        let begun = Instant::now();
        store.import_all(columns).await.unwrap();
        took += begun.elapsed();
    }
    drop(store);
    let per_reading = |path: &Path| std::fs::metadata(path).unwrap().len() as f64 / readings as f64;
    print("day_devices", devices as f64);
    print("day_readings_per_s", readings as f64 / took.as_secs_f64());
    print(
        "day_bytes_per_reading",
        per_reading(&directory.join("blocks/history.db")),
    );
    let store = Sqlite::open(&directory.join("blocks")).unwrap();
    let power = series(devices - 1, Quantity::Power);
    let raw = async || {
        let found = store.query(&power, START, START + DAY, Step::Raw).await.unwrap();
        assert_eq!(found.len(), DAY_S);
    };
    print("day_raw_ms", median(raw).await);

    rows.finish();
    print("rows_readings_per_s", readings as f64 / rows.took.as_secs_f64());
    print("rows_bytes_per_reading", per_reading(&directory.join("rows.db")));
    let number = ((devices - 1) * SERIES) as i64;
    print(
        "rows_raw_ms",
        median(async || assert_eq!(rows.day(number), DAY_S)).await,
    );
}

/// A table with one row for each reading. It gets them sorted, which suits it best.
struct Rows {
    connection: rusqlite::Connection,
    took: Duration,
}

impl Rows {
    fn new(file: &Path) -> Self {
        let connection = rusqlite::Connection::open(file).unwrap();
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
                 CREATE TABLE reading (series INTEGER, at INTEGER, value INTEGER, PRIMARY KEY (series, at)) WITHOUT ROWID;",
            )
            .unwrap();
        Self {
            connection,
            took: Duration::ZERO,
        }
    }

    fn insert(&mut self, device: usize, columns: &crate::load::Columns) {
        let begun = Instant::now();
        let transaction = self.connection.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare_cached("INSERT INTO reading VALUES (?1, ?2, ?3)")
                .unwrap();
            for (place, rows) in columns.iter().enumerate() {
                for (at, value) in rows {
                    insert
                        .execute(((device * SERIES + place) as i64, at.0, value))
                        .unwrap();
                }
            }
        }
        transaction.commit().unwrap();
        self.took += begun.elapsed();
    }

    fn finish(&mut self) {
        let begun = Instant::now();
        self.connection
            .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
            .unwrap();
        self.took += begun.elapsed();
    }

    /// Reads the day of a series.
    fn day(&self, series: i64) -> usize {
        let mut select = self
            .connection
            .prepare_cached("SELECT at, value FROM reading WHERE series = ?1 ORDER BY at")
            .unwrap();
        let day = select
            .query_map([series], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let day: Vec<(i64, i64)> = day.map(Result::unwrap).collect();
        day.len()
    }
}

/// The day of some devices, as a time series database takes it.
pub fn lines(devices: usize) {
    let mut out = std::io::stdout().lock();
    for n in 0..devices {
        let mut device = Device::new(n);
        let columns = device.poll(DAY_S);
        for (series, rows) in device.series.iter().zip(columns) {
            let (mut values, mut times) = (String::new(), String::new());
            for (place, (at, value)) in rows.iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let _ = write!(values, "{comma}{value}");
                let _ = write!(times, "{comma}{}", at.0);
            }
            let name = series.quantity.name();
            writeln!(
                out,
                r#"{{"metric":{{"__name__":"{name}","device":"d{n}"}},"values":[{values}],"timestamps":[{times}]}}"#
            )
            .unwrap();
        }
    }
}
