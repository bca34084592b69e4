//! Sets at a small site: what comes of them, cycle by cycle.

use model::device::{AuthorisationMode, ChargeMode, Device, DeviceKind, Evse, LinkSettings, MeterRole};
use model::limit::LimitSource;
use model::phases::{PerPhase, Phase, PhaseRotation, PhaseSet, Phases};
use model::rule::{EvseName, RuleSet, SiteName, TimeName};
use model::setpoint::ChargeCurrent;
use model::site::{Circuit, Keeper, Site};
use model::time::{Millis, Monotonic};
use model::units::{MilliAmps, MilliVolts, Watts};
use serde_json::{Value, json};

use super::{Amount, Book, EvseFacts, Facts, Outcome, RuleMemory, Slot, problems};

/// 2026-11-28, a Saturday, 00:00 in Vienna.
const MIDNIGHT: i64 = 1_795_820_400;

fn evse(id: &str) -> Evse {
    Evse {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        terminals: PhaseSet::ALL,
        rotation: PhaseRotation::default(),
        min: MilliAmps(6_000),
        max: MilliAmps(16_000),
        step: MilliAmps(1_000),
        phase_switching: false,
        class: 0,
        weight: 1,
        fallback: ChargeCurrent::PAUSED,
        default_mode: ChargeMode::Fast,
        authorisation: AuthorisationMode::None,
        habits: model::habits::Habits::default(),
        dimmable: true,
        before_battery: false,
    }
}

fn device(id: &str, kind: DeviceKind) -> Device {
    Device {
        id: id.parse().unwrap(),
        name: id.to_owned(),
        kind,
        circuit: "house".parse().unwrap(),
        link: LinkSettings::None,
        period: Millis(1_000),
        enabled: true,
    }
}

fn site() -> Site {
    let battery = DeviceKind::Battery {
        capacity: None,
        max_charge: Watts(4_000),
        max_discharge: Watts(3_000),
    };
    let evses = vec![evse("left"), evse("garage-1")];
    Site {
        id: "home".parse().unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "Europe/Vienna".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: model::grid::GridRules::default(),
        circuits: vec![Circuit {
            id: "house".parse().unwrap(),
            name: "House".to_owned(),
            parent: None,
            limit: PerPhase::all(MilliAmps(35_000)),
            power_limit: None,
            reserve: MilliAmps(0),
            credit: MilliAmps(0),
            meter: None,
        }],
        devices: vec![
            device(
                "grid",
                DeviceKind::Meter {
                    role: MeterRole::Grid,
                },
            ),
            device("store", battery),
            device("stations", DeviceKind::ChargingStation { evses }),
        ],
    }
}

fn parse(set: Value) -> RuleSet {
    serde_json::from_value(set).unwrap()
}

/// A set of the EVSE `left`.
fn set(id: &str, rules: Value) -> RuleSet {
    owned(id, json!([{ "kind": "evse", "evse": "left" }]), rules)
}

fn owned(id: &str, owners: Value, rules: Value) -> RuleSet {
    parse(json!({ "id": id, "site": "home", "name": id, "owners": owners, "rules": rules }))
}

fn always(then: Value) -> Value {
    json!({ "when": { "kind": "always" }, "then": then })
}

fn gives(value: &str) -> Value {
    json!({ "kind": "set", "value": value })
}

/// A site whose rules run once a second.
struct Bench {
    book: Book,
    facts: Facts,
    memory: RuleMemory,
    out: Outcome,
    now: Monotonic,
}

impl Bench {
    #[track_caller]
    fn new(sets: &[RuleSet]) -> Self {
        let (book, wrong) = Book::new(sets, &site());
        assert_eq!(wrong, []);
        let mut facts = Facts {
            midnights: [MIDNIGHT, MIDNIGHT + 86_400],
            ..Facts::default()
        };
        for _ in 0..2 {
            let mut evse = EvseFacts::default();
            evse.own[EvseName::Min as usize] = Some(6_000);
            evse.own[EvseName::Max as usize] = Some(16_000);
            facts.evses.push(evse);
        }
        facts
            .others
            .resize(book.others().len(), [None; EvseName::ALL.len()]);
        facts.readings.resize(book.readings().len(), None);
        facts.inputs.resize(book.inputs().len(), None);
        let mut bench = Self {
            book,
            facts,
            memory: RuleMemory::default(),
            out: Outcome::default(),
            now: Monotonic(0),
        };
        bench.clock(28, 12, 0);
        bench
    }

