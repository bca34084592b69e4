use crate::physics::counter::Counter;
use std::collections::VecDeque;

use model::id::EvseId;
use model::reading::Measured;
use model::setpoint::ChargeCurrent;
use model::time::{Monotonic, Timestamp};
use model::units::{MilliAmps, PerMille, WattHours, Watts};

use super::*;
use crate::demo;
use crate::settings::DeviceKind;

mod wire;

const WINTER: &str = "2026-01-13T00:00:00+01:00";
const SUMMER: &str = "2026-06-23T00:00:00+02:00";

fn midnight(date: &str) -> Now {
    Now {
        wall: Timestamp(date.parse::<jiff::Timestamp>().unwrap().as_millisecond()),
        monotonic: Monotonic(0),
    }
}

fn seconds(count: i64) -> Millis {
    Millis::from_seconds(count)
}

fn device(id: &str) -> DeviceId {
    DeviceId::new(id).unwrap()
}

fn offer(evse: &str, amps: i64) -> (DeviceId, Action) {
    let current = ChargeCurrent::at_most(MilliAmps::from_amps(amps));
    let evse_id = EvseId::new(evse).unwrap();
    (
        device(&format!("wallbox-{evse}")),
        Action::Charge {
            evse: evse_id,
            current,
            phases: None,
        },
    )
}

/// Home on a day, with both cars allowed to draw what they like.
fn home(seed: u64, date: &str) -> (World, Now) {
    let mut world = World::new(demo::home(seed)).unwrap();
    let now = midnight(date);
    world.step(now);
    for evse in ["left", "right"] {
        let (station, action) = offer(evse, 16);
        world.act(&station, &action, now);
    }
    (world, now)
}

fn measured(world: &World, id: &str) -> Measured {
    let found = world
        .reports()
        .into_iter()
        .find_map(|(device, report)| match report {
            Report::Measured(measured) if device.as_str() == id => Some(measured),
            Report::Measured(_)
            | Report::Link(_)
            | Report::Evse { .. }
            | Report::Identity { .. }
            | Report::Document(_)
            | Report::VendorAnswer { .. }
            | Report::Controls(_)
            | Report::Past { .. }
            | Report::Notice { .. }
            | Report::Foreign { .. } => None,
        });
    found.unwrap()
}

fn counters(world: &World) -> Vec<i64> {
    ["grid", "pv", "battery", "wallbox-left", "wallbox-right"]
        .into_iter()
        .flat_map(|id| {
            let measured = measured(world, id);
            [measured.energy_in, measured.energy_out]
        })
        .map(|energy| energy.unwrap_or_default().0)
        .collect()
}

#[test]
fn the_balance_holds_to_the_watt_on_every_step() {
    for span in [Millis(100), Millis(1_000), Millis(10_000)] {
        let (mut world, mut now) = home(1, SUMMER);
        for _ in 0..8_640 {
            now = now.after(span);
            world.step_coarse(now);
            let truth = world.truth();
            let sum = truth.house.power.total()
                + truth.evse_power()
                + truth.battery.power.total()
                + truth.pv.power.total();
            assert_eq!(truth.grid.power.total(), sum, "{}", now.wall);
            let garage = truth.circuits[&CircuitId::new("garage").unwrap()];
            let cars = truth
                .evses
                .values()
                .fold(Flow::default(), |sum, evse| sum + evse.flow);
            assert_eq!(garage, cars);
        }
    }
}

#[test]
fn counters_never_run_backwards_not_even_over_restarts() {
    let (mut world, mut now) = home(3, SUMMER);
    let mut last = counters(&world);
    for step in 0..4 * 8_640 {
        now = now.after(seconds(10));
        if step % 1_000 == 999 {
            world = World::restore(demo::home(3), &world.save()).unwrap();
        }
        world.step_coarse(now);
        let next = counters(&world);
        assert!(
            last.iter().zip(&next).all(|(before, after)| before <= after),
            "{last:?} {next:?}"
        );
        last = next;
    }
    assert!(
        last.iter().filter(|energy| **energy > 5_000).count() >= 6,
        "{last:?}"
    );
}

