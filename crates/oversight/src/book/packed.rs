//! The newest sample of a port in as few bytes as it takes: half of a supervised city's memory is this.
//!
//! Integers are zigzag varints, texts have their length before them. A mask says which fields there are; what
//! the place of the port says anyway is left out.

use model::oversight::{Code, Decimal, PortState, Sample};
use model::time::Timestamp;

const ERROR: u64 = 1;
const DOOR: u64 = 1 << 1;
const VOLTAGE: u64 = 1 << 2;
const CURRENT: u64 = 1 << 3;
const POWER: u64 = 1 << 4;
const ENERGY: u64 = 1 << 5;
const TEMPERATURE: u64 = 1 << 6;
const SOC: u64 = 1 << 7;
const DURATION: u64 = 1 << 8;
const SMOKE: u64 = 1 << 9;
const CHARGE: u64 = 1 << 10;
const EQUIPMENT: u64 = 1 << 11;
const MORE: u64 = 1 << 12;

/// A sample of a port that stands in that equipment, in place of what was in `out`. Whoever keeps it keeps a copy that is
/// exactly as large as it is: one that shrinks leaves a hole behind.
pub(crate) fn pack(sample: &Sample, equipment: &Code, out: &mut Vec<u8>) {
    out.clear();
    signed(out, sample.at.0);
    let (state, other) = state_number(sample.state);
    unsigned(out, state);
    if let Some(other) = other {
        signed(out, other);
    }
    let numbers = numbers(sample);
    let mut mask = 0;
    for (bit, number) in numbers {
        if number.is_some() {
            mask |= bit;
        }
    }
    let moved = (sample.equipment != *equipment).then_some(&sample.equipment);
    for (bit, is_there) in [
        (CHARGE, sample.charge.is_some()),
        (EQUIPMENT, moved.is_some()),
        (MORE, !sample.more.is_empty()),
    ] {
        if is_there {
            mask |= bit;
        }
    }
    unsigned(out, mask);
    for number in numbers.into_iter().filter_map(|(_, number)| number) {
        signed(out, number);
    }
    for code in [sample.charge.as_ref(), moved].into_iter().flatten() {
        text(out, code.as_str());
    }
    if !sample.more.is_empty() {
        unsigned(out, sample.more.len() as u64);
        for (name, value) in &sample.more {
            text(out, name);
            text(out, value);
        }
    }
}

/// `None`: there is none.
pub(crate) fn unpack(bytes: &[u8], port: &Code, equipment: &Code) -> Option<Sample> {
    let mut rest = bytes;
    let rest = &mut rest;
    let at = Timestamp(read_signed(rest)?);
    let state = read_state(rest)?;
    let mask = read_unsigned(rest)?;
    let number = |bit: u64, rest: &mut &[u8]| {
        if mask & bit == 0 {
            return Some(None);
        }
        read_signed(rest).map(Some)
    };
    let error = number(ERROR, rest)?;
    let door = number(DOOR, rest)?;
    let voltage = number(VOLTAGE, rest)?.map(Decimal);
    let current = number(CURRENT, rest)?.map(Decimal);
    let power = number(POWER, rest)?.map(Decimal);
    let energy = number(ENERGY, rest)?.map(Decimal);
    let temperature = number(TEMPERATURE, rest)?.map(Decimal);
    let soc = number(SOC, rest)?.map(Decimal);
    let duration_s = number(DURATION, rest)?;
    let smoke = number(SMOKE, rest)?;
    let code = |bit: u64, rest: &mut &[u8]| {
        if mask & bit == 0 {
            return Some(None);
        }
        Code::new(read_text(rest)?).ok().map(Some)
    };
    let charge = code(CHARGE, rest)?;
    let moved = code(EQUIPMENT, rest)?;
    let mut more = std::collections::BTreeMap::new();
    if mask & MORE != 0 {
        for _ in 0..read_unsigned(rest)? {
            let name = read_text(rest)?.to_owned();
            more.insert(name, read_text(rest)?.to_owned());
        }
    }
    Some(Sample {
        port: port.clone(),
        equipment: moved.unwrap_or_else(|| equipment.clone()),
        at,
        state,
        error,
        door,
        voltage,
        current,
        power,
        energy,
        temperature,
        soc,
        duration_s,
        charge,
        smoke,
        more,
    })
}

/// The time of a packed sample.
pub(crate) fn time_of(bytes: &[u8]) -> Option<Timestamp> {
    let mut rest = bytes;
    read_signed(&mut rest).map(Timestamp)
}

