//! A process that is killed while it writes: whatever it acknowledged is there afterwards.
//!
//! The child is this test binary again, told by a variable to write until it dies. It prints a line for each
//! acknowledged write; the parent kills it at a seeded moment, opens the directory and compares.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::device::{ChargeMode, Force, Wish};
use model::id::{EvseId, SessionId, SiteId};
use model::phases::PerPhase;
use model::reading::Quantity;
use model::session::{Ahead, Authorisation, AuthorisationKind, Origin, Session, Transaction};
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, WattHours, Watts};
use store::{AuditEntry, Sample, Series, SessionFilter, Step, Store};

use crate::backend::{self, Backend};

const CHILD: &str = "OHMSTEAD_STORE_KILL_CHILD";
/// Rounds per backend, and where their moments begin.
const ROUNDS: (&str, u64) = ("OHMSTEAD_KILL_ROUNDS", 10);
const SEED: (&str, u64) = ("OHMSTEAD_SEED", 20_261_122);
/// Sessions per process, and how often each is stored.
const COPIES: u64 = 40;
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
    let Ok(address) = std::env::var(CHILD) else {
        return;
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(write_until_killed(&address));
}

async fn write_until_killed(address: &str) {
    // Ends the line on which the test runner has written the name of this test.
    say("");
    let store = backend::open(address);
    let home = site();
    let epoch = store.take_epoch(&home).await.unwrap();
    say(&format!("epoch {epoch}"));
    let newest = store.span().await.unwrap().map_or(0, |(_, newest)| newest.0);
    let sessions = tokio::spawn(charge(Arc::clone(&store), epoch));
    let readings = tokio::spawn({
        let store = Arc::clone(&store);
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
    sessions.await.unwrap();
}

/// Stores one session after the other, each many times as it grows.
async fn charge(store: Arc<dyn Store>, epoch: u64) {
    for n in 1_u64.. {
        for revision in 1..=COPIES {
            store
                .put_session(epoch, &session(epoch, n, revision))
                .await
                .unwrap();
            say(&format!("session {}", n * COPIES + revision));
        }
    }
}

/// A session with a transaction of 1 Wh for every copy of it that was stored.
fn session(epoch: u64, n: u64, revision: u64) -> Session {
    let transaction = |number| Transaction {
        number,
        authorisation: Authorisation {
            kind: AuthorisationKind::PlugAndGo,
            user: None,
            card: None,
        },
        started: Timestamp(0),
        stopped: None,
        meter_start: None,
        meter_stop: None,
        energy: WattHours(1),
        per_phase: PerPhase::default(),
        one_phase: WattHours(1),
        three_phase: WattHours(0),
        origin: Origin::default(),
        charging: Millis(1),
        peak: Watts(0),
        cost: None,
        other_costs: Vec::new(),
        unpriced: WattHours(0),
        ahead: Ahead::default(),
        estimated: false,
    };
    Session {
        id: session_id(epoch, n),
        site: site(),
        evse: evse(1),
        plugged: Timestamp(i64::try_from(n).unwrap()),
        unplugged: (revision == COPIES).then_some(Timestamp(1)),
        vehicle: None,
        charger_energy: None,
        transactions: (1..=u32::try_from(revision).unwrap()).map(transaction).collect(),
        revision,
    }
}

fn session_id(epoch: u64, n: u64) -> SessionId {
    SessionId::new(&format!("s{epoch}-{n}")).unwrap()
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
    /// The number of the session times `COPIES`, and the copy.
    session: u64,
    /// The newest reading, by when the parent heard of it.
    readings: Vec<(Instant, i64)>,
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_in_files() {
    kill_again_and_again(&Backend::files()).await;
}

#[tokio::test]
async fn nothing_acknowledged_is_lost_on_a_server() {
    kill_again_and_again(&Backend::server()).await;
}

fn setting((name, default): (&str, u64)) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

async fn kill_again_and_again(backend: &Backend) {
    let (rounds, first_seed) = (setting(ROUNDS), setting(SEED));
    let mut seed = first_seed;
    let mut records_of: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 1..=rounds {
        seed = seed
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // Some rounds are long enough for a flush of readings in the background.
        let life = Duration::from_millis(if round % 5 == 0 { 4_500 } else { 50 } + (seed >> 33) % 1_500);
        let (heard, killed) = run_and_kill(&backend.address(), life);
        assert_eq!(heard.epoch, round, "seed {first_seed}");
        records_of.insert(heard.epoch, heard.record);

        let store = backend.open();
        check_records(&*store, &heard).await;
        check_sessions(&*store, &heard).await;
        check_audit(&*store, &records_of).await;
        check_readings(&*store, &heard, killed).await;
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the child is killed at a moment of real time"
)]
fn run_and_kill(address: &str, life: Duration) -> (Acknowledged, Instant) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::child", "--nocapture", "--test-threads=1"])
        .env(CHILD, address)
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
                Some(("session", n)) => heard.session = n.parse().unwrap(),
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
async fn check_records(store: &dyn Store, heard: &Acknowledged) {
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

/// Every acknowledged copy is there or a later one, and what is billed adds up: nothing twice, nothing negative.
async fn check_sessions(store: &dyn Store, heard: &Acknowledged) {
    let all = store
        .sessions(&SessionFilter::default(), None, u32::MAX)
        .await
        .unwrap();
    let (number, copy) = (
        heard.session.saturating_sub(1) / COPIES,
        (heard.session.saturating_sub(1)) % COPIES + 1,
    );
    for n in 1..=number {
        let least = if n == number { copy } else { COPIES };
        let found = store.session(&session_id(heard.epoch, n)).await.unwrap();
        let revision = found.map_or(0, |session| session.revision);
        assert!(
            revision >= least,
            "session {n}: copy {least} was acknowledged, copy {revision} is there"
        );
    }
    for session in &all {
        let numbers: Vec<u32> = session.transactions.iter().map(|t| t.number).collect();
        let expected: Vec<u32> = (1..).take(numbers.len()).collect();
        assert_eq!(numbers, expected, "transactions of {}", session.id);
        assert_eq!(session.revision, u64::try_from(numbers.len()).unwrap());
    }
    let totals = store.session_totals(&SessionFilter::default()).await.unwrap();
    assert_eq!(totals.count, u64::try_from(all.len()).unwrap());
    assert_eq!(totals.energy, all.iter().map(Session::energy).sum());
}

async fn check_audit(store: &dyn Store, records_of: &BTreeMap<u64, u64>) {
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

async fn check_readings(store: &dyn Store, heard: &Acknowledged, killed: Instant) {
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
