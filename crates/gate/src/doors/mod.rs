//! What dialects call our things, and how somebody shows that they may use one.
//!
//! A dialect has a name of its own for an EVSE, a site or an account: a serial number, the number of a plant.
//! Such names are assigned once and never mean anything else ([`names`]). A thing may have a credential, sealed
//! rather than hashed because the protocol needs it in clear ([`credentials`]): clients send it as a token, or
//! sign with it ([`proof`]), and after a change the one before holds for a while ([`rotation`]). Whoever signs in so
//! may open sessions, many at a time ([`sessions`]), or get a pass, with which calls are signed with the credential
//! itself ([`passes`]). Where we call a thing we show it a token that opens nothing here ([`outward`]). What
//! administrators decide about one name is a switch ([`switches`]), who comes in by a name and a password that
//! one dialect alone knows is an [`accounts`] entry, and a number that somebody may register has a one-time
//! code ([`codes`]).
//!
//! Nothing here knows a dialect, and a new one needs no table of its own. What stands in the database:
//!
//! | where | what |
//! |---|---|
//! | alias of the dialect | the thing that a name means: `evse:left` |
//! | secret of kind `<dialect>`, by thing | its credential, sealed; the owner is the name in force |
//! | secret of kind `<dialect>-named`, by thing | the credential that the configuration named last, sealed |
//! | secret of kind `<dialect>-session`, by digest | the secret of a session, sealed; the owner is the thing |
//! | secret of kind `<dialect>-earlier`, by thing | the credential before, sealed, as long as it holds as well |
//! | secret of kind `<dialect>-pass`, by digest | how long a pass may be prolonged; the owner is the thing |
//! | secret of kind `<dialect>-outward`, by thing | the token that we show when we call, sealed |
//! | secret of kind `<dialect>-code`, by name | the digest of a one-time code; the owner is the thing |
//! | noun `door`, `<dialect>:<name>` | switches |
//! | noun `door-account`, `<dialect>:<number>` | an account |

mod accounts;
mod codes;
mod credentials;
mod names;
mod outward;
mod passes;
mod proof;
mod rotation;
mod sessions;
mod switches;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use model::dialect::Dialect;
use model::id::{DeviceId, EvseId, SiteId};
use model::time::Timestamp;
use store::Store;

pub use self::accounts::{Account, Login};
pub use self::passes::{Life, Passing};
pub use self::proof::{Claim, DoorCaller};
pub use self::sessions::DoorSession;
pub use self::switches::Switches;

use self::accounts::Accounts;
use self::credentials::Credentials;
use self::names::Names;
use self::outward::Outward;
use self::passes::Passes;
use self::rotation::Earlier;
use self::sessions::Sessions;
use crate::denied::GateError;
use crate::principal::{Grant, Principal};
use crate::secrets::{InstallationKey, random_hex};

/// What a dialect can have a name for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Thing {
    Evse(EvseId),
    Device(DeviceId),
    Site(SiteId),
    /// The account of a dialect, by its number there.
    Account(u32),
}

impl Thing {
    /// What kind of thing it is, in a word.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Evse(_) => "evse",
            Self::Device(_) => "device",
            Self::Site(_) => "site",
            Self::Account(_) => "account",
        }
    }

    /// Its id without a word of what it is.
    fn id(&self) -> String {
        match self {
            Self::Evse(id) => id.to_string(),
            Self::Device(id) => id.to_string(),
            Self::Site(id) => id.to_string(),
            Self::Account(number) => number.to_string(),
        }
    }

    /// Under which its secrets are kept: EVSEs by their id alone, as they were before there were other things.
    fn secret_name(&self) -> String {
        match self {
            Self::Evse(id) => id.to_string(),
            Self::Device(_) | Self::Site(_) | Self::Account(_) => self.to_string(),
        }
    }

    fn of_secret_name(name: &str) -> Option<Self> {
        match name.contains(':') {
            true => name.parse().ok(),
            false => EvseId::new(name).ok().map(Self::Evse),
        }
    }
}

/// As it stands in the database: `evse:left`.
impl fmt::Display for Thing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind(), self.id())
    }
}

impl FromStr for Thing {
    type Err = GateError;

