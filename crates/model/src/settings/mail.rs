//! Where e-mail leaves.

use serde::{Deserialize, Serialize};

/// Where e-mail is handed over. The password is in a file of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailSettings {
    pub host: String,
    pub port: u16,
    pub tls: MailTls,
    pub user: Option<String>,
    pub password_file: Option<std::path::PathBuf>,
    /// The sender: `name@example.org`, or `Name <name@example.org>`.
    pub from: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MailTls {
    /// Begins in clear and changes to TLS before anything is said.
    StartTls,
    Tls,
    None,
}

impl MailTls {
    /// The port that relays listen on.
    #[must_use]
    pub const fn usual_port(self) -> u16 {
        match self {
            Self::StartTls => 587,
            Self::Tls => 465,
            Self::None => 25,
        }
    }
}

impl MailSettings {
    /// Whether a password would travel through a network in clear.
    #[must_use]
    pub fn shows_password(&self) -> bool {
        let is_local = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        self.user.is_some() && self.tls == MailTls::None && !is_local
    }
}
