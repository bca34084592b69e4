//! TLS towards others: one set-up, the system's own list of authorities.

use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::failure::Failure;

/// A set-up that trusts whom the system trusts. Without such a list no certificate is good enough, and each
/// connection says so.
pub(crate) fn system() -> Result<ClientConfig, Failure> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    let (good, _) = roots.add_parsable_certificates(found.certs);
    if good == 0 {
        tracing::warn!("the system has no list of certificate authorities; https cannot be dialled");
    }
    config(roots)
}

/// A set-up that trusts nobody, for clients that speak plain HTTP only.
pub(crate) fn nobody() -> Result<ClientConfig, Failure> {
    config(RootCertStore::empty())
}

/// A set-up that trusts one authority, given as PEM.
pub(crate) fn only(authority: &str) -> Result<ClientConfig, Failure> {
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_slice_iter(authority.as_bytes()).flatten();
    let (good, _) = roots.add_parsable_certificates(found);
    if good == 0 {
        return Err(Failure::Other(
            "there is no certificate of an authority in it".to_owned(),
        ));
    }
    config(roots)
}

fn config(roots: RootCertStore) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Other(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
