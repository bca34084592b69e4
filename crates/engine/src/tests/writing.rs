//! Records on their way to a store that refuses, hangs or dies.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use model::id::SessionId;
use model::session::Session;
use store::{SessionFilter, Sessions, Sites, Sqlite, StoreError};
use tempfile::TempDir;

use super::*;
use crate::aside::AsideFile;
use crate::writer::{Shelf, SiteShelf, Writer};

/// What the store does with the next writes.
#[derive(Clone, Debug)]
enum Mood {
    Fine,
    Full,
    /// Of every kind of refusal that stays the same: this session has something in it that no table takes.
    Hates(SessionId),
    /// The process dies after so many writes.
    DiesAfter(usize),
}

#[derive(Clone)]
struct Moody {
    shelf: SiteShelf,
    mood: Arc<Mutex<Mood>>,
    written: Arc<AtomicUsize>,
}

impl Shelf for Moody {
    async fn write(&self, record: Record) -> Result<(), StoreError> {
        let refused = |cause: &str| StoreError::Other {
            operation: "write",
            cause: cause.to_owned(),
        };
        let mood = self.mood.lock().unwrap().clone();
        match (&mood, &record) {
            (Mood::Full, _) => return Err(StoreError::Full { operation: "write" }),
            (Mood::Hates(id), Record::Books(books)) if books.sessions.iter().any(|s| s.id == *id) => {
                return Err(refused("a value is out of range"));
            }
            (Mood::DiesAfter(count), _) if self.written.load(Ordering::Relaxed) >= *count => {
                return Err(StoreError::Away {
                    operation: "write",
                    cause: "the process is dead".to_owned(),
                });
            }
            (Mood::Fine | Mood::Hates(_) | Mood::DiesAfter(_), _) => {}
        }
        self.written.fetch_add(1, Ordering::Relaxed);
        self.shelf.write(record).await
    }
}

/// A site with a store that has moods.
struct World {
    store: Arc<Sqlite>,
    directory: TempDir,
    mood: Arc<Mutex<Mood>>,
    written: Arc<AtomicUsize>,
    epoch: u64,
    core: Core,
    writer: Writer<Moody>,
    /// What the counter of the station reads.
    counter: i64,
    second: i64,
}

impl World {
    async fn new() -> Self {
        let store = Sqlite::in_memory().unwrap();
        let directory = tempfile::tempdir().unwrap();
        let mood = Arc::new(Mutex::new(Mood::Fine));
        Self::start(store, directory, mood, 1_000, 0).await
    }

    async fn start(
        store: Arc<Sqlite>,
        directory: TempDir,
        mood: Arc<Mutex<Mood>>,
        counter: i64,
        second: i64,
    ) -> Self {
        let home = SiteId::new("home").unwrap();
        let epoch = store.take_epoch(&home).await.unwrap();
        let aside = AsideFile::of(directory.path(), &home);
        aside.offer(&*store, &home, epoch).await.unwrap();
        let (from, to) = (
            now(second * 1_000).wall - Millis(7_200_000),
            now(second * 1_000).wall,
        );
        let restored = Restored {
            sessions: store.open_sessions(&home).await.unwrap(),
            ledger: store.ledger(&home, from, to + Millis(1)).await.unwrap(),
            ..Restored::default()
        };
        let written = Arc::new(AtomicUsize::new(0));
        let shelf = Moody {
            shelf: SiteShelf {
                store: store.clone(),
                site: home,
                epoch,
            },
            mood: mood.clone(),
            written: written.clone(),
        };
        Self {
            core: Core::new(
                site(),
                ControlSettings::default(),
                epoch,
                restored,
                Millis(60_000),
                now(second * 1_000),
            ),
            writer: Writer::new(shelf, aside),
            store,
            directory,
            mood,
            written,
            epoch,
            counter,
            second,
        }
    }

    /// The process ends without a word; another one begins on the same store, which is well.
    async fn crash(self) -> Self {
        *self.mood.lock().unwrap() = Mood::Fine;
        drop((self.core, self.writer));
        Self::start(
            self.store,
            self.directory,
            self.mood,
            self.counter,
            self.second + 5,
        )
        .await
    }

