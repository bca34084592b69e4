//! Room for EVSEs in every row: limit, minus reserve, minus what is not ours to control.
//!
//! The load that is not ours is the meter's current minus what our EVSEs draw below it. Both are read at
//! different moments, so while a car moves the difference is wrong by as much as the car moved. Three
//! answers are computed, and each is used where it errs to the safe side without making the site oscillate:
//!
//! - The **lower** one takes from the meter the highest draw that a car may have had when the meter was
//!   read: that of its statuses around that moment, or what it was told if it has just been told more. What
//!   it was for some seconds counts, and its highest of the last minute decides what is given.
//! - The one **by status** takes the same without what cars may have risen to. It counts on top, at once,
//!   when the meter itself is above the limit: then every decrease leaves in the same cycle, and what it
//!   takes too much comes back seconds later, because the minute does not remember it.
//! - The **upper** one takes only the lowest draw of the last seconds away. It must be satisfied on top
//!   before anything rises.
//!
//! A circuit without a meter carries what is measured below it and nothing else.

use model::time::{Millis, Monotonic};
use model::units::{MilliAmps, MilliVolts};

use crate::envelope;
use crate::failsafe::{self, Trust, Watch};
use crate::lane::{Lane, SunShare};
use crate::memory::{CircuitMemory, EvseMemory, Memory};
use crate::overload;
use crate::recent::Lowest;
use crate::sane;
use crate::snapshot::{Circuit, CircuitMeter, Snapshot};
use crate::surplus;
use crate::tree::{PER_CIRCUIT, POWER, Tree};

/// A load counts after it has lasted for this long or twice, and at once when the meter is above its limit.
const LASTING: Millis = Millis(2_000);
/// What has been seen within this time, or twice, forbids increases even if it has not lasted.
const PEAK: Millis = Millis(4_000);
/// Draws are remembered for longer than this.
const LATE: Millis = Millis(10_000);
/// How old the balance of the site may be taken to be.
const SUN_LAG: Millis = Millis(2_000);

/// Import that does not lower solar cars yet, in W: readings are rounded, and steps are not.
const SUN_MARGIN: i64 = 50;

/// One value per row.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rows {
    /// What the allocation may give.
    pub give: Vec<i64>,
    /// What may be in use, in transit included, when something rises.
    pub rise: Vec<i64>,
    /// Load that is not ours to control, as far as it counts.
    pub base: Vec<i64>,
    /// Limit minus reserve.
    pub limit: Vec<i64>,
    /// What the battery gives only to those that charge already.
    pub aside: i64,
    /// Base loads of the circuits below each circuit, for those that have no meter themselves.
    below: Vec<Base>,
}

/// Load that is not ours, by phase and in sum.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    give: [i64; 4],
    rise: [i64; 4],
    /// By status, at this moment.
    now: [i64; 4],
}

impl Rows {
    fn reset(&mut self, count: usize) {
        for column in [&mut self.give, &mut self.rise, &mut self.base, &mut self.limit] {
            column.clear();
            column.resize(count, 0);
        }
        self.below.clear();
        self.below.resize(count / PER_CIRCUIT, Base::default());
    }
}

