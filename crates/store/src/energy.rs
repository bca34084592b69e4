//! From readings, condensed to quarter-hours, to energy between any moments.
//!
//! **Counters** (Wh) give what they rose. Between two readings a counter may have done odd things:
//!
//! | it | then |
//! |---|---|
//! | fell to within 1 % above zero, from within 1 % below a power of ten or of two times a decimal scale | rolled over: counts on from the end |
//! | fell by at most 1 % or 10 Wh | was corrected: counts nothing |
//! | fell further | was reset: the new count started from zero |
//! | rose, or was reset to, more than 10 MW could have brought | was replaced or misread: counts nothing |
//! | dipped or leapt and was back within a quarter-hour | was misread: counts what it rose from first to last |
//!
//! What it rose across a gap is spread evenly over the gap, so days on both sides add up to what was counted.
//! An energy is never negative.
//!
//! **Power** (W), where there is no counter, is summed up over time: within quarter-hours by their mean, from
//! one to the next evenly, but never across more than [`BRIDGED_MS`]. Such energies are estimates.
//!
//! Energies are differences of one rising curve, rounded once per local day: hours add up to their day, days
//! to their month and year.

use crate::condense::Bucket;

/// Power is not summed up across longer gaps.
pub const BRIDGED_MS: i64 = 900_000;
/// With a longer gap in it an energy of a counter is not complete: its share of the gap is a guess.
const UNBROKEN_MS: i64 = 3_600_000;
/// More than this in a quarter-hour, or in the time between two readings if it is longer, was not measured.
const MOST_W: i128 = 10_000_000;
const QUARTER_MS: i64 = 900_000;
const HOUR_MS: i128 = 3_600_000;
/// What a counter may lose by a correction, whatever it stands at.
const CORRECTION_WH: i64 = 10;

/// What an energy is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// A series in Wh that rises.
    Counter,
    /// The positive part of a power.
    PowerIn,
    /// The negative part of a power, as a positive energy.
    PowerOut,
    /// A power with its sign.
    PowerNet,
}

impl Source {
    /// Parts of a watt-hour that the curve is kept in.
    const fn scale(self) -> i128 {
        match self {
            Self::Counter => 1,
            Self::PowerIn | Self::PowerOut | Self::PowerNet => HOUR_MS,
        }
    }

    const fn unbroken_ms(self) -> i64 {
        match self {
            Self::Counter => UNBROKEN_MS,
            Self::PowerIn | Self::PowerOut | Self::PowerNet => BRIDGED_MS,
        }
    }
}

/// An energy, and whether readings reach over all of its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Energy {
    pub watt_hours: i64,
    pub is_complete: bool,
}

impl Energy {
    /// The energy of two spans that follow each other.
    #[must_use]
    pub const fn and(self, next: Self) -> Self {
        Self {
            watt_hours: self.watt_hours.saturating_add(next.watt_hours),
            is_complete: self.is_complete && next.is_complete,
        }
    }
}

/// Energies between `cuts`, which rise; one less than there are cuts. The quarter-hours are in order of time and
/// should reach one reading beyond the cuts at both ends.
#[must_use]
pub fn between(quarters: &[Bucket], source: Source, cuts: &[i64]) -> Vec<Energy> {
    let Some(start) = cuts.first() else {
        return Vec::new();
    };
    let mut curve = Curve::new(quarters, source);
    let anchor = curve.at(*start);
    let mut before = (0, anchor.reading_ms);
    cuts.windows(2)
        .map(|pair| {
            let point = curve.at(pair[1]);
            let total = rounded(point.total - anchor.total, source.scale());
            let energy = Energy {
                watt_hours: narrow(total - before.0),
                is_complete: point.is_reached
                    && before
                        .1
                        .is_some_and(|first| first <= pair[0].saturating_add(source.unbroken_ms()))
                    && point.broken_until.is_none_or(|until| until <= pair[0]),
            };
            before = (total, point.reading_ms);
            energy
        })
        .collect()
}

/// A stretch of the curve.
#[derive(Clone, Copy)]
struct Stretch {
    from_ms: i64,
    to_ms: i64,
    gain: i128,
    is_gap: bool,
}

/// The rising curve, walked from the left.
struct Curve<'a> {
    quarters: std::slice::Iter<'a, Bucket>,
    source: Source,
    last: Option<&'a Bucket>,
    /// The stretch within the quarter that `last` is, if the one that leads to it was just walked.
    within: Option<Stretch>,
    current: Option<Stretch>,
    total: i128,
    first_ms: Option<i64>,
    broken_until: Option<i64>,
}

