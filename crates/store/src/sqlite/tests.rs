//! What only files can show: restarts, locks, schema versions, permissions, a full disk.

use std::os::unix::fs::PermissionsExt;

use model::id::SiteId;
use model::reading::Quantity;
use model::settings::Retention;
use model::time::Timestamp;
use tempfile::TempDir;

use super::*;
use crate::sql::Sql;
use crate::{Audit, AuditEntry, History, Sample, Series, Sessions, Sites, Step, contract};

fn directory() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn power() -> Series {
    Series {
        subject: "device:grid".to_owned(),
        quantity: Quantity::Power,
    }
}

/// Noise of three bits on a ramp.
fn value(second: i64) -> i64 {
    second * 7 + (second.wrapping_mul(2_862_933_555_777_941_757) >> 40 & 7)
}

async fn append(store: &Sqlite, seconds: std::ops::Range<i64>) {
    let sample = |second| Sample {
        series: power(),
        at: Timestamp::from_seconds(second),
        value: value(second),
    };
    store.append(seconds.map(sample).collect()).await.unwrap();
}

/// How many readings there are, all of them in order and with their own value.
async fn readings(store: &Sqlite) -> i64 {
    let rows = store
        .query(&power(), Timestamp(0), Timestamp(i64::MAX), Step::Raw)
        .await
        .unwrap();
    let expected: Vec<(i64, i64)> = (0..)
        .take(rows.len())
        .map(|second| (second * 1_000, value(second)))
        .collect();
    assert_eq!(
        rows.iter().map(|row| (row.at.0, row.mean)).collect::<Vec<_>>(),
        expected
    );
    i64::try_from(rows.len()).unwrap()
}

#[tokio::test]
async fn keeps_the_contract() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    contract::check(&*store).await;
}

#[tokio::test]
async fn keeps_the_contract_without_a_file() {
    contract::check(&*Sqlite::in_memory().unwrap()).await;
}

/// What empties a log writes as well: a transaction that has only read so far must not lose to it.
#[test]
fn a_transaction_of_the_writer_is_the_only_one_from_its_start() {
    let directory = directory();
    let writer = HISTORY.open_writer(directory.path()).unwrap();
    let keeper = HISTORY.open_keeper(directory.path()).unwrap();
    keeper.busy_timeout(std::time::Duration::ZERO).unwrap();
    let sql: &dyn Sql = &writer;
    let others = sql.transaction(|| {
        let count = sql.first("SELECT count(*) FROM series", &[], |row| row.int(0))?;
        assert_eq!(count, Some(0));
        let other = keeper.pragma_update(None, "user_version", HISTORY.known());
        sql.write("DELETE FROM hot", &[])?;
        Ok(other)
    });
    assert!(others.unwrap().is_err());
    keeper
        .pragma_update(None, "user_version", HISTORY.known())
        .unwrap();
}

/// The log of records stays short however much is written, and nobody has to close the store for it.
#[tokio::test]
async fn the_log_of_records_is_emptied_beside_the_writer() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    let entry = AuditEntry {
        at: Timestamp(0),
        principal: String::new(),
        door: String::new(),
        action: "x".repeat(100_000),
        outcome: String::new(),
    };
    // 40 MB in all.
    for _ in 0..400 {
        store.record(&entry).await.unwrap();
    }
    let log = directory.path().join("records.db-wal");
    let bytes = std::fs::metadata(log).unwrap().len();
    assert!(bytes < 30 << 20, "{bytes}");
}

/// The database refuses the ledger after the session has been written: then neither is there.
#[tokio::test]
async fn a_session_without_its_ledger_is_not_stored() {
    let store = Sqlite::in_memory().unwrap();
    let home = SiteId::new("home").unwrap();
    let epoch = store.take_epoch(&home).await.unwrap();
    let refuse = |sql: &dyn Sql| {
        sql.write(
            "CREATE TRIGGER no BEFORE INSERT ON ledger BEGIN SELECT RAISE(ABORT, 'no'); END",
            &[],
        )
    };
    store.writer.call("set up", refuse).await.unwrap();
    let session = model::session::Session {
        id: "a".parse().unwrap(),
        site: home.clone(),
        evse: "left".parse().unwrap(),
        plugged: Timestamp(1),
        unplugged: None,
        vehicle: None,
        transactions: Vec::new(),
        charger_energy: None,
        soc: None,
        revision: 1,
    };
    let entry = model::session::LedgerEntry {
        site: home.clone(),
        start: Timestamp(0),
        shares: Vec::new(),
        imported: Default::default(),
        exported: Default::default(),
        produced: Default::default(),
        battery_in: Default::default(),
        battery_out: Default::default(),
        house: Default::default(),
    };
    let sessions = std::slice::from_ref(&session);
    let refused = store.put_books(epoch, &home, sessions, &[entry]).await;
    assert!(refused.is_err());
    assert_eq!(store.session(&session.id).await.unwrap(), None);
    store.put_books(epoch, &home, sessions, &[]).await.unwrap();
    assert_eq!(store.session(&session.id).await.unwrap(), Some(session));
}

