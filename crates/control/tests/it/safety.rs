//! What no fault and no order of events may break, on small random sites over minutes.

use model::device::ChargeMode;
use model::money::PerKwh;
use model::phases::PhaseSet;
use model::reason::Cause;
use model::time::Millis;
use model::units::MilliAmps;
use proptest::prelude::*;
use proptest::test_runner::Config;

use crate::world::{Plug, World};

/// Cases per property; the environment variable of the test tool overrides it.
pub fn cases(default: u32) -> Config {
    let cases = std::env::var("PROPTEST_CASES")
        .ok()
        .and_then(|text| text.parse().ok());
    Config {
        failure_persistence: None,
        ..Config::with_cases(cases.unwrap_or(default))
    }
}

/// The promised bound for overloads that are not ours, in cycles of a second; what is read is younger.
const REACTION: usize = 10;

#[derive(Clone, Debug)]
enum Event {
    Load {
        circuit: usize,
        phase: usize,
        current: i64,
    },
    Plug {
        evse: usize,
        plug: Plug,
    },
    Mode {
        evse: usize,
        mode: ChargeMode,
    },
    Wish {
        evse: usize,
        current: i64,
    },
    /// A ceiling that goes by itself; 0: it has gone.
    Cap {
        evse: usize,
        current: i64,
    },
    /// What grid energy costs, and up to what the car takes it.
    Price {
        evse: usize,
        price: i64,
        limit: Option<i64>,
    },
    CarMax {
        evse: usize,
        current: i64,
    },
    Sun {
        watts: i64,
    },
    StationSilent {
        evse: usize,
        silent: bool,
    },
    MeterSilent {
        circuit: usize,
        silent: bool,
    },
    Limit {
        circuit: usize,
        current: i64,
    },
    /// The grid operator orders so many W, what is kept in any case, or nothing any more.
    Dimming {
        order: Option<Option<i64>>,
    },
    /// The process starts again and knows only what it told last.
    Restart,
    /// Commands on their way get lost.
    Lost {
        evse: usize,
    },
    /// A charging station answers and does not do what it is told.
    Ignores {
        evse: usize,
        ignores: bool,
    },
    /// Meters are read later, or in time again.
    Late {
        lag: i64,
    },
}

fn event() -> impl Strategy<Value = Event> {
    let plug = prop::sample::select(vec![
        Plug::None,
        Plug::Idle,
        Plug::Asks,
        Plug::Asks,
        Plug::Complete,
    ]);
    let mode = prop::sample::select(ChargeMode::ALL.to_vec());
    let amps = |range: std::ops::Range<i64>| range.prop_map(|amps| amps * 500);
    prop_oneof![
        4 => (0..3_usize, 0..3_usize, amps(0..60)).prop_map(|(circuit, phase, current)| Event::Load { circuit, phase, current }),
        3 => (0..6_usize, plug).prop_map(|(evse, plug)| Event::Plug { evse, plug }),
        2 => (0..6_usize, mode).prop_map(|(evse, mode)| Event::Mode { evse, mode }),
        1 => (0..6_usize, amps(8..64)).prop_map(|(evse, current)| Event::Wish { evse, current }),
        1 => (0..6_usize, amps(0..40)).prop_map(|(evse, current)| Event::Cap { evse, current }),
        1 => (0..6_usize, 0..4_i64, prop::option::of(0..4_i64)).prop_map(|(evse, price, limit)| Event::Price { evse, price, limit }),
        1 => (0..6_usize, amps(12..64)).prop_map(|(evse, current)| Event::CarMax { evse, current }),
        2 => (0..20_000_i64).prop_map(|watts| Event::Sun { watts }),
        1 => (0..6_usize, any::<bool>()).prop_map(|(evse, silent)| Event::StationSilent { evse, silent }),
        1 => (0..3_usize, any::<bool>()).prop_map(|(circuit, silent)| Event::MeterSilent { circuit, silent }),
        1 => (0..4_usize, amps(20..80)).prop_map(|(circuit, current)| Event::Limit { circuit, current }),
        1 => prop::option::weighted(0.7, prop::option::of(0..30_000_i64)).prop_map(|order| Event::Dimming { order }),
        1 => Just(Event::Restart),
        1 => (0..6_usize).prop_map(|evse| Event::Lost { evse }),
        1 => (0..6_usize, any::<bool>()).prop_map(|(evse, ignores)| Event::Ignores { evse, ignores }),
        1 => (0..5_i64).prop_map(|lag| Event::Late { lag }),
    ]
}

