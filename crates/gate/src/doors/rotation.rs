//! Another credential for an account, while the one before holds as well for a while: whoever has many programs
//! changes them one after the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::dialect::Dialect;
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use store::{Store, StoredSecret};

use super::Thing;
use super::accounts::check_password;
use super::proof::SealedKey;
use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;

/// Credentials that hold beside those in force.
#[derive(Default)]
pub(super) struct Earlier(BTreeMap<Thing, Before>);

struct Before {
    sealed: Arc<[u8]>,
    until: Timestamp,
}

impl Earlier {
    pub(super) async fn load(store: &dyn Store, dialect: &str, now: Timestamp) -> Result<Self, GateError> {
        let kind = kind_of(dialect);
        store.expire_secrets(&kind, now).await?;
        let mut earlier = Self::default();
        for (name, stored) in store.secrets(&kind).await? {
            if let (Some(thing), Some(until)) = (Thing::of_secret_name(&name), stored.expires) {
                let sealed = stored.bytes.into();
                earlier.0.insert(thing, Before { sealed, until });
            }
        }
        Ok(earlier)
    }

    pub(super) fn is_any(&self, now: Timestamp) -> bool {
        self.0.values().any(|before| before.until > now)
    }

    pub(super) fn of(&self, dialect: &Dialect, thing: &Thing, now: Timestamp) -> Option<SealedKey> {
        let before = self.0.get(thing).filter(|before| before.until > now)?;
        Some(SealedKey {
            bytes: Arc::clone(&before.sealed),
            place: (kind_of(dialect.name), thing.secret_name()),
        })
    }
}

impl Gate {
    /// Gives an account another credential, a made one unless it is given. The one before holds for the overlap as
    /// well, and what was opened by it lives on; without an overlap both are over at once.
    ///
    /// # Errors
    /// [`Denied::Unknown`] number, [`Denied::Unfit`] credential.
    pub async fn rotate_credential(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        number: u32,
        given: Option<&Secret>,
        overlap: Millis,
    ) -> Result<Secret, Denied> {
        let action = format!("new {dialect} secret of account {number}");
        self.audited(by, &action, async {
            let coming = match given {
                Some(given) => given.clone(),
                None => self.made_secret()?,
            };
            check_password(&coming)?;
            let _changing = self.changing.lock().await;
            let account = self.known_account(dialect, number)?;
            let thing = account.thing();
            match self.credential(dialect, &thing)? {
                Some(before) if overlap > Millis::ZERO => {
                    self.keep_earlier(dialect, &thing, &before, overlap).await?;
                }
                Some(_) | None => {
                    self.forget_earlier(dialect, &thing).await?;
                    self.end_door_sessions_of(dialect, &thing, None).await?;
                }
            }
            self.keep_password_of(dialect, &account, &coming).await?;
            Ok(coming)
        })
        .await
    }

    /// Until when the credential before the last one holds as well.
    #[must_use]
    pub fn earlier_until(&self, dialect: &Dialect, thing: &Thing) -> Option<Timestamp> {
        let now = self.clock.now().wall;
        let held = self.held();
        let before = held.doors.of(dialect)?.earlier.0.get(thing)?;
        Some(before.until).filter(|until| *until > now)
    }

    /// The credential in force, and the one before while it holds.
    pub(super) fn credentials_of(&self, dialect: &Dialect, thing: &Thing) -> Result<Vec<Secret>, GateError> {
        let now = self.clock.now().wall;
        let keys = {
            let held = self.held();
            let door = held.doors.of(dialect);
            let keys = door.map(|door| [door.key_of(dialect, thing), door.earlier.of(dialect, thing, now)]);
            keys.into_iter().flatten().flatten().collect::<Vec<_>>()
        };
        keys.iter().map(|key| self.unsealed(key)).collect()
    }

    async fn keep_earlier(
        &self,
        dialect: &Dialect,
        thing: &Thing,
        before: &Secret,
        overlap: Millis,
    ) -> Result<(), GateError> {
        let (kind, name) = (kind_of(dialect.name), thing.secret_name());
        let until = self.clock.now().wall + overlap;
        let bytes = self.key.seal(&kind, &name, before.expose().as_bytes())?;
        let secret = StoredSecret {
            owner: thing.to_string(),
            bytes: bytes.clone(),
            expires: Some(until),
        };
        self.store.put_secret(&kind, &name, &secret).await?;
        let sealed = bytes.into();
        let mut held = self.held();
        let door = held.doors.of_mut(dialect);
        door.earlier.0.insert(thing.clone(), Before { sealed, until });
        Ok(())
    }

    pub(super) async fn forget_earlier(&self, dialect: &Dialect, thing: &Thing) -> Result<(), GateError> {
        self.held().doors.of_mut(dialect).earlier.0.remove(thing);
        let kind = kind_of(dialect.name);
        Ok(self.store.delete_secret(&kind, &thing.secret_name()).await?)
    }
}

fn kind_of(dialect: &str) -> String {
    format!("{dialect}-earlier")
}
