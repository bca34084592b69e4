//! Meter and EVSE are read at different moments. While a car moves this must neither make it waver nor hide
//! a load.

use model::device::ChargeMode;

use crate::world::World;

fn one_car(meter_lag: i64, status_lag: i64, load: i64) -> World {
    let mut world = World::new();
    let house = world.node("house", None, 32_000, true);
    world.add("car", house, 32_000, ChargeMode::Fast);
    world.nodes[house].load = [load; 3];
    (world.meter_lag, world.status_lag) = (meter_lag, status_lag);
    world
}

#[test]
fn a_car_rises_without_ever_going_down_again() {
    for meter_lag in 0..3 {
        for status_lag in 0..3 {
            let mut world = one_car(meter_lag, status_lag, 10_000);
            let mut before = 0;
            for second in 0..90 {
                world.tick();
                let told = world.told(0);
                assert!(
                    told >= before,
                    "lags {meter_lag}, {status_lag}: {before} -> {told} after {second} s"
                );
                before = told;
            }
            assert_eq!(before, 22_000, "lags {meter_lag}, {status_lag}");
        }
    }
}

#[test]
fn a_load_in_the_middle_of_a_ramp_is_over_the_limit_for_seconds_only() {
    for meter_lag in 0..3 {
        for status_lag in 0..3 {
            for second in 15..35 {
                let mut world = one_car(meter_lag, status_lag, 2_000);
                world.run(second);
                world.nodes[0].load = [20_000; 3];
                let over = (0..60).filter(|_| {
                    world.tick();
                    world.truth(0)[0] > 32_000
                });
                let over = over.count();
                let bound = 4 + meter_lag as usize + status_lag as usize;
                assert!(
                    over <= bound,
                    "lags {meter_lag}, {status_lag}, at {second} s: {over} s above"
                );
                assert_eq!(
                    world.told(0),
                    12_000,
                    "lags {meter_lag}, {status_lag}, at {second} s"
                );
            }
        }
    }
}

#[test]
fn a_load_beside_a_steady_car_leaves_its_decrease_in_the_same_cycle() {
    let mut world = one_car(0, 0, 2_000);
    world.run(90);
    assert_eq!(world.told(0), 30_000);
    world.nodes[0].load = [9_000, 2_000, 2_000];
    world.cycle();
    assert_eq!(world.told(0), 23_000);
}

#[test]
fn a_car_that_goes_down_does_not_look_like_a_load() {
    for meter_lag in 0..3 {
        for status_lag in 0..3 {
            let mut world = one_car(meter_lag, status_lag, 10_000);
            world.run(90);
            world.boxes[0].wish.current.0 = 8_000;
            world.run(20);
            world.boxes[0].wish.current.0 = 32_000;
            world.run(25);
            assert_eq!(world.told(0), 22_000, "lags {meter_lag}, {status_lag}");
        }
    }
}
