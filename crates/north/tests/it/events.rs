//! The event stream.

use std::sync::Arc;

use axum::body::{Body, BodyDataStream};
use futures_util::StreamExt;
use gate::{By, Principal};
use http::Request;
use model::id::UserId;
use model::units::Watts;
use model::user::{Role, User};
use north::native::wire::{Patch, SiteView};
use serde_json::Value;
use tower::ServiceExt;

use crate::world::{HOST, TOKEN, World, bearer, device_id, site_id};

/// A connected client that reads events as a browser does.
struct Watch {
    body: BodyDataStream,
    text: String,
}

#[derive(Debug)]
struct Event {
    id: String,
    kind: String,
    data: Value,
}

impl Watch {
    async fn open(world: &World, path: &str, last: Option<&str>) -> Self {
        let mut request = Request::get(path)
            .header("host", HOST)
            .header("authorization", bearer(TOKEN));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = world
            .app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self {
            body: response.into_body().into_data_stream(),
            text: String::new(),
        }
    }

    async fn next(&mut self) -> Event {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| {
                    let line = event
                        .lines()
                        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    line.unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&field("data")).unwrap();
                let event = Event {
                    id: field("id"),
                    kind: field("event"),
                    data,
                };
                self.text = rest.to_owned();
                return event;
            }
            let part = self.body.next().await.expect("the stream goes on").unwrap();
            self.text.push_str(std::str::from_utf8(&part).unwrap());
        }
    }
}

/// A world whose hub runs, with the first views taken.
async fn running() -> World {
    let world = World::new().await;
    let (hub, bus) = (Arc::clone(&world.state.hub), world.bus.clone());
    tokio::spawn(hub.run(bus, Arc::clone(&world.state.readiness)));
    // The hub reads the latest views before anything else; this client sees them once it has.
    loop {
        let mut client = world.state.hub.open("x", None, Arc::new(|_| true)).unwrap();
        if let Ok(Some(_)) = tokio::time::timeout(std::time::Duration::from_millis(1), client.next()).await {
            return world;
        }
    }
}

/// A new power of the grid meter, so much later.
async fn draw(world: &World, ms: i64, watts: i64) {
    world.step(ms);
    world
        .change("home", |view| {
            view.devices[0].measured.power = Some(Watts(watts));
            view.flow.grid = Some(Watts(watts));
        })
        .await;
}

#[tokio::test]
async fn views_come_first_and_then_what_changed() {
    let world = running().await;
    let mut watch = Watch::open(&world, "/api/v1/events", None).await;
    let (home, yard) = (watch.next().await, watch.next().await);
    assert_eq!((home.kind.as_str(), yard.kind.as_str()), ("view", "view"));
    let view: SiteView = serde_json::from_value(home.data).unwrap();
    assert_eq!((view.id.as_str(), view.flow.grid_w), ("home", Some(2_800)));
    assert_eq!(yard.data["id"], "yard");

    draw(&world, 1_000, 4_000).await;
    let event = watch.next().await;
    assert_eq!(event.kind, "patch");
    let patch: Patch = serde_json::from_value(event.data).unwrap();
    assert_eq!(patch.site, "home");
    assert_eq!(patch.flow.unwrap().grid_w, Some(4_000));
    assert_eq!(patch.devices.len(), 1);
    assert_eq!(patch.devices[0].id, "grid");
    assert!(patch.evses.is_empty() && patch.circuits.is_empty() && patch.alarms.is_none());
    assert_ne!(event.id, yard.id);
}

