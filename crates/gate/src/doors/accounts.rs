//! Accounts that one dialect alone knows: a name and a password of its own, beside the users of the page.
//!
//! Such a protocol needs its password in clear or as a weak hash, so it is never the password of a user: it is
//! a separate secret, sealed, and it administers nothing. What the dialect says of an account beyond its rights
//! (what it calls the role, telephone numbers) is kept for it and means nothing here.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::dialect::Dialect;
use model::id::SiteId;
use model::noun::Noun;
use model::secret::Secret;
use model::time::{Millis, Timestamp};
use model::user::Role;
use serde::{Deserialize, Serialize};
use store::{Store, Typed};

use super::names::numbered;
use super::{Access, DoorCaller, Doors, Thing};
use crate::audit::By;
use crate::denied::{Denied, GateError};
use crate::gate::Gate;
use crate::principal::{Grant, Principal, Roles, Scope};

/// The names under which numbers of accounts are given away: `uid:7`.
const SERIES: &str = "uid";
/// Accounts of one dialect.
const MOST: usize = 10_000;
const LONGEST_NAME: usize = 64;
const LONGEST_EMAIL: usize = 254;
/// Of all that a dialect keeps of an account, in bytes.
const LONGEST_TEXTS: usize = 8_192;
const LONGEST_PASSWORD: usize = 1_024;
/// How exactly the last login is known from one address.
const LOGIN_NOTED_EVERY: Millis = Millis(3_600_000);

/// An account, without its password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Given away once, in this dialect; [`Gate::create_account`] gives it.
    pub number: u32,
    pub name: String,
    #[serde(default)]
    pub email: Option<String>,
    /// On every site that `sites` does not name. `None`: nothing there. Never [`Role::Admin`].
    #[serde(default)]
    pub role: Option<Role>,
    /// Roles on single sites; they stand above `role`.
    #[serde(default)]
    pub sites: BTreeMap<SiteId, Role>,
    pub enabled: bool,
    #[serde(default)]
    pub created: Timestamp,
    /// The account that made it; `None`: an administrator.
    #[serde(default)]
    pub made_by: Option<u32>,
    #[serde(default)]
    pub last_login: Option<Login>,
    /// What the dialect keeps of it, opaque here.
    #[serde(default)]
    pub texts: BTreeMap<String, String>,
}

/// When and from where somebody has proved who they are; from one address to the hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Login {
    pub at: Timestamp,
    pub from: IpAddr,
}

#[derive(Serialize, Deserialize)]
struct Kept {
    /// `<dialect>:<number>`.
    id: String,
    #[serde(flatten)]
    account: Account,
}

impl Noun for Kept {
    const KIND: &'static str = "door-account";

    fn id(&self) -> &str {
        &self.id
    }
}

pub(super) async fn load(store: &dyn Store, doors: &mut Doors) -> Result<(), GateError> {
    for Kept { id, account } in store.list::<Kept>().await? {
        let Some((dialect, _)) = id.split_once(':') else {
            continue;
        };
        if let Some(door) = doors.by_dialect.get_mut(dialect) {
            door.accounts.put(account);
        }
    }
    Ok(())
}

/// By number, by name and by e-mail address.
#[derive(Default)]
pub(super) struct Accounts {
    by_number: BTreeMap<u32, Account>,
    by_name: BTreeMap<String, u32>,
    by_email: BTreeMap<String, u32>,
}

impl Accounts {
    fn put(&mut self, account: Account) {
        self.forget(account.number);
        self.by_name.insert(account.name.clone(), account.number);
        if let Some(email) = account.email.clone() {
            self.by_email.insert(email, account.number);
        }
        self.by_number.insert(account.number, account);
    }

    fn forget(&mut self, number: u32) {
        if let Some(account) = self.by_number.remove(&number) {
            self.by_name.remove(&account.name);
            self.by_email.retain(|_, whose| *whose != number);
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Account> {
        self.by_number.get(&number)
    }

    pub(super) fn by_name(&self, name: &str) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    pub(super) fn by_email(&self, email: &str) -> Option<u32> {
        self.by_email.get(email).copied()
    }
}

impl Account {
    /// An account that may nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            number: 0,
            name: name.to_owned(),
            email: None,
            role: None,
            sites: BTreeMap::new(),
            enabled: true,
            created: Timestamp(0),
            made_by: None,
            last_login: None,
            texts: BTreeMap::new(),
        }
    }

    pub(super) fn principal(&self, dialect: &Dialect) -> Principal {
        Principal {
            name: format!("{}:{}", dialect.name, self.number),
            user: None,
            grant: Grant::Roles(Roles {
                everywhere: self.role,
                sites: self.sites.clone(),
                scopes: Scope::all(),
                oversight: None,
            }),
        }
    }

    pub(super) fn thing(&self) -> Thing {
        Thing::Account(self.number)
    }
}

