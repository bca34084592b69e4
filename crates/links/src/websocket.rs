//! WebSockets over a connection of HTTP/1.1: whole messages and their bounds.
//!
//! What a message says is not looked at. Buffers are small, because there may be very many links that say little.

mod server;

use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

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
