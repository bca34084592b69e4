//! Passes: a token that names a thing for a while, for calls that are signed with the credential of the thing.
//!
//! A pass without the credential is worth nothing. It is found by its digest, and each use prolongs it up to an end
//! that stands from the beginning. In memory that is exact; in the store it may be behind by an hour, so that a restart
//! ends a pass at most that much early. A thing may have many, and a new one ends none.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use model::dialect::Dialect;
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use store::{Store, StoredSecret};

use super::proof::{Proved, SealedKey};
use super::{Access, DoorCaller, Thing};
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::secrets::{TokenDigest, digest, digest_name, digest_of_name, random_token};
use crate::slow_down::Source;

/// Of one thing; beyond it the one that would end first ends.
const PER_THING: usize = 1_000;
/// How exactly the store knows when a pass ends.
const KEPT_EVERY: Millis = Millis(3_600_000);

/// How long a pass is good after its last use, and after it was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub idle: Millis,
    pub longest: Millis,
}

/// What somebody shows with a call.
#[derive(Clone, Copy, Debug)]
pub struct Passing<'a> {
    pub dialect: &'a Dialect,
    /// Whose pass they say it is.
    pub name: &'a str,
    pub token: &'a str,
    pub source: IpAddr,
}

#[derive(Default)]
pub(super) struct Passes {
    by_digest: BTreeMap<TokenDigest, Pass>,
    of_thing: BTreeMap<Thing, BTreeSet<TokenDigest>>,
}

#[derive(Clone)]
struct Pass {
    thing: Thing,
    expires: Timestamp,
    /// As the store has it.
    kept: Timestamp,
    /// Not prolonged beyond.
    until: Timestamp,
}

impl Passes {
    pub(super) async fn load(store: &dyn Store, dialect: &str, now: Timestamp) -> Result<Self, GateError> {
        let kind = kind_of(dialect);
        store.expire_secrets(&kind, now).await?;
        let mut passes = Self::default();
        for (name, stored) in store.secrets(&kind).await? {
            let until = <[u8; 8]>::try_from(stored.bytes.as_slice()).map(i64::from_be_bytes);
            let (digest, thing) = (digest_of_name(&name), stored.owner.parse());
            if let (Some(digest), Ok(thing), Ok(until), Some(expires)) =
                (digest, thing, until, stored.expires)
            {
                let pass = Pass {
                    thing,
                    expires,
                    kept: expires,
                    until: Timestamp(until),
                };
                passes.put(digest, pass);
            }
        }
        Ok(passes)
    }

    fn put(&mut self, digest: TokenDigest, pass: Pass) {
        self.of_thing
            .entry(pass.thing.clone())
            .or_default()
            .insert(digest);
        self.by_digest.insert(digest, pass);
    }

    fn remove(&mut self, digest: &TokenDigest) {
        let Some(pass) = self.by_digest.remove(digest) else {
            return;
        };
        if let Some(own) = self.of_thing.get_mut(&pass.thing) {
            own.remove(digest);
            if own.is_empty() {
                self.of_thing.remove(&pass.thing);
            }
        }
    }

    fn of(&self, thing: &Thing) -> impl Iterator<Item = (&TokenDigest, &Pass)> {
        let own = self.of_thing.get(thing).into_iter().flatten();
        own.filter_map(|digest| Some((digest, self.by_digest.get(digest)?)))
    }
}

/// Whom a token leads to, before anything was proved.
struct Shown {
    access: Access,
    keys: [Option<SealedKey>; 2],
    is_enabled: bool,
}

impl Gate {
    /// Gives a pass to somebody who has just proved who they are by the credential itself.
    ///
    /// # Errors
    /// [`Denied::Ended`] when what they proved it by is void meanwhile; when the store fails.
    pub async fn open_pass(&self, caller: &DoorCaller, life: Life) -> Result<Secret, Denied> {
        let Access { dialect, thing, .. } = &caller.access;
        let token = random_token()?;
        let now = self.clock.now().wall;
        let until = now + life.longest;
        let expires = (now + life.idle).min(until);
        let _changing = self.changing.lock().await;
        if !self.still_holds(caller)? {
            return Err(Denied::Ended);
        }
        self.make_room_for_pass(dialect, thing, now).await?;
        let pass = Pass {
            thing: thing.clone(),
            expires,
            kept: expires,
            until,
        };
        self.keep_pass(dialect, digest(&token), pass).await?;
        if let Proved::Credential(source) = caller.proved {
            self.note_login(caller, source).await;
        }
        Ok(Secret::new(token))
    }

    /// Who holds a pass and knows the credential of its thing: `holds` says whether what was sent goes with it. Whoever
    /// is right is answered at once, and the pass lives on; failures are slowed down by where they come from.
    ///
    /// # Errors
    /// [`Denied::Ended`] when there is no such pass of that name (any more), [`Denied::Wrong`] when the credential is
    /// another, [`Denied::Disabled`] after a right proof only, [`Denied::TooMany`] failures of this source wait already.
    pub async fn by_pass(
        &self,
        passing: Passing<'_>,
        idle: Millis,
        holds: impl Fn(&Secret) -> bool,
    ) -> Result<Access, Denied> {
        let given = digest(passing.token);
        let denied = match self.shown(&passing, &given) {
            Some(shown) => {
                if self.is_held(&shown.keys, holds)? {
                    if !shown.is_enabled {
                        return Err(Denied::Disabled);
                    }
                    self.prolong_pass(passing.dialect, &given, idle).await;
                    return Ok(shown.access);
                }
                Denied::Wrong
            }
            None => {
                self.note_reflected(passing.dialect, passing.name, &given).await;
                Denied::Ended
            }
        };
        let account = format!("{} pass", passing.dialect);
        let waited = self.wait_out(Source::from(passing.source), &account).await;
        let is_answered = matches!(waited, Denied::Wrong);
        Err(if is_answered { denied } else { waited })
    }

