//! Sessions: the list and its pages, totals, CSV, who sees what, authorisations.

use bus::{Asked, Bus};
use model::id::{SessionId, UserId};
use model::intent::Wanted;
use model::money::{Currency, Micros};
use model::phases::PerPhase;
use model::session::{
    Ahead, Authorisation, AuthorisationKind, Cost, Origin, Session, Stop, StopReason, Transaction,
};
use model::time::{Millis, Timestamp};
use model::units::{WattHours, Watts};
use store::{Sessions, Sites};

use crate::world::{TOKEN, VIEWER, World, bearer, evse_id, request, site_id};

fn transaction(number: u32, user: &str, energy: i64) -> Transaction {
    Transaction {
        number,
        authorisation: Authorisation {
            kind: AuthorisationKind::App,
            user: Some(UserId::new(user).unwrap()),
            card: None,
        },
        started: Timestamp(1_000),
        stopped: Some(Stop {
            at: Timestamp(61_000),
            reason: StopReason::Asked,
        }),
        meter_start: Some(WattHours(100)),
        meter_stop: Some(WattHours(100 + energy)),
        energy: WattHours(energy),
        per_phase: PerPhase::new(WattHours(energy), WattHours(0), WattHours(0)),
        one_phase: WattHours(energy),
        three_phase: WattHours(0),
        origin: Origin {
            sun: WattHours(energy),
            ..Origin::default()
        },
        charging: Millis(60_000),
        peak: Watts(2_300),
        cost: Some(Cost {
            amount: Micros(energy * 300),
            currency: Currency::EUR,
        }),
        other_costs: Vec::new(),
        unpriced: WattHours(0),
        ahead: Ahead::default(),
        estimated: false,
    }
}

/// Five sessions of two residents; in the third both charged.
async fn filled() -> World {
    let world = World::new().await;
    let epoch = world.store.take_epoch(&site_id("home")).await.unwrap();
    for number in 0..5_i64 {
        let user = if number % 2 == 0 { "first" } else { "second" };
        let mut transactions = vec![transaction(1, user, 1_000 + number)];
        if number == 2 {
            transactions.push(transaction(2, "second", 7));
        }
        let session = Session {
            id: SessionId::new(&format!("s{number}")).unwrap(),
            site: site_id("home"),
            evse: evse_id("left"),
            plugged: Timestamp(number * 100_000),
            unplugged: (number < 4).then_some(Timestamp(number * 100_000 + 70_000)),
            vehicle: None,
            transactions,
            charger_energy: None,
            soc: None,
            revision: 1,
        };
        world.store.put_session(epoch, &session).await.unwrap();
    }
    world
}

