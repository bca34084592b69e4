//! Somebody else wrote to the charger: its app, its button, another manager.
//!
//! Told by comparison: the charger had shown our setpoint, nothing of ours is on its way, and now it shows
//! something else. What is above our setpoint never stands, because a limit is behind it.

use model::message::ForeignWhat;
use model::phases::Phases;
use model::units::MilliAmps;

use crate::goe::wire::{Frc, Status};

/// The keys that a setpoint writes, as a status has them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    amp: Option<i64>,
    frc: Option<Frc>,
    psm: Option<i64>,
}

impl Shown {
    pub(super) const fn of(status: &Status) -> Self {
        Self {
            amp: status.amp,
            frc: status.frc,
            psm: status.psm,
        }
    }

    /// What was done to come from here to there, the gravest of it. A key that is not said has not changed.
    pub(super) fn changed_to(&self, now: &Self) -> Option<ForeignWhat> {
        match (self.frc?, now.frc?) {
            (Frc::Neutral | Frc::On, Frc::Off) => return Some(ForeignWhat::Paused),
            (Frc::Off, Frc::Neutral | Frc::On) => return Some(ForeignWhat::Started),
            (Frc::Neutral | Frc::On, Frc::Neutral | Frc::On) | (Frc::Off, Frc::Off) => {}
        }
        match now.amp {
            Some(amps) if self.amp != Some(amps) => {
                return Some(ForeignWhat::Current(MilliAmps::from_amps(amps.clamp(0, 1_000))));
            }
            Some(_) | None => {}
        }
        match now.psm {
            Some(psm) if self.psm != Some(psm) => Some(ForeignWhat::Phases(if psm == 1 {
                Phases::One
            } else {
                Phases::Three
            })),
            Some(_) | None => None,
        }
    }
}

/// How much less than our setpoint somebody else wants, as far as that stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ceded {
    paused: bool,
    at_most: Option<i64>,
    one_phase: bool,
}

impl Ceded {
    /// With what somebody wrote, when we want `amps` (`None`: paused) and `psm`. What is more than that ends
    /// all patience.
    pub(super) fn with(self, what: ForeignWhat, amps: Option<i64>, psm: Option<i64>) -> Self {
        match what {
            ForeignWhat::Paused => Self { paused: true, ..self },
            ForeignWhat::Current(current) => match (amps, current.0 / 1_000) {
                (Some(ours), theirs) if theirs < ours => Self {
                    at_most: Some(theirs),
                    ..self
                },
                (Some(_) | None, _) => Self::default(),
            },
            ForeignWhat::Phases(Phases::One) if psm != Some(1) => Self {
                one_phase: true,
                ..self
            },
            ForeignWhat::Started | ForeignWhat::Phases(_) => Self::default(),
        }
    }

    /// What is wanted then.
    pub(super) fn amps(&self, ours: Option<i64>) -> Option<i64> {
        let ours = ours.filter(|_| !self.paused)?;
        Some(self.at_most.map_or(ours, |theirs| theirs.min(ours)))
    }

    pub(super) fn phases(&self, ours: Option<i64>) -> Option<i64> {
        if self.one_phase { Some(1) } else { ours }
    }
}
