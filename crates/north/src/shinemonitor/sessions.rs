//! Who calls: logins, sessions and registrations.

use std::collections::BTreeMap;
use std::net::IpAddr;

use dialects::shinemonitor::DIALECT;
use dialects::shinemonitor::actions::login_dat;
use dialects::shinemonitor::error::{Code, Refusal};
use dialects::shinemonitor::request::{Business, Login, Registration};
use dialects::shinemonitor::scene::Role;
use dialects::shinemonitor::want::Session;
use dialects::shinemonitor::wire::Dat;
use gate::{Account, By, Claim, Denied, DoorCaller, Grant, Principal, Roles, Scope, Thing};
use model::id::SiteId;
use model::secret::Secret;
use model::user::Role as Rights;

use super::{Shell, accounts, failed};

impl Shell {
    /// A name and a password become a session. Unknown names and wrong passwords are answered alike.
    pub(super) async fn log_in(&self, login: &Login<'_>, from: IpAddr) -> Result<Dat, Refusal> {
        login.check_company_key(&self.state.settings.shinemonitor.company_keys)?;
        // Both ways to read it; where there is but one, the same again, which takes as long.
        let [first, second] = match login.names.as_slice() {
            [first, second, ..] => [first, second],
            [only] => [only, only],
            [] => return Err(Code::Missing.into()),
        };
        let holds = |secret: &Secret| login.is_proved_by(secret.expose());
        let claims = [claim(login, first), claim(login, second)];
        let caller = self.state.gate.prove(&DIALECT, &claims, from, &holds).await;
        let session = self.open(&caller.map_err(refusal)?).await?;
        Ok(Some(login_dat(&session)))
    }

    /// A number and its one-time code become an account of an owner.
    pub(super) async fn register(&self, new: &Registration<'_>, from: IpAddr) -> Result<Dat, Refusal> {
        let (gate, settings) = (&self.state.gate, &self.state.settings.shinemonitor);
        if !settings.registration {
            return Err(Refusal::unknown_action("reg"));
        }
        new.check(&settings.company_keys)?;
        let wanted = Account {
            email: (!new.email.is_empty()).then(|| new.email.clone()),
            ..Account::new(&new.name)
        };
        // Before the code is used up.
        gate.check_new_account(&DIALECT, &wanted).map_err(refusal)?;
        let site = self.redeem(&new.pn, &new.code, from).await?;
        let wanted = Account {
            sites: [(site, Rights::Operator)].into(),
            ..wanted
        };
        let nobody = Principal {
            name: format!("{}:registration", DIALECT.name),
            user: None,
            grant: Grant::Roles(Roles {
                everywhere: None,
                sites: BTreeMap::new(),
                scopes: Scope::all(),
                oversight: None,
            }),
        };
        let by = By::new(&nobody, DIALECT.name);
        let wanted = accounts::with_role(wanted, Role::Owner);
        let password = Secret::new(new.password.expose());
        let made = gate.create_account(&by, &DIALECT, wanted, &password).await;
        made.map_err(refusal)?;
        let holds = |secret: &Secret| secret.expose() == password.expose();
        let caller = gate
            .prove(&DIALECT, &[Claim::Name(&new.name)], from, &holds)
            .await;
        let session = self.open(&caller.map_err(refusal)?).await?;
        Ok(Some(login_dat(&session)))
    }

    /// Who holds the session that a call is signed with.
    pub(super) async fn caller(&self, call: &Business<'_>, from: IpAddr) -> Result<DoorCaller, Refusal> {
        let mut said = None;
        let holds = |secret: &Secret| match call.check(secret.expose()) {
            Ok(()) => true,
            Err(refusal) => {
                said = Some(refusal);
                false
            }
        };
        let caller = self
            .state
            .gate
            .by_door_session(&DIALECT, call.token(), from, holds)
            .await;
        caller.map_err(|denied| match said {
            Some(said) if matches!(denied, Denied::Wrong) => said,
            _ => refusal(denied),
        })
    }

    /// A session beside those there are.
    pub(super) async fn open(&self, caller: &DoorCaller) -> Result<Session, Refusal> {
        let lasts = self.state.settings.shinemonitor.expire;
        let opened = self.state.gate.open_door_session(caller, lasts).await;
        let opened = opened.map_err(refusal)?;
        Ok(Session {
            token: opened.token.expose().to_owned(),
            secret: opened.secret.expose().to_owned(),
            lasts,
            account: accounts::account(&self.account(caller)?),
        })
    }

    /// The account of a caller as it is now.
    pub(super) fn account(&self, caller: &DoorCaller) -> Result<Account, Refusal> {
        let account = match caller.access.thing {
            Thing::Account(number) => self.state.gate.account(&DIALECT, number),
            Thing::Evse(_) | Thing::Device(_) | Thing::Site(_) => None,
        };
        account.ok_or_else(|| Code::NotAuthenticated.into())
    }

    /// The site that the one-time code of a number was made for; the code is used up.
    pub(super) async fn redeem(&self, pn: &str, code: &str, from: IpAddr) -> Result<SiteId, Refusal> {
        match self.state.gate.redeem_code(&DIALECT, pn, code, from).await {
            Ok(Thing::Site(site)) => Ok(site),
            Ok(_) | Err(Denied::Wrong) => Err(Code::BadPn.into()),
            Err(denied) => Err(refusal(denied)),
        }
    }
}

fn claim<'a>(login: &Login<'_>, name: &'a str) -> Claim<'a> {
    if login.by_email {
        Claim::Email(name)
    } else {
        Claim::Name(name)
    }
}

/// What the gate says in the words of this dialect.
pub(super) fn refusal(denied: Denied) -> Refusal {
    match denied {
        Denied::Wrong => Code::WrongPassword.into(),
        Denied::Ended => Code::NotAuthenticated.into(),
        Denied::Disabled => Code::Frozen.into(),
        Denied::TooMany { .. } => Code::TooMany.into(),
        Denied::Unfit { what: "name", .. } => Refusal::format("usr"),
        Denied::Unfit {
            what: "the password", ..
        } => Code::PasswordForm.into(),
        Denied::Unfit { what, .. } => Refusal::format(what),
        Denied::Unknown { .. } => Code::NoUser.into(),
        Denied::Taken { .. } => Code::NameTaken.into(),
        Denied::LastAdmin | Denied::SetUpAlready => Code::NoPermission.into(),
        Denied::Unavailable(error) => failed("the gate cannot answer a ShineMonitor client", &error),
    }
}
