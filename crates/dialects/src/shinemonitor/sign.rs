//! Signatures: SHA-1 over the raw query as it was sent.
//!
//! What is signed is the text from the first `&action=` to the end, without the pairs that JSONP adds. Nothing
//! of it is decoded or sorted. Clients whose HTTP library sends another spelling than they signed are met with
//! a few further readings, but only where no two requests could share a signed text.

use std::borrow::Cow;

use sha1::{Digest, Sha1};
use subtle::ConstantTimeEq;

use crate::query::decode_bytes;

/// A digest in lower-case hexadecimal digits.
pub type Hex = [u8; 40];

/// Salts are used as they are; shorter ones are refused, longer ones are no salts of any client.
pub const SALT_LENGTHS: std::ops::RangeInclusive<usize> = 8..=128;

/// A query taken apart where the signed text begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split<'q> {
    /// These three count only in front of the signed text; the first of each.
    pub sign: &'q str,
    pub salt: &'q str,
    pub token: &'q str,
    /// The signed text: it begins with `&action=`.
    pub tail: Cow<'q, str>,
}

/// `None`: there is no `&action=`.
#[must_use]
pub fn split(query: &str) -> Option<Split<'_>> {
    let (head, tail) = query.split_at_checked(query.find("&action=")?)?;
    let find = |name| {
        raw_pairs(head)
            .find(|pair| pair.0 == name)
            .map_or("", |pair| pair.1)
    };
    Some(Split {
        sign: find("sign"),
        salt: find("salt"),
        token: find("token"),
        tail: without_jsonp(tail),
    })
}

/// The name that JSONP asks for, wherever it stands.
#[must_use]
pub fn callback(query: &str) -> Option<&str> {
    raw_pairs(query)
        .find(|pair| pair.0 == "callback")
        .map(|pair| pair.1)
}

fn raw_pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn is_of_jsonp(pair: &str) -> bool {
    matches!(pair.split('=').next(), Some("callback" | "_"))
}

/// Most clients add nothing, and jQuery adds its pairs at the end: nothing is copied then.
fn without_jsonp(tail: &str) -> Cow<'_, str> {
    let mut kept = tail;
    while let Some((front, last)) = kept.rsplit_once('&') {
        if !is_of_jsonp(last) {
            break;
        }
        kept = front;
    }
    if !kept.split('&').any(is_of_jsonp) {
        return Cow::Borrowed(kept);
    }
    let pairs = kept.split('&').filter(|pair| !is_of_jsonp(pair));
    Cow::Owned(pairs.collect::<Vec<_>>().join("&"))
}

/// SHA-1 over the parts, one behind the other.
#[must_use]
pub fn digest(parts: &[&[u8]]) -> Hex {
    let mut hash = Sha1::new();
    for part in parts {
        hash.update(part);
    }
    hex(hash)
}

fn hex(hash: Sha1) -> Hex {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = [0; 40];
    for (pair, byte) in out.chunks_exact_mut(2).zip(hash.finalize()) {
        if let [high, low] = pair {
            *high = DIGITS[usize::from(byte >> 4)];
            *low = DIGITS[usize::from(byte & 15)];
        }
    }
    out
}

/// A digest as text, for what keeps or shows it.
#[must_use]
pub fn hex_text(hex: &Hex) -> String {
    hex.iter().copied().map(char::from).collect()
}

/// Whether `sign` is that of salt, what both sides know, and the signed text in one of its readings. Each is
/// compared in constant time; a wrong signature costs the same for every secret.
#[must_use]
pub fn fits(sign: &str, salt: &str, known: &[&str], tail: &str) -> bool {
    let mut front = Sha1::new();
    front.update(salt);
    for part in known {
        front.update(part);
    }
    let equals = |text: &[u8]| {
        let mut hash = front.clone();
        hash.update(text);
        bool::from(hex(hash).ct_eq(sign.as_bytes()))
    };
    if equals(tail.as_bytes()) {
        return true;
    }
    if !is_unambiguous(tail) {
        return false;
    }
    let mut text = Vec::with_capacity(tail.len());
    Reading::ALL.iter().any(|reading| {
        text.clear();
        reading.write(tail, &mut text);
        equals(&text)
    })
}

/// Whether no name and no value decodes to text that could be taken for another request.
fn is_unambiguous(tail: &str) -> bool {
    let parts = tail.split('&').flat_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        [name, value]
    });
    let mut parts = parts.map(|part| decode_bytes(part, b'+'));
    parts.all(|part| !part.iter().any(|byte| b"&=#%\r\n\0".contains(byte)))
}

