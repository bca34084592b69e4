//! How much a transaction has taken, whatever is there to tell.
//!
//! Three sources, the better ones first: the lifetime counter of EVSE or station, the charger's own counter
//! since plug-in, and a soft meter that integrates current and voltage. What a worse source said while a
//! better one was silent is made good when that one speaks again: a counter fills every gap exactly.
//!
//! | what happens | what is counted |
//! |---|---|
//! | the counter rises | the difference, also across a restart or a silent link |
//! | it falls to near zero from near 10⁸ to 10¹², 2³¹ or 2³² | the difference, once around |
//! | it falls otherwise, or leaps by more than a cable carries | what the soft meter saw meanwhile; then from the new value on |
//! | the charger's session counter falls | the same |
//!
//! Energy is never negative and never taken back.

use crate::money::{Currency, PerKwh};
use crate::phases::PerPhase;
use crate::session::{Ahead, Mix, Price, Sample};
use crate::time::{Millis, Monotonic};
use crate::units::{MilliAmps, WattHours, Watts};

/// A source that has been silent for longer is replaced by the next one; no current is assumed to have
/// flowed for longer without word of it.
pub const PATIENCE: Millis = Millis(60_000);
/// Less current is what a charger itself and its measuring take.
pub const CARRYING: MilliAmps = MilliAmps(500);
/// No EVSE gives more than this to a car.
const MOST: Watts = Watts(400_000);
/// The most that is believed after a restart, when nobody knows how long we were away.
const MOST_AT_ONCE: i64 = 400_000;
/// What a counter may be short of its end when it rolls over.
const NEAR: i64 = 50_000;
const NANOJOULES_PER_WH: i128 = 3_600_000_000_000;
const PARTS_PER_WH: i128 = 1_000_000;

/// A counter, and how much of it has been counted already.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Source {
    value: Option<i64>,
    /// Where counting began.
    base: i64,
    /// Counted since then, by this source or a worse one.
    counted: i64,
    /// When it was last read; `None`: not since the start.
    at: Option<Monotonic>,
}

/// What one reading did to a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Took {
    Fine,
    /// It begins anew; what it would have said is lost.
    Broke,
}

/// Energy that was added to a transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Portion {
    pub energy: WattHours,
    pub estimated: bool,
    pub per_phase: PerPhase<WattHours>,
    pub one_phase: WattHours,
    pub three_phase: WattHours,
    pub sun: WattHours,
    pub battery: WattHours,
    pub grid: WattHours,
    pub charging: Millis,
    pub peak: Watts,
}

/// The meter of one EVSE.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Meter {
    counter: Source,
    charger: Source,
    /// Integrated and not counted yet.
    soft: i128,
    has_current: bool,
    /// Energy that is estimated because a counter broke.
    owed: i64,
    last: Option<(Monotonic, Sample)>,
    phases: Shares<3>,
    widths: Shares<2>,
    origin: Shares<3>,
    charging: Millis,
    peak: Watts,
    /// Thousandths of a millionth that prices have left over, and of which currency.
    cost_rest: Option<(Currency, i128)>,
}

impl Source {
    fn known(value: Option<WattHours>, ahead: WattHours) -> Self {
        let value = value.map(|value| value.0);
        Self {
            value,
            base: value.unwrap_or(0),
            counted: ahead.0.max(0),
            ..Self::default()
        }
    }

    fn begin_at(&mut self, base: i64) {
        self.base = base;
        self.counted = 0;
    }

    fn due(&self) -> i64 {
        self.value.map_or(0, |value| {
            value.saturating_sub(self.base).saturating_sub(self.counted)
        })
    }

    fn is_fresh(&self, now: Monotonic) -> bool {
        self.value.is_some() && self.at.is_some_and(|at| now - at <= PATIENCE)
    }

    fn take(&mut self, value: i64, now: Monotonic) -> Took {
        let most = self.at.map_or(MOST_AT_ONCE, |at| {
            let hours = i128::from((now - at).0.max(0));
            let most = i128::from(MOST.0) * hours / 3_600_000 + 1_000;
            i64::try_from(most).unwrap_or(i64::MAX)
        });
        self.at = Some(now);
        let Some(before) = self.value.replace(value) else {
            self.begin_at(value);
            return Took::Fine;
        };
        if value >= before {
            if value.saturating_sub(before) <= most {
                return Took::Fine;
            }
        } else if let Some(end) = end_of(before).filter(|end| value + (end - before) <= most.min(NEAR)) {
            self.base -= end;
            return Took::Fine;
        }
        self.begin_at(value);
        Took::Broke
    }
}

/// Where a counter that reads `value` begins again at zero, if that is near.
fn end_of(value: i64) -> Option<i64> {
    let tens = (8..=12).map(|digits| 10_i64.pow(digits));
    tens.chain([1 << 31, 1 << 32])
        .find(|end| value < *end && end - value <= NEAR)
}

