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
    /// How much the car may have in all since it was plugged in.
    EnergyLimit {
        evse: String,
        /// Null takes the limit away.
        #[serde(deserialize_with = "Option::deserialize")]
        #[schema(required = true)]
        limit_wh: Option<i64>,
    },
    /// Up to which price a car that waits for the sun also takes grid energy.
    PriceLimit {
        evse: String,
        /// Null takes the limit away.
        #[serde(deserialize_with = "Option::deserialize")]
        #[schema(required = true)]
        limit_micros_per_kwh: Option<i64>,
    },
    /// The most the EVSE shall offer for the next ten minutes; a restart forgets it.
    TemporaryCurrent {
        evse: String,
        /// Null takes the ceiling away.
        #[serde(deserialize_with = "Option::deserialize")]
        #[schema(required = true)]
        current_ma: Option<i64>,
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
            | Self::Phases { evse, .. }
            | Self::EnergyLimit { evse, .. }
            | Self::PriceLimit { evse, .. }
            | Self::TemporaryCurrent { evse, .. } => evse,
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
        check(r#"{"kind":"energy_limit","evse":"left","limit_wh":null}"#, true);
        check(r#"{"kind":"energy_limit","evse":"left"}"#, false);
        check(
            r#"{"kind":"price_limit","evse":"left","limit_micros_per_kwh":-50000}"#,
            true,
        );
        check(
            r#"{"kind":"temporary_current","evse":"left","current_ma":8000}"#,
            true,
        );
        check(r#"{"kind":"mode","evse":"left","mode":"turbo"}"#, false);
        check(r#"{"kind":"mode","evse":"left","mode":"off","when":1}"#, false);
    }
}
