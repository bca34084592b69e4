//! Once its buffers have grown, a cycle takes nothing from the heap: it cannot be late because of it.

use allocation_counter::measure;
use model::device::ChargeMode;
use model::phases::PhaseSet;
use model::reason::Cause;
use model::time::{Millis, Monotonic, Now, Timestamp};

use crate::world::World;

/// A yard in which everything happens at once: classes, groups, one-phase cars out of balance, sun, cars
/// that wait for room and for their turn, a silent station.
fn yard() -> World {
    let mut world = World::new();
    let house = world.node("house", None, 100_000, true);
    let tenant = world.node("tenant", None, 24_000, false);
    world.nodes[tenant].is_group = true;
    world.nodes[house].skew_limit = Some(20_000);
    for row in 0..4 {
        let fuse = world.node(&format!("row-{row}"), Some(house), 20_000, false);
        for place in 0..6 {
            let mode = ChargeMode::ALL[(row + place) % ChargeMode::ALL.len()];
            let index = world.add(&format!("e{row}-{place}"), fuse, 32_000, mode);
            let evse = &mut world.boxes[index];
            evse.class = (place % 2) as u8;
            evse.phase_switching = place == 2;
            if place == 3 {
                evse.phases = PhaseSet::L1;
                evse.car_phases = PhaseSet::L1;
            }
            if place > 3 {
                evse.groups = vec![tenant];
            }
        }
    }
    world.sun = Some(9_000);
    world.peak = Some((60_000, true));
    world.dimming = Some(Some(60_000));
    world.feed_in = Some(5_000);
    world.hour_of_week = Some(5);
    world.settings.overload_hold = Millis(30_000);
    world
}

#[test]
fn a_cycle_takes_nothing_from_the_heap() {
    let mut world = yard();
    world.run(120);
    world.boxes[2].silent_since = Some(world.now);
    world.run(60);
    for _ in 0..100 {
        world.pass(crate::world::TICK);
        let now = Now {
            wall: Timestamp(world.now),
            monotonic: Monotonic(world.now),
        };
        let World {
            snapshot,
            memory,
            decision,
            ..
        } = &mut world;
        let taken = measure(|| control::step(snapshot, memory, now, decision));
        assert_eq!(taken.count_total, 0, "{taken:?}");
    }
    let causes = world.decision.verdicts.iter().map(|verdict| &verdict.cause);
    let full =
        causes.filter(|cause| matches!(cause, Cause::CircuitFull { holders, .. } if !holders.is_empty()));
    assert!(full.count() > 3, "{:?}", world.decision.verdicts);
    assert!(world.decision.bindings.len() > 1);
}