/// Circuit, maximum, phases of the car, step, class, weight, whether it can switch phases, whether it is a
/// tenant's.
type Station = (usize, i64, u8, i64, u8, u16, bool, bool);

/// Starts per hour, top-ups, seconds until a car is woken, changes of phases, seconds of hold after an
/// overload, seconds until phases change.
type Nerves = (u8, Option<u8>, Option<i64>, u8, i64, i64);

#[derive(Clone, Debug)]
struct Story {
    limits: [i64; 4],
    skew: Option<i64>,
    meters: [bool; 3],
    evses: Vec<Station>,
    delays: (i64, i64, i64, i64),
    nerves: Nerves,
    /// Target of a quarter in W, whether the month's highest is followed, hour of the week.
    grid: (Option<i64>, bool, Option<u8>),
    events: Vec<(i64, Event)>,
}

fn story() -> impl Strategy<Value = Story> {
    let evse = (
        0..3_usize,
        prop::sample::select(vec![16_000_i64, 20_000, 32_000]),
        prop::sample::select(vec![7_u8, 7, 1, 2, 3]),
        prop::sample::select(vec![1_000_i64, 100, 2_000]),
        0..2_u8,
        1..4_u16,
        any::<bool>(),
        any::<bool>(),
    );
    (
        [30..70_i64, 20..50, 16..40, 10..60].prop_map(|limits| limits.map(|amps| amps * 1_000)),
        prop::option::weighted(0.3, (5..40_i64).prop_map(|amps| amps * 1_000)),
        any::<[bool; 2]>().prop_map(|[b, c]| [true, b, c]),
        prop::collection::vec(evse, 1..6),
        (0..1_500_i64, 0..4_000_i64, 0..3_i64, 0..3_i64),
        (
            0..7_u8,
            prop::option::of(0..2_u8),
            prop::option::of(5..60_i64),
            0..9_u8,
            prop_oneof![Just(0_i64), 5..60_i64],
            1..60_i64,
        ),
        (
            prop::option::weighted(0.3, 1_000..30_000_i64),
            any::<bool>(),
            prop::option::of(0..168_u8),
        ),
        prop::collection::vec((1..40_i64, event()), 0..15),
    )
        .prop_map(
            |(limits, skew, meters, evses, delays, nerves, grid, events)| Story {
                limits,
                skew,
                meters,
                evses,
                delays,
                nerves,
                grid,
                events,
            },
        )
}

fn build(story: &Story) -> World {
    let mut world = World::new();
    let house = world.node("house", None, story.limits[0], story.meters[0]);
    let hall = world.node("hall", Some(house), story.limits[1], story.meters[1]);
    world.node("row", Some(hall), story.limits[2], story.meters[2]);
    let tenant = world.node("tenant", None, story.limits[3], false);
    world.nodes[tenant].is_group = true;
    world.nodes[house].skew_limit = story.skew;
    for (number, (circuit, max, car, step, class, weight, switching, is_tenant)) in
        story.evses.iter().enumerate()
    {
        let index = world.add(&format!("e{number}"), *circuit, *max, ChargeMode::Fast);
        let evse = &mut world.boxes[index];
        evse.car_phases = PhaseSet::from_bits(*car);
        evse.step = *step;
        evse.class = *class;
        evse.weight = *weight;
        evse.phase_switching = *switching;
        let (starts, top_ups, wake_after, phase_changes, ..) = story.nerves;
        evse.habits.starts_per_hour = starts;
        evse.habits.top_ups = top_ups;
        evse.habits.wake_after = wake_after.map(|seconds| Millis(seconds * 1_000));
        evse.habits.phase_changes = phase_changes;
        evse.groups = is_tenant.then_some(tenant).into_iter().collect();
    }
    (
        world.command_delay,
        world.car_delay,
        world.meter_lag,
        world.status_lag,
    ) = story.delays;
    let (.., hold, phases) = story.nerves;
    world.settings.overload_hold = Millis(hold * 1_000);
    world.settings.narrow_delay = Millis(phases * 1_000);
    world.settings.widen_delay = Millis(phases * 2_000);
    world.settings.phases_hold = Millis(phases * 2_000);
    let (peak, follow, hour) = story.grid;
    world.peak = peak.map(|target| (target, follow));
    world.hour_of_week = hour;
    world.sun = Some(0);
    world
}

