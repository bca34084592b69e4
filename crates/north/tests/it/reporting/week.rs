//! A platform that is away for a week, while we start anew in the middle of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::phases::PerPhase;
use model::reading::PilotState;
use model::session::Origin;
use model::time::{Clock, Millis, Timestamp};
use model::units::{MilliAmps, WattHours};
use model::view::{RunningTransaction, SessionView, SiteView, TransactionState};
use store::uploads::Backlog;
use store::{Sqlite, StoreError, Uploads};

use super::{Platform, Running, body, is_all_told, made, platform_id, put, session, until};
use crate::world::{SteppedClock, World};

/// A view every half hour, and in each quarter of a day a charge.
const STEP_MS: i64 = 1_800_000;
const STEPS: i64 = 7 * 48;
const OF_A_CHARGE: i64 = 12;

fn charging(id: &str, since: Timestamp) -> SessionView {
    SessionView {
        id: id.parse().unwrap(),
        since,
        vehicle: None,
        soc: None,
        user: None,
        card: None,
        kind: None,
        state: TransactionState::Running,
        running: Some(RunningTransaction {
            number: 1,
            started: since + Millis(60_000),
        }),
        energy: WattHours(1_230),
        origin: Origin::default(),
        cost: None,
        other_costs: Vec::new(),
        unpriced: WattHours(0),
        estimated: false,
    }
}

/// The process before may take a moment to let go of the directory.
async fn open(directory: &Path) -> Arc<Sqlite> {
    for _ in 0..500 {
        match Sqlite::open(directory) {
            Err(StoreError::InUse { .. }) => tokio::time::sleep(Duration::from_millis(10)).await,
            opened => return opened.unwrap(),
        }
    }
    panic!("somebody keeps the store")
}

/// Shows how the site is now, and waits until what is due waits on disk.
async fn shown(world: &World, view: &mut SiteView, samples: u64, records: u64) {
    view.at = world.clock.now();
    world.show(view.clone()).await;
    let mut waits = Backlog::default();
    for _ in 0..2_000 {
        waits = world.store.backlog(&platform_id()).await.unwrap();
        if (waits.samples, waits.records) == (samples, records) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("{samples} samples and {records} records should wait, {waits:?} do");
}

#[tokio::test]
async fn a_week_without_the_platform_and_a_restart_lose_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let clock = SteppedClock::new();
    let platform = Platform::start(clock.clone()).await;
    let mut view = World::new().await.view("home").await;
    let mut world = World::on(open(directory.path()).await, clock.clone()).await;
    made(&world, &body(&platform)).await;
    let mut running = Running::start(&world);
    view.at = world.clock.now();
    let mut times = vec![view.at.wall];
    let mut starts = Vec::new();
    world.show(view.clone()).await;
    until(&world, "the platform knows us", async || {
        platform.look(|books| books.samples.len() == 1) && is_all_told(&world).await
    })
    .await;
    let entities = platform.look(|books| books.entities.len());

    platform.books.lock().unwrap().away = true;
    for step in 1..=STEPS {
        if step == STEPS / 2 {
            running.stop().await;
            drop(world);
            world = World::on(open(directory.path()).await, clock.clone()).await;
            running = Running::start(&world);
        }
        world.step(STEP_MS);
        let now = world.clock.now().wall;
        times.push(Timestamp::from_seconds(now.as_seconds()));
        let id = format!("week-{}", step / OF_A_CHARGE);
        let evse = &mut view.evses[0];
        match step % OF_A_CHARGE {
            4 => {
                evse.session = Some(charging(&id, now));
                evse.status.pilot = PilotState::C;
                evse.current = PerPhase::new(MilliAmps(16_000), MilliAmps(0), MilliAmps(0));
            }
            5 => {
                let since = evse.session.as_ref().unwrap().since;
                let charge = session(&id, since, 1);
                starts.push(charge.transactions[0].started);
                put(&world, charge).await;
                evse.session = None;
                evse.status.pilot = PilotState::A;
            }
            _ => {}
        }
        let waiting = (times.len() as u64 - 1, starts.len() as u64);
        shown(&world, &mut view, waiting.0, waiting.1).await;
    }
    let state = world.get("/api/v1/reporting/city").await.json();
    assert_eq!(state["state"]["connected"], false, "{state}");
    assert_eq!(platform.look(|books| books.samples.len()), 1);

    platform.books.lock().unwrap().away = false;
    // As long as is waited between two attempts by then, at most.
    world.step(600_000);
    until(&world, "all that waited is told", async || {
        is_all_told(&world).await
    })
    .await;
    running.stop().await;
    let told = platform.look(|books| books.samples.iter().map(|sample| sample.at).collect::<Vec<_>>());
    assert_eq!(told, times, "each sample once, in order");
    assert_eq!(
        platform.look(|books| books.starts.clone()),
        starts,
        "each charge once, in order"
    );
    assert_eq!(starts.len() as i64, STEPS / OF_A_CHARGE);
    let (named, records): (Vec<_>, Vec<_>) = platform.look(|books| {
        let named = books.samples.iter().filter_map(|sample| sample.charge.as_ref());
        (
            named.map(ToString::to_string).collect(),
            books.records.clone().into_iter().collect(),
        )
    });
    let expected: Vec<_> = named.iter().map(|charge: &String| (charge.clone(), 1)).collect();
    assert_eq!(records, expected, "each charge once, and samples of it name it");
    assert_eq!(platform.look(|books| books.entities.len()), entities);
    let left = world.store.backlog(&platform_id()).await.unwrap();
    assert_eq!(left, Backlog::default());
}
