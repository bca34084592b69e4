//! Nouns that are configured, few, and kept whole.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Something the store keeps as one document under its id: users, cards, vehicles, tariffs.
///
/// A kind is a word that never changes, because it stands in the database.
pub trait Noun: Serialize + DeserializeOwned + Send + Sync {
    const KIND: &'static str;

    fn id(&self) -> &str;
}

macro_rules! noun {
    ($name:ty, $kind:literal) => {
        impl $crate::noun::Noun for $name {
            const KIND: &'static str = $kind;

            fn id(&self) -> &str {
                self.id.as_str()
            }
        }
    };
}
pub(crate) use noun;
