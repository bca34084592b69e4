//! What goes wrong on purpose.

use model::time::Millis;
use serde::{Deserialize, Serialize};

/// A misbehaviour of one device. The physics behind it goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fault {
    /// Takes requests and never answers.
    Silence,
    /// Answers late.
    Delay { by: Millis },
    /// Answers with bytes that mean nothing.
    Garbage,
    /// Answers with a web page, as a device in its set-up mode or a wrong address does.
    Html,
    /// Acknowledges what it is told and does not do it.
    IgnoreSetpoints,
    /// Is gone for a while, then back with what it keeps over a restart. Ends by itself.
    Reboot { lasts: Millis },
    /// Its own clock is wrong by this much.
    ClockJump { by: Millis },
    /// Works for a while, then takes requests and never answers, as chargers do after days.
    Hang { after: Millis },
    /// A go-e charger answers 400 with what there is when it is asked for everything, or for what it does not have.
    PartialStatus,
    /// A go-e charger lacks keys that clients count on.
    MissingKeys,
    /// A go-e charger's firmware has words behind its number.
    FirmwareSuffix,
    /// A go-e charger is in car state 5 with an error, and gives nothing.
    CarError,
    /// The frames of a data logger lack their end.
    CutFrames,
}

impl Fault {
    /// Whether a client gets no usable answer.
    #[must_use]
    pub const fn hides_device(self) -> bool {
        match self {
            Self::Silence | Self::Garbage | Self::Html | Self::Reboot { .. } => true,
            Self::Delay { .. }
            | Self::IgnoreSetpoints
            | Self::ClockJump { .. }
            | Self::Hang { .. }
            | Self::PartialStatus
            | Self::MissingKeys
            | Self::FirmwareSuffix
            | Self::CarError
            | Self::CutFrames => false,
        }
    }
}
