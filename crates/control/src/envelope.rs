//! Limits of the site as a whole: the average of a quarter of an hour, and what the grid operator orders.
//!
//! Both are rows of their own beside the tree of circuits, over everything that can be controlled. Neither
//! guards a wire: what is above one of them goes down at once, and nobody is warned.

use model::time::{Millis, Monotonic};
use model::units::{MilliVolts, Watts};
use serde::{Deserialize, Serialize};

use crate::dimming;
use crate::headroom::Rows;
use crate::lane::Lane;
use crate::memory::Memory;
use crate::snapshot::{Dimming, Peak, Snapshot};
use crate::surplus;
use crate::tree::{SiteRow, Tree};

/// A quarter of an hour, ms.
const QUARTER: i64 = 900_000;
/// What is left of a quarter is spread over no less than this, ms.
const LEAST_LEFT: i64 = 30_000;
/// More than any row can use.
const PLENTY: i64 = 1 << 50;
/// The order of the grid operator is meant at this voltage, so that 4.2 kW are 6 A on three phases.
const NOMINAL: i64 = 230_000;

/// The quarter so far, and the highest of this month.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PeakMemory {
    quarter: i64,
    /// W·ms
    energy: i64,
    /// For how much of the quarter that is known, ms.
    covered: i64,
    month: i64,
    highest: Watts,
}

impl PeakMemory {
    /// Adds what was taken from the grid since the last cycle.
    pub(crate) fn observe(&mut self, peak: &Peak, grid: Option<Watts>, elapsed: Millis) {
        if self.quarter != peak.quarter {
            if self.covered * 2 >= QUARTER {
                self.highest = self.highest.max(Watts(self.energy / QUARTER));
            }
            self.quarter = peak.quarter;
            self.energy = 0;
            self.covered = 0;
        }
        if self.month != peak.month {
            self.month = peak.month;
            self.highest = Watts::ZERO;
        }
        let passed = peak.passed.0.clamp(0, QUARTER);
        let elapsed = elapsed.0.clamp(0, passed - self.covered.min(passed));
        if let Some(grid) = grid {
            self.energy += grid.0.clamp(0, 1_000_000_000) * elapsed;
            self.covered += elapsed;
        }
    }

    /// The average that the quarter may come to.
    pub(crate) fn target(&self, peak: &Peak) -> Watts {
        let highest = if peak.follow { self.highest } else { Watts::ZERO };
        Watts(peak.target.max(highest).0.clamp(0, 1_000_000_000))
    }

    /// What may be taken from now on; what nobody measured counts as if the target had been taken.
    pub(crate) fn allowed(&self, peak: &Peak) -> Watts {
        let target = self.target(peak).0;
        let passed = peak.passed.0.clamp(0, QUARTER);
        let unknown = (passed - self.covered).max(0) * target;
        let left = (QUARTER - passed).max(LEAST_LEFT);
        Watts((target * QUARTER - self.energy - unknown).div_euclid(left))
    }
}

/// What an order of the grid operator came to in one cycle; written down, it is the proof that it was
/// followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dimmed {
    pub signal: Dimming,
    /// How many devices it is about.
    pub devices: usize,
    /// What they may take from the grid together.
    pub allowed: Watts,
    /// Own generation, which comes on top.
    pub own: Watts,
    /// What they are taken to draw.
    pub measured: Watts,
}

/// Fills the rows of the site.
pub(crate) fn rows(
    snapshot: &Snapshot,
    tree: &Tree,
    lanes: &[Lane],
    memory: &Memory,
    now: Monotonic,
    voltage: MilliVolts,
    out: &mut Rows,
) {
    if let (Some(row), Some(peak)) = (tree.site_row(SiteRow::Peak), &snapshot.peak) {
        out.limit[row] = surplus::to_current(memory.peak.allowed(peak).0, voltage);
        let Some(grid) = snapshot.sun.grid else {
            // Who knows nothing of the grid connection is held by the meters of its circuits alone.
            out.give[row] = PLENTY;
            out.rise[row] = PLENTY;
            return order(snapshot, tree, out);
        };
        let spare = out.limit[row] - surplus::to_current(grid.0, voltage);
        let (mut high, mut low, mut before) = (0, 0, 0);
        for (lane, evse) in lanes.iter().zip(&memory.evses) {
            high += lane.most(&evse.draw, now).iter().sum::<i64>();
            low += lane.drawn.low.iter().sum::<i64>();
            before += lane.before * lane.feet.count();
        }
        out.rise[row] = low + spare;
        out.give[row] = (high + spare).min(out.rise[row].max(before));
        out.base[row] = out.limit[row] - out.give[row];
    }
    order(snapshot, tree, out);
}

