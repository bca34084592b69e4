//! Ids, one type per noun: passing one for another does not compile.
//!
//! An id is a short text that people can read in a URL, a log line and a config file. It is unique in one
//! installation, assigned once and never reused. What a dialect calls the same thing (a serial number, a
//! `dev_id`) is an alias, kept by `gate`.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Why a text is no id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is no id: expected 1 to 63 characters of a-z, 0-9, `-` and `_`, starting with a letter or digit"
)]
pub struct IdError {
    pub text: String,
}

fn check(text: &str) -> Result<(), IdError> {
    let fits = (1..=63).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_')
        && text.bytes().next().is_some_and(|b| b.is_ascii_alphanumeric());
    if fits {
        Ok(())
    } else {
        Err(IdError {
            text: text.chars().take(80).collect(),
        })
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// When the text has other characters than a-z, 0-9, `-` and `_`, or is too long.
            pub fn new(text: &str) -> Result<Self, IdError> {
                check(text)?;
                Ok(Self(Arc::from(text)))
            }

            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(&text)
            }
        }
        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }
        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0.as_ref().to_owned()
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

id!(
    /// One grid connection and all behind it.
    SiteId
);
id!(
    /// A fused part of the wiring.
    CircuitId
);
id!(
    /// A meter, inverter, battery or charging station.
    DeviceId
);
id!(
    /// What several devices are behind: a converter to a serial line, a data logger, an account.
    GatewayId
);
id!(
    /// The unit of a charging station that charges one car.
    EvseId
);
id!(
    /// A person or program that signs in.
    UserId
);

id!(
    /// One plug-in to plug-out.
    SessionId
);
id!(
    /// An RFID card or a PIN of a user.
    CardId
);
id!(
    /// A car.
    VehicleId
);
id!(
    /// Prices over time.
    TariffId
);
id!(
    /// Rules that decide together.
    RuleSetId
);
id!(
    /// Something owed to the outside.
    ParcelId
);
id!(
    /// Whom we report our own sites to.
    PlatformId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_short_readable_and_url_safe() {
        assert_eq!(
            SiteId::new("home").map(|id| id.to_string()),
            Ok("home".to_owned())
        );
        for bad in ["", "Home", "a b", "-x", "ü", &"x".repeat(64)] {
            assert!(SiteId::new(bad).is_err(), "{bad}");
        }
        assert!(serde_json::from_str::<EvseId>("\"Not An Id\"").is_err());
    }
}
