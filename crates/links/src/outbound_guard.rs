//! The outbound guard: what may be dialled because somebody asked.
//!
//! Addresses of webhooks and callbacks come from users, and this process stands inside the network that
//! they may want to reach. So only addresses of the public internet may be dialled, over HTTP and HTTPS,
//! unless the administrator allows a network or a host. Brokers of vehicles pass by their address. Links to devices do not pass here: their addresses
//! are in the administrator's own file.
//!
//! A name is resolved once, when the connection is made, and the connection goes to the very addresses that
//! were checked: a name that answers differently a moment later (DNS rebinding) gains nothing.
//!
//! The special-purpose networks are those of the IANA registries for IPv4 and IPv6.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, RwLock};

use reqwest::Url;

/// The longest address that is taken, in bytes.
const LONGEST_URL: usize = 2_048;
/// Below this only the ports of HTTP itself are dialled: the others belong to services that are not HTTP.
const FIRST_FREE_PORT: u16 = 1_024;
/// Ports of services that would take an HTTP request for something else.
const FOREIGN_PORTS: &[u16] = &[
    1_719, 1_720, 1_723, 2_049, 3_306, 3_659, 4_045, 5_060, 5_061, 5_432, 6_000, 6_379, 6_566, 6_665, 6_666,
    6_667, 6_668, 6_669, 6_679, 6_697, 10_080, 11_211,
];

/// What an address is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Somewhere on the internet.
    Public,
    Loopback,
    /// RFC 1918, and unique local addresses of IPv6.
    Private,
    LinkLocal,
    /// Between a provider and its customers (carrier-grade NAT).
    Shared,
    /// Where clouds tell their machines secrets.
    Metadata,
    Documentation,
    /// Protocol assignments, tunnels, benchmarks, future use.
    Reserved,
    Multicast,
    Broadcast,
    Unspecified,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Self::Public => "a public",
            Self::Loopback => "a loopback",
            Self::Private => "a private",
            Self::LinkLocal => "a link-local",
            Self::Shared => "a shared (carrier-grade NAT)",
            Self::Metadata => "a cloud metadata",
            Self::Documentation => "a documentation",
            Self::Reserved => "a reserved",
            Self::Multicast => "a multicast",
            Self::Broadcast => "a broadcast",
            Self::Unspecified => "an unspecified",
        }
    }
}

/// Says what an address is good for. An IPv6 address that stands for an IPv4 address (mapped, compatible,
/// NAT64, 6to4, ISATAP) is what that one is.
#[must_use]
pub fn kind_of(address: IpAddr) -> Kind {
    match unwrapped(address) {
        IpAddr::V4(address) => kind_of_v4(address),
        IpAddr::V6(address) => kind_of_v6(address),
    }
}

const METADATA_V4: &[Ipv4Addr] = &[
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(192, 0, 0, 192),
];
const METADATA_V6: &[Ipv6Addr] = &[
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
];

fn kind_of_v4(address: Ipv4Addr) -> Kind {
    if METADATA_V4.contains(&address) {
        return Kind::Metadata;
    }
    match address.octets() {
        [0, 0, 0, 0] => Kind::Unspecified,
        [255, 255, 255, 255] => Kind::Broadcast,
        [127, ..] => Kind::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Kind::Private,
        [169, 254, ..] => Kind::LinkLocal,
        [100, 64..=127, ..] => Kind::Shared,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => Kind::Documentation,
        [224..=239, ..] => Kind::Multicast,
        [0 | 240..=255, ..] | [192, 0, 0, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => Kind::Reserved,
        _ => Kind::Public,
    }
}

fn kind_of_v6(address: Ipv6Addr) -> Kind {
    if METADATA_V6.contains(&address) {
        return Kind::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Kind::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => Kind::Loopback,
        [0xfc00..=0xfdff, ..] => Kind::Private,
        // Site-local addresses are deprecated and still routed by old equipment.
        [0xfe80..=0xfeff, ..] => Kind::LinkLocal,
        [0xff00..=0xffff, ..] => Kind::Multicast,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => Kind::Documentation,
        // Protocol assignments, Teredo and ORCHID among them.
        [0x2001, 0..=0x01ff, ..] => Kind::Reserved,
        [0x2000..=0x3fff, ..] => Kind::Public,
        _ => Kind::Reserved,
    }
}

/// The IPv4 address that an IPv6 address stands for, else the address itself.
fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        // Unspecified and loopback are themselves and not the IPv4 addresses 0.0.0.0 and 0.0.0.1.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => address,
        // Compatible, mapped, translated.
        [0, 0, 0, 0, 0, 0 | 0xffff, high, low] | [0, 0, 0, 0, 0xffff, 0, high, low] => v4(high, low),
        // NAT64.
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        // 6to4.
        [0x2002, high, low, ..] => v4(high, low),
        // ISATAP.
        [_, _, _, _, 0 | 0x0200, 0x5efe, high, low] => v4(high, low),
        _ => address,
    }
}

