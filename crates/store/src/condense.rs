//! Many readings to few rows, the same way for every backend.

use model::time::Timestamp;

use crate::history::Row;

/// The latest second that is stored, exclusive: the row keys of the block store give it 36 bits.
pub const END_OF_TIME_S: i64 = 1 << 36;

/// Whether a reading of that time can be stored.
pub fn is_storable(at_ms: i64) -> bool {
    (0..END_OF_TIME_S * 1_000).contains(&at_ms)
}

/// What is known of a bucket of readings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    pub start_ms: i64,
    pub count: i64,
    pub sum: i64,
    pub min: i64,
    pub max: i64,
    pub first: i64,
    pub first_at_ms: i64,
    pub last: i64,
    pub last_at_ms: i64,
}

impl Bucket {
    fn of(start_ms: i64, at_ms: i64, value: i64) -> Self {
        Self {
            start_ms,
            count: 1,
            sum: value,
            min: value,
            max: value,
            first: value,
            first_at_ms: at_ms,
            last: value,
            last_at_ms: at_ms,
        }
    }

    /// Takes in what another bucket of the same span, or a part of it, knows.
    pub fn merge(&mut self, other: &Self) {
        self.count = self.count.saturating_add(other.count);
        self.sum = self.sum.saturating_add(other.sum);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        if other.first_at_ms < self.first_at_ms {
            self.first = other.first;
            self.first_at_ms = other.first_at_ms;
        }
        if other.last_at_ms >= self.last_at_ms {
            self.last = other.last;
            self.last_at_ms = other.last_at_ms;
        }
    }

    pub fn row(&self) -> Row {
        Row {
            at: Timestamp(self.start_ms),
            mean: rounded(self.sum, self.count),
            min: self.min,
            max: self.max,
            first: self.first,
            last: self.last,
        }
    }
}

/// Rounds to the nearest integer, halves up.
fn rounded(sum: i64, count: i64) -> i64 {
    let count = count.max(1);
    sum.saturating_add(count / 2).div_euclid(count)
}

/// Collects readings, or buckets of a finer width, into aligned buckets. They come in order of time.
pub struct Condenser {
    width_ms: i64,
    done: Vec<Bucket>,
}

impl Condenser {
    pub fn new(width_s: i64) -> Self {
        Self {
            width_ms: width_s.max(1).saturating_mul(1_000),
            done: Vec::new(),
        }
    }

    pub fn reading(&mut self, at_ms: i64, value: i64) {
        match self.done.last_mut() {
            // No division for a reading that follows in the same bucket.
            Some(last) if at_ms >= last.last_at_ms && at_ms - last.start_ms < self.width_ms => {
                last.count = last.count.saturating_add(1);
                last.sum = last.sum.saturating_add(value);
                last.min = last.min.min(value);
                last.max = last.max.max(value);
                last.last = value;
                last.last_at_ms = at_ms;
            }
            Some(_) | None => self.bucket(&Bucket::of(at_ms, at_ms, value)),
        }
    }

    pub fn bucket(&mut self, part: &Bucket) {
        let start_ms = part.start_ms - part.start_ms.rem_euclid(self.width_ms);
        match self.done.last_mut() {
            Some(last) if last.start_ms == start_ms => last.merge(part),
            Some(_) | None => self.done.push(Bucket { start_ms, ..*part }),
        }
    }

    pub fn finish(self) -> Vec<Bucket> {
        self.done
    }
}

/// A reading as it is.
pub fn raw(at_ms: i64, value: i64) -> Row {
    Row {
        at: Timestamp(at_ms),
        mean: value,
        min: value,
        max: value,
        first: value,
        last: value,
    }
}

/// The first and the end of the readings that the buckets starting in `from..to` hold.
pub fn whole_buckets(from_ms: i64, to_ms: i64, width_s: i64) -> (i64, i64) {
    let width_ms = width_s.max(1).saturating_mul(1_000);
    let up = |at: i64| {
        let rest = at.rem_euclid(width_ms);
        if rest == 0 {
            at
        } else {
            at.saturating_add(width_ms - rest)
        }
    };
    (up(from_ms), up(to_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_fall_into_aligned_buckets() {
        let mut condenser = Condenser::new(60);
        for (at_ms, value) in [(59_999, 1), (60_000, -5), (119_999, 8), (180_000, 2)] {
            condenser.reading(at_ms, value);
        }
        let rows: Vec<_> = condenser
            .finish()
            .iter()
            .map(Bucket::row)
            .map(|row| (row.at.0, row.mean, row.min, row.max, row.first, row.last))
            .collect();
        assert_eq!(
            rows,
            [
                (0, 1, 1, 1, 1, 1),
                (60_000, 2, -5, 8, -5, 8),
                (180_000, 2, 2, 2, 2, 2)
            ]
        );
    }

    #[test]
    fn means_are_rounded_to_the_nearest() {
        for (sum, count, expected) in [
            (3, 2, 2),
            (-3, 2, -1),
            (-4, 3, -1),
            (-5, 3, -2),
            (0, 7, 0),
            (7, 0, 7),
        ] {
            assert_eq!(rounded(sum, count), expected, "{sum}/{count}");
        }
    }

    #[test]
    fn only_buckets_that_start_within_are_asked_for() {
        assert_eq!(whole_buckets(1, 60_000, 60), (60_000, 60_000));
        assert_eq!(whole_buckets(0, 60_001, 60), (0, 120_000));
        assert_eq!(whole_buckets(-60_000, 0, 60), (-60_000, 0));
    }
}
