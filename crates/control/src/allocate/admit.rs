//! Stage 1: the minimum current or nothing.
//!
//! Greedy in the order of service. Sets that fit stay sets that fit when somebody leaves, so the result is
//! the lexicographically greatest admission there is: a car is refused only because of cars before it, and
//! they can be named.

use model::phases::Phases;

use super::{Rules, give_minimum};
use crate::habits;
use crate::hysteresis;
use crate::lane::{Lane, Outcome, Part, SunShare};
use crate::memory::EvseMemory;
use crate::switching;
use crate::tree::{SiteRow, Tree};

/// Whether a current fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Fits,
    /// The scarcest row of the path and what it has per phase.
    Full {
        row: usize,
        need: i64,
        free: i64,
    },
    /// In sum over the phases.
    NoSun {
        need: i64,
        free: i64,
    },
}

pub(crate) fn admit(
    tree: &Tree,
    lanes: &mut [Lane],
    memories: &mut [EvseMemory],
    order: &[usize],
    rules: Rules<'_>,
    room: &mut [i64],
) {
    for index in order {
        let (lane, memory) = (&mut lanes[*index], &mut memories[*index]);
        match lane.part {
            Part::Running => stay(tree, lane, memory, rules, room),
            Part::Waiting => start(tree, lane, memory, rules, room),
            Part::Absent(_) | Part::Keep | Part::Complete => memory.waits_since = None,
        }
    }
}

fn stay(tree: &Tree, lane: &mut Lane, memory: &mut EvseMemory, rules: Rules<'_>, room: &mut [i64]) {
    match fit(tree, lane, lane.min, room) {
        Fit::Fits => {
            memory.short_since = None;
            memory.waits_since = None;
            give_minimum(tree, lane, room);
        }
        Fit::Full { row, need, free } => {
            memory.waits_since = Some(rules.now);
            if tree.of_site(row).is_some() {
                memory.soft_stop_at = Some(rules.now);
            }
            lane.outcome = Outcome::Refused { row, need, free };
        }
        Fit::NoSun { need, free } if narrows(lane, free) => {
            let left_ms = switching::before_narrow(
                need - free,
                memory,
                rules.settings,
                rules.phases_margin,
                rules.now,
            );
            if left_ms > 0 {
                give_minimum(tree, lane, room);
                lane.outcome = Outcome::Held { left_ms };
            } else {
                lane.outcome = Outcome::Switches;
            }
        }
        Fit::NoSun { need, free } => match hysteresis::hold(memory, rules) {
            Some(left_ms) => {
                give_minimum(tree, lane, room);
                lane.outcome = Outcome::Held { left_ms };
            }
            None => {
                lane.outcome = Outcome::NoSun { need, free };
                memory.soft_stop_at = Some(rules.now);
            }
        },
    }
}

/// Whether the sun is too little for its phases and enough for one of them.
fn narrows(lane: &Lane, free: i64) -> bool {
    lane.may_switch && lane.phases == Some(Phases::Three) && lane.feet.count() > 1 && free >= lane.min
}

fn start(tree: &Tree, lane: &mut Lane, memory: &mut EvseMemory, rules: Rules<'_>, room: &mut [i64]) {
    if !lane.may_rise {
        lane.outcome = Outcome::NotNow;
        return;
    }
    let need = hysteresis::start_need(lane, memory);
    let mut found = fit_to_start(tree, lane, need, room, rules.battery_aside);
    if found != Fit::Fits
        && let Some(single) = lane.single
    {
        let alone = Lane {
            feet: single,
            phases: Some(Phases::One),
            ..*lane
        };
        if fit_to_start(tree, &alone, need, room, rules.battery_aside) == Fit::Fits {
            *lane = alone;
            found = Fit::Fits;
        }
    }
    lane.outcome = match found {
        Fit::Fits => hysteresis::may_start(lane, memory, rules),
        Fit::Full { row, need, free } => {
            // Nobody makes room for one that may not start.
            if habits::starts_used_up(memory, lane.starts, rules.now).is_none() {
                memory.waits_since.get_or_insert(rules.now);
            } else {
                memory.waits_since = None;
            }
            Outcome::Refused { row, need, free }
        }
        Fit::NoSun { need, free } => {
            memory.waits_since = None;
            Outcome::NoSun { need, free }
        }
    };
    if found != Fit::Fits {
        memory.room_since = None;
        memory.is_prompt = false;
    }
    memory.is_starting = lane.outcome == Outcome::Admitted;
    if memory.is_starting {
        give_minimum(tree, lane, room);
    }
}

/// Whether `need` fits, without what a battery gives only to those that charge already.
fn fit_to_start(tree: &Tree, lane: &Lane, need: i64, room: &[i64], aside: i64) -> Fit {
    let found = fit(tree, lane, need, room);
    let (in_sum, free) = (lane.of_sun(need), lane.sun_room(tree, room) - aside);
    if found == Fit::Fits && lane.sun == SunShare::Whole && free < in_sum {
        return Fit::NoSun { need: in_sum, free };
    }
    found
}

/// Whether `need` fits on the path, and into the sun where it must.
fn fit(tree: &Tree, lane: &Lane, need: i64, room: &[i64]) -> Fit {
    let mut scarcest: Option<(i64, usize)> = None;
    // What the grid operator leaves does not waver, and may be exactly one minimum.
    let steady = tree.site_row(SiteRow::Dimming);
    tree.rows(lane.evse, lane.feet, |row, k| {
        let free = room[row].div_euclid(k.max(1));
        let need = if steady == Some(row) {
            need.min(lane.min)
        } else {
            need
        };
        if free < need && scarcest.is_none_or(|(least, _)| free < least) {
            scarcest = Some((free, row));
        }
    });
    if let Some((free, row)) = scarcest {
        return Fit::Full { row, need, free };
    }
    let (need, free) = (lane.of_sun(need), lane.sun_room(tree, room));
    if lane.sun == SunShare::Whole && free < need {
        Fit::NoSun { need, free }
    } else {
        Fit::Fits
    }
}
