//! TLS towards others: one set-up, the system's own list of authorities.

use std::sync::Arc;

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

fn config(roots: RootCertStore) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::Other(format!("cannot set up TLS: {error}")))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}
