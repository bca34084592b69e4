//! What operators do, as recorded stories. Each is told twice: once as it is, and once with a process that dies after
//! every step; the books are the same.

use model::oversight::EntityKind;

use super::*;

enum Step<'a> {
    /// The clock shows that many seconds.
    At(i64),
    /// Samples of a call (port, time, content), and what is answered.
    Report(&'a [(&'a str, i64, &'a str)], &'a [&'a str]),
    /// In place of what failed last.
    Again((&'a str, i64, &'a str), &'a str),
    Port(&'a str),
    Remove(&'a str),
    /// Charge, port, start, energy.
    Record((&'a str, &'a str, i64, i64), &'a str),
    /// What happens every minute.
    Look,
    Acknowledge,
}
use Step::{Acknowledge, Again, At, Look, Port, Record, Remove, Report};

async fn tell(steps: &[Step<'_>], dies: bool) -> String {
    let mut world = World::new(&["p1", "p2"]).await;
    for step in steps {
        match step {
            At(at) => world.set_time(*at),
            Report(samples, expected) => {
                let samples = samples
                    .iter()
                    .map(|(port, at, text)| sample_of(text, port, *at))
                    .collect();
                assert_eq!(world.report(samples).await, *expected);
            }
            Again((port, at, text), expected) => {
                let failures = world.shaky.inner.failures(None, None, None, 1).await.unwrap();
                let sample = told(sample_of(text, port, *at));
                let outcome = world
                    .authority
                    .report_again(&operator(), &failures[0].1.id, sample)
                    .await;
                assert_eq!(said(outcome), *expected);
            }
            Port(id) => {
                world.register(EntityKind::Port, id, Some("e")).await.unwrap();
            }
            Remove(id) => world
                .authority
                .remove(&operator(), EntityKind::Port, &code(id))
                .await
                .unwrap(),
            Record((charge, port, start, energy), expected) => {
                let list = vec![told(record(charge, port, *start, *energy))];
                let outcomes = world.authority.records(&operator(), list).await.unwrap();
                let outcomes: Vec<_> = outcomes.into_iter().map(said).collect();
                assert_eq!(outcomes, [*expected]);
                // Counts of records are stored with the next round.
                world.authority.catch_up().await.unwrap();
            }
            Look => world.authority.look().await.unwrap(),
            Acknowledge => {
                let open = world.shaky.inner.open_warnings().await.unwrap();
                let by = "alice".parse().unwrap();
                world.authority.acknowledge(&open[0].id, by).await.unwrap();
            }
        }
        // While the clock moves on, somebody listens.
        if dies && !matches!(step, At(_)) {
            world.restart().await;
        }
        world.authority.catch_up().await.unwrap();
    }
    world.books().await
}

async fn story(name: &str, steps: &[Step<'_>], expected: &str) {
    let expected: String = expected
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let books = tell(steps, false).await;
    assert_eq!(books, expected, "{name}:\n{books}");
    let books = tell(steps, true).await;
    assert_eq!(books, expected, "{name}, with restarts:\n{books}");
}

const OK: &[&str] = &["ok"];

#[tokio::test]
async fn duplicates_contradictions_and_late_samples() {
    let first: &[_] = &[("p1", 0, "charging energy=1"), ("p2", 0, "idle")];
    let steps = [
        At(1),
        Report(first, &["ok", "ok"]),
        At(2),
        Report(first, &["ok", "ok"]),
        At(3),
        Report(&[("p1", 0, "charging energy=2")], OK),
        At(4),
        Report(&[("p1", -60, "idle")], OK),
        At(301),
        Report(&[("p1", 300, "charging energy=3")], OK),
    ];
    story(
        "duplicates",
        &steps,
        "p1 charging: Charging at 300, 5 kept
        p2 idle: Idle at 0, 2 kept
        counted: kept 5, OutOfOrder 1, Duplicate 2, Contradictory 1
        energy 0 cost 0
        owed: {}",
    )
    .await;
}

#[tokio::test]
async fn clocks_ahead_and_samples_of_yesterday() {
    let steps = [
        Report(&[("p1", 300, "idle"), ("p2", 301, "idle")], &["ok", "ok"]),
        Report(&[("p1", -86_401, "idle")], OK),
        Report(&[("p2", -86_400, "idle")], OK),
    ];
    story(
        "clocks",
        &steps,
        "p1 idle: Idle at 300, 1 kept
        p2 idle: Idle at -86400, 1 kept
        counted: kept 2, failed 2, late 1
        failed p1: Open 1, 400 the time of the sample is more than 24 h ago
        failed p2: Open 1, 400 the time of the sample is more than 300 s ahead of ours
        energy 0 cost 0
        owed: {\"operator op failed\": 2}",
    )
    .await;
}

#[tokio::test]
async fn an_unknown_port_is_registered_and_the_sample_repaired() {
    let unknown = "port: there is none `p3`";
    let steps = [
        Report(&[("p3", 0, "idle"), ("p1", 0, "idle")], &[unknown, "ok"]),
        Again(("p3", 0, "idle"), unknown),
        Port("p3"),
        Again(("p3", 0, "charging"), "ok"),
        // An answer that was lost, and one that mends nothing any more.
        Again(("p3", 0, "charging"), "ok"),
        Again(("p9", 0, "charging"), "port: there is none `p9`"),
    ];
    story(
        "repair",
        &steps,
        "p1 idle: Idle at 0, 1 kept
        p2 never: nothing, 0 kept
        p3 charging: Charging at 0, 2 kept
        counted: kept 2, failed 2, repaired 1, Duplicate 1
        failed p3: Repaired 2, 404 unknown port `p3`
        energy 0 cost 0
        owed: {\"operator op failed\": 2}",
    )
    .await;
}

#[tokio::test]
async fn after_three_failures_a_sample_is_lost() {
    let unknown = "port: there is none `p3`";
    let given_up = "sample: `";
    let one: &[_] = &[("p3", 0, "idle")];
    let steps = [
        Report(one, &[unknown]),
        Report(one, &[unknown]),
        Again(one[0], unknown),
        Port("p3"),
    ];
    story(
        "lost",
        &steps,
        "p1 never: nothing, 0 kept
        p2 never: nothing, 0 kept
        p3 never: nothing, 0 kept
        counted: failed 3, lost 1
        failed p3: Lost 3, 404 unknown port `p3`
        energy 0 cost 0
        owed: {\"operator op failed\": 3}",
    )
    .await;
    let world = World::new(&[]).await;
    for _ in 0..3 {
        assert_eq!(world.report(vec![sample_of("idle", "p3", 0)]).await, [unknown]);
    }
    assert!(world.report(vec![sample_of("idle", "p3", 0)]).await[0].starts_with(given_up));
    let id = world.shaky.inner.failures(None, None, None, 1).await.unwrap()[0]
        .1
        .id
        .clone();
    let again = world
        .authority
        .report_again(&operator(), &id, told(sample_of("idle", "p3", 0)))
        .await;
    assert!(matches!(again, Err(crate::Refused::GivenUp { .. })), "{again:?}");
    assert_eq!(world.parcels().await.len(), 3);
    let nothing = world
        .authority
        .report_again(&operator(), &code("x"), told(sample_of("idle", "p3", 0)))
        .await;
    assert_eq!(said(nothing), "sample: there is none `x`");
}

#[tokio::test]
async fn records_of_an_unknown_port_are_adopted() {
    let steps = [
        Record(("c1", "p9", 0, 3), "ok"),
        Record(("c2", "p1", 0, 2), "ok"),
        Record(("c2", "p1", 0, 2), "ok"),
        Record(
            ("c2", "p1", 0, 9),
            "record: `c2` is there already and says something else",
        ),
        Record(("c3", "p1", -86_400, 5), "ok"),
        Record(("c4", "p1", 86_400, 7), "ok"),
        Port("p9"),
    ];
    story(
        "orphans",
        &steps,
        "p1 never: nothing, 0 kept
        p2 never: nothing, 0 kept
        p9 never: nothing, 0 kept
        counted: records 4, Duplicate 1, Contradictory 1, Orphan 1
        record c1 of p9
        record c2 of p1
        record c3 of p1
        record c4 of p1
        energy 5 cost 2
        owed: {}",
    )
    .await;
    let world = World::new(&["p1"]).await;
    world
        .authority
        .records(&operator(), vec![told(record("c1", "p9", 0, 3))])
        .await
        .unwrap();
    assert!(world.books().await.contains("record c1 orphan p9"));
    let mut backwards = record("c4", "p1", 0, 1);
    backwards.end = Timestamp::from_seconds(NOON - 1);
    let outcomes = world
        .authority
        .records(&operator(), vec![told(backwards)])
        .await
        .unwrap();
    assert!(matches!(&outcomes[0], Err(crate::Refused::Unfit { field, .. }) if field == "end"));
}

#[tokio::test]
async fn energy_backwards_and_current_at_an_idle_port() {
    let steps = [
        Report(&[("p1", 0, "charging energy=3")], OK),
        At(300),
        Report(
            &[("p1", 300, "charging energy=2"), ("p2", 300, "idle current=5")],
            &["ok", "ok"],
        ),
    ];
    story(
        "backwards",
        &steps,
        "p1 charging: Charging at 300, 2 kept
        p2 idle: Idle at 300, 1 kept
        counted: kept 3, Implausible 1, EnergyBackwards 1
        energy 0 cost 0
        owed: {}",
    )
    .await;
}

#[tokio::test]
async fn a_danger_is_told_again_raised_and_cleared() {
    let steps = [
        Report(&[("p1", 0, "charging error=1007")], OK),
        At(300),
        Report(&[("p1", 300, "charging error=1007")], OK),
        Look,
        At(900),
        Report(&[("p1", 900, "charging error=1007")], OK),
        // Nobody has acknowledged it for a quarter of an hour.
        Look,
        At(1_500),
        Report(&[("p1", 1_500, "charging error=1007")], OK),
        Look,
        At(2_100),
        Report(&[("p1", 2_100, "charging error=1007")], OK),
        At(2_700),
        Report(&[("p1", 2_700, "charging error=1007")], OK),
        // And half an hour later.
        Look,
        Acknowledge,
        At(6_000),
        Report(&[("p1", 6_000, "charging error=1007")], OK),
        Look,
        At(6_060),
        Report(&[("p1", 6_060, "charging")], OK),
        At(6_120),
        Report(&[("p1", 6_120, "charging error=1007")], OK),
    ];
    story(
        "danger",
        &steps,
        "p1 charging: Charging at 6120, 9 kept
        p2 never: nothing, 0 kept
        counted: kept 9, warnings 2, Missing 10
        p1 over-current: High 0 to 6060
        p1 over-current: Medium 6120 to open
        energy 0 cost 0
        owed: {\"operator op risk\": 4}",
    )
    .await;
}

#[tokio::test]
async fn a_rule_that_has_to_hold_for_a_while() {
    const HOT: &str = "charging temperature=70";
    let steps = [
        Report(&[("p1", 0, HOT)], OK),
        Look,
        At(200),
        Report(&[("p1", 200, HOT)], OK),
        At(310),
        Report(&[("p1", 310, HOT)], OK),
    ];
    story(
        "hold",
        &steps,
        "p1 charging: Charging at 310, 3 kept
        p2 never: nothing, 0 kept
        counted: kept 3, warnings 1
        p1 warm: Medium 310 to open
        energy 0 cost 0
        owed: {\"operator op risk\": 1}",
    )
    .await;
}

#[tokio::test]
async fn a_port_falls_silent_and_comes_back() {
    let steps = [
        Report(&[("p1", 0, "idle"), ("p2", 0, "idle")], &["ok", "ok"]),
        At(540),
        Report(&[("p2", 540, "idle")], OK),
        At(599),
        Look,
        At(600),
        Look,
        At(1_080),
        Report(&[("p2", 1_080, "idle")], OK),
        At(1_620),
        Report(&[("p2", 1_620, "idle")], OK),
        At(1_860),
        Look,
        At(1_920),
        Report(&[("p1", 1_920, "charging")], OK),
        Remove("p2"),
    ];
    story(
        "silence",
        &steps,
        "p1 charging: Charging at 1920, 2 kept
        counted: kept 6, warnings 1, Missing 3
        p1 offline: Low 1860 to 1920
        energy 0 cost 0
        owed: {\"operator op risk\": 1}",
    )
    .await;
}

#[tokio::test]
async fn an_operator_that_is_silent_as_a_whole_is_no_danger_at_every_port() {
    let steps = [
        Report(&[("p1", 0, "idle"), ("p2", 0, "fault error=1008")], &["ok", "ok"]),
        At(1_000),
        Look,
        At(3_000),
        Look,
    ];
    story(
        "silent operator",
        &steps,
        "p1 offline: Idle at 0, 1 kept
        p2 offline: Fault at 0, 1 kept
        counted: kept 2, warnings 1, Missing 10
        p2 offline: Medium 0 to open
        energy 0 cost 0
        owed: {\"operator op risk\": 3}",
    )
    .await;
}

#[tokio::test]
async fn the_journal_is_condensed_and_nothing_is_forgotten() {
    let steps = [
        Report(&[("p1", 0, "charging energy=1")], OK),
        At(300),
        Report(&[("p1", 300, "charging energy=2")], OK),
        Look,
        At(600),
        Look,
        Report(&[("p1", 600, "charging energy=1")], OK),
        Report(&[("p1", 600, "charging energy=1")], OK),
    ];
    story(
        "pages",
        &steps,
        "p1 charging: Charging at 600, 4 kept
        p2 never: nothing, 0 kept
        counted: kept 3, Duplicate 1, EnergyBackwards 1, Missing 1
        energy 0 cost 0
        owed: {}",
    )
    .await;
}
