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
use model::id::{EvseId, ParcelId, SessionId, SiteId, UserId};
use model::outbox::{Content, Parcel, ParcelState};
use model::oversight::{Code, OperatorCode, PortState};
use model::phases::PerPhase;
use model::reading::Quantity;
use model::session::{
    Ahead, Authorisation, AuthorisationKind, LedgerEntry, LedgerShare, Origin, Session, Stop, StopReason,
    Transaction,
};
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, WattHours, Watts};
use store::calendar::Per;
use store::oversight::{Accepted, Round};
use store::{AuditEntry, AuditFilter, EnergyBook, Sample, Series, SessionFilter, Step, Store};

use crate::backend::{self, Backend};

const CHILD: &str = "OHMSTEAD_STORE_KILL_CHILD";
/// Rounds per backend, and where their moments begin. The seed that a round prints repeats its moment as the
/// first one.
const ROUNDS: (&str, u64) = ("OHMSTEAD_KILL_ROUNDS", 10);
const SEED: (&str, u64) = ("OHMSTEAD_SEED", 20_261_122);
/// Everything that earlier rounds have left is compared again so often, and in the last one.
const LOOK_BACK: u64 = 20;
/// Who writes at the same time: so many into the audit log, and so many charging stations.
const WRITERS: u64 = 8;
const STATIONS: u64 = 4;
/// Who reports samples, and how many in one call.
const REPORTERS: u64 = 3;
const IN_A_CALL: u64 = 5;
/// Rounds of the journal after which it is moved into pages.
const MOVED: u64 = 20;
/// How often each session is stored as it grows, and what it has charged more each time.
const COPIES: u64 = 40;
const STEP_WH: i64 = 7;
/// A transaction of a session is stopped, and the next begun, after so many copies.
const COPIES_PER_TRANSACTION: u64 = 8;
/// What is promised for readings.
const AT_MOST_LOST: Duration = Duration::from_secs(5);

fn site() -> SiteId {
    SiteId::new("home").unwrap()
}

fn evse(n: u64) -> EvseId {
    EvseId::new(&format!("evse{n}")).unwrap()
}

fn user(station: u64) -> UserId {
    UserId::new(&format!("user{station}")).unwrap()
}

fn grid(quantity: Quantity) -> Series {
    Series {
        subject: "device:grid".to_owned(),
        quantity,
    }
}

/// A power that tells its time, and a counter of 3.6 MW.
fn samples(at: i64) -> Vec<Sample> {
    let sample = |quantity, value| Sample {
        series: grid(quantity),
        at: Timestamp(at),
        value,
    };
    vec![
        sample(Quantity::Power, at * 3),
        sample(Quantity::EnergyIn, at / 1_000),
    ]
}

/// A setpoint that tells which write it came from.
fn numbered(n: u64) -> ChargeCurrent {
    ChargeCurrent::at_most(MilliAmps(6_000 + signed(n)))
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap()
}

fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap()
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
    let epoch = store.take_epoch(&site()).await.unwrap();
    say(&format!("epoch 0 {epoch}"));
    let newest = store.span().await.unwrap().map_or(0, |(_, newest)| newest.0);
    let mut tasks = vec![
        tokio::spawn(measure(Arc::clone(&store), newest)),
        tokio::spawn(send(Arc::clone(&store), epoch)),
        tokio::spawn(steer(Arc::clone(&store), epoch)),
        tokio::spawn(settle(Arc::clone(&store), epoch)),
    ];
    tasks.extend((0..REPORTERS).map(|reporter| tokio::spawn(report(Arc::clone(&store), epoch, reporter))));
    tasks.extend((0..STATIONS).map(|station| tokio::spawn(charge(Arc::clone(&store), epoch, station))));
    tasks.extend((0..WRITERS).map(|writer| tokio::spawn(note(Arc::clone(&store), epoch, writer))));
    for task in tasks {
        task.await.unwrap();
    }
}

