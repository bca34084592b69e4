//! HTTP/1.1, both sides: a client for devices on the local network and for what the outbound guard lets pass,
//! and a minimal server for simulated devices.
//!
//! The client follows no redirects, uses no proxy and keeps no connection: small devices answer
//! `Connection: close` or have room for two connections only. The server is no web server: one function
//! sees all requests, and may leave one without an answer.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::accept::accept;
use crate::failure::{Failure, innermost, known_kind};
use crate::limits::{Limits, ServerLimits};
use crate::outbound_guard::{Checked, Denied, Guard, Resolver};
use crate::tls;

/// Sends requests to whoever is named in them. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    limits: Limits,
    guard: Option<Arc<Guard>>,
}

/// The longest body that a guarded client sends, in bytes.
const LONGEST_SENT: usize = 256 * 1024;

/// What became of something handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub status: StatusCode,
    /// When the peer wants to be asked again.
    pub retry_after: Option<Duration>,
}

impl Client {
    /// # Errors
    /// When the system gives no resolver.
    pub fn new(limits: Limits) -> Result<Self, Failure> {
        let builder = Self::builder(limits).tls_backend_preconfigured(tls::nobody()?);
        Self::build(builder, limits, None)
    }

    /// A client over TLS that trusts whom the system trusts, or one authority (PEM) instead. It dials whoever
    /// is named: for addresses of the administrator.
    ///
    /// # Errors
    /// When TLS cannot be set up, or there is no certificate in the text.
    pub fn trusting(limits: Limits, authority: Option<&str>) -> Result<Self, Failure> {
        let tls = match authority {
            Some(authority) => tls::only(authority)?,
            None => tls::system()?,
        };
        let builder = Self::builder(limits).tls_backend_preconfigured(tls);
        Self::build(builder, limits, None)
    }

