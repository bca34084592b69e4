//! The MBAP header: transaction, protocol (always 0), length of what follows, unit.
//!
//! Source: "MODBUS Messaging on TCP/IP Implementation Guide V1.0b", section 3.1.3.

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::failure::Failure;

/// Function code and data.
pub(super) const MAX_PDU: usize = 253;

const HEADER: usize = 7;

/// One request or answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub transaction: u16,
    pub unit: u8,
    pub pdu: Vec<u8>,
}

impl Frame {
    /// # Errors
    /// When the PDU is empty or longer than 253 bytes.
    pub fn encode(&self) -> Result<Vec<u8>, Failure> {
        let length = u16::try_from(self.pdu.len()).unwrap_or(u16::MAX);
        if length == 0 || self.pdu.len() > MAX_PDU {
            return Err(Failure::Other(format!(
                "a Modbus PDU has 1 to {MAX_PDU} bytes, not {length}"
            )));
        }
        let mut bytes = Vec::with_capacity(HEADER + self.pdu.len());
        bytes.extend(self.transaction.to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend((length + 1).to_be_bytes());
        bytes.push(self.unit);
        bytes.extend(&self.pdu);
        Ok(bytes)
    }
}

/// Takes frames out of a stream of bytes. Holds at most one frame, whatever the peer claims.
#[derive(Debug, Default)]
pub(super) struct Reader {
    bytes: Vec<u8>,
}

impl Reader {
    /// The next frame, `None` when the stream ended between two. Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// When the stream ends within a frame, fails, or cannot be Modbus.
    pub async fn next(&mut self, stream: &mut (impl AsyncRead + Unpin)) -> Result<Option<Frame>, Failure> {
        loop {
            let wanted = match self.wanted()? {
                0 => return Ok(Some(self.take())),
                wanted => wanted,
            };
            let mut buffer = [0; HEADER + MAX_PDU];
            let read = stream.read(&mut buffer[..wanted]).await?;
            if read == 0 {
                return if self.bytes.is_empty() {
                    Ok(None)
                } else {
                    Err(Failure::Closed)
                };
            }
            self.bytes.extend_from_slice(&buffer[..read]);
        }
    }

    /// How many bytes are missing until the header, then until the frame is complete.
    fn wanted(&self) -> Result<usize, Failure> {
        let [_, _, p1, p2, l1, l2, _] = match self.bytes.first_chunk::<HEADER>() {
            Some(header) => *header,
            None => return Ok(HEADER - self.bytes.len()),
        };
        let (protocol, length) = (
            u16::from_be_bytes([p1, p2]),
            usize::from(u16::from_be_bytes([l1, l2])),
        );
        if protocol != 0 {
            return Err(Failure::Other(format!(
                "no Modbus TCP: protocol id {protocol} instead of 0"
            )));
        }
        if !(2..=MAX_PDU + 1).contains(&length) {
            return Err(Failure::Other(format!(
                "no Modbus TCP: a frame of {length} bytes instead of 2 to {}",
                MAX_PDU + 1
            )));
        }
        // The length counts the unit, which is part of the header.
        Ok(HEADER - 1 + length - self.bytes.len())
    }

    fn take(&mut self) -> Frame {
        let bytes = std::mem::take(&mut self.bytes);
        Frame {
            transaction: u16::from_be_bytes([bytes[0], bytes[1]]),
            unit: bytes[HEADER - 1],
            pdu: bytes[HEADER..].to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Transaction, unit and PDU; the end of the stream; or the message of a failure.
    type Seen<'a> = Result<Option<(u16, u8, &'a [u8])>, &'a str>;

    async fn check(bytes: &[u8], expected: &[Seen<'_>]) {
        let mut reader = Reader::default();
        let mut stream = bytes;
        for want in expected {
            let got = reader.next(&mut stream).await;
            let got = got
                .map(|frame| frame.map(|f| (f.transaction, f.unit, f.pdu)))
                .map_err(|f| f.to_string());
            let want = (*want)
                .map(|frame| frame.map(|(t, u, p)| (t, u, p.to_vec())))
                .map_err(str::to_owned);
            assert_eq!(got, want, "{bytes:02x?}");
        }
    }

    #[tokio::test]
    async fn frames_are_taken_out_of_the_stream() {
        check(b"", &[Ok(None)]).await;
        check(&[0, 7, 0, 0, 0, 2, 9, 3], &[Ok(Some((7, 9, &[3]))), Ok(None)]).await;
        let two = [0, 1, 0, 0, 0, 3, 1, 4, 5, 0, 2, 0, 0, 0, 2, 1, 6];
        check(
            &two,
            &[Ok(Some((1, 1, &[4, 5]))), Ok(Some((2, 1, &[6]))), Ok(None)],
        )
        .await;
        let closed = "connection closed before the answer was complete";
        check(&[0, 1, 0], &[Err(closed)]).await;
        check(&[0, 1, 0, 0, 0, 3, 1, 4], &[Err(closed)]).await;
    }

    #[tokio::test]
    async fn what_cannot_be_modbus_is_refused_before_it_is_read() {
        check(
            b"HTTP/1.1 400",
            &[Err("no Modbus TCP: protocol id 21584 instead of 0")],
        )
        .await;
        check(
            &[0, 1, 0, 0, 0, 1, 1],
            &[Err("no Modbus TCP: a frame of 1 bytes instead of 2 to 254")],
        )
        .await;
        check(
            &[0, 1, 0, 0, 0, 255, 1],
            &[Err("no Modbus TCP: a frame of 255 bytes instead of 2 to 254")],
        )
        .await;
        check(
            &[0, 1, 0, 0, 255, 255, 1],
            &[Err("no Modbus TCP: a frame of 65535 bytes instead of 2 to 254")],
        )
        .await;
    }

    #[tokio::test]
    async fn every_frame_reads_back_as_it_was_written() {
        for length in [1, 2, 252, 253] {
            let frame = Frame {
                transaction: 65_535,
                unit: 247,
                pdu: vec![0xa5; length],
            };
            let bytes = frame.encode().unwrap();
            assert_eq!(
                Reader::default().next(&mut bytes.as_slice()).await,
                Ok(Some(frame))
            );
        }
        for length in [0, 254, 100_000] {
            assert!(
                Frame {
                    transaction: 0,
                    unit: 1,
                    pdu: vec![0; length]
                }
                .encode()
                .is_err(),
                "{length}"
            );
        }
    }
}
