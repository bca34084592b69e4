//! HTTP and WebSockets on one port.

use std::time::Duration;

use links::ServerLimits;
use links::websocket::Socket;
use model::id::DeviceId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Port, lock};
use crate::voice::Link;

/// How often a device looks whether there is something to tell.
const TELLS_EVERY: Duration = Duration::from_secs(1);

/// Answers until the shutdown.
pub(super) async fn serve(
    port: Port,
    listener: TcpListener,
    sockets_at: &'static str,
    shutdown: CancellationToken,
) {
    let for_sockets = port.clone();
    let handler = move |request| {
        let port = port.clone();
        async move { port.answer_http(request).await }
    };
    let attend = move |socket| attend(for_sockets.clone(), socket);
    let limits = ServerLimits::default();
    links::websocket::serve(listener, limits, shutdown, sockets_at, handler, attend).await;
}

/// Serves one client of the WebSocket. The world is never held while something is sent.
async fn attend(port: Port, mut socket: Socket) {
    let opened = lock(&port.world).open(&port.device);
    let Some((link, mut said)) = opened else {
        return;
    };
    let open = Open { port: &port, link };
    let mut ticks = tokio::time::interval(TELLS_EVERY);
    loop {
        port.delay().await;
        for message in said {
            let Ok(text) = String::from_utf8(message) else {
                tracing::error!(device.id = %port.device, "a device says something that is no text");
                return;
            };
            if socket.send(text).await.is_err() {
                return;
            }
        }
        let message = tokio::select! {
            message = socket.next() => match message {
                Ok(Some(message)) => Some(message),
                Ok(None) | Err(_) => return,
            },
            _ = ticks.tick() => None,
        };
        match open.hear(message.as_deref()) {
            Some(answer) => said = answer,
            None => return,
        }
    }
}

/// A link of a device, closed when this is dropped.
struct Open<'p> {
    port: &'p Port,
    link: Link,
}

impl Open<'_> {
    fn hear(&self, message: Option<&[u8]>) -> Option<Vec<Vec<u8>>> {
        let now = self.port.clock.now();
        lock(&self.port.world).hear(self.device(), self.link, message, now)
    }

    const fn device(&self) -> &DeviceId {
        &self.port.device
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        lock(&self.port.world).close(self.device(), self.link);
    }
}
