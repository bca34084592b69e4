//! Stage 2: weighted max-min shares above the minimum.
//!
//! A water level rises; an EVSE stands at `clamp(level · weight, min, max)`. Where a row is full, everybody
//! in it who still rises stays where it is. Nobody above its minimum could then gain without taking from
//! somebody whose share per weight is equal or smaller.
//!
//! Levels and currents are multiples of 1/1024 mA. Events are sorted once; full rows come from a heap whose
//! keys are lower bounds, because a row's slope only shrinks between two starts.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::lane::{Lane, Level};
use crate::tree::{PER_CIRCUIT, Tree};

const SCALE: i64 = 1_024;

/// Buffers that are kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    rows: Vec<Row>,
    /// Level, whether it is a stop, lane. Starts come first.
    events: Vec<(i64, bool, usize)>,
    full: BinaryHeap<Reverse<(i64, usize)>>,
    /// Rows whose slope has grown at this level.
    steeper: Vec<usize>,
}

/// Load above the minima: `fixed + slope · level`, scaled.
#[derive(Clone, Copy, Debug, Default)]
struct Row {
    fixed: i128,
    slope: i64,
    room: i128,
    is_marked: bool,
}

impl Row {
    /// The highest level at which the row is not overdrawn.
    fn full_at(&self) -> i64 {
        let level = (self.room - self.fixed).div_euclid(i128::from(self.slope.max(1)));
        i64::try_from(level).unwrap_or(i64::MAX)
    }
}

/// Raises `granted` of the EVSEs of one class above their minima.
pub(crate) fn fill(
    tree: &Tree,
    lanes: &mut [Lane],
    class: &[usize],
    room: &mut [i64],
    buffers: &mut Buffers,
) {
    if class.is_empty() {
        return;
    }
    prepare(lanes, class, room, buffers);
    let mut level = 0;
    let mut next = 0;
    loop {
        let event = buffers.events.get(next).copied();
        if event.is_none_or(|(at, ..)| at > level) {
            mark_full(buffers);
        }
        let full = buffers.full.peek().map(|Reverse(full)| *full);
        match (full, event) {
            (Some((at, row)), event) if event.is_none_or(|(next_at, ..)| at <= next_at) => {
                buffers.full.pop();
                let state = buffers.rows[row];
                let at_now = state.full_at().max(level);
                if state.slope == 0 {
                    continue;
                }
                if at_now > at.max(level) {
                    buffers.full.push(Reverse((at_now, row)));
                    continue;
                }
                level = at_now;
                freeze_row(tree, lanes, row, level, &mut buffers.rows);
            }
            (_, Some((at, is_stop, index))) => {
                next += 1;
                level = level.max(at);
                if is_stop {
                    stop(tree, &mut lanes[index], level, &mut buffers.rows);
                } else {
                    start(tree, &mut lanes[index], level, buffers);
                }
            }
            (_, None) => break,
        }
    }
    settle(tree, lanes, class, room);
}

fn prepare(lanes: &mut [Lane], class: &[usize], room: &[i64], buffers: &mut Buffers) {
    buffers.rows.clear();
    buffers.rows.extend(room.iter().map(|room| Row {
        room: i128::from(*room) * i128::from(SCALE),
        ..Row::default()
    }));
    buffers.events.clear();
    buffers.full.clear();
    buffers.steeper.clear();
    for index in class {
        let lane = &mut lanes[*index];
        lane.level = Level::Waiting;
        // Rounded up, so that nobody rises from below its minimum.
        let start = (lane.min * SCALE + lane.weight - 1) / lane.weight;
        let stop = (lane.max * SCALE + lane.weight - 1) / lane.weight;
        buffers.events.push((start, false, *index));
        buffers.events.push((stop.max(start), true, *index));
    }
    buffers.events.sort_unstable();
}

fn mark_full(buffers: &mut Buffers) {
    while let Some(row) = buffers.steeper.pop() {
        let state = &mut buffers.rows[row];
        state.is_marked = false;
        if state.slope > 0 {
            buffers.full.push(Reverse((state.full_at(), row)));
        }
    }
}

fn start(tree: &Tree, lane: &mut Lane, level: i64, buffers: &mut Buffers) {
    if lane.level != Level::Waiting {
        return;
    }
    let (minimum, weight) = (i128::from(lane.min * SCALE), lane.weight);
    let rises = lane.all_rows(tree, |row, k| {
        let state = &buffers.rows[row];
        let fixed = state.fixed - i128::from(k) * minimum;
        fixed + i128::from(state.slope + k * weight) * i128::from(level) <= state.room
    });
    if !rises {
        lane.level = Level::Frozen;
        return;
    }
    lane.level = Level::Rising;
    lane.rows(tree, |row, k| {
        let state = &mut buffers.rows[row];
        state.fixed -= i128::from(k) * minimum;
        state.slope += k * weight;
        if !state.is_marked {
            state.is_marked = true;
            buffers.steeper.push(row);
        }
    });
}

/// Reached its maximum.
fn stop(tree: &Tree, lane: &mut Lane, level: i64, rows: &mut [Row]) {
    if lane.level == Level::Rising {
        freeze(tree, lane, level, rows);
    }
}

fn freeze(tree: &Tree, lane: &mut Lane, level: i64, rows: &mut [Row]) {
    let share = i128::from(lane.weight) * i128::from(level);
    lane.rows(tree, |row, k| {
        rows[row].slope -= k * lane.weight;
        rows[row].fixed += i128::from(k) * share;
    });
    let share = i64::try_from(share / i128::from(SCALE)).unwrap_or(lane.max);
    lane.granted = share.clamp(lane.min, lane.max);
    lane.level = Level::Frozen;
}

/// Everybody in a full row stays where it is.
fn freeze_row(tree: &Tree, lanes: &mut [Lane], row: usize, level: i64, rows: &mut [Row]) {
    let mut visit = |lane: &mut Lane| match lane.level {
        Level::Rising => freeze(tree, lane, level, rows),
        Level::Waiting => lane.level = Level::Frozen,
        Level::Dry | Level::Frozen => {}
    };
    if tree.is_sun(row) {
        let is_late = row == tree.late_sun_row();
        for lane in lanes
            .iter_mut()
            .filter(|lane| lane.sun != crate::lane::SunShare::None && (lane.is_late || !is_late))
        {
            visit(lane);
        }
        return;
    }
    for index in tree.below(row / PER_CIRCUIT) {
        let lane = &mut lanes[*index];
        if tree.counts(row, lane.feet) {
            visit(lane);
        }
    }
}

/// What divisions may have lost on the way.
const LOST: i64 = 2;

/// Rounds down to whole steps and takes the result from the rows. Whose step was missed by what the
/// divisions lost gets it before others may have it.
fn settle(tree: &Tree, lanes: &mut [Lane], class: &[usize], room: &mut [i64]) {
    for index in class {
        let lane = &mut lanes[*index];
        let nearly = lane.on_grid((lane.granted + LOST).min(lane.max));
        lane.granted = lane.on_grid(lane.granted);
        lane.level = if nearly > lane.granted {
            Level::Rising
        } else {
            Level::Dry
        };
        let more = lane.granted - lane.min;
        lane.rows(tree, |row, k| room[row] -= k * more);
    }
    for index in class {
        let lane = &mut lanes[*index];
        let is_near = lane.level == Level::Rising;
        lane.level = Level::Dry;
        if is_near && lane.slack(tree, room) >= lane.step {
            lane.granted += lane.step;
            lane.rows(tree, |row, k| room[row] -= k * lane.step);
        }
    }
}
