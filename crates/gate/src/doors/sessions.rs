//! Sessions of a dialect: a token that names one, and a secret of its own that its calls are signed with.
//!
//! A thing may have many, and a new one ends none. A token is found by its digest, as bearer tokens are; whoever
//! has it without the secret has nothing. They survive a restart: the secret is kept sealed.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::dialect::Dialect;
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use store::{Store, StoredSecret};

use super::proof::Proved;
use super::{Access, DoorCaller, Thing};
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::secrets::{InstallationKey, TokenDigest, digest, digest_name, digest_of_name, random_hex};
use crate::slow_down::Source;

/// Of one thing; beyond it the one that would end first ends.
const PER_THING: usize = 1_000;
/// A token that somebody chose must not be guessable in a lifetime of trying.
const SHORTEST: usize = 32;

/// A session just opened, for the answer to its owner alone.
#[derive(Clone, Debug)]
pub struct DoorSession {
    /// 64 hexadecimal digits.
    pub token: Secret,
    /// 40 hexadecimal digits.
    pub secret: Secret,
    pub expires: Timestamp,
}

pub(super) type Sessions = BTreeMap<TokenDigest, Session>;

#[derive(Clone)]
pub(super) struct Session {
    thing: Thing,
    secret: Secret,
    expires: Timestamp,
}

pub(super) async fn load(
    store: &dyn Store,
    key: &InstallationKey,
    dialect: &str,
    now: Timestamp,
) -> Result<Sessions, GateError> {
    let kind = kind_of(dialect);
    store.expire_secrets(&kind, now).await?;
    let mut sessions = Sessions::new();
    for (name, stored) in store.secrets(&kind).await? {
        let clear = key.unseal(&kind, &name, &stored.bytes)?;
        let (digest, thing) = (digest_of_name(&name), stored.owner.parse());
        if let (Some(digest), Ok(thing), Some(expires)) = (digest, thing, stored.expires) {
            let secret = Secret::new(String::from_utf8_lossy(&clear));
            let session = Session {
                thing,
                secret,
                expires,
            };
            sessions.insert(digest, session);
        }
    }
    Ok(sessions)
}

impl Gate {
    /// Opens a session for somebody who has just proved who they are, by a credential or by another session,
    /// which lives on until its own end.
    ///
    /// # Errors
    /// [`Denied::Ended`] when what they proved it by is void meanwhile; when the store fails.
    pub async fn open_door_session(&self, caller: &DoorCaller, life: Millis) -> Result<DoorSession, Denied> {
        let (token, secret) = (random_hex::<32>()?, random_hex::<20>()?);
        let opened = DoorSession {
            token: Secret::new(token),
            secret: Secret::new(secret),
            expires: self.clock.now().wall + life,
        };
        let Access { dialect, thing, .. } = &caller.access;
        let _changing = self.changing.lock().await;
        if !self.still_holds(caller)? {
            return Err(Denied::Ended);
        }
        self.keep_door_session(dialect, thing, &opened).await?;
        if let Proved::Credential(source) = caller.proved {
            self.note_login(caller, source).await;
        }
        Ok(opened)
    }

    /// Makes this a session of a thing, for who has to know it beforehand: a demonstration.
    ///
    /// # Errors
    /// When the token has less than 32 characters, or the store fails.
    pub async fn adopt_door_session(
        &self,
        dialect: &Dialect,
        thing: &Thing,
        session: &DoorSession,
    ) -> Result<(), GateError> {
        if session.token.expose().len() < SHORTEST {
            return Err(GateError::Invalid {
                what: "token",
                given: format!("the token of a {dialect} session"),
                expected: "at least 32 characters",
            });
        }
        let _changing = self.changing.lock().await;
        self.keep_door_session(dialect, thing, session).await
    }

    /// Who holds a session. `holds` says whether what was sent goes with its secret. Whoever is right is answered
    /// at once, failures are slowed down by where they come from.
    ///
    /// # Errors
    /// [`Denied::Ended`] when there is no such session (any more), [`Denied::Wrong`] when its secret is another,
    /// [`Denied::TooMany`] failures of this source wait already.
    pub async fn by_door_session(
        &self,
        dialect: &Dialect,
        token: &str,
        source: IpAddr,
        holds: impl FnOnce(&Secret) -> bool,
    ) -> Result<DoorCaller, Denied> {
        let denied = match self.session_caller(dialect, token) {
            Some(caller) => {
                if holds(&caller.secret) {
                    return Ok(caller);
                }
                Denied::Wrong
            }
            None => Denied::Ended,
        };
        let account = format!("{dialect} session");
        let waited = self.wait_out(Source::from(source), &account).await;
        let is_answered = matches!(waited, Denied::Wrong);
        Err(if is_answered { denied } else { waited })
    }

