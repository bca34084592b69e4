//! Answers Modbus TCP requests, for simulated devices and for our own register map.

use std::future::Future;
use std::sync::Arc;

use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::frame::{Frame, Reader};
use crate::accept::accept;
use crate::failure::Failure;
use crate::limits::ServerLimits;

/// Serves every connection of `listener` until the shutdown.
///
/// `handler` gets unit and PDU of each request, one at a time per connection; `None` leaves it without an
/// answer and the connection open, as a device would. It may take its time before it answers. A connection
/// that sends anything but Modbus TCP is closed, and so is one that is idle for longer than `limits.idle`.
pub async fn serve<F, Fut>(
    listener: TcpListener,
    limits: ServerLimits,
    shutdown: CancellationToken,
    handler: F,
) where
    F: Fn(u8, Vec<u8>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<Vec<u8>>> + Send + 'static,
{
    let handler = Arc::new(handler);
    accept(listener, limits.connections, &shutdown, |stream| {
        let (handler, shutdown) = (Arc::clone(&handler), shutdown.clone());
        async move {
            let ended = tokio::select! {
                () = shutdown.cancelled() => Ok(()),
                () = tokio::time::sleep(limits.lifetime) => Ok(()),
                ended = serve_connection(stream, limits, handler.as_ref()) => ended,
            };
            if let Err(failure) = ended {
                tracing::debug!("Modbus connection ended: {failure}");
            }
        }
    })
    .await;
}

async fn serve_connection<F, Fut>(
    mut stream: TcpStream,
    limits: ServerLimits,
    handler: &F,
) -> Result<(), Failure>
where
    F: Fn(u8, Vec<u8>) -> Fut,
    Fut: Future<Output = Option<Vec<u8>>>,
{
    // Answers are small and whole; waiting to fill a packet only delays them.
    stream.set_nodelay(true)?;
    let mut reader = Reader::default();
    loop {
        let request = timeout(limits.idle, reader.next(&mut stream)).await;
        let Some(request) = request.map_err(|_| Failure::timed_out(limits.idle))?? else {
            return Ok(());
        };
        let Frame {
            transaction,
            unit,
            pdu,
        } = request;
        let Ok(Some(pdu)) = timeout(limits.silence, handler(unit, pdu)).await else {
            continue;
        };
        let answer = Frame {
            transaction,
            unit,
            pdu,
        }
        .encode()?;
        timeout(limits.idle, stream.write_all(&answer))
            .await
            .map_err(|_| Failure::timed_out(limits.idle))??;
    }
}
