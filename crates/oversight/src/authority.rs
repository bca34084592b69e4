//! Whom doors and pages talk to.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use model::oversight::{AddressChange, Callback, Code, EntityKind, Operator, OperatorCode, Warning};
use model::time::Clock;
use store::oversight::Round;
use store::{Nouns, StoreError, Typed};
use tokio::sync::Notify;

use crate::book::Book;
use crate::core::Ground;
use crate::{Refused, What};

/// So many things of an operator are registered at once.
const TURNS: usize = 256;
/// Entities that are deleted at once.
const DELETED_AT_ONCE: usize = 1_000;

/// The books of all operators. What its methods say is durable when they return.
pub struct Authority {
    pub(crate) nouns: Arc<dyn Nouns>,
    pub(crate) store: Arc<dyn store::Oversight>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ground: Ground,
    desks: RwLock<BTreeMap<OperatorCode, Arc<Desk>>>,
    /// Two at once must not make two desks of one operator.
    adding: tokio::sync::Mutex<()>,
    pub(crate) settler: tokio::sync::Mutex<Settler>,
    /// Why nothing is worked off.
    problem: Mutex<Option<String>>,
    /// Something waits to be worked off.
    pub(crate) arrived: Notify,
    parcels: Arc<Notify>,
}

/// The book of one operator, and who may write what of it into the store.
pub(crate) struct Desk {
    /// Held together by those who register something; who takes something away or fails waits for whoever did before.
    pub order: tokio::sync::RwLock<()>,
    /// Who registers something has the turn that its id falls to.
    turns: [tokio::sync::Mutex<()>; TURNS],
    hasher: RandomState,
    book: RwLock<Book>,
}

/// How far the journal is worked off.
#[derive(Default)]
pub(crate) struct Settler {
    pub done: i64,
    /// It is in the books and not in the store yet: nothing else is worked off until it is.
    pub pending: Option<Round>,
}

impl Desk {
    pub fn new(book: Book) -> Self {
        Self {
            order: tokio::sync::RwLock::default(),
            turns: std::array::from_fn(|_| tokio::sync::Mutex::default()),
            hasher: RandomState::new(),
            book: RwLock::new(book),
        }
    }

