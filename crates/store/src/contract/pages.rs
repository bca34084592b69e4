//! Minutes and quarter-hours of a database from before they became pages, and what has to be left of them.

use std::ops::Range;

use model::reading::Quantity;
use model::time::Timestamp;

use crate::{Bucket, Series, Step, Store};

/// 2023-11-15, midnight in UTC.
const START_S: i64 = 1_700_006_400;
const DAY_S: i64 = 86_400;
/// Per series; more than are read at a time.
const QUARTERS: i64 = 12_000;
/// Of a day there are no more, so that a page has holes.
const QUARTERS_A_DAY: i64 = 80;
const MINUTES: i64 = 21_000;
const MINUTES_A_DAY: i64 = 1_000;

/// Puts them into the tables there were. Those of every third quarter-hour are from still before, when nobody knew the
/// first reading.
pub const ROWS: &str = "
    INSERT INTO series (id, subject, quantity, thinned_ms, coarse_ms)
    VALUES (1, 'device:old', 'power', 1701820800000, 0), (2, 'device:old', 'energy_in', 0, 0);
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 11999),
    b (start, low, i) AS (SELECT 1700006400 + i / 80 * 86400 + i % 80 * 900, i % 50 - 25, i FROM n)
    INSERT INTO quarter (key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms)
    SELECT series.id * 68719476736 + start, 900 - i % 7, low * (900 - i % 7) + i % 1000, low, low + 40, low + i % 40,
        CAST(start AS BIGINT) * 1000 + 899000 + i % 900,
        CASE WHEN i % 3 > 0 THEN low + i % 30 END,
        CASE WHEN i % 3 > 0 THEN CAST(start AS BIGINT) * 1000 + i % 800 END
    FROM b, series;
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 20999),
    b (start, i) AS (SELECT 1700006400 + i / 1000 * 86400 + i % 1000 * 60, i FROM n)
    INSERT INTO minute (key, count, sum, lowest, highest, last, last_at_ms, first, first_at_ms)
    SELECT 68719476736 + start, 60, 60 * (i % 90), i % 90, i % 90, i % 90, CAST(start AS BIGINT) * 1000 + 59000,
        i % 90, CAST(start AS BIGINT) * 1000
    FROM b;";

/// What the table of quarter-hours said.
fn quarter(i: i64) -> Bucket {
    let start_ms = (START_S + i / QUARTERS_A_DAY * DAY_S + i % QUARTERS_A_DAY * 900) * 1_000;
    let (count, min) = (900 - i % 7, i % 50 - 25);
    let has_first = i % 3 > 0;
    Bucket {
        start_ms,
        count,
        sum: min * count + i % 1_000,
        min,
        max: min + 40,
        first: if has_first { min + i % 30 } else { min },
        first_at_ms: if has_first { start_ms + i % 800 } else { start_ms },
        last: min + i % 40,
        last_at_ms: start_ms + 899_000 + i % 900,
    }
}

/// All of it is there.
pub async fn check(store: &dyn Store) {
    let series = |quantity: Quantity| Series {
        subject: "device:old".to_owned(),
        quantity,
    };
    let (power, energy) = (series(Quantity::Power), series(Quantity::EnergyIn));
    let all: Vec<Bucket> = (0..QUARTERS).map(quarter).collect();
    for series in [&power, &energy] {
        let found = quarters(store, series, 0..i64::MAX).await;
        assert!(found == all, "{series:?}: {} quarter-hours", found.len());
        // From within a day, and beyond the last quarter-hour of one, with one more at either end.
        for (from, to) in [(81, 85), (79, 161), (500, 501)] {
            let span = all[from].start_ms..all[to - 1].start_ms + 900_000;
            let found = quarters(store, series, span).await;
            assert!(found == all[from - 1..=to], "{from}..{to}");
        }
    }
    let rows = store
        .query(
            &power,
            Timestamp(0),
            Timestamp::from_seconds(START_S + 100 * DAY_S),
            Step::Raw,
        )
        .await
        .unwrap();
    let found: Vec<_> = rows.iter().map(|row| (row.at.as_seconds(), row.mean)).collect();
    let expected: Vec<_> = (0..MINUTES)
        .map(|i| {
            (
                START_S + i / MINUTES_A_DAY * DAY_S + i % MINUTES_A_DAY * 60,
                i % 90,
            )
        })
        .collect();
    assert!(found == expected, "{} minutes", found.len());
}

async fn quarters(store: &dyn Store, series: &Series, span_ms: Range<i64>) -> Vec<Bucket> {
    let (from, to) = (Timestamp(span_ms.start), Timestamp(span_ms.end));
    store.quarters(series, from, to).await.unwrap()
}
