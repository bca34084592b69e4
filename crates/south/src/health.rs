//! How a link does.

use model::device::LinkState;
use model::gateway::{GatewayFacts, Unit};
use model::id::{DeviceId, SiteId};
use model::time::Now;

use crate::link::Place;

/// Devices behind one link that nobody has named to us and that are remembered; who comes later is not.
pub(crate) const MOST_FOUND: usize = 256;

/// State of one link, as its supervisor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Those behind it, mostly one.
    pub devices: Box<[DeviceHealth]>,
    /// When something last answered, sense or nonsense.
    pub last_answer: Option<Now>,
    /// How often the link ended by itself and was started again. Above zero points to a defect of ours.
    pub restarts: u64,
    /// What is behind it as well and stands in no site: shown, never commanded. At most 256.
    pub found: Vec<Found>,
    /// What the gateway says of itself, where one carries the link.
    pub gateway: Option<Box<GatewayFacts>>,
}

/// One device behind a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceHealth {
    pub site: SiteId,
    pub device: DeviceId,
    /// How it is reached, [`model::device::LinkSettings::driver`].
    pub driver: &'static str,
    /// As the dialect judges it.
    pub link: LinkState,
}

/// A device that we were not told of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub unit: Unit,
    /// What it says it is; empty when it only spoke.
    pub identity: String,
    pub first_seen: Now,
}

impl Health {
    pub(crate) fn of(places: &[Place]) -> Self {
        let devices = places.iter().map(|place| DeviceHealth {
            site: place.site.clone(),
            device: place.device.clone(),
            driver: place.driver,
            link: LinkState::Connecting,
        });
        Self {
            devices: devices.collect(),
            last_answer: None,
            restarts: 0,
            found: Vec::new(),
            gateway: None,
        }
    }

    /// Notes a stranger, and says whether that is news.
    pub(crate) fn find(&mut self, unit: &Unit, identity: &str, at: Now) -> bool {
        if let Some(found) = self.found.iter_mut().find(|found| found.unit == *unit) {
            let is_new = !identity.is_empty() && found.identity != identity;
            if is_new {
                identity.clone_into(&mut found.identity);
            }
            return is_new;
        }
        let is_room = self.found.len() < MOST_FOUND;
        if is_room {
            self.found.push(Found {
                unit: unit.clone(),
                identity: identity.to_owned(),
                first_seen: at,
            });
        }
        is_room
    }
}
