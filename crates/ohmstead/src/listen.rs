//! Ports and signals.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{self, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use axum::serve::{IncomingStream, Listener};
use dialects::clouds;
use links::authority::{self, Authority};
use links::lenient_target::Lenient;
use links::places::{Placed, Places};
use links::tls_server::{self, Certificate, Port};
use model::settings::Settings;
use model::time::Clock;
use north::{Connection, Front, Transport};
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use crate::clock::RealClock;
use crate::config;

/// How long open connections may take to end.
const GRACE: Duration = Duration::from_secs(2);
/// After that long without a byte in either direction a connection ends. Event streams send one every 15 s.
const SILENCE: Duration = Duration::from_secs(300);
/// How often the files of the certificate are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
const BETWEEN_RENEWALS: Duration = Duration::from_secs(3_600);

/// Opens the port.
///
/// # Errors
/// Says which address, why, and what to do.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| {
        format!("cannot listen on {address}; stop the program that uses it, or choose another address with --listen")
    })
}

/// Room for the connections of all HTTP ports together.
pub fn places() -> Places {
    Places::of_this_process(SILENCE)
}

/// Answers requests until `stop`, then lets open ones end.
pub async fn serve(
    listener: TcpListener,
    front: Front,
    places: Places,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mouth = Mouth {
        port: listener,
        places,
    };
    let server = axum::serve(mouth, Fronts(front, Transport::Plain))
        .with_graceful_shutdown(stop.clone().cancelled_owned());
    until(server.into_future(), stop).await
}

/// The same over TLS. The certificate is read anew when its files change.
pub async fn serve_tls(
    listener: TcpListener,
    certificate: Arc<Certificate>,
    front: Front,
    places: Places,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let port = Port::new(listener, certificate.clone());
    let mouth = Mouth { port, places };
    let server = axum::serve(mouth, Fronts(front, Transport::Tls))
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

/// Tells each connection whom it answers, and whether anybody on the way reads along.
struct Fronts(Front, Transport);

impl<P> Service<IncomingStream<'_, Mouth<P>>> for Fronts
where
    Mouth<P>: Listener<Addr = SocketAddr>,
{
    type Response = Connection;
    type Error = Infallible;
    type Future = Ready<Result<Connection, Infallible>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, stream: IncomingStream<'_, Mouth<P>>) -> Self::Future {
        let Self(front, transport) = self;
        ready(Ok(front.to(*stream.remote_addr(), *transport)))
    }
}

/// A port with a bound on its connections, whose request lines may be written as people type them.
struct Mouth<P> {
    port: P,
    places: Places,
}

impl Listener for Mouth<TcpListener> {
    type Io = Lenient<Placed<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let place = self.places.take().await;
        let (stream, peer) = Listener::accept(&mut self.port).await;
        (Lenient::new(place.hold(stream)), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.port.local_addr()
    }
}

impl Listener for Mouth<Port> {
    type Io = Lenient<Placed<tls_server::Stream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        let place = self.places.take().await;
        let (stream, peer) = self.port.accept().await;
        (Lenient::new(place.hold(stream)), peer)
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.port.local_addr()
    }
}

/// The certificate of the configuration; else one that our own authority signs, where `ohmstead tls init` has
/// made one; else one that was made at the first start.
///
/// # Errors
/// When it cannot be read or made.
pub fn certificate(settings: &Settings, data: &Path) -> anyhow::Result<Arc<Certificate>> {
    if let (Some(certificate), Some(key)) = (&settings.tls.certificate, &settings.tls.key) {
        return Ok(Certificate::open(certificate, key)?);
    }
    let (certificate, key) = files(data);
    if Authority::is_in(data) {
        renew(settings, data, now())?;
    } else if !certificate.exists() {
        tls_server::self_signed(own_names(Some(settings)), &certificate, &key)?;
        tracing::info!(
            "made a self-signed certificate, {}; browsers ask once whether to trust it",
            certificate.display()
        );
    }
    Ok(Certificate::open(&certificate, &key)?)
}

/// The time on the wall, as certificates want it.
#[must_use]
pub fn now() -> SystemTime {
    let wall = RealClock::start().now().wall.0;
    UNIX_EPOCH + Duration::from_millis(u64::try_from(wall).unwrap_or(0))
}

fn files(data: &Path) -> (PathBuf, PathBuf) {
    (data.join("tls.crt"), data.join("tls.key"))
}

/// Lets our own authority sign a new certificate in good time before the old one ends.
///
/// # Errors
/// When the authority cannot be read, or the certificate cannot be made.
pub fn renew(settings: &Settings, data: &Path, now: SystemTime) -> anyhow::Result<()> {
    if Authority::is_in(data) && authority::is_due(&files(data).0, now) {
        issue(data, &own_names(Some(settings)), now)?;
        tracing::info!("our own authority signed a new TLS certificate");
    }
    Ok(())
}

/// Looks every hour whether the certificate of our own authority is due, for as long as the program runs.
pub async fn keep_valid(settings: Arc<Settings>, data: PathBuf) {
    loop {
        tokio::time::sleep(BETWEEN_RENEWALS).await;
        if let Err(error) = renew(&settings, &data, now()) {
            tracing::error!(error = format!("{error:#}"), "cannot make a new TLS certificate");
        }
    }
}

/// A new certificate for the vendors' clouds and our own names, by an authority that is made when there is none.
///
/// # Errors
/// When a file cannot be read or written, or a name does not do.
pub fn issue(data: &Path, own: &[String], now: SystemTime) -> anyhow::Result<Authority> {
    let with_own = |names: &mut dyn Iterator<Item = &str>| {
        names
            .map(str::to_owned)
            .chain(own.iter().cloned())
            .collect::<Vec<_>>()
    };
    let authority = Authority::open_or_make(data, &with_own(&mut clouds::domains()), now)?;
    let (certificate, key) = files(data);
    let names = with_own(&mut clouds::certificate());
    for name in authority.issue(names, now, &certificate, &key)? {
        tracing::warn!(
            "{name} is not in the certificate: the authority was made before that name was known; remove {} and \
             make a new one with `ohmstead tls init`",
            authority.certificate_file().display()
        );
    }
    Ok(authority)
}

/// Under which names and addresses this machine may be called.
#[must_use]
pub fn own_names(settings: Option<&Settings>) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(
        settings
            .into_iter()
            .flat_map(|settings| settings.host_names.iter().cloned()),
    );
    let listening = settings.map_or([None, None], |settings| {
        [Some(settings.listen), settings.tls.listen]
    });
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

/// From the call on, Ctrl-C and SIGTERM, which mean the same, no longer end the program at once: they end what
/// is given back. To be called before anybody is told that the program has begun.
pub fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
