//! What leaves: webhooks to a receiver on loopback, alarms that are told once, parcels given up and sent again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use links::http::Client;
use links::outbound_guard::{Guard, SystemResolver};
use links::{Limits, ServerLimits};
use model::alarm::{Acknowledged, Alarm, AlarmCode, Severity};
use model::id::{ParcelId, UserId};
use model::outbox::{Content, Parcel, ParcelState};
use model::time::{Clock, Millis, Timestamp};
use model::user::{Notify, Role, User};
use north::outbox::notices::Notifier;
use north::outbox::{Sender, Ways};
use serde_json::{Value, json};
use store::{Alarms, Outbox, Store};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::world::{BEGIN, HOUR, VIEWER, World, bearer, device_id, request, site_id};

/// A receiver of webhooks: what it heard, and what it answers to the path.
struct Receiver {
    base: String,
    heard: Arc<Mutex<Vec<Heard>>>,
    _stop: DropGuard,
}

#[derive(Clone, Debug)]
struct Heard {
    path: String,
    key: String,
    signature: String,
    body: String,
}

impl Receiver {
    /// `/ok` takes, `/fails` answers 500, `/gone` 410, `/moved` redirects to loopback, `/hangs` says nothing,
    /// `/endless` never stops talking.
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let heard: Arc<Mutex<Vec<Heard>>> = Arc::default();
        let notes = heard.clone();
        let handler = move |request: http::Request<Vec<u8>>| {
            let text = |name| request.headers().get(name).map_or("", |v| v.to_str().unwrap());
            let path = request.uri().path().to_owned();
            notes.lock().unwrap().push(Heard {
                path: path.clone(),
                key: text("idempotency-key").to_owned(),
                signature: text("ohmstead-signature").to_owned(),
                body: String::from_utf8(request.body().clone()).unwrap(),
            });
            let status = match path.as_str() {
                "/fails" => 500,
                "/gone" => 410,
                "/moved" => 307,
                _ => 200,
            };
            let body = if path == "/endless" {
                vec![b'x'; 4_000_000]
            } else {
                Vec::new()
            };
            let answer = http::Response::builder()
                .status(status)
                .header("location", "http://127.0.0.1:1/")
                .body(body)
                .unwrap();
            async move { (path != "/hangs").then_some(answer) }
        };
        tokio::spawn(links::http::serve(
            listener,
            ServerLimits::default(),
            stop.clone(),
            handler,
        ));
        Self {
            base,
            heard,
            _stop: stop.drop_guard(),
        }
    }

    /// Paths in the order in which they were asked for, without those before.
    fn take(&self) -> Vec<String> {
        self.take_all().into_iter().map(|heard| heard.path).collect()
    }

    fn take_all(&self) -> Vec<Heard> {
        std::mem::take(&mut *self.heard.lock().unwrap())
    }
}

async fn sender(world: &World, allow: &[&str]) -> Sender {
    let limits = Limits {
        connect_timeout: Duration::from_secs(1),
        timeout: Duration::from_secs(1),
        max_body: 1_024,
    };
    let guard = Arc::new(Guard::new(allow).unwrap());
    let ways = Ways {
        http: Client::guarded(limits, guard, Arc::new(SystemResolver)).unwrap(),
        mailer: tokio::sync::watch::channel(None).1,
        key: world.state.gate.signing_key().await.unwrap(),
        operators: None,
    };
    Sender::new(world.store.clone(), world.clock.clone(), ways)
}

const HERE: &[&str] = &["127.0.0.0/8"];

fn parcel(id: &str, url: &str) -> Parcel {
    Parcel {
        id: ParcelId::new(id).unwrap(),
        target: url.to_owned(),
        content: Content::Webhook {
            url: url.to_owned(),
            body: format!("{{\"id\":\"{id}\"}}"),
        },
        author: None,
        created: BEGIN.wall,
        attempts: 0,
        state: ParcelState::Waiting {
            next_attempt: BEGIN.wall,
        },
        last_error: None,
    }
}

async fn put(world: &World, id: &str, url: &str) {
    world.store.put_parcel(&parcel(id, url)).await.unwrap();
}

async fn found(world: &World, id: &str) -> Parcel {
    let id = ParcelId::new(id).unwrap();
    world.store.parcel(&id).await.unwrap().unwrap()
}

