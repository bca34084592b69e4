//! The one place that says who may do what.

use model::id::{EvseId, SiteId};
use model::user::Role;

use crate::principal::{Grant, Principal};

/// What is asked of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    Read,
    /// Change mode and current of an EVSE.
    Steer,
    /// Change settings, users, tokens.
    Administer,
}

/// What it is asked about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Installation,
    Site(&'a SiteId),
    Evse(&'a SiteId, &'a EvseId),
}

/// Whether a principal may do something.
#[must_use]
pub fn may(principal: &Principal, action: &Action, subject: &Subject<'_>) -> bool {
    match &principal.grant {
        Grant::Role(role) => match action {
            Action::Read => true,
            Action::Steer => *role >= Role::User,
            Action::Administer => *role >= Role::Admin,
        },
        Grant::Evse(own) => match action {
            Action::Read | Action::Steer => match subject {
                Subject::Evse(_, evse) => *evse == own,
                Subject::Installation | Subject::Site(_) => false,
            },
            Action::Administer => false,
        },
        Grant::OpenRead => match action {
            Action::Read => true,
            Action::Steer | Action::Administer => false,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_and_what_they_are_good_for() {
        let (site, left, right) = (
            SiteId::new("home").unwrap(),
            EvseId::new("left").unwrap(),
            EvseId::new("right").unwrap(),
        );
        let role = Grant::Role;
        let own = || Grant::Evse(left.clone());
        let (whole, one) = (Subject::Site(&site), Subject::Evse(&site, &left));
        let other = Subject::Evse(&site, &right);
        for (grant, action, subject, expected) in [
            (role(Role::Viewer), Action::Read, &whole, true),
            (role(Role::Viewer), Action::Steer, &one, false),
            (role(Role::User), Action::Steer, &one, true),
            (role(Role::User), Action::Administer, &whole, false),
            (
                role(Role::Operator),
                Action::Administer,
                &Subject::Installation,
                false,
            ),
            (
                role(Role::Admin),
                Action::Administer,
                &Subject::Installation,
                true,
            ),
            (own(), Action::Read, &one, true),
            (own(), Action::Steer, &one, true),
            (own(), Action::Administer, &one, false),
            (own(), Action::Read, &other, false),
            (own(), Action::Steer, &other, false),
            (own(), Action::Read, &whole, false),
            (own(), Action::Read, &Subject::Installation, false),
            (Grant::OpenRead, Action::Read, &whole, true),
            (Grant::OpenRead, Action::Steer, &one, false),
            (Grant::OpenRead, Action::Administer, &Subject::Installation, false),
        ] {
            let principal = Principal {
                name: "x".to_owned(),
                user: None,
                grant,
            };
            assert_eq!(
                may(&principal, &action, subject),
                expected,
                "{principal:?} {action:?} {subject:?}"
            );
        }
    }
}
