//! Vehicles over the native API.

use model::user::{Card, CardKind, Role, User};
use serde_json::{Value, json};
use store::Typed;

use crate::world::{BEGIN, VIEWER, World};

const OPERATOR: &str = "a-bearer-token-of-an-operator";

async fn world() -> World {
    let world = World::new().await;
    world
        .state
        .gate
        .set_token("desk", Role::Operator, OPERATOR)
        .await
        .unwrap();
    let resident = User::new("resident-1".parse().unwrap(), "Resident 1", Role::User);
    world.store.put(&resident).await.unwrap();
    world
}

fn car() -> Value {
    json!({
        "id": "blue-car", "name": "Blue car", "capacity_wh": 58_000, "phases": "three", "min_ma": 6_000, "max_ma": 16_000,
        "efficiency_permille": 900, "charge_limit_permille": 800, "default_mode": "solar", "owner": "resident-1",
        "home": "left", "soc_source": {"kind": "manual"},
    })
}

#[tokio::test]
async fn a_vehicle_is_made_read_replaced_and_deleted() {
    let world = world().await;
    let mut one = car();
    let made = world
        .call(OPERATOR, "POST", "/api/v1/vehicles", &one.to_string())
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    one["source"] = json!("store");
    assert_eq!(made.json(), one);

    let soc = world
        .call(
            OPERATOR,
            "PUT",
            "/api/v1/vehicles/blue-car/soc",
            r#"{"soc_permille":420}"#,
        )
        .await;
    one["soc"] = json!({"soc_permille": 420, "at_ms": BEGIN.wall.0, "estimated": false});
    assert_eq!(soc.json(), one["soc"]);
    assert_eq!(
        world.get("/api/v1/vehicles").await.json(),
        json!({"items": [one]})
    );

    // What was read may be sent back; its state of charge has its own path.
    one["soc_source"] = json!({"kind": "pushed"});
    let mut sent = one.clone();
    sent["soc"]["soc_permille"] = json!(999);
    let put = world.put("/api/v1/vehicles/blue-car", &sent.to_string()).await;
    assert_eq!((put.status.as_u16(), put.json()), (200, one.clone()));
    assert_eq!(world.get("/api/v1/vehicles/blue-car").await.json(), one);

    assert_eq!(world.delete("/api/v1/vehicles/blue-car").await.status, 204);
    assert_eq!(
        world.get("/api/v1/vehicles/blue-car").await.error(),
        (404, "unknown".into())
    );
    assert_eq!(
        world.post("/api/v1/vehicles", &car().to_string()).await.json()["soc"],
        Value::Null
    );
}

