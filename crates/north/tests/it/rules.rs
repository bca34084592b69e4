//! Rule sets over the native API.

use bus::{Bus, Received, Topic};
use model::message::Message;
use model::rule::{RuleLine, RuleOwner, RuleRun};
use serde_json::{Value, json};

use crate::world::{VIEWER, World, bearer, request};

const AT: &str = "/api/v1/sites/home/rules";

fn set(id: &str, then: Value) -> Value {
    json!({
        "id": id, "name": "At night", "owners": [{"kind": "site"}], "enabled": true,
        "rules": [{"enabled": true, "when": {"kind": "time", "from_minute": 1320, "to_minute": 360}, "then": then}],
    })
}

fn amps(value: &str) -> Value {
    json!({"kind": "set", "value": value})
}

fn at(id: &str) -> String {
    format!("{AT}/{id}")
}

#[tokio::test]
async fn a_rule_set_is_made_read_replaced_and_deleted() {
    let world = World::new().await;
    let mut nouns = world.bus.subscribe(Topic::Nouns).await;
    let mut night = set("night", amps("10000"));
    let made = world.post(AT, &night.to_string()).await;
    assert_eq!((made.status.as_u16(), made.json()), (201, night.clone()));
    let Some(Received::Message(Message::NounsChanged { kind })) = nouns.next().await else {
        panic!("nobody was told")
    };
    assert_eq!(kind, "rule_set");
    assert_eq!(
        world.post(AT, &night.to_string()).await.error(),
        (409, "exists".into())
    );
    assert_eq!(world.get(AT).await.json(), json!({"items": [night]}));
    assert_eq!(
        world.get("/api/v1/sites/yard/rules").await.json(),
        json!({"items": []})
    );

    night["rules"][0]["then"] = amps("min(own.max, 8000)");
    let put = world.put(&at("night"), &night.to_string()).await;
    assert_eq!((put.status.as_u16(), put.json()), (200, night.clone()));
    assert_eq!(world.get(&at("night")).await.json(), night);
    assert_eq!(
        world
            .put("/api/v1/sites/yard/rules/night", &night.to_string())
            .await
            .error(),
        (404, "unknown".into())
    );

    assert_eq!(world.delete(&at("night")).await.status, 204);
    assert_eq!(world.delete(&at("night")).await.error(), (404, "unknown".into()));
    assert_eq!(world.get(&at("night")).await.error(), (404, "unknown".into()));
}

#[tokio::test]
async fn what_is_wrong_is_said_with_its_place_and_column() {
    let world = World::new().await;
    let answer = world
        .post(AT, &set("night", amps("own.max / sitee.price")).to_string())
        .await;
    assert_eq!(answer.error(), (422, "invalid".into()));
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    assert_eq!(
        message,
        "rule set `night`, rule 1, value, column 11: found `sitee.price`, expected a name that has a value here"
    );
    for (part, value, expected) in [
        ("owners", json!([{"kind": "evse", "evse": "nobody"}]), "`nobody`"),
        ("name", json!(""), "1 to 80 characters"),
        ("owners", json!([{"kind": "evse", "evse": "No Id"}]), "owners[0]"),
        (
            "rules",
            json!([{"when": {"kind": "always"}, "then": {"kind": "stop"}}]),
            "stop",
        ),
        (
            "rules",
            json!([{"when": {"kind": "always"}, "then": amps("0"), "hold_s": 5}]),
            "hold_s",
        ),
        (
            "rules",
            json!([{"when": {"kind": "always"}, "then": amps("0"), "from": "2026-02-30"}]),
            "rules[0]",
        ),
        ("colour", json!("red"), "colour"),
    ] {
        let mut wrong = set("night", amps("10000"));
        wrong[part] = value;
        let answer = world.post(AT, &wrong.to_string()).await;
        assert_eq!(answer.status, 422, "{wrong}");
        assert!(answer.text.contains(expected), "{expected}: {}", answer.text);
    }

    // A question keeps nothing, and says all of it.
    let mut asked = set("night", amps("1 +"));
    asked["rules"][0]["when"]["to_minute"] = json!(1_440);
    let answer = world.post(&at("check"), &asked.to_string()).await;
    let items = answer.json();
    let items = items["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{items:?}");
    assert_eq!(
        items[0],
        json!({"rule": 0, "part": "to_minute", "column": null, "found": "1440", "expected": "0 to 1439"})
    );
    assert_eq!(
        (&items[1]["part"], &items[1]["column"]),
        (&json!("value"), &json!(4))
    );
    let right = world
        .post(&at("check"), &set("night", amps("0")).to_string())
        .await;
    assert_eq!(right.json(), json!({"items": []}));
    assert_eq!(world.get(AT).await.json(), json!({"items": []}));
}

#[tokio::test]
async fn a_set_that_others_need_stays_as_they_need_it() {
    let world = World::new().await;
    let price = json!({"kind": "let", "variable": "dear", "value": "site.price > 300000 ? 1 : 0"});
    assert_eq!(world.post(AT, &set("price", price).to_string()).await.status, 201);
    let reader = set("reader", amps("var.dear * 6000"));
    assert_eq!(world.post(AT, &reader.to_string()).await.status, 201);
    let user = set("user", json!({"kind": "use", "set": "reader"}));
    assert_eq!(world.post(AT, &user.to_string()).await.status, 201);

    let lost = world
        .put(&at("price"), &set("price", amps("0")).to_string())
        .await;
    assert_eq!(lost.error(), (422, "invalid".into()));
    assert!(lost.text.contains("rule set `reader` needs"), "{}", lost.text);
    for (id, by) in [("price", "`reader`"), ("reader", "`user`")] {
        let answer = world.delete(&at(id)).await;
        assert_eq!(answer.error(), (409, "in_use".into()));
        assert!(answer.text.contains(by), "{}", answer.text);
    }
    for id in ["user", "reader", "price"] {
        assert_eq!(world.delete(&at(id)).await.status, 204, "{id}");
    }
}

#[tokio::test]
async fn what_was_decided_is_shown_to_those_who_may_see_settings() {
    let world = World::new().await;
    let run = RuleRun {
        set: "night".parse().unwrap(),
        owner: RuleOwner::Site,
        evse: None,
        value: Some(10_000),
        is_solar: false,
        is_lowest: true,
        lines: vec![RuleLine {
            set: "night".parse().unwrap(),
            rule: 0,
            held: true,
            counts: true,
            value: Some(10_000),
            fault: None,
        }],
    };
    world
        .change("home", |view| view.rules = std::slice::from_ref(&run).into())
        .await;
    assert_eq!(
        world.get(&at("decided")).await.json(),
        json!({"items": [{
            "set": "night", "owner": {"kind": "site"}, "evse": null, "value": 10_000, "is_solar": false, "is_lowest": true,
            "lines": [{"set": "night", "rule": 0, "held": true, "counts": true, "value": 10_000, "fault": null}],
        }]})
    );
    for path in [AT.to_owned(), at("decided"), at("night")] {
        let answer = world
            .ask(request("GET", &path, &[("authorization", &bearer(VIEWER))], ""))
            .await;
        assert_eq!(answer.error(), (403, "not_allowed".into()), "{path}");
    }
    assert_eq!(
        world.get("/api/v1/sites/nowhere/rules").await.error(),
        (404, "unknown".into())
    );
}
