//! The gate itself: what it holds, and how it opens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::id::{CardId, UserId};
use model::time::Clock;
use model::user::User;
use store::{Store, Typed};

use crate::audit::Refusals;
use crate::basic::Proven;
use crate::cards::HeldCard;
use crate::denied::{Denied, GateError};
use crate::doors::Doors;
use crate::passwords::{Hashing, is_admin};
use crate::secrets::{InstallationKey, TokenDigest};
use crate::sessions::Session;
use crate::slow_down::{SlowDown, Source, Verdict};
use crate::tickets::Tickets;
use crate::tokens::Token;

/// Proves who somebody is, and keeps what that needs.
pub struct Gate {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: InstallationKey,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) hashing: Hashing,
    /// Held while something is changed in the store and in memory, so that both end up the same and what was
    /// checked before still holds. Never while a password is hashed or a failure waits.
    pub(crate) changing: tokio::sync::Mutex<()>,
    held: Mutex<Held>,
    slow_down: Mutex<SlowDown>,
}

/// What is compared on every request. The store has the same; it is written first.
pub(crate) struct Held {
    pub users: BTreeMap<UserId, User>,
    /// Who has a password.
    pub passwords: BTreeSet<UserId>,
    pub proven: Proven,
    pub sessions: BTreeMap<TokenDigest, Session>,
    pub tokens: BTreeMap<TokenDigest, Token>,
    pub cards: BTreeMap<CardId, HeldCard>,
    pub doors: Doors,
    pub tickets: Tickets,
    pub refusals: Refusals,
    /// Of calls of ours that came back.
    pub reflections: Refusals,
}

impl Held {
    /// Who can sign in to administer.
    pub(crate) fn administrators(&self) -> impl Iterator<Item = &User> {
        let all = self.users.values();
        all.filter(|user| is_admin(user) && self.passwords.contains(&user.id))
    }
}

impl Gate {
    /// Reads from the store what is compared on every request.
    ///
    /// # Errors
    /// When the store fails, or a secret was sealed with another installation key.
    pub async fn open(
        store: Arc<dyn Store>,
        key: InstallationKey,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, GateError> {
        let users = store
            .list::<User>()
            .await?
            .into_iter()
            .map(|user| (user.id.clone(), user))
            .collect();
        let held = Held {
            users,
            passwords: crate::passwords::load(&*store).await?,
            proven: Proven::default(),
            sessions: crate::sessions::load(&*store, clock.now().wall).await?,
            tokens: crate::tokens::load(&*store, clock.now().wall).await?,
            cards: crate::cards::load(&*store, &key).await?,
            doors: Doors::load(&*store, &key, clock.now().wall).await?,
            tickets: Tickets::default(),
            refusals: Refusals::default(),
            reflections: Refusals::default(),
        };
        Ok(Arc::new(Self {
            store,
            key,
            clock,
            hashing: Hashing::default(),
            changing: tokio::sync::Mutex::default(),
            held: Mutex::new(held),
            slow_down: Mutex::default(),
        }))
    }

    /// Whether somebody can sign in to administer already. Before that, nothing but loopback should be
    /// listened on.
    #[must_use]
    pub fn has_admin(&self) -> bool {
        self.held().administrators().next().is_some()
    }

    /// Every user, ordered by id.
    #[must_use]
    pub fn users(&self) -> Vec<User> {
        self.held().users.values().cloned().collect()
    }

    /// Counts a failed proof of any kind and waits as long as it has to; then the answer may go out. For
    /// doors whose proofs are weaker than a random token.
    pub async fn failed(&self, source: IpAddr, account: &str) -> Denied {
        self.wait_out(Source::from(source), account).await
    }

    pub(crate) async fn wait_out(&self, source: Source, account: &str) -> Denied {
        let verdict = self
            .slow_down()
            .failed(source, account, self.clock.now().monotonic);
        match verdict {
            Verdict::AtOnce => Denied::Wrong,
            Verdict::After(wait) => {
                let _pending = Pending { gate: self, source };
                tokio::time::sleep(wait.to_std()).await;
                Denied::Wrong
            }
            Verdict::Refuse => Denied::TooMany { retry_after_s: 5 },
        }
    }

    /// The maps stay whole even if a holder of the lock panicked: each change is one insertion or removal.
    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn slow_down(&self) -> MutexGuard<'_, SlowDown> {
        self.slow_down.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Gives the place back also when the asker goes away while waiting.
struct Pending<'a> {
    gate: &'a Gate,
    source: Source,
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        self.gate.slow_down().answered(self.source);
    }
}