/// Why something is not dialled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    #[error("this is no address: {0}")]
    NoUrl(String),
    #[error("the address has {given} bytes, expected at most {LONGEST_URL}")]
    TooLong { given: usize },
    #[error("{given} is not dialled, expected http or https")]
    Scheme { given: String },
    #[error("an address with a user name or password in it is not dialled")]
    UserInfo,
    #[error(
        "port {port} is not dialled, expected 80, 443 or one above 1023 that belongs to no other service"
    )]
    Port { port: u16 },
    #[error(
        "{host} is {} address; an administrator may allow it under [outbound] in the configuration file",
        .kind.word()
    )]
    Address { host: String, kind: Kind },
}

/// Why an entry of the allow-list is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{entry}\" is neither a network nor a host, expected for example \"192.168.1.0/24\" or \"hooks.example.org\""
)]
pub struct NoEntry {
    pub entry: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address = address.parse::<IpAddr>().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
        (bits <= most).then_some(Self { address, bits })
    }

    fn is_single(self) -> bool {
        self.bits == if self.address.is_ipv4() { 32 } else { 128 }
    }

    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                own.to_bits() & mask == other.to_bits() & mask
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// What the administrator allows beyond the public internet.
///
/// An allowed network may be dialled as far as its addresses can be connected to. An allowed host may also
/// have loopback, private and shared addresses. The places where clouds keep secrets need an entry of their
/// own: the single address.
#[derive(Debug, Default)]
pub struct Guard {
    allowed: RwLock<Allowed>,
    /// What that one lets pass may be dialled too.
    also: Option<Arc<Guard>>,
}

#[derive(Clone, Debug, Default)]
struct Allowed {
    networks: Vec<Network>,
    hosts: Vec<String>,
}

impl Guard {
    /// # Errors
    /// With the first entry that is neither a network nor a host name.
    pub fn new<S: AsRef<str>>(allow: &[S]) -> Result<Self, NoEntry> {
        let mut guard = Allowed::default();
        for entry in allow.iter().map(|entry| entry.as_ref().trim()) {
            if let Some(network) = Network::parse(entry) {
                guard.networks.push(network);
            } else if is_host_name(entry) {
                guard.hosts.push(canonical(entry));
            } else {
                return Err(NoEntry {
                    entry: entry.to_owned(),
                });
            }
        }
        Ok(Self {
            allowed: RwLock::new(guard),
            also: None,
        })
    }

    /// Allows what another one does as well, as it does at the time.
    #[must_use]
    pub fn or(mut self, other: Arc<Self>) -> Self {
        self.also = Some(other);
        self
    }

    /// From now on allows what another one does.
    pub fn become_like(&self, other: &Self) {
        let allowed = other
            .allowed
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        *self.allowed.write().unwrap_or_else(PoisonError::into_inner) = allowed;
    }

    /// Checks an address as somebody wrote it, as far as that can be done without asking for names.
    ///
    /// # Errors
    /// With what is wrong with it.
    pub fn check(&self, text: &str) -> Result<(), Denied> {
        if text.len() > LONGEST_URL {
            return Err(Denied::TooLong { given: text.len() });
        }
        let url = Url::parse(text).map_err(|error| Denied::NoUrl(error.to_string()))?;
        self.check_url(&url)
    }

