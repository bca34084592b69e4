//! The go-e doors: one row for each status code, and who gets which.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::MockConnectInfo;
use model::device::LinkState;
use model::message::{Message, Report, Reported};
use model::secret::Secret;
use model::settings::{SetStatus, Settings};
use model::time::Clock;
use serde_json::{Value, json};

use bus::Bus;
use dialects::goe::DIALECT;
use gate::{Access, By, Switches};

use crate::world::{Answer, HOUR, TOKEN, World, charger, device_id, document, request, site_id};

/// The left charger has sent a document just now.
async fn live() -> World {
    let world = World::new().await;
    let at = world.clock.now();
    let report = Report::Document(document(at));
    let reported = Reported {
        site: site_id("home"),
        device: device_id("left-station"),
        at,
        report,
    };
    world.bus.publish(Message::Reported(reported)).await;
    world
}

async fn get(world: &World, host: &str, path: &str) -> Answer {
    world.ask(request("GET", path, &[("host", host)], "")).await
}

const CLOUD: &str = "000001.api.v3.go-e.io";
const IP: &str = "127.0.0.1:8080";

#[tokio::test]
async fn each_state_of_a_charger_has_its_status_code() {
    let world = live().await;
    for (path, status) in [
        ("/api/status?token=myapitoken", 200),
        ("/api/set?token=myapitoken&amp=10", 202),
        ("/api/set?token=myapitoken", 422),
        ("/api/set?token=myapitoken&amp=99&nosuch=1", 422),
        ("/api/status?token=token-of-the-lost-one", 403),
        ("/api/status?token=token-of-the-lost-one&age=9999999", 403),
        ("/api/set?token=token-of-the-lost-one&amp=10", 403),
        ("/api/status?token=token-of-the-barred-one", 403),
        ("/api/set?token=token-of-the-barred-one&amp=10", 403),
        ("/api/status?token=token-of-the-quiet-one", 404),
        ("/api/status?token=token-of-the-quiet-one&age=7199", 404),
        ("/api/status?token=token-of-the-quiet-one&age=7201", 200),
        ("/api/set?token=token-of-the-quiet-one&amp=10", 404),
        ("/api/status?token=wrong", 401),
        ("/api/status", 401),
        ("/api/set?amp=10", 401),
    ] {
        let answer = get(&world, IP, path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/json"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{path}");
        assert_eq!(
            answer.json()["success"] == json!(false),
            status != 200 && status != 202 && status != 422,
            "{path}"
        );
    }
}

