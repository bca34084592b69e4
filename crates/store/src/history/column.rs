//! A column of integers as bytes.
//!
//! Meters round: a voltage comes in steps of 100 mV, a current in steps of 10 mA, a poll in steps of a second. So a
//! column is kept as the least value, the step, and how many steps each value is above the least one. The first
//! byte says which form the rest has:
//!
//! - 1: count, least, step, slope as variable-length integers, then the numbers of steps as 32 bits, packed with pco;
//!   nothing of them when the step is 0, where all are the same. The slope is what the column rises by each place
//!   before anything else: the period of a poll.
//! - 2: the same up to the slope, then how many bits each number of steps has, and these bits one after the other, lowest
//!   first. Read several times as fast, so it is taken where it needs little more room: for the jitter of a poll.
//! - `p`, the first byte of a file of pco: 64-bit integers as they are. All columns of older schemas are such, and
//!   newer ones whose values lie too far apart.

use pco::standalone::{simple_compress, simple_decompress, simple_decompress_into};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

use super::varint::{put, take, unzigzag, zigzag};
use crate::sql::Failure;

const STEPS: u8 = 1;
const BITS: u8 = 2;
/// What fixed bits may take beyond what pco makes of the same, as a part of that.
const MORE: usize = 8;
/// Higher levels cost time and save little on such columns.
const LEVEL: usize = 4;
/// More values than any block holds.
const MOST: usize = 1 << 16;

/// Packs values.
pub fn pack(values: &[i64]) -> Result<Vec<u8>, Failure> {
    match in_steps(values, 0) {
        Some(packed) => packed,
        None => compressed(values, DeltaSpec::TryConsecutive(1)),
    }
}

/// Packs times, which rise by about the same from place to place.
pub fn pack_times(times: &[i64]) -> Result<Vec<u8>, Failure> {
    let period = match (times.first(), times.last()) {
        (Some(first), Some(last)) if times.len() > 1 => {
            let places = i64::try_from(times.len() - 1).unwrap_or(i64::MAX);
            last.saturating_sub(*first).saturating_add(places / 2) / places
        }
        _ => 0,
    };
    let level: Option<Vec<i64>> = (0..)
        .zip(times)
        .map(|(place, at): (i64, &i64)| at.checked_sub(place.checked_mul(period)?))
        .collect();
    match level.and_then(|level| in_steps(&level, period)) {
        Some(packed) => packed,
        None => compressed(times, DeltaSpec::TryConsecutive(1)),
    }
}

/// The form of steps, if the values do not lie too far apart for it.
fn in_steps(values: &[i64], slope: i64) -> Option<Result<Vec<u8>, Failure>> {
    let least = *values.iter().min()?;
    let span = values.iter().max()?.checked_sub(least)?;
    u32::try_from(span).ok()?;
    let mut steps: Vec<u32> = values
        .iter()
        .map(|value| u32::try_from(value - least).unwrap_or(0))
        .collect();
    let step = step(&steps);
    if step > 1 {
        steps.iter_mut().for_each(|value| *value /= step);
    }
    let mut bytes = vec![STEPS];
    put(&mut bytes, u64::try_from(values.len()).ok()?);
    put(&mut bytes, zigzag(least));
    put(&mut bytes, step.into());
    put(&mut bytes, zigzag(slope));
    if step > 0 {
        let packed = match compressed(&steps, DeltaSpec::TryConsecutive(order(&steps))) {
            Ok(packed) => packed,
            Err(failure) => return Some(Err(failure)),
        };
        let width = bits_of(&steps);
        if fixed_len(steps.len(), width) <= packed.len() + packed.len() / MORE {
            bytes[0] = BITS;
            put_bits(&mut bytes, &steps, width);
        } else {
            bytes.extend(packed);
        }
    }
    Some(Ok(bytes))
}

/// Bits that the largest of the numbers has.
fn bits_of(steps: &[u32]) -> u32 {
    u32::BITS - steps.iter().max().map_or(u32::BITS, |most| most.leading_zeros())
}

/// Bytes of so many numbers of so many bits.
fn fixed_len(count: usize, width: u32) -> usize {
    (count * usize::try_from(width).unwrap_or(0)).div_ceil(8)
}

fn put_bits(bytes: &mut Vec<u8>, steps: &[u32], width: u32) {
    bytes.push(width.to_le_bytes()[0]);
    let (mut held, mut count) = (0_u64, 0);
    for step in steps {
        held |= u64::from(*step) << count;
        count += width;
        while count >= 8 {
            bytes.push(held.to_le_bytes()[0]);
            held >>= 8;
            count -= 8;
        }
    }
    if count > 0 {
        bytes.push(held.to_le_bytes()[0]);
    }
}

