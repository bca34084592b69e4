//! One vehicle at one port: when it comes, what it takes, what goes wrong.
//!
//! Times are whole seconds since 1970: hardware of this kind reports no finer ones.

use model::oversight::PortState;

use super::Make;
use crate::draw::Dice;
use crate::number::{as_f64, rounded};

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;

/// Visits that begin within an hour of the day, in thousandths per idle port.
const BIKES: [i64; 24] = [
    20, 12, 8, 6, 6, 10, 25, 40, 45, 35, 30, 45, 50, 35, 30, 35, 50, 100, 260, 320, 300, 220, 90, 40,
];
const CARS_SLOW: [i64; 24] = [
    15, 8, 5, 4, 4, 8, 15, 40, 70, 55, 40, 45, 60, 50, 40, 40, 50, 90, 150, 190, 170, 120, 60, 30,
];
const CARS_FAST: [i64; 24] = [
    90, 60, 50, 45, 45, 60, 90, 140, 200, 230, 240, 320, 380, 330, 280, 270, 290, 340, 430, 470, 430, 340,
    220, 140,
];

/// What goes wrong with the hardware during a charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    TooHot,
    Smoke,
    Leakage,
    TooMuchPower,
    /// Of a cabinet: somebody opens the door.
    DoorOpen,
    /// The port says nothing for a while and then goes on.
    Offline,
}

impl Mishap {
    /// What the operator's table calls it.
    pub(super) const fn code(self) -> i64 {
        match self {
            Self::TooHot => 1015,
            Self::Smoke => 2008,
            Self::Leakage => 1009,
            Self::TooMuchPower => 1016,
            Self::DoorOpen => 2017,
            Self::Offline => 1017,
        }
    }

    /// What a charge ends with because of it.
    const fn stop_reason(self) -> i64 {
        match self {
            Self::TooHot => 17,
            Self::Smoke | Self::Offline => 6,
            Self::Leakage => 16,
            Self::TooMuchPower => 11,
            Self::DoorOpen => 18,
        }
    }
}

/// What a port does from a moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Phase {
    pub from_s: i64,
    pub part: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Idle,
    Reserved,
    Occupied,
    Charging,
    Complete,
    Fault(Mishap),
}

impl Part {
    pub const fn state(self) -> PortState {
        match self {
            Self::Idle => PortState::Idle,
            Self::Reserved => PortState::Reserved,
            Self::Occupied => PortState::Occupied,
            Self::Charging => PortState::Charging,
            Self::Complete => PortState::Complete,
            Self::Fault(_) => PortState::Fault,
        }
    }
}

/// What a vehicle takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Charge {
    pub start_s: i64,
    pub end_s: i64,
    /// When it would be full, had nothing stopped it.
    full_s: i64,
    /// At first; it falls in the last quarter of the time.
    watts: i64,
    /// In thousandths of its battery.
    soc_from: i64,
    soc_to: i64,
    pub start_kind: i64,
    pub stop_reason: i64,
}

impl Charge {
    fn taper_s(&self) -> i64 {
        self.start_s + (self.full_s - self.start_s) * 3 / 4
    }

    pub fn watts(&self, at_s: i64) -> i64 {
        let taper = self.taper_s();
        if !(self.start_s..self.end_s).contains(&at_s) {
            return 0;
        }
        let gone = (at_s - taper).max(0);
        self.watts - self.watts * 9 * gone / (10 * (self.full_s - taper).max(1))
    }

    /// Taken so far, in watt-hours.
    pub fn watt_hours(&self, at_s: i64) -> i64 {
        let at_s = at_s.clamp(self.start_s, self.end_s);
        let taper = self.taper_s();
        let gone = (at_s - taper).max(0);
        let even = self.watts * (at_s - self.start_s);
        (even - self.watts * 9 * gone * gone / (20 * (self.full_s - taper).max(1))) / HOUR
    }

