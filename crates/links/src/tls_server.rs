//! TLS in front of a port of ours: certificates from PEM files, read anew when they change, and an acceptor
//! that lets nobody wait for somebody else's handshake.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Whoever has not shaken hands by then is cut off.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Handshakes at a time. When there are more, the eldest is cut off: those that do nothing must not keep others
/// out.
const HANDSHAKES: usize = 64;
/// When the system has no file handle left, accepting again at once would only burn the processor.
const PAUSE_AFTER_ERROR: Duration = Duration::from_millis(100);

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("cannot {operation} {path}: {cause}")]
    File {
        operation: &'static str,
        path: PathBuf,
        cause: String,
    },
    #[error("certificate {certificate} and key {key} cannot be used: {cause}")]
    Unfit {
        certificate: PathBuf,
        key: PathBuf,
        cause: String,
    },
}

/// A certificate with its key, from two PEM files that may be replaced while it is in use.
#[derive(Debug)]
pub struct Certificate {
    certificate: PathBuf,
    key: PathBuf,
    held: Mutex<Held>,
}

#[derive(Debug)]
struct Held {
    config: Arc<ServerConfig>,
    /// What the files looked like when they were last read, whatever came of it.
    seen: Seen,
}

type Seen = [Option<(SystemTime, u64)>; 2];

impl Certificate {
    /// # Errors
    /// When a file cannot be read, or the key is not that of the certificate.
    pub fn open(certificate: &Path, key: &Path) -> Result<Arc<Self>, TlsError> {
        let seen = look(certificate, key);
        let config = read(certificate, key)?;
        Ok(Arc::new(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            held: Mutex::new(Held { config, seen }),
        }))
    }

    /// Reads the files anew if they have changed; says whether new ones are in use. Connections that stand
    /// keep what they began with.
    ///
    /// # Errors
    /// When the new files cannot be used, once for each change; the old certificate stays in use.
    pub fn reload(&self) -> Result<bool, TlsError> {
        let seen = look(&self.certificate, &self.key);
        if self.held().seen == seen {
            return Ok(false);
        }
        self.held().seen = seen;
        let config = read(&self.certificate, &self.key)?;
        self.held().config = config;
        Ok(true)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(certificate: &Path, key: &Path) -> Seen {
    [certificate, key].map(|path| {
        let found = fs::metadata(path).ok()?;
        Some((found.modified().ok()?, found.len()))
    })
}

fn read(certificate: &Path, key: &Path) -> Result<Arc<ServerConfig>, TlsError> {
    let unread = |path: &Path, cause: &dyn std::fmt::Display| TlsError::File {
        operation: "read",
        path: path.to_owned(),
        cause: cause.to_string(),
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| unread(certificate, &error))?;
    if chain.is_empty() {
        return Err(unread(certificate, &"there is no certificate in it"));
    }
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| unread(key, &error))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    let mut config = config.map_err(|error| TlsError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        cause: error.to_string(),
    })?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// Makes a key and a certificate for these names and addresses, signed by itself. The key file is private.
///
/// # Errors
/// When a name does not do, or a file cannot be written.
pub fn self_signed(names: Vec<String>, certificate: &Path, key: &Path) -> Result<(), TlsError> {
    let made = rcgen::generate_simple_self_signed(names).map_err(|error| TlsError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        cause: error.to_string(),
    })?;
    // The key first: a certificate that is there has its key.
    write(key, &made.signing_key.serialize_pem(), 0o600)?;
    write(certificate, &made.cert.pem(), 0o644)
}

pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let draft = path.with_extension("new");
    // One that a crash left behind may be open to others.
    let cleared = match fs::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    };
    let written = cleared
        .and_then(|()| {
            let mut options = fs::OpenOptions::new();
            options.write(true).create_new(true).mode(mode).open(&draft)
        })
        .and_then(|mut file| {
            file.write_all(text.as_bytes())?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&draft, path));
    written.map_err(|error| TlsError::File {
        operation: "write",
        path: path.to_owned(),
        cause: error.to_string(),
    })
}

