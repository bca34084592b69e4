//! Records of charges.

use std::collections::BTreeMap;

use model::oversight::{ChargeRecord, Decimal, EntityKind, OperatorCode, StoredRecord};
use model::time::Timestamp;

use super::{code, entity, operator};
use crate::Store;
use crate::oversight::{RecordFilter, RecordOutcome, RecordTotals};

fn record(charge: &str, port: &str, start: i64, energy: i64) -> ChargeRecord {
    ChargeRecord {
        charge: code(charge),
        port: code(port),
        start: Timestamp(start),
        end: Timestamp(start + 10),
        energy: Decimal(energy),
        energy_cost: Decimal(energy / 2),
        service_cost: Decimal(3),
        start_kind: 1,
        stop_reason: 9,
        average_power: Some(Decimal(500_000_000)),
        person: None,
        unknown: BTreeMap::new(),
    }
}

pub async fn records_are_kept_once(store: &dyn Store) {
    let (one, two) = (operator("r-one"), operator("r-two"));
    let (a, b) = (record("a", "P", 5, 100), record("b", "P", 6, 200));
    let other = record("a", "P", 5, 101);
    let put = async |of: &OperatorCode, records: &[ChargeRecord]| {
        let records: Vec<_> = records.iter().map(|record| (record.clone(), true)).collect();
        store.put_records(of, &records, Timestamp(77)).await.unwrap()
    };
    use RecordOutcome::{Same, Stored, Taken};
    assert_eq!(put(&one, std::slice::from_ref(&a)).await, [Stored]);
    assert_eq!(
        put(&one, &[other.clone(), b.clone(), a.clone(), b.clone()]).await,
        [Taken, Stored, Same, Same]
    );
    assert_eq!(put(&two, std::slice::from_ref(&other)).await, [Stored]);
    assert_eq!(put(&one, &[]).await, []);
    let many: Vec<_> = (0..40).map(|n| record(&format!("m{n}"), "M", n, 1)).collect();
    assert_eq!(put(&two, &many).await, [Stored; 40]);
    assert_eq!(put(&two, &many).await, [Same; 40]);
    let filter = RecordFilter {
        operator: Some(one.clone()),
        ..RecordFilter::default()
    };
    let found = store.records(&filter, 0, 9).await.unwrap();
    let stored = |number, record| StoredRecord {
        number,
        operator: one.clone(),
        record,
        received: Timestamp(77),
        is_orphan: true,
    };
    assert_eq!(found, [stored(found[0].number, a), stored(found[1].number, b)]);
}