#[tokio::test]
async fn what_was_stored_is_there_after_a_restart() {
    let directory = directory();
    let home = SiteId::new("home").unwrap();
    for n in 0..4 {
        let store = Sqlite::open(directory.path()).unwrap();
        assert_eq!(readings(&store).await, n * 1_000);
        assert_eq!(
            i64::try_from(store.take_epoch(&home).await.unwrap()).unwrap(),
            n + 1
        );
        append(&store, n * 1_000..(n + 1) * 1_000).await;
        assert_eq!(
            store.span().await.unwrap().map(|(oldest, _)| oldest),
            Some(Timestamp(0))
        );
    }
}

#[test]
fn a_directory_belongs_to_one_process_and_its_owner() {
    let directory = directory();
    let inner = directory.path().join("a/b");
    let store = Sqlite::open(&inner).unwrap();
    let error = Sqlite::open(&inner).err().unwrap();
    assert!(
        matches!(&error, StoreError::InUse { place, .. } if place.ends_with("a/b")),
        "{error}"
    );
    let mode = |name: &str| std::fs::metadata(inner.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("."), 0o700);
    for file in [
        "records.db",
        "records.db-wal",
        "history.db",
        "history.db-wal",
        "lock",
    ] {
        assert_eq!(mode(file), 0o600, "{file}");
    }
    drop(store);
    Sqlite::open(&inner).unwrap();
}

#[test]
fn a_newer_schema_is_refused_and_left_alone() {
    for (file, known) in [("records.db", 4), ("history.db", 4)] {
        let directory = directory();
        drop(Sqlite::open(directory.path()).unwrap());
        let path = directory.path().join(file);
        let newer = rusqlite::Connection::open(&path).unwrap();
        newer.pragma_update(None, "user_version", 99).unwrap();
        drop(newer);
        let before = std::fs::read(&path).unwrap();
        match Sqlite::open(directory.path()) {
            Err(StoreError::TooNew {
                file: named,
                found: 99,
                known: newest,
            }) => assert_eq!((named.as_str(), newest), (file, known)),
            Err(other) => panic!("{other}"),
            Ok(_) => panic!("{file} was opened"),
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let directory = directory();
    let file = directory.path().join("file");
    std::fs::write(&file, b"").unwrap();
    let error = Sqlite::open(&file.join("data")).err().unwrap().to_string();
    assert!(error.contains("file/data"), "{error}");
}

fn entry(text: &str) -> AuditEntry {
    AuditEntry {
        at: Timestamp(0),
        principal: text.to_owned(),
        door: String::new(),
        action: String::new(),
        outcome: String::new(),
    }
}

#[tokio::test]
async fn a_full_disk_refuses_and_breaks_nothing() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    store.record(&entry("before")).await.unwrap();
    let limit = |pages: i64| {
        move |sql: &dyn Sql| sql.each(&format!("PRAGMA max_page_count = {pages}"), &[], &mut |_| Ok(()))
    };
    let free = 1_000_000;
    let used = |sql: &dyn Sql| sql.first("PRAGMA page_count", &[], |row| row.int(0));
    let pages = store.writer.call("test", used).await.unwrap().unwrap();
    store.writer.call("test", limit(pages + 4)).await.unwrap();
    let large = "x".repeat(40_000);
    // Several at a time, so that small ones share a transaction with those that do not fit.
    let (one, two, small) = (entry(&large), entry(&large), entry("small"));
    let (one, two, small) = tokio::join!(store.record(&one), store.record(&two), store.record(&small));
    for outcome in [one, two] {
        assert!(matches!(outcome, Err(StoreError::Full { .. })), "{outcome:?}");
    }
    small.unwrap();

    let pages = store.history.write(used).await.unwrap().unwrap();
    store.history.write(limit(pages)).await.unwrap();
    append(&store, 0..120_000).await;
    assert!(matches!(store.flush().await, Err(StoreError::Full { .. })));
    assert!(matches!(store.flush().await, Err(StoreError::Full { .. })));
    assert_eq!(readings(&store).await, 120_000);

    store.writer.call("test", limit(free)).await.unwrap();
    store.history.write(limit(free)).await.unwrap();
    append(&store, 120_000..120_500).await;
    store.flush().await.unwrap();
    store.record(&entry("after")).await.unwrap();
    drop(store);
    for file in ["records.db", "history.db"] {
        let connection = rusqlite::Connection::open(directory.path().join(file)).unwrap();
        let verdict: String = connection
            .pragma_query_value(None, "integrity_check", |row| row.get(0))
            .unwrap();
        assert_eq!(verdict, "ok", "{file}");
    }
    let store = Sqlite::open(directory.path()).unwrap();
    assert_eq!(readings(&store).await, 120_500);
    let names: Vec<String> = store
        .recent(10)
        .await
        .unwrap()
        .into_iter()
        .map(|entry| entry.principal)
        .collect();
    assert_eq!(names, ["after", "small", "before"]);
}

#[tokio::test]
async fn many_writers_share_commits() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    let tasks: Vec<_> = (0..2_000)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.record(&entry(&n.to_string())).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(store.recent(5_000).await.unwrap().len(), 2_000);
}

