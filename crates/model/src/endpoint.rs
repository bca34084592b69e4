//! Where something listens.

use std::fmt;

/// Host and port of an address as it is configured. Shown, it is what was configured of the two and nothing
/// that could hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: String,
    /// `None`: none was said.
    pub port: Option<u16>,
    /// The port of the scheme, that of Modbus without one.
    pub usual_port: u16,
}

impl Endpoint {
    /// Reads a web or broker address (`http://192.168.1.50/ws`), or host and port (`192.168.1.50:502`).
    #[must_use]
    pub fn of(address: &str) -> Self {
        let (usual_port, rest) = match address.split_once("://") {
            Some(("https" | "wss", rest)) => (443, rest),
            Some(("mqtt", rest)) => (1_883, rest),
            Some(("mqtts", rest)) => (8_883, rest),
            Some((_, rest)) => (80, rest),
            None => (502, address),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let parts = place.rsplit_once(':');
        let parts = parts.and_then(|(host, port)| Some((host, port.parse().ok()?)));
        let (host, port) = parts.map_or((place, None), |(host, port)| (host, Some(port)));
        Self {
            host: host.to_owned(),
            port,
            usual_port,
        }
    }

    /// What is dialled.
    #[must_use]
    pub fn socket(&self) -> String {
        format!("{}:{}", self.host, self.port.unwrap_or(self.usual_port))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_shown_and_what_is_dialled() {
        for (address, shown, dialled) in [
            ("http://192.168.1.50", "192.168.1.50", "192.168.1.50:80"),
            (
                "http://192.168.1.50:8080/x",
                "192.168.1.50:8080",
                "192.168.1.50:8080",
            ),
            ("mqtt://[::1]", "[::1]", "[::1]:1883"),
            ("http://192.168.1.50/", "192.168.1.50", "192.168.1.50:80"),
            ("https://192.168.1.50/x", "192.168.1.50", "192.168.1.50:443"),
            ("wss://charger.local/ws", "charger.local", "charger.local:443"),
            ("ws://[fd00::1]/ws", "[fd00::1]", "[fd00::1]:80"),
            ("http://[fd00::1]:8080", "[fd00::1]:8080", "[fd00::1]:8080"),
            ("mqtt://broker", "broker", "broker:1883"),
            ("mqtts://broker", "broker", "broker:8883"),
            ("mqtt://broker:18830", "broker:18830", "broker:18830"),
            ("192.168.1.50:502", "192.168.1.50:502", "192.168.1.50:502"),
            ("192.168.1.50", "192.168.1.50", "192.168.1.50:502"),
            (
                "http://me:secret@192.168.1.50/x?token=abc",
                "192.168.1.50",
                "192.168.1.50:80",
            ),
            ("me:secret@10.0.0.1:502", "10.0.0.1:502", "10.0.0.1:502"),
            ("http://192.168.1.50?token=abc", "192.168.1.50", "192.168.1.50:80"),
        ] {
            let endpoint = Endpoint::of(address);
            assert_eq!(endpoint.to_string(), shown, "{address}");
            assert_eq!(endpoint.socket(), dialled, "{address}");
        }
    }
}
