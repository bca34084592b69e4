//! Showing that one knows a secret without sending it: signatures, HMAC, a password hashed by the dialect.
//!
//! The gate holds the secret, the dialect computes with it. A name that nobody has runs the same computation
//! on a secret that nobody knows, and is answered like a wrong signature.

use std::net::IpAddr;
use std::sync::Arc;

use model::dialect::Dialect;
use model::secret::Secret;

use super::{Access, DUMMY, Thing};
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{TokenDigest, is_same};
use crate::slow_down::Source;

/// Whom somebody says to be. Names are compared letter by letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// The name of an account, or a name in force.
    Name(&'a str),
    /// The e-mail address of an account.
    Email(&'a str),
}

impl Claim<'_> {
    fn text(&self) -> &str {
        match self {
            Self::Name(text) | Self::Email(text) => text,
        }
    }
}

/// Somebody who has shown to know a secret of a dialect.
#[derive(Clone, Debug)]
pub struct DoorCaller {
    pub access: Access,
    pub principal: Principal,
    pub(super) secret: Secret,
    pub(super) proved: Proved,
}

/// By what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proved {
    /// The credential of the thing itself, from there.
    Credential(IpAddr),
    /// A session of it.
    Session(TokenDigest),
}

/// A credential as it is kept.
pub(super) struct SealedKey {
    pub bytes: Arc<[u8]>,
    /// The kind and the name that it is sealed for.
    pub place: (String, String),
}

impl DoorCaller {
    /// The secret they know: what they send encrypted is encrypted with it.
    #[must_use]
    pub fn secret(&self) -> &Secret {
        &self.secret
    }
}

/// What a claim leads to: the credentials to compute with, and whose they are.
struct Candidate {
    keys: Vec<SealedKey>,
    access: Option<Access>,
}

impl Gate {
    /// Who knows the credential of what they claim to be. `holds` says whether what was sent goes with a secret;
    /// it runs once for each claim, whatever is known of them, and must take as long for every secret. While a
    /// credential before the last one holds in this dialect, it runs twice for each. A caller
    /// whose text can be read in two ways claims both, and the same one twice where there is but one: then all
    /// take the same time.
    ///
    /// A right proof is answered at once. Failures are slowed down by source and claim.
    ///
    /// # Errors
    /// [`Denied::Wrong`] for a wrong proof and an unknown name alike, [`Denied::Disabled`] after a right proof
    /// only, [`Denied::TooMany`] failures of this source wait already.
    pub async fn prove(
        &self,
        dialect: &Dialect,
        claims: &[Claim<'_>],
        source: IpAddr,
        holds: &(dyn Fn(&Secret) -> bool + Send + Sync),
    ) -> Result<DoorCaller, Denied> {
        let mut proved = None;
        for claim in claims {
            let Candidate { keys, access } = self.candidate(dialect, claim);
            for key in keys {
                let secret = self.unsealed(&key)?;
                let is_right = holds(&secret);
                if let Some(access) = access.as_ref().filter(|_| is_right) {
                    proved.get_or_insert_with(|| (access.clone(), secret));
                }
            }
        }
        let Some((access, secret)) = proved else {
            return Err(self.unproved(dialect, claims, source).await);
        };
        let principal = {
            let held = self.held();
            let door = held.doors.of(dialect);
            door.and_then(|door| door.principal(dialect, &access.name, &access.thing))
        };
        Ok(DoorCaller {
            principal: principal.ok_or(Denied::Disabled)?,
            access,
            secret,
            proved: Proved::Credential(source),
        })
    }

    pub(super) fn unsealed(&self, key: &SealedKey) -> Result<Secret, GateError> {
        let (kind, name) = &key.place;
        let clear = self.key.unseal(kind, name, &key.bytes)?;
        Ok(Secret::new(String::from_utf8_lossy(&clear)))
    }

    fn candidate(&self, dialect: &Dialect, claim: &Claim<'_>) -> Candidate {
        let now = self.clock.now().wall;
        let held = self.held();
        let door = held.doors.of(dialect);
        let known = door.and_then(|door| {
            let thing = door.thing_of(claim)?;
            let name = door.name_of(&thing)?;
            let key = door.key_of(dialect, &thing)?;
            Some((key, Access::new(*dialect, name, thing)))
        });
        let (key, access) = known.unzip();
        let mut keys = vec![key.unwrap_or_else(|| held.doors.dummy())];
        if let Some(door) = door.filter(|door| door.earlier.is_any(now)) {
            let thing = access.as_ref().map(|access| &access.thing);
            let earlier = thing.and_then(|thing| door.earlier.of(dialect, thing, now));
            keys.push(earlier.unwrap_or_else(|| held.doors.dummy()));
        }
        Candidate { keys, access }
    }

    async fn unproved(&self, dialect: &Dialect, claims: &[Claim<'_>], source: IpAddr) -> Denied {
        let claimed = claims.first().map_or("", |claim| claim.text());
        let account = format!("{} {claimed}", dialect.name);
        let denied = self.wait_out(Source::from(source), &account).await;
        // A name that is nobody's may be a password typed into the wrong field: not for the log.
        let known = claims
            .iter()
            .find_map(|claim| self.candidate(dialect, claim).access);
        let name = match known.map(|access| access.thing) {
            Some(thing) => format!("{}:{}", dialect.name, thing.id()),
            None => "unknown".to_owned(),
        };
        self.note_refusal(&name, dialect.name).await;
        denied
    }

    /// Whether a caller could still prove who they are as they did.
    pub(super) fn still_holds(&self, caller: &DoorCaller) -> Result<bool, GateError> {
        let DoorCaller { access, .. } = caller;
        let secrets = match caller.proved {
            Proved::Credential(_) => self.credentials_of(&access.dialect, &access.thing)?,
            Proved::Session(digest) => self
                .session_secret(&access.dialect, &digest)
                .into_iter()
                .collect(),
        };
        let is_same = secrets.iter().any(|secret| is_same(secret, &caller.secret));
        let held = self.held();
        let door = held.doors.of(&access.dialect);
        let principal = door.and_then(|door| door.principal(&access.dialect, &access.name, &access.thing));
        Ok(is_same && principal.is_some())
    }
}

impl super::Door {
    pub(super) fn key_of(&self, dialect: &Dialect, thing: &Thing) -> Option<SealedKey> {
        Some(SealedKey {
            bytes: self.credentials.sealed(thing)?,
            place: (dialect.name.to_owned(), thing.secret_name()),
        })
    }

    fn thing_of(&self, claim: &Claim<'_>) -> Option<Thing> {
        let number = match claim {
            Claim::Name(name) => self.accounts.by_name(name),
            Claim::Email(email) => self.accounts.by_email(email),
        };
        match (number, claim) {
            (Some(number), _) => Some(Thing::Account(number)),
            (None, Claim::Name(name)) => self.credentials.thing_of(name).cloned(),
            (None, Claim::Email(_)) => None,
        }
    }
}

impl super::Doors {
    fn dummy(&self) -> SealedKey {
        SealedKey {
            bytes: Arc::clone(&self.dummy),
            place: (DUMMY.0.to_owned(), DUMMY.1.to_owned()),
        }
    }
}