#[tokio::test]
async fn readings_are_sealed_and_small() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    for hour in 0..6 {
        append(&store, hour * 3_600..(hour + 1) * 3_600).await;
        store.flush().await.unwrap();
    }
    let (blocks, hot, bytes) = store
        .history
        .write(|sql| {
            let select = "SELECT (SELECT sum(count) FROM block), (SELECT count(*) FROM hot),
                (SELECT sum(length(times) + length(readings)) FROM block)";
            sql.first(select, &[], |row| Ok((row.int(0)?, row.int(1)?, row.int(2)?)))
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!((blocks, hot), (6 * 3_600, 1));
    assert!(bytes < blocks / 2, "{bytes} bytes for {blocks} readings");
}

#[tokio::test]
async fn series_of_a_device_share_their_times() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    let quantities = &Quantity::ALL[..12];
    for second in 0..3_000 {
        let sample = |quantity: &Quantity| Sample {
            series: Series {
                subject: "device:meter".to_owned(),
                quantity: *quantity,
            },
            at: Timestamp(second * 1_000 + value(second) % 300),
            value: value(second),
        };
        store
            .append(quantities.iter().map(sample).collect())
            .await
            .unwrap();
    }
    store.flush().await.unwrap();
    let counts = |sql: &dyn Sql| {
        let count = |select| sql.first(select, &[], |row| row.int(0));
        Ok((
            count("SELECT count(*) FROM block")?,
            count("SELECT count(*) FROM clock")?,
        ))
    };
    assert_eq!(store.history.write(counts).await.unwrap(), (Some(12), Some(1)));
    // Thinned, they need no times any more.
    let now = Timestamp::from_seconds(100 * 86_400);
    while store.thin(Retention::default(), now).await.unwrap() {}
    assert_eq!(store.history.write(counts).await.unwrap(), (Some(0), Some(0)));
}

#[tokio::test]
async fn late_readings_that_come_one_by_one_share_blocks() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    let series = Series {
        subject: "device:pv".to_owned(),
        quantity: Quantity::Power,
    };
    let rows: Vec<_> = (0..2 * 288)
        .map(|n| (Timestamp::from_seconds(n * 300), value(n)))
        .collect();
    for row in &rows {
        store.import(&series, &[*row]).await.unwrap();
    }
    let counts = |sql: &dyn Sql| {
        let select = "SELECT count(*), sum(count) FROM block";
        sql.first(select, &[], |row| Ok((row.int(0)?, row.int(1)?)))
    };
    assert_eq!(store.history.write(counts).await.unwrap(), Some((9, 576)));
    let from_to = (Timestamp(0), Timestamp::from_seconds(2 * 86_400));
    let found = store
        .query(&series, from_to.0, from_to.1, Step::Raw)
        .await
        .unwrap();
    let found: Vec<_> = found.iter().map(|row| (row.at, row.last)).collect();
    assert_eq!(found, rows);
}

