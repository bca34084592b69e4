//! The native API: reads, intents, refusals.

use serde_json::json;

use crate::world::{TOKEN, VIEWER, World, bearer, offer_controls, request};

#[tokio::test]
async fn reading_shows_the_site_in_wire_units() {
    let world = World::new().await;
    let sites = world.get("/api/v1/sites").await.json();
    assert_eq!(sites["items"][0]["id"], "home");
    assert_eq!(sites["items"][0]["devices"], 3);
    assert_eq!(sites["items"][1]["online"], true);

    let site = world.get("/api/v1/sites/home").await.json();
    assert_eq!(site["flow"]["grid_w"], 2_800);
    assert_eq!(site["flow"]["pv_w"], serde_json::Value::Null);
    assert_eq!(site["circuits"][0]["headroom_ma"]["l2"], 31_000);
    assert_eq!(site["evses"][0]["reason"]["params"]["needed"], 1_380);
    assert_eq!(site["evses"][0]["is_charging"], true);
    assert_eq!(site["overdraft"]["reacted_ms"], 1_500);

    let evse = world.get("/api/v1/sites/home/evses/left").await.json();
    assert_eq!(
        evse,
        world.get("/api/v1/sites/home/evses").await.json()["items"][0]
    );
    assert_eq!(evse["setpoint_ma"], 10_000);
    assert_eq!(evse["online"], true);
    let device = world.get("/api/v1/sites/home/devices/grid").await.json();
    assert_eq!(device["measured"]["power_w"], 2_300);
    assert_eq!(device["measured"]["soc_permille"], serde_json::Value::Null);
    assert_eq!(device["role"], "grid");
    assert_eq!(
        world.get("/api/v1/sites/yard/evses/lost").await.json()["online"],
        false
    );
    assert_eq!(
        world.get("/api/v1/sites/home/alarms").await.text,
        r#"{"items":[]}"#
    );
}

#[tokio::test]
async fn a_site_that_has_not_run_yet_says_so() {
    let world = World::before_the_first_cycle().await;
    assert_eq!(
        world.get("/api/v1/sites").await.json()["items"][0]["online"],
        false
    );
    assert_eq!(
        world.get("/api/v1/sites/home").await.error(),
        (503, "starting".into())
    );
}

#[tokio::test]
async fn a_site_whose_views_are_old_is_shown_as_not_running() {
    let world = World::new().await;
    world.step(10_001);
    assert_eq!(
        world.get("/api/v1/sites").await.json()["items"][0]["online"],
        false
    );
}

#[tokio::test]
async fn what_is_not_there_is_404_as_json() {
    let world = World::new().await;
    for (path, code) in [
        ("/api/v1/sites/nowhere", "unknown"),
        ("/api/v1/sites/home/devices/nothing", "unknown"),
        ("/api/v1/sites/home/devices/lost", "unknown"),
        ("/api/v1/sites/home/evses/lost", "unknown"),
        (
            "/api/v1/sites/nowhere/history?series=device:grid.power&from_ms=0&to_ms=1",
            "unknown",
        ),
        ("/api/v1/nothing", "no_such_route"),
        ("/api/v1", "no_such_route"),
        ("/api/nothing", "no_such_route"),
        ("/public/nothing", "no_such_route"),
        ("/goe/x", "no_such_route"),
    ] {
        assert_eq!(world.get(path).await.error(), (404, code.into()), "{path}");
    }
    for path in ["/api/v1/sites/home", "/healthz", "/metrics"] {
        assert_eq!(
            world.post(path, "{}").await.error(),
            (405, "no_such_method".into()),
            "{path}"
        );
    }
    for path in [
        "/api/v1/sites/%ff",
        "/api/v1/events?site=a&site=b",
        "/site/%ff/cnf",
        "/goe/%ff/api/status",
    ] {
        assert_eq!(
            world.get(path).await.error(),
            (400, "unreadable".into()),
            "{path}"
        );
    }
}

#[tokio::test]
async fn every_closed_route_asks_who_calls() {
    let world = World::new().await;
    let document = world.open("/api/v1/openapi.json").await.json();
    let open = ["/session", "/session/ticket", "/setup"];
    let mut closed = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item
            .as_object()
            .unwrap()
            .keys()
            .filter(|_| !open.contains(&path.as_str()))
        {
            let path = path
                .replace("{site}", "home")
                .replace("{device}", "grid")
                .replace("{evse}", "left");
            for headers in [
                vec![],
                vec![("authorization", "Bearer wrong")],
                vec![("authorization", "Basic YWRtaW46YWRtaW4=")],
                vec![("cookie", "ohmstead_session=wrong")],
            ] {
                let uri = format!("/api/v1{path}");
                let answer = world
                    .ask(request(&method.to_uppercase(), &uri, &headers, ""))
                    .await;
                assert_eq!(
                    answer.error(),
                    (401, "not_signed_in".into()),
                    "{method} {path} {headers:?}"
                );
            }
            closed += 1;
        }
    }
    assert_eq!(closed, 115);
    assert_eq!(
        world.open("/metrics").await.error(),
        (401, "not_signed_in".into())
    );
}

