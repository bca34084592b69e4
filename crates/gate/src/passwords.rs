//! Passwords: how they are hashed, and who may sign in with one.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use model::id::UserId;
use model::secret::Secret;
use model::user::{Role, User};
use store::{Store, StoredSecret, Typed};
use tokio::sync::Semaphore;

use crate::audit::{By, NATIVE};
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{random, random_password};
use crate::sessions::NewSession;
use crate::slow_down::Source;

pub(crate) const KIND: &str = "password";
const SHORTEST: usize = 8;
/// Longer ones are no passwords but a way to keep us busy.
const LONGEST_BYTES: usize = 1_024;
/// Each hash takes 19 MiB and a core for some ten milliseconds.
const HASHES_AT_ONCE: usize = 2;
/// Passwords of one source that wait for their turn: what can be hashed while a request waits for its answer.
/// Further ones are refused without a look.
const WAITING_PER_SOURCE: usize = 1_000;

impl Gate {
    /// Makes an administrator, or gives an existing user that role and this password. With the password they
    /// have already, nothing changes; with another, their page sessions end.
    ///
    /// # Errors
    /// [`Denied::Unfit`] for a name that is no user id or a password of less than 8 characters.
    pub async fn create_admin(&self, name: &str, password: &str) -> Result<Principal, Denied> {
        let id = UserId::new(name).map_err(|_| Denied::Unfit {
            what: "the user name",
            expected: "1 to 63 characters of a-z, 0-9, - and _, starting with a letter or digit",
        })?;
        check_fit(password)?;
        let known = self.store.secret(KIND, name).await?;
        let is_same = match &known {
            Some(known) => self.hashing.verify(None, password, Some(&known.bytes)).await?,
            None => false,
        };
        let hash = match is_same {
            true => None,
            false => Some(self.hashing.hash(password).await?),
        };
        let _changing = self.changing.lock().await;
        // The password first: an administrator who is there can sign in, whenever the power goes.
        if let Some(hash) = hash {
            self.keep_password(&id, hash).await?;
            self.end_sessions_of(&id, None).await?;
        }
        let mut user = self.held().users.get(&id).cloned();
        if !user.as_ref().is_some_and(is_admin) {
            let made = User {
                role: Some(Role::Admin),
                enabled: true,
                ..user.unwrap_or_else(|| User::new(id.clone(), name, Role::Admin))
            };
            self.store.put(&made).await?;
            self.held().users.insert(id.clone(), made.clone());
            user = Some(made);
        }
        user.as_ref().map(Principal::user).ok_or(Denied::Wrong)
    }

    /// Opens a page session for whoever knows the password. A wrong name takes as long as a wrong password.
    ///
    /// # Errors
    /// [`Denied::Wrong`], late when it was wrong often; [`Denied::TooMany`] when too many of the same source
    /// wait for that answer; [`Denied::Unavailable`] when the store fails.
    pub async fn sign_in(&self, user: &str, password: &str, source: IpAddr) -> Result<NewSession, Denied> {
        let (user, hash) = self.prove_password(user, password, source).await?;
        let session = self.open_session(&user, Some(&hash)).await?;
        self.note(&session.principal.name, "sign in", "done").await;
        Ok(session)
    }

    /// The user with this name and password, if they may come in, and the hash it was proved by.
    pub(crate) async fn prove_password(
        &self,
        user: &str,
        password: &str,
        source: IpAddr,
    ) -> Result<(User, Vec<u8>), Denied> {
        let id = UserId::new(user).ok();
        let stored = match &id {
            Some(id) => self.store.secret(KIND, id.as_str()).await?,
            None => None,
        };
        let hash = stored.as_ref().map(|secret| secret.bytes.as_slice());
        let is_right = self
            .hashing
            .verify(Some(Source::from(source)), password, hash)
            .await?;
        let known = id.and_then(|id| self.held().users.get(&id).cloned());
        match (known, stored) {
            (Some(user), Some(stored)) if is_right && user.enabled => Ok((user, stored.bytes)),
            (known, _) => {
                // A name that is nobody's may be a password typed into the wrong field: not for the log.
                let name = known.as_ref().map_or("unknown", |user| user.id.as_str());
                let denied = self.failed(source, user).await;
                self.note_refusal(name, NATIVE).await;
                Err(denied)
            }
        }
    }