    /// A day of November 2026.
    fn clock(&mut self, day: i64, hour: i64, minute: i64) {
        let mut set = |name: TimeName, value| self.facts.time[name as usize] = Some(value);
        set(TimeName::Year, 2026);
        set(TimeName::Month, 11);
        set(TimeName::Day, day);
        set(TimeName::Weekday, (day - 23).rem_euclid(7) + 1);
        set(TimeName::MinuteOfDay, hour * 60 + minute);
        set(
            TimeName::Timestamp,
            MIDNIGHT + (day - 28) * 86_400 + hour * 3_600 + minute * 60,
        );
    }

    fn sun(&mut self, watts: i64) {
        self.facts.surplus.power = Some(Watts(watts));
    }

    fn run(&mut self, seconds: i64) -> &Outcome {
        self.now = self.now + Millis::from_seconds(seconds);
        self.book
            .run(&self.facts, &mut self.memory, self.now, &mut self.out);
        &self.out
    }

    /// What the first EVSE may have; -1: no rule takes part.
    fn left(&mut self, seconds: i64) -> i64 {
        let limit = self.run(seconds).evses[0].limit.as_ref();
        limit.map_or(-1, |limit| limit.value.0)
    }

    fn by(&self) -> (&str, Option<u16>) {
        let limit = self.out.evses[0].limit.as_ref().unwrap();
        let LimitSource::Rule { set, rule } = &limit.by else {
            panic!("{limit:?}")
        };
        (set.as_str(), *rule)
    }
}

/// What one set of `left` comes to at once.
#[track_caller]
fn check(rules: Value, expected: i64) {
    assert_eq!(Bench::new(&[set("own", rules)]).left(0), expected);
}

#[test]
fn a_set_is_worked_through_from_the_top() {
    check(json!([]), 0);
    check(json!([always(gives("9000"))]), 9_000);
    check(
        json!([always(gives("9000")), always(gives("run.value + 1000"))]),
        10_000,
    );
    check(json!([always(gives("-1"))]), -1);
    check(json!([always(gives("own.max"))]), 16_000);
    let mut first = always(gives("9000"));
    first["finish"] = json!(true);
    check(json!([first, always(gives("7000"))]), 9_000);
    first["enabled"] = json!(false);
    check(json!([first, always(gives("7000"))]), 7_000);
    first["enabled"] = json!(true);
    first["not"] = json!(true);
    check(json!([first, always(gives("7000"))]), 7_000);
    let mut last = always(gives("8000"));
    last["id"] = json!("last");
    let jump = always(json!({ "kind": "go_to", "rule": "last" }));
    check(
        json!([jump, always(gives("7000")), last, always(gives("run.value + 1"))]),
        8_001,
    );
    check(
        json!([
            always(json!({ "kind": "parameter", "name": "base", "value": "6000" })),
            always(gives("param.base * 2")),
            always(json!({ "kind": "minimum", "value": "13000" })),
        ]),
        13_000,
    );
    // Whole thirds and what falls short of a milliampere.
    check(json!([always(gives("10000 / 3 * 3 + 0.9"))]), 10_000);
}

#[test]
fn rules_are_linked_with_the_next() {
    let when = |holds: bool, then: Value| json!({ "when": { "kind": "formula", "formula": holds.to_string() }, "then": then });
    for (first, link, second, expected) in [
        (true, "and", true, 9_000),
        (true, "and", false, 0),
        (false, "and", true, 0),
        (false, "or", true, 9_000),
        (true, "or", false, 9_000),
        (false, "or", false, 0),
    ] {
        check(
            json!([when(first, json!({ "kind": link })), when(second, gives("9000"))]),
            expected,
        );
    }
    // Links go on over several rules, and end with the first that is none.
    check(
        json!([
            when(true, json!({ "kind": "and" })),
            when(false, json!({ "kind": "or" })),
            when(true, gives("9000")),
            when(false, gives("7000")),
        ]),
        9_000,
    );
}

