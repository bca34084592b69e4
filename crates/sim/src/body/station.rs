//! A charging station with one EVSE, and the car that belongs to it.

use model::id::{DeviceId, EvseId};
use model::phases::{PerPhase, PhaseRotation, Phases};
use model::reading::{EvseStatus, Measured, PilotState};
use model::setpoint::ChargeCurrent;
use model::time::Millis;
use model::units::{MilliAmps, MilliVolts, Watts};
use serde::{Deserialize, Serialize};

use crate::body::{Body, BodyState, Surroundings};
use crate::fault::Fault;
use crate::physics::Flow;
use crate::physics::evse::{Command, Evse, EvseSettings, EvseState};
use crate::physics::vehicle::{Vehicle, VehicleSettings, VehicleState};
use crate::truth::{EvseTruth, Truth};

/// How it is built.
#[derive(Clone, Debug)]
pub(crate) struct StationSettings {
    pub evse: EvseId,
    pub max: MilliAmps,
    /// How its terminals are connected to the grid.
    pub rotation: PhaseRotation,
    /// How long a command takes to reach the car.
    pub obeys_after: Millis,
    pub vehicle: VehicleSettings,
}

#[derive(Debug)]
pub(crate) struct Station {
    seed: u64,
    settings: StationSettings,
    command: Command,
    evse: Evse,
    vehicle: Vehicle,
    has_error: bool,
    /// By terminal.
    voltage: PerPhase<MilliVolts>,
    /// By grid phase.
    flow: Flow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct StationState {
    command: Command,
    evse: EvseState,
    vehicle: VehicleState,
}

impl Station {
    pub fn new(seed: u64, settings: StationSettings) -> Self {
        let evse = EvseSettings {
            max: settings.max,
            conductors: 3,
            obeys_after: settings.obeys_after,
        };
        Self {
            seed,
            command: Command {
                current: ChargeCurrent::PAUSED,
                phases: Phases::Three,
            },
            evse: Evse::new(evse),
            vehicle: Vehicle::new(seed, settings.vehicle.clone()),
            has_error: false,
            voltage: PerPhase::default(),
            flow: Flow::default(),
            settings,
        }
    }

    pub const fn id(&self) -> &EvseId {
        &self.settings.evse
    }

    pub const fn evse(&self) -> &Evse {
        &self.evse
    }

    /// Whether a car is here that would take current.
    pub fn asks(&self) -> bool {
        self.evse.pilot().is_plugged() && self.vehicle.wants()
    }

    /// By terminal.
    pub const fn voltage(&self) -> PerPhase<MilliVolts> {
        self.voltage
    }

    pub const fn command(&self) -> Command {
        self.command
    }

    pub const fn tell(&mut self, command: Command) {
        self.command = command;
    }

    /// A voice whose own logic takes its time hands over commands when they are due: it also reads back late.
    pub fn obey_at_once(&mut self) {
        let settings = EvseSettings {
            obeys_after: Millis::ZERO,
            ..*self.evse.settings()
        };
        self.evse = Evse::restored(settings, self.evse.state().clone());
    }
}

impl Body for Station {
    fn live(&mut self, around: Surroundings) -> Watts {
        self.vehicle.live(around.local);
        let command = if around.is_up {
            self.command
        } else {
            Command {
                current: ChargeCurrent::PAUSED,
                ..self.command
            }
        };
        self.voltage = self.settings.rotation.to_terminals(around.voltage);
        let (at, span) = (around.now.wall, around.span);
        self.evse.step(command, &mut self.vehicle, self.voltage, at, span);
        self.flow = Flow::of_current(self.settings.rotation.to_grid(self.evse.draw()), around.voltage);
        self.flow.power.total()
    }

    fn flow(&self) -> Flow {
        self.flow
    }

    fn measured(&self) -> Measured {
        let flow = Flow::of_current(self.evse.draw(), self.voltage);
        Measured {
            power: Some(flow.power.total()),
            phase_power: Some(flow.power),
            current: Some(flow.current),
            voltage: Some(self.voltage),
            energy_in: Some(self.evse.state().total.energy()),
            ..Measured::default()
        }
    }

    fn evse(&self) -> Option<(&EvseId, EvseStatus)> {
        let status = EvseStatus {
            pilot: if self.has_error {
                PilotState::F
            } else {
                self.evse.pilot()
            },
            complete: self.evse.is_complete(),
            obeyed: Some(self.evse.offered()),
            terminals: self.evse.connected(),
            max_current: Some(self.settings.max),
            session_energy: Some(self.evse.session_energy()),
            current: Some(self.evse.draw()),
            watchdog: None,
        };
        Some((&self.settings.evse, status))
    }

    fn show(&self, id: &DeviceId, truth: &mut Truth) {
        let evse = EvseTruth {
            station: id.clone(),
            flow: self.flow,
            offered: self.evse.offered(),
            pilot: self.evse.pilot(),
            soc: self.vehicle.soc(),
            wants: self.vehicle.wants(),
        };
        truth.evses.insert(self.settings.evse.clone(), evse);
    }

    fn suffer(&mut self, fault: Option<Fault>) {
        if matches!(fault, Some(Fault::Reboot { .. })) {
            self.evse.drop_out();
        }
        self.has_error = fault == Some(Fault::CarError);
    }

    fn state(&self) -> BodyState {
        BodyState::Station(Box::new(StationState {
            command: self.command,
            evse: self.evse.state().clone(),
            vehicle: self.vehicle.state().clone(),
        }))
    }

    fn restore(&mut self, state: BodyState) -> bool {
        let BodyState::Station(state) = state else {
            return false;
        };
        self.command = state.command;
        self.evse = Evse::restored(*self.evse.settings(), state.evse);
        self.vehicle = Vehicle::restored(self.seed, self.settings.vehicle.clone(), state.vehicle);
        true
    }

    fn station(&mut self) -> Option<&mut Station> {
        Some(self)
    }
}
