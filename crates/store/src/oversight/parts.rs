//! What a sample is made of, for those who lay it down as bytes.

use model::oversight::{Code, Decimal, PortState, Sample};

/// Numbers that a sample may have.
pub const NUMBERS: usize = 10;
/// Of those the first are whole, the others millionths.
pub const WHOLE: usize = 4;
pub const DURATION: usize = 3;
pub const ENERGY: usize = 7;
/// In the mask of what a sample has, behind its numbers.
pub const CHARGE: u32 = 10;
pub const MORE: u32 = 11;
pub const MASKS: u64 = 1 << 12;

pub fn numbers(sample: &Sample) -> [Option<i64>; NUMBERS] {
    let of = |decimal: Option<Decimal>| decimal.map(|decimal| decimal.0);
    [
        sample.error,
        sample.door,
        sample.smoke,
        sample.duration_s,
        of(sample.voltage),
        of(sample.current),
        of(sample.power),
        of(sample.energy),
        of(sample.temperature),
        of(sample.soc),
    ]
}

/// A bit for each number that is there, and for the charge and whatever else was sent.
pub fn mask(sample: &Sample, numbers: &[Option<i64>; NUMBERS]) -> u64 {
    let of_numbers = numbers
        .iter()
        .rev()
        .fold(0, |mask, number| mask << 1 | u64::from(number.is_some()));
    of_numbers | u64::from(sample.charge.is_some()) << CHARGE | u64::from(!sample.more.is_empty()) << MORE
}

pub const fn has(mask: u64, bit: u32) -> bool {
    mask >> bit & 1 == 1
}

/// A sample that has nothing but what every one has, and numbers.
pub fn sample(
    port: Code,
    equipment: Code,
    at: model::time::Timestamp,
    state: PortState,
    numbers: [Option<i64>; NUMBERS],
) -> Sample {
    let [
        error,
        door,
        smoke,
        duration_s,
        voltage,
        current,
        power,
        energy,
        temperature,
        soc,
    ] = numbers;
    let decimal = |number: Option<i64>| number.map(Decimal);
    Sample {
        port,
        equipment,
        at,
        state,
        error,
        door,
        voltage: decimal(voltage),
        current: decimal(current),
        power: decimal(power),
        energy: decimal(energy),
        temperature: decimal(temperature),
        soc: decimal(soc),
        duration_s,
        charge: None,
        smoke,
        more: std::collections::BTreeMap::new(),
    }
}

/// The number of a state; one that the table does not have is told apart.
pub const OTHER: u64 = 6;

pub const fn state_number(state: PortState) -> (u64, Option<i64>) {
    match state {
        PortState::Idle => (0, None),
        PortState::Occupied => (1, None),
        PortState::Charging => (2, None),
        PortState::Reserved => (3, None),
        PortState::Complete => (4, None),
        PortState::Fault => (5, None),
        PortState::Other(number) => (OTHER, Some(number)),
    }
}

/// `None` for one that is told apart, and for what is no state.
pub const fn state(number: u64) -> Option<PortState> {
    Some(match number {
        0 => PortState::Idle,
        1 => PortState::Occupied,
        2 => PortState::Charging,
        3 => PortState::Reserved,
        4 => PortState::Complete,
        5 => PortState::Fault,
        _ => return None,
    })
}

pub fn code(bytes: &[u8]) -> Result<Code, &'static str> {
    let text = std::str::from_utf8(bytes).map_err(|_| "an id is no text")?;
    Code::new(text).map_err(|_| "an id is none")
}

/// Takes so many bytes.
pub fn take_bytes<'a>(rest: &mut &'a [u8], count: u64) -> Result<&'a [u8], &'static str> {
    let count = usize::try_from(count).map_err(|_| EARLY)?;
    let (bytes, after) = rest.split_at_checked(count).ok_or(EARLY)?;
    *rest = after;
    Ok(bytes)
}

pub const EARLY: &str = "it ends early";

/// Samples of all kinds, for tests of those who lay them down.
#[cfg(test)]
pub mod any {
    use model::time::Timestamp;
    use proptest::prelude::*;

    use super::*;

    fn any_code() -> impl Strategy<Value = Code> {
        "[!-~]{1,12}".prop_map(|text| Code::new(&text).unwrap())
    }

    fn any_number() -> impl Strategy<Value = Option<i64>> {
        prop_oneof![
            Just(None),
            (-1_000_i64..1_000).prop_map(Some),
            (-40_i64..4_000).prop_map(|tenths| Some(tenths * 100_000)),
            any::<i64>().prop_map(Some),
            Just(Some(i64::MIN)),
            Just(Some(i64::MAX)),
        ]
    }

    pub fn any_sample() -> impl Strategy<Value = Sample> {
        let state = prop_oneof![
            (0_u64..6).prop_map(|number| state(number).unwrap()),
            any::<i64>().prop_map(PortState::Other),
        ];
        let at = prop_oneof![
            any::<i64>(),
            (0_i64..500).prop_map(|n| 1_772_323_200_000 + n * 1_000)
        ];
        let port = prop_oneof![
            any_code(),
            (0..4).prop_map(|n| Code::new(&format!("P{n}")).unwrap())
        ];
        let more = prop::collection::btree_map("[a-zü]{0,3}", "[ -~ü]{0,9}", 0..4);
        let codes = (port, any_code(), prop::option::of(any_code()));
        let numbers = prop::array::uniform10(any_number());
        (codes, at, state, numbers, more).prop_map(|((port, equipment, charge), at, state, numbers, more)| {
            Sample {
                charge,
                more,
                ..sample(port, equipment, Timestamp(at), state, numbers)
            }
        })
    }
}
