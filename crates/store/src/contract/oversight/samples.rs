//! Samples, wherever they stand.

use std::collections::BTreeMap;

use model::oversight::{Decimal, Sample};
use model::time::Timestamp;

use super::{accept, code, operator, sample};
use crate::Store;
use crate::oversight::Round;

/// Everything that was accepted so far is done.
async fn all_done(store: &dyn Store) {
    let mut done = store.done().await.unwrap();
    while let Some((last, _)) = store.accepted(done, 500).await.unwrap().pop() {
        done = last;
    }
    store
        .settle(&Round {
            done: Some(done),
            ..Round::default()
        })
        .await
        .unwrap();
}

async fn condense_all(store: &dyn Store, before: Timestamp) -> u64 {
    let mut moved = 0;
    loop {
        match store.condense(before).await.unwrap() {
            0 => return moved,
            count => moved += count,
        }
    }
}

const EVER: (Timestamp, Timestamp) = (Timestamp(i64::MIN), Timestamp(i64::MAX));

pub async fn samples_are_found_wherever_they_stand(store: &dyn Store) {
    all_done(store).await;
    condense_all(store, EVER.1).await;
    let (of, other) = (operator("moved"), operator("moved-too"));
    let mut expected: BTreeMap<(String, Timestamp), Vec<Sample>> = BTreeMap::new();
    // Calls of twelve: two ports in turn, some late, some twice with other content.
    for call in 0..600 {
        let samples: Vec<_> = (0..12)
            .map(|n| {
                let second = (call * 12 + n) / 2 - if n == 7 { 900 } else { 0 };
                let mut sample = sample(if n % 2 == 0 { "P1" } else { "P11" }, second);
                sample.temperature = Some(Decimal(call));
                sample
            })
            .collect();
        for sample in &samples {
            expected
                .entry((sample.port.to_string(), sample.at))
                .or_default()
                .push(sample.clone());
        }
        let at = Timestamp(1_000 + call);
        accept(store, &of, at, samples).await;
        accept(store, &other, at, vec![sample("P1", 1_000_000 + call)]).await;
        if call == 250 {
            all_done(store).await;
            // Nothing is old enough.
            assert_eq!(store.condense(Timestamp(0)).await.unwrap(), 0);
            assert_eq!(condense_all(store, Timestamp(1_001)).await, 251 * 13);
            assert_eq!(condense_all(store, EVER.1).await, 0);
        }
    }
    let check = async |what: &str| {
        for port in ["P1", "P11"] {
            let all: Vec<_> = expected
                .iter()
                .filter(|((of, _), _)| of == port)
                .flat_map(|(_, samples)| samples.clone())
                .collect();
            for (from, to, limit) in [
                (EVER.0, EVER.1, u32::MAX),
                (EVER.0, EVER.1, 7),
                (all[500].at, all[2_000].at, u32::MAX),
                (all[3_000].at, all[3_000].at, 9),
                (all[20].at, EVER.1, 1_000),
                (EVER.0, EVER.1, 0),
            ] {
                let found = store.samples(&of, &code(port), from, to, limit).await.unwrap();
                let within: Vec<_> = all
                    .iter()
                    .filter(|sample| from <= sample.at && sample.at < to)
                    .take(usize::try_from(limit).unwrap())
                    .cloned()
                    .collect();
                let differ = found
                    .iter()
                    .zip(&within)
                    .find(|(found, expected)| found != expected);
                assert_eq!((found.len(), differ), (within.len(), None), "{what}: {port}");
            }
        }
        let found = store
            .samples(&other, &code("P1"), EVER.0, EVER.1, 9_999)
            .await
            .unwrap();
        assert_eq!(found.len(), 600, "{what}");
    };
    check("pages and journal").await;
    // What is not done stays where it is.
    assert_eq!(condense_all(store, EVER.1).await, 0);
    all_done(store).await;
    assert_eq!(condense_all(store, EVER.1).await, 349 * 13);
    check("pages").await;
    let done = store.done().await.unwrap();
    assert_eq!(
        store.accepted(0, 9).await.unwrap(),
        [],
        "after {done} nothing is left"
    );
    // Numbers go on where they were, whatever is left in the journal.
    let next = accept(store, &of, Timestamp(9_000), vec![sample("P2", 1)]).await;
    assert!(next > done, "{next} after {done}");
    let found = store.samples(&of, &code("P2"), EVER.0, EVER.1, 9).await.unwrap();
    assert_eq!(found, [sample("P2", 1)]);
}

pub async fn crowds_are_moved_although_they_are_young(store: &dyn Store) {
    let of = operator("crowd");
    let samples = |call: i64| (0..500).map(|n| sample(&format!("P{n}"), call)).collect();
    for call in 0..99 {
        accept(store, &of, Timestamp(1 << 60), samples(call)).await;
    }
    all_done(store).await;
    condense_all(store, EVER.0).await;
    assert_eq!(store.condense(EVER.0).await.unwrap(), 0);
    for call in 99..141 {
        accept(store, &of, Timestamp(1 << 60), samples(call)).await;
    }
    // The others are not done yet.
    assert_eq!(store.condense(EVER.0).await.unwrap(), 49_500);
    assert_eq!(store.condense(EVER.0).await.unwrap(), 0);
    for call in 141..241 {
        accept(store, &of, Timestamp(1 << 60), samples(call)).await;
    }
    all_done(store).await;
    // As many as go into 16 pages, then there is no crowd any more.
    assert_eq!(store.condense(EVER.0).await.unwrap(), 65_500);
    assert_eq!(store.condense(EVER.0).await.unwrap(), 0);
    for port in [0, 77, 499] {
        let found = store
            .samples(&of, &code(&format!("P{port}")), EVER.0, EVER.1, 999)
            .await
            .unwrap();
        let times: Vec<_> = found
            .iter()
            .map(|sample| (sample.at.0 - 1_772_323_200_000) / 1_000)
            .collect();
        assert_eq!(times, (0..241).collect::<Vec<_>>());
    }
}

pub async fn old_samples_are_forgotten(store: &dyn Store) {
    all_done(store).await;
    condense_all(store, EVER.1).await;
    store.forget_samples(EVER.1).await.unwrap();
    let of = operator("forgotten");
    let (day, base) = (86_400, 1_772_323_200_000);
    // Three days, each in a page of its own, then two that wait and one that is not done.
    for n in 0..6 {
        let samples = (0..100).map(|m| sample("P", n * day + m)).collect();
        accept(store, &of, Timestamp(base + n * day * 1_000), samples).await;
        if n < 5 {
            all_done(store).await;
        }
        if n < 3 {
            assert_eq!(condense_all(store, EVER.1).await, 100);
        }
    }
    let count = async || {
        store
            .samples(&of, &code("P"), EVER.0, EVER.1, 9_999)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(count().await, 600);
    // The second page goes on behind that time, so it stays.
    let at = |second: i64| Timestamp(base + second * 1_000);
    assert_eq!(store.forget_samples(at(day + 50)).await.unwrap(), 100);
    assert_eq!(count().await, 500);
    assert_eq!(store.forget_samples(at(4 * day)).await.unwrap(), 300);
    assert_eq!(count().await, 200);
    assert_eq!(store.forget_samples(EVER.1).await.unwrap(), 100);
    assert_eq!(count().await, 100);
    assert_eq!(store.forget_samples(EVER.1).await.unwrap(), 0);
}