#[tokio::test]
async fn a_client_resumes_with_one_patch_of_what_it_missed() {
    let world = running().await;
    let mut watch = Watch::open(&world, "/api/v1/events?site=home", None).await;
    let first = watch.next().await;
    draw(&world, 1_000, 4_000).await;
    let seen = watch.next().await;
    drop(watch);

    // Somebody else stays and sees each change, so that none of them waits for the next.
    let mut other = world
        .state
        .hub
        .open("x", Some(&seen.id), Arc::new(|_| true))
        .unwrap();
    draw(&world, 1_000, 5_000).await;
    other.next().await.unwrap();
    world.step(1_000);
    world.change("home", |view| view.evses[0].power = Watts(9)).await;
    other.next().await.unwrap();
    world.change("yard", |view| view.evses[0].power = Watts(9)).await;
    other.next().await.unwrap();

    let mut watch = Watch::open(&world, "/api/v1/events?site=home", Some(&seen.id)).await;
    let event = watch.next().await;
    assert_eq!(event.kind, "patch");
    assert_eq!(event.data["site"], "home");
    assert_eq!(event.data["devices"].as_array().unwrap().len(), 1);
    assert_eq!(event.data["devices"][0]["measured"]["power_w"], 5_000);
    assert_eq!(event.data["evses"][0]["power_w"], 9);

    // Of both sites: one patch each, and nothing of a site that has not changed.
    let mut watch = Watch::open(&world, "/api/v1/events", Some(&event.id)).await;
    draw(&world, 1_000, 6_000).await;
    assert_eq!(watch.next().await.data["site"], "home");
    let mut watch = Watch::open(&world, "/api/v1/events", Some(&first.id)).await;
    assert_eq!(watch.next().await.data["site"], "home");
    let yard = watch.next().await;
    assert_eq!(
        (yard.kind.as_str(), yard.data["site"].as_str()),
        ("patch", Some("yard"))
    );
}

#[tokio::test]
async fn an_unknown_or_old_id_gets_whole_views() {
    let world = running().await;
    let mut watch = Watch::open(&world, "/api/v1/events?site=home", None).await;
    let seen = watch.next().await.id;
    let other_process = format!("x{seen}");
    for last in ["", "nonsense", "0-1", other_process.as_str()] {
        let mut watch = Watch::open(&world, "/api/v1/events?site=home", Some(last)).await;
        assert_eq!(watch.next().await.kind, "view", "{last}");
    }
    draw(&world, 600_000, 4_000).await;
    assert_eq!(watch.next().await.kind, "patch");
    let mut back = Watch::open(&world, "/api/v1/events?site=home", Some(&seen)).await;
    assert_eq!(back.next().await.kind, "patch");
    draw(&world, 1_000, 4_001).await;
    watch.next().await;
    let mut back = Watch::open(&world, "/api/v1/events?site=home", Some(&seen)).await;
    assert_eq!(back.next().await.kind, "view");
}

#[tokio::test]
async fn a_new_device_is_told_by_a_whole_view() {
    let world = running().await;
    let mut watch = Watch::open(&world, "/api/v1/events?site=home", None).await;
    watch.next().await;
    world.step(1_000);
    world
        .change("home", |view| {
            let mut device = view.devices[0].clone();
            device.id = device_id("second");
            view.devices.push(device);
        })
        .await;
    let event = watch.next().await;
    assert_eq!(
        (
            event.kind.as_str(),
            event.data["devices"].as_array().unwrap().len()
        ),
        ("view", 4)
    );
}

