//! A certificate authority of our own, for names that no public one would sign for us.
//!
//! Clients with a fixed host reach us when the name leads here and the certificate for
//! it comes from somebody they trust. [`Authority`] is that somebody: two files, of which `ca.pem` goes to the
//! clients and `ca.key` to nobody. What it may sign is written into its certificate, so that a stolen key cannot
//! speak for the rest of the world.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, date_time_ymd,
};

use crate::tls_server::{TlsError, write};

const DAY: Duration = Duration::from_secs(86_400);
/// Trusting it costs people work on every client, so it lasts.
const AUTHORITY_LASTS: Duration = Duration::from_secs(20 * 365 * 86_400);
/// Some clients refuse certificates that are valid for longer.
const CERTIFICATE_LASTS: Duration = Duration::from_secs(397 * 86_400);
/// A certificate of that age is made anew.
const RENEW_AFTER: Duration = Duration::from_secs(300 * 86_400);
/// Clocks of clients may be late.
const EARLIER: Duration = DAY;

/// What may stand in a certificate besides the names that were asked for when the authority was made.
const NAMES: [&str; 5] = ["localhost", "local", "lan", "internal", "home.arpa"];
/// Addresses: loopback and networks that are nobody's in the world.
const NETWORKS: [([u8; 4], u8); 5] = [
    ([127, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([169, 254, 0, 0], 16),
];
const NETWORKS_V6: [(u16, u8); 2] = [(0xFC00, 7), (0xFE80, 10)];

/// Signs certificates for this server.
pub struct Authority {
    certificate: PathBuf,
    key: KeyPair,
    /// Names it may sign for, with everything below them, and addresses beyond [`NETWORKS`].
    permitted: Vec<String>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Authority")
            .field("certificate", &self.certificate)
            .field("permitted", &self.permitted)
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Whether there is one in a directory.
    #[must_use]
    pub fn is_in(directory: &Path) -> bool {
        directory.join("ca.pem").exists() && directory.join("ca.key").exists()
    }

    /// The authority of a directory: `ca.pem`, `ca.key` (mode 0600) and `ca.names`. It is made when it is not
    /// there; `names` are then those it may sign for besides the usual ones.
    ///
    /// # Errors
    /// When a file cannot be read or written, or a name does not do.
    pub fn open_or_make(directory: &Path, names: &[String], now: SystemTime) -> Result<Self, TlsError> {
        let [certificate, key, permitted] = ["ca.pem", "ca.key", "ca.names"].map(|name| directory.join(name));
        let read = |path: &Path| {
            fs::read_to_string(path).map_err(|error| TlsError::File {
                operation: "read",
                path: path.to_owned(),
                cause: error.to_string(),
            })
        };
        if Self::is_in(directory) {
            return Ok(Self {
                key: KeyPair::from_pem(&read(&key)?).map_err(|error| unfit(&certificate, &key, &error))?,
                permitted: read(&permitted)?.lines().map(str::to_owned).collect(),
                certificate,
            });
        }
        let mut allowed: Vec<String> = NAMES.iter().map(|name| (*name).to_owned()).collect();
        allowed.extend(names.iter().cloned());
        let pair = KeyPair::generate().map_err(|error| unfit(&certificate, &key, &error))?;
        let made = authority(&allowed, now)
            .self_signed(&pair)
            .map_err(|error| unfit(&certificate, &key, &error))?;
        // The certificate last: where it is, the others are.
        write(&key, &pair.serialize_pem(), 0o600)?;
        write(&permitted, &allowed.join("\n"), 0o644)?;
        write(&certificate, &made.pem(), 0o644)?;
        Ok(Self {
            certificate,
            key: pair,
            permitted: allowed,
        })
    }

    /// What clients are told to trust.
    #[must_use]
    pub fn certificate_file(&self) -> &Path {
        &self.certificate
    }

    /// Makes a key and a certificate for those of the names that it may sign for, and answers the others.
    ///
    /// # Errors
    /// When a name does not do, or a file cannot be written.
    pub fn issue(
        &self,
        names: Vec<String>,
        now: SystemTime,
        certificate: &Path,
        key: &Path,
    ) -> Result<Vec<String>, TlsError> {
        let (names, others): (Vec<String>, Vec<String>) =
            names.into_iter().partition(|name| self.may_sign(name));
        let cannot = |error: rcgen::Error| unfit(certificate, key, &error);
        let mut params = CertificateParams::new(names).map_err(cannot)?;
        last(&mut params, now, CERTIFICATE_LASTS);
        params.distinguished_name = called("Ohmstead");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pair = KeyPair::generate().map_err(cannot)?;
        let issuer = Issuer::new(authority(&self.permitted, now), &self.key);
        let made = params.signed_by(&pair, &issuer).map_err(cannot)?;
        write(key, &pair.serialize_pem(), 0o600)?;
        write(certificate, &made.pem(), 0o644)?;
        Ok(others)
    }

    fn may_sign(&self, name: &str) -> bool {
        match name.parse::<IpAddr>() {
            Ok(_) if self.permitted.iter().any(|permitted| permitted == name) => true,
            Ok(IpAddr::V4(address)) => NETWORKS.iter().any(|(network, bits)| {
                let mask = u32::MAX << (32 - u32::from(*bits));
                address.to_bits() & mask == u32::from_be_bytes(*network)
            }),
            Ok(IpAddr::V6(address)) => {
                address.is_loopback()
                    || NETWORKS_V6.iter().any(|(network, bits)| {
                        let mask = u16::MAX << (16 - u16::from(*bits));
                        address.segments()[0] & mask == *network
                    })
            }
            Err(_) => self.permitted.iter().any(|permitted| {
                let above = name.strip_suffix(permitted.as_str());
                above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
            }),
        }
    }
}

/// Whether a certificate is so old, by its file, that a new one should be made.
#[must_use]
pub fn is_due(certificate: &Path, now: SystemTime) -> bool {
    let made = fs::metadata(certificate).and_then(|found| found.modified());
    made.map_or(true, |made| {
        now.duration_since(made).is_ok_and(|age| age > RENEW_AFTER)
    })
}

/// The same parameters make the same issuer: what is signed later names the certificate that was made at first.
fn authority(permitted: &[String], now: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    last(&mut params, now, AUTHORITY_LASTS);
    params.distinguished_name = called("Ohmstead local authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let names = permitted.iter().map(|name| match name.parse::<IpAddr>() {
        Ok(address) => {
            let bits = if address.is_ipv4() { 32 } else { 128 };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, bits))
        }
        Err(_) => GeneralSubtree::DnsName(name.clone()),
    });
    let networks = NETWORKS
        .iter()
        .map(|(network, bits)| CidrSubnet::from_v4_prefix(*network, *bits));
    let networks_v6 = NETWORKS_V6.iter().map(|(first, bits)| {
        let mut network = [0; 16];
        network[..2].copy_from_slice(&first.to_be_bytes());
        CidrSubnet::from_v6_prefix(network, *bits)
    });
    let mut loopback = [0; 16];
    loopback[15] = 1;
    let networks = networks
        .chain(networks_v6)
        .chain([CidrSubnet::from_v6_prefix(loopback, 128)]);
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: names.chain(networks.map(GeneralSubtree::IpAddress)).collect(),
        excluded_subtrees: Vec::new(),
    });
    params
}

fn called(name: &str) -> DistinguishedName {
    let mut called = DistinguishedName::new();
    called.push(DnType::CommonName, name);
    called
}

fn last(params: &mut CertificateParams, from: SystemTime, lasts: Duration) {
    let from = from.duration_since(UNIX_EPOCH).unwrap_or_default();
    params.not_before = date_time_ymd(1970, 1, 1) + from.saturating_sub(EARLIER);
    params.not_after = params.not_before + EARLIER + lasts;
}

fn unfit(certificate: &Path, key: &Path, error: &rcgen::Error) -> TlsError {
    TlsError::Unfit {
        certificate: certificate.to_owned(),
        key: key.to_owned(),
        cause: error.to_string(),
    }
}
