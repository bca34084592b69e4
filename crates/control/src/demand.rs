//! What each EVSE may and wants to draw, before circuits and sun are looked at.

use std::cmp::Reverse;

use model::device::ChargeMode;
use model::phases::{PhaseSet, Phases};
use model::settings::ControlSettings;
use model::time::{Millis, Monotonic, Now};

use crate::failsafe::{self, Trust, Watch};
use crate::follow::{self, Seen};
use crate::habits::Dip;
use crate::hysteresis;
use crate::lane::{Absent, Drawn, Lane, MaxBy, Part, Standing, SunShare};
use crate::memory::{EvseMemory, Memory};
use crate::sane;
use crate::snapshot::{Evse, Snapshot};
use crate::switching;
use crate::tree::Tree;

/// Fills one lane per EVSE.
pub(crate) fn lanes(
    snapshot: &Snapshot,
    tree: &Tree,
    watch: &[Watch],
    memory: &mut Memory,
    now: Now,
    out: &mut Vec<Lane>,
) {
    out.clear();
    let (started, elapsed) = (memory.started.unwrap_or(now.monotonic), memory.elapsed);
    for (index, (evse, memory)) in snapshot.evses.iter().zip(&mut memory.evses).enumerate() {
        if snapshot.settings.observe {
            look_on(evse, memory);
        }
        let seen = follow::observe(evse, memory, started, &snapshot.settings, now.monotonic);
        notice_person(evse, memory, now.monotonic);
        let mut lane = Lane {
            evse: index,
            class: class(snapshot, evse),
            ..base(evse, memory, seen)
        };
        hysteresis::earn_rise(memory, lane.step, elapsed);
        let watch = failsafe::of(evse, watch);
        let is_placed = tree.is_sound(evse.circuit) && evse.groups.iter().all(|group| tree.is_sound(*group));
        ceiling(&mut lane, evse, memory, watch, now.monotonic);
        lane.rest = memory.habit.rest(evse);
        lane.part = part(&lane, evse, memory, is_placed);
        if matches!(lane.part, Part::Running | Part::Waiting) {
            interrupt(&mut lane, evse, memory, &snapshot.settings, now.monotonic);
        }
        place_feet(&mut lane, evse, memory);
        lane.may_rise = lane.may_rise && !lane.is_fixed;
        lane.is_elastic = switching::is_elastic(&lane, evse, memory);
        lane.may_switch = lane.is_elastic && memory.contactor.has_rested(&snapshot.settings, now.monotonic);
        out.push(lane);
    }
}

/// Nothing is told: what the EVSE does is what it was told by somebody else, and what is decided is what it
/// would be told next.
fn look_on(evse: &Evse, memory: &mut EvseMemory) {
    if evse.status_age.is_none() {
        return;
    }
    let drawn = evse.drawn.into_array().map(sane).into_iter().max();
    let obeyed = evse.obeyed.map(|obeyed| sane(obeyed.or_zero()));
    memory.told = if evse.pilot.is_plugged() {
        obeyed.or(drawn).unwrap_or(0).max(0)
    } else {
        0
    };
    memory.in_force = memory.told;
    memory.is_new = false;
    memory.excess = None;
}

/// Mode changes, plugs and cards are what a person does; all forget the sun's minimum pause.
fn notice_person(evse: &Evse, memory: &mut EvseMemory, now: Monotonic) {
    let mode = evse.wish.effective_mode();
    if memory.mode.is_some_and(|before| before != mode) {
        memory.is_prompt = mode != ChargeMode::Off;
        memory.asked_at = Some(now);
        memory.soft_stop_at = None;
        memory.room_since = None;
        memory.is_starting = false;
        memory.habit.forgive();
    }
    memory.mode = Some(mode);
    let is_barred = evse.barred.is_some();
    if memory.is_barred && !is_barred {
        memory.is_prompt = true;
        memory.asked_at = Some(now);
        memory.soft_stop_at = None;
    }
    memory.is_barred = is_barred;
    if evse.status_age.is_none() {
        return;
    }
    let is_plugged = evse.pilot.is_plugged();
    if is_plugged != memory.is_plugged {
        memory.is_plugged = is_plugged;
        memory.asked_at = Some(now);
        memory.soft_stop_at = None;
    }
    if !is_plugged {
        memory.habit.forget_car();
        memory.contactor.forget_car();
        memory.is_prompt = false;
        memory.is_starting = false;
        memory.room_since = None;
    }
}

