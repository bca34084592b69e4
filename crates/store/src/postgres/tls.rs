//! TLS to the server, by the words that users of libpq know.
//!
//! | `sslmode` | encrypted | certificate |
//! |---|---|---|
//! | `disable` | no | - |
//! | `prefer` (when nothing is said) | if the server can | not checked |
//! | `require` | yes | not checked without `sslrootcert`, else as `verify-ca` |
//! | `verify-ca` | yes | issued by an authority of `sslrootcert` |
//! | `verify-full` | yes | the same, and for the name of the host |
//!
//! `sslrootcert` is a PEM file, or `system` for the authorities of the machine, which are taken too when nothing
//! is said. The file is read at each connection, so it may be replaced while the program runs.

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Socket;
use tokio_postgres::config::SslMode;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

const MODES: &str = "disable, prefer, require, verify-ca or verify-full";
/// What the driver says of a server that has no TLS; it gives no type to tell it by.
const NO_TLS: &str = "server does not support TLS";

/// How much is checked of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Check {
    Nothing,
    Authority,
    AuthorityAndName,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Roots {
    System,
    File(PathBuf),
}

/// What an address says of TLS.
#[derive(Clone, Debug)]
pub struct Tls {
    pub mode: SslMode,
    check: Check,
    roots: Roots,
}

impl Tls {
    /// Takes what is said of TLS out of an address, and gives back the rest of it.
    ///
    /// # Errors
    /// Says what is wrong with `sslmode`; the address is not repeated.
    pub fn split(url: &str) -> Result<(String, Self), String> {
        // A password may have a question mark in it.
        let host = url.find('@').unwrap_or(0);
        let query = url[host..].find('?').map(|at| host + at);
        let (base, query) = query.map_or((url, ""), |at| (&url[..at], &url[at + 1..]));
        let (mut mode, mut roots, mut others) = (None, None, Vec::new());
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            match parameter.split_once('=') {
                Some(("sslmode", value)) => mode = Some(decoded(value)),
                Some(("sslrootcert", value)) => roots = Some(decoded(value)),
                Some(_) | None => others.push(parameter),
            }
        }
        let has_roots = roots.is_some();
        let (mode, check) = match mode.as_deref() {
            Some("disable") => (SslMode::Disable, Check::Nothing),
            None | Some("prefer") => (SslMode::Prefer, Check::Nothing),
            Some("require") if !has_roots => (SslMode::Require, Check::Nothing),
            Some("require" | "verify-ca") => (SslMode::Require, Check::Authority),
            Some("verify-full") => (SslMode::Require, Check::AuthorityAndName),
            Some(_) => return Err(format!("sslmode is unknown, expected {MODES}")),
        };
        let roots = match roots.as_deref() {
            None | Some("system") => Roots::System,
            Some(file) => Roots::File(file.into()),
        };
        let mut rest = base.to_owned();
        if !others.is_empty() {
            rest = format!("{base}?{}", others.join("&"));
        }
        Ok((rest, Self { mode, check, roots }))
    }

    /// # Errors
    /// When the authorities cannot be read, with what to do.
    pub fn connector(&self) -> Result<Connector, String> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = Verifier {
            provider: Arc::clone(&provider),
            authorities: match self.check {
                Check::Nothing => None,
                Check::Authority | Check::AuthorityAndName => {
                    let roots = Arc::new(self.roots.read()?);
                    let verifier =
                        WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
                    Some(verifier.map_err(|error| format!("{}: {error}", self.roots.name()))?)
                }
            },
            check: self.check,
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Connector(Arc::new(config)))
    }

    /// Why TLS did not come about and what to do, if that is what an error of the driver means.
    pub fn explain(&self, error: &tokio_postgres::Error) -> Option<String> {
        let source = std::error::Error::source(error)?;
        if source.to_string() == NO_TLS {
            return Some(
                "it offers no TLS; set `ssl = on` and a certificate in postgresql.conf, or sslmode=prefer in `store`"
                    .to_owned(),
            );
        }
        let inner = source.downcast_ref::<io::Error>()?.get_ref()?;
        let error = inner.downcast_ref::<rustls::Error>()?;
        let rustls::Error::InvalidCertificate(why) = error else {
            return Some(format!("TLS failed: {error}"));
        };
        // A wrong authority that has the name of the right one shows in the signature only.
        let is_of_another = matches!(
            why,
            CertificateError::UnknownIssuer | CertificateError::BadSignature
        );
        let has_another_name = matches!(
            why,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        );
        let has_ended = matches!(
            why,
            CertificateError::Expired | CertificateError::ExpiredContext { .. }
        );
        Some(if is_of_another {
            format!(
                "its certificate was not issued by {}; set sslrootcert in `store` to the file with the authority \
                 that issued it",
                self.roots.name()
            )
        } else if has_another_name {
            "its certificate is for another name; write the host in `store` as the certificate does, or \
             check the authority alone with sslmode=verify-ca"
                .to_owned()
        } else if has_ended {
            "its certificate has expired; renew it on the server, and check the clock here".to_owned()
        } else {
            format!("TLS failed: {error}")
        })
    }
}

