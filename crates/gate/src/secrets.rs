//! Secrets: made, digested, sealed. What a protocol needs in clear is stored sealed with the installation
//! key, bound to its kind and name so that sealed bytes cannot be moved to another place.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, KeyInit as HmacKey, Mac};
use model::secret::Secret;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::denied::GateError;

/// SHA-256 of a random token; what is kept of it.
pub type TokenDigest = [u8; 32];

pub fn random<const N: usize>() -> Result<[u8; N], GateError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(GateError::Random)?;
    Ok(bytes)
}

/// 256 random bits as 43 characters that need no escaping in a URL, a header or a cookie.
pub fn random_token() -> Result<String, GateError> {
    random_text::<32>()
}

/// Random bytes as four characters for three of them.
pub fn random_text<const BYTES: usize>() -> Result<String, GateError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<BYTES>()?))
}

/// Random bytes as two lower-case hexadecimal digits each.
pub fn random_hex<const BYTES: usize>() -> Result<String, GateError> {
    let bytes = random::<BYTES>()?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Compares what may be tried against what is kept, in a time that does not depend on either.
pub fn is_same(one: &Secret, other: &Secret) -> bool {
    digest(one.expose()).ct_eq(&digest(other.expose())).into()
}

/// 120 random bits as a password to be read aloud and typed: six groups of four letters and digits that
/// look like no others.
pub fn random_password() -> Result<String, GateError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let bytes = random::<24>()?;
    let letter = |byte: &u8| char::from(LETTERS[usize::from(byte % 32)]);
    let groups: Vec<String> = bytes
        .chunks(4)
        .map(|group| group.iter().map(letter).collect())
        .collect();
    Ok(groups.join("-"))
}

pub fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token.as_bytes()).into()
}

/// The name under which a digest is stored.
pub fn digest_name(digest: &TokenDigest) -> String {
    URL_SAFE_NO_PAD.encode(digest)
}

pub fn digest_of_name(name: &str) -> Option<TokenDigest> {
    URL_SAFE_NO_PAD.decode(name).ok()?.try_into().ok()
}

/// Seals secrets of one installation. Never stored in the database: a copy of the database alone opens none.
pub struct InstallationKey {
    cipher: XChaCha20Poly1305,
    /// For [`Self::keyed_digest`]; its own, so that one key has one use.
    lookup: [u8; KEY_BYTES],
}

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 24;
/// First byte of everything sealed, for a later change of cipher.
const SEAL_VERSION: u8 = 1;

impl InstallationKey {
    /// Reads the key file, or makes one (mode 0600) when there is none.
    ///
    /// # Errors
    /// When the file cannot be read or made, or is no key.
    pub fn open(path: &Path) -> Result<Self, GateError> {
        let failed = |operation, cause: &dyn fmt::Display| GateError::Key {
            operation,
            path: path.display().to_string(),
            cause: cause.to_string(),
        };
        match std::fs::File::open(path) {
            Ok(mut file) => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes)
                    .map_err(|error| failed("read", &error))?;
                let bytes: [u8; KEY_BYTES] = bytes.try_into().map_err(|bytes: Vec<u8>| {
                    failed(
                        "use",
                        &format!(
                            "expected {KEY_BYTES} bytes, found {}; restore it from a backup",
                            bytes.len()
                        ),
                    )
                })?;
                Ok(Self::from_bytes(bytes))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let bytes = random::<KEY_BYTES>()?;
                write_private(path, &bytes).map_err(|error| failed("write", &error))?;
                Ok(Self::from_bytes(bytes))
            }
            Err(error) => Err(failed("read", &error)),
        }
    }

    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self {
            cipher: XChaCha20Poly1305::new(&Key::from(bytes)),
            lookup: keyed(&bytes, b"ohmstead lookup 1"),
        }
    }

    /// What a secret with few possibilities (a PIN) is compared by: without the key nobody can try them all.
    pub(crate) fn keyed_digest(&self, kind: &str, parts: &[&str]) -> TokenDigest {
        let mut text = kind.as_bytes().to_vec();
        for part in parts {
            text.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            text.extend_from_slice(part.as_bytes());
        }
        keyed(&self.lookup, &text)
    }

    pub(crate) fn seal(&self, kind: &str, name: &str, clear: &[u8]) -> Result<Vec<u8>, GateError> {
        let nonce = random::<NONCE_BYTES>()?;
        let place = place(kind, name);
        let sealed = self.cipher.encrypt(
            &XNonce::from(nonce),
            Payload {
                msg: clear,
                aad: place.as_bytes(),
            },
        );
        let sealed = sealed.map_err(|_| unopened(kind, name))?;
        Ok([&[SEAL_VERSION], &nonce[..], &sealed].concat())
    }

    pub(crate) fn unseal(&self, kind: &str, name: &str, sealed: &[u8]) -> Result<Vec<u8>, GateError> {
        let (head, rest) = sealed
            .split_at_checked(1 + NONCE_BYTES)
            .ok_or_else(|| unopened(kind, name))?;
        let nonce = <[u8; NONCE_BYTES]>::try_from(&head[1..]).map_err(|_| unopened(kind, name))?;
        if head[0] != SEAL_VERSION {
            return Err(unopened(kind, name));
        }
        let place = place(kind, name);
        let clear = self.cipher.decrypt(
            &XNonce::from(nonce),
            Payload {
                msg: rest,
                aad: place.as_bytes(),
            },
        );
        clear.map_err(|_| unopened(kind, name))
    }
}