/// State and what the last attempt said.
async fn became(world: &World, id: &str) -> (&'static str, String) {
    let parcel = found(world, id).await;
    let state = match parcel.state {
        ParcelState::Waiting { .. } => "waiting",
        ParcelState::Dead { .. } => "dead",
        ParcelState::Delivered { .. } => "delivered",
    };
    (state, parcel.last_error.unwrap_or_default())
}

#[tokio::test]
async fn receivers_and_what_becomes_of_their_parcels() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let mut sender = sender(&world, HERE).await;
    let cases = [
        ("ok", "/ok", "delivered", ""),
        ("endless", "/endless", "delivered", ""),
        ("fails", "/fails", "waiting", "answered 500"),
        ("moved", "/moved", "waiting", "redirects are not followed"),
        ("hangs", "/hangs", "waiting", "no answer within"),
        ("gone", "/gone", "dead", "answered 410"),
    ];
    for (id, path, ..) in cases {
        put(&world, id, &format!("{}{path}", receiver.base)).await;
    }
    put(&world, "metadata", "http://169.254.169.254/latest").await;
    // All leave at once: the one that hangs holds nobody back.
    sender.look().await.unwrap();
    sender.settle().await;
    for (id, _, state, says) in cases {
        let got = became(&world, id).await;
        assert!(got.0 == state && got.1.contains(says), "{id}: {got:?}");
    }
    let got = became(&world, "metadata").await;
    assert!(
        got.0 == "dead" && got.1.contains("a cloud metadata address"),
        "{got:?}"
    );
}

#[tokio::test]
async fn nothing_is_dialled_that_the_administrator_did_not_allow() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    put(&world, "ok", &format!("{}/ok", receiver.base)).await;
    let mut sender = sender(&world, &[]).await;
    sender.look().await.unwrap();
    sender.settle().await;
    assert_eq!(became(&world, "ok").await.0, "dead");
    assert!(receiver.take().is_empty());
}

#[tokio::test]
async fn parcels_of_a_target_keep_their_order_and_a_receiver_can_verify_them() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    let mut sender = sender(&world, HERE).await;
    let target = format!("{}/fails", receiver.base);
    put(&world, "first", &target).await;
    put(&world, "second", &target).await;
    put(&world, "other", &format!("{}/ok", receiver.base)).await;
    for _ in 0..3 {
        sender.look().await.unwrap();
        sender.settle().await;
    }
    let heard = receiver.take_all();
    let of = |path: &str| -> Vec<_> {
        heard
            .iter()
            .filter(|h| h.path == path)
            .map(|h| h.key.clone())
            .collect()
    };
    assert_eq!(
        (of("/fails"), of("/ok")),
        (vec!["first".to_owned()], vec!["other".to_owned()])
    );
    // The younger one leaves when the older one has been given up.
    let first = found(&world, "first").await;
    let dead = Parcel {
        state: ParcelState::Dead { since: BEGIN.wall },
        ..first
    };
    world.store.put_parcel(&dead).await.unwrap();
    sender.look().await.unwrap();
    sender.settle().await;
    let heard = receiver.take_all();
    assert_eq!(heard.len(), 1, "{heard:?}");
    let key = world.state.gate.signing_key().await.unwrap();
    assert_eq!(heard[0].signature, key.sign(BEGIN.wall, "second", &heard[0].body));
}

/// Whoever is killed in the middle of an attempt sends again, under the same id, and not at once.
#[tokio::test]
async fn a_sender_that_was_killed_goes_on_where_it_was() {
    let (world, receiver) = (World::new().await, Receiver::start().await);
    put(&world, "one", &format!("{}/hangs", receiver.base)).await;
    let mut killed = sender(&world, HERE).await;
    killed.look().await.unwrap();
    drop(killed);
    assert_eq!(found(&world, "one").await.attempts, 1);
    receiver.take();
    let mut next = sender(&world, HERE).await;
    next.look().await.unwrap();
    next.settle().await;
    assert!(receiver.take().is_empty());
    world.step(30_000);
    next.look().await.unwrap();
    next.settle().await;
    assert_eq!(receiver.take_all()[0].key, "one");
    assert_eq!(found(&world, "one").await.attempts, 2);
    // What was delivered is forgotten after a week.
    let delivered = Parcel {
        state: ParcelState::Delivered {
            at: world.clock.now().wall,
        },
        ..found(&world, "one").await
    };
    world.store.put_parcel(&delivered).await.unwrap();
    world.step(8 * 24 * HOUR);
    next.look().await.unwrap();
    assert_eq!(world.store.parcel(&delivered.id).await.unwrap(), None);
}

