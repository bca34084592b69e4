//! Figures of the embedded history: `history_figures <directory> [days]` prints `name value` lines, and
//! `history_figures --lines <devices>` prints the first day as JSON lines, for a peer to import.
//!
//! The load: 50 devices of 12 series at 1 Hz, smooth noises and a little white noise, their times off by up to
//! eight milliseconds.
#![allow(
    clippy::print_stdout,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a program that measures and prints"
)]

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use model::reading::Quantity;
use model::time::Timestamp;
use store::calendar::Per;
use store::{EnergyBook, History, Sample, Series, Sqlite, Step, columns};

const DEVICES: u64 = 50;
const SERIES: usize = 12;
const DAY: i64 = 86_400;
const DAY_MS: i64 = DAY * 1_000;
/// 2026-01-01, midnight in UTC.
const START_MS: i64 = 1_767_225_600_000;
/// Devices of which a peer gets a day.
const PEER_DEVICES: u64 = 5;

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--lines", devices] => lines(devices.parse().unwrap()),
        [directory] => figures(Path::new(directory), 30).await,
        [directory, days] => figures(Path::new(directory), days.parse().unwrap()).await,
        _ => println!("usage: history_figures <directory> [days] | --lines <devices>"),
    }
}

async fn figures(directory: &Path, days: i64) {
    std::fs::create_dir_all(directory).unwrap();
    import(&directory.join("import"), days).await;
    year(&directory.join("year")).await;
    live(&directory.join("live")).await;
    rows(&directory.join("rows.db"));
}

async fn import(directory: &Path, days: i64) {
    let store = Sqlite::open(directory).unwrap();
    let mut took = Duration::ZERO;
    let mut readings = 0;
    let mut devices: Vec<Device> = (0..DEVICES).map(Device::new).collect();
    for day in 0..days {
        for device in &mut devices {
            let columns = device.day(START_MS + day * DAY_MS, DAY as usize);
            let begun = Instant::now();
            for (series, rows) in device.series().iter().zip(&columns) {
                store.import(series, rows).await.unwrap();
                readings += rows.len();
            }
            took += begun.elapsed();
        }
    }
    drop(store);
    let bytes = std::fs::metadata(directory.join("history.db")).unwrap().len();
    print("days", days as f64);
    print("import_readings_per_s", readings as f64 / took.as_secs_f64());
    print("import_bytes_per_reading", bytes as f64 / readings as f64);
    print("import_peak_mib", peak_mib());

    let store = Sqlite::open(directory).unwrap();
    let power = Device::new(7).series()[0].clone();
    let (from, to) = (Timestamp(START_MS), Timestamp(START_MS + DAY_MS));
    let end = Timestamp(START_MS + days * DAY_MS);
    print(
        "latest_ms",
        median(async || assert_eq!(store.latest().await.unwrap().len(), 600)).await,
    );
    print(
        "raw_day_ms",
        median(async || {
            let rows = store.query(&power, from, to, Step::Raw).await.unwrap();
            assert_eq!(rows.len(), DAY as usize);
        })
        .await,
    );
    print(
        "quarters_ms",
        median(async || {
            let rows = store.query(&power, from, end, Step::Seconds(900)).await.unwrap();
            assert_eq!(rows.len(), days as usize * 96);
        })
        .await,
    );
    print(
        "chart_day_ms",
        median(async || {
            let found = columns(&*store, &power, from, to, 1_000).await.unwrap();
            assert_eq!(found.len(), 1_000);
        })
        .await,
    );
}

/// A year of 50 counters, a reading a quarter-hour: what is read are rollups anyway.
async fn year(directory: &Path) {
    let store = Sqlite::open(directory).unwrap();
    let counters: Vec<Series> = (0..DEVICES).map(|n| series(n, Quantity::EnergyIn)).collect();
    let readings: Vec<_> = (-8..=366 * 96)
        .map(|n| (Timestamp(START_MS + n * 900_000), n * 40 + 1_000))
        .collect();
    for counter in &counters {
        store.import(counter, &readings).await.unwrap();
    }
    let zone = TimeZone::get("Europe/Vienna").unwrap();
    let (from, to) = ("2026-01-01".parse().unwrap(), "2027-01-01".parse().unwrap());
    let book = EnergyBook::default();
    let one = async |book: &EnergyBook, counter: &Series| {
        let found = book
            .energies(&*store, counter, &zone, from, to, Per::Day)
            .await
            .unwrap();
        assert_eq!(found.rows.len(), 365);
    };
    print(
        "year_first_ms",
        median(async || one(&EnergyBook::default(), &counters[0]).await).await,
    );
    for counter in &counters {
        one(&book, counter).await;
    }
    print("year_ms", median(async || one(&book, &counters[0]).await).await);
    print(
        "year_50_ms",
        median(async || {
            for counter in &counters {
                one(&book, counter).await;
            }
        })
        .await,
    );
}

