//! What an authority sees of its operators, and what an operator's own people see of themselves.

use gate::{By, Principal};
use http::Request;
use model::user::{Role, User, UserOversight};
use serde_json::{Value, json};

use crate::supervision::{City, OPERATOR, OTHER, code, sample};
use crate::world::{Answer, VIEWER, bearer, request};

const BASE: &str = "/api/v1/oversight";

/// The cookie of a user with such a view and no role on any site.
async fn cookie(city: &City, id: &str, oversight: Option<UserOversight>) -> String {
    let gate = &city.world.state.gate;
    let console = Principal::console();
    let user = User {
        role: None,
        oversight,
        ..User::new(id.parse().unwrap(), id, Role::Viewer)
    };
    gate.create_user(&By::new(&console, "test"), user).await.unwrap();
    let ticket = gate.sign_in_ticket(id).unwrap();
    let session = gate.use_sign_in_ticket(&ticket).await.unwrap();
    format!("ohmstead_session={}", session.cookie_value.expose())
}

fn with(cookie: &str, method: &str, path: &str, body: &str) -> Request<axum::body::Body> {
    let headers = [("cookie", cookie), ("content-type", "application/json")];
    request(method, &format!("{BASE}{path}"), &headers, body)
}

async fn status(city: &City, cookie: &str, method: &str, path: &str, body: &str) -> u16 {
    city.world
        .ask(with(cookie, method, path, body))
        .await
        .status
        .as_u16()
}

async fn owner(city: &City, method: &str, path: &str, body: &Value) -> Answer {
    let path = format!("{BASE}{path}");
    city.world
        .call(crate::world::TOKEN, method, &path, &body.to_string())
        .await
}

#[tokio::test]
async fn operators_are_made_changed_and_deleted() {
    let city = City::new().await;
    let made = owner(
        &city,
        "POST",
        "/operators",
        &json!({"id": "MA1", "name": "New one"}),
    )
    .await;
    assert_eq!(made.status, 201, "{}", made.text);
    let made = made.json();
    let key = made["secret"].as_str().unwrap();
    assert_eq!(
        (key.len(), &made["operator"]["digest"]),
        (40, &json!("sha256")),
        "{made:#}"
    );
    assert_eq!(city.log_in("MA1", key).await.status, 200);

    for (body, expected) in [
        (json!({"id": "MA1", "name": "Again"}), (409, "taken")),
        (json!({"name": "No id"}), (422, "out_of_range")),
        (json!({"id": "two words", "name": "x"}), (422, "out_of_range")),
        (json!({"id": "MA2", "name": ""}), (422, "out_of_range")),
        (
            json!({"id": "MA2", "name": "x", "secret": "short"}),
            (422, "out_of_range"),
        ),
        (
            json!({"id": "MA2", "name": "x", "digest": "md5"}),
            (422, "invalid"),
        ),
        (json!({"id": "MA2", "name": "x", "colour": 1}), (422, "invalid")),
    ] {
        let answer = owner(&city, "POST", "/operators", &body).await;
        assert_eq!(answer.error(), (expected.0, expected.1.to_owned()), "{body}");
    }
    let changed =
        json!({"name": "New name", "strict": true, "digest": "sha1", "field_names": {"volt": "voltage"}});
    let shown = owner(&city, "PUT", "/operators/MA1", &changed).await.json();
    assert_eq!(
        (&shown["name"], &shown["strict"]),
        (&json!("New name"), &json!(true)),
        "{shown}"
    );
    assert_eq!(shown["field_names"]["volt"], "voltage");
    let foreign = json!({"id": "MA9", "name": "x"});
    assert_eq!(owner(&city, "PUT", "/operators/MA1", &foreign).await.status, 422);
    let secret = json!({"name": "x", "secret": "abcdefgh"});
    assert_eq!(owner(&city, "PUT", "/operators/MA1", &secret).await.status, 422);
    assert_eq!(owner(&city, "PUT", "/operators/MA9", &changed).await.status, 404);

    let rotated = owner(&city, "POST", "/operators/MA1/secret", &json!({"overlap_s": 60})).await;
    assert_eq!(rotated.status, 201, "{}", rotated.text);
    assert!(rotated.json()["earlier_key_until_ms"].is_number());
    for overlap in [-1, 2_592_001] {
        let body = json!({"overlap_s": overlap});
        assert_eq!(
            owner(&city, "POST", "/operators/MA1/secret", &body).await.status,
            422
        );
    }
    let none = owner(&city, "GET", "/operators/MA1/callback-token", &Value::Null).await;
    assert_eq!((none.status.as_u16(), none.json()), (200, json!({})));
    let renewed = owner(&city, "POST", "/operators/MA1/callback-token", &Value::Null).await;
    assert_eq!(renewed.status, 201);
    let shown = owner(&city, "GET", "/operators/MA1/callback-token", &Value::Null).await;
    assert_eq!(shown.json(), renewed.json());

    let person = cookie(&city, "person", Some(UserOversight::Operator(code("MA1")))).await;
    assert_eq!(status(&city, &person, "GET", "/operators/MA1", "").await, 200);
    let used = owner(&city, "DELETE", "/operators/MA1", &Value::Null).await;
    assert_eq!(used.error(), (409, "in_use".to_owned()));
    let gone = city.world.delete("/api/v1/users/person").await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        owner(&city, "DELETE", "/operators/MA1", &Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        owner(&city, "GET", "/operators/MA1", &Value::Null).await.status,
        404
    );
    assert_eq!(city.log_in("MA1", key).await.status, 401);
    let lines = city.world.get("/api/v1/audit?limit=100").await.text;
    for line in [
        "create operator MA1",
        "change operator MA1, strict",
        "delete operator MA1",
    ] {
        assert!(lines.contains(line), "{line}");
    }
}