    fn is_held(
        &self,
        keys: &[Option<SealedKey>],
        holds: impl Fn(&Secret) -> bool,
    ) -> Result<bool, GateError> {
        for key in keys.iter().flatten() {
            if holds(&self.unsealed(key)?) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn shown(&self, passing: &Passing<'_>, given: &TokenDigest) -> Option<Shown> {
        let Passing { dialect, name, .. } = passing;
        let now = self.clock.now().wall;
        let held = self.held();
        let door = held.doors.of(dialect)?;
        let pass = door.passes.by_digest.get(given)?;
        let is_theirs = pass.expires > now && door.name_of(&pass.thing) == Some(*name);
        is_theirs.then(|| Shown {
            access: Access::new(**dialect, name, pass.thing.clone()),
            keys: [
                door.key_of(dialect, &pass.thing),
                door.earlier.of(dialect, &pass.thing, now),
            ],
            is_enabled: door.principal(dialect, name, &pass.thing).is_some(),
        })
    }

    /// A disk that is full keeps nobody out.
    async fn prolong_pass(&self, dialect: &Dialect, given: &TokenDigest, idle: Millis) {
        let now = self.clock.now().wall;
        let due = {
            let mut held = self.held();
            let Some(pass) = held.doors.of_mut(dialect).passes.by_digest.get_mut(given) else {
                return;
            };
            pass.expires = pass.expires.max((now + idle).min(pass.until));
            let step = KEPT_EVERY.min(Millis(idle.0 / 4));
            let is_due = pass.expires - pass.kept >= step && pass.expires > pass.kept;
            is_due.then(|| {
                // Not again with the next call, whatever the store says.
                pass.kept = pass.expires;
                pass.clone()
            })
        };
        let Some(pass) = due else { return };
        let _changing = self.changing.lock().await;
        // One that ended meanwhile must not come back.
        let is_there = {
            let held = self.held();
            let door = held.doors.of(dialect);
            door.is_some_and(|door| door.passes.by_digest.contains_key(given))
        };
        if is_there && let Err(error) = self.store_pass(dialect, given, &pass).await {
            tracing::warn!("cannot note that a pass of {} is in use: {error}", pass.thing);
        }
    }

    /// Ends the passes of a thing. To be called while something is changed.
    pub(super) async fn end_passes_of(&self, dialect: &Dialect, thing: &Thing) -> Result<(), GateError> {
        let own: Vec<TokenDigest> = {
            let held = self.held();
            let passes = held
                .doors
                .of(dialect)
                .into_iter()
                .flat_map(|door| door.passes.of(thing));
            passes.map(|(digest, _)| *digest).collect()
        };
        for digest in own {
            self.drop_pass(dialect, &digest).await?;
        }
        Ok(())
    }

    /// Sweeps out passes of a thing that have ended by themselves, and those beyond what it may have with the one that
    /// is to come.
    async fn make_room_for_pass(
        &self,
        dialect: &Dialect,
        thing: &Thing,
        now: Timestamp,
    ) -> Result<(), GateError> {
        let surplus: Vec<TokenDigest> = {
            let held = self.held();
            let own = held
                .doors
                .of(dialect)
                .into_iter()
                .flat_map(|door| door.passes.of(thing));
            let mut own: Vec<_> = own.map(|(digest, pass)| (pass.expires, *digest)).collect();
            own.sort_unstable();
            let ended = own.iter().filter(|(expires, _)| *expires <= now).count();
            let beyond = (own.len() + 1).saturating_sub(PER_THING);
            own.into_iter()
                .take(ended.max(beyond))
                .map(|(_, digest)| digest)
                .collect()
        };
        for digest in surplus {
            self.drop_pass(dialect, &digest).await?;
        }
        Ok(())
    }

    async fn keep_pass(&self, dialect: &Dialect, digest: TokenDigest, pass: Pass) -> Result<(), GateError> {
        self.store_pass(dialect, &digest, &pass).await?;
        self.held().doors.of_mut(dialect).passes.put(digest, pass);
        Ok(())
    }

    async fn store_pass(
        &self,
        dialect: &Dialect,
        digest: &TokenDigest,
        pass: &Pass,
    ) -> Result<(), GateError> {
        let secret = StoredSecret {
            owner: pass.thing.to_string(),
            bytes: pass.until.0.to_be_bytes().to_vec(),
            expires: Some(pass.expires),
        };
        let (kind, name) = (kind_of(dialect.name), digest_name(digest));
        Ok(self.store.put_secret(&kind, &name, &secret).await?)
    }

    async fn drop_pass(&self, dialect: &Dialect, digest: &TokenDigest) -> Result<(), GateError> {
        self.held().doors.of_mut(dialect).passes.remove(digest);
        let (kind, name) = (kind_of(dialect.name), digest_name(digest));
        Ok(self.store.delete_secret(&kind, &name).await?)
    }
}

fn kind_of(dialect: &str) -> String {
    format!("{dialect}-pass")
}