#[test]
fn times_know_midnight_weekdays_and_dates() {
    // Fridays from 21:00 until Saturday 06:00, from the 27th on.
    let night = json!([{
        "when": { "kind": "time", "from_minute": 1260, "to_minute": 360 },
        "weekdays": [5], "from": "2026-11-27", "until": "2026-11-27", "then": gives("9000"),
    }]);
    let mut bench = Bench::new(&[set("own", night)]);
    for (day, hour, minute, expected) in [
        (20, 22, 0, 0),
        (27, 20, 59, 0),
        (27, 21, 0, 9_000),
        (28, 5, 59, 9_000),
        (28, 6, 0, 0),
        (28, 22, 0, 0),
        (27, 3, 0, 0),
    ] {
        bench.clock(day, hour, minute);
        assert_eq!(bench.left(1), expected, "{day}. {hour}:{minute}");
    }
    let mut by_formula = Bench::new(&[set(
        "own",
        json!([{ "when": { "kind": "between", "from": "12 * 60", "to": "time.day * 60 / 2" }, "then": gives("9000") }]),
    )]);
    assert_eq!(by_formula.left(1), 9_000);
    by_formula.clock(28, 14, 0);
    assert_eq!(by_formula.left(1), 0);
}

#[test]
fn a_condition_may_be_delayed_and_held() {
    let rules = json!([{
        "when": { "kind": "surplus", "at_least": "6500" }, "solar": true, "after_ms": 10_000, "hold_ms": 300_000,
        "then": { "kind": "surplus", "factor_permille": 1000 }, "finish": true,
    }]);
    let mut bench = Bench::new(&[set("own", rules)]);
    bench.sun(6_900);
    assert_eq!(bench.left(0), 0);
    assert_eq!(bench.left(9), 0);
    assert_eq!(bench.left(1), 10_000);
    // Held without the sun: the minimum, for as long as it was said.
    bench.sun(690);
    assert_eq!(bench.left(1), 6_000);
    assert_eq!(bench.left(298), 6_000);
    assert_eq!(bench.left(2), 0);
    // It must last again.
    bench.sun(6_900);
    assert_eq!(bench.left(1), 0);
    assert_eq!(bench.left(10), 10_000);
    // Nobody knows any more.
    bench.facts.surplus = Amount::default();
    assert_eq!(bench.left(1), 6_000);
}

/// Sun while there is enough; at night something else.
fn typical() -> Value {
    json!([
        { "when": { "kind": "surplus", "at_least": "6500" }, "solar": true, "then": { "kind": "surplus", "factor_permille": 1000 }, "finish": true },
        { "when": { "kind": "always" }, "solar": true, "then": gives("-1"), "finish": true },
        { "when": { "kind": "time", "from_minute": 1260, "to_minute": 360 }, "then": gives("max(7000, exists(run.found) ? run.found : 0)") },
    ])
}

#[test]
fn solar_rules_come_first_and_the_others_may_stand_above() {
    let mut bench = Bench::new(&[set("own", typical())]);
    bench.sun(6_900);
    assert_eq!(bench.left(1), 10_000);
    assert!(bench.out.runs[0].is_solar);
    assert_eq!(bench.by(), ("own", Some(1)));
    bench.sun(0);
    assert_eq!(bench.left(1), 0);
    assert_eq!(bench.by(), ("own", None));
    bench.clock(28, 22, 0);
    assert_eq!(bench.left(1), 7_000);
    assert!(!bench.out.runs[0].is_solar);
    bench.sun(6_900);
    assert_eq!(bench.left(1), 10_000);
    assert_eq!(bench.by(), ("own", Some(3)));
    // Without the mark each phase must have it, with it the sum is divided.
    bench.facts.surplus.current = Some(PerPhase::new(MilliAmps(30_000), MilliAmps(0), MilliAmps(0)));
    let plain = json!([{ "when": { "kind": "surplus", "at_least": "6500" }, "then": gives("9000") }]);
    let mut bench = Bench::new(&[set("own", plain)]);
    bench.facts.surplus = Amount {
        power: Some(Watts(6_900)),
        current: Some(PerPhase::new(MilliAmps(30_000), MilliAmps(0), MilliAmps(0))),
    };
    assert_eq!(bench.left(1), 0);
    bench.facts.evses[0].phases = PhaseSet::only(Phase::L1);
    assert_eq!(bench.left(1), 9_000);
}

