//! Samples as bytes one after the other: how a call stands in the journal, and the newest sample of a port by itself.
//!
//! Sketch: 40,000 samples a second in calls of twelve are written and read this way, each a few hundred nanoseconds;
//! a compressor would cost a multiple of that for so few.
//!
//! The first byte is the form, 1, then how many samples there are. Each is its port, equipment (no bytes: that of the
//! sample before), milliseconds since the sample before, state, a mask of what it has, and that: whole numbers, decimals
//! without the zeros at their end, the charge, and pairs of texts. Integers are of variable length.

use std::collections::BTreeMap;

use model::oversight::{Code, PortState, Sample};
use model::time::Timestamp;

use super::parts::{
    self, CHARGE, EARLY, MASKS, MORE, NUMBERS, OTHER, WHOLE, code, has, mask, numbers, state_number,
    take_bytes,
};
use crate::history::varint::{put, take, unzigzag, zigzag};

const FORM: u8 = 1;
/// The least that a sample takes.
const LEAST: usize = 6;

pub fn pack(samples: &[Sample]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(16 + samples.len() * 80);
    bytes.push(FORM);
    put(&mut bytes, samples.len() as u64);
    let mut before: Option<&Sample> = None;
    for sample in samples {
        put_text(&mut bytes, sample.port.as_str());
        match before {
            Some(before) if before.equipment == sample.equipment => bytes.push(0),
            Some(_) | None => put_text(&mut bytes, sample.equipment.as_str()),
        }
        let at = before.map_or(0, |before| before.at.0);
        put(&mut bytes, zigzag(sample.at.0.wrapping_sub(at)));
        let (state, other) = state_number(sample.state);
        put(&mut bytes, state);
        if let Some(other) = other {
            put(&mut bytes, zigzag(other));
        }
        let numbers = numbers(sample);
        put(&mut bytes, mask(sample, &numbers));
        for (place, number) in numbers.into_iter().enumerate() {
            match number {
                Some(number) if place < WHOLE => put(&mut bytes, zigzag(number)),
                Some(number) => put_decimal(&mut bytes, number),
                None => {}
            }
        }
        if let Some(charge) = &sample.charge {
            put_text(&mut bytes, charge.as_str());
        }
        if !sample.more.is_empty() {
            put(&mut bytes, sample.more.len() as u64);
            for (name, value) in &sample.more {
                put_text(&mut bytes, name);
                put_text(&mut bytes, value);
            }
        }
        before = Some(sample);
    }
    bytes
}

/// What was packed, or what is wrong with it.
pub fn unpack(bytes: &[u8]) -> Result<Vec<Sample>, &'static str> {
    let mut rest = match bytes.split_first() {
        Some((&FORM, rest)) => rest,
        Some(_) => return Err("it has a form that nobody knows"),
        None => return Err(EARLY),
    };
    let count = usize::try_from(next(&mut rest)?).map_err(|_| EARLY)?;
    if count > rest.len() / LEAST {
        return Err(EARLY);
    }
    let mut samples: Vec<Sample> = Vec::with_capacity(count);
    for _ in 0..count {
        let sample = take_sample(&mut rest, samples.last())?;
        samples.push(sample);
    }
    if rest.is_empty() {
        Ok(samples)
    } else {
        Err("it goes on behind its end")
    }
}

fn take_sample(rest: &mut &[u8], before: Option<&Sample>) -> Result<Sample, &'static str> {
    let port = code(take_text(rest)?)?;
    let equipment = match (take_text(rest)?, before) {
        (b"", Some(before)) => before.equipment.clone(),
        (text, _) => code(text)?,
    };
    let at = before.map_or(0, |before| before.at.0);
    let at = Timestamp(at.wrapping_add(unzigzag(next(rest)?)));
    let state = match next(rest)? {
        OTHER => PortState::Other(unzigzag(next(rest)?)),
        number => parts::state(number).ok_or("it says a state that there is not")?,
    };
    let mask = next(rest)?;
    if mask >= MASKS {
        return Err("it has something that nobody knows");
    }
    let mut numbers = [None; NUMBERS];
    for ((bit, place), number) in (0..).zip(0..).zip(&mut numbers) {
        if has(mask, bit) {
            *number = Some(if place < WHOLE {
                unzigzag(next(rest)?)
            } else {
                take_decimal(rest)?
            });
        }
    }
    let mut sample = parts::sample(port, equipment, at, state, numbers);
    if has(mask, CHARGE) {
        sample.charge = Some(code(take_text(rest)?)?);
    }
    if has(mask, MORE) {
        sample.more = take_pairs(rest)?;
    }
    Ok(sample)
}

fn take_pairs(rest: &mut &[u8]) -> Result<BTreeMap<String, String>, &'static str> {
    let count = next(rest)?;
    let mut pairs = BTreeMap::new();
    for _ in 0..count {
        let mut text = || -> Result<String, &'static str> {
            let text = std::str::from_utf8(take_text(rest)?).map_err(|_| "a text is none")?;
            Ok(text.to_owned())
        };
        pairs.insert(text()?, text()?);
    }
    Ok(pairs)
}

