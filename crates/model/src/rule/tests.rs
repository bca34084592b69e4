//! Sets survive storage, and what is wrong with them is found before they are kept.

use super::*;
use crate::site::Keeper;
use crate::units::MilliVolts;

fn site() -> crate::site::Site {
    crate::site::Site {
        id: "home".parse().unwrap(),
        name: "Home".to_owned(),
        keeper: Keeper::Ours,
        time_zone: "Europe/Vienna".to_owned(),
        position: None,
        nominal_voltage: MilliVolts(230_000),
        grid: crate::grid::GridRules::default(),
        circuits: Vec::new(),
        devices: Vec::new(),
    }
}

fn set(id: &str, rules: Vec<Rule>) -> RuleSet {
    RuleSet {
        id: id.parse().unwrap(),
        site: "home".parse().unwrap(),
        name: id.to_owned(),
        owners: Vec::new(),
        enabled: true,
        rules,
    }
}

fn stop() -> Action {
    Action::Set {
        value: Formula::from("0"),
    }
}

fn with_id(id: &str, then: Action) -> Rule {
    Rule {
        id: Some(id.to_owned()),
        ..Rule::new(Condition::Always, then)
    }
}

fn uses(id: &str) -> Rule {
    Rule::new(
        Condition::Always,
        Action::Use {
            set: id.parse().unwrap(),
        },
    )
}

fn goes_to(rule: &str) -> Action {
    Action::GoTo {
        rule: rule.to_owned(),
    }
}

#[track_caller]
fn check(rules: Vec<Rule>, expected: &[&str]) {
    let others = [
        set("night", vec![uses("own")]),
        set("plain", vec![Rule::new(Condition::Always, stop())]),
    ];
    let found = problems(&set("own", rules), &others, &site());
    let told: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(told, expected);
}

#[test]
fn loops_and_self_references_are_no_rules() {
    check(vec![with_id("a", goes_to("b")), with_id("b", stop())], &[]);
    check(
        vec![with_id("a", stop()), with_id("b", goes_to("a"))],
        &["rule set `own`, rule 2, then: found `a`, expected a rule further down: rules are no loop"],
    );
    check(
        vec![with_id("a", goes_to("a"))],
        &["rule set `own`, rule 1, then: found `a`, expected a rule further down: rules are no loop"],
    );
    check(
        vec![with_id("a", goes_to("c"))],
        &["rule set `own`, rule 1, then: found `c`, expected the id of a rule of this set"],
    );
    check(vec![uses("plain")], &[]);
    let circle = "rule set `own`, rule 2, then: found a set that comes back to this one, expected no loop";
    check(vec![uses("plain"), uses("night")], &[circle]);
    check(
        vec![uses("own")],
        &["rule set `own`, rule 1, then: found a set that comes back to this one, expected no loop"],
    );
    check(
        vec![uses("gone")],
        &["rule set `own`, rule 1, then: found `gone`, expected a rule set of this site"],
    );
}

#[test]
fn what_cannot_be_is_found_with_its_place() {
    let rule = |when| Rule::new(when, stop());
    check(
        vec![
            rule(Condition::Time {
                from_minute: 0,
                to_minute: 1_440,
            }),
            rule(Condition::Soc {
                at_least: PerMille(1_001),
            }),
            rule(Condition::Input {
                device: "meter".parse().unwrap(),
                input: 0,
            }),
            Rule {
                weekdays: vec![1, 8],
                hold: Millis(-1),
                ..rule(Condition::Always)
            },
            Rule::new(Condition::Always, Action::And),
        ],
        &[
            "rule set `own`, rule 1, to_minute: found 1440, expected 0 to 1439",
            "rule set `own`, rule 2, at_least_permille: found 1001, expected 0 to 1000 ‰",
            "rule set `own`, rule 3, device: found `meter`, expected a device of the site",
            "rule set `own`, rule 3, input: found 0, expected a number from 1",
            "rule set `own`, rule 4, weekdays: found 8, expected 1 (Monday) to 7 (Sunday)",
            "rule set `own`, rule 4, hold_ms: found -1, expected 0 to 604800000",
            "rule set `own`, rule 5, then: found no rule after it, expected a rule that it is linked with",
        ],
    );
    let mut mixed = set("own", Vec::new());
    mixed.owners = vec![
        RuleOwner::Evse {
            evse: "left".parse().unwrap(),
        },
        RuleOwner::Site,
        RuleOwner::Site,
    ];
    let told: Vec<String> = problems(&mixed, &[], &site())
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        told,
        [
            "rule set `own`, owners: found `left`, expected an EVSE, circuit or battery of the site",
            "rule set `own`, owners: found an owner twice, expected each once",
        ]
    );
}