    /// Who holds a session, where that is right and all is in memory. `None`: [`Gate::by_door_session`] has to say,
    /// which slows failures down.
    pub fn door_session_at_once(
        &self,
        dialect: &Dialect,
        token: &str,
        holds: impl FnOnce(&Secret) -> bool,
    ) -> Option<DoorCaller> {
        let caller = self.session_caller(dialect, token);
        caller.filter(|caller| holds(&caller.secret))
    }

    fn session_caller(&self, dialect: &Dialect, token: &str) -> Option<DoorCaller> {
        let (digest, now) = (digest(token), self.clock.now().wall);
        let held = self.held();
        let door = held.doors.of(dialect)?;
        let session = door
            .sessions
            .get(&digest)
            .filter(|session| session.expires > now)?;
        let name = door.name_of(&session.thing)?;
        let principal = door.principal(dialect, name, &session.thing)?;
        Some(DoorCaller {
            access: Access::new(*dialect, name, session.thing.clone()),
            principal,
            secret: session.secret.clone(),
            proved: Proved::Session(digest),
        })
    }

    pub(super) fn session_secret(&self, dialect: &Dialect, digest: &TokenDigest) -> Option<Secret> {
        let now = self.clock.now().wall;
        let held = self.held();
        let session = held.doors.of(dialect)?.sessions.get(digest)?;
        (session.expires > now).then(|| session.secret.clone())
    }

    /// Ends the session of a caller. Who came without one has nothing to end.
    ///
    /// # Errors
    /// When the store fails; the session is over for this process all the same.
    pub async fn end_door_session(&self, caller: &DoorCaller) -> Result<(), GateError> {
        let Proved::Session(digest) = caller.proved else {
            return Ok(());
        };
        let _changing = self.changing.lock().await;
        self.drop_door_session(&caller.access.dialect, &digest).await
    }

    /// Ends the sessions and passes of a thing, but for that of `keep`. To be called while something is changed.
    pub(super) async fn end_door_sessions_of(
        &self,
        dialect: &Dialect,
        thing: &Thing,
        keep: Option<&DoorCaller>,
    ) -> Result<(), GateError> {
        let keep = keep.map(|caller| caller.proved);
        let own: Vec<TokenDigest> = {
            let held = self.held();
            let sessions = held.doors.of(dialect).into_iter().flat_map(|door| &door.sessions);
            let own = sessions.filter(|(digest, session)| {
                session.thing == *thing && keep != Some(Proved::Session(**digest))
            });
            own.map(|(digest, _)| *digest).collect()
        };
        for digest in own {
            self.drop_door_session(dialect, &digest).await?;
        }
        self.end_passes_of(dialect, thing).await
    }

    async fn keep_door_session(
        &self,
        dialect: &Dialect,
        thing: &Thing,
        session: &DoorSession,
    ) -> Result<(), GateError> {
        let digest = digest(session.token.expose());
        self.make_room(dialect, thing, &digest).await?;
        let (kind, name) = (kind_of(dialect.name), digest_name(&digest));
        let secret = session.secret.expose();
        let stored = StoredSecret {
            owner: thing.to_string(),
            bytes: self.key.seal(&kind, &name, secret.as_bytes())?,
            expires: Some(session.expires),
        };
        self.store.put_secret(&kind, &name, &stored).await?;
        let kept = Session {
            thing: thing.clone(),
            secret: session.secret.clone(),
            expires: session.expires,
        };
        let mut held = self.held();
        held.doors.of_mut(dialect).sessions.insert(digest, kept);
        Ok(())
    }

    /// Sweeps out sessions of a dialect that have ended by themselves, and those beyond what one thing may have
    /// with the one that is to come.
    async fn make_room(
        &self,
        dialect: &Dialect,
        thing: &Thing,
        coming: &TokenDigest,
    ) -> Result<(), GateError> {
        let now = self.clock.now().wall;
        let surplus: Vec<TokenDigest> = {
            let held = self.held();
            let sessions = held.doors.of(dialect).into_iter().flat_map(|door| &door.sessions);
            let sessions = sessions.filter(|(digest, _)| *digest != coming);
            let (alive, ended): (Vec<_>, Vec<_>) = sessions.partition(|(_, session)| session.expires > now);
            let own = alive.into_iter().filter(|(_, session)| session.thing == *thing);
            let mut own: Vec<_> = own.collect();
            own.sort_by_key(|(_, session)| session.expires);
            let beyond = (own.len() + 1).saturating_sub(PER_THING);
            let surplus = ended.into_iter().chain(own.into_iter().take(beyond));
            surplus.map(|(digest, _)| *digest).collect()
        };
        for digest in surplus {
            self.drop_door_session(dialect, &digest).await?;
        }
        Ok(())
    }

    async fn drop_door_session(&self, dialect: &Dialect, digest: &TokenDigest) -> Result<(), GateError> {
        self.held().doors.of_mut(dialect).sessions.remove(digest);
        let (kind, name) = (kind_of(dialect.name), digest_name(digest));
        Ok(self.store.delete_secret(&kind, &name).await?)
    }
}

fn kind_of(dialect: &str) -> String {
    format!("{dialect}-session")
}
