//! Links that lead to several devices.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::GatewayId;
use crate::shinemonitor::ShinemonitorAccount;
use crate::time::Millis;

/// One link that leads to several devices, which may be of several sites. What reports and obeys are the devices:
/// a gateway only carries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    pub id: GatewayId,
    pub name: String,
    pub link: GatewayLink,
}

/// How a gateway is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "driver", rename_all = "snake_case")]
pub enum GatewayLink {
    /// Modbus TCP to a serial line (`192.168.1.21:502`). Units are its addresses, 0 to 255.
    Modbus { address: String },
    /// An account of a cloud. Units are devices as it names them, each with the part of it that is meant.
    Shinemonitor(ShinemonitorAccount),
}

impl GatewayLink {
    /// What `driver` of a gateway may say.
    pub const DRIVERS: [&'static str; 2] = ["modbus", "shinemonitor"];

    /// Where it is dialled.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        match self {
            Self::Modbus { address } => Endpoint::of(address),
            Self::Shinemonitor(account) => Endpoint::of(&account.url),
        }
    }

    /// The files that must be there to dial it.
    #[must_use]
    pub fn files(&self) -> Vec<&Path> {
        match self {
            Self::Modbus { .. } => Vec::new(),
            Self::Shinemonitor(account) => account.files(),
        }
    }

    /// How often the devices behind it may be heard, when nobody says it: most loggers tell their cloud every
    /// five minutes.
    #[must_use]
    pub const fn usual_period(&self) -> Millis {
        match self {
            Self::Modbus { .. } => Millis(1_000),
            Self::Shinemonitor(_) => Millis(300_000),
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
