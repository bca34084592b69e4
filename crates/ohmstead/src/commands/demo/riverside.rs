//! The charging points of the demo's operator: what each does at a time, what is due to be reported of it, and which
//! charges have ended. A function of the clock: after a restart it goes on as if it had never stopped.

use std::collections::{BTreeMap, BTreeSet};

use model::oversight::{ChargeRecord, Code, CodeError, Decimal, PortState, Sample};
use model::time::{Millis, Timestamp};

/// Equipment, the station it stands in, and how many ports it has; the first is that of the printed example.
pub const CABINETS: [(&str, &str, u32); 3] = [
    ("37", "riverside-1", 4),
    ("38", "riverside-2", 6),
    ("39", "riverside-3", 6),
];
/// Of all ports this one gets warm while it charges, and that one is out of order.
const WARM: u32 = 6;
const BROKEN: u32 = 11;
const NOT_CONNECTED: i64 = 2_018;
/// From one vehicle to the next at the first port; each further one takes longer.
const VISIT_S: i64 = 5_400;
const LONGER_S: i64 = 420;
/// Of a visit: charging, then full and still there, then nobody.
const CHARGES_PERCENT: i64 = 45;
const STAYS_PERCENT: i64 = 60;
const MILLIVOLTS: i64 = 220_500;
/// Money for a kWh, in millionths.
const ENERGY_FEE: i64 = 600_000;
const SERVICE_FEE: i64 = 400_000;

/// What has been told of each port.
pub struct Riverside {
    operator: &'static str,
    ports: Vec<Port>,
}

struct Port {
    nth: u32,
    id: Code,
    equipment: Code,
    told: Option<(Timestamp, PortState)>,
    /// The last charge of which there was a record.
    recorded: Option<Code>,
}

/// What is to be told.
#[derive(Debug, Default)]
pub struct News {
    pub samples: Vec<Sample>,
    pub records: Vec<ChargeRecord>,
}

pub fn port_id(equipment: &str, port: u32) -> String {
    format!("{equipment}-{port}")
}

impl Riverside {
    /// # Errors
    /// Never: the ids are ours.
    pub fn new(operator: &'static str) -> Result<Self, CodeError> {
        let mut ports = Vec::new();
        let numbered = CABINETS
            .iter()
            .flat_map(|(equipment, _, ports)| (1..=*ports).map(move |port| (*equipment, port)));
        for (nth, (equipment, port)) in (1..).zip(numbered) {
            ports.push(Port {
                nth,
                id: Code::new(&port_id(equipment, port))?,
                equipment: Code::new(equipment)?,
                told: None,
                recorded: None,
            });
        }
        Ok(Self { operator, ports })
    }

    /// Of charges that have ended by a time there are these records already.
    ///
    /// # Errors
    /// Never: the ids are ours.
    pub fn recall(&mut self, records: &BTreeSet<Code>, at: Timestamp) -> Result<(), CodeError> {
        for port in &mut self.ports {
            let ended = port.ended(self.operator, at)?.map(|record| record.charge);
            port.recorded = ended.filter(|charge| records.contains(charge));
        }
        Ok(())
    }

    /// What there is to tell by a time, which counts as told: a change at once, everything every five to ten minutes, a
    /// charge when it has ended.
    ///
    /// # Errors
    /// Never: the ids are ours.
    pub fn news(&mut self, at: Timestamp) -> Result<News, CodeError> {
        let at = Timestamp::from_seconds(at.as_seconds());
        let mut news = News::default();
        for port in &mut self.ports {
            let state = port.state(at);
            let every = Millis::from_seconds(300 + i64::from(port.nth) * 53 % 240);
            let is_due = port
                .told
                .is_none_or(|(told, before)| at > told && (before != state || at - told >= every));
            if is_due {
                port.told = Some((at, state));
                news.samples.push(port.sample(self.operator, at)?);
            }
            let ended = port.ended(self.operator, at)?;
            if let Some(record) = ended.filter(|record| port.recorded.as_ref() != Some(&record.charge)) {
                port.recorded = Some(record.charge.clone());
                news.records.push(record);
            }
        }
        Ok(news)
    }
}

impl Port {
    fn lasts_s(&self) -> i64 {
        VISIT_S + LONGER_S * i64::from(self.nth)
    }

    /// When the vehicle came that is there or was there last.
    fn came_s(&self, at: Timestamp) -> i64 {
        let shift = i64::from(self.nth) * 1_301;
        at.as_seconds() - (at.as_seconds() + shift).rem_euclid(self.lasts_s())
    }

    fn charges_s(&self) -> i64 {
        self.lasts_s() * CHARGES_PERCENT / 100
    }

    fn watts(&self) -> i64 {
        280 + 17 * i64::from(self.nth)
    }

    fn state(&self, at: Timestamp) -> PortState {
        let since = at.as_seconds() - self.came_s(at);
        match self.nth {
            BROKEN => PortState::Fault,
            _ if since < self.charges_s() => PortState::Charging,
            _ if since < self.lasts_s() * STAYS_PERCENT / 100 => PortState::Complete,
            _ => PortState::Idle,
        }
    }

    /// Millionths of a kWh after so many seconds.
    fn energy(&self, seconds: i64) -> i64 {
        self.watts() * seconds / 3_600 * 1_000
    }

