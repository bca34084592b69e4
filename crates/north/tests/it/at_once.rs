//! What is answered in front of the router is what the router answers.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::response::Response;
use bus::Bus;
use dialects::goe::DIALECT;
use gate::{By, Switches};
use http_body_util::BodyExt;
use model::device::LinkState;
use model::message::{Message, Report, Reported};
use model::time::Clock;
use north::Front;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use store::Sites;
use tower::ServiceExt;

use crate::world::{TOKEN, World, charger, device_id, document, site_id};

async fn live() -> World {
    let world = World::new().await;
    tell(&world).await;
    world
}

async fn tell(world: &World) {
    let at = world.clock.now();
    let reported = Reported {
        site: site_id("home"),
        device: device_id("left-station"),
        at,
        report: Report::Document(document(at)),
    };
    world.bus.publish(Message::Reported(reported)).await;
}

fn request(method: &str, target: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Body::empty()).unwrap()
}

type Whole = (StatusCode, Vec<(String, String)>, Vec<u8>);

/// With the headers in the order in which they are sent.
async fn whole(response: Response) -> Whole {
    let (head, body) = response.into_parts();
    let named = |headers: &HeaderMap| {
        let all = headers.iter();
        all.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
            .collect()
    };
    (
        head.status,
        named(&head.headers),
        body.collect().await.unwrap().to_bytes().to_vec(),
    )
}

/// Whether it was answered at once; then as the router does.
async fn check(world: &World, front: &Front, request: &dyn Fn() -> Request<Body>) -> bool {
    let Some(at_once) = front.at_once(&request()) else {
        return false;
    };
    let routed = world.app.clone().oneshot(request()).await.unwrap();
    assert_eq!(whole(at_once).await, whole(routed).await, "{:?}", request());
    true
}

#[tokio::test]
async fn plain_requests_are_answered_at_once_and_others_are_left_to_the_router() {
    let world = live().await;
    let front = Front::new(world.state.clone());
    const HOST: (&str, &str) = ("host", "127.0.0.1:8080");
    const CLOUD: (&str, &str) = ("host", "000001.api.v3.go-e.io");
    const BEARER: (&str, &str) = ("authorization", "Bearer myapitoken");
    for (method, target, headers, expected) in [
        ("GET", "/api/status", &[HOST, BEARER][..], true),
        ("GET", "/api/status", &[CLOUD, BEARER], true),
        ("GET", "/api/status?", &[HOST, BEARER], true),
        ("GET", "/api/status?token=myapitoken", &[HOST], true),
        (
            "GET",
            "/api/status?token=wrong&filter=amp&token=myapitoken",
            &[HOST],
            true,
        ),
        (
            "GET",
            "/api/status?filter=amp,car,nrg&token=%6dyapitoken&age=20",
            &[HOST],
            true,
        ),
        (
            "GET",
            "/api/status?filter=cak,wak,amp",
            &[("host", "1.local"), BEARER],
            true,
        ),
        ("GET", "/api/status?age=0.0", &[HOST, BEARER], true),
        ("GET", "/api/status?filter=%5B%22amp%22%5D", &[HOST, BEARER], true),
        (
            "GET",
            "/api/status?filter",
            &[HOST, BEARER, ("accept", "*/*")],
            true,
        ),
        ("GET", "/api/status?tok%65n=wrong", &[HOST, BEARER], false),
        ("GET", "/api/status?token=wrong", &[HOST, BEARER], false),
        ("GET", "/api/status?token=", &[HOST, BEARER], false),
        ("GET", "/api/status?token=token-of-the-barred-one", &[HOST], false),
        ("GET", "/api/status?token=token-of-the-quiet-one", &[HOST], false),
        ("GET", "/api/status", &[HOST], false),
        ("GET", "/api/status", &[("host", "evil.example"), BEARER], false),
        (
            "GET",
            "/api/status",
            &[("host", "000002.api.v3.go-e.io"), BEARER],
            false,
        ),
        ("GET", "/api/status", &[HOST, HOST, BEARER], false),
        ("GET", "/api/status", &[BEARER], false),
        ("GET", "http://127.0.0.1:8080/api/status", &[HOST, BEARER], false),
        (
            "GET",
            "/api/status",
            &[HOST, BEARER, ("content-length", "2000000")],
            false,
        ),
        ("GET", "/api/status/", &[HOST, BEARER], false),
        ("GET", "/api/set?amp=8", &[HOST, BEARER], false),
        ("HEAD", "/api/status", &[HOST, BEARER], false),
        ("OPTIONS", "/api/status", &[HOST, BEARER], false),
        ("POST", "/api/status", &[HOST, BEARER], false),
    ] {
        let made = || request(method, target, headers);
        assert_eq!(
            check(&world, &front, &made).await,
            expected,
            "{method} {target} {headers:?}"
        );
    }
}

