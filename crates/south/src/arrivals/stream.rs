//! A connection that arrived: bytes in both directions.

use std::future::Future;
use std::io;
use std::time::Duration;

use async_trait::async_trait;
use dialects::{Failure, Incoming, Outgoing, Reply, Request};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::transport::Transport;

/// Bytes that are read at a time. They lie on the stack while they are read: a silent device costs no buffer.
const CHUNK: usize = 4_096;
/// Who does not take what is sent is gone.
const WRITE_WITHIN: Duration = Duration::from_secs(10);

/// A connection and what has been read of it and not been heard yet.
#[derive(Debug)]
pub(super) struct Stream {
    stream: TcpStream,
    unread: Vec<u8>,
}

impl Stream {
    pub const fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            unread: Vec::new(),
        }
    }

    pub fn put_back(&mut self, bytes: Vec<u8>) {
        self.unread = bytes;
    }

    /// What there is then.
    pub fn put_behind(&mut self, bytes: &[u8]) -> &mut Vec<u8> {
        self.unread.extend_from_slice(bytes);
        &mut self.unread
    }

    /// What comes next, not what was put back. May be dropped at any time, and nothing is lost by it.
    pub async fn read(&self) -> Result<Vec<u8>, Failure> {
        loop {
            self.stream.readable().await.map_err(failure)?;
            match read_now(&self.stream) {
                Ok(bytes) if bytes.is_empty() => return Err(Failure::Closed),
                Ok(bytes) => return Ok(bytes),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(failure(error)),
            }
        }
    }

    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let written = tokio::time::timeout(WRITE_WITHIN, self.stream.write_all(bytes)).await;
        written.map_err(|_| Failure::Closed)?.map_err(failure)
    }

    /// The connection as a link has it, and what tells when that has let it go.
    pub fn arrive(self, ends: CancellationToken) -> (Box<dyn Transport>, impl Future<Output = ()> + Send) {
        let (held, gone) = oneshot::channel::<()>();
        let arrived = Arrived {
            stream: self,
            ends,
            _held: held,
        };
        (Box::new(arrived), async move {
            // Nobody ever sends: it ends when the other end is dropped.
            let _ = gone.await;
        })
    }
}

fn read_now(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let mut chunk = [0; CHUNK];
    let count = stream.try_read(&mut chunk)?;
    Ok(chunk.get(..count).unwrap_or_default().to_vec())
}

fn failure(error: io::Error) -> Failure {
    let closed = [
        io::ErrorKind::ConnectionReset,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::BrokenPipe,
        io::ErrorKind::UnexpectedEof,
    ];
    if closed.contains(&error.kind()) {
        Failure::Closed
    } else {
        Failure::Other(error.to_string())
    }
}

struct Arrived {
    stream: Stream,
    ends: CancellationToken,
    _held: oneshot::Sender<()>,
}

#[async_trait]
impl Transport for Arrived {
    async fn exchange(&mut self, _: Request) -> Result<Reply, Failure> {
        Err(Failure::Other(
            "a request with an answer cannot travel over a bare connection".to_owned(),
        ))
    }

    async fn push(&mut self, outgoing: Outgoing) -> Result<(), Failure> {
        match outgoing {
            Outgoing::Bytes(bytes) => self.stream.write(&bytes).await,
            Outgoing::Open | Outgoing::Close => Ok(()),
            Outgoing::Text(_) | Outgoing::Publish { .. } | Outgoing::Work(_) | Outgoing::Beside(_) => Err(
                Failure::Other("this cannot travel over a bare connection".to_owned()),
            ),
        }
    }

    async fn incoming(&mut self) -> Incoming {
        if !self.stream.unread.is_empty() {
            return Incoming::Message(std::mem::take(&mut self.stream.unread));
        }
        tokio::select! {
            biased;
            () = self.ends.cancelled() => Incoming::Closed(Failure::Other(
                "another connection of the same name took its place".to_owned(),
            )),
            read = self.stream.read() => match read {
                Ok(bytes) => Incoming::Message(bytes),
                Err(failure) => Incoming::Closed(failure),
            },
        }
    }
}
