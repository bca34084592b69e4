//! A process that is killed while it writes: whatever it acknowledged is there afterwards.
//!
//! The child is this test binary again, told by a variable to write until it dies. It prints a line for each
//! acknowledged write; the parent kills it at a seeded moment, opens the directory and compares.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use model::device::{ChargeMode, Force, Wish};
use model::id::{EvseId, SiteId};
use model::reading::Quantity;
use model::setpoint::ChargeCurrent;
use model::time::Timestamp;
use model::units::MilliAmps;
use store::{Audit, AuditEntry, Control, History, Sample, Series, Sites, Sqlite, Step};

const CHILD: &str = "OHMSTEAD_STORE_KILL_CHILD";
const ROUNDS: u64 = 5;
/// What is promised for readings.
const AT_MOST_LOST: Duration = Duration::from_secs(5);

fn site() -> SiteId {
    SiteId::new("home").unwrap()
}

fn evse(n: u64) -> EvseId {
    EvseId::new(&format!("evse{n}")).unwrap()
}

fn power() -> Series {
    Series {
        subject: "device:grid".to_owned(),
        quantity: Quantity::Power,
    }
}

/// A setpoint that tells which write it came from.
fn numbered(n: u64) -> ChargeCurrent {
    ChargeCurrent::at_most(MilliAmps(6_000 + i64::try_from(n).unwrap()))
}

#[test]
fn child() {
    let Ok(directory) = std::env::var(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(write_until_killed(Path::new(&directory)));
}

async fn write_until_killed(directory: &Path) {
    // Ends the line on which the test runner has written the name of this test.
    say("");
    let store = Sqlite::open(directory).unwrap();
    let home = site();
    let epoch = store.take_epoch(&home).await.unwrap();
    say(&format!("epoch {epoch}"));
    let newest = store.span().await.unwrap().map_or(0, |(_, newest)| newest.0);
    let readings = tokio::spawn({
        let store = std::sync::Arc::clone(&store);
        async move {
            for at in newest + 1.. {
                let sample = Sample {
                    series: power(),
                    at: Timestamp(at),
                    value: at * 3,
                };
                store.append(vec![sample]).await.unwrap();
                say(&format!("reading {at}"));
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    });
    for n in 1.. {
        let (left, wish) = (evse(n % 3), wish(n));
        let entry = entry(epoch, n);
        let told = [(evse(n % 3), numbered(n))];
        let (setpoints, wishes, audit) = tokio::join!(
            store.put_setpoints(&home, epoch, &told),
            store.put_wish(&home, epoch, &left, wish),
            store.record(&entry),
        );
        setpoints.and(wishes).and(audit).unwrap();
        say(&format!("record {n}"));
    }
    readings.await.unwrap();
}

fn wish(n: u64) -> Wish {
    let current = MilliAmps(6_000 + i64::try_from(n).unwrap());
    Wish {
        mode: ChargeMode::Solar,
        force: Force::Neutral,
        current,
        phases: None,
    }
}

fn entry(epoch: u64, n: u64) -> AuditEntry {
    AuditEntry {
        at: Timestamp(0),
        principal: epoch.to_string(),
        door: String::new(),
        action: n.to_string(),
        outcome: String::new(),
    }
}

/// One line, written at once: the parent sees it only after the write it speaks of.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What a child acknowledged before it was killed.
#[derive(Default)]
struct Acknowledged {
    epoch: u64,
    record: u64,
    /// The newest reading, by when the parent heard of it.
    readings: Vec<(Instant, i64)>,
}

#[tokio::test]
#[allow(
    clippy::disallowed_methods,
    reason = "the child is killed at a moment of real time"
)]
async fn nothing_acknowledged_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let mut seed = 20_261_122_u64;
    let mut records_of: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 1..=ROUNDS {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Two rounds are long enough for a flush of readings in the background.
        let life = Duration::from_millis(if round % 2 == 0 { 5_000 } else { 300 } + (seed >> 33) % 1_500);
        let (heard, killed) = run_and_kill(directory.path(), life);
        assert_eq!(heard.epoch, round, "seed {seed}");
        records_of.insert(heard.epoch, heard.record);

        let store = Sqlite::open(directory.path()).unwrap();
        check_records(&store, &heard).await;
        check_audit(&store, &records_of).await;
        check_readings(&store, &heard, killed).await;
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the child is killed at a moment of real time"
)]
fn run_and_kill(directory: &Path, life: Duration) -> (Acknowledged, Instant) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = BufReader::new(child.stdout.take().unwrap());
    let (begun, has_begun) = std::sync::mpsc::channel();
    let listening = std::thread::spawn(move || {
        let mut heard = Acknowledged::default();
        for line in out.lines() {
            let line = line.unwrap();
            match line.split_once(' ') {
                Some(("epoch", n)) => heard.epoch = n.parse().unwrap(),
                Some(("record", n)) => {
                    heard.record = n.parse().unwrap();
                    // Heard by nobody after the first time.
                    let _ = begun.send(());
                }
                Some(("reading", at)) => heard.readings.push((Instant::now(), at.parse().unwrap())),
                Some(_) | None => {}
            }
        }
        heard
    });
    has_begun.recv_timeout(Duration::from_secs(60)).unwrap();
    std::thread::sleep(life);
    let killed = Instant::now();
    child.kill().unwrap();
    child.wait().unwrap();
    (listening.join().unwrap(), killed)
}

