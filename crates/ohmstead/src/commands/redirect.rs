//! `ohmstead redirect`: a data logger is told to connect here.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use anyhow::bail;

use super::print;

/// A datagram may get lost.
const ATTEMPTS: usize = 3;
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

pub async fn run(logger: Ipv4Addr, to: SocketAddrV4) -> anyhow::Result<()> {
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