    /// How full the battery is, in thousandths.
    pub fn soc(&self, at_s: i64) -> i64 {
        let whole = Self {
            end_s: self.full_s,
            ..*self
        };
        let full = whole.watt_hours(self.full_s).max(1);
        self.soc_from + (self.soc_to - self.soc_from) * self.watt_hours(at_s) / full
    }
}

/// What happens at a port next, in order of time, and the charge in it. It ends with an idle port.
pub(super) struct Visit {
    pub phases: Vec<Phase>,
    pub charge: Charge,
}

impl Visit {
    /// The next one after a moment. `hour` says what hour of the day a moment has; `mishaps` is how often something
    /// goes wrong, in a million.
    pub fn next(
        after_s: i64,
        make: Make,
        mishaps: i64,
        dice: &mut Dice,
        hour: impl Fn(i64) -> usize,
    ) -> Self {
        let comes_s = comes(after_s, make, dice, hour);
        let mut phases = Vec::new();
        let mut at_s = comes_s;
        if make != Make::Bike && dice.happens(60) {
            phases.push(Phase {
                from_s: at_s,
                part: Part::Reserved,
            });
            at_s += dice.between(5 * MINUTE, 20 * MINUTE);
        }
        phases.push(Phase {
            from_s: at_s,
            part: Part::Occupied,
        });
        let start_s = at_s + dice.between(10, 2 * MINUTE);
        let (watts, lasts_s) = wanted(make, dice);
        let full_s = start_s + lasts_s;
        // Some pay for less than their battery could take, some pull the plug.
        let (end_s, stop_reason) = match dice.between(0, 99) {
            0..60 => (full_s, 9),
            60..85 => (start_s + lasts_s * dice.between(40, 95) / 100, 0),
            85..95 => (start_s + lasts_s * dice.between(20, 95) / 100, 2),
            _ => (start_s + lasts_s * dice.between(5, 95) / 100, 4),
        };
        let soc_from = dice.between(80, 500);
        let mut charge = Charge {
            start_s,
            end_s,
            full_s,
            watts,
            soc_from,
            soc_to: dice.between(soc_from.max(800), 1_000),
            start_kind: if dice.happens(850) { 1 } else { 2 },
            stop_reason,
        };
        phases.push(Phase {
            from_s: start_s,
            part: Part::Charging,
        });
        let goes_wrong = dice.between(0, 999_999) < mishaps;
        let when_s = dice.between(start_s + 1, end_s - 1);
        let until_s = when_s + dice.between(20 * MINUTE, 90 * MINUTE);
        let leaves_s = match mishap(make, dice).filter(|_| goes_wrong) {
            Some(Mishap::Offline) if until_s < end_s => {
                phases.push(Phase {
                    from_s: when_s,
                    part: Part::Fault(Mishap::Offline),
                });
                phases.push(Phase {
                    from_s: until_s,
                    part: Part::Charging,
                });
                ended(&mut phases, end_s, make, dice)
            }
            Some(Mishap::Offline) | None => ended(&mut phases, end_s, make, dice),
            Some(mishap) => {
                charge.end_s = when_s;
                charge.stop_reason = mishap.stop_reason();
                phases.push(Phase {
                    from_s: when_s,
                    part: Part::Fault(mishap),
                });
                until_s
            }
        };
        phases.push(Phase {
            from_s: leaves_s,
            part: Part::Idle,
        });
        Self { phases, charge }
    }
}

/// The charge is over; says when the vehicle leaves.
fn ended(phases: &mut Vec<Phase>, end_s: i64, make: Make, dice: &mut Dice) -> i64 {
    phases.push(Phase {
        from_s: end_s,
        part: Part::Complete,
    });
    end_s
        + match make {
            Make::Bike => dice.between(10 * MINUTE, 5 * HOUR),
            Make::Slow => dice.between(5 * MINUTE, 3 * HOUR),
            Make::Fast => dice.between(MINUTE, 20 * MINUTE),
        }
}

