//! Requests: read from the raw query, proved by whoever knows the secrets.

use super::actions::{self, Kind, Row};
use super::error::{Code, Refusal};
use super::params::Params;
use super::rc4::{self, PasswordHash};
use super::sign::{self, Split};
use super::wire::{Callback, Dat};
use crate::query::decode_bytes;

/// What a query says; also of a refused one it is known how to answer.
#[derive(Debug)]
pub struct Read<'q> {
    pub callback: Callback<'q>,
    /// The action, if there is such a one.
    pub action: Option<&'static str>,
    pub request: Result<Request<'q>, Refusal>,
}

#[derive(Debug)]
pub enum Request<'q> {
    Login(Login<'q>),
    Registration(Registration<'q>),
    Open(Open<'q>),
    Business(Business<'q>),
}

/// Reads a raw query, without its `?`. Refuses in the order of the original: callback, action, then what is
/// missing.
#[must_use]
pub fn read(query: &str) -> Read<'_> {
    let callback = Callback::new(sign::callback(query));
    let split = sign::split(query);
    let row = split
        .as_ref()
        .and_then(|split| Params::new(&split.tail).opt("action"))
        .and_then(|name| actions::row(&name));
    Read {
        callback: callback.as_ref().copied().unwrap_or_default(),
        action: row.map(|row| row.name),
        request: callback.and_then(|_| request(split, row)),
    }
}

fn request<'q>(split: Option<Split<'q>>, row: Option<&'static Row>) -> Result<Request<'q>, Refusal> {
    let Some(split) = split else {
        return Err(Refusal::unknown_action(""));
    };
    let Some(row) = row else {
        let name = Params::new(&split.tail).opt("action");
        return Err(Refusal::unknown_action(name.as_deref().unwrap_or_default()));
    };
    match row.kind {
        Kind::Login { by_email } => Login::read(split, by_email).map(Request::Login),
        Kind::Registration => Registration::read(split).map(Request::Registration),
        Kind::Open(answer) => Ok(Request::Open(Open { answer, split })),
        Kind::Known(_) | Kind::Asking { .. } if split.token.is_empty() => Err(Code::NotAuthenticated.into()),
        Kind::Known(_) | Kind::Asking { .. } => Ok(Request::Business(Business { row, split })),
    }
}

fn check_salt(split: &Split<'_>) -> Result<(), Refusal> {
    if sign::SALT_LENGTHS.contains(&split.salt.len()) {
        Ok(())
    } else {
        Err(Code::Salt.into())
    }
}

fn company_key(split: &Split<'_>) -> Result<String, Refusal> {
    let key = Params::new(&split.tail).opt("company-key");
    key.map(|key| key.into_owned())
        .ok_or_else(|| Code::Missing.into())
}

/// Whether one of the brands that are served has this key.
fn check_company_key(key: &str, known: &[String]) -> Result<(), Refusal> {
    if known.iter().any(|known| known == key) {
        Ok(())
    } else {
        Err(Code::CompanyKey.into())
    }
}

/// Name and password. The password is in the signature only.
#[derive(Debug)]
pub struct Login<'q> {
    /// Who it may be: a `+` can be meant as it stands or as a space.
    pub names: Vec<String>,
    /// The name is an e-mail address.
    pub by_email: bool,
    company_key: String,
    split: Split<'q>,
}

impl<'q> Login<'q> {
    fn read(split: Split<'q>, by_email: bool) -> Result<Self, Refusal> {
        let company_key = company_key(&split)?;
        let name = Params::new(&split.tail).raw("usr").unwrap_or_default();
        if split.sign.is_empty() || split.salt.is_empty() || name.is_empty() {
            return Err(Code::Missing.into());
        }
        check_salt(&split)?;
        let read = |plus| String::from_utf8_lossy(&decode_bytes(name, plus)).into_owned();
        let mut names = vec![read(b'+'), read(b' ')];
        names.dedup();
        Ok(Self {
            names,
            by_email,
            company_key,
            split,
        })
    }

    /// # Errors
    /// When none of the brands that are served has its key.
    pub fn check_company_key(&self, known: &[String]) -> Result<(), Refusal> {
        check_company_key(&self.company_key, known)
    }

    /// Whether the signature was made by who knows the password of which this is the SHA-1 in hexadecimal
    /// digits. What is wrong takes as long for every password.
    #[must_use]
    pub fn is_proved_by(&self, password: &str) -> bool {
        let Split { sign, salt, tail, .. } = &self.split;
        sign::login_tails(tail).any(|tail| sign::fits(sign, salt, &[password], tail))
    }
}

/// A new account for whoever has a logger of which they know the number.
#[derive(Debug)]
pub struct Registration<'q> {
    pub name: String,
    pub email: String,
    pub pn: String,
    /// The one-time code: of its own, or where the apps let people type.
    pub code: String,
    pub password: PasswordHash,
    company_key: String,
    sent_password: String,
    split: Split<'q>,
}

