//! What a device reports: measured values with their time and quality.

use serde::{Deserialize, Serialize};

use crate::phases::{PerPhase, PhaseSet};
use crate::setpoint::ChargeCurrent;
use crate::time::{Millis, Monotonic, Now};
use crate::units::{MilliAmps, MilliHertz, MilliVolts, PerMille, WattHours, Watts};

/// How far a value may be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Measured by the device.
    #[default]
    Measured,
    /// Computed from other values, for example a current from a power and a voltage.
    Derived,
    /// Pushed at us by somebody else, or assumed.
    Estimated,
}

/// A value, when it was taken, and how far it may be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reading<T> {
    pub value: T,
    pub at: Now,
    pub quality: Quality,
}

impl<T> Reading<T> {
    /// How long ago the value was taken. A clock that jumped never makes it negative.
    pub fn age(&self, now: Monotonic) -> Millis {
        Millis((now - self.at.monotonic).0.max(0))
    }

    /// The value, if it is not older than `max_age`.
    pub fn fresh(&self, now: Monotonic, max_age: Millis) -> Option<&T> {
        (self.age(now) <= max_age).then_some(&self.value)
    }
}

/// What one poll of a meter, inverter, battery or EVSE says. Absent members were not reported.
///
/// Signs: positive flows into the thing named. Of a grid meter the thing is the site (import positive), of
/// an inverter the inverter (production negative), of a battery the battery (charging positive).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Measured {
    /// Active power over all phases.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power: Option<Watts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase_power: Option<PerPhase<Watts>>,
    /// Signed like the power of its phase.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<PerPhase<MilliAmps>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub voltage: Option<PerPhase<MilliVolts>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency: Option<MilliHertz>,
    /// Lifetime counter of what flowed into the thing named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_in: Option<WattHours>,
    /// Lifetime counter of what flowed out of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_out: Option<WattHours>,
    /// State of charge, batteries only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub soc: Option<PerMille>,
    pub quality: Quality,
}

/// State of the control pilot, IEC 61851-1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PilotState {
    /// No car.
    #[default]
    A,
    /// A car is plugged in and does not ask for current.
    B,
    /// The car asks for current.
    C,
    /// The car asks for current and ventilation.
    D,
    /// Short circuit of the pilot, or no power.
    E,
    /// The station is out of order.
    F,
}

impl PilotState {
    /// Whether a car is plugged in.
    #[must_use]
    pub const fn is_plugged(self) -> bool {
        matches!(self, Self::B | Self::C | Self::D)
    }

    /// Whether the car asks for current.
    #[must_use]
    pub const fn asks(self) -> bool {
        matches!(self, Self::C | Self::D)
    }
}

/// Readings of a site that somebody pushes at us: nobody has proved where they come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pushed {
    pub grid: Watts,
    /// Negative when the sun shines.
    pub pv: Option<Watts>,
    /// Positive while it charges.
    pub battery: Option<Watts>,
}

impl Pushed {
    /// Older ones are none.
    pub const LASTS: Millis = Millis(10_000);
}

/// What an EVSE says of itself, beside what it measures. Terminals, not grid phases: the phase rotation
/// of the wiring is applied by the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EvseStatus {
    pub pilot: PilotState,
    /// Plugged in, but the car has stopped by itself (full, or its own schedule).
    pub complete: bool,
    /// The setpoint as the EVSE reads it back, `None` when it cannot say.
    pub obeyed: Option<ChargeCurrent>,
    /// Terminals that are connected while charging.
    pub terminals: PhaseSet,
    /// What hardware, cable and adapter allow, if known.
    pub max_current: Option<MilliAmps>,
    /// Energy since the car was plugged in.
    pub session_energy: Option<WattHours>,
    /// Draw per terminal.
    pub current: Option<PerPhase<MilliAmps>>,
    /// The current the EVSE falls back to by itself when we are silent, if it was programmed and confirmed.
    pub watchdog: Option<ChargeCurrent>,
}

/// Which series of the history a value belongs to. One fixed unit each, all integers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Quantity {
    /// W, positive into the thing named.
    Power,
    PowerL1,
    PowerL2,
    PowerL3,
    /// mA.
    CurrentL1,
    CurrentL2,
    CurrentL3,
    /// mV.
    VoltageL1,
    VoltageL2,
    VoltageL3,
    /// mHz.
    Frequency,
    /// Wh, a counter.
    EnergyIn,
    EnergyOut,
    /// ‰.
    Soc,
    /// mA told to an EVSE, 0 when paused.
    Setpoint,
    /// 0 to 5 for pilot states A to F.
    Pilot,
}

