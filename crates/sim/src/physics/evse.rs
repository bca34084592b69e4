//! What is between the wall and the car: pilot signal and contactor.
//!
//! Pilot states as in IEC 61851-1: A without a car; B with a car that is not offered current or does not
//! want it; C while a car asks for the current it is offered.

use model::phases::{PerPhase, PhaseSet, Phases};
use model::reading::PilotState;
use model::setpoint::ChargeCurrent;
use model::time::{Millis, Timestamp};
use model::units::{MilliAmps, MilliVolts, WattHours, Watts};
use serde::{Deserialize, Serialize};

use crate::physics::counter::Counter;
use crate::physics::vehicle::Vehicle;

/// How it is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvseSettings {
    /// What it may offer at most.
    pub max: MilliAmps,
    /// Terminals that are wired: 1 or 3.
    pub conductors: u8,
    /// How long a new command takes to reach the pilot signal. Good ones need none.
    #[serde(default)]
    pub obeys_after: Millis,
}

/// What it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Command {
    pub current: ChargeCurrent,
    pub phases: Phases,
}

/// What outlives a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvseState {
    /// What the pilot signal says.
    obeyed: Command,
    waited_ms: i64,
    /// Terminals that the contactor connects: 0, 1 or 3.
    connected: u8,
    /// What it connected last, and how long ago it let go.
    connected_last: u8,
    open_ms: i64,
    pilot: PilotState,
    complete: bool,
    draw: PerPhase<MilliAmps>,
    session: Counter,
    pub total: Counter,
    plugged_since: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub struct Evse {
    settings: EvseSettings,
    state: EvseState,
}

/// A car must not see its phases change without this pause.
const PHASE_SWITCH_PAUSE_MS: i64 = 5_000;

impl Evse {
    #[must_use]
    pub fn new(settings: EvseSettings) -> Self {
        let state = EvseState {
            obeyed: Command {
                current: ChargeCurrent::PAUSED,
                phases: Phases::Three,
            },
            waited_ms: 0,
            connected: 0,
            connected_last: 0,
            open_ms: PHASE_SWITCH_PAUSE_MS,
            pilot: PilotState::A,
            complete: false,
            draw: PerPhase::default(),
            session: Counter::default(),
            total: Counter::used(),
            plugged_since: None,
        };
        Self { settings, state }
    }

    #[must_use]
    pub const fn restored(settings: EvseSettings, state: EvseState) -> Self {
        Self { settings, state }
    }

    #[must_use]
    pub const fn state(&self) -> &EvseState {
        &self.state
    }

    #[must_use]
    pub const fn settings(&self) -> &EvseSettings {
        &self.settings
    }

    #[must_use]
    pub const fn pilot(&self) -> PilotState {
        self.state.pilot
    }

    /// Whether the car has stopped by itself.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.state.complete
    }

    /// What the pilot signal offers.
    #[must_use]
    pub const fn offered(&self) -> ChargeCurrent {
        self.state.obeyed.current
    }

    /// Terminals that the contactor connects.
    #[must_use]
    pub const fn connected(&self) -> PhaseSet {
        terminals(self.state.connected)
    }

    /// Draw per terminal.
    #[must_use]
    pub const fn draw(&self) -> PerPhase<MilliAmps> {
        self.state.draw
    }

    /// Since the car was plugged in, or of the last car when there is none.
    #[must_use]
    pub const fn session_energy(&self) -> WattHours {
        self.state.session.energy()
    }

    #[must_use]
    pub const fn plugged_since(&self) -> Option<Timestamp> {
        self.state.plugged_since
    }

    /// Lets go of the car at once, as a reboot does.
    pub fn drop_out(&mut self) {
        self.state.obeyed.current = ChargeCurrent::PAUSED;
        self.open();
    }

    /// Goes on for a while. `voltage` is per terminal; returns the power.
    pub fn step(
        &mut self,
        command: Command,
        vehicle: &mut Vehicle,
        voltage: PerPhase<MilliVolts>,
        at: Timestamp,
        span: Millis,
    ) -> Watts {
        self.obey(command, span);
        self.notice_plug(vehicle, at);
        self.switch(vehicle, span);

        let wanted = self.wanted_conductors();
        let connected = self.state.connected;
        let offer = if connected == wanted {
            self.state.obeyed.current.or_zero()
        } else {
            MilliAmps::ZERO
        };
        let draw = if self.state.pilot.is_plugged() {
            vehicle.charge(offer, connected, voltage, span)
        } else {
            PerPhase::default()
        };
        self.state.draw = draw;
        let power = draw.zip(voltage, |amps, volts| amps.power(volts, 1)).total();
        self.state.session.add(power, span);
        self.state.total.add(power, span);
        self.judge_pilot(vehicle);
        power
    }

    fn obey(&mut self, command: Command, span: Millis) {
        let command = Command {
            current: ChargeCurrent::at_most(command.current.or_zero().min(self.settings.max)),
            phases: command.phases,
        };
        if command == self.state.obeyed {
            self.state.waited_ms = 0;
            return;
        }
        self.state.waited_ms += span.0.max(0);
        if self.state.waited_ms >= self.settings.obeys_after.0 {
            self.state.obeyed = command;
            self.state.waited_ms = 0;
        }
    }

    fn notice_plug(&mut self, vehicle: &Vehicle, at: Timestamp) {
        match (self.state.pilot.is_plugged(), vehicle.is_home()) {
            (false, true) => {
                self.state.pilot = PilotState::B;
                self.state.session = Counter::default();
                self.state.plugged_since = Some(at);
            }
            (true, false) => {
                self.state.pilot = PilotState::A;
                self.state.complete = false;
                self.state.plugged_since = None;
                self.open();
            }
            (true, true) | (false, false) => {}
        }
    }

    /// Opens the contactor when no current is offered and none flows, closes it when the car wants some.
    fn switch(&mut self, vehicle: &Vehicle, span: Millis) {
        let wanted = self.wanted_conductors();
        let is_offered = !self.state.obeyed.current.is_paused() && vehicle.wants();
        if self.state.connected > 0 {
            let must_open = !is_offered || self.state.connected != wanted;
            if must_open && vehicle.draw() == MilliAmps::ZERO {
                self.open();
            }
            return;
        }
        self.state.open_ms = self.state.open_ms.saturating_add(span.0.max(0));
        let may_close = wanted == self.state.connected_last || self.state.open_ms >= PHASE_SWITCH_PAUSE_MS;
        if is_offered && may_close {
            self.state.connected = wanted;
            self.state.connected_last = wanted;
        }
    }

    fn open(&mut self) {
        self.state.connected = 0;
        self.state.open_ms = 0;
    }

    const fn wanted_conductors(&self) -> u8 {
        match self.state.obeyed.phases {
            Phases::One => 1,
            Phases::Three => self.settings.conductors,
        }
    }

    fn judge_pilot(&mut self, vehicle: &Vehicle) {
        if !self.state.pilot.is_plugged() {
            return;
        }
        let is_offered = !self.state.obeyed.current.is_paused();
        self.state.pilot = if is_offered && vehicle.wants() {
            PilotState::C
        } else {
            PilotState::B
        };
        // Without an offer there is no telling, so the last answer stands.
        if is_offered {
            self.state.complete = !vehicle.wants();
        }
    }
}

