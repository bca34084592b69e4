//! History: what the site measured, thinned to one value per series and interval.
//!
//! Averages for powers, currents and voltages, the last value for counters and states. With an interval of
//! a second, live values pass as they are.

use std::collections::BTreeMap;

use model::id::DeviceId;
use model::message::{Report, Reported};
use model::reading::Quantity;
use model::time::{Millis, Timestamp};
use store::{Sample, Series};

#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    count: i64,
    sum: i64,
    last: i64,
}

/// Finished readings of several series, each in order of time.
pub type Columns = Vec<(Series, Vec<(Timestamp, i64)>)>;

/// What a device measured before we listened, as the history takes it: as it came, not thinned. Of two values
/// of one time the later one counts; what lies after `now` is left out, because everything that is measured
/// until then would seem old.
pub fn past(device: &DeviceId, samples: &[(Timestamp, Quantity, i64)], now: Timestamp) -> Columns {
    let mut columns = BTreeMap::<Quantity, BTreeMap<Timestamp, i64>>::new();
    for (at, quantity, value) in samples.iter().take(Report::MOST_PAST) {
        if *at < now {
            columns.entry(*quantity).or_default().insert(*at, *value);
        }
    }
    let subject = format!("device:{device}");
    let column = |(quantity, rows): (Quantity, BTreeMap<Timestamp, i64>)| {
        let subject = subject.clone();
        (Series { subject, quantity }, rows.into_iter().collect())
    };
    columns.into_iter().map(column).collect()
}

impl Sum {
    fn add(&mut self, value: i64) {
        self.count += 1;
        self.sum = self.sum.saturating_add(value);
        self.last = value;
    }

    /// What stands for an interval.
    fn of(self, quantity: Quantity) -> i64 {
        match quantity {
            Quantity::EnergyIn
            | Quantity::EnergyOut
            | Quantity::Soc
            | Quantity::Pilot
            | Quantity::Setpoint => self.last,
            Quantity::Power
            | Quantity::PowerL1
            | Quantity::PowerL2
            | Quantity::PowerL3
            | Quantity::CurrentL1
            | Quantity::CurrentL2
            | Quantity::CurrentL3
            | Quantity::VoltageL1
            | Quantity::VoltageL2
            | Quantity::VoltageL3
            | Quantity::Frequency => self.sum / self.count.max(1),
        }
    }
}

/// What is this much behind the interval that is open was kept by somebody; what is less was on its way.
const LATE: Millis = Millis(30_000);

/// Collects values and gives them back interval by interval.
#[derive(Clone, Debug)]
pub struct Recorder {
    interval: Millis,
    bucket: Timestamp,
    /// By subject: a report brings a dozen values of one.
    open: BTreeMap<String, BTreeMap<Quantity, Sum>>,
}

impl Recorder {
    pub fn new(interval: Millis) -> Self {
        Self {
            interval: Millis(interval.0.max(1)),
            bucket: Timestamp(i64::MIN),
            open: BTreeMap::new(),
        }
    }

    /// Whether somebody has kept what was measured then: it belongs to an interval that has long been over. What is
    /// only late on its way counts as measured now.
    pub fn is_past(&self, at: Timestamp) -> bool {
        at < self.bucket - self.interval - LATE
    }

    /// Adds the values of a report.
    pub fn take(&mut self, reported: &Reported) {
        match &reported.report {
            Report::Measured(measured) => {
                let open = self.subject(&format!("device:{}", reported.device));
                for (quantity, value) in measured.values() {
                    open.entry(quantity).or_default().add(value);
                }
            }
            Report::Evse { evse, status } => {
                self.add(
                    &format!("evse:{evse}"),
                    Quantity::Pilot,
                    pilot_number(status.pilot),
                );
            }
            Report::Link(_)
            | Report::Identity { .. }
            | Report::Document(_)
            | Report::VendorAnswer { .. }
            | Report::Controls(_)
            | Report::Foreign { .. }
            | Report::Past { .. }
            | Report::Notice { .. } => {}
        }
    }