async fn user(world: &World, id: &str, role: Option<Role>, from: Option<Severity>) {
    let mut user = User::new(UserId::new(id).unwrap(), id, Role::Viewer);
    user.role = role;
    user.notify = Notify {
        email: Some(format!("{id}@example.org")),
        webhook: None,
        alarms_from: from,
    };
    store::Typed::put(&*world.store as &dyn Store, &user)
        .await
        .unwrap();
}

/// A notifier that knows the users as they are in the store.
async fn notifier(world: &World) -> Notifier {
    let key = gate::InstallationKey::from_bytes([7; 32]);
    let gate = gate::Gate::open(world.store.clone(), key, world.clock.clone())
        .await
        .unwrap();
    Notifier {
        store: world.store.clone(),
        gate,
        clock: world.clock.clone(),
        settings: world.state.settings.clone(),
    }
}

fn alarm(raised: Timestamp, cleared: Option<Timestamp>) -> Alarm {
    Alarm {
        site: site_id("home"),
        device: Some(device_id("grid")),
        code: AlarmCode::DeviceOffline,
        severity: Severity::Warning,
        text: "no answer within 2000 ms".into(),
        raised,
        cleared,
        acknowledged: None,
    }
}

/// Receiver and subject of every parcel, the oldest first.
async fn mails(world: &World) -> Vec<(String, String)> {
    let mut parcels = world.store.parcels(None, None, 500).await.unwrap();
    parcels.reverse();
    let mail = |parcel: Parcel| match parcel.content {
        Content::Email { to, subject, .. } => (to, subject),
        Content::Notice { operator, .. } | Content::PastSample { operator, .. } => {
            (operator.to_string(), String::new())
        }
        Content::Webhook { url, .. } => (url, String::new()),
    };
    parcels.into_iter().map(|(_, parcel)| mail(parcel)).collect()
}

#[tokio::test]
async fn an_alarm_is_told_once_to_whom_it_concerns() {
    let world = World::new().await;
    user(&world, "all", Some(Role::Viewer), Some(Severity::Warning)).await;
    user(&world, "errors", Some(Role::Admin), Some(Severity::Error)).await;
    user(&world, "nothing", Some(Role::Admin), None).await;
    user(&world, "stranger", None, Some(Severity::Warning)).await;
    let begin = BEGIN.wall;
    // History from before anybody was told of anything.
    let old = alarm(begin - Millis(9_000), Some(begin - Millis(8_000)));
    world.store.put_alarm(&old).await.unwrap();
    world.store.put_alarm(&alarm(begin, None)).await.unwrap();
    // A look that is repeated after a crash, by another process.
    for _ in 0..3 {
        notifier(&world).await.look().await.unwrap();
    }
    let raised = (
        "all@example.org".to_owned(),
        "HOME: grid does not answer".to_owned(),
    );
    assert_eq!(mails(&world).await, std::slice::from_ref(&raised));
    // It comes and goes within a minute: nobody is bothered.
    world
        .store
        .put_alarm(&alarm(begin, Some(begin + Millis(5_000))))
        .await
        .unwrap();
    world.step(20_000);
    notifier(&world).await.look().await.unwrap();
    world.store.put_alarm(&alarm(begin, None)).await.unwrap();
    notifier(&world).await.look().await.unwrap();
    assert_eq!(mails(&world).await, std::slice::from_ref(&raised));
    // Over for a minute.
    world
        .store
        .put_alarm(&alarm(begin, Some(begin + Millis(30_000))))
        .await
        .unwrap();
    for step in [60_000, 30_000, 0, 2 * HOUR, 2 * HOUR] {
        world.step(step);
        notifier(&world).await.look().await.unwrap();
    }
    let over = (
        "all@example.org".to_owned(),
        "HOME: over: grid does not answer".to_owned(),
    );
    assert_eq!(mails(&world).await, [raised, over]);
    let parcels = world.store.parcels(None, None, 1).await.unwrap();
    let parcels: Vec<Parcel> = parcels.into_iter().map(|(_, parcel)| parcel).collect();
    let Content::Email { body, .. } = &parcels[0].content else {
        panic!("{parcels:?}")
    };
    assert_eq!(
        body,
        "Site: HOME\nDevice: grid\nSince: 2025-11-22 01:00 CET\nOver since: 2025-11-22 01:00 CET\n\nno answer within 2000 ms\n"
    );
}

