//! Links that lead to several devices.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::GatewayId;
use crate::noun::Noun;
use crate::shinemonitor::ShinemonitorAccount;
use crate::time::{Millis, Timestamp};

/// One link that leads to several devices, which may be of several sites. What reports and obeys are the devices:
/// a gateway only carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    pub id: GatewayId,
    pub name: String,
    pub link: GatewayLink,
}

impl Gateway {
    /// The number of a data logger, where the settings say it.
    #[must_use]
    pub fn logger_number(&self) -> Option<&str> {
        match &self.link {
            GatewayLink::Logger { pn, .. } => pn.as_deref(),
            GatewayLink::Modbus { .. } | GatewayLink::Shinemonitor(_) => None,
        }
    }
}

/// How a gateway is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
pub enum GatewayLink {
    /// Modbus TCP to a serial line (`192.168.1.21:502`). Units are its addresses, 0 to 255.
    Modbus { address: String },
    /// An account of a cloud. Units are devices as it names them, each with the part of it that is meant.
    Shinemonitor(ShinemonitorAccount),
    /// A data logger, which dials us and says this number. Units are addresses on its serial line, 0 to 255, and
    /// what of an inverter there a device is (`5/battery`).
    Logger {
        /// `None`: whoever an administrator accepts as it ([`AcceptedLogger`]).
        pn: Option<String>,
        /// What its vendor's cloud is let see and ask at the same time.
        #[serde(default)]
        pass_on: PassOn,
    },
}

/// What the vendor's cloud of a data logger is let see and ask, beside us.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PassOn {
    #[default]
    Nothing,
    /// All that reads; what writes is refused.
    Reads,
}

impl PassOn {
    pub const ALL: [Self; 2] = [Self::Nothing, Self::Reads];

    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Reads => "reads",
        }
    }
}

impl GatewayLink {
    /// What `driver` of a gateway may say.
    pub const DRIVERS: [&'static str; 3] = ["modbus", "logger", "shinemonitor"];

    /// Where it is dialled, if we are the ones who do.
    #[must_use]
    pub fn endpoint(&self) -> Option<Endpoint> {
        match self {
            Self::Modbus { address } => Some(Endpoint::of(address)),
            Self::Shinemonitor(account) => Some(Endpoint::of(&account.url)),
            Self::Logger { .. } => None,
        }
    }

    /// The files that must be there to dial it.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Modbus { .. } | Self::Logger { .. } => Vec::new(),
            Self::Shinemonitor(account) => account.files(),
        }
    }

    /// How often the devices behind it are heard, when nobody says it: a logger carries a question in a second, and
    /// most tell their cloud every five minutes.
    #[must_use]
    pub const fn usual_period(&self) -> Millis {
        match self {
            Self::Modbus { .. } => Millis(1_000),
            Self::Shinemonitor(_) => Millis(300_000),
            Self::Logger { .. } => Millis(30_000),
        }
    }
}

/// Which device behind a link, in the words of its dialect: an address on a serial line, a serial number. A
/// device with a link of its own needs no name there.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Unit(Option<Arc<str>>);

impl Unit {
    /// The one device of a link that has no other.
    #[must_use]
    pub const fn only() -> Self {
        Self(None)
    }

    #[must_use]
    pub fn named(name: &str) -> Self {
        Self(Some(Arc::from(name)))
    }

    /// Empty for the only one.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a gateway says of itself, as far as it does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GatewayFacts {
    pub kind: Option<String>,
    pub firmware: Option<String>,
    /// What it speaks to the devices behind it, in its own words (`0925`).
    pub descriptor: Option<String>,
    /// Of the radio that it reaches the network by.
    pub signal_dbm: Option<i64>,
}

/// Which data logger a gateway is, where the settings leave its number open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcceptedLogger {
    pub gateway: GatewayId,
    pub pn: String,
}

impl Noun for AcceptedLogger {
    const KIND: &'static str = "accepted-logger";

    fn id(&self) -> &str {
        self.gateway.as_str()
    }
}

/// How a data logger does that has dialled us, or that we wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggerState {
    /// The number by which it says who it is.
    pub pn: String,
    /// The gateway that is to be this logger. `None`: a stranger, which is shown, never asked and never told
    /// anything.
    pub accepted: Option<GatewayId>,
    /// Where its connection comes from; `None`: it is not here.
    pub from: Option<SocketAddr>,
    /// Since when it is here.
    pub since: Option<Timestamp>,
    /// When it last said something.
    pub last_contact: Option<Timestamp>,
    pub facts: GatewayFacts,
    /// Where a second connection comes from that claims the same number, and waits.
    pub waiting: Option<SocketAddr>,
}

impl LoggerState {
    #[must_use]
    pub const fn is_online(&self) -> bool {
        self.from.is_some()
    }
}

/// All of them, by number.
pub type LoggerStates = BTreeMap<String, LoggerState>;
