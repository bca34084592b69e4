//! Who announces itself in the local network, by multicast DNS.
//!
//! Asks for some kinds of services and listens for a while. What a service says of itself is not looked at.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use mdns_sd::{ResolvedService, ScopedIp, ServiceDaemon, ServiceEvent};
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;

/// Services that are kept. A house has some dozens.
const MOST_FOUND: usize = 1_000;

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Service {
    /// As it was asked for: `_http._tcp`.
    pub kind: String,
    /// With its kind and domain; unique in the network.
    pub name: String,
    pub host: String,
    pub port: u16,
    /// In their order, IPv4 first.
    pub addresses: Vec<IpAddr>,
    /// What it says of itself.
    pub texts: BTreeMap<String, String>,
}

/// The services of some kinds that answer within `patience`, ordered by name.
///
/// # Errors
/// When the system gives no socket for it.
pub async fn browse(kinds: &[&str], patience: Duration) -> Result<Vec<Service>, Failure> {
    let failed = |error: mdns_sd::Error| Failure::Other(format!("cannot ask the local network: {error}"));
    let daemon = ServiceDaemon::new().map_err(failed)?;
    let until = Instant::now() + patience;
    let mut hearing = Vec::new();
    for kind in kinds {
        let events = daemon.browse(&format!("{kind}.local.")).map_err(failed)?;
        hearing.push(async move {
            let mut found = BTreeMap::new();
            while let Ok(Ok(event)) = timeout_at(until, events.recv_async()).await {
                if let ServiceEvent::ServiceResolved(resolved) = event
                    && found.len() < MOST_FOUND
                {
                    found.insert(resolved.fullname.clone(), service(kind, &resolved));
                }
            }
            found
        });
    }
    let found = join_all(hearing).await;
    // Its thread ends by itself.
    let _ = daemon.shutdown();
    Ok(found.into_iter().flat_map(BTreeMap::into_values).collect())
}

fn service(kind: &str, resolved: &ResolvedService) -> Service {
    let mut addresses: Vec<IpAddr> = resolved.addresses.iter().map(ScopedIp::to_ip_addr).collect();
    addresses.sort_unstable();
    let texts = resolved.txt_properties.iter().map(|text| {
        let value = text.val().unwrap_or_default();
        (text.key().to_owned(), String::from_utf8_lossy(value).into_owned())
    });
    Service {
        kind: kind.to_owned(),
        name: resolved.fullname.clone(),
        host: resolved.host.clone(),
        port: resolved.port,
        addresses,
        texts: texts.collect(),
    }
}
