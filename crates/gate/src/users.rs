//! Users: made, changed, deleted. Whatever somebody loses, they lose at once.

use model::id::UserId;
use model::user::User;
use store::Typed;

use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::{Gate, Held};
use crate::passwords::{self, is_admin};

/// Users of one installation.
const MOST: usize = 10_000;
const LONGEST_NAME: usize = 200;
const MOST_RULES: usize = 100;
const LONGEST_RULE: usize = 1_000;

/// What becomes of the sessions of somebody who is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// They keep the id of the user.
    Keep,
    /// Nothing in them says whose they were.
    Anonymise,
}

impl Gate {
    #[must_use]
    pub fn user(&self, id: &UserId) -> Option<User> {
        self.held().users.get(id).cloned()
    }

    /// # Errors
    /// [`Denied::Taken`] id, [`Denied::Unfit`] texts.
    pub async fn create_user(&self, by: &By<'_>, user: User) -> Result<(), Denied> {
        self.audited(by, &format!("create user {}", user.id), async {
            check(&user)?;
            let _changing = self.changing.lock().await;
            {
                let held = self.held();
                if held.users.contains_key(&user.id) {
                    return Err(Denied::Taken { what: "the id" });
                }
                if held.users.len() >= MOST {
                    return Err(Denied::Unfit {
                        what: "one more user",
                        expected: "at most 10000; delete some first",
                    });
                }
            }
            Ok(self.keep_user(user).await?)
        })
        .await
    }

    /// Puts what is said of a user in place of what was known. Who is disabled is out from now on.
    ///
    /// # Errors
    /// [`Denied::Unknown`] user, [`Denied::LastAdmin`], [`Denied::Unfit`] texts.
    pub async fn change_user(&self, by: &By<'_>, user: User) -> Result<(), Denied> {
        self.audited(by, &format!("change user {}", user.id), async {
            check(&user)?;
            let _changing = self.changing.lock().await;
            if !self.held().users.contains_key(&user.id) {
                return Err(Denied::unknown("user", user.id.as_str()));
            }
            if !is_admin(&user) {
                self.check_other_admin(&user.id)?;
            }
            let (id, is_enabled) = (user.id.clone(), user.enabled);
            self.keep_user(user).await?;
            if !is_enabled {
                self.shut_out(&id).await?;
            }
            Ok(())
        })
        .await
    }

    /// Deletes a user with their password, cards, page sessions and the tokens they made.
    ///
    /// # Errors
    /// [`Denied::Unknown`] user, [`Denied::LastAdmin`].
    pub async fn delete_user(&self, by: &By<'_>, id: &UserId, past: Past) -> Result<(), Denied> {
        let action = match past {
            Past::Keep => format!("delete user {id}"),
            // Whom, is not to be told any more.
            Past::Anonymise => "delete a user and make their records anonymous".to_owned(),
        };
        self.audited(by, &action, async {
            let _changing = self.changing.lock().await;
            if !self.held().users.contains_key(id) {
                return Err(Denied::unknown("user", id.as_str()));
            }
            self.check_other_admin(id)?;
            // The user goes last: when the store fails in between, they are still there to be deleted.
            self.shut_out(id).await?;
            for card in self.cards_of(id) {
                self.forget_card(&card.card.id).await?;
            }
            let made: Vec<String> = {
                let held = self.held();
                let made = held.tokens.values().filter(|token| token.by.as_ref() == Some(id));
                made.map(|token| token.name.clone()).collect()
            };
            for token in made {
                self.forget_token(&token).await?;
            }
            if past == Past::Anonymise {
                self.store.anonymise_sessions(id, None).await?;
                self.store.forget_parcels(id).await?;
                self.store.anonymise_audit(id).await?;
            }
            self.store.delete_secret(passwords::KIND, id.as_str()).await?;
            self.held().passwords.remove(id);
            self.store.delete::<User>(id.as_str()).await?;
            self.held().users.remove(id);
            Ok(())
        })
        .await
    }

    fn check_other_admin(&self, but: &UserId) -> Result<(), Denied> {
        let held = self.held();
        let is_one = held.users.get(but).is_some_and(is_admin);
        let mut others = held.administrators().filter(|user| user.id != *but);
        if is_one && others.next().is_none() {
            return Err(Denied::LastAdmin);
        }
        Ok(())
    }

    /// Ends everything somebody is signed in by. Their tokens are judged by what they may at each use.
    async fn shut_out(&self, id: &UserId) -> Result<(), GateError> {
        {
            let mut held = self.held();
            let Held { proven, tickets, .. } = &mut *held;
            proven.forget(id);
            tickets.forget(id);
        }
        self.end_sessions_of(id, None).await
    }

    async fn keep_user(&self, user: User) -> Result<(), GateError> {
        self.store.put(&user).await?;
        self.held().users.insert(user.id.clone(), user);
        Ok(())
    }
}

fn check(user: &User) -> Result<(), Denied> {
    check_texts(&user.name, &user.rules)?;
    if user.budget.is_some_and(|budget| budget.energy.0 < 0) {
        return Err(Denied::Unfit {
            what: "budget",
            expected: "0 Wh or more",
        });
    }
    let long = |text: &Option<String>| text.as_ref().is_some_and(|text| text.len() > 2_000);
    if long(&user.notify.email) || long(&user.notify.webhook) {
        return Err(Denied::Unfit {
            what: "notify",
            expected: "at most 2000 bytes",
        });
    }
    Ok(())
}

/// Names and rules of users and cards.
pub(crate) fn check_texts(name: &str, rules: &[String]) -> Result<(), Denied> {
    let unfit = |what, expected| Err(Denied::Unfit { what, expected });
    let length = name.chars().count();
    if length == 0 || length > LONGEST_NAME || name.chars().any(char::is_control) {
        return unfit("name", "1 to 200 characters on one line");
    }
    if rules.len() > MOST_RULES || rules.iter().any(|rule| rule.chars().count() > LONGEST_RULE) {
        return unfit("rules", "at most 100 of at most 1000 characters");
    }
    Ok(())
}