/// What a client may have signed while its library sent something else.
enum Reading {
    Decoded {
        plus: u8,
    },
    /// Decoded and encoded again: everything but letters, digits, `-._~` and these is escaped.
    Encoded {
        literal: &'static [u8],
        space: &'static str,
    },
}

impl Reading {
    const ALL: [Self; 7] = [
        Self::Decoded { plus: b'+' },
        Self::Decoded { plus: b' ' },
        Self::encoded(b"", "%20"),
        Self::encoded(b"", "+"),
        Self::encoded(b"@", "%20"),
        Self::encoded(b"@", "+"),
        Self::encoded(b",:", "%20"),
    ];

    const fn encoded(literal: &'static [u8], space: &'static str) -> Self {
        Self::Encoded { literal, space }
    }

    fn write(&self, tail: &str, out: &mut Vec<u8>) {
        match self {
            Self::Decoded { plus } => out.extend(decode_bytes(tail, *plus)),
            Self::Encoded { literal, space } => {
                for (nth, pair) in tail.split('&').enumerate() {
                    if nth > 0 {
                        out.push(b'&');
                    }
                    for (nth, part) in pair.splitn(2, '=').enumerate() {
                        if nth > 0 {
                            out.push(b'=');
                        }
                        encode(&decode_bytes(part, b' '), literal, space, out);
                    }
                }
            }
        }
    }
}

fn encode(bytes: &[u8], literal: &[u8], space: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || literal.contains(byte) {
            out.push(*byte);
        } else if *byte == b' ' {
            out.extend(space.as_bytes());
        } else {
            out.extend([
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]);
        }
    }
}

/// What may have been signed at login: the whole text, or that up to the company key. The vendor's own page
/// prints a signature of the latter beside a longer query.
pub fn login_tails(tail: &str) -> impl Iterator<Item = &str> {
    let mut end = 0;
    let key = tail.split_inclusive('&').find_map(|piece| {
        end += piece.len();
        let pair = piece.strip_suffix('&').unwrap_or(piece);
        let cut = end - (piece.len() - pair.len());
        pair.starts_with("company-key=").then_some(cut)
    });
    let short = key.and_then(|cut| tail.get(..cut)).filter(|short| *short != tail);
    std::iter::once(tail).chain(short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signed_text_is_cut_out_of_the_raw_query() {
        let check = |query: &str, expected: Option<(&str, &str, &str, &str)>| {
            let split = split(query);
            let found = split.as_ref().map(|s| (s.sign, s.salt, s.token, s.tail.as_ref()));
            assert_eq!(found, expected, "{query}");
        };
        check("", None);
        check("action=auth&usr=a", None);
        check("sign=1&%61ction=auth", None);
        check(
            "sign=1&salt=2&action=auth&usr=a",
            Some(("1", "2", "", "&action=auth&usr=a")),
        );
        // In any order, the first of each, and not behind the action.
        check(
            "token=t&salt=2&sign=1&sign=9&x=y&action=a&sign=3&salt=4&token=5",
            Some(("1", "2", "t", "&action=a&sign=3&salt=4&token=5")),
        );
        // What stands first is looked at, however often the word comes.
        check(
            "sign=1&action=a&action=b",
            Some(("1", "", "", "&action=a&action=b")),
        );
        // Cut as raw text by the name as it is written.
        check(
            "sign=1&action=a&x=%2C&callback=f&_=17",
            Some(("1", "", "", "&action=a&x=%2C")),
        );
        check(
            "sign=1&action=a&_=17&x=+&callback=f&y",
            Some(("1", "", "", "&action=a&x=+&y")),
        );
        check(
            "&action=a&_app_id_=_&%5F=1",
            Some(("", "", "", "&action=a&_app_id_=_&%5F=1")),
        );
        check("&action=a&_", Some(("", "", "", "&action=a")));
    }

    #[test]
    fn a_login_may_be_signed_up_to_its_company_key() {
        let tails = |tail| login_tails(tail).map(str::to_owned).collect::<Vec<_>>();
        let short = "&action=auth&usr=a&company-key=K";
        assert_eq!(tails(short), [short]);
        let long = format!("{short}&source=1&company-key=L");
        assert_eq!(tails(&long), [long.as_str(), short]);
        assert_eq!(tails("&action=auth"), ["&action=auth"]);
    }
}
