//! go-e chargers in the local network: the charger's own HTTP API v2.

use std::time::Duration;

use dialects::goe;
use links::Limits;
use model::device::{Device, GoeLink, GoeWay};
use model::time::Millis;

use crate::driver::{Driver, Misfit};

/// What control needs is polled by its keys; the rest is for clients that read the charger through us. Some
/// chargers take seconds for a complete status and stop answering after days of being asked for it often
/// (go-eCharger-API-v2#170).
const FULL_STATUS_EVERY: Millis = Millis::from_seconds(30);

/// A setpoint may have to wait for a status under way, and must still leave within the reaction bound.
const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(4),
    // A complete status has 10 to 30 kB.
    max_body: 256 * 1024,
};

pub(crate) fn driver(device: &Device, link: &GoeLink) -> Result<Driver, Misfit> {
    match &link.way {
        GoeWay::Http { url } => local(device, url),
        other => Err(Misfit(format!(
            "a go-e charger is not spoken to at {} yet",
            other.address()
        ))),
    }
}

fn local(device: &Device, url: &str) -> Result<Driver, Misfit> {
    let [evse] = device.evses() else {
        let count = device.evses().len();
        return Err(Misfit(format!(
            "a go-e charger has one EVSE, not {count}; check `evse` of this device"
        )));
    };
    let settings = goe::GoeClientSettings {
        evse: evse.id.clone(),
        url: url.to_owned(),
        poll: device.period,
        full_every: FULL_STATUS_EVERY,
    };
    let transport = links::http::Client::new(LIMITS).map_err(|failure| Misfit(failure.to_string()))?;
    Ok(Driver {
        client: Box::new(goe::Client::new(settings)),
        transport: Box::new(transport),
    })
}
