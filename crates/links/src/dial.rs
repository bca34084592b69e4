//! Connections to a host by name, in clear or over TLS, past the guard if there is one.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::outbound_guard::{Guard, Resolver};
use crate::tls;

/// By which way a host is reached.
#[derive(Clone, Debug)]
pub struct Way {
    /// `None`: the address is the administrator's own, and may be anywhere.
    pub guard: Option<Arc<Guard>>,
    pub resolver: Arc<dyn Resolver>,
    tls: Arc<rustls::ClientConfig>,
}

impl Way {
    /// Over TLS a certificate must be good in the eyes of the system's own list.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(guard: Option<Arc<Guard>>, resolver: Arc<dyn Resolver>) -> Result<Self, Failure> {
        Ok(Self {
            guard,
            resolver,
            tls: Arc::new(tls::system()?),
        })
    }

    /// The same, as far as a guard lets.
    #[must_use]
    pub fn guarded(&self, guard: Arc<Guard>) -> Self {
        Self {
            guard: Some(guard),
            ..self.clone()
        }
    }

    /// Over TLS only certificates of this authority (PEM) are good.
    ///
    /// # Errors
    /// When there is no certificate in it.
    pub fn trusting(
        guard: Option<Arc<Guard>>,
        resolver: Arc<dyn Resolver>,
        authority: &str,
    ) -> Result<Self, Failure> {
        Ok(Self {
            guard,
            resolver,
            tls: Arc::new(tls::only(authority)?),
        })
    }
}

/// Both directions of a connection.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

pub(crate) type Stream = Box<dyn Duplex>;

/// Connects to the first address of the host that takes it.
pub(crate) async fn dial(
    host: &str,
    port: u16,
    tls: bool,
    way: &Way,
    connect_timeout: Duration,
) -> Result<Stream, Failure> {
    let stream = connect(host, port, way, connect_timeout).await?;
    if !tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Failure::Other(format!("`{host}` is no name for a certificate")))?;
    let connector = tokio_rustls::TlsConnector::from(Arc::clone(&way.tls));
    Ok(Box::new(connector.connect(name, stream).await?))
}

/// A bare connection to the first address of the host that takes it.
///
/// # Errors
/// When the name has no address, the guard lets none pass, or none takes it in time.
pub async fn connect(
    host: &str,
    port: u16,
    way: &Way,
    connect_timeout: Duration,
) -> Result<TcpStream, Failure> {
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => way.resolver.resolve(host).await?,
    };
    let mut last = Failure::Other(format!("the name `{host}` has no address"));
    for address in addresses {
        if let Some(guard) = &way.guard
            && let Err(denied) = guard.check_address(host, address)
        {
            last = denied.into();
            continue;
        }
        match timeout(connect_timeout, TcpStream::connect((address, port))).await {
            Ok(Ok(stream)) => {
                // Messages are small and whole.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => last = error.into(),
            Err(_) => last = Failure::timed_out(connect_timeout),
        }
    }
    Err(last)
}