/// Whatever changes shows at once, here as there.
#[tokio::test]
async fn nothing_old_is_answered() {
    let world = live().await;
    let front = Front::new(world.state.clone());
    let bearer = ("authorization", "Bearer myapitoken");
    let headers = [("host", "127.0.0.1:8080"), bearer];
    let all = async || {
        let mut answered = 0;
        for target in [
            "/api/status",
            "/api/status?filter=amp,cak,cae",
            "/api/status?age=90",
        ] {
            answered += usize::from(check(&world, &front, &|| request("GET", target, &headers)).await);
        }
        answered
    };
    assert_eq!(all().await, 3);
    world
        .change("home", |view| {
            view.evses[0].wish.current = model::units::MilliAmps(7_000)
        })
        .await;
    assert_eq!(all().await, 3);
    world.step(40_000);
    assert_eq!(all().await, 1);
    tell(&world).await;
    assert_eq!(all().await, 3);
    world
        .change("home", |view| {
            view.devices[2].link = LinkState::Offline {
                problem: "gone".into(),
            }
        })
        .await;
    assert_eq!(all().await, 3);
    let admin = world.state.gate.principal_of_bearer(TOKEN).await.unwrap();
    let by = By::new(&admin, "native");
    for (enabled, answered) in [(Some(false), 0), (None, 3)] {
        let door = Switches {
            enabled,
            ..Switches::default()
        };
        world
            .state
            .gate
            .put_switches(&by, &DIALECT, &charger("left"), door)
            .await
            .unwrap();
        assert_eq!(all().await, answered, "{enabled:?}");
    }
    world
        .state
        .gate
        .renew_credential(&by, &DIALECT, &charger("left"))
        .await
        .unwrap();
    assert_eq!(all().await, 0);
    let token = world
        .state
        .gate
        .credential(&DIALECT, &charger("left"))
        .unwrap()
        .unwrap();
    let target = format!("/api/status?filter=cak&token={}", token.expose());
    assert!(check(&world, &front, &|| request("GET", &target, &headers[..1])).await);
}

/// What a device said before a start is put on the bus by the engine of its site; no answer waits for the store.
#[tokio::test]
async fn what_is_in_the_store_alone_is_not_shown() {
    let world = World::new().await;
    let mut kept = document(world.clock.now());
    kept.json = r#"{"fna":"out of the store"}"#.into();
    let (home, station) = (site_id("home"), device_id("left-station"));
    world.store.put_document(&home, &station, &kept).await.unwrap();
    let target = "/api/status?filter=fna&token=myapitoken";
    let shown = async || {
        let request = request("GET", target, &[("host", "127.0.0.1:8080")]);
        let (status, _, body) = whole(world.app.clone().oneshot(request).await.unwrap()).await;
        assert_eq!(status, 200);
        String::from_utf8(body).unwrap()
    };
    assert!(!shown().await.contains("out of the store"));
    let reported = Reported {
        site: home,
        device: station,
        at: kept.at,
        report: Report::Document(kept),
    };
    world.bus.publish(Message::Reported(reported)).await;
    assert!(shown().await.contains("out of the store"));
}

