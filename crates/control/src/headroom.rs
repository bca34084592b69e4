//! Room for EVSEs in every row: limit, minus reserve, minus what is not ours to control.
//!
//! The load that is not ours is the meter's current minus what our EVSEs draw below it. Both are read at
//! different moments, so while a car moves the difference is wrong by as much as the car moved. Two answers
//! are computed, and each is used where it errs to the safe side without making the site oscillate:
//!
//! - The **lower** one takes from the meter the highest draw that a car may have had when the meter was
//!   read: its draw of the last seconds, or what it was told if it has just been told more; but never more
//!   than it is counted with once a status younger than the meter's reading shows that it came down. Its
//!   highest value of the last minute decides what is given. As every EVSE is counted at least with what is
//!   taken from the meter, a meter above its limit always forces a decrease in the same cycle.
//! - The **upper** one takes only the lowest draw of the last seconds away. It must be satisfied on top
//!   before anything rises.
//!
//! A circuit without a meter carries what is measured below it and nothing else.

use model::time::{Millis, Monotonic};
use model::units::MilliVolts;

use crate::failsafe::{self, Trust, Watch};
use crate::lane::{Lane, SunShare};
use crate::memory::Memory;
use crate::sane;
use crate::snapshot::Snapshot;
use crate::surplus;
use crate::tree::{PER_CIRCUIT, POWER, Tree};

/// How old the balance of the site may be taken to be.
const SUN_LAG: Millis = Millis(2_000);

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
    /// Base loads of the circuits below each circuit, for those that have no meter themselves.
    below: Vec<Base>,
}

/// The two answers, by phase and in sum.
#[derive(Clone, Copy, Debug, Default)]
struct Base {
    give: [i64; 4],
    rise: [i64; 4],
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
        let reserve = sane(circuit.reserve).max(0);
        for (offset, limit) in circuit.limit.into_array().into_iter().enumerate() {
            out.limit[row + offset] = sane(limit) - reserve;
        }
        let power = circuit
            .power_limit
            .map_or(0, |power| surplus::to_current(power.0, voltage));
        out.limit[row + POWER] = power - 3 * reserve;
        let mut base = match &circuit.meter {
            None => out.below[index],
            Some(meter) => {
                let is_usable = matches!(watch[index].own, Trust::Normal | Trust::New);
                let reading = meter
                    .current
                    .filter(|_| is_usable)
                    .map(|current| current.into_array().map(sane));
                let read_at = now - failsafe::age(meter, memory.started, now);
                let seen = reading.map(|reading| see(reading, read_at, tree.below(index), lanes));
                let window = &mut memory.circuits[index].base;
                if let Some(seen) = seen {
                    if seen.is_guessed {
                        window.record_holding(seen.lower, now);
                    } else {
                        window.record(seen.lower, now, snapshot.settings.rise_window);
                    }
                }
                let highest = window.highest().unwrap_or([0; 4]);
                judge(
                    highest,
                    seen,
                    &out.limit[row..row + PER_CIRCUIT],
                    circuit.power_limit.is_some(),
                )
            }
        };
        let credit = sane(circuit.credit).max(0);
        for offset in 0..PER_CIRCUIT {
            let floor = if offset == POWER { -3 * credit } else { -credit };
            base.give[offset] = base.give[offset].max(floor);
            base.rise[offset] = base.rise[offset].max(floor);
            out.base[row + offset] = base.give[offset];
            out.give[row + offset] = out.limit[row + offset] - base.give[offset];
            out.rise[row + offset] = out.limit[row + offset] - base.rise[offset];
        }
        if let Some(parent) = tree.parent(index) {
            let sum = &mut out.below[parent];
            for offset in 0..PER_CIRCUIT {
                sum.give[offset] += base.give[offset];
                sum.rise[offset] += base.rise[offset];
            }
        }
    }
    sun(snapshot, tree, lanes, memory, now, voltage, out);
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

fn see(reading: [i64; 3], read_at: Monotonic, members: &[usize], lanes: &[Lane]) -> Sight {
    let (mut lower, mut by_status, mut upper) = (reading, reading, reading);
    let mut is_guessed = false;
    for member in members {
        let lane = &lanes[*member];
        is_guessed |= lane.drawn.is_guessed && lane.drawn.latest != [0; 3];
        for phase in 0..3 {
            lower[phase] -= lane.drawn.at_most(phase, read_at, lane.counted);
            by_status[phase] -= lane.drawn.by_status(phase, read_at);
            upper[phase] -= lane.drawn.low[phase];
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

/// The base to reckon with, from the highest of the last minute and what is seen now.
fn judge(highest: [i64; 4], seen: Option<Sight>, limit: &[i64], has_power_limit: bool) -> Base {
    let Some(seen) = seen else {
        return Base {
            give: highest,
            rise: highest,
        };
    };
    let mut base = Base::default();
    for offset in 0..PER_CIRCUIT {
        let is_limited = offset != POWER || has_power_limit;
        // Above the limit there is no time to wonder whether a car is still on its way up.
        let is_over = is_limited && seen.reading[offset] > limit[offset];
        let now = if is_over { seen.by_status[offset] } else { i64::MIN };
        base.give[offset] = highest[offset].max(now);
        base.rise[offset] = highest[offset].max(seen.upper[offset]);
    }
    base
}

/// The row of the sun: what solar cars draw, and what is left over on top.
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
    let row = tree.sun_row();
    let Some(spare) = surplus::spare(&snapshot.sun, memory.has_battery, voltage) else {
        return;
    };
    let read_at = now - SUN_LAG;
    let (mut high, mut low) = (0, 0);
    for lane in lanes {
        if lane.sun == SunShare::None {
            continue;
        }
        let most: i64 = (0..3)
            .map(|phase| lane.drawn.at_most(phase, read_at, lane.counted))
            .sum();
        let least: i64 = lane.drawn.low.iter().sum();
        let minimum = match lane.sun {
            SunShare::AboveMinimum => lane.min * lane.feet.count(),
            SunShare::Whole | SunShare::None => 0,
        };
        high += (most - minimum).max(0);
        low += (least - minimum).max(0);
    }
    out.limit[row] = high + spare;
    out.give[row] = high + spare;
    out.rise[row] = low + spare;
}
