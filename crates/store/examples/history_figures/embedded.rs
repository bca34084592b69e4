//! The store in two files.

use std::path::Path;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use model::reading::Quantity;
use model::time::{Millis, Timestamp};
use store::calendar::Per;
use store::{EnergyBook, History, Sample, Series, Sqlite, Step, columns};

use crate::load::{DAY, DAY_S, DEVICES, Device, START, series};
use crate::measure::{cpu_s, median, peak_mib, print};

/// Days of which the quarter-hours of one series are asked, however few were imported of all.
const MONTH: usize = 30;

pub async fn figures(directory: &Path, days: usize) {
    std::fs::create_dir_all(directory).unwrap();
    import(&directory.join("import"), days).await;
    year(&directory.join("year")).await;
    live(&directory.join("live")).await;
}

/// As many days of every device, day by day.
async fn import(directory: &Path, days: usize) {
    let store = Sqlite::open(directory).unwrap();
    let mut devices = Device::all();
    let (mut took, mut readings) = (Duration::ZERO, 0);
    for _ in 0..days {
        for device in &mut devices {
            let columns = device.poll(DAY_S);
            readings += columns.len() * DAY_S;
            let columns = device.series.iter().cloned().zip(columns).collect();
            let begun = Instant::now();
            store.import_all(columns).await.unwrap();
            took += begun.elapsed();
        }
    }
    let begun = Instant::now();
    drop(store);
    took += begun.elapsed();
    let bytes = std::fs::metadata(directory.join("history.db")).unwrap().len();
    print("days", days as f64);
    print("import_readings_per_s", readings as f64 / took.as_secs_f64());
    print("import_bytes_per_reading", bytes as f64 / readings as f64);
    print("import_peak_mib", peak_mib());

    let store = Sqlite::open(directory).unwrap();
    let power = series(7, Quantity::Power);
    for _ in days..MONTH {
        let columns = devices[7].poll(DAY_S);
        let columns = devices[7].series.iter().cloned().zip(columns).collect();
        store.import_all(columns).await.unwrap();
    }
    let (from, to) = (START, START + DAY);
    let end = START + Millis(DAY.0 * MONTH as i64);
    print(
        "latest_ms",
        median(async || assert_eq!(store.latest().await.unwrap().len(), 600)).await,
    );
    print(
        "raw_day_ms",
        median(async || {
            let rows = store.query(&power, from, to, Step::Raw).await.unwrap();
            assert_eq!(rows.len(), DAY_S);
        })
        .await,
    );
    print(
        "quarters_ms",
        median(async || {
            let rows = store.query(&power, from, end, Step::Seconds(900)).await.unwrap();
            assert_eq!(rows.len(), MONTH * 96);
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
        .map(|n| (Timestamp(START.0 + n * 900_000), n * 40 + 1_000))
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
    let mut devices = Device::all();
    let (mut pauses, mut appends) = (Vec::new(), Vec::new());
    let begun_cpu = cpu_s();
    let mut generation = 0.0;
    for second in 0..seconds {
        let before = cpu_s();
        let samples: Vec<Sample> = devices.iter_mut().flat_map(Device::samples).collect();
        generation += cpu_s() - before;
        let begun = Instant::now();
        store.append(samples).await.unwrap();
        appends.push(begun.elapsed());
        if second % 4 == 3 {
            let begun = Instant::now();
            store.flush().await.unwrap();
            pauses.push(begun.elapsed());
            // A hundred times as fast as it comes; what follows a write on another thread has time as well.
            tokio::time::sleep(Duration::from_millis(40)).await;
        }
    }
    pauses.sort_unstable();
    appends.sort_unstable();
    let millis = |pause: Duration| pause.as_secs_f64() * 1e3;
    print(
        "live_core_percent",
        (cpu_s() - begun_cpu - generation) / f64::from(seconds) * 100.0,
    );
    print("live_append_most_ms", millis(appends[appends.len() - 1]));
    print("live_pause_median_ms", millis(pauses[pauses.len() / 2]));
    print("live_pause_p99_ms", millis(pauses[pauses.len() * 99 / 100]));
    print("live_pause_most_ms", millis(pauses[pauses.len() - 1]));
}