/// Appends readings.
async fn measure(store: Arc<dyn Store>, newest: i64) {
    for at in newest + 1.. {
        store.append(samples(at)).await.unwrap();
        say(&format!("reading 0 {at}"));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Stores wishes and setpoints, as the cycle does.
async fn steer(store: Arc<dyn Store>, epoch: u64) {
    let home = site();
    for n in 1.. {
        let (left, wish) = (evse(n % 3), wish(n));
        let told = [(evse(n % 3), numbered(n))];
        let (setpoints, wishes) = tokio::join!(
            store.put_setpoints(&home, epoch, &told),
            store.put_wish(&home, epoch, &left, wish),
        );
        setpoints.and(wishes).unwrap();
        say(&format!("wish 0 {n}"));
    }
}

/// Fills the audit log.
async fn note(store: Arc<dyn Store>, epoch: u64, writer: u64) {
    for n in 1_u64.. {
        store.record(&entry(epoch, writer, n)).await.unwrap();
        say(&format!("audit {writer} {n}"));
    }
}

fn overseen() -> OperatorCode {
    OperatorCode::new("operator").unwrap()
}

/// A sample that tells its number by its time.
fn reported(epoch: u64, reporter: u64, n: u64) -> model::oversight::Sample {
    let code = |text: &str| Code::new(text).unwrap();
    model::oversight::Sample {
        port: code(&format!("P{reporter}")),
        equipment: code("E"),
        at: Timestamp(signed(epoch * 1_000_000 + n)),
        state: PortState::Idle,
        error: None,
        door: None,
        voltage: None,
        current: None,
        power: None,
        energy: None,
        temperature: None,
        soc: None,
        duration_s: None,
        charge: None,
        smoke: None,
        more: BTreeMap::new(),
    }
}

/// Reports samples of a port.
async fn report(store: Arc<dyn Store>, epoch: u64, reporter: u64) {
    for call in 1_u64.. {
        let samples = (call - 1) * IN_A_CALL + 1..=call * IN_A_CALL;
        let entry = Accepted {
            operator: overseen(),
            at: Timestamp(signed(call)),
            samples: samples.map(|n| reported(epoch, reporter, n)).collect(),
            repairs: None,
        };
        store.accept(&entry).await.unwrap();
        say(&format!("accepted {reporter} {}", call * IN_A_CALL));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Works off the journal: each round owes one parcel that names all of its samples.
async fn settle(store: Arc<dyn Store>, epoch: u64) {
    for round in 1_u64.. {
        if !settle_round(&*store, &format!("j{epoch}-{round}")).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        say(&format!("settled 0 {round}"));
        if round.is_multiple_of(MOVED) {
            store.condense(Timestamp(i64::MAX)).await.unwrap();
        }
    }
}

/// Whether there was anything to do.
async fn settle_round(store: &dyn Store, id: &str) -> bool {
    let done = store.done().await.unwrap();
    let entries = store.accepted(done, 50).await.unwrap();
    let Some((last, _)) = entries.last() else {
        return false;
    };
    let samples = entries.iter().flat_map(|(_, entry)| &entry.samples);
    let names: Vec<String> = samples
        .map(|sample| format!("{} {}", sample.port, sample.at.0))
        .collect();
    let delivered = ParcelState::Delivered { at: Timestamp(1) };
    let mut parcel = parcel(0, 0, delivered);
    parcel.id = ParcelId::new(id).unwrap();
    parcel.content = Content::Webhook {
        url: "http://127.0.0.1/".to_owned(),
        body: names.join(","),
    };
    let round = Round {
        done: Some(*last),
        parcels: vec![parcel],
        ..Round::default()
    };
    store.settle(&round).await.unwrap();
    true
}

/// Puts parcels into the outbox, delivers every second one and deletes every fourth.
async fn send(store: Arc<dyn Store>, epoch: u64) {
    for n in 1_u64.. {
        let waiting = ParcelState::Waiting {
            next_attempt: Timestamp(signed(n)),
        };
        store.put_parcel(&parcel(epoch, n, waiting)).await.unwrap();
        say(&format!("parcel 0 {n}"));
        if n.is_multiple_of(2) {
            let delivered = ParcelState::Delivered { at: Timestamp(1) };
            store.put_parcel(&parcel(epoch, n, delivered)).await.unwrap();
            say(&format!("delivered 0 {n}"));
        }
        if n.is_multiple_of(4) {
            assert!(store.delete_parcel(&parcel_id(epoch, n)).await.unwrap());
            say(&format!("deleted 0 {n}"));
        }
    }
}

/// Stores one session after the other, each many times as it grows, with its quarter-hour.
async fn charge(store: Arc<dyn Store>, epoch: u64, station: u64) {
    for n in 1_u64.. {
        for revision in 1..=COPIES {
            let session = session(epoch, station, n, revision);
            let entry = ledger_entry(&session);
            let (stored, billed) = tokio::join!(
                store.put_session(epoch, &session),
                store.put_ledger(epoch, &entry)
            );
            stored.and(billed).unwrap();
            say(&format!("session {station} {}", n * COPIES + revision));
        }
    }
}

/// A session that has charged as much as it has copies, in transactions of a few copies each.
fn session(epoch: u64, station: u64, n: u64, revision: u64) -> Session {
    let last = revision.div_ceil(COPIES_PER_TRANSACTION);
    let transaction = |number: u64| {
        let copies = (revision - (number - 1) * COPIES_PER_TRANSACTION).min(COPIES_PER_TRANSACTION);
        let energy = WattHours(STEP_WH * signed(copies));
        let before = signed(number - 1) * STEP_WH * signed(COPIES_PER_TRANSACTION);
        Transaction {
            number: u32::try_from(number).unwrap(),
            authorisation: Authorisation {
                kind: AuthorisationKind::App,
                user: Some(user(station)),
                card: None,
            },
            started: Timestamp(signed(number)),
            stopped: (number < last).then_some(Stop {
                at: Timestamp(signed(number) + 1),
                reason: StopReason::Asked,
            }),
            meter_start: Some(WattHours(before)),
            meter_stop: Some(WattHours(before) + energy),
            energy,
            per_phase: PerPhase::default(),
            one_phase: energy,
            three_phase: WattHours(0),
            origin: Origin {
                sun: WattHours(3 * signed(copies)),
                battery: WattHours(0),
                grid: WattHours((STEP_WH - 3) * signed(copies)),
            },
            charging: Millis(1),
            peak: Watts(0),
            cost: None,
            other_costs: Vec::new(),
            unpriced: WattHours(0),
            ahead: Ahead::default(),
            estimated: false,
        }
    };
    Session {
        id: session_id(epoch, station, n),
        site: site(),
        evse: evse(station),
        plugged: plugged(epoch, station, n),
        unplugged: (revision == COPIES).then_some(Timestamp(i64::MAX)),
        vehicle: None,
        charger_energy: None,
        soc: None,
        transactions: (1..=last).map(transaction).collect(),
        revision,
    }
}

fn session_id(epoch: u64, station: u64, n: u64) -> SessionId {
    SessionId::new(&format!("s{epoch}-{station}-{n}")).unwrap()
}

/// A quarter-hour of its own for every session, those of a later epoch later.
fn plugged(epoch: u64, station: u64, n: u64) -> Timestamp {
    Timestamp(signed((epoch * 1_000_000 + n * STATIONS + station) * 900_000))
}

fn ledger_entry(session: &Session) -> LedgerEntry {
    let share = |transaction: &Transaction| LedgerShare {
        session: session.id.clone(),
        transaction: transaction.number,
        origin: transaction.origin,
        tariff: None,
        cost: None,
    };
    LedgerEntry {
        site: site(),
        start: session.plugged,
        shares: session.transactions.iter().map(share).collect(),
        imported: session.origin().grid,
        exported: WattHours(0),
        produced: session.origin().sun,
        battery_in: WattHours(0),
        battery_out: WattHours(0),
        house: WattHours(0),
    }
}

fn parcel_id(epoch: u64, n: u64) -> ParcelId {
    ParcelId::new(&format!("p{epoch}-{n}")).unwrap()
}

fn parcel(epoch: u64, n: u64, state: ParcelState) -> Parcel {
    Parcel {
        id: parcel_id(epoch, n),
        target: format!("target{}", n % 3),
        content: Content::Webhook {
            url: "http://127.0.0.1/".to_owned(),
            body: n.to_string(),
        },
        author: None,
        created: Timestamp(signed(n)),
        attempts: 0,
        state,
        last_error: None,
    }
}

fn wish(n: u64) -> Wish {
    Wish {
        mode: ChargeMode::Solar,
        force: Force::Neutral,
        current: MilliAmps(6_000 + signed(n)),
        phases: None,
        energy_limit: None,
        price_limit: None,
    }
}

fn entry(epoch: u64, writer: u64, n: u64) -> AuditEntry {
    AuditEntry {
        at: Timestamp(0),
        principal: epoch.to_string(),
        door: writer.to_string(),
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
    /// The last number by what was written and which of those who write it.
    last: BTreeMap<(String, u64), u64>,
    count: u64,
    /// The newest reading, by when the parent heard of it.
    readings: Vec<(Instant, i64)>,
}

impl Acknowledged {
    fn last(&self, what: &str, who: u64) -> u64 {
        self.last.get(&(what.to_owned(), who)).copied().unwrap_or(0)
    }

    fn epoch(&self) -> u64 {
        self.last("epoch", 0)
    }

    #[allow(
        clippy::disallowed_methods,
        reason = "the child is killed at a moment of real time"
    )]
    fn hear(&mut self, line: &str) {
        let mut words = line.split(' ');
        let (Some(what), Some(Ok(who)), Some(Ok(n))) = (
            words.next(),
            words.next().map(str::parse),
            words.next().map(str::parse),
        ) else {
            return;
        };
        if what == "reading" {
            self.readings.push((Instant::now(), signed(n)));
        }
        self.last.insert((what.to_owned(), who), n);
        self.count += 1;
    }
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

fn next(seed: u64) -> u64 {
    seed.wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407)
}

/// Some lives are long enough for a flush of readings in the background.
fn life(seed: u64) -> Duration {
    let random = next(seed);
    let is_long = (random >> 48).is_multiple_of(5);
    Duration::from_millis(if is_long { 4_500 } else { 50 } + (random >> 33) % 1_500)
}

#[allow(clippy::print_stdout, reason = "the seed of a failure is wanted")]
async fn kill_again_and_again(backend: &Backend) {
    let (rounds, mut seed) = (setting(ROUNDS), setting(SEED));
    let mut rounds_heard = Vec::new();
    let mut count = 0;
    for round in 1..=rounds {
        let life = life(seed);
        println!("round {round} of {rounds}: seed {seed}, killed after {life:?}");
        let (heard, killed) = run_and_kill(&backend.address(), life);
        assert_eq!(heard.epoch(), round);
        count += heard.count;

        let store = backend.open();
        check_wishes(&*store, &heard).await;
        check_readings(&*store, &heard, killed).await;
        rounds_heard.push(heard);
        let mut rest = 0;
        while settle_round(&*store, &format!("rest{round}-{rest}")).await {
            rest += 1;
        }
        let look_back = round == rounds || round.is_multiple_of(LOOK_BACK);
        let since = if look_back { 0 } else { rounds_heard.len() - 1 };
        for heard in &rounds_heard[since..] {
            check_sessions(&*store, heard).await;
            check_audit(&*store, heard).await;
            check_parcels(&*store, heard).await;
            check_samples(&*store, heard).await;
        }
        if look_back {
            check_sums(&*store).await;
        }
        seed = next(seed);
    }
    println!("{rounds} rounds, {count} acknowledged writes, none lost");
}

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
            heard.hear(&line.unwrap());
            if heard.last("wish", 0) > 0 {
                // Heard by nobody after the first time.
                let _ = begun.send(());
            }
        }
        heard
    });
    has_begun.recv_timeout(Duration::from_secs(60)).unwrap();
    std::thread::sleep(life);
    let killed = now();
    child.kill().unwrap();
    child.wait().unwrap();
    (listening.join().unwrap(), killed)
}

