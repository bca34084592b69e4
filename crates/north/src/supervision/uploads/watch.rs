//! Which samples are due: at once when a port changes its state, else every few minutes.

use std::collections::BTreeMap;

use model::oversight::{Code, PortState, Sample};
use model::time::{Millis, Monotonic, Timestamp};

/// What was last told of each port of a platform.
#[derive(Debug, Default)]
pub struct Watch(BTreeMap<Code, Last>);

#[derive(Clone, Copy, Debug)]
struct Last {
    since: Monotonic,
    at: Timestamp,
    state: (PortState, Option<i64>),
}

impl Watch {
    /// Those that are to be told now; they count as told.
    pub fn due(&mut self, samples: Vec<Sample>, now: Monotonic, interval: Millis) -> Vec<Sample> {
        let mut due = Vec::new();
        for sample in samples {
            let state = (sample.state, sample.error);
            let is_due = self.0.get(&sample.port).is_none_or(|last| {
                // Two of one second would be one to the platform: the second waits for the next view.
                sample.at > last.at && (state != last.state || now - last.since >= interval)
            });
            if is_due {
                let last = Last {
                    since: now,
                    at: sample.at,
                    state,
                };
                self.0.insert(sample.port.clone(), last);
                due.push(sample);
            }
        }
        due
    }

    /// They could not be kept: they are due again.
    pub fn forget(&mut self, samples: &[Sample]) {
        for sample in samples {
            self.0.remove(&sample.port);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(at_s: i64, state: PortState) -> Sample {
        Sample {
            port: Code::new("left").unwrap(),
            equipment: Code::new("post").unwrap(),
            at: Timestamp::from_seconds(at_s),
            state,
            error: None,
            door: None,
            voltage: None,
            current: None,
            power: None,
            energy: None,
            temperature: None,
            soc: None,
            duration_s: None,
            charge: None,
            smoke: None,
            more: BTreeMap::new(),
        }
    }

    #[test]
    fn a_change_is_due_at_once_and_the_rest_by_interval() {
        use PortState::{Charging, Idle};
        let mut watch = Watch::default();
        for (at_s, state, expected) in [
            (0, Idle, true),
            (1, Idle, false),
            (2, Charging, true),
            // Of one second there is one sample; what is new is told a second later.
            (2, Idle, false),
            (3, Idle, true),
            (302, Idle, false),
            (303, Idle, true),
            (304, Charging, true),
            (603, Charging, false),
            (604, Charging, true),
        ] {
            let due = watch.due(
                vec![sample(at_s, state)],
                Monotonic(at_s * 1_000),
                Millis(300_000),
            );
            assert_eq!(!due.is_empty(), expected, "{at_s} {state:?}");
        }
        watch.forget(&[sample(605, Charging)]);
        let due = watch.due(vec![sample(605, Charging)], Monotonic(605_000), Millis(300_000));
        assert_eq!(due.len(), 1);
    }
}