impl Gate {
    /// Every account of a dialect, ordered by number.
    #[must_use]
    pub fn accounts(&self, dialect: &Dialect) -> Vec<Account> {
        let held = self.held();
        let door = held.doors.of(dialect);
        let accounts = door.into_iter().flat_map(|door| door.accounts.by_number.values());
        accounts.cloned().collect()
    }

    #[must_use]
    pub fn account(&self, dialect: &Dialect, number: u32) -> Option<Account> {
        let held = self.held();
        held.doors.of(dialect)?.accounts.get(number).cloned()
    }

    #[must_use]
    pub fn account_named(&self, dialect: &Dialect, name: &str) -> Option<Account> {
        let held = self.held();
        let accounts = &held.doors.of(dialect)?.accounts;
        accounts.get(accounts.by_name(name)?).cloned()
    }

    /// Makes an account and says its number. What is said of number and times counts for nothing.
    ///
    /// # Errors
    /// [`Denied::Taken`] name or e-mail address, [`Denied::Unfit`] texts or role.
    pub async fn create_account(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        wanted: Account,
        password: &Secret,
    ) -> Result<u32, Denied> {
        let action = format!("create {dialect} account {}", shown(&wanted.name));
        self.audited(by, &action, async {
            check(&wanted)?;
            check_password(password)?;
            let _changing = self.changing.lock().await;
            let account = Account {
                number: self.held().doors.of_mut(dialect).names.next_number(SERIES),
                created: self.clock.now().wall,
                last_login: None,
                ..wanted
            };
            self.check_free(dialect, &account)?;
            // The account itself comes last: one that is there can be used, whenever the power goes.
            let name = numbered(SERIES, account.number);
            self.keep_name(dialect, &name, &account.thing()).await?;
            self.keep_password_of(dialect, &account, password).await?;
            let number = account.number;
            self.keep_account(dialect, account).await?;
            Ok(number)
        })
        .await
    }

    /// Puts what is said of an account in place of what was known, but for the times. Who is disabled is out from
    /// now on.
    ///
    /// # Errors
    /// [`Denied::Unknown`] number, [`Denied::Taken`] name or e-mail address, [`Denied::Unfit`] texts or role.
    pub async fn change_account(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        wanted: Account,
    ) -> Result<(), Denied> {
        let action = format!("change {dialect} account {}", wanted.number);
        self.audited(by, &action, async {
            check(&wanted)?;
            let _changing = self.changing.lock().await;
            let known = self.known_account(dialect, wanted.number)?;
            self.check_free(dialect, &wanted)?;
            let account = Account {
                created: known.created,
                made_by: known.made_by,
                last_login: known.last_login,
                ..wanted
            };
            let (thing, is_enabled) = (account.thing(), account.enabled);
            self.keep_account(dialect, account).await?;
            if !is_enabled {
                self.end_door_sessions_of(dialect, &thing, None).await?;
            }
            Ok(())
        })
        .await
    }

    /// Gives an account another password and ends its sessions, but for that of `keep`.
    ///
    /// # Errors
    /// [`Denied::Unknown`] number, [`Denied::Unfit`] password.
    pub async fn set_account_password(
        &self,
        by: &By<'_>,
        dialect: &Dialect,
        number: u32,
        password: &Secret,
        keep: Option<&DoorCaller>,
    ) -> Result<(), Denied> {
        let action = format!("set password of {dialect} account {number}");
        self.audited(by, &action, async {
            check_password(password)?;
            let _changing = self.changing.lock().await;
            let account = self.known_account(dialect, number)?;
            self.keep_password_of(dialect, &account, password).await?;
            Ok(self.end_door_sessions_of(dialect, &account.thing(), keep).await?)
        })
        .await
    }

    /// Deletes an account with its password and its sessions. Its number is never given away again.
    ///
    /// # Errors
    /// [`Denied::Unknown`] number.
    pub async fn delete_account(&self, by: &By<'_>, dialect: &Dialect, number: u32) -> Result<(), Denied> {
        let action = format!("delete {dialect} account {number}");
        self.audited(by, &action, async {
            let _changing = self.changing.lock().await;
            let account = self.known_account(dialect, number)?;
            let thing = account.thing();
            // The account goes last: when the store fails in between, it is still there to be deleted.
            self.end_door_sessions_of(dialect, &thing, None).await?;
            self.store
                .delete_secret(dialect.name, &thing.secret_name())
                .await?;
            self.held().doors.of_mut(dialect).credentials.forget(&thing);
            self.forget_earlier(dialect, &thing).await?;
            self.forget_outward(dialect, &thing).await?;
            self.store.delete::<Kept>(&id_of(dialect, number)).await?;
            self.held().doors.of_mut(dialect).accounts.forget(number);
            Ok(())
        })
        .await
    }

