//! What an EVSE does, by its last status: did it follow, and how much may it draw at most from now on?
//!
//! A command counts until the status shows that it is no longer in force. The status must have been taken
//! after the command was sent, must read back a setpoint that is not above it, and the car must have come
//! down. A decrease that is not followed within the time-out keeps counting: at the old command while the
//! EVSE does not confirm the new one, else at what the car draws.

use model::phases::{PhaseSet, Phases};
use model::reading::PilotState;
use model::settings::ControlSettings;
use model::time::{Millis, Monotonic};

use crate::lane::Standing;
use crate::memory::EvseMemory;
use crate::sane;
use crate::snapshot::Evse;

/// A car may draw this much above its setpoint: tolerance of its meter and of the pilot.
const TOLERANCE: i64 = 1_000;
/// A status older than this says little about the draw of now.
const STALE: Millis = Millis(5_000);
/// A rise that was never read back may still be on its way to the EVSE for this long.
const OVERTAKEN: Millis = Millis(3_000);
/// A car has this long to use what it was offered: 5 s by IEC 61851-1, and the way there and back.
const REACTION: Millis = Millis(8_000);
/// A car that uses fewer phases than are wired shows it within this time.
const PHASES_LEARNED: Millis = Millis(30_000);

/// What is known of an EVSE in this cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub standing: Standing,
    /// The most it may draw, whatever it is told from now on.
    pub counted: i64,
    /// What it draws above the last acknowledged command.
    pub over: i64,
    pub high: [i64; 3],
    pub low: [i64; 3],
}

pub(crate) fn observe(
    evse: &Evse,
    memory: &mut EvseMemory,
    started: Monotonic,
    settings: &ControlSettings,
    now: Monotonic,
) -> Seen {
    let age = evse.status_age.map(|age| Millis(age.0.max(0)));
    let taken = age.map(|age| now - age);
    if let Some(age) = age
        && !memory.is_verified
        && now - age >= started
    {
        adopt(evse, memory);
    }
    let drawn = evse.drawn.into_array().map(|phase| sane(phase).max(0));
    let hardware = sane(evse.max).max(0);
    match taken {
        Some(taken) if memory.is_verified && age <= Some(settings.station_timeout) => {
            memory.draw.record(drawn, now);
            learn_phases(evse, memory, now);
            heard(evse, memory, drawn, taken, settings, now)
        }
        _ => {
            let worst = match evse.watchdog {
                Some(watchdog) if memory.is_verified => sane(watchdog.or_zero()),
                _ => hardware.max(memory.told),
            };
            let inside = drawn.map(|phase| phase.min(worst));
            let silence = age.unwrap_or(now - started);
            let is_silent = silence > settings.station_timeout;
            let standing = if is_silent {
                Standing::Silent
            } else {
                Standing::Unheard
            };
            Seen {
                standing,
                counted: worst,
                over: 0,
                high: inside,
                low: inside,
            }
        }
    }
}

/// The first status since the start: what is in force, unless something lower was ordered meanwhile.
fn adopt(evse: &Evse, memory: &mut EvseMemory) {
    memory.is_verified = true;
    let obeyed = evse.obeyed.map(|obeyed| sane(obeyed.or_zero()));
    let plugged = evse.pilot.is_plugged();
    memory.told = match (memory.is_new, obeyed) {
        (true, Some(obeyed)) if plugged => obeyed,
        (true, _) => 0,
        (false, Some(obeyed)) => memory.told.min(obeyed),
        (false, None) => memory.told,
    };
    memory.in_force = memory.told.max(obeyed.unwrap_or(memory.in_force));
}