/// An hour and a half of live readings, written as they are every four seconds.
async fn live(directory: &Path) {
    let store = Sqlite::open(directory).unwrap();
    let seconds = 5_400;
    let mut devices: Vec<Device> = (0..DEVICES).map(Device::new).collect();
    let names: Vec<Vec<Series>> = devices.iter().map(Device::series).collect();
    let (mut pauses, mut appends) = (Vec::new(), Duration::ZERO);
    let begun_cpu = cpu_s();
    let mut generation = 0.0;
    for second in 0..seconds {
        let before = cpu_s();
        let samples: Vec<Sample> = devices
            .iter_mut()
            .zip(&names)
            .flat_map(|(device, names)| {
                let columns = device.day(START_MS + second * 1_000, 1);
                names.iter().cloned().zip(columns).map(|(series, rows)| Sample {
                    series,
                    at: rows[0].0,
                    value: rows[0].1,
                })
            })
            .collect();
        generation += cpu_s() - before;
        let begun = Instant::now();
        store.append(samples).await.unwrap();
        appends += begun.elapsed();
        if second % 4 == 3 {
            let begun = Instant::now();
            store.flush().await.unwrap();
            pauses.push(begun.elapsed());
        }
    }
    pauses.sort_unstable();
    let millis = |pause: Duration| pause.as_secs_f64() * 1e3;
    print(
        "live_core_percent",
        (cpu_s() - begun_cpu - generation) / seconds as f64 * 100.0,
    );
    print("live_append_us", appends.as_secs_f64() * 1e6 / seconds as f64);
    print("live_pause_median_ms", millis(pauses[pauses.len() / 2]));
    print("live_pause_p99_ms", millis(pauses[pauses.len() * 99 / 100]));
    print("live_pause_most_ms", millis(pauses[pauses.len() - 1]));
}

/// The peer that needs no other program: one row for each reading, of a day of some devices.
fn rows(file: &Path) {
    let mut connection = rusqlite::Connection::open(file).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE reading (series INTEGER, at INTEGER, value INTEGER, PRIMARY KEY (series, at)) WITHOUT ROWID;",
        )
        .unwrap();
    let (mut took, mut readings) = (Duration::ZERO, 0);
    for n in 0..PEER_DEVICES {
        let columns = Device::new(n).day(START_MS, DAY as usize);
        let begun = Instant::now();
        let transaction = connection.transaction().unwrap();
        {
            let mut insert = transaction
                .prepare("INSERT INTO reading VALUES (?1, ?2, ?3)")
                .unwrap();
            for (series, rows) in columns.iter().enumerate() {
                let series = n as i64 * SERIES as i64 + series as i64;
                for (at, value) in rows {
                    insert.execute((series, at.0, value)).unwrap();
                }
                readings += rows.len();
            }
        }
        transaction.commit().unwrap();
        took += begun.elapsed();
    }
    connection
        .execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")
        .unwrap();
    let bytes = std::fs::metadata(file).unwrap().len();
    print("rows_readings_per_s", readings as f64 / took.as_secs_f64());
    print("rows_bytes_per_reading", bytes as f64 / readings as f64);
    let mut times = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        let mut select = connection
            .prepare_cached("SELECT at, value FROM reading WHERE series = ?1 ORDER BY at")
            .unwrap();
        let day = select
            .query_map([7], |row| Ok((row.get(0)?, row.get(1)?)))
            .unwrap();
        let day: Vec<(i64, i64)> = day.map(Result::unwrap).collect();
        assert_eq!(day.len(), DAY as usize);
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    print("rows_raw_day_ms", times[2].as_secs_f64() * 1e3);
}