    /// Notes that somebody has proved who they are. A disk that is full keeps nobody out.
    pub(super) async fn note_login(&self, caller: &DoorCaller, from: IpAddr) {
        let Access { dialect, thing, .. } = &caller.access;
        let Thing::Account(number) = thing else { return };
        let at = self.clock.now().wall;
        let Some(mut account) = self.account(dialect, *number) else {
            return;
        };
        let is_noted = |login: &Login| login.from == from && at - login.at < LOGIN_NOTED_EVERY;
        if account.last_login.as_ref().is_some_and(is_noted) {
            return;
        }
        account.last_login = Some(Login { at, from });
        if let Err(error) = self.keep_account(dialect, account).await {
            tracing::warn!(
                "cannot note that {} has signed in: {error}",
                caller.principal.name
            );
        }
        self.note_at(&caller.principal.name, dialect.name, "sign in", "done")
            .await;
    }

    pub(super) fn known_account(&self, dialect: &Dialect, number: u32) -> Result<Account, Denied> {
        let account = self.account(dialect, number);
        account.ok_or_else(|| Denied::unknown("account", &number.to_string()))
    }

    /// Names and addresses are one account's each; and there is room for it.
    /// Whether an account could be made now.
    ///
    /// # Errors
    /// What is unfit of it, or taken.
    pub fn check_new_account(&self, dialect: &Dialect, wanted: &Account) -> Result<(), Denied> {
        check(wanted)?;
        self.check_free(dialect, wanted)
    }

    fn check_free(&self, dialect: &Dialect, wanted: &Account) -> Result<(), Denied> {
        let held = self.held();
        let Some(door) = held.doors.of(dialect) else {
            return Ok(());
        };
        let accounts = &door.accounts;
        if accounts.by_number.len() >= MOST && accounts.get(wanted.number).is_none() {
            return Err(Denied::Unfit {
                what: "one more account",
                expected: "at most 10000; delete some first",
            });
        }
        let is_anothers = |number: Option<u32>| number.is_some_and(|number| number != wanted.number);
        if is_anothers(accounts.by_name(&wanted.name)) {
            return Err(Denied::Taken { what: "the name" });
        }
        if is_anothers(wanted.email.as_deref().and_then(|email| accounts.by_email(email))) {
            return Err(Denied::Taken {
                what: "the e-mail address",
            });
        }
        Ok(())
    }

    pub(super) async fn keep_password_of(
        &self,
        dialect: &Dialect,
        account: &Account,
        password: &Secret,
    ) -> Result<(), GateError> {
        let access = Access::new(*dialect, &account.number.to_string(), account.thing());
        self.keep_credential(&access, password).await
    }

    async fn keep_account(&self, dialect: &Dialect, account: Account) -> Result<(), GateError> {
        let kept = Kept {
            id: id_of(dialect, account.number),
            account,
        };
        self.store.put(&kept).await?;
        let mut held = self.held();
        held.doors.of_mut(dialect).accounts.put(kept.account);
        Ok(())
    }
}

fn id_of(dialect: &Dialect, number: u32) -> String {
    format!("{}:{number}", dialect.name)
}

fn check(account: &Account) -> Result<(), Denied> {
    let unfit = |what, expected| Err(Denied::Unfit { what, expected });
    let is_line = |text: &str| !text.chars().any(char::is_control);
    let length = account.name.chars().count();
    if !(1..=LONGEST_NAME).contains(&length) || !is_line(&account.name) {
        return unfit("name", "1 to 64 characters on one line");
    }
    let is_address = |email: &str| {
        let has_at = email
            .split_once('@')
            .is_some_and(|(who, host)| !who.is_empty() && !host.is_empty());
        has_at && email.len() <= LONGEST_EMAIL && is_line(email)
    };
    if account.email.as_deref().is_some_and(|email| !is_address(email)) {
        return unfit("email", "an e-mail address of at most 254 bytes");
    }
    let mut roles = account.sites.values().chain(&account.role);
    if roles.any(|role| *role == Role::Admin) {
        return unfit(
            "role",
            "viewer, user or operator: such an account administers nothing",
        );
    }
    let texts = account.texts.iter();
    let texts: usize = texts.map(|(name, text)| name.len() + text.len()).sum();
    if texts > LONGEST_TEXTS {
        return unfit("texts", "at most 8192 bytes in all");
    }
    Ok(())
}

pub(super) fn check_password(password: &Secret) -> Result<(), Denied> {
    if (1..=LONGEST_PASSWORD).contains(&password.expose().len()) {
        return Ok(());
    }
    Err(Denied::Unfit {
        what: "the password",
        expected: "at least 1 and at most 1024 bytes",
    })
}

/// A name for the audit log, whatever was sent.
fn shown(name: &str) -> String {
    let letters = name.chars().filter(|letter| !letter.is_control());
    letters.take(LONGEST_NAME).collect()
}
