//! Peers that say exactly what a test wants, and a server of ours with its address.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use links::Limits;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Short enough to wait for in a test, long enough for a busy machine to answer in.
pub const PATIENCE: Duration = Duration::from_millis(500);

/// After this long a test counts as hung.
pub const HUNG: Duration = Duration::from_secs(10);

pub fn limits() -> Limits {
    Limits {
        connect_timeout: PATIENCE,
        timeout: PATIENCE,
        max_body: 1_000,
    }
}

/// What a peer does once it has received something.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    Close,
    /// Keeps the connection and says nothing more.
    Hang,
    /// Says the same again and again.
    Repeat,
}

pub async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// An address where nobody listens.
pub async fn nobody() -> SocketAddr {
    listener().await.1
}

/// Answers whatever arrives first on each connection with `bytes`.
pub async fn peer(bytes: &'static [u8], then: Then) -> SocketAddr {
    let (listener, address) = listener().await;
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(say(stream, bytes, then));
        }
    });
    address
}

async fn say(mut stream: TcpStream, bytes: &'static [u8], then: Then) {
    let mut asked = [0; 4_096];
    let _ = stream.read(&mut asked).await;
    let _ = stream.write_all(bytes).await;
    match then {
        Then::Close => {}
        Then::Hang => std::future::pending().await,
        Then::Repeat => while stream.write_all(bytes).await.is_ok() {},
    }
}

/// Runs one of our servers until the guard is dropped.
pub async fn server<Fut>(serve: impl FnOnce(TcpListener, CancellationToken) -> Fut) -> (SocketAddr, DropGuard)
where
    Fut: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listener().await;
    let shutdown = CancellationToken::new();
    tokio::spawn(serve(listener, shutdown.clone()));
    (address, shutdown.drop_guard())
}

/// Sends `bytes` and reads until the server closes; `None` when it hangs.
pub async fn everything_said(address: SocketAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // A server that has seen enough may close before all is sent.
    let _ = stream.write_all(bytes).await;
    let mut said = Vec::new();
    let mut buffer = [0; 4_096];
    loop {
        match tokio::time::timeout(HUNG, stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return Some(said),
            Ok(Ok(read)) => said.extend_from_slice(&buffer[..read]),
            Err(_) => return None,
        }
    }
}