#[allow(
    clippy::disallowed_methods,
    reason = "the child is killed at a moment of real time"
)]
fn now() -> Instant {
    Instant::now()
}

/// The last write may have reached the disk without its acknowledgement, but none may be missing.
async fn check_wishes(store: &dyn Store, heard: &Acknowledged) {
    let told: BTreeMap<_, _> = store.setpoints(&site()).await.unwrap().into_iter().collect();
    let wishes: BTreeMap<_, _> = store.wishes(&site()).await.unwrap().into_iter().collect();
    let last = heard.last("wish", 0);
    for n in last.saturating_sub(2).max(1)..=last {
        for (found, what) in [
            (told[&evse(n % 3)].or_zero(), "setpoint"),
            (wishes[&evse(n % 3)].current, "wish"),
        ] {
            let found = unsigned(found.0 - 6_000);
            assert!(
                found == n || (found == n + 3 && found == last + 1),
                "{what} {n} became {found}"
            );
        }
    }
}

/// Every acknowledged copy is there or the next one, and what is billed adds up: nothing twice, nothing negative.
async fn check_sessions(store: &dyn Store, heard: &Acknowledged) {
    let epoch = heard.epoch();
    let filter = SessionFilter {
        from: Some(plugged(epoch, 0, 0)),
        to: Some(plugged(epoch + 1, 0, 0)),
        ..SessionFilter::default()
    };
    let sessions = store.sessions(&filter, None, u32::MAX).await.unwrap();
    let found: BTreeMap<_, _> = sessions.iter().map(|session| (&session.id, session)).collect();
    assert_eq!(found.len(), sessions.len(), "a session is there twice");
    let (from, to) = (plugged(epoch, 0, 0), plugged(epoch + 1, 0, 0));
    let ledger = store.ledger(&site(), from, to).await.unwrap();
    let ledger: BTreeMap<_, _> = ledger.iter().map(|entry| (entry.start, entry)).collect();
    for station in 0..STATIONS {
        let acknowledged = heard.last("session", station);
        let (number, copy) = (
            acknowledged.saturating_sub(1) / COPIES,
            acknowledged.saturating_sub(1) % COPIES + 1,
        );
        for n in 1..=number {
            let least = if n == number { copy } else { COPIES };
            let id = session_id(epoch, station, n);
            let Some(session) = found.get(&id) else {
                panic!("{id}: copy {least} was acknowledged, and none is there");
            };
            let revision = session.revision;
            assert!(
                revision == least || (n == number && revision == least + 1),
                "{id}: copy {least} was acknowledged, copy {revision} is there"
            );
            let energy: i64 = ledger[&session.plugged]
                .shares
                .iter()
                .map(|share| share.origin.total().0)
                .sum();
            let quarter = unsigned(energy / STEP_WH);
            assert!(
                quarter == least || (n == number && quarter == least + 1),
                "{id}: copy {least} was acknowledged, the ledger has copy {quarter}"
            );
        }
    }
    for session in &sessions {
        assert_eq!(
            session.energy(),
            WattHours(STEP_WH * signed(session.revision)),
            "{}",
            session.id
        );
        for (number, transaction) in (1..).zip(&session.transactions) {
            assert_eq!(transaction.number, number, "transactions of {}", session.id);
            assert!(transaction.energy.0 > 0, "{number} of {}", session.id);
            assert_eq!(transaction.origin.total(), transaction.energy);
        }
    }
}

