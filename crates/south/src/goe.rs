//! go-e chargers, by each of their interfaces. Addresses are the administrator's own, so no guard stands in front.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use dialects::goe;
use dialects::goe::client::websocket::{self, WebSocketSettings};
use links::outbound_guard::SystemResolver;
use links::{Limits, Way};
use model::device::{Device, GoeLink, GoeWay};
use model::time::Millis;

use crate::driver::{Driver, Misfit};
use crate::websocket::{WebSocket, secret};

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
        GoeWay::Http { url } => local(common(device, link)?, url),
        GoeWay::WebSocket { url, password_file } => {
            followed(common(device, link)?, url, password_file.as_deref())
        }
        other => Err(Misfit(format!(
            "a go-e charger is not spoken to at {} yet",
            other.address()
        ))),
    }
}

/// What is the same for every way.
fn common(device: &Device, link: &GoeLink) -> Result<goe::Common, Misfit> {
    let [evse] = device.evses() else {
        let count = device.evses().len();
        return Err(Misfit(format!(
            "a go-e charger has one EVSE, not {count}; check `evse` of this device"
        )));
    };
    Ok(goe::Common {
        evse: evse.id.clone(),
        poll: device.period,
        foreign: link.foreign,
        fall_back: link.fall_back,
    })
}

fn local(common: goe::Common, url: &str) -> Result<Driver, Misfit> {
    let transport = links::http::Client::new(LIMITS).map_err(|failure| Misfit(failure.to_string()))?;
    Ok(Driver {
        client: Box::new(goe::Client::with(common, url, FULL_STATUS_EVERY)),
        transport: Box::new(transport),
    })
}

fn followed(common: goe::Common, url: &str, password_file: Option<&Path>) -> Result<Driver, Misfit> {
    let password = password_file.map(secret).transpose()?;
    let settings = WebSocketSettings {
        url: url.to_owned(),
        password,
        seed: [random(), random()],
    };
    let way = Way::new(None, Arc::new(SystemResolver)).map_err(|failure| Misfit(failure.to_string()))?;
    Ok(Driver {
        client: Box::new(websocket::Client::new(common, settings)),
        transport: Box::new(WebSocket::new(url, LIMITS, way)),
    })
}

/// A number that nobody can guess, from the keys of the standard library's hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