#[test]
fn a_set_is_stored_and_read_back_and_the_short_form_is_enough() {
    let text = r#"{"id":"sun","site":"home","name":"Sun","owners":[{"kind":"user","user":"eva"}],"rules":[
        {"when":{"kind":"surplus","at_least":"6500"},"hold_ms":300000,"solar":true,"then":{"kind":"surplus","factor_permille":1000},"finish":true},
        {"when":{"kind":"always"},"solar":true,"then":{"kind":"set","value":"-1"},"finish":true},
        {"when":{"kind":"time","from_minute":1260,"to_minute":360},"weekdays":[1,7],"from":"2026-10-01","then":{"kind":"set","value":"6000"}}]}"#;
    let read: RuleSet = serde_json::from_str(text).unwrap();
    assert!(read.enabled && read.rules.iter().all(|rule| rule.enabled && !rule.not));
    assert_eq!(read.rules[0].hold, Millis(300_000));
    let stored = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<RuleSet>(&stored).unwrap(), read);
    let places: Vec<_> = read
        .formulas()
        .map(|(place, formula, flag)| (place.rule, place.part, formula.0.as_str(), flag))
        .collect();
    assert_eq!(
        places,
        [
            (0, "at_least", "6500", false),
            (1, "value", "-1", false),
            (2, "value", "6000", false)
        ]
    );
}

#[test]
fn every_name_is_found_by_its_own_text() {
    let evse = || "garage-1".parse::<EvseId>().unwrap();
    let device = || "meter".parse::<DeviceId>().unwrap();
    let mut all = vec![
        Name::Input(device(), 2),
        Name::Parameter("base".to_owned()),
        Name::Variable("flag1".to_owned()),
        Name::OwnVariable("x".to_owned()),
        Name::EvseVariable(evse(), "x".to_owned()),
    ];
    all.extend(crate::reading::Quantity::ALL.map(|quantity| Name::Device(device(), quantity)));
    all.extend(EvseName::ALL.iter().map(|name| Name::Evse(evse(), *name)));
    all.extend(EvseName::ALL.iter().map(|name| Name::Own(*name)));
    all.extend(SiteName::ALL.iter().map(|name| Name::Site(*name)));
    all.extend(TimeName::ALL.iter().map(|name| Name::Time(*name)));
    all.extend(RunName::ALL.iter().map(|name| Name::Run(*name)));
    for name in all {
        assert_eq!(Name::parse(&name.to_string()), Some(name.clone()), "{name}");
    }
    for wrong in [
        "",
        "x",
        "site",
        "site.gone",
        "site.import.l1",
        "evse.a",
        "own.var",
        "device.m.input0",
        "var.a.b",
    ] {
        assert_eq!(Name::parse(wrong), None, "{wrong}");
    }
}

#[test]
fn price_levels_are_shares_of_the_mean() {
    for (price, expected) in [
        (59, PriceLevel::VeryCheap),
        (60, PriceLevel::Cheap),
        (90, PriceLevel::Normal),
        (115, PriceLevel::Normal),
        (116, PriceLevel::Dear),
        (141, PriceLevel::VeryDear),
        (-5, PriceLevel::VeryCheap),
    ] {
        assert_eq!(
            PriceLevel::of(PerKwh(price), PerKwh(100)),
            Some(expected),
            "{price}"
        );
    }
    assert_eq!(PriceLevel::of(PerKwh(1), PerKwh(0)), None);
}