/// What is kept for totals says the same as the sessions, for everybody and for each.
async fn check_sums(store: &dyn Store) {
    let everybody = std::iter::once(None).chain((0..STATIONS).map(|station| Some(user(station))));
    for user in everybody {
        let filter = SessionFilter {
            user,
            ..SessionFilter::default()
        };
        let all = store.sessions(&filter, None, u32::MAX).await.unwrap();
        let totals = store.session_totals(&filter).await.unwrap();
        assert_eq!(totals.count, u64::try_from(all.len()).unwrap());
        assert_eq!(totals.energy, all.iter().map(Session::energy).sum());
        assert_eq!(totals.origin.total(), totals.energy);
    }
}

async fn check_audit(store: &dyn Store, heard: &Acknowledged) {
    let filter = AuditFilter {
        principal: Some(heard.epoch().to_string()),
        ..AuditFilter::default()
    };
    let mut found = BTreeMap::<u64, Vec<u64>>::new();
    for (_, entry) in store
        .audit(&filter, None, u32::MAX)
        .await
        .unwrap()
        .into_iter()
        .rev()
    {
        found
            .entry(entry.door.parse().unwrap())
            .or_default()
            .push(entry.action.parse().unwrap());
    }
    for writer in 0..WRITERS {
        let numbers = found.remove(&writer).unwrap_or_default();
        let last = numbers.last().copied().unwrap_or(0);
        assert_eq!(
            numbers,
            (1..=last).collect::<Vec<_>>(),
            "entries of writer {writer}"
        );
        let acknowledged = heard.last("audit", writer);
        assert!(
            last == acknowledged || last == acknowledged + 1,
            "{acknowledged} of {last} entries of writer {writer} were acknowledged"
        );
    }
}