fn order(snapshot: &Snapshot, tree: &Tree, out: &mut Rows) {
    let (Some(row), Some(dimming)) = (tree.site_row(SiteRow::Dimming), &snapshot.dimming) else {
        return;
    };
    let voltage = MilliVolts(surplus::voltage(snapshot.voltage).0.min(NOMINAL));
    let allowed = allowed(snapshot, dimming).0 + own(snapshot).0;
    out.limit[row] = surplus::to_current(allowed, voltage);
    out.give[row] = out.limit[row];
    out.rise[row] = out.limit[row];
}

/// What those that can be dimmed may take from the grid together.
pub(crate) fn allowed(snapshot: &Snapshot, dimming: &Dimming) -> Watts {
    let allowed = dimming.limit.unwrap_or_else(|| dimming::floor(devices(snapshot)));
    Watts(allowed.0.clamp(0, 1_000_000_000))
}

fn devices(snapshot: &Snapshot) -> usize {
    let counts = |evse: &&crate::snapshot::Evse| evse.enabled && evse.dimmable;
    snapshot.evses.iter().filter(counts).count()
}

/// What is generated here, batteries included.
fn own(snapshot: &Snapshot) -> Watts {
    let given = |power: Watts| -power.0.clamp(-1_000_000_000, 0);
    let battery = snapshot.sun.battery.map_or(0, |battery| given(battery.power));
    Watts(snapshot.sun.pv.map_or(0, given) + battery)
}

/// What the order of this cycle came to.
pub(crate) fn dimmed(snapshot: &Snapshot, lanes: &[Lane]) -> Option<Dimmed> {
    let signal = snapshot.dimming?;
    let drawn = |(lane, _): (&Lane, _)| lane.drawn.latest.iter().sum::<i64>();
    let members = lanes
        .iter()
        .zip(&snapshot.evses)
        .filter(|(_, evse)| evse.dimmable);
    let measured = model::units::MilliAmps(members.map(drawn).sum());
    Some(Dimmed {
        signal,
        devices: devices(snapshot),
        allowed: allowed(snapshot, &signal),
        own: own(snapshot),
        measured: measured.power(surplus::voltage(snapshot.voltage), 1),
    })
}

#[cfg(test)]
mod tests {
    use model::time::Timestamp;

    use super::*;

    fn peak(passed: i64) -> Peak {
        Peak {
            target: Watts(6_000),
            follow: true,
            quarter: 1,
            passed: Millis(passed),
            month: 1,
            ends: Timestamp(0),
        }
    }

    fn spent(watts: i64, seconds: i64) -> PeakMemory {
        let mut memory = PeakMemory::default();
        for second in 1..=seconds {
            memory.observe(&peak(second * 1_000), Some(Watts(watts)), Millis(1_000));
        }
        memory
    }

    #[test]
    fn what_was_saved_may_be_taken_in_the_rest_of_the_quarter() {
        assert_eq!(spent(6_000, 300).allowed(&peak(300_000)), Watts(6_000));
        assert_eq!(spent(3_000, 450).allowed(&peak(450_000)), Watts(9_000));
        assert_eq!(spent(12_000, 450).allowed(&peak(450_000)), Watts(0));
        assert_eq!(spent(15_000, 450).allowed(&peak(450_000)), Watts(-3_000));
        // What is fed in does not make room, and the last seconds are not worth a megawatt.
        assert_eq!(spent(-5_000, 450).allowed(&peak(450_000)), Watts(12_000));
        assert_eq!(spent(5_900, 900).allowed(&peak(900_000)), Watts(3_000));
    }

    #[test]
    fn what_nobody_measured_counts_as_the_target() {
        let memory = spent(3_000, 100);
        assert_eq!(memory.allowed(&peak(450_000)), Watts(6_666));
    }

    #[test]
    fn the_highest_quarter_of_the_month_becomes_the_target() {
        let mut memory = spent(9_000, 900);
        let next = Peak {
            quarter: 2,
            ..peak(1_000)
        };
        memory.observe(&next, Some(Watts(100)), Millis(1_000));
        assert_eq!(memory.target(&next), Watts(9_000));
        assert_eq!(
            memory.target(&Peak {
                follow: false,
                ..next
            }),
            Watts(6_000)
        );
        memory.observe(&Peak { month: 2, ..next }, Some(Watts(100)), Millis(1_000));
        assert_eq!(memory.target(&next), Watts(6_000));
    }
}
