//! Credentials of things: sealed in the store, their digests in memory.
//!
//! A name is in force once it was settled since the start. What the configuration names no more stays in the
//! store, with its credential, and opens nothing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use model::dialect::Dialect;
use model::secret::Secret;
use store::{Store, StoredSecret};
use subtle::ConstantTimeEq;

use super::{Access, Thing, names};
use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{InstallationKey, TokenDigest, digest, random_text};
use crate::slow_down::Source;

const LONGEST: usize = 128;

/// Things by name and by token. A thing has the name it was settled with last.
#[derive(Default)]
pub(super) struct Credentials {
    kept: BTreeMap<Thing, Kept>,
    by_name: BTreeMap<String, Thing>,
    names: BTreeMap<Thing, String>,
    by_token: BTreeMap<TokenDigest, Vec<String>>,
}

#[derive(Clone)]
struct Kept {
    /// The name it was settled with last.
    name: String,
    digest: TokenDigest,
    sealed: Arc<[u8]>,
}

impl Credentials {
    pub(super) async fn load(
        store: &dyn Store,
        key: &InstallationKey,
        dialect: &str,
    ) -> Result<Self, GateError> {
        let mut credentials = Self::default();
        for (name, stored) in store.secrets(dialect).await? {
            let Some(thing) = Thing::of_secret_name(&name) else {
                continue;
            };
            let clear = key.unseal(dialect, &name, &stored.bytes)?;
            let kept = Kept {
                name: stored.owner,
                digest: digest(&String::from_utf8_lossy(&clear)),
                sealed: stored.bytes.into(),
            };
            credentials.kept.insert(thing, kept);
        }
        Ok(credentials)
    }

    /// Takes a credential in; the name, if there is one, is in force.
    fn put(&mut self, thing: &Thing, name: Option<&str>, kept: Kept) {
        self.withdraw(thing);
        if let Some(name) = name {
            let names = self.by_token.entry(kept.digest).or_default();
            names.push(name.to_owned());
            self.by_name.insert(name.to_owned(), thing.clone());
            self.names.insert(thing.clone(), name.to_owned());
        }
        self.kept.insert(thing.clone(), kept);
    }

    fn withdraw(&mut self, thing: &Thing) {
        let Some(name) = self.names.remove(thing) else {
            return;
        };
        self.by_name.remove(&name);
        let digest = self.kept.get(thing).map_or([0; 32], |kept| kept.digest);
        if let Some(names) = self.by_token.get_mut(&digest) {
            names.retain(|known| *known != name);
        }
        self.by_token.retain(|_, names| !names.is_empty());
    }

    pub(super) fn forget(&mut self, thing: &Thing) {
        self.withdraw(thing);
        self.kept.remove(thing);
    }

    /// The thing of a name whose token has that digest, or the one that such a token alone names. A wrong token,
    /// none and an unknown name cost the same. Things that share a token cannot be told apart by it, so there is
    /// none then.
    fn find(&self, name: Option<&str>, given: &TokenDigest) -> Option<(&str, &Thing)> {
        let name = match (name, self.by_token.get(given).map(Vec::as_slice)) {
            (Some(name), _) => name,
            (None, Some([name])) => name,
            (None, Some(_) | None) => return None,
        };
        let found = self.by_name.get_key_value(name);
        let kept = found.and_then(|(_, thing)| self.kept.get(thing));
        let expected = kept.map_or([0; 32], |kept| kept.digest);
        let is_right = bool::from(expected.ct_eq(given));
        let (name, thing) = found.filter(|_| kept.is_some() && is_right)?;
        Some((name, thing))
    }

    pub(super) fn thing_of(&self, name: &str) -> Option<&Thing> {
        self.by_name.get(name)
    }

    pub(super) fn name_of(&self, thing: &Thing) -> Option<&str> {
        self.names.get(thing).map(String::as_str)
    }

    pub(super) fn in_force(&self) -> impl Iterator<Item = (&str, &Thing)> {
        self.by_name.iter().map(|(name, thing)| (name.as_str(), thing))
    }

    pub(super) fn sealed(&self, thing: &Thing) -> Option<Arc<[u8]>> {
        self.kept.get(thing).map(|kept| Arc::clone(&kept.sealed))
    }
}

impl Gate {
    /// Puts a name in force, and the credential that the configuration gives. Without one the thing keeps the
    /// credential it has, or gets a token of 32 characters. A token that was made anew since stays too: the
    /// configuration has a say again when it names another one.
    ///
    /// # Errors
    /// When the name means another thing, when name or credential do not do, or when the store fails.
    pub async fn settle_credential(&self, access: &Access, given: Option<&Secret>) -> Result<(), GateError> {
        let Access { dialect, name, thing } = access;
        names::check(name)?;
        given.map_or(Ok(()), |given| check(access, given))?;
        let _changing = self.changing.lock().await;
        self.keep_name(dialect, name, thing).await?;
        let named = self.named_credential(dialect, thing).await?;
        let given = given.filter(|given| named.as_ref() != Some(*given));
        if self.put_in_force(access, given) {
            return Ok(());
        }
        let in_force = match (given, self.credential(dialect, thing)?) {
            (Some(given), _) => given.clone(),
            (None, Some(kept)) => kept,
            (None, None) => Secret::new(random_text::<24>()?),
        };
        self.keep_credential(access, &in_force).await?;
        if let Some(given) = given {
            self.store_credential(&named_kind(dialect), access, given).await?;
        }
        Ok(())
    }

