//! Quick down, slow up, minimum on and off; and what a car is known to take.
//!
//! | rule | value |
//! |---|---|
//! | fall | at once |
//! | rise | 2 A/s per EVSE, to the least it was given in the last 3 to 6 s |
//! | start | the minimum and 1 A must have had room for the start delay |
//! | stop for want of sun | after the stop delay and the minimum time on |
//! | stop for want of room | at once |
//! | start after a stop for want of sun | after the minimum pause |
//! | a person has just changed the mode | starts at once if the minimum has room |
//! | car takes 1.5 A less than offered for 60 s | offered its draw and 1 A, and 1 A more each 60 s |

use model::time::{Millis, Monotonic};

use crate::allocate::Rules;
use crate::lane::{Lane, Outcome, SunShare};
use crate::memory::EvseMemory;
use crate::recent::Lowest;

/// mA per ms.
const RISE_RATE: i64 = 2;
/// Room above the minimum that a start asks for.
pub(crate) const START_MARGIN: i64 = 1_000;
/// A rise follows what was given for this long or twice.
const STEADY: Millis = Millis(3_000);
const RECLAIM_BELOW: i64 = 1_500;
const RECLAIM_MARGIN: i64 = 1_000;
const RECLAIM_AFTER: Millis = Millis(60_000);

/// How much head-room a waiting EVSE must find.
pub(crate) fn start_need(lane: &Lane, memory: &EvseMemory) -> i64 {
    // Who takes over from another finds exactly the room that the other leaves.
    if memory.is_prompt || memory.is_starting || lane.takes_turn {
        lane.min
    } else {
        lane.min + START_MARGIN
    }
}

/// There is room: may it start, and if not, how long does it wait?
pub(crate) fn may_start(lane: &Lane, memory: &mut EvseMemory, rules: Rules<'_>) -> Outcome {
    let Rules { settings, now, .. } = rules;
    let since = *memory.room_since.get_or_insert(now);
    if memory.is_prompt || memory.is_starting {
        return Outcome::Admitted;
    }
    if let Some(left_ms) = memory.habit.starts_used_up(lane.starts, now) {
        memory.waits_since = None;
        return Outcome::StartsUsedUp { left_ms };
    }
    if let Some(stopped) = memory.soft_stop_at
        && now - stopped < settings.min_off
    {
        return Outcome::MinimumPause {
            left_ms: remaining(stopped, settings.min_off, now),
        };
    }
    let delay = if lane.sun == SunShare::Whole {
        settings.start_delay_solar
    } else {
        settings.start_delay_grid
    };
    if now - since < delay {
        return Outcome::Delayed {
            left_ms: remaining(since, delay, now),
        };
    }
    Outcome::Admitted
}

/// The sun no longer carries the minimum: how long is it held? `None` when the time is up.
pub(crate) fn hold(memory: &mut EvseMemory, rules: Rules<'_>) -> Option<i64> {
    let Rules { settings, now, .. } = rules;
    let since = *memory.short_since.get_or_insert(now);
    let started = memory.started_at.unwrap_or(Monotonic(i64::MIN));
    let left = remaining(since, settings.stop_delay, now).max(remaining(started, settings.min_on, now));
    (left > 0).then_some(left)
}

fn remaining(since: Monotonic, span: Millis, now: Monotonic) -> i64 {
    (since + span - now).0.max(0)
}

/// Time passes: an EVSE may rise by so much more.
pub(crate) fn earn_rise(memory: &mut EvseMemory, step: i64, elapsed: Millis) {
    let earned = RISE_RATE * elapsed.0.clamp(0, 10_000);
    memory.rise = (memory.rise + earned).min(earned.max(step));
}

/// What it may rise to: not above the least it was given lately. Whoever is given more one moment and less
/// the next would only take room from others who wait for it.
pub(crate) fn steady_grant(memory: &mut EvseMemory, granted: i64, now: Monotonic) -> i64 {
    let given = memory
        .given
        .unwrap_or(Lowest::new(granted, now))
        .with(granted, now, STEADY);
    memory.given = Some(given);
    given.value()
}

/// A car that takes less than it is offered leaves the rest to others.
pub(crate) fn reclaim(memory: &mut EvseMemory, drawn: i64, max: i64, now: Monotonic) {
    if memory.told == 0 {
        memory.cap = None;
        memory.below_since = None;
        return;
    }
    if drawn >= memory.told - RECLAIM_BELOW {
        memory.below_since = None;
    } else {
        let since = *memory.below_since.get_or_insert(now);
        if now - since >= RECLAIM_AFTER {
            memory.cap = Some(drawn + RECLAIM_MARGIN);
            memory.below_since = None;
            memory.probed_at = now;
        }
    }
    if let Some(cap) = memory.cap
        && now - memory.probed_at >= RECLAIM_AFTER
    {
        memory.probed_at = now;
        memory.cap = (cap + RECLAIM_MARGIN < max).then_some(cap + RECLAIM_MARGIN);
    }
}
