//! What may be registered, changed and removed, and what pages show of it.

use model::oversight::{AddressChange, Duplicates, RiskLevel};

use super::*;
use crate::{Look, Registered};

#[tokio::test]
async fn what_is_registered_is_judged_at_once() {
    let mut world = World::new(&["p1"]).await;
    let check = |outcome: Result<Registered, crate::Refused>, expected: &str| {
        let outcome = outcome.map_or_else(
            |refused| refused.to_string(),
            |registered| format!("{registered:?}"),
        );
        assert_eq!(outcome, expected);
    };
    let (station, equipment, port) = (EntityKind::Station, EntityKind::Equipment, EntityKind::Port);
    check(world.register(port, "p1", Some("e")).await, "Same");
    check(
        world.register(port, "p2", Some("e9")).await,
        "equipment: there is none `e9`",
    );
    check(world.register(port, "p2", None).await, "parent: is missing");
    check(
        world.register(equipment, "e2", Some("s9")).await,
        "station: there is none `s9`",
    );
    let mut other = entity(station, "s", None);
    other
        .fields
        .insert("name".to_owned(), Value::Text("Other".to_owned()));
    let taken = "station: `s` is there already and says something else";
    check(
        world.authority.register(&operator(), told(other.clone())).await,
        taken,
    );
    let mut kind = Operator::clone(&world.authority.operator(&operator()).unwrap());
    kind.duplicates = Duplicates::Replace;
    world.authority.put_operator(kind.clone()).await.unwrap();
    check(
        world.authority.register(&operator(), told(other)).await,
        "Replaced",
    );
    assert_eq!(world.authority.stations(None)[0].name, "Other");
    let nobody = OperatorCode::new("nobody").unwrap();
    let unknown = world
        .authority
        .register(&nobody, told(entity(station, "s", None)))
        .await;
    check(unknown, "operator: there is none `nobody`");

    let remove = async |world: &World, kind, id: &str| {
        said(world.authority.remove(&operator(), kind, &code(id)).await)
    };
    assert_eq!(
        remove(&world, station, "s").await,
        "station: 2 still belong to `s`"
    );
    assert_eq!(remove(&world, station, "s9").await, "ok");
    kind.delete_missing_fails = true;
    kind.cascade = true;
    world.authority.put_operator(kind).await.unwrap();
    assert_eq!(remove(&world, station, "s9").await, "station: there is none `s9`");
    assert_eq!(remove(&world, station, "s").await, "ok");
    for _ in 0..2 {
        assert_eq!(
            world.authority.overview_of(&operator()).unwrap().tally,
            crate::Tally::default()
        );
        world.restart().await;
    }
}

#[tokio::test]
async fn a_modification_changes_what_was_sent() {
    let mut world = World::new(&["p1"]).await;
    let modify = async |world: &World, id: &str, parent: Option<&str>, fields: &[(&str, i64)]| {
        let mut change = entity(EntityKind::Port, id, parent);
        change.fields = fields
            .iter()
            .map(|(name, number)| ((*name).to_owned(), Value::Number(Decimal(*number))))
            .collect();
        said(world.authority.modify(&operator(), told(change)).await)
    };
    assert_eq!(modify(&world, "p9", None, &[]).await, "port: there is none `p9`");
    assert_eq!(
        modify(&world, "p1", Some("e9"), &[]).await,
        "equipment: there is none `e9`"
    );
    world.report(vec![sample_of("idle", "p1", 0)]).await;
    world.authority.catch_up().await.unwrap();
    world
        .register(EntityKind::Equipment, "e2", Some("s"))
        .await
        .unwrap();
    assert_eq!(
        modify(&world, "p1", Some("e2"), &[("rated_power", 5)]).await,
        "ok"
    );
    for _ in 0..2 {
        let page = world
            .authority
            .page(&operator(), EntityKind::Port, 1, 10)
            .await
            .unwrap();
        assert_eq!((page.total, page.list.len()), (1, 1));
        let port = &page.list[0];
        assert_eq!(port.parent, Some(code("e2")));
        assert_eq!(port.number("rated_power"), Some(Decimal(5)));
        assert_eq!(port.text("name"), Some("name of p1"));
        // What it said before it was moved stays what it said.
        let ports = world.authority.ports(&operator(), &PortFilter::default(), 1, 10);
        assert_eq!(ports.list[0].equipment, code("e2"));
        assert_eq!(ports.list[0].sample, Some(sample_of("idle", "p1", 0)));
        world.restart().await;
    }
}