    /// The same for an address that has been read already; literal addresses included.
    pub(crate) fn check_url(&self, url: &Url) -> Result<(), Denied> {
        if url.as_str().len() > LONGEST_URL {
            return Err(Denied::TooLong {
                given: url.as_str().len(),
            });
        }
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Denied::Scheme {
                given: url.scheme().to_owned(),
            });
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Denied::UserInfo);
        }
        let port = url.port_or_known_default().unwrap_or(0);
        let fits = matches!(port, 80 | 443) || port >= FIRST_FREE_PORT && !FOREIGN_PORTS.contains(&port);
        if !fits {
            return Err(Denied::Port { port });
        }
        let host = url
            .host_str()
            .ok_or_else(|| Denied::NoUrl("there is no host in it".to_owned()))?;
        match literal(host) {
            Some(address) => self.check_address(host, address),
            None => Ok(()),
        }
    }

    /// Checks an address that a host was resolved to.
    ///
    /// # Errors
    /// With what the address is, when it must not be dialled.
    pub fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Denied> {
        let kind = kind_of(address);
        let plain = unwrapped(address);
        let held = self.allowed.read().unwrap_or_else(PoisonError::into_inner);
        let mut networks = held.networks.iter().filter(|network| network.contains(plain));
        let allowed = match kind {
            Kind::Public => true,
            Kind::Loopback | Kind::Private | Kind::Shared => {
                networks.next().is_some() || held.hosts.contains(&canonical(host))
            }
            Kind::LinkLocal | Kind::Documentation | Kind::Reserved => networks.next().is_some(),
            Kind::Metadata => networks.any(|network| network.is_single()),
            Kind::Multicast | Kind::Broadcast | Kind::Unspecified => false,
        };
        drop(held);
        let is_also = || {
            self.also
                .as_ref()
                .is_some_and(|also| also.check_address(host, address).is_ok())
        };
        if allowed || is_also() {
            Ok(())
        } else {
            Err(Denied::Address {
                host: host.to_owned(),
                kind,
            })
        }
    }
}

fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

fn canonical(host: &str) -> String {
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let name = text.trim_end_matches('.');
    name.len() <= 253
        && name.split('.').all(is_label)
        // What looks like a number is an address written in a way that nobody should.
        && name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().any(|b| b.is_ascii_alphabetic()))
}

/// The addresses of a name, as they come.
pub type Resolving = Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>>;

/// Who knows the addresses of names: the system, or in tests a table.
pub trait Resolver: fmt::Debug + Send + Sync {
    fn resolve(&self, host: &str) -> Resolving;
}

/// Asks the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve(&self, host: &str) -> Resolving {
        let host = host.to_owned();
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            Ok(found.map(|address| address.ip()).collect())
        })
    }
}

/// Stands between the HTTP client and the resolver: a connection is only made to what has been checked.
#[derive(Clone, Debug)]
pub(crate) struct Checked {
    pub guard: Arc<Guard>,
    pub resolver: Arc<dyn Resolver>,
}

impl Checked {
    /// The addresses of a host that may be dialled.
    async fn addresses(self, host: String) -> Result<Vec<IpAddr>, Box<dyn std::error::Error + Send + Sync>> {
        let mut allowed = Vec::new();
        let mut denied = None;
        for address in self.resolver.resolve(&host).await? {
            match self.guard.check_address(&host, address) {
                Ok(()) => allowed.push(address),
                Err(error) => denied = Some(error),
            }
        }
        match denied {
            Some(denied) if allowed.is_empty() => Err(denied.into()),
            Some(_) | None => Ok(allowed),
        }
    }
}

