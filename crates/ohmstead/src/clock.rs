//! The real clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::time::{Clock, Monotonic, Now, Timestamp};

/// Wall time of the system and monotonic time since the start of the process.
pub struct RealClock {
    started: Instant,
}

impl RealClock {
    // The one place where the process asks the system for the time.
    #[allow(clippy::disallowed_methods)]
    pub fn start() -> Self {
        Self {
            started: Instant::now(),
        }
    }
}

impl Clock for RealClock {
    #[allow(clippy::disallowed_methods)]
    fn now(&self) -> Now {
        let wall = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| d.as_millis());
        Now {
            wall: Timestamp(i64::try_from(wall).unwrap_or(i64::MAX)),
            monotonic: Monotonic(i64::try_from(self.started.elapsed().as_millis()).unwrap_or(i64::MAX)),
        }
    }
}
