//! Which chargers announce themselves in the local network.

use std::time::Duration;

use dialects::goe::announce;
use links::Failure;
use links::mdns::{Service, browse};

/// A charger that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// `http://192.168.1.50`, with the port if it is not 80.
    pub url: String,
    pub serial: String,
    pub name: String,
    /// What it is, in its own word.
    pub device_type: String,
    /// An energy meter of the same vendor, and no charger.
    pub is_controller: bool,
}

/// What is behind a gateway, whether or not anybody has named it to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Behind {
    /// Places and carriers, a line each, for people.
    pub notes: Vec<String>,
    pub devices: Vec<Nameable>,
}

/// A device that can be configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nameable {
    /// What it is called behind its gateway.
    pub unit: String,
    pub name: String,
    /// `kind` and, of a meter, `role`: what it may be as a device of ours. One with a battery is several; empty when it
    /// cannot be one.
    pub kinds: Vec<(&'static str, Option<&'static str>)>,
}

/// Asks the network and listens for `patience`.
///
/// # Errors
/// When the system gives no socket for it.
pub async fn chargers(patience: Duration) -> Result<Vec<Found>, Failure> {
    let services = browse(&announce::KINDS, patience).await?;
    Ok(services.iter().filter_map(found).collect())
}

fn found(service: &Service) -> Option<Found> {
    let announced = announce::read(&service.kind, &service.texts)?;
    let address = service.addresses.first()?;
    let host = if address.is_ipv6() {
        format!("[{address}]")
    } else {
        address.to_string()
    };
    let port = match service.port {
        80 => String::new(),
        other => format!(":{other}"),
    };
    Some(Found {
        url: format!("http://{host}{port}"),
        name: if announced.friendly_name.is_empty() {
            service.host.trim_end_matches('.').to_owned()
        } else {
            announced.friendly_name
        },
        serial: announced.serial,
        device_type: announced.device_type,
        is_controller: announced.is_controller,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_that_can_be_configured() {
        let service = |address: &str, port| Service {
            kind: "_http._tcp".to_owned(),
            host: "go-eCharger_000001.local.".to_owned(),
            port,
            addresses: vec![address.parse().unwrap()],
            texts: [("devicefamily".to_owned(), "goecharger".to_owned())].into(),
            ..Service::default()
        };
        for (address, port, expected) in [
            ("192.168.1.50", 80, "http://192.168.1.50"),
            ("192.168.1.50", 8080, "http://192.168.1.50:8080"),
            ("fe80::1", 80, "http://[fe80::1]"),
        ] {
            let found = found(&service(address, port)).unwrap();
            assert_eq!(
                (found.url.as_str(), found.name.as_str()),
                (expected, "go-eCharger_000001.local")
            );
        }
        let silent = Service::default();
        assert_eq!(found(&silent), None);
    }
}
