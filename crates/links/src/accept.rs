//! Accepts connections up to a bound and ends them together with the server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long connections have to end by themselves after a shutdown.
const GRACE: Duration = Duration::from_secs(2);

/// When the system has no file handle left, accepting again at once would only burn the processor.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Runs `connection` for everyone who connects, at most `limit` at a time, until the shutdown.
///
/// Connections are expected to watch the same token; those still open after two seconds are cut.
pub async fn accept<F, Fut>(listener: TcpListener, limit: usize, shutdown: &CancellationToken, connection: F)
where
    F: Fn(TcpStream) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(limit));
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.cancelled() => break,
            Some(ended) = connections.join_next() => {
                report_panic(ended);
                continue;
            }
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) => {
                let served = connection(stream);
                connections.spawn(async move {
                    served.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(PAUSE_AFTER_ERROR).await;
            }
        }
    }
    drop(listener);
    let all_ended = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        connections.shutdown().await;
    }
}

fn report_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!("a connection ended in a panic: {error}");
    }
}
