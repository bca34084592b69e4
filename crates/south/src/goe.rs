//! go-e chargers, by each of their interfaces. Addresses are the administrator's own, so no guard stands in front.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::time::Duration;

use dialects::goe;
use dialects::goe::client::modbus::{self, ModbusSettings};
use dialects::goe::client::mqtt::{self, MqttSettings};
use dialects::goe::client::websocket::{self, WebSocketSettings};
use links::Limits;
use model::device::{Device, GoeLink, GoeWay};
use model::time::Millis;

use crate::broker::Broker;
use crate::driver::{Driver, Misfit, Shared};
use crate::websocket::{WebSocket, secret};

/// What control needs is polled by its keys; the rest is for clients that read the charger through us. Some
/// chargers take seconds for a complete status and stop answering after days of being asked for it often
/// (go-eCharger-API-v2#170).
const FULL_STATUS_EVERY: Millis = Millis::from_seconds(30);

/// A setpoint may have to wait for a status under way, and must still leave within the reaction bound.
pub(crate) const LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(2),
    timeout: Duration::from_secs(4),
    // A complete status has 10 to 30 kB.
    max_body: 256 * 1024,
};

/// The internet may take its time.
const CLOUD_LIMITS: Limits = Limits {
    connect_timeout: Duration::from_secs(5),
    timeout: Duration::from_secs(10),
    max_body: 256 * 1024,
};

pub(crate) fn driver(device: &Device, link: &GoeLink, shared: &Shared) -> Result<Driver, Misfit> {
    match &link.way {
        GoeWay::Http { url } => Ok(local(common(device, link)?, url, shared)),
        GoeWay::WebSocket { url, password_file } => {
            followed(common(device, link)?, url, password_file.as_deref(), shared)
        }
        GoeWay::Mqtt {
            broker,
            prefix,
            user,
            password_file,
        } => {
            let credentials = match (user, password_file) {
                (Some(user), file) => Some(links::mqtt::Credentials {
                    user: user.clone(),
                    password: file.as_deref().map(secret).transpose()?.unwrap_or_default(),
                }),
                (None, _) => None,
            };
            published(common(device, link)?, broker, prefix, credentials, shared)
        }
        GoeWay::Modbus { address, unit } => Ok(registers(common(device, link)?, address, *unit)),
        GoeWay::Cloud {
            url,
            token_file,
            ca_file,
        } => cloud(common(device, link)?, url, token_file, ca_file.as_deref()),
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

fn local(common: goe::Common, url: &str, shared: &Shared) -> Driver {
    Driver {
        client: Box::new(goe::Client::with(common, url, FULL_STATUS_EVERY)),
        transport: Box::new(shared.http.clone()),
    }
}

fn followed(
    common: goe::Common,
    url: &str,
    password_file: Option<&Path>,
    shared: &Shared,
) -> Result<Driver, Misfit> {
    let password = password_file.map(secret).transpose()?;
    let settings = WebSocketSettings {
        url: url.to_owned(),
        password,
        seed: [random(), random()],
    };
    Ok(Driver {
        client: Box::new(websocket::Client::new(common, settings)),
        transport: Box::new(WebSocket::new(url, LIMITS, shared.way.clone())),
    })
}

fn published(
    common: goe::Common,
    broker: &str,
    prefix: &str,
    credentials: Option<links::mqtt::Credentials>,
    shared: &Shared,
) -> Result<Driver, Misfit> {
    let settings = MqttSettings {
        broker: broker.to_owned(),
        prefix: prefix.to_owned(),
    };
    let connection = links::mqtt::Settings {
        broker: broker
            .parse()
            .map_err(|error: links::mqtt::NoBroker| Misfit(error.to_string()))?,
        // Of two clients with one id a broker throws one out, so every process has its own.
        client: format!("ohmstead-{}-{:016x}", common.evse, random()),
        credentials,
        will: None,
        subscriptions: settings
            .filters()
            .map(|filter| (filter, links::mqtt::Qos::AtMostOnce))
            .to_vec(),
        limits: LIMITS,
    };
    Ok(Driver {
        client: Box::new(mqtt::Client::new(common, settings)),
        transport: Box::new(Broker::new(connection, shared.way.clone())),
    })
}

fn registers(common: goe::Common, address: &str, unit: u8) -> Driver {
    let settings = ModbusSettings {
        address: address.to_owned(),
        unit,
        full_every: FULL_STATUS_EVERY,
    };
    Driver {
        client: Box::new(modbus::Client::new(common, settings)),
        transport: Box::new(links::modbus_tcp::Client::new(address, LIMITS)),
    }
}

/// The vendor's cloud hears from a charger when something changes; asking it more often brings nothing.
fn cloud(
    common: goe::Common,
    url: &str,
    token_file: &Path,
    ca_file: Option<&Path>,
) -> Result<Driver, Misfit> {
    let token = secret(token_file)?;
    let authority = ca_file.map(secret).transpose()?;
    let transport = links::http::Client::trusting(CLOUD_LIMITS, authority.as_deref())
        .map_err(|failure| Misfit(failure.to_string()))?;
    Ok(Driver {
        client: Box::new(goe::Client::of_cloud(common, url, token)),
        transport: Box::new(transport),
    })
}

/// A number that nobody can guess, from the keys of the standard library's hash maps.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
