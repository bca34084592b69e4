//! The token by which a thing knows that it is us who call. It opens nothing here: who sends it to us got it from a
//! call of ours, and that is noted.

use std::collections::BTreeMap;
use std::sync::Arc;

use model::dialect::Dialect;
use model::secret::Secret;
use store::{Store, StoredSecret};
use subtle::ConstantTimeEq;

use super::Thing;
use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::secrets::{InstallationKey, TokenDigest, digest, random_token};

/// Tokens of things, sealed, and their digests.
#[derive(Default)]
pub(super) struct Outward(BTreeMap<Thing, (Arc<[u8]>, TokenDigest)>);

impl Outward {
    pub(super) async fn load(
        store: &dyn Store,
        key: &InstallationKey,
        dialect: &str,
    ) -> Result<Self, GateError> {
        let kind = kind_of(dialect);
        let mut outward = Self::default();
        for (name, stored) in store.secrets(&kind).await? {
            let Some(thing) = Thing::of_secret_name(&name) else {
                continue;
            };
            let clear = key.unseal(&kind, &name, &stored.bytes)?;
            let digest = digest(&String::from_utf8_lossy(&clear));
            outward.0.insert(thing, (stored.bytes.into(), digest));
        }
        Ok(outward)
    }
}

impl Gate {
    /// The token that we show to a thing, if one was made.
    ///
    /// # Errors
    /// When it was sealed with another installation key.
    pub fn outward_token(&self, dialect: &Dialect, thing: &Thing) -> Result<Option<Secret>, GateError> {
        let sealed = {
            let held = self.held();
            let kept = held.doors.of(dialect).and_then(|door| door.outward.0.get(thing));
            kept.map(|(sealed, _)| Arc::clone(sealed))
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let clear = self
            .key
            .unseal(&kind_of(dialect.name), &thing.secret_name(), &sealed)?;
        Ok(Some(Secret::new(String::from_utf8_lossy(&clear))))
    }

    /// The same; one is made where there is none.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn settle_outward_token(&self, dialect: &Dialect, thing: &Thing) -> Result<Secret, GateError> {
        let _changing = self.changing.lock().await;
        match self.outward_token(dialect, thing)? {
            Some(token) => Ok(token),
            None => self.make_outward(dialect, thing).await,
        }
    }

    /// Makes another one; the one before is shown no more.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn renew_outward_token(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        thing: &Thing,
    ) -> Result<Secret, Denied> {
        let action = format!("new {dialect} callback token of {thing}");
        self.audited(by, &action, async {
            let _changing = self.changing.lock().await;
            Ok(self.make_outward(dialect, thing).await?)
        })
        .await
    }

    async fn make_outward(&self, dialect: &Dialect, thing: &Thing) -> Result<Secret, GateError> {
        let (kind, name) = (kind_of(dialect.name), thing.secret_name());
        let token = random_token()?;
        let bytes = self.key.seal(&kind, &name, token.as_bytes())?;
        let secret = StoredSecret {
            owner: thing.to_string(),
            bytes: bytes.clone(),
            expires: None,
        };
        self.store.put_secret(&kind, &name, &secret).await?;
        let kept = (bytes.into(), digest(&token));
        let mut held = self.held();
        held.doors.of_mut(dialect).outward.0.insert(thing.clone(), kept);
        Ok(Secret::new(token))
    }

    pub(super) async fn forget_outward(&self, dialect: &Dialect, thing: &Thing) -> Result<(), GateError> {
        self.held().doors.of_mut(dialect).outward.0.remove(thing);
        let kind = kind_of(dialect.name);
        Ok(self.store.delete_secret(&kind, &thing.secret_name()).await?)
    }

    /// Notes that a call of ours came back to us as if it were one of that name.
    pub(super) async fn note_reflected(&self, dialect: &Dialect, name: &str, given: &TokenDigest) {
        let thing = {
            let held = self.held();
            held.doors.of(dialect).and_then(|door| {
                let thing = Thing::Account(door.accounts.by_name(name)?);
                let (_, expected) = door.outward.0.get(&thing)?;
                bool::from(expected.ct_eq(given)).then_some(thing)
            })
        };
        let Some(thing) = thing else { return };
        let due = self.held().reflections.due(self.clock.now().monotonic);
        let outcome = match due {
            Some(0) => "refused".to_owned(),
            Some(more) => format!("refused, as {more} others since the last note"),
            None => return,
        };
        let principal = format!("{}:{}", dialect.name, thing.id());
        let action = "call with the token that only we show";
        self.note_at(&principal, dialect.name, action, &outcome).await;
    }
}

fn kind_of(dialect: &str) -> String {
    format!("{dialect}-outward")
}