/// What is known at a cut.
struct Point {
    total: i128,
    /// The first reading at or before the cut, or else the first after it that was seen.
    reading_ms: Option<i64>,
    is_reached: bool,
    /// The end of the last gap that began before the cut.
    broken_until: Option<i64>,
}

impl<'a> Curve<'a> {
    fn new(quarters: &'a [Bucket], source: Source) -> Self {
        Self {
            quarters: quarters.iter(),
            source,
            last: None,
            within: None,
            current: None,
            total: 0,
            first_ms: quarters.first().map(|quarter| quarter.first_at_ms),
            broken_until: None,
        }
    }

    /// The curve at a cut; cuts rise.
    fn at(&mut self, cut_ms: i64) -> Point {
        loop {
            let Some(stretch) = self.current else {
                match self.next_stretch() {
                    Some(next) => self.current = Some(next),
                    None => return self.point(0, false, cut_ms),
                }
                continue;
            };
            if stretch.from_ms >= cut_ms {
                return self.point(0, true, cut_ms);
            }
            if stretch.is_gap {
                self.broken_until = Some(stretch.to_ms);
            }
            if stretch.to_ms >= cut_ms {
                let share = share(&stretch, cut_ms);
                return self.point(share, true, cut_ms);
            }
            self.total += stretch.gain;
            self.current = None;
        }
    }

    fn point(&self, share: i128, is_reached: bool, cut_ms: i64) -> Point {
        Point {
            total: self.total + share,
            reading_ms: self.first_ms,
            // A single reading makes no stretch; at its own moment it is reached all the same.
            is_reached: is_reached || self.last.is_some_and(|last| last.last_at_ms >= cut_ms),
            broken_until: self.broken_until,
        }
    }

    fn next_stretch(&mut self) -> Option<Stretch> {
        if let Some(within) = self.within.take() {
            return Some(within);
        }
        let quarter = self.quarters.next()?;
        let before = self.last.replace(quarter);
        let within = Stretch {
            from_ms: quarter.first_at_ms,
            to_ms: quarter.last_at_ms,
            gain: within(quarter, self.source),
            is_gap: false,
        };
        match before {
            Some(before) => {
                self.within = Some(within);
                Some(Stretch {
                    from_ms: before.last_at_ms,
                    to_ms: quarter.first_at_ms,
                    gain: across(before, quarter, self.source),
                    is_gap: quarter.first_at_ms - before.last_at_ms > self.source.unbroken_ms(),
                })
            }
            None => Some(within),
        }
    }
}

/// What of a stretch lies before a moment within it. Rounded down, so that it depends on nothing else.
fn share(stretch: &Stretch, cut_ms: i64) -> i128 {
    let whole = i128::from((stretch.to_ms - stretch.from_ms).max(1));
    let past = i128::from(cut_ms - stretch.from_ms);
    stretch.gain.saturating_mul(past).div_euclid(whole)
}

/// What a quarter-hour holds between its first and its last reading.
fn within(quarter: &Bucket, source: Source) -> i128 {
    let span_ms = quarter.last_at_ms - quarter.first_at_ms;
    if source == Source::Counter {
        let (first, last) = (quarter.first, quarter.last);
        if last >= first {
            return rise(first, last, span_ms);
        }
        // It fell, from the highest it had reached.
        return rise(first, quarter.max, span_ms) + rise(quarter.max, last, span_ms);
    }
    let sum = directed(i128::from(quarter.sum), source);
    sum.saturating_mul(i128::from(span_ms)) / i128::from(quarter.count.max(1))
}

/// What lies between the last reading of a quarter-hour and the first of the next that has some.
fn across(before: &Bucket, after: &Bucket, source: Source) -> i128 {
    let span_ms = after.first_at_ms - before.last_at_ms;
    if source == Source::Counter {
        return rise(before.last, after.first, span_ms);
    }
    if span_ms > BRIDGED_MS {
        return 0;
    }
    let twice = directed(i128::from(before.last), source) + directed(i128::from(after.first), source);
    twice * i128::from(span_ms) / 2
}

fn directed(power: i128, source: Source) -> i128 {
    match source {
        Source::PowerIn => power.max(0),
        Source::PowerOut => (-power).max(0),
        Source::PowerNet | Source::Counter => power,
    }
}

