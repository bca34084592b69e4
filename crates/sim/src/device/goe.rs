//! A go-e charger with a car that comes and goes.

use model::id::EvseId;
use model::phases::{PerPhase, PhaseRotation, Phases};
use model::reading::{EvseStatus, Measured, PilotState};
use model::setpoint::{Action, ChargeCurrent};
use model::time::Now;
use model::units::MilliVolts;
use serde::{Deserialize, Serialize};

use crate::device::Surroundings;
use crate::physics::Flow;
use crate::physics::evse::{Command, Evse, EvseSettings, EvseState};
use crate::physics::vehicle::{Vehicle, VehicleState};
use crate::settings::GoeChargerSettings;

#[derive(Clone, Debug)]
pub(crate) struct GoeCharger {
    seed: u64,
    settings: GoeChargerSettings,
    command: Command,
    evse: Evse,
    vehicle: Vehicle,
    /// Per terminal.
    voltage: PerPhase<MilliVolts>,
    /// By grid phase.
    flow: Flow,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct GoeChargerState {
    command: Command,
    evse: EvseState,
    vehicle: VehicleState,
}

impl GoeCharger {
    pub fn new(seed: u64, settings: &GoeChargerSettings) -> Self {
        let evse = EvseSettings {
            max: settings.max,
            conductors: 3,
            obeys_after: settings.obeys_after,
        };
        Self {
            seed,
            settings: settings.clone(),
            command: Command {
                current: ChargeCurrent::at_most(settings.max),
                phases: Phases::Three,
            },
            evse: Evse::new(evse),
            vehicle: Vehicle::new(seed, settings.vehicle.clone()),
            voltage: PerPhase::all(MilliVolts(230_000)),
            flow: Flow::default(),
        }
    }

    pub fn restore(&mut self, state: GoeChargerState) {
        self.command = state.command;
        self.evse = Evse::restored(*self.evse.settings(), state.evse);
        self.vehicle = Vehicle::restored(self.seed, self.settings.vehicle.clone(), state.vehicle);
    }

    pub fn state(&self) -> GoeChargerState {
        GoeChargerState {
            command: self.command,
            evse: self.evse.state().clone(),
            vehicle: self.vehicle.state().clone(),
        }
    }

    pub const fn evse_id(&self) -> &EvseId {
        &self.settings.evse
    }

    pub const fn vehicle(&self) -> &Vehicle {
        &self.vehicle
    }

    pub const fn offered(&self) -> ChargeCurrent {
        self.evse.offered()
    }

    pub const fn pilot(&self) -> PilotState {
        self.evse.pilot()
    }

    pub const fn flow(&self) -> Flow {
        self.flow
    }

    pub fn reboot(&mut self) {
        self.evse.drop_out();
    }

    pub fn step(&mut self, around: Surroundings, is_up: bool) {
        self.vehicle.live(around.local);
        let command = if is_up {
            self.command
        } else {
            Command {
                current: ChargeCurrent::PAUSED,
                ..self.command
            }
        };
        let rotation: PhaseRotation = self.settings.rotation;
        self.voltage = rotation.to_terminals(around.voltage);
        self.evse
            .step(command, &mut self.vehicle, self.voltage, around.at, around.span);
        self.flow = Flow::of_current(rotation.to_grid(self.evse.draw()), around.voltage);
    }

    pub fn act(&mut self, action: &Action, _now: Now) {
        match action {
            Action::Charge {
                evse,
                current,
                phases,
            } if *evse == self.settings.evse => {
                self.command = Command {
                    current: *current,
                    phases: phases.unwrap_or(self.command.phases),
                };
            }
            Action::Charge { .. } | Action::BatteryPower { .. } | Action::VendorWrite { .. } => {}
        }
    }

    pub fn measured(&self) -> Measured {
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

    pub fn status(&self) -> EvseStatus {
        EvseStatus {
            pilot: self.evse.pilot(),
            complete: self.evse.is_complete(),
            obeyed: Some(self.command.current),
            terminals: self.evse.connected(),
            max_current: Some(self.settings.max),
            session_energy: Some(self.evse.session_energy()),
            current: Some(self.evse.draw()),
            watchdog: None,
        }
    }
}