fn base(evse: &Evse, memory: &EvseMemory, seen: Seen) -> Lane {
    let step = sane(evse.step);
    Lane {
        min: sane(evse.min).max(model::setpoint::ChargeCurrent::MIN.0),
        step: if step > 0 { step } else { 1_000 },
        weight: i64::from(evse.weight.max(1)),
        counted: seen.counted,
        standing: seen.standing,
        is_fixed: seen.standing != Standing::Known,
        over: seen.over,
        drawn: seen.drawn,
        before: memory.told,
        starts: evse.habits.starts_per_hour,
        ..Lane::default()
    }
}

/// The most it may get by hardware, wish, car and fail-safe; the smallest wins and names itself.
fn ceiling(lane: &mut Lane, evse: &Evse, memory: &mut EvseMemory, watch: Watch, now: Monotonic) {
    let hardware = sane(evse.max).max(0);
    lane.max = sane(evse.wish.current).max(0);
    lane.max_by = MaxBy::Wish;
    let mut lower = |to: i64, by: MaxBy| {
        if to < lane.max {
            lane.max = to;
            lane.max_by = by;
        }
    };
    lower(hardware, MaxBy::Hardware);
    if let Some(cap) = evse.cap {
        lower(sane(cap).max(0), MaxBy::Temporary);
    }
    if let Some(rule) = &evse.rule {
        lower(sane(rule.value).max(0), MaxBy::Rule);
    }
    let drawn = evse
        .drawn
        .into_array()
        .into_iter()
        .map(sane)
        .max()
        .unwrap_or(0)
        .max(0);
    if evse.pilot.asks() {
        hysteresis::reclaim(memory, drawn, hardware, now);
        if let Some(cap) = memory.cap {
            let steps = (cap - lane.min).max(0) + lane.step - 1;
            lower(lane.min + steps / lane.step * lane.step, MaxBy::Vehicle);
        }
    } else {
        memory.cap = None;
        memory.below_since = None;
        if evse.pilot.is_plugged() {
            lower(lane.min, MaxBy::Offer);
        }
    }
    let fallback = sane(evse.fallback.or_zero()).max(0);
    lane.may_rise = watch.path.may_rise();
    match watch.path {
        Trust::Normal | Trust::New | Trust::Hold => {}
        Trust::Never => lower(fallback, MaxBy::FailSafe),
        Trust::Lost => {
            // What ran goes down; only what a person asked for since then starts, with the minimum.
            let asked = memory.asked_at.is_some_and(|asked| now - asked < watch.age);
            lower(fallback, MaxBy::FailSafe);
            if memory.told > 0 {
                lower(memory.told, MaxBy::FailSafe);
            } else if asked {
                lower(lane.min, MaxBy::FailSafe);
                lane.may_rise = true;
            }
        }
    }
}

fn part(lane: &Lane, evse: &Evse, memory: &EvseMemory, is_placed: bool) -> Part {
    let is_known = matches!(lane.standing, Standing::Known | Standing::Defiant);
    if !evse.enabled || !is_placed {
        Part::Absent(Absent::Disabled)
    } else if is_known && !evse.pilot.is_plugged() {
        Part::Absent(Absent::NoVehicle)
    } else if evse.wish.effective_mode() == ChargeMode::Off {
        Part::Absent(Absent::SwitchedOff)
    } else if evse.barred.is_some() {
        Part::Absent(Absent::Barred)
    } else if lane.max < lane.min {
        Part::Absent(Absent::BelowMinimum)
    } else if lane.is_fixed {
        Part::Keep
    } else if lane.rest.is_some() {
        Part::Absent(Absent::Resting)
    } else if evse.complete && !evse.pilot.asks() {
        Part::Complete
    } else if memory.told == 0 {
        Part::Waiting
    } else {
        Part::Running
    }
}