impl reqwest::dns::Resolve for Checked {
    fn resolve(&self, name: reqwest::dns::Name) -> reqwest::dns::Resolving {
        let addresses = self.clone().addresses(name.as_str().to_owned());
        Box::pin(async move {
            let found = addresses.await?;
            let sockets = found
                .into_iter()
                .map(|address| std::net::SocketAddr::new(address, 0));
            Ok(Box::new(sockets) as reqwest::dns::Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_what_they_are_good_for() {
        use Kind::{
            Broadcast, Documentation, LinkLocal, Loopback, Metadata, Multicast, Private, Public, Reserved,
            Shared, Unspecified,
        };
        for (address, expected) in [
            ("1.1.1.1", Public),
            ("9.255.255.255", Public),
            ("11.0.0.0", Public),
            ("93.184.216.34", Public),
            ("100.63.255.255", Public),
            ("100.128.0.0", Public),
            ("126.255.255.255", Public),
            ("128.0.0.0", Public),
            ("169.253.255.255", Public),
            ("172.15.255.255", Public),
            ("172.32.0.0", Public),
            ("192.0.1.0", Public),
            ("192.167.255.255", Public),
            ("192.169.0.0", Public),
            ("198.17.255.255", Public),
            ("198.20.0.0", Public),
            ("223.255.255.255", Public),
            ("0.0.0.0", Unspecified),
            ("0.0.0.1", Reserved),
            ("0.255.255.255", Reserved),
            ("10.0.0.0", Private),
            ("10.255.255.255", Private),
            ("100.64.0.0", Shared),
            ("100.127.255.255", Shared),
            ("100.100.100.200", Metadata),
            ("127.0.0.1", Loopback),
            ("127.255.255.254", Loopback),
            ("168.63.129.16", Metadata),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("169.254.170.2", Metadata),
            ("172.16.0.0", Private),
            ("172.31.255.255", Private),
            ("192.0.0.1", Reserved),
            ("192.0.0.192", Metadata),
            ("192.0.2.1", Documentation),
            ("192.88.99.1", Reserved),
            ("192.168.0.1", Private),
            ("192.168.255.255", Private),
            ("198.18.0.0", Reserved),
            ("198.19.255.255", Reserved),
            ("198.51.100.7", Documentation),
            ("203.0.113.7", Documentation),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.254", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("::1", Loopback),
            ("::2", Reserved),
            ("2606:4700:4700::1111", Public),
            ("2a00:1450:4001::1", Public),
            ("3ffe::1", Public),
            ("fc00::1", Private),
            ("fd12:3456::1", Private),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", LinkLocal),
            ("ff02::1", Multicast),
            ("2001:db8::1", Documentation),
            ("3fff:fff::1", Documentation),
            ("3fff:1000::1", Public),
            ("2001::1", Reserved),
            ("2001:2::1", Reserved),
            ("2001:20::1", Reserved),
            ("2001:200::1", Public),
            ("100::1", Reserved),
            ("5f00::1", Reserved),
            ("4000::1", Reserved),
            ("64:ff9b:1::1", Reserved),
            // IPv4 in other clothes.
            ("::ffff:127.0.0.1", Loopback),
            ("::ffff:10.0.0.1", Private),
            ("::ffff:169.254.169.254", Metadata),
            ("::ffff:0.0.0.0", Unspecified),
            ("::ffff:8.8.8.8", Public),
            ("::ffff:0:192.168.1.1", Private),
            ("::127.0.0.1", Loopback),
            ("::192.168.1.1", Private),
            ("64:ff9b::7f00:1", Loopback),
            ("64:ff9b::a9fe:a9fe", Metadata),
            ("64:ff9b::808:808", Public),
            ("2002:7f00:1::", Loopback),
            ("2002:c0a8:101::1", Private),
            ("2002:808:808::1", Public),
            ("2a00:1450::5efe:c0a8:101", Private),
            ("2a00:1450::200:5efe:7f00:1", Loopback),
        ] {
            assert_eq!(kind_of(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn addresses_as_somebody_wrote_them() {
        let guard = Guard::new(&["192.168.7.0/24", "nas.example"]).unwrap();
        let long = format!("https://hooks.example/{}", "x".repeat(2_100));
        for (url, expected) in [
            ("https://hooks.example/alarm?key=1", "ok"),
            ("http://hooks.example:8123/", "ok"),
            ("HTTPS://HOOKS.EXAMPLE:443", "ok"),
            ("http://192.168.7.9/x", "ok"),
            ("http://[::ffff:192.168.7.9]/x", "ok"),
            ("http://8.8.8.8/", "ok"),
            ("", "no address"),
            ("hooks.example/alarm", "no address"),
            ("/alarm", "no address"),
            ("http://", "no address"),
            ("http://[fe80::1%25eth0]/", "no address"),
            ("http://exa mple/", "no address"),
            (&long, "at most 2048"),
            ("ftp://hooks.example/", "expected http or https"),
            ("file:///etc/passwd", "expected http or https"),
            ("gopher://hooks.example/", "expected http or https"),
            ("javascript:alert(1)", "expected http or https"),
            ("data:text/plain,x", "expected http or https"),
            ("http://user@hooks.example/", "user name or password"),
            ("http://user:secret@hooks.example/", "user name or password"),
            ("http://:secret@hooks.example/", "user name or password"),
            ("http://hooks.example\\@127.0.0.1/", "ok"),
            ("http://hooks.example:0/", "port 0"),
            ("http://hooks.example:22/", "port 22"),
            ("http://hooks.example:25/", "port 25"),
            ("http://hooks.example:6379/", "port 6379"),
            ("http://127.0.0.1/", "a loopback address"),
            ("http://127.1/", "a loopback address"),
            ("http://2130706433/", "a loopback address"),
            ("http://0x7f.0.0.1/", "a loopback address"),
            ("http://0177.0.0.1/", "a loopback address"),
            ("http://127.0.0.1./", "a loopback address"),
            ("http://1２7.0.0.1/", "a loopback address"),
            ("http://0/", "an unspecified address"),
            ("http://[::]/", "an unspecified address"),
            ("http://[::1]/", "a loopback address"),
            ("http://[::ffff:7f00:1]/", "a loopback address"),
            ("http://[64:ff9b::127.0.0.1]/", "a loopback address"),
            (
                "http://169.254.169.254/latest/meta-data",
                "a cloud metadata address",
            ),
            ("http://192.168.8.1/", "a private address"),
            ("http://224.0.0.1/", "a multicast address"),
        ] {
            let got = guard
                .check(url)
                .map_or_else(|error| error.to_string(), |()| "ok".to_owned());
            assert!(got.contains(expected), "{url}: {got}, expected {expected}");
        }
    }

    #[test]
    fn what_an_administrator_can_allow() {
        let check = |allow: &[&str], host: &str, address: &str, expected: bool| {
            let guard = Guard::new(allow).unwrap();
            let got = guard.check_address(host, address.parse().unwrap());
            assert_eq!(got.is_ok(), expected, "{allow:?} {host} {address}");
        };
        check(&[], "x.example", "10.0.0.1", false);
        check(&["10.0.0.0/8"], "x.example", "10.0.0.1", true);
        check(&["10.0.0.0/8"], "x.example", "::ffff:10.0.0.1", true);
        check(&["10.0.0.0/8"], "x.example", "11.0.0.1", true);
        check(&["10.0.0.0/8"], "x.example", "192.168.0.1", false);
        check(&["10.0.0.1"], "x.example", "10.0.0.1", true);
        check(&["10.0.0.1"], "x.example", "10.0.0.2", false);
        check(&["0.0.0.0/0"], "x.example", "10.0.0.1", true);
        check(&["0.0.0.0/0"], "x.example", "169.254.169.254", false);
        check(&["169.254.0.0/16"], "x.example", "169.254.1.1", true);
        check(&["169.254.0.0/16"], "x.example", "169.254.169.254", false);
        check(&["169.254.169.254"], "x.example", "169.254.169.254", true);
        check(&["0.0.0.0/0"], "x.example", "224.0.0.1", false);
        check(&["0.0.0.0/0"], "x.example", "0.0.0.0", false);
        check(&["fd00::/8"], "x.example", "fd12::1", true);
        check(&["fd00::/8"], "x.example", "fd00:ec2::254", false);
        check(&["::1"], "x.example", "::1", true);
        check(&["nas.example"], "nas.example", "192.168.0.9", true);
        check(&["nas.example"], "NAS.example.", "192.168.0.9", true);
        check(&["nas.example"], "nas.example", "127.0.0.1", true);
        check(&["nas.example"], "nas.example", "169.254.169.254", false);
        check(&["nas.example"], "nas.example", "169.254.1.1", false);
        check(&["nas.example"], "x.nas.example", "192.168.0.9", false);
    }

    #[test]
    fn one_may_allow_what_another_does_too() {
        let other = Arc::new(Guard::new(&["127.0.0.1"]).unwrap());
        let guard = Guard::new(&["10.0.0.0/8"]).unwrap().or(other.clone());
        let allows = |address: &str| guard.check_address("x.example", address.parse().unwrap()).is_ok();
        assert!(allows("10.0.0.1") && allows("127.0.0.1") && !allows("192.168.0.1"));
        other.become_like(&Guard::new(&["192.168.0.1"]).unwrap());
        assert!(allows("10.0.0.1") && !allows("127.0.0.1") && allows("192.168.0.1"));
        assert!(guard.check("http://192.168.0.1/").is_ok());
    }

    #[test]
    fn entries_that_are_none_are_named() {
        for entry in [
            "",
            "10.0.0.0/33",
            "10.0.0/8",
            "*.example",
            "http://x",
            "a b",
            "-x",
            "0x7f.1",
        ] {
            let error = Guard::new(&[entry]).unwrap_err();
            assert_eq!(error.entry, entry);
        }
        assert!(Guard::new(&["localhost", "a.example.", "fd00::/8", "10.0.0.0/8"]).is_ok());
    }
}
