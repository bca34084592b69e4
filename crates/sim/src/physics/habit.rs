//! When a car is away.

use jiff::civil::Time;
use model::units::{PerMille, WattHours};
use serde::{Deserialize, Serialize};

use crate::draw::Draws;
use crate::local::LocalTime;

/// A trip that its driver makes again and again. Ends on the day it begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TripHabit {
    pub days: Days,
    /// By the clocks of the site, for example `07:40`.
    pub leaves: Time,
    pub returns: Time,
    /// Both times differ by up to this many minutes from day to day.
    pub jitter_min: i64,
    /// How often it is made on a day that fits.
    pub chance: PerMille,
    /// What it takes, at least and at most.
    pub energy_min: WattHours,
    pub energy_max: WattHours,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Days {
    Every,
    Workdays,
    Weekends,
}

impl Days {
    const fn fits(self, local: LocalTime) -> bool {
        match self {
            Self::Every => true,
            Self::Workdays => !local.is_weekend(),
            Self::Weekends => local.is_weekend(),
        }
    }
}

/// One trip on one day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trip {
    leaves_s: i64,
    returns_s: i64,
    pub energy: WattHours,
}

/// The trips of a car, day by day. Has no state: the same moment gives the same answer.
#[derive(Clone, Debug)]
pub struct Habits {
    trips: Vec<(TripHabit, Draws)>,
    today: Option<(i64, Vec<Trip>)>,
}

impl Habits {
    #[must_use]
    pub fn new(seed: u64, name: &str, trips: &[TripHabit]) -> Self {
        let draws = |index: usize| Draws::new(seed, &format!("trip {index} of {name}"));
        let trips = trips
            .iter()
            .enumerate()
            .map(|(index, trip)| (trip.clone(), draws(index)))
            .collect();
        Self { trips, today: None }
    }

    /// The trip that is under way at this moment, if any.
    pub fn under_way(&mut self, local: LocalTime) -> Option<Trip> {
        if self.today.as_ref().is_none_or(|(day, _)| *day != local.day) {
            self.today = Some((local.day, self.plan(local)));
        }
        let (_, trips) = self.today.as_ref()?;
        trips
            .iter()
            .find(|trip| (trip.leaves_s..trip.returns_s).contains(&local.second))
            .copied()
    }

    fn plan(&self, local: LocalTime) -> Vec<Trip> {
        let made = self
            .trips
            .iter()
            .filter(|(habit, _)| habit.days.fits(local))
            .filter_map(|(habit, draws)| {
                let mut dice = draws.at(local.day);
                let jitter_s = habit.jitter_min.max(0) * 60;
                let leaves_s = second_of(habit.leaves) + dice.between(-jitter_s, jitter_s);
                let returns_s = second_of(habit.returns) + dice.between(-jitter_s, jitter_s);
                let energy =
                    WattHours(dice.between(habit.energy_min.0, habit.energy_max.0.max(habit.energy_min.0)));
                dice.happens(habit.chance.0).then_some(Trip {
                    leaves_s,
                    returns_s,
                    energy,
                })
            });
        made.collect()
    }
}

fn second_of(time: Time) -> i64 {
    i64::from(time.hour()) * 3_600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONDAY: i64 = 20_003;

    fn commute(chance: i64) -> Habits {
        let trip = TripHabit {
            days: Days::Workdays,
            leaves: jiff::civil::time(7, 40, 0, 0),
            returns: jiff::civil::time(17, 15, 0, 0),
            jitter_min: 15,
            chance: PerMille(chance),
            energy_min: WattHours(10_000),
            energy_max: WattHours(20_000),
        };
        Habits::new(1, "car", &[trip])
    }

    #[test]
    fn the_car_is_away_during_the_trip_on_days_that_fit() {
        let mut habits = commute(1_000);
        for (day, second, away) in [
            (MONDAY, 7 * 3_600, false),
            (MONDAY, 8 * 3_600, true),
            (MONDAY, 16 * 3_600, true),
            (MONDAY, 18 * 3_600, false),
            (MONDAY + 5, 12 * 3_600, false),
            (MONDAY + 7, 12 * 3_600, true),
        ] {
            let trip = habits.under_way(LocalTime { day, second });
            assert_eq!(trip.is_some(), away, "day {day} second {second}");
            assert!(trip.is_none_or(|trip| (10_000..=20_000).contains(&trip.energy.0)));
        }
    }

    #[test]
    fn chance_decides_how_often() {
        let mut habits = commute(500);
        let days = (0..400).filter(|week| {
            habits
                .under_way(LocalTime {
                    day: MONDAY + 7 * week,
                    second: 12 * 3_600,
                })
                .is_some()
        });
        let made = days.count();
        assert!((150..250).contains(&made), "{made}");
    }
}
