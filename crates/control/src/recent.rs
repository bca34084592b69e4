//! The highest and lowest of the last seconds, in few buckets.
//!
//! A bucket forgets as a whole, so a value counts for at least the asked span and for at most one bucket
//! longer.

use model::time::{Millis, Monotonic};
use serde::{Deserialize, Serialize};

const BUCKETS: usize = 13;
const EMPTY: i64 = i64::MIN;

/// The highest of each of four series over the last minute or so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Window {
    buckets: [[i64; 4]; BUCKETS],
    head: usize,
    head_at: Monotonic,
    /// Since when there has been a value without a gap.
    since: Option<Monotonic>,
}

impl Default for Window {
    fn default() -> Self {
        Self {
            buckets: [[EMPTY; 4]; BUCKETS],
            head: 0,
            head_at: Monotonic(0),
            since: None,
        }
    }
}

impl Window {
    /// Adds values that count for `span`.
    pub(crate) fn record(&mut self, values: [i64; 4], now: Monotonic, span: Millis) {
        self.forget(now, span);
        self.note(values);
    }

    /// Adds values and forgets nothing: time stands still for what is kept.
    pub(crate) fn record_holding(&mut self, values: [i64; 4], now: Monotonic) {
        self.since.get_or_insert(now);
        self.head_at = now;
        self.note(values);
    }

    fn forget(&mut self, now: Monotonic, span: Millis) {
        let length = (span.0.clamp(0, 86_400_000) / 12).max(1);
        let turns = if self.since.is_some() {
            (now - self.head_at).0.div_euclid(length)
        } else {
            i64::MAX
        };
        if (0..13).contains(&turns) {
            for _ in 0..turns {
                self.head = (self.head + 1) % BUCKETS;
                self.buckets[self.head] = [EMPTY; 4];
                self.head_at = self.head_at + Millis(length);
            }
        } else {
            *self = Self {
                head_at: now,
                since: Some(now),
                ..Self::default()
            };
        }
    }

    fn note(&mut self, values: [i64; 4]) {
        for (kept, value) in self.buckets[self.head].iter_mut().zip(values) {
            *kept = (*kept).max(value);
        }
    }

    /// The highest values, `None` before the first.
    pub(crate) fn highest(&self) -> Option<[i64; 4]> {
        self.since?;
        let mut highest = [EMPTY; 4];
        for bucket in &self.buckets {
            for (kept, value) in highest.iter_mut().zip(bucket) {
                *kept = (*kept).max(*value);
            }
        }
        Some(highest)
    }

    pub(crate) const fn since(&self) -> Option<Monotonic> {
        self.since
    }
}

/// What an EVSE drew per phase in the last seconds.
///
/// Meter and EVSE are read at different moments: between them lies whatever the car drew just then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Draw {
    /// The highest of the statuses taken in each slice, by number of slice.
    slices: [(i64, [i64; 3]); SLICES],
    low: Option<[Lowest; 3]>,
    latest: [i64; 3],
    /// When the first status was taken after the draw last fell.
    fell_at: Option<Monotonic>,
}

const SLICES: usize = 12;
const SLICE_COUNT: i64 = 12;
const SLICE: i64 = 1_500;

/// The lowest value of the last one to two spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lowest {
    before: i64,
    latest: i64,
    at: Monotonic,
}

impl Lowest {
    pub(crate) const fn new(value: i64, now: Monotonic) -> Self {
        Self {
            before: value,
            latest: value,
            at: now,
        }
    }

    #[must_use]
    pub(crate) fn with(self, value: i64, now: Monotonic, span: Millis) -> Self {
        let elapsed = now - self.at;
        if elapsed.0 >= span.0.saturating_mul(2) {
            Self::new(value, now)
        } else if elapsed >= span {
            Self {
                before: self.latest,
                latest: value,
                at: now,
            }
        } else {
            Self {
                latest: self.latest.min(value),
                ..self
            }
        }
    }

    pub(crate) fn value(self) -> i64 {
        self.before.min(self.latest)
    }
}