impl Meter {
    /// A meter that was read by an earlier process.
    pub fn restored(counter: Option<WattHours>, charger: Option<WattHours>, ahead: Ahead) -> Self {
        Self {
            counter: Source::known(counter, ahead.counter),
            charger: Source::known(charger, ahead.charger),
            ..Self::default()
        }
    }

    pub fn counter(&self) -> Option<WattHours> {
        self.counter.value.map(WattHours)
    }

    pub fn charger(&self) -> Option<WattHours> {
        self.charger.value.map(WattHours)
    }

    /// Counts from here on; `already` was taken before anybody looked.
    pub fn begin(&mut self, already: WattHours) {
        let counter = self.counter.value.unwrap_or(0);
        self.counter.begin_at((counter - already.0).max(0).min(counter));
        let charger = self.charger.value.unwrap_or(0);
        self.charger.begin_at((charger - already.0).max(0).min(charger));
        self.forget();
        self.cost_rest = None;
    }

    /// What energy cost when it was last measured.
    pub fn price(&self) -> Option<&Price> {
        self.last.as_ref().and_then(|(_, sample)| sample.price.as_ref())
    }

    /// What was counted beyond what the counters said.
    pub fn ahead(&self) -> Ahead {
        let ahead = |source: &Source| WattHours(source.due().saturating_neg().max(0));
        Ahead {
            counter: ahead(&self.counter),
            charger: ahead(&self.charger),
        }
    }

    /// Where the counter stood when counting began.
    pub fn base(&self) -> Option<WattHours> {
        self.counter.value.map(|_| WattHours(self.counter.base))
    }

    /// What the counter says was taken since it was last counted.
    pub fn counter_due(&self, now: Monotonic) -> Option<i64> {
        self.counter.is_fresh(now).then(|| self.counter.due().max(0))
    }

    /// Leaves so much of what the counters say to somebody else.
    pub fn leave(&mut self, energy: i64) {
        self.counter.counted += energy;
        self.charger.begin_at(self.charger.value.unwrap_or(0));
    }

    /// Takes the charger's own counter since plug-in.
    pub fn take_charger(&mut self, value: WattHours, now: Monotonic) {
        if self.charger.take(value.0, now) == Took::Broke && !self.counter.is_fresh(now) {
            self.owe();
        }
    }

    /// Takes what was measured: current flows until the next measurement.
    pub fn take(&mut self, sample: Sample, now: Monotonic) {
        self.integrate(now);
        // Nothing counts below zero; such a value is none.
        if let Some(counter) = sample.counter.filter(|counter| counter.0 >= 0)
            && self.counter.take(counter.0, now) == Took::Broke
        {
            self.owe();
        }
        if let Some(current) = sample.current {
            self.has_current = true;
            let power = sample.power.unwrap_or_else(|| {
                current
                    .into_array()
                    .iter()
                    .map(|phase| phase.at_least_zero().power(sample.voltage, 1))
                    .sum()
            });
            self.peak = self.peak.max(power);
        }
        self.last = Some((now, sample));
    }

    fn owe(&mut self) {
        self.owed = self.owed.saturating_add(self.soft_wh());
        self.soft = 0;
    }

    fn soft_wh(&self) -> i64 {
        i64::try_from(self.soft / NANOJOULES_PER_WH).unwrap_or(i64::MAX)
    }

    fn integrate(&mut self, now: Monotonic) {
        let Some((at, sample)) = &self.last else { return };
        let Some(current) = sample.current else { return };
        let span = (now - *at).0.clamp(0, PATIENCE.0);
        let flowed = current.map(|current| {
            i128::from(current.0.clamp(0, 1_000_000))
                * i128::from(sample.voltage.0.clamp(0, 1_000_000))
                * i128::from(span)
        });
        let sum: i128 = flowed.into_array().iter().sum();
        self.soft += sum;
        self.phases.add(flowed.into_array());
        let carrying = current
            .into_array()
            .into_iter()
            .filter(|c| *c >= CARRYING)
            .count();
        self.widths.add(if carrying > 1 { [0, sum] } else { [sum, 0] });
        self.origin.add(sample.mix.of(sum));
        if carrying > 0 {
            self.charging = self.charging + Millis(span);
        }
    }

