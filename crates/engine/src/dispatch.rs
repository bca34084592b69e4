//! Setpoints out.
//!
//! A setpoint leaves when it changed, when the station came back, and once a minute as a reminder: links
//! write to the device only what its read-back does not show already.

use std::collections::BTreeMap;

use model::id::EvseId;
use model::phases::Phases;
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Monotonic};

const REMIND_AFTER: Millis = Millis(60_000);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    pub current: ChargeCurrent,
    pub phases: Option<Phases>,
    pub at: Monotonic,
}

/// What was told to each EVSE, and when.
#[derive(Clone, Debug, Default)]
pub struct Dispatch {
    told: BTreeMap<EvseId, Told>,
}

impl Dispatch {
    /// Whether the verdict has to leave now; remembers it if so.
    pub fn must_send(
        &mut self,
        evse: &EvseId,
        current: ChargeCurrent,
        phases: Option<Phases>,
        now: Monotonic,
    ) -> bool {
        let due = self.told.get(evse).is_none_or(|told| {
            told.current != current || told.phases != phases || now - told.at >= REMIND_AFTER
        });
        if due {
            self.told.insert(
                evse.clone(),
                Told {
                    current,
                    phases,
                    at: now,
                },
            );
        }
        due
    }

    /// Forgets what was told, so that the next verdict leaves in any case.
    pub fn forget(&mut self, evse: &EvseId) {
        self.told.remove(evse);
    }

    pub fn told(&self, evse: &EvseId) -> Option<Told> {
        self.told.get(evse).copied()
    }
}

#[cfg(test)]
mod tests {
    use model::units::MilliAmps;

    use super::*;

    #[test]
    fn a_setpoint_leaves_on_change_on_return_and_as_a_reminder() {
        let evse = EvseId::new("left").unwrap();
        let ten = ChargeCurrent::at_most(MilliAmps(10_000));
        let mut dispatch = Dispatch::default();
        let mut sent = |current, at: i64| dispatch.must_send(&evse, current, None, Monotonic(at));
        assert!(sent(ten, 0));
        assert!(!sent(ten, 1_000));
        assert!(sent(ChargeCurrent::PAUSED, 2_000));
        assert!(!sent(ChargeCurrent::PAUSED, 61_000));
        assert!(sent(ChargeCurrent::PAUSED, 62_000));
        dispatch.forget(&evse);
        assert!(dispatch.must_send(&evse, ChargeCurrent::PAUSED, None, Monotonic(62_001)));
    }
}
