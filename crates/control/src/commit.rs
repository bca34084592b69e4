//! Stage 4: decreases first.
//!
//! Every decrease leaves at once. An increase leaves only if, with it, everything that may be in use fits:
//! each EVSE counted with the highest of its new command, every command that may still be in force, what it
//! offers and what it draws. Until the others have come down it waits.

use model::phases::PhaseSet;
use model::time::{Monotonic, Now};

use crate::headroom::Rows;
use crate::hysteresis;
use crate::lane::{Absent, Lane, Part, SunShare};
use crate::memory::EvseMemory;
use crate::tree::Tree;

/// Decides `told` of every lane; `load` is what may be in use in each row afterwards.
pub(crate) fn commit(
    tree: &Tree,
    lanes: &mut [Lane],
    memories: &mut [EvseMemory],
    order: &[usize],
    rows: &Rows,
    now: Monotonic,
    load: &mut Vec<i64>,
) {
    load.clear();
    load.resize(tree.row_count(), 0);
    for lane in lanes.iter_mut() {
        lane.told = lane.on_grid(lane.granted.min(lane.before));
        count(tree, lane, lane.counted, load);
    }
    for index in order {
        let (lane, memory) = (&mut lanes[*index], &mut memories[*index]);
        if lane.granted == 0 {
            memory.given = None;
            continue;
        }
        let steady = hysteresis::steady_grant(memory, lane.granted, now);
        if lane.granted > lane.told && lane.may_rise {
            rise(tree, lane, steady.min(lane.before + memory.rise), rows, load);
        }
    }
}

fn count(tree: &Tree, lane: &Lane, current: i64, load: &mut [i64]) {
    tree.rows(lane.evse, lane.feet, |row, k| load[row] += k * current);
    for row in lane.sun_rows(tree) {
        load[row] += lane.of_sun(current);
    }
}

/// Raises `told` as far as the rows allow, but not above `at_most` once it runs.
fn rise(tree: &Tree, lane: &mut Lane, at_most: i64, rows: &Rows, load: &mut [i64]) {
    let wanted = if lane.before == 0 {
        lane.min
    } else {
        lane.on_grid(lane.granted.min(at_most))
    };
    if wanted <= lane.told {
        return;
    }
    let mut most = wanted;
    let mut limit = |row: usize, free: i64, from: i64| {
        // A row that is overdrawn already forbids every increase, also one that is counted in it.
        let to = if free < 0 { 0 } else { from + free };
        if to < most {
            most = to;
            lane.blocked = Some(row);
        }
    };
    tree.rows(lane.evse, lane.feet, |row, k| {
        limit(
            row,
            (rows.rise[row] - load[row]).div_euclid(k.max(1)),
            lane.counted,
        );
    });
    let feet = lane.feet.count().max(1);
    let in_sun = match lane.sun {
        SunShare::None => None,
        SunShare::Whole => Some(lane.counted),
        SunShare::AboveMinimum => (wanted > lane.min).then_some(lane.counted.max(lane.min)),
    };
    if let Some(from) = in_sun {
        let floor = if lane.sun == SunShare::AboveMinimum {
            lane.min
        } else {
            0
        };
        for sun in lane.sun_rows(tree) {
            let free = (rows.rise[sun] - load[sun]).div_euclid(feet);
            let to = if free < 0 { floor } else { from + free };
            if to < most {
                most = to;
                lane.blocked = Some(sun);
            }
        }
    }
    let most = lane.on_grid(most);
    if most <= lane.told {
        return;
    }
    count(tree, lane, -lane.counted, load);
    lane.told = most;
    lane.counted = lane.counted.max(most);
    count(tree, lane, lane.counted, load);
}

/// Keeps what was told and when.
pub(crate) fn remember(lanes: &[Lane], memories: &mut [EvseMemory], now: Now) {
    for (lane, memory) in lanes.iter().zip(memories) {
        let now = now.monotonic;
        memory.is_new = false;
        if lane.told > memory.told {
            memory.rose = Some((now, lane.told));
            if memory.told == 0 {
                memory.habit.note_start(now);
                memory.contactor.note_start(lane.phases, now);
                memory.started_at = Some(now);
                memory.is_prompt = false;
                memory.is_starting = false;
                memory.short_since = None;
                memory.waits_since = None;
                memory.soft_stop_at = None;
                memory.phases = lane.phases;
                memory.rise = 0;
            } else {
                memory.rise -= lane.told - memory.told;
            }
        } else if lane.told < memory.told {
            memory.in_force = memory.in_force.max(memory.told);
            memory.lowered_at = now;
            if lane.told == 0 {
                stop(lane, memory);
            }
        }
        memory.told = lane.told;
        memory.in_force = memory.in_force.max(memory.told);
        if lane.told > 0 {
            memory.feet = lane.feet;
        }
    }
}

fn stop(lane: &Lane, memory: &mut EvseMemory) {
    memory.room_since = None;
    memory.short_since = None;
    memory.started_at = None;
    memory.rise = 0;
    memory.cap = None;
    memory.below_since = None;
    if matches!(lane.part, Part::Absent(Absent::NoVehicle)) {
        memory.feet = PhaseSet::NONE;
    }
}
