//! Carries the requests of a dialect over the transports of `links`.

use async_trait::async_trait;
use dialects::{Failure, Incoming, Outgoing, Reply, Request};

/// The way to one device.
#[async_trait]
pub(crate) trait Transport: Send {
    /// Sends one request and waits for its answer, within the limits of the transport. The future may be
    /// dropped at any time; the next exchange starts afresh.
    async fn exchange(&mut self, request: Request) -> Result<Reply, Failure>;

    /// Pushes something, within the limits of the transport.
    async fn push(&mut self, outgoing: Outgoing) -> Result<(), Failure> {
        let _ = outgoing;
        Err(Failure::Other("this transport only answers".to_owned()))
    }

    /// What the peer sends unasked; never ends where there is none. The future may be dropped at any time, and
    /// nothing is lost by it.
    async fn incoming(&mut self) -> Incoming {
        std::future::pending().await
    }
}

#[async_trait]
impl Transport for links::http::Client {
    async fn exchange(&mut self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Http(request) => self.send(request).await.map(Reply::Http).map_err(failure),
            Request::Modbus { .. } => Err(Failure::Other(
                "a Modbus request cannot travel over HTTP".to_owned(),
            )),
        }
    }
}

#[async_trait]
impl Transport for links::modbus_tcp::Client {
    async fn exchange(&mut self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Modbus { unit, pdu } => {
                let answer = links::modbus_tcp::Client::exchange(self, unit, &pdu).await;
                answer.map(|pdu| Reply::Modbus { pdu }).map_err(failure)
            }
            Request::Http(_) => Err(Failure::Other(
                "an HTTP request cannot travel over Modbus TCP".to_owned(),
            )),
        }
    }
}

/// The failure of a transport in the words of the dialects.
pub(crate) fn failure(failure: links::Failure) -> Failure {
    match failure {
        links::Failure::Refused => Failure::Refused,
        links::Failure::TimedOut { after_ms } => Failure::TimedOut { after_ms },
        links::Failure::Closed => Failure::Closed,
        links::Failure::TooLarge { .. } | links::Failure::Denied(_) => Failure::Other(failure.to_string()),
        links::Failure::Other(text) => Failure::Other(text),
    }
}
