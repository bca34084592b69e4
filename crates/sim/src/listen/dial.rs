//! A server that a device dials, again and again.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

use super::{Port, lock};

/// Pauses between two attempts; the last one stays.
const PAUSES_S: [u64; 4] = [2, 5, 10, 30];

/// Keeps a connection to the server until the shutdown.
pub(super) async fn keep(port: Port, server: SocketAddr, shutdown: CancellationToken) {
    let mut failures = 0;
    loop {
        let was_open = tokio::select! {
            () = shutdown.cancelled() => return,
            was_open = speak(&port, server) => was_open,
        };
        failures = if was_open { 0 } else { failures + 1 };
        let pause_s = PAUSES_S.get(failures).or(PAUSES_S.last()).copied();
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(Duration::from_secs(pause_s.unwrap_or_default())) => {}
        }
    }
}

/// One connection from its beginning to its end; whether it came about. The world is never held while something
/// is sent.
async fn speak(port: &Port, server: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(server).await else {
        return false;
    };
    let Some((link, mut said)) = lock(&port.world).open(&port.device) else {
        return false;
    };
    let mut chunk = [0; 1_024];
    loop {
        port.delay().await;
        for bytes in said {
            if stream.write_all(&bytes).await.is_err() {
                lock(&port.world).close(&port.device, link);
                return true;
            }
        }
        let heard = match stream.read(&mut chunk).await {
            Ok(count @ 1..) => chunk.get(..count),
            Ok(0) | Err(_) => None,
        };
        let answer = heard.and_then(|bytes| {
            let now = port.clock.now();
            lock(&port.world).hear(&port.device, link, Some(bytes), now)
        });
        match answer {
            Some(answer) => said = answer,
            None => {
                lock(&port.world).close(&port.device, link);
                return true;
            }
        }
    }
}
