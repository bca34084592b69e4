//! Asks one Modbus TCP device, one request at a time.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::frame::{Frame, Reader};
use crate::failure::Failure;
use crate::limits::Limits;

/// After so many requests without an answer in a row the connection counts as dead. One alone does not:
/// many devices allow a single connection and take long to notice that it has gone.
const UNANSWERED_ALLOWED: u8 = 1;

/// A device at `host:port`, connected when first asked and again after an error.
#[derive(Debug)]
pub struct Client {
    address: String,
    limits: Limits,
    transaction: u16,
    connection: Option<Connection>,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    reader: Reader,
    unanswered: u8,
}

impl Client {
    #[must_use]
    pub fn new(address: impl Into<String>, limits: Limits) -> Self {
        Self {
            address: address.into(),
            limits,
            transaction: 0,
            connection: None,
        }
    }

    /// Sends `pdu` to `unit` and returns the PDU of its answer, which may be an exception.
    ///
    /// Answers to earlier requests that come late are skipped. A connection that the device has closed while
    /// it was idle is opened again, once. Dropping the future closes the connection.
    ///
    /// # Errors
    /// When no answer came within the limits, or something that is none.
    pub async fn exchange(&mut self, unit: u8, pdu: &[u8]) -> Result<Vec<u8>, Failure> {
        if let Some(connection) = self.connection.take() {
            match self.exchange_over(connection, unit, pdu).await {
                Err(Failure::Closed) => {}
                answer => return answer,
            }
        }
        let connection = self.connect().await?;
        self.exchange_over(connection, unit, pdu).await
    }

    async fn connect(&self) -> Result<Connection, Failure> {
        let stream = within(self.limits.connect_timeout, TcpStream::connect(&self.address)).await??;
        // A request is one small packet; waiting to fill a bigger one only delays it.
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            reader: Reader::default(),
            unanswered: 0,
        })
    }

    /// Keeps the connection when it can be used again.
    async fn exchange_over(
        &mut self,
        mut connection: Connection,
        unit: u8,
        pdu: &[u8],
    ) -> Result<Vec<u8>, Failure> {
        self.transaction = self.transaction.wrapping_add(1);
        let request = Frame {
            transaction: self.transaction,
            unit,
            pdu: pdu.to_vec(),
        };
        let bytes = request.encode()?;
        within(self.limits.timeout, connection.stream.write_all(&bytes)).await??;
        match within(self.limits.timeout, connection.answer_to(&request)).await {
            Ok(answer) => {
                let answer = answer?;
                connection.unanswered = 0;
                self.connection = Some(connection);
                Ok(answer)
            }
            Err(timed_out) => {
                connection.unanswered += 1;
                if connection.unanswered <= UNANSWERED_ALLOWED {
                    self.connection = Some(connection);
                }
                Err(timed_out)
            }
        }
    }
}

impl Connection {
    async fn answer_to(&mut self, request: &Frame) -> Result<Vec<u8>, Failure> {
        loop {
            let frame = self.reader.next(&mut self.stream).await?.ok_or(Failure::Closed)?;
            if frame.transaction != request.transaction {
                tracing::debug!(transaction = frame.transaction, "skipped a late Modbus answer");
                continue;
            }
            if frame.unit != request.unit {
                return Err(Failure::Other(format!(
                    "the answer comes from unit {} instead of {}; check the unit id",
                    frame.unit, request.unit
                )));
            }
            return Ok(frame.pdu);
        }
    }
}

async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Result<T, Failure> {
    timeout(limit, future)
        .await
        .map_err(|_| Failure::timed_out(limit))
}
