//! The buckets of one day as bytes.
//!
//! Sketch: 30 days of quarter-hours are 2,880 buckets, too many for a row each in half a millisecond, and 96 numbers
//! are too few for a compressor, whose set-up costs more than they do. So each kind of number is a column: the least
//! of them, and of each how far it lies above that, in as few whole bytes as the farthest needs. Numbers are laid
//! down as differences to others that they are close to: what stands still takes no room at all.
//!
//! The first byte is the form, 1. Then the count of buckets as variable-length integer, and nine columns: places, counts,
//! lowest values, and, in relation to those, sums, highest, first and last values; how long after the start the first
//! reading was taken, and how long after that the last one. A column is its least number as variable-length integer,
//! the width in bytes, and the numbers, lowest byte first.

use super::varint::{put, take, unzigzag, zigzag};
use crate::condense::Bucket;

const DAY_MS: i64 = 86_400_000;
const FORM: u8 = 1;
const EARLY: &str = "it ends early";

/// Whose buckets a page has: those of one width that start within a day.
#[derive(Clone, Copy)]
pub struct Frame {
    pub start_ms: i64,
    pub width_ms: i64,
}

impl Frame {
    /// Buckets there can be.
    const fn most(self) -> i64 {
        DAY_MS / self.width_ms
    }
}

/// Packs buckets that are in order of time.
pub fn pack(frame: Frame, buckets: &[Bucket]) -> Vec<u8> {
    let mut bytes = vec![FORM];
    put(&mut bytes, u64::try_from(buckets.len()).unwrap_or(u64::MAX));
    let mut column = |number: &dyn Fn(i64, &Bucket) -> i64| {
        let numbers = (0..).zip(buckets).map(|(index, bucket)| number(index, bucket));
        put_column(&mut bytes, &numbers.collect::<Vec<i64>>());
    };
    // Without holes the place is the index.
    column(&|index, bucket| (bucket.start_ms - frame.start_ms) / frame.width_ms - index);
    column(&|_, bucket| bucket.count);
    column(&|_, bucket| bucket.min);
    column(&|_, bucket| bucket.sum.wrapping_sub(bucket.min.wrapping_mul(bucket.count)));
    column(&|_, bucket| bucket.max.wrapping_sub(bucket.min));
    column(&|_, bucket| bucket.first.wrapping_sub(bucket.min));
    column(&|_, bucket| bucket.last.wrapping_sub(bucket.min));
    column(&|_, bucket| bucket.first_at_ms.wrapping_sub(bucket.start_ms));
    column(&|_, bucket| bucket.last_at_ms.wrapping_sub(bucket.first_at_ms));
    bytes
}

/// Puts the buckets of a page in place of what is in `buckets`, or says what is wrong with it.
pub fn unpack(frame: Frame, bytes: &[u8], buckets: &mut Vec<Bucket>) -> Result<(), &'static str> {
    buckets.clear();
    let Some((&FORM, rest)) = bytes.split_first() else {
        return Err("it has an unknown form");
    };
    let mut columns = Columns {
        rest,
        numbers: Vec::new(),
    };
    let count = take(&mut columns.rest).ok_or(EARLY)?;
    let count = usize::try_from(count)
        .ok()
        .filter(|_| count <= frame.most().cast_unsigned());
    buckets.resize(count.ok_or("it says that it is too long")?, Bucket::default());
    // Where the start belongs there are the holes before it at first.
    columns.next(buckets, |bucket, holes| bucket.start_ms = holes)?;
    columns.next(buckets, |bucket, count| bucket.count = count)?;
    columns.next(buckets, |bucket, min| bucket.min = min)?;
    columns.next(buckets, |bucket, above| {
        bucket.sum = bucket.min.wrapping_mul(bucket.count).wrapping_add(above);
    })?;
    columns.next(buckets, |bucket, above| {
        bucket.max = bucket.min.wrapping_add(above)
    })?;
    columns.next(buckets, |bucket, above| {
        bucket.first = bucket.min.wrapping_add(above)
    })?;
    columns.next(buckets, |bucket, above| {
        bucket.last = bucket.min.wrapping_add(above)
    })?;
    columns.next(buckets, |bucket, after| bucket.first_at_ms = after)?;
    columns.next(buckets, |bucket, after| bucket.last_at_ms = after)?;
    if !columns.rest.is_empty() {
        return Err("it goes on behind its end");
    }
    let mut holes = 0;
    for (index, bucket) in (0..).zip(buckets.iter_mut()) {
        let before = std::mem::replace(&mut holes, bucket.start_ms);
        if holes < before || holes.saturating_add(index) >= frame.most() {
            return Err("its buckets are not in order");
        }
        bucket.start_ms = frame.start_ms + (index + holes) * frame.width_ms;
        bucket.first_at_ms = bucket.start_ms.wrapping_add(bucket.first_at_ms);
        bucket.last_at_ms = bucket.first_at_ms.wrapping_add(bucket.last_at_ms);
    }
    Ok(())
}

