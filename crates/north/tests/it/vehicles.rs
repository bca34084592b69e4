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
    wrong["soc_source"] = json!({"kind": "mqtt", "topic": "car/soc"});
    let answer = world.post("/api/v1/vehicles", &wrong.to_string()).await;
    assert_eq!(answer.error(), (422, "invalid".into()));
    for part in ["resident-9", "EVSE `nowhere`", "minimum of 5000 mA", "MQTT"] {
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
