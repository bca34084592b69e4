//! An account of a cloud that speaks the ShineMonitor API, with the loggers and devices that it shows.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// How the cloud is reached and who asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShinemonitorAccount {
    /// Below which the cloud answers (`https://web.shinemonitor.com/public/`).
    pub url: String,
    pub user: String,
    /// One line: the password of the user.
    pub password_file: PathBuf,
    /// Of the brand whose app the account was made in.
    pub company_key: String,
    #[serde(default)]
    pub login: ShinemonitorLogin,
    /// The apps to ask as, one after the other: the vendor shows a device to the app that it was added with.
    pub apps: Vec<String>,
    /// Whose clocks the cloud shows. `None`: those of each logger, which know no summer time, or what its records turn
    /// out to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
    /// So many days of the past are fetched, today among them.
    pub past_days: u8,
    /// Who signed the certificate, when the system's own list does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

impl ShinemonitorAccount {
    /// That of the public portal, which most apps send.
    pub const COMPANY_KEY: &'static str = "bnrl_frRFjEz8Mkn";
    /// Of the apps that are known.
    pub const APPS: [&'static str; 5] = [
        "wifiapp.volfw.watchpower",
        "wifiapp.volfw.solarpower",
        "com.eybond.smartclient",
        "com.eybond.smartclient.ess",
        "com.eybond.renoclient",
    ];
    pub const PAST_DAYS: u8 = 7;

    /// The files that must be there to sign in.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        std::iter::once(self.password_file.as_path())
            .chain(self.ca_file.as_deref())
            .collect()
    }
}

/// By which call an account signs in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ShinemonitorLogin {
    /// As apps of today do.
    #[default]
    Source,
    /// As the vendor's pages say.
    Plain,
    /// By an e-mail address.
    Email,
}