#[tokio::test]
async fn an_alarm_that_somebody_has_seen_does_not_nag() {
    let world = World::new().await;
    user(&world, "all", Some(Role::Viewer), Some(Severity::Warning)).await;
    notifier(&world).await.look().await.unwrap();
    let seen = Alarm {
        acknowledged: Some(Acknowledged {
            by: UserId::new("all").unwrap(),
            at: BEGIN.wall,
        }),
        ..alarm(BEGIN.wall, None)
    };
    world.store.put_alarm(&seen).await.unwrap();
    notifier(&world).await.look().await.unwrap();
    let over = alarm(BEGIN.wall, Some(BEGIN.wall));
    world.store.put_alarm(&over).await.unwrap();
    world.step(HOUR / 2);
    notifier(&world).await.look().await.unwrap();
    assert_eq!(mails(&world).await, []);
}

#[tokio::test]
async fn an_administrator_sees_retries_and_deletes() {
    let world = World::new().await;
    let dead = Parcel {
        state: ParcelState::Dead { since: BEGIN.wall },
        attempts: 32,
        last_error: Some("answered 500".into()),
        ..parcel("one", "https://hooks.example/secret-path?key=1")
    };
    world.store.put_parcel(&dead).await.unwrap();
    let list = world.get("/api/v1/outbox?state=dead").await;
    assert_eq!(
        list.json()["items"][0],
        json!({"id": "one", "kind": "webhook", "target": "hooks.example", "state": "dead", "created_ms": BEGIN.wall.0,
            "attempts": 32, "at_ms": BEGIN.wall.0, "last_error": "answered 500"})
    );
    assert!(!list.text.contains("secret-path"));
    let again = world.post("/api/v1/outbox/one/retry", "").await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["state"]),
        (202, &json!("waiting"))
    );
    assert_eq!(
        world.get("/api/v1/outbox?state=dead").await.json()["items"],
        json!([])
    );
    for (method, path, status) in [
        ("GET", "/api/v1/outbox", 403),
        ("GET", "/api/v1/outbox/signing-key", 403),
        ("POST", "/api/v1/outbox/one/retry", 403),
        ("DELETE", "/api/v1/outbox/one", 403),
        ("POST", "/api/v1/users/all/notify/test", 403),
        ("POST", "/api/v1/sites/home/alarms/acknowledgement", 403),
    ] {
        let headers = [
            ("authorization", bearer(VIEWER)),
            ("content-type", "application/json".to_owned()),
        ];
        let headers = headers.each_ref().map(|(name, value)| (*name, value.as_str()));
        let body = if path.ends_with("acknowledgement") {
            r#"{"code":"meter_silent","raised_ms":1}"#
        } else {
            ""
        };
        let got = world.ask(request(method, path, &headers, body)).await;
        assert_eq!(got.status.as_u16(), status, "{method} {path}: {}", got.text);
    }
    let owner = bearer(crate::world::TOKEN);
    let delete = || request("DELETE", "/api/v1/outbox/one", &[("authorization", &owner)], "");
    assert_eq!(world.ask(delete()).await.status.as_u16(), 204);
    assert_eq!(world.ask(delete()).await.error(), (404, "unknown".to_owned()));
    let key: Value = world.get("/api/v1/outbox/signing-key").await.json();
    assert_eq!(key["key"], world.state.gate.signing_key().await.unwrap().expose());
    assert_eq!(world.get("/api/v1/outbox?limit=0").await.error().0, 422);
    assert_eq!(world.get("/api/v1/outbox?cursor=x").await.error().0, 422);
    assert_eq!(world.get("/api/v1/outbox?state=lost").await.error().0, 400);
}