#[test]
fn of_evse_user_and_card_the_lowest_counts_and_is_named() {
    let user = json!([{ "kind": "user", "user": "eva" }]);
    let card = json!([{ "kind": "card", "card": "red" }]);
    let mut bench = Bench::new(&[
        set("evse", json!([always(gives("10000"))])),
        owned(
            "card",
            card,
            json!([
                always(gives("8000")),
                always(json!({ "kind": "phases", "phases": "one" }))
            ]),
        ),
        owned(
            "user",
            user,
            json!([
                always(gives("9000")),
                always(json!({ "kind": "mode", "mode": "solar" }))
            ]),
        ),
    ]);
    assert_eq!((bench.left(1), bench.by().0), (10_000, "evse"));
    bench.facts.evses[0].user = Some("eva".parse().unwrap());
    assert_eq!((bench.left(1), bench.by().0), (9_000, "user"));
    assert_eq!(bench.out.evses[0].mode, Some(ChargeMode::Solar));
    bench.facts.evses[0].card = Some("red".parse().unwrap());
    assert_eq!((bench.left(1), bench.by().0), (8_000, "card"));
    assert_eq!(bench.out.evses[0].phases, Some(Phases::One));
    let counts: Vec<_> = bench
        .out
        .runs
        .iter()
        .map(|run| (run.set.as_str(), run.is_lowest))
        .collect();
    assert_eq!(counts, [("evse", false), ("user", false), ("card", true)]);
    // Nobody has rules at the other one.
    assert_eq!(bench.out.evses[1], super::EvseRules::default());
}

#[test]
fn variables_stay_and_triggers_end() {
    let closed = json!({ "kind": "input", "device": "grid", "input": 2 });
    let rules = json!([
        always(json!({ "kind": "let", "variable": "runs", "value": "exists(var.runs) ? var.runs + 1 : 1" })),
        { "when": closed, "then": { "kind": "trigger", "variable": "open", "own": true, "lasts_ms": 60_000 } },
        { "when": { "kind": "formula", "formula": "exists(own.var.open) && own.var.open > 0" }, "then": gives("6000 + var.runs") },
    ]);
    let mut bench = Bench::new(&[set("own", rules.clone())]);
    assert_eq!(bench.left(1), 0);
    bench.facts.inputs[0] = Some(true);
    assert_eq!(bench.left(1), 6_002);
    // Once per closing.
    assert_eq!(bench.left(59), 6_003);
    assert_eq!(bench.left(2), 0);
    assert_eq!(bench.left(1), 0);
    bench.facts.inputs[0] = Some(false);
    bench.left(1);
    bench.facts.inputs[0] = Some(true);
    assert_eq!(bench.left(1), 6_007);
    // Other rules know them still, and begin their own times anew.
    let (next, _) = Book::new(
        &[
            set("own", json!([always(gives("6000 + var.runs"))])),
            set("old", rules),
        ],
        &site(),
    );
    bench.memory = next.adopt(&bench.book, &bench.memory);
    bench.book = next;
    bench.facts.inputs[0] = Some(false);
    assert_eq!(bench.left(1), 6_007);
    // One that is triggered again lasts as long as its condition.
    let again = json!([
        { "when": { "kind": "input", "device": "grid", "input": 1 }, "then": { "kind": "trigger", "variable": "open", "lasts_ms": 60_000, "again": true } },
        { "when": { "kind": "formula", "formula": "var.open == 1" }, "then": gives("9000") },
    ]);
    let mut bench = Bench::new(&[set("own", again)]);
    assert_eq!(bench.left(1), 0);
    assert_eq!(
        bench.out.runs[0].lines[1].fault.as_deref(),
        Some("column 1: `var.open` has no value")
    );
    bench.facts.inputs[0] = Some(true);
    assert_eq!((bench.left(1), bench.left(100)), (9_000, 9_000));
    bench.facts.inputs[0] = Some(false);
    assert_eq!((bench.left(59), bench.left(1)), (9_000, 0));
}

