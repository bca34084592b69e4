//! Links that lead to several devices.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

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