    /// Runs for so many seconds with this pilot state, in steps of ten; a car that charges takes 20 Wh in each.
    async fn run(&mut self, seconds: i64, pilot: PilotState) {
        for _ in 0..seconds / 10 {
            let at = self.second * 1_000;
            let measured = Measured {
                energy_in: Some(WattHours(self.counter)),
                ..Measured::default()
            };
            report(&mut self.core, "station", Report::Measured(measured), at);
            car(&mut self.core, pilot, ChargeCurrent::PAUSED, 10_000, at);
            self.turn().await;
            self.second += 10;
            if pilot == PilotState::C {
                self.counter += 20;
            }
        }
    }

    /// One turn of the loop, until nothing more is due.
    async fn turn(&mut self) {
        let now = now(self.second * 1_000);
        self.core.handle_timeout(now);
        while self.core.poll_setpoint().is_some() {}
        let mut is_boundary = false;
        while let Some(record) = self.core.poll_record() {
            is_boundary |= matches!(&record, Record::Books(books) if books.boundary);
            self.writer.take(record, now.monotonic);
        }
        if is_boundary {
            let _ = self.writer.write_books(now.monotonic).await;
        }
        while self.writer.poll_timeout().is_some_and(|due| due <= now.monotonic) {
            self.writer.start(now);
            let outcome = self.writer.ended().await;
            self.writer.note(outcome, now.monotonic);
        }
        self.core
            .note_store(self.writer.problem(), self.writer.aside(), now);
    }

    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn session(&self) -> SessionId {
        self.core.sessions.session(&evse_id()).unwrap().id.clone()
    }

    fn alarms(&self) -> Vec<AlarmCode> {
        let view = self.core.view(now(self.second * 1_000));
        let codes = view.alarms.iter().map(|alarm| alarm.code);
        codes
            .filter(|code| matches!(code, AlarmCode::StoreFailing | AlarmCode::RecordsSetAside))
            .collect()
    }

    async fn stored(&self) -> Vec<Session> {
        self.store
            .sessions(&SessionFilter::default(), None, 500)
            .await
            .unwrap()
    }

    /// Sessions and ledger of the store, which say the same.
    async fn energy(&self, what: &str) -> i64 {
        let home = SiteId::new("home").unwrap();
        let pages = self
            .store
            .ledger(&home, Timestamp(0), Timestamp(i64::MAX))
            .await
            .unwrap();
        let mut entered: BTreeMap<(SessionId, u32), i64> = BTreeMap::new();
        for share in pages.iter().flat_map(|page| &page.shares) {
            *entered
                .entry((share.session.clone(), share.transaction))
                .or_default() += share.origin.total().0;
        }
        let mut sum = 0;
        for session in self.stored().await {
            for taken in &session.transactions {
                let entered = entered.remove(&(session.id.clone(), taken.number));
                assert_eq!(entered.unwrap_or(0), taken.energy.0, "{what}: {session:?}");
                sum += taken.energy.0;
            }
        }
        assert!(entered.is_empty(), "{what}: the ledger knows of {entered:?}");
        sum
    }
}

#[tokio::test]
async fn a_store_that_is_full_for_an_hour_loses_nothing_and_costs_no_memory() {
    let mut world = World::new().await;
    world.run(60, PilotState::A).await;
    world.set(Mood::Full);
    for _ in 0..3 {
        world.run(1_200, PilotState::C).await;
        world.run(60, PilotState::A).await;
    }
    assert_eq!(world.alarms(), [AlarmCode::StoreFailing]);
    assert!(world.stored().await.is_empty());
    // Three sessions, and their quarter-hours.
    assert!(
        world.writer.waiting_books() <= 3 + 6,
        "{}",
        world.writer.waiting_books()
    );
    world.set(Mood::Fine);
    world.run(120, PilotState::A).await;
    assert_eq!(world.alarms(), []);
    let stored = world.stored().await;
    assert_eq!(stored.len(), 3);
    assert!(stored.iter().all(|session| session.unplugged.is_some()));
    assert_eq!(world.energy("afterwards").await, 3 * 120 * 20);
    assert!(!world.directory.path().join("set-aside-home.jsonl").exists());
}