const fn numbers(sample: &Sample) -> [(u64, Option<i64>); 10] {
    const fn millionths(decimal: Option<Decimal>) -> Option<i64> {
        match decimal {
            Some(decimal) => Some(decimal.0),
            None => None,
        }
    }
    [
        (ERROR, sample.error),
        (DOOR, sample.door),
        (VOLTAGE, millionths(sample.voltage)),
        (CURRENT, millionths(sample.current)),
        (POWER, millionths(sample.power)),
        (ENERGY, millionths(sample.energy)),
        (TEMPERATURE, millionths(sample.temperature)),
        (SOC, millionths(sample.soc)),
        (DURATION, sample.duration_s),
        (SMOKE, sample.smoke),
    ]
}

const fn state_number(state: PortState) -> (u64, Option<i64>) {
    match state {
        PortState::Idle => (0, None),
        PortState::Occupied => (1, None),
        PortState::Charging => (2, None),
        PortState::Reserved => (3, None),
        PortState::Complete => (4, None),
        PortState::Fault => (5, None),
        PortState::Other(number) => (6, Some(number)),
    }
}

fn read_state(rest: &mut &[u8]) -> Option<PortState> {
    Some(match read_unsigned(rest)? {
        0 => PortState::Idle,
        1 => PortState::Occupied,
        2 => PortState::Charging,
        3 => PortState::Reserved,
        4 => PortState::Complete,
        5 => PortState::Fault,
        6 => PortState::Other(read_signed(rest)?),
        _ => return None,
    })
}

fn unsigned(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or_default() | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or_default());
}

fn signed(out: &mut Vec<u8>, number: i64) {
    unsigned(out, ((number << 1) ^ (number >> 63)).cast_unsigned());
}

fn text(out: &mut Vec<u8>, text: &str) {
    unsigned(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

fn read_unsigned(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, left) = rest.split_first()?;
        *rest = left;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn read_signed(rest: &mut &[u8]) -> Option<i64> {
    let number = read_unsigned(rest)?;
    Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
}

fn read_text<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let length = usize::try_from(read_unsigned(rest)?).ok()?;
    let (text, left) = rest.split_at_checked(length)?;
    *rest = left;
    std::str::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tests::{code, sample};

    fn pack(sample: &Sample, equipment: &Code) -> Vec<u8> {
        // What was there before does not matter.
        let mut out = vec![7; 9];
        super::pack(sample, equipment, &mut out);
        out
    }

    #[test]
    fn a_usual_sample_is_small() {
        let mut charging = sample("port-000123", 1_790_000_000, PortState::Charging);
        charging.voltage = Some(Decimal(231_400_000));
        charging.current = Some(Decimal(9_130_000));
        charging.power = Some(Decimal(2_112_000));
        charging.energy = Some(Decimal(3_170_000));
        charging.temperature = Some(Decimal(31_500_000));
        charging.charge = Some(code("MA005DBW1202607011200001234"));
        let bytes = pack(&charging, &charging.equipment);
        assert!(bytes.len() <= 64, "{}", bytes.len());
        let idle = sample("port-000123", 1_790_000_000, PortState::Idle);
        assert!(pack(&idle, &idle.equipment).len() <= 10);
    }

    proptest! {
        #[test]
        fn what_is_packed_comes_back(
            at in any::<i64>(),
            state in 0_u64..8,
            numbers in prop::collection::vec(prop::option::of(any::<i64>()), 10),
            charge in prop::option::of("[!-~]{1,64}"),
            equipment in "[!-~]{1,64}",
            more in prop::collection::btree_map(".{0,9}", ".{0,9}", 0..3),
        ) {
            let state = match state {
                0 => PortState::Idle,
                1 => PortState::Occupied,
                2 => PortState::Charging,
                3 => PortState::Reserved,
                4 => PortState::Complete,
                5 => PortState::Fault,
                other => PortState::Other(at ^ other.cast_signed()),
            };
            let mut given = sample("p", 0, state);
            given.at = Timestamp(at);
            given.equipment = code(&equipment);
            given.charge = charge.as_deref().map(code);
            given.more = more;
            given.error = numbers[0];
            given.door = numbers[1];
            given.voltage = numbers[2].map(Decimal);
            given.current = numbers[3].map(Decimal);
            given.power = numbers[4].map(Decimal);
            given.energy = numbers[5].map(Decimal);
            given.temperature = numbers[6].map(Decimal);
            given.soc = numbers[7].map(Decimal);
            given.duration_s = numbers[8];
            given.smoke = numbers[9];
            for place in [code("elsewhere"), given.equipment.clone()] {
                let bytes = pack(&given, &place);
                prop_assert_eq!(time_of(&bytes), Some(given.at));
                prop_assert_eq!(unpack(&bytes, &given.port, &place), Some(given.clone()));
                for cut in 0..bytes.len() {
                    prop_assert_eq!(unpack(&bytes[..cut], &given.port, &place), None);
                }
            }
        }
    }
}