#[test]
fn a_set_may_use_another() {
    let mut jump = always(json!({ "kind": "use", "set": "shared" }));
    jump["when"] = json!({ "kind": "charging", "at_least": 2 });
    let mut bench = Bench::new(&[
        set("own", json!([jump, always(gives("9000"))])),
        owned("shared", json!([]), json!([always(gives("6000"))])),
    ]);
    assert_eq!(bench.left(1), 9_000);
    bench.facts.site[SiteName::Charging as usize] = Some(2);
    assert_eq!(bench.left(1), 6_000);
    assert_eq!(bench.by(), ("shared", Some(1)));
}

#[test]
fn prices_energy_budget_and_charge_are_conditions() {
    let when = |condition: Value| json!([{ "when": condition, "then": gives("9000") }]);
    let check = |condition: Value, set_fact: &dyn Fn(&mut Facts, i64), fits: i64, not: i64| {
        let mut bench = Bench::new(&[set("own", when(condition))]);
        assert_eq!(bench.left(1), 0, "unknown");
        for (value, expected) in [(fits, 9_000), (not, 0)] {
            set_fact(&mut bench.facts, value);
            assert_eq!(bench.left(1), expected, "{value}");
        }
    };
    let own =
        |name: EvseName| move |facts: &mut Facts, value| facts.evses[0].own[name as usize] = Some(value);
    let of_site = |name: SiteName| move |facts: &mut Facts, value| facts.site[name as usize] = Some(value);
    check(
        json!({ "kind": "price", "at_most_micros_per_kwh": 200_000 }),
        &of_site(SiteName::Price),
        200_000,
        200_001,
    );
    check(
        json!({ "kind": "price_level", "at_most": "cheap" }),
        &of_site(SiteName::PriceLevel),
        2,
        3,
    );
    check(
        json!({ "kind": "soc", "at_least_permille": 800 }),
        &own(EvseName::Soc),
        800,
        799,
    );
    check(
        json!({ "kind": "energy", "at_least_wh": 10_000 }),
        &own(EvseName::SessionEnergy),
        10_000,
        9_999,
    );
    check(
        json!({ "kind": "budget_left", "at_least_wh": 1 }),
        &own(EvseName::BudgetLeft),
        1,
        0,
    );
    check(
        json!({ "kind": "charging", "at_least": 1 }),
        &of_site(SiteName::Charging),
        1,
        0,
    );
}

#[test]
fn prices_of_the_day_are_functions() {
    let hour = |at: i64, value| Slot {
        start: MIDNIGHT + at * 3_600,
        end: MIDNIGHT + (at + 1) * 3_600,
        value,
    };
    let mut bench = Bench::new(&[set(
        "own",
        json!([{
            "when": { "kind": "formula", "formula": "time.second_of_day >= min_price_second(6 * 3600) && min_price(64800) > 0" },
            "then": gives("min_price(18 * 3600) + max_price(6 * 3600) / 1000"),
        }]),
    )]);
    bench.facts.prices = vec![
        hour(12, 300),
        hour(17, 200),
        hour(20, 9_000),
        hour(27, 100),
        hour(31, 50),
    ];
    bench.facts.time[TimeName::SecondOfDay as usize] = Some(12 * 3_600);
    // 06:00 is tomorrow's, whose cheapest hour begins at 03:00.
    assert_eq!(bench.left(1), 209);
    bench.facts.time[TimeName::SecondOfDay as usize] = Some(2 * 3_600);
    assert_eq!(bench.left(1), 0);
}

