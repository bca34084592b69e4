//! `ohmstead redirect`: a data logger is told to connect here.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::bail;

use super::print;

/// A datagram may get lost.
const ATTEMPTS: usize = 3;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Where a logger can connect to.
fn check(to: SocketAddrV4) -> anyhow::Result<()> {
    let ip = to.ip();
    if ip.is_unspecified() || ip.is_broadcast() || ip.is_multicast() || to.port() == 0 {
        bail!(
            "no data logger can connect to {to}: expected the address of this machine in its network, and the port in `listen` of [loggers], as in 192.168.1.10:502"
        );
    }
    Ok(())
}

pub async fn run(logger: Ipv4Addr, to: SocketAddrV4) -> anyhow::Result<()> {
    check(to)?;
    let mut last = None;
    for _ in 0..ATTEMPTS {
        match south::redirect_logger(logger.into(), to.into(), ANSWER_WITHIN).await {
            Ok(from) => {
                print(&format!(
                    "the data logger at {from} connects to {to} until it loses power"
                ));
                return Ok(());
            }
            Err(failure) => last = Some(failure),
        }
    }
    let why = last.map_or_else(String::new, |failure| format!(": {failure}"));
    bail!(
        "no data logger has answered at {logger}{why}; check that it is in this network segment and has power"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logger_is_only_sent_where_somebody_can_be() {
        for (to, expected) in [
            ("192.168.1.10:502", true),
            ("127.0.0.1:1", true),
            ("0.0.0.0:502", false),
            ("255.255.255.255:502", false),
            ("224.0.0.1:502", false),
            ("192.168.1.10:0", false),
        ] {
            let checked = check(to.parse().unwrap());
            assert_eq!(checked.is_ok(), expected, "{to}");
            if let Err(error) = checked {
                assert!(error.to_string().contains("192.168.1.10:502"), "{error}");
            }
        }
    }
}
