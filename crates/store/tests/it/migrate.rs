//! Databases of every schema there was, opened by this program.

use std::path::Path;

use model::id::{PlatformId, SessionId, SiteId};
use model::oversight::{Code, Lane, OperatorCode, PortState};
use model::reading::Quantity;
use model::time::Timestamp;
use model::units::WattHours;
use model::user::{Role, User};
use store::{Postgres, Series, SessionFilter, Sqlite, Step, Store, Typed};

use crate::cluster::Cluster;

/// Dumps of every schema version; the last is of the newest.
const RECORDS: [&str; 4] = [
    include_str!("../../testdata/records-1.sql"),
    include_str!("../../testdata/records-2.sql"),
    include_str!("../../testdata/records-3.sql"),
    include_str!("../../testdata/records-4.sql"),
];
const HISTORY: [&str; 4] = [
    include_str!("../../testdata/history-1.sql"),
    include_str!("../../testdata/history-2.sql"),
    include_str!("../../testdata/history-3.sql"),
    include_str!("../../testdata/history-4.sql"),
];
const SERVER: [&str; 5] = [
    include_str!("../../testdata/postgres-1.sql"),
    include_str!("../../testdata/postgres-2.sql"),
    include_str!("../../testdata/postgres-3.sql"),
    include_str!("../../testdata/postgres-4.sql"),
    include_str!("../../testdata/postgres-5.sql"),
];

#[tokio::test]
async fn files_of_every_schema_are_opened() {
    let version = |path: &Path| {
        let file = rusqlite::Connection::open(path).unwrap();
        let version: i64 = file
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        usize::try_from(version).unwrap()
    };
    // Each of one file with the one of the other that was there at the time.
    for number in 1..=RECORDS.len().max(HISTORY.len()) {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        let versions = || (version(&path("records.db")), version(&path("history.db")));
        let old = (number.min(RECORDS.len()), number.min(HISTORY.len()));
        for (name, dump) in [
            ("records.db", RECORDS[old.0 - 1]),
            ("history.db", HISTORY[old.1 - 1]),
        ] {
            let file = rusqlite::Connection::open(path(name)).unwrap();
            file.execute_batch(dump).unwrap();
        }
        assert_eq!(versions(), old);
        let store = Sqlite::open(directory.path()).unwrap();
        check(&*store, number > 1).await;
        check_oversight(&*store, old.0 > 2).await;
        check_uploads(&*store, old.0 > 3).await;
        drop(store);
        let newest = (RECORDS.len(), HISTORY.len());
        assert_eq!(versions(), newest, "a new schema needs a dump of it here");
    }
}

#[tokio::test]
async fn databases_of_every_schema_are_opened() {
    for (number, dump) in (1..).zip(SERVER) {
        let cluster = Cluster::start();
        cluster.psql(dump);
        let store = Postgres::open(&cluster.url()).unwrap();
        check(&*store, true).await;
        check_oversight(&*store, number > 3).await;
        check_uploads(&*store, number > 4).await;
        drop(store);
        let newest = SERVER.len().to_string();
        let found = cluster.psql("SELECT version FROM schema_version");
        assert_eq!(found.trim(), newest, "a new schema needs a dump of it here");
    }
}

