//! Which data logger a gateway is, where the settings leave its number open.

use std::sync::Arc;

use model::gateway::{AcceptedLogger, Gateway, GatewayLink, LoggerStates};
use model::site::Site;
use store::{StoreError, Typed};

use crate::State;

/// What this process can do with its data loggers. Without any it does nothing.
#[derive(Clone)]
pub struct Loggers {
    /// How they do.
    pub states: Arc<dyn Fn() -> LoggerStates + Send + Sync>,
    /// Lets the one that waits under a number have the place of the one that is there, and says whether one waits.
    pub take_over: Arc<dyn Fn(&str) -> bool + Send + Sync>,
    /// Tells a gateway its number.
    pub accept: Arc<dyn Fn(AcceptedLogger) + Send + Sync>,
}

impl Default for Loggers {
    fn default() -> Self {
        Self {
            states: Arc::new(LoggerStates::new),
            take_over: Arc::new(|_: &str| false),
            accept: Arc::new(|_: AcceptedLogger| {}),
        }
    }
}

/// Whether nobody has said yet which data logger a gateway is.
pub fn is_vacant(gateway: &Gateway, states: &LoggerStates) -> bool {
    let is_open = matches!(gateway.link, GatewayLink::Logger { pn: None, .. });
    is_open
        && !states
            .values()
            .any(|state| state.accepted.as_ref() == Some(&gateway.id))
}

/// The vacant gateways that devices of a site are behind, in the order of the settings.
pub fn vacant<'s>(state: &'s State, site: &Site, states: &LoggerStates) -> Vec<&'s Gateway> {
    let is_of_site = |gateway: &&Gateway| {
        let mut vias = site.devices.iter().filter_map(|device| device.link.via());
        vias.any(|(id, _)| *id == gateway.id)
    };
    let gateways = state.settings.gateways.iter().filter(is_of_site);
    gateways.filter(|gateway| is_vacant(gateway, states)).collect()
}

/// A vacant gateway is this data logger from now on, also after a restart.
pub async fn accept(state: &State, gateway: &Gateway, pn: &str) -> Result<(), StoreError> {
    let accepted = AcceptedLogger {
        gateway: gateway.id.clone(),
        pn: pn.to_owned(),
    };
    state.store.put(&accepted).await?;
    (state.loggers.accept)(accepted);
    Ok(())
}
