//! A port at work: it says what changes at once, and how it is every few minutes.

use std::collections::VecDeque;

use model::oversight::{ChargeRecord, Code, Decimal, Sample};
use model::time::Timestamp;

use super::place::Place;
use super::visit::{Charge, Mishap, Part, Phase, Visit};
use super::{Make, What};
use crate::draw::{Dice, Draws};
use crate::number::{as_f64, rounded};

/// Between two samples of a port that does not change.
const REPORT_S: (i64, i64) = (300, 590);

/// What a port needs to know of where it is.
pub(super) trait Surroundings {
    /// Of the day where it is, 0 to 23.
    fn hour(&self, at_s: i64) -> usize;
    /// A new one, for a charge that begins.
    fn charge(&mut self, at_s: i64) -> Option<Code>;
}

pub(super) struct Port {
    place: Place,
    draws: Draws,
    mishaps: i64,
    visits: i64,
    samples: i64,
    part: Part,
    phases: VecDeque<Phase>,
    charge: Charge,
    /// The code of the charge while it runs.
    running: Option<Code>,
    /// When it says something though nothing has changed.
    due_s: i64,
}

impl Port {
    pub fn new(place: Place, seed: u64, mishaps: i64, start_s: i64, around: &impl Surroundings) -> Self {
        let draws = Draws::new(seed, place.port.as_str());
        let mut dice = draws.at(-1);
        let visit = Visit::next(start_s, place.make, mishaps, &mut dice, |at| around.hour(at));
        Self {
            due_s: start_s + dice.between(0, REPORT_S.0),
            place,
            draws,
            mishaps,
            visits: 0,
            samples: 0,
            part: Part::Idle,
            phases: visit.phases.into(),
            charge: visit.charge,
            running: None,
        }
    }

    /// When it has something to say next.
    pub fn next_s(&self) -> i64 {
        let change = self.phases.front().map_or(i64::MAX, |phase| phase.from_s);
        // Who is cut off says nothing until he is back.
        match self.part {
            Part::Fault(Mishap::Offline) => change,
            Part::Idle
            | Part::Reserved
            | Part::Occupied
            | Part::Charging
            | Part::Complete
            | Part::Fault(_) => change.min(self.due_s),
        }
    }

    /// It is time: what it has to say.
    pub fn wake(&mut self, around: &mut impl Surroundings, mut say: impl FnMut(What)) {
        let at_s = self.next_s();
        if self.phases.front().is_some_and(|phase| phase.from_s <= at_s) {
            if let Some(phase) = self.phases.pop_front() {
                self.part = phase.part;
            }
            if self.part == Part::Charging && self.running.is_none() {
                self.running = around.charge(at_s);
            }
            if self.phases.is_empty() {
                let mut dice = self.draws.at(-2 - self.visits);
                self.visits += 1;
                let visit = Visit::next(at_s, self.place.make, self.mishaps, &mut dice, |at| {
                    around.hour(at)
                });
                self.phases = visit.phases.into();
                self.charge = visit.charge;
            }
        }
        let mut dice = self.draws.at(self.samples);
        self.samples += 1;
        self.due_s = at_s + dice.between(REPORT_S.0, REPORT_S.1);
        say(What::Sample(self.sample(at_s, around.hour(at_s), &mut dice)));
        if at_s >= self.charge.end_s
            && let Some(charge) = self.running.take()
        {
            say(What::Charged(self.record(charge)));
        }
    }

