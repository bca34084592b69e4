//! Accounts of the gate in the words of this dialect.

use std::collections::BTreeMap;

use dialects::shinemonitor::scene::{Account, AccountTexts, LastLogin, Role};
use gate::Account as Kept;
use model::id::SiteId;
use model::user::Role as Rights;

/// Under which name the gate keeps what an account is called here.
const ROLE: &str = "role";

const ROLES: [(&str, Role); 4] = [
    ("owner", Role::Owner),
    ("dealer", Role::Dealer),
    ("vendor", Role::Vendor),
    ("browser", Role::Browser),
];

/// What it may on a site.
fn rights(kept: &Kept, site: &SiteId) -> Option<Rights> {
    kept.sites.get(site).copied().or(kept.role)
}

fn most_rights(kept: &Kept) -> Option<Rights> {
    kept.sites.values().copied().chain(kept.role).max()
}

/// What it is called; whoever was made without a word is what its rights make of it.
pub fn role_of(kept: &Kept) -> Role {
    let said = kept.texts.get(ROLE);
    let said = said.and_then(|said| ROLES.iter().find(|(word, _)| word == said));
    match said {
        Some((_, role)) => *role,
        None if most_rights(kept) <= Some(Rights::Viewer) => Role::Browser,
        None if kept.role.is_some() => Role::Vendor,
        None => Role::Owner,
    }
}

/// Says what an account is to be called.
pub fn with_role(kept: Kept, role: Role) -> Kept {
    let word = ROLES.iter().find(|(_, known)| *known == role);
    with_texts(kept, word.map(|(word, _)| (ROLE, (*word).to_owned())))
}

/// With what people tell about themselves, but for what is empty.
pub fn with_texts(mut kept: Kept, texts: impl IntoIterator<Item = (&'static str, String)>) -> Kept {
    let said = texts.into_iter().filter(|(_, text)| !text.is_empty());
    kept.texts
        .extend(said.map(|(name, text)| (name.to_owned(), text)));
    kept
}

pub fn account(kept: &Kept) -> Account {
    let most = most_rights(kept);
    Account {
        uid: kept.number.into(),
        usr: kept.name.clone(),
        role: role_of(kept),
        is_enabled: kept.enabled,
        created: kept.created,
        last_login: kept.last_login.map(|login| LastLogin {
            at: login.at,
            from: login.from.to_string(),
        }),
        may_control: most >= Some(Rights::User),
        may_edit: most >= Some(Rights::Operator),
        texts: texts(kept),
    }
}

fn texts(kept: &Kept) -> AccountTexts {
    let said: &BTreeMap<String, String> = &kept.texts;
    let text = |name: &str| said.get(name).cloned().unwrap_or_default();
    AccountTexts {
        mobile: text("mobile"),
        email: kept.email.clone().unwrap_or_default(),
        nickname: text("nickname"),
        photo: text("photo"),
        company: text("company"),
        company_address: text("company_address"),
        company_phone: text("company_phone"),
        description: text("description"),
    }
}

/// Whose plant a site is: the first owner who may change it, else a dealer, else a vendor, else whoever may look.
pub fn owner_of<'a>(all: &'a [Kept], site: &SiteId) -> Option<&'a Kept> {
    let with_rights = all
        .iter()
        .filter(|kept| kept.enabled && rights(kept, site).is_some());
    with_rights.min_by_key(|kept| {
        let only_looks = rights(kept, site) < Some(Rights::Operator);
        (only_looks, role_of(kept).number(), kept.number)
    })
}

/// Whether one account may look at another.
pub fn is_shown_to(caller: &Kept, other: &Kept) -> bool {
    if caller.number == other.number {
        return false;
    }
    // What it is called opens nothing: who may change a site may know who else has it.
    let changes = |site: &SiteId| rights(caller, site) >= Some(Rights::Operator);
    match role_of(caller) {
        Role::Vendor if caller.role >= Some(Rights::Operator) => true,
        Role::Vendor | Role::Dealer => {
            other.made_by == Some(caller.number) || other.sites.keys().any(changes)
        }
        Role::Owner => other.made_by == Some(caller.number),
        Role::Browser => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(number: u32, name: &str, rights: Option<Rights>) -> Kept {
        let home = SiteId::new("home").unwrap();
        Kept {
            number,
            sites: rights.map(|rights| (home, rights)).into_iter().collect(),
            ..Kept::new(name)
        }
    }

    #[test]
    fn what_an_account_is_called_is_said_or_follows_from_its_rights() {
        let everywhere = |role| Kept {
            role: Some(role),
            ..Kept::new("x")
        };
        for (kept, role, may_control, may_edit) in [
            (kept(1, "x", None), Role::Browser, false, false),
            (kept(1, "x", Some(Rights::Viewer)), Role::Browser, false, false),
            (kept(1, "x", Some(Rights::User)), Role::Owner, true, false),
            (kept(1, "x", Some(Rights::Operator)), Role::Owner, true, true),
            (everywhere(Rights::Operator), Role::Vendor, true, true),
            (
                with_role(everywhere(Rights::Operator), Role::Owner),
                Role::Owner,
                true,
                true,
            ),
        ] {
            let shown = account(&kept);
            assert_eq!(
                (shown.role, shown.may_control, shown.may_edit),
                (role, may_control, may_edit),
                "{kept:?}"
            );
        }
    }

    #[test]
    fn a_plant_belongs_to_the_first_owner_who_has_it() {
        let home = SiteId::new("home").unwrap();
        let operator = Some(Rights::Operator);
        let dealer = with_role(kept(1, "dealer", operator), Role::Dealer);
        let off = Kept {
            enabled: false,
            ..kept(2, "off", operator)
        };
        let all = [
            dealer,
            off,
            kept(3, "first", operator),
            kept(4, "second", operator),
        ];
        assert_eq!(owner_of(&all, &home).map(|kept| kept.number), Some(3));
        assert_eq!(owner_of(&all[..2], &home).map(|kept| kept.number), Some(1));
        assert_eq!(owner_of(&all, &SiteId::new("yard").unwrap()), None);
    }

    #[test]
    fn owners_see_whom_they_have_made() {
        let operator = Some(Rights::Operator);
        let owner = kept(1, "owner", operator);
        let made = Kept {
            made_by: Some(1),
            ..kept(2, "made", Some(Rights::Viewer))
        };
        let vendor = Kept {
            role: operator,
            ..kept(3, "vendor", None)
        };
        let dealer = with_role(kept(4, "dealer", operator), Role::Dealer);
        let looks = Some(Rights::Viewer);
        let vendor_in_name = with_role(kept(5, "named", looks), Role::Vendor);
        let looking_dealer = with_role(kept(6, "looks", looks), Role::Dealer);
        for (caller, other, expected) in [
            (&owner, &made, true),
            (&owner, &owner, false),
            (&owner, &dealer, false),
            (&made, &owner, false),
            (&vendor, &owner, true),
            (&dealer, &owner, true),
            (&dealer, &vendor, false),
            (&dealer, &owner, true),
            (&vendor_in_name, &owner, false),
            (&looking_dealer, &owner, false),
        ] {
            assert_eq!(is_shown_to(caller, other), expected, "{caller:?} {other:?}");
        }
    }
}
