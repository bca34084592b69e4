//! Somebody who has proved who they are.

use std::collections::{BTreeMap, BTreeSet};

use model::id::{EvseId, SiteId, UserId};
use model::user::{Role, User, UserOversight};
use serde::{Deserialize, Serialize};

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// For the audit log: a user id, `token:<name>`, `<dialect>:<name>`, …
    pub name: String,
    pub user: Option<UserId>,
    pub grant: Grant,
}

/// What the proof is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// What roles allow.
    Roles(Roles),
    /// One EVSE by its own token.
    Evse(EvseId),
    /// Reading what a dialect shows to everybody.
    OpenRead,
}

/// The general role and those on single sites, narrowed by scopes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Roles {
    /// On the installation itself and on every site that `sites` does not name. `None`: nothing there.
    pub everywhere: Option<Role>,
    /// They stand above `everywhere`.
    pub sites: BTreeMap<SiteId, Role>,
    /// Groups of actions that are good at all.
    pub scopes: BTreeSet<Scope>,
    /// Whose stations are seen that report to us; administrators see all.
    pub oversight: Option<UserOversight>,
}

/// A group of actions, to keep a token to what its program needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See sites, sessions, settings.
    Read,
    /// Change what EVSEs do, acknowledge alarms.
    Steer,
    /// Change vehicles, cards, users, tokens, settings.
    Administer,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Steer, Self::Administer];

    /// Everything a role allows.
    #[must_use]
    pub fn all() -> BTreeSet<Self> {
        Self::ALL.into_iter().collect()
    }
}

impl Roles {
    /// One role everywhere, for everything it allows.
    #[must_use]
    pub fn everywhere(role: Role) -> Self {
        Self {
            everywhere: Some(role),
            sites: BTreeMap::new(),
            scopes: Scope::all(),
            oversight: None,
        }
    }

    pub(crate) fn of(user: &User) -> Self {
        Self {
            everywhere: user.role,
            sites: user.sites.clone(),
            scopes: Scope::all(),
            oversight: user.oversight.clone(),
        }
    }

    #[must_use]
    pub fn on(&self, site: &SiteId) -> Option<Role> {
        self.sites.get(site).copied().or(self.everywhere)
    }

    /// The same, but nowhere more than `other` may.
    pub(crate) fn at_most(&self, other: &Self) -> Self {
        let named = self.sites.keys().chain(other.sites.keys());
        let mut sites = BTreeMap::new();
        let mut everywhere = self.everywhere.min(other.everywhere);
        for site in named {
            if let Some(role) = self.on(site).min(other.on(site)) {
                sites.insert(site.clone(), role);
            } else if everywhere.is_some() {
                // There is no role "nothing" for a single site; rather too little than too much.
                everywhere = None;
            }
        }
        Self {
            everywhere,
            sites,
            scopes: self.scopes.intersection(&other.scopes).copied().collect(),
            oversight: lesser(self.oversight.as_ref(), other.oversight.as_ref()).cloned(),
        }
    }
}

fn lesser<'a>(one: Option<&'a UserOversight>, other: Option<&'a UserOversight>) -> Option<&'a UserOversight> {
    use UserOversight::{Authority, Operator};
    match (one?, other?) {
        (Authority, lesser) | (lesser, Authority) => Some(lesser),
        (Operator(own), Operator(others)) => (own == others).then_some(one?),
    }
}

impl Principal {
    /// Somebody at the machine itself, with the data directory in hand.
    #[must_use]
    pub fn console() -> Self {
        Self {
            name: "console".to_owned(),
            user: None,
            grant: Grant::Roles(Roles::everywhere(Role::Admin)),
        }
    }

    pub(crate) fn user(user: &User) -> Self {
        Self {
            name: user.id.to_string(),
            user: Some(user.id.clone()),
            grant: Grant::Roles(Roles::of(user)),
        }
    }

    pub(crate) fn token(name: String, roles: Roles) -> Self {
        Self {
            name,
            user: None,
            grant: Grant::Roles(roles),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roles(everywhere: Option<Role>, sites: &[(&str, Role)]) -> Roles {
        let sites = sites
            .iter()
            .map(|(site, role)| (SiteId::new(site).unwrap(), *role));
        Roles {
            everywhere,
            sites: sites.collect(),
            scopes: Scope::all(),
            oversight: None,
        }
    }

    #[test]
    fn the_lesser_of_two_grants() {
        use Role::{Admin, Operator, Viewer};
        for (one, other, expected) in [
            (
                roles(Some(Admin), &[]),
                roles(Some(Viewer), &[]),
                roles(Some(Viewer), &[]),
            ),
            (roles(Some(Admin), &[]), roles(None, &[]), roles(None, &[])),
            (
                roles(None, &[("home", Admin)]),
                roles(Some(Operator), &[]),
                roles(None, &[("home", Operator)]),
            ),
            (
                roles(Some(Admin), &[]),
                roles(Some(Operator), &[("home", Viewer)]),
                roles(Some(Operator), &[("home", Viewer)]),
            ),
            (
                roles(None, &[("home", Admin)]),
                roles(None, &[("yard", Admin)]),
                roles(None, &[]),
            ),
        ] {
            assert_eq!(one.at_most(&other), expected);
            assert_eq!(other.at_most(&one), expected);
        }
    }

    #[test]
    fn the_lesser_of_two_views() {
        use UserOversight::{Authority, Operator};
        let of = |code: &str| Operator(code.parse().unwrap());
        for (one, other, expected) in [
            (None, Some(Authority), None),
            (Some(Authority), Some(Authority), Some(Authority)),
            (Some(Authority), Some(of("a")), Some(of("a"))),
            (Some(of("a")), Some(of("a")), Some(of("a"))),
            (Some(of("a")), Some(of("b")), None),
        ] {
            let roles = |oversight: &Option<UserOversight>| Roles {
                oversight: oversight.clone(),
                ..roles(None, &[])
            };
            let (one, other) = (roles(&one), roles(&other));
            assert_eq!(one.at_most(&other).oversight, expected);
            assert_eq!(other.at_most(&one).oversight, expected);
        }
    }
}