/// What there is of one operator, below its own path.
const OF_ONE: [(&str, &str, &str); 12] = [
    ("GET", "", ""),
    ("GET", "/addresses", ""),
    ("GET", "/ports", ""),
    ("GET", "/entities?kind=port", ""),
    ("GET", "/quality?from=2025-11-20&to=2025-11-22", ""),
    ("GET", "/findings", ""),
    ("GET", "/ports/95/samples?from_ms=0&to_ms=2000000000000", ""),
    (
        "GET",
        "/ports/95/replay?from_ms=1763680000000&to_ms=1763769600000",
        "",
    ),
    ("GET", "/callback-token", ""),
    ("POST", "/callback-token", ""),
    ("PUT", "/addresses/risk", r#"{"url":"https://hooks.example/"}"#),
    ("DELETE", "/addresses/risk", ""),
];

#[tokio::test]
async fn an_operators_own_people_see_their_operator_alone() {
    let city = City::new().await.with_a_port().await;
    let own = cookie(&city, "own", Some(UserOversight::Operator(code(OPERATOR)))).await;
    let officer = cookie(&city, "officer", Some(UserOversight::Authority)).await;
    let nobody = cookie(&city, "nobody", None).await;
    for (method, path, body) in OF_ONE {
        let writes = path.starts_with("/callback-token") || method != "GET";
        let on = |operator: &str| format!("/operators/{operator}{path}");
        let created = method == "POST";
        let ok = if created { 201 } else { 200 };
        let got = status(&city, &own, method, &on(OPERATOR), body).await;
        assert_eq!(got, ok, "{method} {path} of one's own");
        assert_eq!(
            status(&city, &own, method, &on(OTHER), body).await,
            404,
            "{method} {path}"
        );
        assert_eq!(
            status(&city, &own, method, &on("nobody"), body).await,
            404,
            "{method} {path}"
        );
        let expected = if writes { 403 } else { 200 };
        // Of the other one there is no port 95.
        let got = status(&city, &officer, method, &on(OPERATOR), body).await;
        assert_eq!(got, expected, "{method} {path} as an officer");
        for stranger in [&nobody] {
            assert_eq!(
                status(&city, stranger, method, &on(OPERATOR), body).await,
                404,
                "{method} {path}"
            );
        }
        let viewer = [
            ("authorization", &*bearer(VIEWER)),
            ("content-type", "application/json"),
        ];
        let path_of = format!("{BASE}{}", on(OPERATOR));
        let answer = city.world.ask(request(method, &path_of, &viewer, body)).await;
        assert_eq!(answer.status, 404, "{method} {path} as a viewer of sites");
    }
    // What only administrators do.
    for (method, path, body) in [
        ("POST", "/operators".to_owned(), r#"{"id":"x","name":"x"}"#),
        ("PUT", format!("/operators/{OPERATOR}"), r#"{"name":"x"}"#),
        ("DELETE", format!("/operators/{OPERATOR}"), ""),
        (
            "POST",
            format!("/operators/{OPERATOR}/secret"),
            r#"{"overlap_s":0}"#,
        ),
    ] {
        for who in [&own, &officer] {
            assert_eq!(
                status(&city, who, method, &path, body).await,
                403,
                "{method} {path}"
            );
        }
    }
    let ask = format!("/operators/{OPERATOR}/ports/95/past-sample");
    for (at, own_gets, officer_gets) in [(1_763_769_000_000_i64, 403, 409), (0, 403, 422)] {
        let body = json!({"at_ms": at}).to_string();
        assert_eq!(status(&city, &own, "POST", &ask, &body).await, own_gets);
        assert_eq!(status(&city, &officer, "POST", &ask, &body).await, officer_gets);
    }
}

#[tokio::test]
async fn lists_show_everybody_what_is_theirs() {
    let city = City::new().await.with_a_port().await;
    let path = "/platform/report/chargingMetaInfo";
    let mut burning = sample(&city, "95", 0);
    burning["errorCode"] = json!(2008);
    city.call("POST", path, &burning.to_string()).await;
    city.call("POST", path, &sample(&city, "unknown", 0).to_string())
        .await;
    city.platform.authority().catch_up().await.unwrap();
    let own = cookie(&city, "own", Some(UserOversight::Operator(code(OPERATOR)))).await;
    let other = cookie(&city, "other", Some(UserOversight::Operator(code(OTHER)))).await;
    let officer = cookie(&city, "officer", Some(UserOversight::Authority)).await;
    let nobody = cookie(&city, "nobody", None).await;
    let day = "2025-11-22";
    let report = format!("/report?day={day}");
    for (path, list, of_own, of_other, of_all) in [
        ("/operators", "items", 1, 1, 2),
        ("/overview", "operators", 1, 1, 2),
        ("/stations", "items", 1, 0, 1),
        ("/failures", "items", 1, 0, 1),
        ("/warnings", "items", 1, 0, 1),
        ("/records", "items", 0, 0, 0),
        (report.as_str(), "items", 1, 1, 2),
    ] {
        for (who, expected) in [(&own, of_own), (&other, of_other), (&officer, of_all)] {
            let answer = city.world.ask(with(who, "GET", path, "")).await;
            assert_eq!(answer.status, 200, "{path}: {}", answer.text);
            let items = answer.json()[list].as_array().map_or(99, Vec::len);
            assert_eq!(items, expected, "{path}: {}", answer.text);
        }
        if path != "/operators" {
            assert_eq!(status(&city, &nobody, "GET", path, "").await, 403, "{path}");
        }
        if !path.contains('?') && !["/operators", "/overview"].contains(&path) {
            let asked = format!("{path}?operator={OPERATOR}");
            assert_eq!(status(&city, &other, "GET", &asked, "").await, 404, "{asked}");
            assert_eq!(status(&city, &own, "GET", &asked, "").await, 200, "{asked}");
        }
    }
    let warnings = city
        .world
        .ask(with(&own, "GET", "/warnings?open=true", ""))
        .await
        .json();
    let id = warnings["items"][0]["id"].as_str().unwrap();
    let seen = format!("/warnings/{id}/acknowledgement");
    assert_eq!(status(&city, &other, "POST", &seen, "").await, 404);
    assert_eq!(status(&city, &nobody, "POST", &seen, "").await, 404);
    let answer = city.world.ask(with(&own, "POST", &seen, "")).await;
    assert_eq!(answer.json()["acknowledged_by"], "own", "{}", answer.text);
    assert_eq!(
        status(&city, &own, "POST", "/warnings/none/acknowledgement", "").await,
        404
    );

    let csv = city
        .world
        .ask(with(&own, "GET", &format!("/report.csv?day={day}"), ""))
        .await;
    let lines: Vec<&str> = csv.text.lines().collect();
    assert_eq!(lines.len(), 2, "{}", csv.text);
    assert!(
        lines[0].starts_with("day,operator,name,stations,ports,samples"),
        "{}",
        csv.text
    );
    assert!(
        lines[1].starts_with(&format!("{day},{OPERATOR},Operator {OPERATOR},1,1,1,1")),
        "{}",
        csv.text
    );
    for bad in [
        "",
        "day=",
        "day=22.11.2025",
        "day=2025-11-31",
        "day=2025-11-22&x=1",
    ] {
        let got = status(&city, &officer, "GET", &format!("/report?{bad}"), "").await;
        assert!((400..=422).contains(&got), "{bad}: {got}");
    }
}

#[tokio::test]
async fn ports_are_filtered_and_paged() {
    let city = City::new().await.with_a_port().await;
    city.call(
        "POST",
        "/platform/report/chargingMetaInfo",
        &sample(&city, "95", 0).to_string(),
    )
    .await;
    city.platform.authority().catch_up().await.unwrap();
    let base = format!("{BASE}/operators/{OPERATOR}/ports");
    for (query, expected) in [
        ("", Ok(1)),
        ("?look=idle", Ok(1)),
        ("?look=charging", Ok(0)),
        ("?station=s1", Ok(1)),
        ("?station=s2", Ok(0)),
        ("?text=9", Ok(1)),
        ("?text=8", Ok(0)),
        ("?warned=true", Ok(0)),
        ("?page=1&size=500", Ok(1)),
        ("?page=0", Err(422)),
        ("?size=501", Err(422)),
        ("?look=blue", Err(400)),
        ("?colour=blue", Err(400)),
    ] {
        let answer = city.world.get(&format!("{base}{query}")).await;
        match expected {
            Ok(total) => assert_eq!(answer.json()["total"], total, "{query}: {}", answer.text),
            Err(status) => assert_eq!(answer.status, status, "{query}"),
        }
    }
    let port = city.world.get(&base).await.json()["items"][0].clone();
    assert_eq!(
        (&port["port"], &port["look"]),
        (&json!("95"), &json!("idle")),
        "{port:#}"
    );
    assert_eq!(port["sample"]["temperature_mdegc"], 27_000);
    let entities = format!("{BASE}/operators/{OPERATOR}/entities?kind=station");
    let entities = city.world.get(&entities).await.json();
    assert_eq!(entities["items"][0]["id"], "s1", "{entities:#}");
    assert_eq!(entities["items"][0]["fields"]["name"], "Gate 1");
}

#[tokio::test]
async fn where_nobody_is_watched_over_the_page_learns_it() {
    let world = crate::world::World::new().await;
    for path in [
        "/operators",
        "/overview",
        "/stations",
        "/warnings",
        "/report?day=2025-11-22",
    ] {
        let answer = world.get(&format!("{BASE}{path}")).await;
        assert_eq!(answer.error(), (404, "not_enabled".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn what_a_user_may_watch_is_said_and_shown() {
    let city = City::new().await;
    let put = async |oversight: Value| {
        let body = json!({"id": "u", "name": "U", "oversight": oversight}).to_string();
        let known = city.world.get("/api/v1/users/u").await.status == 200;
        if known {
            city.world.put("/api/v1/users/u", &body).await
        } else {
            city.world.post("/api/v1/users", &body).await
        }
    };
    for (oversight, expected) in [
        (json!({"all": true}), Some(json!({"all": true}))),
        (
            json!({"operator": OPERATOR}),
            Some(json!({"all": false, "operator": OPERATOR})),
        ),
        (json!({}), None),
        (Value::Null, None),
    ] {
        let answer = put(oversight.clone()).await;
        assert!(answer.status.is_success(), "{oversight}: {}", answer.text);
        assert_eq!(answer.json().get("oversight").cloned(), expected, "{oversight}");
    }
    for wrong in [
        json!({"all": true, "operator": OPERATOR}),
        json!({"operator": "two words"}),
        json!({"x": 1}),
    ] {
        assert_eq!(put(wrong.clone()).await.status, 422, "{wrong}");
    }
    let own = cookie(&city, "own", Some(UserOversight::Operator(code(OPERATOR)))).await;
    let headers = [("cookie", &*own)];
    let session = city
        .world
        .ask(request("GET", "/api/v1/session", &headers, ""))
        .await
        .json();
    assert_eq!(
        session["oversight"],
        json!({"all": false, "operator": OPERATOR}),
        "{session}"
    );
}
