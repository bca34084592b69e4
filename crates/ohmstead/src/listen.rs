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
use axum::serve::IncomingStream;
use links::tls_server::{self, Certificate, Port};
use model::settings::Settings;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::config;

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
    let server = axum::serve(
        listener,
        router.into_make_service_with_connect_info::<SocketAddr>(),
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
    let router = router.layer(from_fn(mark));
    let server = axum::serve(port, router.into_make_service_with_connect_info::<TlsPeer>())
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
        look_again(certificate);
    }
}

fn look_again(certificate: &Certificate) {
    match certificate.reload() {
        Ok(false) => {}
        Ok(true) => tracing::info!("the TLS certificate was replaced and is in use"),
        Err(error) => tracing::error!("the old TLS certificate stays in use: {error}"),
    }
}

/// Tells the handlers who calls, and that nobody on the way reads along.
async fn mark(ConnectInfo(peer): ConnectInfo<TlsPeer>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(ConnectInfo(peer.0));
    request.extensions_mut().insert(north::Transport::Tls);
    next.run(request).await
}

struct TlsPort(Port);

#[derive(Clone, Copy)]
struct TlsPeer(SocketAddr);

impl axum::serve::Listener for TlsPort {
    type Io = tls_server::Stream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        self.0.accept().await
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, TlsPort>> for TlsPeer {
    fn connect_info(stream: IncomingStream<'_, TlsPort>) -> Self {
        Self(*stream.remote_addr())
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

/// From now on SIGHUP ends nothing.
pub fn hangups() -> anyhow::Result<Signal> {
    signal(SignalKind::hangup()).context("cannot listen for SIGHUP")
}

/// At each SIGHUP takes a new certificate into use at once and checks the config file, which is taken into use
/// by a restart only: so a mistake in it shows before.
pub async fn reload(mut hangups: Signal, file: &Path, certificate: Option<Arc<Certificate>>) {
    while hangups.recv().await.is_some() {
        if let Some(certificate) = &certificate {
            look_again(certificate);
        }
        match config::load(file) {
            Ok(_) => tracing::info!(
                "{} is right; what has changed in it is in use after a restart",
                file.display()
            ),
            Err(error) => tracing::error!("do not restart before this is mended: {error}"),
        }
    }
}

/// Waits for Ctrl-C or SIGTERM, which mean the same.
pub async fn stop_signal() -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.context("cannot listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
