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

use model::time::{Millis, Monotonic};
use model::units::MilliVolts;

use crate::failsafe::{self, Trust, Watch};
use crate::lane::{Lane, SunShare};
use crate::memory::Memory;
use crate::sane;
use crate::snapshot::Snapshot;
use crate::surplus;
use crate::tree::{PER_CIRCUIT, POWER, Tree};

/// What a meter may lag behind the EVSE's own measurement.
const METER_LAG: Millis = Millis(1_000);
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
}

impl Rows {
    fn reset(&mut self, count: usize) {
        for column in [&mut self.give, &mut self.rise, &mut self.base, &mut self.limit] {
            column.clear();
            column.resize(count, 0);
        }
    }
}

/// The draw to take from a meter that was read at `meter_at`.
fn at_most_drawn(lane: &Lane, phase: usize, meter_at: Monotonic) -> i64 {
    let is_past = lane.settled_at + METER_LAG < meter_at || lane.settled_at == Monotonic(i64::MIN);
    if is_past {
        lane.high[phase].min(lane.counted)
    } else {
        lane.high[phase]
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
    for (index, circuit) in snapshot.circuits.iter().enumerate() {
        let row = index * PER_CIRCUIT;
        let reserve = sane(circuit.reserve).max(0);
        for (offset, limit) in circuit.limit.into_array().into_iter().enumerate() {
            out.limit[row + offset] = sane(limit) - reserve;
        }
        let power = circuit
            .power_limit
            .map_or(0, |power| surplus::to_current(power.0, voltage));
        out.limit[row + POWER] = power - 3 * reserve;
        let (give, rise) = match &circuit.meter {
            None => ([0; 4], [0; 4]),
            Some(meter) => {
                let is_usable = matches!(watch[index].own, Trust::Normal | Trust::New);
                let reading = meter
                    .current
                    .filter(|_| is_usable)
                    .map(|current| current.into_array().map(sane));
                let window = &mut memory.circuits[index].base;
                let read_at = now - failsafe::age(meter, memory.started, now);
                let seen = reading.map(|reading| base(reading, read_at, tree.below(index), lanes));
                if let Some((lower, _)) = seen {
                    window.record(lower, now, snapshot.settings.rise_window);
                }
                let highest = window.highest().unwrap_or([0; 4]);
                let upper = seen.map_or(highest, |(_, upper)| upper);
                (
                    highest,
                    std::array::from_fn(|offset| highest[offset].max(upper[offset])),
                )
            }
        };
        let credit = sane(circuit.credit).max(0);
        for offset in 0..PER_CIRCUIT {
            let floor = if offset == POWER { -3 * credit } else { -credit };
            out.base[row + offset] = give[offset].max(floor);
            out.give[row + offset] = out.limit[row + offset] - give[offset].max(floor);
            out.rise[row + offset] = out.limit[row + offset] - rise[offset].max(floor);
        }
    }
    sun(snapshot, tree, lanes, memory, now, voltage, out);
}

/// The lower and the upper answer, by phase and in sum.
fn base(reading: [i64; 3], read_at: Monotonic, members: &[usize], lanes: &[Lane]) -> ([i64; 4], [i64; 4]) {
    let (mut lower, mut upper) = (reading, reading);
    for member in members {
        let lane = &lanes[*member];
        for phase in 0..3 {
            lower[phase] -= at_most_drawn(lane, phase, read_at);
            upper[phase] -= lane.low[phase];
        }
    }
    let with_sum = |[l1, l2, l3]: [i64; 3]| [l1, l2, l3, l1 + l2 + l3];
    (with_sum(lower), with_sum(upper))
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
        let most: i64 = (0..3).map(|phase| at_most_drawn(lane, phase, read_at)).sum();
        let least: i64 = lane.low.iter().sum();
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
