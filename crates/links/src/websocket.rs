//! WebSockets over a connection of HTTP/1.1, both sides: whole messages and their bounds.
//!
//! What a message says is not looked at. Buffers are small, because there may be very many links that say little.

mod client;
mod server;
mod sips;

use std::time::Duration;

use bytes::Bytes;
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
const READ_BYTES: usize = 512;

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
    long: Option<Long>,
    /// How long the peer may take to take something.
    patience: Duration,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Messages<S> {
    const fn over(stream: WebSocketStream<S>, patience: Duration) -> Self {
        Self {
            stream,
            long: None,
            patience,
        }
    }

    fn copied(&mut self, message: Bytes) -> Vec<u8> {
        let copy = message.to_vec();
        self.long = Long::after(self.long.take(), message);
        copy
    }

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
                Some(Ok(Message::Text(text))) => return Ok(Some(self.copied(text.into()))),
                Some(Ok(Message::Binary(bytes))) => return Ok(Some(self.copied(bytes))),
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

/// Holds a long message until what follows it lies elsewhere.
///
/// A message is a part of the buffer that it was read into, which grows with the longest one and stays so large as long
/// as it is all free in between. While somebody holds a part of it, a new and small one is made when it is full.
struct Long {
    _message: Bytes,
    /// Where in memory it ends, or what came after it.
    end: usize,
}

impl Long {
    /// The head of a frame, which is all that lies between two messages.
    const HEAD: usize = 14;

    fn after(before: Option<Self>, message: Bytes) -> Option<Self> {
        let start = message.as_ptr().addr();
        let end = start + message.len();
        if message.len() > READ_BYTES {
            return Some(Self {
                _message: message,
                end,
            });
        }
        let follows = |long: &Self| start.checked_sub(long.end).is_some_and(|gap| gap <= Self::HEAD);
        before.filter(follows).map(|long| Self { end, ..long })
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

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    /// The next message of `length` bytes, as a reader of frames takes it from its buffer.
    fn read(buffer: &mut BytesMut, length: usize) -> Bytes {
        let head = [0; 4];
        buffer.reserve(Long::HEAD);
        buffer.extend_from_slice(&head);
        let _ = buffer.split_to(head.len());
        buffer.reserve(length);
        buffer.resize(length, 0);
        buffer.split_to(length).freeze()
    }

    #[test]
    fn a_long_message_leaves_no_large_buffer_behind() {
        for is_held in [false, true] {
            let mut buffer = BytesMut::with_capacity(READ_BYTES);
            let mut long = None;
            for length in [200, 9_000].into_iter().chain([400; 40]) {
                let message = read(&mut buffer, length);
                if is_held {
                    long = Long::after(long, message);
                }
            }
            assert!(long.is_none());
            // All of it is free.
            assert_eq!(buffer.try_reclaim(5_000), !is_held);
        }
    }
}