    fn sample(&self, at_s: i64, hour: usize, dice: &mut Dice) -> Sample {
        let is_charging = self.part == Part::Charging;
        let watts = match self.part {
            Part::Charging => self.charge.watts(at_s),
            // What made it trip.
            Part::Fault(Mishap::TooMuchPower) => self.place.make.rating().3.0 / 1_000 * 5 / 4,
            Part::Idle | Part::Reserved | Part::Occupied | Part::Complete | Part::Fault(_) => 0,
        };
        let decivolts = match self.place.make {
            Make::Bike | Make::Slow => dice.between(2_140, 2_290),
            Make::Fast if is_charging => 3_400 + self.charge.soc(at_s) * 9 / 10 + dice.between(-20, 20),
            Make::Fast => 0,
        };
        let centiamps = if decivolts == 0 {
            0
        } else {
            watts * 1_000 / decivolts
        };
        let is_cut_off = self.part == Part::Fault(Mishap::Offline);
        let measured = |value: Decimal| (!is_cut_off).then_some(value);
        let of_charge = self.running.as_ref().filter(|_| !is_cut_off);
        let is_car = self.place.make != Make::Bike;
        Sample {
            port: self.place.port.clone(),
            equipment: self.place.equipment.clone(),
            at: Timestamp(at_s * 1_000),
            state: self.part.state(),
            error: match self.part {
                Part::Fault(mishap) => Some(mishap.code()),
                Part::Idle | Part::Reserved | Part::Occupied | Part::Charging | Part::Complete => None,
            },
            door: self.place.has_door.then_some(match self.part {
                Part::Fault(Mishap::DoorOpen) => 50,
                Part::Idle
                | Part::Reserved
                | Part::Occupied
                | Part::Charging
                | Part::Complete
                | Part::Fault(_) => 10,
            }),
            voltage: measured(Decimal(decivolts * 100_000)),
            current: measured(Decimal(centiamps * 10_000)),
            power: measured(Decimal(watts * 1_000)),
            energy: of_charge.map(|_| Decimal(self.charge.watt_hours(at_s) / 10 * 10_000)),
            temperature: measured(Decimal(self.decidegrees(watts, hour, dice) * 100_000)),
            soc: of_charge
                .filter(|_| is_car)
                .map(|_| Decimal(self.charge.soc(at_s) * 100_000)),
            duration_s: of_charge.map(|_| at_s.min(self.charge.end_s) - self.charge.start_s),
            charge: of_charge.cloned(),
            smoke: self.place.has_smoke_detector.then_some(match self.part {
                Part::Fault(Mishap::Smoke) => 1,
                Part::Idle
                | Part::Reserved
                | Part::Occupied
                | Part::Charging
                | Part::Complete
                | Part::Fault(_) => 2,
            }),
            more: [("signal".to_owned(), dice.between(12, 31).to_string())].into(),
        }
    }

    /// Warmer by day, by what flows, and when something is wrong.
    fn decidegrees(&self, watts: i64, hour: usize, dice: &mut Dice) -> i64 {
        let hour = i64::try_from(hour).unwrap_or(12);
        let day = libm::cos(as_f64(hour - 15) * std::f64::consts::PI / 12.0);
        let rated = (self.place.make.rating().3.0 / 1_000).max(1);
        let wrong = match self.part {
            Part::Fault(Mishap::TooHot) => 620,
            Part::Fault(Mishap::Smoke) => 480,
            Part::Idle
            | Part::Reserved
            | Part::Occupied
            | Part::Charging
            | Part::Complete
            | Part::Fault(_) => 0,
        };
        180 + rounded(day * 50.0) + 250 * watts / rated + wrong + dice.between(-8, 8)
    }

    fn record(&self, charge: Code) -> ChargeRecord {
        let Charge { start_s, end_s, .. } = self.charge;
        // To the hundredth of a kWh, as it is charged for.
        let energy = self.charge.watt_hours(end_s) / 10;
        let cost = |price: i64| Decimal(energy * price * 100).rounded(2);
        ChargeRecord {
            charge,
            port: self.place.port.clone(),
            start: Timestamp(start_s * 1_000),
            end: Timestamp(end_s * 1_000),
            energy: Decimal(energy * 10_000),
            energy_cost: cost(self.place.energy_price),
            service_cost: cost(self.place.service_price),
            start_kind: self.charge.start_kind,
            stop_reason: self.charge.stop_reason,
            average_power: Some(Decimal::whole(energy * 10 * 3_600 / (end_s - start_s).max(1))),
            person: None,
            unknown: std::collections::BTreeMap::new(),
        }
    }
}