#[tokio::test]
async fn a_slow_client_starts_over_with_whole_views() {
    let world = running().await;
    let mut slow = world
        .state
        .hub
        .open("x", None, Arc::new(|site| site.as_str() == "home"))
        .unwrap();
    slow.next().await.unwrap();
    let mut quick = world
        .state
        .hub
        .open("x", None, Arc::new(|site| site.as_str() == "home"))
        .unwrap();
    quick.next().await.unwrap();
    for watts in 0..100 {
        draw(&world, 1_000, watts).await;
        let (_, message) = quick.next().await.unwrap();
        assert_eq!(message.kind.name(), "patch");
    }
    let (_, message) = slow.next().await.unwrap();
    assert_eq!(message.kind.name(), "view");
    assert!(message.data.contains(r#""grid_w":99"#));
}

#[tokio::test]
async fn progress_of_the_past_is_told_until_it_is_made() {
    let world = running().await;
    let mut watch = Watch::open(&world, "/api/v1/events?site=home", None).await;
    watch.next().await;
    for permille in [250, 1_000] {
        world.state.readiness.set_backfill_progress(permille);
        let event = watch.next().await;
        assert_eq!(
            (event.kind.as_str(), event.data["progress_permille"].as_u64()),
            ("backfill", Some(permille.into()))
        );
    }
}

#[tokio::test]
async fn streams_end_when_their_task_is_ended() {
    let world = World::new().await;
    let (hub, bus) = (Arc::clone(&world.state.hub), world.bus.clone());
    let task = tokio::spawn(hub.run(bus, Arc::clone(&world.state.readiness)));
    tokio::task::yield_now().await;
    let mut client = world.state.hub.open("x", None, Arc::new(|_| true)).unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert!(client.next().await.is_some());
    while client.next().await.is_some() {}
}

#[tokio::test]
async fn streams_end_with_the_hub_and_with_the_session() {
    let world = running().await;
    world
        .state
        .gate
        .create_admin("admin", "correct horse battery")
        .await
        .unwrap();
    let ticket = world.state.gate.sign_in_ticket("admin").unwrap();
    let session = world.state.gate.use_sign_in_ticket(&ticket).await.unwrap();
    let cookie = session.cookie_value.expose();
    let request = Request::get("/api/v1/events?site=home")
        .header("host", HOST)
        .header("cookie", format!("ohmstead_session={cookie}"))
        .body(Body::empty())
        .unwrap();
    let response = world.app.clone().oneshot(request).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    assert!(body.next().await.is_some());
    world.state.gate.sign_out(cookie).await.unwrap();
    draw(&world, 1_000, 1).await;
    assert!(body.next().await.is_none());

    let mut watch = Watch::open(&world, "/api/v1/events?site=home", None).await;
    watch.next().await;
    world.state.hub.close();
    assert!(watch.body.next().await.is_none());
}

#[tokio::test]
async fn who_may_see_something_else_by_now_has_to_ask_anew() {
    let world = running().await;
    let gate = &world.state.gate;
    gate.create_admin("admin", "correct horse battery").await.unwrap();
    let console = Principal::console();
    let by = By::new(&console, "console");
    let (home, yard) = (site_id("home"), site_id("yard"));
    let mut user = User::new(UserId::new("zoe").unwrap(), "Resident 1", Role::Viewer);
    user.role = None;
    user.sites = [(home, Role::Viewer), (yard.clone(), Role::Viewer)].into();
    gate.create_user(&by, user.clone()).await.unwrap();
    let ticket = gate.sign_in_ticket("zoe").unwrap();
    let session = gate.use_sign_in_ticket(&ticket).await.unwrap();
    let request = Request::get("/api/v1/events?site=home")
        .header("host", HOST)
        .header(
            "cookie",
            format!("ohmstead_session={}", session.cookie_value.expose()),
        )
        .body(Body::empty())
        .unwrap();
    let response = world.app.clone().oneshot(request).await.unwrap();
    let mut body = response.into_body().into_data_stream();
    assert!(body.next().await.is_some());
    user.sites = [(yard, Role::Viewer)].into();
    gate.change_user(&by, user).await.unwrap();
    draw(&world, 1_000, 1).await;
    assert!(body.next().await.is_none());
}

#[tokio::test]
async fn nobody_takes_the_streams_of_all() {
    let world = running().await;
    let hub = &world.state.hub;
    let mut open: Vec<_> = (0..100)
        .map(|_| hub.open("token:display", None, Arc::new(|_| true)).unwrap())
        .collect();
    assert!(hub.open("token:display", None, Arc::new(|_| true)).is_none());
    assert!(hub.open("admin", None, Arc::new(|_| true)).is_some());
    open.pop();
    assert!(hub.open("token:display", None, Arc::new(|_| true)).is_some());
}