    /// Gives a user another password and ends their page sessions, but for the one with the cookie of
    /// `change`. Whoever changes their own has to know the one in use.
    ///
    /// # Errors
    /// [`Denied::Unfit`] new or current password, [`Denied::Unknown`] user, [`Denied::TooMany`].
    pub async fn set_password(
        &self,
        by: &By<'_>,
        user: &UserId,
        change: PasswordChange<'_>,
    ) -> Result<(), Denied> {
        self.audited(by, &format!("set password of user {user}"), async {
            if !self.held().users.contains_key(user) {
                return Err(Denied::unknown("user", user.as_str()));
            }
            check_fit(change.password)?;
            if by.principal.user.as_ref() == Some(user) {
                self.check_current(user, change).await?;
            }
            let hash = self.hashing.hash(change.password).await?;
            let _changing = self.changing.lock().await;
            if !self.held().users.contains_key(user) {
                return Err(Denied::unknown("user", user.as_str()));
            }
            self.keep_password(user, hash).await?;
            Ok(self.end_sessions_of(user, change.cookie).await?)
        })
        .await
    }

    async fn check_current(&self, user: &UserId, change: PasswordChange<'_>) -> Result<(), Denied> {
        let stored = self.store.secret(KIND, user.as_str()).await?;
        let hash = stored.as_ref().map(|secret| secret.bytes.as_slice());
        let source = Some(Source::from(change.source));
        let given = change.current.unwrap_or_default();
        if self.hashing.verify(source, given, hash).await? {
            return Ok(());
        }
        let denied = self.failed(change.source, user.as_str()).await;
        if matches!(denied, Denied::Wrong) {
            return Err(Denied::Unfit {
                what: "current",
                expected: "the password in use",
            });
        }
        Err(denied)
    }

    /// Makes up a password for a user who has lost theirs, and tells it. For the console.
    ///
    /// # Errors
    /// [`Denied::Unknown`] user.
    pub async fn reset_password(&self, by: &By<'_>, user: &UserId) -> Result<Secret, Denied> {
        let password = random_password()?;
        let change = PasswordChange {
            password: &password,
            current: None,
            cookie: None,
            source: IpAddr::from([127, 0, 0, 1]),
        };
        self.set_password(by, user, change).await?;
        Ok(Secret::new(password))
    }

    /// Whether the user can sign in with a password.
    #[must_use]
    pub fn has_password(&self, user: &UserId) -> bool {
        self.held().passwords.contains(user)
    }

    /// Whether the password is still the one that was proved by this hash.
    pub(crate) async fn is_hash(&self, user: &UserId, hash: &[u8]) -> Result<bool, GateError> {
        let stored = self.store.secret(KIND, user.as_str()).await?;
        Ok(stored.is_some_and(|stored| stored.bytes == hash))
    }

    async fn keep_password(&self, user: &UserId, hash: Vec<u8>) -> Result<(), GateError> {
        let secret = StoredSecret {
            owner: user.to_string(),
            bytes: hash,
            expires: None,
        };
        self.store.put_secret(KIND, user.as_str(), &secret).await?;
        let mut held = self.held();
        held.passwords.insert(user.clone());
        held.proven.forget(user);
        Ok(())
    }
}

/// A new password, and what proves that it may be set.
#[derive(Clone, Copy)]
pub struct PasswordChange<'a> {
    pub password: &'a str,
    /// The one in use.
    pub current: Option<&'a str>,
    /// The page session that goes on.
    pub cookie: Option<&'a str>,
    pub source: IpAddr,
}

/// Who has a password.
pub(crate) async fn load(store: &dyn Store) -> Result<BTreeSet<UserId>, GateError> {
    let secrets = store.secrets(KIND).await?;
    Ok(secrets
        .iter()
        .filter_map(|(name, _)| UserId::new(name).ok())
        .collect())
}

/// Whether somebody may administer the installation and is not shut out.
pub(crate) fn is_admin(user: &User) -> bool {
    user.role == Some(Role::Admin) && user.enabled
}

fn check_fit(password: &str) -> Result<(), Denied> {
    let fits = password.chars().count() >= SHORTEST && password.len() <= LONGEST_BYTES;
    let expected = "at least 8 characters and at most 1024 bytes";
    if fits {
        Ok(())
    } else {
        Err(Denied::Unfit {
            what: "the password",
            expected,
        })
    }
}