    /// Adds one value of a series of ours.
    pub fn add(&mut self, subject: &str, quantity: Quantity, value: i64) {
        self.subject(subject).entry(quantity).or_default().add(value);
    }

    fn subject(&mut self, subject: &str) -> &mut BTreeMap<Quantity, Sum> {
        self.open.entry(subject.to_owned()).or_default()
    }

    /// What the interval that ended before `now` brought, dated at its beginning.
    pub fn drain(&mut self, now: Timestamp) -> Vec<Sample> {
        let bucket = Timestamp(now.0.div_euclid(self.interval.0).saturating_mul(self.interval.0));
        if self.bucket == Timestamp(i64::MIN) {
            self.bucket = bucket;
        }
        if bucket == self.bucket {
            return Vec::new();
        }
        if self.open.is_empty() {
            self.bucket = bucket;
            return Vec::new();
        }
        // After a jump of the clock the values are dated by the new time: a series never runs backwards
        // by more than the jump itself.
        let at = if (bucket.0 - self.bucket.0).abs() <= 2 * self.interval.0 {
            self.bucket
        } else {
            bucket
        };
        self.bucket = bucket;
        let open = std::mem::take(&mut self.open).into_iter();
        open.flat_map(|(subject, sums)| {
            sums.into_iter().map(move |(quantity, sum)| Sample {
                series: Series {
                    subject: subject.clone(),
                    quantity,
                },
                at,
                value: sum.of(quantity),
            })
        })
        .collect()
    }
}

fn pilot_number(pilot: model::reading::PilotState) -> i64 {
    use model::reading::PilotState::{A, B, C, D, E, F};
    match pilot {
        A => 0,
        B => 1,
        C => 2,
        D => 3,
        E => 4,
        F => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_past_is_sorted_by_series_and_time_and_ends_now() {
        let (power, energy) = (Quantity::Power, Quantity::EnergyOut);
        let samples = [
            (Timestamp(2_000), power, -20),
            (Timestamp(1_000), energy, 5),
            (Timestamp(1_000), power, -10),
            (Timestamp(2_000), power, -21),
            (Timestamp(3_000), power, -30),
            (Timestamp(9_000), power, -90),
        ];
        let columns = past(&DeviceId::new("pv").unwrap(), &samples, Timestamp(3_000));
        let columns: Vec<_> = columns
            .iter()
            .map(|(series, rows)| {
                let rows: Vec<_> = rows.iter().map(|(at, value)| (at.0, *value)).collect();
                (series.subject.as_str(), series.quantity, rows)
            })
            .collect();
        let expected = [
            ("device:pv", power, vec![(1_000, -10), (2_000, -21)]),
            ("device:pv", energy, vec![(1_000, 5)]),
        ];
        assert_eq!(columns, expected);
        let too_many = vec![(Timestamp(0), power, 1); Report::MOST_PAST];
        let too_many = [too_many.as_slice(), &[(Timestamp(1), power, 2)]].concat();
        let columns = past(&DeviceId::new("pv").unwrap(), &too_many, Timestamp(3_000));
        assert_eq!(columns[0].1, [(Timestamp(0), 1)]);
    }

    #[test]
    fn powers_are_averaged_and_counters_keep_their_last_value() {
        let mut recorder = Recorder::new(Millis(60_000));
        assert!(recorder.drain(Timestamp(0)).is_empty());
        for (power, energy) in [(100, 5), (200, 6), (300, 7)] {
            recorder.add("device:grid", Quantity::Power, power);
            recorder.add("device:grid", Quantity::EnergyIn, energy);
        }
        assert!(recorder.drain(Timestamp(59_999)).is_empty());
        let samples: Vec<_> = recorder
            .drain(Timestamp(60_000))
            .into_iter()
            .map(|s| (s.at.0, s.value))
            .collect();
        assert_eq!(samples, [(0, 200), (0, 7)]);
    }
}