#[tokio::test]
async fn pages_of_ports_are_filtered() {
    let world = World::new(&["a1", "a2", "b1", "b2", "b3"]).await;
    world.register(EntityKind::Station, "s2", None).await.unwrap();
    world
        .register(EntityKind::Equipment, "e2", Some("s2"))
        .await
        .unwrap();
    world.register(EntityKind::Port, "c1", Some("e2")).await.unwrap();
    let samples = [
        ("a1", "idle"),
        ("b1", "charging"),
        ("b2", "charging error=1009"),
        ("c1", "idle"),
    ];
    world
        .report(
            samples
                .iter()
                .map(|(port, text)| sample_of(text, port, 0))
                .collect(),
        )
        .await;
    world.authority.catch_up().await.unwrap();
    let check = |filter: PortFilter, index, size, total: u64, expected: &[&str]| {
        let page = world.authority.ports(&operator(), &filter, index, size);
        let found: Vec<_> = page.list.iter().map(|port| port.port.as_str()).collect();
        assert_eq!((page.total, found.as_slice()), (total, expected), "{filter:?}");
    };
    let all = PortFilter::default;
    check(all(), 1, 4, 6, &["a1", "a2", "b1", "b2"]);
    check(all(), 2, 4, 6, &["b3", "c1"]);
    check(all(), 3, 4, 6, &[]);
    let look = Some(Look::Charging);
    check(PortFilter { look, ..all() }, 1, 9, 2, &["b1", "b2"]);
    let station = Some(code("s2"));
    check(PortFilter { station, ..all() }, 1, 9, 1, &["c1"]);
    let station = Some(code("s9"));
    check(PortFilter { station, ..all() }, 1, 9, 0, &[]);
    let text = Some("2".to_owned());
    check(PortFilter { text, ..all() }, 1, 9, 2, &["a2", "b2"]);
    let only_warned = true;
    check(PortFilter { only_warned, ..all() }, 1, 9, 1, &["b2"]);
    let stations = world.authority.stations(Some(&operator()));
    let found: Vec<_> = stations
        .iter()
        .map(|station| (station.station.as_str(), station.risk, station.looks.len()))
        .collect();
    assert_eq!(found, [("s", Some(RiskLevel::High), 3), ("s2", None, 1)]);
    let overview = world.authority.overview();
    assert_eq!((overview.day.as_str(), overview.problem), ("2026-07-01", None));
    assert_eq!(
        overview.operators[0].warnings,
        BTreeMap::from([(RiskLevel::High, 1)])
    );
    assert_eq!(overview.operators[0].tally.looks[&Look::Never], 2);
}

#[tokio::test]
async fn addresses_stay_when_an_operator_is_changed() {
    let mut world = World::new(&[]).await;
    let change = |new: Option<&str>| AddressChange {
        callback: Callback::Risk,
        old: None,
        new: new.map(str::to_owned),
        at: Timestamp(5),
        from: None,
        by: "operator".to_owned(),
    };
    let set = async |world: &World, new| {
        world
            .authority
            .set_address(&operator(), change(new))
            .await
            .unwrap()
    };
    assert!(set(&world, Some("https://a.example")).await);
    assert!(!set(&world, Some("https://a.example")).await);
    let mut changed = Operator::new(operator(), "Renamed");
    changed.suspended = true;
    world.authority.put_operator(changed).await.unwrap();
    world.restart().await;
    let known = world.authority.operator(&operator()).unwrap();
    assert_eq!((known.name.as_str(), known.suspended), ("Renamed", true));
    assert_eq!(known.addresses[&Callback::Risk].url, "https://a.example");
    assert!(set(&world, None).await);
    assert_eq!(world.authority.operators()[0].address_changes.len(), 2);
}

#[tokio::test]
async fn the_report_of_a_day() {
    let world = World::new(&["p1"]).await;
    world.report(vec![sample_of("idle", "p1", 0)]).await;
    world
        .authority
        .records(
            &operator(),
            vec![
                told(record("c1", "p1", 0, 3)),
                told(record("c2", "p1", -86_400, 4)),
            ],
        )
        .await
        .unwrap();
    world.authority.called(&operator(), Callback::Risk, true);
    world.authority.called(&operator(), Callback::Risk, false);
    world.authority.catch_up().await.unwrap();
    for (day, expected) in [
        ("2026-07-01", (1, 1, 3, 1, 1)),
        ("2026-06-30", (0, 1, 4, 0, 0)),
        ("2026-06-29", (0, 0, 0, 0, 0)),
    ] {
        let rows = world.authority.daily_report(day).await.unwrap();
        let row = &rows[0];
        let found = (
            row.quality.kept,
            row.charges,
            row.energy.as_whole().unwrap(),
            row.quality.told,
            row.quality.not_told,
        );
        assert_eq!(found, expected, "{day}");
    }
    let odd = world.authority.daily_report("today").await;
    assert!(
        matches!(&odd, Err(crate::Refused::Unfit { field, .. }) if field == "day"),
        "{odd:?}"
    );
}

