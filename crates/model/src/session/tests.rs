//! Sessions as truth tables, and under everything that may happen in any order.

use proptest::prelude::*;
use proptest::test_runner::Config;

use super::machine::{Effect, Gain, Input, Machine, Place};
use super::*;
use crate::reading::PilotState;
use crate::time::{Monotonic, Now};

fn place(asks: bool) -> Place {
    Place {
        site: SiteId::new("home").unwrap(),
        evse: EvseId::new("left").unwrap(),
        epoch: 3,
        asks,
        wired: PerPhase::all(true),
    }
}

fn now(seconds: i64) -> Now {
    Now {
        wall: Timestamp::from_seconds(1_800_000_000 + seconds),
        monotonic: Monotonic(seconds * 1_000),
    }
}

fn card(name: &str) -> Authorisation {
    Authorisation {
        kind: AuthorisationKind::Rfid,
        user: Some(UserId::new("resident").unwrap()),
        card: Some(CardId::new(name).unwrap()),
    }
}

fn app() -> Authorisation {
    Authorisation {
        kind: AuthorisationKind::App,
        user: Some(UserId::new("resident").unwrap()),
        card: None,
    }
}

/// One step of a row: seconds since the last one, and what happens.
#[derive(Clone, Debug)]
enum Do {
    Pilot(PilotState),
    /// Pilot B, and the charger's own counter.
    Plugged(i64),
    Counter(i64),
    /// 10 A on so many phases for the time until the next step.
    Amps(usize),
    Tap(&'static str),
    App,
    Stop,
    Restart,
}

use Do::{Amps, App, Counter, Pilot, Plugged, Restart, Stop as StopIt, Tap};
use PilotState::{A, B, C, E};

fn sample(counter: Option<i64>, phases: usize) -> Sample {
    let amps = |index: usize| MilliAmps(if index < phases { 10_000 } else { 0 });
    Sample {
        counter: counter.map(WattHours),
        current: (phases > 0).then(|| PerPhase::new(amps(0), amps(1), amps(2))),
        voltage: MilliVolts(230_000),
        ..Sample::default()
    }
}

/// Runs a row; gives what happened as words and every session as it ended.
fn run(asks: bool, steps: &[(i64, Do)]) -> (String, Vec<Session>) {
    let mut machine = Machine::new(place(asks));
    let (mut words, mut closed, mut at) = (Vec::new(), Vec::new(), 0);
    for (wait, step) in steps {
        at += wait;
        let input = match step {
            Pilot(pilot) => Input::Heard {
                pilot: *pilot,
                charger: None,
            },
            Plugged(charger) => Input::Heard {
                pilot: B,
                charger: Some(WattHours(*charger)),
            },
            Counter(value) => Input::Measured(sample(Some(*value), 0)),
            Amps(phases) => Input::Measured(sample(None, *phases)),
            Tap(name) => Input::Authorised(card(name)),
            App => Input::Authorised(app()),
            StopIt => Input::Stop(StopReason::Asked),
            Restart => {
                machine = match machine.session().cloned() {
                    Some(open) => Machine::restored(place(asks), open),
                    None => Machine::new(place(asks)),
                };
                continue;
            }
        };
        for effect in machine.on(input, now(at)) {
            match effect {
                Effect::Opened => words.push("open".to_owned()),
                Effect::AuthorisationWanted => words.push("ask".to_owned()),
                Effect::Kept => words.push("keep".to_owned()),
                Effect::Started(number) => words.push(format!("start{number}")),
                Effect::Stopped(number, reason) => words.push(format!("stop{number}:{reason:?}")),
                Effect::Closed(session) => {
                    words.push("close".to_owned());
                    closed.push(session);
                }
                Effect::Gained(_) => {}
            }
        }
    }
    closed.extend(machine.session().cloned());
    (words.join(" "), closed)
}

fn check(name: &str, asks: bool, steps: &[(i64, Do)], expected: &str, energies: &[&[i64]]) {
    let (words, sessions) = run(asks, steps);
    assert_eq!(words, expected, "{name}");
    let taken: Vec<Vec<i64>> = sessions
        .iter()
        .map(|session| session.transactions.iter().map(|t| t.energy.0).collect())
        .collect();
    assert_eq!(taken, energies, "{name}");
}

#[test]
fn a_stay_is_a_session_and_a_pilot_fault_ends_nothing() {
    check(
        "plug and go",
        false,
        &[
            (0, Pilot(A)),
            (1, Counter(1_000)),
            (1, Pilot(B)),
            (1, Pilot(C)),
            (50, Counter(1_150)),
            (1, Pilot(A)),
        ],
        "open start1 stop1:Unplugged close",
        &[&[150]],
    );
    check(
        "a fault in the middle",
        false,
        &[
            (0, Pilot(A)),
            (1, Counter(1_000)),
            (1, Pilot(C)),
            (9, Pilot(E)),
            (9, Counter(1_020)),
            (1, Pilot(C)),
            (9, Pilot(A)),
        ],
        "open start1 stop1:Unplugged close",
        &[&[20]],
    );
    check(
        "nobody",
        false,
        &[(0, Pilot(A)), (9, Pilot(E)), (9, Pilot(A)), (1, StopIt)],
        "",
        &[],
    );
}

#[test]
fn a_card_starts_stops_and_replaces() {
    let plug = |rest: &[(i64, Do)]| {
        let mut steps = vec![(0, Pilot(A)), (1, Counter(5_000)), (1, Pilot(B))];
        steps.extend_from_slice(rest);
        steps
    };
    for (name, asks, steps, expected, energies) in [
        (
            "waits",
            true,
            plug(&[(9, Counter(5_000)), (1, Pilot(A))]),
            "open ask close",
            &[] as &[i64],
        ),
        (
            "tap, tap",
            true,
            plug(&[
                (5, Tap("white")),
                (20, Counter(5_080)),
                (1, Tap("white")),
                (20, Counter(5_090)),
            ]),
            "open ask start1 stop1:Asked",
            &[80],
        ),
        (
            "what flowed before the card is nobody's",
            true,
            plug(&[(9, Counter(5_040)), (1, Tap("white")), (9, Counter(5_041))]),
            "open ask start1",
            &[1],
        ),
        (
            "another card",
            true,
            plug(&[
                (5, Tap("white")),
                (20, Counter(5_080)),
                (1, Tap("blue")),
                (20, Counter(5_090)),
            ]),
            "open ask start1 stop1:Replaced start2",
            &[80, 10],
        ),
        (
            "an app asks twice",
            true,
            plug(&[(5, App), (1, App)]),
            "open ask start1",
            &[0],
        ),
        (
            "a card names who plugged in and went",
            false,
            plug(&[(5, Tap("white")), (20, Counter(5_080))]),
            "open start1 start1",
            &[80],
        ),
        (
            "a card after energy flowed to nobody in particular",
            false,
            plug(&[(20, Counter(5_080)), (5, Tap("white")), (20, Counter(5_090))]),
            "open start1 stop1:Replaced start2",
            &[80, 10],
        ),
        (
            "stopped and asked again",
            true,
            plug(&[(5, App), (9, StopIt), (9, App)]),
            "open ask start1 stop1:Asked start2",
            &[0, 0],
        ),
    ] {
        check(name, asks, &steps, expected, &[energies]);
    }
}

#[test]
fn a_presentation_waits_a_minute_for_a_car() {
    for (wait, expected) in [(60, "keep open start1"), (61, "keep open ask")] {
        let mut steps = vec![(0, Pilot(A)), (1, Tap("white"))];
        steps.extend((1..wait).map(|_| (1, Pilot(A))));
        steps.push((1, Pilot(B)));
        assert_eq!(run(true, &steps).0, expected, "{wait}");
    }
    let twice = [
        (0, Pilot(A)),
        (1, Tap("white")),
        (5, Pilot(B)),
        (5, Pilot(A)),
        (5, Pilot(B)),
    ];
    assert_eq!(
        run(true, &twice).0,
        "keep open start1 stop1:Unplugged close open ask"
    );
}

#[test]
fn a_restart_loses_nothing_and_notices_who_left() {
    let before = [
        (0, Pilot(A)),
        (1, Counter(1_000)),
        (1, Plugged(0)),
        (9, Counter(1_100)),
        (0, Plugged(100)),
        (0, Restart),
    ];
    let then = |rest: &[(i64, Do)]| [&before[..], rest].concat();
    for (name, steps, expected, energies) in [
        (
            "the same car; the counter fills the gap",
            then(&[(900, Counter(1_400)), (0, Plugged(400)), (9, Counter(1_420))]),
            "open start1",
            &[&[420_i64][..]][..],
        ),
        (
            "the same car; the charger fills the gap",
            then(&[(900, Plugged(400))]),
            "open start1",
            &[&[400]],
        ),
        (
            "gone",
            then(&[(900, Counter(1_250)), (0, Pilot(A))]),
            "open start1 stop1:Lost close",
            &[&[250]],
        ),
        (
            "another car, which took 30 Wh since",
            then(&[
                (900, Counter(1_250)),
                (0, Plugged(30)),
                (9, Counter(1_260)),
                (0, Plugged(40)),
            ]),
            "open start1 stop1:Lost close open start1",
            &[&[220], &[40]],
        ),
        (
            "twice",
            then(&[(0, Restart), (1, Counter(1_100)), (1, Plugged(100))]),
            "open start1",
            &[&[100]],
        ),
    ] {
        check(name, false, &steps, expected, energies);
    }
    // The soft meter counted 690 Wh while the counter was silent; the counter says them again when it is back.
    let silent = |rest: &[(i64, Do)]| {
        let estimated = (0..20).flat_map(|_| [(18, Pilot(C)), (0, Amps(3))]);
        let begin = [(0, Pilot(A)), (1, Counter(1_000)), (1, Pilot(C)), (0, Amps(3))];
        begin
            .into_iter()
            .chain(estimated)
            .chain(rest.iter().cloned())
            .collect::<Vec<_>>()
    };
    check(
        "a restart while the counter is silent",
        false,
        &silent(&[(0, Pilot(C)), (0, Restart), (5, Counter(1_800)), (0, Pilot(C))]),
        "open start1",
        &[&[800]],
    );
    check(
        "and again",
        false,
        &silent(&[
            (0, Pilot(C)),
            (0, Restart),
            (5, Counter(1_500)),
            (0, Pilot(C)),
            (0, Restart),
            (5, Counter(1_800)),
            (0, Pilot(C)),
        ]),
        "open start1",
        &[&[800]],
    );
    check(
        "a counter below zero says nothing",
        false,
        &[
            (0, Pilot(A)),
            (1, Counter(-5)),
            (1, Counter(1_000)),
            (1, Pilot(C)),
            (9, Counter(i64::MIN + 1)),
            (0, Counter(i64::MIN)),
            (0, Plugged(i64::MIN)),
            (9, Counter(1_020)),
        ],
        "open start1",
        &[&[20]],
    );
    check(
        "a car that was there before we ever looked",
        false,
        &[(0, Counter(9_000)), (0, Plugged(700)), (9, Counter(9_010))],
        "open start1",
        &[&[710]],
    );
    check(
        "the link was away and the car was swapped",
        false,
        &[
            (0, Pilot(A)),
            (1, Counter(0)),
            (1, Plugged(0)),
            (9, Counter(500)),
            (0, Plugged(500)),
            (600, Counter(900)),
            (0, Plugged(100)),
        ],
        "open start1 stop1:Lost close open start1",
        &[&[800], &[100]],
    );
}

#[test]
fn counters_reset_roll_over_and_are_forgotten() {
    let plug = |begin: i64, rest: &[(i64, Do)]| {
        let mut steps = vec![(0, Pilot(A)), (1, Counter(begin)), (1, Pilot(B))];
        steps.extend_from_slice(rest);
        steps
    };
    for (name, steps, energy, estimated) in [
        ("rises", plug(1_000, &[(9, Counter(1_010))]), 10, false),
        (
            "reset to zero",
            plug(5_000, &[(9, Counter(5_010)), (9, Counter(0)), (9, Counter(7))]),
            17,
            false,
        ),
        (
            "rolls over",
            plug(99_999_990, &[(9, Counter(99_999_998)), (9, Counter(4))]),
            14,
            false,
        ),
        (
            "rolls over at 2³²",
            plug(4_294_967_290, &[(9, Counter(4))]),
            10,
            false,
        ),
        (
            "leaps",
            plug(1_000, &[(9, Counter(90_000_000)), (9, Counter(90_000_005))]),
            5,
            false,
        ),
        (
            "none at all: 10 A for 360 s on three phases",
            plug_soft(3),
            690,
            true,
        ),
        ("on one phase", plug_soft(1), 230, true),
        (
            "the charger forgets while we watch",
            vec![
                (0, Pilot(A)),
                (1, Plugged(0)),
                (9, Plugged(50)),
                (9, Plugged(0)),
                (9, Plugged(7)),
            ],
            57,
            false,
        ),
        (
            "a counter that was away makes the estimate good",
            [
                plug(1_000, &[(0, Amps(3))]),
                (0..20).flat_map(|_| [(18, Pilot(C)), (0, Amps(3))]).collect(),
                vec![(0, Pilot(C)), (1, Counter(1_800)), (0, Pilot(C))],
            ]
            .concat(),
            800,
            true,
        ),
    ] {
        let (_, sessions) = run(false, &steps);
        let taken = &sessions[0].transactions[0];
        assert_eq!((taken.energy.0, taken.estimated), (energy, estimated), "{name}");
    }
}

/// A station without any counter, read every 9 s.
fn plug_soft(phases: usize) -> Vec<(i64, Do)> {
    let mut steps = vec![(0, Pilot(A)), (1, Pilot(C)), (0, Amps(phases))];
    steps.extend((0..40).flat_map(|_| [(9, Pilot(C)), (0, Amps(phases))]));
    steps
}

#[test]
fn energy_is_split_by_phase_width_and_origin() {
    let mut machine = Machine::new(place(false));
    let heard = |pilot| Input::Heard { pilot, charger: None };
    machine.on(heard(A), now(0));
    machine.on(Input::Measured(sample(Some(0), 0)), now(1));
    machine.on(heard(B), now(1));
    let mut gained = Origin::default();
    let mut cost = 0;
    for (second, phases, sun) in (2..=200).map(|second| (second, if second <= 100 { 1 } else { 3 }, 400)) {
        let mut read = sample(Some((second - 1) * 3), phases);
        read.mix = Mix {
            sun: PerMille(sun),
            battery: PerMille(100),
        };
        read.price = Some(Price {
            tariff: TariffId::new("home").unwrap(),
            per_kwh: PerKwh(312_345),
            currency: Currency::EUR,
        });
        machine.on(heard(C), now(second));
        for effect in machine.on(Input::Measured(read), now(second)) {
            if let Effect::Gained(gain) = effect {
                gained = gained + gain.origin;
                cost += gain.cost.unwrap().amount.0;
            }
        }
    }
    machine.on(heard(C), now(200));
    let taken = machine.session().unwrap().transactions[0].clone();
    assert_eq!(taken.energy, WattHours(597));
    assert_eq!(
        (taken.per_phase.total(), taken.one_phase + taken.three_phase),
        (taken.energy, taken.energy)
    );
    // 33 s of three phases and 99 s of one.
    assert!((taken.per_phase.l2.0 - 100).abs() <= 2, "{taken:?}");
    assert!((taken.one_phase.0 - 298).abs() <= 4, "{taken:?}");
    assert_eq!((taken.origin.total(), gained), (taken.energy, taken.origin));
    assert!(
        (taken.origin.sun.0 - 239).abs() <= 2 && (taken.origin.battery.0 - 60).abs() <= 2,
        "{taken:?}"
    );
    assert_eq!(taken.cost.unwrap().amount, Micros(597 * 312_345 / 1_000));
    assert_eq!(taken.cost.unwrap().amount, Micros(cost));
    assert_eq!((taken.charging, taken.peak), (Millis(198_000), Watts(6_900)));
}

/// A biller finds every part: one sum per currency, and the energy that no tariff had a price for.
#[test]
fn each_currency_has_its_own_cost_and_what_has_none_is_said() {
    let mut machine = Machine::new(place(false));
    let heard = |pilot| Input::Heard { pilot, charger: None };
    machine.on(heard(A), now(0));
    machine.on(Input::Measured(sample(Some(0), 0)), now(1));
    machine.on(heard(C), now(1));
    let mut gained: Vec<Cost> = Vec::new();
    let mut at = 1;
    for (price, counter) in [
        (None, 5),
        (Some((300_000, "EUR")), 15),
        (Some((1_333_333, "CHF")), 18),
        (None, 20),
        (Some((300_000, "EUR")), 21),
        (Some((-100_000, "CHF")), 25),
    ] {
        at += 10;
        let mut read = sample(Some(counter), 0);
        read.price = price.map(|(per_kwh, currency)| Price {
            tariff: TariffId::new("home").unwrap(),
            per_kwh: PerKwh(per_kwh),
            currency: currency.parse().unwrap(),
        });
        machine.on(heard(C), now(at));
        for effect in machine.on(Input::Measured(read), now(at)) {
            if let Effect::Gained(Gain { cost: Some(cost), .. }) = effect {
                Cost::add_to(&mut gained, cost);
            }
        }
    }
    let session = machine.session().unwrap();
    let taken = &session.transactions[0];
    let cost = |amount, currency: &str| Cost {
        amount: Micros(amount),
        currency: currency.parse().unwrap(),
    };
    assert_eq!(taken.cost, Some(cost(11 * 300, "EUR")));
    // 3 Wh at 1.333333, rounded down, and 4 Wh at -0.1.
    assert_eq!(taken.other_costs, [cost(3_999 - 400, "CHF")]);
    assert_eq!((taken.energy, taken.unpriced()), (WattHours(25), WattHours(7)));
    assert_eq!(session.costs(), gained);
    // As stored by an earlier version: no cost meant no price.
    let mut old = taken.clone();
    (old.cost, old.other_costs, old.unpriced) = (None, Vec::new(), WattHours::ZERO);
    assert_eq!(old.unpriced(), WattHours(25));
    let json = serde_json::to_value(&old).unwrap();
    assert_eq!(json.get("other_costs"), None);
}

#[test]
fn a_clock_that_jumps_never_turns_time_around() {
    for jump in [-7_200, 7_200, -2_000_000_000] {
        let mut machine = Machine::new(place(false));
        let jumped = |seconds: i64| Now {
            wall: Timestamp::from_seconds(1_800_000_000 + jump + seconds),
            ..now(seconds)
        };
        let heard = |pilot| Input::Heard { pilot, charger: None };
        machine.on(heard(A), now(0));
        machine.on(heard(C), now(1));
        machine.on(Input::Measured(sample(None, 3)), now(1));
        machine.on(Input::Measured(sample(None, 3)), jumped(31));
        let effects = machine.on(heard(A), jumped(31));
        let Some(Effect::Closed(session)) = effects.last() else {
            panic!("{effects:?}")
        };
        let taken = &session.transactions[0];
        let stop = taken.stopped.unwrap().at;
        assert!(
            session.plugged <= taken.started && taken.started <= stop,
            "{jump}"
        );
        assert!(Some(stop) <= session.unplugged, "{jump}");
        assert_eq!(taken.charging, Millis(30_000), "{jump}");
    }
}

#[derive(Clone, Debug)]
enum Chance {
    Pilot(PilotState, Option<i64>),
    Measured(Option<i64>, [i64; 3]),
    Authorised(u8),
    Stop,
    Restart,
    ClockJump(i64),
}

fn chance() -> impl Strategy<Value = Chance> {
    let pilot = prop_oneof![Just(A), Just(B), Just(C), Just(E)];
    let counter = prop_oneof![
        Just(0_i64),
        0..50_000_i64,
        4_294_960_000..4_294_967_296_i64,
        any::<i64>().prop_map(|v| v.max(0))
    ];
    let amps = prop_oneof![Just([0; 3]), prop::array::uniform3(-2_000..40_000_i64)];
    prop_oneof![
        4 => (pilot, prop::option::of(0..60_000_i64)).prop_map(|(pilot, charger)| Chance::Pilot(pilot, charger)),
        6 => (prop::option::of(counter), amps).prop_map(|(counter, amps)| Chance::Measured(counter, amps)),
        2 => (0..4_u8).prop_map(Chance::Authorised),
        1 => Just(Chance::Stop),
        1 => Just(Chance::Restart),
        1 => (-9_000_000..9_000_000_i64).prop_map(Chance::ClockJump),
    ]
}

fn assert_sound(session: &Session, before: Option<&Session>) -> Result<(), TestCaseError> {
    prop_assert!(
        session
            .transactions
            .iter()
            .rev()
            .skip(1)
            .all(|t| t.stopped.is_some())
    );
    for (index, taken) in session.transactions.iter().enumerate() {
        prop_assert_eq!(usize::try_from(taken.number).unwrap(), index + 1);
        prop_assert!(taken.energy.0 >= 0);
        prop_assert_eq!(taken.per_phase.total(), taken.energy);
        prop_assert_eq!(taken.one_phase + taken.three_phase, taken.energy);
        prop_assert_eq!(taken.origin.total(), taken.energy);
        let parts = [
            taken.one_phase,
            taken.three_phase,
            taken.origin.sun,
            taken.origin.battery,
            taken.origin.grid,
        ];
        prop_assert!(
            parts
                .into_iter()
                .chain(taken.per_phase.into_array())
                .all(|part| part.0 >= 0)
        );
        prop_assert!(taken.started >= session.plugged);
        prop_assert!(taken.stopped.is_none_or(|stop| stop.at >= taken.started));
    }
    if let Some(unplugged) = session.unplugged {
        prop_assert!(session.running().is_none() && unplugged >= session.plugged);
    }
    if let Some(before) = before.filter(|before| before.id == session.id) {
        prop_assert!(session.revision >= before.revision);
        prop_assert!(session == before || session.revision > before.revision);
        for (old, new) in before.transactions.iter().zip(&session.transactions) {
            prop_assert!(new.energy >= old.energy && new.charging >= old.charging && new.peak >= old.peak);
            prop_assert!(
                old.stopped.is_none() || old == new,
                "a stopped transaction changed"
            );
        }
        prop_assert!(session.transactions.len() >= before.transactions.len());
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { failure_persistence: None, ..Config::with_cases(600) })]