fn happen(world: &mut World, event: &Event) {
    let now = world.now;
    let count = world.boxes.len();
    match event {
        Event::Load {
            circuit,
            phase,
            current,
        } => {
            // Where nothing measures it there is no load beside ours.
            if world.nodes[*circuit].has_meter {
                world.nodes[*circuit].load[*phase] = *current;
            }
        }
        Event::Plug { evse, plug } => {
            world.boxes[evse % count].replug(*plug, now);
        }
        Event::Mode { evse, mode } => world.boxes[evse % count].wish.mode = *mode,
        Event::Wish { evse, current } => world.boxes[evse % count].wish.current = MilliAmps(*current),
        Event::Cap { evse, current } => {
            world.boxes[evse % count].cap = (*current > 0).then_some(*current);
        }
        Event::Price { evse, price, limit } => {
            let evse = &mut world.boxes[evse % count];
            evse.price = Some(*price);
            evse.wish.price_limit = limit.map(PerKwh);
        }
        Event::CarMax { evse, current } => world.boxes[evse % count].car_max = *current,
        Event::Sun { watts } => world.sun = Some(*watts),
        Event::StationSilent { evse, silent } => {
            let evse = &mut world.boxes[evse % count];
            evse.silent_since = silent.then_some(evse.silent_since.unwrap_or(now));
        }
        Event::MeterSilent { circuit, silent } => {
            let node = &mut world.nodes[*circuit];
            node.silent_since = silent.then_some(node.silent_since.unwrap_or(now));
        }
        Event::Limit { circuit, current } => world.nodes[*circuit].limit = [*current; 3],
        Event::Dimming { order } => world.dimming = *order,
        Event::Restart => world.restart(),
        Event::Lost { evse } => world.boxes[evse % count].in_flight.clear(),
        Event::Ignores { evse, ignores } => world.boxes[evse % count].ignores = *ignores,
        Event::Late { lag } => world.meter_lag = *lag,
    }
}

/// What may flow in a phase of a circuit through our EVSEs, commands on their way included.
fn worst_below(world: &World, circuit: usize, phase: usize) -> i64 {
    let below = world.boxes.iter().filter(|evse| world.counts_in(evse, circuit));
    below.map(|evse| evse.worst(phase)).sum()
}

/// Load beside ours in a phase of a circuit, as the meters could know it; the sun gives no room.
fn base(world: &World, circuit: usize, phase: usize) -> i64 {
    let nodes = world.nodes.iter().enumerate();
    let load: i64 = nodes
        .filter(|(index, _)| world.is_below(*index, circuit))
        .map(|(_, node)| node.load[phase])
        .sum();
    let sun = if circuit == 0 {
        world.sun.unwrap_or(0) * 1_000 / crate::world::VOLT / 3
    } else {
        0
    };
    (load - sun).max(0)
}

fn rises_fit(world: &World, before: &[i64], quiet: i64) -> Result<(), TestCaseError> {
    for (index, evse) in world.boxes.iter().enumerate() {
        let told = world.told(index);
        prop_assert!(
            told == 0 || (told >= evse.min && (told - evse.min) % evse.step == 0),
            "{told}"
        );
        if told <= before[index] {
            continue;
        }
        prop_assert!(before[index] == 0 || told - before[index] <= 2_000.max(evse.step));
        if let Some(order) = world.dimming {
            let kept = order.unwrap_or(control::dimming::floor(world.boxes.len()).0);
            let allowed = kept + world.sun.unwrap_or(0);
            let worst: i64 = (0..3).map(|phase| worst_below(world, 0, phase)).sum();
            prop_assert!(
                worst * crate::world::VOLT <= allowed * 1_000,
                "{worst} mA of {allowed} W"
            );
        }
        for circuit in (0..world.nodes.len()).filter(|circuit| world.counts_in(evse, *circuit)) {
            let node = &world.nodes[circuit];
            // A meter tells of a load with its lag; until then nobody can know it.
            let is_silent = |index: &usize| world.nodes[*index].silent_since.is_some();
            let mut below = (0..world.nodes.len()).filter(|index| world.is_below(*index, circuit));
            if below.any(|index| is_silent(&index)) || quiet <= world.meter_lag {
                continue;
            }
            for phase in (0..3).filter(|phase| evse.worst(*phase) > 0) {
                let worst = worst_below(world, circuit, phase) + base(world, circuit, phase);
                prop_assert!(
                    worst <= node.limit[phase],
                    "evse {index} rises {} -> {told} with {worst} of {} in {}",
                    before[index],
                    node.limit[phase],
                    node.id
                );
            }
        }
    }
    Ok(())
}

