//! What holds for a grid connection as a whole: peaks, orders of the grid operator, the battery.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;
use crate::units::{PerMille, Watts};

/// What somebody has set for the grid connection of a site.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GridRules {
    /// The average of a quarter of an hour that is not to be exceeded.
    pub peak: Option<PeakBudget>,
    /// What the house takes beside cars and battery, where nothing measures at the grid connection.
    pub house: Option<Watts>,
    pub battery: BatteryOrder,
}

/// A target for the average of each quarter of an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeakBudget {
    pub target: Watts,
    /// The highest quarter of this month counts instead where it is higher.
    pub follow: bool,
}

/// Where the home battery stands among solar cars, by its state of charge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct BatteryOrder {
    /// Below this it comes before cars that do not come before it.
    pub first_below: PerMille,
    /// From this on it gives to cars that charge; `None`: never.
    pub helps_from: Option<PerMille>,
    /// From this on it lets them start; `None`: they start by the sun alone.
    pub starts_from: Option<PerMille>,
}

impl Default for BatteryOrder {
    fn default() -> Self {
        Self {
            first_below: PerMille(300),
            helps_from: None,
            starts_from: None,
        }
    }
}

/// An order of the grid operator to take less (section 14a EnWG).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DimmingOrder {
    /// What those that can be dimmed may take together; `None`: what they keep in any case.
    pub limit: Option<Watts>,
    pub from: Timestamp,
    /// Not included; `None`: until it is taken back.
    pub until: Option<Timestamp>,
}

impl DimmingOrder {
    #[must_use]
    pub fn is_in_force(&self, now: Timestamp) -> bool {
        now >= self.from && self.until.is_none_or(|until| now < until)
    }
}
