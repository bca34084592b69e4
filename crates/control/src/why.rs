//! What a reason rests on: which limit binds, what is missing, when it is tried again and what would help.
//!
//! A limit that binds many EVSEs is described once, in [`crate::Decision::bindings`].

use model::id::EvseId;
use model::limit::LimitSource;
use model::reason::Cause;
use model::time::Timestamp;
use model::units::MilliAmps;

/// A limit that keeps EVSEs where they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    pub constraint: LimitSource,
    /// After its reserve; of the sun: what solar cars may draw.
    pub limit: MilliAmps,
    /// Load that is not ours to control.
    pub base: MilliAmps,
    /// What is left after this cycle; negative when overdrawn.
    pub free: MilliAmps,
    /// Who holds the rest, the largest eight.
    pub holders: Vec<EvseId>,
}

/// The figures behind a cause. Currents are per phase; of the sun: in sum over the phases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Why {
    /// Index into `Decision::bindings`.
    pub binding: Option<usize>,
    pub asked: MilliAmps,
    pub given: MilliAmps,
    /// What the binding limit lacks: for the minimum when paused, else for all it could use.
    pub missing: MilliAmps,
    /// When it changes by itself, if that is known.
    pub next_try: Option<Timestamp>,
    pub unlock: Unlock,
}

/// What has to happen before it gets more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unlock {
    /// It has what it asks for, or asks for nothing.
    Nothing,
    /// Others must draw less where it is short.
    Room,
    /// More sun, a fuller battery or a cheaper hour.
    Sun,
    /// Only time.
    Time,
    /// Somebody plugs a car in, or the car asks.
    Vehicle,
    /// Somebody switches it on, shows a card or raises a limit.
    Person,
    /// A meter or charging station answers, or does what it was told.
    Device,
}

impl Unlock {
    pub(crate) const fn of(cause: &Cause) -> Self {
        match cause {
            Cause::NoVehicle
            | Cause::VehicleNotAsking
            | Cause::VehicleComplete
            | Cause::RestingFull { .. } => Self::Vehicle,
            Cause::SwitchedOff
            | Cause::Disabled
            | Cause::AwaitingAuthorisation
            | Cause::BudgetUsedUp { .. }
            | Cause::ChargeLimitReached { .. }
            | Cause::EnergyLimitReached { .. }
            | Cause::ChangedElsewhere { .. } => Self::Person,
            Cause::AsAsked { .. } => Self::Nothing,
            Cause::Limited { by, .. } => match by {
                LimitSource::Hardware => Self::Nothing,
                LimitSource::Wish | LimitSource::Rule { .. } => Self::Person,
                LimitSource::Temporary | LimitSource::Ramp | LimitSource::Overload { .. } => Self::Time,
                LimitSource::Vehicle => Self::Vehicle,
                LimitSource::Circuit { .. } | LimitSource::Skew { .. } => Self::Room,
                LimitSource::Surplus => Self::Sun,
                LimitSource::Peak { .. } | LimitSource::GridOperator { .. } => Self::Time,
                LimitSource::FailSafe => Self::Device,
            },
            Cause::CircuitFull { .. }
            | Cause::Unbalanced { .. }
            | Cause::WaitingForOthers { .. }
            | Cause::OnePhaseOnly { .. } => Self::Room,
            Cause::NoSurplus { .. } | Cause::HoldingMinimum { .. } | Cause::PriceTooHigh { .. } => Self::Sun,
            Cause::WaitingForStableRoom { .. }
            | Cause::MinimumPause { .. }
            | Cause::StartsUsedUp { .. }
            | Cause::WakingVehicle { .. }
            | Cause::AfterOverload { .. }
            | Cause::PeakReached { .. }
            | Cause::Dimmed { .. }
            | Cause::SwitchingPhases { .. } => Self::Time,
            Cause::MeterSilent { .. }
            | Cause::StationSilent { .. }
            | Cause::NotFollowing { .. }
            | Cause::StartingUp => Self::Device,
        }
    }
}

pub(crate) fn next_try(cause: &Cause) -> Option<Timestamp> {
    if let Cause::WaitingForStableRoom { until }
    | Cause::MinimumPause { until }
    | Cause::HoldingMinimum { until }
    | Cause::StartsUsedUp { until, .. }
    | Cause::WakingVehicle { until }
    | Cause::AfterOverload { until, .. }
    | Cause::PeakReached { ends: until, .. }
    | Cause::SwitchingPhases { until, .. } = cause
    {
        return Some(*until);
    }
    if let Cause::Dimmed { until, .. } = cause {
        return *until;
    }
    if let Cause::CircuitFull { turn, .. } = cause {
        return turn.as_ref().map(|turn| turn.ends);
    }
    None
}
