//! Page sessions: a random cookie, kept as its SHA-256, that lives thirty days after its last use.

use std::collections::BTreeMap;

use model::id::UserId;
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use model::user::User;
use store::{Store, StoredSecret};

use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::Principal;
use crate::secrets::{TokenDigest, digest, digest_name, random_token};

const KIND: &str = "session";
const LIFE: Millis = Millis(30 * 24 * 3_600 * 1_000);
/// A session is written again when it has been used a day after it was last written.
const RENEW_AFTER: Millis = Millis(24 * 3_600 * 1_000);
/// Of one user; beyond it the one that would end first ends.
const PER_USER: usize = 100;

/// A session as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageSession {
    /// To the day.
    pub last_used: Timestamp,
    pub expires: Timestamp,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

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
        let (principal, is_due) = {
            let held = self.held();
            let session = held.sessions.get(&digest)?;
            if session.expires <= now {
                return None;
            }
            let user = held.users.get(&session.user).filter(|user| user.enabled)?;
            let is_due = session.expires - now < Millis(LIFE.0 - RENEW_AFTER.0);
            (Principal::user(user), is_due)
        };
        if is_due {
            self.prolong(&digest, now).await;
        }
        Some(principal)
    }

    async fn prolong(&self, digest: &TokenDigest, now: Timestamp) {
        // A use while the session ends must not bring it back.
        let _changing = self.changing.lock().await;
        let session = self.held().sessions.get(digest).cloned();
        let Some(mut session) = session else { return };
        session.expires = now + LIFE;
        if let Err(error) = self.store_session(digest, &session).await {
            tracing::warn!(user.id = %session.user, "cannot prolong a page session, it ends earlier: {error}");
        }
        // Prolonged in memory all the same, so that a full disk is not tried again with every request.
        self.held().sessions.insert(*digest, session);
    }

    /// Ends a session. Ending one that does not exist is no error.
    ///
    /// # Errors
    /// When the store fails; the session is over for this process all the same.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), GateError> {
        let digest = digest(cookie);
        let _changing = self.changing.lock().await;
        let session = self.held().sessions.get(&digest).cloned();
        // Nothing is written for who has no session: anybody may ask.
        let Some(session) = session else { return Ok(()) };
        self.end_session(&digest).await?;
        self.note(session.user.as_str(), "sign out", "done").await;
        Ok(())
    }

    /// The page sessions of a user, the one last used first. `cookie` is that of the one who asks.
    #[must_use]
    pub fn sessions_of(&self, user: &UserId, cookie: Option<&str>) -> Vec<PageSession> {
        let current = cookie.map(digest);
        let now = self.clock.now().wall;
        let held = self.held();
        let own = held
            .sessions
            .iter()
            .filter(|(_, session)| session.user == *user && session.expires > now);
        let mut sessions: Vec<_> = own
            .map(|(digest, session)| PageSession {
                last_used: session.expires - LIFE,
                expires: session.expires,
                is_current: current == Some(*digest),
            })
            .collect();
        sessions.sort_by_key(|session| std::cmp::Reverse(session.expires));
        sessions
    }

    /// Ends all page sessions of a user.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sign_out_everywhere(&self, by: &By<'_>, user: &UserId) -> Result<(), Denied> {
        let action = format!("sign out everywhere {user}");
        self.audited(by, &action, async {
            let _changing = self.changing.lock().await;
            Ok(self.end_sessions_of(user, None).await?)
        })
        .await
    }

    /// Opens a session for a user who has proved who they are; by a password, then `hash` is what it matched.
    pub(crate) async fn open_session(&self, user: &User, hash: Option<&[u8]>) -> Result<NewSession, Denied> {
        let cookie = random_token()?;
        let digest = digest(&cookie);
        let now = self.clock.now().wall;
        let _changing = self.changing.lock().await;
        // Disabled while they were signing in.
        if !self.held().users.get(&user.id).is_some_and(|user| user.enabled) {
            return Err(Denied::Wrong);
        }
        // The same for a password that was changed meanwhile.
        if let Some(hash) = hash
            && !self.is_hash(&user.id, hash).await?
        {
            return Err(Denied::Wrong);
        }
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

    /// Ends the sessions of a user, but for the one with the cookie `keep`.
    pub(crate) async fn end_sessions_of(&self, user: &UserId, keep: Option<&str>) -> Result<(), GateError> {
        let keep = keep.map(digest);
        let own: Vec<TokenDigest> = {
            let held = self.held();
            held.sessions
                .iter()
                .filter(|(digest, session)| session.user == *user && keep != Some(**digest))
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
