//! Readings that are not sealed yet, as one compact row for all series.
//!
//! A row is a list of entries, each: series, count with a mark, then times and values as differences, all in
//! variable-length integers. The mark says that the series starts afresh here and whatever earlier rows hold
//! of it is sealed or repeated: so rows are read back in order without comparing times, and old rows can
//! be removed although a slow series still has readings from back then.

use super::block::Reading;
use super::varint::{put, take, unzigzag, zigzag};

/// What one row says of one series.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub series: i64,
    pub is_restart: bool,
    pub readings: Vec<Reading>,
}

pub fn encode(entries: &[Entry]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        put(&mut bytes, entry.series.cast_unsigned());
        let count = u64::try_from(entry.readings.len()).unwrap_or(u64::MAX);
        put(&mut bytes, count << 1 | u64::from(entry.is_restart));
        let (mut at, mut value) = (0_i64, 0_i64);
        for (next_at, next_value) in &entry.readings {
            put(&mut bytes, next_at.wrapping_sub(at).cast_unsigned());
            put(&mut bytes, zigzag(next_value.wrapping_sub(value)));
            (at, value) = (*next_at, *next_value);
        }
    }
    bytes
}

/// The entries of a row, `None` when it is damaged.
pub fn decode(mut bytes: &[u8]) -> Option<Vec<Entry>> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        let series = take(&mut bytes)?.cast_signed();
        let count = take(&mut bytes)?;
        let mut entry = Entry {
            series,
            is_restart: count & 1 == 1,
            readings: Vec::new(),
        };
        let (mut at, mut value) = (0_i64, 0_i64);
        for _ in 0..count >> 1 {
            at = at.wrapping_add(take(&mut bytes)?.cast_signed());
            value = value.wrapping_add(unzigzag(take(&mut bytes)?));
            entry.readings.push((at, value));
        }
        entries.push(entry);
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(
            entries in prop::collection::vec(
                (0_i64..1 << 27, any::<bool>(), prop::collection::vec((0_i64..1 << 46, any::<i64>()), 0..20)),
                0..8,
            )
        ) {
            let entries: Vec<Entry> = entries
                .into_iter()
                .map(|(series, is_restart, readings)| Entry { series, is_restart, readings })
                .collect();
            prop_assert_eq!(decode(&encode(&entries)), Some(entries));
        }

        #[test]
        fn damage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes);
        }
    }

    #[test]
    fn a_second_of_steady_readings_costs_three_bytes() {
        let readings = (0..100)
            .map(|n| (1_700_000_000_000 + n * 1_000, 2_300 + n % 3))
            .collect();
        let bytes = encode(&[Entry {
            series: 1,
            is_restart: false,
            readings,
        }]);
        assert!(bytes.len() < 320, "{}", bytes.len());
    }
}
