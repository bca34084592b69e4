//! One phase or three: when the sun is short for three, and when there is enough again.
//!
//! | rule | value |
//! |---|---|
//! | to one | the sun leaves less than three phases need by 200 W, for 180 s |
//! | to three | 200 W more than they need and room on every wire, for 600 s |
//! | after a change | their number stays for 600 s |
//! | changes while a car is plugged in | as many as the habits allow |
//! | the contactor | changes while nothing flows; nothing is offered for 10 s |
//!
//! What somebody chooses is neither delayed nor counted against the habits. A fuse that has no room for
//! three phases stops the car at once, as ever; it starts again on one.

use model::phases::{PhaseSet, Phases};
use model::settings::ControlSettings;
use model::time::{Millis, Monotonic};
use serde::{Deserialize, Serialize};

use crate::hysteresis::START_MARGIN;
use crate::lane::{Lane, Outcome, Part, SunShare};
use crate::memory::EvseMemory;
use crate::snapshot::{Evse, Snapshot};
use crate::surplus;
use crate::tree::{PER_CIRCUIT, POWER, Tree};

/// How far from the need of three phases the sun must be, W.
const MARGIN: i64 = 200;

/// What is remembered of the phases of an EVSE.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contactor {
    /// The change under way.
    pub to: Option<Phases>,
    /// What the last change was made for, until it has started.
    pub meant: Option<Phases>,
    /// What the car that is plugged in charged on last.
    pub used: Option<Phases>,
    changes: u8,
    changed_at: Option<Monotonic>,
    low_since: Option<Monotonic>,
    wide_since: Option<Monotonic>,
}

impl Contactor {
    pub(crate) fn forget_car(&mut self) {
        *self = Self::default();
    }

    /// It begins to charge.
    pub(crate) fn note_start(&mut self, phases: Option<Phases>, now: Monotonic) {
        self.meant = None;
        self.low_since = None;
        self.wide_since = None;
        let Some(phases) = phases else { return };
        if self.used.is_some_and(|used| used != phases) {
            self.changes = self.changes.saturating_add(1);
            self.changed_at = Some(now);
        }
        self.used = Some(phases);
    }

    /// As many changes as the habits allow have been made.
    pub(crate) const fn is_worn(&self, evse: &Evse) -> bool {
        self.changes >= evse.habits.phase_changes
    }

    /// The last change is long enough ago.
    pub(crate) fn has_rested(&self, settings: &ControlSettings, now: Monotonic) -> bool {
        self.changed_at.is_none_or(|at| now - at >= settings.phases_hold)
    }
}

/// The number of phases somebody chose, where there is a choice.
pub(crate) fn wanted(evse: &Evse) -> Option<Phases> {
    evse.wish.phases.filter(|_| evse.phase_switching)
}

/// Begins what somebody chose, and ends a change once nothing has flowed for long enough. Returns how long
/// the change lasts still, ms.
pub(crate) fn observe(
    evse: &Evse,
    memory: &mut EvseMemory,
    counted: i64,
    settings: &ControlSettings,
    now: Monotonic,
) -> Option<i64> {
    if !evse.phase_switching {
        memory.contactor.to = None;
        return None;
    }
    if let Some(wanted) = wanted(evse)
        && memory.told > 0
        && memory.phases.is_some_and(|now| now != wanted)
    {
        memory.contactor.to = Some(wanted);
    }
    let to = memory.contactor.to?;
    let pause = settings.phases_pause.0.clamp(0, 600_000);
    if memory.told > 0 || counted > 0 {
        return Some(pause);
    }
    let left = pause - (now - memory.lowered_at).0.clamp(0, pause);
    if left > 0 {
        return Some(left);
    }
    memory.contactor.to = None;
    memory.contactor.meant = Some(to);
    memory.is_prompt = true;
    None
}

/// Which phases an EVSE through which nothing flows starts on, and whether it may choose one if there is no
/// room for three.
pub(crate) fn to_start_on(evse: &Evse, memory: &EvseMemory) -> (Phases, bool) {
    let contactor = &memory.contactor;
    let meant = contactor.meant.filter(|_| memory.is_prompt);
    if let Some(chosen) = wanted(evse).or(contactor.to).or(meant) {
        return (chosen, false);
    }
    match contactor.used {
        Some(used) if contactor.is_worn(evse) => (used, false),
        Some(_) | None => (Phases::Three, true),
    }
}

/// Whether the number of phases may change because of the sun or room.
pub(crate) fn is_elastic(lane: &Lane, evse: &Evse, memory: &EvseMemory) -> bool {
    lane.phases.is_some()
        && wanted(evse).is_none()
        && lane.part == Part::Running
        && !memory.contactor.is_worn(evse)
}

