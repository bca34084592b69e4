//! An operator of charging stations that does not exist, and days of charging there.
//!
//! E-bikes come in the evening and charge for hours, cars come and go; hardware breaks down now and then. A [`Fleet`]
//! is what happens, without any protocol and without sockets: a function of its settings and its seed.

mod books;
mod mischief;
mod place;
mod port;
mod reporter;
pub mod run;
mod supervision;
mod visit;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::tz::TimeZone;
use model::oversight::{ChargeRecord, Code, CodeError, Entity, OperatorCode, Sample};
use model::time::Timestamp;

use crate::local::LocalTime;
pub use books::{Books, Failure, Warned};
pub use mischief::{Fate, Mischief, MischiefError};
use port::{Port, Surroundings};
pub use reporter::{Call, Counts, Reporter, ReporterSettings};
pub use visit::Mishap;

/// What there is, and how often it breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FleetSettings {
    pub operator: OperatorCode,
    pub stations: u32,
    /// Of each station.
    pub ports: u32,
    pub seed: u64,
    /// Whose evenings are busy.
    pub time_zone: String,
    /// Charges during which the hardware breaks down, in a million.
    pub mishaps: i64,
}

/// What vehicles a port is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Make {
    Bike,
    /// Cars, with alternating current.
    Slow,
    /// Cars, with direct current.
    Fast,
}

/// Something that the operator learns from its hardware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    Sample(Sample),
    Charged(ChargeRecord),
}

/// The stations of one operator.
pub struct Fleet {
    entities: Vec<Entity>,
    ports: Vec<Port>,
    /// When each port has something to say, and which it is.
    due: BinaryHeap<Reverse<(i64, usize)>>,
    city: City,
}

impl Fleet {
    /// Idle stations at a moment.
    ///
    /// # Errors
    /// When what is there is too much to be numbered.
    pub fn new(settings: &FleetSettings, start: Timestamp) -> Result<Self, CodeError> {
        let (entities, places) = place::build(
            &settings.operator,
            settings.seed,
            settings.stations,
            settings.ports,
        )?;
        let city = City {
            operator: settings.operator.clone(),
            zone: TimeZone::get(&settings.time_zone).unwrap_or(TimeZone::UTC),
            charges: 0,
        };
        let start_s = start.as_seconds();
        let ports: Vec<Port> = places
            .into_iter()
            .map(|place| Port::new(place, settings.seed, settings.mishaps, start_s, &city))
            .collect();
        let due = ports
            .iter()
            .enumerate()
            .map(|(index, port)| Reverse((port.next_s(), index)))
            .collect();
        Ok(Self {
            entities,
            ports,
            due,
            city,
        })
    }

    /// What is to be registered, parents first.
    #[must_use]
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// When something happens next.
    #[must_use]
    pub fn next_at(&self) -> Timestamp {
        let next = self.due.peek().map(|Reverse((at_s, _))| *at_s);
        Timestamp(next.unwrap_or(i64::MAX / 1_000).saturating_mul(1_000))
    }

    /// What has happened up to a moment, in order.
    pub fn advance(&mut self, until: Timestamp, mut say: impl FnMut(What)) {
        while self.next_at() <= until {
            let Some(Reverse((_, index))) = self.due.pop() else {
                return;
            };
            if let Some(port) = self.ports.get_mut(index) {
                port.wake(&mut self.city, &mut say);
                self.due.push(Reverse((port.next_s(), index)));
            }
        }
    }
}

struct City {
    operator: OperatorCode,
    zone: TimeZone,
    charges: u32,
}

impl Surroundings for City {
    fn hour(&self, at_s: i64) -> usize {
        let local = LocalTime::new(Timestamp(at_s * 1_000), &self.zone);
        usize::try_from(local.second / 3_600).unwrap_or(0)
    }

