//! How a password becomes a key, and what the key proves.
//!
//! A charger never sees the password again: both sides derive a key from it and the serial number, and answer
//! each other's tokens with it. Source: reference 6.2 and 6.3; the vectors in `testdata/goe/ws-auth-vectors.json`
//! were computed from these rules by other programs, not captured.

use std::fmt;

use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD, STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256, Sha512};

const PBKDF2_ROUNDS: u32 = 100_000;
const BCRYPT_COST: u32 = 8;
/// What older chargers use of the derived bytes, as text.
const PBKDF2_KEY_CHARS: usize = 32;

/// Which function makes the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HashKind {
    /// Also when a charger does not say.
    Pbkdf2,
    /// CORE and PRO.
    Bcrypt,
}

impl HashKind {
    /// As `authRequired` says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pbkdf2 => "pbkdf2",
            Self::Bcrypt => "bcrypt",
        }
    }

    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Pbkdf2, Self::Bcrypt]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// What both sides make of password and serial number. As good as the password: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordKey(String);

impl fmt::Debug for PasswordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordKey(…)")
    }
}

impl PasswordKey {
    /// Takes tens of milliseconds on purpose: an asynchronous caller does it aside, and once.
    #[must_use]
    pub fn new(kind: HashKind, password: &str, serial: &str) -> Self {
        Self(match kind {
            HashKind::Pbkdf2 => {
                let mut derived = [0; PBKDF2_KEY_CHARS / 4 * 3];
                pbkdf2::pbkdf2_hmac::<Sha512>(
                    password.as_bytes(),
                    serial.as_bytes(),
                    PBKDF2_ROUNDS,
                    &mut derived,
                );
                STANDARD.encode(derived)
            }
            HashKind::Bcrypt => {
                // As text, because the function ends its input at the first zero byte.
                let mut input = hex(&Sha256::digest(password.as_bytes())).into_bytes();
                input.push(0);
                let output = bcrypt::bcrypt(BCRYPT_COST, salt(serial), &input);
                // One byte less than there is, as every bcrypt.
                GeneralPurpose::new(&BCRYPT, NO_PAD).encode(&output[..23])
            }
        })
    }

    /// What `auth` says to the tokens of `authRequired` and a token of the client's own.
    #[must_use]
    pub fn answer(&self, token1: &str, token2: &str, token3: &str) -> String {
        let inner = sha256_of(&[token1, &self.0]);
        sha256_of(&[token3, token2, &inner])
    }

    /// The signature of the inner text of a secured message, byte for byte.
    #[must_use]
    pub fn sign(&self, data: &str) -> String {
        self.mac(data)
            .map(|mac| hex(&mac.finalize().into_bytes()))
            .unwrap_or_default()
    }

    /// Whether `signature` is this key's of exactly these bytes.
    #[must_use]
    pub fn has_signed(&self, data: &str, signature: &str) -> bool {
        match (self.mac(data), from_hex(signature)) {
            (Some(mac), Some(signature)) => mac.verify_slice(&signature).is_ok(),
            _ => false,
        }
    }

    /// There is always one: the function takes keys of any length.
    fn mac(&self, data: &str) -> Option<Hmac<Sha256>> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()).ok()?;
        mac.update(data.as_bytes());
        Some(mac)
    }
}

/// The decimal digits of the serial number, one a byte, behind zeros.
fn salt(serial: &str) -> [u8; 16] {
    let mut salt = [0; 16];
    let digits = serial.bytes().rev().filter(u8::is_ascii_digit);
    for (place, digit) in salt.iter_mut().rev().zip(digits) {
        *place = digit - b'0';
    }
    salt
}

fn sha256_of(parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part.as_bytes());
    }
    hex(&hash.finalize())
}

/// Lower case.
pub(in crate::goe) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let byte = |&[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    rest.is_empty().then(|| pairs.iter().map(byte).collect())?
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../testdata/goe/ws-auth-vectors.json")).unwrap()
    }

    fn text<'a>(vectors: &'a Value, path: &str) -> &'a str {
        vectors.pointer(path).and_then(Value::as_str).unwrap()
    }

    #[test]
    fn keys_and_answers_are_those_of_the_vectors() {
        let v = vectors();
        for kind in [HashKind::Pbkdf2, HashKind::Bcrypt] {
            let key = PasswordKey::new(kind, text(&v, "/password"), text(&v, "/serial"));
            let name = kind.name();
            assert_eq!(key.0, text(&v, &format!("/{name}/pwhash")), "{name}");
            let answer = key.answer(text(&v, "/token1"), text(&v, "/token2"), text(&v, "/token3"));
            assert_eq!(answer, text(&v, &format!("/{name}/hash")), "{name}");
            assert_eq!(HashKind::from_name(name), Some(kind));
        }
        assert_eq!(HashKind::from_name("md5"), None);
    }

    #[test]
    fn a_signature_holds_for_exactly_these_bytes() {
        let v = vectors();
        let key = PasswordKey::new(HashKind::Pbkdf2, text(&v, "/password"), text(&v, "/serial"));
        let (data, hmac) = (
            text(&v, "/securedMsg_with_pbkdf2/data"),
            text(&v, "/securedMsg_with_pbkdf2/hmac"),
        );
        assert_eq!(key.sign(data), hmac);
        assert!(key.has_signed(data, hmac));
        assert!(key.has_signed(data, &hmac.to_uppercase()));
        for (data, hmac) in [
            (&*data.replace(": ", ":"), hmac),
            (data, &hmac[1..]),
            (data, &hmac[2..]),
            (data, ""),
            (data, "zz"),
            (data, "ää"),
        ] {
            assert!(!key.has_signed(data, hmac), "{hmac}");
        }
    }

    #[test]
    fn digits_stand_at_the_end_of_the_salt() {
        let v = vectors();
        let encoded = GeneralPurpose::new(&BCRYPT, NO_PAD).encode(salt("000001"));
        assert_eq!(format!("$2a$08${encoded}"), text(&v, "/bcrypt/salt"));
        assert_eq!(salt("123456")[9..], [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(salt("12345678901234567")[..2], [2, 3]);
        assert_eq!(salt("x"), [0; 16]);
    }

    #[test]
    fn a_key_is_never_shown() {
        assert_eq!(
            format!("{:?}", PasswordKey("secret".to_owned())),
            "PasswordKey(…)"
        );
    }
}