#[tokio::test]
async fn what_is_refused_for_good_is_set_aside_and_offered_again() {
    use std::os::unix::fs::PermissionsExt;

    let mut world = World::new().await;
    world.run(60, PilotState::A).await;
    world.run(300, PilotState::C).await;
    let hated = world.session();
    world.set(Mood::Hates(hated.clone()));
    world.run(300, PilotState::C).await;
    world.run(60, PilotState::A).await;
    // The next one is not to blame.
    world.run(300, PilotState::C).await;
    world.run(60, PilotState::A).await;
    assert!(
        world.alarms().contains(&AlarmCode::RecordsSetAside),
        "{:?}",
        world.alarms()
    );
    let view = world.core.view(now(world.second * 1_000));
    let path = world.directory.path().join("set-aside-home.jsonl");
    let told = view
        .alarms
        .iter()
        .any(|alarm| alarm.text.contains(path.to_str().unwrap()));
    assert!(told, "{:?}", view.alarms);
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let closed = |sessions: &[Session]| sessions.iter().filter(|s| s.unplugged.is_some()).count();
    assert_eq!(closed(&world.stored().await), 1);
    let mut world = world.crash().await;
    assert!(!path.exists());
    let stored = world.stored().await;
    assert_eq!(closed(&stored), 2, "{stored:?}");
    let hated = stored.iter().find(|session| session.id == hated).unwrap();
    assert_eq!(hated.energy(), WattHours(60 * 20));
    world.run(60, PilotState::A).await;
    assert_eq!(world.alarms(), []);
    assert_eq!(world.energy("afterwards").await, 90 * 20);
}

#[tokio::test]
async fn what_still_waits_at_the_end_is_there_after_the_next_start() {
    let mut world = World::new().await;
    world.run(60, PilotState::A).await;
    world.set(Mood::Full);
    world.run(600, PilotState::C).await;
    world.run(60, PilotState::A).await;
    let end = now(world.second * 1_000);
    let World {
        writer,
        store,
        directory,
        mood,
        counter,
        second,
        ..
    } = world;
    writer.finish(end).await;
    *mood.lock().unwrap() = Mood::Fine;
    let world = World::start(store, directory, mood, counter, second).await;
    assert_eq!(world.energy("after the start").await, 60 * 20);
    assert!(world.stored().await[0].unplugged.is_some());
}

/// The store takes so many writes and then nothing more: whichever that is, ledger and sessions say the same,
/// and the next process goes on without losing or doubling a watt-hour.
#[tokio::test]
async fn ledger_and_sessions_say_the_same_at_whichever_write_the_process_dies() {
    for count in 0.. {
        let mut world = World::new().await;
        world.set(Mood::DiesAfter(count));
        world.run(60, PilotState::A).await;
        // Over the end of a quarter-hour, and an end and a beginning.
        world.run(900, PilotState::C).await;
        world.run(20, PilotState::A).await;
        world.run(120, PilotState::C).await;
        let is_alive = world.written.load(Ordering::Relaxed) < count;
        world.energy(&format!("dead after {count}")).await;
        let mut world = world.crash().await;
        assert_eq!(world.epoch, 2);
        let before = world.energy("before the next one").await;
        world.run(300, PilotState::C).await;
        world.run(60, PilotState::A).await;
        let after = world.energy(&format!("{count} and a crash")).await;
        assert!(after >= before + 29 * 20, "{count}: {before} {after}");
        let counted = world.counter - 1_000;
        assert!(after <= counted, "{count}: {after} of {counted}");
        if is_alive {
            assert!(count > 30, "{count}");
            break;
        }
    }
}

#[tokio::test]
async fn a_change_that_cannot_be_stored_is_not_made_later() {
    let mut world = World::new().await;
    world.run(60, PilotState::C).await;
    let input = model::session::machine::Input::Stop(model::session::StopReason::Asked);
    let at = now(world.second * 1_000);
    let books = world.core.foresee(&evse_id(), input.clone(), at).unwrap();
    world.set(Mood::Full);
    let written = world.writer.write_change(Record::Books(books)).await;
    assert!(written.unwrap_err().contains("full"));
    world.set(Mood::Fine);
    world.run(60, PilotState::C).await;
    assert!(world.stored().await[0].running().is_some());
    // What is stored before it takes effect is whole: the session and its ledger.
    let at = now(world.second * 1_000);
    let books = world.core.foresee(&evse_id(), input, at).unwrap();
    world.writer.write_change(Record::Books(books)).await.unwrap();
    assert!(world.stored().await[0].running().is_none());
    assert_eq!(world.energy("foreseen").await, 11 * 20);
}
