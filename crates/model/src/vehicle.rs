//! Cars: what they can do, how full they are, and how they are recognised.

use serde::{Deserialize, Serialize};

use crate::device::ChargeMode;
use crate::id::{EvseId, UserId, VehicleId};
use crate::noun::noun;
use crate::phases::Phases;
use crate::time::Timestamp;
use crate::units::{MilliAmps, PerMille, WattHours};

/// A car.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vehicle {
    pub id: VehicleId,
    pub name: String,
    /// Usable capacity of its battery.
    pub capacity: Option<WattHours>,
    /// Phases its charger uses.
    pub phases: Phases,
    /// Below this it does not charge; 6 A for most.
    pub min: MilliAmps,
    /// The most its charger takes per phase.
    pub max: Option<MilliAmps>,
    /// Share of the energy from the wall that reaches its battery.
    pub efficiency: PerMille,
    /// Charging ends here.
    pub charge_limit: Option<PerMille>,
    /// The mode when it is plugged in, instead of the EVSE's.
    pub default_mode: Option<ChargeMode>,
    pub owner: Option<UserId>,
    /// It is assumed to be the one at this EVSE when no card says otherwise.
    pub home: Option<EvseId>,
    /// Where its state of charge comes from.
    pub soc_source: SocSource,
}

/// Where a state of charge comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SocSource {
    /// Typed in; from then on estimated from the energy charged.
    #[default]
    Manual,
    /// Put at `/api/v1/vehicles/<id>/soc` by a program.
    Pushed,
    /// Fetched as JSON from an address; `path` names the member (`battery.soc`), in percent. Not yet.
    Http { url: String, path: String, every_s: u32 },
    /// Heard on an MQTT topic, in percent. Not yet.
    Mqtt { topic: String },
    /// Told by the charging station. Not yet.
    Charger,
}

/// How full a car is, when that was known, and what it has taken since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateOfCharge {
    pub soc: PerMille,
    pub at: Timestamp,
    /// Whether charged energy was added to the last known value.
    pub estimated: bool,
}

/// The last known state of charge of a vehicle, kept under the id of the vehicle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VehicleCharge {
    pub id: VehicleId,
    pub known: StateOfCharge,
}

noun!(Vehicle, "vehicle");
noun!(VehicleCharge, "vehicle_soc");

impl Vehicle {
    /// How full it is after so much energy from the wall.
    #[must_use]
    pub fn soc_after(&self, known: PerMille, charged: WattHours) -> PerMille {
        match self.capacity {
            Some(capacity) if capacity.0 > 0 => {
                let added = i128::from(charged.0) * i128::from(self.efficiency.0) / i128::from(capacity.0);
                let soc = i128::from(known.0) + added;
                PerMille(i64::try_from(soc.clamp(0, 1_000)).unwrap_or(1_000))
            }
            Some(_) | None => known,
        }
    }

    /// What is known once so much energy has been taken since; the same when its size is not known.
    #[must_use]
    pub fn charge_after(&self, known: StateOfCharge, charged: WattHours, at: Timestamp) -> StateOfCharge {
        if charged.0 <= 0 || self.capacity.is_none_or(|capacity| capacity.0 <= 0) {
            return known;
        }
        StateOfCharge {
            soc: self.soc_after(known.soc, charged),
            at,
            estimated: true,
        }
    }

    /// Everything that is wrong with it.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut wrong = |text: String| found.push(format!("vehicle `{}` {text}", self.id));
        if !(1..=80).contains(&self.name.chars().count()) || self.name.chars().any(char::is_control) {
            wrong("has no name of 1 to 80 characters".to_owned());
        }
        if let Some(capacity) = self.capacity.filter(|c| !(1_000..=2_000_000).contains(&c.0)) {
            wrong(format!(
                "has a capacity of {capacity}, expected 1000 to 2000000 Wh"
            ));
        }
        if !(6_000..=80_000).contains(&self.min.0) {
            wrong(format!(
                "has a minimum of {}, expected 6000 to 80000 mA",
                self.min
            ));
        }
        if let Some(max) = self.max.filter(|max| *max < self.min || max.0 > 1_000_000) {
            wrong(format!(
                "has a maximum of {max}, expected its minimum of {} to 1000000 mA",
                self.min
            ));
        }
        if !(500..=1_000).contains(&self.efficiency.0) {
            wrong(format!(
                "has an efficiency of {}, expected 500 to 1000 ‰",
                self.efficiency
            ));
        }
        if let Some(limit) = self.charge_limit.filter(|l| !(1..=1_000).contains(&l.0)) {
            wrong(format!("has a charge limit of {limit}, expected 1 to 1000 ‰"));
        }
        let source = match &self.soc_source {
            SocSource::Manual | SocSource::Pushed => None,
            SocSource::Http { .. } => Some("be fetched over HTTP"),
            SocSource::Mqtt { .. } => Some("come by MQTT"),
            SocSource::Charger => Some("come from the charging station"),
        };
        if let Some(source) = source {
            wrong(format!(
                "would have its state of charge {source}, which this version does not do yet; use manual or pushed"
            ));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vehicle() -> Vehicle {
        Vehicle {
            id: VehicleId::new("car").unwrap(),
            name: "Car".to_owned(),
            capacity: Some(WattHours(60_000)),
            phases: Phases::Three,
            min: MilliAmps(6_000),
            max: Some(MilliAmps(16_000)),
            efficiency: PerMille(900),
            charge_limit: Some(PerMille(800)),
            default_mode: None,
            owner: None,
            home: None,
            soc_source: SocSource::Manual,
        }
    }

    #[test]
    fn charged_energy_fills_a_car_of_known_size() {
        let known = StateOfCharge {
            soc: PerMille(500),
            at: Timestamp(1),
            estimated: false,
        };
        for (capacity, charged, expected, estimated) in [
            (Some(60_000), 20_000, 800, true),
            (Some(60_000), 90_000, 1_000, true),
            (Some(60_000), 0, 500, false),
            (Some(60_000), -5_000, 500, false),
            (Some(60_000), i64::MAX, 1_000, true),
            (None, 20_000, 500, false),
        ] {
            let car = Vehicle {
                capacity: capacity.map(WattHours),
                ..vehicle()
            };
            let after = car.charge_after(known, WattHours(charged), Timestamp(2));
            let at = Timestamp(if estimated { 2 } else { 1 });
            assert_eq!(
                (after.soc.0, after.estimated, after.at),
                (expected, estimated, at),
                "{charged}"
            );
        }
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        assert_eq!(vehicle().problems(), Vec::<String>::new());
        for (source, fits) in [
            (SocSource::Pushed, true),
            (SocSource::Charger, false),
            (
                SocSource::Mqtt {
                    topic: "car/soc".to_owned(),
                },
                false,
            ),
            (
                SocSource::Http {
                    url: "http://192.168.1.9/car".to_owned(),
                    path: "battery.soc".to_owned(),
                    every_s: 60,
                },
                false,
            ),
        ] {
            let car = Vehicle {
                soc_source: source.clone(),
                ..vehicle()
            };
            let found = car.problems().join(", ");
            assert_eq!(found.is_empty(), fits, "{source:?}: {found}");
            assert!(fits || found.contains("use manual or pushed"), "{found}");
        }
        let wrong = Vehicle {
            name: String::new(),
            capacity: Some(WattHours(60)),
            min: MilliAmps(5_999),
            max: Some(MilliAmps(5_000)),
            efficiency: PerMille(0),
            charge_limit: Some(PerMille(1_001)),
            ..vehicle()
        };
        assert_eq!(wrong.problems().len(), 6, "{:?}", wrong.problems());
    }
}
