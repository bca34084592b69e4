//! Which addresses a browser may be using us under, and from where it may write.
//!
//! Pure rules over header texts. They stand against pages of strangers in the owner's browser: DNS
//! rebinding (a foreign name that resolves to us) and writes sent from another site. A caller that is no
//! browser sends what it likes; it needs a credential like everybody else.

use std::net::{IpAddr, Ipv6Addr};

/// Whether a `Host` header names us: an IP literal, `localhost` (or a name below it), or one of `names`.
/// For the go-e doors also [`goe_serial_of_host`] does.
#[must_use]
pub fn host_allowed(host: &str, names: &[String]) -> bool {
    let Some((name, _)) = split_host(host) else {
        return false;
    };
    let is_localhost = name == "localhost" || name.ends_with(".localhost");
    is_localhost
        || is_ip_literal(&name)
        || names
            .iter()
            .any(|own| own.trim_end_matches('.').eq_ignore_ascii_case(&name))
}

/// The serial number in a `Host` header as the go-e cloud uses it: no IP literal, and a first label of one
/// to six digits. At least two labels: a lone number is an IPv4 address to most resolvers.
#[must_use]
pub fn goe_serial_of_host(host: &str) -> Option<String> {
    let (name, _) = split_host(host)?;
    let (label, rest) = name.split_once('.')?;
    let is_serial = (1..=6).contains(&label.len()) && label.bytes().all(|byte| byte.is_ascii_digit());
    (is_serial && !rest.is_empty() && !is_ip_literal(&name)).then(|| label.to_owned())
}

/// What a request says of where it comes from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sender<'a> {
    pub host: &'a str,
    pub origin: Option<&'a str>,
    pub sec_fetch_site: Option<&'a str>,
}

/// Whether a request may come from there. Reads may come from anywhere; a write, by whatever method, must
/// not come from a page of another origin. `is_write` is said by the door: some dialects write by `GET`.
#[must_use]
pub fn origin_allowed(is_write: bool, sender: &Sender<'_>) -> bool {
    if !is_write {
        return true;
    }
    // `none` is a person who typed the address. `same-site` is another port or a neighbour's name: foreign.
    let site_fits = sender
        .sec_fetch_site
        .is_none_or(|site| matches!(site, "same-origin" | "none"));
    site_fits
        && sender
            .origin
            .is_none_or(|origin| is_same_origin(origin, sender.host))
}

/// Compares host and port; a missing port is the usual one of the origin's scheme, since we may stand
/// behind somebody who speaks TLS for us.
fn is_same_origin(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else {
        return false;
    };
    let usual_port = match scheme {
        "http" => 80,
        "https" => 443,
        _ => return false,
    };
    match (split_host(authority), split_host(host)) {
        (Some((theirs, their_port)), Some((ours, our_port))) => {
            theirs == ours && their_port.unwrap_or(usual_port) == our_port.unwrap_or(usual_port)
        }
        (None, _) | (_, None) => false,
    }
}

/// Lower-case name without a final dot, brackets kept out, and the port. `None` when it is malformed.
fn split_host(host: &str) -> Option<(String, Option<u16>)> {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (literal, rest) = rest.split_once(']')?;
            literal.parse::<Ipv6Addr>().ok()?;
            (
                literal,
                if rest.is_empty() {
                    None
                } else {
                    Some(rest.strip_prefix(':')?)
                },
            )
        }
        None => match host.split_once(':') {
            Some((name, port)) => (name, Some(port)),
            None => (host, None),
        },
    };
    let port = match port {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    (!name.is_empty()).then_some((name, port))
}

fn is_ip_literal(name: &str) -> bool {
    name.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_name_us() {
        let names = ["ohmstead.example".to_owned()];
        for (host, expected) in [
            ("127.0.0.1", true),
            ("127.0.0.1:8080", true),
            ("192.168.1.7:80", true),
            ("[::1]:8080", true),
            ("[fe80::1]", true),
            ("localhost:8080", true),
            ("LocalHost", true),
            ("000001.localhost:8080", true),
            ("ohmstead.example", true),
            ("OHMSTEAD.example.:443", true),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("sub.ohmstead.example", false),
            ("000001.api.v3.go-e.io", false),
            ("", false),
            (":8080", false),
            ("127.0.0.1:port", false),
            ("127.0.0.1:99999", false),
            ("[::1", false),
            ("[evil]", false),
            ("::1", false),
            ("a:b:c", false),
        ] {
            assert_eq!(host_allowed(host, &names), expected, "{host:?}");
        }
    }

    #[test]
    fn hosts_that_name_a_charger() {
        for (host, expected) in [
            ("000001.api.v3.go-e.io", Some("000001")),
            ("1.charger.example:8080", Some("1")),
            ("000001.localhost", Some("000001")),
            ("1.2.3.4", None),
            ("127.0.0.1:8080", None),
            ("[::1]:80", None),
            ("1234567.api.v3.go-e.io", None),
            ("00000a.api.v3.go-e.io", None),
            ("api.v3.go-e.io", None),
            ("000001", None),
            ("000001.", None),
            ("", None),
        ] {
            assert_eq!(goe_serial_of_host(host).as_deref(), expected, "{host:?}");
        }
    }

    #[test]
    fn writes_come_from_our_own_page_or_no_page_at_all() {
        let host = "127.0.0.1:8080";
        for (origin, site, host, expected) in [
            (None, None, host, true),
            (Some("http://127.0.0.1:8080"), Some("same-origin"), host, true),
            (Some("http://127.0.0.1:8080"), None, host, true),
            (None, Some("none"), host, true),
            (None, Some("cross-site"), host, false),
            (None, Some("same-site"), host, false),
            (Some("http://127.0.0.1:8080"), Some("cross-site"), host, false),
            (Some("http://127.0.0.1:9000"), None, host, false),
            (Some("http://evil.example"), None, host, false),
            (Some("null"), None, host, false),
            (Some(""), None, host, false),
            (Some("file://"), None, host, false),
            (Some("ftp://127.0.0.1:8080"), None, host, false),
            (Some("https://ohmstead.example"), None, "ohmstead.example", true),
            (
                Some("https://Ohmstead.example:443"),
                None,
                "ohmstead.example",
                true,
            ),
            (Some("http://ohmstead.example"), None, "ohmstead.example:80", true),
            (
                Some("http://ohmstead.example"),
                None,
                "ohmstead.example:443",
                false,
            ),
            (Some("http://[::1]:8080"), None, "[::1]:8080", true),
        ] {
            let sender = Sender {
                host,
                origin,
                sec_fetch_site: site,
            };
            assert_eq!(origin_allowed(true, &sender), expected, "{sender:?}");
            assert!(origin_allowed(false, &sender), "a read with {sender:?}");
        }
    }
}