impl Roots {
    fn name(&self) -> String {
        match self {
            Self::System => "an authority that this machine knows".to_owned(),
            Self::File(path) => format!("the authority in {}", path.display()),
        }
    }

    fn read(&self) -> Result<RootCertStore, String> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::System => {
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
                if roots.is_empty() {
                    return Err(
                        "this machine knows no certificate authority; install ca-certificates, or set sslrootcert \
                         in `store`"
                            .to_owned(),
                    );
                }
            }
            Self::File(path) => {
                let odd = |cause: &dyn std::fmt::Display| {
                    format!(
                        "cannot read sslrootcert {}: {cause}; expected a PEM file with the certificate of the authority",
                        path.display()
                    )
                };
                let found = CertificateDer::pem_file_iter(path)
                    .and_then(Iterator::collect::<Result<Vec<_>, _>>)
                    .map_err(|error| odd(&error))?;
                for certificate in found {
                    roots.add(certificate).map_err(|error| odd(&error))?;
                }
                if roots.is_empty() {
                    return Err(odd(&"there is no certificate in it"));
                }
            }
        }
        Ok(roots)
    }
}

/// A value of an address without its `%` escapes.
fn decoded(value: &str) -> String {
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match rest {
            [b'%', high, low, ..] => std::str::from_utf8(&[*high, *low])
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 16).ok()),
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { &rest[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Checks as much of a certificate as was asked for; that the server holds its key is always checked.
#[derive(Debug)]
struct Verifier {
    provider: Arc<CryptoProvider>,
    authorities: Option<Arc<WebPkiServerVerifier>>,
    check: Check,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let Some(authorities) = &self.authorities else {
            return Ok(ServerCertVerified::assertion());
        };
        let checked =
            authorities.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now);
        match checked {
            // The name is checked last.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if self.check == Check::Authority => Ok(ServerCertVerified::assertion()),
            outcome => outcome,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// Shakes hands for the driver.
#[derive(Clone)]
pub struct Connector(Arc<ClientConfig>);

/// The same for one host.
pub struct ToHost {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl MakeTlsConnect<Socket> for Connector {
    type Stream = Stream;
    type TlsConnect = ToHost;
    type Error = rustls::pki_types::InvalidDnsNameError;

    fn make_tls_connect(&mut self, domain: &str) -> Result<ToHost, Self::Error> {
        Ok(ToHost {
            config: Arc::clone(&self.0),
            name: ServerName::try_from(domain.to_owned())?,
        })
    }
}

impl TlsConnect<Socket> for ToHost {
    type Stream = Stream;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Stream>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        let connector = tokio_rustls::TlsConnector::from(self.config);
        Box::pin(async move { connector.connect(self.name, socket).await.map(Stream) })
    }
}

/// A connection to the server over TLS.
pub struct Stream(tokio_rustls::client::TlsStream<Socket>);

impl TlsStream for Stream {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_is_encrypted_and_checked() {
        let base = "postgres://me:a?b@host/db";
        let (disable, prefer, require) = (SslMode::Disable, SslMode::Prefer, SslMode::Require);
        for (query, rest, mode, check, roots) in [
            ("", "", prefer, Check::Nothing, Roots::System),
            ("?sslmode=disable", "", disable, Check::Nothing, Roots::System),
            ("?sslmode=prefer", "", prefer, Check::Nothing, Roots::System),
            (
                "?sslmode=require&a=b",
                "?a=b",
                require,
                Check::Nothing,
                Roots::System,
            ),
            (
                "?sslmode=require&sslrootcert=/a%20b.crt",
                "",
                require,
                Check::Authority,
                Roots::File("/a b.crt".into()),
            ),
            ("?sslmode=verify-ca", "", require, Check::Authority, Roots::System),
            (
                "?a=b&sslrootcert=system&sslmode=verify-full&c=d",
                "?a=b&c=d",
                require,
                Check::AuthorityAndName,
                Roots::System,
            ),
        ] {
            let (left, tls) = Tls::split(&format!("{base}{query}")).unwrap();
            assert_eq!(left, format!("{base}{rest}"), "{query}");
            assert_eq!((tls.mode, tls.check, tls.roots), (mode, check, roots), "{query}");
        }
        let error = Tls::split(&format!("{base}?sslmode=verify_full")).unwrap_err();
        assert!(error.contains("verify-full"), "{error}");
    }
}