/// A digest of everything that happens, a line per minute.
fn trace(world: &mut World, mut now: Now, minutes: i64) -> Vec<String> {
    let mut lines = Vec::new();
    for _ in 0..minutes {
        now = now.after(seconds(60));
        world.step(now);
        lines.push(format!("{:?}", world.truth()));
    }
    lines
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another() {
    let trace_of = |seed| {
        let (mut world, now) = home(seed, SUMMER);
        trace(&mut world, now, 600)
    };
    let first = trace_of(1);
    assert_eq!(first, trace_of(1));
    let same = first.iter().zip(trace_of(2)).filter(|(a, b)| **a == *b).count();
    assert!(same < 6, "{same} of 600 minutes alike");
}

#[test]
fn a_saved_world_goes_on_as_if_nothing_had_happened() {
    let (mut world, now) = home(4, SUMMER);
    trace(&mut world, now, 500);
    let later = now.after(seconds(500 * 60));
    let mut restored = World::restore(demo::home(4), &world.save()).unwrap();
    restored.step(later);
    // The line current that voltage depends on is found again within a step.
    let (there, here) = (trace(&mut world, later, 200), trace(&mut restored, later, 200));
    assert_eq!(there.last(), here.last());
    assert_eq!(world.save(), restored.save());
}

#[test]
fn what_does_not_fit_is_refused() {
    let world = World::new(demo::home(1)).unwrap();
    let check = |saved: &str, expected: &str| {
        let error = World::restore(demo::home(1), saved).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    check("{", "cannot be read");
    check(r#"{"format":99,"devices":{}}"#, "format 99");
    let saved = world.save();
    let swapped = saved
        .replace("\"grid\":", "\"\":")
        .replace("\"pv\":", "\"grid\":")
        .replace("\"\":", "\"pv\":");
    check(&swapped, "`grid`");

    let spoil = |spoil: fn(&mut WorldSettings)| {
        let mut settings = demo::home(1);
        spoil(&mut settings);
        World::new(settings).map(|_| ()).unwrap_err().to_string()
    };
    assert!(spoil(|s| s.time_zone = "Vienna".to_owned()).contains("`Vienna`"));
    assert!(spoil(|s| s.circuits.clear()).contains("no circuit"));
    assert!(spoil(|s| s.circuits.reverse()).contains("`garage`"));
    assert!(spoil(|s| s.devices[1].id = s.devices[0].id.clone()).contains("`grid`"));
    assert!(spoil(|s| s.devices[1].circuit = CircuitId::new("attic").unwrap()).contains("`attic`"));
}

#[test]
fn a_car_never_draws_above_what_it_was_offered_during_the_last_five_seconds() {
    let (mut world, mut now) = home(5, WINTER);
    let dice = crate::draw::Draws::new(5, "offers");
    let mut offers: BTreeMap<EvseId, VecDeque<MilliAmps>> = BTreeMap::new();
    for second in 0..6 * 3_600 {
        if second % 7 == 0 {
            for evse in ["left", "right"] {
                let (station, action) = offer(evse, dice.at(second).between(0, 20));
                world.act(&station, &action, now);
            }
        }
        now = now.after(seconds(1));
        world.step(now);
        for (id, evse) in world.truth().evses {
            let seen = offers.entry(id).or_default();
            seen.push_back(evse.offered.or_zero());
            if seen.len() > 6 {
                seen.pop_front();
            }
            let most = seen.iter().max().copied().unwrap();
            assert!(evse.drawn() <= most, "{} at {}, {seen:?}", evse.drawn(), now.wall);
        }
    }
}

struct Day {
    pv: WattHours,
    house: WattHours,
    evses: WattHours,
    imported: WattHours,
    exported: WattHours,
    house_peak: Watts,
}

fn day(seed: u64, date: &str) -> Day {
    let (mut world, mut now) = home(seed, date);
    let mut house = Counter::default();
    let mut house_peak = Watts::ZERO;
    for _ in 0..8_640 {
        now = now.after(seconds(10));
        world.step_coarse(now);
        let load = world.truth().house.power.total();
        house.add(load, seconds(10));
        house_peak = house_peak.max(load);
    }
    let into = |id: &str| measured(&world, id).energy_in.unwrap() - Counter::used().energy();
    let out_of = |id: &str| measured(&world, id).energy_out.unwrap() - Counter::used().energy();
    Day {
        pv: out_of("pv"),
        house: house.energy(),
        evses: into("wallbox-left") + into("wallbox-right"),
        imported: into("grid"),
        exported: out_of("grid"),
        house_peak,
    }
}

#[test]
fn a_winter_day_and_a_summer_day_look_like_it() {
    let (mut in_winter, mut in_summer) = (WattHours::ZERO, WattHours::ZERO);
    for seed in 1..6 {
        let (winter, summer) = (day(seed, WINTER), day(seed, SUMMER));
        assert!(
            (500..32_000).contains(&winter.pv.0),
            "seed {seed}: {} in winter",
            winter.pv
        );
        assert!(
            (8_000..75_000).contains(&summer.pv.0),
            "seed {seed}: {} in summer",
            summer.pv
        );
        in_winter += winter.pv;
        in_summer += summer.pv;
        for day in [winter, summer] {
            assert!(
                (6_000..18_000).contains(&day.house.0),
                "seed {seed}: house {}",
                day.house
            );
            assert!(day.house_peak > Watts(3_500), "seed {seed}: {}", day.house_peak);
            assert!(
                (10_000..170_000).contains(&day.evses.0),
                "seed {seed}: cars {}",
                day.evses
            );
            // What battery losses and its content may shift.
            let balance = day.imported - day.exported + day.pv - day.house - day.evses;
            assert!(balance.abs() < WattHours(11_000), "seed {seed}: {balance}");
        }
    }
    assert!(in_winter * 2 < in_summer, "{in_winter} {in_summer}");
}

#[test]
fn somebody_wants_to_charge_at_almost_any_time() {
    // As the demonstration sets it: left fast, right at the minimum and what the sun leaves over.
    for (seed, date) in [(1, WINTER), (2, SUMMER), (3, SUMMER)] {
        let (mut world, mut now) = home(seed, date);
        let (mut wanted, mut asked) = (0, 0);
        for _ in 0..10 * 1_440 {
            now = now.after(seconds(60));
            world.step_coarse(now);
            let truth = world.truth();
            let sun = truth.pv.power.total().0 < -3_500;
            let (station, action) = offer("right", if sun { 16 } else { 6 });
            world.act(&station, &action, now);
            let hour = LocalTime::new(now.wall, &TimeZone::get("Europe/Vienna").unwrap()).second / 3_600;
            let all_home = truth.evses.values().all(|evse| evse.pilot.is_plugged());
            assert!(all_home || !(0..6).contains(&hour), "{}", now.wall);
            wanted += i64::from(truth.evses.values().any(|evse| evse.wants));
            asked += 1;
        }
        assert!(
            wanted * 100 > asked * 97,
            "seed {seed} {date}: {wanted} of {asked} minutes"
        );
    }
}

#[test]
fn faults_hide_a_device_or_make_it_deaf_and_end() {
    let (mut world, mut now) = home(6, WINTER);
    let left = device("wallbox-left");
    let mut run = |world: &mut World, span| {
        now = now.after(seconds(span));
        world.step(now);
        world.truth().evses[&EvseId::new("left").unwrap()].drawn().0
    };
    assert!(run(&mut world, 30) > 15_000);

    world.set_fault(&left, Some(Fault::IgnoreSetpoints));
    let (station, action) = offer("left", 6);
    world.act(&station, &action, midnight(WINTER));
    assert!(run(&mut world, 30) > 15_000, "deaf");

    world.set_fault(&left, Some(Fault::Reboot { lasts: seconds(20) }));
    assert_eq!(run(&mut world, 10), 0, "a rebooting charger lets go");
    let link = |world: &World| {
        let reports = world.reports();
        reports.into_iter().filter(|(id, _)| *id == left).count()
    };
    assert_eq!(link(&world), 1, "nothing but that it is gone");
    assert!(run(&mut world, 40) > 15_000, "back by itself");
    assert_eq!((world.fault(&left), link(&world)), (None, 3));
}

#[test]
fn a_jumping_wall_clock_moves_no_counter() {
    let (mut world, now) = home(7, SUMMER);
    world.step(now.after(seconds(60)));
    let before = counters(&world);
    let jumped = Now {
        wall: now.wall + seconds(3_600),
        monotonic: Monotonic(61_000),
    };
    world.step(jumped);
    let after = counters(&world);
    let grown: i64 = after
        .iter()
        .zip(&before)
        .map(|(after, before)| after - before)
        .sum();
    assert!((0..40).contains(&grown), "{grown} Wh in a second");
}

#[test]
fn settings_are_the_same_after_a_trip_through_toml() {
    let settings = demo::home(9);
    let text = toml::to_string(&settings).unwrap();
    assert_eq!(
        toml::from_str::<WorldSettings>(&text).unwrap(),
        settings,
        "{text}"
    );
    let wrong = text.replace("max_charge", "max_charg");
    assert!(
        toml::from_str::<WorldSettings>(&wrong)
            .unwrap_err()
            .to_string()
            .contains("max_charg")
    );
}

/// Prints what a simulated day costs; how fast the machine is, is no property of the code.
#[test]
fn a_sunny_day_by_the_second() {
    let mut settings = demo::home(1);
    for device in &mut settings.devices {
        if let DeviceKind::Inverter(pv) = &mut device.kind {
            pv.cloudiness = Some(PerMille(0));
        }
    }
    let mut world = World::new(settings).unwrap();
    let mut now = midnight(SUMMER);
    #[allow(clippy::disallowed_methods, reason = "measures the machine, not the world")]
    let started = std::time::Instant::now();
    world.step(now);
    for _ in 0..86_400 {
        now = now.after(seconds(1));
        world.step(now);
    }
    #[allow(clippy::print_stderr, reason = "the figure is what somebody reads")]
    {
        eprintln!("86,400 steps of a second: {} ms", started.elapsed().as_millis());
    }
    let produced = measured(&world, "pv").energy_out.unwrap() - Counter::used().energy();
    assert!((50_000..75_000).contains(&produced.0));
}