impl<'q> Registration<'q> {
    fn read(split: Split<'q>) -> Result<Self, Refusal> {
        let company_key = company_key(&split)?;
        let params = Params::new(&split.tail);
        let text = |name| params.opt(name).unwrap_or_default().into_owned();
        let (name, sent_password, pn) = (text("usr"), text("pwd"), text("sn"));
        let code = params.opt("code").or_else(|| params.opt("mobile"));
        let code = code.unwrap_or_default().into_owned();
        let email = text("email");
        if [split.sign, split.salt, &name, &sent_password, &pn].contains(&"") {
            return Err(Code::Missing.into());
        }
        check_salt(&split)?;
        let password = rc4::decode(PasswordHash::of_password(&pn).expose(), &sent_password)?;
        Ok(Self {
            name,
            email,
            pn,
            code,
            password,
            company_key,
            sent_password,
            split,
        })
    }

    /// # Errors
    /// The key of an unknown brand, or a signature that does not fit the password that is sent. It proves no
    /// more than that both were made together: the one-time code is what lets somebody in.
    pub fn check(&self, company_keys: &[String]) -> Result<(), Refusal> {
        check_company_key(&self.company_key, company_keys)?;
        let Split { sign, salt, tail, .. } = &self.split;
        // The vendor's page and its sample differ in what is signed.
        let known = [self.sent_password.as_str(), self.password.expose()];
        if known.iter().any(|known| sign::fits(sign, salt, &[known], tail)) {
            Ok(())
        } else {
            Err(Code::Signature.into())
        }
    }
}

/// Something that is told to everybody.
#[derive(Debug)]
pub struct Open<'q> {
    answer: fn() -> Dat,
    split: Split<'q>,
}

impl Open<'_> {
    /// # Errors
    /// A salt that is too short, or a signature that is not that of salt and query.
    pub fn answer(&self) -> Result<Dat, Refusal> {
        check_salt(&self.split)?;
        let Split { sign, salt, tail, .. } = &self.split;
        if sign::fits(sign, salt, &[], tail) {
            Ok((self.answer)())
        } else {
            Err(Code::Signature.into())
        }
    }
}

/// What the holder of a session asks.
#[derive(Debug)]
pub struct Business<'q> {
    pub row: &'static Row,
    split: Split<'q>,
}

impl Business<'_> {
    #[must_use]
    pub fn token(&self) -> &str {
        self.split.token
    }

    /// Whether the signature was made by who knows the secret that belongs to the token.
    ///
    /// # Errors
    /// A salt that is too short, or a signature that does not fit.
    pub fn check(&self, secret: &str) -> Result<(), Refusal> {
        check_salt(&self.split)?;
        let Split {
            sign,
            salt,
            token,
            tail,
        } = &self.split;
        if sign::fits(sign, salt, &[secret, token], tail) {
            Ok(())
        } else {
            Err(Code::Signature.into())
        }
    }

    #[must_use]
    pub fn params(&self) -> Params<'_> {
        Params::new(&self.split.tail)
    }
}