/// Every parcel is as it was acknowledged, or as it was to become next.
async fn check_parcels(store: &dyn Store, heard: &Acknowledged) {
    let (put, delivered, deleted) = (
        heard.last("parcel", 0),
        heard.last("delivered", 0),
        heard.last("deleted", 0),
    );
    let prefix = format!("p{}-", heard.epoch());
    let all = store.parcels(None, None, u32::MAX).await.unwrap();
    let mut found = BTreeMap::new();
    for (_, parcel) in all {
        if let Some(n) = parcel.id.as_str().strip_prefix(&prefix) {
            let before = found.insert(n.parse::<u64>().unwrap(), parcel.state);
            assert_eq!(before, None, "parcel {n} is there twice");
        }
    }
    for n in 1..=put {
        let state = found.remove(&n);
        let is_newest = n == put;
        let may_be = match state {
            Some(ParcelState::Waiting { .. }) => n % 2 == 1 || (is_newest && n > delivered),
            Some(ParcelState::Delivered { .. }) => {
                n.is_multiple_of(2) && (n % 4 != 0 || (is_newest && n > deleted))
            }
            Some(ParcelState::Dead { .. }) => false,
            // Its deletion may not have been acknowledged.
            None => n.is_multiple_of(4) && (n <= deleted || (is_newest && n <= delivered)),
        };
        assert!(
            may_be,
            "parcel {n} is {state:?}: {put} were put, {delivered} delivered, {deleted} deleted"
        );
    }
    let unheard: Vec<u64> = found.into_keys().collect();
    assert!(unheard.is_empty() || unheard == [put + 1], "{unheard:?}");
}

