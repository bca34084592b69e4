//! A limit that was exceeded holds back what would start or rise below it, for a while.
//!
//! Off by default: whoever draws has gone down already. It is for sites whose other loads come and go, where
//! cars would follow every one of them.

use model::time::{Millis, Monotonic};
use model::units::MilliVolts;

use crate::headroom;
use crate::lane::{Lane, MaxBy, Part};
use crate::memory::{CircuitMemory, Memory};
use crate::sane;
use crate::snapshot::{Circuit, Snapshot};
use crate::tree::{POWER, Tree};

/// Meters are rounded; less than this above a limit is noise, mA.
const TOLERANCE: i64 = 500;

/// Notes which limits of a circuit a reading is above.
pub(crate) fn note(
    memory: &mut CircuitMemory,
    circuit: &Circuit,
    reading: [i64; 3],
    voltage: MilliVolts,
    read_at: Monotonic,
) {
    let reserve = sane(circuit.reserve).max(0);
    let limits = headroom::limits(circuit, voltage);
    for (offset, exceeded) in memory.exceeded.iter_mut().enumerate() {
        let (current, limit) = match offset {
            POWER if !headroom::has_sum_limit(circuit) => continue,
            POWER => (reading.iter().sum(), limits[POWER] + 3 * reserve),
            phase => (reading[phase], limits[phase] + reserve),
        };
        if current > limit + TOLERANCE {
            *exceeded = Some(read_at);
        }
    }
}

/// Whoever is below a limit that was exceeded a moment ago neither starts nor rises.
pub(crate) fn hold_back(
    snapshot: &Snapshot,
    tree: &Tree,
    memory: &Memory,
    now: Monotonic,
    lanes: &mut [Lane],
) {
    let span = snapshot.settings.overload_hold;
    if span <= Millis(0) {
        return;
    }
    let left = |row: usize| {
        let (circuit, is_balance, offset) = tree.circuit_of(row)?;
        let at = memory.circuits.get(circuit)?.exceeded[offset].filter(|_| !is_balance)?;
        Some((at + span - now).0).filter(|left| *left > 0)
    };
    for lane in lanes {
        tree.rows(lane.evse, lane.feet, |row, _| {
            if let Some(left_ms) = left(row)
                && lane.held.is_none_or(|(_, held)| held < left_ms)
            {
                lane.held = Some((row, left_ms));
            }
        });
        match lane.part {
            Part::Waiting | Part::Complete if lane.held.is_some() => lane.may_rise = false,
            Part::Running if lane.held.is_some() && lane.before < lane.max => {
                lane.max = lane.before;
                lane.max_by = MaxBy::Overload;
            }
            Part::Running | Part::Waiting | Part::Complete | Part::Keep | Part::Absent(_) => {}
        }
    }
}
