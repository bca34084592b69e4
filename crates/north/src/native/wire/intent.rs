//! What somebody asks for, and the answer.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ChargeMode, Force, Phases, Wish};

/// One wish for one EVSE.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum IntentRequest {
    /// Also takes a forced state back to neutral.
    Mode {
        evse: String,
        mode: ChargeMode,
    },
    /// The most the EVSE shall offer: 6000 up to its maximum.
    Current {
        evse: String,
        current_ma: i64,
    },
    Force {
        evse: String,
        force: Force,
    },
    Phases {
        evse: String,
        /// Null: whatever fits.
        #[serde(deserialize_with = "Option::deserialize")]
        #[schema(required = true)]
        phases: Option<Phases>,
    },
}

impl IntentRequest {
    /// The EVSE it is for, as the caller wrote it.
    #[must_use]
    pub fn evse(&self) -> &str {
        match self {
            Self::Mode { evse, .. }
            | Self::Current { evse, .. }
            | Self::Force { evse, .. }
            | Self::Phases { evse, .. } => evse,
        }
    }
}

/// The wish was accepted and stored; the next cycle weighs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct IntentAnswer {
    pub at_ms: i64,
    pub epoch: u64,
    /// What the EVSE is asked for from now on.
    #[schema(required = true)]
    pub wish: Option<Wish>,
}

impl From<model::intent::Receipt> for IntentAnswer {
    fn from(receipt: model::intent::Receipt) -> Self {
        Self {
            at_ms: receipt.at.0,
            epoch: receipt.epoch,
            wish: receipt.wish.map(Into::into),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_strictly() {
        let check = |text: &str, fits: bool| {
            assert_eq!(
                serde_json::from_str::<IntentRequest>(text).is_ok(),
                fits,
                "{text}"
            );
        };
        check(r#"{"kind":"mode","evse":"left","mode":"min_solar"}"#, true);
        check(r#"{"kind":"phases","evse":"left","phases":null}"#, true);
        check(r#"{"kind":"phases","evse":"left"}"#, false);
        check(r#"{"kind":"current","evse":"left","current_ma":16000.5}"#, false);
        check(r#"{"kind":"mode","evse":"left","mode":"turbo"}"#, false);
        check(r#"{"kind":"mode","evse":"left","mode":"off","when":1}"#, false);
    }
}