/// The sun is short for the minimum on three phases by `short` and has enough for one: how long is the
/// minimum held before they change? Without a number for as long as the shortage is small.
pub(crate) fn before_narrow(
    short: i64,
    memory: &mut EvseMemory,
    settings: &ControlSettings,
    margin: i64,
    now: Monotonic,
) -> i64 {
    if short <= margin {
        memory.short_since = None;
        return settings.narrow_delay.0.max(1);
    }
    let since = *memory.short_since.get_or_insert(now);
    (since + settings.narrow_delay - now).0.max(0)
}

/// The margin in mA summed over the phases.
pub(crate) fn margin(snapshot: &Snapshot) -> i64 {
    surplus::to_current(MARGIN, surplus::voltage(snapshot.voltage))
}

/// Decides which EVSEs change, once everything is given out: those stop now.
pub(crate) fn decide(
    snapshot: &Snapshot,
    tree: &Tree,
    lanes: &mut [Lane],
    memories: &mut [EvseMemory],
    room: &[i64],
    now: Monotonic,
) {
    let margin = margin(snapshot);
    let settings = &snapshot.settings;
    for ((lane, memory), evse) in lanes.iter_mut().zip(memories).zip(&snapshot.evses) {
        if lane.outcome == Outcome::Switches {
            memory.contactor.to = Some(Phases::One);
            continue;
        }
        if !lane.is_elastic || lane.granted == 0 {
            memory.contactor.low_since = None;
            memory.contactor.wide_since = None;
            continue;
        }
        let to = match lane.phases {
            Some(Phases::Three) => {
                let is_low = lane.sun == SunShare::AboveMinimum
                    && lane.feet.count() > 1
                    && lane.sun_room(tree, room) + lane.of_sun(lane.granted) < -margin;
                let contactor = &mut memory.contactor;
                lasts(&mut contactor.low_since, is_low, settings.narrow_delay, now).then_some(Phases::One)
            }
            Some(Phases::One) => {
                let is_wide = is_wide(tree, lane, all_feet(evse, memory), room, margin);
                let contactor = &mut memory.contactor;
                lasts(&mut contactor.wide_since, is_wide, settings.widen_delay, now).then_some(Phases::Three)
            }
            None => None,
        };
        if let Some(to) = to.filter(|_| lane.may_switch) {
            memory.contactor.to = Some(to);
            lane.granted = 0;
            lane.outcome = Outcome::Switches;
        }
    }
}

fn lasts(since: &mut Option<Monotonic>, holds: bool, span: Millis, now: Monotonic) -> bool {
    if !holds {
        *since = None;
        return false;
    }
    now - *since.get_or_insert(now) >= span
}

/// Grid phases that the car uses when it is not held to one.
fn all_feet(evse: &Evse, memory: &EvseMemory) -> PhaseSet {
    let wired = if evse.phases.is_empty() {
        PhaseSet::ALL
    } else {
        evse.phases
    };
    memory.car.unwrap_or(wired)
}

/// Whether there is enough for three phases.
fn is_wide(tree: &Tree, lane: &Lane, all: PhaseSet, room: &[i64], margin: i64) -> bool {
    if all.count() <= lane.feet.count() {
        return false;
    }
    let (each, _) = widest(tree, lane, all, room);
    if each < lane.min + START_MARGIN || each.min(lane.max) * all.count() <= lane.granted {
        return false;
    }
    let of_minimum = match lane.sun {
        SunShare::None => return true,
        SunShare::AboveMinimum => lane.min * lane.feet.count(),
        SunShare::Whole => 0,
    };
    lane.sun_room(tree, room) + lane.of_sun(lane.granted) + of_minimum >= lane.min * all.count() + margin
}

/// What each phase could have if the EVSE charged on all of `all` instead of where it does, and the scarcest
/// row.
pub(crate) fn widest(tree: &Tree, lane: &Lane, all: PhaseSet, room: &[i64]) -> (i64, usize) {
    let mut scarcest = (i64::MAX, tree.sun_row());
    tree.rows(lane.evse, all, |row, k| {
        let own = if !tree.counts(row, lane.feet) {
            0
        } else if row % PER_CIRCUIT == POWER {
            lane.granted * lane.feet.count()
        } else {
            lane.granted
        };
        let each = (room[row] + own).div_euclid(k.max(1));
        if each < scarcest.0 {
            scarcest = (each, row);
        }
    });
    scarcest
}

/// What keeps an EVSE on one phase that has all it can use there; `None` where that is not for want of room.
pub(crate) fn kept_narrow(
    tree: &Tree,
    lane: &Lane,
    evse: &Evse,
    memory: &EvseMemory,
    room: &[i64],
) -> Option<usize> {
    if lane.phases != Some(Phases::One) || wanted(evse).is_some() || lane.sun == SunShare::Whole {
        return None;
    }
    let all = all_feet(evse, memory);
    let (each, row) = widest(tree, lane, all, room);
    (all.count() > lane.feet.count() && each < lane.min + START_MARGIN).then_some(row)
}
