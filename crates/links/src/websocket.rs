//! WebSockets over a connection of HTTP/1.1, both sides: whole messages and their bounds.
//!
//! What a message says is not looked at. Buffers are small, because there may be very many links that say little.

mod client;
mod server;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::failure::Failure;

pub use client::Client;
pub use server::{Socket, serve};

/// What a link reads at once. Longer messages are put together from several reads.
const READ_BYTES: usize = 1_024;

/// Nothing is kept back, and no message is longer than `longest` bytes.
fn config(longest: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_message_size(Some(longest))
        .max_frame_size(Some(longest))
}

/// One link, from either end.
struct Messages<S> {
    stream: WebSocketStream<S>,
    /// How long the peer may take to take something.
    patience: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    /// The next message, text or not; `None` when the peer has said goodbye. Nothing is lost when the future is
    /// dropped.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        loop {
            match self.stream.next().await {
                None => return Ok(None),
                Some(Ok(Message::Close(_))) => {
                    // Says goodbye as well; whether that arrives is nobody's concern.
                    let _ = timeout(self.patience, self.stream.flush()).await;
                    return Ok(None);
                }
                Some(Ok(Message::Text(text))) => return Ok(Some(text.as_bytes().to_vec())),
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(bytes.to_vec())),
                Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {}
                Some(Err(error)) => return Err(failure(error)),
            }
        }
    }

    async fn send(&mut self, text: String) -> Result<(), Failure> {
        match timeout(self.patience, self.stream.send(Message::text(text))).await {
            Ok(sent) => sent.map_err(failure),
            Err(_) => Err(Failure::timed_out(self.patience)),
        }
    }
}

fn failure(error: Error) -> Failure {
    if let Error::Io(error) = error {
        return error.into();
    }
    if matches!(error, Error::ConnectionClosed | Error::AlreadyClosed) {
        return Failure::Closed;
    }
    Failure::Other(format!("the WebSocket failed: {error}"))
}