impl Quantity {
    pub const ALL: [Self; 16] = [
        Self::Power,
        Self::PowerL1,
        Self::PowerL2,
        Self::PowerL3,
        Self::CurrentL1,
        Self::CurrentL2,
        Self::CurrentL3,
        Self::VoltageL1,
        Self::VoltageL2,
        Self::VoltageL3,
        Self::Frequency,
        Self::EnergyIn,
        Self::EnergyOut,
        Self::Soc,
        Self::Setpoint,
        Self::Pilot,
    ];

    /// The name in the native API, the history and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Power => "power",
            Self::PowerL1 => "power_l1",
            Self::PowerL2 => "power_l2",
            Self::PowerL3 => "power_l3",
            Self::CurrentL1 => "current_l1",
            Self::CurrentL2 => "current_l2",
            Self::CurrentL3 => "current_l3",
            Self::VoltageL1 => "voltage_l1",
            Self::VoltageL2 => "voltage_l2",
            Self::VoltageL3 => "voltage_l3",
            Self::Frequency => "frequency",
            Self::EnergyIn => "energy_in",
            Self::EnergyOut => "energy_out",
            Self::Soc => "soc",
            Self::Setpoint => "setpoint",
            Self::Pilot => "pilot",
        }
    }

    #[must_use]
    pub const fn unit(self) -> &'static str {
        match self {
            Self::Power | Self::PowerL1 | Self::PowerL2 | Self::PowerL3 => "W",
            Self::CurrentL1 | Self::CurrentL2 | Self::CurrentL3 | Self::Setpoint => "mA",
            Self::VoltageL1 | Self::VoltageL2 | Self::VoltageL3 => "mV",
            Self::Frequency => "mHz",
            Self::EnergyIn | Self::EnergyOut => "Wh",
            Self::Soc => "‰",
            Self::Pilot => "",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|quantity| quantity.name() == name)
    }

    /// Whether the value is a counter, of which averages make no sense.
    #[must_use]
    pub const fn is_counter(self) -> bool {
        matches!(self, Self::EnergyIn | Self::EnergyOut)
    }
}

impl Measured {
    /// Every value with its series.
    pub fn values(&self) -> impl Iterator<Item = (Quantity, i64)> {
        let phase = |values: Option<PerPhase<i64>>, names: [Quantity; 3]| {
            values
                .into_iter()
                .flat_map(move |v| names.into_iter().zip(v.into_array()))
        };
        [
            (Quantity::Power, self.power.map(|v| v.0)),
            (Quantity::Frequency, self.frequency.map(|v| v.0)),
            (Quantity::EnergyIn, self.energy_in.map(|v| v.0)),
            (Quantity::EnergyOut, self.energy_out.map(|v| v.0)),
            (Quantity::Soc, self.soc.map(|v| v.0)),
        ]
        .into_iter()
        .filter_map(|(quantity, value)| value.map(|value| (quantity, value)))
        .chain(phase(
            self.phase_power.map(|v| v.map(|w| w.0)),
            [Quantity::PowerL1, Quantity::PowerL2, Quantity::PowerL3],
        ))
        .chain(phase(
            self.current.map(|v| v.map(|a| a.0)),
            [Quantity::CurrentL1, Quantity::CurrentL2, Quantity::CurrentL3],
        ))
        .chain(phase(
            self.voltage.map(|v| v.map(|u| u.0)),
            [Quantity::VoltageL1, Quantity::VoltageL2, Quantity::VoltageL3],
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    #[test]
    fn a_reading_names_the_age_it_may_have() {
        let at = Now {
            wall: Timestamp(0),
            monotonic: Monotonic(10_000),
        };
        let reading = Reading {
            value: Watts(5),
            at,
            quality: Quality::Measured,
        };
        assert_eq!(reading.fresh(Monotonic(12_000), Millis(2_000)), Some(&Watts(5)));
        assert_eq!(reading.fresh(Monotonic(12_001), Millis(2_000)), None);
        assert_eq!(reading.age(Monotonic(9_000)), Millis(0));
    }

    #[test]
    fn measured_values_name_their_series() {
        let measured = Measured {
            power: Some(Watts(-3)),
            current: Some(PerPhase::new(MilliAmps(1), MilliAmps(2), MilliAmps(3))),
            ..Measured::default()
        };
        let values: Vec<_> = measured.values().collect();
        assert_eq!(values[0], (Quantity::Power, -3));
        assert!(values.contains(&(Quantity::CurrentL3, 3)));
        for quantity in Quantity::ALL {
            assert_eq!(Quantity::from_name(quantity.name()), Some(quantity));
        }
    }
}
