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

use crate::lane::{Drawn, Standing};
use crate::memory::EvseMemory;
use crate::sane;
use crate::snapshot::Evse;

/// A car may draw this much above its setpoint: tolerance of its meter and of the pilot.
const TOLERANCE: i64 = 1_000;
/// A status older than this says little about the draw of now.
const STALE: Millis = Millis(5_000);
/// A rise may still show this long after it was sent: the way there, and 5 s for the car by IEC 61851-1.
const PASSAGE: Millis = Millis(7_000);
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
    pub drawn: Drawn,
}

pub(crate) fn observe(
    evse: &Evse,
    memory: &mut EvseMemory,
    started: Monotonic,
    settings: &ControlSettings,
    now: Monotonic,
) -> Seen {
    let age = evse.status_age.map(|age| Millis(age.0.max(0)));
    if let Some(age) = age
        && !memory.is_verified
        && now - age >= started
    {
        adopt(evse, memory);
    }
    let drawn = evse.drawn.into_array().map(|phase| sane(phase).max(0));
    if let Some(age) = age
        && memory.is_verified
        && age <= settings.station_timeout
    {
        memory.draw.record(drawn, now - age, now);
        learn_phases(evse, memory, now);
        return heard(evse, memory, drawn, now - age, settings, now);
    }
    let worst = match evse.watchdog {
        Some(watchdog) if memory.is_verified => sane(watchdog.or_zero()),
        Some(_) | None => sane(evse.max).max(memory.told),
    };
    let is_silent = age.unwrap_or(now - started) > settings.station_timeout;
    Seen {
        standing: if is_silent {
            Standing::Silent
        } else {
            Standing::Unheard
        },
        counted: worst,
        over: 0,
        drawn: Drawn {
            is_guessed: true,
            ..Drawn::steady(drawn.map(|phase| phase.min(worst)))
        },
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
    if memory.in_force > memory.told && is_acknowledged(memory, obeyed, most, taken, settings, now) {
        memory.in_force = memory.told;
        memory.settled_at = Some(taken);
    }
    if evse.pilot == PilotState::A {
        return unplugged(memory, most, recent(memory, drawn, taken, now), settings, now);
    }
    let is_defiant = is_defiant(memory, obeyed, most, settings, now);
    let confirmed = obeyed.is_some_and(|obeyed| obeyed <= memory.told);
    let old = if is_defiant && confirmed {
        0
    } else {
        memory.in_force
    };
    // A car may still be on its way down within the tolerance.
    let is_settled = !is_defiant && memory.in_force == memory.told && now - memory.lowered_at > PASSAGE;
    Seen {
        standing: if is_defiant {
            Standing::Defiant
        } else {
            Standing::Known
        },
        counted: memory.told.max(most).max(obeyed.unwrap_or(0)).max(old),
        over: if is_settled {
            (most - memory.told).max(0)
        } else {
            0
        },
        drawn: recent(memory, drawn, taken, now),
    }
}

/// Its draw of the last seconds, and what it may have become since.
fn recent(memory: &EvseMemory, latest: [i64; 3], taken: Monotonic, now: Monotonic) -> Drawn {
    let mut risen = [0; 3];
    if let Some((_, to)) = memory.rose.filter(|(at, _)| now - *at <= REACTION) {
        for phase in memory.feet.iter() {
            risen[phase.index()] = to;
        }
    }
    let is_guessed = now - taken > STALE;
    // It may have come down to its setpoint already.
    let low = memory.draw.lowest().map(|phase| phase.min(memory.told));
    Drawn {
        latest,
        low: if is_guessed { [0; 3] } else { low },
        risen,
        fell_at: memory.draw.fell_at().unwrap_or(Monotonic(i64::MIN)),
        settled_at: memory.settled_at.unwrap_or(Monotonic(i64::MIN)),
        is_guessed,
    }
}

/// Without a car nothing flows, whatever the EVSE would offer; but one may be plugged in before the last
/// command has arrived.
fn unplugged(
    memory: &mut EvseMemory,
    most: i64,
    drawn: Drawn,
    settings: &ControlSettings,
    now: Monotonic,
) -> Seen {
    if now - memory.lowered_at >= settings.ack_timeout {
        memory.in_force = memory.told;
    }
    memory.excess = None;
    Seen {
        standing: Standing::Known,
        counted: most.max(memory.in_force),
        over: most,
        drawn,
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
    // A decrease soon after a rise: the car may not even have begun to follow the rise.
    let passed = memory.rose.map_or(Monotonic(i64::MIN), |(at, _)| at + PASSAGE);
    let earliest = memory.lowered_at.max(passed);
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
