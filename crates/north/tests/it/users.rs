//! Users, cards, tokens and the audit log over the native API.

use std::net::SocketAddr;

use axum::extract::connect_info::MockConnectInfo;
use gate::{By, Principal};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::world::{Answer, PASSWORD, TOKEN, VIEWER, World, bearer, request};

const JSON: (&str, &str) = ("content-type", "application/json");

async fn ask(world: &World, token: &str, method: &str, path: &str, body: Value) -> Answer {
    let auth = bearer(token);
    let text = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let path = format!("/api/v1{path}");
    world
        .ask(request(method, &path, &[("authorization", &auth), JSON], &text))
        .await
}

async fn zoe(world: &World) {
    let body = json!({"id": "zoe", "name": "Resident 1", "role": "user", "budget": {"energy_wh": 50_000, "per": "month"},
        "notify": {"email": "resident-1@example.org", "alarms_from": "error"}});
    let made = ask(world, TOKEN, "POST", "/users", body).await;
    assert_eq!(made.status, 201, "{}", made.text);
}

#[tokio::test]
async fn users_are_made_changed_and_deleted() {
    let world = World::new().await;
    world.state.gate.create_admin("admin", PASSWORD).await.unwrap();
    zoe(&world).await;
    let zoe_again = ask(&world, TOKEN, "POST", "/users", json!({"id": "zoe", "name": "x"})).await;
    assert_eq!(zoe_again.error(), (409, "taken".into()));
    let shown = ask(&world, TOKEN, "GET", "/users/zoe", Value::Null).await.json();
    assert_eq!(
        shown,
        json!({"id": "zoe", "name": "Resident 1", "role": "user", "sites": {}, "enabled": true, "display": false,
            "budget": {"energy_wh": 50_000, "per": "month"}, "rules": [],
            "notify": {"email": "resident-1@example.org", "alarms_from": "error"}, "has_password": false, "cards": []})
    );
    let body = json!({"id": "zoe", "name": "Resident 1", "sites": {"home": "viewer"}, "enabled": false, "rules": null,
        "budget": {"energy_wh": 1, "per": "total", "since_ms": 7}, "phases": "one"});
    let changed = ask(&world, TOKEN, "PUT", "/users/zoe", body).await.json();
    assert_eq!(changed["role"], Value::Null);
    assert_eq!(changed["sites"]["home"], "viewer");
    assert_eq!(changed["budget"]["since_ms"], 7);
    let first = ask(&world, TOKEN, "GET", "/users?limit=1", Value::Null)
        .await
        .json();
    assert_eq!(
        (&first["items"][0]["id"], &first["next"]),
        (&json!("admin"), &json!("admin"))
    );
    let second = ask(&world, TOKEN, "GET", "/users?limit=1&cursor=admin", Value::Null)
        .await
        .json();
    assert_eq!(
        (&second["items"][0]["id"], &second["next"]),
        (&json!("zoe"), &Value::Null)
    );
    for (method, path, body, expected) in [
        (
            "PUT",
            "/users/zoe",
            json!({"id": "ann", "name": "x"}),
            (422, "out_of_range"),
        ),
        ("PUT", "/users/ann", json!({"name": "x"}), (404, "unknown")),
        (
            "PUT",
            "/users/zoe",
            json!({"name": "x", "enabeld": false}),
            (422, "invalid"),
        ),
        ("PUT", "/users/zoe", json!({"name": ""}), (422, "out_of_range")),
        (
            "PUT",
            "/users/zoe",
            json!({"name": "x", "tariff": "none"}),
            (422, "invalid"),
        ),
        (
            "POST",
            "/users",
            json!({"id": "ann", "name": "x", "tariff": "none"}),
            (422, "invalid"),
        ),
        ("POST", "/users", json!({"name": "x"}), (422, "out_of_range")),
        (
            "POST",
            "/users",
            json!({"id": "No Id", "name": "x"}),
            (422, "out_of_range"),
        ),
        (
            "PUT",
            "/users/admin",
            json!({"name": "x", "role": "user"}),
            (409, "last_admin"),
        ),
        ("DELETE", "/users/admin", Value::Null, (409, "last_admin")),
        ("GET", "/users/No%20Id", Value::Null, (404, "unknown")),
    ] {
        let answer = ask(&world, TOKEN, method, path, body).await;
        assert_eq!(answer.error(), (expected.0, expected.1.into()), "{method} {path}");
    }
    let car = json!({"id": "blue", "name": "Blue", "phases": "one", "min_ma": 6_000, "efficiency_permille": 900,
        "owner": "zoe", "soc_source": {"kind": "manual"}});
    assert_eq!(ask(&world, TOKEN, "POST", "/vehicles", car).await.status, 201);
    let deleted = ask(
        &world,
        TOKEN,
        "DELETE",
        "/users/zoe?sessions=anonymise",
        Value::Null,
    )
    .await;
    assert_eq!(deleted.status, 204, "{}", deleted.text);
    let gone = ask(&world, TOKEN, "GET", "/users/zoe", Value::Null).await;
    assert_eq!(gone.error(), (404, "unknown".into()));
    let car = ask(&world, TOKEN, "GET", "/vehicles/blue", Value::Null).await;
    assert_eq!(car.json().get("owner"), None, "{}", car.text);
}

