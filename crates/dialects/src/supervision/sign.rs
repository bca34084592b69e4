//! Signatures: an HMAC over two or three lines of headers, as they were sent.
//!
//! Nothing of method, path, query or body is signed, and the same key and text go in both directions. Whoever
//! calls an operator therefore never sends a token that the platform hands out, and never the two lines of a
//! log-in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use model::oversight::Digest;
use model::secret::Secret;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;

use super::definition::{Definition, HeaderNames, built_in};

/// What is signed. Without a token it is a log-in.
#[must_use]
pub fn string_to_sign(datetime: &str, operator: &str, token: Option<&str>) -> String {
    lines(&built_in().headers, datetime, operator, token)
}

/// The same by the labels of a definition.
pub(super) fn lines(names: &HeaderNames, datetime: &str, operator: &str, token: Option<&str>) -> String {
    let mut text = format!(
        "{}: {datetime}\n{}: {operator}",
        names.datetime.label, names.operator.label
    );
    if let Some(token) = token {
        text.push('\n');
        text.push_str(&names.token.label);
        text.push_str(": ");
        text.push_str(token);
    }
    text
}

/// Base64 of the standard alphabet with padding.
#[must_use]
pub fn signature(digest: Digest, secret: &Secret, text: &str) -> String {
    let key = secret.expose().as_bytes();
    let text = text.as_bytes();
    match digest {
        Digest::Sha256 => code::<Hmac<Sha256>>(key, text),
        Digest::Sha512 => code::<Hmac<Sha512>>(key, text),
        Digest::Sha1 => code::<Hmac<Sha1>>(key, text),
    }
}

fn code<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> String {
    // A key of any length is taken.
    let Ok(mut mac) = <M as KeyInit>::new_from_slice(key) else {
        return String::new();
    };
    mac.update(text);
    STANDARD.encode(mac.finalize().into_bytes())
}

/// Whether a signature is that of the text. What is wrong takes as long for every secret.
#[must_use]
pub fn holds(digest: Digest, secret: &Secret, text: &str, sent: &str) -> bool {
    let right = signature(digest, secret, text);
    !right.is_empty() && bool::from(right.as_bytes().ct_eq(sent.as_bytes()))
}

/// Whether two secrets are the same, in constant time.
pub(super) fn is_same(own: &str, sent: &str) -> bool {
    bool::from(own.as_bytes().ct_eq(sent.as_bytes()))
}

/// The headers of a call to an operator or a platform.
#[must_use]
pub(super) fn headers(
    definition: &Definition,
    (digest, secret): (Digest, &Secret),
    datetime: &str,
    operator: &str,
    token: Option<&str>,
) -> Vec<(String, String)> {
    let names = &definition.headers;
    let text = lines(names, datetime, operator, token);
    let mut headers = vec![
        (names.datetime.name.clone(), datetime.to_owned()),
        (names.operator.name.clone(), operator.to_owned()),
    ];
    if let Some(token) = token {
        headers.push((names.token.name.clone(), token.to_owned()));
    }
    headers.push((names.signature.name.clone(), signature(digest, secret, &text)));
    headers
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOGIN: &str = "datetime: 2022-02-28 13:45:04\noperatorid: thisisanoperatorid";
    const CALL: &str = "datetime: 2022-02-28 13:45:04\noperatorid: thisisanoperatorid\ntoken: thisisantoken";
    const SECRET: &str = "ohmstead-test-secret";
    const DATETIME: &str = "2022-02-28 13:45:04";
    const OPERATOR: &str = "thisisanoperatorid";

    #[test]
    fn lines_are_joined_as_the_page_prints_them() {
        assert_eq!(string_to_sign(DATETIME, OPERATOR, None), LOGIN);
        assert_eq!(string_to_sign(DATETIME, OPERATOR, Some("thisisantoken")), CALL);
    }

    #[test]
    fn signatures_are_those_of_other_programs() {
        for (secret, text, digest, expected) in [
            (SECRET, LOGIN, Digest::Sha256, "rhfwcmgcAqsjjsq1Xxvm78E8QYkggLw4VygrMJLaCHY="),
            (SECRET, CALL, Digest::Sha256, "/w75wYF+St1LoZ1XQoVgx8F4XwE0DW05bapInSHkjTc="),
            (SECRET, LOGIN, Digest::Sha1, "oJPvu9Z8CTUo+3uBjMlYIuLCBIk="),
            (SECRET, CALL, Digest::Sha1, "HqPHEb428pcaRgL7BpE6Px0NJVM="),
            (
                SECRET,
                CALL,
                Digest::Sha512,
                "RtpJ6nAfF0wNREQCh5JbwUx8Ht1fQGfx4EKnrfqVYlxtHH6S5qE/DC4CvdY6Yg6zHDI2VaTsZyfpoXVu4fcC9w==",
            ),
            ("密钥", CALL, Digest::Sha256, "RvuvwJxueOv3yRJBCK+mPoxeUFcBfz5OHK2uUb9yKbo="),
        ] {
            let secret = Secret::new(secret);
            assert_eq!(signature(digest, &secret, text), expected, "{digest:?}");
            assert!(holds(digest, &secret, text, expected), "{digest:?}");
        }
    }

    #[test]
    fn mistakes_of_clients_do_not_hold() {
        let secret = Secret::new(SECRET);
        for (mistake, signed, sent) in [
            (
                "CRLF between lines",
                CALL.replace('\n', "\r\n"),
                "rwZbXs6A6nDXqADUk9t9dhAmBADRxgla59Ppu49dz+A=",
            ),
            (
                "LF after the last line",
                format!("{CALL}\n"),
                "wrFsU/Wladn4V0sgwS0/3jD8SizVkifhpoRX3obAUBY=",
            ),
            (
                "no space after the colons",
                CALL.replace(": ", ":"),
                "vqvQ7wJAj7JtW6cIwRhkbb5cezOABL/VpI8x2i9Uw/Y=",
            ),
            (
                "labels as the headers are called",
                CALL.replace("datetime", "Datetime")
                    .replace("operatorid:", "OperatorId:")
                    .replace("token:", "Token:"),
                "ei+3fcsAPg87bUT2jWIvInrqd7iWeg23HKk0rKDOBJY=",
            ),
        ] {
            assert_eq!(signature(Digest::Sha256, &secret, &signed), sent, "{mistake}");
            assert!(!holds(Digest::Sha256, &secret, CALL, sent), "{mistake}");
        }
        let right = signature(Digest::Sha256, &secret, CALL);
        let url_safe = right.replace('/', "_").replace('+', "-");
        let unpadded = right.trim_end_matches('=').to_owned();
        let of_login = signature(Digest::Sha256, &secret, LOGIN);
        let other_hash = signature(Digest::Sha1, &secret, CALL);
        for wrong in [
            right.to_lowercase(),
            url_safe,
            unpadded,
            of_login,
            other_hash,
            String::new(),
            format!("{right} "),
        ] {
            assert!(!holds(Digest::Sha256, &secret, CALL, &wrong), "{wrong}");
        }
    }

    #[test]
    fn a_call_carries_what_it_signed() {
        let sent = headers(
            built_in(),
            (Digest::Sha256, &Secret::new(SECRET)),
            DATETIME,
            OPERATOR,
            Some("thisisantoken"),
        );
        let sent: Vec<_> = sent.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(
            sent,
            [
                ("Datetime", DATETIME),
                ("OperatorId", OPERATOR),
                ("Token", "thisisantoken"),
                ("Signature", "/w75wYF+St1LoZ1XQoVgx8F4XwE0DW05bapInSHkjTc="),
            ]
        );
    }
}
