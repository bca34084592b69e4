//! What a supervised city needs of memory.

use std::fs;

use model::oversight::{EntityKey, Operator};

use super::*;
use crate::book::Book;

/// Half of the ports charge and say all they can; the others are idle.
#[test]
fn a_port_takes_at_most_250_bytes() {
    const PORTS: u32 = 1_700_000;
    const PORTS_OF_CABINET: u32 = 10;
    let mut charging = sample_of("charging energy=3.17 temperature=31.5 current=9.13", "p", 0);
    charging.voltage = Some(Decimal(231_400_000));
    charging.power = Some(Decimal(2_112_000));
    charging.charge = Some(code("MA005DBW1202607011200001234"));
    let idle = sample_of("idle", "p", 0);
    let before = resident();
    let mut book = Book::new(Arc::new(Operator::new(operator(), "City")));
    let key = |number: u32, kind, id: Code, parent| EntityKey {
        number: i64::from(number),
        operator: operator(),
        kind,
        id,
        parent,
    };
    book.add(key(0, EntityKind::Station, code("station-1"), None), Timestamp(0));
    for number in 0..PORTS {
        let cabinet = code(&format!("MA005DBW1-{:06}", number / PORTS_OF_CABINET));
        if number % PORTS_OF_CABINET == 0 {
            let station = Some(code("station-1"));
            let equipment = key(number, EntityKind::Equipment, cabinet.clone(), station);
            book.add(equipment, Timestamp(0));
        }
        let id = code(&format!("MA005DBW1-{number:07}"));
        let port = key(number, EntityKind::Port, id.clone(), Some(cabinet.clone()));
        book.add(port, Timestamp(0));
        let place = book.ports.find(&id).unwrap();
        let template = if number % 2 == 0 { &charging } else { &idle };
        let sample = Sample {
            port: id,
            equipment: cabinet,
            ..template.clone()
        };
        book.place(place, &sample, Timestamp(0));
        // Every minute those are stored.
        book.dirty.clear();
    }
    let bytes = (resident() - before) / u64::from(PORTS);
    assert_eq!(book.tally().ports, u64::from(PORTS));
    assert!((100..=250).contains(&bytes), "{bytes} bytes a port");
}

/// Bytes of this process in memory.
fn resident() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4_096
}