    #[test]
    fn whatever_happens_sessions_stay_sound(
        asks in any::<bool>(),
        chances in prop::collection::vec((0..120_000_i64, chance()), 1..120),
    ) {
        let mut machine = Machine::new(place(asks));
        let mut now = now(0);
        let mut before: Option<Session> = None;
        let mut epoch = 3;
        for (wait, chance) in chances {
            now = now.after(Millis(wait));
            let input = match chance {
                Chance::Pilot(pilot, charger) => Input::Heard { pilot, charger: charger.map(WattHours) },
                Chance::Measured(counter, amps) => Input::Measured(Sample {
                    counter: counter.map(WattHours),
                    current: Some(PerPhase::from_array(amps.map(MilliAmps))),
                    voltage: MilliVolts(230_000),
                    mix: Mix { sun: PerMille(300), battery: PerMille(900) },
                    ..Sample::default()
                }),
                Chance::Authorised(number) => Input::Authorised(if number == 0 { app() } else { card(&format!("c{number}")) }),
                Chance::Stop => Input::Stop(StopReason::Asked),
                Chance::ClockJump(jump) => {
                    now.wall = now.wall + Millis(jump);
                    continue;
                }
                Chance::Restart => {
                    epoch += 1;
                    let place = Place { epoch, ..place(asks) };
                    machine = match machine.session().cloned() {
                        Some(open) => Machine::restored(place, open),
                        None => Machine::new(place),
                    };
                    continue;
                }
            };
            let effects = machine.on(input, now);
            for effect in &effects {
                if let Effect::Closed(session) = effect {
                    assert_sound(session, before.as_ref())?;
                    prop_assert!(session.unplugged.is_some());
                    before = None;
                }
            }
            if let Some(session) = machine.session() {
                assert_sound(session, before.as_ref())?;
                prop_assert!(session.unplugged.is_none());
                before = Some(session.clone());
            }
        }
    }
}