/// When the first certificate of a PEM file ends, as `2027-01-31T23:59:59Z`.
///
/// # Errors
/// When there is none, or it makes no sense.
pub fn ends(certificate: &Path) -> Result<String, TlsError> {
    let unread = |cause: String| TlsError::File {
        operation: "read",
        path: certificate.to_owned(),
        cause,
    };
    let first = CertificateDer::from_pem_file(certificate).map_err(|error| unread(error.to_string()))?;
    not_after(&first).ok_or_else(|| unread("the certificate in it makes no sense".to_owned()))
}

/// Walks to the validity of an X.509 certificate (RFC 5280, section 4.1).
fn not_after(certificate: &[u8]) -> Option<String> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xa0;
    const UTC_TIME: u8 = 0x17;
    let (tag, certificate, _) = element(certificate)?;
    let (_, to_be_signed, _) = element(certificate).filter(|_| tag == SEQUENCE)?;
    let (tag, _, after_version) = element(to_be_signed)?;
    let rest = if tag == VERSION {
        after_version
    } else {
        to_be_signed
    };
    // The serial number, the algorithm and the issuer stand before it.
    let (_, _, rest) = element(rest)?;
    let (_, _, rest) = element(rest)?;
    let (_, _, rest) = element(rest)?;
    let (tag, validity, _) = element(rest)?;
    let (_, _, after) = element(validity).filter(|_| tag == SEQUENCE)?;
    let (tag, time, _) = element(after)?;
    let text = std::str::from_utf8(time).ok()?;
    // Two digits of a year are those of 1950 to 2049.
    let text = match (tag, text.get(..2)?.parse::<u32>().ok()?) {
        (UTC_TIME, 50..) => format!("19{text}"),
        (UTC_TIME, _) => format!("20{text}"),
        (_, _) => text.to_owned(),
    };
    let part =
        |range: std::ops::Range<usize>| text.get(range).filter(|p| p.bytes().all(|b| b.is_ascii_digit()));
    let (year, month, day) = (part(0..4)?, part(4..6)?, part(6..8)?);
    let (hour, minute, second) = (part(8..10)?, part(10..12)?, part(12..14)?);
    Some(format!("{year}-{month}-{day}T{hour}:{minute}:{second}Z"))
}

/// The tag and the content of the first element of DER, and what follows it.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f).min(8))?;
        let length = bytes.iter().try_fold(0_usize, |length, byte| {
            length.checked_mul(256)?.checked_add(usize::from(*byte))
        })?;
        (length, rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

/// A connection over TLS.
pub type Stream = TlsStream<TcpStream>;

/// A port whose connections have shaken hands.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
    certificate: Arc<Certificate>,
    handshakes: JoinSet<Option<(Stream, SocketAddr)>>,
    /// The same in order of age, ended ones among them.
    by_age: VecDeque<AbortHandle>,
}

impl Port {
    #[must_use]
    pub fn new(listener: TcpListener, certificate: Arc<Certificate>) -> Self {
        Self {
            listener,
            certificate,
            handshakes: JoinSet::new(),
            by_age: VecDeque::new(),
        }
    }

    /// # Errors
    /// When the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// The next connection whose handshake is done. Those that fail are dropped.
    pub async fn accept(&mut self) -> (Stream, SocketAddr) {
        loop {
            tokio::select! {
                Some(done) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = done {
                        return connection;
                    }
                }
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, peer)) => self.shake_hands(stream, peer),
                    Err(error) => {
                        tracing::warn!("cannot accept a connection: {error}");
                        tokio::time::sleep(PAUSE_AFTER_ERROR).await;
                    }
                },
            }
        }
    }

    fn shake_hands(&mut self, stream: TcpStream, peer: SocketAddr) {
        self.by_age.retain(|handshake| !handshake.is_finished());
        if self.by_age.len() >= HANDSHAKES
            && let Some(eldest) = self.by_age.pop_front()
        {
            eldest.abort();
        }
        let acceptor = TlsAcceptor::from(self.certificate.held().config.clone());
        let handshake = self.handshakes.spawn(async move {
            match timeout(HANDSHAKE_WITHIN, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => Some((stream, peer)),
                Ok(Err(error)) => {
                    tracing::debug!(%peer, "a TLS handshake failed: {error}");
                    None
                }
                Err(_) => None,
            }
        });
        self.by_age.push_back(handshake);
    }
}
