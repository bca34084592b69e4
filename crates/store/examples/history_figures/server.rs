//! The store in a PostgreSQL server of its own, beside the fastest way into one.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use model::reading::Quantity;
use store::{History, Postgres, Step};

use crate::cluster::Cluster;
use crate::load::{Columns, DAY, DAY_S, Device, SERIES, START, series};
use crate::measure::{median, print};

/// Devices of which a day is copied as rows.
const COPIED: usize = 5;

pub async fn figures(days: usize) {
    let cluster = Cluster::start();
    let store = Postgres::open(&cluster.url()).unwrap();
    let files = tempfile::tempdir().unwrap();
    std::fs::set_permissions(files.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let mut devices = Device::all();
    let (mut took, mut readings) = (Duration::ZERO, 0);
    let (mut copied, mut rows) = (Duration::ZERO, 0);
    cluster.psql("CREATE TABLE raw (series INTEGER NOT NULL, at BIGINT NOT NULL, value BIGINT NOT NULL)");
    for day in 0..days {
        for (n, device) in devices.iter_mut().enumerate() {
            let columns = device.poll(DAY_S);
            if day == 0 && n < COPIED {
                let file = files.path().join("rows");
                write_binary(&file, &columns);
                let begun = Instant::now();
                cluster.psql(&format!(
                    "COPY raw FROM '{}' WITH (FORMAT binary)",
                    file.display()
                ));
                copied += begun.elapsed();
                rows += SERIES * DAY_S;
            }
            readings += columns.len() * DAY_S;
            let columns = device.series.iter().cloned().zip(columns).collect();
            let begun = Instant::now();
            store.import_all(columns).await.unwrap();
            took += begun.elapsed();
        }
    }
    let bytes = store.size().await.unwrap().history;
    let raw_bytes: f64 = cluster
        .psql("SELECT pg_table_size('raw')")
        .trim()
        .parse()
        .unwrap();
    print("server_days", days as f64);
    print("server_readings_per_s", readings as f64 / took.as_secs_f64());
    print("server_bytes_per_reading", bytes as f64 / readings as f64);
    print("copy_rows_per_s", rows as f64 / copied.as_secs_f64());
    print("copy_bytes_per_row", raw_bytes / rows as f64);
    let power = series(7, Quantity::Power);
    let raw = async || {
        let found = store.query(&power, START, START + DAY, Step::Raw).await.unwrap();
        assert_eq!(found.len(), DAY_S);
    };
    print("server_raw_ms", median(raw).await);
    let quarters = async || {
        let found = store
            .query(&power, START, START + DAY, Step::Seconds(900))
            .await
            .unwrap();
        assert_eq!(found.len(), 96);
    };
    print("server_quarters_ms", median(quarters).await);
}

/// Rows as the server itself reads them from a file.
fn write_binary(file: &Path, columns: &Columns) {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for (series, rows) in (0_i32..).zip(columns) {
        for (at, value) in rows {
            bytes.extend(3_i16.to_be_bytes());
            bytes.extend(4_i32.to_be_bytes());
            bytes.extend(series.to_be_bytes());
            for column in [at.0, *value] {
                bytes.extend(8_i32.to_be_bytes());
                bytes.extend(column.to_be_bytes());
            }
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    std::fs::File::create(file).unwrap().write_all(&bytes).unwrap();
}