/// Nothing is offered while the contactor changes, or for a moment so that the car wakes up.
fn interrupt(
    lane: &mut Lane,
    evse: &Evse,
    memory: &mut EvseMemory,
    settings: &ControlSettings,
    now: Monotonic,
) {
    if let Some(left_ms) = switching::observe(evse, memory, lane.counted, settings, now) {
        lane.part = Part::Absent(Absent::PhaseChange { left_ms });
        return;
    }
    match memory.habit.dip(evse, memory.told, now) {
        Dip::None => {}
        Dip::Over => memory.is_prompt = true,
        Dip::Lasts { left_ms } => lane.part = Part::Absent(Absent::Waking { left_ms }),
    }
}

/// On which grid phases its current counts.
fn place_feet(lane: &mut Lane, evse: &Evse, memory: &mut EvseMemory) {
    let wired = if evse.phases.is_empty() {
        PhaseSet::ALL
    } else {
        evse.phases
    };
    let union = |a: PhaseSet, b: PhaseSet| PhaseSet::from_bits(a.bits() | b.bits());
    let in_use = evse.phases_in_use;
    // A charger that leaves out phases keeps its terminal L1; where that is wired to is not a choice.
    let single = PhaseSet::only(evse.one_phase);
    let all = memory.car.unwrap_or(wired);
    let is_idle = memory.told == 0 && lane.counted == 0;
    if evse.phase_switching && memory.phases.is_none() && !is_idle && in_use.count() > 1 {
        // Since before the start; on one phase it may be the car's.
        memory.phases = Some(Phases::Three);
    }
    if evse.phase_switching && is_idle {
        let (phases, may_choose) = switching::to_start_on(evse, memory);
        memory.phases = Some(phases);
        lane.single = (may_choose && lane.part == Part::Waiting).then_some(single);
    }
    lane.phases = if evse.phase_switching { memory.phases } else { None };
    if lane.part == Part::Waiting && switching::wanted(evse).is_some_and(|wanted| lane.phases != Some(wanted))
    {
        lane.may_rise = false;
    }
    lane.feet = match lane.phases {
        Some(Phases::One) => single,
        Some(Phases::Three) | None => all,
    };
    if !is_idle {
        lane.feet = union(lane.feet, in_use);
        if memory.told == 0 {
            lane.feet = union(lane.feet, memory.feet);
        }
        if lane.is_fixed {
            lane.feet = union(lane.feet, wired);
        }
    }
    lane.is_late = !evse.before_battery;
    lane.sun = match evse.mode() {
        ChargeMode::Solar => SunShare::Whole,
        ChargeMode::MinSolar => SunShare::AboveMinimum,
        ChargeMode::Off | ChargeMode::Fast => SunShare::None,
    };
}

/// When an EVSE is served: the classes of the groups it is in, the outermost first, then its own. Of the
/// innermost of four groups with a class of their own only the outer three count.
fn class(snapshot: &Snapshot, evse: &Evse) -> u32 {
    let (mut digits, mut count) = ([evse.class; 4], 1);
    for group in &evse.groups {
        let mut next = Some(*group);
        while let Some(circuit) = next.and_then(|index| snapshot.circuits.get(index)) {
            if let Some(class) = circuit.class {
                digits.rotate_right(1);
                digits[0] = class;
                count = (count + 1).min(4);
            }
            next = circuit.parent.filter(|parent| Some(*parent) < next);
        }
    }
    digits[count..].fill(0);
    u32::from_be_bytes(digits)
}

/// Where an EVSE stands in its class: who runs and has not had its time, who waits, who has had it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Runs,
    Waits {
        since: Monotonic,
    },
    /// Who has run for longest comes last.
    Over {
        started: Reverse<Monotonic>,
    },
}

