//! What a peer may cost us. Every transport takes its bounds from here, so that none is forgotten.

use std::time::Duration;

/// Bounds of one exchange that we start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Until the connection stands.
    pub connect_timeout: Duration,
    /// For one exchange, from the first byte sent to the last one received. Over HTTP it includes connecting.
    pub timeout: Duration,
    /// The longest body of an HTTP answer, in bytes. Modbus frames have a bound of their own.
    pub max_body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(4),
            max_body: 256 * 1024,
        }
    }
}

/// Bounds of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// Open connections; when all are taken, further ones wait in the queue of the operating system.
    pub connections: usize,
    /// The longest body of an HTTP request, in bytes.
    pub max_body: usize,
    /// How long a peer may take to send a request, and a connection may be idle between two.
    pub idle: Duration,
    /// How long a request may be left without an answer before its connection is closed.
    pub silence: Duration,
    /// How old a connection may become; ends those whose peer does not read its answers.
    pub lifetime: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: 64,
            max_body: 64 * 1024,
            idle: Duration::from_secs(60),
            silence: Duration::from_secs(60),
            lifetime: Duration::from_secs(3_600),
        }
    }
}
