//! Which models a device has, where they are, and which of them a role needs.
//!
//! Walks by the length of each model, so that models we do not know are stepped over.

use std::sync::Arc;

use model::units::Watts;

use super::map;
use super::model::{Model, Models};
use crate::modbus::pdu::MAX_READ_REGISTERS;

/// Where the mark may be, in the order of the standard.
pub(super) const BASES: [u16; 3] = [40_000, 50_000, 0];
/// More models than any device has: the walk is lost in noise.
const MAX_MODELS: usize = 100;

/// Which device of the site this one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Meter,
    Inverter,
    /// The most it is told to charge and to discharge, both positive.
    Battery {
        max_charge: Watts,
        max_discharge: Watts,
    },
}

impl Role {
    /// The word for messages.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meter => "meter",
            Self::Inverter => "inverter",
            Self::Battery { .. } => "battery",
        }
    }

    /// The models of which one has to be there.
    pub(super) const fn needs(self) -> &'static str {
        match self {
            Self::Meter => "a meter model (201 to 204 or 211 to 214)",
            Self::Inverter => "an inverter model (101 to 103 or 111 to 113)",
            Self::Battery { .. } => "a battery model (802, or 124 with an inverter model and no model 160)",
        }
    }
}

pub(super) const METERS: [u16; 8] = [203, 201, 202, 204, 213, 211, 212, 214];
pub(super) const INVERTERS: [u16; 6] = [103, 101, 102, 113, 111, 112];

/// A model in a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub id: u16,
    pub length: u16,
    /// Of the model id.
    pub address: u16,
}

/// Registers to read in every round, from the id of a model on.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub found: Found,
    pub model: Arc<Model>,
    pub count: u16,
}

/// A walk that is not at its end.
#[derive(Clone, Debug, Default)]
pub(super) struct Walk {
    pub next: u16,
    pub found: Vec<Found>,
}

/// What a model header means for the walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stride {
    On,
    Ended,
    Lost,
}

impl Walk {
    pub(super) const fn from(base: u16) -> Self {
        Self {
            next: base.saturating_add(2),
            found: Vec::new(),
        }
    }

    pub(super) fn step(&mut self, id: u16, length: u16) -> Stride {
        if id == super::image::END {
            return Stride::Ended;
        }
        let next = length.checked_add(2).and_then(|size| self.next.checked_add(size));
        let Some(next) = next.filter(|_| id != 0 && self.found.len() < MAX_MODELS) else {
            return Stride::Lost;
        };
        self.found.push(Found {
            id,
            length,
            address: self.next,
        });
        self.next = next;
        Stride::On
    }
}

/// What to read in every round.
///
/// # Errors
/// The models it has, when the ones of the role are not among them.
pub(super) fn plan(role: Role, found: &[Found], models: &Models) -> Result<Vec<Planned>, String> {
    let pick = |ids: &[u16], points: &[&str]| {
        ids.iter()
            .find_map(|id| planned(found.iter().find(|found| found.id == *id)?, points, models))
    };
    let blocks: Vec<Planned> = match role {
        Role::Meter => pick(&METERS, map::METER).into_iter().collect(),
        Role::Inverter => pick(&INVERTERS, map::INVERTER).into_iter().collect(),
        Role::Battery { .. } => {
            let storage = pick(&[124], map::STORAGE);
            let battery = pick(&[802], map::BATTERY);
            // Beside MPPT inputs the AC power is the sun's as well, so it is not the battery's.
            let has_sun = found.iter().any(|found| found.id == 160);
            let inverter = if has_sun {
                None
            } else {
                pick(&INVERTERS, map::INVERTER)
            };
            match (battery, storage, inverter) {
                (Some(battery), storage, _) => storage.into_iter().chain([battery]).collect(),
                (None, Some(storage), Some(inverter)) => vec![storage, inverter],
                (None, _, _) => Vec::new(),
            }
        }
    };
    if blocks.is_empty() {
        let ids: Vec<_> = found.iter().map(|found| found.id.to_string()).collect();
        return Err(if ids.is_empty() {
            "no models".to_owned()
        } else {
            format!("models {}", ids.join(", "))
        });
    }
    Ok(blocks)
}

fn planned(found: &Found, points: &[&str], models: &Models) -> Option<Planned> {
    let model = models.get(found.id)?;
    let count = model.span(points);
    // Vendors append registers to models, so longer is right; shorter is another layout.
    let fits = count <= MAX_READ_REGISTERS && found.length.saturating_add(2) >= count;
    fits.then(|| Planned {
        found: *found,
        model: Arc::clone(model),
        count,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(ids: &[(u16, u16)]) -> Vec<Found> {
        let mut walk = Walk::from(40_000);
        for (id, length) in ids {
            assert_eq!(walk.step(*id, *length), Stride::On);
        }
        walk.found
    }

    fn check(role: Role, ids: &[(u16, u16)], expected: &[u16]) {
        let blocks = plan(role, &found(ids), &Models::built_in()).unwrap_or_default();
        let planned: Vec<_> = blocks.iter().map(|block| block.found.id).collect();
        assert_eq!(planned, expected, "{role:?} {ids:?}");
    }

    #[test]
    fn roles_pick_the_models_they_need() {
        let battery = Role::Battery {
            max_charge: Watts(1),
            max_discharge: Watts(1),
        };
        check(Role::Meter, &[(1, 66), (203, 105)], &[203]);
        check(Role::Meter, &[(1, 65), (213, 126)], &[213]);
        check(Role::Meter, &[(103, 50)], &[]);
        check(Role::Meter, &[(203, 20)], &[]);
        check(
            Role::Inverter,
            &[(1, 66), (64_000, 300), (103, 50), (160, 48)],
            &[103],
        );
        check(battery, &[(124, 24), (802, 62)], &[124, 802]);
        check(battery, &[(802, 62)], &[802]);
        check(battery, &[(103, 50), (124, 24)], &[124, 103]);
        check(battery, &[(103, 50), (124, 24), (160, 48)], &[]);
        check(battery, &[(124, 24)], &[]);
    }

    #[test]
    fn a_walk_ends_or_is_lost() {
        let mut walk = Walk::from(40_000);
        assert_eq!(walk.step(0xFFFF, 0), Stride::Ended);
        assert_eq!(walk.step(0, 10), Stride::Lost);
        assert_eq!(walk.step(1, 0xFFFF), Stride::Lost);
        assert_eq!(walk.step(1, 30_000), Stride::Lost);
        let noise = (0..200)
            .map(|_| walk.step(7, 0))
            .find(|stride| *stride != Stride::On);
        assert_eq!(noise, Some(Stride::Lost));
    }

    #[test]
    fn a_missing_model_is_named() {
        let problem = |ids: &[(u16, u16)]| plan(Role::Meter, &found(ids), &Models::built_in()).unwrap_err();
        assert_eq!(problem(&[(1, 66), (103, 50)]), "models 1, 103");
        assert_eq!(problem(&[]), "no models");
    }
}