pub(crate) fn rows(
    snapshot: &Snapshot,
    tree: &Tree,
    watch: &[Watch],
    lanes: &[Lane],
    memory: &mut Memory,
    now: Monotonic,
    out: &mut Rows,
) {
    out.reset(tree.row_count());
    let voltage = surplus::voltage(snapshot.voltage);
    // Children first.
    for (index, circuit) in snapshot.circuits.iter().enumerate().rev() {
        let row = index * PER_CIRCUIT;
        out.limit[row..row + PER_CIRCUIT].copy_from_slice(&limits(circuit, voltage));
        let has_power_limit = has_sum_limit(circuit);
        let mut base = match &circuit.meter {
            None => {
                let limit = &out.limit[row..row + PER_CIRCUIT];
                unmetered(out.below[index], tree.below(index), lanes, limit, has_power_limit)
            }
            Some(meter) => {
                let is_usable = matches!(watch[index].own, Trust::Normal | Trust::New);
                let age = failsafe::age(meter, memory.started, now);
                // A reading that comes late still says what must go down.
                let reading = meter
                    .current
                    .filter(|_| is_usable || watch[index].own == Trust::Hold && age <= LATE)
                    .map(|current| current.into_array().map(sane));
                let read_at = now - age;
                let seen =
                    reading.map(|reading| see(reading, read_at, tree.below(index), lanes, &memory.evses));
                let circuit_memory = &mut memory.circuits[index];
                if let Some(reading) = reading {
                    overload::note(circuit_memory, circuit, reading, voltage, read_at);
                }
                let learned = is_doubtful(meter, watch[index].own, age);
                let learned = snapshot
                    .hour_of_week
                    .filter(|_| learned)
                    .and_then(|hour| circuit_memory.learned.load(hour));
                if let Some(seen) = seen.filter(|_| is_usable) {
                    if let Some(hour) = snapshot.hour_of_week.filter(|_| !seen.is_guessed) {
                        let [l1, l2, l3, _] = seen.lower;
                        circuit_memory.learned.learn(hour, [l1, l2, l3], now);
                    }
                    remember(circuit_memory, &seen, snapshot.settings.rise_window, now);
                }
                judge(
                    circuit_memory,
                    seen,
                    learned,
                    &out.limit[row..row + PER_CIRCUIT],
                    has_power_limit,
                )
            }
        };
        let credit = sane(circuit.credit).max(0);
        for offset in 0..PER_CIRCUIT {
            let floor = if offset == POWER { -3 * credit } else { -credit };
            base.give[offset] = base.give[offset].max(floor);
            base.rise[offset] = base.rise[offset].max(floor);
            base.now[offset] = base.now[offset].max(floor);
            out.base[row + offset] = base.give[offset];
            out.give[row + offset] = out.limit[row + offset] - base.give[offset];
            out.rise[row + offset] = out.limit[row + offset] - base.rise[offset];
        }
        if let Some(parent) = tree.parent(index) {
            let sum = &mut out.below[parent];
            for offset in 0..PER_CIRCUIT {
                sum.give[offset] += base.give[offset];
                sum.rise[offset] += base.rise[offset];
                sum.now[offset] += base.now[offset];
            }
        }
    }
    balances(snapshot, tree, lanes, out);
    sun(snapshot, tree, lanes, memory, now, voltage, out);
    envelope::rows(snapshot, tree, lanes, memory, now - SUN_LAG, voltage, out);
}

/// What a circuit may carry per phase and in sum: its limits, as far as they may be used, minus the reserve.
pub(crate) fn limits(circuit: &Circuit, voltage: MilliVolts) -> [i64; 4] {
    let reserve = sane(circuit.reserve).max(0);
    let [l1, l2, l3] = circuit.limit.into_array().map(|limit| {
        let part = part(circuit, sane(limit));
        let rule = circuit.rule.as_ref().map(|rule| sane(rule.value));
        rule.map_or(part, |rule| part.min(rule)) - reserve
    });
    let power = circuit
        .power_limit
        .map(|power| surplus::to_current(power.0, voltage));
    let total = circuit.total_limit.map(sane);
    let sum = power.into_iter().chain(total).min().unwrap_or(0);
    [l1, l2, l3, part(circuit, sum) - 3 * reserve]
}

/// How much of a limit of a circuit may be used.
pub(crate) fn part(circuit: &Circuit, limit: i64) -> i64 {
    (limit * circuit.share.0.clamp(0, 1_000)).div_euclid(1_000)
}

pub(crate) fn has_sum_limit(circuit: &Circuit) -> bool {
    circuit.power_limit.is_some() || circuit.total_limit.is_some()
}

