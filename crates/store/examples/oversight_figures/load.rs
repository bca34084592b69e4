//! The load: operators of sockets for bicycles, each of which says something every five minutes.

use std::collections::BTreeMap;

use model::oversight::{Code, Decimal, OperatorCode, PortState, Sample};
use model::time::Timestamp;

pub const OPERATORS: u64 = 40;
/// Of each operator.
const PORTS: u64 = 5_000;
/// 2026-03-01, midnight in UTC.
const START_S: i64 = 1_772_323_200;

pub fn operator(number: u64) -> OperatorCode {
    OperatorCode::new(&format!("MA{:07}", 1_000 + number % OPERATORS)).unwrap()
}

fn noise(seed: u64, most: u64) -> i64 {
    let mut mixed = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for by in [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb] {
        mixed = (mixed ^ mixed >> 29).wrapping_mul(by);
    }
    i64::try_from((mixed >> 33) % most).unwrap()
}

/// The next samples of an operator; `number` is how many it has reported before.
pub fn samples(of: u64, number: u64, count: u64) -> Vec<Sample> {
    (number..number + count).map(|n| sample(of, n)).collect()
}

fn sample(of: u64, n: u64) -> Sample {
    let (round, port) = (n / PORTS, n % PORTS);
    let seed = of << 48 ^ port << 24 ^ round;
    let code = |text: String| Code::new(&text).unwrap();
    let place = (round + u64::try_from(noise(port, 120)).unwrap()) % 120;
    let is_charging = place < 48;
    let at = START_S + i64::try_from(round * 300 + port * 300 / PORTS).unwrap() + noise(seed, 9);
    let when_charging = |decimal: i64| is_charging.then_some(Decimal(decimal));
    let place = i64::try_from(place).unwrap();
    Sample {
        port: code(format!("3101{:07}", 4_000_000 + port)),
        equipment: code(format!("3101E{:05}", port / 10)),
        at: Timestamp::from_seconds(at),
        state: if is_charging {
            PortState::Charging
        } else {
            PortState::Idle
        },
        error: Some(0),
        door: None,
        voltage: Some(Decimal(220_000_000 + noise(seed ^ 1, 60) * 100_000)),
        current: when_charging(900_000 + noise(seed ^ 2, 60) * 10_000),
        power: when_charging(200_000 + noise(seed ^ 3, 130) * 1_000),
        energy: when_charging(place * 17_000 / 10_000 * 10_000),
        temperature: Some(Decimal(21_000_000 + noise(seed ^ 4, 40) * 100_000)),
        soc: None,
        duration_s: is_charging.then_some(place * 300 + noise(seed ^ 5, 3)),
        charge: is_charging.then(|| {
            let begun = i64::try_from(round).unwrap() - place;
            code(format!(
                "MA0001000{:014}{:04}",
                20_260_301_000_000 + begun.rem_euclid(288) * 500,
                port % 10_000
            ))
        }),
        smoke: Some(2),
        more: BTreeMap::new(),
    }
}
