//! What operators register and report.

mod records;
mod samples;

use std::collections::BTreeMap;
use std::sync::Arc;

use model::id::ParcelId;
use model::outbox::{Content, Notice, Parcel, ParcelState};
use model::oversight::{
    Code, Decimal, Entity, EntityKind, Failed, FailedState, FindingKind, OperatorCode, PortState, Quality,
    RiskLevel, Sample, Value, Warning,
};
use model::time::Timestamp;

use crate::Store;
use crate::oversight::{Accepted, Round};

/// Runs every check; panics on the first that fails.
pub async fn check(store: &dyn Store) {
    entities_keep_their_numbers(store).await;
    many_entities_are_read_in_pages(store).await;
    the_newest_samples_are_kept(store).await;
    a_round_is_settled_at_once(store).await;
    failures_and_warnings_are_found(store).await;
    quality_is_kept_by_day(store).await;
    records::records_are_kept_once(store).await;
    records::records_are_found_and_added_up(store).await;
    records::records_forget_persons(store).await;
    samples::samples_are_found_wherever_they_stand(store).await;
    samples::crowds_are_moved_although_they_are_young(store).await;
    samples::old_samples_are_forgotten(store).await;
}

fn operator(name: &str) -> OperatorCode {
    OperatorCode::new(name).unwrap()
}

fn code(text: &str) -> Code {
    Code::new(text).unwrap()
}

fn entity(kind: EntityKind, id: &str, parent: Option<&str>, power: i64) -> Entity {
    let fields = [
        ("rated_power".to_owned(), Value::Number(Decimal::whole(power))),
        ("standard".to_owned(), Value::Text("GB/T 20234 \"ä\"".to_owned())),
    ];
    Entity {
        kind,
        id: code(id),
        parent: parent.map(code),
        fields: fields.into(),
        unknown: BTreeMap::from([("extra".to_owned(), "[1]".to_owned())]),
        told: Timestamp(power),
    }
}