const fn terminals(count: u8) -> PhaseSet {
    match count {
        0 => PhaseSet::NONE,
        1 => PhaseSet::L1,
        _ => PhaseSet::ALL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::physics::vehicle::VehicleSettings;
    use model::units::PerMille;

    const VOLTS: PerPhase<MilliVolts> = PerPhase::all(MilliVolts(230_000));

    struct Bay {
        evse: Evse,
        car: Vehicle,
    }

    impl Bay {
        fn new(obeys_after: i64, soc: i64) -> Self {
            let settings = EvseSettings {
                max: MilliAmps(16_000),
                conductors: 3,
                obeys_after: Millis(obeys_after),
            };
            let car = VehicleSettings {
                name: "car".to_owned(),
                battery: WattHours(50_000),
                phases: 3,
                max_current: MilliAmps(16_000),
                reaction: Millis(1_000),
                charge_limit: PerMille(1_000),
                initial_soc: PerMille(soc),
                trips: Vec::new(),
            };
            Self {
                evse: Evse::new(settings),
                car: Vehicle::new(1, car),
            }
        }

        fn run(&mut self, milliamps: i64, phases: Phases, seconds: i64) -> i64 {
            let command = Command {
                current: ChargeCurrent::at_most(MilliAmps(milliamps)),
                phases,
            };
            let mut power = Watts::ZERO;
            for _ in 0..seconds {
                power = self
                    .evse
                    .step(command, &mut self.car, VOLTS, Timestamp(0), Millis(1_000));
            }
            power.0
        }
    }

    #[test]
    fn pilot_follows_car_and_offer() {
        let mut bay = Bay::new(0, 500);
        assert_eq!(bay.evse.pilot(), PilotState::A);
        bay.run(0, Phases::Three, 1);
        assert_eq!(
            (bay.evse.pilot(), bay.evse.connected()),
            (PilotState::B, PhaseSet::NONE)
        );
        let power = bay.run(16_000, Phases::Three, 20);
        assert_eq!(
            (bay.evse.pilot(), bay.evse.connected()),
            (PilotState::C, PhaseSet::ALL)
        );
        assert!((10_900..11_050).contains(&power), "{power}");
        assert_eq!(bay.run(0, Phases::Three, 6), 0);
        assert_eq!((bay.evse.pilot(), bay.evse.is_complete()), (PilotState::B, false));
    }

    #[test]
    fn a_full_car_is_complete_and_draws_nothing() {
        let mut bay = Bay::new(0, 1_000);
        bay.run(16_000, Phases::Three, 5);
        assert_eq!(bay.run(16_000, Phases::Three, 5), 0);
        assert_eq!((bay.evse.pilot(), bay.evse.is_complete()), (PilotState::B, true));
    }

    #[test]
    fn a_slow_one_obeys_late_and_fully() {
        let mut bay = Bay::new(3_000, 500);
        bay.run(16_000, Phases::Three, 20);
        bay.run(6_000, Phases::Three, 2);
        assert_eq!(bay.evse.offered().or_zero(), MilliAmps(16_000));
        bay.run(6_000, Phases::Three, 1);
        assert_eq!(bay.evse.offered().or_zero(), MilliAmps(6_000));
    }

    #[test]
    fn phases_change_only_without_current_and_after_a_pause() {
        let mut bay = Bay::new(0, 500);
        bay.run(16_000, Phases::Three, 20);
        let mut seconds_open = 0;
        for _ in 0..30 {
            let before = bay.evse.draw().l1;
            let connected = bay.evse.connected();
            bay.run(16_000, Phases::One, 1);
            if bay.evse.connected() != connected {
                assert!(before.0 == 0, "switched under {before}");
            }
            seconds_open += i64::from(bay.evse.connected().is_empty());
        }
        assert!((5..=7).contains(&seconds_open), "{seconds_open}");
        assert_eq!(bay.evse.draw().map(|amps| amps.0), PerPhase::new(15_880, 0, 0));
    }

    #[test]
    fn never_more_than_its_own_maximum() {
        let mut bay = Bay::new(0, 500);
        bay.run(32_000, Phases::Three, 5);
        assert_eq!(bay.evse.offered().or_zero(), MilliAmps(16_000));
    }
}