impl Draw {
    const LOW_SPAN: Millis = Millis(2_000);

    /// Adds what a status says that was taken at `taken`.
    pub(crate) fn record(&mut self, drawn: [i64; 3], taken: Monotonic, now: Monotonic) {
        if drawn.iter().zip(self.latest).any(|(new, old)| *new < old) {
            self.fell_at = Some(taken);
        }
        self.latest = drawn;
        let number = taken.0.div_euclid(SLICE);
        let place = usize::try_from(number.rem_euclid(SLICE_COUNT)).unwrap_or(0);
        let slice = &mut self.slices[place];
        *slice = if slice.0 == number {
            (number, pairwise(slice.1, drawn, i64::max))
        } else {
            (number, drawn)
        };
        let low = self.low.unwrap_or(drawn.map(|phase| Lowest::new(phase, now)));
        self.low = Some(std::array::from_fn(|phase| {
            low[phase].with(drawn[phase], now, Self::LOW_SPAN)
        }));
    }

    /// The highest of the statuses taken since a moment, as far as the last 18 s reach.
    pub(crate) fn highest_since(&self, moment: Monotonic) -> [i64; 3] {
        let number = moment.0.div_euclid(SLICE);
        let slices = self.slices.iter().filter(|(at, _)| *at >= number);
        slices.fold(self.latest, |highest, (_, drawn)| {
            pairwise(highest, *drawn, i64::max)
        })
    }

    /// When it fell last.
    pub(crate) const fn fell_at(&self) -> Option<Monotonic> {
        self.fell_at
    }

    /// The lowest of the last 2 to 4 s.
    pub(crate) fn lowest(&self) -> [i64; 3] {
        self.low.map_or([0; 3], |low| low.map(Lowest::value))
    }
}

fn pairwise(a: [i64; 3], b: [i64; 3], f: fn(i64, i64) -> i64) -> [i64; 3] {
    [f(a[0], b[0]), f(a[1], b[1]), f(a[2], b[2])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_forgets_after_its_span_and_starts_again_after_a_gap() {
        let span = Millis(60_000);
        let mut window = Window::default();
        assert_eq!(window.highest(), None);
        window.record([9; 4], Monotonic(0), span);
        for second in 1..60 {
            window.record([5; 4], Monotonic(second * 1_000), span);
            assert_eq!(window.highest(), Some([9; 4]), "{second}");
        }
        for second in 60..70 {
            window.record([5; 4], Monotonic(second * 1_000), span);
        }
        assert_eq!(window.highest(), Some([5; 4]));
        for second in 70..170 {
            window.record_holding([3; 4], Monotonic(second * 1_000));
            assert_eq!(window.highest(), Some([5; 4]), "{second}");
        }
        for second in 170..240 {
            window.record([3; 4], Monotonic(second * 1_000), span);
        }
        assert_eq!(window.highest(), Some([3; 4]));
        window.record([1; 4], Monotonic(600_000), span);
        assert_eq!(
            (window.highest(), window.since()),
            (Some([1; 4]), Some(Monotonic(600_000)))
        );
    }

    #[test]
    fn recent_draw_remembers_both_ends_of_a_ramp() {
        let mut draw = Draw::default();
        for second in 0..20 {
            draw.record([second; 3], Monotonic(second * 1_000), Monotonic(second * 1_000));
        }
        assert_eq!(draw.highest_since(Monotonic(12_000)), [19; 3]);
        assert!((15..=17).contains(&draw.lowest()[0]), "{:?}", draw.lowest());
        for second in 20..26 {
            draw.record([3; 3], Monotonic(second * 1_000 - 500), Monotonic(second * 1_000));
        }
        assert_eq!(
            (draw.highest_since(Monotonic(18_500)), draw.lowest()),
            ([19; 3], [3; 3])
        );
        assert_eq!(draw.highest_since(Monotonic(21_000)), [3; 3]);
        assert_eq!(draw.fell_at(), Some(Monotonic(19_500)));
    }
}