/// Buffers that are kept from cycle to cycle.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    /// Classes in which somebody waits for room.
    contended: Vec<u32>,
    /// Of those the ones in which somebody has had its time.
    over: Vec<u32>,
}

/// How long one runs before it makes room for one that waits.
pub(crate) fn quantum(snapshot: &Snapshot) -> Millis {
    Millis(snapshot.sharing.quantum.max(snapshot.settings.min_on).0.max(0))
}

/// The order in which EVSEs are served: class, then, where not all minima fit, who waits before who has had
/// its time, then who was plugged in first, then id.
pub(crate) fn order(
    snapshot: &Snapshot,
    lanes: &mut [Lane],
    memories: &[EvseMemory],
    now: Monotonic,
    turns: &mut Turns,
    out: &mut Vec<usize>,
) {
    let quantum = quantum(snapshot);
    turns.contended.clear();
    turns.over.clear();
    let waiting = lanes
        .iter()
        .zip(memories)
        .filter(|(lane, memory)| lane.part == Part::Waiting && memory.waits_since.is_some());
    turns.contended.extend(waiting.map(|(lane, _)| lane.class));
    turns.contended.sort_unstable();
    turns.contended.dedup();
    // Who waits must find room for the start delay first; the one before charges until then.
    let (length, delay) = (quantum.0, snapshot.settings.start_delay_grid.0);
    let notice = Millis(length.saturating_sub(delay.clamp(0, length / 2)));
    let is_over = |lane: &Lane, memory: &EvseMemory| {
        lane.part == Part::Running && memory.started_at.is_some_and(|at| now - at >= notice)
    };
    if !turns.contended.is_empty() {
        for (lane, memory) in lanes.iter().zip(memories) {
            if is_over(lane, memory) && turns.contended.binary_search(&lane.class).is_ok() {
                turns.over.push(lane.class);
            }
        }
        turns.over.sort_unstable();
        turns.over.dedup();
        for (lane, memory) in lanes.iter_mut().zip(memories) {
            lane.takes_turn = lane.part == Part::Waiting
                && memory.waits_since.is_some()
                && turns.over.binary_search(&lane.class).is_ok();
        }
    }
    let turn = |lane: &Lane, memory: &EvseMemory| match lane.part {
        _ if turns.contended.binary_search(&lane.class).is_err() => Turn::Runs,
        Part::Waiting => Turn::Waits {
            since: memory.waits_since.unwrap_or(now),
        },
        Part::Running if is_over(lane, memory) => Turn::Over {
            started: Reverse(memory.started_at.unwrap_or(now)),
        },
        Part::Running | Part::Absent(_) | Part::Keep | Part::Complete => Turn::Runs,
    };
    let key = |index: usize| {
        let (evse, lane) = (&snapshot.evses[index], &lanes[index]);
        (
            lane.class,
            turn(lane, &memories[index]),
            evse.plugged_since.map_or(i64::MAX, |since| since.0),
            evse.id.as_str(),
        )
    };
    if out.len() != snapshot.evses.len() {
        out.clear();
        out.extend(0..snapshot.evses.len());
    }
    // Usually still in order from the last cycle.
    if !out.is_sorted_by_key(|index| key(*index)) {
        out.sort_unstable_by(|a, b| key(*a).cmp(&key(*b)));
    }
}

/// A disabled EVSE is load like any other: it counts with what it draws, if that is known.
pub(crate) fn release_disabled(snapshot: &Snapshot, lanes: &mut [Lane]) {
    let timeout = snapshot.settings.station_timeout;
    for (evse, lane) in snapshot.evses.iter().zip(lanes) {
        if evse.enabled {
            continue;
        }
        let is_heard = evse.status_age.is_some_and(|age| age <= timeout);
        let drawn = evse
            .drawn
            .into_array()
            .map(|phase| if is_heard { sane(phase).max(0) } else { 0 });
        lane.counted = drawn.into_iter().max().unwrap_or(0);
        lane.is_fixed = true;
        lane.over = 0;
        lane.drawn = Drawn::steady(drawn);
    }
}