#[tokio::test]
async fn what_is_wrong_is_said_at_once() {
    let world = world().await;
    let mut wrong = car();
    wrong["owner"] = json!("resident-9");
    wrong["home"] = json!("nowhere");
    wrong["min_ma"] = json!(5_000);
    wrong["soc_source"] = json!({"kind": "mqtt", "broker": "mqtt://192.168.1.2", "topic": "car/+"});
    let answer = world.post("/api/v1/vehicles", &wrong.to_string()).await;
    assert_eq!(answer.error(), (422, "invalid".into()));
    for part in [
        "resident-9",
        "EVSE `nowhere`",
        "minimum of 5000 mA",
        "the topic `car/+`",
        "192.168.1.2",
    ] {
        assert!(answer.text.contains(part), "{part}: {}", answer.text);
    }
    assert_eq!(
        world.post("/api/v1/vehicles", &car().to_string()).await.status,
        201
    );
    assert_eq!(
        world.post("/api/v1/vehicles", &car().to_string()).await.error(),
        (409, "exists".into())
    );
    for soc in [-1, 1_001] {
        let body = json!({"soc_permille": soc}).to_string();
        let answer = world.put("/api/v1/vehicles/blue-car/soc", &body).await;
        assert_eq!(answer.error(), (422, "out_of_range".into()));
    }
    let answer = world
        .put("/api/v1/vehicles/gone/soc", r#"{"soc_permille":1}"#)
        .await;
    assert_eq!(answer.error(), (404, "unknown".into()));
}

#[tokio::test]
async fn a_vehicle_that_a_card_names_stays() {
    let world = world().await;
    assert_eq!(
        world.post("/api/v1/vehicles", &car().to_string()).await.status,
        201
    );
    let card = Card {
        id: "blue".parse().unwrap(),
        user: "resident-1".parse().unwrap(),
        kind: CardKind::Rfid,
        name: "Blue".to_owned(),
        enabled: true,
        valid_until: None,
        budget: None,
        phases: None,
        tariff: None,
        vehicle: Some("blue-car".parse().unwrap()),
        rules: Vec::new(),
    };
    world.store.put(&card).await.unwrap();
    let refused = world.delete("/api/v1/vehicles/blue-car").await;
    assert_eq!(refused.error(), (409, "in_use".into()));
    assert!(refused.text.contains("card `blue`"), "{}", refused.text);
}

#[tokio::test]
async fn operators_edit_vehicles_and_others_only_see_them() {
    let world = world().await;
    let user = "a-bearer-token-of-a-resident";
    world
        .state
        .gate
        .set_token("resident", Role::User, user)
        .await
        .unwrap();
    assert_eq!(
        world.post("/api/v1/vehicles", &car().to_string()).await.status,
        201
    );
    for token in [VIEWER, user] {
        for (method, path, body, expected) in [
            ("GET", "/api/v1/vehicles", "", 200),
            ("GET", "/api/v1/vehicles/blue-car", "", 200),
            ("POST", "/api/v1/vehicles", &car().to_string(), 403),
            ("PUT", "/api/v1/vehicles/blue-car", &car().to_string(), 403),
            ("DELETE", "/api/v1/vehicles/blue-car", "", 403),
            (
                "PUT",
                "/api/v1/vehicles/blue-car/soc",
                r#"{"soc_permille":1}"#,
                403,
            ),
            ("PUT", "/api/v1/vehicles/gone/soc", r#"{"soc_permille":1}"#, 403),
        ] {
            let answer = world.call(token, method, path, body).await;
            assert_eq!(answer.status, expected, "{method} {path} as {token}");
        }
    }
}

/// Fetched from this machine, which the guard of these tests lets pass.
fn fetched(url: &str, secret: Option<&str>) -> Value {
    let mut car = car();
    car["soc_source"] = json!({
        "kind": "http", "url": url, "path": "battery.soc", "every_s": 60, "header": "Authorization",
    });
    if let Some(secret) = secret {
        car["soc_source"]["secret"] = json!(secret);
    }
    car
}

#[tokio::test]
async fn a_secret_is_never_shown_and_stays_with_its_host() {
    let world = world().await;
    let id = "blue-car".parse().unwrap();
    let kept = async || {
        let secret = world.state.gate.vehicle_secret(&id).await.unwrap();
        secret.map(|secret| secret.expose().to_owned())
    };
    let put = async |car: Value| world.put("/api/v1/vehicles/blue-car", &car.to_string()).await;
    let (here, there) = ("http://127.0.0.1:8000/a", "http://127.0.0.2:8000/a");
    let made = world
        .post("/api/v1/vehicles", &fetched(here, Some("Bearer k3y")).to_string())
        .await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert!(!made.text.contains("k3y"), "{}", made.text);
    assert_eq!(made.json()["soc_source"]["has_secret"], true);
    assert_eq!(kept().await.as_deref(), Some("Bearer k3y"));

    for (car, expected) in [
        // What was read may be sent back.
        (made.json(), Some("Bearer k3y")),
        (fetched("http://127.0.0.1:8000/b", None), Some("Bearer k3y")),
        (fetched(there, None), None),
        (fetched(there, Some("other")), Some("other")),
        (fetched(here, Some("third")), Some("third")),
        (fetched(here, Some("")), None),
    ] {
        let answer = put(car.clone()).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        assert_eq!(kept().await.as_deref(), expected, "{car}");
    }
    put(fetched(here, Some("last"))).await;
    assert_eq!(put(car()).await.status, 200);
    assert_eq!(kept().await, None, "typed in by hand");
    put(fetched(here, Some("last"))).await;
    assert_eq!(world.delete("/api/v1/vehicles/blue-car").await.status, 204);
    assert_eq!(kept().await, None, "deleted");
}

#[tokio::test]
async fn where_a_car_tells_is_only_for_those_who_see_settings() {
    let world = world().await;
    let url = "http://127.0.0.1:8000/a?token=s3cret";
    world
        .post("/api/v1/vehicles", &fetched(url, Some("k3y")).to_string())
        .await;
    for path in ["/api/v1/vehicles", "/api/v1/vehicles/blue-car"] {
        let seen = world.call(OPERATOR, "GET", path, "").await;
        assert!(seen.text.contains("s3cret"), "{}", seen.text);
        let hidden = world.call(VIEWER, "GET", path, "").await;
        assert_eq!(hidden.status, 200);
        for word in ["s3cret", "Authorization", "has_secret"] {
            assert!(!hidden.text.contains(word), "{word}: {}", hidden.text);
        }
    }
}

#[tokio::test]
async fn sources_that_cannot_be_are_refused() {
    let world = world().await;
    let source = |source: Value| {
        let mut car = car();
        car["soc_source"] = source;
        car.to_string()
    };
    let http = |url: &str, every_s: u32| json!({"kind": "http", "url": url, "path": "", "every_s": every_s});
    for (wanted, expected) in [
        (http("http://10.0.0.1/car", 60), "a private"),
        (http("http://user:pw@car.example/", 60), "address that is refused"),
        (http("http://127.0.0.1/car", 1), "expected 15 to 86400 s"),
        (
            json!({"kind": "mqtt", "broker": "mqtt://broker:port", "topic": "a"}),
            "no address of a broker",
        ),
        (json!({"kind": "manual", "secret": "k3y"}), "secret"),
        (
            json!({"kind": "http", "url": "http://127.0.0.1/", "path": "", "every_s": 60, "secret": "k3y"}),
            "neither a header nor a user",
        ),
    ] {
        let answer = world.post("/api/v1/vehicles", &source(wanted.clone())).await;
        assert!(
            matches!(answer.status.as_u16(), 400 | 422),
            "{wanted}: {}",
            answer.text
        );
        assert!(answer.text.contains(expected), "{wanted}: {}", answer.text);
        assert!(!answer.text.contains("k3y"), "{}", answer.text);
    }
}

#[tokio::test]
async fn the_estimate_of_a_car_that_is_plugged_in_is_shown_and_old_values_are_marked() {
    use model::units::PerMille;
    use model::vehicle::{StateOfCharge, VehicleCharge};
    let world = world().await;
    world
        .post(
            "/api/v1/vehicles",
            &fetched("http://127.0.0.1:8000/a", None).to_string(),
        )
        .await;
    let known = StateOfCharge {
        soc: PerMille(400),
        at: BEGIN.wall,
        estimated: false,
    };
    let charge = VehicleCharge {
        id: "blue-car".parse().unwrap(),
        known,
    };
    world.store.put(&charge).await.unwrap();
    let at_ms = BEGIN.wall.0;
    let soc = async || world.get("/api/v1/vehicles/blue-car").await.json();
    assert_eq!(
        soc().await["soc"],
        json!({"soc_permille": 400, "at_ms": at_ms, "estimated": false})
    );
    world
        .change("home", |view| {
            let estimate = StateOfCharge {
                soc: PerMille(450),
                estimated: true,
                ..known
            };
            view.evses[0].session = Some(model::view::SessionView {
                id: "s".parse().unwrap(),
                since: BEGIN.wall,
                vehicle: Some("blue-car".parse().unwrap()),
                soc: Some(estimate),
                user: None,
                card: None,
                kind: None,
                state: model::view::TransactionState::Waiting,
                running: None,
                energy: model::units::WattHours(0),
                origin: model::session::Origin::default(),
                cost: None,
                other_costs: Vec::new(),
                unpriced: model::units::WattHours(0),
                estimated: false,
            });
        })
        .await;
    assert_eq!(
        soc().await["soc"],
        json!({"soc_permille": 450, "at_ms": at_ms, "estimated": true})
    );
    assert_eq!(
        world.get("/api/v1/sites/home/evses/left").await.json()["session"]["soc"]["soc_permille"],
        450
    );
    assert_eq!(soc().await["soc_stale"], Value::Null);
    world.step(300_001);
    assert_eq!(soc().await["soc_stale"], true);
}
