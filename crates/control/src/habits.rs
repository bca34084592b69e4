//! What a car and its charger put up with: starts in an hour, top-ups of a full car, being woken.
//!
//! | habit | what it does |
//! |---|---|
//! | starts per hour | one more waits until the first of them is an hour ago; what a person asks for does not |
//! | refill | a full car gets nothing before its state of charge has fallen, or it was unplugged |
//! | top-ups | where nobody knows how full it is, it may draw again so often |
//! | wake | an offer that no car takes is interrupted for 10 s, three times at most |

use model::time::{Millis, Monotonic};
use model::units::PerMille;
use serde::{Deserialize, Serialize};

use crate::memory::EvseMemory;
use crate::snapshot::Evse;

const HOUR: Millis = Millis(3_600_000);
/// How long an offer is interrupted to wake a car.
const DIP: Millis = Millis(10_000);
/// A car that sleeps on is left alone.
const DIPS: u8 = 3;
const KEPT: usize = model::habits::Habits::MOST_STARTS as usize;

/// What is remembered of the car that is plugged in.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Habit {
    /// The latest starts, the oldest overwritten first.
    starts: [Option<Monotonic>; KEPT],
    next: usize,
    full: Option<Full>,
    /// A person wants a full car to try: the offer stands until it has asked again.
    #[serde(default)]
    tries: bool,
    /// Since when it does not take what it is offered.
    idle_since: Option<Monotonic>,
    dips: u8,
    dip_since: Option<Monotonic>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Full {
    soc: Option<PerMille>,
    top_ups: u8,
    is_topping: bool,
}

/// Why a full car gets nothing: how full it is and below what it is charged again, as far as that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rest {
    pub soc: Option<PerMille>,
    pub below: Option<PerMille>,
}

impl Habit {
    pub(crate) fn note_start(&mut self, now: Monotonic) {
        self.starts[self.next % KEPT] = Some(now);
        self.next = (self.next + 1) % KEPT;
    }

    /// How long the next start has to wait, ms.
    pub(crate) fn starts_used_up(&self, most: u8, now: Monotonic) -> Option<i64> {
        let most = usize::from(most).min(KEPT);
        if most == 0 {
            return None;
        }
        let first = self.starts[(self.next + KEPT - most) % KEPT]?;
        Some((first + HOUR - now).0).filter(|left| *left > 0)
    }

    /// A person wants something: a full car may try, and a sleeping one is woken again.
    pub(crate) const fn forgive(&mut self) {
        self.full = None;
        self.tries = true;
        self.dips = 0;
    }

    pub(crate) fn forget_car(&mut self) {
        *self = Self::default();
    }

    /// Notes whether the car is full, and says whether it rests.
    pub(crate) fn rest(&mut self, evse: &Evse) -> Option<Rest> {
        let asks = evse.pilot.asks();
        self.tries &= evse.complete && !asks;
        if evse.complete && !asks && !self.tries {
            let soc = evse.soc;
            let full = self.full.get_or_insert(Full {
                soc,
                ..Full::default()
            });
            if full.is_topping {
                full.is_topping = false;
                full.soc = soc;
            }
        }
        let full = self.full.as_mut()?;
        if let (Some(was), Some(soc)) = (full.soc, evse.soc) {
            let below = was - evse.habits.refill_after;
            if soc > below {
                return Some(Rest {
                    soc: Some(soc),
                    below: Some(below),
                });
            }
            self.full = None;
            return None;
        }
        let is_used_up = evse.habits.top_ups.is_some_and(|most| full.top_ups >= most);
        if is_used_up && !full.is_topping {
            return Some(Rest {
                soc: None,
                below: None,
            });
        }
        if asks && !full.is_topping {
            full.is_topping = true;
            full.top_ups = full.top_ups.saturating_add(1);
        }
        None
    }

    /// Whether the offer is interrupted, and for how long still, ms. The end of an interruption starts the
    /// offer again without delay.
    pub(crate) fn dip(&mut self, evse: &Evse, told: i64, now: Monotonic) -> Dip {
        if let Some(since) = self.dip_since {
            let left = (since + DIP - now).0;
            if left > 0 {
                return Dip::Lasts { left_ms: left };
            }
            self.dip_since = None;
            return Dip::Over;
        }
        let sleeps = told > 0 && evse.pilot.is_plugged() && !evse.pilot.asks() && !evse.complete;
        if !sleeps {
            self.idle_since = None;
            return Dip::None;
        }
        let since = *self.idle_since.get_or_insert(now);
        let is_due = evse.habits.wake_after.is_some_and(|after| now - since >= after);
        if !is_due || self.dips >= DIPS {
            return Dip::None;
        }
        self.idle_since = None;
        self.dips += 1;
        self.dip_since = Some(now);
        Dip::Lasts { left_ms: DIP.0 }
    }
}

/// What an interruption of the offer is at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dip {
    None,
    Lasts { left_ms: i64 },
    Over,
}

/// How long an EVSE that may not start because of its habits waits, ms.
pub(crate) fn starts_used_up(evse: &EvseMemory, most: u8, now: Monotonic) -> Option<i64> {
    if evse.is_prompt {
        return None;
    }
    evse.habit.starts_used_up(most, now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_starts_fit_into_an_hour_and_the_next_waits_for_the_first_to_pass() {
        let mut habit = Habit::default();
        for minute in 0..6 {
            let now = Monotonic(minute * 300_000);
            assert_eq!(habit.starts_used_up(6, now), None, "{minute}");
            habit.note_start(now);
        }
        assert_eq!(habit.starts_used_up(6, Monotonic(1_800_000)), Some(1_800_000));
        assert_eq!(habit.starts_used_up(7, Monotonic(1_800_000)), None);
        assert_eq!(habit.starts_used_up(0, Monotonic(1_800_000)), None);
        assert_eq!(habit.starts_used_up(6, Monotonic(3_600_000)), None);
        habit.forget_car();
        assert_eq!(habit.starts_used_up(1, Monotonic(1_800_000)), None);
    }

    #[test]
    fn more_starts_than_are_told_apart_are_held_to_the_most_that_are() {
        let mut habit = Habit::default();
        for second in 0..40 {
            habit.note_start(Monotonic(second * 1_000));
        }
        // The 16th last was at 24 s.
        assert_eq!(habit.starts_used_up(200, Monotonic(40_000)), Some(3_584_000));
    }
}