/// More queries than are kept.
#[tokio::test]
async fn requests_answered_at_once_are_counted_with_the_others() {
    let world = live().await;
    let front = Front::new(world.state.clone());
    let headers = [("host", "127.0.0.1:8080"), ("authorization", "Bearer myapitoken")];
    for round in 0..3 {
        for age in 40..60 {
            let target = format!("/api/status?age={age}&filter=amp,car");
            assert!(
                check(&world, &front, &|| request("GET", &target, &headers)).await,
                "{round} {age}"
            );
        }
    }
    let metrics = world.get("/metrics").await.text;
    for line in [
        r#"ohmstead_http_requests_total{method="GET",route="/api/status",status="2xx"} 120"#,
        r#"ohmstead_door_requests_total{door="goe",status="2xx"} 120"#,
    ] {
        assert!(metrics.lines().any(|known| known == line), "{metrics}");
    }
}

fn query() -> impl Strategy<Value = String> {
    let parts = vec![
        "token=myapitoken",
        "token=wrong",
        "token",
        "token=my%61pitoken",
        "tok%65n=x",
        "age=5",
        "age=0",
        "age=1e9",
        "age=x",
        "age=-1",
        "filter=amp",
        "filter=nrg,car,amp,amp",
        "filter=cak",
        "filter=",
        "filter=,,",
        "filter=nosuch,wak,mod",
        "filter=%5B%22eto%22%5D",
        "filter=amp%2Ccar",
        "filter=amp+car",
        "fil+ter=amp",
        "=3",
        "&",
        "a=b",
        "%",
        "filter=%ff",
        "filter=fna,sse,rbt,utc,tma,pha,modelStatus",
        "x=%zz",
    ];
    (subsequence(parts, 0..5).prop_shuffle(), any::<bool>()).prop_map(|(parts, mark)| {
        let query = parts.join("&");
        if query.is_empty() && !mark {
            query
        } else {
            format!("?{query}")
        }
    })
}

fn headers() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let hosts = select(vec![
        "127.0.0.1:8080",
        "localhost",
        "000001.api.v3.go-e.io",
        "1.x.y",
        "000005.api.v3.go-e.io",
        "evil.example",
        "[::1]:80",
        "ohmstead.example",
        "",
    ]);
    let others = vec![
        ("authorization", "Bearer myapitoken"),
        ("authorization", "Basic myapitoken"),
        ("authorization", "myapitoken"),
        ("authorization", "Bearer wrong"),
        ("authorization", ""),
        ("origin", "https://evil.example"),
        ("sec-fetch-site", "cross-site"),
        ("accept-encoding", "gzip"),
        ("if-none-match", "*"),
        ("range", "bytes=0-1"),
        ("connection", "close"),
        ("content-length", "0"),
        ("expect", "100-continue"),
    ];
    (hosts, subsequence(others, 0..4).prop_shuffle()).prop_map(|(host, mut headers)| {
        headers.insert(0, ("host", host));
        headers
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of requests made of all kinds of parts.
    #[test]
    fn an_answer_at_once_is_the_routers(
        requests in prop::collection::vec((select(vec!["GET", "GET", "GET", "HEAD", "POST"]), query(), headers(), 0..9_000_i64), 24),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let world = live().await;
            let front = Front::new(world.state.clone());
            let mut answered = 0;
            for (method, query, headers, step) in requests {
                world.step(step);
                let target = format!("/api/status{query}");
                answered += usize::from(check(&world, &front, &|| request(method, &target, &headers)).await);
            }
            // What is asked plainly was answered here.
            tell(&world).await;
            let plain = [("host", "localhost"), ("authorization", "Bearer myapitoken")];
            answered += usize::from(check(&world, &front, &|| request("GET", "/api/status", &plain)).await);
            assert!(answered > 0);
        });
    }
}
