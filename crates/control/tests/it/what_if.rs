//! What would let a car charge.

use control::{Unlock, what_would_help};
use model::device::ChargeMode;
use model::id::EvseId;
use model::limit::LimitSource;
use model::phases::Phase;
use model::question::{Change, Help};
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::time::{Monotonic, Now, Timestamp};
use model::units::MilliAmps;

use crate::world::World;

fn helps(world: &World, evse: usize) -> Vec<(String, i64)> {
    let now = Now {
        wall: Timestamp(world.now + world.wall_shift),
        monotonic: Monotonic(world.now),
    };
    let memory = serde_json::to_string(&world.memory).unwrap();
    let helps = what_would_help(&world.snapshot, &world.memory, now, evse);
    // Nothing of it stays.
    assert_eq!(serde_json::to_string(&world.memory).unwrap(), memory);
    assert_eq!(what_would_help(&world.snapshot, &world.memory, now, evse), helps);
    helps
        .iter()
        .map(|help| (text(&help.change), help.granted.or_zero().0))
        .collect()
}

fn text(change: &Change) -> String {
    match change {
        Change::MoreRoom { at, by } => match at {
            LimitSource::Circuit { circuit, phase } => {
                format!("{circuit} {} +{}", phase.map_or("all", Phase::name), by.0)
            }
            LimitSource::Skew { circuit, .. } => format!("skew of {circuit} +{}", by.0),
            LimitSource::Surplus => format!("sun +{}", by.0),
            LimitSource::Hardware
            | LimitSource::Wish
            | LimitSource::Temporary
            | LimitSource::Vehicle
            | LimitSource::FailSafe
            | LimitSource::Ramp
            | LimitSource::Overload { .. }
            | LimitSource::Peak { .. }
            | LimitSource::GridOperator { .. }
            | LimitSource::Rule { .. } => panic!("{at:?}"),
        },
        Change::ServedFirst => "first".to_owned(),
        Change::Without { holder } => format!("without {holder}"),
        Change::Mode { mode } => format!("{mode:?}"),
    }
}

fn check(world: &World, evse: usize, expected: &[(&str, i64)]) {
    let found = helps(world, evse);
    let found: Vec<(&str, i64)> = found
        .iter()
        .map(|(what, granted)| (what.as_str(), *granted))
        .collect();
    assert_eq!(found, expected, "{:?}", world.decision.verdicts[evse]);
}

fn shed(amps: i64, modes: &[ChargeMode]) -> World {
    let mut world = World::new();
    let house = world.node("house", None, amps * 1_000, true);
    for (number, mode) in modes.iter().enumerate() {
        world.add(&format!("e{number}"), house, 16_000, *mode);
    }
    world.run(60);
    world
}

#[test]
fn a_car_without_a_place_is_told_of_room_of_the_others_and_of_the_order() {
    let world = shed(8, &[ChargeMode::Fast, ChargeMode::Fast]);
    check(
        &world,
        1,
        &[
            ("house all +4000", 6_000),
            ("first", 8_000),
            ("without e0", 8_000),
        ],
    );
    check(&world, 0, &[("house all +1000", 9_000)]);
}

#[test]
fn one_phase_that_is_full_is_named_alone() {
    let mut world = shed(20, &[ChargeMode::Fast]);
    world.nodes[0].load = [0, 9_000, 0];
    world.run(10);
    check(&world, 0, &[("house L2 +1000", 12_000)]);
}

#[test]
fn a_car_that_waits_for_the_sun_need_not() {
    let mut world = shed(35, &[ChargeMode::Solar]);
    world.sun = Some(3_000);
    world.run(10);
    // 3 kW are 13 A over all phases; the minimum on three phases needs 18 A.
    check(&world, 0, &[("sun +5000", 6_000), ("Fast", 16_000)]);
}

#[test]
fn nothing_helps_who_has_what_it_asks_for_or_has_no_car() {
    let mut world = shed(35, &[ChargeMode::Fast, ChargeMode::Fast]);
    check(&world, 0, &[]);
    world.boxes[1].plug = crate::world::Plug::None;
    world.run(5);
    check(&world, 1, &[]);
    let now = Now::default();
    assert_eq!(
        what_would_help(&world.snapshot, &world.memory, now, 99),
        Vec::<Help>::new()
    );
}

#[test]
fn each_verdict_says_what_binds_what_is_missing_and_until_when() {
    let world = shed(8, &[ChargeMode::Fast, ChargeMode::Fast]);
    let (first, second) = (&world.decision.verdicts[0], &world.decision.verdicts[1]);
    let binding = |verdict: &control::Verdict| &world.decision.bindings[verdict.why.binding.unwrap()];
    assert_eq!(first.why.unlock, Unlock::Room);
    assert_eq!(
        (first.why.asked, first.why.given, first.why.missing),
        (MilliAmps(16_000), MilliAmps(8_000), MilliAmps(8_000))
    );
    assert_eq!(
        (second.why.given, second.why.missing, second.why.unlock),
        (MilliAmps(0), MilliAmps(5_000), Unlock::Room)
    );
    assert!(matches!(
        binding(second).constraint,
        LimitSource::Circuit {
            phase: Some(Phase::L1),
            ..
        }
    ));
    assert_eq!(
        (binding(second).limit, binding(second).base, binding(second).free),
        (MilliAmps(8_000), MilliAmps(0), MilliAmps(0))
    );
    assert_eq!(binding(second).holders, [EvseId::new("e0").unwrap()]);
    let Cause::CircuitFull { turn: Some(turn), .. } = &second.cause else {
        panic!("{:?}", second.cause);
    };
    assert_eq!(
        (second.why.next_try, turn.holder.as_str()),
        (Some(turn.ends), "e0")
    );
    assert_eq!(first.granted, ChargeCurrent::at_most(MilliAmps(8_000)));
}