/// Every sample that was acknowledged is there once, and was settled in one round.
async fn check_samples(store: &dyn Store, heard: &Acknowledged) {
    let epoch = heard.epoch();
    let of_epoch = |n: u64| Timestamp(signed(n * 1_000_000));
    let mut settled = BTreeMap::<String, u64>::new();
    for (_, parcel) in store.parcels(Some("delivered"), None, u32::MAX).await.unwrap() {
        if let (Content::Webhook { body, .. }, "j" | "r") = (&parcel.content, &parcel.id.as_str()[..1]) {
            for name in body.split(',') {
                *settled.entry(name.to_owned()).or_default() += 1;
            }
        }
    }
    for reporter in 0..REPORTERS {
        let port = Code::new(&format!("P{reporter}")).unwrap();
        let (from, to) = (of_epoch(epoch), of_epoch(epoch + 1));
        let found = store
            .samples(&overseen(), &port, from, to, u32::MAX)
            .await
            .unwrap();
        let last = u64::try_from(found.len()).unwrap();
        let expected: Vec<_> = (1..=last).map(|n| reported(epoch, reporter, n)).collect();
        assert!(found == expected, "samples of reporter {reporter}");
        let acknowledged = heard.last("accepted", reporter);
        assert!(
            last == acknowledged || last == acknowledged + IN_A_CALL,
            "{acknowledged} of {last} samples of reporter {reporter} were acknowledged"
        );
        for sample in &found {
            let name = format!("{port} {}", sample.at.0);
            assert_eq!(settled.get(&name), Some(&1), "how often {name} was settled");
        }
    }
}

async fn check_readings(store: &dyn Store, heard: &Acknowledged, killed: Instant) {
    let raw = |quantity| {
        let series = grid(quantity);
        async move {
            let end = Timestamp(i64::MAX);
            store.query(&series, Timestamp(0), end, Step::Raw).await.unwrap()
        }
    };
    let (power, counter) = (raw(Quantity::Power).await, raw(Quantity::EnergyIn).await);
    for (rows, value) in [(&power, 3_000), (&counter, 1)] {
        for (at, row) in (1..).zip(rows) {
            assert_eq!((row.at.0, row.last), (at, at * value / 1_000));
        }
    }
    assert_eq!(power.len(), counter.len());
    let newest = power.last().map_or(0, |row| row.at.0);
    let lost = heard.readings.iter().find(|(_, at)| *at > newest);
    if let Some((heard_at, at)) = lost {
        let age = killed.saturating_duration_since(*heard_at);
        assert!(
            age <= AT_MOST_LOST,
            "reading {at} was acknowledged {age:?} before the end and is lost"
        );
    }
    let (day, next) = (jiff::civil::date(1970, 1, 1), jiff::civil::date(1970, 1, 2));
    let energies = EnergyBook::default()
        .energies(
            store,
            &grid(Quantity::EnergyIn),
            &jiff::tz::TimeZone::UTC,
            day,
            next,
            Per::Day,
        )
        .await
        .unwrap();
    let energy: i64 = energies.rows.iter().map(|row| row.energy.watt_hours).sum();
    assert_eq!(energy, newest / 1_000);
}
