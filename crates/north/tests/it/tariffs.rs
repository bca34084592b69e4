//! Tariffs and prices over the native API.

use bus::{Bus, Received, Topic};
use model::message::Message;
use model::money::PerKwh;
use model::time::Timestamp;
use model::user::{Role, User};
use serde_json::{Value, json};
use store::{Audit, Prices, Typed};

use crate::world::{VIEWER, World};

fn tariff(id: &str, site: Option<&str>, from: &str) -> Value {
    let mut tariff = json!({
        "id": id, "name": "Household", "direction": "import",
        "contracts": [{
            "name": "City Works", "from": from, "currency": "EUR", "vat_permille": 200, "monthly_fee_micros": 3_500_000,
            "prices": {"kind": "time_of_use", "otherwise_micros_per_kwh": 250_000, "bands": [
                {"weekdays": [], "months": [], "from_minute": 1320, "to_minute": 360, "price_micros_per_kwh": 100_000},
            ]},
        }],
    });
    if let Some(site) = site {
        tariff["site"] = json!(site);
    }
    tariff
}

#[tokio::test]
async fn a_tariff_is_made_read_replaced_and_deleted() {
    let world = World::new().await;
    let mut nouns = world.bus.subscribe(Topic::Nouns).await;
    let mut one = tariff("day", Some("home"), "2026-01-01");
    let made = world.post("/api/v1/tariffs", &one.to_string()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    one["source"] = json!("store");
    assert_eq!(made.json(), one);
    let Some(Received::Message(Message::NounsChanged { kind })) = nouns.next().await else {
        panic!("nobody was told")
    };
    assert_eq!(kind, "tariff");
    assert_eq!(world.get("/api/v1/tariffs").await.json(), json!({"items": [one]}));

    one["contracts"][0]["until"] = json!("2026-12-31");
    one["name"] = json!("Until the end of the year");
    let put = world.put("/api/v1/tariffs/day", &one.to_string()).await;
    assert_eq!((put.status.as_u16(), put.json()), (200, one.clone()));
    assert_eq!(world.get("/api/v1/tariffs/day").await.json(), one);

    assert_eq!(world.delete("/api/v1/tariffs/day").await.status, 204);
    assert_eq!(
        world.get("/api/v1/tariffs/day").await.error(),
        (404, "unknown".into())
    );
    assert_eq!(
        world.delete("/api/v1/tariffs/day").await.error(),
        (404, "unknown".into())
    );
    let noted: Vec<String> = world
        .store
        .recent(3)
        .await
        .unwrap()
        .iter()
        .map(|e| e.action.clone())
        .collect();
    assert_eq!(noted, ["delete tariff day", "put tariff day", "put tariff day"]);
}

#[tokio::test]
async fn what_is_wrong_is_said_at_once_and_nothing_is_stored() {
    let world = World::new().await;
    let day = tariff("day", Some("home"), "2026-01-01").to_string();
    assert_eq!(world.post("/api/v1/tariffs", &day).await.status, 201);
    assert_eq!(
        world.post("/api/v1/tariffs", &day).await.error(),
        (409, "exists".into())
    );

    let mut night = tariff("night", Some("home"), "2026-06-01");
    night["contracts"][0]["prices"]["bands"][0]["weekdays"] = json!([8]);
    let answer = world.post("/api/v1/tariffs", &night.to_string()).await;
    assert_eq!(answer.error(), (422, "invalid".into()));
    let message = answer.json()["error"]["message"].as_str().unwrap().to_owned();
    for part in ["tariffs `day` and `night` overlap", "weekday 8"] {
        assert!(message.contains(part), "{message}");
    }
    for (change, expected) in [
        (json!({"id": "Night"}), (422, "out_of_range")),
        (json!({"site": "nowhere"}), (422, "invalid")),
        (json!({"colour": "red"}), (422, "invalid")),
        (json!({"contracts": []}), (422, "invalid")),
    ] {
        let mut wrong = tariff("night", None, "2026-01-01");
        for (key, value) in change.as_object().unwrap() {
            wrong[key] = value.clone();
        }
        let answer = world.post("/api/v1/tariffs", &wrong.to_string()).await;
        assert_eq!(answer.error(), (expected.0, expected.1.into()), "{change}");
    }
    let mut wrong = tariff("night", None, "2026-02-30");
    let answer = world.post("/api/v1/tariffs", &wrong.to_string()).await;
    assert_eq!(answer.json()["error"]["where"], "from");
    wrong["contracts"][0]["currency"] = json!("euro");
    wrong["contracts"][0]["from"] = json!("2026-02-28");
    let answer = world.post("/api/v1/tariffs", &wrong.to_string()).await;
    assert_eq!(answer.json()["error"]["where"], "currency");
    let put = tariff("day", None, "2026-01-01").to_string();
    assert_eq!(
        world.put("/api/v1/tariffs/night", &put).await.error(),
        (422, "out_of_range".into())
    );
    let put = tariff("night", None, "2026-01-01").to_string();
    assert_eq!(
        world.put("/api/v1/tariffs/night", &put).await.error(),
        (404, "unknown".into())
    );
    assert_eq!(
        world.get("/api/v1/tariffs").await.json()["items"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[tokio::test]
async fn a_tariff_that_somebody_names_stays() {
    let world = World::new().await;
    let guest = tariff("guest", None, "2026-01-01");
    assert_eq!(
        world.post("/api/v1/tariffs", &guest.to_string()).await.status,
        201
    );
    let user = User {
        tariff: Some("guest".parse().unwrap()),
        ..User::new("resident-1".parse().unwrap(), "Resident 1", Role::User)
    };
    world.store.put(&user).await.unwrap();
    let refused = world.delete("/api/v1/tariffs/guest").await;
    assert_eq!(refused.error(), (409, "in_use".into()));
    assert!(refused.text.contains("user `resident-1`"), "{}", refused.text);
    let mut export = guest.clone();
    export["direction"] = json!("export");
    let refused = world.put("/api/v1/tariffs/guest", &export.to_string()).await;
    assert!(
        refused.text.contains("which is for energy fed in"),
        "{}",
        refused.text
    );
}

#[tokio::test]
async fn only_an_admin_changes_tariffs() {
    let world = World::new().await;
    let day = tariff("day", Some("home"), "2026-01-01").to_string();
    world
        .state
        .gate
        .set_token("desk", Role::Operator, "a-bearer-token-of-an-operator")
        .await
        .unwrap();
    for (token, method, path, expected) in [
        (VIEWER, "GET", "/api/v1/tariffs", 200),
        (VIEWER, "POST", "/api/v1/tariffs", 403),
        ("a-bearer-token-of-an-operator", "POST", "/api/v1/tariffs", 403),
        ("a-bearer-token-of-an-operator", "PUT", "/api/v1/tariffs/day", 403),
        (
            "a-bearer-token-of-an-operator",
            "DELETE",
            "/api/v1/tariffs/day",
            403,
        ),
        ("wrong", "GET", "/api/v1/tariffs", 401),
        (VIEWER, "GET", "/api/v1/sites/home/prices?from_ms=0&to_ms=1", 200),
    ] {
        let answer = world.call(token, method, path, &day).await;
        assert_eq!(answer.status, expected, "{method} {path} as {token}");
    }
}

#[tokio::test]
async fn prices_of_a_site_come_with_vat_and_without_gaps() {
    let world = World::new().await;
    assert_eq!(
        world
            .post(
                "/api/v1/tariffs",
                &tariff("day", Some("home"), "2025-11-22").to_string()
            )
            .await
            .status,
        201
    );
    // 2025-11-21 00:00 to 2025-11-23 00:00 in Vienna.
    let (from, to) = (1_763_679_600_000_i64, 1_763_852_400_000_i64);
    let path = format!("/api/v1/sites/home/prices?from_ms={from}&to_ms={to}");
    let items = world.get(&path).await.json()["items"].clone();
    let hour = 3_600_000;
    let span = |start: i64, end: i64, price: i64| {
        json!({"start_ms": from + start * hour, "end_ms": from + end * hour, "price_micros_per_kwh": price,
            "currency": "EUR", "tariff": "day", "from_fallback": false})
    };
    // The band of the evening before belongs to the new contract, too: it is read by the clock.
    assert_eq!(
        items,
        json!([
            span(24, 30, 120_000),
            span(30, 46, 300_000),
            span(46, 48, 120_000)
        ])
    );
    let export = world.get(&format!("{path}&direction=export")).await;
    assert_eq!(export.json(), json!({"items": []}));
    for bad in [
        format!("?from_ms={to}&to_ms={from}"),
        format!("?from_ms={from}&to_ms={}", from + 63 * 24 * hour),
        format!("?from_ms={from}"),
        format!("?from_ms={from}&to_ms={to}&direction=up"),
    ] {
        let status = world
            .get(&format!("/api/v1/sites/home/prices{bad}"))
            .await
            .status
            .as_u16();
        assert!(status == 400 || status == 422, "{bad}: {status}");
    }
    assert_eq!(
        world.get(&path.replace("home", "nowhere")).await.error(),
        (404, "unknown".into())
    );
}

#[tokio::test]
async fn prices_of_a_provider_that_has_none_are_marked() {
    let world = World::new().await;
    let start = 1_763_679_600_000_i64;
    let slot = (Timestamp(start), Timestamp(start + 900_000), PerKwh(100_000));
    world.store.put_prices("market", &[slot]).await.unwrap();
    // The config of this world names no provider, so the tariff goes into the store by another way.
    let mut market = model::tariff::Tariff {
        id: "market".parse().unwrap(),
        name: "Market".to_owned(),
        direction: model::tariff::Direction::Import,
        site: Some("home".parse().unwrap()),
        contracts: Vec::new(),
    };
    market.contracts.push(model::tariff::Contract {
        name: "Market".to_owned(),
        from: "2025-01-01".parse().unwrap(),
        until: None,
        currency: model::money::Currency::EUR,
        vat: model::units::PerMille(200),
        monthly_fee: model::money::Micros(0),
        prices: model::tariff::Prices::Dynamic {
            provider: "market".to_owned(),
            factor: model::units::PerMille(1_000),
            surcharge: PerKwh(10_000),
            fallback: PerKwh(250_000),
        },
    });
    world.store.put(&market).await.unwrap();
    let path = format!(
        "/api/v1/sites/home/prices?from_ms={}&to_ms={}",
        start + 60_000,
        start + 1_800_000
    );
    let items = world.get(&path).await.json()["items"].clone();
    let shown: Vec<(i64, i64, bool)> = items
        .as_array()
        .unwrap()
        .iter()
        .map(|item| {
            (
                item["end_ms"].as_i64().unwrap() - start,
                item["price_micros_per_kwh"].as_i64().unwrap(),
                item["from_fallback"].as_bool().unwrap(),
            )
        })
        .collect();
    assert_eq!(shown, [(900_000, 132_000, false), (1_800_000, 300_000, true)]);
}
