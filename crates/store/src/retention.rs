//! How long readings are kept: what the file says, else what was set at run time, else the default.

use model::noun::Noun;
use model::settings::Retention;
use model::time::{Millis, Timestamp};

use crate::{Nouns, StoreError, Typed};

/// The retention in force.
pub async fn retention<S: Nouns + ?Sized>(
    store: &S,
    from_file: Option<Retention>,
) -> Result<Retention, StoreError> {
    match from_file {
        Some(retention) => Ok(retention),
        None => Ok(store.get(Retention::default().id()).await?.unwrap_or_default()),
    }
}

/// Up to when readings are thinned, and up to when minutes are removed.
pub(crate) fn ends(retention: Retention, now: Timestamp) -> (Timestamp, Timestamp) {
    let before = |days: u32| now - Millis(i64::from(days.max(1)) * 86_400_000);
    (
        before(retention.raw_days),
        before(retention.minute_days.max(retention.raw_days)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_kept_at_least_as_long_as_readings() {
        let now = Timestamp::from_seconds(100 * 86_400);
        for (raw_days, minute_days, expected) in [
            (90, 99, (10, 1)),
            (90, 10, (10, 10)),
            (0, 0, (99, 99)),
            (200, 1, (-100, -100)),
        ] {
            let retention = Retention {
                raw_days,
                minute_days,
            };
            let (raw, minutes) = ends(retention, now);
            assert_eq!(
                (raw.as_seconds() / 86_400, minutes.as_seconds() / 86_400),
                expected
            );
        }
    }
}
