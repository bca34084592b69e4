//! Other accounts: owners and those who may only look.

use super::super::error::{Code, Refusal};
use super::super::params::Params;
use super::super::scene::{Account, Role, Scene};
use super::super::want::{Deed, Want};
use super::super::wire::Dat;
use super::paged;
use super::session::{account_value, sent_password};

/// The newest first, as the scene has them.
pub fn owners(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    match scene.caller.role {
        Role::Vendor | Role::Dealer => {}
        Role::Owner | Role::Browser => return Err(Code::NoPermission.into()),
    }
    let part = params.opt("usr").unwrap_or_default().to_lowercase();
    let found: Vec<&Account> = scene
        .others
        .iter()
        .filter(|account| account.role == Role::Owner)
        .filter(|account| account.usr.to_lowercase().contains(&part))
        .collect();
    paged(params, "plantOwner", 1, &found, Code::NoUser, |account| {
        account_value(account)
    })
}

pub fn wants_browser(params: Params<'_>, scene: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    if !scene.caller.may_edit {
        return Err(Code::NoPermission.into());
    }
    let name = params.text("usr")?.into_owned();
    if name.chars().count() > 64 || name.chars().any(char::is_control) {
        return Err(Refusal::format("usr"));
    }
    let sent = sent_password(params, "pwd")?;
    let mut plants = Vec::new();
    if params.opt("pid").is_some() {
        for pid in params.list("pid")? {
            let pid = pid.parse().map_err(|_| Refusal::format("pid"))?;
            plants.push(scene.plant(pid)?.pid);
        }
    }
    let text = |name| params.opt(name).unwrap_or_default().into_owned();
    Ok(vec![Want::Do(Deed::AddBrowser {
        name,
        sent,
        mobile: text("mobile"),
        email: text("email"),
        description: text("desc"),
        is_enabled: params.opt_bool("enable")?.unwrap_or(true),
        plants,
    })])
}