/// What a counter counted between two readings; see the table above.
fn rise(before: i64, after: i64, span_ms: i64) -> i128 {
    let (was, is) = (i128::from(before), i128::from(after));
    let plausible = |gain: i128| {
        let most = MOST_W * i128::from(span_ms.max(QUARTER_MS)) / HOUR_MS;
        if (0..=most).contains(&gain) { gain } else { 0 }
    };
    if is >= was {
        return plausible(is - was);
    }
    if let Some(end) = end_of_counter(before, after) {
        return plausible(i128::from(end) - was + is);
    }
    if was - is <= i128::from((before / 100).max(CORRECTION_WH)) {
        return 0;
    }
    plausible(is)
}

/// Where counters begin again: 16, 31 and 32 bits of 1, 10, 100 or 1,000 Wh, and six digits and more of 1 Wh.
fn end_of_counter(before: i64, after: i64) -> Option<i64> {
    let binary = [1_i64 << 16, 1 << 31, 1 << 32];
    let scaled = [1, 10, 100, 1_000]
        .into_iter()
        .flat_map(|scale| binary.map(|end| end * scale));
    let decimal = (6..=15).map(|digits| 10_i64.pow(digits));
    let is_rolled =
        |end: &i64| before < *end && before >= end - end / 100 && (0..=end / 100).contains(&after);
    scaled.chain(decimal).find(is_rolled)
}

/// To the nearest, halves up.
fn rounded(value: i128, scale: i128) -> i128 {
    (value + scale / 2).div_euclid(scale)
}