#[tokio::test]
async fn tokens_of_go_e_clients_are_for_administrators() {
    let world = World::new().await;
    let path = "/api/v1/sites/home/evses/left/goe";
    let shown = world.get(path).await.json();
    assert_eq!(shown["serial"], "000001");
    assert_eq!(shown["enabled"], true);
    assert!(
        shown["token"].as_str().is_some_and(|token| token.len() >= 8),
        "{shown}"
    );
    let (status, code) = world
        .ask(request("GET", path, &[("authorization", &bearer(VIEWER))], ""))
        .await
        .error();
    assert_eq!((status, code.as_str()), (403, "not_allowed"));
    let audit = world.get("/api/v1/audit").await.json();
    assert_eq!(audit["items"][0]["action"], "see the go-e token of evse left");
    assert_eq!(audit["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn an_intent_is_accepted_and_read_back_at_once() {
    let world = World::new().await;
    for (body, field, expected) in [
        (
            r#"{"kind":"mode","evse":"left","mode":"solar"}"#,
            "mode",
            "\"solar\"",
        ),
        (
            r#"{"kind":"current","evse":"left","current_ma":8000}"#,
            "current_ma",
            "8000",
        ),
        (
            r#"{"kind":"force","evse":"left","force":"off"}"#,
            "force",
            "\"off\"",
        ),
    ] {
        let answer = world.post("/api/v1/sites/home/intents", body).await;
        assert_eq!(answer.status, 202, "{}", answer.text);
        assert_eq!(answer.json()["wish"][field].to_string(), expected);
        let evse = world.get("/api/v1/sites/home/evses/left").await.json();
        assert_eq!(evse["wish"][field].to_string(), expected);
    }
}

#[tokio::test]
async fn a_refused_intent_says_what_to_repair() {
    let world = World::new().await;
    let site = "/api/v1/sites/home/intents";
    for (path, body, status, code) in [
        (
            site,
            r#"{"kind":"current","evse":"left","current_ma":5999}"#,
            422,
            "out_of_range",
        ),
        (
            site,
            r#"{"kind":"current","evse":"left","current_ma":"8"}"#,
            422,
            "invalid",
        ),
        (
            site,
            r#"{"kind":"mode","evse":"left","mode":"turbo"}"#,
            422,
            "invalid",
        ),
        (site, r#"{"kind":"explode","evse":"left"}"#, 422, "invalid"),
        (site, r#"{"kind":"mode","evse":"left"}"#, 422, "invalid"),
        (site, r#"{"kind":"mode","evse":"#, 400, "unreadable"),
        (site, "", 400, "unreadable"),
        (
            site,
            r#"{"kind":"mode","evse":"right","mode":"off"}"#,
            404,
            "unknown",
        ),
        (
            site,
            r#"{"kind":"mode","evse":"Not An Id","mode":"off"}"#,
            404,
            "unknown",
        ),
        (
            site,
            r#"{"kind":"phases","evse":"left","phases":"one"}"#,
            409,
            "not_supported",
        ),
        (
            "/api/v1/sites/nowhere/intents",
            r#"{"kind":"mode","evse":"left","mode":"off"}"#,
            404,
            "unknown",
        ),
        (
            "/api/v1/sites/yard/intents",
            r#"{"kind":"mode","evse":"lost","mode":"off"}"#,
            503,
            "busy",
        ),
    ] {
        assert_eq!(
            world.post(path, body).await.error(),
            (status, code.into()),
            "{body}"
        );
    }
    let answer = world
        .post(site, r#"{"kind":"current","evse":"left","current_ma":5999}"#)
        .await
        .json();
    assert_eq!(answer["error"]["where"], "current_ma");
    assert_eq!(answer["error"]["expected"], "6000 to 16000");
}

#[tokio::test]
async fn writes_need_a_role_a_content_type_and_a_page_of_ours() {
    let world = World::new().await;
    let (owner, viewer) = (bearer(TOKEN), bearer(VIEWER));
    let json = ("content-type", "application/json");
    let auth = ("authorization", owner.as_str());
    for (headers, status, code) in [
        (vec![json, ("authorization", viewer.as_str())], 403, "not_allowed"),
        (vec![auth], 400, "unreadable"),
        (
            vec![auth, ("content-type", "application/x-www-form-urlencoded")],
            400,
            "unreadable",
        ),
        (
            vec![auth, json, ("origin", "http://evil.example")],
            403,
            "foreign_origin",
        ),
        (vec![auth, json, ("origin", "null")], 403, "foreign_origin"),
        (
            vec![auth, json, ("sec-fetch-site", "cross-site")],
            403,
            "foreign_origin",
        ),
        (
            vec![json, ("origin", "http://evil.example")],
            403,
            "foreign_origin",
        ),
    ] {
        let body = r#"{"kind":"mode","evse":"left","mode":"off"}"#;
        let answer = world
            .ask(request("POST", "/api/v1/sites/home/intents", &headers, body))
            .await;
        assert_eq!(answer.error(), (status, code.into()), "{headers:?}");
    }
    let ours = [
        auth,
        json,
        ("origin", "http://127.0.0.1:8080"),
        ("sec-fetch-site", "same-origin"),
    ];
    let body = r#"{"kind":"mode","evse":"left","mode":"off"}"#;
    assert_eq!(
        world
            .ask(request("POST", "/api/v1/sites/home/intents", &ours, body))
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn what_would_help_is_asked_of_the_engine() {
    let world = World::new().await;
    let answer = world.get("/api/v1/sites/home/evses/left/help").await;
    assert_eq!(answer.status, 200, "{}", answer.text);
    assert_eq!(
        answer.json(),
        json!({"items": [
            {
                "change": {"kind": "more_room", "circuit": "house", "phase": "l2", "by_ma": 3_000},
                "granted_ma": 6_000, "text": "3.0 A more on house L2",
            },
            {"change": {"kind": "without", "evse": "left"}, "granted_ma": 6_000, "text": "left leaving"},
        ]})
    );
    for path in [
        "home/evses/nobody/help",
        "home/evses/No%20Id/help",
        "nowhere/evses/left/help",
    ] {
        let answer = world.get(&format!("/api/v1/sites/{path}")).await;
        assert_eq!(answer.error(), (404, "unknown".into()), "{path}");
    }
    // Nobody runs Yard.
    let answer = world.get("/api/v1/sites/yard/evses/gate/help").await;
    assert_eq!(answer.status, 503, "{}", answer.text);
}

#[tokio::test]
async fn what_a_device_offers_is_shown_and_set_by_who_may() {
    let world = World::new().await;
    let path = "/api/v1/sites/home/devices/pv/controls";
    assert_eq!(world.get(path).await.text, r#"{"items":[]}"#);
    offer_controls(&world).await;
    let list = world.get(path).await.json();
    let expected = json!({"items": [
        {"id": "output_source_priority", "title": "output_source_priority", "unit": "", "value": "0",
         "choices": [{"key": "0", "label": "Utility first"}, {"key": "2", "label": "SBU first"}], "number": null},
        {"id": "max_charging_current", "title": "max_charging_current", "unit": "A", "value": "60",
         "choices": [], "number": {"min": "10", "max": "120", "step": "0.5"}},
    ]});
    assert_eq!(list, expected);
    let set = async |token: &str, control: &str, body: &str| {
        let (path, bearer) = (format!("{path}/{control}"), bearer(token));
        let headers = [
            ("authorization", bearer.as_str()),
            ("content-type", "application/json"),
        ];
        world.ask(request("PUT", &path, &headers, body)).await
    };
    let done = set(TOKEN, "max_charging_current", r#"{"value": "20.50"}"#).await;
    assert_eq!(
        (done.status.as_u16(), &done.json()["value"]),
        (200, &"20.5".into())
    );
    assert_eq!(world.get(path).await.json()["items"][1]["value"], "20.5");
    let value = r#"{"value": "2"}"#;
    for (token, control, body, expected) in [
        (VIEWER, "output_source_priority", value, (403, "not_allowed")),
        (
            TOKEN,
            "output_source_priority",
            r#"{"value": "1"}"#,
            (422, "out_of_range"),
        ),
        (
            TOKEN,
            "output_source_priority",
            r#"{"value": "0"}"#,
            (409, "device_refused"),
        ),
        (
            TOKEN,
            "output_source_priority",
            r#"{"value": 2}"#,
            (422, "invalid"),
        ),
        (TOKEN, "max_charging_current", value, (422, "out_of_range")),
        (TOKEN, "fan", value, (404, "unknown")),
    ] {
        let (code, name) = set(token, control, body).await.error();
        assert_eq!((code, name.as_str()), expected, "{control} {body}");
    }
    let nobody = world
        .get("/api/v1/sites/home/devices/nobody/controls")
        .await
        .error();
    assert_eq!(nobody, (404, "unknown".to_owned()));
}