/// Whether the bytes may hold something of a port: never wrong when they do.
pub fn may_have(bytes: &[u8], port: &Code) -> bool {
    let port = port.as_str().as_bytes();
    bytes.windows(port.len()).any(|window| window == port)
}

fn next(rest: &mut &[u8]) -> Result<u64, &'static str> {
    take(rest).ok_or(EARLY)
}

fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

fn take_text<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], &'static str> {
    let count = next(rest)?;
    take_bytes(rest, count)
}

/// Decimal places in the lowest three bits; `RAW`: eight bytes follow.
const PLACES: u64 = 6;
const RAW: u64 = 7;

fn put_decimal(bytes: &mut Vec<u8>, millionths: i64) {
    let (mut number, mut zeros) = (millionths, 0);
    while zeros < PLACES && number != 0 && number % 10 == 0 {
        number /= 10;
        zeros += 1;
    }
    let number = zigzag(number);
    if number < 1 << 61 {
        put(bytes, number << 3 | zeros);
    } else {
        put(bytes, RAW);
        bytes.extend_from_slice(&millionths.to_le_bytes());
    }
}

fn take_decimal(rest: &mut &[u8]) -> Result<i64, &'static str> {
    let said = next(rest)?;
    match (said & 7, unzigzag(said >> 3)) {
        (RAW, _) => {
            let bytes = take_bytes(rest, 8)?.first_chunk().ok_or(EARLY)?;
            Ok(i64::from_le_bytes(*bytes))
        }
        (zeros, number) => {
            let by = 10_i64.pow(u32::try_from(zeros).unwrap_or(0));
            number.checked_mul(by).ok_or("it says a number that is too large")
        }
    }
}

#[cfg(test)]
mod tests {
    use model::oversight::Decimal;
    use proptest::prelude::*;

    use super::parts::any::any_sample;
    use super::*;

    #[test]
    fn a_call_is_small_and_reads_back() {
        let sample = |n: i64| {
            let id = |what: &str| Code::new(&format!("{what}{n:06}")).unwrap();
            let mut sample = parts::sample(
                id("P"),
                Code::new("E0001").unwrap(),
                Timestamp(1_772_323_200_000 + n * 1_000),
                PortState::Charging,
                [None; NUMBERS],
            );
            sample.voltage = Some(Decimal(221_300_000));
            sample.current = Some(Decimal(1_250_000));
            sample.charge = Some(id("C"));
            sample
        };
        let samples: Vec<Sample> = (0..12).map(sample).collect();
        let bytes = pack(&samples);
        assert_eq!(unpack(&bytes).unwrap(), samples);
        assert!(bytes.len() <= 12 * 30, "{} bytes", bytes.len());
        assert_eq!(unpack(&pack(&[])).unwrap(), []);
        assert!(may_have(&bytes, &samples[3].port));
        assert!(!may_have(&bytes, &Code::new("P000099").unwrap()));
    }

    #[test]
    fn damage_is_reported() {
        let a = Code::new("a").unwrap();
        let sample = parts::sample(a.clone(), a, Timestamp(1), PortState::Idle, [None; NUMBERS]);
        let whole = pack(&[sample]);
        assert_eq!(whole, [FORM, 1, 1, b'a', 1, b'a', 2, 0, 0]);
        for (what, bytes) in [
            ("nothing", &[][..]),
            ("another form", &[9, 0]),
            ("more than there is", &[FORM, 200, 1, 1, b'a', 1, b'a', 2, 0, 0]),
            ("cut off", &whole[..8]),
            ("longer", &[FORM, 0, 0]),
            ("no equipment", &[FORM, 1, 1, b'a', 0, 2, 0, 0]),
            ("an id with a space", &[FORM, 1, 1, b' ', 1, b'a', 2, 0, 0]),
            ("no such state", &[FORM, 1, 1, b'a', 1, b'a', 2, 7, 0]),
            ("an unknown part", &[FORM, 1, 1, b'a', 1, b'a', 2, 0, 0x80, 0x20]),
            (
                "a text longer than all",
                &[FORM, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
            ),
        ] {
            assert!(unpack(bytes).is_err(), "{what}");
        }
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(samples in prop::collection::vec(any_sample(), 0..14)) {
            prop_assert_eq!(unpack(&pack(&samples)).unwrap(), samples);
        }

        #[test]
        fn damage_never_panics(
            mut bytes in prop::collection::vec(any::<u8>(), 0..64),
            samples in prop::collection::vec(any_sample(), 1..4),
            place in any::<prop::sample::Index>(),
            to in any::<u8>(),
        ) {
            let _ = unpack(&bytes);
            bytes.insert(0, FORM);
            let _ = unpack(&bytes);
            let mut bytes = pack(&samples);
            let place = place.index(bytes.len());
            bytes[place] = to;
            let _ = unpack(&bytes);
        }
    }
}