/// Counts cycles above a limit that EVSEs could have prevented, from the last event on.
fn overloads(world: &World, since: &mut [usize]) -> Result<(), TestCaseError> {
    for (circuit, count) in since.iter_mut().enumerate() {
        let truth = world.truth(circuit);
        let node = &world.nodes[circuit];
        let below = || world.boxes.iter().filter(|evse| world.counts_in(evse, circuit));
        let is_deaf = |(index, node): (usize, &crate::world::Node)| {
            node.silent_since.is_some() && world.is_below(index, circuit)
        };
        let is_excused = world.nodes.iter().enumerate().any(is_deaf)
            || below().any(|evse| evse.silent_since.is_some() || evse.ignores);
        let is_over =
            (0..3).any(|phase| truth[phase] > node.limit[phase] && below().any(|evse| evse.drawn[phase] > 0));
        *count = if is_over && !is_excused { *count + 1 } else { 0 };
        // A car that takes long to follow takes it twice when the load came while it was rising.
        let bound = REACTION + (world.meter_lag + world.status_lag + world.car_delay / 2_000) as usize;
        prop_assert!(
            *count <= bound,
            "{} above its limit for {count} s: {truth:?}",
            node.id
        );
    }
    Ok(())
}

fn play(story: &Story) -> Result<World, TestCaseError> {
    play_in(build(story), story)
}

fn play_in(mut world: World, story: &Story) -> Result<World, TestCaseError> {
    let mut over = vec![0; world.nodes.len()];
    let mut quiet = i64::MAX / 2;
    let mut events = story.events.iter();
    let mut next = events.next();
    let mut wait = next.map_or(0, |(wait, _)| *wait);
    let mut before = vec![0; world.boxes.len()];
    let end = story.events.iter().map(|(wait, _)| wait).sum::<i64>() + 60;
    for _ in 0..end {
        quiet += 1;
        if wait == 0
            && let Some((_, event)) = next
        {
            happen(&mut world, event);
            quiet = 0;
            next = events.next();
            wait = next.map_or(0, |(wait, _)| *wait);
        }
        wait = (wait - 1).max(0);
        world.cycle();
        rises_fit(&world, &before, quiet)?;
        before = (0..world.boxes.len()).map(|index| world.told(index)).collect();
        world.pass(crate::world::TICK);
        if quiet == 0 {
            over.fill(0);
        }
        overloads(&world, &mut over)?;
    }
    prop_assert!(
        world.boxes.iter().all(|evse| evse.changed_under_load == 0),
        "a contactor changed under load"
    );
    Ok(world)
}

/// What is told fits, wherever there is anything left to lower.
fn is_within_limits(world: &World) -> Result<(), TestCaseError> {
    for (circuit, node) in world.nodes.iter().enumerate() {
        for phase in 0..3 {
            let ours = world
                .boxes
                .iter()
                .enumerate()
                .filter(|(_, evse)| world.counts_in(evse, circuit) && evse.drawn[phase] > 0);
            let told: i64 = ours.map(|(index, _)| world.told(index)).sum();
            prop_assert!(
                told == 0 || told + base(world, circuit, phase) <= node.limit[phase],
                "{told} told in phase {phase} of {}: {:?}",
                node.id,
                world.decision.verdicts
            );
        }
    }
    Ok(())
}

