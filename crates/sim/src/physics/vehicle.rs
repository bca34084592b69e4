//! A car: its battery, its on-board charger, its comings and goings.

use model::phases::PerPhase;
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, PerMille, WattHours};
use serde::{Deserialize, Serialize};

use crate::local::LocalTime;
use crate::number::{as_f64, rounded};
use crate::physics::habit::{Habits, TripHabit};

/// What kind of car it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VehicleSettings {
    pub name: String,
    pub battery: WattHours,
    /// How many phases its charger uses: 1, 2 or 3.
    pub phases: u8,
    /// What its charger takes per phase at most.
    pub max_current: MilliAmps,
    /// How long it looks at a new offer before it moves, up to 2.5 s.
    pub reaction: Millis,
    /// Where it stops by itself.
    pub charge_limit: PerMille,
    pub initial_soc: PerMille,
    pub trips: Vec<TripHabit>,
}

/// What outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleState {
    content_mj: i64,
    /// The energy of the trip it is on, `None` at home.
    away: Option<WattHours>,
    /// Stopped by itself, until it has lost some charge.
    full: bool,
    /// The offer it follows, which lags behind the offer it sees.
    following: MilliAmps,
    seen_ms: i64,
    draw: MilliAmps,
}

#[derive(Clone, Debug)]
pub struct Vehicle {
    settings: VehicleSettings,
    habits: Habits,
    state: VehicleState,
}

const MJ_PER_WH: i64 = 3_600_000;
/// From the socket to the cells.
const EFFICIENCY_PERMILLE: i64 = 900;
/// The lowest current of the standard.
const MIN: MilliAmps = MilliAmps(6_000);
/// Chargers stay a little below what they may.
const MARGIN: MilliAmps = MilliAmps(120);
/// With the longest reaction, 32 A are gone within 5 s also when steps are a second long.
const FALL_MA_PER_S: i64 = 24_000;
const RISE_MA_PER_S: i64 = 4_000;
/// On the road a driver recharges rather than coming home with less.
const RESERVE_PERMILLE: i64 = 120;
/// From here on the cells take less and less.
const TAPER_PERMILLE: i64 = 940;
/// A full car starts again only after losing this much.
const RESTART_PERMILLE: i64 = 30;

impl Vehicle {
    #[must_use]
    pub fn new(seed: u64, settings: VehicleSettings) -> Self {
        let content_mj = settings.battery.0 * MJ_PER_WH / 1_000 * settings.initial_soc.0.clamp(0, 1_000);
        let state = VehicleState {
            content_mj,
            away: None,
            full: false,
            following: MilliAmps::ZERO,
            seen_ms: 0,
            draw: MilliAmps::ZERO,
        };
        Self::restored(seed, settings, state)
    }

    #[must_use]
    pub fn restored(seed: u64, settings: VehicleSettings, state: VehicleState) -> Self {
        let habits = Habits::new(seed, &settings.name, &settings.trips);
        Self {
            settings,
            habits,
            state,
        }
    }

    #[must_use]
    pub const fn state(&self) -> &VehicleState {
        &self.state
    }

    #[must_use]
    pub const fn settings(&self) -> &VehicleSettings {
        &self.settings
    }

    #[must_use]
    pub const fn is_home(&self) -> bool {
        self.state.away.is_none()
    }

    /// The state of charge, rounded down.
    #[must_use]
    pub fn soc(&self) -> PerMille {
        let full = self.settings.battery.0 * MJ_PER_WH / 1_000;
        PerMille(
            self.state
                .content_mj
                .checked_div(full)
                .unwrap_or(0)
                .clamp(0, 1_000),
        )
    }

    /// Whether it would draw if it were offered current.
    #[must_use]
    pub const fn wants(&self) -> bool {
        self.is_home() && !self.state.full
    }

    /// What it draws on each of its phases.
    #[must_use]
    pub const fn draw(&self) -> MilliAmps {
        self.state.draw
    }