/// The last write may have reached the disk without its acknowledgement, but none may be missing.
async fn check_records(store: &Sqlite, heard: &Acknowledged) {
    let told: BTreeMap<_, _> = store.setpoints(&site()).await.unwrap().into_iter().collect();
    let wishes: BTreeMap<_, _> = store.wishes(&site()).await.unwrap().into_iter().collect();
    for n in heard.record.saturating_sub(2).max(1)..=heard.record {
        for (found, what) in [
            (told[&evse(n % 3)].or_zero(), "setpoint"),
            (wishes[&evse(n % 3)].current, "wish"),
        ] {
            let found = u64::try_from(found.0 - 6_000).unwrap();
            assert!(
                found == n || (found == n + 3 && found == heard.record + 1),
                "{what} {n} became {found}"
            );
        }
    }
}

async fn check_audit(store: &Sqlite, records_of: &BTreeMap<u64, u64>) {
    let mut found = BTreeMap::<u64, Vec<u64>>::new();
    for entry in store.recent(u32::MAX).await.unwrap().into_iter().rev() {
        found
            .entry(entry.principal.parse().unwrap())
            .or_default()
            .push(entry.action.parse().unwrap());
    }
    for (epoch, acknowledged) in records_of {
        let numbers = &found[epoch];
        let last = numbers.last().copied().unwrap();
        assert_eq!(
            *numbers,
            (1..=last).collect::<Vec<_>>(),
            "entries of epoch {epoch}"
        );
        assert!(
            last == *acknowledged || last == acknowledged + 1,
            "{acknowledged} of {last} were acknowledged"
        );
    }
}

async fn check_readings(store: &Sqlite, heard: &Acknowledged, killed: Instant) {
    let rows = store
        .query(&power(), Timestamp(0), Timestamp(i64::MAX), Step::Raw)
        .await
        .unwrap();
    for (at, row) in (1..).zip(&rows) {
        assert_eq!((row.at.0, row.last), (at, at * 3));
    }
    let newest = rows.last().map_or(0, |row| row.at.0);
    let lost = heard.readings.iter().find(|(_, at)| *at > newest);
    if let Some((heard_at, at)) = lost {
        let age = killed.saturating_duration_since(*heard_at);
        assert!(
            age <= AT_MOST_LOST,
            "reading {at} was acknowledged {age:?} before the end and is lost"
        );
    }
}