/// Rows of balance. What the least loaded phase carries for certain comes on top of what phases may lie
/// apart before anything rises; what the allocation may give is found in rounds.
fn balances(snapshot: &Snapshot, tree: &Tree, lanes: &[Lane], out: &mut Rows) {
    for (circuit, node) in tree.balances() {
        let Some(skew) = snapshot.circuits[circuit].skew_limit else {
            continue;
        };
        let mut certain = [0; 3];
        for member in tree.below(node) {
            let lane = &lanes[*member];
            for phase in (0..3).filter(|phase| tree.counts(node * PER_CIRCUIT + phase, lane.feet)) {
                certain[phase] += lane.drawn.low[phase];
            }
        }
        let least = certain.into_iter().min().unwrap_or(0);
        let skew = sane(skew).max(0);
        for row in node * PER_CIRCUIT..node * PER_CIRCUIT + 3 {
            out.limit[row] = skew;
            out.give[row] = skew;
            out.rise[row] = skew + least;
        }
    }
}

/// What a reading says of the load that is not ours, by phase and in sum.
#[derive(Clone, Copy, Debug)]
struct Sight {
    reading: [i64; 4],
    lower: [i64; 4],
    /// With draws as the statuses say, which lag while a car rises.
    by_status: [i64; 4],
    upper: [i64; 4],
    /// A draw was taken away of which nobody knows whether it is still there. Until it is known, the load
    /// of before stays in force.
    is_guessed: bool,
}

fn see(
    reading: [i64; 3],
    read_at: Monotonic,
    members: &[usize],
    lanes: &[Lane],
    memories: &[EvseMemory],
) -> Sight {
    let (mut lower, mut by_status, mut upper) = (reading, reading, reading);
    let mut is_guessed = false;
    for member in members {
        let lane = &lanes[*member];
        let drawn = &lane.drawn;
        is_guessed |= drawn.is_guessed && drawn.latest != [0; 3];
        let status = drawn.by_status(&memories[*member].draw, read_at);
        let most = drawn.at_most(status, read_at, lane.counted);
        for phase in 0..3 {
            lower[phase] -= most[phase];
            by_status[phase] -= status[phase];
            upper[phase] -= drawn.low[phase];
        }
    }
    let with_sum = |[l1, l2, l3]: [i64; 3]| [l1, l2, l3, l1 + l2 + l3];
    Sight {
        reading: with_sum(reading),
        lower: with_sum(lower),
        by_status: with_sum(by_status),
        upper: with_sum(upper),
        is_guessed,
    }
}

/// From when the silence of a meter is reported until it is given up on, its last minute is not enough.
fn is_doubtful(meter: &CircuitMeter, trust: Trust, age: Millis) -> bool {
    trust == Trust::Hold && failsafe::is_reported(meter, age)
}

/// Keeps the lower answer, once it has lasted: a car that begins to draw what it was offered long ago looks
/// like a load until its status says so.
fn remember(memory: &mut CircuitMemory, seen: &Sight, span: Millis, now: Monotonic) {
    let lasting = memory
        .lasting
        .unwrap_or(seen.lower.map(|value| Lowest::new(value, now)));
    let lasting = std::array::from_fn(|row| lasting[row].with(seen.lower[row], now, LASTING));
    memory.lasting = Some(lasting);
    let peak = memory
        .peak
        .unwrap_or(seen.lower.map(|value| Lowest::new(-value, now)));
    memory.peak = Some(std::array::from_fn(|row| {
        peak[row].with(-seen.lower[row], now, PEAK)
    }));
    let values = lasting.map(Lowest::value);
    if seen.is_guessed {
        memory.base.record_holding(values, now);
    } else {
        memory.base.record(values, now, span);
    }
}

/// The base to reckon with, from the highest of the last minute and what is seen now.
fn judge(
    memory: &CircuitMemory,
    seen: Option<Sight>,
    learned: Option<[i64; 4]>,
    limit: &[i64],
    has_power_limit: bool,
) -> Base {
    let highest = memory.base.highest().unwrap_or([0; 4]);
    let peak = memory
        .peak
        .map_or(highest, |peak| peak.map(|negated| -negated.value()));
    let mut base = Base::default();
    for offset in 0..PER_CIRCUIT {
        let is_limited = offset != POWER || has_power_limit;
        // Above the limit there is no time to wonder whether a car is still on its way up.
        let is_over = |seen: &Sight| is_limited && seen.reading[offset] > limit[offset];
        let now = seen
            .filter(is_over)
            .map_or(i64::MIN, |seen| seen.by_status[offset]);
        let upper = seen.map_or(i64::MIN, |seen| seen.upper[offset]);
        base.now[offset] = seen.map_or(highest[offset], |seen| seen.by_status[offset]);
        let learned = learned.map_or(i64::MIN, |learned| learned[offset]);
        base.give[offset] = highest[offset].max(now).max(learned);
        base.rise[offset] = base.give[offset].max(peak[offset]).max(upper);
    }
    base
}