#[test]
fn the_cleanest_time_is_waited_for_and_kept() {
    let rules = json!([{ "when": { "kind": "cleanest", "within_ms": 14_400_000, "lasts_ms": 3_600_000 }, "then": gives("9000") }]);
    let hour = |at: i64, value| Slot {
        start: MIDNIGHT + at * 3_600,
        end: MIDNIGHT + (at + 1) * 3_600,
        value,
    };
    let mut bench = Bench::new(&[set("own", rules.clone())]);
    bench.facts.clean = vec![
        hour(12, 300),
        hour(13, 200),
        hour(14, 900),
        hour(15, 100),
        hour(19, 999),
    ];
    bench.facts.evses[0].own[EvseName::PluggedAt as usize] = Some(MIDNIGHT + 12 * 3_600);
    assert_eq!(bench.left(1), 0);
    bench.clock(28, 14, 0);
    assert_eq!(bench.left(1), 9_000);
    bench.clock(28, 15, 30);
    assert_eq!(bench.left(1), 9_000);
    // Nobody knows how clean it will be: at the end of the delay.
    let mut bench = Bench::new(&[set("own", rules)]);
    bench.facts.evses[0].own[EvseName::PluggedAt as usize] = Some(MIDNIGHT + 12 * 3_600);
    bench.clock(28, 15, 59);
    assert_eq!(bench.left(1), 0);
    bench.clock(28, 16, 0);
    assert_eq!(bench.left(1), 9_000);
}

#[test]
fn batteries_and_circuits_begin_with_all_they_can() {
    let battery = |flow: &str, first: bool| json!([{ "kind": "battery", "device": "store", "flow": flow, "first": first }]);
    let dear =
        json!([{ "when": { "kind": "price_level", "at_most": "cheap" }, "not": true, "then": gives("0") }]);
    let mut bench = Bench::new(&[
        owned("charge", battery("charge", true), dear),
        owned("discharge", battery("discharge", false), json!([])),
        owned(
            "house",
            json!([{ "kind": "site" }]),
            json!([always(gives("20000"))]),
        ),
        owned(
            "part",
            json!([{ "kind": "circuit", "circuit": "house" }]),
            json!([always(gives("-1"))]),
        ),
    ]);
    for (others, most) in bench.facts.others.iter_mut().zip([4_000, 3_000, 35_000, 35_000]) {
        others[EvseName::Max as usize] = Some(most);
    }
    let battery = |bench: &Bench| (bench.out.batteries[0].charge, bench.out.batteries[0].discharge);
    bench.facts.site[SiteName::PriceLevel as usize] = Some(4);
    bench.run(1);
    assert_eq!(battery(&bench), (Some(0), Some(3_000)));
    bench.facts.site[SiteName::PriceLevel as usize] = Some(1);
    bench.run(1);
    assert_eq!(battery(&bench), (Some(4_000), Some(0)));
    let circuits: Vec<_> = bench
        .out
        .circuits
        .iter()
        .map(|(id, limit)| (id.as_str(), limit.value.0))
        .collect();
    assert_eq!(circuits, [("house", 20_000)]);
}

#[test]
fn what_is_wrong_is_told_with_its_column() {
    let rules = json!([
        always(gives("6000 +")),
        { "when": { "kind": "formula", "formula": "site.import" }, "then": gives("evse.\"garage-1\".max + evse.gone.max") },
        always(gives("var.never")),
        always(gives(&"(".repeat(10_000))),
        { "when": { "kind": "formula", "formula": "own.plugged && device.grid.input1" }, "then": gives("device.grid.power") },
    ]);
    let wrong = set("own", rules);
    let told: Vec<String> = problems(&wrong, &[], &site())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "rule set `own`, rule 1, value, column 7: found the end, expected a number, a name or `(`",
            "rule set `own`, rule 2, formula, column 1: found a number, expected true or false",
            "rule set `own`, rule 2, value, column 23: found `evse.gone.max`, expected a name that has a value here",
            "rule set `own`, rule 3, value, column 1: found `var.never`, expected a name that has a value here",
            "rule set `own`, rule 4, value, column 1: found 10000 bytes, expected at most 4096",
        ]
    );
    let (book, problems) = Book::new(&[wrong, set("good", json!([always(gives("9000"))]))], &site());
    assert_eq!(problems.len(), 5);
    assert_eq!(book.sets.len(), 1);
}
