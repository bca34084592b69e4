//! What a family uses besides its cars.

use model::phases::{PerPhase, Phase};
use model::time::Timestamp;
use model::units::Watts;
use serde::{Deserialize, Serialize};

use crate::draw::{Dice, Draws, Noise};
use crate::local::LocalTime;
use crate::number::{as_f64, rounded};

/// A household.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HouseSettings {
    /// What is always on, about.
    pub base: PerPhase<Watts>,
}

/// Appliances by the hours of the day. Has no state: the same moment gives the same load.
#[derive(Clone, Debug)]
pub struct House {
    base: PerPhase<Watts>,
    wander: PerPhase<Noise>,
    habits: Draws,
    fridge: Draws,
    today: Option<(LocalDay, Vec<Run>)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct LocalDay {
    day: i64,
    is_weekend: bool,
}

/// An appliance that runs for a while.
#[derive(Clone, Debug)]
struct Run {
    phase: Phase,
    power: Watts,
    from_s: i64,
    to_s: i64,
    /// A thermostat: of every so many seconds, on for so many.
    cycle_s: (i64, i64),
}

impl Run {
    fn steady(phase: Phase, watts: i64, from_s: i64, lasts_s: i64) -> Self {
        Self::cycling(phase, watts, from_s, lasts_s, (1, 1))
    }

    fn cycling(phase: Phase, watts: i64, from_s: i64, lasts_s: i64, cycle_s: (i64, i64)) -> Self {
        // A run ends with its day at the latest; the next day has a plan of its own.
        Self {
            phase,
            power: Watts(watts),
            from_s,
            to_s: (from_s + lasts_s).min(86_400),
            cycle_s,
        }
    }

    fn is_on(&self, second: i64) -> bool {
        let (period, on) = self.cycle_s;
        (self.from_s..self.to_s).contains(&second) && (second - self.from_s).rem_euclid(period) < on
    }
}

const FRIDGE_PERIOD_S: i64 = 55 * 60;
const FRIDGE_POWER: Watts = Watts(95);

impl House {
    #[must_use]
    pub fn new(seed: u64, settings: &HouseSettings) -> Self {
        let wander =
            Phase::ALL.map(|phase| Noise::new(seed, &format!("house base {}", phase.name()), 90_000));
        Self {
            base: settings.base,
            wander: PerPhase::from_array(wander),
            habits: Draws::new(seed, "house habits"),
            fridge: Draws::new(seed, "house fridge"),
            today: None,
        }
    }

    /// What the house takes at this moment.
    pub fn load(&mut self, at: Timestamp, local: LocalTime) -> PerPhase<Watts> {
        let mut load = self.base;
        for phase in Phase::ALL {
            let share = 0.25 * self.wander[phase].at(at);
            load[phase] = (load[phase] + Watts(rounded(as_f64(load[phase].0) * share))).at_least_zero();
        }
        if self.fridge_is_on(at) {
            load[Phase::L2] += FRIDGE_POWER;
        }
        for run in self.plan(local) {
            if run.is_on(local.second) {
                load[run.phase] += run.power;
            }
        }
        load
    }

    fn fridge_is_on(&self, at: Timestamp) -> bool {
        let cycle = at.as_seconds().div_euclid(FRIDGE_PERIOD_S);
        let into = at.as_seconds().rem_euclid(FRIDGE_PERIOD_S);
        (300..2_000).contains(&into) && {
            let mut dice = self.fridge.at(cycle);
            let from = dice.between(300, 900);
            (from..from + dice.between(800, 1_100)).contains(&into)
        }
    }