/// A day of some devices, as a time series database takes it.
fn lines(devices: u64) {
    for n in 0..devices {
        let mut device = Device::new(n);
        for (series, rows) in device.series().iter().zip(device.day(START_MS, DAY as usize)) {
            let join = |column: &mut dyn Iterator<Item = i64>| {
                column
                    .map(|value| value.to_string())
                    .collect::<Vec<_>>()
                    .join(",")
            };
            println!(
                r#"{{"metric":{{"__name__":"{}","device":"{n}"}},"values":[{}],"timestamps":[{}]}}"#,
                series.quantity.name(),
                join(&mut rows.iter().map(|(_, value)| *value)),
                join(&mut rows.iter().map(|(at, _)| at.0)),
            );
        }
    }
}

fn series(device: u64, quantity: Quantity) -> Series {
    Series {
        subject: format!("device:d{device}"),
        quantity,
    }
}

/// A meter: loads that come and go and drift, voltages that drift, a little noise on every value, a counter.
struct Device {
    number: u64,
    random: u64,
    load: [i64; 3],
    /// Of loads, voltages and the frequency.
    drifts: [Drift; 7],
    counted: i64,
}

/// A smooth noise: straight from one random value to the next within 20 s.
#[derive(Clone, Copy, Default)]
struct Drift {
    from: i64,
    to: i64,
}

impl Device {
    fn new(number: u64) -> Self {
        Self {
            number,
            random: number * 977 + 13,
            load: [200, 150, 90],
            drifts: [Drift::default(); 7],
            counted: 3_600_000 * 1_000,
        }
    }

    fn series(&self) -> Vec<Series> {
        let counted = |quantity: &&Quantity| !matches!(quantity, Quantity::EnergyOut);
        let quantities = Quantity::ALL.iter().filter(counted).take(SERIES);
        quantities
            .map(|quantity| series(self.number, *quantity))
            .collect()
    }

    /// Uniform in `-spread..=spread`.
    fn noise(&mut self, spread: i64) -> i64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 40) as i64 % (2 * spread + 1) - spread
    }

    /// The smooth noises at a second of their 20, within ±1000.
    fn drift(&mut self, second: i64) -> [i64; 7] {
        if second == 0 {
            for index in 0..7 {
                let to = self.noise(1_000);
                let drift = &mut self.drifts[index];
                *drift = Drift { from: drift.to, to };
            }
        }
        self.drifts
            .map(|drift| drift.from + (drift.to - drift.from) * second / 20)
    }

    /// A column of readings for each series, one a second.
    fn day(&mut self, start_ms: i64, seconds: usize) -> Vec<Vec<(Timestamp, i64)>> {
        let mut columns: Vec<_> = (0..SERIES).map(|_| Vec::with_capacity(seconds)).collect();
        for second in 0..seconds as i64 {
            let at = Timestamp(start_ms + second * 1_000 + 10 + self.noise(8));
            if self.noise(300) == 0 {
                let phase = self.noise(1).rem_euclid(3) as usize;
                self.load[phase] = 40 + self.noise(1_500).abs();
            }
            let drift = self.drift(at.as_seconds() % 20);
            let powers: Vec<i64> = (0..3)
                .map(|phase| self.load[phase] + drift[phase] / 50 + self.noise(1))
                .collect();
            let volts: Vec<i64> = (3..6).map(|phase| 2_301 + drift[phase] / 50).collect();
            let power: i64 = powers.iter().sum();
            self.counted += power * 1_000;
            let mut values = vec![power];
            values.extend(&powers);
            values.extend(
                powers
                    .iter()
                    .zip(&volts)
                    .map(|(power, volts)| power * 10_000 / volts),
            );
            values.extend(volts.iter().map(|volts| volts * 100));
            values.extend([50_000 + drift[6] / 200 * 10, self.counted / 3_600_000]);
            for (column, value) in columns.iter_mut().zip(values) {
                column.push((at, value));
            }
        }
        columns
    }
}

fn print(name: &str, value: f64) {
    println!("{name} {value:.4}");
}

/// Milliseconds of the median of some runs, after one that warms up.
async fn median(run: impl AsyncFn()) -> f64 {
    run().await;
    let mut times = Vec::new();
    for _ in 0..21 {
        let begun = Instant::now();
        run().await;
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e3
}

fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1_024.0
}

/// Processor time of this process, from the scheduler's nanoseconds of all its threads.
fn cpu_s() -> f64 {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let nanos = threads.filter_map(|thread| {
        let text = std::fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<f64>().ok()
    });
    nanos.sum::<f64>() / 1e9
}
