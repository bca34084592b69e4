//! What is needed to talk to a device: the client of its dialect and the way to it.

use std::sync::Arc;

use dialects::Client;
use links::outbound_guard::SystemResolver;
use model::device::{Device, LinkSettings};
use model::gateway::{Gateway, GatewayLink};
use model::time::Clock;

use crate::discover::Behind;
use crate::transport::Transport;
use crate::{eybond, goe, modbus, shinemonitor};

pub use crate::eybond::{Loggers, redirect_logger};

/// What a link leads to.
pub(crate) enum Target {
    Device(Box<Device>),
    /// With the devices behind it.
    Gateway(Box<Gateway>, Vec<Device>),
}

/// Chosen by [`LinkSettings`], or those of the gateway, and by nothing else.
pub(crate) struct Driver {
    pub client: Box<dyn Client>,
    pub transport: Box<dyn Transport>,
}

/// Asks what is behind a gateway.
///
/// # Errors
/// Where nothing can tell, and with what cannot be read and what to check.
pub async fn behind(gateway: &Gateway, clock: &dyn Clock) -> Result<Behind, String> {
    match &gateway.link {
        GatewayLink::Modbus { .. } => Err(format!(
            "what hangs on a serial line does not tell; the addresses of gateway `{}` stand on its devices",
            gateway.id
        )),
        GatewayLink::Logger { .. } => Err(format!(
            "a data logger does not tell what hangs on it; the addresses of gateway `{}` stand on its devices",
            gateway.id
        )),
        GatewayLink::Shinemonitor(account) => shinemonitor::find(account, clock).await,
    }
}

/// What the links of one process have in common, so that ten thousand of them have one set-up of TLS.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    /// For plain HTTP to devices.
    pub http: links::http::Client,
    /// For WebSockets and brokers. Addresses are the administrator's own, so no guard stands in front.
    pub way: links::Way,
    /// For those who dial us.
    pub loggers: Loggers,
}

impl Shared {
    pub fn new(loggers: Loggers) -> Result<Self, Misfit> {
        let misfit = |failure: links::Failure| Misfit(failure.to_string());
        Ok(Self {
            http: links::http::Client::new(goe::LIMITS).map_err(misfit)?,
            way: links::Way::new(None, Arc::new(SystemResolver)).map_err(misfit)?,
            loggers,
        })
    }
}

/// Why a device cannot be talked to as it is configured. Ends in what to check.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Misfit(pub String);

impl Driver {
    pub fn of(target: &Target, shared: &Shared) -> Result<Self, Misfit> {
        match target {
            Target::Device(device) => Self::of_device(device, shared),
            Target::Gateway(gateway, devices) => match &gateway.link {
                GatewayLink::Modbus { address } => modbus::line(address, devices),
                GatewayLink::Shinemonitor(account) => shinemonitor::account(account, devices),
                GatewayLink::Logger { pass_on, .. } => eybond::driver(gateway, *pass_on, devices, shared),
            },
        }
    }

    fn of_device(device: &Device, shared: &Shared) -> Result<Self, Misfit> {
        match &device.link {
            LinkSettings::Goe(link) => goe::driver(device, link, shared),
            LinkSettings::Sunspec { address, unit } => modbus::sunspec(device, address, *unit),
            LinkSettings::Modbus {
                address,
                unit,
                definition,
            } => modbus::defined(device, address, *unit, definition),
            LinkSettings::Via { .. } | LinkSettings::None => Err(Misfit("no link is configured".to_owned())),
        }
    }
}