/// Takes numbers of fixed bits, as many as there are places.
fn take_bits(bytes: &[u8], steps: &mut [u32]) -> Result<(), String> {
    let (width, bits) = bytes.split_first().ok_or("it ends early")?;
    let width = u32::from(*width);
    if width == 0 || width > u32::BITS || bits.len() != fixed_len(steps.len(), width) {
        return Err("it is of another length than it says".to_owned());
    }
    // So that eight bytes can be read from where the last number begins.
    let padded = [bits, &[0; 8]].concat();
    let mask = (1_u64 << width) - 1;
    // So many are whole in eight bytes, wherever in the first byte they begin.
    let together = usize::try_from(57 / width).unwrap_or(1);
    let mut bit = 0;
    for steps in steps.chunks_mut(together) {
        let word = padded.get(bit / 8..).and_then(|rest| rest.first_chunk()).copied();
        let mut word = u64::from_le_bytes(word.unwrap_or_default()) >> (bit % 8);
        bit += steps.len() * width as usize;
        for step in steps {
            let [a, b, c, d, ..] = (word & mask).to_le_bytes();
            *step = u32::from_le_bytes([a, b, c, d]);
            word >>= width;
        }
    }
    Ok(())
}

/// The greatest common divisor of numbers of which one is zero; 0 when all are.
fn step(values: &[u32]) -> u32 {
    let mut step = 0;
    let mut before = 0;
    for value in values {
        // Most values are the one before again.
        if *value != before {
            before = *value;
            step = divisor(step, before);
            if step == 1 {
                break;
            }
        }
    }
    step
}

const fn divisor(mut a: u32, mut b: u32) -> u32 {
    while a != 0 {
        (a, b) = (b % a, a);
    }
    b
}

/// Whether differences of neighbours are smaller than the values around their mean: of a counter or a slow load
/// they are, of a noise they are not.
fn order(values: &[u32]) -> usize {
    let sum: u64 = values.iter().map(|value| u64::from(*value)).sum();
    let mean = sum / u64::try_from(values.len().max(1)).unwrap_or(u64::MAX);
    let mean = u32::try_from(mean).unwrap_or(u32::MAX);
    let spread: u64 = values.iter().map(|value| u64::from(value.abs_diff(mean))).sum();
    let steps: u64 = values
        .iter()
        .zip(values.iter().skip(1))
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    usize::from(steps < spread)
}

fn compressed<T: pco::data_types::Number>(values: &[T], delta: DeltaSpec) -> Result<Vec<u8>, Failure> {
    let config = ChunkConfig::default()
        .with_compression_level(LEVEL)
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(delta);
    let packed = simple_compress(values, &config);
    packed.map_err(|error| Failure::Damaged(format!("cannot compress a block: {error}")))
}

/// Unpacks one column after the other in the same memory.
#[derive(Default)]
pub struct Unpacker {
    steps: Vec<u32>,
}

impl Unpacker {
    /// Puts the values of a column in place of what is in `values`, or says what is wrong with it.
    pub fn unpack(&mut self, bytes: &[u8], values: &mut Vec<i64>) -> Result<(), String> {
        let (form, mut rest) = match bytes.split_first() {
            Some((form @ (&STEPS | &BITS), rest)) => (*form, rest),
            Some(_) | None => {
                *values = simple_decompress::<i64>(bytes).map_err(|error| error.to_string())?;
                return Ok(());
            }
        };
        let mut next = || take(&mut rest).ok_or("it ends early");
        let (count, least, step, slope) = (next()?, unzigzag(next()?), next()?, unzigzag(next()?));
        let count = usize::try_from(count).ok().filter(|count| *count <= MOST);
        let count = count.ok_or("it says that it is too long")?;
        let step = u32::try_from(step).map_err(|_| "it says a step that is too large")?;
        let steps = self.steps(count);
        if step == 0 {
            steps.fill(0);
        } else if form == BITS {
            take_bits(rest, steps)?;
        } else {
            let progress = simple_decompress_into(rest, steps).map_err(|error| error.to_string())?;
            if progress.n_processed != count || !progress.finished {
                return Err("it is of another length than it says".to_owned());
            }
        }
        let value = |steps: &u32| least.wrapping_add((u64::from(*steps) * u64::from(step)).cast_signed());
        values.clear();
        if slope == 0 {
            values.extend(steps.iter().map(value));
        } else {
            let level = |(place, steps): (i64, &u32)| value(steps).wrapping_add(slope.wrapping_mul(place));
            values.extend((0..).zip(steps.iter()).map(level));
        }
        Ok(())
    }

    /// The same for a column of which it is known how many values it has: damage makes no more room than that.
    pub fn unpack_so_many(
        &mut self,
        bytes: &[u8],
        count: usize,
        values: &mut Vec<i64>,
    ) -> Result<(), String> {
        if matches!(bytes.first(), Some(&STEPS | &BITS)) {
            self.unpack(bytes, values)?;
        } else {
            values.clear();
            values.resize(count, 0);
            let progress = simple_decompress_into(bytes, values).map_err(|error| error.to_string())?;
            if !progress.finished {
                return Err("it goes on behind its end".to_owned());
            }
            values.truncate(progress.n_processed);
        }
        if values.len() == count {
            return Ok(());
        }
        Err(format!("it has {} values, expected {count}", values.len()))
    }