#[tokio::test]
async fn alarms_come_page_by_page_and_can_be_acknowledged() {
    let world = World::new().await;
    for minute in 0..5 {
        let raised = BEGIN.wall + Millis(minute * 60_000);
        let cleared = (minute != 4).then_some(raised);
        world.store.put_alarm(&alarm(raised, cleared)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut path = "/api/v1/sites/home/alarms?limit=2".to_owned();
    loop {
        let page = world.get(&path).await.json();
        seen.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|alarm| alarm["raised_ms"].as_i64().unwrap()),
        );
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/sites/home/alarms?limit=2&cursor={next}");
    }
    let expected: Vec<i64> = (0..5)
        .rev()
        .map(|minute| BEGIN.wall.0 + minute * 60_000)
        .collect();
    assert_eq!(seen, expected);
    let open = world.get("/api/v1/sites/home/alarms?state=open").await.json();
    assert_eq!(open["items"].as_array().unwrap().len(), 1);
    // Open ones have pages as well.
    let reopened = alarm(BEGIN.wall, None);
    world.store.put_alarm(&reopened).await.unwrap();
    let first = world
        .get("/api/v1/sites/home/alarms?state=open&limit=1")
        .await
        .json();
    assert_eq!(first["items"][0]["raised_ms"], BEGIN.wall.0 + 4 * 60_000);
    let next = first["next"].as_str().unwrap();
    let path = format!("/api/v1/sites/home/alarms?state=open&limit=1&cursor={next}");
    let second = world.get(&path).await.json();
    assert_eq!(
        (&second["items"][0]["raised_ms"], second.get("next")),
        (&json!(BEGIN.wall.0), None)
    );
    assert_eq!(
        world.get("/api/v1/sites/home/alarms?cursor=x").await.error().0,
        422
    );
    let body = r#"{"device":"grid","code":"device_offline","raised_ms":1763769840000}"#;
    let answer = world
        .post("/api/v1/sites/home/alarms/acknowledgement", body)
        .await;
    assert_eq!(answer.status.as_u16(), 204, "{}", answer.text);
}

#[tokio::test]
async fn dead_letters_come_page_by_page() {
    let world = World::new().await;
    for number in 0..5 {
        let dead = Parcel {
            state: ParcelState::Dead { since: BEGIN.wall },
            ..parcel(&format!("p{number}"), "https://hooks.example/")
        };
        world.store.put_parcel(&dead).await.unwrap();
    }
    put(&world, "waits", "https://hooks.example/").await;
    let (mut seen, mut pages) = (Vec::new(), 0);
    let mut path = "/api/v1/outbox?state=dead&limit=2".to_owned();
    loop {
        let page = world.get(&path).await.json();
        pages += 1;
        let items = page["items"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/outbox?state=dead&limit=2&cursor={next}");
    }
    assert_eq!((seen.join(" ").as_str(), pages), ("p4 p3 p2 p1 p0", 3));
}

/// An address that may never be dialled is refused when it is saved, not when an alarm is to be told.
#[tokio::test]
async fn a_webhook_is_looked_at_when_it_is_saved() {
    let world = World::new().await;
    let body = |url: &str| {
        json!({"id": "zoe", "name": "Resident 1", "role": "user", "notify": {"webhook": url}}).to_string()
    };
    for (url, says) in [
        ("http://192.168.1.30/hook", "a private address"),
        ("http://169.254.169.254/latest", "a cloud metadata address"),
        ("http://[::1]/", "a loopback address"),
        ("ftp://hooks.example/", "expected http or https"),
        ("hooks", "no address"),
        ("https://hub:secret@hooks.example/", "user name or password"),
    ] {
        let answer = world.post("/api/v1/users", &body(url)).await;
        assert_eq!(answer.status.as_u16(), 422, "{url}: {}", answer.text);
        assert!(
            answer.text.contains(says) && answer.text.contains("notify.webhook"),
            "{url}: {}",
            answer.text
        );
    }
    let answer = world
        .post("/api/v1/users", &body("https://hooks.example/alarm"))
        .await;
    assert_eq!(answer.status.as_u16(), 201, "{}", answer.text);
    let owner = bearer(crate::world::TOKEN);
    let headers = [
        ("authorization", owner.as_str()),
        ("content-type", "application/json"),
    ];
    let change = async |url: &str| {
        let asked = request("PUT", "/api/v1/users/zoe", &headers, &body(url));
        world.ask(asked).await.status.as_u16()
    };
    assert_eq!(change("http://10.0.0.1/").await, 422);
    assert_eq!(change("https://hooks.example/other").await, 200);
}