fn keyed(key: &[u8; KEY_BYTES], text: &[u8]) -> [u8; 32] {
    // HMAC fills a key up to the length of a block with zeros; done here, it cannot fail.
    let mut block = [0; 64];
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = <Hmac<Sha256> as HmacKey>::new(&block.into());
    mac.update(text);
    mac.finalize().into_bytes().into()
}

impl fmt::Debug for InstallationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationKey(…)")
    }
}

fn place(kind: &str, name: &str) -> String {
    format!("{kind}\0{name}")
}

fn unopened(kind: &str, name: &str) -> GateError {
    GateError::Sealed {
        kind: kind.to_owned(),
        name: name.to_owned(),
    }
}

/// Writes beside the file and links it into place: a crash leaves a whole key or none, and a key that
/// somebody else made meanwhile is not overwritten.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let draft = path.with_extension("new");
    // One that a crash left behind may be open to others.
    match std::fs::remove_file(&draft) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::hard_link(&draft, path)?;
    std::fs::remove_file(&draft)?;
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => std::fs::File::open(directory)?.sync_all(),
        Some(_) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_key_file_is_made_once_and_private() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        // What a crash left behind, open to others.
        std::fs::write(directory.path().join("key.new"), b"x").unwrap();
        let sealed = InstallationKey::open(&path)
            .unwrap()
            .seal("goe", "left", b"token")
            .unwrap();
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        let again = InstallationKey::open(&path).unwrap();
        assert_eq!(again.unseal("goe", "left", &sealed).unwrap(), b"token");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

        std::fs::write(&path, b"short").unwrap();
        let error = InstallationKey::open(&path).unwrap_err().to_string();
        assert!(error.contains("expected 32 bytes, found 5"), "{error}");
    }

    #[test]
    fn sealed_bytes_open_only_where_they_belong() {
        let key = InstallationKey::from_bytes([1; 32]);
        let sealed = key.seal("goe", "left", b"token").unwrap();
        assert!(!sealed.windows(5).any(|window| window == b"token"));
        assert_ne!(sealed, key.seal("goe", "left", b"token").unwrap());
        assert_eq!(key.unseal("goe", "left", &sealed).unwrap(), b"token");
        assert!(key.unseal("goe", "right", &sealed).is_err());
        assert!(key.unseal("cfos", "left", &sealed).is_err());
        assert!(
            InstallationKey::from_bytes([2; 32])
                .unseal("goe", "left", &sealed)
                .is_err()
        );
        for broken in 0..sealed.len() {
            let mut bytes = sealed.clone();
            bytes[broken] ^= 1;
            assert!(key.unseal("goe", "left", &bytes).is_err(), "byte {broken}");
            assert!(
                key.unseal("goe", "left", &sealed[..broken]).is_err(),
                "length {broken}"
            );
        }
    }

    #[test]
    fn debug_hides() {
        let shown = format!("{:?}", InstallationKey::from_bytes([7; 32]));
        assert_eq!(shown, "InstallationKey(…)");
    }
}
