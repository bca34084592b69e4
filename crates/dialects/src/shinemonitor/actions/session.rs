//! Accounts and sessions.

use serde_json::{Value, json};

use super::super::error::{Code, Refusal};
use super::super::params::Params;
use super::super::rc4::{self, Undecodable};
use super::super::scene::{Account, Role, Scene};
use super::super::time;
use super::super::want::{Deed, Done, Fetched, Session, Want};
use super::super::wire::Dat;

/// The answer to a login: some clients want each of these.
#[must_use]
pub fn login_dat(session: &Session) -> Value {
    json!({
        "secret": session.secret,
        "expire": session.lasts.as_seconds(),
        "token": session.token,
        "role": session.account.role.number(),
        "uid": session.account.uid,
        "usr": session.account.usr,
    })
}

pub fn wants_token(_: Params<'_>, _: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    Ok(vec![Want::Do(Deed::Renew)])
}

pub fn renewed(_: Params<'_>, _: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    match got.done()? {
        Done::Session(session) => Ok(Some(login_dat(&session))),
        Done::Plain | Done::Answered(_) => Err(Code::Internal.into()),
    }
}

pub fn wants_password(params: Params<'_>, _: &Scene<'_>) -> Result<Vec<Want>, Refusal> {
    let sent = sent_password(params, "newpwd")?;
    Ok(vec![Want::Do(Deed::ChangePassword { sent })])
}

/// What cannot be decoded with any key is told at once.
pub fn sent_password(params: Params<'_>, name: &str) -> Result<String, Refusal> {
    let sent = params.text(name)?.into_owned();
    match rc4::decode("", &sent) {
        Err(Undecodable::Form) => Err(Undecodable::Form.into()),
        Ok(_) | Err(Undecodable::Key) => Ok(sent),
    }
}

/// Nothing to say but that it was done.
pub fn done(_: Params<'_>, _: &Scene<'_>, got: &mut Fetched) -> Result<Dat, Refusal> {
    got.done().map(|_| None)
}

pub fn account_info(params: Params<'_>, scene: &Scene<'_>) -> Result<Dat, Refusal> {
    let account = match params.opt_int("uid")? {
        Some(uid) if uid != scene.caller.uid => {
            let other = scene.others.iter().find(|account| account.uid == uid);
            // Whose others are nobody's business may not find out who there is.
            let missing = match scene.caller.role {
                Role::Vendor => Code::NoUser,
                Role::Owner | Role::Dealer | Role::Browser => Code::NoPermission,
            };
            other.ok_or(missing)?
        }
        _ => scene.caller,
    };
    Ok(Some(account_value(account)))
}

pub fn account_value(account: &Account) -> Value {
    let texts = &account.texts;
    let mut value = json!({
        "uid": account.uid,
        "usr": account.usr,
        "role": account.role.number(),
        "mobile": texts.mobile,
        "email": texts.email,
        "qname": texts.nickname,
        "photo": texts.photo,
        "cname": texts.company,
        "caddr": texts.company_address,
        "ctel": texts.company_phone,
        "qq": "",
        "wx": "",
        "bomb": true,
        "enable": account.is_enabled,
        "gts": time::utc_text(account.created),
        "desc": texts.description,
    });
    if let Some(login) = &account.last_login {
        value["lastAtuhTs"] = time::utc_text(login.at).into();
        value["lastAtuhAddr"] = login.from.as_str().into();
    }
    value
}

pub fn domains() -> Dat {
    Some(json!([]))
}
