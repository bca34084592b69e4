//! The fastest way of the same samples into the same PostgreSQL server: binary COPY, as plain rows.

use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use crate::cluster::Cluster;

const ROWS: i64 = 1_000_000;

pub fn rows_per_s(cluster: &Cluster) -> f64 {
    let files = tempfile::tempdir().unwrap();
    std::fs::set_permissions(files.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let file = files.path().join("rows");
    std::fs::write(&file, rows()).unwrap();
    cluster.psql(
        "CREATE TABLE raw (operator SMALLINT NOT NULL, port INTEGER NOT NULL, at BIGINT NOT NULL, state SMALLINT NOT NULL,
         voltage INTEGER, current INTEGER, power INTEGER, energy INTEGER, temperature SMALLINT, duration INTEGER,
         charge BIGINT, smoke SMALLINT)",
    );
    let begun = Instant::now();
    cluster.psql(&format!(
        "COPY raw FROM '{}' WITH (FORMAT binary)",
        file.display()
    ));
    ROWS as f64 / begun.elapsed().as_secs_f64()
}

fn rows() -> Vec<u8> {
    let mut bytes = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for row in 0..ROWS {
        bytes.extend(12_i16.to_be_bytes());
        for (width, value) in [
            (2, row % 4),
            (4, row % 60_000),
            (8, 1_795_800_000_000 + row / 40 * 1_000),
            (2, 1 + row % 2 * 2),
            (4, 2_200 + row % 100),
            (4, row % 500),
            (4, row % 1_000),
            (4, row % 2_000),
            (2, 200 + row % 100),
            (4, row % 7_200),
            (8, 20_261_128_190_000 + row % 10_000),
            (2, 2),
        ] {
            let whole = i64::to_be_bytes(value);
            bytes.extend(i32::to_be_bytes(width));
            bytes.extend(&whole[8 - usize::try_from(width).unwrap()..]);
        }
    }
    bytes.extend((-1_i16).to_be_bytes());
    bytes
}
