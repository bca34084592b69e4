//! The one place that says who may do what.

use model::id::{EvseId, SiteId};
use model::oversight::OperatorCode;
use model::user::{Role, UserOversight};

use crate::principal::{Grant, Principal, Roles, Scope};

/// What is asked of the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// See a site: its devices, EVSEs, history, alarms.
    Read,
    /// Change mode and current of an EVSE, authorise and stop a charge.
    Steer,
    /// See and export the sessions of oneself.
    SeeOwnSessions,
    /// Those of everybody.
    SeeAllSessions,
    AcknowledgeAlarms,
    /// See what the configuration says, without its secrets.
    SeeSettings,
    EditVehicles,
    /// See users and change their cards.
    EditCards,
    /// Change what is said about the plant of a site: its address, its prices.
    EditPlants,
    /// Change settings, users, tokens, tariffs; see the audit log; back up.
    Administer,
}

/// What it is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// What belongs to no single site: users, vehicles, tariffs, settings.
    Installation,
    Site(&'a SiteId),
    Evse(&'a SiteId, &'a EvseId),
    /// What all operators report, and who they are.
    Oversight,
    /// What one operator reports.
    Operator(&'a OperatorCode),
}

impl Action {
    pub const ALL: [Self; 10] = [
        Self::Read,
        Self::Steer,
        Self::SeeOwnSessions,
        Self::SeeAllSessions,
        Self::AcknowledgeAlarms,
        Self::SeeSettings,
        Self::EditVehicles,
        Self::EditCards,
        Self::EditPlants,
        Self::Administer,
    ];

    /// The least role that may, and the scope a token needs for it.
    const fn needs(self) -> (Role, Scope) {
        match self {
            Self::Read => (Role::Viewer, Scope::Read),
            Self::SeeOwnSessions => (Role::User, Scope::Read),
            Self::SeeAllSessions | Self::SeeSettings => (Role::Operator, Scope::Read),
            Self::Steer => (Role::User, Scope::Steer),
            Self::AcknowledgeAlarms => (Role::Operator, Scope::Steer),
            Self::EditVehicles | Self::EditCards | Self::EditPlants => (Role::Operator, Scope::Administer),
            Self::Administer => (Role::Admin, Scope::Administer),
        }
    }
}

/// Whether a principal may do something.
#[must_use]
pub fn may(principal: &Principal, action: &Action, subject: &Subject<'_>) -> bool {
    match &principal.grant {
        Grant::Roles(roles) => {
            let (least, scope) = action.needs();
            let is_enough = |role: Option<Role>| role.is_some_and(|role| role >= least);
            let may = match subject {
                Subject::Installation => is_enough(roles.everywhere),
                Subject::Site(site) | Subject::Evse(site, _) => is_enough(roles.on(site)),
                Subject::Oversight => oversees(roles, action, None),
                Subject::Operator(operator) => oversees(roles, action, Some(operator)),
            };
            may && roles.scopes.contains(&scope)
        }
        Grant::Evse(own) => {
            let is_own = matches!(subject, Subject::Evse(_, evse) if *evse == own);
            is_own && matches!(action, Action::Read | Action::Steer)
        }
        Grant::OpenRead => {
            let is_ours = !matches!(subject, Subject::Oversight | Subject::Operator(_));
            is_ours && *action == Action::Read
        }
    }
}

/// Administrators do all that there is to do. The authority's people look and acknowledge; an operator's own people
/// do that for their operator, and see to its addresses and its callback token.
fn oversees(roles: &Roles, action: &Action, operator: Option<&OperatorCode>) -> bool {
    let (looks, administers) = match action {
        Action::Read | Action::AcknowledgeAlarms => (true, false),
        Action::Administer => (false, true),
        Action::Steer
        | Action::SeeOwnSessions
        | Action::SeeAllSessions
        | Action::SeeSettings
        | Action::EditVehicles
        | Action::EditCards
        | Action::EditPlants => (false, false),
    };
    match &roles.oversight {
        _ if roles.everywhere == Some(Role::Admin) => looks || administers,
        Some(UserOversight::Authority) => looks,
        Some(UserOversight::Operator(own)) => operator == Some(own) && (looks || administers),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::principal::Roles;

    /// One letter per action, in the order of [`Action::ALL`]; a dot where it is refused.
    fn allowed(grant: Grant, subject: &Subject<'_>) -> String {
        let principal = Principal {
            name: "x".to_owned(),
            user: None,
            grant,
        };
        Action::ALL
            .iter()
            .zip("RSoaksvcpA".chars())
            .map(|(action, letter)| {
                if may(&principal, action, subject) {
                    letter
                } else {
                    '.'
                }
            })
            .collect()
    }

    #[test]
    fn roles_on_sites_and_everywhere() {
        use Role::{Admin, Operator, User, Viewer};
        let (home, yard) = (SiteId::new("home").unwrap(), SiteId::new("yard").unwrap());
        let evse = EvseId::new("left").unwrap();
        for (everywhere, at_home, on_home, on_yard, on_installation) in [
            (None, None, "..........", "..........", ".........."),
            (Some(Viewer), None, "R.........", "R.........", "R........."),
            (Some(User), None, "RSo.......", "RSo.......", "RSo......."),
            (Some(Operator), None, "RSoaksvcp.", "RSoaksvcp.", "RSoaksvcp."),
            (Some(Admin), None, "RSoaksvcpA", "RSoaksvcpA", "RSoaksvcpA"),
            (None, Some(Viewer), "R.........", "..........", ".........."),
            (None, Some(Admin), "RSoaksvcpA", "..........", ".........."),
            (
                Some(Admin),
                Some(Viewer),
                "R.........",
                "RSoaksvcpA",
                "RSoaksvcpA",
            ),
            (
                Some(Viewer),
                Some(Operator),
                "RSoaksvcp.",
                "R.........",
                "R.........",
            ),
        ] {
            let sites: BTreeMap<_, _> = at_home.map(|role| (home.clone(), role)).into_iter().collect();
            let grant = || {
                Grant::Roles(Roles {
                    everywhere,
                    sites: sites.clone(),
                    scopes: Scope::all(),
                    oversight: None,
                })
            };
            let row = format!("{everywhere:?} {at_home:?}");
            assert_eq!(allowed(grant(), &Subject::Site(&home)), on_home, "{row}");
            assert_eq!(allowed(grant(), &Subject::Evse(&home, &evse)), on_home, "{row}");
            assert_eq!(allowed(grant(), &Subject::Site(&yard)), on_yard, "{row}");
            assert_eq!(allowed(grant(), &Subject::Evse(&yard, &evse)), on_yard, "{row}");
            assert_eq!(allowed(grant(), &Subject::Installation), on_installation, "{row}");
        }
    }

    #[test]
    fn scopes_take_away_and_never_give() {
        for (role, scopes, expected) in [
            (Role::Admin, &[][..], ".........."),
            (Role::Admin, &[Scope::Read], "R.oa.s...."),
            (Role::Admin, &[Scope::Steer], ".S..k....."),
            (Role::Admin, &[Scope::Administer], "......vcpA"),
            (Role::User, &[Scope::Read], "R.o......."),
            (Role::User, &Scope::ALL, "RSo......."),
            (Role::Viewer, &[Scope::Steer, Scope::Administer], ".........."),
        ] {
            let grant = Grant::Roles(Roles {
                scopes: scopes.iter().copied().collect::<BTreeSet<_>>(),
                ..Roles::everywhere(role)
            });
            assert_eq!(
                allowed(grant, &Subject::Installation),
                expected,
                "{role:?} {scopes:?}"
            );
        }
    }

    #[test]
    fn the_token_of_an_evse_and_open_reads() {
        let site = SiteId::new("home").unwrap();
        let (left, right) = (EvseId::new("left").unwrap(), EvseId::new("right").unwrap());
        let own = || Grant::Evse(left.clone());
        for (grant, subject, expected) in [
            (own(), Subject::Evse(&site, &left), "RS........"),
            (own(), Subject::Evse(&site, &right), ".........."),
            (own(), Subject::Site(&site), ".........."),
            (own(), Subject::Installation, ".........."),
            (Grant::OpenRead, Subject::Evse(&site, &left), "R........."),
            (Grant::OpenRead, Subject::Site(&site), "R........."),
            (Grant::OpenRead, Subject::Installation, "R........."),
        ] {
            assert_eq!(allowed(grant, &subject), expected, "{subject:?}");
        }
    }

    #[test]
    fn who_oversees_whom() {
        let (own, other): (OperatorCode, OperatorCode) = ("own".parse().unwrap(), "other".parse().unwrap());
        let authority = Some(UserOversight::Authority);
        let operator = Some(UserOversight::Operator(own.clone()));
        for (role, oversight, on_own, on_other, on_all) in [
            (None, None, "..........", "..........", ".........."),
            (
                Some(Role::Operator),
                None,
                "..........",
                "..........",
                "..........",
            ),
            (Some(Role::Admin), None, "R...k....A", "R...k....A", "R...k....A"),
            (None, authority.clone(), "R...k.....", "R...k.....", "R...k....."),
            (None, operator.clone(), "R...k....A", "..........", ".........."),
            (
                Some(Role::Operator),
                operator.clone(),
                "R...k....A",
                "..........",
                "..........",
            ),
            (
                Some(Role::Admin),
                operator.clone(),
                "R...k....A",
                "R...k....A",
                "R...k....A",
            ),
        ] {
            let roles = || Roles {
                everywhere: role,
                sites: BTreeMap::new(),
                scopes: Scope::all(),
                oversight: oversight.clone(),
            };
            let row = format!("{role:?} {oversight:?}");
            assert_eq!(
                allowed(Grant::Roles(roles()), &Subject::Operator(&own)),
                on_own,
                "{row}"
            );
            assert_eq!(
                allowed(Grant::Roles(roles()), &Subject::Operator(&other)),
                on_other,
                "{row}"
            );
            assert_eq!(
                allowed(Grant::Roles(roles()), &Subject::Oversight),
                on_all,
                "{row}"
            );
            let site = SiteId::new("home").unwrap();
            let on_site = allowed(Grant::Roles(roles()), &Subject::Site(&site));
            let without = Roles {
                oversight: None,
                ..roles()
            };
            assert_eq!(
                allowed(Grant::Roles(without), &Subject::Site(&site)),
                on_site,
                "{row}"
            );
        }
        let reads = Roles {
            scopes: [Scope::Read].into(),
            oversight: operator,
            ..Roles::everywhere(Role::Viewer)
        };
        assert_eq!(
            allowed(Grant::Roles(reads), &Subject::Operator(&own)),
            "R........."
        );
        for grant in [Grant::OpenRead, Grant::Evse(EvseId::new("left").unwrap())] {
            assert_eq!(allowed(grant.clone(), &Subject::Oversight), "..........");
            assert_eq!(allowed(grant, &Subject::Operator(&own)), "..........");
        }
    }
}
