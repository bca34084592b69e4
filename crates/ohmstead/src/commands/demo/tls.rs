//! Everything once more over TLS.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;
use tokio::net::TcpListener;

use super::tell::Told;
use crate::listen;

/// Where TLS is when nobody else is there.
const SECURE_PORT: u16 = 8443;

/// The port for TLS: 8443 where that is free, else any.
pub async fn bind(beside: SocketAddr) -> anyhow::Result<TcpListener> {
    let usual = SocketAddr::new(beside.ip(), SECURE_PORT);
    // Who asks for any port has other instances running.
    match TcpListener::bind(usual).await {
        Ok(listener) => Ok(listener),
        Err(_) => listen::bind(SocketAddr::new(beside.ip(), 0)).await,
    }
}

pub fn tell(data: &Path, secure: SocketAddr) -> Told {
    let url = format!("https://{secure}");
    let ca = data.join("ca.pem").display().to_string();
    Told {
        rows: vec![("over TLS", format!("{url}, trust {ca}"))],
        json: Some(("tls", json!({"url": url, "ca_file": ca}))),
    }
}
