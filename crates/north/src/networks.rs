//! Networks as people write them: `192.168.1.0/24`, `fd00::/8`, or a single address.

use std::net::IpAddr;

/// Whether an address is in one of the networks. A text that is no network holds nobody.
#[must_use]
pub fn any_holds(networks: &[String], address: IpAddr) -> bool {
    networks.iter().any(|network| holds(network, address))
}

/// Whether a text is a network.
#[must_use]
pub fn is_network(text: &str) -> bool {
    let (address, bits) = text
        .split_once('/')
        .map_or((text, None), |(address, bits)| (address, Some(bits)));
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let most = if address.is_ipv4() { 32 } else { 128 };
    bits.is_none_or(|bits| bits.parse::<u8>().is_ok_and(|bits| bits <= most))
}

fn holds(network: &str, address: IpAddr) -> bool {
    let (base, bits) = network
        .split_once('/')
        .map_or((network, None), |(base, bits)| (base, Some(bits)));
    let Ok(base) = base.trim().parse::<IpAddr>() else {
        return false;
    };
    let (base, width) = number(base);
    let (address, address_width) = number(address);
    let bits = match bits {
        Some(bits) => bits.trim().parse().ok().filter(|bits| *bits <= width),
        None => Some(width),
    };
    let Some(bits) = bits else { return false };
    let differs = base ^ address;
    width == address_width && (bits == 0 || differs >> (width - bits) == 0)
}

/// An address as a number and its width. An IPv4 address that came over an IPv6 socket is an IPv4 address.
fn number(address: IpAddr) -> (u128, u32) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses() {
        for (network, address, expected) in [
            ("127.0.0.0/8", "127.0.0.1", true),
            ("127.0.0.0/8", "::ffff:127.0.0.1", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("192.168.1.7", "192.168.1.7", true),
            ("192.168.1.7", "192.168.1.8", false),
            ("192.168.1.0/24", "192.168.1.255", true),
            ("192.168.1.0/24", "192.168.2.1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "::1", false),
            ("::1/128", "::1", true),
            ("fd00::/8", "fd12::1", true),
            ("::/0", "fe80::1", true),
            ("10.0.0.0/33", "10.0.0.0", false),
            ("garage", "10.0.0.1", false),
            ("", "0.0.0.0", false),
        ] {
            assert_eq!(
                holds(network, address.parse().unwrap()),
                expected,
                "{network} {address}"
            );
        }
    }
}