async fn check(store: &dyn Store, has_session: bool) {
    let home = SiteId::new("home").unwrap();
    let users: Vec<_> = store
        .list::<User>()
        .await
        .unwrap()
        .into_iter()
        .map(|user| (user.id.to_string(), user.name, user.role, user.enabled))
        .collect();
    let expected = [
        (
            "admin".to_owned(),
            "The \"admin\"".to_owned(),
            Some(Role::Admin),
            true,
        ),
        ("zoe".to_owned(), "Zoë".to_owned(), Some(Role::Viewer), true),
    ];
    assert_eq!(users, expected);
    assert_eq!(store.wishes(&home).await.unwrap().len(), 1);
    assert_eq!(store.setpoints(&home).await.unwrap().len(), 1);
    assert_eq!(store.memory(&home).await.unwrap(), Some((1, vec![1, 2])));
    assert_eq!(store.devices(&home).await.unwrap().len(), 1);
    let secret = store.secret("password", "admin").await.unwrap();
    assert_eq!(secret.map(|secret| secret.bytes), Some(vec![1, 0, 200]));
    assert_eq!(
        store.alias("goe", "050001").await.unwrap().as_deref(),
        Some("evse:left")
    );
    let alarms = store.alarm_history(&home, true, None, 9).await.unwrap();
    let alarms: Vec<_> = alarms.into_iter().map(|(_, alarm)| alarm).collect();
    assert_eq!(alarms.len(), 1);
    let entries = store.recent(9).await.unwrap();
    assert_eq!(entries.len(), 1);

    let power = Series {
        subject: "device:meter".to_owned(),
        quantity: Quantity::Power,
    };
    let rows = store
        .query(&power, Timestamp(0), Timestamp(i64::MAX), Step::Raw)
        .await
        .unwrap();
    assert_eq!(
        (rows.len(), rows[4_799].last, rows[4_800].last),
        (4_801, 4_799 * 7 % 1_000, 5)
    );
    let quarters = store
        .query(&power, Timestamp(0), Timestamp(i64::MAX), Step::Seconds(900))
        .await
        .unwrap();
    let means: Vec<_> = quarters.iter().map(|row| row.mean).collect();
    assert_eq!(means, [347, 517, 483, 497, 511, 494, 469]);

    let sessions = store.sessions(&SessionFilter::default(), None, 9).await.unwrap();
    assert_eq!(sessions.len(), usize::from(has_session));
    if has_session {
        let session = store
            .session(&SessionId::new("s1").unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!((session.revision, session.energy()), (7, WattHours(2_500)));
        assert_eq!(
            store
                .session_totals(&SessionFilter::default())
                .await
                .unwrap()
                .energy,
            WattHours(2_500)
        );
    }

    // It can be written as well.
    assert_eq!(store.take_epoch(&home).await.unwrap(), 2);
    store.record(&entries[0]).await.unwrap();
    store.put_alarm(&alarms[0]).await.unwrap();
    assert_eq!(store.recent(9).await.unwrap().len(), 2);
    assert_eq!(store.alarm_history(&home, true, None, 9).await.unwrap().len(), 1);
}

/// What an operator registered and reported: a page of twelve samples, and three that wait in the journal.
async fn check_oversight(store: &dyn Store, is_there: bool) {
    let of = OperatorCode::new("MA005DBW1").unwrap();
    let port = Code::new("P1").unwrap();
    let ever = (Timestamp(0), Timestamp(i64::MAX));
    let samples = store.samples(&of, &port, ever.0, ever.1, 99).await.unwrap();
    let done = store.done().await.unwrap();
    let waiting = store.accepted(done, 9).await.unwrap();
    let keys = store.entity_keys(0, 9).await.unwrap();
    let open = store.open_warnings().await.unwrap();
    if !is_there {
        assert_eq!(
            (samples.len(), done, waiting.len(), keys.len(), open.len()),
            (0, 0, 0, 0, 0)
        );
        return;
    }
    assert_eq!((done, waiting.len(), keys.len(), open.len()), (1, 1, 3, 1));
    assert_eq!((waiting[0].0, waiting[0].1.samples.len()), (2, 3));
    for (n, sample) in (0..).zip(&samples) {
        assert_eq!(sample.at, Timestamp(1_700_000_000_000 + n * 300_000));
        assert_eq!(
            sample.voltage.map(|voltage| voltage.0),
            Some(221_300_000 + n * 100_000)
        );
        assert_eq!(
            (sample.energy.map(|energy| energy.0), sample.duration_s),
            (Some(n * 20_000), Some(n * 300))
        );
        assert_eq!(sample.state == PortState::Other(9), n == 2);
        assert_eq!(sample.charge, Some(Code::new("C1").unwrap()));
        assert_eq!(sample.more["signal_strength"], "21");
    }
    assert_eq!(samples.len(), 15);
    let entities = store.entities(&[keys[2].number]).await.unwrap();
    assert_eq!(entities[0].1.text("standard"), Some("GB/T 2099.1"));
    let latest = store.latest_samples(0, 9).await.unwrap();
    assert_eq!(latest, [(keys[2].number, samples[11].clone())]);
    let records = store.records(&Default::default(), 0, 9).await.unwrap();
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].record.person.as_deref(), Some("digest"));
    assert_eq!(store.failures(None, None, None, 9).await.unwrap().len(), 1);
    assert_eq!(store.quality("2023-11-15").await.unwrap()[0].1.kept, 12);
    // It goes on from there.
    let again = store.accept(&waiting[0].1).await.unwrap();
    assert_eq!(again, 3);
}

/// A sample that waits for a platform, and what that was told.
async fn check_uploads(store: &dyn Store, is_there: bool) {
    let city = PlatformId::new("city").unwrap();
    let waiting = store.waiting_uploads(&city, Lane::Sample, 9).await.unwrap();
    let told = store.told_entities(&city).await.unwrap();
    let backlog = store.backlog(&city).await.unwrap();
    let note = store.upload_note(&city).await.unwrap();
    let found = (
        waiting.len(),
        told.len(),
        backlog.dropped,
        backlog.refused,
        note.as_deref(),
    );
    let expected = if is_there {
        (1, 1, 2, 1, Some("noted"))
    } else {
        (0, 0, 0, 0, None)
    };
    assert_eq!(found, expected);
}
