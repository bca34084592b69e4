//! One-time tickets for links that are printed at a start: to set up the first administrator, to sign in.
//!
//! Only their digests are kept, and only in memory: they end with the process.

use std::collections::BTreeMap;

use model::id::UserId;
use subtle::ConstantTimeEq;

use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::secrets::{TokenDigest, digest, random_token};
use crate::sessions::NewSession;

/// The id of the administrator that the set-up link makes.
const FIRST_ADMIN: &str = "admin";

#[derive(Default)]
pub(crate) struct Tickets {
    setup: Option<TokenDigest>,
    /// One per user: a newer one replaces the older.
    sign_in: BTreeMap<UserId, TokenDigest>,
}

impl Tickets {
    pub(crate) fn forget(&mut self, user: &UserId) {
        self.sign_in.remove(user);
    }
}

impl Gate {
    /// Makes the ticket for the set-up link; an earlier one is void.
    ///
    /// # Errors
    /// When the operating system has no random numbers.
    pub fn setup_ticket(&self) -> Result<String, GateError> {
        let ticket = random_token()?;
        self.held().tickets.setup = Some(digest(&ticket));
        Ok(ticket)
    }

    /// Makes `admin` the first administrator, with this password, and signs them in. The ticket stays good
    /// until that has worked.
    ///
    /// # Errors
    /// [`Denied::Wrong`] ticket, [`Denied::Unfit`] password, [`Denied::SetUpAlready`].
    pub async fn use_setup_ticket(&self, ticket: &str, password: &str) -> Result<NewSession, Denied> {
        if self.has_admin() {
            return Err(Denied::SetUpAlready);
        }
        let given = digest(ticket);
        {
            // Taken out while it is in use: of two at the same time one loses.
            let mut held = self.held();
            let is_right = held
                .tickets
                .setup
                .as_ref()
                .is_some_and(|setup| bool::from(setup.ct_eq(&given)));
            if !is_right {
                return Err(Denied::Wrong);
            }
            held.tickets.setup = None;
        }
        let mut in_use = InUse {
            gate: self,
            ticket: Some(given),
        };
        self.create_admin(FIRST_ADMIN, password).await?;
        in_use.ticket = None;
        self.note(FIRST_ADMIN, "set up", "done").await;
        self.signed_in(FIRST_ADMIN).await
    }

    /// Makes the ticket for a sign-in link of a user; an earlier one of theirs is void.
    ///
    /// # Errors
    /// When there is no such user, or no random numbers.
    pub fn sign_in_ticket(&self, user: &str) -> Result<String, GateError> {
        let invalid = || GateError::Invalid {
            what: "user",
            given: user.to_owned(),
            expected: "the id of a known user",
        };
        let id = UserId::new(user).map_err(|_| invalid())?;
        let ticket = random_token()?;
        let mut held = self.held();
        if !held.users.contains_key(&id) {
            return Err(invalid());
        }
        held.tickets.sign_in.insert(id, digest(&ticket));
        Ok(ticket)
    }

    /// Signs in whoever the ticket was made for, once.
    ///
    /// # Errors
    /// [`Denied::Wrong`] when there is no such ticket (any more).
    pub async fn use_sign_in_ticket(&self, ticket: &str) -> Result<NewSession, Denied> {
        let given = digest(ticket);
        let user = {
            let mut held = self.held();
            let tickets = &mut held.tickets.sign_in;
            let user = tickets
                .iter()
                .find(|(_, made)| bool::from(made.ct_eq(&given)))
                .map(|(user, _)| user.clone());
            if let Some(user) = &user {
                tickets.remove(user);
            }
            user.ok_or(Denied::Wrong)?
        };
        self.note(user.as_str(), "sign in by link", "done").await;
        self.signed_in(user.as_str()).await
    }

    async fn signed_in(&self, user: &str) -> Result<NewSession, Denied> {
        let user = self.held().users.get(user).cloned().ok_or(Denied::Wrong)?;
        self.open_session(&user, None).await
    }
}

/// Gives the ticket back when it has not worked, also when whoever used it goes away meanwhile.
struct InUse<'a> {
    gate: &'a Gate,
    ticket: Option<TokenDigest>,
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.gate.held().tickets.setup.get_or_insert(ticket);
        }
    }
}
