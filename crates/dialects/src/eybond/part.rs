//! What of an inverter a device of ours is.

use std::fmt;

use model::gateway::Unit;
use serde::Deserialize;

/// A storage inverter behind one address is several things at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The inverter as one, at its connection to the wiring.
    #[default]
    All,
    /// What the sun gives it.
    Pv,
    Battery,
    /// What it feeds.
    Load,
    /// What it takes from the grid.
    Grid,
}

impl Part {
    pub const ALL: [Self; 5] = [Self::All, Self::Pv, Self::Battery, Self::Load, Self::Grid];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::Pv => "pv",
            Self::Battery => "battery",
            Self::Load => "load",
            Self::Grid => "grid",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// A device of ours behind a logger: `5`, or `5/battery`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Behind {
    /// On the serial line.
    pub address: u8,
    pub part: Part,
}

impl Behind {
    /// `None` when it is not called like that.
    #[must_use]
    pub fn read(unit: &Unit) -> Option<Self> {
        let (address, part) = match unit.as_str().split_once('/') {
            Some((address, part)) => (address, Part::from_name(part)?),
            None => (unit.as_str(), Part::All),
        };
        let address = address.parse().ok()?;
        Some(Self { address, part })
    }

    #[must_use]
    pub fn unit(self) -> Unit {
        Unit::named(&self.to_string())
    }
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.part {
            Part::All => write!(f, "{}", self.address),
            part @ (Part::Pv | Part::Battery | Part::Load | Part::Grid) => {
                write!(f, "{}/{}", self.address, part.name())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_called_by_address_and_part() {
        for (text, expected) in [
            ("5", Some((5, Part::All))),
            ("5/battery", Some((5, Part::Battery))),
            ("255/pv", Some((255, Part::Pv))),
            ("5/all", Some((5, Part::All))),
            ("256", None),
            ("5/roof", None),
            ("", None),
        ] {
            let read = Behind::read(&Unit::named(text));
            assert_eq!(
                read.map(|behind| (behind.address, behind.part)),
                expected,
                "{text}"
            );
            if let Some(behind) = read {
                assert_eq!(Behind::read(&behind.unit()), Some(behind));
            }
        }
    }
}
