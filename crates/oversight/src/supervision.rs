//! The terms of an authority as they are set for this dialect.

use model::settings::SupervisionSettings;

use crate::Terms;

impl From<&SupervisionSettings> for Terms {
    fn from(set: &SupervisionSettings) -> Self {
        Self {
            time_zone: set.time_zone.clone(),
            stale_after: set.stale_after,
            offline_after: set.offline_after,
            oldest_sample: set.oldest_sample,
            most_ahead: set.most_ahead,
            escalate_after: set.escalate_after,
            keep_samples: set.keep_samples,
            keep_persons: set.keep_persons,
        }
    }
}