#[tokio::test]
async fn pages_follow_each_other_and_totals_count_all() {
    let world = filled().await;
    let first = world.get("/api/v1/sites/home/sessions?limit=2").await.json();
    assert_eq!(first["totals"]["count"], 5);
    assert_eq!(first["totals"]["energy_wh"], 5_017);
    assert_eq!(first["totals"]["origin"]["sun_wh"], 5_017);
    assert_eq!(first["totals"]["costs"][0]["amount_micros"], 5_017 * 300);
    let mut ids = Vec::new();
    let mut page = first;
    loop {
        for item in page["items"].as_array().unwrap() {
            ids.push(item["id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        let path = format!("/api/v1/sites/home/sessions?limit=2&cursor={next}");
        page = world.get(&path).await.json();
        assert_eq!(page["totals"], serde_json::Value::Null);
    }
    assert_eq!(ids, ["s4", "s3", "s2", "s1", "s0"]);
}

#[tokio::test]
async fn filters_and_refusals() {
    let world = filled().await;
    for (query, count) in [
        ("user=second", 3),
        ("evse=left", 5),
        ("evse=right", 0),
        ("from_ms=100000&to_ms=300000", 2),
        ("card=none", 0),
    ] {
        let json = world
            .get(&format!("/api/v1/sites/home/sessions?{query}"))
            .await
            .json();
        assert_eq!(json["totals"]["count"], count, "{query}");
    }
    for (path, status, code) in [
        ("sessions?limit=0", 422, "out_of_range"),
        ("sessions?limit=501", 422, "out_of_range"),
        ("sessions?cursor=x", 422, "out_of_range"),
        ("sessions?user=A%20B", 422, "out_of_range"),
        ("sessions?colour=red", 400, "unreadable"),
        ("sessions/nothing", 404, "unknown"),
    ] {
        let answer = world.get(&format!("/api/v1/sites/home/{path}")).await;
        assert_eq!(answer.error(), (status, code.into()), "{path}");
    }
    let session = world.get("/api/v1/sites/home/sessions/s2").await.json();
    assert_eq!(session["energy_wh"], 1_009);
    assert_eq!(session["transactions"][1]["stop_reason"], "asked");
    assert_eq!(
        world.get("/api/v1/sites/yard/sessions/s2").await.error(),
        (404, "unknown".into())
    );
    for path in ["sessions", "sessions.csv", "sessions/s2"] {
        let path = format!("/api/v1/sites/home/{path}");
        let answer = world
            .ask(request("GET", &path, &[("authorization", &bearer(VIEWER))], ""))
            .await;
        assert_eq!(answer.error(), (403, "not_allowed".into()), "{path}");
    }
}

#[tokio::test]
async fn csv_has_a_row_per_transaction() {
    let world = filled().await;
    let answer = world.get("/api/v1/sites/home/sessions.csv?user=second").await;
    assert!(answer.header("content-type").unwrap().starts_with("text/csv"));
    let rows: Vec<&str> = answer.text.split_terminator("\r\n").collect();
    assert_eq!(rows.len(), 1 + 4);
    assert!(rows.iter().all(|row| row.split(',').count() == 31), "{rows:#?}");
    assert_eq!(
        rows[1],
        "s3,1,home,left,1970-01-01T00:05:00Z,1970-01-01T00:06:10Z,1970-01-01T00:00:01Z,1970-01-01T00:01:01Z,asked,app,\
         second,,,100,1103,1003,1003,0,0,1003,0,1003,0,0,60,2300,0.300900,EUR,false,,0"
    );
}

/// A contract in another currency came into force while the car charged, and for a while there was none.
#[tokio::test]
async fn what_cost_in_which_currency_and_what_has_no_price_is_said_everywhere() {
    let world = World::new().await;
    let epoch = world.store.take_epoch(&site_id("home")).await.unwrap();
    let mixed = Transaction {
        other_costs: vec![Cost {
            amount: Micros(-120_000),
            currency: "CHF".parse().unwrap(),
        }],
        unpriced: WattHours(40),
        ..transaction(1, "first", 1_000)
    };
    let unpriced = Transaction {
        cost: None,
        ..transaction(2, "first", 7)
    };
    let session = Session {
        id: SessionId::new("s").unwrap(),
        site: site_id("home"),
        evse: evse_id("left"),
        plugged: Timestamp(0),
        unplugged: None,
        vehicle: None,
        transactions: vec![mixed, unpriced],
        charger_energy: None,
        soc: None,
        revision: 1,
    };
    world.store.put_session(epoch, &session).await.unwrap();
    let list = world.get("/api/v1/sites/home/sessions").await.json();
    let costs = serde_json::json!([{"amount_micros": -120_000, "currency": "CHF"}, {"amount_micros": 300_000, "currency": "EUR"}]);
    assert_eq!(
        (&list["totals"]["costs"], &list["totals"]["unpriced_wh"]),
        (&costs, &47.into())
    );
    assert_eq!(list["totals"]["energy_wh"], 1_007);
    assert_eq!(list["totals"]["origin"]["sun_wh"], 1_007);
    let item = &list["items"][0];
    assert_eq!(
        (&item["unpriced_wh"], item["costs"].as_array().unwrap().len()),
        (&47.into(), 2)
    );
    let first = &item["transactions"][0];
    assert_eq!(first["other_costs"][0], costs[0]);
    assert_eq!(first["other_costs"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&first["cost"]["currency"], &first["unpriced_wh"]),
        (&"EUR".into(), &40.into())
    );
    let text = world.get("/api/v1/sites/home/sessions.csv").await.text;
    let ends: Vec<&str> = text
        .split_terminator("\r\n")
        .map(|row| row.split(",2300,").last().unwrap())
        .collect();
    assert_eq!(ends[1..], ["0.300000,EUR,false,CHF -0.120000,40", ",,false,,7"]);
}

#[tokio::test]
async fn the_right_to_charge_is_shown_at_the_desk() {
    let world = World::new().await;
    let path = "/api/v1/sites/home/evses/left/authorisation";
    assert_eq!(world.post(path, r#"{"kind":"app"}"#).await.status, 202);
    assert_eq!(
        world.post(path, r#"{"kind":"word"}"#).await.error(),
        (422, "invalid".into())
    );
    for (token, status) in [(TOKEN, 202), (VIEWER, 403)] {
        let answer = world
            .ask(request("DELETE", path, &[("authorization", &bearer(token))], ""))
            .await;
        assert_eq!(answer.status, status, "{token}");
    }
    let zoe = r#"{"id":"zoe","name":"Resident 1","role":"user"}"#;
    assert_eq!(world.post("/api/v1/users", zoe).await.status, 201);
    for card in [
        r#"{"kind":"rfid","name":"Key ring","number":"04:a2:3b:11"}"#,
        r#"{"kind":"pin","name":"Door","number":"08155180"}"#,
    ] {
        assert_eq!(
            world.post("/api/v1/users/zoe/cards", card).await.status,
            201,
            "{card}"
        );
    }
    for (body, status) in [
        (r#"{"kind":"rfid","number":"04A23B11"}"#, 202),
        (r#"{"kind":"pin","number":"08155180"}"#, 202),
        (r#"{"kind":"rfid","number":"04A23B12"}"#, 403),
        (r#"{"kind":"app","number":"04A23B11"}"#, 422),
        (r#"{"kind":"pin"}"#, 422),
    ] {
        assert_eq!(world.post(path, body).await.status, status, "{body}");
    }
    // A made-up place, or one of another site, is none to try numbers at.
    for (place, body) in [
        ("attic", r#"{"kind":"app"}"#),
        ("attic", r#"{"kind":"rfid","number":"04A23B12"}"#),
        ("quiet", r#"{"kind":"rfid","number":"04A23B12"}"#),
    ] {
        let path = format!("/api/v1/sites/home/evses/{place}/authorisation");
        let answer = world.post(&path, body).await;
        assert_eq!(answer.error(), (404, "unknown".into()), "{place} {body}");
    }
}

#[tokio::test]
async fn a_number_is_what_it_is_whatever_it_was_called() {
    let world = World::before_the_first_cycle().await;
    let mut desk = world.bus.open_desk(&site_id("home")).await;
    let zoe = r#"{"id":"zoe","name":"Resident 1","role":"user"}"#;
    assert_eq!(world.post("/api/v1/users", zoe).await.status, 201);
    let pin = r#"{"kind":"pin","name":"Door","number":"08155180"}"#;
    assert_eq!(world.post("/api/v1/users/zoe/cards", pin).await.status, 201);
    let path = "/api/v1/sites/home/evses/left/authorisation";
    let shown = world.post(path, r#"{"kind":"rfid","number":"08155180"}"#);
    let heard = async {
        let Some(Asked::Intent(intent, _reply)) = desk.next().await else {
            panic!("no intent");
        };
        let Wanted::Authorise { authorisation, .. } = intent.wanted else {
            panic!("{intent:?}");
        };
        authorisation.kind
    };
    let (_, kind) = tokio::join!(shown, heard);
    assert_eq!(kind, AuthorisationKind::Pin);
}