    /// What is to be added to the transaction. `wired` says where it goes when no current was ever measured.
    pub fn collect(&mut self, wired: PerPhase<bool>, now: Monotonic) -> Portion {
        let owed = std::mem::take(&mut self.owed);
        let (measured, from_soft) = if self.counter.is_fresh(now) {
            (self.counter.due().max(0), 0)
        } else if self.charger.is_fresh(now) {
            (self.charger.due().max(0), 0)
        } else if self.has_current {
            (0, self.soft_wh())
        } else {
            (0, 0)
        };
        let energy = measured.saturating_add(owed).saturating_add(from_soft);
        let mut portion = Portion {
            charging: std::mem::take(&mut self.charging),
            peak: std::mem::take(&mut self.peak),
            ..Portion::default()
        };
        if energy == 0 {
            return portion;
        }
        self.settle(measured, energy, now);
        let count = wired.into_array().map(i128::from);
        let wide = if count.iter().sum::<i128>() > 1 {
            [0, 1]
        } else {
            [1, 0]
        };
        portion.energy = WattHours(energy);
        portion.estimated = owed > 0 || from_soft > 0;
        portion.per_phase = PerPhase::from_array(self.phases.split(energy, count).map(WattHours));
        [portion.one_phase, portion.three_phase] = self.widths.split(energy, wide).map(WattHours);
        [portion.sun, portion.battery, portion.grid] = self.origin.split(energy, [0, 0, 1]).map(WattHours);
        portion
    }

    /// Every source knows what has been counted now.
    fn settle(&mut self, measured: i64, energy: i64, now: Monotonic) {
        let (counter_speaks, charger_speaks) = (self.counter.is_fresh(now), self.charger.is_fresh(now));
        self.counter.counted += if counter_speaks { measured } else { energy };
        if counter_speaks {
            self.charger.begin_at(self.charger.value.unwrap_or(0));
        } else {
            self.charger.counted += if charger_speaks { measured } else { energy };
        }
        if measured > 0 {
            self.soft = 0;
        } else if !counter_speaks && !charger_speaks {
            self.soft %= NANOJOULES_PER_WH;
        }
    }

    /// What so much energy costs; fractions of a millionth are kept for the next time.
    pub fn cost(&mut self, price: &Price, energy: WattHours) -> i64 {
        let PerKwh(per_kwh) = price.per_kwh;
        let rest = self.cost_rest.filter(|(currency, _)| *currency == price.currency);
        let exact = i128::from(per_kwh) * i128::from(energy.0) + rest.map_or(0, |(_, rest)| rest);
        let whole = exact.div_euclid(1_000);
        self.cost_rest = Some((price.currency, exact.rem_euclid(1_000)));
        i64::try_from(whole).unwrap_or(if whole < 0 { i64::MIN } else { i64::MAX })
    }

    /// Nothing of what was seen so far counts for anybody.
    pub fn forget(&mut self) {
        self.soft = 0;
        self.owed = 0;
        self.phases = Shares::default();
        self.widths = Shares::default();
        self.origin = Shares::default();
        self.charging = Millis::ZERO;
        self.peak = Watts::ZERO;
    }
}

impl Mix {
    fn of(self, sum: i128) -> [i128; 3] {
        let sun = sum * i128::from(self.sun.0.clamp(0, 1_000)) / 1_000;
        let battery = sum * i128::from(self.battery.0.clamp(0, 1_000)) / 1_000;
        [sun, battery.min(sum - sun), (sum - sun - battery).max(0)]
    }
}

/// Splits whole watt-hours in the proportion of weights, so that the parts add up and rounding evens out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shares<const N: usize> {
    weights: [i128; N],
    /// The proportion of last time, for energy without any weights.
    before: [i128; N],
    /// What each part is owed, in millionths.
    carry: [i128; N],
}

impl<const N: usize> Default for Shares<N> {
    fn default() -> Self {
        Self {
            weights: [0; N],
            before: [0; N],
            carry: [0; N],
        }
    }
}

impl<const N: usize> Shares<N> {
    pub fn add(&mut self, weights: [i128; N]) {
        for (sum, weight) in self.weights.iter_mut().zip(weights) {
            *sum += weight.max(0);
        }
    }

    pub fn split(&mut self, total: i64, otherwise: [i128; N]) -> [i64; N] {
        let weights = [self.weights, self.before, otherwise]
            .into_iter()
            .find(|weights| weights.iter().sum::<i128>() > 0)
            .unwrap_or_else(|| {
                let mut first = [0; N];
                first[0] = 1;
                first
            });
        self.before = weights;
        self.weights = [0; N];
        let sum: i128 = weights.iter().sum();
        let mut parts = [0_i64; N];
        for index in 0..N {
            self.carry[index] += i128::from(total) * PARTS_PER_WH * weights[index] / sum;
            let whole = self.carry[index].div_euclid(PARTS_PER_WH).max(0);
            parts[index] = i64::try_from(whole).unwrap_or(total).min(total);
            self.carry[index] -= i128::from(parts[index]) * PARTS_PER_WH;
        }
        let mut over = parts.iter().sum::<i64>() - total;
        while over != 0 {
            let step = over.signum();
            let candidates = (0..N).filter(|index| step < 0 || parts[*index] > 0);
            let chosen = if step < 0 {
                candidates.max_by_key(|index| (self.carry[*index], N - index))
            } else {
                candidates.min_by_key(|index| (self.carry[*index], N - index))
            };
            let Some(chosen) = chosen else { break };
            parts[chosen] -= step;
            self.carry[chosen] += i128::from(step) * PARTS_PER_WH;
            over -= step;
        }
        parts
    }
}