    fn plan(&mut self, local: LocalTime) -> &[Run] {
        let day = LocalDay {
            day: local.day,
            is_weekend: local.is_weekend(),
        };
        if self.today.as_ref().is_none_or(|(planned, _)| *planned != day) {
            let runs = plan_of(day, &mut self.habits.at(day.day));
            self.today = Some((day, runs));
        }
        self.today.as_ref().map_or(&[], |(_, runs)| runs)
    }
}

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// What happens in the house on one day.
fn plan_of(day: LocalDay, dice: &mut Dice) -> Vec<Run> {
    use Phase::{L1, L2, L3};
    let mut runs = Vec::new();

    let rise = if day.is_weekend {
        8 * HOUR + 30 * MINUTE
    } else {
        6 * HOUR + 30 * MINUTE
    } + dice.between(0, 40) * MINUTE;
    runs.push(Run::steady(L1, 2_000, rise + 5 * MINUTE, dice.between(150, 240)));
    runs.push(Run::steady(L2, 1_350, rise + 9 * MINUTE, dice.between(40, 90)));
    runs.push(Run::steady(L3, 900, rise + 14 * MINUTE, dice.between(120, 300)));
    runs.push(Run::steady(L2, 1_800, rise - 10 * MINUTE, dice.between(240, 480)));

    if day.is_weekend || dice.happens(350) {
        let noon = 12 * HOUR + dice.between(0, 45) * MINUTE;
        runs.push(Run::cycling(
            L1,
            1_800,
            noon,
            dice.between(20, 40) * MINUTE,
            (90, 50),
        ));
        runs.push(Run::cycling(
            L2,
            1_400,
            noon + 5 * MINUTE,
            dice.between(15, 30) * MINUTE,
            (80, 40),
        ));
    }

    if dice.happens(550) {
        let wash = 9 * HOUR + dice.between(0, 300) * MINUTE;
        runs.push(Run::steady(
            L3,
            2_050,
            wash + 6 * MINUTE,
            dice.between(14, 22) * MINUTE,
        ));
        runs.push(Run::cycling(L3, 320, wash, 85 * MINUTE, (40, 24)));
        runs.push(Run::steady(L3, 600, wash + 85 * MINUTE, 9 * MINUTE));
    }

    let cook = 17 * HOUR + 45 * MINUTE + dice.between(0, 70) * MINUTE;
    runs.push(Run::cycling(
        L1,
        2_200,
        cook,
        dice.between(25, 45) * MINUTE,
        (100, 62),
    ));
    runs.push(Run::cycling(
        L2,
        1_800,
        cook + 4 * MINUTE,
        dice.between(18, 35) * MINUTE,
        (70, 42),
    ));
    if dice.happens(600) {
        runs.push(Run::steady(L3, 2_600, cook - 8 * MINUTE, 9 * MINUTE));
        runs.push(Run::cycling(
            L3,
            2_600,
            cook + MINUTE,
            dice.between(25, 45) * MINUTE,
            (180, 65),
        ));
    }
    runs.push(Run::steady(
        L2,
        1_500,
        cook - 3 * MINUTE,
        dice.between(3, 7) * MINUTE,
    ));

    let lights_on = 16 * HOUR + 30 * MINUTE + dice.between(0, 60) * MINUTE;
    runs.push(Run::steady(L1, 160, lights_on, dice.between(330, 400) * MINUTE));
    runs.push(Run::steady(
        L2,
        190,
        19 * HOUR + dice.between(0, 60) * MINUTE,
        dice.between(120, 200) * MINUTE,
    ));
    if dice.happens(700) {
        let dishes = 20 * HOUR + dice.between(0, 60) * MINUTE;
        runs.push(Run::steady(L2, 1_900, dishes + 3 * MINUTE, 14 * MINUTE));
        runs.push(Run::steady(L2, 90, dishes, 70 * MINUTE));
        runs.push(Run::steady(L2, 1_900, dishes + 50 * MINUTE, 12 * MINUTE));
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    /// By the second: W total.
    fn day(seed: u64, number: i64) -> Vec<i64> {
        let base = PerPhase::new(Watts(120), Watts(90), Watts(60));
        let mut house = House::new(seed, &HouseSettings { base });
        (0..86_400)
            .map(|second| {
                let at = Timestamp::from_seconds(number * 86_400 + second);
                house.load(at, LocalTime::new(at, &TimeZone::UTC)).total().0
            })
            .collect()
    }

    #[test]
    fn a_family_uses_what_families_use() {
        for number in 20_000..20_014 {
            let wh = day(1, number).iter().sum::<i64>() / 3_600;
            assert!((6_500..18_000).contains(&wh), "day {number}: {wh} Wh");
        }
    }

    #[test]
    fn evenings_are_busy_and_nights_are_not() {
        let peak =
            |load: &[i64], from: usize, to: usize| load[from * 3_600..to * 3_600].iter().max().copied();
        for number in 20_000..20_014 {
            let load = day(1, number);
            assert!(peak(&load, 17, 20) > Some(4_000), "day {number}");
            assert!(peak(&load, 1, 5) < Some(600), "day {number}");
        }
    }

    #[test]
    fn no_two_houses_live_alike() {
        assert_eq!(day(1, 20_000), day(1, 20_000));
        assert_ne!(day(1, 20_000), day(2, 20_000));
    }
}