    /// The operator, the time by its clocks and four digits.
    fn charge(&mut self, at_s: i64) -> Option<Code> {
        let at = Timestamp(at_s * 1_000).to_jiff().to_zoned(self.zone.clone());
        let number = self.charges % 10_000;
        self.charges += 1;
        let code = format!("{}{}{number:04}", self.operator, at.strftime("%Y%m%d%H%M%S"));
        // An operator with a long code has its end, which is what tells charges apart.
        let from = code.len().saturating_sub(64);
        Code::new(code.get(from..)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use model::oversight::PortState;
    use model::time::Millis;

    use super::*;

    /// 2026-11-23 00:00 in Hangzhou.
    const MIDNIGHT: Timestamp = Timestamp(1_795_363_200_000);
    const HOUR: i64 = 3_600_000;

    fn fleet(seed: u64, mishaps: i64) -> Fleet {
        let settings = FleetSettings {
            operator: OperatorCode::new("MA005DBW1").unwrap(),
            stations: 20,
            ports: 12,
            seed,
            time_zone: "Asia/Shanghai".to_owned(),
            mishaps,
        };
        Fleet::new(&settings, MIDNIGHT).unwrap()
    }

    fn day(seed: u64, mishaps: i64) -> (Vec<Sample>, Vec<ChargeRecord>) {
        let (mut samples, mut records) = (Vec::new(), Vec::new());
        let mut fleet = fleet(seed, mishaps);
        fleet.advance(MIDNIGHT + Millis(24 * HOUR), |what| match what {
            What::Sample(sample) => samples.push(sample),
            What::Charged(record) => records.push(record),
        });
        (samples, records)
    }

    #[test]
    fn the_same_seed_gives_the_same_day() {
        assert_eq!(day(1, 100_000), day(1, 100_000));
        assert_ne!(day(1, 0).1, day(2, 0).1);
    }

    #[test]
    fn changes_are_told_at_once_and_everything_every_ten_minutes() {
        let (samples, _) = day(3, 0);
        assert!(samples.is_sorted_by_key(|sample| sample.at));
        let mut last = BTreeMap::new();
        for sample in &samples {
            if let Some((at, _)) = last.insert(&sample.port, (sample.at, sample.state)) {
                assert!(
                    (1..=600).contains(&(sample.at.as_seconds() - at.as_seconds())),
                    "{sample:?}"
                );
            }
        }
        assert_eq!(last.len(), 240);
    }

    #[test]
    fn a_record_ends_what_its_samples_told() {
        let (samples, records) = day(4, 200_000);
        let codes: BTreeSet<&Code> = records.iter().map(|record| &record.charge).collect();
        assert_eq!(codes.len(), records.len());
        for record in &records {
            let of_it: Vec<&Sample> = samples
                .iter()
                .filter(|sample| sample.charge.as_ref() == Some(&record.charge))
                .collect();
            assert!(of_it.iter().all(|sample| sample.port == record.port));
            assert!(of_it.is_sorted_by_key(|sample| sample.energy));
            let (first, last) = (of_it.first().unwrap(), of_it.last().unwrap());
            assert_eq!((first.at, last.at), (record.start, record.end));
            assert_eq!(last.energy, Some(record.energy));
            assert!(last.state != PortState::Charging);
            assert!(record.energy_cost.fits(2) && record.service_cost.fits(2));
        }
        assert!(records.len() > 200, "{} charges", records.len());
    }

    #[test]
    fn evenings_are_busy() {
        let (samples, _) = day(5, 0);
        let charging = |hours: std::ops::Range<i64>| {
            let within = |sample: &&Sample| hours.contains(&((sample.at.0 - MIDNIGHT.0) / HOUR));
            let of = samples
                .iter()
                .filter(within)
                .filter(|sample| sample.state == PortState::Charging);
            of.count()
        };
        assert!(
            charging(19..23) > 2 * charging(9..13),
            "{} and {}",
            charging(19..23),
            charging(9..13)
        );
    }

    #[test]
    fn hardware_breaks_down_as_often_as_told() {
        let faults = |mishaps| {
            day(6, mishaps)
                .0
                .iter()
                .filter(|sample| sample.error.is_some())
                .count()
        };
        assert_eq!(faults(0), 0);
        assert!(faults(200_000) > 20);
    }
}