    /// A client for addresses that somebody gave: it dials what `guard` lets pass and nothing else, over
    /// HTTP and HTTPS. A certificate must be good in the eyes of the system's own list.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn guarded(limits: Limits, guard: Arc<Guard>, resolver: Arc<dyn Resolver>) -> Result<Self, Failure> {
        let builder = Self::builder(limits)
            .tls_backend_preconfigured(tls::system()?)
            .dns_resolver(Checked {
                guard: Arc::clone(&guard),
                resolver,
            });
        Self::build(builder, limits, Some(guard))
    }

    fn builder(limits: Limits) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .pool_max_idle_per_host(0)
            .connect_timeout(limits.connect_timeout)
            .timeout(limits.timeout)
    }

    fn build(
        builder: reqwest::ClientBuilder,
        limits: Limits,
        guard: Option<Arc<Guard>>,
    ) -> Result<Self, Failure> {
        let inner = builder.build().map_err(|error| {
            Failure::Other(format!("cannot set up an HTTP client: {}", innermost(&error)))
        })?;
        Ok(Self { inner, limits, guard })
    }

    /// Sends one request and reads the whole answer, whatever its status.
    ///
    /// # Errors
    /// When no complete answer came within the limits. An answer beyond `max_body` is not read further.
    pub async fn send(&self, request: Request<Vec<u8>>) -> Result<Response<Vec<u8>>, Failure> {
        let mut answer = self.execute(request).await?;
        let limit = self.limits.max_body;
        if answer
            .content_length()
            .is_some_and(|length| usize::try_from(length).map_or(true, |l| l > limit))
        {
            return Err(Failure::TooLarge { limit });
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failure(error))? {
            if body.len() + chunk.len() > limit {
                return Err(Failure::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        let mut response = Response::new(body);
        *response.status_mut() = answer.status();
        *response.version_mut() = answer.version();
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        Ok(response)
    }

    /// Sends one request and reads the head of the answer only. What the peer says beyond its status is
    /// neither kept nor shown: it is not for the eyes of whoever gave the address.
    ///
    /// # Errors
    /// When no head came within the limits.
    pub async fn deliver(&self, request: Request<Vec<u8>>) -> Result<Delivery, Failure> {
        let answer = self.execute(request).await?;
        let seconds = answer.headers().get(http::header::RETRY_AFTER);
        let seconds = seconds
            .and_then(|value| value.to_str().ok())
            .and_then(|text| text.trim().parse().ok());
        Ok(Delivery {
            status: answer.status(),
            retry_after: seconds.map(Duration::from_secs),
        })
    }

    async fn execute(&self, request: Request<Vec<u8>>) -> Result<reqwest::Response, Failure> {
        let sent = request.body().len();
        let request = reqwest::Request::try_from(request).map_err(|error| self.failure(error))?;
        if let Some(guard) = &self.guard {
            // What is checked here is what is dialled: the same reader, not a second opinion. Names are
            // checked when they have been resolved.
            guard.check_url(request.url())?;
            if sent > LONGEST_SENT {
                return Err(Failure::Other(format!(
                    "the request has {sent} bytes, expected at most {LONGEST_SENT}"
                )));
            }
        }
        self.inner
            .execute(request)
            .await
            .map_err(|error| self.failure(error))
    }

    fn failure(&self, error: reqwest::Error) -> Failure {
        if error.is_timeout() {
            let after = if error.is_connect() {
                self.limits.connect_timeout
            } else {
                self.limits.timeout
            };
            return Failure::timed_out(after);
        }
        // Messages end up in logs and on the page; an address may carry a token.
        let error = error.without_url();
        let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let Some(denied) = current.downcast_ref::<Denied>() {
                return Failure::Denied(denied.clone());
            }
            if let Some(known) = current
                .downcast_ref::<io::Error>()
                .and_then(|io| known_kind(io.kind()))
            {
                return known;
            }
            if current
                .downcast_ref::<hyper::Error>()
                .is_some_and(|e| e.is_incomplete_message() || e.is_closed())
            {
                return Failure::Closed;
            }
            cause = current.source();
        }
        Failure::Other(innermost(&error).to_string())
    }
}

/// Serves every connection of `listener` until the shutdown.
///
/// `handler` gets each complete request; `None` leaves it without an answer until the peer gives up or
/// `limits.silence` is over. It may take its time before it answers. Requests beyond `limits.max_body` are
/// answered 413 without the handler.
///
/// ```no_run
/// # async fn example(listener: tokio::net::TcpListener, shutdown: tokio_util::sync::CancellationToken) {
/// let handler = |_request| async { Some(http::Response::new(b"{}".to_vec())) };
/// links::http::serve(listener, links::ServerLimits::default(), shutdown, handler).await;
/// # }
/// ```
pub async fn serve<F, Fut>(
    listener: TcpListener,
    limits: ServerLimits,
    shutdown: CancellationToken,
    handler: F,
) where
    F: Fn(Request<Vec<u8>>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Option<Response<Vec<u8>>>> + Send + 'static,
{
    let handler = Arc::new(handler);
    accept(listener, limits.connections, &shutdown, |stream| {
        let (handler, shutdown) = (Arc::clone(&handler), shutdown.clone());
        async move {
            let service = move |request| answer(request, limits, Arc::clone(&handler));
            serve_connection(stream, limits, &shutdown, service).await;
        }
    })
    .await;
}

/// How long a request under way may take once the connection has been asked to end.
const GRACE: Duration = Duration::from_secs(1);

/// Returns when the connection has ended, or when it has become something else because of an answer.
pub(crate) async fn serve_connection<S, Fut>(
    stream: TcpStream,
    limits: ServerLimits,
    shutdown: &CancellationToken,
    service: S,
) where
    S: Fn(Request<Incoming>) -> Fut,
    Fut: Future<Output = Result<Response<Full<Bytes>>, Unanswered>>,
{
    // Answers are small and whole; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.idle)
        .serve_connection(TokioIo::new(stream), service_fn(service))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = shutdown.cancelled() => None,
        () = tokio::time::sleep(limits.lifetime) => None,
    };
    let ended = match ended {
        Some(ended) => Ok(ended),
        None => {
            connection.as_mut().graceful_shutdown();
            timeout(GRACE, connection).await
        }
    };
    if let Ok(Err(error)) = ended {
        tracing::debug!("HTTP connection ended: {error}");
    }
}

pub(crate) async fn answer<F, Fut>(
    request: Request<Incoming>,
    limits: ServerLimits,
    handler: Arc<F>,
) -> Result<Response<Full<Bytes>>, Unanswered>
where
    F: Fn(Request<Vec<u8>>) -> Fut,
    Fut: Future<Output = Option<Response<Vec<u8>>>>,
{
    let (head, body) = request.into_parts();
    let body = match timeout(limits.idle, Limited::new(body, limits.max_body).collect()).await {
        Ok(Ok(body)) => body.to_bytes().to_vec(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return Ok(too_large()),
        Ok(Err(_)) => return Err(Unanswered("the request ended early")),
        Err(_) => return Err(Unanswered("the request took too long")),
    };
    let answered = async {
        match handler(Request::from_parts(head, body)).await {
            Some(response) => response.map(|body| Full::new(Bytes::from(body))),
            None => std::future::pending().await,
        }
    };
    timeout(limits.silence, answered)
        .await
        .map_err(|_| Unanswered("left without an answer"))
}

fn too_large() -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    response
        .headers_mut()
        .insert(http::header::CONNECTION, http::HeaderValue::from_static("close"));
    response
}

/// Makes hyper close the connection without a word.
#[derive(Debug)]
pub(crate) struct Unanswered(&'static str);

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Unanswered {}
