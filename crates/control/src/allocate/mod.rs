//! Who gets how much: minimum or nothing, fair share, whole steps.
//!
//! Works on rows of limits with non-negative coefficients and knows nothing of circuits, meters or sun.
//! `room` holds what is left of each row and goes down with everything given.

pub(crate) mod admit;
pub(crate) mod balance;
pub(crate) mod fill;
pub(crate) mod hand_back;
#[cfg(test)]
mod tests;

use model::settings::ControlSettings;
use model::time::Monotonic;

use crate::lane::{Lane, Outcome, Part, SunShare};
use crate::memory::EvseMemory;
use crate::snapshot::Policy;
use crate::tree::Tree;

/// Buffers that are kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffers {
    fill: fill::Buffers,
    class: Vec<usize>,
    rounds: balance::Rounds,
}

/// What admission needs besides room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub settings: &'a ControlSettings,
    pub policy: Policy,
    /// How far from the need of three phases the sun must be before they change, in mA summed over them.
    pub phases_margin: i64,
    /// What the battery gives of its own to those that charge, and not to those that start, in mA summed over
    /// the phases.
    pub battery_aside: i64,
    pub now: Monotonic,
}

/// Decides `granted` and `outcome` of every lane. `order` is the order in which EVSEs are served.
pub(crate) fn allocate(
    tree: &Tree,
    lanes: &mut [Lane],
    memories: &mut [EvseMemory],
    order: &[usize],
    rules: Rules<'_>,
    room: &mut [i64],
    buffers: &mut Buffers,
) {
    if tree.balances().next().is_none() {
        share_out(tree, lanes, memories, order, rules, room, buffers);
        return;
    }
    let mut rounds = std::mem::take(&mut buffers.rounds);
    rounds.run(tree, lanes, memories, room, |lanes, memories, room| {
        share_out(tree, lanes, memories, order, rules, room, buffers);
    });
    buffers.rounds = rounds;
}

fn share_out(
    tree: &Tree,
    lanes: &mut [Lane],
    memories: &mut [EvseMemory],
    order: &[usize],
    rules: Rules<'_>,
    room: &mut [i64],
    buffers: &mut Buffers,
) {
    take_what_does_not_follow(tree, lanes, room);
    if rules.policy == Policy::MinimumFirst {
        admit::admit(tree, lanes, memories, order, rules, room);
    }
    let mut rest = order;
    while let Some(first) = rest.first() {
        let class = lanes[*first].class;
        let end = rest
            .iter()
            .position(|index| lanes[*index].class != class)
            .unwrap_or(rest.len());
        let (now_served, later) = rest.split_at(end);
        if rules.policy == Policy::Strict {
            admit::admit(tree, lanes, memories, now_served, rules, room);
        }
        buffers.class.clear();
        buffers
            .class
            .extend(now_served.iter().filter(|index| may_get_more(&lanes[**index])));
        fill::fill(tree, lanes, &buffers.class, room, &mut buffers.fill);
        hand_back::hand_back(tree, lanes, &buffers.class, room);
        rest = later;
    }
    offer_the_complete(tree, lanes, order, room);
    keep(tree, lanes, order, room);
}

fn may_get_more(lane: &Lane) -> bool {
    lane.granted > 0 && lane.max > lane.min && matches!(lane.part, Part::Running | Part::Waiting)
}

/// EVSEs that do not follow hold their room whatever is decided.
fn take_what_does_not_follow(tree: &Tree, lanes: &[Lane], room: &mut [i64]) {
    for lane in lanes {
        let taken = if lane.is_fixed { lane.counted } else { lane.over };
        if taken > 0 {
            take(tree, lane, taken, room);
        }
    }
}

/// A car that has stopped by itself may find an offer when it wakes up, if nobody wants the room.
fn offer_the_complete(tree: &Tree, lanes: &mut [Lane], order: &[usize], room: &mut [i64]) {
    for index in order {
        let lane = &mut lanes[*index];
        let fits = |lane: &Lane, room: &[i64]| {
            tree.all_rows(lane.evse, lane.feet, |row, k| room[row] >= k * lane.min)
                && (lane.sun != SunShare::Whole || lane.sun_room(tree, room) >= lane.of_sun(lane.min))
        };
        if lane.part == Part::Complete && (lane.before > 0 || lane.may_rise) && fits(lane, room) {
            give_minimum(tree, lane, room);
        }
    }
}

/// Nobody knows what these do. They are not told more, and less when less is all that would fit.
fn keep(tree: &Tree, lanes: &mut [Lane], order: &[usize], room: &[i64]) {
    for index in order {
        let lane = &mut lanes[*index];
        if lane.part != Part::Keep {
            continue;
        }
        let mut most = lane.before.min(lane.max).min(lane.counted);
        tree.rows(lane.evse, lane.feet, |row, k| {
            most = most.min(lane.counted + room[row].div_euclid(k.max(1)));
        });
        lane.granted = lane.on_grid(most);
    }
}

fn give_minimum(tree: &Tree, lane: &mut Lane, room: &mut [i64]) {
    take(tree, lane, lane.min, room);
    if lane.sun == SunShare::Whole {
        for row in lane.sun_rows(tree) {
            room[row] -= lane.of_sun(lane.min);
        }
    }
    lane.granted = lane.min;
    lane.outcome = Outcome::Admitted;
}

/// Takes a current from every circuit of a path; the sun is not asked.
fn take(tree: &Tree, lane: &Lane, current: i64, room: &mut [i64]) {
    tree.rows(lane.evse, lane.feet, |row, k| room[row] -= k * current);
}
