//! Ports and signals.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::Request;
use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::serve::{IncomingStream, Listener};
use links::lenient_target::Lenient;
use links::tls_server::{self, Certificate, Port};
use model::settings::Settings;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// How long open connections may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// How often the files of the certificate are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// Opens the port.
///
/// # Errors
/// Says which address, why, and what to do.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; stop the program that uses it, or choose another address with --listen")
    })
}

/// Answers requests until `stop`, then lets open ones end.
pub async fn serve(
    listener: TcpListener,
    router: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let router = router.layer(from_fn(mark));
    let server = axum::serve(
        Mended(listener),
        router.into_make_service_with_connect_info::<Peer>(),
    )
    .with_graceful_shutdown(stop.clone().cancelled_owned());
    until(server.into_future(), stop).await
}

/// The same over TLS. The certificate is read anew when its files change.
pub async fn serve_tls(
    listener: TcpListener,
    certificate: Arc<Certificate>,
    router: axum::Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let port = TlsPort(Port::new(listener, certificate.clone()));
    let router = router.layer(from_fn(mark_tls)).layer(from_fn(mark));
    let server = axum::serve(Mended(port), router.into_make_service_with_connect_info::<Peer>())
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    tokio::select! {
        ended = until(server.into_future(), stop) => ended,
        never = keep_fresh(&certificate) => never,
    }
}

async fn until(
    server: impl Future<Output = std::io::Result<()>>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    tokio::select! {
        ended = server => ended.context("the HTTP server ended"),
        // Event streams never end by themselves.
        () = async {
            stop.cancelled().await;
            tokio::time::sleep(GRACE).await;
        } => Ok(()),
    }
}

async fn keep_fresh(certificate: &Certificate) -> anyhow::Result<()> {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        match certificate.reload() {
            Ok(false) => {}
            Ok(true) => tracing::info!("the TLS certificate was replaced and is in use"),
            Err(error) => tracing::error!("the old TLS certificate stays in use: {error}"),
        }
    }
}

/// Tells the handlers who calls.
async fn mark(ConnectInfo(peer): ConnectInfo<Peer>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer.0));
    next.run(request).await
}

/// Tells them that nobody on the way reads along.
async fn mark_tls(mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(north::Transport::Tls);
    next.run(request).await
}

/// A port whose request lines may be written as people type them.
struct Mended<L>(L);

#[derive(Clone, Copy)]
struct Peer(SocketAddr);

impl<L: Listener<Addr = SocketAddr>> Listener for Mended<L> {
    type Io = Lenient<L::Io>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let (stream, peer) = self.0.accept().await;
        (Lenient::new(stream), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl<L: Listener<Addr = SocketAddr>> Connected<IncomingStream<'_, Mended<L>>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Mended<L>>) -> Self {
        Self(*stream.remote_addr())
    }
}

struct TlsPort(Port);

impl Listener for TlsPort {
    type Io = tls_server::Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.0.accept().await
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The certificate of the configuration, or one that was made at the first start.
///
/// # Errors
/// When it cannot be read or made.
pub fn certificate(settings: &Settings, data: &Path) -> anyhow::Result<Arc<Certificate>> {
    if let (Some(certificate), Some(key)) = (&settings.tls.certificate, &settings.tls.key) {
        return Ok(Certificate::open(certificate, key)?);
    }
    let (certificate, key) = (data.join("tls.crt"), data.join("tls.key"));
    if !certificate.exists() {
        tls_server::self_signed(own_names(settings), &certificate, &key)?;
        tracing::info!(
            "made a self-signed certificate, {}; browsers ask once whether to trust it",
            certificate.display()
        );
    }
    Ok(Certificate::open(&certificate, &key)?)
}

fn own_names(settings: &Settings) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(settings.host_names.iter().cloned());
    let listening = [Some(settings.listen), settings.tls.listen];
    let listening = listening.into_iter().flatten().map(|address| address.ip());
    let own = listening.filter(|ip| !ip.is_unspecified()).chain(own_address());
    names.extend(own.map(|ip| ip.to_string()));
    names.sort();
    names.dedup();
    names
}

/// The address by which this machine reaches others. Connecting a datagram socket sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified())
}

/// Waits for Ctrl-C or SIGTERM, which mean the same.
pub async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())
        .context("cannot listen for SIGTERM")?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.context("cannot listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
