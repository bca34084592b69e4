//! Who takes turns, and how long one waits at most.

use model::device::ChargeMode;
use model::time::Millis;
use proptest::prelude::*;

use crate::safety::cases;
use crate::world::World;

const QUANTUM_S: i64 = 60;
/// The start delay, and what it takes until the one before has gone down.
const CHANGE_S: i64 = 30;

/// The longest that anybody waited who wanted to charge all the time, and how often each was on.
fn longest_wait(world: &mut World, seconds: i64) -> (i64, Vec<i64>) {
    let mut waited = vec![0; world.boxes.len()];
    let mut charged = vec![0; world.boxes.len()];
    let mut longest = 0;
    for _ in 0..seconds {
        world.tick();
        for evse in 0..world.boxes.len() {
            if world.told(evse) > 0 {
                waited[evse] = 0;
                charged[evse] += 1;
            } else {
                waited[evse] += 1;
                longest = longest.max(waited[evse]);
            }
        }
    }
    (longest, charged)
}

fn shed(cars: usize, amps: i64, groups: bool) -> World {
    let mut world = World::new();
    world.settings.min_on = Millis(0);
    world.sharing.quantum = Millis(QUANTUM_S * 1_000);
    let house = world.node("house", None, if groups { 200_000 } else { amps * 1_000 }, false);
    let group = world.node("tenant", None, amps * 1_000, false);
    world.nodes[group].is_group = true;
    for number in 0..cars {
        let index = world.add(&format!("e{number}"), house, 16_000, ChargeMode::Fast);
        world.boxes[index].groups = vec![group];
        // Turns of a minute are more than a car puts up with.
        world.boxes[index].habits.starts_per_hour = 0;
    }
    world
}

proptest! {
    #![proptest_config(cases(250))]

    #[test]
    fn nobody_waits_longer_than_the_turns_before(cars in 2_usize..7, amps in 7_i64..30, groups in any::<bool>()) {
        let mut world = shed(cars, amps, groups);
        let (cars, fit) = (cars as i64, (amps / 6).min(cars as i64));
        let turns = (cars + fit - 1) / fit;
        let seconds = 3 * turns * (QUANTUM_S + CHANGE_S);
        let (longest, charged) = longest_wait(&mut world, seconds);
        let bound = turns * QUANTUM_S + CHANGE_S;
        prop_assert!(longest <= bound, "{longest} s with {fit} of {cars} at a time, at most {bound} s");
        prop_assert!(charged.iter().all(|charged| *charged > 0), "{charged:?}");
        // A start asks for 1 A more than the minimum.
        if amps > 6 * cars {
            prop_assert!(longest <= CHANGE_S, "{longest} s although all fit");
        }
    }
}

#[test]
fn a_car_that_cannot_start_at_all_stops_nobody() {
    let mut world = shed(2, 12, false);
    let row = world.node("row", Some(0), 5_000, false);
    let index = world.add("never", row, 16_000, ChargeMode::Fast);
    world.run(20);
    let (longest, _) = longest_wait(&mut world, 3 * QUANTUM_S);
    assert_eq!(world.told(index), 0);
    assert_eq!(longest, 3 * QUANTUM_S, "only the one that cannot start waits");
    assert!(world.told(0) == 6_000 && world.told(1) == 6_000);
}
