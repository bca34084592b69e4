//! What a device is, whatever protocol it speaks: its physics, its counters, its readings, what it keeps.
//!
//! A body knows no wire. A [voice](crate::voice) speaks for it, or for several at once; what a voice may do with a body
//! beyond reading it, the body says itself ([`Body::station`], [`Body::battery`]).

pub mod battery;
pub mod inverter;
pub mod meter;
pub mod station;

use std::fmt::Debug;

use model::id::{DeviceId, EvseId};
use model::phases::PerPhase;
use model::reading::{EvseStatus, Measured};
use model::time::{Millis, Now};
use model::units::{MilliHertz, MilliVolts, Watts};
use serde::{Deserialize, Serialize};

use self::battery::{HomeBattery, HomeBatteryState};
use self::inverter::InverterState;
use self::meter::MeterState;
use self::station::{Station, StationState};
use crate::fault::Fault;
use crate::local::LocalTime;
use crate::physics::Flow;
use crate::truth::Truth;

/// What a body finds around it during one step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Surroundings {
    pub now: Now,
    pub local: LocalTime,
    pub span: Millis,
    pub voltage: PerPhase<MilliVolts>,
    pub frequency: MilliHertz,
    /// Not while it restarts.
    pub is_up: bool,
}

impl Surroundings {
    /// Local time is UTC plus this.
    pub fn utc_offset(&self) -> Millis {
        Millis::from_seconds(self.local.day * 86_400 + self.local.second - self.now.wall.as_seconds())
    }
}

/// A body at its place in the wiring.
#[derive(Debug)]
pub(crate) struct Placed {
    pub id: DeviceId,
    /// Index of its circuit.
    pub circuit: usize,
    pub body: Box<dyn Body>,
}

/// One step has three parts, and a body takes part where it has something to do.
pub(crate) trait Body: Debug + Send {
    /// First: what goes on whatever others do. Returns what flows into it by that.
    fn live(&mut self, around: Surroundings) -> Watts {
        let _ = around;
        Watts::ZERO
    }

    /// Second: what answers to the rest of the site, which takes `others`. Returns what flows into it by that.
    fn balance(&mut self, around: Surroundings, others: Watts) -> Watts {
        let _ = (around, others);
        Watts::ZERO
    }

    /// Third: looks at what flows through the fuse of its circuit.
    fn measure(&mut self, around: Surroundings, through: Flow) {
        let _ = (around, through);
    }

    /// What flows into it; a meter is no load.
    fn flow(&self) -> Flow {
        Flow::default()
    }

    /// Counters are there before the first step, everything else is not.
    fn measured(&self) -> Measured;

    /// How its EVSE is, if it has one.
    fn evse(&self) -> Option<(&EvseId, EvseStatus)> {
        None
    }

    /// Adds itself to what really happens.
    fn show(&self, id: &DeviceId, truth: &mut Truth) {
        let _ = (id, truth);
    }

    /// Begins to misbehave, or behaves again.
    fn suffer(&mut self, fault: Option<Fault>) {
        let _ = fault;
    }

    fn state(&self) -> BodyState;

    /// Takes over what was saved; `false` when it was saved by another kind of body.
    fn restore(&mut self, state: BodyState) -> bool;

    fn station(&mut self) -> Option<&mut Station> {
        None
    }

    fn battery(&mut self) -> Option<&mut HomeBattery> {
        None
    }
}

/// What outlives a restart.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum BodyState {
    Meter(MeterState),
    Inverter(InverterState),
    Battery(HomeBatteryState),
    /// The word is from when each kind of body had one voice.
    #[serde(rename = "goe")]
    Station(Box<StationState>),
}
