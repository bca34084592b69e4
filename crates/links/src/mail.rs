//! E-mail by SMTP: one plain-text message to one mailbox, over a relay of the administrator's choice.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use tokio::time::timeout;

use crate::failure::innermost;

/// How a connection to the relay is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Begins in clear and must change to TLS before anything is said.
    StartTls,
    /// TLS from the first byte.
    Tls,
    /// None; for a relay on the same machine.
    Nothing,
}

/// Where mail is handed over.
#[derive(Clone, PartialEq, Eq)]
pub struct Relay {
    pub host: String,
    pub port: u16,
    pub protection: Protection,
    /// User name and password.
    pub credentials: Option<(String, String)>,
    /// What stands in `From`: `name@example.org` or `Name <name@example.org>`.
    pub from: String,
    /// For one command, and five times that for the whole exchange.
    pub patience: Duration,
}

impl std::fmt::Debug for Relay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Relay")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("protection", &self.protection)
            .finish_non_exhaustive()
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Stands in `Message-ID`; the same for each attempt, so that a mailbox can drop a second copy.
    pub id: String,
    pub to: String,
    pub subject: String,
    /// Plain text.
    pub body: String,
    pub date: SystemTime,
}

/// Why a message was not handed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// It will be the same the next time: a mailbox that does not exist, a message that nobody takes.
    #[error("{0}")]
    Refused(String),
    /// It may be better later.
    #[error("{0}")]
    NotNow(String),
}

/// Hands messages to a relay, each over a connection of its own.
#[derive(Clone, Debug)]
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    patience: Duration,
}

/// Says who writes: nobody should answer with a notice of absence.
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// Whether mail can be sent to this: `name@example.org`, with or without a name before it.
#[must_use]
pub fn is_mailbox(text: &str) -> bool {
    text.len() <= 320 && text.parse::<Mailbox>().is_ok()
}

impl Mailer {
    /// # Errors
    /// When the sender is no mailbox, or TLS cannot be set up.
    pub fn new(relay: &Relay) -> Result<Self, MailError> {
        let from = relay.from.parse().map_err(|error| {
            MailError::Refused(format!("the sender {} is no mailbox: {error}", relay.from))
        })?;
        let parameters = || {
            TlsParameters::new_rustls(relay.host.clone())
                .map_err(|error| MailError::NotNow(format!("cannot set up TLS: {}", innermost(&error))))
        };
        let tls = match relay.protection {
            Protection::StartTls => Tls::Required(parameters()?),
            Protection::Tls => Tls::Wrapper(parameters()?),
            Protection::Nothing => Tls::None,
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(relay.host.clone())
            .port(relay.port)
            .tls(tls)
            .timeout(Some(relay.patience));
        if let Some((user, password)) = &relay.credentials {
            builder = builder.credentials(Credentials::new(user.clone(), password.clone()));
        }
        Ok(Self {
            transport: builder.build(),
            from,
            patience: relay.patience,
        })
    }

    /// Sends one message.
    ///
    /// # Errors
    /// When the relay did not say that it has taken the message over.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let to = mail
            .to
            .parse::<Mailbox>()
            .map_err(|error| MailError::Refused(format!("the receiver is no mailbox: {error}")))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(mail.subject.clone())
            .date(mail.date)
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(AutoSubmitted)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())
            .map_err(|error| MailError::Refused(format!("this is no message: {}", innermost(&error))))?;
        match timeout(self.patience * 5, self.transport.send(message)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(judged(&error)),
            Err(_) => Err(MailError::NotNow("the mail relay took too long".to_owned())),
        }
    }
}

/// What the relay says of the password is not what it says of the message: that is mended in the
/// configuration, and the mail can go out then.
fn judged(error: &lettre::transport::smtp::Error) -> MailError {
    let is_access = error
        .status()
        .is_some_and(|code| matches!(u16::from(code), 421 | 450..=459 | 530..=538));
    let text = format!("mail relay: {}", innermost(error));
    if error.is_permanent() && !is_access {
        MailError::Refused(text)
    } else {
        MailError::NotNow(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_and_what_is_none() {
        for (text, expected) in [
            ("resident@example.org", true),
            ("Resident 1 <resident@example.org>", true),
            ("resident@localhost", true),
            ("", false),
            ("resident", false),
            ("@example.org", false),
            ("a@example.org\r\nBcc: b@example.org", false),
            ("a@example.org, b@example.org", false),
        ] {
            assert_eq!(is_mailbox(text), expected, "{text:?}");
        }
    }
}