/// Hashes passwords off the async threads, two at once; one at a time for each source, so that a flood from
/// one place leaves the others their turn.
pub struct Hashing {
    slots: Arc<Semaphore>,
    turns: Mutex<BTreeMap<Source, Arc<Semaphore>>>,
}

impl Default for Hashing {
    fn default() -> Self {
        Self {
            slots: Arc::new(Semaphore::new(HASHES_AT_ONCE)),
            turns: Mutex::default(),
        }
    }
}

impl Hashing {
    /// Whether the password is the hashed one. Without a hash it takes as long and is wrong.
    async fn verify(
        &self,
        source: Option<Source>,
        password: &str,
        hash: Option<&[u8]>,
    ) -> Result<bool, Denied> {
        let hash = hash.map(|hash| String::from_utf8_lossy(hash).into_owned());
        let end = password.floor_char_boundary(LONGEST_BYTES);
        let (password, is_whole) = (password[..end].to_owned(), end == password.len());
        let turn = source.map(|source| Turn::new(self, source)).transpose()?;
        let _turn = match &turn {
            Some(turn) => turn.semaphore.acquire().await.ok(),
            None => None,
        };
        let is_right = self.run(move || match hash {
            Some(hash) => Ok(Argon2::default()
                .verify_password(password.as_bytes(), hash.as_str())
                .is_ok()
                && is_whole),
            None => hashed(&password).map(|_| false),
        });
        Ok(is_right.await?)
    }

    async fn hash(&self, password: &str) -> Result<Vec<u8>, GateError> {
        let password = password.to_owned();
        self.run(move || hashed(&password)).await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, GateError> + Send + 'static,
    ) -> Result<T, GateError> {
        let stopped = || GateError::Hash("the program is stopping".to_owned());
        // The slot moves into the work: an asker who goes away does not free it early.
        let slot = Arc::clone(&self.slots)
            .acquire_owned()
            .await
            .map_err(|_| stopped())?;
        let work = tokio::task::spawn_blocking(move || {
            let _slot = slot;
            work()
        });
        work.await.map_err(|_| stopped())?
    }
}

fn hashed(password: &str) -> Result<Vec<u8>, GateError> {
    let salt = random::<16>()?;
    let hash = Argon2::default().hash_password_with_salt(password.as_bytes(), &salt);
    hash.map(|hash| hash.to_string().into_bytes())
        .map_err(|error| GateError::Hash(error.to_string()))
}

/// A source's place in its own queue; the queue goes with the last who stands in it.
struct Turn<'a> {
    hashing: &'a Hashing,
    source: Source,
    semaphore: Arc<Semaphore>,
}

impl<'a> Turn<'a> {
    fn new(hashing: &'a Hashing, source: Source) -> Result<Self, Denied> {
        let mut turns = hashing.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let queue = turns.entry(source).or_insert_with(|| Arc::new(Semaphore::new(1)));
        // One reference in the map and one of each who stands in it.
        if Arc::strong_count(queue) > WAITING_PER_SOURCE {
            return Err(Denied::TooMany { retry_after_s: 5 });
        }
        Ok(Self {
            hashing,
            source,
            semaphore: Arc::clone(queue),
        })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut turns = self.hashing.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // One reference in the map and this one.
        if Arc::strong_count(&self.semaphore) == 2 {
            turns.remove(&self.source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queue_of_a_source_has_an_end_and_is_its_own() {
        let hashing = Hashing::default();
        let source = |last| Source::from(IpAddr::from([10, 0, 0, last]));
        let mut turns: Vec<_> = (0..WAITING_PER_SOURCE)
            .map(|_| Turn::new(&hashing, source(1)).unwrap())
            .collect();
        let refused = Turn::new(&hashing, source(1)).err();
        assert!(matches!(refused, Some(Denied::TooMany { .. })), "{refused:?}");
        assert!(Turn::new(&hashing, source(2)).is_ok());
        turns.pop();
        assert!(Turn::new(&hashing, source(1)).is_ok());
        turns.clear();
        assert!(hashing.turns.lock().unwrap().is_empty());
    }
}