fn heard(
    evse: &Evse,
    memory: &mut EvseMemory,
    drawn: [i64; 3],
    taken: Monotonic,
    settings: &ControlSettings,
    now: Monotonic,
) -> Seen {
    let most = drawn.into_iter().max().unwrap_or(0);
    let obeyed = evse.obeyed.map(|obeyed| sane(obeyed.or_zero()));
    let mut high = memory.draw.highest();
    let low = if now - taken > STALE {
        [0; 3]
    } else {
        memory.draw.lowest()
    };
    if evse.pilot == PilotState::A {
        // Without a car nothing flows, whatever the EVSE would offer.
        memory.in_force = memory.told;
        memory.excess = None;
        return Seen {
            standing: Standing::Known,
            counted: most,
            over: most,
            high,
            low,
        };
    }
    if memory.rise_unseen && obeyed.is_some_and(|obeyed| obeyed >= memory.in_force) {
        memory.rise_unseen = false;
    }
    if memory.in_force > memory.told && is_acknowledged(memory, obeyed, most, taken, settings, now) {
        memory.in_force = memory.told;
        memory.rise_unseen = false;
        memory.settled_at = Some(taken);
    }
    let is_defiant = is_defiant(memory, obeyed, most, settings, now);
    let confirmed = obeyed.is_some_and(|obeyed| obeyed <= memory.told);
    let old = if is_defiant && confirmed {
        0
    } else {
        memory.in_force
    };
    let counted = memory.told.max(most).max(obeyed.unwrap_or(0)).max(old);
    let is_settled = memory.in_force == memory.told && !is_defiant;
    let over = if is_settled {
        (most - memory.told).max(0)
    } else {
        0
    };
    if memory.rose_at.is_some_and(|rose| now - rose <= REACTION) {
        for phase in memory.feet.iter() {
            high[phase.index()] = high[phase.index()].max(memory.told);
        }
    }
    let standing = if is_defiant {
        Standing::Defiant
    } else {
        Standing::Known
    };
    Seen {
        standing,
        counted,
        over,
        high,
        low,
    }
}

fn is_acknowledged(
    memory: &EvseMemory,
    obeyed: Option<i64>,
    most: i64,
    taken: Monotonic,
    settings: &ControlSettings,
    now: Monotonic,
) -> bool {
    let earliest = memory.lowered_at + if memory.rise_unseen { OVERTAKEN } else { Millis(0) };
    let says_so = match obeyed {
        Some(obeyed) => obeyed <= memory.told,
        // It cannot say: only time tells.
        None => now - memory.lowered_at >= settings.ack_timeout,
    };
    taken > earliest && says_so && most <= memory.told + TOLERANCE
}

/// Whether the EVSE has been above its setpoint for too long without coming down.
fn is_defiant(
    memory: &mut EvseMemory,
    obeyed: Option<i64>,
    most: i64,
    settings: &ControlSettings,
    now: Monotonic,
) -> bool {
    let level = most.max(obeyed.unwrap_or(0));
    let is_above = obeyed.is_some_and(|obeyed| obeyed > memory.told) || most > memory.told + TOLERANCE;
    memory.excess = match memory.excess {
        _ if !is_above => None,
        // It is on its way.
        Some((_, mark)) if level <= mark - 500 => Some((now, level)),
        None => Some((now, level)),
        kept => kept,
    };
    memory
        .excess
        .is_some_and(|(since, _)| now - since >= settings.ack_timeout)
}

/// Cars with fewer phases than are wired leave the others to their neighbours.
fn learn_phases(evse: &Evse, memory: &mut EvseMemory, now: Monotonic) {
    let in_use = evse.phases_in_use;
    if !evse.pilot.is_plugged() {
        memory.car = None;
        memory.narrow = None;
        return;
    }
    if in_use.is_empty() {
        return;
    }
    if memory.phases == Some(Phases::One) {
        if in_use.count() == 1 {
            memory.single = Some(in_use);
        }
        return;
    }
    let missing = |set: PhaseSet| in_use.iter().any(|phase| !set.contains(phase));
    if memory.car.is_some_and(missing) {
        memory.car = None;
    }
    memory.narrow = match memory.narrow {
        _ if evse.phases.iter().all(|phase| in_use.contains(phase)) => None,
        Some((since, set)) if set == in_use => Some((since, set)),
        _ => Some((now, in_use)),
    };
    if let Some((since, set)) = memory.narrow
        && now - since >= PHASES_LEARNED
    {
        memory.car = Some(set);
    }
}
