//! Transports against peers on loopback that behave and peers that do not.

// What the test itself sets up cannot fail in a way worth a message.
#![allow(clippy::unwrap_used)]

mod authority;
mod http_client;
mod http_server;
mod mail;
mod modbus_client;
mod modbus_server;
mod mosquitto;
mod mqtt;
mod outbound;
mod peer;
mod tls_server;
mod trust;
mod websocket_client;
mod websocket_server;
