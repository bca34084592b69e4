//! Reasons that come from habits, phases, overloads and the grid connection.

use model::limit::LimitSource;
use model::phases::Phases;
use model::reason::Cause;
use model::time::Timestamp;
use model::units::MilliAmps;

use super::Picture;
use crate::lane::MaxBy;
use crate::switching;
use crate::tree::SiteRow;

impl Picture<'_> {
    pub(super) fn switches(&self, index: usize, left_ms: i64) -> Cause {
        let to = self.memories.get(index).and_then(|memory| memory.contactor.to);
        Cause::SwitchingPhases {
            to: to.unwrap_or(Phases::Three),
            until: self.until(left_ms),
        }
    }

    pub(super) fn after_overload(&self, row: usize, left_ms: i64) -> Option<Cause> {
        let (circuit, phase, _) = self.circuit(row)?;
        Some(Cause::AfterOverload {
            circuit: circuit.id.clone(),
            phase,
            until: self.until(left_ms),
        })
    }

    pub(super) fn overload(&self, row: usize) -> LimitSource {
        self.circuit(row)
            .map_or(LimitSource::Ramp, |(circuit, phase, _)| LimitSource::Overload {
                circuit: circuit.id.clone(),
                phase,
            })
    }

    /// It has all that one phase can give, and no more because three have no room.
    pub(super) fn one_phase_only(&self, index: usize) -> Option<Cause> {
        let (evse, lane) = (&self.snapshot.evses[index], &self.lanes[index]);
        if !matches!(lane.max_by, MaxBy::Wish | MaxBy::Hardware) {
            return None;
        }
        let memory = self.memories.get(index)?;
        let row = switching::kept_narrow(self.tree, lane, evse, memory, self.room)?;
        let (circuit, phase, _) = self.circuit(row)?;
        Some(Cause::OnePhaseOnly {
            circuit: circuit.id.clone(),
            phase,
            current: MilliAmps(lane.told),
        })
    }

    /// A limit of the site leaves no room for the minimum of an EVSE.
    pub(super) fn held_by_site(&self, of: SiteRow, row: usize) -> Cause {
        let watts = |current: i64| MilliAmps(current.max(0)).power(self.voltage, 1);
        match of {
            SiteRow::Peak => Cause::PeakReached {
                target: self.peak.unwrap_or_default(),
                available: watts(self.rows.limit[row] - self.rows.base[row]),
                ends: self.quarter_ends(),
            },
            SiteRow::Dimming => Cause::Dimmed {
                available: watts(self.rows.limit[row]),
                until: self.snapshot.dimming.and_then(|dimming| dimming.until),
            },
        }
    }

    pub(super) fn quarter_ends(&self) -> Timestamp {
        let peak = self.snapshot.peak.as_ref();
        peak.map_or(self.now.wall, |peak| peak.ends)
    }
}
