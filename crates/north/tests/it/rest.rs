//! What holds for every door: hosts, bounds, health, metrics, the page.

use axum::body::Body;
use http::Request;

use crate::world::{HOST, TOKEN, World, bearer, request};

#[tokio::test]
async fn only_our_own_names_are_answered() {
    let world = World::new().await;
    for (host, path, status) in [
        ("127.0.0.1:8080", "/healthz", 200),
        ("[::1]:8080", "/healthz", 200),
        ("localhost", "/healthz", 200),
        ("ohmstead.example", "/healthz", 200),
        ("evil.example", "/healthz", 421),
        ("127.0.0.1.evil.example", "/healthz", 421),
        ("000001.api.v3.go-e.io", "/healthz", 421),
        ("000001.api.v3.go-e.io", "/api/v1/sites", 421),
        ("000001.api.v3.go-e.io", "/api/status", 401),
        ("evil.example", "/api/status", 421),
        ("evil.example", "/", 421),
    ] {
        let answer = world.ask(request("GET", path, &[("host", host)], "")).await;
        assert_eq!(answer.status.as_u16(), status, "{host} {path}");
    }
    let nameless = Request::builder().uri("/healthz").body(Body::empty()).unwrap();
    assert_eq!(world.ask(nameless).await.error(), (400, "unreadable".into()));
    let two = [("host", HOST), ("host", "evil.example")];
    assert_eq!(
        world.ask(request("GET", "/healthz", &two, "")).await.error(),
        (400, "unreadable".into())
    );
}

#[tokio::test]
async fn ten_megabytes_are_too_much_for_every_door() {
    let world = World::new().await;
    let owner = bearer(TOKEN);
    let headers = [
        ("authorization", owner.as_str()),
        ("content-type", "application/json"),
    ];
    let body = "x".repeat(10 * 1024 * 1024);
    for path in [
        "/api/v1/sites/home/intents",
        "/api/v1/session",
        "/cnf?cmd=get_dev_info",
        "/api/status",
        "/",
    ] {
        let answer = world.ask(request("POST", path, &headers, &body)).await;
        assert_eq!(answer.error(), (413, "too_large".into()), "{path}");
    }
    // The same without saying beforehand how long it is.
    let unannounced = Request::post("/api/v1/sites/home/intents")
        .header("host", HOST)
        .header("authorization", owner.as_str())
        .header("content-type", "application/json")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(world.ask(unannounced).await.error(), (413, "too_large".into()));
}

#[tokio::test]
async fn readiness_tells_what_is_missing() {
    let world = World::new().await;
    assert_eq!(world.open("/healthz").await.text, "ok");
    assert_eq!(world.open("/readyz").await.text, r#"{"ready":true}"#);
    world
        .state
        .readiness
        .set_waiting_for(vec!["site home".to_owned()]);
    world.state.readiness.set_backfill_progress(250);
    let answer = world.open("/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(
        answer.text,
        r#"{"ready":false,"waiting_for":["site home"],"progress_permille":250}"#
    );
    world.state.readiness.set_waiting_for(Vec::new());
    assert_eq!(world.open("/readyz").await.status, 503);
    world.state.readiness.set_backfill_progress(1_000);
    assert_eq!(world.open("/readyz").await.status, 200);
}

#[tokio::test]
async fn metrics_count_requests_and_show_devices() {
    let world = World::new().await;
    world.open("/api/status?token=hidden").await;
    world.get("/api/v1/sites/home").await;
    world.ask(request("BREW", "/api/v1/sites/home", &[], "")).await;
    let answer = world.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    for line in [
        r#"ohmstead_http_requests_total{method="GET",route="/api/status",status="4xx"} 1"#,
        r#"ohmstead_http_requests_total{method="GET",route="/api/v1/sites/{site}",status="2xx"} 1"#,
        r#"ohmstead_http_requests_total{method="other",route="/api/v1/sites/{site}",status="4xx"} 1"#,
        r#"ohmstead_device_up{site="home",device="grid"} 1"#,
        r#"ohmstead_device_up{site="yard",device="lost"} 0"#,
        r#"ohmstead_device_power_watts{site="home",device="grid"} 2300"#,
        r#"ohmstead_device_current_amperes{site="home",device="grid",phase="l1"} 10.0"#,
        r#"ohmstead_device_energy_in_watt_hours_total{site="home",device="grid"} 1234567"#,
        r#"ohmstead_evse_setpoint_amperes{site="home",evse="left"} 10.0"#,
        r#"ohmstead_control_cycles_total{site="home"} 7"#,
        r#"ohmstead_control_cycle_seconds{site="home"} 0.00025"#,
        r#"ohmstead_overdraft_seconds_total{site="home",cause="load"} 1.5"#,
        r#"ohmstead_overdraft_seconds_total{site="home",cause="command"} 0.0"#,
        "# EOF",
    ] {
        assert!(
            answer.text.lines().any(|one| one == line),
            "{line} is not in\n{}",
            answer.text
        );
    }
    assert!(!answer.text.contains("hidden"));
    // A device that is silent has no power to show.
    assert!(
        !answer
            .text
            .contains(r#"ohmstead_device_power_watts{site="yard",device="lost"}"#)
    );
}

#[tokio::test]
async fn the_page_answers_page_routes_and_nothing_else() {
    let world = World::new().await;
    for path in ["/", "/sites/home", "/settings"] {
        let answer = world.open(path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8"),
            "{path}"
        );
        let policy = answer.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    for path in [
        "/api/nothing",
        "/api",
        "/cnf/x",
        "/public/x",
        "/platform/x",
        "/goe/1/2/3/4/5",
        "/site/home",
        "/ui/en/x",
        "/metrics/x",
        "/nothing.js",
        "/assets/nothing-1234.css",
        "/../Cargo.toml",
        "/%2e%2e/Cargo.toml",
    ] {
        assert_eq!(world.open(path).await.error().0, 404, "{path}");
    }
    assert_eq!(
        world.post("/", "{}").await.error(),
        (405, "no_such_method".into())
    );
}