    /// Until it is dropped nobody else registers that thing.
    pub async fn alone(&self, kind: EntityKind, id: &Code) -> tokio::sync::MutexGuard<'_, ()> {
        let hash = self.hasher.hash_one((kind.name(), id));
        let turn = usize::try_from(hash).unwrap_or_default() % TURNS;
        self.turns[turn].lock().await
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Book> {
        self.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Book> {
        self.book.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Authority {
    pub(crate) fn new(
        nouns: Arc<dyn Nouns>,
        store: Arc<dyn store::Oversight>,
        clock: Arc<dyn Clock>,
        ground: Ground,
        desks: BTreeMap<OperatorCode, Arc<Desk>>,
        done: i64,
    ) -> Self {
        Self {
            nouns,
            store,
            clock,
            ground,
            desks: RwLock::new(desks),
            adding: tokio::sync::Mutex::default(),
            settler: tokio::sync::Mutex::new(Settler { done, pending: None }),
            problem: Mutex::default(),
            arrived: Notify::new(),
            parcels: Arc::default(),
        }
    }

    /// Notified when there is something to bring to an operator.
    #[must_use]
    pub fn wake(&self) -> Arc<Notify> {
        self.parcels.clone()
    }

    /// In order of their codes.
    #[must_use]
    pub fn operators(&self) -> Vec<Arc<Operator>> {
        self.desks()
            .values()
            .map(|desk| desk.read().operator.clone())
            .collect()
    }

    #[must_use]
    pub fn operator(&self, code: &OperatorCode) -> Option<Arc<Operator>> {
        let desk = self.desks().get(code).cloned()?;
        let operator = desk.read().operator.clone();
        Some(operator)
    }

    /// Adds an operator, or changes how it is treated. Its addresses stay as they are: they have
    /// [`Self::set_address`].
    ///
    /// # Errors
    /// When the store fails.
    pub async fn put_operator(&self, mut operator: Operator) -> Result<(), Refused> {
        let code = operator.id.clone();
        let _adding = self.adding.lock().await;
        let Ok(desk) = self.desk(&code) else {
            self.nouns.put(&operator).await?;
            let book = Book::new(Arc::new(operator));
            self.desks_mut().insert(code, Arc::new(Desk::new(book)));
            return Ok(());
        };
        let _order = desk.order.write().await;
        let known = desk.read().operator.clone();
        operator.addresses.clone_from(&known.addresses);
        operator.address_changes.clone_from(&known.address_changes);
        operator.registered = known.registered;
        self.nouns.put(&operator).await?;
        desk.write().operator = Arc::new(operator);
        Ok(())
    }

    /// Takes an operator away with all that it has registered. What it has reported stays as long as samples and
    /// records do.
    ///
    /// # Errors
    /// When there is none, or the store fails.
    pub async fn remove_operator(&self, code: &OperatorCode) -> Result<(), Refused> {
        let desk = self.desk(code)?;
        let _order = desk.order.write().await;
        let all: Vec<_> = {
            let book = desk.read();
            let ports = book
                .ports
                .iter()
                .map(|(_, slot)| (EntityKind::Port, slot.id.clone()));
            let equipment = book.equipment.iter();
            let equipment = equipment.map(|(_, slot)| (EntityKind::Equipment, slot.id.clone()));
            let stations = book.stations.iter();
            let stations = stations.map(|(_, slot)| (EntityKind::Station, slot.id.clone()));
            ports.chain(equipment).chain(stations).collect()
        };
        for some in all.chunks(DELETED_AT_ONCE) {
            self.delete(&desk, code, some).await?;
        }
        self.nouns.delete::<Operator>(code.as_str()).await?;
        self.desks_mut().remove(code);
        Ok(())
    }

    /// Sets or takes away an address, and says whether it was another one.
    ///
    /// # Errors
    /// When there is no such operator, or the store fails.
    pub async fn set_address(&self, code: &OperatorCode, change: AddressChange) -> Result<bool, Refused> {
        let desk = self.desk(code)?;
        let _order = desk.order.write().await;
        let mut operator = Operator::clone(&desk.read().operator);
        if !operator.set_address(change) {
            return Ok(false);
        }
        self.nouns.put(&operator).await?;
        desk.write().operator = Arc::new(operator);
        Ok(true)
    }

    /// Counts a call to an operator that was or was not answered.
    pub fn called(&self, code: &OperatorCode, callback: Callback, answered: bool) {
        let Ok(desk) = self.desk(code) else { return };
        tracing::debug!(operator = %code, ?callback, answered, "an operator was called");
        let day = self.ground.calendar.day(self.clock.now().wall);
        let mut book = desk.write();
        let quality = book.ledger.day(&day);
        *(if answered {
            &mut quality.told
        } else {
            &mut quality.not_told
        }) += 1;
    }

    pub(crate) fn desk(&self, code: &OperatorCode) -> Result<Arc<Desk>, Refused> {
        let desk = self.desks().get(code).cloned();
        desk.ok_or_else(|| Refused::unknown(What::Operator, code))
    }

    pub(crate) fn desks(&self) -> RwLockReadGuard<'_, BTreeMap<OperatorCode, Arc<Desk>>> {
        self.desks.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn desks_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<OperatorCode, Arc<Desk>>> {
        self.desks.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stores a round after what is pending. What cannot be stored is given up, for its caller to say so.
    pub(crate) async fn settle(&self, settler: &mut Settler, round: &Round) -> Result<(), StoreError> {
        self.flush(settler).await?;
        self.store.settle(round).await?;
        self.tell_of(round);
        Ok(())
    }

    /// Stores what is pending; it stays pending when that fails.
    pub(crate) async fn flush(&self, settler: &mut Settler) -> Result<(), StoreError> {
        if let Some(round) = &settler.pending {
            self.store.settle(round).await?;
            self.tell_of(round);
            settler.pending = None;
        }
        Ok(())
    }

    fn tell_of(&self, round: &Round) {
        if !round.parcels.is_empty() {
            self.parcels.notify_one();
        }
    }

    /// Stores warnings as they are now.
    pub(crate) async fn put_warnings(&self, warnings: Vec<Warning>) -> Result<(), StoreError> {
        if warnings.is_empty() {
            return Ok(());
        }
        let mut settler = self.settler.lock().await;
        let round = Round {
            warnings,
            ..Round::default()
        };
        self.settle(&mut settler, &round).await
    }

    pub(crate) fn problem(&self) -> Option<String> {
        self.problem
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set_problem(&self, problem: Option<String>) {
        *self.problem.lock().unwrap_or_else(PoisonError::into_inner) = problem;
    }
}
