//! How the link to a device does.

use model::device::LinkState;
use model::id::{DeviceId, SiteId};
use model::time::Now;

/// State of one link, as its supervisor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    pub site: SiteId,
    pub device: DeviceId,
    /// As the dialect judges it.
    pub link: LinkState,
    /// When the device last answered anything, sense or nonsense.
    pub last_answer: Option<Now>,
    /// How often the link ended by itself and was started again. Above zero points to a defect of ours.
    pub restarts: u64,
}

impl Health {
    pub(crate) fn new(site: SiteId, device: DeviceId) -> Self {
        Self {
            site,
            device,
            link: LinkState::Connecting,
            last_answer: None,
            restarts: 0,
        }
    }
}