pub async fn records_are_found_and_added_up(store: &dyn Store) {
    let (one, two) = (operator("s-one"), operator("s-two"));
    for n in 0..20 {
        let (of, port) = (
            if n % 2 == 0 { &one } else { &two },
            ["P", "Q", "R"][usize::try_from(n).unwrap() % 3],
        );
        let record = record(&format!("c{n}"), port, 1_000_000 + n * 100, 1_000 + n);
        store
            .put_records(of, &[(record, n >= 15)], Timestamp(n))
            .await
            .unwrap();
    }
    let since = |from: i64, to: i64| RecordFilter {
        from: Some(Timestamp(1_000_000 + from * 100)),
        to: Some(Timestamp(1_000_000 + to * 100)),
        ..RecordFilter::default()
    };
    let of = |filter: RecordFilter, operator: &OperatorCode, port: Option<&str>| RecordFilter {
        operator: Some(operator.clone()),
        port: port.map(code),
        ..filter
    };
    for (what, filter, expected) in [
        ("of all in a span", since(5, 9), vec![5, 6, 7, 8]),
        ("of one", of(since(0, 7), &one, None), vec![0, 2, 4, 6]),
        ("of a port", of(since(0, 99), &two, Some("Q")), vec![1, 7, 13, 19]),
        (
            "of nobody else",
            of(RecordFilter::default(), &two, Some("R")),
            vec![5, 11, 17],
        ),
        (
            "orphans",
            RecordFilter {
                only_orphans: true,
                ..of(since(0, 99), &one, None)
            },
            vec![16, 18],
        ),
        ("none", since(50, 60), vec![]),
    ] {
        let found = store.records(&filter, 0, 99).await.unwrap();
        let charges: Vec<_> = found
            .iter()
            .map(|stored| stored.record.charge.to_string())
            .collect();
        let names: Vec<_> = expected.iter().map(|n| format!("c{n}")).collect();
        assert_eq!(charges, names, "{what}");
        let paged = store.records(&filter, 1, 2).await.unwrap();
        assert_eq!(
            paged,
            found.get(1..found.len().min(3)).unwrap_or_default(),
            "{what}"
        );
        let totals = RecordTotals {
            count: u64::try_from(expected.len()).unwrap(),
            energy: expected.iter().map(|n| 1_000 + n).sum(),
            energy_cost: expected.iter().map(|n| (1_000 + n) / 2).sum(),
            service_cost: 3 * i64::try_from(expected.len()).unwrap(),
        };
        assert_eq!(store.record_totals(&filter).await.unwrap(), totals, "{what}");
    }
    let orphans = RecordFilter {
        only_orphans: true,
        ..of(since(0, 99), &one, None)
    };
    // Neither what is no port nor another operator's adopts them.
    for (who, kind, left) in [
        (&one, EntityKind::Equipment, 2),
        (&two, EntityKind::Port, 2),
        (&one, EntityKind::Port, 1),
    ] {
        store.put_entity(who, &entity(kind, "P", None, 1)).await.unwrap();
        assert_eq!(store.record_totals(&orphans).await.unwrap().count, left);
    }
    let left = store.records(&orphans, 0, 9).await.unwrap();
    assert_eq!(
        left.iter()
            .map(|stored| stored.record.charge.as_str())
            .collect::<Vec<_>>(),
        ["c16"]
    );

    // Nobody makes sums overflow.
    let much = |n: i64| (record(&format!("much{n}"), "P", 5_000_000_000, i64::MAX), false);
    store
        .put_records(&one, &[much(1), much(2), much(3)], Timestamp(0))
        .await
        .unwrap();
    let filter = RecordFilter {
        from: Some(Timestamp(5_000_000_000)),
        ..RecordFilter::default()
    };
    let totals = store.record_totals(&filter).await.unwrap();
    assert_eq!((totals.count, totals.energy), (3, 3_000_000_000_000));
    assert_eq!(
        store.records(&filter, 0, 1).await.unwrap()[0].record.energy,
        Decimal(i64::MAX)
    );
}

pub async fn records_forget_persons(store: &dyn Store) {
    let of = operator("persons");
    let start = 900_000_000;
    let named = |n: i64| {
        let mut record = record(&format!("n{n}"), "P", start + n, 1);
        record.person = (n % 2 == 0).then(|| "digest".to_owned());
        if n % 3 == 0 {
            record.unknown.insert("plate".to_owned(), "\"X 1\"".to_owned());
        }
        record
    };
    let records: Vec<_> = (0..1_200).map(|n| (named(n), false)).collect();
    store.put_records(&of, &records, Timestamp(0)).await.unwrap();
    let before = Timestamp(start + 10 + 1_100);
    let expected = (0..1_100).filter(|n| n % 2 == 0 || n % 3 == 0).count();
    assert_eq!(
        store.forget_persons(before).await.unwrap(),
        u64::try_from(expected).unwrap()
    );
    assert_eq!(store.forget_persons(before).await.unwrap(), 0);
    let filter = RecordFilter {
        operator: Some(of.clone()),
        ..RecordFilter::default()
    };
    for (n, stored) in (0..).zip(store.records(&filter, 0, 2_000).await.unwrap()) {
        let expected = if n < 1_100 {
            ChargeRecord {
                person: None,
                unknown: BTreeMap::new(),
                ..named(n)
            }
        } else {
            named(n)
        };
        assert_eq!(stored.record, expected);
    }
    // Who sends it again has not said anything new.
    let outcome = store
        .put_records(&of, &[(named(6), false)], Timestamp(0))
        .await
        .unwrap();
    assert_eq!(outcome, [RecordOutcome::Same]);
}
