//! Bringing in a month of a house, as the demo does at its first start.

use std::time::Instant;

use model::reading::Quantity;
use model::time::Timestamp;
use store::{History, Series, Sqlite, Step};

const SERIES: usize = 40;
const MINUTES: i64 = 30 * 24 * 60;

#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "this measures how long an import takes")]
async fn a_month_of_minutes_is_imported_in_seconds() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path()).unwrap();
    let start_s = 1_700_000_000 / 86_400 * 86_400;
    let rows: Vec<(Timestamp, i64)> = (0..MINUTES)
        .map(|n| {
            (
                Timestamp::from_seconds(start_s + n * 60),
                (n.wrapping_mul(2_862_933_555_777_941_757) >> 52) + n,
            )
        })
        .collect();
    let series = |n: usize| Series {
        subject: format!("device:d{n}"),
        quantity: Quantity::Power,
    };
    let begun = Instant::now();
    for n in 0..SERIES {
        store.import(&series(n), &rows).await.unwrap();
    }
    let took = begun.elapsed();
    let bytes: u64 = ["history.db", "history.db-wal"]
        .iter()
        .map(|file| std::fs::metadata(directory.path().join(file)).unwrap().len())
        .sum();
    let begun = Instant::now();
    let quarters = store
        .query(&series(7), rows[0].0, Timestamp(i64::MAX), Step::Seconds(900))
        .await
        .unwrap();
    let asked = begun.elapsed();
    let count = SERIES * rows.len();
    let mut out = std::io::stderr();
    let _ = std::io::Write::write_fmt(
        &mut out,
        format_args!(
            "{count} readings imported in {took:?}, {bytes} bytes; a month of quarters in {asked:?}\n"
        ),
    );
    assert_eq!(quarters.len(), usize::try_from(MINUTES / 15).unwrap());
    assert_eq!(store.series().await.unwrap().len(), SERIES);
    // Ten times what an unoptimised build needs on a busy machine would still be a defect.
    assert!(took.as_secs() < 30, "{took:?}");
}

#[tokio::test]
async fn only_what_changes_the_past_is_a_new_revision() {
    let store = Sqlite::in_memory().unwrap();
    let [first, second] = ["a", "b"].map(|device| Series {
        subject: format!("device:{device}"),
        quantity: Quantity::EnergyOut,
    });
    let at = |minute: i64| (Timestamp::from_seconds(1_700_000_000 + minute * 60), minute);
    for (series, rows, is_new) in [
        (&first, vec![at(10), at(20)], false),
        (&first, vec![at(21), at(30)], false),
        (&first, vec![at(25)], true),
        (&second, vec![at(1)], false),
        // The newest once more may have another value.
        (&second, vec![at(1)], true),
        (&second, vec![at(2), at(40)], false),
        (&second, vec![at(0), at(50)], true),
    ] {
        let before = store.revision();
        store.import(series, &rows).await.unwrap();
        assert_eq!(store.revision() != before, is_new, "{series:?} {rows:?}");
    }
}