async fn entities_keep_their_numbers(store: &dyn Store) {
    let (one, two) = (operator("one"), operator("two"));
    let station = entity(EntityKind::Station, "S", None, 1);
    let equipment = entity(EntityKind::Equipment, "S", Some("S"), 2);
    let port = entity(EntityKind::Port, "P", Some("S"), 3);
    let mut numbers = Vec::new();
    for (of, entity) in [
        (&one, &station),
        (&one, &equipment),
        (&one, &port),
        (&two, &station),
    ] {
        let key = store.put_entity(of, entity).await.unwrap();
        assert_eq!(
            (&key.operator, key.kind, &key.id, &key.parent),
            (of, entity.kind, &entity.id, &entity.parent)
        );
        numbers.push(key.number);
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let changed = entity(EntityKind::Port, "P", Some("other"), 7);
    let key = store.put_entity(&one, &changed).await.unwrap();
    assert_eq!((key.number, key.parent), (numbers[2], Some(code("other"))));
    let find = async |of: &OperatorCode, kind, id: &str| store.entity(of, kind, &code(id)).await.unwrap();
    assert_eq!(find(&one, EntityKind::Port, "P").await, Some(changed.clone()));
    assert_eq!(find(&two, EntityKind::Station, "S").await, Some(station.clone()));
    assert_eq!(find(&two, EntityKind::Port, "P").await, None);

    let asked = [numbers[2], 999_999, numbers[0], numbers[2]];
    let found = store.entities(&asked).await.unwrap();
    let expected = [
        (numbers[2], changed.clone()),
        (numbers[0], station),
        (numbers[2], changed),
    ];
    assert_eq!(found, expected);
    assert_eq!(store.entities(&[]).await.unwrap(), []);

    let latest = Arc::new(sample("P", 5));
    store.put_latest(&[(numbers[2], latest)]).await.unwrap();
    let gone = [(EntityKind::Port, code("P")), (EntityKind::Port, code("never"))];
    store.delete_entities(&one, &gone).await.unwrap();
    assert_eq!(find(&one, EntityKind::Port, "P").await, None);
    assert!(find(&one, EntityKind::Equipment, "S").await.is_some());
    assert_eq!(store.latest_samples(0, 9).await.unwrap(), []);
    // The newest of all goes, and its number with it.
    store
        .delete_entities(&two, &[(EntityKind::Station, code("S"))])
        .await
        .unwrap();
    let again = store.put_entity(&one, &port).await.unwrap();
    assert!(again.number > numbers[3], "{} after {}", again.number, numbers[3]);
}

async fn many_entities_are_read_in_pages(store: &dyn Store) {
    let many = operator("many");
    let mut numbers = Vec::new();
    for n in 0..150 {
        let port = entity(EntityKind::Port, &format!("P{n:03}"), Some("E"), n);
        numbers.push(store.put_entity(&many, &port).await.unwrap().number);
    }
    numbers.reverse();
    let found = store.entities(&numbers).await.unwrap();
    let names: Vec<_> = found
        .iter()
        .map(|(number, entity)| (*number, entity.id.to_string()))
        .collect();
    let expected: Vec<_> = numbers
        .iter()
        .copied()
        .zip((0..150).rev().map(|n| format!("P{n:03}")))
        .collect();
    assert_eq!(names, expected);
    let (mut after, mut keys) = (0, Vec::new());
    loop {
        let page = store.entity_keys(after, 40).await.unwrap();
        let Some(last) = page.last() else { break };
        after = last.number;
        keys.extend(page);
    }
    assert!(keys.is_sorted_by(|a, b| a.number < b.number));
    let of_many: Vec<_> = keys
        .iter()
        .filter(|key| key.operator == many)
        .map(|key| key.number)
        .collect();
    assert_eq!(of_many, numbers.iter().rev().copied().collect::<Vec<_>>());
    assert_eq!(keys.last().unwrap().parent, Some(code("E")));
}

fn sample(port: &str, second: i64) -> Sample {
    Sample {
        port: code(port),
        equipment: code("E1"),
        at: Timestamp(1_772_323_200_000 + second * 1_000),
        state: if second % 5 == 0 {
            PortState::Other(99)
        } else {
            PortState::Charging
        },
        error: (second % 3 == 0).then_some(2_008),
        door: None,
        voltage: Some(Decimal(221_300_000 + second)),
        current: None,
        power: Some(Decimal(-second)),
        energy: Some(Decimal(second * 10_000)),
        temperature: None,
        soc: None,
        duration_s: Some(second),
        charge: (second % 2 == 0).then(|| code("C1")),
        smoke: Some(2),
        more: BTreeMap::from([("signal".to_owned(), (second % 7).to_string())]),
    }
}

async fn the_newest_samples_are_kept(store: &dyn Store) {
    let first: Vec<_> = (0..200).map(|n| (7_000 + n, Arc::new(sample("P", n)))).collect();
    store.put_latest(&first).await.unwrap();
    let second: Vec<_> = [7_003, 7_190, 7_003]
        .map(|n| (n, Arc::new(sample("Q", n))))
        .into();
    store.put_latest(&second).await.unwrap();
    let mut found = store.latest_samples(6_999, 150).await.unwrap();
    assert_eq!(found.len(), 150);
    found.extend(store.latest_samples(7_149, 150).await.unwrap());
    let expected: Vec<_> = (7_000..7_200)
        .map(|n| match n {
            7_003 | 7_190 => (n, sample("Q", n)),
            _ => (n, sample("P", n - 7_000)),
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(store.latest_samples(7_199, 150).await.unwrap(), []);
}

fn failed(id: &str, of: &OperatorCode, state: FailedState) -> Failed {
    Failed {
        id: code(id),
        operator: of.clone(),
        port: Some(code("P")),
        body: "{\"a\": \"ä\"}".to_owned(),
        path: "/report".to_owned(),
        first: Timestamp(1),
        last: Timestamp(2),
        count: 1,
        state,
        status: 404,
        message: "no such port".to_owned(),
    }
}

fn warning(id: &str, of: &OperatorCode, cleared: Option<i64>) -> Warning {
    Warning {
        id: code(id),
        operator: of.clone(),
        port: code("P"),
        rule: "smoke".to_owned(),
        level: RiskLevel::High,
        reason: "smoke".to_owned(),
        raised: Timestamp(1),
        told: None,
        cleared: cleared.map(Timestamp),
        acknowledged: None,
        escalated: false,
        samples: vec![sample("P", 1)],
    }
}

fn parcel(id: &str, failed: Failed) -> Parcel {
    Parcel {
        id: ParcelId::new(id).unwrap(),
        target: format!("operator {} report_failed", failed.operator),
        content: Content::Notice {
            operator: failed.operator.clone(),
            notice: Notice::Failed(Box::new(failed)),
        },
        author: None,
        created: Timestamp(1),
        attempts: 0,
        state: ParcelState::Waiting {
            next_attempt: Timestamp(1),
        },
        last_error: None,
    }
}

async fn accept(store: &dyn Store, of: &OperatorCode, at: Timestamp, samples: Vec<Sample>) -> i64 {
    let entry = Accepted {
        operator: of.clone(),
        at,
        samples,
        repairs: None,
    };
    store.accept(&entry).await.unwrap()
}

async fn a_round_is_settled_at_once(store: &dyn Store) {
    let of = operator("settled");
    let before = store.done().await.unwrap();
    let entry = |n: i64| Accepted {
        operator: of.clone(),
        at: Timestamp(n),
        samples: (0..n).map(|second| sample("P", second)).collect(),
        repairs: (n == 2).then(|| code("f1")),
    };
    let mut numbers = vec![before];
    for n in 0..4 {
        numbers.push(store.accept(&entry(n)).await.unwrap());
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    let found = store.accepted(before, 3).await.unwrap();
    let expected: Vec<_> = (0..3)
        .map(|n| (numbers[1..][usize::try_from(n).unwrap()], entry(n)))
        .collect();
    assert_eq!(found, expected);
    assert_eq!(
        store.accepted(numbers[3], 9).await.unwrap(),
        [(numbers[4], entry(3))]
    );

    let bad = failed("f1", &of, FailedState::Open);
    let risk = warning("w1", &of, None);
    let quality = Quality {
        kept: 5,
        findings: [(FindingKind::Orphan, 2)].into(),
        ..Quality::default()
    };
    let round = Round {
        done: Some(numbers[3]),
        failed: vec![bad.clone()],
        warnings: vec![risk.clone()],
        parcels: vec![parcel("settled-1", bad.clone())],
        quality: vec![(of.clone(), "2026-03-01".to_owned(), quality.clone())],
    };
    store.settle(&round).await.unwrap();
    assert_eq!(store.done().await.unwrap(), numbers[3]);
    assert_eq!(store.failed(&bad.id).await.unwrap(), Some(bad.clone()));
    assert_eq!(store.warning(&risk.id).await.unwrap(), Some(risk));
    let owed = store.parcel(&round.parcels[0].id).await.unwrap();
    assert_eq!(owed.as_ref(), round.parcels.first());
    assert_eq!(
        store.quality("2026-03-01").await.unwrap(),
        [(of.clone(), quality)]
    );

    // Without the journal, and an older one: neither brings it back.
    for done in [None, Some(numbers[1])] {
        store
            .settle(&Round {
                done,
                ..Round::default()
            })
            .await
            .unwrap();
        assert_eq!(store.done().await.unwrap(), numbers[3]);
    }
    let done = Some(numbers[4]);
    store
        .settle(&Round {
            done,
            ..Round::default()
        })
        .await
        .unwrap();
    assert_eq!(store.accepted(numbers[4], 9).await.unwrap(), []);
    assert_eq!(store.failed(&code("nobody")).await.unwrap(), None);
    assert_eq!(store.warning(&code("nobody")).await.unwrap(), None);

    let mut long = entry(1);
    long.samples[0].more.insert("x".to_owned(), "x".repeat(2 << 20));
    let error = store.accept(&long).await.unwrap_err().to_string();
    assert!(error.contains("1048576 are the most"), "{error}");
}

async fn failures_and_warnings_are_found(store: &dyn Store) {
    let (one, two) = (operator("fail-one"), operator("fail-two"));
    let all = [
        failed("a1", &one, FailedState::Open),
        failed("a2", &two, FailedState::Lost),
        failed("a3", &one, FailedState::Open),
        failed("a4", &one, FailedState::Repaired),
    ];
    let round = Round {
        failed: all.to_vec(),
        ..Round::default()
    };
    store.settle(&round).await.unwrap();
    let mended = Failed {
        count: 2,
        state: FailedState::Repaired,
        ..all[0].clone()
    };
    store
        .settle(&Round {
            failed: vec![mended.clone()],
            ..Round::default()
        })
        .await
        .unwrap();
    assert_eq!(store.failed(&mended.id).await.unwrap(), Some(mended));
    let ids = async |of: Option<&OperatorCode>, state, before, limit| {
        let found = store.failures(of, state, before, limit).await.unwrap();
        found
            .into_iter()
            .map(|(number, failed)| (number, failed.id.to_string()))
            .collect::<Vec<_>>()
    };
    let names = |found: Vec<(i64, String)>| found.into_iter().map(|(_, id)| id).collect::<Vec<_>>();
    let newest = ids(Some(&one), None, None, 2).await;
    assert_eq!(names(ids(Some(&one), None, Some(newest[1].0), 9).await), ["a1"]);
    assert_eq!(names(newest), ["a4", "a3"]);
    assert_eq!(
        names(ids(Some(&one), Some(FailedState::Open), None, 9).await),
        ["a3"]
    );
    assert_eq!(names(ids(None, Some(FailedState::Lost), None, 9).await), ["a2"]);
    assert_eq!(names(ids(None, None, None, 3).await), ["a4", "a3", "a2"]);

    for (id, of, cleared) in [
        ("b1", &one, None),
        ("b2", &two, None),
        ("b3", &one, Some(5)),
        ("b4", &one, None),
    ] {
        store.put_warning(&warning(id, of, cleared)).await.unwrap();
    }
    store.put_warning(&warning("b4", &one, Some(9))).await.unwrap();
    assert_eq!(
        store.warning(&code("b4")).await.unwrap(),
        Some(warning("b4", &one, Some(9)))
    );
    let open: Vec<_> = store.open_warnings().await.unwrap();
    let open: Vec<_> = open
        .iter()
        .map(|warning| warning.id.as_str())
        .filter(|id| id.starts_with('b'))
        .collect();
    assert_eq!(open, ["b1", "b2"]);
    let ids = async |of: Option<&OperatorCode>, only_open, before, limit| {
        let found = store.warnings(of, only_open, before, limit).await.unwrap();
        found
            .into_iter()
            .map(|(number, warning)| (number, warning.id.to_string()))
            .collect::<Vec<_>>()
    };
    let newest = ids(Some(&one), false, None, 2).await;
    assert_eq!(names(ids(Some(&one), false, Some(newest[1].0), 9).await), ["b1"]);
    assert_eq!(names(newest), ["b4", "b3"]);
    assert_eq!(names(ids(Some(&one), true, None, 9).await), ["b1"]);
    assert_eq!(names(ids(None, true, None, 2).await), ["b2", "b1"]);
}

async fn quality_is_kept_by_day(store: &dyn Store) {
    let (one, two) = (operator("q-one"), operator("q-two"));
    let of = |kept| Quality {
        kept,
        ..Quality::default()
    };
    let put = async |operator: &OperatorCode, day: &str, kept| {
        let quality = vec![(operator.clone(), day.to_owned(), of(kept))];
        store
            .settle(&Round {
                quality,
                ..Round::default()
            })
            .await
            .unwrap();
    };
    for (operator, day, kept) in [
        (&two, "2026-05-01", 1),
        (&one, "2026-05-01", 2),
        (&one, "2026-05-02", 3),
        (&one, "2026-05-03", 4),
        (&one, "2026-05-02", 5),
    ] {
        put(operator, day, kept).await;
    }
    assert_eq!(
        store.quality("2026-05-01").await.unwrap(),
        [(one.clone(), of(2)), (two.clone(), of(1))]
    );
    assert_eq!(store.quality("2026-05-09").await.unwrap(), []);
    let days = store.quality_of(&one, "2026-05-02", "2026-05-03").await.unwrap();
    assert_eq!(
        days,
        [("2026-05-02".to_owned(), of(5)), ("2026-05-03".to_owned(), of(4))]
    );
}