    /// Places for numbers, with whatever was there before.
    fn steps(&mut self, count: usize) -> &mut [u32] {
        if self.steps.len() < count {
            self.steps.resize(count, 0);
        }
        self.steps.get_mut(..count).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn unpack(bytes: &[u8]) -> Result<Vec<i64>, String> {
        let mut values = vec![1, 2];
        Unpacker::default().unpack(bytes, &mut values).map(|()| values)
    }

    #[test]
    fn columns_of_all_kinds_read_back_small() {
        let of = |value: fn(i64) -> i64| (0..1_000).map(value).collect::<Vec<i64>>();
        let noise = |n: i64| n.wrapping_mul(2_862_933_555_777_941_757) >> 60;
        for (what, values, most) in [
            ("nothing at all", vec![], 20),
            ("one value", vec![-7], 5),
            ("the same all the time", of(|_| 230_000), 9),
            ("steps of 100", of(|n| 230_000 + n / 50 % 7 * 100), 90),
            ("a counter", of(|n| (1 << 40) + n / 3), 200),
            ("the ends of the range", vec![i64::MIN, i64::MAX, 0], 100),
            ("too far apart", vec![0, 1 << 32], 100),
            ("just near enough", vec![5, 4 + (1 << 32)], 80),
        ] {
            let packed = pack(&values).unwrap();
            assert_eq!(unpack(&packed).unwrap(), values, "{what}");
            let mut found = vec![1, 2];
            let mut so_many = |count| Unpacker::default().unpack_so_many(&packed, count, &mut found);
            assert!(so_many(values.len() + 1).is_err(), "{what}");
            assert!(values.is_empty() || so_many(values.len() - 1).is_err(), "{what}");
            so_many(values.len()).unwrap();
            assert_eq!(found, values, "{what}");
            assert!(packed.len() <= most, "{what}: {} bytes", packed.len());
        }
        let times: Vec<i64> = (0..4_000)
            .map(|n| 1_772_323_200_000 + n * 1_000 + noise(n))
            .collect();
        for (what, times, most) in [
            ("full seconds", of(|n| 1_772_323_200_000 + n * 1_000), 16),
            ("with jitter", times, 2_200),
            ("far apart", vec![0, i64::MAX], 100),
            ("nothing", vec![], 20),
        ] {
            let packed = pack_times(&times).unwrap();
            assert_eq!(unpack(&packed).unwrap(), times, "{what}");
            assert!(packed.len() <= most, "{what}: {} bytes", packed.len());
        }
    }

    #[test]
    fn what_has_no_shape_is_kept_as_bits() {
        let noise = |n: i64| n.wrapping_mul(2_862_933_555_777_941_757) >> 59 & 31;
        for (what, values, form) in [
            ("noise", (0..4_000).map(noise).collect::<Vec<_>>(), BITS),
            (
                "noise in steps",
                (0..333).map(|n| noise(n) * 70 - 9).collect(),
                BITS,
            ),
            ("two values", vec![-8, 1 << 31], BITS),
            ("all bits", vec![0, (1 << 32) - 2, (1 << 32) - 1, 1], BITS),
            ("a counter", (0..4_000).collect(), STEPS),
            (
                "seldom another",
                (0..4_000).map(|n| n / 3_000 * 31).collect(),
                STEPS,
            ),
            ("the same", vec![7; 100], STEPS),
        ] {
            let packed = pack(&values).unwrap();
            assert_eq!(packed[0], form, "{what}");
            assert_eq!(unpack(&packed).unwrap(), values, "{what}");
            if form == BITS {
                assert!(unpack(&packed[..packed.len() - 1]).is_err(), "{what}");
            }
        }
    }

    #[test]
    fn columns_of_the_first_form_are_read() {
        let values = [3, -5, i64::MAX];
        let packed = simple_compress(&values, &ChunkConfig::default()).unwrap();
        assert_eq!(packed[0], b'p');
        assert_eq!(unpack(&packed).unwrap(), values);
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(
            values in prop::collection::vec(any::<i64>(), 0..50),
            near in prop::collection::vec(-500_i64..500, 0..300),
            step in 1_i64..2_000,
        ) {
            prop_assert_eq!(unpack(&pack(&values).unwrap()).unwrap(), values.clone());
            prop_assert_eq!(unpack(&pack_times(&values).unwrap()).unwrap(), values);
            let stepped: Vec<i64> = near.iter().map(|value| value * step).collect();
            prop_assert_eq!(unpack(&pack(&stepped).unwrap()).unwrap(), stepped);
        }

        #[test]
        fn damage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpack(&bytes);
            for form in [STEPS, BITS] {
                bytes.insert(0, form);
                let _ = unpack(&bytes);
            }
        }
    }
}