#[tokio::test]
async fn rules_are_tried_on_what_was_recorded() {
    let world = World::new(&["p1"]).await;
    world
        .report(vec![
            sample_of("charging error=1009", "p1", -600),
            sample_of("charging", "p1", -300),
        ])
        .await;
    world.authority.catch_up().await.unwrap();
    let (from, to) = (
        Timestamp::from_seconds(NOON - 3_600),
        Timestamp::from_seconds(NOON),
    );
    let fired = world
        .authority
        .replay(&operator(), &code("p1"), from, to)
        .await
        .unwrap();
    let fired: Vec<_> = fired
        .iter()
        .map(|fired| (fired.rule.as_str(), fired.raised.as_seconds() - NOON))
        .collect();
    assert_eq!(fired, [("leakage", -600)]);
    let unknown = world.authority.replay(&operator(), &code("p9"), from, to).await;
    assert!(matches!(unknown, Err(crate::Refused::Unknown { .. })));
    let long = world
        .authority
        .replay(&operator(), &code("p1"), Timestamp(0), to)
        .await;
    assert!(matches!(long, Err(crate::Refused::Unfit { .. })));
}

#[tokio::test]
async fn an_operator_is_removed_with_what_it_had() {
    let mut world = World::new(&["p1"]).await;
    world
        .report(vec![sample_of("charging error=1009", "p1", 0)])
        .await;
    world.authority.catch_up().await.unwrap();
    world.report(vec![sample_of("charging", "p1", 1)]).await;
    world.authority.remove_operator(&operator()).await.unwrap();
    // What still waits is of nobody.
    world.authority.catch_up().await.unwrap();
    for _ in 0..2 {
        assert!(world.authority.operators().is_empty());
        assert!(world.shaky.inner.open_warnings().await.unwrap().is_empty());
        world.restart().await;
    }
}

#[tokio::test]
async fn lists_have_an_end() {
    let world = World::new(&["p1"]).await;
    let samples = (0..13).map(|at| told(sample_of("idle", "p1", at))).collect();
    let many = world.authority.report(&operator(), samples, "/").await;
    assert_eq!(
        many.unwrap_err().to_string(),
        "list: 13 entries, expected at most 12"
    );
    let records = (0..31)
        .map(|n| told(record(&format!("c{n}"), "p1", 0, 1)))
        .collect();
    let many = world.authority.records(&operator(), records).await;
    assert_eq!(
        many.unwrap_err().to_string(),
        "list: 31 entries, expected at most 30"
    );
    world.authority.catch_up().await.unwrap();
    assert!(world.books().await.contains("p1 never: nothing, 0 kept"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_that_register_at_once_each_thing_is_registered_once() {
    let mut world = World::new(&[]).await;
    for round in 0..20 {
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..40 {
            let authority = world.authority.clone();
            let mut port = entity(EntityKind::Port, &format!("p{round}-{}", n % 10), Some("e"));
            // Every fourth says something else of it.
            let power = Decimal::whole(if n / 10 == 3 { 9 } else { 2 });
            port.fields.insert("rated_power".to_owned(), Value::Number(power));
            tasks.spawn(async move { authority.register(&operator(), told(port)).await });
        }
        let authority = world.authority.clone();
        tasks.spawn(async move {
            let gone = authority
                .remove(&operator(), EntityKind::Equipment, &code("e"))
                .await;
            gone.map(|()| Registered::Replaced)
        });
        let mut counts = BTreeMap::<String, usize>::new();
        while let Some(outcome) = tasks.join_next().await {
            let outcome = outcome.unwrap();
            let what = outcome.map_or_else(
                |refused| {
                    refused
                        .to_string()
                        .split('`')
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                },
                |registered| format!("{registered:?}"),
            );
            *counts.entry(what).or_default() += 1;
        }
        // The equipment went before any port came, or stays; no port is left without it.
        let ports = world.authority.overview_of(&operator()).unwrap().tally.ports;
        if counts.contains_key("Replaced") {
            assert_eq!((ports, counts.get("New")), (0, None), "{counts:?}");
            world
                .register(EntityKind::Equipment, "e", Some("s"))
                .await
                .unwrap();
            continue;
        }
        assert_eq!(counts.get("New"), Some(&10), "{counts:?}");
        let others = ["Same", "port: "].map(|what| counts.get(what).copied().unwrap_or(0));
        assert_eq!(others.iter().sum::<usize>(), 30, "{counts:?}");
        world.restart().await;
        assert_eq!(
            world.authority.overview_of(&operator()).unwrap().tally.ports,
            ports
        );
        for n in 0..10 {
            let id = code(&format!("p{round}-{n}"));
            world
                .authority
                .remove(&operator(), EntityKind::Port, &id)
                .await
                .unwrap();
        }
    }
}
