//! Answers HTTP requests, and lets those become WebSockets that ask for it on one path.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use crate::accept::accept;
use crate::failure::Failure;
use crate::http::{answer, serve_connection};
use crate::limits::ServerLimits;
use crate::websocket::Messages;

/// Serves every connection of `listener` until the shutdown: HTTP as [`crate::http::serve`] does, and WebSockets on
/// `path`.
///
/// `socket` gets every socket as it opens and has it until it returns. A socket counts as a connection, has no
/// limit to its age, and ends with the shutdown. Messages may be `limits.max_body` long.
pub async fn serve<F, Fut, G, Used>(
    listener: TcpListener,
    limits: ServerLimits,
    shutdown: CancellationToken,
    path: &'static str,
    handler: F,
    socket: G,
) where
    F: Fn(Request<Vec<u8>>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<Response<Vec<u8>>>> + Send + 'static,
    G: Fn(Socket) -> Used + Send + Sync + 'static,
    Used: Future<Output = ()> + Send + 'static,
{
    let (handler, socket) = (Arc::new(handler), Arc::new(socket));
    accept(listener, limits.connections, &shutdown, |stream| {
        let (handler, socket, shutdown) = (Arc::clone(&handler), Arc::clone(&socket), shutdown.clone());
        async move {
            let asked = Mutex::new(None);
            let service = |mut request: Request<_>| {
                let accepted = (request.uri().path() == path)
                    .then(|| accepted(&request))
                    .flatten();
                if accepted.is_some() {
                    let upgrade = hyper::upgrade::on(&mut request);
                    *asked.lock().unwrap_or_else(PoisonError::into_inner) = Some(upgrade);
                }
                let handler = Arc::clone(&handler);
                async move {
                    match accepted {
                        Some(accepted) => Ok(accepted),
                        None => answer(request, limits, handler).await,
                    }
                }
            };
            serve_connection(stream, limits, &shutdown, service).await;
            let asked = asked.into_inner().unwrap_or_else(PoisonError::into_inner);
            let Some(asked) = asked else { return };
            let using = async {
                if let Ok(upgraded) = asked.await {
                    socket(Socket::new(upgraded, limits).await).await;
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = using => {}
            }
        }
    })
    .await;
}

/// 101 to a request that asks for a WebSocket as it should (RFC 6455, 4.2.1).
fn accepted<B>(request: &Request<B>) -> Option<Response<Full<Bytes>>> {
    let headers = request.headers();
    let key = headers.get(header::SEC_WEBSOCKET_KEY)?;
    let asks = request.method() == Method::GET
        && names(headers, &header::UPGRADE, "websocket")
        && names(headers, &header::CONNECTION, "upgrade")
        && names(headers, &header::SEC_WEBSOCKET_VERSION, "13");
    if !asks {
        return None;
    }
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    let proof = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).ok()?;
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, proof);
    Some(response)
}

/// Whether a comma list in a header names something.
fn names(headers: &HeaderMap, name: &header::HeaderName, wanted: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(wanted))
}

/// One link to one client.
pub struct Socket(Messages<TokioIo<Upgraded>>);

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Socket(…)")
    }
}

impl Socket {
    async fn new(upgraded: Upgraded, limits: ServerLimits) -> Self {
        let config = super::config(limits.max_body);
        let io = TokioIo::new(upgraded);
        let stream = WebSocketStream::from_raw_socket(io, Role::Server, Some(config)).await;
        Self(Messages::over(stream, limits.idle))
    }

    /// The next message, text or not; `None` when the client has said goodbye. Nothing is lost when the future is
    /// dropped.
    ///
    /// # Errors
    /// When the connection fails, or sends what is no message or too long a one.
    pub async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.0.next().await
    }

    /// Sends a text.
    ///
    /// # Errors
    /// When the connection fails or the client does not take it within the idle limit.
    pub async fn send(&mut self, text: String) -> Result<(), Failure> {
        self.0.send(text).await
    }
}
