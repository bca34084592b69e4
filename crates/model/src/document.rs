//! What a device last said in its own language.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::time::Now;

/// An immutable, shared, already serialised vendor document with its own time.
///
/// The model does not know five hundred go-e keys. A go-e charger's status is answered from the document it
/// sent, with the keys we control laid over it; control reads typed values only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// `goe`, …
    pub dialect: String,
    pub at: Now,
    /// JSON text of one object.
    pub json: Arc<str>,
}
