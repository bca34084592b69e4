//! A process that is killed while its outbox is full: everything owed arrives at least once, in order for each
//! target, and nothing is marked delivered that was not.
//!
//! The child is this test binary again, told by a variable to send until it dies.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use links::http::Client;
use links::outbound_guard::{Guard, SystemResolver};
use links::{Limits, ServerLimits};
use model::id::ParcelId;
use model::outbox::{Content, Parcel, ParcelState};
use model::time::{Clock, Monotonic, Now, Timestamp};
use north::outbox::{Sender, Ways};
use store::{Outbox, Sqlite};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The directory, and at what time the child believes to start.
const CHILD: &str = "OHMSTEAD_OUTBOX_KILL_CHILD";
const TARGETS: usize = 6;
const PARCELS: usize = 12;
/// A round begins so much later than the one before, by its own clock: what was under way is due again.
const ROUND_MS: i64 = 7_200_000;
const MOST_ROUNDS: i64 = 200;

/// Time that goes on from where it was told to begin.
struct Since(Timestamp, tokio::time::Instant);

impl Clock for Since {
    fn now(&self) -> Now {
        let passed = i64::try_from(self.1.elapsed().as_millis()).unwrap();
        Now {
            wall: Timestamp(self.0.0 + passed),
            monotonic: Monotonic(passed),
        }
    }
}

#[tokio::test]
async fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let (begin, directory) = told.split_once(' ').unwrap();
    let clock = Arc::new(Since(
        Timestamp(begin.parse().unwrap()),
        tokio::time::Instant::now(),
    ));
    let store = Sqlite::open(Path::new(directory)).unwrap();
    let key = gate::InstallationKey::from_bytes([7; 32]);
    let gate = gate::Gate::open(store.clone(), key, clock.clone()).await.unwrap();
    let limits = Limits {
        connect_timeout: Duration::from_secs(10),
        timeout: Duration::from_secs(10),
        max_body: 1_024,
    };
    let guard = Arc::new(Guard::new(&["127.0.0.0/8"]).unwrap());
    let ways = Ways {
        http: Client::guarded(limits, guard, Arc::new(SystemResolver)).unwrap(),
        mailer: tokio::sync::watch::channel(None).1,
        key: gate.signing_key().await.unwrap(),
        operators: None,
    };
    Sender::new(store, clock, ways)
        .run(CancellationToken::new())
        .await;
}

fn id(target: usize, number: usize) -> String {
    format!("t{target}-{number:02}")
}

/// Notes what comes before it answers.
async fn receiver(heard: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let handler = move |request: http::Request<Vec<u8>>| {
        let key = request.headers().get("idempotency-key").unwrap();
        heard.lock().unwrap().push(key.to_str().unwrap().to_owned());
        async move { Some(http::Response::new(Vec::new())) }
    };
    let stop = CancellationToken::new();
    tokio::spawn(links::http::serve(
        listener,
        ServerLimits::default(),
        stop,
        handler,
    ));
    base
}

async fn fill(directory: &Path, base: &str) {
    let store = Sqlite::open(directory).unwrap();
    for number in 0..PARCELS {
        for target in 0..TARGETS {
            let url = format!("{base}/{target}");
            let parcel = Parcel {
                id: ParcelId::new(&id(target, number)).unwrap(),
                target: url.clone(),
                content: Content::Webhook {
                    url,
                    body: "{}".to_owned(),
                },
                author: None,
                created: Timestamp(0),
                attempts: 0,
                state: ParcelState::Waiting {
                    next_attempt: Timestamp(0),
                },
                last_error: None,
            };
            store.put_parcel(&parcel).await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_is_owed_arrives_however_often_the_process_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let base = receiver(heard.clone()).await;
    fill(directory.path(), &base).await;
    let mut seed = 20_261_127_u64;
    let mut rounds = 0;
    let mut cut_short = 0;
    loop {
        rounds += 1;
        assert!(
            rounds <= MOST_ROUNDS,
            "still not delivered after {MOST_ROUNDS} rounds"
        );
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "outbox_kill::child"])
            .env(
                CHILD,
                format!("{} {}", rounds * ROUND_MS, directory.path().display()),
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // Killed after so many messages of this round, wherever it is then; the last rounds may have fewer.
        let before = heard.lock().unwrap().len();
        let wanted = before + 1 + usize::try_from((seed >> 33) % 20).unwrap();
        for _ in 0..400 {
            if heard.lock().unwrap().len() >= wanted {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let store = Sqlite::open(directory.path()).unwrap();
        let heard = heard.lock().unwrap().clone();
        let mut waiting = 0;
        for (_, parcel) in store.parcels(None, None, 500).await.unwrap() {
            match parcel.state {
                ParcelState::Waiting { .. } => waiting += 1,
                ParcelState::Delivered { .. } => assert!(
                    heard.iter().any(|id| id == parcel.id.as_str()),
                    "{} is marked and never arrived",
                    parcel.id
                ),
                ParcelState::Dead { .. } => panic!("{parcel:?}"),
            }
        }
        if waiting == 0 {
            break;
        }
        cut_short += 1;
    }
    assert!(cut_short > 2, "nobody was killed with anything to do");
    let mut of_target: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for id in heard.lock().unwrap().iter() {
        let seen = of_target
            .entry(id.split('-').next().unwrap().to_owned())
            .or_default();
        if !seen.contains(id) {
            seen.push(id.clone());
        }
    }
    assert_eq!(of_target.len(), TARGETS);
    for (target, seen) in of_target {
        let expected: Vec<String> = (0..PARCELS)
            .map(|number| format!("{target}-{number:02}"))
            .collect();
        assert_eq!(seen, expected);
    }
}