    /// Whether the credential that is kept is the right one under the right name.
    fn put_in_force(&self, access: &Access, given: Option<&Secret>) -> bool {
        let mut held = self.held();
        let credentials = &mut held.doors.of_mut(&access.dialect).credentials;
        let kept = credentials.kept.get(&access.thing).cloned();
        let given = given.map(|given| digest(given.expose()));
        let fits = |kept: &Kept| kept.name == access.name && given.is_none_or(|given| kept.digest == given);
        let Some(kept) = kept.filter(fits) else {
            return false;
        };
        credentials.put(&access.thing, Some(&access.name), kept);
        true
    }

    /// Makes a new token for a thing; the old one is worth nothing from then on.
    ///
    /// # Errors
    /// When the thing has no name in force, or the store fails.
    pub async fn renew_credential(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        thing: &Thing,
    ) -> Result<Secret, Denied> {
        let _changing = self.changing.lock().await;
        let access = self.access_of(dialect, thing);
        let access = access.ok_or_else(|| Denied::unknown(thing.kind(), &thing.id()))?;
        let made = Secret::new(random_text::<24>()?);
        self.keep_credential(&access, &made).await?;
        let action = format!("new {dialect} token for {}", thing.id());
        self.audit(&by.principal.name, by.door, &action, "done").await?;
        Ok(made)
    }

    /// The credential of a thing in clear. Callers show it to administrators only.
    ///
    /// # Errors
    /// When it was sealed with another installation key.
    pub fn credential(&self, dialect: &Dialect, thing: &Thing) -> Result<Option<Secret>, GateError> {
        let sealed = {
            let held = self.held();
            held.doors
                .of(dialect)
                .and_then(|door| door.credentials.sealed(thing))
        };
        let Some(sealed) = sealed else { return Ok(None) };
        let clear = self.key.unseal(dialect.name, &thing.secret_name(), &sealed)?;
        Ok(Some(Secret::new(String::from_utf8_lossy(&clear))))
    }

    /// Who sends the credential of a name, or one that names its thing alone. A right one is answered at once,
    /// wrong ones are slowed down by where they come from.
    pub async fn by_token(
        &self,
        dialect: &Dialect,
        name: Option<&str>,
        given: &str,
        source: IpAddr,
    ) -> Option<(Access, Principal)> {
        if given.is_empty() {
            return None;
        }
        let found = self.known_token(dialect, name, given);
        if found.is_none() {
            let account = format!("{dialect} token");
            self.wait_out(Source::from(source), &account).await;
        }
        found
    }

    pub(super) fn known_token(
        &self,
        dialect: &Dialect,
        name: Option<&str>,
        given: &str,
    ) -> Option<(Access, Principal)> {
        let given = digest(given);
        let held = self.held();
        let door = held.doors.of(dialect)?;
        let (name, thing) = door.credentials.find(name, &given)?;
        let principal = door.principal(dialect, name, thing)?;
        Some((Access::new(*dialect, name, thing.clone()), principal))
    }

    /// The thing that a caller may use by [`Self::by_token`], and what was decided on whether its door is open.
    /// Never waits and makes nothing: a token that is wrong here is to be asked for there.
    #[must_use]
    pub fn at_once(
        &self,
        dialect: &Dialect,
        name: Option<&str>,
        given: &str,
    ) -> Option<(Thing, Option<bool>)> {
        if given.is_empty() {
            return None;
        }
        let given = digest(given);
        let held = self.held();
        let door = held.doors.of(dialect)?;
        let (name, thing) = door.credentials.find(name, &given)?;
        let decided = door.switches.get(name);
        Some((thing.clone(), decided.and_then(|switches| switches.enabled)))
    }

    /// Keeps the credential of a thing; an account is found by its own names, everything else is in force by
    /// this one.
    pub(super) async fn keep_credential(&self, access: &Access, clear: &Secret) -> Result<(), GateError> {
        let Access { dialect, name, thing } = access;
        let sealed = self.store_credential(dialect.name, access, clear).await?;
        let kept = Kept {
            name: name.clone(),
            digest: digest(clear.expose()),
            sealed: sealed.into(),
        };
        let name = match thing {
            Thing::Account(_) => None,
            Thing::Evse(_) | Thing::Device(_) | Thing::Site(_) => Some(name.as_str()),
        };
        let mut held = self.held();
        held.doors.of_mut(dialect).credentials.put(thing, name, kept);
        Ok(())
    }

    async fn store_credential(
        &self,
        kind: &str,
        access: &Access,
        clear: &Secret,
    ) -> Result<Vec<u8>, GateError> {
        let name = access.thing.secret_name();
        let bytes = self.key.seal(kind, &name, clear.expose().as_bytes())?;
        let secret = StoredSecret {
            owner: access.name.clone(),
            bytes: bytes.clone(),
            expires: None,
        };
        self.store.put_secret(kind, &name, &secret).await?;
        Ok(bytes)
    }

    async fn named_credential(&self, dialect: &Dialect, thing: &Thing) -> Result<Option<Secret>, GateError> {
        let (kind, name) = (named_kind(dialect), thing.secret_name());
        let Some(stored) = self.store.secret(&kind, &name).await? else {
            return Ok(None);
        };
        let clear = self.key.unseal(&kind, &name, &stored.bytes)?;
        Ok(Some(Secret::new(String::from_utf8_lossy(&clear))))
    }
}

/// Of the credentials that the configuration named, beside those in force.
fn named_kind(dialect: &Dialect) -> String {
    format!("{}-named", dialect.name)
}

/// Any printable text without spaces is taken, so that clients keep the one they have.
fn check(access: &Access, given: &Secret) -> Result<(), GateError> {
    let given = given.expose();
    let fits = (1..=LONGEST).contains(&given.len()) && given.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        return Ok(());
    }
    Err(GateError::Invalid {
        what: "credential",
        given: format!("the {} token of {}", access.dialect, access.name),
        expected: "1 to 128 printable characters without spaces",
    })
}