/// A circuit without a meter: what is measured below it. Above its limit, by that and what its EVSEs say
/// they draw, there is no waiting either.
fn unmetered(
    mut base: Base,
    members: &[usize],
    lanes: &[Lane],
    limit: &[i64],
    has_power_limit: bool,
) -> Base {
    if base.now == [0; 4] {
        return base;
    }
    let mut drawn = [0; 4];
    for member in members {
        for (phase, current) in lanes[*member].drawn.latest.into_iter().enumerate() {
            drawn[phase] += current;
            drawn[POWER] += current;
        }
    }
    for offset in 0..PER_CIRCUIT {
        let is_limited = offset != POWER || has_power_limit;
        if is_limited && base.now[offset] + drawn[offset] > limit[offset] {
            base.give[offset] = base.give[offset].max(base.now[offset]);
            base.rise[offset] = base.rise[offset].max(base.now[offset]);
        }
    }
    base
}

/// The row of the sun: what solar cars draw, and what is left over on top.
///
/// More than they were told before is given only if it is there by the lower draw too, and after what
/// others are about to take: a promise that cannot be kept yet would only move them to and fro.
fn sun(
    snapshot: &Snapshot,
    tree: &Tree,
    lanes: &[Lane],
    memory: &mut Memory,
    now: Monotonic,
    voltage: MilliVolts,
    out: &mut Rows,
) {
    memory.has_battery |= snapshot.sun.battery.is_some();
    out.aside = 0;
    let evses: i64 = lanes.iter().flat_map(|lane| lane.drawn.latest).sum();
    let evses = MilliAmps(evses).power(voltage, 1).0;
    let Some(spare) = surplus::spare(&snapshot.sun, evses, memory.has_battery, voltage) else {
        return;
    };
    out.aside = spare.aside;
    for (row, spare) in [(tree.sun_row(), spare.all), (tree.late_sun_row(), spare.late)] {
        sun_row(tree, lanes, memory, now - SUN_LAG, (row, spare), voltage, out);
    }
}

fn sun_row(
    tree: &Tree,
    lanes: &[Lane],
    memory: &Memory,
    read_at: Monotonic,
    (row, spare): (usize, i64),
    voltage: MilliVolts,
    out: &mut Rows,
) {
    let (mut high, mut low, mut before, mut coming) = (0, 0, 0, 0);
    for (lane, evse) in lanes.iter().zip(&memory.evses) {
        let sum = |value: &dyn Fn(usize) -> i64| (0..3).map(value).sum::<i64>();
        let is_member = lane.sun_rows(tree).any(|own| own == row);
        let minimum = match lane.sun {
            SunShare::AboveMinimum if is_member => lane.min * lane.feet.count(),
            SunShare::Whole if is_member => 0,
            SunShare::None | SunShare::AboveMinimum | SunShare::Whole => {
                let drawn = &lane.drawn;
                coming += sum(&|phase| (drawn.risen[phase] - drawn.latest[phase]).max(0));
                continue;
            }
        };
        let most: i64 = lane.most(&evse.draw, read_at).iter().sum();
        high += (most - minimum).max(0);
        low += (sum(&|phase| lane.drawn.low[phase]) - minimum).max(0);
        before += lane.of_sun(lane.before);
    }
    out.rise[row] = low + spare - coming;
    let margin = surplus::to_current(SUN_MARGIN, voltage);
    out.give[row] = (high + spare + margin).min(out.rise[row].max(before));
    out.limit[row] = out.give[row];
}
