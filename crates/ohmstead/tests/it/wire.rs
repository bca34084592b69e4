//! Requests as they are written, byte by byte, and what comes back: no client library is in between.

use std::io::{Read, Write};

use serde_json::Value;

pub const IP: &str = "127.0.0.1";

/// What came over the wire, taken apart.
pub struct Answer {
    pub status: u16,
    /// Without the date.
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn of(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("no answer: {text:?}"));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        let lines = head
            .lines()
            .filter(|line| !line.to_ascii_lowercase().starts_with("date:"));
        Self {
            status: status.unwrap_or_else(|| panic!("no status: {head}")),
            head: lines.collect::<Vec<_>>().join("\n").to_ascii_lowercase(),
            body: body.to_owned(),
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

/// A request as it is written, to its end.
pub fn request(target: &[u8], host: &str, more: &str) -> Vec<u8> {
    let mut bytes = b"GET ".to_vec();
    bytes.extend_from_slice(target);
    bytes.extend_from_slice(
        format!(" HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{more}\r\n").as_bytes(),
    );
    bytes
}

/// Says something and hears all that is answered; an answer may come before all was said.
pub fn talk(mut stream: impl Read + Write, bytes: &[u8]) -> Vec<u8> {
    let _ = stream.write_all(bytes);
    let _ = stream.flush();
    let mut heard = Vec::new();
    let mut piece = [0; 16_384];
    while let Ok(count) = stream.read(&mut piece) {
        if count == 0 {
            break;
        }
        heard.extend_from_slice(&piece[..count]);
    }
    heard
}
