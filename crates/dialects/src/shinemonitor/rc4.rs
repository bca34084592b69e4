//! Passwords as parameters: RC4 over the hexadecimal text of a SHA-1, keyed with another such text.

use std::fmt;

use super::sign;

/// The SHA-1 of a password, 40 lower-case hexadecimal digits. As good as the password itself: never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    #[must_use]
    pub fn of_password(password: &str) -> Self {
        Self(sign::hex_text(&sign::digest(&[password.as_bytes()])))
    }

    /// For whoever seals it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn from_text(text: Vec<u8>) -> Option<Self> {
        let is_hex = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let fits = text.len() == 40 && text.iter().all(is_hex);
        fits.then(|| Self(text.into_iter().map(char::from).collect()))
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(…)")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    #[error("expected 80 hexadecimal digits")]
    Form,
    #[error("encoded with another key")]
    Key,
}

/// # Errors
/// When the text is not 80 hexadecimal digits, or the key is not the one it was encoded with.
pub fn decode(key: &str, sent: &str) -> Result<PasswordHash, Undecodable> {
    if sent.len() != 80 {
        return Err(Undecodable::Form);
    }
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let bytes = sent.as_bytes().chunks_exact(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    let bytes: Vec<u8> = bytes.collect::<Option<_>>().ok_or(Undecodable::Form)?;
    PasswordHash::from_text(apply(key.as_bytes(), &bytes)).ok_or(Undecodable::Key)
}

/// What a client sends.
#[must_use]
pub fn encode(key: &str, password: &PasswordHash) -> String {
    let bytes = apply(key.as_bytes(), password.0.as_bytes());
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// RC4 is its own reverse.
fn apply(key: &[u8], data: &[u8]) -> Vec<u8> {
    let mut state: [u8; 256] = std::array::from_fn(|at| u8::try_from(at).unwrap_or(0));
    let mut j = 0_u8;
    for (i, key) in (0..256_usize).zip(key.iter().cycle()) {
        j = j.wrapping_add(state[i]).wrapping_add(*key);
        state.swap(i, usize::from(j));
    }
    let (mut i, mut j) = (0_u8, 0_u8);
    let mut step = || {
        i = i.wrapping_add(1);
        j = j.wrapping_add(state[usize::from(i)]);
        state.swap(usize::from(i), usize::from(j));
        state[usize::from(state[usize::from(i)].wrapping_add(state[usize::from(j)]))]
    };
    data.iter().map(|byte| byte ^ step()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "ffa1655ee3726840822063a02ac5017795809b18";

    #[test]
    fn the_printed_forms_decode() {
        let new = PasswordHash::of_password("123456");
        assert_eq!(new.expose(), "7c4a8d09ca3762af61e59520943dc26494f8941b");
        for (key, sent) in [
            (
                PasswordHash::of_password("test").0,
                "0f190442736593b6cbaba23e599c6d6f838e42cdfdace002a2f4d94baff5d82439a3f5c39d75eba2",
            ),
            (
                PasswordHash::of_password("W0011223344556").0,
                "673fd90073fce474a2a31718afa9f15ed008f82d5dad475fe01e9d0c6d2b342aca40e6a2f4b4f785",
            ),
            (
                SECRET.to_owned(),
                "dec776ab263e0679a9992f3f0d2af58f22ea064cd155c4d3a2bf9eb7a30e927c1ed66acec0327e73",
            ),
        ] {
            assert_eq!(decode(&key, sent), Ok(new.clone()));
            assert_eq!(decode(&key, &sent.to_uppercase()), Ok(new.clone()));
            assert_eq!(encode(&key, &new), sent);
            assert_eq!(decode("another key", sent), Err(Undecodable::Key));
        }
    }

    #[test]
    fn other_forms_are_told_apart() {
        let plain = PasswordHash::of_password("a").0;
        for bad in ["", "12", &plain, &"g".repeat(80), &"é".repeat(40)] {
            assert_eq!(decode(SECRET, bad), Err(Undecodable::Form), "{bad}");
        }
        assert_eq!(format!("{:?}", PasswordHash(plain)), "PasswordHash(…)");
        assert_eq!(apply(b"", b"ab"), apply(b"", b"ab"));
    }
}