    fn charge(&self, operator: &str, came_s: i64) -> Result<Code, CodeError> {
        Code::new(&format!("{operator}{came_s}{:04}", self.nth))
    }

    fn sample(&self, operator: &str, at: Timestamp) -> Result<Sample, CodeError> {
        let state = self.state(at);
        let came_s = self.came_s(at);
        let since_s = at.as_seconds() - came_s;
        let charges = state == PortState::Charging;
        // A little up and down, the same at the same time.
        let wobble = (at.as_seconds() / 60 + i64::from(self.nth) * 7) % 10;
        let millivolts = MILLIVOLTS + wobble * 100;
        let milliamps = self.watts() * 1_000_000 / millivolts;
        let decidegrees = match (charges, self.nth) {
            (true, WARM) => 672 + wobble,
            (true, _) => 284 + wobble,
            (false, _) => 225 + wobble,
        };
        let while_charging = |value: i64| Some(Decimal(if charges { value } else { 0 }));
        Ok(Sample {
            port: self.id.clone(),
            equipment: self.equipment.clone(),
            at,
            state,
            error: (state == PortState::Fault).then_some(NOT_CONNECTED),
            door: Some(10),
            voltage: Some(Decimal(millivolts * 1_000)),
            current: while_charging(milliamps * 1_000),
            power: while_charging(self.watts() * 1_000),
            energy: while_charging(self.energy(since_s)),
            temperature: Some(Decimal(decidegrees * 100_000)),
            soc: None,
            duration_s: charges.then_some(since_s),
            charge: charges.then(|| self.charge(operator, came_s)).transpose()?,
            smoke: Some(2),
            more: BTreeMap::new(),
        })
    }

    /// The last charge that has ended by a time.
    fn ended(&self, operator: &str, at: Timestamp) -> Result<Option<ChargeRecord>, CodeError> {
        if self.nth == BROKEN {
            return Ok(None);
        }
        let mut came_s = self.came_s(at);
        if came_s + self.charges_s() > at.as_seconds() {
            came_s -= self.lasts_s();
        }
        let energy = self.energy(self.charges_s());
        let cost = |fee: i64| Decimal(energy * fee / 1_000_000 / 10_000 * 10_000);
        Ok(Some(ChargeRecord {
            charge: self.charge(operator, came_s)?,
            port: self.id.clone(),
            start: Timestamp::from_seconds(came_s),
            end: Timestamp::from_seconds(came_s + self.charges_s()),
            energy: Decimal(energy),
            energy_cost: cost(ENERGY_FEE),
            service_cost: cost(SERVICE_FEE),
            start_kind: 1,
            stop_reason: 9,
            average_power: Some(Decimal::whole(self.watts())),
            person: None,
            unknown: BTreeMap::new(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp(1_795_384_800_000);

    #[test]
    fn ports_report_in_time_and_every_charge_once() {
        let mut riverside = Riverside::new("MA005DBW1").unwrap();
        let mut last: BTreeMap<Code, Sample> = BTreeMap::new();
        let mut records: BTreeMap<Code, ChargeRecord> = BTreeMap::new();
        let mut looks = BTreeMap::<String, usize>::new();
        for step in 0..5_760 {
            let at = START + Millis(step * 5_000);
            let news = riverside.news(at).unwrap();
            for sample in news.samples {
                *looks.entry(format!("{:?}", sample.state)).or_default() += 1;
                let Some(before) = last.insert(sample.port.clone(), sample.clone()) else {
                    continue;
                };
                let silent = sample.at - before.at;
                assert!(Millis(0) < silent && silent < Millis(600_000), "{sample:?}");
                if sample.charge.is_some() && sample.charge == before.charge {
                    assert!(sample.energy >= before.energy, "{sample:?}");
                }
            }
            for record in news.records {
                assert!(record.end <= at && record.energy.0 > 0, "{record:?}");
                assert!(records.insert(record.charge.clone(), record).is_none());
            }
        }
        assert_eq!(last.len(), 16);
        assert_eq!(
            looks.keys().map(String::as_str).collect::<Vec<_>>(),
            ["Charging", "Complete", "Fault", "Idle"]
        );
        // In eight hours, each of fifteen ports charges three to five times.
        assert!((45..90).contains(&records.len()), "{} charges", records.len());
    }

    #[test]
    fn after_a_restart_nothing_is_told_otherwise() {
        let at = START + Millis(3_600_000);
        let mut first = Riverside::new("MA005DBW1").unwrap();
        first.news(START).unwrap();
        let told = first.news(at).unwrap();
        let again = Riverside::new("MA005DBW1").unwrap().news(at).unwrap();
        assert_eq!(again.samples.len(), 16);
        assert!(told.samples.iter().all(|sample| again.samples.contains(sample)));
        assert!(told.records.iter().all(|record| again.records.contains(record)));

        let mut all: BTreeSet<Code> = again.records.into_iter().map(|record| record.charge).collect();
        let forgotten = all.pop_first().unwrap();
        let mut third = Riverside::new("MA005DBW1").unwrap();
        third.recall(&all, at).unwrap();
        let records = third.news(at).unwrap().records;
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].charge, forgotten);
    }
}
