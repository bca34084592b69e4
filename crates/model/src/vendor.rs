//! Keys of a device's own language that only we keep.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::EvseId;

/// Values as JSON text, by key, by dialect.
pub type Keys = BTreeMap<String, BTreeMap<String, String>>;

/// What somebody wrote to an EVSE in a language that its charging station does not speak: it means nothing to
/// the model and reads back as it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorKeys {
    pub evse: EvseId,
    pub keys: Keys,
}

impl VendorKeys {
    /// The most that is kept for one EVSE, in bytes of keys and values together.
    pub const MOST: usize = 65_536;

    #[must_use]
    pub fn size(&self) -> usize {
        let values = self.keys.values().flatten();
        values.map(|(key, value)| key.len() + value.len()).sum()
    }
}

impl crate::noun::Noun for VendorKeys {
    const KIND: &'static str = "vendor_keys";

    fn id(&self) -> &str {
        self.evse.as_str()
    }
}