fn comes(after_s: i64, make: Make, dice: &mut Dice, hour: impl Fn(i64) -> usize) -> i64 {
    let chances = match make {
        Make::Bike => &BIKES,
        Make::Slow => &CARS_SLOW,
        Make::Fast => &CARS_FAST,
    };
    let mut slot_s = after_s + MINUTE;
    loop {
        let chance = chances.get(hour(slot_s) % 24).copied().unwrap_or(0);
        let within = dice.between(0, HOUR - 1);
        if dice.happens(chance) {
            return slot_s + within;
        }
        slot_s += HOUR;
    }
}

/// Power in watts, and for how long until the vehicle is full.
fn wanted(make: Make, dice: &mut Dice) -> (i64, i64) {
    match make {
        Make::Bike => (dice.between(100, 500), dice.between(3 * HOUR, 8 * HOUR)),
        Make::Slow => (dice.between(6_200, 7_000), dice.between(2 * HOUR, 8 * HOUR)),
        Make::Fast => {
            // Of the many battery sizes small ones are frequent.
            let share = dice.unit() * dice.unit();
            let watts = 20_000 + rounded(share * as_f64(100_000));
            (watts, dice.between(20 * MINUTE, 75 * MINUTE))
        }
    }
}

fn mishap(make: Make, dice: &mut Dice) -> Option<Mishap> {
    Some(match dice.between(0, 99) {
        0..35 => Mishap::Offline,
        35..60 => Mishap::TooHot,
        60..75 => Mishap::Leakage,
        75..85 => Mishap::TooMuchPower,
        85..93 if make == Make::Bike => Mishap::DoorOpen,
        85..93 => return None,
        _ => Mishap::Smoke,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::draw::Draws;

    fn visits(make: Make, mishaps: i64) -> impl Iterator<Item = Visit> {
        let draws = Draws::new(1, "visits");
        (0..2_000).map(move |index| {
            Visit::next(0, make, mishaps, &mut draws.at(index), |at| {
                usize::try_from(at / HOUR % 24).unwrap()
            })
        })
    }

    #[test]
    fn phases_are_in_order_and_end_idle() {
        for make in [Make::Bike, Make::Slow, Make::Fast] {
            for visit in visits(make, 300_000) {
                assert!(
                    visit.phases.is_sorted_by(|a, b| a.from_s < b.from_s),
                    "{:?}",
                    visit.phases
                );
                assert_eq!(visit.phases.last().unwrap().part, Part::Idle);
                assert!(visit.phases[0].from_s > 0);
            }
        }
    }

    #[test]
    fn charges_take_what_such_vehicles_take() {
        for (make, hours, watts) in [
            (Make::Bike, 3..=8, 100..=500),
            (Make::Slow, 2..=8, 6_200..=7_000),
            (Make::Fast, 0..=1, 20_000..=120_000),
        ] {
            for visit in visits(make, 0) {
                let charge = visit.charge;
                assert!(
                    hours.contains(&((charge.full_s - charge.start_s) / HOUR)),
                    "{charge:?}"
                );
                assert!(watts.contains(&charge.watts), "{charge:?}");
                assert!(charge.watts(charge.end_s - 1) >= charge.watts / 11, "{charge:?}");
                assert!((0..=1_000).contains(&charge.soc(charge.end_s)), "{charge:?}");
            }
        }
    }

    #[test]
    fn energy_grows_by_what_flows() {
        let charge = visits(Make::Fast, 0).next().unwrap().charge;
        let mut sum = 0;
        for at in charge.start_s..charge.end_s {
            sum += charge.watts(at);
            assert!(charge.watt_hours(at + 1) >= charge.watt_hours(at));
        }
        assert!((sum / HOUR - charge.watt_hours(charge.end_s)).abs() <= 20);
    }

    #[test]
    fn evenings_are_full() {
        let in_evening =
            visits(Make::Bike, 0).filter(|visit| (18..22).contains(&(visit.phases[0].from_s / HOUR % 24)));
        let count = in_evening.count();
        assert!(
            (800..1_400).contains(&count),
            "{count} of 2000 come between 18 and 22 h"
        );
    }
}