/// Nobody who wants more has a step free on the whole path, once everything has settled.
fn is_used_up(world: &World) -> Result<(), TestCaseError> {
    for (index, evse) in world.boxes.iter().enumerate() {
        let told = world.told(index);
        let verdict = &world.decision.verdicts[index];
        let is_capped = matches!(
            &verdict.cause,
            Cause::Limited {
                by: model::limit::LimitSource::Vehicle,
                ..
            }
        );
        let wants = evse.plug == Plug::Asks && evse.wish.effective_mode() == ChargeMode::Fast;
        let most = evse
            .max
            .min(evse.wish.current.0)
            .min(evse.cap.unwrap_or(i64::MAX));
        if !wants || is_capped || told == 0 || told + evse.step > most {
            continue;
        }
        let sum = |circuit: usize, phase: usize| -> i64 {
            let below = world
                .boxes
                .iter()
                .enumerate()
                .filter(|(_, b)| world.counts_in(b, circuit));
            // Before its phases are known a car counts on all that are wired.
            below
                .map(|(other, b)| {
                    if b.drawn[phase] > 0 || b.drawn == [0; 3] {
                        world.told(other)
                    } else {
                        0
                    }
                })
                .sum()
        };
        let is_full = (0..world.nodes.len())
            .filter(|circuit| world.counts_in(evse, *circuit))
            .any(|circuit| {
                (0..3).any(|phase| {
                    sum(circuit, phase) + base(world, circuit, phase) + evse.step
                        > world.nodes[circuit].limit[phase]
                })
            });
        prop_assert!(is_full, "evse {index} has {told}: {:?}", verdict.cause);
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(10_000))]

    #[test]
    fn no_increase_breaks_a_limit_and_no_overload_lasts(story in story()) {
        play(&story)?;
    }
}

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn every_needed_decrease_leaves_in_the_same_cycle(
        mut story in story(),
        changes in prop::collection::vec(event(), 1..4),
    ) {
        story.events.clear();
        // A meter that answers in time and cars that have settled: all of a change is seen at once.
        story.delays = (0, 500, 0, 0);
        let mut world = play(&story)?;
        world.run(60);
        for change in &changes {
            if let Event::Load { .. } | Event::Limit { .. } | Event::Plug { .. } | Event::Mode { .. } = change {
                happen(&mut world, change);
            }
        }
        world.cycle();
        is_within_limits(&world)?;
    }

    #[test]
    fn what_is_free_is_given_in_the_end(mut story in story()) {
        story.skew = None;
        story.grid = (None, false, None);
        // Solar cars share their sun with what others draw, so with coarse steps there need not be a rest.
        story.events.retain(|(_, event)| !matches!(event,
            Event::StationSilent { .. } | Event::MeterSilent { .. } | Event::CarMax { .. }
            | Event::Dimming { .. } | Event::Ignores { .. } | Event::Late { .. }
            | Event::Mode { mode: ChargeMode::Solar | ChargeMode::MinSolar, .. }));
        // Where minima do not fit, cars take turns; here the first ones keep theirs.
        let mut world = build(&story);
        world.sharing.quantum = Millis(86_400_000);
        let mut world = play_in(world, &story)?;
        // Longer than any delay, pause and minimum time together.
        world.run(800);
        is_used_up(&world)?;
    }

    #[test]
    fn the_same_story_is_told_twice(story in story()) {
        let (a, b) = (play(&story)?, play(&story)?);
        prop_assert_eq!(a.decision, b.decision);
    }
}

#[test]
fn memory_survives_being_stored_in_the_middle_of_a_day() {
    let mut worlds = [0, 1].map(|_| {
        let mut world = World::new();
        let house = world.node("house", None, 35_000, true);
        for (name, mode) in [
            ("a", ChargeMode::Fast),
            ("b", ChargeMode::Solar),
            ("c", ChargeMode::MinSolar),
        ] {
            world.add(name, house, 16_000, mode);
        }
        world.sun = Some(7_000);
        world.run(45);
        world
    });
    let text = serde_json::to_string(&worlds[1].memory).unwrap();
    worlds[1].memory = serde_json::from_str(&text).unwrap();
    for world in &mut worlds {
        world.run(120);
    }
    assert_eq!(worlds[0].decision, worlds[1].decision);
}
