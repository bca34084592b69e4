//! Rules of the store decide in the next cycle, say so, and stand below a switch.

use model::limit::LimitSource;
use model::rule::RuleSet;
use model::session::{Authorisation, AuthorisationKind};
use serde_json::{Value, json};

use super::*;

fn set(id: &str, owner: Value, value: &str) -> RuleSet {
    let rule = json!({ "when": { "kind": "always" }, "then": { "kind": "set", "value": value } });
    let set = json!({ "id": id, "site": "home", "name": id, "owners": [owner], "rules": [rule] });
    serde_json::from_value(set).unwrap()
}

fn of_evse(id: &str, value: &str) -> RuleSet {
    set(id, json!({ "kind": "evse", "evse": "left" }), value)
}

/// A car that takes what it is told, at a house that draws 1 A per phase.
fn drive(core: &mut Core, from_s: i64, to_s: i64) {
    let mut told = core.view(now(from_s * 1_000)).evses[0].setpoint;
    run(core, from_s, to_s, |core, at| {
        told = core.view(now(at)).evses[0].setpoint;
        let drawn = told.or_zero().0;
        grid(core, drawn + 1_000, at);
        report(core, "station", Report::Link(LinkState::Online), at);
        car(core, PilotState::C, told, drawn, at);
    });
}

fn told(core: &Core, at_s: i64) -> i64 {
    core.view(now(at_s * 1_000)).evses[0].setpoint.or_zero().0
}

fn source(core: &Core, at_s: i64) -> Option<(String, Option<u16>)> {
    let view = core.view(now(at_s * 1_000));
    let Cause::Limited {
        by: LimitSource::Rule { set, rule },
        ..
    } = &view.evses[0].reason.cause
    else {
        return None;
    };
    Some((set.to_string(), *rule))
}

#[test]
fn a_rule_lowers_at_once_is_named_and_is_forgotten_with_its_set() {
    let mut core = core(Restored::default());
    drive(&mut core, 0, 60);
    assert_eq!((told(&core, 60), source(&core, 60)), (16_000, None));

    assert_eq!(
        core.set_rules(vec![of_evse("ten", "10000 + 0 * site.import")], now(60_000)),
        []
    );
    drive(&mut core, 60, 62);
    assert_eq!(told(&core, 62), 10_000);
    assert_eq!(source(&core, 62), Some(("ten".to_owned(), Some(1))));
    let view = core.view(now(62_000));
    let [run] = &*view.rules else {
        panic!("{:?}", view.rules)
    };
    assert_eq!(
        (run.value, run.is_lowest, run.lines.len()),
        (Some(10_000), true, 1)
    );

    // The lowest of several; one that is wrong is left out and told.
    let wrong = of_evse("wrong", "site.gone");
    let problems = core.set_rules(
        vec![of_evse("ten", "10000"), of_evse("half", "own.max / 2"), wrong],
        now(62_000),
    );
    assert_eq!(
        problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "rule set `wrong`, rule 1, value, column 1: found `site.gone`, expected a name that has a value here"
        ]
    );
    drive(&mut core, 62, 64);
    assert_eq!(told(&core, 64), 8_000);
    assert_eq!(source(&core, 64), Some(("half".to_owned(), Some(1))));

    assert_eq!(core.set_rules(Vec::new(), now(64_000)), []);
    drive(&mut core, 64, 90);
    assert_eq!((told(&core, 90), source(&core, 90)), (16_000, None));
    assert!(core.view(now(90_000)).rules.is_empty());
}

#[test]
fn a_switch_stands_above_rules_of_evses_and_not_above_those_of_circuits() {
    let mut core = core(Restored::default());
    let house = set("house", json!({ "kind": "site" }), "13000");
    assert_eq!(core.set_rules(vec![of_evse("off", "0"), house], now(0)), []);
    drive(&mut core, 0, 30);
    assert_eq!(told(&core, 30), 0);
    assert_eq!(source(&core, 30), Some(("off".to_owned(), Some(1))));

    let forced = weigh(
        &core,
        Wanted::Force {
            evse: evse_id(),
            force: Force::On,
        },
    );
    core.apply(forced.unwrap(), now(30_000));
    drive(&mut core, 30, 70);
    // 1 A of 13 A is the house's.
    assert_eq!(told(&core, 70), 12_000);
    assert_eq!(source(&core, 70), Some(("house".to_owned(), Some(1))));
}

#[test]
fn rules_of_a_user_count_where_they_charge() {
    let mut core = core(Restored::default());
    let user = set(
        "eva",
        json!({ "kind": "user", "user": "eva" }),
        "own.session_time > 70 ? 7000 : 9000",
    );
    assert_eq!(core.set_rules(vec![user], now(0)), []);
    drive(&mut core, 0, 40);
    assert_eq!(told(&core, 40), 16_000);
    core.set_directory(
        Directory {
            users: BTreeMap::from([(
                "eva".parse().unwrap(),
                model::user::User::new("eva".parse().unwrap(), "Eva", model::user::Role::User),
            )]),
            ..Directory::default()
        },
        now(40_000),
    );
    let shown = Wanted::Authorise {
        evse: evse_id(),
        authorisation: Authorisation {
            kind: AuthorisationKind::App,
            user: Some("eva".parse().unwrap()),
            card: None,
        },
    };
    core.apply(weigh(&core, shown).unwrap(), now(40_000));
    drive(&mut core, 40, 60);
    assert_eq!(
        (told(&core, 60), source(&core, 60)),
        (9_000, Some(("eva".to_owned(), Some(1))))
    );
    drive(&mut core, 60, 80);
    assert_eq!(told(&core, 80), 7_000);
}