#[tokio::test]
async fn data_that_are_too_old_say_how_old() {
    let world = live().await;
    world.step(30_000);
    assert_eq!(
        get(&world, CLOUD, "/api/status?token=myapitoken").await.status,
        200
    );
    world.step(4_600);
    let answer = get(&world, CLOUD, "/api/status?token=myapitoken").await;
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.text,
        r#"{"success":false,"reason":"Data is outdated","age":34.6}"#
    );
    assert_eq!(
        get(&world, CLOUD, "/api/status?token=myapitoken&age=35")
            .await
            .status,
        200
    );
    assert_eq!(
        get(&world, CLOUD, "/api/status?token=myapitoken&age=5")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn a_lost_link_takes_sets_for_half_a_minute_and_ends_after_a_day() {
    let world = live().await;
    world
        .change("home", |view| {
            view.devices[2].link = LinkState::Offline {
                problem: "gone".into(),
            }
        })
        .await;
    for (after, status, set) in [
        (0, 200, 202),
        (30_000, 200, 202),
        (1, 404, 404),
        (24 * HOUR, 403, 403),
    ] {
        world.step(after);
        let set_path = "/api/set?token=myapitoken&amp=10";
        assert_eq!(
            get(&world, CLOUD, "/api/status?token=myapitoken")
                .await
                .status
                .as_u16(),
            status,
            "{after}"
        );
        assert_eq!(get(&world, CLOUD, set_path).await.status.as_u16(), set, "{after}");
    }
}

#[tokio::test]
async fn the_host_names_the_charger_and_never_falls_back() {
    let world = live().await;
    let expected = get(&world, IP, "/api/status?token=wrong").await;
    for (host, token, status) in [
        (CLOUD, "myapitoken", 200),
        ("1.api.v3.go-e.io", "myapitoken", 200),
        ("000001.localhost:8080", "myapitoken", 200),
        ("localhost:8080", "myapitoken", 200),
        ("000002.api.v3.go-e.io", "myapitoken", 401),
        ("000003.api.v3.go-e.io", "myapitoken", 401),
        ("000005.api.v3.go-e.io", "token-of-the-barred-one", 401),
        (CLOUD, "wrong", 401),
        (CLOUD, "", 401),
        ("000002.api.v3.go-e.io", "", 401),
    ] {
        let answer = get(&world, host, &format!("/api/status?token={token}")).await;
        assert_eq!(answer.status.as_u16(), status, "{host} {token}");
        if status == 401 {
            assert_eq!(
                (&answer.text, &answer.headers),
                (&expected.text, &expected.headers),
                "{host} {token}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_comes_by_query_or_by_a_header_of_any_scheme() {
    let world = live().await;
    for (path, authorization, status) in [
        ("/api/status", "Bearer myapitoken", 200),
        ("/api/status", "bearer myapitoken", 200),
        ("/api/status", "Basic myapitoken", 200),
        ("/api/status", "Whatever  myapitoken", 200),
        ("/api/status", "Bearer wrong", 401),
        ("/api/status", "Bearer", 401),
        ("/api/status?token=myapitoken", "Bearer wrong", 200),
        ("/api/status?token=wrong", "Bearer myapitoken", 401),
    ] {
        let headers = [("host", CLOUD), ("authorization", authorization)];
        let answer = world.ask(request("GET", path, &headers, "")).await;
        assert_eq!(answer.status.as_u16(), status, "{path} {authorization}");
    }
}

#[tokio::test]
async fn a_status_is_the_chargers_own_with_our_keys_over_it() {
    let world = live().await;
    let answer = get(&world, CLOUD, "/api/status?token=myapitoken").await;
    assert_eq!(
        answer.header("last-modified"),
        Some("Sat, 22 Nov 2025 00:00:00 GMT")
    );
    let status = answer.json();
    assert_eq!(status["fna"], "go-e");
    assert_eq!(status["sse"], "000001");
    assert_eq!(status["eto"], 1_234_567);
    for secret in ["cak", "ocppck"] {
        assert!(status.get(secret).is_none(), "{secret}");
    }
    let filtered = get(
        &world,
        CLOUD,
        "/api/status?token=myapitoken&filter=amp,nosuch,cak",
    )
    .await;
    assert_eq!(filtered.text, r#"{"amp":16,"cak":"myapitoken"}"#);
}

#[tokio::test]
async fn a_silent_charger_is_answered_from_what_was_kept() {
    let world = World::new().await;
    let answer = get(
        &world,
        IP,
        "/api/status?token=token-of-the-quiet-one&age=86400&filter=sse,fna,eto",
    )
    .await;
    assert_eq!(
        answer.header("last-modified"),
        Some("Fri, 21 Nov 2025 22:00:00 GMT")
    );
    assert_eq!(answer.text, r#"{"sse":"000005","fna":"go-e","eto":1234567}"#);
}

#[tokio::test]
async fn a_set_is_an_intent_and_reads_back_at_once() {
    let world = live().await;
    let set = |query: &str| format!("/api/set?token=myapitoken&{query}");
    for (query, status, expected) in [
        (
            "amp=8",
            202,
            json!({"amp": true, "succeeded": [{"amp": 8}], "failed": []}),
        ),
        (
            "frc=1&nosuch=1",
            202,
            json!({"frc": true, "nosuch": "nosuch: unknown api key", "succeeded": [{"frc": 1}], "failed": [{"nosuch": 1}]}),
        ),
        (
            "=3&amp=9",
            202,
            json!({"amp": true, "succeeded": [{"amp": 9}], "failed": [{"": 3}]}),
        ),
        (
            "fna=%22my%20go-eCharger%22",
            202,
            json!({"fna": true, "succeeded": [{"fna": "my go-eCharger"}], "failed": []}),
        ),
    ] {
        let answer = get(&world, CLOUD, &set(query)).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()),
            (status, expected),
            "{query}"
        );
    }
    let refused = get(&world, CLOUD, &set("amp=20")).await;
    assert_eq!(refused.status, 422);
    assert_eq!(refused.json()["failed"], json!([{"amp": 20}]));
    let status: Value = get(&world, CLOUD, "/api/status?token=myapitoken&filter=amp,frc")
        .await
        .json();
    assert_eq!(status, json!({"amp": 9, "frc": 1}));
}

#[tokio::test]
async fn other_methods_and_foreign_pages_are_refused() {
    let world = live().await;
    let headers = [("host", CLOUD), ("authorization", "Bearer myapitoken")];
    for method in ["POST", "PUT", "DELETE", "PATCH", "HEAD"] {
        for path in [
            "/api/status",
            "/api/set?amp=9",
            "/goe/000001/api/status",
            "/goe/000001/api/set?amp=9",
            "/goe/000001/mqtt?payload=amp=9",
        ] {
            let host = if path.starts_with("/goe") {
                [("host", IP), headers[1]]
            } else {
                headers
            };
            let answer = world.ask(request(method, path, &host, "")).await;
            assert_eq!(answer.status, 405, "{method} {path}");
            // A charger in the LAN says it in text.
            let kind = if path.starts_with("/goe") {
                "text/plain"
            } else {
                "application/json"
            };
            assert_eq!(answer.header("content-type"), Some(kind));
            assert_eq!(answer.header("allow"), Some("GET"));
        }
    }
    let amp = async || {
        get(&world, CLOUD, "/api/status?token=myapitoken&filter=amp")
            .await
            .text
    };
    assert_eq!(amp().await, r#"{"amp":16}"#);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let foreign = [headers[0], headers[1], (name, value)];
        let set = world.ask(request("GET", "/api/set?amp=10", &foreign, "")).await;
        assert_eq!(
            (set.status.as_u16(), set.json()["success"].clone()),
            (403, json!(false)),
            "{name}"
        );
        assert_eq!(
            world
                .ask(request("GET", "/api/status", &foreign, ""))
                .await
                .status,
            200,
            "{name}"
        );
    }
    let preflight = world
        .ask(request("OPTIONS", "/api/status", &headers[..1], ""))
        .await;
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("authorization")
    );
    assert_eq!(
        world
            .ask(request("OPTIONS", "/api/set", &headers[..1], ""))
            .await
            .status,
        405
    );
}

#[tokio::test]
async fn the_local_form_answers_as_a_charger_in_the_lan() {
    let world = live().await;
    let unauthorized = get(&world, IP, "/api/status").await.text;
    for (path, status) in [
        ("/goe/000001/myapitoken/api/status", 200),
        ("/goe/1/myapitoken/api/status", 200),
        ("/goe/000001/api/status", 200),
        ("/goe/000001/wrong/api/status", 401),
        ("/goe/000002/api/status", 401),
        ("/goe/000005/api/status", 503),
        ("/goe/000001/myapitoken/api/set?amp=8", 200),
        ("/goe/000001/api/set?amp=9&frc=0", 200),
        ("/goe/000001/api/set?amp=5", 500),
        ("/goe/000001/api/set?amp=10&alw=true", 500),
    ] {
        let answer = get(&world, IP, path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        if status == 401 {
            assert_eq!(answer.text, unauthorized);
        }
    }
    assert_eq!(
        get(&world, IP, "/goe/000001/api/set?amp=8").await.text,
        r#"{"amp":true}"#
    );
    let named = get(&world, IP, "/goe/000001/myapitoken/api/status?filter=cak,amp").await;
    assert_eq!(named.text, r#"{"cak":"myapitoken","amp":8}"#);
    // Without the token nobody sees it.
    assert_eq!(
        get(&world, IP, "/goe/000001/api/status?filter=cak,amp")
            .await
            .text,
        r#"{"amp":8}"#
    );
    world.step(31_000);
    assert_eq!(get(&world, IP, "/goe/000001/api/status").await.status, 503);
}

#[tokio::test]
async fn keys_that_a_charger_does_not_have_are_null_in_the_lan_and_left_out_in_the_cloud() {
    let world = live().await;
    let filter = "filter=mod,amp,nosuch,wak";
    let cloud = get(&world, CLOUD, &format!("/api/status?token=myapitoken&{filter}")).await;
    assert_eq!(cloud.text, r#"{"amp":16}"#);
    let local = get(&world, IP, &format!("/goe/000001/api/status?{filter}")).await;
    assert_eq!(local.text, r#"{"mod":null,"amp":16}"#);
}

#[tokio::test]
async fn the_first_api_answers_texts_and_takes_payloads() {
    let world = live().await;
    for base in ["/goe/000001", "/goe/1/myapitoken"] {
        let status = get(&world, IP, &format!("{base}/status")).await;
        assert_eq!(
            (status.status.as_u16(), status.header("content-type")),
            (200, Some("application/json"))
        );
        let status = status.json();
        assert_eq!(
            (&status["sse"], &status["version"]),
            (&json!("000001"), &json!("B"))
        );
        for (payload, key, shown) in [
            ("amp=8", "amp", "8"),
            ("amx=9", "amp", "9"),
            ("amp=99", "amp", "9"),
            ("nosuch=1", "amp", "9"),
        ] {
            let answer = get(&world, IP, &format!("{base}/mqtt?payload={payload}")).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json()[key], shown, "{base} {payload}");
        }
        get(&world, IP, &format!("{base}/mqtt?payload=amp=16")).await;
    }
    let unauthorized = get(&world, IP, "/api/status").await.text;
    for path in [
        "/goe/000001/wrong/status",
        "/goe/000002/wrong/mqtt?payload=amp=8",
        "/goe/000002/status",
    ] {
        let answer = get(&world, IP, path).await;
        assert_eq!(
            (answer.status.as_u16(), answer.text),
            (401, unauthorized.clone()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn any_write_to_cak_makes_a_new_token_and_ends_the_old_one() {
    let world = live().await;
    // Not without the old one.
    let open = get(&world, IP, "/goe/000001/api/set?cak=1").await;
    assert_eq!(open.status, 500);
    let mut token = "myapitoken".to_owned();
    for value in ["1", "%22x%22", "", "null"] {
        let answer = get(&world, CLOUD, &format!("/api/set?token={token}&cak={value}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["cak"]),
            (202, &json!(true)),
            "{value}"
        );
        let path = format!("/api/status?token={token}&filter=cak");
        assert_eq!(get(&world, CLOUD, &path).await.status, 401, "{value}");
        let gate = &world.state.gate;
        let made = gate.credential(&DIALECT, &charger("left")).unwrap().unwrap();
        token = made.expose().to_owned();
        let path = format!("/api/status?token={token}&filter=cak");
        assert_eq!(
            get(&world, CLOUD, &path).await.json(),
            json!({"cak": token}),
            "{value}"
        );
    }
    assert_eq!(token.len(), 32);
    // The configuration still names the first one.
    let gate = &world.state.gate;
    let access = Access::new(DIALECT, "000001", charger("left"));
    let another = Secret::new("anothertoken");
    for (configured, expected) in [
        (Secret::new("myapitoken"), Secret::new(token)),
        (another.clone(), another),
    ] {
        gate.settle_credential(&access, Some(&configured)).await.unwrap();
        assert_eq!(
            gate.credential(&DIALECT, &charger("left")).unwrap(),
            Some(expected)
        );
    }
}

#[tokio::test]
async fn a_write_is_answered_with_200_where_the_settings_say_so() {
    let mut world = live().await;
    let mut settings = Settings::clone(&world.state.settings);
    settings.goe.set_status = SetStatus::Ok;
    world.state.settings = Arc::new(settings);
    let from: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    world.app = north::router(world.state.clone()).layer(MockConnectInfo(from));
    for (query, status) in [("amp=10", 200), ("amp=99", 422)] {
        let answer = get(&world, CLOUD, &format!("/api/set?token=myapitoken&{query}")).await;
        assert_eq!(answer.status.as_u16(), status, "{query}");
    }
}

#[tokio::test]
async fn the_open_local_form_is_for_listed_networks_only() {
    use axum::extract::connect_info::MockConnectInfo;
    use std::net::SocketAddr;

    let mut world = live().await;
    let from = |address: &str| MockConnectInfo(address.parse::<SocketAddr>().unwrap());
    for (address, status) in [
        ("127.0.0.1:1", 200),
        ("[::ffff:127.0.0.1]:1", 200),
        ("192.168.1.7:1", 401),
        ("[::1]:1", 401),
    ] {
        world.app = north::router(world.state.clone()).layer(from(address));
        assert_eq!(
            get(&world, IP, "/goe/000001/api/status").await.status.as_u16(),
            status,
            "{address}"
        );
        assert_eq!(
            get(&world, IP, "/goe/000001/myapitoken/api/status").await.status,
            200,
            "{address}"
        );
    }
}

#[tokio::test]
async fn guarded_keys_are_written_where_they_were_granted() {
    let world = live().await;
    let admin = world.state.gate.principal_of_bearer(TOKEN).await.unwrap();
    let grant = async |keys: &[&str]| {
        let door = Switches {
            enabled: None,
            granted: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        let by = By::new(&admin, "native");
        world
            .state
            .gate
            .put_switches(&by, &DIALECT, &charger("left"), door)
            .await
            .unwrap();
    };
    for (granted, key, value, accepted) in [
        (&[][..], "rst", "true", false),
        (&["cwe"], "rst", "true", false),
        (&["cwe", "rst"], "rst", "true", true),
        (&["cwe", "rst"], "cwe", "false", true),
        (&["cwe", "rst"], "cwe", "7", false),
        (&["wifis"], "wifis", "[]", true),
        (&[], "wifis", "[]", false),
    ] {
        grant(granted).await;
        let path = format!("/api/set?token=myapitoken&{key}={value}");
        let answer = get(&world, CLOUD, &path).await;
        let status = if accepted { 202 } else { 422 };
        assert_eq!(
            answer.status, status,
            "{granted:?} {key}={value}: {}",
            answer.text
        );
        let without = answer.text.contains("not allowed from api without a grant");
        assert_eq!(
            without,
            !granted.contains(&key),
            "{granted:?} {key}: {}",
            answer.text
        );
        // Nobody who has not shown the token, granted or not.
        let open = get(&world, IP, &format!("/goe/000001/api/set?{key}={value}")).await;
        assert_eq!(open.status, 500, "{granted:?} {key}");
    }
}

#[tokio::test]
async fn the_cloud_form_is_switched_through_cae_unless_the_file_says_how() {
    let mut world = live().await;
    let cloud = "/api/status?token=myapitoken&filter=cae";
    let local = "/goe/000001/myapitoken/api";
    for (path, status, enabled) in [
        ("/goe/000001/api/set?cae=false", 500, true),
        ("/goe/000001/myapitoken/api/set?cae=1", 500, true),
        ("/goe/000001/myapitoken/api/set?cae=false", 200, false),
        ("/api/set?token=myapitoken&cae=true", 403, false),
        ("/goe/000001/myapitoken/api/set?cae=true", 200, true),
        ("/api/set?token=myapitoken&cae=false", 202, false),
        ("/goe/000001/myapitoken/api/set?cae=true", 200, true),
    ] {
        assert_eq!(get(&world, IP, path).await.status.as_u16(), status, "{path}");
        let shown = get(&world, CLOUD, cloud).await;
        assert_eq!(shown.status, if enabled { 200 } else { 403 }, "{path}");
        let shown = get(&world, IP, &format!("{local}/status?filter=cae")).await;
        assert_eq!(shown.json(), json!({"cae": enabled}), "{path}");
        // Who has no token learns nothing of it.
        assert_eq!(get(&world, CLOUD, "/api/status?token=wrong").await.status, 401);
    }
    let mut settings = Settings::clone(&world.state.settings);
    settings.given.insert("goe.charger.left.enabled");
    world.state.settings = Arc::new(settings);
    let from: SocketAddr = "127.0.0.1:50000".parse().unwrap();
    world.app = north::router(world.state.clone()).layer(MockConnectInfo(from));
    for (path, status) in [("set?cae=false", 500), ("set?cae=true", 200)] {
        assert_eq!(
            get(&world, IP, &format!("{local}/{path}")).await.status,
            status,
            "{path}"
        );
    }
    assert_eq!(get(&world, CLOUD, cloud).await.json(), json!({"cae": true}));
}
