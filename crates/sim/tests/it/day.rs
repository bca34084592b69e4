//! Whole days: the promise on limits, the same trace from the same seed, and cars that do charge.

use std::time::Instant;

use model::device::ChargeMode;
use model::phases::PerPhase;
use model::time::Millis;
use model::units::MilliAmps;

use crate::closed_loop::{ClosedLoop, SUMMER, Wire};

const DAY_S: i64 = 86_400;

/// Runs a day and prints what it cost and how far limits were exceeded.
// A test may look at the clock to print a figure; nothing is asserted on it.
#[allow(clippy::disallowed_methods)]
fn day(title: &str, day: &mut ClosedLoop) {
    let started = Instant::now();
    day.run(DAY_S);
    println!(
        "{title}: a day in {:.2} s, {} setpoints",
        started.elapsed().as_secs_f64(),
        day.trace.len()
    );
    day.watch.print(title);
}

/// The house connection so small that cooking and two cars never fit, and every car on full.
fn tight(seed: u64, wire: Wire) -> ClosedLoop {
    let mut day = ClosedLoop::home(seed, wire, SUMMER, |_, site| {
        site.circuits[0].limit = PerPhase::all(MilliAmps(20_000));
        site.circuits[1].limit = PerPhase::all(MilliAmps(16_000));
    });
    day.set_modes(ChargeMode::Fast);
    day
}

fn charged_wh(day: &ClosedLoop) -> i64 {
    day.view()
        .devices
        .iter()
        .filter(|d| d.kind == "charging_station")
        .filter_map(|d| d.measured.energy_in)
        .map(|e| e.0)
        .sum()
}

#[test]
fn a_day_of_physics_and_control_keeps_every_limit() {
    // `./test --long` runs more days from a seed of its own.
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let first = number("OHMSTEAD_SEED").unwrap_or(1);
    for seed in first..first + number("OHMSTEAD_DAYS").unwrap_or(4) {
        let mut tight = tight(seed, Wire::Direct);
        tight.tick();
        let before = charged_wh(&tight);
        day("tight, direct", &mut tight);
        tight.watch.assert_promise();
        assert!(
            charged_wh(&tight) - before > 5_000,
            "the cars charged {} Wh",
            charged_wh(&tight) - before
        );
    }
}

#[test]
fn a_day_through_the_codecs_keeps_every_limit() {
    let mut tight = tight(5, Wire::Codecs);
    tight.run(10);
    let before = charged_wh(&tight);
    day("tight, codecs", &mut tight);
    tight.watch.assert_promise();
    assert!(
        charged_wh(&tight) - before > 5_000,
        "the cars charged {} Wh",
        charged_wh(&tight) - before
    );
    assert_eq!(
        tight.view().overdraft.caused_ms,
        0,
        "the engine's own account agrees"
    );
}

#[test]
fn the_demo_as_it_stands_keeps_every_limit() {
    let mut home = ClosedLoop::home(1, Wire::Codecs, SUMMER, |_, _| {});
    day("demo, codecs", &mut home);
    home.watch.assert_promise();
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    let run = |seed| {
        // The evening: somebody cooks, cars come home.
        let mut day = ClosedLoop::home(seed, Wire::Codecs, SUMMER + Millis(16 * 3_600_000), |_, site| {
            site.circuits[0].limit = PerPhase::all(MilliAmps(20_000));
        });
        day.set_modes(ChargeMode::Fast);
        day.run(3 * 3_600);
        day.trace
            .iter()
            .map(|(at, setpoint)| format!("{at} {setpoint:?}"))
            .collect::<Vec<_>>()
    };
    let (first, second) = (run(7), run(7));
    assert!(first.len() > 10);
    assert!(first == second, "the same seed gave another trace");
    assert!(first != run(8), "another seed gave the same trace");
}

/// A watch that never sees anything would prove nothing.
#[test]
fn the_watch_sees_an_excess_when_the_limit_is_lower_than_the_control_knows() {
    let mut day = tight(1, Wire::Direct);
    for limit in day.watch.limits.values_mut() {
        *limit = PerPhase::all(MilliAmps(8_000));
    }
    day.run(DAY_S);
    let total = day
        .watch
        .total
        .values()
        .map(|t| t.reacted_ms + t.caused_ms)
        .sum::<i64>();
    assert!(total > 60_000, "only {total} ms above 8 A");
}
