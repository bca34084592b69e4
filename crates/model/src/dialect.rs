//! What the rooms call a wire protocol.

use std::fmt;

/// A wire protocol as one vendor speaks it. Each dialect has one of these, and nobody else spells its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// As it stands in the database, in the audit log and in addresses: it never changes.
    pub name: &'static str,
    /// As people write it.
    pub title: &'static str,
    /// What can be switched off for a single thing, as in "cloud form off".
    pub switched: &'static str,
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.title)
    }
}