fn narrow(value: i128) -> i64 {
    let end = if value < 0 { i64::MIN } else { i64::MAX };
    i64::try_from(value).unwrap_or(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::condense::Condenser;

    const MINUTE: i64 = 60_000;

    /// Readings by minute.
    fn quarters(readings: &[(i64, i64)]) -> Vec<Bucket> {
        let mut condenser = Condenser::new(900);
        readings
            .iter()
            .for_each(|(minute, value)| condenser.reading(minute * MINUTE, *value));
        condenser.finish()
    }

    fn energies(readings: &[(i64, i64)], source: Source, cuts: &[i64]) -> Vec<i64> {
        let cuts: Vec<i64> = cuts.iter().map(|minute| minute * MINUTE).collect();
        between(&quarters(readings), source, &cuts)
            .iter()
            .map(|energy| energy.watt_hours)
            .collect()
    }

    #[test]
    fn a_counter_counts_what_it_rose_whatever_happened_to_it() {
        let two_32 = 1_i64 << 32;
        for (what, readings, expected) in [
            ("nothing", vec![], 0),
            ("one reading", vec![(5, 100)], 0),
            ("within a quarter-hour", vec![(0, 100), (14, 130)], 30),
            ("from one to the next", vec![(0, 100), (20, 130)], 30),
            ("a gap of a day", vec![(0, 100), (1_500, 9_100)], 9_000),
            ("reset", vec![(0, 5_000), (10, 5_050), (20, 30)], 80),
            (
                "reset within a quarter-hour",
                vec![(0, 5_000), (5, 5_050), (6, 0), (10, 30)],
                80,
            ),
            ("reset twice", vec![(0, 5_000), (20, 30), (40, 50), (60, 7)], 57),
            ("rolled over at 2^32", vec![(0, two_32 - 10), (20, 15)], 25),
            (
                "rolled over at 2^32 of 10 Wh",
                vec![(0, two_32 * 10 - 10), (20, 20)],
                30,
            ),
            ("rolled over at a million", vec![(0, 999_990), (20, 15)], 25),
            (
                "rolled over within a quarter-hour",
                vec![(0, 999_980), (3, 999_990), (6, 15)],
                35,
            ),
            ("reset near no end", vec![(0, 900_000), (20, 15)], 15),
            (
                "corrected by a little",
                vec![(0, 100_000), (20, 99_500), (40, 99_600)],
                100,
            ),
            ("trembling", vec![(0, 100), (20, 99), (40, 101)], 2),
            (
                "replaced by one that stood higher",
                vec![(0, 5_000), (20, 5_000_000_000), (40, 5_000_000_010)],
                10,
            ),
            (
                "replaced by one that stood lower",
                vec![(0, 9_000_000_000), (20, 4_000_000_000), (40, 4_000_000_010)],
                10,
            ),
            ("misread as zero", vec![(0, 50_000), (3, 0), (6, 50_010)], 10),
            (
                "misread high",
                vec![(0, 50_000), (3, 99_000_000), (6, 50_010)],
                10,
            ),
            ("below zero", vec![(0, -50), (20, -90), (40, -80)], 10),
            (
                "the ends of the range",
                vec![(0, i64::MAX), (20, i64::MIN), (40, i64::MAX)],
                0,
            ),
        ] {
            assert_eq!(
                energies(&readings, Source::Counter, &[0, 10_000]),
                [expected],
                "{what}"
            );
        }
    }

    #[test]
    fn what_was_counted_in_a_gap_is_spread_over_it() {
        // 1,000 Wh within ten hours; cut after one, five and ten of them, and beyond.
        let readings = [(0, 500), (600, 1_500)];
        assert_eq!(
            energies(&readings, Source::Counter, &[0, 60, 300, 600, 900]),
            [100, 400, 500, 0]
        );
    }

    #[test]
    fn power_is_summed_up_but_not_across_long_gaps() {
        let steady = |minutes: std::ops::Range<i64>, watts: i64| minutes.map(move |minute| (minute, watts));
        let all: Vec<_> = steady(0..61, 6_000).collect();
        let gap: Vec<_> = steady(0..31, 6_000).chain(steady(60..91, 6_000)).collect();
        let out: Vec<_> = steady(0..31, -6_000).chain(steady(31..62, 3_000)).collect();
        for (what, readings, source, expected) in [
            ("an hour", &all, Source::PowerIn, 6_000),
            ("twice half an hour", &gap, Source::PowerIn, 6_000),
            ("the part that went in", &out, Source::PowerIn, 1_530),
            ("the part that went out", &out, Source::PowerOut, 3_030),
            ("nothing went out", &all, Source::PowerOut, 0),
        ] {
            let found = energies(readings, source, &[0, 1_000])[0];
            // Where a power turns within a quarter-hour, only its balance counts.
            assert!((found - expected).abs() <= 150, "{what}: {found}");
        }
        assert_eq!(energies(&all, Source::PowerNet, &[0, 30, 60]), [3_000, 3_000]);
    }

    #[test]
    fn it_is_complete_when_readings_reach_over_it() {
        let every = |range: std::ops::Range<i64>| range.step_by(10).map(|minute| (minute, minute));
        let whole: Vec<_> = every(0..1_500).collect();
        let gap: Vec<_> = every(0..300).chain(every(500..1_500)).collect();
        for (what, readings, cuts, expected) in [
            ("all", &whole, [60, 1_440], true),
            ("from its first reading on", &whole, [0, 1_440], true),
            ("begun long before", &whole, [-120, 1_440], false),
            ("not over yet", &whole, [60, 1_500], false),
            ("with a gap", &gap, [60, 1_440], false),
            ("before the gap", &gap, [60, 280], true),
            ("ends in the gap", &gap, [60, 400], false),
            ("begins in the gap", &gap, [400, 1_440], false),
            ("after the gap", &gap, [500, 1_440], true),
        ] {
            let cuts = cuts.map(|minute| minute * MINUTE);
            let energy = between(&quarters(readings), Source::Counter, &cuts)[0];
            assert_eq!(energy.is_complete, expected, "{what}");
        }
        assert!(!between(&[], Source::Counter, &[0, 1])[0].is_complete);
    }

    fn steps() -> impl Strategy<Value = Vec<(i64, i64)>> {
        prop::collection::vec(
            (1_i64..90, prop_oneof![9 => 0_i64..500, 1 => -20_000_i64..20_000]),
            0..200,
        )
        .prop_map(|steps| {
            let (mut minute, mut value) = (0, 1_000);
            let step = |(pause, rise): (i64, i64)| {
                minute += pause;
                value = (value + rise).max(0);
                (minute, value)
            };
            steps.into_iter().map(step).collect()
        })
    }

    proptest! {
        #[test]
        fn parts_add_up_and_are_never_negative(
            readings in steps(),
            mut cuts in prop::collection::vec(0_i64..10_000, 2..20),
        ) {
            cuts.sort_unstable();
            let ends = [cuts[0], cuts[cuts.len() - 1]];
            for source in [Source::Counter, Source::PowerIn, Source::PowerOut] {
                let parts = energies(&readings, source, &cuts);
                prop_assert!(parts.iter().all(|part| *part >= 0), "{parts:?}");
                prop_assert_eq!(parts.iter().sum::<i64>(), energies(&readings, source, &ends)[0]);
            }
        }

        #[test]
        fn any_values_pass(values in prop::collection::vec(any::<i64>(), 0..20)) {
            let readings: Vec<_> = (0..).step_by(7).zip(values).collect();
            for source in [Source::Counter, Source::PowerIn, Source::PowerOut, Source::PowerNet] {
                let _ = energies(&readings, source, &[0, 33, 1_000]);
            }
        }
    }
}