    /// Leaves or comes home, if it is time to.
    pub fn live(&mut self, local: LocalTime) {
        match (self.habits.under_way(local), self.state.away) {
            (Some(trip), None) => self.leave(trip.energy),
            (None, Some(energy)) => self.come_home(energy),
            (Some(_), Some(_)) | (None, None) => {}
        }
    }

    fn leave(&mut self, energy: WattHours) {
        self.state.away = Some(energy);
        self.state.draw = MilliAmps::ZERO;
        self.state.following = MilliAmps::ZERO;
        self.state.seen_ms = 0;
    }

    fn come_home(&mut self, energy: WattHours) {
        let reserve_mj = self.settings.battery.0 * MJ_PER_WH / 1_000 * RESERVE_PERMILLE;
        let left_mj = self.state.content_mj - energy.0 * MJ_PER_WH;
        self.state.content_mj = left_mj.max(reserve_mj.min(self.state.content_mj));
        self.state.away = None;
        self.judge_charge();
    }

    /// Charges for a while with what the socket offers (zero: nothing) on its first `conductors` terminals.
    /// Returns the draw per terminal.
    pub fn charge(
        &mut self,
        offer: MilliAmps,
        conductors: u8,
        voltage: PerPhase<MilliVolts>,
        span: Millis,
    ) -> PerPhase<MilliAmps> {
        self.follow(offer, span);
        self.ramp(span);
        let used = self.settings.phases.clamp(1, 3).min(conductors);
        let draw = self.state.draw;
        let mut currents = PerPhase::all(draw);
        if used < 3 {
            currents.l3 = MilliAmps::ZERO;
        }
        if used < 2 {
            currents.l2 = MilliAmps::ZERO;
        }
        if used < 1 {
            currents.l1 = MilliAmps::ZERO;
        }
        let power = currents.zip(voltage, |amps, volts| amps.power(volts, 1)).total();
        let stored_mj = power.0 * span.0.max(0) * EFFICIENCY_PERMILLE / 1_000;
        self.state.content_mj = (self.state.content_mj + stored_mj).min(self.settings.battery.0 * MJ_PER_WH);
        self.judge_charge();
        currents
    }

    /// Takes over the offer once it has been different for the time the car needs.
    fn follow(&mut self, offer: MilliAmps, span: Millis) {
        if offer == self.state.following {
            self.state.seen_ms = 0;
            return;
        }
        self.state.seen_ms += span.0.max(0);
        if self.state.seen_ms >= self.settings.reaction.0.clamp(0, 2_500) {
            self.state.following = offer;
            self.state.seen_ms = 0;
        }
    }

    fn ramp(&mut self, span: Millis) {
        let target = if self.wants() && self.state.following >= MIN {
            (self.state.following - MARGIN).min(self.acceptance())
        } else {
            MilliAmps::ZERO
        };
        let rise = MilliAmps(RISE_MA_PER_S * span.0.max(0) / 1_000);
        let fall = MilliAmps(FALL_MA_PER_S * span.0.max(0) / 1_000);
        let draw = self.state.draw;
        self.state.draw = target.min(draw + rise).max(draw - fall).at_least_zero();
        // A charger that may not even draw the minimum switches off instead of lingering on the way down.
        if self.state.draw < target && self.state.draw < MIN - MARGIN {
            self.state.draw = target.min(MIN - MARGIN);
        } else if self.state.draw > target && self.state.draw < MIN - MARGIN {
            self.state.draw = target;
        }
    }

    /// What charger and cells take at this state of charge: never less than the minimum.
    fn acceptance(&self) -> MilliAmps {
        let most = self.settings.max_current.max(MIN);
        let into_taper = self.soc().0 - TAPER_PERMILLE;
        if into_taper <= 0 {
            return most;
        }
        let share = 1.0 - 0.75 * as_f64(into_taper) / as_f64(1_000 - TAPER_PERMILLE);
        MilliAmps(rounded(as_f64(most.0) * share)).max(MIN - MARGIN)
    }

