//! How much may be generated so that no more than allowed flows into the grid.
//!
//! Falls at once and rises to the least of the last seconds, so that inverters are not told a new number
//! every second while a cloud passes.

use model::time::{Millis, Monotonic};
use model::units::Watts;

use crate::recent::Lowest;
use crate::snapshot::Snapshot;

/// A rise follows what was possible for this long or twice.
const STEADY: Millis = Millis(10_000);

/// What inverters may produce together, in W; `None` where nothing limits it. Without a reading of grid or
/// inverters only what is allowed into the grid itself is safe.
pub(crate) fn production(snapshot: &Snapshot, lowest: &mut Option<Lowest>, now: Monotonic) -> Option<Watts> {
    let Some(limit) = snapshot.feed_in else {
        *lowest = None;
        return None;
    };
    let limit = limit.0.max(0);
    let possible = match (snapshot.sun.grid, snapshot.sun.pv) {
        (Some(grid), Some(pv)) => limit.saturating_add(grid.0).saturating_sub(pv.0).max(0),
        (_, _) => limit,
    };
    let next = lowest
        .unwrap_or(Lowest::new(possible, now))
        .with(possible, now, STEADY);
    *lowest = Some(next);
    Some(Watts(next.value()))
}
