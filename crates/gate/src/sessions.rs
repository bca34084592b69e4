//! Page sessions: a random cookie, kept as its SHA-256, that lives thirty days after its last use.

use std::collections::BTreeMap;

use model::id::UserId;
use model::time::{Millis, Timestamp};
use model::user::User;
use store::{Store, StoredSecret};

use crate::denied::GateError;
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{Secret, TokenDigest, digest, digest_name, random_token};

const KIND: &str = "session";
const LIFE: Millis = Millis(30 * 24 * 3_600 * 1_000);
/// A session is written again when it has been used a day after it was last written.
const RENEW_AFTER: Millis = Millis(24 * 3_600 * 1_000);
/// Of one user; beyond it the one that would end first ends.
const PER_USER: usize = 100;

/// A session just opened. The cookie value is known to its owner alone.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub cookie_value: Secret,
    pub principal: Principal,
}

#[derive(Clone)]
pub(crate) struct Session {
    user: UserId,
    expires: Timestamp,
}

pub(crate) async fn load(
    store: &dyn Store,
    now: Timestamp,
) -> Result<BTreeMap<TokenDigest, Session>, GateError> {
    store.expire_secrets(KIND, now).await?;
    let mut sessions = BTreeMap::new();
    for (_, secret) in store.secrets(KIND).await? {
        let digest = TokenDigest::try_from(secret.bytes.as_slice());
        if let (Ok(digest), Ok(user), Some(expires)) = (digest, UserId::new(&secret.owner), secret.expires) {
            sessions.insert(digest, Session { user, expires });
        }
    }
    Ok(sessions)
}

impl Gate {
    /// Who holds this cookie. Using a session keeps it alive.
    pub async fn principal_of_session(&self, cookie: &str) -> Option<Principal> {
        let digest = digest(cookie);
        let now = self.clock.now().wall;
        let (user, renewed) = {
            let mut held = self.held();
            let session = held.sessions.get_mut(&digest)?;
            if session.expires <= now {
                return None;
            }
            let is_due = session.expires - now < Millis(LIFE.0 - RENEW_AFTER.0);
            if is_due {
                session.expires = now + LIFE;
            }
            let renewed = is_due.then(|| session.clone());
            let user = session.user.clone();
            (held.users.get(&user)?.clone(), renewed)
        };
        if let Some(session) = renewed
            && let Err(error) = self.store_session(&digest, &session).await
        {
            tracing::warn!(user.id = %user.id, "cannot prolong a page session, it ends earlier: {error}");
        }
        Some(Principal::user(&user))
    }

    /// Ends a session. Ending one that does not exist is no error.
    ///
    /// # Errors
    /// When the store fails; the session is over for this process all the same.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), GateError> {
        self.end_session(&digest(cookie)).await
    }

    pub(crate) async fn open_session(&self, user: &User) -> Result<NewSession, GateError> {
        let cookie = random_token()?;
        let digest = digest(&cookie);
        let now = self.clock.now().wall;
        for surplus in self.surplus_sessions(&user.id, now) {
            self.end_session(&surplus).await?;
        }
        let session = Session {
            user: user.id.clone(),
            expires: now + LIFE,
        };
        self.store_session(&digest, &session).await?;
        self.held().sessions.insert(digest, session);
        Ok(NewSession {
            cookie_value: Secret::new(cookie),
            principal: Principal::user(user),
        })
    }

    pub(crate) async fn end_sessions_of(&self, user: &UserId) -> Result<(), GateError> {
        let own: Vec<TokenDigest> = {
            let held = self.held();
            held.sessions
                .iter()
                .filter(|(_, session)| session.user == *user)
                .map(|(digest, _)| *digest)
                .collect()
        };
        for digest in own {
            self.end_session(&digest).await?;
        }
        Ok(())
    }

    /// Sessions that have ended by themselves, and those beyond what one user may have.
    fn surplus_sessions(&self, user: &UserId, now: Timestamp) -> Vec<TokenDigest> {
        let held = self.held();
        let (alive, mut surplus): (Vec<_>, Vec<_>) = held
            .sessions
            .iter()
            .partition(|(_, session)| session.expires > now);
        let mut own: Vec<_> = alive
            .into_iter()
            .filter(|(_, session)| session.user == *user)
            .collect();
        own.sort_by_key(|(_, session)| session.expires);
        surplus.extend(own.iter().take((own.len() + 1).saturating_sub(PER_USER)));
        surplus.into_iter().map(|(digest, _)| *digest).collect()
    }

    async fn end_session(&self, digest: &TokenDigest) -> Result<(), GateError> {
        self.held().sessions.remove(digest);
        Ok(self.store.delete_secret(KIND, &digest_name(digest)).await?)
    }

    async fn store_session(&self, digest: &TokenDigest, session: &Session) -> Result<(), GateError> {
        let secret = StoredSecret {
            owner: session.user.to_string(),
            bytes: digest.to_vec(),
            expires: Some(session.expires),
        };
        Ok(self.store.put_secret(KIND, &digest_name(digest), &secret).await?)
    }
}