/// The columns of a page that were not read yet.
struct Columns<'a> {
    rest: &'a [u8],
    numbers: Vec<i64>,
}

impl Columns<'_> {
    fn next(&mut self, buckets: &mut [Bucket], set: impl Fn(&mut Bucket, i64)) -> Result<(), &'static str> {
        take_column(&mut self.rest, buckets.len(), &mut self.numbers)?;
        for (bucket, number) in buckets.iter_mut().zip(&self.numbers) {
            set(bucket, *number);
        }
        Ok(())
    }
}

fn put_column(bytes: &mut Vec<u8>, numbers: &[i64]) {
    let least = numbers.iter().min().copied().unwrap_or(0);
    // However far apart two numbers lie, without a sign it fits.
    let above = || {
        numbers
            .iter()
            .map(|number| number.wrapping_sub(least).cast_unsigned())
    };
    let farthest = above().max().unwrap_or(0);
    let width = (u64::BITS - farthest.leading_zeros()).div_ceil(8);
    put(bytes, zigzag(least));
    bytes.push(width.to_le_bytes()[0]);
    for above in above() {
        bytes.extend(
            above
                .to_le_bytes()
                .iter()
                .take(usize::try_from(width).unwrap_or(8)),
        );
    }
}

fn take_column(rest: &mut &[u8], count: usize, numbers: &mut Vec<i64>) -> Result<(), &'static str> {
    let least = unzigzag(take(rest).ok_or(EARLY)?);
    let (width, bytes) = rest.split_first().ok_or(EARLY)?;
    let width = usize::from(*width);
    let (bytes, after) = bytes.split_at_checked(count * width).ok_or(EARLY)?;
    *rest = after;
    numbers.clear();
    match width {
        0 => numbers.resize(count, least),
        1 => widen::<1>(bytes, least, numbers),
        2 => widen::<2>(bytes, least, numbers),
        3 => widen::<3>(bytes, least, numbers),
        4 => widen::<4>(bytes, least, numbers),
        5 => widen::<5>(bytes, least, numbers),
        6 => widen::<6>(bytes, least, numbers),
        7 => widen::<7>(bytes, least, numbers),
        8 => widen::<8>(bytes, least, numbers),
        _ => return Err("it says numbers that are too wide"),
    }
    Ok(())
}

