//! Dials a WebSocket.

use std::fmt;

use http::Uri;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::sips::Sips;
use super::{Messages, READ_BYTES, config, failure};
use crate::dial::{Stream, Way, dial};
use crate::failure::Failure;
use crate::limits::Limits;

/// One link to one server. Dropping it cuts the connection.
pub struct Client(Messages<Sips<Stream>>);

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client(…)")
    }
}

impl Client {
    /// Dials `ws://host/path` or `wss://host/path`. Messages may be `limits.max_body` long.
    ///
    /// # Errors
    /// When nobody is there within the limits, or somebody who does not speak WebSocket.
    pub async fn open(url: &str, limits: Limits, way: &Way) -> Result<Self, Failure> {
        let no_address = || {
            Failure::Other(format!(
                "`{url}` is no address; expected one like ws://192.168.1.50/ws"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| no_address())?;
        let tls = match uri.scheme_str() {
            Some("ws") => false,
            Some("wss") => true,
            Some(_) | None => return Err(no_address()),
        };
        let host = uri.host().ok_or_else(no_address)?;
        let host = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host)
            .to_owned();
        let port = uri.port_u16().unwrap_or(if tls { 443 } else { 80 });
        let stream = dial(&host, port, tls, way, limits.connect_timeout).await?;
        let stream = Sips::new(stream, READ_BYTES);
        let shaking = client_async_with_config(uri, stream, Some(config(limits.max_body)));
        match timeout(limits.timeout, shaking).await {
            Ok(Ok((shaken, _))) => {
                // The buffer of the handshake is four times as large and stays; nothing else is in it by now.
                let (stream, config) = (shaken.into_inner(), config(limits.max_body));
                let stream = WebSocketStream::from_raw_socket(stream, Role::Client, Some(config)).await;
                Ok(Self(Messages::over(stream, limits.timeout)))
            }
            Ok(Err(Error::Http(answer))) => Err(Failure::Other(format!(
                "HTTP {} in place of a WebSocket",
                answer.status().as_u16()
            ))),
            Ok(Err(error)) => Err(failure(error)),
            Err(_) => Err(Failure::timed_out(limits.timeout)),
        }
    }

    /// The next message, text or not; `None` when the server has said goodbye. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// When the connection fails, or sends what is no message or too long a one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.0.next().await
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the connection fails or the server does not take it within the limits.
    pub async fn send(&mut self, text: String) -> Result<(), Failure> {
        self.0.send(text).await
    }
}