#[tokio::test]
async fn the_log_of_readings_is_emptied_beside_the_writer() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    append(&store, 0..5_000).await;
    store.flush().await.unwrap();
    // What a copy of the file knows without its log.
    let sealed = || {
        let copy = directory.path().join("copy.db");
        std::fs::copy(directory.path().join("history.db"), &copy).unwrap();
        let connection = rusqlite::Connection::open(&copy).unwrap();
        let select = "SELECT count(*) FROM block";
        connection
            .query_row(select, [], |row| row.get::<_, i64>(0))
            .unwrap_or(0)
    };
    assert_eq!(sealed(), 0);
    let mut keep = keep::history(directory.path()).unwrap();
    (0..300).for_each(|_| keep());
    assert_eq!(sealed(), 2);
    append(&store, 5_000..10_000).await;
    assert_eq!(readings(&store).await, 10_000);
}

#[tokio::test]
async fn thinning_goes_on_after_a_restart() {
    let directory = directory();
    let now = Timestamp::from_seconds(100 * 86_400);
    let readings: Vec<_> = (0..30_000)
        .map(|second| (Timestamp::from_seconds(second), value(second)))
        .collect();
    let mut bites = 0;
    loop {
        let store = Sqlite::open(directory.path()).unwrap();
        // Before the first bite this brings them in, afterwards what was not thinned is there already.
        store.import(&power(), &readings).await.unwrap();
        let quarters = store
            .query(&power(), Timestamp(0), now, Step::Seconds(900))
            .await
            .unwrap();
        assert_eq!(quarters.len(), 34);
        assert_eq!(
            quarters.iter().map(|row| row.first).collect::<Vec<_>>()[..2],
            [value(0), value(900)]
        );
        assert_eq!(
            store.newest(&power()).await.unwrap(),
            Some((Timestamp(29_999_000), value(29_999)))
        );
        if !store.thin(Retention::default(), now).await.unwrap() {
            break;
        }
        bites += 1;
    }
    assert!(bites >= 2, "{bites}");
    let store = Sqlite::open(directory.path()).unwrap();
    let left = store.query(&power(), Timestamp(0), now, Step::Raw).await.unwrap();
    assert_eq!(left.len(), 500);
    assert_eq!(
        store.span().await.unwrap(),
        Some((Timestamp(0), Timestamp(29_999_000)))
    );
}

#[tokio::test]
async fn rollups_that_were_rows_become_pages() {
    let directory = directory();
    let file = rusqlite::Connection::open(directory.path().join(HISTORY.file)).unwrap();
    for step in &HISTORY.migrations[..3] {
        file.execute_batch(step.statements).unwrap();
    }
    file.pragma_update(None, "user_version", 3).unwrap();
    file.execute_batch(contract::pages::ROWS).unwrap();
    drop(file);
    for _ in 0..2 {
        let store = Sqlite::open(directory.path()).unwrap();
        contract::pages::check(&*store).await;
        let left = "SELECT count(*) FROM sqlite_schema WHERE name IN ('minute', 'quarter')";
        let left = store
            .history
            .write(|sql| sql.first(left, &[], |row| row.int(0)))
            .await;
        assert_eq!(left.unwrap(), Some(0));
    }
}

/// Minutes are not removed while readings of the same day are there, however short they are to be kept: each reading
/// counts once.
#[tokio::test]
async fn minutes_that_are_kept_no_longer_than_readings_leave_no_overlap() {
    let directory = directory();
    let store = Sqlite::open(directory.path()).unwrap();
    // Blocks from six in the morning to six in the morning.
    let readings: Vec<_> = (360..360 + 5 * 1_440)
        .map(|minute| (Timestamp(minute * 60_000), minute))
        .collect();
    store.import(&power(), &readings).await.unwrap();
    let retention = Retention {
        raw_days: 1,
        minute_days: 1,
    };
    for hour in 24..=168 {
        let now = Timestamp::from_seconds(hour * 3_600);
        while store.thin(retention, now).await.unwrap() {}
        let rows = store
            .query(&power(), Timestamp(0), Timestamp(i64::MAX), Step::Raw)
            .await
            .unwrap();
        let is_rising = rows.windows(2).all(|pair| pair[0].at < pair[1].at);
        assert!(is_rising, "hour {hour}");
        let days = store
            .query(&power(), Timestamp(0), Timestamp(i64::MAX), Step::Seconds(86_400))
            .await
            .unwrap();
        assert_eq!(days.len(), 6, "hour {hour}");
    }
}
