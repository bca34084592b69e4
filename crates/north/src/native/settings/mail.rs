//! The relay that takes e-mail, and its password.

use gate::Gate;
use links::mail::is_mailbox;
use model::settings::{Chosen, MailSettings as Mail, MailTls, Settings};

use super::from_file;
use crate::State;
use crate::native::error::ApiError;
use crate::native::wire::settings::{MailChange, MailSettings, SettingsChange};

/// What becomes of the password of the relay.
pub enum Password {
    Stays,
    Forgotten,
    New(String),
}

pub fn change(
    settings: &Settings,
    wanted: &SettingsChange,
    before: &Chosen,
    after: &mut Chosen,
) -> Result<Password, ApiError> {
    let Some(wanted) = &wanted.mail else {
        return Ok(Password::Stays);
    };
    if settings.given.says("mail") {
        return Err(from_file("mail"));
    }
    let Some(wanted) = wanted else {
        after.mail = None;
        return Ok(Password::Forgotten);
    };
    let mail = read_mail(wanted)?;
    // A password never goes to a relay it was not given for.
    let is_same = before.mail.as_ref().is_some_and(|before| {
        (&before.host, before.port, before.tls, &before.user) == (&mail.host, mail.port, mail.tls, &mail.user)
    });
    let password = match (&wanted.password, &mail.user) {
        (Some(text), Some(_)) => Password::New(text.clone()),
        (Some(_), None) => {
            return Err(ApiError::invalid(
                "mail.password",
                "…",
                "a user that it belongs to",
            ));
        }
        (None, Some(_)) if is_same => Password::Stays,
        (None, Some(_)) => {
            return Err(ApiError::invalid(
                "mail.password",
                "nothing",
                "the password of the user",
            ));
        }
        (None, None) => Password::Forgotten,
    };
    after.mail = Some(mail);
    Ok(password)
}

impl Password {
    pub async fn keep(self, state: &State) -> Result<(), ApiError> {
        match self {
            Self::Stays => Ok(()),
            Self::Forgotten => keep(state, None).await,
            Self::New(text) => keep(state, Some(&text)).await,
        }
    }
}

async fn keep(state: &State, password: Option<&str>) -> Result<(), ApiError> {
    state.gate.set_mail_password(password).await.map_err(|error| {
        tracing::error!(%error, "cannot keep the password of the mail relay");
        ApiError::new(
            http::StatusCode::SERVICE_UNAVAILABLE,
            "store",
            "the password cannot be kept; see the log",
        )
    })
}

/// The relay as it will be, without its password.
pub async fn view(state: &State, mail: Option<&Mail>) -> Result<Option<MailSettings>, ApiError> {
    let Some(mail) = mail else {
        return Ok(None);
    };
    Ok(Some(MailSettings {
        has_password: mail.user.is_some()
            && (mail.password_file.is_some() || state.gate.has_mail_password().await?),
        host: mail.host.clone(),
        port: mail.port,
        tls: mail.tls.into(),
        user: mail.user.clone(),
        from: mail.from.clone(),
        from_file: state.settings.given.says("mail"),
    }))
}

fn read_mail(wanted: &MailChange) -> Result<Mail, ApiError> {
    let tls = wanted.tls.into();
    let mail = Mail {
        host: wanted.host.trim().to_owned(),
        port: wanted.port.unwrap_or_else(|| MailTls::usual_port(tls)),
        tls,
        user: wanted.user.clone(),
        password_file: None,
        from: wanted.from.clone(),
    };
    let is_host = (1..=253).contains(&mail.host.len())
        && mail
            .host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':'));
    if !is_host {
        return Err(ApiError::invalid(
            "mail.host",
            &mail.host,
            "the name of a mail relay",
        ));
    }
    if mail.port == 0 {
        return Err(ApiError::invalid("mail.port", 0, "1 to 65535"));
    }
    if mail
        .user
        .as_deref()
        .is_some_and(|user| !Gate::can_be_sealed(user))
    {
        return Err(ApiError::invalid("mail.user", "…", "one line, or null"));
    }
    if wanted
        .password
        .as_deref()
        .is_some_and(|text| !Gate::can_be_sealed(text))
    {
        return Err(ApiError::invalid("mail.password", "…", "one line"));
    }
    if !is_mailbox(&mail.from) {
        return Err(ApiError::invalid(
            "mail.from",
            &mail.from,
            "a mailbox, for example Ohmstead <hub@example.org>",
        ));
    }
    if mail.shows_password() {
        return Err(ApiError::invalid(
            "mail.tls",
            "none",
            "starttls or tls: the password would travel in clear",
        ));
    }
    Ok(mail)
}