fn widen<const WIDTH: usize>(bytes: &[u8], least: i64, numbers: &mut Vec<i64>) {
    let (parts, _) = bytes.as_chunks::<WIDTH>();
    numbers.extend(parts.iter().map(|part| {
        let mut wide = [0; 8];
        for (to, from) in wide.iter_mut().zip(part) {
            *to = *from;
        }
        least.wrapping_add(i64::from_le_bytes(wide))
    }));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const QUARTERS: Frame = Frame {
        start_ms: 1_772_323_200_000,
        width_ms: 900_000,
    };

    fn unpacked(bytes: &[u8]) -> Result<Vec<Bucket>, &'static str> {
        let mut buckets = vec![Bucket::default(); 3];
        unpack(QUARTERS, bytes, &mut buckets).map(|()| buckets)
    }

    /// Of a second each, with jitter.
    fn bucket(place: i64, value: impl Fn(i64) -> i64) -> Bucket {
        let start_ms = QUARTERS.start_ms + place * QUARTERS.width_ms;
        let values: Vec<i64> = (0..900).map(|second| value(place * 900 + second)).collect();
        Bucket {
            start_ms,
            count: 900,
            sum: values.iter().sum(),
            min: *values.iter().min().unwrap(),
            max: *values.iter().max().unwrap(),
            first: values[0],
            first_at_ms: start_ms + place * 37 % 200,
            last: values[899],
            last_at_ms: start_ms + 899_000 + place * 53 % 200,
        }
    }

    #[test]
    fn a_day_of_quarter_hours_is_small() {
        let of = |value: fn(i64) -> i64| (0..96).map(|place| bucket(place, value)).collect::<Vec<_>>();
        for (what, buckets, most) in [
            ("nothing", vec![], 22),
            ("the same all the time", of(|_| 230_000), 320),
            ("a counter", of(|second| 20_000_000 + second / 3), 1_000),
            ("a noise", of(|second| second * second % 9_001 - 4_000), 1_200),
            ("with holes", vec![bucket(7, |_| 1), bucket(95, |_| -1)], 60),
        ] {
            let bytes = pack(QUARTERS, &buckets);
            assert_eq!(unpacked(&bytes).unwrap(), buckets, "{what}");
            assert!(bytes.len() <= most, "{what}: {} bytes", bytes.len());
        }
    }

    #[test]
    fn damage_is_reported() {
        let whole = pack(QUARTERS, &[bucket(3, |_| 1), bucket(4, |_| 2)]);
        let swapped = pack(QUARTERS, &[bucket(4, |_| 1), bucket(3, |_| 2)]);
        let beyond = pack(QUARTERS, &[bucket(96, |_| 1)]);
        let early = pack(QUARTERS, &[bucket(-1, |_| 1)]);
        let many = pack(QUARTERS, &[bucket(1, |_| 1); 97]);
        let longer = [whole.as_slice(), &[0]].concat();
        let shorter = &whole[..whole.len() - 1];
        for bytes in [&[][..], &[2], &swapped, &beyond, &early, &many, &longer, shorter] {
            assert!(unpacked(bytes).is_err(), "{bytes:?}");
        }
    }

    fn any_bucket() -> impl Strategy<Value = Bucket> {
        prop::array::uniform9(any::<i64>()).prop_map(|numbers| {
            let [
                start_ms,
                count,
                sum,
                min,
                max,
                first,
                first_at_ms,
                last,
                last_at_ms,
            ] = numbers;
            Bucket {
                start_ms,
                count,
                sum,
                min,
                max,
                first,
                first_at_ms,
                last,
                last_at_ms,
            }
        })
    }

    proptest! {
        #[test]
        fn what_was_packed_is_unpacked(numbers in prop::collection::btree_map(0_i64..96, any_bucket(), 0..96)) {
            let start = |place: i64| QUARTERS.start_ms + place * QUARTERS.width_ms;
            let buckets: Vec<Bucket> = numbers
                .into_iter()
                .map(|(place, bucket)| Bucket { start_ms: start(place), ..bucket })
                .collect();
            prop_assert_eq!(unpacked(&pack(QUARTERS, &buckets)).unwrap(), buckets);
        }

        #[test]
        fn damage_never_panics(mut bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = unpacked(&bytes);
            bytes.insert(0, FORM);
            let _ = unpacked(&bytes);
        }
    }
}
