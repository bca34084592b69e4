//! What is needed to talk to a device: the client of its dialect and the way to it.

use dialects::Client;
use model::device::{Device, LinkSettings};

use crate::transport::Transport;
use crate::{goe, modbus};

/// Chosen by [`LinkSettings`] and by nothing else.
pub(crate) struct Driver {
    pub client: Box<dyn Client>,
    pub transport: Box<dyn Transport>,
}

/// Why a device cannot be talked to as it is configured. Ends in what to check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misfit(pub String);

impl Driver {
    pub fn of(device: &Device) -> Result<Self, Misfit> {
        match &device.link {
            LinkSettings::Goe(link) => goe::driver(device, link),
            LinkSettings::Sunspec { address, unit } => modbus::sunspec(device, address, *unit),
            LinkSettings::Modbus {
                address,
                unit,
                definition,
            } => modbus::defined(device, address, *unit, definition),
            LinkSettings::None => Err(Misfit("no link is configured".to_owned())),
        }
    }
}