    fn judge_charge(&mut self) {
        let (soc, limit) = (self.soc().0, self.settings.charge_limit.0);
        if soc >= limit.min(1_000) {
            self.state.full = true;
        } else if soc < limit - RESTART_PERMILLE {
            self.state.full = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOLTS: PerPhase<MilliVolts> = PerPhase::all(MilliVolts(230_000));

    fn car(phases: u8, soc: i64) -> Vehicle {
        let settings = VehicleSettings {
            name: "car".to_owned(),
            battery: WattHours(77_000),
            phases,
            max_current: MilliAmps(16_000),
            reaction: Millis(2_000),
            charge_limit: PerMille(1_000),
            initial_soc: PerMille(soc),
            trips: Vec::new(),
        };
        Vehicle::new(1, settings)
    }

    fn settle(car: &mut Vehicle, offer: i64, conductors: u8, seconds: i64) -> PerPhase<i64> {
        let mut draw = PerPhase::default();
        for _ in 0..seconds {
            draw = car.charge(MilliAmps(offer), conductors, VOLTS, Millis(1_000));
        }
        draw.map(|amps| amps.0)
    }

    #[test]
    fn it_draws_what_offer_charger_and_wiring_allow() {
        for (phases, conductors, offer, expected) in [
            (3, 3, 16_000, PerPhase::all(15_880)),
            (3, 3, 32_000, PerPhase::all(16_000)),
            (3, 1, 10_000, PerPhase::new(9_880, 0, 0)),
            (2, 3, 10_000, PerPhase::new(9_880, 9_880, 0)),
            (1, 3, 6_000, PerPhase::new(5_880, 0, 0)),
            (3, 3, 5_999, PerPhase::all(0)),
            (3, 0, 16_000, PerPhase::all(0)),
        ] {
            let draw = settle(&mut car(phases, 400), offer, conductors, 15);
            assert_eq!(
                draw, expected,
                "{phases} phases, {conductors} conductors, {offer} mA"
            );
        }
    }

    #[test]
    fn five_seconds_after_a_lower_offer_it_draws_no_more_than_that() {
        for span in [100, 250, 1_000, 10_000] {
            for lower in [0, 6_000, 10_000] {
                let mut car = car(3, 400);
                settle(&mut car, 32_000, 3, 20);
                for _ in 0..(5_000 / span).max(1) {
                    car.charge(MilliAmps(lower), 3, VOLTS, Millis(span));
                }
                assert!(
                    car.draw().0 <= lower,
                    "steps of {span} ms, {lower} mA offered: {}",
                    car.draw()
                );
            }
        }
    }

    #[test]
    fn it_takes_less_near_the_end_and_stops_by_itself() {
        let mut car = car(3, 930);
        assert_eq!(settle(&mut car, 16_000, 3, 20).l1, 15_880);
        let mut last = MilliAmps(16_000);
        for _ in 0..4 * 3_600 {
            settle(&mut car, 16_000, 3, 1);
            if car.wants() {
                assert!(car.draw() <= last && car.draw().0 >= 5_000, "{}", car.draw());
                last = car.draw().max(MilliAmps(5_880));
            }
        }
        assert_eq!(
            (car.soc(), car.wants(), car.draw()),
            (PerMille(1_000), false, MilliAmps(0))
        );
        assert!(last < MilliAmps(8_000), "{last}");
    }

    #[test]
    fn a_trip_takes_energy_but_never_the_reserve() {
        for (soc, energy, expected) in [(800, 38_500, 300), (500, 60_000, 120), (100, 5_000, 100)] {
            let mut car = car(3, soc);
            car.leave(WattHours(energy));
            assert!(!car.is_home() && !car.wants());
            car.come_home(WattHours(energy));
            assert_eq!(
                (car.is_home(), car.soc().0),
                (true, expected),
                "{soc} ‰ - {energy} Wh"
            );
        }
    }
}
