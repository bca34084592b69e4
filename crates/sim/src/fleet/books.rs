//! What an operator knows that its platform must know as well.

use std::collections::BTreeMap;

use model::oversight::{ChargeRecord, Code, RiskLevel, Sample};
use model::time::{Millis, Timestamp};

/// What the platform has acknowledged, and what it has said of itself.
///
/// Samples older than a day are counted and forgotten: nobody asks for them any more.
#[derive(Clone, Debug, Default)]
pub struct Books {
    samples: BTreeMap<Code, BTreeMap<Timestamp, Sample>>,
    records: BTreeMap<Code, ChargeRecord>,
    forgotten: u64,
    pub failures: BTreeMap<Code, Failure>,
    pub warnings: Vec<Warned>,
    /// Samples of the past that the platform asked for, and got.
    pub asked: u64,
    pub answered: u64,
}

/// A sample of which the platform said that it could not use it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// How often it has failed by what was said last.
    pub count: i64,
    pub is_repaired: bool,
}

/// A warning as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warned {
    pub port: Code,
    pub level: RiskLevel,
    pub reason: String,
    pub at: Timestamp,
}

impl Books {
    const KEPT: Millis = Millis(24 * 3_600_000);

    /// The platform has it now; of two of one port and time the newer one.
    pub fn acknowledge(&mut self, sample: Sample) {
        let of_port = self.samples.entry(sample.port.clone()).or_default();
        let before = Timestamp(sample.at.0 - Self::KEPT.0);
        of_port.insert(sample.at, sample);
        while of_port.first_key_value().is_some_and(|(at, _)| *at < before) {
            of_port.pop_first();
            self.forgotten += 1;
        }
    }

    pub fn record(&mut self, record: ChargeRecord) {
        self.records.insert(record.charge.clone(), record);
    }

    /// Samples that the platform has, forgotten ones included.
    #[must_use]
    pub fn count(&self) -> u64 {
        let kept: usize = self.samples.values().map(BTreeMap::len).sum();
        self.forgotten + u64::try_from(kept).unwrap_or(u64::MAX)
    }

    /// Those of a day, by port and time.
    pub fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.samples.values().flat_map(BTreeMap::values)
    }

    /// What a port was like at a time: then, or within the minute before.
    #[must_use]
    pub fn sample(&self, port: &Code, at: Timestamp) -> Option<&Sample> {
        let earliest = Timestamp(at.0 - 60_000);
        self.samples
            .get(port)?
            .range(earliest..=at)
            .next_back()
            .map(|(_, sample)| sample)
    }

    #[must_use]
    pub const fn records(&self) -> &BTreeMap<Code, ChargeRecord> {
        &self.records
    }
}

#[cfg(test)]
mod tests {
    use model::oversight::PortState;

    use super::*;

    fn sample(at: i64) -> Sample {
        Sample {
            port: Code::new("1").unwrap(),
            equipment: Code::new("1").unwrap(),
            at: Timestamp(at),
            state: PortState::Idle,
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
    fn samples_are_counted_once_and_forgotten_after_a_day() {
        let mut books = Books::default();
        for at in [0, 1_000, 1_000, 86_400_000, 86_400_500] {
            books.acknowledge(sample(at));
        }
        assert_eq!(books.count(), 4);
        let kept: Vec<i64> = books.samples().map(|sample| sample.at.0).collect();
        assert_eq!(kept, [1_000, 86_400_000, 86_400_500]);
    }
}
