//! Ports that operators register.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use model::oversight::{Code, Decimal, Entity, EntityKind, Value};
use model::time::Timestamp;
use store::oversight::Oversight;

use crate::load::{OPERATORS, operator};
use crate::measure::{median, print};

/// Who registers at the same time.
const WRITERS: i64 = 256;
const PAGE: u32 = 10_000;

fn port(n: i64) -> Entity {
    let number = |units: i64| Value::Number(Decimal::whole(units));
    let text = |text: &str| Value::Text(text.to_owned());
    let fields = [
        ("kind", number(1)),
        ("standard", text("GB/T 2099.1-2021")),
        ("rated_voltage_max", number(240)),
        ("rated_voltage_min", number(200)),
        ("rated_current", number(10)),
        ("rated_power", number(n % 7)),
        ("energy_price", text("0.65 an hour below 200 W, 0.80 above")),
        ("service_price", text("none")),
        ("extinguisher", number(1)),
        ("smoke_detector", number(2)),
    ];
    Entity {
        kind: EntityKind::Port,
        id: Code::new(&format!("3101{n:09}")).unwrap(),
        parent: Some(Code::new(&format!("3101E{:08}", n / 10)).unwrap()),
        fields: fields.map(|(name, value)| (name.to_owned(), value)).into(),
        unknown: BTreeMap::new(),
        told: Timestamp(n),
    }
}

pub async fn figures<S: Oversight + 'static>(store: Arc<S>, ports: i64) {
    let begun = Instant::now();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in (writer..ports).step_by(WRITERS as usize) {
                    let of = operator(u64::try_from(n).unwrap() % OPERATORS);
                    store.put_entity(&of, &port(n)).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    print("registered", ports as f64);
    print("registered_per_s", ports as f64 / begun.elapsed().as_secs_f64());
    let begun = Instant::now();
    let (mut after, mut count) = (0, 0);
    loop {
        let keys = store.entity_keys(after, PAGE).await.unwrap();
        let Some(last) = keys.last() else { break };
        after = last.number;
        count += keys.len();
    }
    assert_eq!(i64::try_from(count).unwrap(), ports);
    print("keys_per_s", count as f64 / begun.elapsed().as_secs_f64());
    let numbers: Vec<i64> = (0..100).map(|n| ports - 1 - n * (ports / 101)).collect();
    let page = async || {
        let found = store.entities(&numbers).await.unwrap();
        assert_eq!(found.len(), numbers.len());
    };
    print("page_of_100_ms", median(page).await);
}