    fn from_str(text: &str) -> Result<Self, GateError> {
        let thing = text.split_once(':').and_then(|(kind, id)| match kind {
            "evse" => EvseId::new(id).ok().map(Self::Evse),
            "device" => DeviceId::new(id).ok().map(Self::Device),
            "site" => SiteId::new(id).ok().map(Self::Site),
            "account" => id.parse().ok().map(Self::Account),
            _ => None,
        });
        thing.ok_or_else(|| GateError::Invalid {
            what: "thing with a name",
            given: text.chars().take(80).collect(),
            expected: "evse, device, site or account, a colon and an id",
        })
    }
}

/// A thing under a name of one dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Access {
    pub dialect: Dialect,
    pub name: String,
    pub thing: Thing,
}

impl Access {
    #[must_use]
    pub fn new(dialect: Dialect, name: &str, thing: Thing) -> Self {
        Self {
            dialect,
            name: name.to_owned(),
            thing,
        }
    }
}

/// What is compared on every request, by dialect.
pub(crate) struct Doors {
    by_dialect: BTreeMap<String, Door>,
    /// Compared where there is nothing to compare with: nobody knows it.
    dummy: Arc<[u8]>,
}

#[derive(Default)]
struct Door {
    names: Names,
    credentials: Credentials,
    earlier: Earlier,
    sessions: Sessions,
    passes: Passes,
    outward: Outward,
    switches: BTreeMap<String, Switches>,
    accounts: Accounts,
}

/// Kind and name that the dummy is sealed for.
const DUMMY: (&str, &str) = ("nobody", "");

impl Doors {
    /// # Errors
    /// When the store fails, or a credential was sealed with another installation key.
    pub(crate) async fn load(
        store: &dyn Store,
        key: &InstallationKey,
        now: Timestamp,
    ) -> Result<Self, GateError> {
        let mut by_dialect = BTreeMap::<String, Door>::new();
        for (dialect, name, means) in store.aliases().await? {
            // What a newer version knows stays taken in the store.
            let Ok(thing) = means.parse() else { continue };
            by_dialect.entry(dialect).or_default().names.put(&name, thing);
        }
        for (dialect, door) in &mut by_dialect {
            door.credentials = Credentials::load(store, key, dialect).await?;
            door.earlier = Earlier::load(store, dialect, now).await?;
            door.sessions = sessions::load(store, key, dialect, now).await?;
            door.passes = Passes::load(store, dialect, now).await?;
            door.outward = Outward::load(store, key, dialect).await?;
        }
        let dummy = key.seal(DUMMY.0, DUMMY.1, random_hex::<20>()?.as_bytes())?;
        let mut doors = Self {
            by_dialect,
            dummy: dummy.into(),
        };
        switches::load(store, &mut doors).await?;
        accounts::load(store, &mut doors).await?;
        Ok(doors)
    }

    fn of(&self, dialect: &Dialect) -> Option<&Door> {
        self.by_dialect.get(dialect.name)
    }

    fn of_mut(&mut self, dialect: &Dialect) -> &mut Door {
        self.by_dialect.entry(dialect.name.to_owned()).or_default()
    }
}

impl Door {
    /// Who somebody is that has shown to know the credential of a thing. `None`: that opens nothing, or not now.
    fn principal(&self, dialect: &Dialect, name: &str, thing: &Thing) -> Option<Principal> {
        match thing {
            Thing::Evse(evse) => Some(Principal {
                name: format!("{}:{name}", dialect.name),
                user: None,
                grant: Grant::Evse(evse.clone()),
            }),
            Thing::Account(number) => {
                let account = self.accounts.get(*number).filter(|account| account.enabled)?;
                Some(account.principal(dialect))
            }
            Thing::Device(_) | Thing::Site(_) => None,
        }
    }

    /// The name by which somebody proves to be a thing.
    fn name_of(&self, thing: &Thing) -> Option<&str> {
        match thing {
            Thing::Account(number) => self.accounts.get(*number).map(|account| account.name.as_str()),
            Thing::Evse(_) | Thing::Device(_) | Thing::Site(_) => self.credentials.name_of(thing),
        }
    }
}
