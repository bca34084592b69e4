//! Runs `testdata/*.toml`: sites with what happens to them and what is to come of it.
//!
//! Currents in A, powers in W, times in s. A step first changes what it names, then lets time pass, then
//! compares. `expect` says the current each EVSE is told and the code of its reason.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use control::Memory;
use control::snapshot::Policy;
use model::device::ChargeMode;
use model::id::EvseId;
use model::money::PerKwh;
use model::phases::{PhaseSet, Phases};
use model::reason::Cause;
use model::setpoint::ChargeCurrent;
use model::time::Millis;
use model::units::{MilliAmps, PerMille};
use serde::Deserialize;

use crate::world::{Plug, World};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    what: String,
    circuit: Vec<CircuitLine>,
    /// Sets of EVSEs with a limit of their own.
    #[serde(default)]
    group: Vec<GroupLine>,
    /// `strict`: a class gets all it can use before the next gets its minima.
    policy: Option<String>,
    /// How long one runs before it makes room for one that waits, s.
    quantum: Option<i64>,
    /// Nothing starts or rises for so long after an overload, s.
    overload_hold: Option<i64>,
    /// Target of a quarter of an hour in W; `follow_peak`: the highest of the month where that is more.
    peak: Option<i64>,
    #[serde(default)]
    follow_peak: bool,
    /// Hour of the week; loads are learned by it.
    hour: Option<u8>,
    /// Nothing measures at the grid connection; the house is taken to use so much, W.
    house: Option<i64>,
    /// Nobody is told anything.
    #[serde(default)]
    observe: bool,
    /// What may flow into the grid, W.
    feed_in: Option<i64>,
    evse: Vec<EvseLine>,
    /// What the EVSEs were told before a restart.
    #[serde(default)]
    restored: BTreeMap<String, f64>,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CircuitLine {
    id: String,
    #[serde(rename = "in")]
    parent: Option<String>,
    limit: PerPhaseLine,
    power_limit: Option<i64>,
    total_limit: Option<f64>,
    /// How far phases may lie apart.
    skew: Option<f64>,
    #[serde(default)]
    reserve: f64,
    #[serde(default)]
    credit: f64,
    #[serde(default)]
    meter: bool,
    #[serde(default)]
    never_heard: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupLine {
    id: String,
    #[serde(rename = "in")]
    parent: Option<String>,
    limit: Option<PerPhaseLine>,
    power_limit: Option<i64>,
    total_limit: Option<f64>,
    /// Percent of its limits.
    share: Option<i64>,
    class: Option<u8>,
    #[serde(default)]
    meter: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum PerPhaseLine {
    Same(f64),
    Each([f64; 3]),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EvseLine {
    id: String,
    circuit: String,
    #[serde(default)]
    groups: Vec<String>,
    max: f64,
    min: Option<f64>,
    step: Option<f64>,
    mode: String,
    class: Option<u8>,
    weight: Option<u16>,
    fallback: Option<f64>,
    watchdog: Option<f64>,
    phases: Option<String>,
    car_phases: Option<String>,
    #[serde(default)]
    phase_switching: bool,
    /// What it obeys at the start.
    #[serde(default)]
    offers: f64,
    #[serde(default)]
    never_heard: bool,
    starts_per_hour: Option<u8>,
    top_ups: Option<u8>,
    /// s
    wake_after: Option<i64>,
    phase_changes: Option<u8>,
    #[serde(default)]
    before_battery: bool,
    dimmable: Option<bool>,
    /// The car asks only after its offer went away for a moment.
    #[serde(default)]
    sleeps: bool,
    #[serde(flatten)]
    change: EvseChange,
}

#[derive(Default, Deserialize)]
struct EvseChange {
    car: Option<String>,
    car_max: Option<f64>,
    wish: Option<f64>,
    wish_phases: Option<String>,
    enabled: Option<bool>,
    silent: Option<bool>,
    ignores: Option<bool>,
    /// Nobody has been authorised.
    barred: Option<bool>,
    /// A ceiling that goes by itself; 0: it has gone.
    cap: Option<f64>,
    /// How full it says it is, percent.
    soc: Option<i64>,
    /// What rules allow, and how; a rule of -1 has gone, and the mode with it.
    rule: Option<f64>,
    rule_mode: Option<String>,
    /// What grid energy costs, and up to what it is taken without sun; millionths per kWh.
    price: Option<i64>,
    price_limit: Option<i64>,
    #[serde(rename = "set_mode")]
    mode: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    after: i64,
    #[serde(default)]
    load: BTreeMap<String, PerPhaseLine>,
    sun: Option<i64>,
    /// Changed limits, per phase, and changed shares of limits in percent.
    #[serde(default)]
    limit: BTreeMap<String, PerPhaseLine>,
    #[serde(default)]
    share: BTreeMap<String, i64>,
    /// Power (W, positive charging), state of charge and priority threshold (per mille).
    battery: Option<[i64; 3]>,
    /// From which states of charge on it gives to cars that charge, and lets them start (per mille).
    battery_helps: Option<[i64; 2]>,
    /// The grid operator orders so many W; 0: what is kept in any case; -1: the order is over.
    dimming: Option<i64>,
    /// What an EVSE is set to by somebody else, A.
    #[serde(default)]
    set: BTreeMap<String, f64>,
    /// What inverters may produce, W.
    produce: Option<i64>,
    #[serde(default)]
    evse: BTreeMap<String, EvseChange>,
    #[serde(default)]
    meter_silent: BTreeMap<String, bool>,
    /// The wall clock jumps.
    clock_jump: Option<i64>,
    #[serde(default)]
    expect: BTreeMap<String, Expected>,
    /// `one` or `three`, for EVSEs that can choose.
    #[serde(default)]
    phases: BTreeMap<String, String>,
    /// Parts of the sentence that explains it.
    #[serde(default)]
    says: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Expected(Told, String);

#[derive(Deserialize)]
#[serde(untagged)]
enum Told {
    Amps(f64),
    Paused(String),
}

fn milli(amps: f64) -> i64 {
    (amps * 1_000.0).round() as i64
}

fn per_phase(line: PerPhaseLine) -> [i64; 3] {
    match line {
        PerPhaseLine::Same(amps) => [milli(amps); 3],
        PerPhaseLine::Each(amps) => amps.map(milli),
    }
}

fn mode(text: &str) -> ChargeMode {
    match text {
        "off" => ChargeMode::Off,
        "solar" => ChargeMode::Solar,
        "min_solar" => ChargeMode::MinSolar,
        "fast" => ChargeMode::Fast,
        other => panic!("no mode {other}"),
    }
}

fn phases(text: &str) -> PhaseSet {
    text.chars().fold(PhaseSet::NONE, |set, digit| {
        PhaseSet::from_bits(set.bits() | (1 << (digit.to_digit(10).unwrap() - 1)))
    })
}

fn place(world: &World, id: &str) -> usize {
    let nodes = &mut world.nodes.iter();
    nodes.position(|node| node.id.as_str() == id).unwrap()
}

fn build(scenario: &Scenario) -> World {
    let mut world = World::new();
    for line in &scenario.circuit {
        let parent = line.parent.as_ref().map(|id| {
            world
                .nodes
                .iter()
                .position(|node| node.id.as_str() == id)
                .unwrap()
        });
        let index = world.node(&line.id, parent, 0, line.meter);
        let node = &mut world.nodes[index];
        node.limit = per_phase(line.limit);
        node.power_limit = line.power_limit;
        node.total_limit = line.total_limit.map(milli);
        node.skew_limit = line.skew.map(milli);
        node.reserve = milli(line.reserve);
        node.credit = milli(line.credit);
        node.never_heard = line.never_heard;
    }
    for line in &scenario.group {
        let parent = line.parent.as_ref().map(|id| place(&world, id));
        let index = world.node(&line.id, parent, 0, line.meter);
        let node = &mut world.nodes[index];
        node.is_group = true;
        node.limit = line.limit.map_or([10_000_000; 3], per_phase);
        node.power_limit = line.power_limit;
        node.total_limit = line.total_limit.map(milli);
        node.share = line.share.map_or(1_000, |percent| percent * 10);
        node.class = line.class;
    }
    if let Some(policy) = &scenario.policy {
        assert_eq!(policy, "strict");
        world.sharing.policy = Policy::Strict;
    }
    if let Some(seconds) = scenario.quantum {
        world.sharing.quantum = Millis(seconds * 1_000);
    }
    world.peak = scenario.peak.map(|target| (target, scenario.follow_peak));
    world.hour_of_week = scenario.hour;
    world.house = scenario.house;
    world.has_grid_reading = scenario.house.is_none();
    world.settings.observe = scenario.observe;
    world.feed_in = scenario.feed_in;
    if let Some(seconds) = scenario.overload_hold {
        world.settings.overload_hold = Millis(seconds * 1_000);
    }
    for line in &scenario.evse {
        let circuit = world
            .nodes
            .iter()
            .position(|node| node.id.as_str() == line.circuit)
            .unwrap();
        let groups = line.groups.iter().map(|id| place(&world, id)).collect();
        let index = world.add(&line.id, circuit, milli(line.max), mode(&line.mode));
        let evse = &mut world.boxes[index];
        evse.groups = groups;
        evse.min = line.min.map_or(6_000, milli);
        evse.step = line.step.map_or(1_000, milli);
        evse.class = line.class.unwrap_or(0);
        evse.weight = line.weight.unwrap_or(1);
        evse.fallback = ChargeCurrent::at_most(MilliAmps(line.fallback.map_or(6_000, milli)));
        evse.watchdog = line
            .watchdog
            .map(|amps| ChargeCurrent::at_most(MilliAmps(milli(amps))));
        evse.phases = line.phases.as_deref().map_or(PhaseSet::ALL, phases);
        evse.car_phases = line.car_phases.as_deref().map_or(evse.phases, phases);
        evse.phase_switching = line.phase_switching;
        evse.setpoint = milli(line.offers);
        evse.sleeps = line.sleeps;
        evse.before_battery = line.before_battery;
        evse.dimmable = line.dimmable.unwrap_or(true);
        let habits = &mut evse.habits;
        habits.starts_per_hour = line.starts_per_hour.unwrap_or(habits.starts_per_hour);
        habits.phase_changes = line.phase_changes.unwrap_or(habits.phase_changes);
        habits.top_ups = line.top_ups;
        habits.wake_after = line.wake_after.map(|seconds| Millis(seconds * 1_000));
        evse.never_heard = line.never_heard;
        apply(&mut world, index, &line.change);
    }
    if !scenario.restored.is_empty() {
        world.memory = Memory::restored(scenario.restored.iter().map(|(id, amps)| {
            (
                EvseId::new(id).unwrap(),
                ChargeCurrent::at_most(MilliAmps(milli(*amps))),
            )
        }));
    }
    world
}

fn apply(world: &mut World, index: usize, change: &EvseChange) {
    let now = world.now;
    let evse = &mut world.boxes[index];
    if let Some(car) = &change.car {
        evse.plug = match car.as_str() {
            "none" => Plug::None,
            "idle" => Plug::Idle,
            "asks" => Plug::Asks,
            "complete" => Plug::Complete,
            other => panic!("no car state {other}"),
        };
        evse.plugged_since = now + index as i64;
    }
    if let Some(amps) = change.car_max {
        evse.car_max = milli(amps);
    }
    if let Some(amps) = change.wish {
        evse.wish.current = MilliAmps(milli(amps));
    }
    if let Some(wanted) = &change.wish_phases {
        evse.wish.phases = match wanted.as_str() {
            "one" => Some(Phases::One),
            "three" => Some(Phases::Three),
            _ => None,
        };
    }
    evse.enabled = change.enabled.unwrap_or(evse.enabled);
    evse.ignores = change.ignores.unwrap_or(evse.ignores);
    if let Some(barred) = change.barred {
        evse.barred = barred.then_some(Cause::AwaitingAuthorisation);
    }
    if let Some(amps) = change.cap {
        evse.cap = (amps > 0.0).then(|| milli(amps));
    }
    evse.soc = change.soc.map(|percent| percent * 10).or(evse.soc);
    if let Some(amps) = change.rule {
        evse.rule = (amps >= 0.0).then(|| milli(amps));
        evse.rule_mode = evse.rule_mode.filter(|_| amps >= 0.0);
    }
    if let Some(text) = &change.rule_mode {
        evse.rule_mode = Some(mode(text));
    }
    evse.price = change.price.or(evse.price);
    evse.wish.price_limit = change.price_limit.map(PerKwh).or(evse.wish.price_limit);
    if let Some(silent) = change.silent {
        evse.silent_since = silent.then_some(now);
        evse.never_heard = false;
    }
    if let Some(text) = &change.mode {
        evse.wish.mode = mode(text);
    }
}

fn check(path: &Path) {
    let text = fs::read_to_string(path).unwrap();
    let scenario: Scenario = toml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut world = build(&scenario);
    for (number, step) in scenario.step.iter().enumerate() {
        change(&mut world, step);
        world.run(step.after);
        for (id, Expected(told, code)) in &step.expect {
            let index = world
                .boxes
                .iter()
                .position(|evse| evse.id.as_str() == id)
                .unwrap();
            let verdict = &world.decision.verdicts[index];
            let expected = match told {
                Told::Amps(amps) => milli(*amps),
                Told::Paused(word) => {
                    assert_eq!(word, "paused");
                    0
                }
            };
            let place = format!(
                "{} ({}), step {}, {id}",
                path.display(),
                scenario.what,
                number + 1
            );
            assert_eq!(world.told(index), expected, "{place}: {:?}", verdict.cause);
            assert_eq!(verdict.cause.code(), code, "{place}: {:?}", verdict.cause);
            if let Some(part) = step.says.get(id) {
                let said = verdict.cause.text();
                assert!(said.contains(part), "{place}: {said}");
            }
        }
        for (id, phases) in &step.phases {
            let index = world.boxes.iter().position(|evse| evse.id.as_str() == id);
            let verdict = &world.decision.verdicts[index.unwrap()];
            let named = match verdict.phases {
                Some(Phases::One) => "one",
                Some(Phases::Three) => "three",
                None => "no choice",
            };
            let place = format!("{} ({}), step {}", path.display(), scenario.what, number + 1);
            assert_eq!(named, phases, "{place}, {id}: {:?}", verdict.cause);
        }
        if let Some(watts) = step.produce {
            let place = format!("{} ({}), step {}", path.display(), scenario.what, number + 1);
            assert_eq!(
                world.decision.production.map(|power| power.0),
                Some(watts),
                "{place}"
            );
        }
        let under_load: usize = world.boxes.iter().map(|evse| evse.changed_under_load).sum();
        assert_eq!(
            under_load,
            0,
            "{}: a contactor changed under load",
            path.display()
        );
    }
}

fn change(world: &mut World, step: &Step) {
    for (id, load) in &step.load {
        let node = world
            .nodes
            .iter_mut()
            .find(|node| node.id.as_str() == id)
            .unwrap();
        node.load = per_phase(*load);
    }
    for (id, limit) in &step.limit {
        let index = place(world, id);
        world.nodes[index].limit = per_phase(*limit);
    }
    for (id, percent) in &step.share {
        let index = place(world, id);
        world.nodes[index].share = percent * 10;
    }
    world.sun = step.sun.or(world.sun);
    if let Some([power, soc, priority]) = step.battery {
        world.set_battery(power, soc, priority);
    }
    if let Some([buffer, start]) = step.battery_helps
        && let Some(battery) = &mut world.battery
    {
        battery.buffer_from = Some(PerMille(buffer));
        battery.start_from = Some(PerMille(start));
    }
    if let Some(watts) = step.dimming {
        world.dimming = (watts >= 0).then_some((watts > 0).then_some(watts));
    }
    for (id, amps) in &step.set {
        let evse = world.boxes.iter_mut().find(|evse| evse.id.as_str() == id);
        evse.unwrap().set(world.now, milli(*amps));
    }
    for (id, change) in &step.evse {
        let index = world
            .boxes
            .iter()
            .position(|evse| evse.id.as_str() == id)
            .unwrap();
        apply(world, index, change);
    }
    for (id, silent) in &step.meter_silent {
        let now = world.now;
        let node = world
            .nodes
            .iter_mut()
            .find(|node| node.id.as_str() == id)
            .unwrap();
        node.silent_since = silent.then_some(now);
        node.never_heard = false;
    }
    world.wall_shift += step.clock_jump.unwrap_or(0) * 1_000;
}

#[test]
fn every_site_in_testdata_gets_what_an_electrician_expects() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
    paths.sort();
    assert!(paths.len() >= 15, "only {} scenarios", paths.len());
    let failed: Vec<_> = paths
        .iter()
        .filter(|path| std::panic::catch_unwind(|| check(path)).is_err())
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}
