//! What is owed to platforms.

use std::collections::BTreeMap;

use model::id::PlatformId;
use model::oversight::{
    ChargeRecord, Code, Decimal, Entity, EntityKind, Lane, PortState, Sample, Upload, Value,
};
use model::time::Timestamp;

use crate::uploads::Backlog;
use crate::{Sqlite, Store};

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn platform(id: &str) -> PlatformId {
    PlatformId::new(id).unwrap()
}

fn sample(at: i64) -> Sample {
    Sample {
        port: code("left"),
        equipment: code("post"),
        at: Timestamp(at),
        state: PortState::Idle,
        error: None,
        door: None,
        voltage: Some(Decimal::whole(230)),
        current: None,
        power: None,
        energy: None,
        temperature: None,
        soc: None,
        duration_s: None,
        charge: None,
        smoke: None,
        more: BTreeMap::new(),
    }
}

fn of(at: i64) -> Upload {
    Upload::Sample { sample: sample(at) }
}

fn record(charge: &str, end: i64) -> Upload {
    Upload::Record {
        record: ChargeRecord {
            charge: code(charge),
            port: code("left"),
            start: Timestamp(0),
            end: Timestamp(end),
            energy: Decimal::whole(7),
            energy_cost: Decimal(0),
            service_cost: Decimal(0),
            start_kind: 1,
            stop_reason: 4,
            average_power: None,
            person: None,
            unknown: BTreeMap::new(),
        },
    }
}

pub async fn check(store: &dyn Store) {
    queues_keep_their_order_and_their_bound(store).await;
    records_stay_until_somebody_looks(store).await;
    what_was_told_is_kept(store).await;
}

async fn times(store: &dyn Store, platform: &PlatformId, lane: Lane) -> Vec<i64> {
    let waiting = store.waiting_uploads(platform, lane, 99).await.unwrap();
    assert!(waiting.is_sorted_by_key(|(number, _)| *number));
    waiting.iter().map(|(_, upload)| upload.at().0).collect()
}

async fn queues_keep_their_order_and_their_bound(store: &dyn Store) {
    let (city, other) = (platform("city"), platform("other"));
    assert_eq!(store.backlog(&city).await.unwrap(), Backlog::default());
    assert_eq!(store.upload_note(&city).await.unwrap(), None);
    store
        .queue_uploads(&city, &[of(5), of(3), record("r1", 4)], Some("one"), 9)
        .await
        .unwrap();
    store.queue_uploads(&other, &[of(1)], None, 9).await.unwrap();
    let again = Upload::Again {
        failed: code("f1"),
        sample: sample(2),
    };
    store
        .queue_uploads(&city, std::slice::from_ref(&again), None, 9)
        .await
        .unwrap();
    assert_eq!(times(store, &city, Lane::Sample).await, [5, 3]);
    assert_eq!(times(store, &city, Lane::Record).await, [4]);
    let waiting = store.waiting_uploads(&city, Lane::Again, 9).await.unwrap();
    assert_eq!(waiting[0].1, again);
    assert_eq!(store.upload_note(&city).await.unwrap().as_deref(), Some("one"));
    assert_eq!(store.upload_note(&other).await.unwrap(), None);

    // Of five samples with room for three the oldest two go; nothing else does.
    store
        .queue_uploads(&city, &[of(6), of(7), of(8)], Some("two"), 3)
        .await
        .unwrap();
    assert_eq!(times(store, &city, Lane::Sample).await, [6, 7, 8]);
    let expected = Backlog {
        samples: 3,
        records: 1,
        repairs: 1,
        oldest: Some(Timestamp(2)),
        dropped: 2,
        ..Backlog::default()
    };
    assert_eq!(store.backlog(&city).await.unwrap(), expected);
    assert_eq!(store.upload_note(&city).await.unwrap().as_deref(), Some("two"));
    assert_eq!(times(store, &other, Lane::Sample).await, [1]);
}

async fn records_stay_until_somebody_looks(store: &dyn Store) {
    let city = platform("stuck");
    store
        .queue_uploads(&city, &[of(1), record("r1", 2), of(3), record("r2", 4)], None, 9)
        .await
        .unwrap();
    let samples = store.waiting_uploads(&city, Lane::Sample, 9).await.unwrap();
    let records = store.waiting_uploads(&city, Lane::Record, 9).await.unwrap();
    let refused = [
        (samples[1].0, "too old".to_owned()),
        (records[0].0, "no such port".to_owned()),
    ];
    store
        .settle_uploads(&city, &[samples[0].0], &refused)
        .await
        .unwrap();
    // Said once more after a crash, nothing changes.
    store.settle_uploads(&city, &[samples[0].0], &[]).await.unwrap();
    assert_eq!(times(store, &city, Lane::Sample).await, [0_i64; 0]);
    assert_eq!(times(store, &city, Lane::Record).await, [4]);
    let stuck = store.refused_uploads(&city, 9).await.unwrap();
    let stuck: Vec<_> = stuck
        .iter()
        .map(|(_, upload, why)| (upload.at().0, why.as_str()))
        .collect();
    assert_eq!(stuck, [(2, "no such port")]);
    let backlog = store.backlog(&city).await.unwrap();
    assert_eq!((backlog.stuck, backlog.refused, backlog.records), (1, 1, 1));
    assert_eq!(store.retry_uploads(&city).await.unwrap(), 1);
    assert_eq!(times(store, &city, Lane::Record).await, [2, 4]);
    store.forget_platform(&city).await.unwrap();
    assert_eq!(store.backlog(&city).await.unwrap(), Backlog::default());
}

async fn what_was_told_is_kept(store: &dyn Store) {
    let city = platform("told");
    let entity = |id: &str, name: &str| Entity {
        kind: EntityKind::Station,
        id: code(id),
        parent: None,
        fields: BTreeMap::from([("name".to_owned(), Value::Text(name.to_owned()))]),
        unknown: BTreeMap::new(),
        told: Timestamp(1),
    };
    for (id, name) in [("b", "B"), ("a", "A"), ("b", "Bee")] {
        store.put_told(&city, &entity(id, name)).await.unwrap();
    }
    let told = store.told_entities(&city).await.unwrap();
    assert_eq!(told, [entity("a", "A"), entity("b", "Bee")]);
    store
        .forget_told(&city, EntityKind::Port, &code("a"))
        .await
        .unwrap();
    store
        .forget_told(&city, EntityKind::Station, &code("a"))
        .await
        .unwrap();
    assert_eq!(store.told_entities(&city).await.unwrap(), [entity("b", "Bee")]);
    assert_eq!(store.told_entities(&platform("x")).await.unwrap(), []);
}

#[tokio::test]
async fn a_queue_and_its_note_survive_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let city = platform("city");
    {
        let store = Sqlite::open(directory.path()).unwrap();
        let store: &dyn Store = &*store;
        store
            .queue_uploads(&city, &[record("r1", 1), of(2)], Some("r1"), 9)
            .await
            .unwrap();
    }
    let store = Sqlite::open(directory.path()).unwrap();
    let store: &dyn Store = &*store;
    assert_eq!(store.upload_note(&city).await.unwrap().as_deref(), Some("r1"));
    assert_eq!(times(store, &city, Lane::Record).await, [1]);
    assert_eq!(times(store, &city, Lane::Sample).await, [2]);
}