#[tokio::test]
async fn whoever_may_not_gets_nowhere() {
    let world = World::new().await;
    zoe(&world).await;
    let card = json!({"kind": "rfid", "name": "x", "number": "04a23b11"});
    for (method, path, body) in [
        ("POST", "/users", json!({"id": "ann", "name": "x"})),
        ("PUT", "/users/zoe", json!({"name": "x"})),
        ("DELETE", "/users/zoe", Value::Null),
        ("PUT", "/users/zoe/password", json!({"password": "a new horse"})),
        ("POST", "/users/zoe/cards", card),
        ("GET", "/tokens", Value::Null),
        (
            "POST",
            "/tokens",
            json!({"name": "x", "role": "admin", "scopes": ["read"]}),
        ),
        ("DELETE", "/tokens/owner", Value::Null),
        ("GET", "/audit", Value::Null),
        ("GET", "/session/all", Value::Null),
    ] {
        let answer = ask(&world, VIEWER, method, path, body.clone()).await;
        assert_eq!(answer.error(), (403, "not_allowed".into()), "{method} {path}");
        let nobody = ask(&world, "wrong", method, path, body).await;
        assert_eq!(nobody.error(), (401, "not_signed_in".into()), "{method} {path}");
    }
    let list = ask(&world, VIEWER, "GET", "/users", Value::Null).await;
    assert_eq!(list.text, r#"{"items":[]}"#);
    let one = ask(&world, VIEWER, "GET", "/users/zoe", Value::Null).await;
    assert_eq!(one.error(), (404, "unknown".into()));
}

#[tokio::test]
async fn numbers_of_cards_go_in_and_never_come_out() {
    let world = World::new().await;
    zoe(&world).await;
    let rfid = json!({"kind": "rfid", "name": "Key ring", "number": "04:a2:3b:11", "valid_until_ms": 9});
    let made = ask(&world, TOKEN, "POST", "/users/zoe/cards", rfid.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    assert_eq!(made.json()["number_hint"], "…3B11");
    let path = format!("/users/zoe/cards/{}", made.json()["id"].as_str().unwrap());
    let pin = json!({"kind": "pin", "name": "Door", "number": "0815"});
    let pin = ask(&world, TOKEN, "POST", "/users/zoe/cards", pin).await.json();
    assert_eq!(pin.get("number_hint"), None);
    let again = ask(&world, TOKEN, "POST", "/users/zoe/cards", rfid).await;
    assert_eq!(again.error(), (409, "taken".into()));
    for (body, expected) in [
        (json!({"kind": "pin", "name": "x"}), 422),
        (json!({"kind": "pin", "name": "x", "number": "12a4"}), 422),
        (json!({"kind": "rfid", "name": "x", "number": "12"}), 422),
        (
            json!({"kind": "rfid", "name": "x", "number": "04a23b12", "tariff": "none"}),
            422,
        ),
        (
            json!({"kind": "rfid", "name": "x", "number": "04a23b12", "vehicle": "none"}),
            422,
        ),
    ] {
        let answer = ask(&world, TOKEN, "POST", "/users/zoe/cards", body.clone()).await;
        assert_eq!(answer.status, expected, "{body}");
    }
    let changed = json!({"kind": "rfid", "name": "Key ring", "enabled": false});
    let changed = ask(&world, TOKEN, "PUT", &path, changed).await.json();
    assert_eq!(
        (
            &changed["number_hint"],
            &changed["enabled"],
            changed.get("valid_until_ms")
        ),
        (&json!("…3B11"), &json!(false), None)
    );
    let shown = ask(&world, TOKEN, "GET", "/users/zoe", Value::Null).await;
    assert_eq!(shown.json()["cards"].as_array().unwrap().len(), 2);
    assert!(
        !shown.text.contains("04A23B11") && !shown.text.contains("0815"),
        "{}",
        shown.text
    );
    assert_eq!(ask(&world, TOKEN, "DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(ask(&world, TOKEN, "DELETE", &path, Value::Null).await.status, 404);
}

#[tokio::test]
async fn tokens_are_shown_once_and_revoked_at_once() {
    let world = World::new().await;
    let body =
        json!({"name": "script", "role": null, "sites": {"home": "user"}, "scopes": ["read", "steer"]});
    let made = ask(&world, TOKEN, "POST", "/tokens", body.clone()).await;
    assert_eq!(made.status, 201, "{}", made.text);
    let token = made.json()["token"].as_str().unwrap().to_owned();
    let again = ask(&world, TOKEN, "POST", "/tokens", body).await;
    assert_eq!(again.error(), (409, "taken".into()));
    let sites = ask(&world, &token, "GET", "/sites", Value::Null).await.json();
    assert_eq!(sites["items"].as_array().unwrap().len(), 1, "{sites}");
    let yard = ask(&world, &token, "GET", "/sites/yard", Value::Null).await;
    assert_eq!(yard.error(), (404, "unknown".into()));
    let session = ask(&world, &token, "GET", "/session", Value::Null).await.json();
    assert_eq!(session["sites"]["home"], "user");
    let list = ask(&world, TOKEN, "GET", "/tokens", Value::Null).await;
    assert!(!list.text.contains(&token));
    assert_eq!(list.json()["items"][1]["name"], "script");
    assert_eq!(
        ask(&world, TOKEN, "DELETE", "/tokens/script", Value::Null)
            .await
            .status,
        204
    );
    let revoked = ask(&world, &token, "GET", "/sites", Value::Null).await;
    assert_eq!(revoked.error(), (401, "not_signed_in".into()));

    let audit = ask(&world, TOKEN, "GET", "/audit?limit=1", Value::Null)
        .await
        .json();
    let newest = &audit["items"][0];
    assert_eq!(
        (
            &newest["principal"],
            &newest["door"],
            &newest["action"],
            &newest["outcome"]
        ),
        (
            &json!("token:owner"),
            &json!("native"),
            &json!("revoke token script"),
            &json!("done")
        )
    );
    let next = format!(
        "/audit?principal=token:owner&cursor={}",
        audit["next"].as_str().unwrap()
    );
    let older = ask(&world, TOKEN, "GET", &next, Value::Null).await.json();
    assert_eq!(older["items"].as_array().unwrap().len(), 2, "{older}");
    assert_eq!(older.get("next"), None);
    let nothing = ask(&world, TOKEN, "GET", "/audit?door=goe", Value::Null).await;
    assert_eq!(nothing.text, r#"{"items":[]}"#);
    let wrong = ask(&world, TOKEN, "GET", "/audit?cursor=x", Value::Null).await;
    assert_eq!(wrong.error(), (422, "out_of_range".into()));
}

/// The same, asked from another machine, over TLS or not.
async fn from_afar(
    world: &World,
    is_tls: bool,
    asked: http::Request<axum::body::Body>,
) -> (u16, http::HeaderMap, String) {
    let peer: SocketAddr = "192.168.1.77:50000".parse().unwrap();
    let mut app = north::router(world.state.clone()).layer(MockConnectInfo(peer));
    if is_tls {
        app = app.layer(axum::Extension(north::Transport::Tls));
    }
    let answer = app.oneshot(asked).await.unwrap();
    let (head, body) = answer.into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    (
        head.status.as_u16(),
        head.headers,
        String::from_utf8_lossy(&text).into_owned(),
    )
}

#[tokio::test]
async fn from_other_machines_people_sign_in_over_tls_only() {
    let mut world = World::new().await;
    world.state.gate.create_admin("admin", PASSWORD).await.unwrap();
    let body = json!({"user": "admin", "password": PASSWORD}).to_string();
    let sign_in = || request("POST", "/api/v1/session", &[JSON], &body);
    let (status, _, text) = from_afar(&world, false, sign_in()).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("tls_needed"), "{text}");
    let (status, headers, _) = from_afar(&world, true, sign_in()).await;
    assert_eq!(status, 204);
    let cookie = headers["set-cookie"].to_str().unwrap();
    assert!(
        cookie.contains("; Secure") && cookie.contains("; SameSite=Strict"),
        "{cookie}"
    );
    let auth = bearer(TOKEN);
    let new = json!({"password": "battery horse"}).to_string();
    let set = || {
        request(
            "PUT",
            "/api/v1/users/admin/password",
            &[("authorization", auth.as_str()), JSON],
            &new,
        )
    };
    let (status, _, text) = from_afar(&world, false, set()).await;
    assert_eq!(status, 403, "{text}");
    assert!(text.contains("tls_needed"), "{text}");
    let mut settings = (*world.state.settings).clone();
    settings.tls.insecure_sign_in = true;
    settings.tls.listen = Some("0.0.0.0:8443".parse().unwrap());
    world.state.settings = settings.into();
    let (status, headers, _) = from_afar(&world, false, sign_in()).await;
    assert_eq!(status, 204);
    assert!(!headers["set-cookie"].to_str().unwrap().contains("Secure"));

    for (is_tls, path, expected) in [
        (false, "/sites/home", 307),
        (false, "/", 307),
        (false, "/api/v1/session", 200),
        (false, "/cnf?cmd=get_dev_info", 200),
        (false, "/goe/none", 404),
        (false, "/healthz", 200),
        (true, "/", 200),
    ] {
        let (status, headers, _) = from_afar(&world, is_tls, request("GET", path, &[], "")).await;
        assert_eq!(status, expected, "{path}");
        if status == 307 {
            assert_eq!(headers["location"], format!("https://127.0.0.1:8443{path}"));
        }
    }
}

#[tokio::test]
async fn a_form_of_another_page_changes_nothing() {
    let world = World::new().await;
    world.state.gate.create_admin("admin", PASSWORD).await.unwrap();
    let ticket = world.state.gate.sign_in_ticket("admin").unwrap();
    let session = world.state.gate.use_sign_in_ticket(&ticket).await.unwrap();
    let cookie = format!("ohmstead_session={}", session.cookie_value.expose());
    let body = json!({"id": "ann", "name": "x"}).to_string();
    let own = ("origin", "http://127.0.0.1:8080");
    for (headers, expected) in [
        (
            vec![("content-type", "application/x-www-form-urlencoded"), own],
            400,
        ),
        (vec![("content-type", "text/plain"), own], 400),
        (
            vec![("content-type", "multipart/form-data; boundary=x"), own],
            400,
        ),
        (vec![own], 400),
        (vec![JSON, ("origin", "https://evil.example")], 403),
        (vec![JSON, ("origin", "null")], 403),
        (vec![JSON, ("origin", "http://127.0.0.1:9999")], 403),
        (vec![JSON, ("sec-fetch-site", "cross-site")], 403),
        (vec![JSON, ("sec-fetch-site", "same-site")], 403),
        (vec![JSON, own, ("sec-fetch-site", "same-origin")], 201),
    ] {
        let mut all = headers.clone();
        all.push(("cookie", &cookie));
        let answer = world.ask(request("POST", "/api/v1/users", &all, &body)).await;
        assert_eq!(answer.status, expected, "{headers:?} {}", answer.text);
    }
    let foreign = [("cookie", cookie.as_str()), ("origin", "https://evil.example")];
    let answer = world
        .ask(request("DELETE", "/api/v1/users/ann", &foreign, ""))
        .await;
    assert_eq!(answer.error(), (403, "foreign_origin".into()));
}

#[tokio::test]
async fn somebody_sees_themselves_and_where_they_are_signed_in() {
    let world = World::new().await;
    zoe(&world).await;
    let console = Principal::console();
    let id = model::id::UserId::new("zoe").unwrap();
    let password = world
        .state
        .gate
        .reset_password(&By::new(&console, "console"), &id)
        .await
        .unwrap();
    let body = json!({"user": "zoe", "password": password.expose()}).to_string();
    let signed_in = world
        .ask(request("POST", "/api/v1/session", &[JSON], &body))
        .await;
    let cookie = signed_in
        .header("set-cookie")
        .unwrap()
        .split(';')
        .next()
        .unwrap()
        .to_owned();
    let own = |method: &'static str, path: &'static str, body: &'static str| {
        request(method, path, &[("cookie", &cookie), JSON], body)
    };
    let users = world.ask(own("GET", "/api/v1/users", "")).await.json();
    assert_eq!(users["items"].as_array().unwrap().len(), 1);
    let all = world.ask(own("GET", "/api/v1/session/all", "")).await.json();
    assert_eq!(all["items"][0]["is_current"], true);
    let wrong = r#"{"password":"a new horse","current":"wrong horse"}"#;
    let wrong = world.ask(own("PUT", "/api/v1/users/zoe/password", wrong)).await;
    assert_eq!(wrong.error(), (422, "out_of_range".into()));
    assert_eq!(wrong.json()["error"]["where"], "current");
    let out = world.ask(own("DELETE", "/api/v1/session/all", "")).await;
    assert_eq!(out.status, 204);
    assert_eq!(world.ask(own("GET", "/api/v1/users", "")).await.status, 401);
}
